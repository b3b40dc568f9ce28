use crate::{
    config::{Config, Identity},
    data_dir::DataDir,
    failure::{Failure, Problem},
    node::Node,
};
use ids::UnixTime;
use pki::{GatewayOrder, KeyAlgorithm, KeySource, PrivateKey};
use std::{path::PathBuf, time::Duration};
use x509::Certificate;
use zeroize::Zeroizing;

/// Who the gateway is, ready to be used.
pub(crate) struct GatewayIdentity {
    /// Chain and key.
    pub(crate) identity: Identity,
    /// Where the chain is kept.
    pub(crate) file: PathBuf,
    /// Last second of the gateway's own certificate.
    pub(crate) not_after: UnixTime,
}

/// A certificate of the embedded CA is renewed at start when less than this is left of it.
const RENEW_BEFORE: Duration = Duration::from_secs(60 * 24 * 3600);

/// The gateway's certificate: the files that the configuration names, or one from the embedded CA, which
/// is issued now if there is none, if it is for another name, or if it ends soon.
///
/// # Errors
/// No file and no CA, or a file that cannot be used.
pub(crate) fn gateway_identity(
    data: &DataDir,
    config: &Config,
    node: &Node,
    now: UnixTime,
) -> Result<GatewayIdentity, Failure> {
    if let (Some(certificate), Some(key)) = (&config.gateway.certificate, &config.gateway.key) {
        let identity = Identity::read(certificate, key).map_err(|error| Failure::Config(vec![error]))?;
        return ready(identity, certificate.clone());
    }
    let (file, both) = (data.gateway_certificate(), data.gateway_key_and_chain());
    if let Ok(kept) = Identity::read(&both, &both)
        && serves(&kept, config, now)
    {
        return ready(kept, file);
    }
    issue(data, config, node, now)?;
    let identity = Identity::read(&both, &both).map_err(|error| Failure::Config(vec![error]))?;
    ready(identity, file)
}

fn ready(identity: Identity, file: PathBuf) -> Result<GatewayIdentity, Failure> {
    let own = identity.chain.first().and_then(|der| Certificate::from_der(der).ok());
    let own = own.ok_or_else(|| {
        Failure::system(format!("{} holds no certificate", file.display()), "its first one cannot be read")
    })?;
    Ok(GatewayIdentity { identity, file, not_after: own.not_after() })
}

fn serves(identity: &Identity, config: &Config, now: UnixTime) -> bool {
    let own = identity.chain.first().and_then(|der| Certificate::from_der(der).ok());
    let name = config.gateway.identity.to_string();
    own.is_some_and(|own| own.not_after() > now.after(RENEW_BEFORE) && own.dns_names().contains(&name))
}

fn issue(data: &DataDir, config: &Config, node: &Node, now: UnixTime) -> Result<(), Failure> {
    let Some(ca) = &node.ca else {
        return Err(Failure::Ours(
            Problem::new("no-ca", "the gateway has no certificate")
                .because("the configuration names none, and this data directory has no CA")
                .next("add `certificate` and `key` to [gateway], or begin anew with a [ca] section"),
        ));
    };
    let order = GatewayOrder {
        names: vec![config.gateway.identity.to_string()],
        addresses: Vec::new(),
        key: KeySource::Generate(KeyAlgorithm::P256),
        validity: None,
        by: "truecell".into(),
    };
    let failed =
        |error: &dyn std::fmt::Display| Failure::system("the gateway's certificate cannot be issued", error);
    let issued = node.office().issue(|books| ca.issue_gateway(&order, books, now));
    let issued = issued.map_err(|error| failed(&error))?;
    let (chain, key) = (issued.chain_pem(), issued.private_key.as_ref().map(PrivateKey::pem));
    let both = Zeroizing::new(format!("{}{chain}", key.as_deref().map_or("", String::as_str)));
    // One file, replaced in one step: key and certificate never disagree.
    pki::replace_file(&data.gateway_key_and_chain(), 0o600, both.as_bytes())
        .map_err(|error| failed(&error))?;
    pki::replace_file(&data.gateway_certificate(), 0o644, chain.as_bytes()).map_err(|error| failed(&error))
}
