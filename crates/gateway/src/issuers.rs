use ids::{CertSha256, DeviceId, UnixTime};
use x509::Standing;

/// What foreign CAs say about the certificates that they issued, as far as it is known: an answer never waits for them.
pub trait Issuers: Send + Sync {
    /// How a certificate stands with the CA that issued it; `None` where that is not asked: our own, about which the
    /// ledger decides, and those of realms without a source.
    ///
    /// `path`: from the certificate to its anchor, as it verified. `serial`: lower-case hex. `device`: whom the ledger
    /// has the certificate for; it is asked about from now on, and [`crate::Gateway::device_changed`] is called for
    /// the device once it is revoked.
    fn standing(
        &self,
        path: &[CertSha256],
        serial: &str,
        device: Option<DeviceId>,
        now: UnixTime,
    ) -> Option<Standing>;

    /// What is wrong when a CA that has to be asked does not answer.
    fn trouble(&self, now: UnixTime) -> Option<String>;
}

/// Says why the embedded CA issues nothing to units at that time; nothing while it does.
pub type CaCheck = Box<dyn Fn(UnixTime) -> Option<String> + Send>;

/// No foreign CA is asked.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoIssuers;

impl Issuers for NoIssuers {
    fn standing(&self, _: &[CertSha256], _: &str, _: Option<DeviceId>, _: UnixTime) -> Option<Standing> {
        None
    }

    fn trouble(&self, _: UnixTime) -> Option<String> {
        None
    }
}
