//! `openssl` and `curl` as the clients; says so and passes by where one is not installed.

use super::world::{World, order};
use cmp::{Refusal, Stage};
use ids::CrlReason;
use ids::UnixTime;
use pki::{KeyAlgorithm, OffTheBooks, PrivateKey, ocsp::Status};
use std::{path::Path, process::Command, time::Duration};
use x509::Anchors;

/// Whether the program was content, and what it wrote.
pub(super) fn run(program: &str, arguments: &[&str], folder: &Path) -> Option<(bool, String)> {
    let mut command = Command::new(program);
    for name in ["http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "ALL_PROXY", "all_proxy"] {
        command.env_remove(name);
    }
    let Ok(output) = command.args(arguments).current_dir(folder).output() else {
        println!("SKIPPED: no {program} on this machine");
        return None;
    };
    let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    Some((output.status.success(), text.into_owned()))
}

impl World {
    pub(super) fn openssl(&self, arguments: &[&str]) -> Option<(bool, String)> {
        run("openssl", arguments, self.path())
    }

    fn curl(&self, path: &str, more: &[&str]) -> Option<(bool, String)> {
        let url = format!("http://{}{path}", self.address);
        run("curl", &[&["-sS", "--max-time", "60", &url], more].concat(), self.path())
    }

    /// `unit.pem` that counts, `vendor.{pem,key}`, `root.pem`, and `new.key` for what is enrolled.
    pub(super) fn write(&self) {
        self.unit.write(self.path(), "unit").unwrap();
        let vendors = self.vendor.issue(&order(), &mut OffTheBooks, UnixTime::now()).unwrap();
        vendors.write(self.path(), "vendor").unwrap();
        std::fs::copy(self.path().join("ca/root.pem"), self.path().join("root.pem")).unwrap();
        for name in ["new.key", "next.key"] {
            PrivateKey::generate(KeyAlgorithm::P256).unwrap().write(&self.path().join(name)).unwrap();
        }
    }

    fn openssl_cmp(&self, arguments: &[&str]) -> Option<(bool, String)> {
        let server = self.address.to_string();
        let common =
            ["cmp", "-config", "", "-recipient", "/CN=any", "-trusted", "root.pem", "-server", &server];
        self.openssl(&[&common, arguments].concat())
    }

    pub(super) fn stages(&self) -> Vec<Stage> {
        self.register.records.lock().unwrap().values().map(|record| record.stage).collect()
    }
}

