//! Asking foreign CAs which of their certificates still count: their revocation lists are fetched and their OCSP
//! responders asked in the background, and whoever judges a certificate reads what is known by then
//! ([`x509::StatusKeeper`]).
//!
//! - A certificate is checked where the CA that issued it is one of [`Asked`]. Between it and an anchor that is asked no
//!   further CA may stand: what that one revoked nobody would know. Name the issuing CA itself as anchor instead.
//! - The last good list of each CA is kept on disk, so that a restart while the CA is out of reach shuts nobody out.
//!   OCSP's answers are not kept.
//! - Each request has a bound in time and octets, follows no redirect, and never goes to an inner address of units.
//!   Few are under way for one CA, none of which holds up another's.
//! - While our clock cannot be right, nothing that comes is judged: it counts as no answer.

mod ca;
mod fetch;
mod kept;
#[cfg(test)]
mod tests;

pub use fetch::{HttpUrl, NoHttpUrl};

use aws_lc_rs::rand;
use ca::{Came, ForeignCa, Known};
use fetch::{Bounds, fetch};
use gateway::Issuers;
use ids::{CertSha256, DeviceId, UnixTime};
use ipnet::IpNet;
use std::{
    collections::HashMap,
    fmt,
    path::PathBuf,
    sync::{Arc, PoisonError, RwLock},
    time::{Duration, Instant},
};
use tokio::{
    sync::Notify,
    task::{JoinSet, spawn_blocking},
    time::sleep_until,
};
use x509::{
    Anchor, Ask, CertPathVerified, Crl, MAX_CRL, MAX_RESPONSE, NONCE, OcspQuestion, SerialNumber, Standing,
};

/// For how long the last good answer of a CA counts once it has ended, for units that were attached lately.
pub const GRACE: Duration = Duration::from_secs(4 * 3600);
/// Requests to one CA that are under way.
const AT_ONCE: usize = 8;
/// A list of 16 MiB comes within this at 2.3 Mbit/s.
const LIST_WITHIN: Duration = Duration::from_secs(60);
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
const LIST: Bounds = Bounds { time: LIST_WITHIN, octets: MAX_CRL };
const ANSWER: Bounds = Bounds { time: ANSWER_WITHIN, octets: MAX_RESPONSE };
/// It is looked at least so often whether something is to be asked.
const LOOK_EVERY: Duration = Duration::from_secs(60);

/// A CA, and where it says what it revoked.
#[derive(Clone, Debug)]
pub struct Asked {
    /// Its certificate, as it is configured.
    pub anchor: Anchor,
    /// Where its revocation list may be: the first place that has it.
    pub lists: Vec<Place>,
    /// Its OCSP responder.
    pub ocsp: Option<HttpUrl>,
    /// For how long its last good answer counts once it has ended, for units that were attached lately.
    pub grace: Duration,
}

/// Where a list is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// It is fetched.
    Http(HttpUrl),
    /// Somebody else brings it.
    File(PathBuf),
}

/// Our time; `None` while the clock cannot be right.
pub type TrustedTime = Arc<dyn Fn() -> Option<UnixTime> + Send + Sync>;
/// Called for each unit whose certificate has been revoked.
pub type OnRevoked = Arc<dyn Fn(DeviceId) + Send + Sync>;

/// Why a vendor's certificate enrols nobody now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum VendorStatus {
    /// Its CA has revoked it. Final.
    #[error("the vendor's CA has revoked the certificate")]
    Revoked,
    /// Its CA does not say whether it counts; there is no grace.
    #[error("the vendor's CA does not say whether the certificate still counts")]
    Unknown,
    /// Its CA is being asked for the first time.
    #[error("the vendor's CA is being asked whether the certificate still counts")]
    Asking,
    /// Our clock cannot be right: nothing is judged.
    #[error("our clock cannot be right")]
    NoClock,
}

/// The foreign CAs that are asked.
pub struct ForeignCas {
    /// By the hash of the anchor.
    cas: RwLock<HashMap<CertSha256, Arc<ForeignCa>>>,
    folder: PathBuf,
    barred: Vec<IpNet>,
    /// Something may be to be asked before its time.
    wake: Notify,
}

