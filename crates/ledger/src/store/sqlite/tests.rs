use super::*;
use crate::{Credential, Ledger, NewDevice, Origin, Pools, RowKey};
use events::{Journal, JournalKey};
use ids::{CrlReason, UnixTime};
use std::{
    collections::BTreeSet,
    fs::{self, File, OpenOptions},
    io::Write,
    os::unix::fs::{FileExt, MetadataExt, symlink},
    process::Command,
};
use tempfile::TempDir;

const NAME: &str = "ledger.sqlite";

fn open(dir: &Path) -> Sqlite {
    Sqlite::open(&dir.join(NAME)).unwrap()
}

fn row(number: u64) -> SealedRow {
    let event = "gw1/1".parse().unwrap();
    let (table, key) = ("device".to_owned(), format!("{number:08}"));
    SealedRow { table, key, revision: 1, event, body: "x".repeat(500), hmac: [0; 32] }
}

fn fill(store: &mut Sqlite, rows: std::ops::Range<u64>) -> Result<(), StoreError> {
    for number in rows {
        store.begin()?;
        store.put(&row(number), &[], true)?;
        store.commit()?;
    }
    Ok(())
}

/// 500 rows, none of them only in the log.
fn filled(dir: &Path) -> Sqlite {
    let mut store = open(dir);
    fill(&mut store, 0..500).unwrap();
    let truncate = "PRAGMA wal_checkpoint(TRUNCATE)";
    store.sql(|c| c.query_row(truncate, [], |_| Ok(()))).unwrap();
    store
}

/// Locks that this process holds on a file, as fcntl(2) knows them.
fn locks(path: &Path) -> BTreeSet<String> {
    let (us, inode) = (std::process::id().to_string(), fs::metadata(path).unwrap().ino().to_string());
    let of_ours = |line: &str| {
        let words: Vec<_> = line.split_whitespace().skip(1).collect();
        let is_ours = words.first() == Some(&"POSIX")
            && words.get(3) == Some(&us.as_str())
            && words.get(4).and_then(|file| file.rsplit(':').next()) == Some(inode.as_str());
        is_ours.then(|| words.join(" "))
    };
    // While others lock and unlock, one reading of the list may miss a line or have it twice.
    let readings = (0..5).map(|_| fs::read_to_string("/proc/locks").unwrap());
    readings.flat_map(|list| list.lines().filter_map(of_ours).collect::<Vec<_>>()).collect()
}

#[test]
fn looking_at_the_files_gives_up_no_lock_on_them() {
    let dir = TempDir::new().unwrap();
    let mut store = open(dir.path());
    let reader = store.reader().unwrap();
    let held = locks(&dir.path().join(NAME));
    assert!(!held.is_empty(), "who opens a database in WAL mode locks it");
    store.check().unwrap();
    assert_eq!(locks(&dir.path().join(NAME)), held);
    drop(reader);
    assert_eq!(locks(&dir.path().join(NAME)), held);
}

#[test]
fn a_log_or_an_index_that_was_removed_or_replaced_is_noticed() {
    for ending in ["-wal", "-shm"] {
        let dir = TempDir::new().unwrap();
        let mut store = open(dir.path());
        let (path, aside) = (dir.path().join(format!("{NAME}{ending}")), dir.path().join("aside"));
        fs::rename(&path, &aside).unwrap();
        assert!(store.check().is_err(), "{ending} removed");
        fs::copy(&aside, &path).unwrap();
        assert!(store.check().is_err(), "{ending} replaced");
        fs::rename(&aside, &path).unwrap();
        store.check().unwrap();
    }
}

#[test]
fn a_database_behind_a_link_is_looked_at_where_it_is() {
    let (dir, elsewhere) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    symlink(elsewhere.path().join(NAME), dir.path().join(NAME)).unwrap();
    open(dir.path()).check().unwrap();
}

