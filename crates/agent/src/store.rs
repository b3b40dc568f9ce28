use crate::disk::{self, PUBLIC, SECRET};
use crate::record::{self, Current, Pending};
use crate::{Disk, Key, LastFailure};
use cmp::Offer;
use ids::CertSha256;
use serde::{Deserialize, Serialize};
use std::io;
use zeroize::Zeroizing;

const CURRENT: &str = "current.json";
const PENDING: &str = "pending.json";
const HANDED: &str = "handed.json";
const LAST: &str = "last.json";

/// The unit's state on disk. Every change is one rename or one removal, and durable on return.
#[derive(Debug)]
pub struct Store<'a>(&'a dyn Disk);

/// What strongSwan was given last.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Handed {
    /// Which certificate.
    pub certificate: CertSha256,
    /// What charon calls its key; none where it was given files alone.
    pub key_id: Option<String>,
}

impl<'a> Store<'a> {
    /// In this folder.
    pub fn new(disk: &'a dyn Disk) -> Self {
        Self(disk)
    }

    /// The key and certificate in use. Damaged, they are as if they were not there: the unit enrols anew.
    ///
    /// # Errors
    /// What the system says, here and below.
    pub fn current(&self) -> io::Result<Option<Current>> {
        Ok(self.read_secret(CURRENT)?.and_then(|content| Current::read(&content)))
    }

    /// The key on its way, if there is one.
    ///
    /// # Errors
    /// As above.
    pub fn pending(&self) -> io::Result<Option<Pending>> {
        Ok(self.read_secret(PENDING)?.and_then(|content| Pending::read(&content)))
    }

    fn read_secret(&self, name: &str) -> io::Result<Option<Zeroizing<Vec<u8>>>> {
        Ok(self.0.read(name)?.map(Zeroizing::new))
    }

    /// Keeps a fresh key, before anybody hears of it: storage that fails is found before a certificate is issued.
    pub(crate) fn begin(&self, key: &Key) -> io::Result<()> {
        disk::replace(self.0, PENDING, SECRET, &record::write(key, None))
    }

    /// Keeps what was offered for the key, before it is confirmed.
    pub(crate) fn offered(&self, key: &Key, offer: &Offer, by: CertSha256) -> io::Result<()> {
        disk::replace(self.0, PENDING, SECRET, &record::write(key, Some((offer, by))))
    }

    /// The pending key is confirmed: it takes the place of the one in use.
    pub(crate) fn confirmed(&self) -> io::Result<()> {
        self.0.rename(PENDING, CURRENT)?;
        self.0.sync_folder(CURRENT)
    }

    /// The pending key leads nowhere.
    pub(crate) fn abandon(&self) -> io::Result<()> {
        disk::remove(self.0, PENDING)
    }

    /// What strongSwan was given last.
    ///
    /// # Errors
    /// As above.
    pub fn handed(&self) -> io::Result<Option<Handed>> {
        Ok(self.0.read(HANDED)?.and_then(|content| serde_json::from_slice(&content).ok()))
    }

    pub(crate) fn set_handed(&self, handed: &Handed) -> io::Result<()> {
        disk::replace(self.0, HANDED, PUBLIC, &serde_json::to_vec(handed)?)
    }

    /// What went wrong last.
    ///
    /// # Errors
    /// As above.
    pub fn last_failure(&self) -> io::Result<Option<LastFailure>> {
        Ok(self.0.read(LAST)?.and_then(|content| serde_json::from_slice(&content).ok()))
    }

    /// Keeps what went wrong, or that nothing does. Flash is written only when it is something else than before.
    ///
    /// # Errors
    /// As above.
    pub fn set_last_failure(&self, failure: Option<&LastFailure>) -> io::Result<()> {
        let before = self.last_failure()?;
        match failure {
            Some(failure) if before.as_ref().is_none_or(|before| before.code != failure.code) => {
                disk::replace(self.0, LAST, PUBLIC, &serde_json::to_vec(failure)?)
            }
            None if before.is_some() => disk::remove(self.0, LAST),
            Some(_) | None => Ok(()),
        }
    }
}
