//! `truecell serve`: who may hold the data directory, who may connect, what a crash loses, what is said
//! while the ledger is out of reach.

use crate::bench::{Bench, golden, text};
use std::{
    fs,
    os::unix::fs::{FileTypeExt, MetadataExt},
    process::{Command, Stdio},
};

#[test]
fn a_data_directory_is_never_made_by_serve_nor_twice_by_init() {
    let bench = Bench::bare();
    let (code, why) = bench.refused(&["serve"]);
    assert_eq!(code, 2);
    assert!(
        why.contains("the data directory state does not exist") && why.contains("truecell init"),
        "{why}"
    );
    assert!(!bench.path("state").exists());
    bench.good(&["init"]);
    let key = fs::read(bench.path("state/keys/journal.key")).unwrap();
    let (code, why) = bench.refused(&["init"]);
    assert_eq!(code, 1);
    assert!(why.contains("belongs to node segw-1; nothing was changed"), "{why}");
    assert_eq!(fs::read(bench.path("state/keys/journal.key")).unwrap(), key);
}

#[test]
fn a_node_whose_keys_are_missing_or_anothers_does_not_start_and_makes_none() {
    let (bench, other) = (Bench::new(), Bench::new());
    for name in ["row", "journal"] {
        let key = bench.path(&format!("state/keys/{name}.key"));
        let good = fs::read(&key).unwrap();
        fs::remove_file(&key).unwrap();
        for command in [["serve"].as_slice(), &["device", "list"]] {
            let (code, why) = bench.refused(command);
            assert_eq!(code, 70, "{why}");
            assert!(why.contains(&format!("{name}.key")) && why.contains("backup"), "{why}");
            assert!(!key.exists(), "made anew");
        }
        fs::write(&key, good).unwrap();
        fs::set_permissions(&key, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    }
    fs::copy(other.path("state/keys/journal.key"), bench.path("state/keys/journal.key")).unwrap();
    let (code, why) = bench.refused(&["serve"]);
    assert_eq!(code, 70);
    assert!(why.contains("journal.pub"), "{why}");
    assert!(bench.good(&["event", "verify"]).contains("good"));
}

#[test]
fn an_interrupted_init_is_named_and_finished_by_running_it_again() {
    let bench = Bench::new();
    bench.write("state/init-unfinished", "");
    fs::remove_file(bench.path("state/ca/ca.json")).unwrap();
    let (code, why) = bench.refused(&["device", "list"]);
    assert_eq!(code, 2);
    assert!(why.contains("is not finished"), "{why}");
    bench.good(&["init"]);
    bench.good(&["device", "list"]);
    assert!(bench.path("state/ca/ca.json").exists());
}

#[test]
fn init_says_what_it_made() {
    let bench = Bench::bare();
    golden("init.txt", &bench.normalized(&bench.good(&["init"])));
    let bench = Bench::bare();
    golden("init.json", &bench.normalized(&bench.good(&["init", "--json"])));
}

#[test]
fn secrets_are_for_the_owner_alone() {
    let bench = Bench::new();
    let open: Vec<_> = walk(&bench.path("state"))
        .into_iter()
        .filter(|path| {
            let secret =
                path.extension().is_some_and(|e| e == "key") || path.starts_with(bench.path("state/keys"));
            secret && path.is_file() && fs::metadata(path).unwrap().mode() & 0o077 != 0
        })
        .collect();
    assert!(open.is_empty(), "{open:?}");
    assert_eq!(fs::metadata(bench.path("state")).unwrap().mode() & 0o007, 0);
}

#[test]
fn every_file_of_a_data_directory_is_in_the_table_of_formats_md_with_its_mode_whatever_the_umask() {
    let document = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/formats.md")).unwrap();
    let rows = document.lines().filter_map(|line| {
        let (names, rest) = line.strip_prefix("| `")?.split_once(" |")?;
        let mode = u32::from_str_radix(rest.trim_end_matches(" |").rsplit(' ').next()?, 8).ok()?;
        Some(names.trim_end_matches('`').split("`, `").map(move |name| (name.to_owned(), mode)))
    });
    let table: Vec<_> = rows.flatten().collect();
    let mut bench = Bench::bare();
    bench.has_no_umask = true;
    bench.good(&["init"]);
    bench.serve();
    bench.good(&["device", "add", "00aabbccddee"]);
    bench.good(&["cert", "issue", "00aabbccddee", "--approver", "dave", "--out", "unit"]);
    let state = bench.path("state");
    for path in walk(&state) {
        let name = path.strip_prefix(&state).unwrap().to_str().unwrap().to_owned();
        let row = table.iter().find(|(pattern, _)| matches(pattern, &name));
        let mode = fs::metadata(&path).unwrap().mode() & 0o777;
        assert_eq!(row.map(|(_, mode)| format!("{mode:o}")), Some(format!("{mode:o}")), "{name}");
    }
    for (folder, mode) in [("state", 0o750), ("state/keys", 0o700)] {
        assert_eq!(fs::metadata(bench.path(folder)).unwrap().mode() & 0o777, mode, "{folder}");
    }
}

/// `<word>` in a pattern stands for any name without a slash or a dot.
fn matches(pattern: &str, name: &str) -> bool {
    let Some((before, rest)) = pattern.split_once('<') else { return pattern == name };
    let Some((_, after)) = rest.split_once('>') else { return false };
    let Some(name) = name.strip_prefix(before) else { return false };
    let word = name.find(['/', '.']).unwrap_or(name.len());
    word > 0 && matches(after, &name[word..])
}

fn walk(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { walk(&path) } else { vec![path] }).collect()
}