impl fmt::Debug for ForeignCas {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cas = self.cas.read().unwrap_or_else(PoisonError::into_inner);
        write!(f, "ForeignCas({:?})", cas.values().map(|ca| ca.name()).collect::<Vec<_>>())
    }
}

impl ForeignCas {
    /// Reads the lists that were kept; asks nobody before [`Self::run`]. `folder`: where the last good list of each CA is
    /// kept. `barred`: networks in which nobody is asked.
    pub fn new(folder: PathBuf, barred: Vec<IpNet>, asked: Vec<Asked>, now: UnixTime) -> Self {
        let cas = Self { cas: RwLock::default(), folder, barred, wake: Notify::new() };
        cas.replace(asked, now);
        cas
    }

    /// Asks others from now on. What is known of those who stay with the same places stays, and of the others whose
    /// certificates were presented.
    pub fn replace(&self, asked: Vec<Asked>, now: UnixTime) {
        let mut cas = self.cas.write().unwrap_or_else(PoisonError::into_inner);
        let before = std::mem::take(&mut *cas);
        for asked in asked {
            let key = asked.anchor.certificate().sha256();
            let known = before.get(&key);
            let stays = known.filter(|ca| ca.asked.is_like(&asked)).cloned();
            let devices = || known.map(|ca| ca.known().devices.clone()).unwrap_or_default();
            let ca = stays.unwrap_or_else(|| Arc::new(ForeignCa::new(asked, devices(), &self.folder, now)));
            cas.insert(key, ca);
        }
        drop(cas);
        self.wake.notify_one();
    }

    /// Whether a vendor's certificate may enrol now, by what its CA says; always, where that is not asked. Never
    /// waits for the CA, and knows no grace: what is unknown enrols nobody. `path`: as it verified against the
    /// vendor's anchors. `now`: `None` while our clock cannot be right.
    ///
    /// # Errors
    /// [`VendorStatus`].
    pub fn vendor_status(&self, path: &CertPathVerified, now: Option<UnixTime>) -> Result<(), VendorStatus> {
        let Some(now) = now else { return Err(VendorStatus::NoClock) };
        match self.look_up(path.path(), &path.serial(), now, |known, serial| known.present(serial, None, now))
        {
            None | Some(Standing::Good { .. }) => Ok(()),
            Some(Standing::Revoked(_)) => Err(VendorStatus::Revoked),
            Some(Standing::Asking) => Err(VendorStatus::Asking),
            Some(Standing::Unknown { .. }) => Err(VendorStatus::Unknown),
        }
    }

    fn look_up(
        &self,
        path: &[CertSha256],
        serial: &str,
        now: UnixTime,
        look: impl FnOnce(&mut Known, SerialNumber) -> Standing,
    ) -> Option<Standing> {
        let anchor = path.last().filter(|_| path.len() > 1)?;
        let ca = self.cas.read().unwrap_or_else(PoisonError::into_inner).get(anchor)?.clone();
        let serial = SerialNumber::from_hex(serial).filter(|_| path.len() == 2);
        let Some(serial) = serial else { return Some(Standing::Unknown { since: now, grace_until: None }) };
        let standing = look(&mut ca.known(), serial);
        if standing == Standing::Asking {
            self.wake.notify_one();
        }
        Some(standing)
    }

    /// Asks, until it is dropped.
    pub async fn run(self: Arc<Self>, time: TrustedTime, on_revoked: OnRevoked) {
        let mut requests = JoinSet::new();
        loop {
            let cas: Vec<_> =
                self.cas.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect();
            let mut next = Instant::now() + LOOK_EVERY;
            for ca in cas {
                while let Some(ask) = ca.due() {
                    let (cas, ca, time, on_revoked) =
                        (self.clone(), ca.clone(), time.clone(), on_revoked.clone());
                    requests.spawn(async move { cas.ask(&ca, ask, &time, &on_revoked).await });
                }
                next = ca.next().map_or(next, |due| next.min(due));
            }
            tokio::select! {
                () = self.wake.notified() => {}
                Some(_) = requests.join_next(), if !requests.is_empty() => {}
                () = sleep_until(next.into()) => {}
            }
        }
    }

