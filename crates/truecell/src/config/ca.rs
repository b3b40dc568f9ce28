use super::{ConfigError, located::Located};
use serde::{Deserialize, Serialize};

/// The embedded CA, made once by `truecell init`; its realm trusts it.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Ca {
    /// O of every name in its certificates.
    pub(crate) organization: String,
    /// C of every name: two capital letters.
    pub(crate) country: Option<String>,
    /// The realm whose devices it names.
    pub(crate) realm: ids::Realm,
    /// Keys of the CAs.
    #[serde(default)]
    pub(crate) key: pki::KeyAlgorithm,
    /// CAs between root and issuing CAs, 0 to 3.
    #[serde(default)]
    pub(crate) intermediates: u8,
    /// How the keys of the CAs are kept.
    #[serde(default)]
    pub(crate) keys: pki::CaKeys,
}

impl Ca {
    /// What the CA is made for; it also names the gateway, wherever that is.
    pub(crate) fn spec(&self, gateway: &ids::Realm) -> pki::CaSpec {
        pki::CaSpec {
            country: self.country.clone(),
            gateway_domain: gateway.clone(),
            key: self.key,
            intermediates: self.intermediates,
            ..pki::CaSpec::new(self.organization.clone(), self.realm.clone())
        }
    }

    pub(super) fn wrong(&self, at: &Located<'_>) -> Vec<ConfigError> {
        let mut errors = Vec::new();
        if self.organization.trim().is_empty() {
            errors.push(at.error(&["ca", "organization"], "empty", "write the carrier's name"));
        }
        let is_country = |text: &String| text.len() == 2 && text.bytes().all(|b| b.is_ascii_uppercase());
        if self.country.as_ref().is_some_and(|country| !is_country(country)) {
            errors.push(at.error(&["ca", "country"], "not two capital letters", "write it as in \"KR\""));
        }
        if self.intermediates > 3 {
            errors.push(at.error(&["ca", "intermediates"], "more than 3", "0 suits most"));
        }
        errors
    }
}