#[test]
fn a_database_that_was_cut_short_does_not_open_with_its_log_beside_it() {
    let (dir, killed) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let mut store = filled(dir.path());
    fill(&mut store, 500..501).unwrap();
    for name in [NAME.to_owned(), format!("{NAME}-wal")] {
        fs::copy(dir.path().join(&name), killed.path().join(&name)).unwrap();
    }
    let path = killed.path().join(NAME);
    OpenOptions::new().write(true).open(&path).unwrap().set_len(20_000).unwrap();
    let error = Sqlite::open(&path).err().unwrap();
    assert!(error.to_string().contains("malformed") || error.to_string().contains("damaged"), "{error}");
    assert!(error.next().contains("made anew from the journal"), "{}", error.next());
    assert!(!error.to_string().contains('\n'), "{error}");
    fs::write(&path, "this was a database".repeat(1000)).unwrap();
    let error = Sqlite::open(&path).err().unwrap();
    assert!(error.next().contains("made anew from the journal"), "{error} {}", error.next());
}

#[test]
fn a_damaged_page_that_was_met_is_a_failed_check_until_the_page_is_whole_again() {
    let dir = TempDir::new().unwrap();
    drop(filled(dir.path()));
    let mut store = open(dir.path());
    let path = dir.path().join(NAME);
    let whole = fs::read(&path).unwrap();
    let file = OpenOptions::new().write(true).open(&path).unwrap();
    file.write_all_at(&vec![0xa5; whole.len() - 4096], 4096).unwrap();
    let mut reader = store.reader().unwrap();
    assert!(reader.page("device", "", 1000).is_err());
    for _ in 0..2 {
        assert!(store.check().is_err());
    }
    file.write_all_at(&whole, 0).unwrap();
    store.check().unwrap();
}

#[test]
fn who_reads_at_one_moment_has_the_newest_as_soon_as_that_is_over() {
    let dir = TempDir::new().unwrap();
    let mut store = open(dir.path());
    fill(&mut store, 0..1).unwrap();
    let mut reader = store.reader().unwrap();
    let revision = |reader: &mut dyn Store| reader.get("device", &row(0).key).unwrap().unwrap().revision;
    reader.begin_reading().unwrap();
    assert_eq!(revision(&mut *reader), 1);
    store.begin().unwrap();
    store.put(&SealedRow { revision: 2, ..row(0) }, &[], true).unwrap();
    store.commit().unwrap();
    assert_eq!(revision(&mut *reader), 1);
    reader.roll_back();
    assert_eq!(revision(&mut *reader), 2);
}

#[test]
fn a_row_that_changes_stays_where_it_is_and_is_found_by_what_it_has_now() {
    let dir = TempDir::new().unwrap();
    let mut store = open(dir.path());
    let entry = |name, value: &str| (name, value.to_owned());
    store.begin().unwrap();
    store.put(&row(0), &[entry("line", "L-1"), entry("state", "live")], true).unwrap();
    store.put(&row(1), &[], true).unwrap();
    let changed = SealedRow { revision: 2, body: "y".repeat(600), ..row(0) };
    store.put(&changed, &[entry("scope", "all"), entry("state", "live")], true).unwrap();
    store.commit().unwrap();
    let found = store.entries("device", &Entry::default(), 9).unwrap();
    let found: Vec<_> =
        found.iter().map(|Entry { name, value, .. }| (name.as_str(), value.as_str())).collect();
    assert_eq!(found, [("scope", "all"), ("state", "live")]);
    assert_eq!(store.find("device", "state", "live", "", 9).unwrap(), [changed]);
    assert_eq!(store.find("device", "line", "L-1", "", 9).unwrap(), []);
    let places = "SELECT group_concat(key, ' ') FROM (SELECT key FROM row ORDER BY rowid)";
    let places: String = store.sql(|c| c.query_row(places, [], |row| row.get(0))).unwrap();
    assert_eq!(places, "00000000 00000001");
}

/// A file system of a few MiB, gone with its value.
struct SmallDisk(TempDir);

impl SmallDisk {
    /// `None` where this process may not mount.
    fn new() -> Option<Self> {
        let dir = TempDir::new().unwrap();
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=8m", "tmpfs"]).arg(dir.path());
        mount.output().is_ok_and(|mounted| mounted.status.success()).then_some(Self(dir))
    }

    /// Leaves no octet free.
    fn fill(&self) {
        let mut file = File::create(self.0.path().join("ballast")).unwrap();
        while file.write_all(&[0; 4096]).is_ok() {}
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").args(["-l"]).arg(self.0.path()).status();
    }
}

