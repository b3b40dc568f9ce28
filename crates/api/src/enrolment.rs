//! The register of enrolments: what a unit asks by CMP or EST is judged and written down in the ledger (product I1, I3, I5).
//!
//! One thread takes what has come in meanwhile and puts it into one transaction: certificates are signed within it, and
//! whoever waits gets an answer once all of it is on the disk. So the wait for the disk is shared by many, and
//! two requests never race. A unit that is refused spoils nobody else's; what is out of reach is out of reach for all.

mod desk;
mod refusals;
mod waiting;

pub use refusals::EnrolmentRefusals;

use crate::{
    Configured, Revocations,
    foreign::{ForeignCas, VendorStatus},
};
use cmp::{
    Enrol, Possession, Protocol, Record, Refusal, Refused, Register, Renew, Stage, Transaction,
    TransactionId, Voucher,
};
use desk::Desk;
use gateway::Gateway;
use ids::{CertSha256, DeviceId, Realm, Sha256, UnixTime};
use ledger::{CertificateRecord, Denied, Ledger, LedgerError};
use pki::Ca;
use std::{
    io,
    net::IpAddr,
    sync::{
        Arc,
        mpsc::{SyncSender, TrySendError, sync_channel},
    },
    thread,
};

/// Requests in one transaction, and as many more that wait for the next.
const BATCH: usize = 128;

/// What an enrolment is judged by and leaves its traces in.
pub struct Enrolments {
    /// Orders, lines, units, certificates.
    pub ledger: Ledger,
    /// Who signs.
    pub ca: Arc<Ca>,
    /// For how long certificates may be valid.
    pub configured: Configured,
    /// Which of the vendors' certificates still count.
    pub vendors: Arc<ForeignCas>,
    /// Whom to tell that a certificate counts no more.
    pub revocations: Revocations,
    /// Whose tunnels end with a certificate that counts no more, where a gateway runs in this process.
    pub gateway: Option<Arc<Gateway>>,
    /// Whether there is room on the disk for what others can cause; while there is not, nobody is given a certificate.
    pub has_room: Arc<dyn Fn() -> bool + Send + Sync>,
}

/// [`Register`] over ledger and CA. Its thread ends with it.
pub struct LedgerRegister {
    ledger: Ledger,
    desk: SyncSender<Request>,
    vendors: Arc<ForeignCas>,
    refusals: EnrolmentRefusals,
}

/// One thing to be done, and who waits for it.
struct Request {
    work: Work,
    now: UnixTime,
    done: SyncSender<Answer>,
}

/// The chain that was issued, empty where none was asked for; or why not.
type Answer = Result<Vec<Vec<u8>>, Refusal>;

enum Work {
    Enrol(Asked),
    Renew(Asked),
    Confirm(TransactionId),
    Reject(TransactionId),
}

/// A request for a certificate that is in order by itself.
struct Asked {
    device: DeviceId,
    realm: Realm,
    by_cert: CertSha256,
    by_spki: Sha256,
    possession: Possession,
    from: IpAddr,
    said_at: Option<UnixTime>,
    transaction: Transaction,
    protocol: Protocol,
}

impl Enrolments {
    /// Begins to take requests.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn open(self) -> io::Result<LedgerRegister> {
        let (desk, requests) = sync_channel(BATCH);
        let (ledger, vendors) = (self.ledger.clone(), self.vendors.clone());
        let refusals = EnrolmentRefusals::new(ledger.journal().clone(), self.has_room.clone());
        let mut work = Desk::new(self);
        thread::Builder::new().name("enrol".into()).spawn(move || work.serve(&requests))?;
        Ok(LedgerRegister { ledger, desk, vendors, refusals })
    }
}

impl LedgerRegister {
    /// Has it done, and waits until it is on the disk.
    fn ask(&self, work: Work, now: UnixTime) -> Answer {
        let (done, answer) = sync_channel(1);
        match self.desk.try_send(Request { work, now, done }) {
            Ok(()) => answer.recv().unwrap_or(Err(Refusal::Unavailable)),
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => Err(Refusal::Unavailable),
        }
    }
}

impl Register for LedgerRegister {
    fn find(&self, id: &TransactionId, now: UnixTime) -> Result<Option<Record>, Refusal> {
        let found = self.ledger.enrolment(id.octets(), now).map_err(out_of_reach)?;
        Ok(found.and_then(|(certificate, stage)| record(id, certificate, stage)))
    }

