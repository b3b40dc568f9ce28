use crate::record::{Current, Pending};
use crate::{Clock, Failure, Key, KeyError, Store, Time, Wire, renews_at};
use cmp::{AnswerError, Asked, Confirming, FailureInfo, Fresh, Nonce, Offer, Operator, Signer};
use ids::{CertSha256, DeviceId, UnixTime};
use std::cell::Cell;

/// A unit that gets itself a certificate and keeps it.
///
/// | a start finds | and so |
/// |---|---|
/// | nothing, or a damaged `current` | ir by the vendor's certificate |
/// | `pending` with a key alone | its answer is lost: it goes, and the unit asks anew with another key |
/// | `pending` with a certificate | certConf, however long ago that was: the authority answers it again, or says that it is over |
/// | `current` that is not due | nothing |
/// | `current` that is due | kur by it, also once it has expired |
///
/// A refusal of the kur by a certificate that is revoked, or that has expired, makes the next attempt an ir, and a
/// refusal of that a kur again.
#[derive(Debug)]
pub struct Unit<'a> {
    operator: &'a Operator,
    vendor: &'a Signer,
    store: Store<'a>,
    wire: &'a dyn Wire,
    time: Time<'a>,
    device: Option<DeviceId>,
    /// The certificate in use leads nowhere: the vendor's is next.
    anew: Cell<bool>,
}

/// What an attempt came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Done {
    /// The unit has its first certificate, or a first one again.
    Enrolled,
    /// It has the next one.
    Renewed,
    /// It has the one that an earlier attempt had left unconfirmed.
    Finished,
    /// There was nothing to do until then.
    NotDue(UnixTime),
}

/// How a request went.
enum Went {
    Offered(Offer),
    NotDue(UnixTime),
}

impl<'a> Unit<'a> {
    /// `vendor`: the vendor's key and certificates.
    pub fn new(
        operator: &'a Operator,
        vendor: &'a Signer,
        store: Store<'a>,
        wire: &'a dyn Wire,
        clock: &'a dyn Clock,
    ) -> Self {
        let (time, device, anew) = (Time::new(clock), None, Cell::new(false));
        Self { operator, vendor, store, wire, time, device, anew }
    }

    /// The same where the vendor's certificate is one that many units share: which of them this is.
    #[must_use]
    pub fn called(self, device: Option<DeviceId>) -> Self {
        Self { device, ..self }
    }

