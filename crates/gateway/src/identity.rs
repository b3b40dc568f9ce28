//! Who a peer says it is, against its certificates. Pure; run on the IKE thread.

use ids::{Realm, UnixTime};
use ike::{
    AskPeer,
    payload::{IdType, Identification},
};
use x509::{Anchors, CertPathVerified, DevicePolicy, PathError, verify_device, verify_device_by_subject};

/// What peers may present.
#[derive(Clone, Debug, Default)]
pub struct PeerPolicy {
    /// Path checks.
    pub device: DevicePolicy,
    /// Exceptions, by name and with an end.
    pub legacy: Vec<LegacyProfile>,
}

/// An exception for older units of one realm (standards checklist line 44: named, and it ends).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LegacyProfile {
    /// For logs and events.
    pub name: String,
    /// Whose units.
    pub realm: Realm,
    /// AUTH method 1 (RSA with SHA-1) is taken.
    pub sha1_signature: bool,
    /// IDi may be the certificate's subject (ID_DER_ASN1_DN).
    pub dn_identity: bool,
    /// Afterwards it is as if it were not there.
    pub until: UnixTime,
}

/// A peer whose certificates make its identity.
pub(crate) struct Verified {
    pub(crate) path: CertPathVerified,
    pub(crate) allow_sha1_signature: bool,
}

/// Why they don't.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum IdentityError {
    /// An ID type that is parsed and refused (standards checklist line 4).
    #[error("the identity is no ID_FQDN")]
    NotFqdn,
    #[error(transparent)]
    Path(#[from] PathError),
}

impl IdentityError {
    pub(crate) fn code(self) -> &'static str {
        match self {
            Self::NotFqdn => "identity-not-fqdn",
            Self::Path(error) => error.code(),
        }
    }
}

pub(crate) fn verify(
    anchors: &Anchors,
    policy: &PeerPolicy,
    ask: &AskPeer,
    now: UnixTime,
) -> Result<Verified, IdentityError> {
    let chain: Vec<&[u8]> = ask.certificates.iter().map(Vec::as_slice).collect();
    let in_force = || policy.legacy.iter().filter(|profile| profile.until > now);
    let path = match ask.idi.id_type {
        IdType::FQDN => verify_device(anchors, &policy.device, &ask.idi.data, &chain, now)?,
        IdType::DER_ASN1_DN if in_force().any(|profile| profile.dn_identity) => {
            let path = verify_device_by_subject(anchors, &policy.device, &ask.idi.data, &chain, now)?;
            let allowed = in_force().any(|profile| profile.dn_identity && profile.realm == path.name().realm);
            if allowed { path } else { return Err(IdentityError::NotFqdn) }
        }
        _ => return Err(IdentityError::NotFqdn),
    };
    let of_realm = |profile: &&LegacyProfile| profile.realm == path.name().realm;
    let allow_sha1_signature = in_force().filter(of_realm).any(|profile| profile.sha1_signature);
    Ok(Verified { path, allow_sha1_signature })
}

/// The longest name that goes into an event: a domain name has 253 octets.
const MAX_NAME: usize = 253;

/// An unproven identity as it may stand in events: a printable ASCII FQDN, else nothing.
pub(crate) fn printable(idi: &Identification) -> Option<String> {
    let name = idi.as_fqdn().filter(|name| name.len() <= MAX_NAME)?;
    name.bytes().all(|byte| byte.is_ascii_graphic()).then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn section_4_line_4_other_identity_types_are_refused_by_policy() {
        let path = ike::Path {
            local: ([127, 0, 0, 1], 500).into(),
            peer: ([127, 0, 0, 2], 500).into(),
            encapsulated: false,
        };
        for id_type in
            [IdType::IPV4_ADDR, IdType::RFC822_ADDR, IdType::KEY_ID, IdType::DER_ASN1_DN, IdType(77)]
        {
            let idi = Identification { id_type, data: b"00aabbccddee.femto.example".to_vec() };
            let ask = AskPeer { idi, certificates: vec![vec![0x30]], ppk_id: None, path };
            let refused = verify(&Anchors::new(), &PeerPolicy::default(), &ask, UnixTime::from_secs(0));
            assert_eq!(refused.err(), Some(IdentityError::NotFqdn));
        }
    }

    #[test]
    fn an_unproven_name_is_written_down_only_when_it_is_harmless() {
        assert_eq!(printable(&Identification::fqdn("a.example")).as_deref(), Some("a.example"));
        for bad in ["a b", "a\nb", "é", &"a".repeat(254)] {
            assert_eq!(printable(&Identification::fqdn(bad)), None, "{bad:?}");
        }
    }
}