#[test]
fn on_a_full_disk_a_check_fails_for_as_long_as_a_row_can_not_be_written() {
    let Some(disk) = SmallDisk::new() else {
        return println!("skipped: needs to mount a small file system");
    };
    let mut store = open(disk.0.path());
    // The log has its full length and is written again from its beginning.
    fill(&mut store, 0..400).unwrap();
    disk.fill();
    let mut next = 400;
    while fill(&mut store, next..next + 1).is_ok() {
        next += 1;
    }
    for _ in 0..20 {
        assert!(store.check().is_err(), "and no row can be written");
        assert!(fill(&mut store, next..next + 1).is_err());
    }
    fs::remove_file(disk.0.path().join("ballast")).unwrap();
    store.check().unwrap();
    fill(&mut store, next..next + 1).unwrap();
}

const NODE: &str = "gw1";

/// A ledger with its journal, in a folder of its own.
fn ledger(dir: &Path) -> Ledger {
    let (key, now) = (dir.join("journal.key"), UnixTime::from_secs(1_790_000_000));
    let key = if key.exists() { JournalKey::open(&key) } else { JournalKey::create(&key) }.unwrap();
    let (journal, _) = Journal::open(&dir.join("journal"), NODE.parse().unwrap(), key, now).unwrap();
    let pools = Pools { v4: Some("10.0.0.0/24".parse().unwrap()), v6: None };
    Ledger::open(Box::new(open(dir)), journal, RowKey::new(&[7; 32]), pools, now).unwrap().0
}

/// A unit of a class and a region.
fn unit() -> NewDevice {
    let new = NewDevice::installed("00aabbccddee".parse().unwrap());
    NewDevice { class: "home".into(), region: "seoul".into(), ..new }
}

fn credential(number: u8) -> Credential {
    let at = UnixTime::from_secs(1_790_000_000);
    Credential {
        cert_sha256: Sha256([number; 32]),
        device: unit().id,
        realm: "femto.example".parse().unwrap(),
        serial: format!("{number:02x}"),
        spki_sha256: Sha256([number; 32]),
        not_before: at,
        not_after: at,
        issued_at: at,
        origin: Origin::Issued,
        parent: None,
        superseded: None,
        doubt: None,
        revoked: None,
    }
}

/// What `now` has, in a database of an older schema as that version would have written it.
fn older(schema: usize, now: &Path, path: &Path) {
    let database = Connection::open(path).unwrap();
    MIGRATIONS[..schema].iter().for_each(|migration| database.execute_batch(migration).unwrap());
    database.pragma_update(None, "user_version", schema as i64).unwrap();
    database.execute("ATTACH ?1 AS now", [now.to_str().unwrap()]).unwrap();
    let kind = if schema < 2 { "tbl" } else { "kind" };
    let applied = if schema < 3 { "applied" } else { "applied, applied_sha256" };
    let entries = match schema {
        ..4 => {
            "WHERE name NOT IN ('scope', 'revoked', 'ends', 'open') AND NOT (tbl = 'sighting' AND name = 'device')"
        }
        4 => "WHERE name NOT IN ('revoked', 'ends', 'open') AND NOT (tbl = 'sighting' AND name = 'device')",
        5 => "WHERE name NOT IN ('ends', 'open') AND NOT (tbl = 'sighting' AND name = 'device')",
        _ => "",
    };
    let copy = format!(
        "INSERT INTO row SELECT * FROM now.row; \
         INSERT INTO entry SELECT * FROM now.entry {entries}; \
         INSERT INTO change (seq, {kind}, key) SELECT seq, kind, key FROM now.change; \
         INSERT INTO node (node, epoch, {applied}) SELECT node, epoch, {applied} FROM now.node;"
    );
    database.execute_batch(&copy).unwrap();
}

fn count(path: &Path, sql: &str) -> i64 {
    Connection::open(path).unwrap().query_row(sql, [], |row| row.get(0)).unwrap()
}

