//! Keys in a PKCS#11 token (PKCS #11 version 2.40).

use super::{CaKey, KeyAlgorithm, KeyError, TokenUri};
use aws_lc_rs::digest::{SHA256, SHA384, digest};
use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::error::{Error, RvError};
use cryptoki::mechanism::Mechanism;
use cryptoki::object::{Attribute, AttributeType, KeyType, ObjectClass, ObjectHandle};
use cryptoki::session::{Session, UserType};
use cryptoki::slot::Slot;
use cryptoki::types::AuthPin;
use der::asn1::{Any, BitString, ObjectIdentifier, OctetString, UintRef};
use der::{Decode, Encode};
use ids::Sha256;
use rcgen::{PublicKeyData, SignatureAlgorithm, SubjectPublicKeyInfo};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use x509_cert::spki::{AlgorithmIdentifierOwned, SubjectPublicKeyInfoOwned};

/// A private key that never leaves its token, and its public half.
pub(crate) struct TokenKey {
    uri: TokenUri,
    opened: Mutex<Option<Opened>>,
    private: ObjectHandle,
    public: SubjectPublicKeyInfo,
}

/// A session of the token's user. Its handle means another session, or none, once the module was started anew.
struct Opened {
    session: Session,
    start: u64,
}

/// Modules that were loaded, one at a time in use by this process: PKCS #11 leaves to each how many threads it can take, and
/// a module is initialised once for all who use it.
struct Modules {
    loaded: BTreeMap<PathBuf, Module>,
    /// Tokens with a PIN that they refused, as its hash: a token locks itself after few wrong ones, so none is tried twice.
    refused: BTreeSet<(String, Sha256)>,
}

#[derive(Clone)]
struct Module {
    functions: Pkcs11,
    /// Counts its starts.
    start: u64,
    started: Instant,
}

/// A module may learn of its tokens only when it is started, so it is started anew when one is missing, but no more often
/// than this: whoever has a session with another of its tokens has to log in again.
const START_EVERY: Duration = Duration::from_secs(5);

static MODULES: Mutex<Modules> = Mutex::new(Modules { loaded: BTreeMap::new(), refused: BTreeSet::new() });

const EC_PUBLIC_KEY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const RSA_ENCRYPTION: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
const SECP256R1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
const SECP384R1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.34");

impl TokenKey {
    /// Finds the key of this label. Private and public half both have it, and nothing else does.
    pub(crate) fn open(uri: &TokenUri) -> Result<Self, KeyError> {
        let mut modules = modules();
        let opened = modules.session(uri)?;
        let found = |class| find(&opened.session, class, uri).map_err(|error| failed(uri, error));
        let private = one(uri, found(ObjectClass::PRIVATE_KEY)?)?;
        let public = one(uri, found(ObjectClass::PUBLIC_KEY)?)?;
        Self::with(uri, opened, private, public)
    }

    /// Has the token make a key, which it shows to nobody. There must be none of this label.
    pub(crate) fn make(uri: &TokenUri, algorithm: KeyAlgorithm) -> Result<Self, KeyError> {
        let mut modules = modules();
        let opened = modules.session(uri)?;
        let there =
            find(&opened.session, ObjectClass::PRIVATE_KEY, uri).map_err(|error| failed(uri, error))?;
        if !there.is_empty() {
            return Err(KeyError::Exists { place: uri.to_string() });
        }
        let made = generate(&opened.session, uri, algorithm);
        let (private, public) = made.map_err(|error| failed(uri, error))?;
        Self::with(uri, opened, private, public)
    }

    fn with(
        uri: &TokenUri,
        opened: Opened,
        private: ObjectHandle,
        public: ObjectHandle,
    ) -> Result<Self, KeyError> {
        let public = spki(&opened.session, public).map_err(|error| failed(uri, error))?;
        let other = || token(uri, "the key is none of P-256, P-384 or RSA");
        let public = public.and_then(|der| SubjectPublicKeyInfo::from_der(&der).ok()).ok_or_else(other)?;
        Ok(Self { uri: uri.clone(), opened: Mutex::new(Some(opened)), private, public })
    }

