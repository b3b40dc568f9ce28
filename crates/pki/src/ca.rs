use crate::certificate::{certificate_pem, read_certificate};
use crate::issuing::{Issuing, IssuingCa};
use crate::profile::{self, Holder};
use crate::{FileKey, KeyAlgorithm, PkiError, PrivateKey, StatusUris, file};
use ids::{Realm, UnixTime};
use rcgen::{CertificateParams, Issuer};
use serde::{Deserialize, Serialize};
use std::fs;
use std::path::{Path, PathBuf};
use x509::{Anchor, AnchorSet, Anchors};

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
    /// The domain in which gateways are named.
    pub gateway_domain: Realm,
    /// Keys of the CAs.
    pub key: KeyAlgorithm,
    /// CAs between root and issuing CAs, 0 to 3.
    pub intermediates: u8,
}

impl CaSpec {
    /// What the CA in `directory` was made for.
    ///
    /// # Errors
    /// [`PkiError::NoCa`], [`PkiError::File`], [`PkiError::Io`].
    pub fn read(directory: &Path) -> Result<Self, PkiError> {
        read_spec(directory)
    }

    /// P-256, no CA between root and issuing CAs, gateways named inside the realm.
    pub fn new(organization: impl Into<String>, realm: Realm) -> Self {
        Self {
            organization: organization.into(),
            country: None,
            gateway_domain: realm.clone(),
            realm,
            key: KeyAlgorithm::P256,
            intermediates: 0,
        }
    }

    fn holder<'a>(&'a self, common_name: &'a str) -> Holder<'a> {
        Holder { country: self.country.as_deref(), organization: &self.organization, common_name }
    }

    /// Whether a gateway may have this name.
    pub(crate) fn permits_gateway(&self, name: &str) -> bool {
        let (name, domain) = (name.to_ascii_lowercase(), self.gateway_domain.to_string());
        name.strip_suffix(domain.as_str()).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    }
}

/// The embedded CA: keys and certificates of its own. What it issued is in the [books](crate::Books).
pub struct Ca {
    pub(crate) spec: CaSpec,
    pub(crate) anchors: Anchors,
    pub(crate) gateway_anchors: AnchorSet,
    pub(crate) devices: IssuingCa,
    pub(crate) gateways: IssuingCa,
    pub(crate) root: Vec<u8>,
    directory: PathBuf,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SpecFile {
    v: u32,
    ca: CaSpec,
}

impl Ca {
    /// Makes a hierarchy in `directory`, which must be empty or missing: `root.{pem,key}`,
    /// `between-<n>.{pem,key}`, `devices.{pem,key}`, `gateways.{pem,key}`, `ca.json` last.
    ///
    /// # Errors
    /// [`PkiError::Exists`], [`PkiError::Order`] for a specification that makes no sense, [`PkiError::Io`].
    pub fn create(directory: &Path, spec: &CaSpec, now: UnixTime) -> Result<Self, PkiError> {
        if spec.intermediates > 3 {
            return Err(PkiError::Order("at most 3 CAs stand between root and issuing CAs"));
        }
        make_room(directory)?;
        let mut upper = Level::root(spec, now)?;
        upper.write(directory, "root")?;
        for number in 1..=spec.intermediates {
            upper = upper.between(spec, number, now)?;
            upper.write(directory, &format!("between-{number}"))?;
        }
        upper.issuing(spec, "issuing CA", &spec.realm, now)?.write(directory, Issuing::Devices.name())?;
        let gateways = upper.issuing(spec, "gateway CA", &spec.gateway_domain, now)?;
        gateways.write(directory, Issuing::Gateways.name())?;
        let json = serde_json::to_vec_pretty(&SpecFile { v: 1, ca: spec.clone() });
        let path = directory.join("ca.json");
        let json = json.map_err(|_| PkiError::file(&path, "cannot be written"))?;
        file::write(&path, file::PUBLIC, &json)?;
        Self::open(directory)
    }

    /// Opens the hierarchy.
    ///
    /// # Errors
    /// [`PkiError::NoCa`], [`PkiError::File`], [`PkiError::Io`].
    pub fn open(directory: &Path) -> Result<Self, PkiError> {
        let spec = read_spec(directory)?;
        let root_path = directory.join("root.pem");
        let root = read_certificate(&root_path)?;
        let anchor =
            Anchor::from_der(&root).map_err(|_| PkiError::file(&root_path, "no certificate of a CA"))?;
        let mut anchors = Anchors::new();
        anchors.insert(spec.realm.clone(), anchor.clone());
        let mut gateway_anchors = AnchorSet::new();
        gateway_anchors.insert(anchor);
        let above = (1..=spec.intermediates).rev();
        let above = above.map(|number| read_certificate(&directory.join(format!("between-{number}.pem"))));
        let above: Vec<_> = above.collect::<Result<_, _>>()?;
        Ok(Self {
            devices: IssuingCa::read(directory, Issuing::Devices, &above)?,
            gateways: IssuingCa::read(directory, Issuing::Gateways, &above)?,
            spec,
            anchors,
            gateway_anchors,
            root,
            directory: directory.to_owned(),
        })
    }

    /// Where the certificates that `issuing` signs from now on say that their status is found. A CA says
    /// nothing of it until it is told to, and is told again after each [`Ca::open`].
    ///
    /// # Errors
    /// [`PkiError::Order`] for what is no `http` URI.
    pub fn set_status_uris(&mut self, issuing: Issuing, uris: StatusUris) -> Result<(), PkiError> {
        uris.check()?;
        match issuing {
            Issuing::Devices => self.devices.status_uris = uris,
            Issuing::Gateways => self.gateways.status_uris = uris,
        }
        Ok(())
    }

    pub(crate) fn issuing(&self, which: Issuing) -> &IssuingCa {
        match which {
            Issuing::Devices => &self.devices,
            Issuing::Gateways => &self.gateways,
        }
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

    /// Where it is kept.
    pub fn directory(&self) -> &Path {
        &self.directory
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
    if path.try_exists().is_ok_and(|there| !there) {
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

    fn issuing(&self, spec: &CaSpec, what: &str, domain: &Realm, now: UnixTime) -> Result<Self, PkiError> {
        let name = format!("{} {what}", spec.realm);
        self.sign(profile::issuing(&spec.holder(&name), domain, now)?, spec.key)
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