#[test]
fn a_second_serve_says_who_holds_the_lock() {
    let mut bench = Bench::new();
    let log = bench.serve_until("ready");
    // On the same ports, as it is on port 500: they are not what is told about.
    let ready: serde_json::Value = serde_json::from_str(log.last().unwrap()).unwrap();
    let port = |name: &str| ready[name].as_str().unwrap().rsplit_once(':').unwrap().1.to_owned();
    let config = fs::read_to_string(bench.path("truecell.toml")).unwrap();
    let config = config.replace("port = 0", &format!("port = {}", port("ike")));
    bench.write("truecell.toml", &config.replace("port_natt = 0", &format!("port_natt = {}", port("natt"))));
    let (code, why) = bench.refused(&["serve"]);
    assert_eq!(code, 70);
    let holder = format!("state/lock is held by pid {}: truecell serve, since 20", bench.daemon().0);
    assert!(why.contains(&holder), "{why}");
}

#[test]
fn commands_that_only_read_leave_the_journal_as_it_is() {
    let mut bench = Bench::new();
    bench.serve();
    bench.good(&["device", "add", "00aabbccddee"]);
    assert_eq!(bench.stop(), 0);
    let segment = bench.path("state/journal/segw-1/00000000000000000001.jsonl");
    let before = fs::read_to_string(&segment).unwrap();
    for command in [
        &["device", "list"][..],
        &["device", "show", "00aabbccddee"],
        &["cert", "list"],
        &["line", "list"],
        &["pair", "list"],
        &["incident", "list"],
        &["event", "tail"],
        &["event", "verify"],
        &["ledger", "verify"],
        &["config", "check"],
    ] {
        bench.good(command);
        assert_eq!(fs::read_to_string(&segment).unwrap(), before, "{command:?}");
    }
}

#[test]
fn pools_that_units_have_addresses_outside_of_are_named_by_check_and_stop_serve() {
    let mut bench = Bench::new();
    bench.good(&["device", "add", "00aabbccddee"]);
    let config = fs::read_to_string(bench.path("truecell.toml")).unwrap();
    let line = 1 + config.lines().position(|line| line.starts_with("v4 = ")).unwrap();
    let with_pool = |pool: &str| bench.write("truecell.toml", &config.replace("10.64.0.0/12", pool));
    with_pool("10.128.0.0/12");
    let wrong = "units whose inner address is not in the v4 pool: 1, such as 00aabbccddee";
    for command in [["config", "check"].as_slice(), &["serve"]] {
        let (code, why) = bench.refused(command);
        assert_eq!(code, 64, "{why}");
        assert!(why.contains(&format!("truecell.toml:{line}: gateway.pools.v4: {wrong}")), "{why}");
    }
    // A ledger that is made anew from the journal shows it only then.
    for file in ["ledger.sqlite", "ledger.sqlite-wal", "ledger.sqlite-shm"] {
        let _ = fs::remove_file(bench.path("state").join(file));
    }
    let (code, why) = bench.refused(&["serve"]);
    assert_eq!(code, 64, "{why}");
    assert!(why.contains(wrong), "{why}");
    // Nothing of it is kept: who comes next gets an address of the old pool.
    bench.good(&["device", "add", "00aabbccddef"]);
    with_pool("10.64.0.0/11");
    bench.good(&["config", "check"]);
    bench.serve();
    let next = bench.json(&["device", "show", "00aabbccddef"]);
    assert_eq!(next["device"]["inner_v4"], "10.64.0.2");
}

