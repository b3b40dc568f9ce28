//! The CA's keys: kept with a passphrase or in a token, made anew by two people while the node serves.

use crate::bench::Bench;
use crate::enrol::{ENROL, address, bench, get, run, serve};
use serde_json::Value;
use std::{
    fs::{self, Permissions},
    net::SocketAddr,
    os::unix::fs::PermissionsExt,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

const ROTATE: [&str; 7] = ["ca", "rotate", "devices", "--why", "a test", "--approver", "dave"];

fn rotate<'a>(how: &[&'a str]) -> Vec<&'a str> {
    [&ROTATE[..], how].concat()
}

fn secret(bench: &Bench, name: &str, text: &str) {
    bench.write(name, &format!("{text}\n"));
    fs::set_permissions(bench.path(name), Permissions::from_mode(0o600)).unwrap();
}

/// What `ca show` says of one CA.
fn level(bench: &Bench, name: &str) -> Value {
    let shown = bench.json(&["ca", "show"]);
    let levels = shown["ca"]["levels"].as_array().unwrap();
    levels.iter().find(|level| level["name"] == name).cloned().unwrap_or(Value::Null)
}

fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + Duration::from_secs(60);
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < end, "{what}");
        std::thread::park_timeout(Duration::from_millis(50));
    }
}

/// What openssl hears of a unit from the responder, once that can speak for its issuing CA.
fn answers_good(bench: &Bench, address: SocketAddr, unit: &str, ca: &str) -> Option<()> {
    let (url, issuer) = (format!("http://{address}/ocsp"), format!("state/ca/{ca}.pem"));
    let ask = ["ocsp", "-url", &url, "-CAfile", "state/ca/root.pem", "-verify_other", &issuer, "-nonce"];
    let ask = [&ask[..], &["-issuer", &issuer, "-cert", unit]].concat();
    run(bench, "openssl", &ask)?;
    until(unit, || {
        let text = run(bench, "openssl", &ask)?;
        (text.contains("Response verify OK") && text.contains(": good")).then_some(())
    });
    Some(())
}

#[test]
fn a_running_node_takes_another_key_and_answers_for_units_of_both() {
    let mut bench = bench(ENROL);
    bench.good(&["device", "add", "00aabbccddee"]);
    bench.good(&["device", "add", "00aabbccddef"]);
    let address = serve(&mut bench);
    bench.good(&["cert", "issue", "00aabbccddee", "--approver", "dave", "--out", "before"]);
    let with_root = ["--root-key", "state/ca/root.key"];
    let alone = [&ROTATE[..5], &with_root].concat();
    let (code, why) = bench.refused(&alone);
    assert!(code == 1 && why.contains("a second person must agree") && why.contains("--approver"), "{why}");
    let (code, why) = bench.refused(&[&alone[..], &["--approver", "mallory"]].concat());
    assert!(code == 1 && why.contains("`mallory` is not among those who may agree"), "{why}");
    assert!(level(&bench, "devices-2").is_null());

    let rotated = bench.json(&rotate(&with_root));
    assert_eq!(rotated["generation"], "devices-2");
    bench.good(&["cert", "issue", "00aabbccddef", "--approver", "dave", "--out", "after"]);
    let events = bench.good(&["event", "tail"]);
    let told =
        events.lines().find(|line| line.contains("pki.ca_rotated")).unwrap_or_else(|| panic!("{events}"));
    assert!(told.contains("devices-2") && told.contains("dave"), "{told}");

    for (unit, ca) in [("before/00aabbccddee.pem", "devices"), ("after/00aabbccddef.pem", "devices-2")] {
        let verify = ["verify", "-x509_strict", "-CAfile", "state/ca/root.pem", "-untrusted", unit, unit];
        let Some(text) = run(&bench, "openssl", &verify) else { return };
        assert!(text.contains(": OK"), "{text}");
        let Some(()) = answers_good(&bench, address, unit, ca) else { return };
        let list = until("a list", || {
            Some(get(address, &format!("/crl/{ca}.crl"))).filter(|(code, _)| *code == 200)
        });
        fs::write(bench.path("list.der"), list.1).unwrap();
        let issuer = format!("state/ca/{ca}.pem");
        let read = ["crl", "-inform", "DER", "-in", "list.der", "-noout", "-CAfile", &issuer];
        assert!(run(&bench, "openssl", &read).unwrap().contains("verify OK"));
        assert_eq!(get(address, &format!("/ca/{ca}.crt")).0, 200);
    }
    let Some(text) = run(&bench, "openssl", &["x509", "-in", "after/00aabbccddef.pem", "-noout", "-text"])
    else {
        return;
    };
    assert!(text.contains("URI:http://pki.operator.example:8080/crl/devices-2.crl\n"), "{text}");
    for path in
        ["/crl/devices-3.crl", "/crl/devices-1.crl", "/crl/root.crl", "/ca/devices-3.crt", "/ca/devices"]
    {
        assert_eq!(get(address, path).0, 404, "{path}");
    }
    assert_eq!(
        [level(&bench, "devices")["counting"].as_u64(), level(&bench, "devices-2")["counting"].as_u64()],
        [Some(1); 2]
    );

    // Both can be revoked, by serial, whoever signed it.
    let serial = bench.json(&["device", "show", "00aabbccddee"])["credentials"][0]["serial"].clone();
    bench.good(&["cert", "revoke", serial.as_str().unwrap(), "--why", "a test"]);
    assert_eq!(level(&bench, "devices")["counting"], 0);
    assert_eq!(bench.stop(), 0);
    assert!(bench.good(&["event", "verify"]).starts_with("good"));
    assert_eq!(bench.json(&["ledger", "verify"])["ok"], true);
}

