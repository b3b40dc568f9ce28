//! Every case of NIST's Public Key Interoperability Test Suite, by the checks that a device's path goes through once its
//! name is known, and by all revocation lists of the suite for each certificate of the path. `pkits.txt` has the cases
//! and what is expected of them; certificates and lists are not ours and stand in target/peers/pkits, where `./test`
//! puts them.

use super::*;
use crate::Crl;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// How many cases each section of the suite has, 4.1 to 4.16.
const SECTIONS: [usize; 16] = [6, 8, 11, 21, 8, 17, 5, 20, 8, 14, 11, 10, 38, 35, 10, 2];

/// Why something else than the case's own rule decides it, as the table has it and as docs/pics.md words it.
const REASONS: [(&str, &str); 13] = [
    (
        "incomplete",
        "a list that is indirect, a delta, or for some reasons or one distribution point is not used",
    ),
    ("crl key", "a list that another key of the CA signed is not used"),
    ("policy", "policies are not read: what demands or maps one refuses"),
    ("dn", "directoryName constraints are not compared: they refuse"),
    ("mail", "rfc822Name constraints are not compared: they refuse"),
    ("uri", "URI constraints are not compared: they refuse"),
    ("names", "names of issuers are compared octet by octet"),
    ("ca", "a CA's certificate stands for no device"),
    ("dsa", "DSA and SHA-1 are not accepted"),
    ("self-issued", "a self-issued issuer counts in a path length"),
    ("1950", "a time before 1970 is malformed"),
    ("uid", "unique identifiers are malformed"),
    ("octets", "a signature that is not of whole octets is malformed"),
];

/// Certificates of the suite that are in no path: the anchor, and those of keys that sign CRLs only.
const IN_NO_PATH: [&str; 5] = [
    "TrustAnchorRootCertificate",
    "SeparateCertificateandCRLKeysCA2CRLSigningCert",
    "SeparateCertificateandCRLKeysCRLSigningCert",
    "indirectCRLCA3cRLIssuerCert",
    "indirectCRLCA4cRLIssuerCert",
];

/// One line of the table.
struct Case {
    number: &'static str,
    name: &'static str,
    is_valid: bool,
    outcome: &'static str,
    why: Option<&'static str>,
    chain: Vec<&'static str>,
}

impl Case {
    fn read(line: &'static str) -> Self {
        let columns: Vec<&str> = line.split('|').map(str::trim).collect();
        let [number, name, expected, outcome, why, chain] = columns[..] else { panic!("{line}") };
        assert!(["valid", "invalid"].contains(&expected), "{line}");
        Self {
            number,
            name,
            is_valid: expected == "valid",
            outcome,
            why: (why != "-").then_some(why),
            chain: chain.split(' ').collect(),
        }
    }

    fn is_accepted(&self) -> bool {
        self.outcome == "ok"
    }

    fn section(&self) -> usize {
        self.number.split('.').nth(1).unwrap().parse().unwrap()
    }
}

fn cases() -> Vec<Case> {
    let lines = include_str!("pkits.txt").lines();
    lines.filter(|line| !line.is_empty() && !line.starts_with('#')).map(Case::read).collect()
}

fn count(cases: &[Case], is_counted: impl Fn(&Case) -> bool) -> usize {
    cases.iter().filter(|case| is_counted(case)).count()
}

#[test]
fn the_table_has_every_case_and_a_reason_for_each_that_another_rule_decides() {
    let cases = cases();
    for (section, most) in (1..).zip(SECTIONS) {
        let numbers: Vec<&str> =
            cases.iter().filter(|case| case.section() == section).map(|case| case.number).collect();
        let expected: Vec<String> = (1..=most).map(|number| format!("4.{section}.{number}")).collect();
        assert_eq!(numbers, expected);
    }
    for case in &cases {
        let differs = case.is_accepted() != case.is_valid;
        assert!(!differs || case.why.is_some(), "{} {}: a reason is missing", case.number, case.name);
        // What RFC 5280 refuses by a delta alone, which nobody has to read (§5.2.4).
        let by_delta = case.number == "4.15.4";
        assert!(case.is_valid || !case.is_accepted() || by_delta, "{} {}: accepted", case.number, case.name);
        assert!(case.why.is_none_or(|why| REASONS.iter().any(|(key, _)| *key == why)), "{}", case.number);
    }
}