#[test]
fn a_file_of_another_owner_is_named_with_its_owner_and_what_to_do() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("skipped: needs root");
        return;
    }
    let bench = Bench::new();
    fs::set_permissions(bench.path("."), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let give = |path: &std::path::Path, owner| {
        std::os::unix::fs::lchown(path, Some(owner), Some(owner)).unwrap();
    };
    let state = bench.path("state");
    let given = Command::new("chown").args(["-R", "65533:65533"]).arg(&state).status().unwrap();
    assert!(given.success());
    for file in ["keys/journal.key", "ledger.sqlite", "journal/segw-1/00000000000000000001.jsonl", "lock"] {
        let path = state.join(file);
        give(&path, 0);
        let (code, why) = bench.refused(&["serve"]);
        give(&path, 65533);
        assert_eq!(code, 70, "{why}");
        let told = format!(
            "error: state/{file} may not be used by this user\n  why: it belongs to user 0, and this process runs as user \
             65533\n  next: run as user 0; or, if the gateway is to run as user 65533: chown -R 65533:65533 state\n"
        );
        assert!(why.ends_with(&told), "{why}");
    }
}

#[test]
fn a_command_waits_for_the_one_before_it() {
    let bench = Bench::new();
    let lock = fs::File::options().write(true).open(bench.path("state/lock")).unwrap();
    lock.lock().unwrap();
    let waiting = bench.command(&["device", "list"]).stdout(Stdio::piped()).spawn().unwrap();
    drop(lock);
    assert!(waiting.wait_with_output().unwrap().status.success());
}

#[test]
fn the_control_socket_is_for_the_owner_and_the_group() {
    let mut bench = Bench::new();
    bench.serve();
    let socket = fs::metadata(bench.path("state/control.sock")).unwrap();
    assert!(socket.file_type().is_socket());
    assert_eq!(socket.mode() & 0o777, 0o660);
    assert!(!bench.path("state/control.new").exists());
}

#[test]
fn a_member_of_the_group_operates_and_a_stranger_does_not_connect() {
    if !rustix::process::geteuid().is_root() || Command::new("setpriv").arg("--version").output().is_err() {
        eprintln!("skipped: needs root and setpriv");
        return;
    }
    let mut bench = Bench::bare();
    let config = fs::read_to_string(bench.path("truecell.toml")).unwrap();
    bench.write("truecell.toml", &config.replace("[control]\n", "[control]\ngroup = \"65534\"\n"));
    std::os::unix::fs::chown(bench.path("."), None, Some(65534)).unwrap();
    fs::set_permissions(bench.path("."), std::os::unix::fs::PermissionsExt::from_mode(0o775)).unwrap();
    bench.good(&["init"]);
    bench.good(&["device", "add", "00aabbccddee"]);
    bench.serve();
    let as_user = |uid: &str, gid: &str, arguments: &str| {
        let binary = bench.binary_for_everyone();
        let script = format!("exec {} --data state {arguments}", binary.display());
        let user =
            [&format!("--reuid={uid}"), &format!("--regid={gid}"), "--clear-groups", "sh", "-c", &script];
        let output = Command::new("setpriv").args(user).current_dir(bench.path(".")).output().unwrap();
        (output.status.code().unwrap(), text(&output.stdout) + &text(&output.stderr))
    };
    let (code, said) = as_user("65533", "65534", "device suspend 00aabbccddee --why question");
    assert_eq!((code, said.as_str()), (0, "00aabbccddee is suspended\n"));
    for forbidden in [
        "device add 00aabbccddef",
        "device move 00aabbccddee installed --why x",
        "cert issue 00aabbccddee --approver dave",
    ] {
        let (code, said) = as_user("65533", "65534", forbidden);
        assert_eq!(code, 1, "{said}");
        assert!(said.contains("it needs the role admin, yours is operator"), "{said}");
    }
    let (code, said) = as_user("65533", "65533", "device list");
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("may not be used by this user"), "{said}");
    let record = bench.good(&["event", "tail"]);
    assert!(record.contains("by=uid:65533 why=question"), "{record}");
}

