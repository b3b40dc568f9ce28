use crate::certificate::{certificate_pem, read_certificate};
use crate::issuing::{Generations, Issuing, IssuingCa};
use crate::key::KeptKey;
use crate::profile::{self, Holder, Window};
use crate::{CaKeys, Generation, KeyAlgorithm, KeyError, KeyPlace, KeysAbove, PkiError, StatusUris, file};
use ids::{CertSha256, Realm, UnixTime};
use rcgen::{CertificateParams, Issuer};
use serde::{Deserialize, Serialize};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
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

    pub(crate) fn holder<'a>(&'a self, common_name: &'a str) -> Holder<'a> {
        Holder { country: self.country.as_deref(), organization: &self.organization, common_name }
    }

    /// The name of an issuing CA.
    pub(crate) fn issuing_name(&self, generation: Generation) -> String {
        let what = match generation.issuing() {
            Issuing::Devices => "issuing CA",
            Issuing::Gateways => "gateway CA",
        };
        match generation.number() {
            1 => format!("{} {what}", self.realm),
            number => format!("{} {what} {number}", self.realm),
        }
    }

    /// The one domain in which an issuing CA may name anybody.
    pub(crate) fn domain(&self, issuing: Issuing) -> &Realm {
        match issuing {
            Issuing::Devices => &self.realm,
            Issuing::Gateways => &self.gateway_domain,
        }
    }

    /// What the certificate of an issuing CA says.
    pub(crate) fn issuing(
        &self,
        generation: Generation,
        window: Window,
    ) -> Result<CertificateParams, PkiError> {
        let name = self.issuing_name(generation);
        profile::issuing(&self.holder(&name), self.domain(generation.issuing()), window)
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
    devices: RwLock<Generations>,
    gateways: RwLock<Generations>,
    /// Whoever makes, examines or takes up a next generation.
    pub(crate) rotating: Mutex<()>,
    /// Between issuing CAs and root, nearest first.
    pub(crate) above: Vec<Vec<u8>>,
    pub(crate) keys: CaKeys,
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
        let above = KeysAbove { folder: directory, passphrase: None };
        Self::create_with(directory, spec, (above, &CaKeys::default()), now)
    }

    /// The same with keys that are kept otherwise: those of root and CAs between, and those of the issuing CAs.
    ///
    /// # Errors
    /// As [`Self::create`], and [`PkiError::Key`].
    pub fn create_with(
        directory: &Path,
        spec: &CaSpec,
        (above, keys): (KeysAbove<'_>, &CaKeys),
        now: UnixTime,
    ) -> Result<Self, PkiError> {
        if spec.intermediates > 3 {
            return Err(PkiError::Order("at most 3 CAs stand between root and issuing CAs"));
        }
        make_room(directory)?;
        let mut upper = Level::root(spec, above.place("root"), now)?;
        upper.write(directory, "root")?;
        for number in 1..=spec.intermediates {
            let name = format!("between-{number}");
            upper = upper.between(spec, number, above.place(&name), now)?;
            upper.write(directory, &name)?;
        }
        for issuing in Issuing::ALL {
            let (generation, name) = (Generation::first(issuing), issuing.name());
            upper
                .issuing(spec, generation, keys.place(directory, generation), now)?
                .write(directory, name)?;
        }
        let json = serde_json::to_vec_pretty(&SpecFile { v: 1, ca: spec.clone() });
        let path = directory.join("ca.json");
        let json = json.map_err(|_| PkiError::file(&path, "cannot be written"))?;
        file::write(&path, file::PUBLIC, &json)?;
        Self::open_with(directory, keys)
    }

    /// Opens the hierarchy.
    ///
    /// # Errors
    /// [`PkiError::NoCa`], [`PkiError::File`], [`PkiError::Io`]; [`PkiError::Key`] when a key of an issuing CA
    /// [will not do](crate::KeyError::is_lasting).
    pub fn open(directory: &Path) -> Result<Self, PkiError> {
        Self::open_with(directory, &CaKeys::default())
    }

    /// The same with keys that are kept otherwise. One whose passphrase cannot be had now is looked for again whenever it
    /// is to sign.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn open_with(directory: &Path, keys: &CaKeys) -> Result<Self, PkiError> {
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
            devices: RwLock::new(Generations::read(directory, Issuing::Devices, &above, keys)?),
            gateways: RwLock::new(Generations::read(directory, Issuing::Gateways, &above, keys)?),
            rotating: Mutex::default(),
            above,
            keys: keys.clone(),
            spec,
            anchors,
            gateway_anchors,
            root,
            directory: directory.to_owned(),
        })
    }

    /// Where the certificates that a generation signs from now on say that their status is found. A CA says
    /// nothing of it until it is told to, and is told again after each [`Ca::open`].
    ///
    /// # Errors
    /// [`PkiError::Order`] for what is no `http` URI, or no generation of this CA.
    pub fn set_status_uris(&self, generation: Generation, uris: StatusUris) -> Result<(), PkiError> {
        uris.check()?;
        self.generation(generation)?.set_status_uris(uris);
        Ok(())
    }

    /// Every generation of the issuing CAs, those of devices first, and of each the oldest.
    pub fn generations(&self) -> Vec<Generation> {
        self.every().iter().map(|ca| ca.generation).collect()
    }

    /// The certificates of every generation of an issuing CA.
    pub fn generations_for(&self, which: Issuing) -> Vec<CertSha256> {
        let of = self.every().into_iter().filter(|ca| ca.generation.issuing() == which);
        of.map(|ca| ca.certificate.sha256()).collect()
    }

    /// Those that still sign: the key of an older one may have been taken away.
    pub fn speaking(&self) -> Vec<Generation> {
        self.every().iter().filter(|ca| !ca.is_silent()).map(|ca| ca.generation).collect()
    }

    /// The one that certifies now.
    pub fn current(&self, which: Issuing) -> Generation {
        self.issuing(which).generation
    }

    pub(crate) fn issuing(&self, which: Issuing) -> Arc<IssuingCa> {
        self.generations_of(which).read().unwrap_or_else(PoisonError::into_inner).current.clone()
    }

    pub(crate) fn generation(&self, generation: Generation) -> Result<Arc<IssuingCa>, PkiError> {
        let found = self.every().into_iter().find(|ca| ca.generation == generation);
        found.ok_or(PkiError::Order("there is no such generation of the issuing CA"))
    }

    pub(crate) fn generations_of(&self, which: Issuing) -> &RwLock<Generations> {
        match which {
            Issuing::Devices => &self.devices,
            Issuing::Gateways => &self.gateways,
        }
    }

    pub(crate) fn every(&self) -> Vec<Arc<IssuingCa>> {
        let of = |which| self.generations_of(which).read().unwrap_or_else(PoisonError::into_inner);
        Issuing::ALL.into_iter().flat_map(|which| of(which).all().cloned().collect::<Vec<_>>()).collect()
    }

    /// What keeps an issuing CA from signing that should, as it was when its key was last used or looked for.
    pub fn key_trouble(&self) -> Option<KeyError> {
        let current = Issuing::ALL.into_iter().find_map(|which| self.certifying_trouble(which));
        let speaking = || self.every().into_iter().filter(|ca| !ca.is_silent());
        current.or_else(|| speaking().find_map(|ca| ca.key_trouble()))
    }

    /// What keeps this issuing CA from certifying, in the same way.
    pub fn certifying_trouble(&self, which: Issuing) -> Option<KeyError> {
        self.issuing(which).key_trouble()
    }

    /// Looks for keys that were not to be had. May wait for whoever has them.
    pub fn look_for_keys(&self) {
        self.every().iter().for_each(|ca| drop(ca.issuer.key().open()));
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
    key: KeptKey,
    der: Vec<u8>,
}

