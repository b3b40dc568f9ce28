use crate::{IkeSaId, crypto::CryptoProvider};
use ids::{IkeSpi, Spi};
use std::collections::{HashMap, HashSet};

/// The SPIs that we have given out: which IKE SA an IKE SPI belongs to, and the ESP SPIs in use, so
/// that none is given out twice at a time.
#[derive(Default)]
pub(crate) struct Spis {
    ike: HashMap<IkeSpi, IkeSaId>,
    esp: HashSet<Spi>,
}

impl Spis {
    /// A fresh random SPI for `id`; never zero.
    pub(crate) fn draw_ike(&mut self, id: IkeSaId, crypto: &dyn CryptoProvider) -> IkeSpi {
        loop {
            let mut octets = [0; 8];
            crypto.random(&mut octets);
            let spi = IkeSpi(u64::from_be_bytes(octets));
            if spi.0 != 0 && !self.ike.contains_key(&spi) {
                self.ike.insert(spi, id);
                return spi;
            }
        }
    }

    /// A fresh SPI for ESP of `id`, random but for its low octet, which is `id`'s: whoever shares ESP out
    /// by that octet keeps all CHILD SAs of an IKE SA in one place, rekeyed ones included. Never one of
    /// the reserved 0 to 255 (RFC 4303 §2.1).
    pub(crate) fn draw_esp(&mut self, id: IkeSaId, crypto: &dyn CryptoProvider) -> Spi {
        loop {
            let mut octets = [0; 4];
            crypto.random(&mut octets);
            octets[3] = id.0 as u8;
            let spi = Spi(u32::from_be_bytes(octets));
            if spi.0 > 255 && self.esp.insert(spi) {
                return spi;
            }
        }
    }

    /// Whose SPI it is.
    pub(crate) fn find(&self, spi: IkeSpi) -> Option<IkeSaId> {
        self.ike.get(&spi).copied()
    }

    pub(crate) fn release_ike(&mut self, spi: IkeSpi) {
        self.ike.remove(&spi);
    }

    pub(crate) fn release_esp(&mut self, spi: Spi) {
        self.esp.remove(&spi);
    }

    /// IKE and ESP SPIs in use.
    pub(crate) fn in_use(&self) -> (usize, usize) {
        (self.ike.len(), self.esp.len())
    }
}
