use crate::profile::{self, Holder};
use crate::shelf::{self, Shelf, certificate_pem};
use crate::{
    Books, CaKey, CertificateInfo, FileKey, Intent, KeyAlgorithm, Outcome, PkiError, PrivateKey, file,
};
use ids::{Realm, UnixTime};
use rcgen::{CertificateParams, Issuer, PublicKeyData, SignatureAlgorithm, SigningKey};
use rustls_pki_types::CertificateDer;
use serde::{Deserialize, Serialize};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use x509::{Anchor, AnchorSet, Anchors, Certificate};

/// What a CA is made for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CaSpec {
    /// O of every name, such as the carrier's.
    pub organization: String,
    /// C of every name: two capital letters.
    pub country: Option<String>,
    /// The realm whose devices it names.
    pub realm: Realm,
    /// Further domains in which gateways may be named; names inside the realm are always allowed.
    pub gateway_domains: Vec<String>,
    /// Keys of the CAs.
    pub key: KeyAlgorithm,
    /// CAs between root and issuing CA, 0 to 3.
    pub intermediates: u8,
}

impl CaSpec {
    /// P-256, no CA between root and issuing CA, gateways named inside the realm.
    pub fn new(organization: impl Into<String>, realm: Realm) -> Self {
        Self {
            organization: organization.into(),
            country: None,
            realm,
            gateway_domains: Vec::new(),
            key: KeyAlgorithm::P256,
            intermediates: 0,
        }
    }

    fn holder<'a>(&'a self, common_name: &'a str) -> Holder<'a> {
        Holder { country: self.country.as_deref(), organization: &self.organization, common_name }
    }

    fn domains(&self) -> Vec<String> {
        let own = std::iter::once(self.realm.to_string());
        own.chain(self.gateway_domains.iter().map(|domain| domain.to_ascii_lowercase())).collect()
    }

    /// Whether the name lies inside one of the CA's domains.
    pub(crate) fn permits(&self, name: &str) -> bool {
        let name = name.to_ascii_lowercase();
        let inside = |domain: &String| {
            name.strip_suffix(domain.as_str()).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
        };
        self.domains().iter().any(inside)
    }
}

/// The embedded CA. One process has it open at a time (the data directory's lock sees to that).
pub struct Ca {
    pub(crate) spec: CaSpec,
    pub(crate) shelf: Shelf,
    pub(crate) anchors: Anchors,
    pub(crate) gateway_anchors: AnchorSet,
    /// Issuing CA first, without the root.
    pub(crate) issuers: Vec<Vec<u8>>,
    pub(crate) issuing: Certificate,
    pub(crate) issuer: Issuer<'static, IssuingKey>,
    /// One issuance at a time, so that [`Ca::settle`] never meets one under way.
    pub(crate) one: Mutex<()>,
    root: Vec<u8>,
    directory: PathBuf,
}

/// Whatever signs for the issuing CA.
pub(crate) struct IssuingKey(Box<dyn CaKey>);

impl PublicKeyData for IssuingKey {
    fn der_bytes(&self) -> &[u8] {
        self.0.der_bytes()
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        self.0.algorithm()
    }
}

impl SigningKey for IssuingKey {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        self.0.sign(message)
    }
}

/// A half-done issuance that was finished or undone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Settled {
    /// What had been intended.
    pub intent: Intent,
    /// What it came to.
    pub outcome: Outcome,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SpecFile {
    v: u32,
    ca: CaSpec,
}

impl Ca {
    /// Makes a hierarchy in `directory`, which must be empty or missing: `root.{pem,key}`,
    /// `between-<n>.{pem,key}`, `issuing.{pem,key}`, `ca.json` last.
    ///
    /// # Errors
    /// [`PkiError::Exists`], [`PkiError::Order`] for a specification that makes no sense, [`PkiError::Io`].
    pub fn create(directory: &Path, spec: &CaSpec, now: UnixTime) -> Result<Self, PkiError> {
        if spec.intermediates > 3 {
            return Err(PkiError::Order("at most 3 CAs stand between root and issuing CA"));
        }
        make_room(directory)?;
        let mut upper = Level::root(spec, now)?;
        upper.write(directory, "root")?;
        for number in 1..=spec.intermediates {
            upper = upper.between(spec, number, now)?;
            upper.write(directory, &format!("between-{number}"))?;
        }
        upper.issuing(spec, now)?.write(directory, "issuing")?;
        Shelf::at(directory).create()?;
        let json = serde_json::to_vec_pretty(&SpecFile { v: 1, ca: spec.clone() });
        let path = directory.join("ca.json");
        let json = json.map_err(|_| PkiError::file(&path, "cannot be written"))?;
        file::write(&path, file::PUBLIC, &json)?;
        Self::load(directory)
    }

