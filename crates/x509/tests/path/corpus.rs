//! The corpora of the fuzz targets, replayed.

use crate::{
    crl, ocsp,
    requests::{params, request},
    world::{Cert, NAME, dns, key},
};
use std::path::{Path, PathBuf};
use x509::fuzz::{self, device_path};

fn corpus() -> PathBuf {
    corpus_of("cert_path")
}

fn corpus_of(target: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(target)
}

/// Requests: name, whether possession is proven, octets. Keys are drawn anew each time.
fn requests() -> Vec<(&'static str, bool, Vec<u8>)> {
    let p256 = key(&rcgen::PKCS_ECDSA_P256_SHA256);
    let of = |params: rcgen::CertificateParams| params.serialize_request(&p256).unwrap().der().to_vec();
    let (mut two_names, mut no_name) = (params(), params());
    two_names.subject_alt_names.push(dns("00aabbccddef.femto.example"));
    no_name.subject_alt_names.clear();
    let mut altered = request(&p256);
    *altered.last_mut().unwrap() ^= 1;
    vec![
        ("p256", true, request(&p256)),
        ("p384", true, request(&key(&rcgen::PKCS_ECDSA_P384_SHA384))),
        ("rsa", true, request(&key(&rcgen::PKCS_RSA_SHA256))),
        ("two-names", true, of(two_names)),
        ("no-name", true, of(no_name)),
        ("ed25519", false, request(&key(&rcgen::PKCS_ED25519))),
        ("altered-signature", false, altered),
        ("cut-off", false, request(&p256)[..100].to_vec()),
        ("behind-it-more", false, [request(&p256), vec![0]].concat()),
    ]
}

#[test]
fn the_corpus_of_requests_proves_possession_where_its_names_say_so() {
    for (name, is_proven, _) in requests() {
        let octets = std::fs::read(corpus_of("request").join(name)).unwrap();
        assert_eq!(fuzz::request(&octets), is_proven, "{name}");
    }
    for entry in std::fs::read_dir(corpus_of("request")).unwrap() {
        let octets = std::fs::read(entry.unwrap().path()).unwrap();
        for cut in 0..octets.len() {
            fuzz::request(&octets[..cut]);
        }
    }
}

fn behind_ca(ca: &Cert, der: &[u8]) -> Vec<u8> {
    [&u16::try_from(ca.der.len()).unwrap().to_be_bytes(), ca.der.as_slice(), der].concat()
}

fn replay<T: PartialEq + std::fmt::Debug>(
    target: &str,
    seeds: Vec<(&'static str, T, Vec<u8>)>,
    run: impl Fn(&[u8]) -> T,
) {
    for (name, outcome, _) in seeds {
        let octets = std::fs::read(corpus_of(target).join(name)).unwrap();
        assert_eq!(run(&octets), outcome, "{target}/{name}");
    }
    for entry in std::fs::read_dir(corpus_of(target)).unwrap() {
        let octets = std::fs::read(entry.unwrap().path()).unwrap();
        for cut in (0..octets.len()).step_by(7) {
            run(&octets[..cut]);
        }
    }
}

#[test]
fn the_corpora_of_lists_and_answers_count_where_their_names_say_so() {
    replay("crl", crl::seeds(behind_ca), fuzz::crl);
    replay("ocsp_answer", ocsp::seeds(behind_ca), fuzz::ocsp_answer);
}

#[test]
#[ignore = "writes fuzz/corpus/crl and fuzz/corpus/ocsp_answer anew"]
fn write_the_corpora_of_lists_and_answers() {
    let crl = crl::seeds(behind_ca).into_iter().map(|(name, _, octets)| ("crl", name, octets));
    let ocsp = ocsp::seeds(behind_ca).into_iter().map(|(name, _, octets)| ("ocsp_answer", name, octets));
    for (target, name, octets) in crl.chain(ocsp) {
        std::fs::create_dir_all(corpus_of(target)).unwrap();
        std::fs::write(corpus_of(target).join(name), octets).unwrap();
    }
}

fn input(idi: &str, chain: &[&str]) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/path/openssl");
    let mut input = vec![u8::try_from(idi.len()).unwrap()];
    input.extend(idi.as_bytes());
    for name in chain {
        let der = std::fs::read(folder.join(name).with_extension("der")).unwrap();
        input.extend(u16::try_from(der.len()).unwrap().to_be_bytes());
        input.extend(der);
    }
    input
}

/// Every hand-made input: name, and how many certificates its path has.
fn seeds() -> Vec<(String, Vec<u8>, usize)> {
    let mut seeds = Vec::new();
    let mut seed = |name: &str, chain: &[&str], path: usize| {
        seeds.push((name.to_owned(), input(NAME, chain), path));
    };
    seed("p256", &["device", "issuing"], 3);
    seed("p256-with-root", &["device", "root", "issuing"], 3);
    seed("p384-four", &["p384-device", "p384-mid", "p384-issuing"], 4);
    seed("rsa-four", &["rsa-device", "rsa-mid", "rsa-issuing"], 4);
    seed("rsa-pss", &["rsa-device-pss", "rsa-issuing", "rsa-mid"], 4);
    seed("older-purpose", &["device-older", "issuing"], 3);
    seed("gateway-as-device", &["gateway", "issuing"], 0);
    seed("ca-as-device", &["issuing", "root"], 0);
    seed("nothing", &[], 0);
    for name in ["v1", "web", "email", "outside", "p521", "k256", "ed25519", "explicit", "compressed"] {
        seed(name, &[&format!("device-{name}"), "issuing"], 0);
    }
    for name in ["rsa1024", "rsa2040", "rsa3", "sha1"] {
        seed(name, &[&format!("device-{name}"), "issuing"], 0);
    }
    for name in ["sha1", "policy", "rsa1024", "ed25519"] {
        seed(&format!("sub-{name}"), &[&format!("under-{name}"), &format!("sub-{name}")], 0);
    }
    seeds
}

#[test]
fn every_input_of_the_corpus_returns() {
    let files: Vec<PathBuf> =
        std::fs::read_dir(corpus()).unwrap().map(|entry| entry.unwrap().path()).collect();
    for file in &files {
        let bytes = std::fs::read(file).unwrap();
        device_path(&bytes);
        for cut in (0..bytes.len()).step_by(97) {
            device_path(&bytes[..cut]);
        }
    }
    assert!(files.len() >= seeds().len(), "run `write_the_corpus` with --ignored");
}

#[test]
fn the_corpus_reaches_a_verified_path_in_every_hierarchy() {
    for (name, bytes, path) in seeds() {
        assert_eq!(device_path(&bytes), path, "{name}");
        assert_eq!(std::fs::read(corpus().join(&name)).unwrap(), bytes, "{name}");
    }
}

#[test]
#[ignore = "writes fuzz/corpus/request anew"]
fn write_the_corpus_of_requests() {
    std::fs::create_dir_all(corpus_of("request")).unwrap();
    for (name, _, octets) in requests() {
        std::fs::write(corpus_of("request").join(name), octets).unwrap();
    }
}

#[test]
#[ignore = "writes fuzz/corpus/cert_path anew, after openssl/make.sh"]
fn write_the_corpus() {
    std::fs::create_dir_all(corpus()).unwrap();
    for (name, bytes, _) in seeds() {
        std::fs::write(corpus().join(name), bytes).unwrap();
    }
}