#[test]
fn a_database_of_each_older_schema_is_brought_up_to_date_and_every_row_of_it_holds() {
    let now = TempDir::new().unwrap();
    let written = ledger(now.path());
    let at = UnixTime::from_secs(1_790_000_000);
    written.add_device(unit(), "test", at).unwrap();
    for number in [1, 2] {
        written.record_credential(&credential(number), "test", at).unwrap();
    }
    written.revoke(Sha256([2; 32]), Some(CrlReason::KeyCompromise), "test", "copied", at).unwrap();
    written.close().unwrap();
    drop(written);
    for schema in 1..usize::try_from(SCHEMA).unwrap() {
        let dir = TempDir::new().unwrap();
        let path = dir.path().join(NAME);
        older(schema, &now.path().join(NAME), &path);
        fs::create_dir(dir.path().join("journal")).unwrap();
        for name in ["journal.key", "journal/00000000000000000001.jsonl"] {
            fs::copy(now.path().join(name), dir.path().join(name)).unwrap();
        }
        let ledger = ledger(dir.path());
        let verified = ledger.verify().unwrap();
        assert_eq!((verified.rows, verified.findings), (3, vec![]), "schema {schema}");
        let device = ledger.device("00aabbccddee".parse().unwrap()).unwrap().unwrap();
        assert_eq!((device.class.as_str(), device.region.as_str()), ("home", "seoul"));
        ledger.check().unwrap();
        drop(ledger);
        assert_eq!(count(&path, "SELECT user_version FROM pragma_user_version"), SCHEMA);
        let scope = r#"SELECT count(*) FROM entry WHERE name = 'scope' AND value = '["home","seoul"]'"#;
        assert_eq!(count(&path, scope), 1, "schema {schema}");
        let revoked = format!(
            "SELECT count(*) FROM entry WHERE tbl = 'credential' AND name = 'revoked' AND value = 'issued' AND key = '{}'",
            Sha256([2; 32])
        );
        let all = "SELECT count(*) FROM entry WHERE name = 'revoked'";
        assert_eq!((count(&path, &revoked), count(&path, all)), (1, 1), "schema {schema}");
        let ends = format!(
            "SELECT count(*) FROM entry WHERE name = 'ends' AND value = '2026-09-21T14:13:20.000000Z issued' AND key = '{}'",
            Sha256([1; 32])
        );
        let all = "SELECT count(*) FROM entry WHERE name = 'ends'";
        assert_eq!((count(&path, &ends), count(&path, all)), (1, 1), "schema {schema}");
        assert_eq!(count(&path, "SELECT count(*) FROM change WHERE kind = 'device'"), 2);
        assert_eq!(count(&path, "SELECT count(applied_sha256) FROM node"), 1, "schema {schema}");
    }
}

#[test]
fn a_newer_schema_is_refused_and_left_alone_and_says_that_a_backup_leads_back() {
    let dir = TempDir::new().unwrap();
    drop(open(dir.path()));
    let path = dir.path().join(NAME);
    Connection::open(&path).unwrap().pragma_update(None, "user_version", SCHEMA + 1).unwrap();
    let error = Sqlite::open(&path).err().unwrap();
    assert_eq!(error.next(), "leave the file as it is");
    let error = error.to_string();
    assert!(error.contains("use a newer one") && error.contains("`truecell backup`"), "{error}");
    assert_eq!(count(&path, "SELECT user_version FROM pragma_user_version"), SCHEMA + 1);
}

#[test]
fn a_copy_has_what_is_committed_and_is_for_its_owner_alone() {
    let dir = TempDir::new().unwrap();
    let mut store = open(dir.path());
    fill(&mut store, 0..300).unwrap();
    store.begin().unwrap();
    store.put(&row(300), &[], true).unwrap();
    let copy = dir.path().join("copy.sqlite");
    assert_eq!(Sqlite::copy(&dir.path().join(NAME), &copy).unwrap(), SCHEMA);
    store.commit().unwrap();
    assert_eq!(fs::metadata(&copy).unwrap().mode() & 0o777, 0o600);
    assert_eq!(count(&copy, "SELECT count(*) FROM row"), 300);
    assert!(Sqlite::copy(&dir.path().join(NAME), &copy).is_err(), "it is there already");
    assert!(Sqlite::copy(&dir.path().join("nothing"), &dir.path().join("other")).is_err());
}

#[test]
fn the_epoch_behind_a_restore_is_the_one_asked_for_or_a_higher_one() {
    let dir = TempDir::new().unwrap();
    let (mut store, node) = (open(dir.path()), NODE.parse().unwrap());
    assert_eq!(store.skip_epochs(&node, Epoch(1000)).unwrap(), Epoch(1000));
    assert_eq!(store.next_epoch(&node).unwrap(), Epoch(1000));
    assert_eq!(store.skip_epochs(&node, Epoch(5)).unwrap(), Epoch(1001));
    assert_eq!(store.next_epoch(&node).unwrap(), Epoch(1001));
}
