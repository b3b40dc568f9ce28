use crate::{
    Inner, Keys, Outside, Replay, ReplayWindow, Selectors, Suite, WindowSize, protocol,
    transform::{HEADER_LEN, Header, ICV_LEN, Opener, Sealer},
};
use ids::Spi;
use std::sync::Arc;

/// What an SA has carried: packets, and octets of inner packets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Packets.
    pub packets: u64,
    /// Octets of inner packets, headers included.
    pub octets: u64,
}

impl Usage {
    fn add(&mut self, octets: usize) {
        self.packets += 1;
        self.octets = self.octets.saturating_add(octets as u64);
    }
}

/// Why a packet that came in goes no further. All are silent; [`Self::label`] names the counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Dropped {
    /// Shorter than an ESP header, or for another SA.
    #[error("no ESP packet of this SA")]
    Malformed,
    /// Its sequence number was seen before.
    #[error("replayed")]
    Replayed,
    /// Its sequence number is below the window.
    #[error("older than the replay window")]
    TooOld,
    /// The ICV does not verify.
    #[error("integrity check failed")]
    NotAuthentic,
    /// Authentic, but the padding is not 1, 2, 3 ...
    #[error("padding is not as RFC 4303 has it")]
    Padding,
    /// Authentic filler (next header 59, RFC 4303 §2.6). Expected, counted, dropped.
    #[error("dummy packet")]
    Dummy,
    /// Authentic, but what is inside is no IP packet.
    #[error("not tunnel mode")]
    NotTunnelMode,
    /// Authentic, but the inner packet is cut short or of another version than said.
    #[error("inner packet is malformed")]
    InnerMalformed,
    /// Authentic, but the inner source address is not the sender's.
    #[error("inner source address is not the sender's")]
    SpoofedSource,
    /// Authentic, but destination, protocol or port was not agreed.
    #[error("outside the traffic selectors")]
    OutsideSelectors,
}

impl Dropped {
    /// Every cause, in the order of the checks.
    pub const ALL: [Self; 10] = [
        Self::Malformed,
        Self::Replayed,
        Self::TooOld,
        Self::NotAuthentic,
        Self::Padding,
        Self::Dummy,
        Self::NotTunnelMode,
        Self::InnerMalformed,
        Self::SpoofedSource,
        Self::OutsideSelectors,
    ];

    /// Metric label.
    pub fn label(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::Replayed => "replayed",
            Self::TooOld => "too_old",
            Self::NotAuthentic => "not_authentic",
            Self::Padding => "padding",
            Self::Dummy => "dummy",
            Self::NotTunnelMode => "not_tunnel_mode",
            Self::InnerMalformed => "inner_malformed",
            Self::SpoofedSource => "spoofed_source",
            Self::OutsideSelectors => "outside_selectors",
        }
    }

    /// The sender proved to hold the keys and the packet was new: the peer is alive, and where the
    /// packet came from is where it is.
    pub fn is_authentic(self) -> bool {
        match self {
            Self::Malformed | Self::Replayed | Self::TooOld | Self::NotAuthentic => false,
            Self::Padding
            | Self::Dummy
            | Self::NotTunnelMode
            | Self::InnerMalformed
            | Self::SpoofedSource
            | Self::OutsideSelectors => true,
        }
    }
}

impl From<Replay> for Dropped {
    fn from(replay: Replay) -> Self {
        match replay {
            Replay::TooOld => Self::TooOld,
            Replay::Seen => Self::Replayed,
        }
    }
}

impl From<Outside> for Dropped {
    fn from(outside: Outside) -> Self {
        match outside {
            Outside::Source => Self::SpoofedSource,
            Outside::Other => Self::OutsideSelectors,
        }
    }
}

/// Why a packet was not sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Unsealed {
    /// No sequence number is left: rekey (RFC 4303 §3.3.3).
    #[error("sequence numbers are used up")]
    SequenceExhausted,
    /// No whole IP packet.
    #[error("no whole IP packet")]
    InnerMalformed,
    /// Source, destination, protocol or port was not agreed.
    #[error("outside the traffic selectors")]
    OutsideSelectors,
    /// The crypto library refused; never seen.
    #[error("the crypto library refused")]
    Crypto,
}

impl Unsealed {
    /// Metric label.
    pub fn label(self) -> &'static str {
        match self {
            Self::SequenceExhausted => "sequence_exhausted",
            Self::InnerMalformed => "inner_malformed",
            Self::OutsideSelectors => "outside_selectors",
            Self::Crypto => "crypto",
        }
    }
}