    fn opened(&self) -> MutexGuard<'_, Option<Opened>> {
        self.opened.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for TokenKey {
    /// Closes the session, unless its handle is another's by now.
    fn drop(&mut self) {
        let modules = modules();
        let Some(opened) = self.opened().take() else { return };
        if modules.is_started_anew(&self.uri, &opened) {
            std::mem::forget(opened);
        }
    }
}

impl PublicKeyData for TokenKey {
    fn der_bytes(&self) -> &[u8] {
        self.public.der_bytes()
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        self.public.algorithm()
    }
}

impl CaKey for TokenKey {
    fn signature(&self, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        let (modules, opened) = (modules(), self.opened());
        let opened = opened.as_ref().filter(|opened| !modules.is_started_anew(&self.uri, opened));
        let opened = opened.ok_or_else(|| token(&self.uri, "the session has ended"))?;
        let sign = |mechanism, octets: &[u8]| {
            let signed = opened.session.sign(&mechanism, self.private, octets);
            signed.map_err(|error| failed(&self.uri, error))
        };
        let hash = match self.public.algorithm() {
            algorithm if algorithm == &rcgen::PKCS_ECDSA_P256_SHA256 => &SHA256,
            algorithm if algorithm == &rcgen::PKCS_ECDSA_P384_SHA384 => &SHA384,
            _ => return sign(Mechanism::Sha256RsaPkcs, message),
        };
        let raw = sign(Mechanism::Ecdsa, digest(hash, message).as_ref())?;
        ecdsa_sig_value(&raw).ok_or_else(|| token(&self.uri, "a signature that is none"))
    }
}

/// r and s side by side (PKCS #11 §2.3.1) as Ecdsa-Sig-Value (RFC 3279 §2.2.3).
fn ecdsa_sig_value(raw: &[u8]) -> Option<Vec<u8>> {
    let (r, s) = raw.split_at_checked(raw.len() / 2).filter(|(r, s)| r.len() == s.len())?;
    vec![UintRef::new(r).ok()?, UintRef::new(s).ok()?].to_der().ok()
}

impl Modules {
    /// A session of the token's user.
    fn session(&mut self, uri: &TokenUri) -> Result<Opened, KeyError> {
        let pin = uri.pin.read()?;
        let (module, slot) = self.slot(uri)?;
        let session = module.functions.open_rw_session(slot).map_err(|error| failed(uri, error))?;
        let tried = (uri.token.clone(), Sha256::of(pin.as_bytes()));
        let wrong = || KeyError::WrongPin { token: uri.token.clone(), from: uri.pin.to_string() };
        if self.refused.contains(&tried) {
            return Err(wrong());
        }
        match session.login(UserType::User, Some(&AuthPin::new(pin.as_str().into()))) {
            Ok(()) | Err(Error::Pkcs11(RvError::UserAlreadyLoggedIn, _)) => {
                Ok(Opened { session, start: module.start })
            }
            Err(Error::Pkcs11(RvError::PinIncorrect | RvError::PinLenRange | RvError::PinInvalid, _)) => {
                self.refused.insert(tried);
                Err(wrong())
            }
            Err(error) => Err(failed(uri, error)),
        }
    }

    /// The token, in a module that may have to look again.
    fn slot(&mut self, uri: &TokenUri) -> Result<(Module, Slot), KeyError> {
        let module = match self.loaded.get(&uri.module) {
            Some(module) => module.clone(),
            None => self.start(uri, None)?,
        };
        let found = slot(&module, uri);
        if !matches!(found, Err(KeyError::NoToken { .. })) || module.started.elapsed() < START_EVERY {
            return found.map(|slot| (module, slot));
        }
        let again = self.start(uri, Some(module))?;
        slot(&again, uri).map(|slot| (again, slot))
    }

    fn start(&mut self, uri: &TokenUri, before: Option<Module>) -> Result<Module, KeyError> {
        let failed = |error: Error| KeyError::Module { path: uri.module.clone(), why: error.to_string() };
        let (functions, start) = match before {
            Some(module) => {
                match module.functions.clone().finalize() {
                    Ok(()) | Err(Error::Pkcs11(RvError::CryptokiNotInitialized, _)) => (),
                    Err(error) => return Err(failed(error)),
                }
                (module.functions, module.start + 1)
            }
            None => (Pkcs11::new(&uri.module).map_err(failed)?, 0),
        };
        match functions.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)) {
            Ok(()) | Err(Error::Pkcs11(RvError::CryptokiAlreadyInitialized, _)) => (),
            Err(error) => return Err(failed(error)),
        }
        let module = Module { functions, start, started: Instant::now() };
        self.loaded.insert(uri.module.clone(), module.clone());
        Ok(module)
    }

    fn is_started_anew(&self, uri: &TokenUri, opened: &Opened) -> bool {
        self.loaded.get(&uri.module).is_none_or(|module| module.start != opened.start)
    }
}

fn modules() -> MutexGuard<'static, Modules> {
    MODULES.lock().unwrap_or_else(PoisonError::into_inner)
}

fn slot(module: &Module, uri: &TokenUri) -> Result<Slot, KeyError> {
    let module = &module.functions;
    let slots = module.get_slots_with_token().map_err(|error| failed(uri, error))?;
    let is_it =
        |slot: &Slot| module.get_token_info(*slot).is_ok_and(|info| info.label().trim_end() == uri.token);
    let mut found = slots.into_iter().filter(is_it);
    match (found.next(), found.next()) {
        (Some(slot), None) => Ok(slot),
        (None, _) => Err(KeyError::NoToken { token: uri.token.clone(), module: uri.module.clone() }),
        (Some(_), Some(_)) => Err(token(uri, "several tokens have this label")),
    }
}

fn find(session: &Session, class: ObjectClass, uri: &TokenUri) -> Result<Vec<ObjectHandle>, Error> {
    session.find_objects(&[Attribute::Class(class), Attribute::Label(uri.object.clone().into_bytes())])
}