    /// Asks one question, and takes what comes.
    async fn ask(&self, ca: &ForeignCa, ask: Ask, time: &TrustedTime, on_revoked: &OnRevoked) {
        let came = match ask {
            Ask::Crl => self.ask_list(ca, time).await,
            Ask::Ocsp(serial) => self.ask_ocsp(ca, serial, time).await,
        };
        let taken = ca.take(ask, came, time());
        taken.revoked.into_iter().for_each(|device| on_revoked(device));
        if let Some(der) = taken.to_keep {
            self.keep(ca, der).await;
        }
    }

    async fn ask_list(&self, ca: &ForeignCa, time: &TrustedTime) -> Result<Came, String> {
        let mut whys = Vec::new();
        for place in &ca.asked.lists {
            match self.list_at(place, &ca.asked.anchor).await {
                Ok((crl, der)) => {
                    let now = time().ok_or("our clock cannot be right")?;
                    return Ok(Came::List(Box::new(crl), der, now));
                }
                Err(why) => whys.push(format!("{place}: {why}")),
            }
        }
        Err(whys.join("; "))
    }

    /// A list that counts, and its DER.
    async fn list_at(&self, place: &Place, anchor: &Anchor) -> Result<(Crl, Vec<u8>), String> {
        let der = match place {
            Place::Http(url) => {
                fetch(url, None, LIST, &self.barred).await.map_err(|error| error.to_string())?
            }
            Place::File(file) => {
                let file = file.clone();
                blocking(move || kept::read(&file)).await?.map_err(|error| error.to_string())?
            }
        };
        let anchor = anchor.clone();
        let verify = move || Crl::verify(&anchor, &der).map(|crl| (crl, der));
        blocking(verify).await?.map_err(|error| error.to_string())
    }

    async fn keep(&self, ca: &ForeignCa, der: Vec<u8>) {
        let file = kept::file(&self.folder, &ca.asked.anchor);
        let written = blocking(move || kept::write(&file, &der)).await;
        if let Err(error) = written.and_then(|written| written.map_err(|error| error.to_string())) {
            ca.warn("its revocation list cannot be kept", &error);
        }
    }

    async fn ask_ocsp(
        &self,
        ca: &ForeignCa,
        serial: SerialNumber,
        time: &TrustedTime,
    ) -> Result<Came, String> {
        let url = ca.asked.ocsp.as_ref().ok_or("no responder")?;
        let mut nonce = [0; NONCE];
        rand::fill(&mut nonce).map_err(|_| "no randomness")?;
        let question =
            OcspQuestion::new(&ca.asked.anchor, serial, nonce).map_err(|error| error.to_string())?;
        let response = fetch(url, Some(question.der().to_vec()), ANSWER, &self.barred).await;
        let response = response.map_err(|error| format!("{url}: {error}"))?;
        let now = time().ok_or("our clock cannot be right")?;
        let answer = question.answer(&ca.asked.anchor, &response, now);
        answer.map(|answer| Came::Answer(serial, answer, now)).map_err(|error| format!("{url}: {error}"))
    }
}

impl Issuers for ForeignCas {
    fn standing(
        &self,
        path: &[CertSha256],
        serial: &str,
        device: Option<DeviceId>,
        now: UnixTime,
    ) -> Option<Standing> {
        self.look_up(path, serial, now, |known, serial| match device {
            Some(_) => known.present(serial, device, now),
            None => known.keeper.standing(serial, now),
        })
    }

    fn trouble(&self, now: UnixTime) -> Option<String> {
        let cas = self.cas.read().unwrap_or_else(PoisonError::into_inner);
        let silent = cas.values().filter_map(|ca| {
            let silent = ca.known().keeper.silent(now)?;
            Some(match (silent.lacks_list, silent.list_ended) {
                (true, Some(ended)) => format!("{}: its last revocation list ended at {ended}", ca.name()),
                (true, None) => format!("{}: it has given no revocation list", ca.name()),
                (false, _) => format!("{}: its OCSP responder does not answer", ca.name()),
            })
        });
        let mut silent: Vec<_> = silent.collect();
        silent.sort_unstable();
        (!silent.is_empty()).then(|| silent.join("; "))
    }
}

impl Asked {
    fn is_like(&self, other: &Self) -> bool {
        (&self.lists, &self.ocsp, self.grace) == (&other.lists, &other.ocsp, other.grace)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Http(url) => url.fmt(f),
            Self::File(file) => file.display().fmt(f),
        }
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, String> {
    spawn_blocking(work).await.map_err(|error| error.to_string())
}
