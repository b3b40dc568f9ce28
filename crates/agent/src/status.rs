use crate::{Failure, Pending, Store, renews_at};
use ids::{CertSha256, UnixTime};
use serde::{Deserialize, Serialize};
use std::{fmt, io};

/// Where a unit stands, from its files alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Status {
    /// Its certificate of the operator.
    pub certificate: Option<CertificateStatus>,
    /// `none`, `asked` (a key was made) or `unconfirmed` (it has a certificate that is not confirmed yet).
    pub pending: &'static str,
    /// Whether strongSwan has the certificate.
    pub handed_over: bool,
    /// What went wrong last; none once something went well.
    pub failure: Option<LastFailure>,
}

/// The certificate in use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CertificateStatus {
    /// The unit's name in the operator's realm.
    pub name: String,
    /// Over the whole certificate.
    pub sha256: CertSha256,
    /// In hex.
    pub serial: String,
    /// First second of validity.
    pub not_before: UnixTime,
    /// Last second of validity.
    pub not_after: UnixTime,
    /// When the next one is asked for.
    pub renews_at: UnixTime,
}

/// A failure for people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastFailure {
    /// Stable code; of a refusal, the name of its bit in PKIFailureInfo.
    pub code: String,
    /// In words.
    pub message: String,
    /// What a person does next.
    pub next: String,
    /// When it first happened, by the time as the unit knew it.
    pub since: UnixTime,
}

impl LastFailure {
    /// At this time.
    pub fn new(failure: &Failure, since: UnixTime) -> Self {
        let (code, next) = (failure.code().to_owned(), failure.next().to_owned());
        Self { code, message: failure.to_string(), next, since }
    }
}

impl Status {
    /// From the files.
    ///
    /// # Errors
    /// What the system says.
    pub fn of(store: &Store<'_>) -> io::Result<Self> {
        let current = store.current()?;
        let certificate = current.as_ref().map(|current| {
            let read = current.certificate();
            CertificateStatus {
                name: read.dns_names().first().cloned().unwrap_or_default(),
                sha256: read.sha256(),
                serial: read.serial(),
                not_before: read.not_before(),
                not_after: read.not_after(),
                renews_at: renews_at(read),
            }
        });
        let pending = match store.pending()? {
            None => "none",
            Some(Pending::Key) => "asked",
            Some(Pending::Offered { .. }) => "unconfirmed",
        };
        let sha256 = certificate.as_ref().map(|certificate| certificate.sha256);
        let handed_over = sha256.is_some() && store.handed()?.map(|handed| handed.certificate) == sha256;
        Ok(Self { certificate, pending, handed_over, failure: store.last_failure()? })
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.certificate {
            Some(certificate) => {
                writeln!(f, "certificate   {}", certificate.name)?;
                writeln!(f, "serial        {}", certificate.serial)?;
                writeln!(f, "valid         {} to {}", certificate.not_before, certificate.not_after)?;
                writeln!(f, "renews        {}", certificate.renews_at)?;
            }
            None => writeln!(f, "certificate   none")?,
        }
        writeln!(f, "pending       {}", self.pending)?;
        writeln!(f, "handed over   {}", if self.handed_over { "yes" } else { "no" })?;
        match &self.failure {
            Some(failure) => {
                writeln!(f, "failure       {}: {}, since {}", failure.code, failure.message, failure.since)?;
                writeln!(f, "next          {}", failure.next)
            }
            None => writeln!(f, "failure       none"),
        }
    }
}