/// A packet that was not passed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub struct Rejected {
    /// Why.
    pub why: Dropped,
    /// What its headers say, where it was authentic and they could be read.
    pub inner: Option<Inner>,
}

impl<T: Into<Dropped>> From<T> for Rejected {
    fn from(why: T) -> Self {
        Self { why: why.into(), inner: None }
    }
}

/// A packet that passed every check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opened<'a> {
    /// The inner packet, TFC padding cut off.
    pub packet: &'a [u8],
    /// What its headers say.
    pub inner: Inner,
    /// No packet with a higher sequence number came before: the peer is where this one came from
    /// (RFC 7296 §2.23), which a late packet does not prove.
    pub newest: bool,
}

/// The SA that a peer sends into.
pub struct InboundSa {
    spi: Spi,
    opener: Opener,
    replay: ReplayWindow,
    selectors: Arc<Selectors>,
    usage: Usage,
}

impl InboundSa {
    /// `spi` is ours; `extended`: ESN was negotiated.
    pub fn new(spi: Spi, keys: Keys, extended: bool, selectors: Arc<Selectors>) -> Self {
        let replay = ReplayWindow::new(extended, WindowSize::default());
        Self { spi, opener: Opener::new(keys), replay, selectors, usage: Usage::default() }
    }

    /// With another window; to be called before the first packet.
    #[must_use]
    pub fn with_window(self, size: WindowSize) -> Self {
        Self { replay: ReplayWindow::new(self.replay.is_extended(), size), ..self }
    }

    /// Ours.
    pub fn spi(&self) -> Spi {
        self.spi
    }

    /// Its transform.
    pub fn suite(&self) -> Suite {
        self.opener.suite()
    }

    /// What it may carry.
    pub fn selectors(&self) -> &Selectors {
        &self.selectors
    }

    /// What came in and was passed on.
    pub fn usage(&self) -> Usage {
        self.usage
    }

    /// Packets that the peer can still send. A peer that does not rekey long before it is zero falls silent.
    pub fn sequence_left(&self) -> u64 {
        self.replay.left()
    }

    /// Lets the key schedule of an idle SA go.
    pub fn rest(&mut self) {
        self.opener.rest();
    }

    /// Opens one packet in place, from its SPI on. The replay window moves once the ICV has verified, also
    /// when the inner packet is then dropped.
    ///
    /// # Errors
    /// [`Rejected`]: count, stay silent.
    pub fn open<'a>(&mut self, packet: &'a mut [u8]) -> Result<Opened<'a>, Rejected> {
        let low = sequence_of(packet, self.spi).ok_or(Dropped::Malformed)?;
        let sequence = self.replay.check(low)?;
        let header = Header { spi: self.spi, sequence, extended: self.replay.is_extended() };
        let plain: &[u8] = self.opener.open(header, packet).map_err(|_| Dropped::NotAuthentic)?;
        let newest = self.replay.accept(sequence);
        let (packet, inner) = unwrap(plain)?;
        let fits = self.selectors.check_inbound(&inner);
        fits.map_err(|outside| Rejected { why: outside.into(), inner: Some(inner) })?;
        self.usage.add(packet.len());
        Ok(Opened { packet, inner, newest })
    }
}

/// The low half of the sequence number of a packet for `spi`.
fn sequence_of(packet: &[u8], spi: Spi) -> Option<u32> {
    let [a, b, c, d, e, f, g, h] = *packet.first_chunk()?;
    (u32::from_be_bytes([a, b, c, d]) == spi.0).then_some(u32::from_be_bytes([e, f, g, h]))
}

/// Takes padding, trailer and TFC padding off (RFC 4303 §2.4-§2.7).
fn unwrap(plain: &[u8]) -> Result<(&[u8], Inner), Dropped> {
    let (payload, [pad_length, next]) = plain.split_last_chunk().ok_or(Dropped::Padding)?;
    let split = payload.len().checked_sub(usize::from(*pad_length)).ok_or(Dropped::Padding)?;
    let (payload, padding) = payload.split_at(split);
    if !padding.iter().zip(1_u8..).all(|(octet, expected)| *octet == expected) {
        return Err(Dropped::Padding);
    }
    let version = match *next {
        protocol::IPV4 => 4,
        protocol::IPV6 => 6,
        protocol::NONE => return Err(Dropped::Dummy),
        _ => return Err(Dropped::NotTunnelMode),
    };
    if payload.first().is_none_or(|first| first >> 4 != version) {
        return Err(Dropped::InnerMalformed);
    }
    let inner = Inner::parse(payload).map_err(|_| Dropped::InnerMalformed)?;
    Ok((payload.get(..inner.length).unwrap_or_default(), inner))
}