#[test]
fn a_root_elsewhere_certifies_by_openssl_and_a_kill_in_between_leaves_the_key_of_before() {
    let mut bench = bench(ENROL);
    bench.good(&["device", "add", "00aabbccddee"]);
    fs::rename(bench.path("state/ca/root.key"), bench.path("root.key")).unwrap();
    serve(&mut bench);
    bench.good(&["cert", "issue", "00aabbccddee", "--approver", "dave", "--out", "first"]);
    let (code, why) = bench.refused(&rotate(&["--root-key", "state/ca/root.key"]));
    assert!(
        code == 1 && why.contains("there is no such key") && why.contains("the CA has the one of before"),
        "{why}"
    );
    let text = bench.good(&rotate(&["--request", "next.csr"]));
    assert!(text.contains("openssl x509 -req -in next.csr -CA next.csr.above.pem -CAkey KEY"), "{text}");
    bench.kill();
    serve(&mut bench);
    assert!(level(&bench, "devices-2").is_null());
    bench.good(&["cert", "issue", "00aabbccddee", "--approver", "dave", "--out", "second"]);
    let sign = [
        "x509",
        "-req",
        "-in",
        "next.csr",
        "-CA",
        "next.csr.above.pem",
        "-CAkey",
        "root.key",
        "-days",
        "7300",
    ];
    let Some(text) = run(&bench, "openssl", &[&sign[..], &["-out", "bare.pem"]].concat()) else { return };
    let (code, why) = bench.refused(&rotate(&["--certificate", "bare.pem"]));
    assert!(code == 1 && why.contains("the certificate will not do"), "{text}{why}");
    let good = [&sign[..], &["-extfile", "next.csr.ext", "-out", "devices-2.pem"]].concat();
    run(&bench, "openssl", &good).unwrap();
    for _ in 0..2 {
        let rotated = bench.json(&rotate(&["--certificate", "devices-2.pem"]));
        assert_eq!(rotated["generation"], "devices-2", "also when it is said again");
    }
    bench.kill();
    serve(&mut bench);
    let issued = bench.json(&["cert", "issue", "00aabbccddee", "--approver", "dave", "--out", "third"]);
    assert!(issued["certificate"]["issuer"].as_str().unwrap().contains("issuing CA 2"), "{issued}");
    assert!(level(&bench, "devices-3").is_null());
}

