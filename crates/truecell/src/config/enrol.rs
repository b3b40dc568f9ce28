use super::{Config, ConfigError, located::Located, revocation::Revocation};
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeSet,
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    time::Duration,
};

/// The public listener: units enrol, and whoever asks learns which certificates count.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Enrol {
    /// Addresses and ports to answer plain HTTP on; port 0 lets the system choose.
    #[serde(default = "on_loopback")]
    pub(crate) listen: Vec<SocketAddr>,
    /// Addresses and ports to answer HTTPS on, which EST needs.
    #[serde(default)]
    pub(crate) tls_listen: Vec<SocketAddr>,
    /// By what name clients know it over HTTPS. Absent: the gateway's.
    pub(crate) tls_name: Option<ids::Realm>,
    /// PEM chain for HTTPS, the listener's own first. Absent: issued by the embedded CA.
    pub(crate) tls_certificate: Option<PathBuf>,
    /// PEM private key (PKCS#8) of `tls_certificate`.
    pub(crate) tls_key: Option<PathBuf>,
    /// `http://` and the host, with a port where it is not 80, by which certificates say that this listener is
    /// reached. Absent: they say nothing of it.
    pub(crate) url: Option<String>,
    /// For how long a client may keep an OCSP response.
    #[serde(default = "an_hour")]
    pub(crate) ocsp_period_m: u32,
    /// From thisUpdate to nextUpdate of a revocation list.
    #[serde(default = "a_day")]
    pub(crate) crl_period_h: u32,
}

/// A vendor whose units enrol with the certificates that they have from the factory.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Vendor {
    /// As it stands behind the first dot of its devices' names.
    pub(crate) realm: ids::Realm,
    /// PEM file with the CA certificates that are trusted for this realm, to enrol and for nothing else.
    pub(crate) anchors: PathBuf,
    /// URLs and files of the revocation list of these CAs: each takes the first that is its own.
    #[serde(default)]
    pub(crate) crl: Vec<String>,
    /// URL of their OCSP responder.
    pub(crate) ocsp: Option<String>,
    /// What becomes of certificates about which their CA says nothing; absent: they enrol nobody if there is anybody to ask.
    pub(crate) revocation: Option<Revocation>,
}

fn on_loopback() -> Vec<SocketAddr> {
    vec![SocketAddr::from((Ipv4Addr::LOCALHOST, 8080))]
}

fn an_hour() -> u32 {
    60
}

fn a_day() -> u32 {
    24
}

/// Longest periods: a week, half of what a responder's certificate lives.
const MAX_OCSP_M: u32 = 7 * 24 * 60;
const MAX_CRL_H: u32 = 7 * 24;
/// Octets of `url`: with what comes behind it, it is an URI of a certificate.
const MAX_URL: usize = 200;

impl Enrol {
    /// As a time.
    pub(crate) fn ocsp_period(&self) -> Duration {
        Duration::from_secs(u64::from(self.ocsp_period_m) * 60)
    }

    /// As a time.
    pub(crate) fn crl_period(&self) -> Duration {
        Duration::from_secs(u64::from(self.crl_period_h) * 3600)
    }

    fn wrong(&self, at: &Located<'_>) -> Vec<ConfigError> {
        let mut errors = Vec::new();
        if self.listen.is_empty() && self.tls_listen.is_empty() {
            let next = "name an address and a port, or remove the section";
            errors.push(at.error(&["enrol", "listen"], "no address: nobody could enrol", next));
        }
        if self.url.as_ref().is_some_and(|url| !is_root(url)) {
            let next = "write it as in \"http://pki.operator.example\"";
            errors.push(at.error(&["enrol", "url"], "no http URL of a host, without a path", next));
        }
        for (key, value, most) in [
            ("ocsp_period_m", self.ocsp_period_m, MAX_OCSP_M),
            ("crl_period_h", self.crl_period_h, MAX_CRL_H),
        ] {
            if !(1..=most).contains(&value) {
                let what = format!("not 1 to {most}");
                errors.push(at.error(&["enrol", key], what, "a week is the longest; the defaults suit most"));
            }
        }
        errors
    }
}

/// A certificate's URIs are made by adding paths.
fn is_root(url: &str) -> bool {
    let host = url.strip_prefix("http://").unwrap_or_default();
    let named = host.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '[');
    let plain = host.bytes().all(|octet| octet.is_ascii_alphanumeric() || b"-._:[]".contains(&octet));
    named && plain && url.len() <= MAX_URL
}

impl Config {
    pub(super) fn enrol_wrong(&self, at: &Located<'_>) -> Vec<ConfigError> {
        let mut errors: Vec<_> = self.enrol.iter().flat_map(|enrol| enrol.wrong(at)).collect();
        errors.extend(self.enrol.iter().flat_map(|enrol| self.tls_wrong(enrol, at)));
        if at.has(&["enrol"]) && !at.has(&["ca"]) {
            let next = "add a [ca] section, or remove this one";
            errors.push(at.error(&["enrol"], "no [ca]: nobody could certify the units that enrol", next));
        }
        if at.has(&["vendor"]) && !at.has(&["enrol"]) {
            let next = "add an [enrol] section, or remove this one";
            errors.push(at.error(&["vendor"], "no [enrol]: no unit of this vendor could enrol", next));
        }
        errors.extend(self.vendors_wrong(at));
        errors
    }

    fn tls_wrong(&self, enrol: &Enrol, at: &Located<'_>) -> Option<ConfigError> {
        let error = |key, what: String, next: &str| Some(at.error(&["enrol", key], what, next));
        match (&enrol.tls_certificate, &enrol.tls_key) {
            (Some(_), None) => {
                return error("tls_certificate", "a certificate without its key".into(), "add `tls_key`");
            }
            (None, Some(_)) => {
                return error("tls_key", "a key without its certificate".into(), "add `tls_certificate`");
            }
            (Some(_), Some(_)) => return None,
            (None, None) => {}
        }
        let domain = self.gateway.identity.to_string();
        let name = enrol.tls_name.as_ref()?.to_string();
        let is_inside = name.strip_suffix(&domain).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
        let next = "choose a name below, or add `tls_certificate` and `tls_key` of another CA";
        if is_inside {
            None
        } else {
            error("tls_name", format!("not {domain} nor below it: [ca] certifies no other"), next)
        }
    }

    fn vendors_wrong(&self, at: &Located<'_>) -> Vec<ConfigError> {
        let (mut realms, own) = (BTreeSet::new(), self.ca.as_ref().map(|ca| &ca.realm));
        let mut errors = Vec::new();
        for (index, vendor) in self.vendors.iter().enumerate() {
            errors.extend(vendor.sources().wrong(["vendor", &index.to_string()], at));
            let mut error = |what: String, next| {
                errors.push(at.error(&["vendor", &index.to_string(), "realm"], what, next));
            };
            if own == Some(&vendor.realm) {
                let what =
                    format!("{} is the realm of [ca], whose units renew and need not enrol", vendor.realm);
                error(what, "name the realm of the certificates that units have from the factory");
            }
            if !realms.insert(&vendor.realm) {
                let what = format!("realm {} appears twice", vendor.realm);
                error(what, "put all its anchors into one file");
            }
        }
        errors
    }
}
