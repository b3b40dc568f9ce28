//! Entry points for fuzzers: plain functions over bytes, which must return for every input.

mod answer;

pub use answer::answer;

use crate::{
    Arrival, Enrol, Nonce, ProtectionKey, Record, Refusal, Refused, Register, RegistrationAuthority, Renew,
    Signer, Stage, Transaction, TransactionId,
};
use ids::UnixTime;
use rcgen::{
    CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, PublicKeyData, SerialNumber,
};
use std::collections::BTreeMap;
use std::sync::{LazyLock, Mutex, PoisonError};
use x509::{Anchor, Anchors};

/// 2026-12-01T12:00:00Z, when the messages of the corpus were sent.
const NOW: i64 = 1_796_126_400;
/// Our nonce in every answer.
const NONCE: Nonce = [0x5a; 16];
/// What is issued to everyone: a certificate that nobody looks at, but for its hash.
const ISSUED: &[u8] = include_bytes!("../../x509/tests/path/openssl/device.der");

/// The authority, and a unit whose messages are signed here: keys are drawn anew each time, names are not.
static SCENE: LazyLock<Option<Scene>> = LazyLock::new(Scene::new);

struct Scene {
    authority: RegistrationAuthority,
    /// Of the vendor, and of the carrier.
    units: [(KeyPair, Vec<u8>); 2],
}

/// What came of the messages of one input.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// What the register was asked, in order.
    pub asked: Vec<&'static str>,
    /// Codes of the refusals, in order.
    pub refused: Vec<&'static str>,
}

#[derive(Default)]
struct Scratch {
    records: Mutex<BTreeMap<TransactionId, Record>>,
    told: Mutex<Told>,
}

/// The messages of one input, one after the other, against an authority.
///
/// `data`: for each message one octet, a length of two octets, most significant first, and as many octets. By the
/// last two bits of the first octet these are a message as it is (0, 1), or header and body that are protected here
/// by the vendor's (2) or the carrier's (3) certificate of the unit.
///
/// # Panics
/// When an answer is no DER SEQUENCE, or the register was asked about a message that is not protected.
pub fn cmp(data: &[u8]) -> Told {
    let Some(scene) = SCENE.as_ref() else { return Told::default() };
    let register = Scratch::default();
    let mut rest = data;
    while let [way, high, low, behind @ ..] = rest {
        let length = usize::from(u16::from_be_bytes([*high, *low])).min(behind.len());
        let (octets, after) = behind.split_at(length);
        rest = after;
        let (message, may_ask) = match way & 3 {
            2 => (scene.protect(0, octets), true),
            3 => (scene.protect(1, octets), true),
            _ => (octets.to_vec(), false),
        };
        let before = register.told().asked.len();
        let from = std::net::IpAddr::from([192, 0, 2, 7]);
        let arrival = Arrival { from, now: Some(UnixTime::from_secs(NOW)), nonce: NONCE };
        let answer = scene.authority.handle(&message, &arrival, &register);
        assert_eq!(answer.first(), Some(&0x30), "every message is answered");
        assert!(may_ask || register.told().asked.len() == before, "nobody has these keys");
    }
    register.told()
}

impl Scene {
    fn new() -> Option<Self> {
        let vendor = Family::new("vendor.example", &[1, 3, 6, 1, 5, 5, 7, 3, 17])?;
        let carrier = Family::new("femto.example", &[1, 3, 6, 1, 5, 5, 7, 3, 17])?;
        let authority = Family::new("authority", &[1, 3, 6, 1, 5, 5, 7, 3, 28])?;
        let signer =
            Signer::new(Box::new(authority.key), vec![authority.certificate, authority.root]).ok()?;
        let anchors = |name: &str, root: &[u8]| {
            let mut anchors = Anchors::new();
            if let (Ok(realm), Ok(anchor)) = (name.parse(), Anchor::from_der(root)) {
                anchors.insert(realm, anchor);
            }
            anchors
        };
        let vendors = anchors("vendor.example", &vendor.root);
        let own = anchors("femto.example", &carrier.root);
        Some(Self {
            authority: RegistrationAuthority::new(signer, vendors, own),
            units: [(vendor.key, vendor.certificate), (carrier.key, carrier.certificate)],
        })
    }

