use super::*;
use events::{Journal, JournalKey};
use ids::DeviceId;
use ledger::{Credential, NewDevice, Origin, Pools, RowKey, Standing, store::Sqlite};
use pki::{
    CaSpec, CertificateInfo, DeviceOrder, GatewayOrder, KeyAlgorithm, KeySource, OffTheBooks, certificate_pem,
};
use std::path::PathBuf;

/// A data directory as an older Truecell left it.
struct Old {
    folder: tempfile::TempDir,
    ledger: Ledger,
    ca: Ca,
    now: UnixTime,
}

fn unit() -> DeviceId {
    "00aabbccddee".parse().unwrap()
}

fn old() -> Old {
    let (folder, now) = (tempfile::tempdir().unwrap(), UnixTime::now());
    let key = JournalKey::create(&folder.path().join("journal.key")).unwrap();
    let (journal, _) =
        Journal::open(&folder.path().join("journal"), "test".parse().unwrap(), key, now).unwrap();
    let store = Box::new(Sqlite::open(&folder.path().join("ledger.sqlite")).unwrap());
    let (ledger, _) = Ledger::open(store, journal, RowKey::new(&[7; 32]), Pools::default(), now).unwrap();
    ledger.add_device(NewDevice::installed(unit()), "test", now).unwrap();
    let spec = CaSpec::new("Test", "femto.test.example".parse().unwrap());
    let ca = Ca::create(&folder.path().join("ca"), &spec, now).unwrap();
    Old { folder, ledger, ca, now }
}

impl Old {
    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join("ca").join(name)
    }

    fn keep(&self, serial: &str, der: &[u8]) {
        let folder = self.path("issued").join(&serial[..2]);
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join(format!("{serial}.pem")), certificate_pem(der)).unwrap();
    }

    /// A unit's certificate in a file; and in the ledger, unless a crash kept it from there.
    fn unit(&self, is_recorded: bool) -> CertificateInfo {
        let key = KeySource::Generate(KeyAlgorithm::P256);
        let order = DeviceOrder { device: unit(), key, validity: None, by: "test".into() };
        let issued = self.ca.issue(&order, &mut OffTheBooks, self.now).unwrap();
        self.keep(&issued.info.serial, &issued.chain[0]);
        let info = issued.info;
        let credential = Credential {
            cert_sha256: info.sha256,
            device: unit(),
            realm: self.ca.realm().clone(),
            serial: info.serial.clone(),
            spki_sha256: info.spki_sha256,
            not_before: info.not_before,
            not_after: info.not_after,
            issued_at: self.now,
            origin: Origin::Issued,
            parent: None,
            superseded: None,
            doubt: None,
            revoked: None,
        };
        if is_recorded {
            self.ledger.record_credential(&credential, "test", self.now).unwrap();
        }
        info
    }

    fn gateway(&self) -> CertificateInfo {
        let order = GatewayOrder {
            names: vec!["segw.femto.test.example".into()],
            addresses: vec![],
            key: KeySource::Generate(KeyAlgorithm::P256),
            validity: None,
            by: "test".into(),
        };
        let issued = self.ca.issue_gateway(&order, &mut OffTheBooks, self.now).unwrap();
        self.keep(&issued.info.serial, &issued.chain[0]);
        issued.info
    }

    fn take_in(&self) -> u64 {
        take_in(&self.ca, &self.ledger, self.now).unwrap()
    }

    fn standing(&self, issuer: &str, serial: &str) -> Standing {
        let row = self.ledger.certificate(issuer, serial).unwrap().unwrap();
        self.ledger.standing(&row, self.now).unwrap()
    }
}

#[test]
fn files_of_units_and_gateways_become_rows_once_and_the_folders_go() {
    let old = old();
    let (good, unseen, gateway) = (old.unit(true), old.unit(false), old.gateway());
    fs::create_dir(old.path("pending")).unwrap();
    fs::write(old.path("pending").join(format!("{}.json", unseen.serial)), "{}").unwrap();
    fs::write(old.path("issued").join(&good.serial[..2]).join("4b.pem.new"), "cut off").unwrap();
    assert_eq!(old.take_in(), 3);
    assert_eq!(old.standing("devices", &good.serial), Standing::Counts);
    assert_eq!(old.standing("devices", &unseen.serial), Standing::Waits, "nobody ever got it");
    assert_eq!(old.standing("gateways", &gateway.serial), Standing::Counts);
    let row = old.ledger.certificate("devices", &good.serial).unwrap().unwrap();
    assert_eq!((row.cert_sha256, row.spki_sha256), (good.sha256, good.spki_sha256));
    assert_eq!((row.device, row.kind.as_str(), row.issued_at), (Some(unit()), "device", old.now));
    assert_eq!((row.not_before, row.not_after), (good.not_before, good.not_after));
    assert!(!old.path("issued").exists() && !old.path("pending").exists());
    assert!(old.path("devices.key").exists());
    let head = old.ledger.journal().head();
    assert_eq!((old.take_in(), old.ledger.journal().head()), (0, head));
    assert!(old.ledger.verify().unwrap().findings.is_empty());
}

#[test]
fn what_was_cut_off_goes_on() {
    let old = old();
    let (first, der) = (old.unit(true), {
        let files = entries(&entries(&old.path("issued")).unwrap()[0]).unwrap();
        read_certificate(&files[0]).unwrap()
    });
    assert_eq!(old.take_in(), 1);
    // Its rows were durable, and its folder is still there.
    old.keep(&first.serial, &der);
    old.gateway();
    assert_eq!(old.take_in(), 1);
    assert_eq!(old.ledger.certificates("", 9).unwrap().rows.len(), 2);
    assert!(!old.path("issued").exists());
}

#[test]
fn a_file_that_is_no_certificate_stops_the_start_and_is_left_alone() {
    let old = old();
    let path = old.path("issued/4b/4b.pem");
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, "no certificate").unwrap();
    let error = take_in(&old.ca, &old.ledger, old.now).unwrap_err().to_string();
    assert!(error.contains("4b.pem"), "{error}");
    assert!(path.exists());
}
