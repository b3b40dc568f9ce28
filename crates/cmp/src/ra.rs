use super::answer::{Answer, Kind, ReturnAddress};
use super::{
    Arrival, Body, Confirmation, Enrol, Message, Possession, Record, Refusal, Refused, Register, Renew,
    Request, Signer, Stage, Transaction, TransactionId, protection,
};
use super::{Asker, Askers, LegacyCertificate, Protocol, Voucher};
use ids::{CertSha256, DeviceName, UnixTime};
use std::sync::Arc;
use x509::{Anchors, Certificate};

/// The registration authority: judges what a CMP message says of itself, asks the [`Register`] for the rest, and
/// keeps nothing.
#[derive(Debug)]
pub struct RegistrationAuthority {
    signer: Arc<Signer>,
    askers: Askers,
}

/// A refusal, and how it is told.
struct Declined {
    refusal: Refusal,
    /// By ip or kup, once the message itself is in order; by error before.
    asked: Option<Kind>,
    who: Option<(DeviceName, CertSha256)>,
}

impl From<Refusal> for Declined {
    fn from(refusal: Refusal) -> Self {
        Self { refusal, asked: None, who: None }
    }
}

/// A message whose signer is known and whose protection verifies.
struct Authentic<B> {
    /// By what it asks.
    by: B,
    /// Which device asks.
    name: DeviceName,
    certificate: Certificate,
    transaction: Transaction,
}

impl RegistrationAuthority {
    /// `vendors`: the anchors by which an ir is judged, for each vendor's realm. `own`: those of a kur:
    /// its issuing CA for devices alone. A certificate of one kind never does for the other.
    pub fn new(signer: impl Into<Arc<Signer>>, vendors: Anchors, own: Anchors) -> Self {
        Self { signer: signer.into(), askers: Askers::new(vendors, own) }
    }

    /// The same one under other anchors of vendors.
    #[must_use]
    pub fn with_vendors(&self, vendors: Anchors) -> Self {
        Self { signer: self.signer.clone(), askers: self.askers.with_vendors(vendors) }
    }

    /// Whose certificates let ask.
    pub fn askers(&self) -> &Askers {
        &self.askers
    }

    /// Who protects the answers.
    pub fn signer(&self) -> &Signer {
        &self.signer
    }

    /// Answers one message: the octets of a PKIMessage, or of whatever came in its place. The answer is always a
    /// PKIMessage, protected by our signature.
    pub fn handle(&self, message: &[u8], arrival: &Arrival, register: &dyn Register) -> Vec<u8> {
        let read = Message::read(message);
        let header = match &read {
            Ok(message) => Some(&message.header),
            Err(unreadable) => unreadable.header.as_deref(),
        };
        let address = header.map(ReturnAddress::of).unwrap_or_default();
        let served = match &read {
            Ok(message) => self.serve(message, arrival, register),
            Err(unreadable) => Err(unreadable.refusal.into()),
        };
        let answer = served.unwrap_or_else(|Declined { refusal, asked, who }| {
            let transaction = header.and_then(|header| header.transaction().ok());
            register.refused(&Refused { refusal, who, transaction, from: arrival.from });
            let failure = refusal.failure_info();
            asked.map_or(Answer::Error(failure), |to| Answer::Rejected { to, failure })
        });
        answer.write(&address, &self.signer, &arrival.nonce, arrival.now)
    }

    fn serve(
        &self,
        message: &Message<'_>,
        arrival: &Arrival,
        register: &dyn Register,
    ) -> Result<Answer, Declined> {
        let now = arrival.now.ok_or(Refusal::ClockUnsure)?;
        let id = message.header.transaction()?;
        message.header.check(matches!(message.body, Body::Ir(_)), now)?;
        protection::check_algorithm(message)?;
        match &message.body {
            Body::Ir(request) => self.enrol(message, request, arrival, register, now),
            Body::Kur(request) => self.renew(message, request, arrival, register, now),
            Body::CertConf(confirmation) => confirm(message, confirmation, &id, register, now),
            Body::Error => confirm(message, &Confirmation::Rejected, &id, register, now),
        }
    }

    fn enrol(
        &self,
        message: &Message<'_>,
        request: &Request<'_>,
        arrival: &Arrival,
        register: &dyn Register,
        now: UnixTime,
    ) -> Result<Answer, Declined> {
        let to = Kind::Ir;
        let by = |certificate: &Certificate, chain: &[&[u8]]| match register.legacy(certificate.sha256())? {
            Some(realm) => {
                let unit = request.unit().ok_or(Refusal::Unnamed)?;
                Ok(Voucher::Legacy(LegacyCertificate::new(unit, realm, certificate.clone())))
            }
            None => {
                let asker = self.askers.to_enrol(chain, now).map_err(Refusal::Path)?;
                Ok(Voucher::Vendor(asker.path))
            }
        };
        let authentic = authenticate(message, arrival, by, Voucher::name)?;
        let granted = possession(message, request, &authentic, register, now).and_then(|possession| {
            let Authentic { by, transaction, .. } = &authentic;
            let (possession, from, protocol) = (&possession, arrival.from, Protocol::Cmp);
            let said_at = message.header.message_time;
            register.enrol(&Enrol { by, possession, from, transaction, said_at, protocol }, now)
        });
        granted.map(|chain| Answer::Granted { to, chain }).map_err(|refusal| authentic.declines(to, refusal))
    }