    /// A PKIMessage of `protected` with this unit's signature and certificate.
    fn protect(&self, unit: usize, protected: &[u8]) -> Vec<u8> {
        let Some((key, certificate)) = self.units.get(unit) else { return Vec::new() };
        let signed = crate::tlv::as_sequence(protected);
        let signature = ProtectionKey::sign(key, &signed).unwrap_or_default();
        crate::answer::protected_message(protected, &signature, &[certificate.as_slice()])
    }
}

impl ProtectionKey for KeyPair {
    fn spki(&self) -> Vec<u8> {
        self.subject_public_key_info()
    }

    fn sign(&self, octets: &[u8]) -> Option<Vec<u8>> {
        rcgen::SigningKey::sign(self, octets).ok()
    }
}

/// A root and one end entity under it.
struct Family {
    root: Vec<u8>,
    key: KeyPair,
    certificate: Vec<u8>,
}

impl Family {
    fn new(realm: &str, purpose: &[u64]) -> Option<Self> {
        let (root_key, key) = (KeyPair::generate().ok()?, KeyPair::generate().ok()?);
        let mut root = named(realm, "root");
        root.is_ca = IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let name = format!("00aabbccddee.{realm}");
        let mut unit = named(realm, "unit");
        unit.is_ca = IsCa::ExplicitNoCa;
        unit.extended_key_usages = vec![ExtendedKeyUsagePurpose::Other(purpose.to_vec())];
        unit.subject_alt_names.extend(name.as_str().try_into().map(rcgen::SanType::DnsName));
        let issuer = Issuer::from_params(&root, &root_key);
        let certificate = unit.signed_by(&key, &issuer).ok()?.der().to_vec();
        let root = root.self_signed(&root_key).ok()?.der().to_vec();
        Some(Self { root, key, certificate })
    }
}

fn named(realm: &str, what: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, format!("{realm} {what}"));
    params.serial_number = Some(SerialNumber::from(vec![0x41; 16]));
    params
}

impl Scratch {
    fn told(&self) -> Told {
        self.told.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn tell(&self, asked: &'static str) {
        self.told.lock().unwrap_or_else(PoisonError::into_inner).asked.push(asked);
    }

    fn grant(&self, asked: &'static str, transaction: &Transaction) -> Vec<Vec<u8>> {
        self.tell(asked);
        let (transaction, certificate) = (transaction.clone(), ISSUED.to_vec());
        let record = Record { transaction: transaction.clone(), certificate, stage: Stage::Waiting };
        self.records.lock().unwrap_or_else(PoisonError::into_inner).insert(transaction.id, record);
        vec![ISSUED.to_vec()]
    }

    fn end(&self, asked: &'static str, id: &TransactionId, stage: Stage) {
        self.tell(asked);
        if let Some(record) = self.records.lock().unwrap_or_else(PoisonError::into_inner).get_mut(id) {
            record.stage = stage;
        }
    }
}

impl Register for Scratch {
    fn find(&self, id: &TransactionId, _: UnixTime) -> Result<Option<Record>, Refusal> {
        Ok(self.records.lock().unwrap_or_else(PoisonError::into_inner).get(id).cloned())
    }

    fn legacy(&self, _: ids::CertSha256) -> Result<Option<ids::Realm>, Refusal> {
        Ok(None)
    }

    fn enrol(&self, request: &Enrol<'_>, _: UnixTime) -> Result<Vec<Vec<u8>>, Refusal> {
        Ok(self.grant("enrol", request.transaction))
    }

    fn renew(&self, request: &Renew<'_>, _: UnixTime) -> Result<Vec<Vec<u8>>, Refusal> {
        Ok(self.grant("renew", request.transaction))
    }

    fn confirm(&self, id: &TransactionId, _: UnixTime) -> Result<(), Refusal> {
        self.end("confirm", id, Stage::Confirmed);
        Ok(())
    }

    fn rejected(&self, id: &TransactionId, _: UnixTime) -> Result<(), Refusal> {
        self.end("rejected", id, Stage::Over);
        Ok(())
    }

    fn refused(&self, refused: &Refused) {
        self.told.lock().unwrap_or_else(PoisonError::into_inner).refused.push(refused.refusal.code());
    }
}