    /// The state on disk.
    pub fn store(&self) -> &Store<'a> {
        &self.store
    }

    /// The time as far as it is known.
    pub fn time(&self) -> &Time<'a> {
        &self.time
    }

    /// Does what is due, once.
    ///
    /// # Errors
    /// [`Failure`]: to be tried again after a while. Nothing is lost by it, nor by ending here at any point.
    pub fn attempt(&self) -> Result<Done, Failure> {
        let current = self.store.current()?;
        let finished = match self.store.pending()? {
            Some(Pending::Offered { offer, by }) => self.finish(current.as_ref(), &offer, by)?,
            Some(Pending::Key) => {
                self.store.abandon()?;
                false
            }
            None => false,
        };
        if finished {
            return Ok(Done::Finished);
        }
        match current {
            Some(current) if !self.anew.get() => self.renew(&current),
            Some(_) | None => self.enrol(current.as_ref()),
        }
    }

    /// Whether the certificate that was left unconfirmed is in use now. When it leads nowhere it goes, and the unit
    /// begins anew.
    fn finish(&self, current: Option<&Current>, offer: &Offer, by: CertSha256) -> Result<bool, Failure> {
        let renewing = current.map(Current::signer).transpose()?;
        let mut signers = std::iter::once(self.vendor).chain(renewing.as_ref());
        let Some(signer) = signers.find(|signer| signer.certificate().sha256() == by) else {
            // Whoever asked for it is no more, such as after another vendor certificate was put in.
            self.store.abandon()?;
            return Ok(false);
        };
        match self.confirm(signer, offer, self.earliest(current).max(offer.time)) {
            Ok(()) => {
                self.anew.set(false);
                Ok(true)
            }
            Err(failure) if failure.is_over() => {
                self.store.abandon()?;
                Ok(false)
            }
            Err(failure) => Err(failure),
        }
    }

    fn enrol(&self, current: Option<&Current>) -> Result<Done, Failure> {
        let earliest = self.earliest(current);
        let asked = |key: &Key, fresh| {
            let time = self.time.known(earliest);
            match self.device {
                Some(device) => Asked::ir_by_shared(self.operator, self.vendor, device, key, time, fresh),
                None => Asked::ir(self.operator, self.vendor, key, time, fresh),
            }
        };
        let went = self.ask(self.vendor, &asked, earliest, &|| None);
        if went.as_ref().is_err_and(Failure::is_refusal) {
            self.anew.set(false);
        }
        let Went::Offered(offer) = went? else { return Ok(Done::NotDue(self.time.now())) };
        self.confirm(self.vendor, &offer, offer.time)?;
        self.anew.set(false);
        Ok(Done::Enrolled)
    }

    fn renew(&self, current: &Current) -> Result<Done, Failure> {
        let earliest = self.earliest(Some(current));
        let due = renews_at(&current.certificate);
        let not_due = || self.time.known(earliest).filter(|now| *now < due).map(|_| due);
        if let Some(due) = not_due() {
            return Ok(Done::NotDue(due));
        }
        let signer = current.signer()?;
        let asked = |key: &Key, fresh| Asked::kur(self.operator, &signer, key, self.time.now(), fresh);
        let went = self.ask(&signer, &asked, earliest, &not_due);
        if let Err(Failure::Answer(AnswerError::Refused { failure: Some(failure), time })) = &went {
            let expired = *time > current.certificate.not_after();
            let denied = matches!(*failure, FailureInfo::NOT_AUTHORIZED | FailureInfo::SIGNER_NOT_TRUSTED);
            self.anew.set(*failure == FailureInfo::CERT_REVOKED || (expired && denied));
        }
        match went? {
            Went::NotDue(due) => Ok(Done::NotDue(due)),
            Went::Offered(offer) => {
                self.confirm(&signer, &offer, offer.time)?;
                Ok(Done::Renewed)
            }
        }
    }

    /// Sends a request for a fresh key, and keeps what is offered. Told that its time is wrong, the unit takes the
    /// authority's and asks once more, unless it then sees that nothing is due.
    fn ask(
        &self,
        by: &Signer,
        asked: &dyn Fn(&Key, Fresh) -> Result<Asked, cmp::SignerError>,
        earliest: UnixTime,
        not_due: &dyn Fn() -> Option<UnixTime>,
    ) -> Result<Went, Failure> {
        let mut corrected = false;
        loop {
            let key = Key::generate()?;
            self.store.begin(&key)?;
            let request = asked(&key, Fresh { transaction: random()?, nonce: random()? })?;
            let answer = self.wire.post(request.message())?;
            match request.read(self.operator, &answer, earliest) {
                Ok(offer) => {
                    self.time.learn(offer.time);
                    self.store.offered(&key, &offer, by.certificate().sha256())?;
                    return Ok(Went::Offered(offer));
                }
                Err(AnswerError::Refused { failure: Some(FailureInfo::BAD_TIME), time }) if !corrected => {
                    self.time.learn(time);
                    corrected = true;
                }
                Err(error) => {
                    self.learn_from(&error);
                    self.store.abandon()?;
                    return Err(error.into());
                }
            }
            if let Some(due) = not_due() {
                self.store.abandon()?;
                return Ok(Went::NotDue(due));
            }
        }
    }

    /// Confirms what is offered and takes it into use. Told that its time is wrong, the unit takes the authority's and
    /// confirms once more.
    fn confirm(&self, by: &Signer, offer: &Offer, earliest: UnixTime) -> Result<(), Failure> {
        let mut corrected = false;
        loop {
            let certificate = offer.chain.first().map(Vec::as_slice).unwrap_or_default();
            let (id, nonce, now) = (&offer.transaction, random()?, self.time.now());
            let confirming = Confirming::new(by, id, &offer.nonce, certificate, now, nonce)?;
            let answer = self.wire.post(confirming.message())?;
            match confirming.read(self.operator, &answer, earliest) {
                Ok(time) => {
                    self.time.learn(time);
                    return Ok(self.store.confirmed()?);
                }
                Err(AnswerError::Refused { failure: Some(FailureInfo::BAD_TIME), time }) if !corrected => {
                    self.time.learn(time);
                    corrected = true;
                }
                Err(error) => {
                    self.learn_from(&error);
                    return Err(error.into());
                }
            }
        }
    }

    fn learn_from(&self, error: &AnswerError) {
        if let AnswerError::Refused { time, .. } = error {
            self.time.learn(*time);
        }
    }

    /// The latest time that must have passed: the root's first second, and when the certificate in use was issued.
    fn earliest(&self, current: Option<&Current>) -> UnixTime {
        let root = self.operator.anchors().of(self.operator.realm());
        let made = root.into_iter().flat_map(|set| set.iter()).map(|root| root.certificate().not_before());
        made.chain(current.map(|current| current.time)).max().unwrap_or_default()
    }
}

impl Failure {
    /// Whether a confirmation can be given up: the authority said, by its signature, that it is too late or that it
    /// knows of nothing; or the certificate cannot be confirmed at all.
    const fn is_over(&self) -> bool {
        use FailureInfo as F;
        match self {
            Self::Answer(AnswerError::Refused { failure, .. }) => {
                !matches!(failure, Some(F::BAD_TIME | F::SYSTEM_UNAVAIL | F::SYSTEM_FAILURE))
            }
            Self::Signer(_) => true,
            Self::Answer(_) | Self::Wire(_) | Self::Disk(_) | Self::Key(_) | Self::Vici(_) => false,
        }
    }
}

/// 16 octets that were never used before.
fn random() -> Result<Nonce, KeyError> {
    let mut octets = [0; 16];
    aws_lc_rs::rand::fill(&mut octets).map_err(|_| KeyError::Random)?;
    Ok(octets)
}