    fn renew(
        &self,
        message: &Message<'_>,
        request: &Request<'_>,
        arrival: &Arrival,
        register: &dyn Register,
        now: UnixTime,
    ) -> Result<Answer, Declined> {
        let to = Kind::Kur;
        let by = |_: &Certificate, chain: &[&[u8]]| self.askers.to_renew(chain, now).map_err(Refusal::Path);
        let authentic = authenticate(message, arrival, by, |asker| asker.path.name())?;
        let granted = possession(message, request, &authentic, register, now).and_then(|possession| {
            request.check_old(&authentic.certificate)?;
            let Authentic { by: Asker { path: current, expired }, transaction, .. } = &authentic;
            let (expired, possession, from, protocol) = (*expired, &possession, arrival.from, Protocol::Cmp);
            let said_at = message.header.message_time;
            register.renew(&Renew { current, expired, possession, from, transaction, said_at, protocol }, now)
        });
        granted.map(|chain| Answer::Granted { to, chain }).map_err(|refusal| authentic.declines(to, refusal))
    }
}

/// By what it asks, then protection.
fn authenticate<B>(
    message: &Message<'_>,
    arrival: &Arrival,
    by: impl Fn(&Certificate, &[&[u8]]) -> Result<B, Refusal>,
    name: impl Fn(&B) -> &DeviceName,
) -> Result<Authentic<B>, Refusal> {
    let (certificate, chain) = protection::chain(message)?;
    let by = by(&certificate, &chain)?;
    protection::verify(message, &certificate)?;
    let signer = chain.first().map(|der| der.to_vec()).unwrap_or_default();
    let transaction = Transaction { id: message.header.transaction()?, signer, nonce: arrival.nonce };
    Ok(Authentic { name: name(&by).clone(), by, certificate, transaction })
}

/// What remains to be said against an authentic request before the register is asked.
fn possession<B>(
    message: &Message<'_>,
    request: &Request<'_>,
    authentic: &Authentic<B>,
    register: &dyn Register,
    now: UnixTime,
) -> Result<Possession, Refusal> {
    if register.find(&authentic.transaction.id, now)?.is_some() {
        return Err(Refusal::TransactionInUse);
    }
    let possession = Possession::prove(request, &message.header)?;
    match possession.spki() == authentic.certificate.spki() {
        true => Err(Refusal::SameKey),
        false => Ok(possession),
    }
}

impl<B> Authentic<B> {
    /// A transactionID in use is a matter of the header, and told by error.
    fn declines(&self, to: Kind, refusal: Refusal) -> Declined {
        let asked = (refusal != Refusal::TransactionInUse).then_some(to);
        let who = Some((self.name.clone(), self.certificate.sha256()));
        Declined { refusal, asked, who }
    }
}

/// certConf, or an error in its place: judged by the certificate that protected the request, whatever else the
/// message brings. Said twice, because the answer was lost, it is answered twice.
fn confirm(
    message: &Message<'_>,
    confirmation: &Confirmation<'_>,
    id: &TransactionId,
    register: &dyn Register,
    now: UnixTime,
) -> Result<Answer, Declined> {
    let record = register.find(id, now)?.ok_or(Refusal::NoTransaction)?;
    let Record { transaction, certificate, stage } = record;
    let signer = Certificate::from_der(&transaction.signer).map_err(|_| Refusal::Failed)?;
    protection::verify(message, &signer)?;
    if message.header.recip_nonce != Some(&transaction.nonce) {
        return Err(Refusal::RecipientNonce.into());
    }
    match (stage, confirmation) {
        (Stage::Over, Confirmation::Accepted { .. }) => return Err(Refusal::Over.into()),
        (Stage::Over, Confirmation::Rejected) => {}
        (Stage::Confirmed, Confirmation::Rejected) => return Err(Refusal::Confirmed.into()),
        (Stage::Confirmed, Confirmation::Accepted { .. }) => confirmation.is_about(&certificate)?,
        (Stage::Waiting, Confirmation::Rejected) => register.rejected(id, now)?,
        (Stage::Waiting, Confirmation::Accepted { .. }) => {
            confirmation.is_about(&certificate)?;
            register.confirm(id, now)?;
        }
    }
    Ok(Answer::Confirmed)
}
