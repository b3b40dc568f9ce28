//! Copies of a data directory, made while it is written to, and nodes that go on from one.

use crate::bench::{Bench, text};
use serde_json::Value;
use std::{
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt},
    process::Stdio,
    thread,
    time::{Duration, Instant},
};

const WITNESS: &str = "[journal.witness]\ndrop = \"drop\"\n";
const RESTORE: [&str; 4] = ["restore", "kept", "--why", "disk lost"];

fn lose(bench: &Bench) {
    let lost = bench.path("lost");
    let _ = fs::remove_dir_all(&lost);
    fs::rename(bench.path("state"), lost).unwrap();
}

fn last_segment(bench: &Bench) -> std::path::PathBuf {
    bench.path("kept/journal/segw-1/00000000000000000001.jsonl")
}

/// A node with one unit, and a backup of it with its keys.
fn backed_up() -> Bench {
    let bench = Bench::new();
    bench.good(&["device", "add", "00aabbccddee"]);
    bench.good(&["cert", "issue", "00aabbccddee", "--approver", "dave", "--out", "unit"]);
    bench.good(&["backup", "kept", "--with-keys"]);
    bench
}

fn verify(bench: &Bench, witness: &str) -> Value {
    let output = bench.run(&["--json", "event", "verify", "--witness", witness]);
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn a_node_goes_on_from_a_backup_of_its_running_self_and_says_so_to_its_witness() {
    let mut bench = Bench::bare();
    let config = fs::read_to_string(bench.path("truecell.toml")).unwrap();
    bench.write("truecell.toml", &(config + WITNESS));
    fs::create_dir(bench.path("drop")).unwrap();
    bench.good(&["init"]);
    bench.serve();
    bench.good(&["device", "add", "00aabbccddee"]);
    let made = bench.json(&["backup", "kept", "--with-keys"]);
    let said = bench.good(&["event", "tail"]);
    assert!(said.contains("ledger.backup_begun") && said.contains("/kept with_keys=true"), "{said}");
    bench.good(&["device", "lost", "00aabbccddee", "--why", "stolen from its site"]);
    assert_eq!(bench.stop(), 0);
    let lost = bench.json(&["event", "verify"])["last"].as_u64().unwrap();
    lose(&bench);

    let restored = bench.json(&RESTORE);
    assert_eq!((&restored["head"], &restored["backup_at"]), (&made["head"], &made["at"]));
    assert_eq!(bench.json(&["device", "show", "00aabbccddee"])["device"]["state"], "installed");
    let verified = verify(&bench, "drop");
    let (restore, head) = (&verified["restores"][0], made["head"].as_u64().unwrap());
    assert_eq!((&verified["ok"], &restore["seq"]), (&true.into(), &(head + 1).into()), "{verified}");
    assert_eq!((&restore["why"], &restore["lost_to"]), (&"disk lost".into(), &lost.into()));
    let said = bench.good(&["event", "verify", "--witness", "drop"]);
    let line = format!("; records {} to {lost} that the witness saw are lost\n", head + 1);
    assert!(said.contains(": disk lost; from a backup of 20") && said.contains(&line), "{said}");

    bench.serve();
    bench.good(&["device", "list"]);
    assert_eq!(bench.stop(), 0);
    let verified = verify(&bench, "drop");
    assert_eq!((&verified["ok"], &verified["witnessed"]["seq"]), (&true.into(), &verified["last"]));
    assert_eq!(bench.json(&["ledger", "verify"])["ok"], true);
    let segment = bench.path("state/journal/segw-1/00000000000000000001.jsonl");
    let lines = fs::read_to_string(&segment).unwrap();
    let kept: String = lines.split_inclusive('\n').take(restore["seq"].as_u64().unwrap() as usize).collect();
    fs::write(&segment, kept).unwrap();
    assert_eq!(verify(&bench, "drop")["ok"], false, "a cut behind the restore is a cut");
}

#[test]
fn the_epoch_of_a_restored_node_is_behind_all_that_the_lost_starts_had() {
    let mut bench = backed_up();
    for _ in 0..2 {
        bench.serve();
        assert_eq!(bench.stop(), 0);
    }
    lose(&bench);
    let before = ids::UnixTime::now().secs().unsigned_abs();
    let first = bench.json(&RESTORE)["epoch"].as_u64().unwrap();
    assert!(first >= before, "{first}");
    bench.serve();
    assert_eq!(bench.stop(), 0);
    let opened = format!(r#""kind":"ledger.opened","v":1,"body":{{"epoch":"{first}""#);
    let journal = fs::read_to_string(bench.path("state/journal/segw-1/00000000000000000001.jsonl")).unwrap();
    let restored = journal.lines().position(|line| line.contains("journal.restored")).unwrap();
    let declared = format!(r#""epoch":"{first}","by":"#);
    assert!(journal.lines().nth(restored).unwrap().contains(&declared), "{journal}");
    assert!(journal.lines().skip(restored).any(|line| line.contains(&opened)), "{journal}");
}

#[test]
fn what_is_copied_while_rows_are_written_is_explained_by_the_journal_beside_it() {
    let mut bench = Bench::new();
    bench.serve();
    let rows: String = (0..3000).map(|number| format!("00bb00{number:06x}\n")).collect();
    bench.write("estate.csv", &format!("id\n{rows}"));
    let mut import = bench.command(&["device", "import", "estate.csv"]);
    let mut import = import.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let names: Vec<String> = (0..4).map(|number| format!("kept-{number}")).collect();
    names.iter().for_each(|name| drop(bench.good(&["backup", name, "--with-keys"])));
    assert!(import.wait().unwrap().success());
    for name in &names {
        let data = format!("of-{name}");
        bench.good(&["--data", &data, "restore", name, "--why", "a test"]);
        assert_eq!(bench.json(&["--data", &data, "ledger", "verify"])["ok"], true);
    }
}

#[test]
fn a_backup_without_keys_has_no_secret_and_is_restored_with_keys_from_elsewhere() {
    let bench = Bench::new();
    bench.good(&["device", "add", "00aabbccddee"]);
    bench.good(&["backup", "kept"]);
    let copied = |name: &str| bench.path(&format!("kept/{name}")).exists();
    assert!(copied("ledger.sqlite") && !copied("keys") && !copied("ca"));
    assert_eq!(fs::metadata(bench.path("kept")).unwrap().permissions().mode() & 0o777, 0o700);
    lose(&bench);
    let (code, why) = bench.refused(&RESTORE);
    assert!(code == 2 && why.contains("made without keys"), "{why}");
    assert!(!bench.path("state").exists());
    let (other, keys) = (Bench::new(), ["--keys"]);
    let others = other.path("state").display().to_string();
    let (code, why) = bench.refused(&[&RESTORE[..], &keys, &[&others]].concat());
    assert!(code == 70 && why.contains("is not the key of"), "{why}");
    let (code, why) = bench.refused(&["device", "list"]);
    assert!(code == 2 && why.contains("`truecell restore` was interrupted"), "{why}");
    fs::remove_dir_all(bench.path("state")).unwrap();
    bench.good(&[&RESTORE[..], &keys, &["lost"]].concat());
    bench.good(&["cert", "issue", "00aabbccddee", "--approver", "dave", "--out", "unit"]);
    assert_eq!(bench.json(&["ledger", "verify"])["ok"], true);
}

#[test]
fn by_root_a_restore_is_its_who_owns_the_empty_folder() {
    if !rustix::process::geteuid().is_root() {
        return println!("skipped: needs root");
    }
    let bench = backed_up();
    lose(&bench);
    fs::create_dir(bench.path("state")).unwrap();
    std::os::unix::fs::chown(bench.path("state"), Some(65_533), Some(65_533)).unwrap();
    bench.good(&RESTORE);
    for name in ["", "ledger.sqlite", "keys/row.key", "journal/segw-1", "ca/devices.key", "lock"] {
        let of = fs::metadata(bench.path("state").join(name)).unwrap();
        assert_eq!((of.uid(), of.gid()), (65_533, 65_533), "{name}");
    }
}

#[test]
fn nothing_is_overwritten_and_nobody_restores_without_a_reason() {
    let bench = backed_up();
    let (code, why) = bench.refused(&["backup", "kept"]);
    assert!(code == 1 && why.contains("no backup is ever overwritten"), "{why}");
    let (code, why) = bench.refused(&RESTORE);
    assert!(code == 1 && why.contains("state is not empty"), "{why}");
    assert_eq!(bench.refused(&["restore", "kept"]).0, 2);
    fs::create_dir(bench.path("other.unfinished")).unwrap();
    let (code, why) = bench.refused(&["backup", "other"]);
    assert!(code == 1 && why.contains("another backup is under way"), "{why}");
    let (code, why) = bench.refused(&["--data", "new", "restore", "other.unfinished", "--why", "a test"]);
    assert!(code == 2 && why.contains("other.unfinished is no backup"), "{why}");
    assert!(!bench.path("new").exists());
}

#[test]
fn a_damaged_backup_is_refused_by_the_file_and_leaves_nothing_that_could_serve() {
    let bench = backed_up();
    lose(&bench);
    for name in ["ledger.sqlite", "journal/segw-1/00000000000000000001.jsonl", "keys/row.key"] {
        let path = bench.path("kept").join(name);
        let whole = fs::read(&path).unwrap();
        let mut octets = whole.clone();
        let middle = octets.len() / 2;
        octets[middle] ^= 1;
        fs::write(&path, octets).unwrap();
        let (code, why) = bench.refused(&RESTORE);
        assert!(code == 1 && why.contains(name) && why.contains("it is damaged"), "{why}");
        let (code, why) = bench.refused(&["serve"]);
        assert!(code == 2 && why.contains("`truecell restore` was interrupted"), "{why}");
        assert_eq!(bench.refused(&["init"]).0, 2);
        fs::write(&path, whole).unwrap();
        fs::remove_dir_all(bench.path("state")).unwrap();
    }
    bench.good(&RESTORE);
}

/// The manifest says what a file is, and proves nothing: who changes it too meets the signatures.
#[test]
fn a_backup_that_was_changed_with_its_manifest_is_refused_by_journal_or_ledger() {
    let bench = backed_up();
    lose(&bench);
    let manifest = fs::read_to_string(bench.path("kept/backup.json")).unwrap();
    let mut changed: Value = serde_json::from_str(&manifest).unwrap();
    let journal = fs::read_to_string(last_segment(&bench)).unwrap();
    let cut: String = journal.split_inclusive('\n').take(4).collect();
    let files = changed["files"].as_array_mut().unwrap();
    let entry = files.iter_mut().find(|file| file["path"].as_str().unwrap().ends_with(".jsonl")).unwrap();
    entry["sha256"] = ids::Sha256::of(cut.as_bytes()).to_string().into();
    fs::write(last_segment(&bench), &cut).unwrap();
    bench.write("kept/backup.json", &changed.to_string());
    let (code, why) = bench.refused(&RESTORE);
    assert!(code == 1 && why.contains("its journal ends with record 4"), "{why}");
    fs::remove_dir_all(bench.path("state")).unwrap();
    fs::write(last_segment(&bench), &journal).unwrap();

    bench.write("kept/backup.json", &manifest);
    let path = bench.path("kept/ledger.sqlite");
    let database = rusqlite::Connection::open(&path).unwrap();
    let forged = "UPDATE row SET body = replace(body, 'installed', 'live') WHERE tbl = 'device'";
    assert_eq!(database.execute(forged, []).unwrap(), 1);
    database.close().unwrap();
    let mut changed: Value = serde_json::from_str(&manifest).unwrap();
    let files = changed["files"].as_array_mut().unwrap();
    let entry = files.iter_mut().find(|file| file["path"] == "ledger.sqlite").unwrap();
    entry["sha256"] = ids::Sha256::of(&fs::read(&path).unwrap()).to_string().into();
    bench.write("kept/backup.json", &changed.to_string());
    let (code, why) = bench.refused(&RESTORE);
    assert!(code == 1 && why.contains("device 00aabbccddee: its HMAC does not fit"), "{why}");
    fs::remove_dir_all(bench.path("state")).unwrap();

    bench.write("kept/backup.json", &manifest.replace("\"format\": 1", "\"format\": 2"));
    let (code, why) = bench.refused(&RESTORE);
    assert!(code == 2 && why.contains("it has format 2, this Truecell knows 1: use a newer one"), "{why}");
}

/// The manifest of the backup, changed.
fn change_manifest(bench: &Bench, change: impl FnOnce(&mut Value)) {
    let manifest = fs::read_to_string(bench.path("kept/backup.json")).unwrap();
    let mut changed: Value = serde_json::from_str(&manifest).unwrap();
    change(&mut changed);
    bench.write("kept/backup.json", &changed.to_string());
}

/// Whoever keeps backups could otherwise give a node files that it never had.
#[test]
fn nothing_is_restored_that_no_backup_has() {
    let bench = Bench::new();
    bench.good(&["backup", "kept"]);
    let whole = fs::read_to_string(bench.path("kept/backup.json")).unwrap();
    lose(&bench);
    for name in
        ["ca/more/1.json", "keys/row.key", "init-unfinished", "journal/segw-2/1.jsonl", "../node", "/node"]
    {
        let (empty, sha256) = ("", ids::Sha256::of(b"").to_string());
        if !name.starts_with(['.', '/']) {
            fs::create_dir_all(bench.path(&format!("kept/{name}")).parent().unwrap()).unwrap();
            bench.write(&format!("kept/{name}"), empty);
        }
        change_manifest(&bench, |manifest| {
            let entry = serde_json::json!({"path": name, "size": 0, "sha256": sha256});
            manifest["files"].as_array_mut().unwrap().push(entry);
        });
        let (code, why) = bench.refused(&[&RESTORE[..], &["--keys", "lost"]].concat());
        assert!(code == 1 && why.contains("no backup has that"), "{name}: {why}");
        fs::remove_dir_all(bench.path("state")).unwrap();
        bench.write("kept/backup.json", &whole);
    }
    bench.good(&[&RESTORE[..], &["--keys", "lost"]].concat());
}

#[test]
fn a_backup_of_a_newer_schema_is_refused_before_anything_is_made() {
    let bench = backed_up();
    lose(&bench);
    change_manifest(&bench, |manifest| manifest["schema"] = 9_999.into());
    let (code, why) = bench.refused(&RESTORE);
    assert!(code == 1 && why.contains("schema 9999"), "{why}");
    assert!(!bench.path("state").exists());
}

#[test]
fn keys_are_their_owners_alone_again_whatever_carried_the_backup() {
    let bench = backed_up();
    lose(&bench);
    let root = bench.path("kept/ca");
    let mut keys: Vec<_> = fs::read_dir(&root).unwrap().map(|entry| entry.unwrap().path()).collect();
    keys.retain(|path| path.extension().is_some_and(|ending| ending == "key"));
    assert!(!keys.is_empty());
    keys.extend(
        ["keys/row.key", "keys/journal.key", "keys/gateway.pem", "ledger.sqlite"]
            .map(|name| bench.path("kept").join(name))
            .into_iter()
            .filter(|path| path.exists()),
    );
    for key in &keys {
        fs::set_permissions(key, fs::Permissions::from_mode(0o777)).unwrap();
    }
    bench.good(&RESTORE);
    for key in &keys {
        let name = key.strip_prefix(bench.path("kept")).unwrap();
        let mode = fs::metadata(bench.path("state").join(name)).unwrap().permissions().mode() & 0o777;
        let most = if name.starts_with("ledger.sqlite") { 0o644 } else { 0o600 };
        assert_eq!(mode, most, "{}", name.display());
    }
}

/// Root copies what the gateway's user may write to.
#[test]
fn a_link_in_the_data_directory_is_not_followed() {
    let bench = Bench::new();
    bench.write("secret", "of somebody else");
    fs::create_dir(bench.path("folder")).unwrap();
    bench.write("folder/secret", "of somebody else");
    for (at, to) in [("keys/more", "secret"), ("ca/more", "folder"), ("keys/no-more", "")] {
        let at = bench.path("state").join(at);
        if to.is_empty() {
            let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
            rustix::fs::mknodat(rustix::fs::CWD, &at, rustix::fs::FileType::Fifo, mode, 0).unwrap();
        } else {
            std::os::unix::fs::symlink(bench.path(to), &at).unwrap();
        }
        let (code, why) = bench.refused(&["backup", "kept", "--with-keys"]);
        assert!(code == 70 && why.contains("more: a link, or something else"), "{why}");
        assert!(!bench.path("kept").exists() && !bench.path("kept.unfinished").exists());
        fs::remove_file(at).unwrap();
    }
    bench.good(&["backup", "kept", "--with-keys"]);
}

#[test]
fn a_backup_is_not_made_within_what_it_copies() {
    let bench = Bench::new();
    for to in ["state/kept", "state/keys/kept"] {
        let (code, why) = bench.refused(&["backup", to, "--with-keys"]);
        assert!(code == 2 && why.contains("is within the data directory"), "{why}");
        assert!(!bench.path(&format!("{to}.unfinished")).exists());
    }
}

/// Kills a command as soon as a file is there; it may have ended by then.
fn kill_when(bench: &Bench, arguments: &[&str], file: &str) {
    let mut command = bench.command(arguments);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let until = Instant::now() + Duration::from_secs(60);
    while !bench.path(file).exists() && child.try_wait().unwrap().is_none() {
        assert!(Instant::now() < until, "{file} never came");
        thread::yield_now();
    }
    let _ = child.kill();
    child.wait().unwrap();
}

#[test]
fn a_kill_at_any_point_leaves_a_whole_copy_or_one_that_nobody_takes_for_one() {
    let bench = backed_up();
    let points = ["", "/ledger.sqlite", "/journal", "/node", "/keys/row.key", "/ca/root.pem", "/backup.json"];
    for point in points {
        kill_when(&bench, &["backup", "killed", "--with-keys"], &format!("killed.unfinished{point}"));
        let whole = ["--data", "of-killed", "restore", "killed", "--why", "a test"];
        if bench.path("killed").exists() {
            bench.good(&whole);
            fs::remove_dir_all(bench.path("of-killed")).unwrap();
            fs::remove_dir_all(bench.path("killed")).unwrap();
        } else {
            let (code, why) = bench.refused(&whole);
            assert!(code == 2 && why.contains("is no backup"), "{point}: {why}");
            fs::remove_dir_all(bench.path("killed.unfinished")).unwrap();
        }
        assert_eq!(bench.json(&["event", "verify"])["ok"], true);
    }
    lose(&bench);
    let points = [
        "restore-unfinished",
        "node",
        "ledger.sqlite",
        "keys/row.key",
        "ledger.sqlite-wal",
        "journal/segw-1/lock",
    ];
    for point in points {
        kill_when(&bench, &RESTORE, &format!("state/{point}"));
        let output = bench.run(&["ledger", "verify"]);
        let said = text(&output.stdout) + &text(&output.stderr);
        let is_whole = output.status.success();
        assert!(is_whole || said.contains("`truecell restore` was interrupted"), "{point}: {said}");
        fs::remove_dir_all(bench.path("state")).unwrap();
    }
    bench.good(&RESTORE);
}
