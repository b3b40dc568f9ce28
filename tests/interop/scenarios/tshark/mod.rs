//! tshark reads every message of a tunnel, with the keys that a test build of the gateway wrote down.

use std::fs;

use anyhow::{Context, Result};
use interop::capture::{Capture, Message};
use interop::carrier::{Carrier, Unit};
use interop::certificate::KeyKind;
use interop::charon::PROMPT;
use interop::deadline::until;
use interop::internet::{Internet, Side};
use interop::scene::Scene;
use interop::truecell::{Truecell, built, device_name};

const CONF: &str = include_str!("femtocell.conf");
const DEVICE: &str = "00aabbccddee";

/// What the gateway sends while charon attaches and renews IKE SA and CHILD SA, and when the session is cut.
const FROM_GATEWAY: [&str; 7] = [
    "IKE_SA_INIT SA KE Nonce N N CERTREQ N N N",
    "IKE_AUTH IDr CERT CERT CERT CERT CERT AUTH CP SA TSi TSr N",
    "CREATE_CHILD_SA SA Nonce KE",
    "INFORMATIONAL",
    "CREATE_CHILD_SA SA Nonce KE TSi TSr",
    "INFORMATIONAL D",
    "INFORMATIONAL D",
];

fn tshark_reads(name: &str, ike: &str) {
    Scene::play(name, |scene| {
        let carrier = carrier(scene)?;
        let capture = Capture::start(carrier.internet.access(), "core0", &scene.dir("capture")?)?;
        attach_renew_and_cut(&carrier, ike)?;
        let keys = fs::read_to_string(carrier.gateway.keys())?;
        let of_gateway = |message: &&Message| message.is_whole_from(carrier.host.v4.into());
        let messages = until("all messages of the gateway", PROMPT, || {
            let messages = capture.messages(&keys)?;
            let seen = messages.iter().filter(of_gateway).count();
            Ok((seen >= FROM_GATEWAY.len()).then_some(messages))
        })?;
        let seen: Vec<_> = messages.iter().filter(of_gateway).map(Message::summary).collect();
        assert_eq!(seen, FROM_GATEWAY);
        let fragments = messages.iter().filter(|message| message.payloads.starts_with(&["SKF"])).count();
        assert!(fragments > 2, "{messages:#?}");
        for message in &messages {
            assert!(message.complaints.is_empty(), "{message:?}");
            assert!(message.verified || message.exchange == "IKE_SA_INIT", "{message:?}");
        }
        let first_key = keys.split(',').nth(2).context("no SK_ei")?;
        let others = keys.replace(first_key, &"00".repeat(first_key.len() / 2));
        assert!(capture.messages(&others)?.iter().any(|message| !message.complaints.is_empty()));
        Ok(())
    });
}

/// A carrier whose gateway writes down keys, and whose chains are long.
fn carrier(scene: &Scene) -> Result<Carrier<'_>> {
    let internet = Internet::new()?;
    let host = internet.host(Side::Core, "gateway")?;
    let settings = "[ca]\nintermediates = 3";
    let gateway = Truecell::start_with_key_log(&host.namespace, &scene.dir("gateway")?, settings)?;
    Ok(Carrier { scene, internet, host, gateway })
}

fn attach_renew_and_cut(carrier: &Carrier<'_>, ike: &str) -> Result<()> {
    carrier.gateway.add_device(DEVICE, &[])?;
    let credential = carrier.gateway.certify(DEVICE, KeyKind::Rsa3072)?;
    let unit = Unit { name: device_name(DEVICE), credential };
    let host = carrier.access("femto")?;
    let charon =
        carrier.charon("femto", &host, &unit, &CONF.replace("{{ike}}", ike), "fragment_size = 576")?;
    charon.initiate("core")?;
    charon.rekey(&["--ike", "segw"])?;
    charon.wait_for_log("IKE_SA deleted", 1, PROMPT)?;
    charon.rekey(&["--child", "core"])?;
    charon.wait_for_log("CHILD_SA closed", 1, PROMPT)?;
    let sessions = carrier.gateway.sessions()?;
    let session = sessions.first().context("no session")?;
    carrier.gateway.run(&["session", "cut", &session.id, "--why", "test"])?;
    charon.wait_for_log("received DELETE for IKE_SA", 1, PROMPT)
}

#[test]
#[ignore = "needs root, strongSwan and tshark: ./test interop"]
fn messages_under_aes_gcm() {
    tshark_reads("tshark-gcm", "aes256gcm16-prfsha384-x25519");
}

#[test]
#[ignore = "needs root, strongSwan and tshark: ./test interop"]
fn messages_under_aes_cbc_and_hmac() {
    tshark_reads("tshark-cbc", "aes128-sha256-prfsha256-ecp256");
}

#[test]
#[ignore = "needs root, strongSwan and tshark: ./test interop"]
fn the_gateway_that_people_run_writes_no_key_down() {
    Carrier::with("no-keys", "", |carrier| {
        let (unit, host) = (carrier.unit(DEVICE)?, carrier.access("femto")?);
        let conf = CONF.replace("{{ike}}", "aes256gcm16-prfsha256-x25519");
        carrier.charon("femto", &host, &unit, &conf, "")?.initiate("core")?;
        assert!(!carrier.gateway.keys().exists());
        Ok(())
    });
    let names_the_file = |program| {
        let program = fs::read(built(program).unwrap()).unwrap();
        program.windows(16).any(|octets| octets == b"TRUECELL_KEY_LOG")
    };
    assert!(names_the_file("truecell-key-log") && !names_the_file("truecell"));
}
