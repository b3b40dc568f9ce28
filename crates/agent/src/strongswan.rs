use crate::disk::{self, PUBLIC, SECRET};
use crate::record::certificate_pem;
use crate::vici::{Request, Vici, ViciError, text};
use crate::{Current, Disk, Failure, Handed, Store, StrongSwanSettings};
use ids::CertSha256;
use zeroize::Zeroizing;

/// Where key and certificate go once they are in use: into swanctl's folders, from which charon has them at its next
/// start, and into the charon that runs.
#[derive(Debug)]
pub struct StrongSwan<'a> {
    settings: &'a StrongSwanSettings,
    /// swanctl's folder, where there is one.
    folder: Option<&'a dyn Disk>,
    /// The operator's root, as DER.
    root: &'a [u8],
}

impl<'a> StrongSwan<'a> {
    /// `root`: the operator's root as DER.
    pub fn new(settings: &'a StrongSwanSettings, folder: Option<&'a dyn Disk>, root: &'a [u8]) -> Self {
        Self { settings, folder, root }
    }

    /// Gives strongSwan what is in use, and takes away what it was given before: files first, so that a charon that
    /// starts meanwhile has them. An SA that stands is authenticated anew; without one, the connection is brought up.
    /// Done again, it changes nothing.
    ///
    /// # Errors
    /// [`Failure::Disk`], [`Failure::Vici`]: to be tried again.
    pub fn take(&self, current: &Current, store: &Store<'_>) -> Result<(), Failure> {
        let certificate = current.certificate.sha256();
        let before = store.handed()?;
        let is_other = before.as_ref().is_none_or(|before| before.certificate != certificate);
        if let Some(folder) = self.folder {
            self.write(folder, current, certificate)?;
        }
        let key_id = match self.load(current)? {
            Some((mut vici, key_id)) => {
                let old = before.as_ref().and_then(|before| before.key_id.clone());
                if let Some(old) = old.filter(|old| *old != key_id) {
                    unload(&mut vici, &old)?;
                }
                if is_other {
                    self.authenticate_anew(&mut vici)?;
                }
                Some(key_id)
            }
            None => None,
        };
        if let (Some(folder), Some(before)) = (self.folder, before.filter(|_| is_other)) {
            self.remove(folder, before.certificate)?;
        }
        let handed = Handed { certificate, key_id };
        match store.handed()? == Some(handed.clone()) {
            true => Ok(()),
            false => Ok(store.set_handed(&handed)?),
        }
    }

    /// File names have the certificate's hash, so that a key and another's certificate never stand together.
    fn write(&self, folder: &dyn Disk, current: &Current, certificate: CertSha256) -> Result<(), Failure> {
        let [x509, private] = self.names(certificate);
        let unless_there = |name: &str, mode, content: &[u8]| match folder.read(name)?.map(Zeroizing::new) {
            Some(there) if *there == content => Ok(()),
            Some(_) | None => disk::replace(folder, name, mode, content),
        };
        unless_there(&private, SECRET, current.key.pem().as_bytes())?;
        let mut chain = current.chain.iter().map(|der| certificate_pem(der));
        unless_there(&x509, PUBLIC, chain.next().unwrap_or_default().as_bytes())?;
        let issuers = chain.chain([certificate_pem(self.root)]);
        for (number, issuer) in issuers.enumerate() {
            unless_there(&format!("x509ca/{}-{number}.pem", self.settings.name), PUBLIC, issuer.as_bytes())?;
        }
        Ok(())
    }

    fn remove(&self, folder: &dyn Disk, certificate: CertSha256) -> Result<(), Failure> {
        for name in self.names(certificate) {
            disk::remove(folder, &name)?;
        }
        Ok(())
    }

    fn names(&self, certificate: CertSha256) -> [String; 2] {
        let hash: String = certificate.to_string().chars().take(16).collect();
        ["x509", "private"].map(|folder| format!("{folder}/{}-{hash}.pem", self.settings.name))
    }

    /// The connection to charon and what it calls the key; none where no socket is configured.
    fn load(&self, current: &Current) -> Result<Option<(Vici, String)>, ViciError> {
        let Some(path) = &self.settings.vici else { return Ok(None) };
        let mut vici = Vici::connect(path)?;
        let issuers = current.chain.iter().skip(1).map(Vec::as_slice);
        for issuer in issuers.chain([self.root]) {
            vici.request(&load_certificate("ca", issuer))?;
        }
        let own = current.chain.first().map(Vec::as_slice).unwrap_or_default();
        vici.request(&load_certificate("none", own))?;
        let load = Request::new("load-key").with("type", "any").with("data", current.key.pkcs8());
        let answer = vici.request(&load)?;
        let key_id = text(&answer, "id").ok_or(ViciError::Malformed)?;
        Ok(Some((vici, key_id)))
    }

    fn authenticate_anew(&self, vici: &mut Vici) -> Result<(), ViciError> {
        let Some(connection) = &self.settings.connection else { return Ok(()) };
        let rekey = Request::new("rekey").with("ike", connection).with("reauth", "yes");
        match (vici.request(&rekey), &self.settings.child) {
            // No SA of this name stands.
            (Err(ViciError::Refused { .. }), Some(child)) => {
                // A timeout of -1 has charon answer at once and go on by itself.
                let initiate = Request::new("initiate").with("ike", connection).with("child", child);
                vici.request(&initiate.with("timeout", "-1")).map(drop)
            }
            (Err(ViciError::Refused { .. }), None) => Ok(()),
            (said, _) => said.map(drop),
        }
    }
}

fn load_certificate(flag: &str, der: &[u8]) -> Request {
    Request::new("load-cert").with("type", "x509").with("flag", flag).with("data", der)
}

/// A key that is gone already is as good.
fn unload(vici: &mut Vici, key_id: &str) -> Result<(), ViciError> {
    match vici.request(&Request::new("unload-key").with("id", key_id)) {
        Ok(_) | Err(ViciError::Refused { .. }) => Ok(()),
        Err(error) => Err(error),
    }
}