    fn legacy(&self, certificate: CertSha256) -> Result<Option<Realm>, Refusal> {
        let group = self.ledger.legacy_group_by(certificate).map_err(out_of_reach)?;
        Ok(group.map(|group| group.realm))
    }

    fn enrol(&self, request: &Enrol<'_>, now: UnixTime) -> Answer {
        let Enrol { by, possession, from, transaction, said_at, protocol } = request;
        if let Voucher::Vendor(vendor) = by {
            self.vendors.vendor_status(vendor, Some(now)).map_err(|status| match status {
                VendorStatus::Revoked => Refusal::Revoked,
                VendorStatus::Unknown | VendorStatus::Asking => Refusal::VendorUnchecked,
                VendorStatus::NoClock => Refusal::ClockUnsure,
            })?;
        }
        let asked = Asked {
            device: by.name().device,
            realm: by.name().realm.clone(),
            by_cert: by.cert_sha256(),
            by_spki: Sha256::of(by.spki()),
            possession: (*possession).clone(),
            from: *from,
            said_at: *said_at,
            transaction: (*transaction).clone(),
            protocol: *protocol,
        };
        self.ask(Work::Enrol(asked), now)
    }

    fn renew(&self, request: &Renew<'_>, now: UnixTime) -> Answer {
        let Renew { current, possession, from, transaction, said_at, protocol, expired: _ } = request;
        let asked = Asked {
            device: current.name().device,
            realm: current.name().realm.clone(),
            by_cert: current.cert_sha256(),
            by_spki: Sha256::of(current.spki()),
            possession: (*possession).clone(),
            from: *from,
            said_at: *said_at,
            transaction: (*transaction).clone(),
            protocol: *protocol,
        };
        self.ask(Work::Renew(asked), now)
    }

    fn confirm(&self, id: &TransactionId, now: UnixTime) -> Result<(), Refusal> {
        self.ask(Work::Confirm(id.clone()), now).map(drop)
    }

    fn rejected(&self, id: &TransactionId, now: UnixTime) -> Result<(), Refusal> {
        self.ask(Work::Reject(id.clone()), now).map(drop)
    }

    fn refused(&self, refused: &Refused) {
        self.refusals.refused(refused, UnixTime::now());
    }
}

/// `None` where the row is not of an enrolment.
fn record(id: &TransactionId, certificate: CertificateRecord, stage: ledger::Stage) -> Option<Record> {
    let ledger::Transaction { signer, nonce, .. } = certificate.transaction?;
    let transaction =
        Transaction { id: id.clone(), signer: signer.0, nonce: nonce.0.as_slice().try_into().ok()? };
    let stage = match stage {
        ledger::Stage::Waiting => Stage::Waiting,
        ledger::Stage::Confirmed => Stage::Confirmed,
        ledger::Stage::Over => Stage::Over,
    };
    Some(Record { transaction, certificate: certificate.der.0, stage })
}

fn out_of_reach(error: LedgerError) -> Refusal {
    match error.is_transient() {
        true => Refusal::Unavailable,
        false => Refusal::Failed,
    }
}

fn refusal(denied: Denied) -> Refusal {
    match denied {
        Denied::VendorDistrusted => Refusal::VendorDistrusted,
        Denied::NoSuchUnit | Denied::NoOrder => Refusal::NoOrder,
        Denied::OtherLine => Refusal::OtherLine,
        Denied::OtherVendorKey => Refusal::OtherVendorKey,
        Denied::SharedCredential => Refusal::SharedCredential,
        Denied::LegacyOver => Refusal::LegacyOver,
        Denied::AlreadyEnrolled => Refusal::AlreadyEnrolled,
        Denied::KnownKey => Refusal::KnownKey,
        Denied::Held => Refusal::Held,
        Denied::Barred => Refusal::Barred,
        Denied::Fork => Refusal::Superseded,
        Denied::UnknownCertificate => Refusal::UnknownCertificate,
        Denied::Expired => Refusal::Expired,
        Denied::Revoked => Refusal::Revoked,
        Denied::TransactionInUse => Refusal::TransactionInUse,
        Denied::NoTransaction => Refusal::NoTransaction,
        Denied::Over => Refusal::Over,
    }
}
