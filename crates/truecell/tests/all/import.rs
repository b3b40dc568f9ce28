//! `truecell cert import`: certificates of another CA become those of units, all or none.

use crate::bench::{Bench, text};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use std::fs;

const REALM: &str = "\n[[realm]]\nname = \"femto.vendor.example\"\nanchors = [\"vendor.pem\"]\n";

/// A node that trusts a vendor's CA, and has one unit for each of `ids`.
struct Vendor {
    bench: Bench,
    root: CertifiedIssuer<'static, KeyPair>,
}

impl Vendor {
    fn with(ids: &[&str]) -> Self {
        let mut params = params(30);
        params.distinguished_name.push(DnType::CommonName, "Vendor");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let root = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let bench = Bench::bare();
        bench.write("vendor.pem", &root.pem());
        let config = fs::read_to_string(bench.path("truecell.toml")).unwrap();
        bench.write("truecell.toml", &(config + REALM));
        bench.good(&["init"]);
        ids.iter().for_each(|id| drop(bench.good(&["device", "add", id])));
        Self { bench, root }
    }

    fn issue(&self, id: &str, days: i64, key: &KeyPair) -> rcgen::Certificate {
        let mut params = params(days);
        params.subject_alt_names = vec![rcgen::SanType::DnsName(name(id).try_into().unwrap())];
        params.signed_by(key, &self.root).unwrap()
    }

    /// Writes a certificate for `id` with a key of its own to `<id>.pem`.
    fn unit(&self, id: &str) {
        self.bench.write(&format!("{id}.pem"), &self.issue(id, 30, &KeyPair::generate().unwrap()).pem());
    }

    fn credentials(&self, id: &str) -> Vec<serde_json::Value> {
        self.bench.json(&["device", "show", id])["credentials"].as_array().unwrap().clone()
    }

    /// What is printed by an import that ends with code 1.
    fn refused(&self, arguments: &[&str]) -> String {
        let output = self.bench.run(&[&["cert", "import"], arguments].concat());
        assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
        text(&output.stdout)
    }
}

fn name(id: &str) -> String {
    format!("{id}.femto.vendor.example")
}

/// Valid since an hour ago for so many days; for less than none, until then.
fn params(days: i64) -> CertificateParams {
    let now = i64::try_from(std::time::UNIX_EPOCH.elapsed().unwrap().as_secs()).unwrap();
    let at =
        |secs: i64| rcgen::date_time_ymd(1970, 1, 1) + std::time::Duration::from_secs(secs.unsigned_abs());
    let (from, to) = (now - 3_600, now + days * 86_400);
    let mut params = CertificateParams::default();
    (params.not_before, params.not_after) = (at(from.min(to - 1)), at(to));
    params
}

#[test]
fn a_certificate_in_pem_or_der_is_recorded_with_its_origin_and_once() {
    let mut vendor = Vendor::with(&["00aabbccddee"]);
    vendor.unit("00aabbccddee");
    let der = vendor.issue("00aabbccddee", 20, &KeyPair::generate().unwrap());
    fs::write(vendor.bench.path("unit.der"), der.der()).unwrap();
    let import = ["cert", "import", "00aabbccddee", "00aabbccddee.pem", "unit.der"];
    assert_eq!(vendor.bench.good(&import), "2 recorded, 0 unchanged, 0 refused\n");
    vendor.bench.serve();
    assert_eq!(vendor.bench.json(&import)["unchanged"], 2, "the daemon answers the same");
    let credentials = vendor.credentials("00aabbccddee");
    assert_eq!(credentials.len(), 2);
    assert!(
        credentials.iter().all(|one| one["origin"] == "imported" && one["realm"] == "femto.vendor.example")
    );
    let journal = vendor.bench.good(&["--json", "event", "tail", "--from", "1"]);
    let recorded =
        |line: &&str| line.contains("\"table\":\"credential\"") && line.contains("\"why\":\"imported\"");
    assert_eq!(journal.lines().filter(recorded).count(), 2, "{journal}");
    assert_eq!(vendor.bench.json(&["ledger", "verify"])["ok"], true);
}

