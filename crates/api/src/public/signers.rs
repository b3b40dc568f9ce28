use super::{Sources, TlsIdentity, tls};
use ::cmp::RegistrationAuthority;
use ids::UnixTime;
use pki::{
    BACKDATE, GatewayOrder, Generation, Issuing, KeyAlgorithm, KeySource, PkiError, PrivateKey,
    ocsp::Responder,
};
use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio_rustls::rustls::ServerConfig;
use x509::Anchors;

/// Who orders their certificates, for the record.
const BY: &str = "truecell";
/// How often the registration authority's certificate is looked at; it is replaced 90 days before its end.
const LOOK_EVERY: Duration = Duration::from_secs(24 * 3600);

/// For how long the CA certifies the key of TLS, which is lost with the process.
const TLS_VALIDITY: Duration = Duration::from_secs(30 * 24 * 3600);
/// Then it is made anew.
const TLS_RENEWAL: Duration = Duration::from_secs(20 * 24 * 3600);

/// Those who sign answers: the registration authority of CMP, and the OCSP responder; and who the listener is in TLS.
#[derive(Debug)]
pub(super) struct Signers(Mutex<Current>);

#[derive(Debug)]
struct Current {
    vendors: Anchors,
    authority: Option<Dated<RegistrationAuthority>>,
    /// Of which issuing CA that is one.
    authority_of: Option<Generation>,
    responder: Option<Dated<Responder>>,
    tls: Option<Dated<ServerConfig>>,
}

#[derive(Debug)]
struct Dated<T> {
    made: UnixTime,
    signer: Arc<T>,
}

impl Signers {
    pub(super) fn new(vendors: Anchors) -> Self {
        Self(Mutex::new(Current { vendors, authority: None, authority_of: None, responder: None, tls: None }))
    }

    fn current(&self) -> MutexGuard<'_, Current> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn authority(&self) -> Option<Arc<RegistrationAuthority>> {
        self.current().authority.as_ref().map(|authority| authority.signer.clone())
    }

    pub(super) fn responder(&self) -> Option<Arc<Responder>> {
        self.current().responder.as_ref().map(|responder| responder.signer.clone())
    }

    pub(super) fn tls(&self) -> Option<Arc<ServerConfig>> {
        self.current().tls.as_ref().map(|tls| tls.signer.clone())
    }

    /// Messages that come from now on are judged by these anchors.
    pub(super) fn trust(&self, vendors: Anchors) {
        let mut current = self.current();
        if let Some(authority) = &mut current.authority {
            authority.signer = Arc::new(authority.signer.with_vendors(vendors.clone()));
        }
        current.vendors = vendors;
    }

    /// Has those certified that are not, or not for long any more, or were by a clock that is set right since.
    pub(super) fn renew(&self, sources: &Sources, now: UnixTime) {
        let (authority, responder, tls) = self.due(sources, now);
        if responder {
            let made = make_responder(sources, now)
                .map(|responder| self.current().responder = dated(now, responder));
            told("OCSP responder", made);
        }
        if authority {
            told("registration authority", self.make_authority(sources, now));
        }
        if let Some(identity) = sources.tls.as_ref().filter(|_| tls) {
            let made = make_tls(sources, identity, now).map(|tls| self.current().tls = dated(now, tls));
            told("TLS", made);
        }
    }

    fn due(&self, sources: &Sources, now: UnixTime) -> (bool, bool, bool) {
        let current = self.current();
        let is_ahead = |made: UnixTime| now < made.before(BACKDATE);
        let authority = current.authority.as_ref();
        let responder = current.responder.as_ref();
        let ca = &sources.ca;
        let is_of_before = current.authority_of != Some(ca.current(Issuing::Devices));
        let is_silent_of = |responder: &Responder| {
            ca.speaking().iter().any(|generation| !responder.speaks_for().any(|own| own == *generation))
        };
        (
            is_of_before
                || authority.is_none_or(|own| now >= own.made.after(LOOK_EVERY) || is_ahead(own.made)),
            responder.is_none_or(|own| {
                now >= own.signer.renew_at() || is_ahead(own.made) || is_silent_of(&own.signer)
            }),
            current.tls.as_ref().is_none_or(|own| now >= own.made.after(TLS_RENEWAL) || is_ahead(own.made)),
        )
    }

    fn make_authority(&self, sources: &Sources, now: UnixTime) -> Result<(), PkiError> {
        let generation = sources.ca.current(Issuing::Devices);
        let signer = sources.office.registration_authority(&sources.ca, now)?;
        let own = sources.ca.device_anchors()?;
        let mut current = self.current();
        let authority = RegistrationAuthority::new(signer, current.vendors.clone(), own);
        current.authority = dated(now, authority);
        current.authority_of = Some(generation);
        Ok(())
    }
}

fn make_responder(sources: &Sources, now: UnixTime) -> Result<Responder, PkiError> {
    let signers = sources.office.issue(|books| {
        let mut signers = Vec::new();
        for generation in sources.ca.speaking() {
            match sources.ca.ocsp_signer(generation, BY, books, now) {
                // The others go on without it.
                Err(error @ PkiError::Key(_)) => told(&format!("OCSP responder of {generation}"), Err(error)),
                signer => signers.push(signer?),
            }
        }
        Ok(signers)
    })?;
    Responder::new(signers, sources.ocsp_period)
}

fn make_tls(sources: &Sources, identity: &TlsIdentity, now: UnixTime) -> Result<ServerConfig, PkiError> {
    let broken = |_| PkiError::Order("chain and key are none that TLS can use");
    let name = match identity {
        TlsIdentity::Given(chain, key) => return tls::server(chain.clone(), key).map_err(broken),
        TlsIdentity::Issued(name) => name.clone(),
    };
    let order = GatewayOrder {
        names: vec![name],
        addresses: Vec::new(),
        key: KeySource::Generate(KeyAlgorithm::P256),
        validity: Some(TLS_VALIDITY),
        by: BY.into(),
    };
    let issued = sources.office.issue(|books| sources.ca.issue_gateway(&order, books, now))?;
    let key = issued.private_key.as_ref().map(PrivateKey::pkcs8).ok_or(PkiError::Signing)?;
    tls::server(issued.chain, key).map_err(broken)
}

fn dated<T>(made: UnixTime, signer: T) -> Option<Dated<T>> {
    Some(Dated { made, signer: Arc::new(signer) })
}

fn told(who: &str, made: Result<(), PkiError>) {
    if let Err(error) = made {
        let next = "see to journal, ledger and the CA's directory; it is tried again each minute";
        tracing::error!(who, %error, next, "a certificate to sign answers with was not made");
    }
}