#[test]
fn the_statement_of_conformance_has_these_counts() {
    let statement = include_str!("../../../../docs/pics.md");
    let cases = cases();
    let stated = |row: String| assert!(statement.contains(&row), "docs/pics.md lacks: {row}");
    let own = |is_valid| count(&cases, |case| case.why.is_none() && case.is_valid == is_valid);
    stated(format!(
        "\n| as PKITS has it, by the rule that the case is about | {} | {} |\n",
        own(true),
        own(false)
    ));
    for (key, words) in REASONS {
        let of = |is_valid| count(&cases, |case| case.why == Some(key) && case.is_valid == is_valid);
        stated(format!("\n| {words} | {} | {} |\n", of(true), of(false)));
    }
    let all = |is_valid| count(&cases, |case| case.is_valid == is_valid);
    stated(format!("\n| all {} cases | {} | {} |\n", cases.len(), all(true), all(false)));
}

/// Names of the files with this ending in a folder of the suite, without the ending.
fn names(folder: &Path, ending: &str) -> BTreeSet<String> {
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    files.filter_map(|file| file.strip_suffix(ending).map(str::to_owned)).collect()
}

/// Whether every case and every certificate of the suite stands in the table.
fn assert_nothing_is_left_out(suite: &Path, cases: &[Case]) {
    let messages: BTreeSet<String> =
        cases.iter().map(|case| format!("Signed{}", case.name.replace([' ', '-'], ""))).collect();
    assert_eq!(messages, names(&suite.join("smime"), ".eml"));
    let in_paths = cases.iter().flat_map(|case| case.chain.iter().copied());
    let certificates: BTreeSet<String> = in_paths.chain(IN_NO_PATH).map(str::to_owned).collect();
    assert_eq!(certificates, names(&suite.join("certs"), ".crt"));
}

// 2026-12-01T00:00:00Z; what is valid in the suite is so from 2010 to 2030.
const NOW: i64 = 1_796_083_200;

/// The suite, as it is read.
struct Suite {
    folder: PathBuf,
    anchor: Vec<u8>,
    lists: Vec<Vec<u8>>,
}

impl Suite {
    fn read(folder: PathBuf) -> Self {
        let anchor = fs::read(folder.join("certs/TrustAnchorRootCertificate.crt")).unwrap();
        let lists = names(&folder.join("crls"), ".crl");
        let lists =
            lists.iter().map(|name| fs::read(folder.join("crls").join(format!("{name}.crl"))).unwrap());
        Self { lists: lists.collect(), folder, anchor }
    }

    fn judge(&self, set: &AnchorSet, case: &Case) -> &'static str {
        let file = |name: &str| self.folder.join("certs").join(name).with_extension("crt");
        let certificates: Vec<Vec<u8>> =
            case.chain.iter().map(|name| fs::read(file(name)).unwrap()).collect();
        let chain: Vec<&[u8]> = certificates.iter().map(Vec::as_slice).collect();
        match path(set, &chain) {
            Err(error) => error.code(),
            Ok(found) => {
                let known = || chain.iter().copied().chain([self.anchor.as_slice()]);
                let der = |sha256: &CertSha256| known().find(|der| CertSha256::of(der) == *sha256).unwrap();
                self.revocation(&found.sha256s.iter().map(der).collect::<Vec<_>>())
            }
        }
    }

    /// What the lists say of a path, from the end entity to the anchor.
    fn revocation(&self, path: &[&[u8]]) -> &'static str {
        let now = UnixTime::from_secs(NOW);
        for (position, pair) in path.windows(2).enumerate() {
            let serial = Certificate::from_der(pair[0]).unwrap().serial_number();
            let issuer = Anchor::from_der(pair[1]).unwrap();
            let of_issuer = self.lists.iter().filter_map(|der| Crl::verify(&issuer, der).ok());
            let lists: Vec<Crl> = of_issuer.filter(|list| list.covers(position > 0)).collect();
            if lists.iter().any(|list| list.revoked(serial.unwrap()).is_some()) {
                return "revoked";
            }
            if !lists.iter().any(|list| list.this_update() <= now && now <= list.next_update()) {
                return "revocation-unknown";
            }
        }
        "ok"
    }
}

fn path(set: &AnchorSet, chain: &[&[u8]]) -> Result<Found, PathError> {
    let now = UnixTime::from_secs(NOW);
    let certificate = end_entity(chain)?;
    check_end_entity(&certificate, &IKE, now)?;
    build(set, &certificate, chain, &IKE, now)
}

#[test]
fn every_case_of_the_suite_comes_out_as_the_table_says() {
    let suite: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/peers/pkits");
    if !suite.exists() {
        return println!("skipped: needs the certificates of PKITS");
    }
    let cases = cases();
    assert_nothing_is_left_out(&suite, &cases);
    let suite = Suite::read(suite);
    let mut set = AnchorSet::new();
    set.insert(Anchor::from_der(&suite.anchor).unwrap());
    let mut others = Vec::new();
    for case in &cases {
        let outcome = suite.judge(&set, case);
        if outcome != case.outcome {
            others.push(format!("{} {}: {outcome}, not {}", case.number, case.name, case.outcome));
        }
    }
    assert!(others.is_empty(), "{others:#?}");
}