    /// Opens the hierarchy and settles what a crash left half-done: what has a certificate is
    /// finished, what has none is undone.
    ///
    /// # Errors
    /// [`PkiError::NoCa`], [`PkiError::File`], [`PkiError::Io`], [`PkiError::Books`].
    pub fn open(
        directory: &Path,
        books: &dyn Books,
        now: UnixTime,
    ) -> Result<(Self, Vec<Settled>), PkiError> {
        let ca = Self::load(directory)?;
        let settled = ca.settle(books, now)?;
        Ok((ca, settled))
    }

    fn load(directory: &Path) -> Result<Self, PkiError> {
        let spec = read_spec(directory)?;
        let root = shelf::read_certificate(&directory.join("root.pem"))?;
        let issuing_path = directory.join("issuing.pem");
        let issuing_der = shelf::read_certificate(&issuing_path)?;
        let bad = |path: &Path| PkiError::file(path, "no certificate of a CA");
        let issuing = Certificate::from_der(&issuing_der).map_err(|_| bad(&issuing_path))?;
        let key = FileKey::new(&PrivateKey::read(&directory.join("issuing.key"))?)?;
        let key = IssuingKey(Box::new(key));
        if key.subject_public_key_info() != issuing.spki() {
            return Err(PkiError::file(&issuing_path, "does not belong to issuing.key"));
        }
        let issuer = Issuer::from_ca_cert_der(&CertificateDer::from(issuing_der.as_slice()), key);
        let anchor = Anchor::from_der(&root).map_err(|_| bad(&directory.join("root.pem")))?;
        let mut anchors = Anchors::new();
        anchors.insert(spec.realm.clone(), anchor.clone());
        let mut gateway_anchors = AnchorSet::new();
        gateway_anchors.insert(anchor);
        let mut issuers = vec![issuing_der.clone()];
        for number in (1..=spec.intermediates).rev() {
            issuers.push(shelf::read_certificate(&directory.join(format!("between-{number}.pem")))?);
        }
        Ok(Self {
            spec,
            shelf: Shelf::at(directory),
            anchors,
            gateway_anchors,
            issuers,
            issuing,
            issuer: issuer.map_err(|_| bad(&issuing_path))?,
            one: Mutex::new(()),
            root,
            directory: directory.to_owned(),
        })
    }

    /// Finishes or undoes every issuance that was cut off, as [`Ca::open`] does.
    ///
    /// # Errors
    /// [`PkiError::Books`], [`PkiError::Io`], [`PkiError::File`].
    pub fn settle(&self, books: &dyn Books, now: UnixTime) -> Result<Vec<Settled>, PkiError> {
        let _one = self.one.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        self.shelf.pending()?.into_iter().map(|intent| self.settle_one(intent, books, now)).collect()
    }

    fn settle_one(&self, intent: Intent, books: &dyn Books, now: UnixTime) -> Result<Settled, PkiError> {
        let outcome = match self.shelf.get(&intent.serial)? {
            Some(der) => {
                let certificate = Certificate::from_der(&der).map_err(|_| PkiError::Signing)?;
                books.issued(&intent, &certificate, now)?;
                Outcome::Issued
            }
            None => {
                books.abandoned(&intent, now)?;
                Outcome::Abandoned
            }
        };
        self.shelf.settled(&intent.serial)?;
        Ok(Settled { intent, outcome })
    }

    /// What the CA was made for.
    pub fn spec(&self) -> &CaSpec {
        &self.spec
    }

    /// The realm whose devices it names.
    pub fn realm(&self) -> &Realm {
        &self.spec.realm
    }

    /// The root as DER: the anchor to configure for the realm.
    pub fn root(&self) -> &[u8] {
        &self.root
    }

    /// The root as anchor of the realm, for a gateway that knows no other.
    pub fn anchors(&self) -> &Anchors {
        &self.anchors
    }

    /// The root as anchor of the gateway's certificate, for a femtocell.
    pub fn gateway_anchors(&self) -> &AnchorSet {
        &self.gateway_anchors
    }