/// The SA that we send into.
pub struct OutboundSa {
    spi: Spi,
    sealer: Sealer,
    /// Last number used.
    sequence: u64,
    extended: bool,
    selectors: Arc<Selectors>,
    usage: Usage,
}

impl OutboundSa {
    /// `spi` is the peer's; `extended`: ESN was negotiated.
    pub fn new(spi: Spi, keys: Keys, extended: bool, selectors: Arc<Selectors>) -> Self {
        let sealer = Sealer::new(keys);
        Self { spi, sealer, sequence: 0, extended, selectors, usage: Usage::default() }
    }

    /// The peer's.
    pub fn spi(&self) -> Spi {
        self.spi
    }

    /// What it may carry.
    pub fn selectors(&self) -> &Selectors {
        &self.selectors
    }

    /// What was sealed.
    pub fn usage(&self) -> Usage {
        self.usage
    }

    /// Packets that can still be sealed. Rekey long before it is zero.
    pub fn sequence_left(&self) -> u64 {
        let last = if self.extended { u64::MAX } else { u64::from(u32::MAX) };
        last - self.sequence
    }

    /// Lets the key schedule of an idle SA go.
    pub fn rest(&mut self) {
        self.sealer.rest();
    }

    /// Octets that sealing adds to an inner packet of `length` octets; outer headers come on top.
    pub fn overhead(&self, length: usize) -> usize {
        let suite = self.sealer.suite();
        HEADER_LEN + suite.iv_len() + pad_length(length, suite) + 2 + ICV_LEN
    }

    /// The longest inner packet that sealing makes at most `sealed` octets of; 0 where there is none.
    pub fn room(&self, sealed: usize) -> usize {
        let suite = self.sealer.suite();
        let plain = sealed.saturating_sub(HEADER_LEN + suite.iv_len() + ICV_LEN);
        (plain - plain % suite.alignment()).saturating_sub(2)
    }

    /// Appends to `out` a packet that says nothing (RFC 4303 §2.6), around `length` octets: the peer drops
    /// it once it is decrypted.
    ///
    /// # Errors
    /// [`Unsealed`], with `out` as it was.
    pub fn seal_dummy(&mut self, length: usize, out: &mut Vec<u8>) -> Result<(), Unsealed> {
        self.seal_payload(&vec![0; length], protocol::NONE, out)
    }

    /// Seals an inner packet and appends it to `out`, from the SPI on.
    ///
    /// # Errors
    /// [`Unsealed`], with `out` as it was.
    pub fn seal(&mut self, packet: &[u8], out: &mut Vec<u8>) -> Result<(), Unsealed> {
        let inner = Inner::parse(packet).map_err(|_| Unsealed::InnerMalformed)?;
        self.selectors.check_outbound(&inner).map_err(|_| Unsealed::OutsideSelectors)?;
        let packet = packet.get(..inner.length).ok_or(Unsealed::InnerMalformed)?;
        let next = if inner.source.is_ipv4() { protocol::IPV4 } else { protocol::IPV6 };
        self.seal_payload(packet, next, out)?;
        self.usage.add(packet.len());
        Ok(())
    }

    fn seal_payload(&mut self, payload: &[u8], next: u8, out: &mut Vec<u8>) -> Result<(), Unsealed> {
        if self.sequence_left() == 0 {
            return Err(Unsealed::SequenceExhausted);
        }
        self.sequence += 1;
        let header = Header { spi: self.spi, sequence: self.sequence, extended: self.extended };
        let pad_length = pad_length(payload.len(), self.sealer.suite());
        out.reserve(self.overhead(payload.len()) + payload.len());
        let fill = |out: &mut Vec<u8>| {
            out.extend_from_slice(payload);
            out.extend((1_u8..).take(pad_length));
            out.extend_from_slice(&[pad_length as u8, next]);
        };
        self.sealer.seal(header, out, fill).ok_or(Unsealed::Crypto)
    }
}

/// Octets of padding that align `length` octets and the two of the trailer.
fn pad_length(length: usize, suite: Suite) -> usize {
    let alignment = suite.alignment();
    (alignment - (length + 2) % alignment) % alignment
}

#[cfg(test)]
mod tests;