#[test]
fn a_running_gateway_can_do_nothing_that_it_does_not_need() {
    let mut bench = Bench::new();
    let is_root = rustix::process::geteuid().is_root();
    let owner = if is_root { 65_533 } else { rustix::process::geteuid().as_raw() };
    if is_root {
        fs::set_permissions(bench.path("."), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        let owner = format!("{owner}:{owner}");
        let given = Command::new("chown").args(["-R", &owner]).arg(bench.path("state")).status().unwrap();
        assert!(given.success());
    }
    bench.serve();
    let status = bench.status();
    assert_eq!(status["Uid"].split('\t').collect::<Vec<_>>(), vec![owner.to_string(); 4]);
    for set in ["CapInh", "CapPrm", "CapEff", "CapAmb"] {
        assert_eq!(status[set], "0000000000000000", "{set}");
    }
    assert_eq!((status["NoNewPrivs"].as_str(), status["Seccomp"].as_str()), ("1", "2"));
    bench.good(&["device", "add", "00aabbccddee"]);
    bench.good(&["cert", "issue", "00aabbccddee", "--approver", "dave", "--out", "units"]);
    assert_eq!(bench.stop(), 0);
    assert!(!bench.path("state/control.sock").exists());
}

#[test]
fn sigterm_stops_in_good_order_and_leaves_no_socket() {
    let mut bench = Bench::new();
    bench.serve();
    assert_eq!(bench.page("/healthz"), (200, "alive\n".into()));
    assert_eq!(bench.stop(), 0);
    assert!(!bench.path("state/control.sock").exists());
    assert!(bench.good(&["event", "verify"]).starts_with("good"));
}

#[test]
fn a_follower_sees_new_records_and_ends_with_the_daemon() {
    let mut bench = Bench::new();
    bench.serve();
    let (mut follower, mut lines) = bench.follow();
    assert!(lines.by_ref().any(|line| line.contains("ledger.opened")));
    bench.good(&["device", "add", "00aabbccddee"]);
    assert!(lines.by_ref().any(|line| line.contains("00aabbccddee")));
    assert_eq!(bench.stop(), 0);
    lines.for_each(drop);
    assert_eq!(follower.wait().unwrap().code(), Some(0));
    let (code, why) = bench.refused(&["event", "tail", "--follow"]);
    assert_eq!(code, 1);
    assert!(why.contains("no daemon runs on this data directory"), "{why}");
}

#[test]
fn a_crash_in_the_middle_of_an_import_loses_nothing_acknowledged() {
    let mut bench = Bench::new();
    let rows: String = (0..20_000).map(|number| format!("00aa{number:08x},site {number}\n")).collect();
    bench.write("estate.csv", &format!("id,site\n{rows}"));
    bench.serve();
    let (mut follower, mut lines) = bench.follow();
    let import =
        bench.command(&["--json", "device", "import", "estate.csv"]).stdout(Stdio::piped()).spawn().unwrap();
    assert!(lines.by_ref().any(|line| line.contains("00aa00000bb8")), "3,000 units are under way");
    bench.kill();
    let output = import.wait_with_output().unwrap();
    let _ = follower.kill();
    follower.wait().unwrap();
    assert_eq!(output.status.code(), Some(70), "the import was not cut off");
    let answer: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let detail = answer["error"]["detail"].as_str().unwrap();
    let acknowledged: u64 = detail.rsplit("; ").next().unwrap().split(' ').next().unwrap().parse().unwrap();
    assert!(acknowledged < 20_000, "{detail}");

    bench.serve();
    let again = bench.json(&["device", "import", "estate.csv"]);
    assert!(again["unchanged"].as_u64().unwrap() >= acknowledged, "{again} after {acknowledged}");
    assert_eq!(again["added"].as_u64().unwrap() + again["unchanged"].as_u64().unwrap(), 20_000);
    assert_eq!(bench.json(&["event", "verify"])["ok"], true);
    assert_eq!(bench.json(&["ledger", "verify"])["ok"], true);
}

#[test]
fn one_changed_octet_in_the_journal_is_named_also_without_a_daemon() {
    let bench = Bench::new();
    bench.good(&["device", "add", "00aabbccddee", "--note", "original"]);
    let segment = bench.path("state/journal/segw-1/00000000000000000001.jsonl");
    let journal = fs::read_to_string(&segment).unwrap();
    let seq = journal.lines().position(|line| line.contains("original")).unwrap() + 1;
    fs::write(&segment, journal.replace("original", "0riginal")).unwrap();
    let output = bench.run(&["event", "verify"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        text(&output.stdout).starts_with(&format!("BROKEN at record {seq}\n")),
        "{}",
        text(&output.stdout)
    );
    let answer = bench.run(&["--json", "event", "verify"]).stdout;
    let answer: serde_json::Value = serde_json::from_slice(&answer).unwrap();
    assert_eq!((&answer["broken"]["seq"], &answer["broken"]["code"]), (&seq.into(), &"bad-record".into()));
    assert_eq!((&answer["first"], &answer["last"]), (&1.into(), &(seq - 1).into()));
    let proven = answer["proven"].as_u64().unwrap();
    assert!(journal.lines().nth(proven as usize - 1).unwrap().contains("journal.checkpoint"), "{answer}");
    let said = text(&output.stdout);
    assert!(said.contains(&format!("records 1 to {}, proven", seq - 1)), "{said}");
    assert!(said.contains("truecell restore"), "{said}");
}

#[test]
fn a_copy_of_the_journal_that_ends_in_the_middle_of_a_line_is_good_up_to_that() {
    let bench = Bench::new();
    bench.good(&["device", "add", "00aabbccddee"]);
    let segment = bench.path("state/journal/segw-1/00000000000000000001.jsonl");
    let journal = fs::read_to_string(&segment).unwrap();
    let records = journal.lines().count();
    fs::write(&segment, &journal[..journal.len() - 30]).unwrap();
    let said = bench.good(&["event", "verify"]);
    let first = format!("good: records 1 to {}, proven by signatures up to ", records - 1);
    let unfinished = format!("UNFINISHED: the line of record {records} has no end, ");
    assert!(said.starts_with(&first) && said.contains(&unfinished), "{said}");
    let answer = bench.json(&["event", "verify"]);
    assert_eq!((&answer["ok"], &answer["unfinished"]["seq"]), (&true.into(), &records.into()));
}

#[test]
fn a_copy_of_the_journal_is_checked_elsewhere_with_the_key_from_elsewhere() {
    let bench = Bench::new();
    let key = fs::read_to_string(bench.path("state/journal.pub")).unwrap();
    let elsewhere = Bench::bare();
    let copy = elsewhere.path("copy");
    fs::create_dir(&copy).unwrap();
    let segment = "00000000000000000001.jsonl";
    fs::copy(bench.path("state/journal/segw-1").join(segment), copy.join(segment)).unwrap();
    let verify = ["event", "verify", "--journal", "copy", "--key", key.trim()];
    assert_eq!(elsewhere.json(&verify)["ok"], true);
    let (code, why) = elsewhere.refused(&["event", "verify", "--journal", ".", "--key", key.trim()]);
    assert_eq!(code, 2, "{why}");
    assert!(why.contains("no journal is in . itself") && why.contains("--journal ./copy"), "{why}");
    let wrong = ["event", "verify", "--journal", "copy", "--key", &"0".repeat(64)];
    let output = elsewhere.run(&wrong);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stdout).contains("begins with another key than yours"), "{}", text(&output.stdout));
    fs::remove_file(copy.join(segment)).unwrap();
    let output = elsewhere.run(&verify);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stdout).contains("there are no records here"), "{}", text(&output.stdout));
}