fn one(uri: &TokenUri, found: Vec<ObjectHandle>) -> Result<ObjectHandle, KeyError> {
    match found.as_slice() {
        [] => Err(KeyError::Missing { place: uri.to_string() }),
        [one] => Ok(*one),
        _ => Err(token(uri, "several keys have this label")),
    }
}

fn generate(
    session: &Session,
    uri: &TokenUri,
    algorithm: KeyAlgorithm,
) -> Result<(ObjectHandle, ObjectHandle), Error> {
    let curve = |oid: ObjectIdentifier| {
        (Mechanism::EccKeyPairGen, vec![Attribute::EcParams(oid.to_der().unwrap_or_default())])
    };
    let rsa = |bits: u64| {
        let exponent = Attribute::PublicExponent(vec![1, 0, 1]);
        (Mechanism::RsaPkcsKeyPairGen, vec![Attribute::ModulusBits(bits.into()), exponent])
    };
    let (mechanism, kind) = match algorithm {
        KeyAlgorithm::P256 => curve(SECP256R1),
        KeyAlgorithm::P384 => curve(SECP384R1),
        KeyAlgorithm::Rsa2048 => rsa(2048),
        KeyAlgorithm::Rsa3072 => rsa(3072),
    };
    let label = || Attribute::Label(uri.object.clone().into_bytes());
    let id = || Attribute::Id(uri.object.clone().into_bytes());
    let public = [Attribute::Token(true), Attribute::Private(false), Attribute::Verify(true), label(), id()];
    let private = [
        Attribute::Token(true),
        Attribute::Private(true),
        Attribute::Sensitive(true),
        Attribute::Extractable(false),
        Attribute::Sign(true),
        label(),
        id(),
    ];
    let (public, private) =
        session.generate_key_pair(&mechanism, &[&public[..], &kind].concat(), &private)?;
    Ok((private, public))
}

/// SubjectPublicKeyInfo in DER; `None` for another kind of key.
fn spki(session: &Session, public: ObjectHandle) -> Result<Option<Vec<u8>>, Error> {
    let wanted = [
        AttributeType::KeyType,
        AttributeType::EcParams,
        AttributeType::EcPoint,
        AttributeType::Modulus,
        AttributeType::PublicExponent,
    ];
    let (mut kind, mut parameters, mut point, mut modulus, mut exponent) = (None, None, None, None, None);
    for attribute in session.get_attributes(public, &wanted)? {
        #[expect(clippy::wildcard_enum_match_arm, reason = "a token returns what was asked for")]
        match attribute {
            Attribute::KeyType(found) => kind = Some(found),
            Attribute::EcParams(found) => parameters = Some(found),
            Attribute::EcPoint(found) => point = Some(found),
            Attribute::Modulus(found) => modulus = Some(found),
            Attribute::PublicExponent(found) => exponent = Some(found),
            _ => (),
        }
    }
    Ok(match kind {
        Some(KeyType::EC) => parameters.zip(point).and_then(|(parameters, point)| ec(&parameters, &point)),
        Some(KeyType::RSA) => modulus.zip(exponent).and_then(|(modulus, exponent)| rsa(&modulus, &exponent)),
        Some(_) | None => None,
    })
}

/// `point`: an OCTET STRING in DER (PKCS #11 §2.3.3).
fn ec(parameters: &[u8], point: &[u8]) -> Option<Vec<u8>> {
    let parameters = Any::from_der(parameters).ok()?;
    let point = OctetString::from_der(point).ok()?;
    spki_of(EC_PUBLIC_KEY, parameters, point.as_bytes())
}

/// RSAPublicKey (RFC 8017 A.1.1).
fn rsa(modulus: &[u8], exponent: &[u8]) -> Option<Vec<u8>> {
    let key = vec![UintRef::new(modulus).ok()?, UintRef::new(exponent).ok()?].to_der().ok()?;
    spki_of(RSA_ENCRYPTION, Any::null(), &key)
}

fn spki_of(oid: ObjectIdentifier, parameters: Any, key: &[u8]) -> Option<Vec<u8>> {
    let algorithm = AlgorithmIdentifierOwned { oid, parameters: Some(parameters) };
    let subject_public_key = BitString::from_bytes(key).ok()?;
    SubjectPublicKeyInfoOwned { algorithm, subject_public_key }.to_der().ok()
}

fn failed(uri: &TokenUri, error: Error) -> KeyError {
    token(uri, &error.to_string())
}

fn token(uri: &TokenUri, why: &str) -> KeyError {
    KeyError::Token { token: uri.token.clone(), why: why.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r_and_s_become_der_without_leading_zeros_and_positive() {
        // X.690 §8.3: 0x80 needs a zero in front, 0x00 0x7f none.
        let raw = [0x80, 0x01, 0x00, 0x7f];
        assert_eq!(ecdsa_sig_value(&raw).unwrap(), [0x30, 8, 2, 3, 0, 0x80, 1, 2, 1, 0x7f]);
        assert_eq!(ecdsa_sig_value(&[1, 2, 3]), None);
    }
}