#[test]
fn one_bad_certificate_is_named_and_keeps_the_others_out() {
    let vendor = Vendor::with(&["00aabbccddee", "00aabbccddef"]);
    vendor.unit("00aabbccddee");
    vendor.unit("00aabbccddef");
    let late = vendor.issue("00aabbccddee", -1, &KeyPair::generate().unwrap());
    vendor.bench.write("late.pem", &late.pem());
    vendor.bench.write("text.pem", "no certificate");
    let said =
        vendor.refused(&["00aabbccddee", "00aabbccddee.pem", "late.pem", "text.pem", "00aabbccddef.pem"]);
    for (file, why) in [
        ("late.pem", "the end-entity certificate has expired"),
        ("text.pem", "no certificate, neither in PEM nor in DER"),
        ("00aabbccddef.pem", "its dNSName is 00aabbccddef.femto.vendor.example, not 00aabbccddee.<realm>"),
    ] {
        let named = said.lines().any(|line| line.starts_with(file) && line.contains(why));
        assert!(named, "{file}: {said}");
    }
    assert!(said.starts_with("0 recorded, 0 unchanged, 3 refused\n"), "{said}");
    assert!(vendor.credentials("00aabbccddee").is_empty());
}

#[test]
fn a_key_of_another_unit_is_refused_and_that_unit_is_named() {
    let vendor = Vendor::with(&["00aabbccddee", "00aabbccddef"]);
    let key = KeyPair::generate().unwrap();
    for id in ["00aabbccddee", "00aabbccddef"] {
        vendor.bench.write(&format!("{id}.pem"), &vendor.issue(id, 30, &key).pem());
    }
    vendor.bench.good(&["cert", "import", "00aabbccddee", "00aabbccddee.pem"]);
    let said = vendor.refused(&["00aabbccddef", "00aabbccddef.pem"]);
    assert!(said.contains("is that of a certificate of 00aabbccddee"), "{said}");
}

#[test]
fn a_list_names_units_and_files_beside_it_and_more_than_go_at_once() {
    let ids: Vec<_> = (0..60).map(|number| format!("00aabb0000{number:02x}")).collect();
    let vendor = Vendor::with(&[]);
    vendor.bench.write("estate.csv", &format!("id\n{}\n", ids.join("\n")));
    vendor.bench.good(&["device", "import", "estate.csv"]);
    fs::create_dir(vendor.bench.path("delivery")).unwrap();
    let mut list = "device,file\n".to_owned();
    for id in &ids {
        let key = KeyPair::generate().unwrap();
        vendor.bench.write(&format!("delivery/{id}.pem"), &vendor.issue(id, 30, &key).pem());
        list += &format!("{id}, {id}.pem\n");
    }
    vendor.bench.write("delivery/bad.csv", &format!("{list}00aabbccdd00,00aabb000001.pem\n00aabb,x.pem\n"));
    let said = vendor.refused(&["--list", "delivery/bad.csv"]);
    assert!(said.starts_with("0 recorded, 0 unchanged, 2 refused\n"), "{said}");
    assert!(["delivery/bad.csv:62", "delivery/bad.csv:63"].iter().all(|line| said.contains(line)), "{said}");
    vendor.bench.write("delivery/list.csv", &list);
    let import = ["cert", "import", "--list", "delivery/list.csv"];
    assert_eq!(vendor.bench.good(&import), "60 recorded, 0 unchanged, 0 refused\n");
    assert_eq!(vendor.bench.good(&import), "0 recorded, 60 unchanged, 0 refused\n");
    let (code, why) = vendor.bench.refused(&["cert", "import", "--list", "estate.csv"]);
    assert_eq!(code, 2);
    assert!(why.contains("first line is `device,file`"), "{why}");
}