#[test]
fn a_node_that_has_lost_its_journal_does_not_start_and_says_what_is_missing() {
    let bench = Bench::new();
    fs::remove_dir_all(bench.path("state/journal")).unwrap();
    for command in [&["serve"][..], &["device", "list"]] {
        let output = bench.run(command);
        assert_eq!(output.status.code(), Some(70));
        assert!(text(&output.stderr).contains("is missing"), "{}", text(&output.stderr));
    }
}

#[test]
fn a_ledger_out_of_reach_is_an_alarm_a_metric_an_event_and_not_ready() {
    let mut bench = Bench::new();
    bench.serve();
    assert_eq!(bench.page("/readyz").0, 200);
    let (mut follower, records) = bench.follow();
    let mut alarms = records.filter(|line| line.contains("gateway.alarm"));
    let intruder = rusqlite::Connection::open(bench.path("state/ledger.sqlite")).unwrap();
    intruder.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let raised = alarms.next().unwrap();
    assert!(raised.contains(r#""alarm":"ledger-unreachable","raised":true"#), "{raised}");
    let (status, why) = bench.page("/readyz");
    assert_eq!(status, 503);
    assert!(why.contains(r#""ledger":"#) && why.contains("out of reach"), "{why}");
    assert!(bench.page("/metrics").1.contains("truecell_check_good{check=\"ledger\"} 0"));
    assert_eq!(bench.page("/healthz").0, 200);
    let (code, why) = bench.refused(&["device", "add", "00aabbccddee"]);
    assert_eq!(code, 70);
    assert!(why.contains("the ledger is out of reach"), "{why}");

    intruder.execute_batch("ROLLBACK").unwrap();
    let over = alarms.next().unwrap();
    assert!(over.contains(r#""raised":false"#), "{over}");
    assert_eq!(bench.page("/readyz").0, 200);
    bench.good(&["device", "add", "00aabbccddee"]);
    let _ = follower.kill();
    follower.wait().unwrap();
}

#[test]
fn a_ledger_made_anew_is_told_in_one_line() {
    let mut bench = Bench::new();
    let ids = ["00aabb000001", "00aabb000002", "00aabb000003"];
    ids.iter().for_each(|id| drop(bench.good(&["device", "add", id])));
    for file in ["ledger.sqlite", "ledger.sqlite-wal", "ledger.sqlite-shm"] {
        let _ = fs::remove_file(bench.path("state").join(file));
    }
    let log = bench.serve_until("ready");
    let told: Vec<_> = log.iter().filter(|line| line.contains("ledger: ")).collect();
    assert_eq!(told.len(), 1, "{told:#?}");
    // The units, and the gateway's certificate.
    assert!(told[0].contains("it was missing, and was made anew from 4 events of the journal"), "{told:?}");
    let listed = bench.good(&["device", "list"]);
    assert!(ids.iter().all(|id| listed.contains(id)), "{listed}");
    assert_eq!(bench.json(&["ledger", "verify"])["ok"], true);
}

#[test]
fn the_names_of_metrics_stay() {
    let mut bench = Bench::new();
    bench.serve();
    let (status, text) = bench.page("/metrics");
    assert_eq!(status, 200);
    let names: String =
        text.lines().filter(|line| line.starts_with("# TYPE ")).map(|line| line.to_owned() + "\n").collect();
    golden("metrics.txt", &names);
    assert!(text.ends_with("# EOF\n"));
}

#[test]
fn the_log_is_json_when_asked_for_and_names_what_was_mended() {
    let mut bench = Bench::new();
    let seen = bench.serve_until("ready");
    assert!(seen.iter().all(|line| serde_json::from_str::<serde_json::Value>(line).is_ok()), "{seen:?}");
    bench.kill();
    let segment = bench.path("state/journal/segw-1/00000000000000000001.jsonl");
    let journal = fs::read_to_string(&segment).unwrap();
    fs::write(&segment, journal + "{\"seq\":").unwrap();
    let seen = bench.serve_until("ready");
    assert!(
        seen.iter().any(|line| line.contains("an unfinished last line of 7 octets was cut off")),
        "{seen:?}"
    );
}