const IR: [&str; 14] = [
    "-cmd",
    "ir",
    "-cert",
    "vendor.pem",
    "-key",
    "vendor.key",
    "-newkey",
    "new.key",
    "-subject",
    "/CN=whatever",
    "-certout",
    "enrolled.pem",
    "-extracertsout",
    "extra.pem",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn openssl_enrols_and_renews_by_either_path_with_and_without_a_kept_connection() {
    let world = World::new().await;
    world.write();
    let by = ["-path", ".well-known/cmp", "-keep_alive", "1"];
    let Some((ok, text)) = world.openssl_cmp(&[&IR[..], &by].concat()) else { return };
    assert!(ok, "{text}");
    let renew = [
        "-cmd",
        "kur",
        "-cert",
        "enrolled.pem",
        "-key",
        "new.key",
        "-newkey",
        "next.key",
        "-untrusted",
        "extra.pem",
        "-certout",
        "next.pem",
    ];
    let by = ["-path", "pkix/", "-keep_alive", "0"];
    let (ok, text) = world.openssl_cmp(&[&renew[..], &by].concat()).unwrap();
    assert!(ok, "{text}");
    assert_eq!(world.stages(), [Stage::Confirmed; 2]);
    assert_eq!(world.counted("cmp", "served"), 4);
    let verify = ["verify", "-x509_strict", "-CAfile", "root.pem", "-untrusted", "extra.pem", "next.pem"];
    let (ok, text) = world.openssl(&verify).unwrap();
    assert!(ok, "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_vendor_that_is_not_listed_any_more_enrols_nobody_and_one_that_is_again_does() {
    let world = World::new().await;
    world.write();
    world.public.trust(Anchors::new());
    let ir = [&IR[..], &["-path", "pkix/"]].concat();
    let Some((ok, text)) = world.openssl_cmp(&ir) else { return };
    assert!(!ok && text.contains("PKIFailureInfo: signerNotTrusted"), "{text}");
    assert!(matches!(world.register.refused.lock().unwrap()[0].refusal, Refusal::Path(_)));
    world.public.trust(world.vendor.anchors().clone());
    // Signers that are made anew keep to it.
    *world.clock.ahead.lock().unwrap() = Duration::from_secs(25 * 3600);
    world.public.renew();
    *world.clock.ahead.lock().unwrap() = Duration::ZERO;
    let (ok, text) = world.openssl_cmp(&ir).unwrap();
    assert!(ok, "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_unit_is_told_system_unavail_while_our_clock_is_not_trusted() {
    let world = World::new().await;
    world.write();
    *world.clock.is_unsure.lock().unwrap() = true;
    let Some((ok, text)) = world.openssl_cmp(&[&IR[..], &["-path", "pkix/"]].concat()) else { return };
    assert!(!ok && text.contains("systemUnavail"), "{text}");
    assert_eq!(world.counted("cmp", "clock-unsure"), 1);
    assert_eq!(world.stages(), []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn openssl_asks_for_the_status_of_a_certificate_and_sees_it_change() {
    let world = World::new().await;
    world.write();
    let url = format!("http://{}/ocsp", world.address);
    let ask = |more: &[&str]| {
        let ask = ["ocsp", "-url", &url, "-CAfile", "root.pem", "-verify_other", "ca/devices.pem"];
        let about = ["-issuer", "ca/devices.pem", "-cert", "unit.pem"];
        world.openssl(&[&ask[..], more, &about].concat())
    };
    for more in [&["-nonce"][..], &["-no_nonce"], &["-sha256"]] {
        let Some((ok, text)) = ask(more) else { return };
        assert!(ok && text.contains("Response verify OK") && text.contains("unit.pem: good"), "{text}");
        assert!(!text.contains("WARNING"), "{text}");
    }
    let revoked = Status::Revoked { at: UnixTime::now(), reason: Some(CrlReason::KeyCompromise) };
    world.known.statuses.lock().unwrap().insert(world.unit.info.serial.clone(), revoked);
    let (_, text) = ask(&["-nonce"]).unwrap();
    assert!(text.contains("unit.pem: revoked") && text.contains("Reason: keyCompromise"), "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn curl_and_openssl_take_a_list_and_reject_what_stands_on_it() {
    let world = World::new().await;
    world.write();
    let fetch = ["-o", "list.der", "-w", "%{http_code} %{content_type}"];
    let Some((_, text)) = world.curl("/crl/devices.crl", &fetch) else { return };
    assert_eq!(text, "200 application/pkix-crl");
    let convert = ["crl", "-inform", "DER", "-in", "list.der", "-out", "list.pem"];
    let Some((ok, text)) = world.openssl(&convert) else { return };
    assert!(ok, "{text}");
    let verify =
        ["verify", "-crl_check", "-CAfile", "root.pem", "-untrusted", "unit.pem", "-CRLfile", "list.pem"];
    let verify = || world.openssl(&[&verify[..], &["unit.pem"]].concat()).unwrap();
    let (ok, text) = verify();
    assert!(ok, "{text}");
    let revoked = Status::Revoked { at: UnixTime::now(), reason: None };
    world.known.statuses.lock().unwrap().insert(world.unit.info.serial.clone(), revoked);
    // Halfway of 24 hours; openssl looks by the clock of this machine, so the list must not be from tomorrow.
    *world.clock.behind.lock().unwrap() = Duration::from_secs(3600);
    world.public.renew();
    world.curl("/crl/devices.crl", &fetch).unwrap();
    world.openssl(&convert).unwrap();
    let (ok, text) = verify();
    assert!(!ok && text.contains("certificate revoked"), "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn curl_that_sends_ten_mebibytes_is_told_that_it_is_too_much() {
    let world = World::new().await;
    std::fs::write(world.path().join("large"), vec![b'x'; 10 << 20]).unwrap();
    let send = [
        "--data-binary",
        "@large",
        "-H",
        "Content-Type: application/pkixcmp",
        "-w",
        "%{http_code} %{size_upload}",
        "-o",
        "answer",
    ];
    let Some((_, text)) = world.curl("/pkix/", &send) else { return };
    // It waits for 100 Continue, and need not send anything.
    assert_eq!(text, "413 0");
}