#[test]
fn without_its_passphrase_a_node_serves_and_says_that_the_ca_cannot_sign() {
    let mut bench = Bench::bare();
    let config = fs::read_to_string(bench.path("truecell.toml")).unwrap();
    bench.write("truecell.toml", &config.replace("[http]", "[ca.keys]\npassphrase = \"file:pass\"\n[http]"));
    let (code, why) = bench.refused(&["config", "check"]);
    assert!(code == 64 && why.contains("ca.keys.passphrase"), "{why}");
    secret(&bench, "pass", "correct horse");
    bench.good(&["config", "check"]);
    bench.good(&["init"]);
    assert!(fs::read_to_string(bench.path("state/ca/root.key")).unwrap().contains("ENCRYPTED"));
    bench.good(&["device", "add", "00aabbccddee"]);
    assert!(bench.good(&["ca", "show"]).contains("devices.key, mode 0600, encrypted"));
    secret(&bench, "pass", "wrong");
    bench.serve();
    let is_told = |bench: &Bench| {
        let (code, page) = bench.page("/readyz");
        (code == 200 && page.contains("the passphrase is not that of this key")).then_some(())
    };
    until("the alarm", || is_told(&bench));
    let (code, why) =
        bench.refused(&["cert", "issue", "00aabbccddee", "--approver", "dave", "--out", "unit"]);
    assert!(code == 70 && why.contains("the passphrase is not that of this key"), "{code} {why}");
    assert!(!level(&bench, "devices")["key_trouble"].is_null());
    secret(&bench, "pass", "correct horse");
    until("the passphrase is there again", || {
        bench
            .run(&["cert", "issue", "00aabbccddee", "--approver", "dave", "--out", "unit"])
            .status
            .success()
            .then_some(())
    });
    until("the alarm is over", || bench.page("/readyz").1.contains("\"ca-key\":null").then_some(()));
    let log = bench.logged("").join("\n");
    assert!(!log.contains("correct horse"), "{log}");
    assert_eq!(bench.stop(), 0);
}

#[test]
fn a_ca_is_made_later_with_its_roots_key_elsewhere() {
    let bench = Bench::bare();
    let config = fs::read_to_string(bench.path("truecell.toml")).unwrap();
    // A node with certificates from elsewhere, here from another node.
    let other = Bench::new();
    for (from, to) in [("gateway.pem", "chain.pem"), ("ca/root.pem", "root.pem")] {
        fs::copy(other.path("state").join(from), bench.path(to)).unwrap();
    }
    let both = fs::read_to_string(other.path("state/keys/gateway.pem")).unwrap();
    bench.write("gateway.key", &both);
    let files = "certificate = \"chain.pem\"\nkey = \"gateway.key\"\n[gateway.pools]";
    let with_ca = config.replace("[gateway.pools]", files);
    let own = "[ca]\norganization = \"Operator\"\nrealm = \"femto.operator.example\"\n";
    let realm = "[[realm]]\nname = \"other.example\"\nanchors = [\"root.pem\"]\n";
    bench.write("truecell.toml", &with_ca.replace(own, realm));
    bench.good(&["init"]);
    let make = ["ca", "init", "--root-folder", "stick", "--root-passphrase", "file:pass"];
    let (code, why) = bench.refused(&make);
    assert!(code == 1 && why.contains("no [ca] section"), "{why}");
    bench.write("truecell.toml", &with_ca);
    secret(&bench, "pass", "of the root alone");
    let made = bench.json(&make);
    assert_eq!(made["realm"], "femto.operator.example");
    let root = fs::read_to_string(bench.path("stick/root.key")).unwrap();
    assert!(root.contains("ENCRYPTED") && !bench.path("state/ca/root.key").exists());
    assert!(bench.good(&["ca", "show"]).contains("root.key, not there"));
    let (code, why) = bench.refused(&make);
    assert!(code == 1 && why.contains("has a CA already"), "{why}");
    bench.good(&["device", "add", "00aabbccddee"]);
    bench.good(&["cert", "issue", "00aabbccddee", "--approver", "dave", "--out", "unit"]);
    let rotated = bench.json(&rotate(&["--root-key", "stick/root.key", "--root-passphrase", "file:pass"]));
    assert_eq!(rotated["generation"], "devices-2");
    bench.good(&["cert", "issue", "00aabbccddee", "--approver", "dave", "--out", "again"]);
}

