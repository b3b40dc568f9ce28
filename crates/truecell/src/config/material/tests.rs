use super::*;
use pki::{Ca, CaSpec, GatewayOrder, KeyAlgorithm, KeySource, OffTheBooks};

/// A CA and a gateway's certificate in a folder, and a configuration that names them.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let now = UnixTime::now();
    let spec = CaSpec::new("Operator", "femto.operator.example".parse().unwrap());
    let ca = Ca::create(&folder.path().join("ca"), &spec, now).unwrap();
    let order = GatewayOrder {
        names: vec!["segw.femto.operator.example".into()],
        addresses: Vec::new(),
        key: KeySource::Generate(KeyAlgorithm::P256),
        validity: None,
        by: "test".into(),
    };
    ca.issue_gateway(&order, &mut OffTheBooks, now).unwrap().write(folder.path(), "segw").unwrap();
    folder
}

const TEXT: &str = r#"node = "segw-1"
data = "state"
[gateway]
identity = "segw.femto.operator.example"
certificate = "segw.pem"
key = "segw.key"
[gateway.pools]
v4 = "10.64.0.0/12"
[[realm]]
name = "femto.operator.example"
anchors = ["ca/root.pem"]
"#;

fn wrong(folder: &tempfile::TempDir, text: &str) -> Vec<ConfigError> {
    let file = folder.path().join("truecell.toml");
    Config::parse(text, &file).unwrap().wrong_files(&Located::parse(text, &file).unwrap(), UnixTime::now())
}

#[test]
fn good_files_are_good_and_become_anchors() {
    let folder = folder();
    assert_eq!(wrong(&folder, TEXT), []);
    let config = Config::parse(TEXT, &folder.path().join("truecell.toml")).unwrap();
    let mut anchors = x509::Anchors::new();
    config.add_anchors(&mut anchors).unwrap();
    assert_eq!(anchors.of(&config.realms[0].name).unwrap().iter().count(), 1);
}

#[test]
fn a_file_that_is_not_what_it_is_named_for_is_an_error_at_its_line() {
    let folder = folder();
    fs::write(folder.path().join("rubbish.pem"), "rubbish").unwrap();
    pki::PrivateKey::generate(KeyAlgorithm::P256).unwrap().write(&folder.path().join("other.key")).unwrap();
    pki::PrivateKey::generate(KeyAlgorithm::Rsa2048).unwrap().write(&folder.path().join("rsa.key")).unwrap();
    for (from, to, line, what) in [
        ("ca/root.pem", "ca/missing.pem", 11, "No such file"),
        ("ca/root.pem", "rubbish.pem", 11, "no certificate in it"),
        ("ca/root.pem", "segw.pem", 11, "not a CA's certificate"),
        ("segw.key", "segw.pem", 6, "segw.pem: no items found"),
        ("segw.key", "other.key", 6, "other.key: not the key of the certificate"),
        ("segw.key", "rsa.key", 6, "rsa.key: not the key of the certificate"),
        ("\"segw.femto", "\"other.femto", 5, "not other.femto.operator.example"),
    ] {
        let errors = wrong(&folder, &TEXT.replacen(from, to, 1));
        let [error] = errors.as_slice() else { panic!("{to}: {errors:?}") };
        assert_eq!(error.line, Some(line), "{to}: {error}");
        assert!(error.what.contains(what), "{to}: {error}");
    }
}

#[test]
fn an_anchor_past_its_end_is_a_warning_and_the_gateways_own_certificate_an_error() {
    let folder = folder();
    let file = folder.path().join("truecell.toml");
    let far = UnixTime::now().after(std::time::Duration::from_secs(100 * 365 * 86_400));
    let config = Config::parse(TEXT, &file).unwrap();
    let errors = config.wrong_files(&Located::parse(TEXT, &file).unwrap(), far);
    let [error] = errors.as_slice() else { panic!("{errors:?}") };
    assert!(error.what.contains("segw.pem: expired at"), "{error}");
    let mut anchors = x509::Anchors::new();
    config.add_anchors(&mut anchors).unwrap();
    assert_eq!(expired(&anchors, UnixTime::now()), Vec::<String>::new());
    let warnings = expired(&anchors, far);
    let [warning] = warnings.as_slice() else { panic!("{warnings:?}") };
    assert!(warning.contains("realm femto.operator.example has expired"), "{warning}");
}
