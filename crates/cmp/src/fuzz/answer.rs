use super::Family;
use crate::answer::protected_message;
use crate::tlv::as_sequence;
use crate::{Asked, Confirming, Fresh, Operator, ProtectionKey, Signer, TransactionId};
use ids::UnixTime;
use rcgen::KeyPair;
use std::sync::LazyLock;
use x509::Anchor;

/// transactionID of both messages.
const TRANSACTION: [u8; 16] = [1; 16];
/// senderNonce of both.
const NONCE: [u8; 16] = [2; 16];
/// 2026-12-01T12:00:00Z.
const NOW: i64 = 1_796_126_400;
/// Whose hash is confirmed.
const OFFERED: &[u8] = include_bytes!("../../../x509/tests/path/openssl/device.der");

/// A unit that has asked and one that has confirmed, and the authority under its operator's root.
static SCENE: LazyLock<Option<Scene>> = LazyLock::new(Scene::new);

struct Scene {
    operator: Operator,
    asked: Asked,
    confirming: Confirming,
    key: KeyPair,
    certificate: Vec<u8>,
}

/// One answer to a unit's ir, and to its certConf: what each made of it, `taken` or the code of an `AnswerError`.
///
/// `data`: one octet, then a message as it is, or, where that octet is odd, header and body that the authority protects
/// here. transactionID and nonce of the unit are 16 times 1 and 2.
pub fn answer(data: &[u8]) -> [&'static str; 2] {
    let (Some(scene), Some((way, octets))) = (SCENE.as_ref(), data.split_first()) else { return [""; 2] };
    let message = match way & 1 {
        1 => {
            let signature = ProtectionKey::sign(&scene.key, &as_sequence(octets)).unwrap_or_default();
            protected_message(octets, &signature, &[scene.certificate.as_slice()])
        }
        _ => octets.to_vec(),
    };
    let earliest = UnixTime::from_secs(NOW);
    let asked = scene.asked.read(&scene.operator, &message, earliest);
    let confirmed = scene.confirming.read(&scene.operator, &message, earliest);
    [
        asked.map_or_else(crate::AnswerError::code, |_| "taken"),
        confirmed.map_or_else(crate::AnswerError::code, |_| "taken"),
    ]
}

impl Scene {
    fn new() -> Option<Self> {
        let authority = Family::new("authority", &[1, 3, 6, 1, 5, 5, 7, 3, 28])?;
        let vendor = Family::new("vendor.example", &[1, 3, 6, 1, 5, 5, 7, 3, 17])?;
        let operator = Operator::new("femto.example".parse().ok()?, Anchor::from_der(&authority.root).ok()?);
        let signer = Signer::new(Box::new(vendor.key), vec![vendor.certificate]).ok()?;
        let fresh = Fresh { transaction: TRANSACTION, nonce: NONCE };
        let asked = Asked::ir(&operator, &signer, &KeyPair::generate().ok()?, None, fresh).ok()?;
        let id = TransactionId::new(&TRANSACTION)?;
        let now = UnixTime::from_secs(NOW);
        let confirming = Confirming::new(&signer, &id, &[0x5a; 16], OFFERED, now, NONCE).ok()?;
        Some(Self { operator, asked, confirming, key: authority.key, certificate: authority.certificate })
    }
}
