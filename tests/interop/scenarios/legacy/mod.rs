//! AUTH method 1 and subjects as identity are for a named profile, while it lasts.

use anyhow::Result;
use interop::carrier::{Carrier, Unit};
use interop::certificate::KeyKind;
use interop::charon::{Charon, PROMPT};
use interop::truecell::{SERVICE_V4, device_name};

use crate::FEMTOCELL;

const SUBJECT: &str = include_str!("subject.conf");

const PROFILE: &str = include_str!("profile.toml");

/// An older unit: its configuration, and what its signatures are.
struct Older {
    conf: &'static str,
    settings: &'static str,
    /// Reason in the journal while no profile takes it.
    reason: &'static str,
}

/// RSA with SHA-1, the only RSA signature without RFC 7427.
const METHOD_1: Older =
    Older { conf: FEMTOCELL, settings: "signature_authentication = no", reason: "ike-auth-method" };
/// IDi is the certificate's subject (ID_DER_ASN1_DN).
const DN_IDENTITY: Older = Older { conf: SUBJECT, settings: "", reason: "identity-not-fqdn" };

fn starts(carrier: &Carrier<'_>, older: &Older) -> Result<(Charon, interop::internet::Host)> {
    carrier.gateway.add_device("00aabbccddee", &[])?;
    let credential = carrier.gateway.certify("00aabbccddee", KeyKind::Rsa2048)?;
    let unit = Unit { name: device_name("00aabbccddee"), credential };
    let host = carrier.access("femto")?;
    let charon = carrier.charon("femto", &host, &unit, older.conf, older.settings)?;
    charon.initiate_later("core")?;
    Ok((charon, host))
}

fn is_refused(name: &str, profile: &str, older: &Older) {
    Carrier::with(name, profile, |carrier| {
        let (charon, _host) = starts(carrier, older)?;
        charon.wait_for_log("received AUTHENTICATION_FAILED notify error", 1, PROMPT)?;
        carrier.gateway.wait_for_event(older.reason, PROMPT, |event| {
            event.kind == "gateway.attach_failed" && event.body["reason"] == older.reason
        })?;
        Ok(())
    });
}

fn attaches(name: &str, older: &Older) {
    Carrier::with(name, PROFILE, |carrier| {
        let (charon, host) = starts(carrier, older)?;
        charon.wait_for_tunnel()?;
        host.ping(SERVICE_V4)
    });
}

fn ended_profile() -> String {
    PROFILE.replace("2099-01-01", "2020-01-01")
}

#[test]
#[ignore = "needs root and strongSwan: ./test interop"]
fn auth_method_1_is_refused_without_a_profile_and_after_its_end() {
    is_refused("sha1-none", "", &METHOD_1);
    is_refused("sha1-end", &ended_profile(), &METHOD_1);
}

#[test]
#[ignore = "needs root and strongSwan: ./test interop"]
fn auth_method_1_is_taken_under_a_profile() {
    attaches("sha1", &METHOD_1);
}

#[test]
#[ignore = "needs root and strongSwan: ./test interop"]
fn a_subject_as_identity_is_refused_without_a_profile_and_after_its_end() {
    is_refused("dn-none", "", &DN_IDENTITY);
    is_refused("dn-end", &ended_profile(), &DN_IDENTITY);
}

#[test]
#[ignore = "needs root and strongSwan: ./test interop"]
fn a_subject_as_identity_is_taken_under_a_profile() {
    attaches("dn", &DN_IDENTITY);
}
