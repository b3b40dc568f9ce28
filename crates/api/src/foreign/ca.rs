//! One foreign CA: where it is asked, and what is known of it.

use super::{AT_ONCE, Asked, kept};
use aws_lc_rs::rand;
use ids::{DeviceId, UnixTime};
use std::{
    collections::HashMap,
    fmt,
    path::Path,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Instant,
};
use x509::{Ask, Crl, OcspAnswer, SerialNumber, Sources, Standing, StatusKeeper, Unusable};

/// One of those who are asked.
pub(super) struct ForeignCa {
    pub(super) asked: Asked,
    known: Mutex<Known>,
}

/// What is known by now.
pub(super) struct Known {
    pub(super) keeper: StatusKeeper,
    /// Whose certificate each is that was presented.
    pub(super) devices: HashMap<SerialNumber, DeviceId>,
    /// Requests under way.
    pub(super) under_way: usize,
}

/// What a request has brought, and the time by which it was judged.
pub(super) enum Came {
    List(Box<Crl>, Vec<u8>, UnixTime),
    Answer(SerialNumber, OcspAnswer, UnixTime),
}

/// What follows from it.
pub(super) struct Taken {
    /// Units whose certificates are revoked.
    pub(super) revoked: Vec<DeviceId>,
    /// A list that is newer than the one that was kept, in DER.
    pub(super) to_keep: Option<Vec<u8>>,
}

impl ForeignCa {
    pub(super) fn new(
        asked: Asked,
        devices: HashMap<SerialNumber, DeviceId>,
        folder: &Path,
        now: UnixTime,
    ) -> Self {
        let sources = Sources { crl: !asked.lists.is_empty(), ocsp: asked.ocsp.is_some() };
        let mut keeper = StatusKeeper::new(asked.anchor.clone(), sources, asked.grace, Instant::now());
        if let Some(crl) = kept::recall(folder, &asked.anchor).filter(|_| sources.crl) {
            match keeper.recall_crl(crl, now) {
                Ok(()) | Err(Unusable::Stale) => {}
                Err(unusable) => tracing::warn!(%unusable, "a revocation list that was kept does not count"),
            }
        }
        let known = Known { keeper, devices, under_way: 0 };
        Self { asked, known: Mutex::new(known) }
    }

    pub(super) fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes what has come of a question. `now`: our time, `None` while the clock cannot be right.
    pub(super) fn take(&self, asked: Ask, came: Result<Came, String>, now: Option<UnixTime>) -> Taken {
        let (at, draw) = (Instant::now(), draw());
        let mut known = self.known();
        known.under_way -= 1;
        let mut to_keep = None;
        match came {
            Ok(Came::List(crl, der, now)) => {
                let is_newer = known.keeper.crl().is_none_or(|known| known.is_older_than(&crl));
                match known.keeper.handle_crl(*crl, now, at, draw) {
                    Ok(()) => to_keep = Some(der).filter(|_| is_newer),
                    Err(unusable) => self.warn("its revocation list", &unusable),
                }
            }
            Ok(Came::Answer(serial, answer, now)) => {
                known.keeper.handle_ocsp(serial, answer, now, at, draw);
            }
            Err(why) => {
                // Once an alarm stands, thousands of certificates make no thousands of lines.
                let is_news = now.is_none_or(|now| known.keeper.silent(now).is_none());
                known.keeper.handle_failure(asked, at, draw);
                if is_news || asked == Ask::Crl {
                    self.warn("no answer", &why);
                }
            }
        }
        Taken { revoked: now.map(|now| known.take_revoked(asked, now)).unwrap_or_default(), to_keep }
    }

    /// What is to be asked now, if there is room.
    pub(super) fn due(&self) -> Option<Ask> {
        let mut known = self.known();
        let ask = if known.under_way < AT_ONCE { known.keeper.poll(Instant::now()) } else { None };
        known.under_way += usize::from(ask.is_some());
        ask
    }

    /// When to look again; `None` while there is no room, as what makes room wakes whoever waits.
    pub(super) fn next(&self) -> Option<Instant> {
        let known = self.known();
        if known.under_way < AT_ONCE { known.keeper.poll_timeout() } else { None }
    }

    pub(super) fn name(&self) -> String {
        self.asked.anchor.certificate().subject()
    }

    pub(super) fn warn(&self, what: &str, why: &dyn fmt::Display) {
        tracing::warn!(ca = self.name(), %why, "a foreign CA: {what}");
    }
}

impl Known {
    pub(super) fn present(
        &mut self,
        serial: SerialNumber,
        device: Option<DeviceId>,
        now: UnixTime,
    ) -> Standing {
        let standing = self.keeper.present(serial, now, Instant::now());
        if !matches!(standing, Standing::Revoked(_)) {
            self.devices.extend(device.map(|device| (serial, device)));
        }
        standing
    }

    /// The units whose certificates are revoked by what was asked, each once. An answer is about one certificate, and
    /// others wait: only a list is held against all.
    fn take_revoked(&mut self, asked: Ask, now: UnixTime) -> Vec<DeviceId> {
        let keeper = &self.keeper;
        let is_revoked =
            |serial: &SerialNumber| matches!(keeper.standing(*serial, now), Standing::Revoked(_));
        match asked {
            Ask::Crl => {
                let revoked = self.devices.extract_if(|serial, _| is_revoked(serial));
                revoked.map(|(_, device)| device).collect()
            }
            Ask::Ocsp(serial) if is_revoked(&serial) => self.devices.remove(&serial).into_iter().collect(),
            Ask::Ocsp(_) => Vec::new(),
        }
    }
}

/// Spreads requests; without randomness they are not spread.
fn draw() -> u16 {
    let mut octets = [0; 2];
    let _ = rand::fill(&mut octets);
    u16::from_be_bytes(octets)
}