const MODULE: &str = "/usr/lib/softhsm/libsofthsm2.so";

#[test]
fn a_node_signs_with_a_token_after_it_has_given_up_its_privileges() {
    if !Path::new(MODULE).exists() {
        println!("SKIPPED: no softhsm2 on this machine");
        return;
    }
    let mut bench = Bench::bare();
    let tokens = bench.path("tokens");
    fs::create_dir(&tokens).unwrap();
    bench.write("softhsm2.conf", &format!("directories.tokendir = {}\n", tokens.display()));
    let conf = bench.path("softhsm2.conf");
    let init = ["--init-token", "--free", "--label", "carrier", "--so-pin", "87654321", "--pin", "1234"];
    let made = Command::new("softhsm2-util").args(init).env("SOFTHSM2_CONF", &conf).output().unwrap();
    assert!(made.status.success(), "{made:?}");
    secret(&bench, "pin", "1234");
    let config = fs::read_to_string(bench.path("truecell.toml")).unwrap() + ENROL;
    let uri = |object: &str| {
        format!("pkcs11:token=carrier;object={object}?module-path={MODULE}&pin-source=file:pin")
    };
    let keys =
        format!("[ca.keys]\ndevices = \"{}\"\ngateways = \"{}\"\n[http]", uri("devices"), uri("gateways"));
    bench.write("truecell.toml", &config.replace("[http]", &keys));
    let command = |arguments: &[&str]| {
        let mut command = bench.command(arguments);
        command.env("SOFTHSM2_CONF", &conf);
        command
    };
    let good = |arguments: &[&str]| {
        let output = command(arguments).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {output:?}");
    };
    good(&["config", "check"]);
    good(&["init"]);
    assert!(!bench.path("state/ca/devices.key").exists() && !bench.path("state/ca/gateways.key").exists());
    good(&["device", "add", "00aabbccddee"]);
    let serve = command(&["serve"]);
    let seen = bench.start(serve, "ready");
    let address = address(seen.last().unwrap(), "enrol");
    bench.good(&["cert", "issue", "00aabbccddee", "--approver", "dave", "--out", "before"]);
    bench.good(&rotate(&["--root-key", "state/ca/root.key"]));
    bench.good(&["cert", "issue", "00aabbccddee", "--approver", "dave", "--out", "after"]);
    assert!(!bench.path("state/ca/devices-2.key").exists());
    for (unit, ca) in [("before/00aabbccddee.pem", "devices"), ("after/00aabbccddee.pem", "devices-2")] {
        let Some(()) = answers_good(&bench, address, unit, ca) else { return };
        let shown = level(&bench, ca);
        assert!(shown["key_place"].as_str().unwrap().contains(&format!("object={ca}?")), "{shown}");
    }
    // The token goes away, and nothing else does.
    fs::rename(&tokens, bench.path("away")).unwrap();
    until("the token is missed", || {
        let refused = bench.run(&["cert", "issue", "00aabbccddee", "--approver", "dave", "--out", "none"]);
        (!refused.status.success()).then_some(())
    });
    bench.wait_logged("ca-key-unusable");
    assert_eq!(bench.page("/readyz").0, 200);
    fs::rename(bench.path("away"), &tokens).unwrap();
    until("the token is there again", || bench.page("/readyz").1.contains("\"ca-key\":null").then_some(()));
    bench.good(&["cert", "issue", "00aabbccddee", "--approver", "dave", "--out", "back"]);
    assert_eq!(bench.stop(), 0);
}