    /// The CA certificates below the root as DER, issuing CA first: what a peer sends behind its own.
    pub fn issuers(&self) -> &[Vec<u8>] {
        &self.issuers
    }

    /// Where it is kept.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// What was issued, in the order of serials, those after `after` only, at most `limit`.
    ///
    /// # Errors
    /// [`PkiError::Io`], [`PkiError::File`].
    pub fn list(&self, after: Option<&str>, limit: usize) -> Result<Vec<CertificateInfo>, PkiError> {
        let serials = self.shelf.serials(after, limit)?;
        serials.iter().map(|serial| self.show(serial).map(|(info, _)| info)).collect()
    }

    /// One certificate by its serial (lower-case hex): facts and PEM.
    ///
    /// # Errors
    /// [`PkiError::NotFound`], [`PkiError::Io`], [`PkiError::File`].
    pub fn show(&self, serial: &str) -> Result<(CertificateInfo, String), PkiError> {
        let der = self.shelf.get(serial)?.ok_or_else(|| PkiError::NotFound(serial.to_owned()))?;
        let certificate = Certificate::from_der(&der)
            .map_err(|_| PkiError::file(&self.directory.join("issued"), "no certificate"))?;
        Ok((CertificateInfo::of(&certificate, &self.spec.realm), certificate_pem(&der)))
    }
}

impl std::fmt::Debug for Ca {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Ca({} in {})", self.spec.realm, self.directory.display())
    }
}

fn make_room(directory: &Path) -> Result<(), PkiError> {
    file::create_directory(directory)?;
    let mut entries = fs::read_dir(directory).map_err(PkiError::io(directory))?;
    match entries.next() {
        None => Ok(()),
        Some(_) => Err(PkiError::Exists(directory.to_owned())),
    }
}

fn read_spec(directory: &Path) -> Result<CaSpec, PkiError> {
    let path = directory.join("ca.json");
    if !path.exists() {
        return Err(PkiError::NoCa(directory.to_owned()));
    }
    match serde_json::from_slice(&file::read(&path)?) {
        Ok(SpecFile { v: 1, ca }) => Ok(ca),
        Ok(SpecFile { .. }) => Err(PkiError::file(&path, "is of a version that this program does not know")),
        Err(_) => Err(PkiError::file(&path, "does not describe a CA")),
    }
}

/// One CA while the hierarchy is made.
struct Level {
    params: CertificateParams,
    private: PrivateKey,
    key: FileKey,
    der: Vec<u8>,
}

impl Level {
    fn root(spec: &CaSpec, now: UnixTime) -> Result<Self, PkiError> {
        let name = format!("{} root", spec.realm);
        let params = profile::root(&spec.holder(&name), spec.intermediates + 1, now)?;
        let private = PrivateKey::generate(spec.key)?;
        let key = FileKey::new(&private)?;
        let der = params.self_signed(&key).map_err(|_| PkiError::Signing)?.der().to_vec();
        Ok(Self { params, private, key, der })
    }

    fn between(&self, spec: &CaSpec, number: u8, now: UnixTime) -> Result<Self, PkiError> {
        let name = format!("{} CA {number}", spec.realm);
        let below = spec.intermediates - number + 1;
        self.sign(profile::between(&spec.holder(&name), below, now)?, spec.key)
    }

    fn issuing(&self, spec: &CaSpec, now: UnixTime) -> Result<Self, PkiError> {
        let name = format!("{} issuing CA", spec.realm);
        self.sign(profile::issuing(&spec.holder(&name), &spec.domains(), now)?, spec.key)
    }

    fn sign(&self, params: CertificateParams, algorithm: KeyAlgorithm) -> Result<Self, PkiError> {
        let private = PrivateKey::generate(algorithm)?;
        let key = FileKey::new(&private)?;
        let issuer = Issuer::from_params(&self.params, &self.key);
        let der = params.signed_by(&key, &issuer).map_err(|_| PkiError::Signing)?.der().to_vec();
        Ok(Self { params, private, key, der })
    }

    fn write(&self, directory: &Path, name: &str) -> Result<(), PkiError> {
        self.private.write(&directory.join(name).with_extension("key"))?;
        let pem = certificate_pem(&self.der);
        file::write(&directory.join(name).with_extension("pem"), file::PUBLIC, pem.as_bytes())
    }
}