impl Level {
    fn root(spec: &CaSpec, place: KeyPlace, now: UnixTime) -> Result<Self, PkiError> {
        let name = format!("{} root", spec.realm);
        let params = profile::root(&spec.holder(&name), spec.intermediates + 1, now)?;
        let key = KeptKey::make(place, spec.key)?;
        let der = params.self_signed(&key).map_err(|_| PkiError::Signing)?.der().to_vec();
        Ok(Self { params, key, der })
    }

    fn between(&self, spec: &CaSpec, number: u8, place: KeyPlace, now: UnixTime) -> Result<Self, PkiError> {
        let name = format!("{} CA {number}", spec.realm);
        let below = spec.intermediates - number + 1;
        self.sign(profile::between(&spec.holder(&name), below, now)?, place, spec.key)
    }

    fn issuing(
        &self,
        spec: &CaSpec,
        generation: Generation,
        place: KeyPlace,
        now: UnixTime,
    ) -> Result<Self, PkiError> {
        self.sign(spec.issuing(generation, Window::issuing(now))?, place, spec.key)
    }

    fn sign(
        &self,
        params: CertificateParams,
        place: KeyPlace,
        algorithm: KeyAlgorithm,
    ) -> Result<Self, PkiError> {
        let key = KeptKey::make(place, algorithm)?;
        let issuer = Issuer::from_params(&self.params, &self.key);
        let der = params.signed_by(&key, &issuer).map_err(|_| PkiError::Signing)?.der().to_vec();
        Ok(Self { params, key, der })
    }

    fn write(&self, directory: &Path, name: &str) -> Result<(), PkiError> {
        let pem = certificate_pem(&self.der);
        file::write(&directory.join(name).with_extension("pem"), file::PUBLIC, pem.as_bytes())
    }
}
