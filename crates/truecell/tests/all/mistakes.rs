//! What somebody is told who asks for what cannot be, and that nothing was done.

use crate::bench::Bench;
use std::{fs, os::unix::fs::PermissionsExt};

fn certificates(bench: &Bench) -> usize {
    bench.json(&["cert", "list"])["certificates"].as_array().unwrap().len()
}

#[test]
fn nothing_is_issued_into_a_folder_that_cannot_be_written() {
    let bench = Bench::new();
    bench.good(&["device", "add", "00aabbccddee"]);
    bench.write("a-file", "");
    let before = certificates(&bench);
    for out in ["/proc/nope", "a-file"] {
        let (code, why) =
            bench.refused(&["cert", "issue", "00aabbccddee", "--approver", "dave", "--out", out]);
        assert_eq!(code, 2, "{why}");
        assert!(why.contains("cannot be written; nothing was issued"), "{why}");
    }
    assert_eq!(certificates(&bench), before);
}

#[test]
fn no_key_and_no_root_is_overwritten() {
    let bench = Bench::new();
    bench.good(&["device", "add", "00aabbccddee"]);
    fs::create_dir(bench.path("unit")).unwrap();
    bench.write("unit/root.pem", "another carrier's");
    let issue = ["cert", "issue", "00aabbccddee", "--approver", "dave", "--out", "unit"];
    let files = bench.json(&issue)["files"].clone();
    assert_eq!(files[2], "unit/00aabbccddee.root.pem");
    assert_eq!(fs::read_to_string(bench.path("unit/root.pem")).unwrap(), "another carrier's");
    let key = bench.path("unit/00aabbccddee.key");
    assert_eq!(fs::metadata(&key).unwrap().permissions().mode() & 0o777, 0o600);
    let (before, made) = (certificates(&bench), fs::read(&key).unwrap());
    let (code, why) = bench.refused(&issue);
    assert_eq!(code, 1, "{why}");
    assert!(why.contains("unit/00aabbccddee.key is there already") && why.contains("--out"), "{why}");
    assert_eq!((certificates(&bench), fs::read(&key).unwrap()), (before, made));
}

#[test]
fn a_line_that_is_there_is_changed_by_name_only_and_shown_before_and_after() {
    let bench = Bench::new();
    bench.good(&["line", "add", "KT/1", "192.0.2.0/24", "198.51.100.0/24", "--region", "seoul"]);
    let (code, why) = bench.refused(&["line", "add", "KT/1", "203.0.113.0/24"]);
    assert_eq!(code, 1, "{why}");
    assert!(why.contains("line KT/1 is there already"), "{why}");
    assert_eq!(bench.refused(&["line", "set", "KT/1"]).0, 2);
    assert_eq!(bench.refused(&["line", "set", "KT/2", "--region", "busan"]).0, 1);
    let (code, why) = bench.refused(&["line", "add", "KT/3", "198.51.100.7/24"]);
    assert_eq!(code, 2, "{why}");
    assert!(why.contains("write 198.51.100.0/24"), "{why}");
    let expected = "KT/1\n     REGION  POSITION  PREFIXES\n\
        was  seoul   -         192.0.2.0/24 198.51.100.0/24\nis   seoul   -         203.0.113.0/24\n";
    assert_eq!(bench.good(&["line", "set", "KT/1", "203.0.113.0/24"]), expected);
}

#[test]
fn a_blank_reason_is_a_usage_error() {
    let bench = Bench::new();
    bench.good(&["device", "add", "00aabbccddee"]);
    for arguments in [["device", "suspend", "00aabbccddee"], ["session", "cut", "1-1"]] {
        for why in ["", " "] {
            let (code, said) = bench.refused(&[&arguments[..], &["--why", why]].concat());
            assert_eq!(code, 2, "{said}");
            assert!(said.contains("it cannot be blank"), "{said}");
        }
    }
    assert_eq!(bench.json(&["device", "show", "00aabbccddee"])["device"]["state"], "installed");
}

#[test]
fn a_class_that_the_configuration_has_not_is_noted_with_and_without_a_daemon() {
    let noted = |bench: &Bench, arguments: &[&str], class: &str| {
        let output = bench.run(arguments);
        assert!(output.status.success());
        let said = crate::bench::text(&output.stderr);
        let note = format!(
            "note: no [[gateway.class]] is named {class}\n  its units reach all of gateway.tun.reachable\n"
        );
        assert_eq!(said.contains("[[gateway.class]]"), said.contains(&note), "{said}");
        said.contains(&note)
    };
    let bench = Bench::new();
    assert!(
        !noted(&bench, &["device", "add", "00aabbccddee", "--class", "home"], "home"),
        "no class is configured"
    );
    for is_served in [false, true] {
        let mut bench = Bench::bare();
        let config = fs::read_to_string(bench.path("truecell.toml")).unwrap();
        let class = "[[gateway.class]]\nname = \"home\"\nreach = [\"10.1.0.5 udp 2152\"]\n";
        bench.write("truecell.toml", &(config + class));
        bench.good(&["init"]);
        if is_served {
            bench.serve();
        }
        assert!(!noted(&bench, &["device", "add", "00aabb000001", "--class", "home"], ""));
        assert!(!noted(&bench, &["device", "add", "00aabb000002"], ""), "no class at all is no mistake");
        assert!(noted(&bench, &["device", "add", "00aabb000003", "--class", "hoem"], "hoem"));
        assert!(noted(
            &bench,
            &["device", "set", "00aabb000001", "--class", "Home", "--why", "typed"],
            "Home"
        ));
        bench.write(
            "estate.csv",
            "id,class\n00aabb000004,home\n00aabb000005,b\n00aabb000006,a\n00aabb000007,b\n",
        );
        assert!(noted(&bench, &["device", "import", "estate.csv"], "a, b"));
        let said = bench.json(&["device", "set", "00aabb000001", "--class", "lab", "--why", "typed"]);
        assert_eq!(said["unknown_class"], "lab");
        assert!(bench.json(&["device", "add", "00aabb000008", "--class", "home"])["unknown_class"].is_null());
    }
}

#[test]
fn an_identity_may_be_typed_with_separators_and_is_printed_without() {
    let bench = Bench::new();
    assert_eq!(bench.good(&["device", "add", "00:AA:bb:cc:dd:ee"]), "00aabbccddee added, installed\n");
    bench.write("estate.csv", "id\n00-aa-bb-cc-dd-ff\n");
    assert!(bench.good(&["device", "import", "estate.csv"]).starts_with("1 added"));
    let pair = ["pair", "add", "00-AA-BB-CC-DD-EE", "00:aa:bb:cc:dd:ff", "--why", "one site"];
    assert_eq!(bench.good(&pair), "00aabbccddee and 00aabbccddff are a pair\n");
    let pairs = bench.good(&["pair", "list"]);
    let since = pairs.lines().nth(1).unwrap().split_whitespace().nth(2).unwrap();
    assert_eq!(since.len(), "2026-01-31T10:00:00Z".len(), "seconds: {pairs}");
    let files =
        bench.json(&["cert", "issue", "00:aa:bb:cc:dd:ee", "--approver", "dave", "--out", "unit"])["files"]
            .clone();
    assert_eq!(files[0], "unit/00aabbccddee.key");
    let (code, why) = bench.refused(&["session", "show", "00:aa:bb:cc:dd:ee"]);
    assert!(code == 1 && why.contains("00aabbccddee has no tunnel on this node"), "{why}");
    let (code, why) = bench.refused(&["device", "show", "00:aabbccddee"]);
    assert!(code == 2 && why.contains("between all octets or none"), "{why}");
    let (code, why) = bench.refused(&["session", "show", "tunnel"]);
    assert!(code == 2 && why.contains("such as 3-17"), "{why}");
}

#[test]
fn the_journal_is_shown_from_its_end_and_for_one_unit() {
    let bench = Bench::new();
    for number in 1..=30 {
        bench.good(&["device", "add", &format!("00aabb0000{number:02}")]);
    }
    let devices = |arguments: &[&str]| -> Vec<String> {
        let tail = bench.good(&[&["--json", "event", "tail"], arguments].concat());
        let record = |line: &str| serde_json::from_str::<serde_json::Value>(line).unwrap();
        let keys = tail.lines().map(|line| record(line)["body"]["key"].as_str().map(str::to_owned));
        keys.flatten().collect()
    };
    assert_eq!(bench.good(&["event", "tail"]).lines().count(), 20);
    assert_eq!(bench.good(&["event", "tail", "-n", "3"]).lines().count(), 3);
    assert_eq!(devices(&["--device", "00:aa:bb:00:00:07"]), ["00aabb000007"]);
    assert_eq!(devices(&["--device", "00aabb000007", "--from", "1"]), ["00aabb000007"]);
    bench.good(&["device", "lost", "00aabb000007", "--why", "gone"]);
    assert_eq!(devices(&["--device", "00aabb000007"]).len(), 2);
    let last = bench.good(&["event", "tail", "--device", "00aabb000007", "-n", "1"]);
    assert!(last.lines().count() == 1 && last.contains("state=installed -> lost"), "{last}");
    assert_eq!(bench.refused(&["event", "tail", "-n", "3", "--from", "1"]).0, 2);
    assert_eq!(bench.refused(&["event", "tail", "-n", "0"]).0, 2);
}

#[test]
fn a_line_that_the_register_has_not_is_noted() {
    let bench = Bench::new();
    let noted = |arguments: &[&str]| {
        let output = bench.run(arguments);
        assert!(output.status.success());
        crate::bench::text(&output.stderr).contains("note: not in the register of lines: NOPE/1\n")
    };
    bench.write("estate.csv", "id,line\n00aabb000001,NOPE/1\n");
    assert!(noted(&["device", "add", "00aabbccddee", "--line", "NOPE/1"]));
    assert!(noted(&["device", "import", "estate.csv"]));
    bench.good(&["line", "add", "NOPE/1", "192.0.2.0/24"]);
    assert!(!noted(&["device", "add", "00aabbccddef", "--line", "NOPE/1"]));
    assert!(!noted(&["device", "import", "estate.csv"]));
}

#[test]
fn a_row_that_is_no_row_stops_none_of_the_others() {
    let bench = Bench::new();
    let rows =
        b"id,site\n00aabb000001,a,b\n00aabb000002\n00:aa-bb:00:00:03,c\n00aabb000004,\xff\n00aabb000005,d\n";
    fs::write(bench.path("estate.csv"), rows).unwrap();
    let output = bench.run(&["device", "import", "estate.csv"]);
    let said = crate::bench::text(&output.stdout);
    assert_eq!(output.status.code(), Some(1));
    let expected = "\
1 added, 0 unchanged, 4 refused
LINE  DEVICE             WHY
2     00aabb000001       it has 3 fields, and the first line names 2
3     00aabb000002       it has 1 field, and the first line names 2
4     00:aa-bb:00:00:03  a device identity has 12 or 16 hex digits, with `:` or `-` between all octets or none
5     -                  it is not in UTF-8
";
    assert_eq!(said, expected);
}

#[test]
fn a_file_that_is_no_estate_is_named_for_what_it_is() {
    let bench = Bench::new();
    for (name, text) in [("names.csv", "id,serial\n"), ("capitals.csv", "ID,SITE\n")] {
        bench.write(name, text);
        let (code, why) = bench.refused(&["device", "import", name]);
        assert_eq!(code, 2, "{why}");
        assert!(why.contains("unknown column") && why.contains("in lower case and with commas"), "{why}");
    }
    for name in ["missing.csv", "state"] {
        let (code, why) = bench.refused(&["device", "import", name]);
        assert_eq!(code, 2, "{why}");
        assert!(why.contains("name a CSV file in UTF-8 that this user may read"), "{why}");
    }
}

#[test]
fn what_init_fixed_and_what_this_machine_has_not_is_named_by_check_and_stops_serve() {
    let bench = Bench::new();
    let config = fs::read_to_string(bench.path("truecell.toml")).unwrap();
    let changed = config
        .replace("segw-1", "segw-2")
        .replace("realm = \"femto.operator.example\"", "realm = \"other.operator.example\"")
        .replace("[control]\n", "[control]\ngroup = \"nosuchgroup\"\n");
    bench.write("truecell.toml", &changed);
    let (code, why) = bench.refused(&["config", "check"]);
    assert_eq!(code, 64, "{why}");
    let wrong: Vec<_> = why.lines().filter(|line| line.starts_with("error: truecell.toml:")).collect();
    assert_eq!(wrong.len(), 3, "{why}");
    for (line, what) in
        wrong.iter().zip(["node: state belongs to node segw-1", "femto.operator.example", "nosuchgroup"])
    {
        assert!(line.contains(what), "{line}");
    }
    let (code, why) = bench.refused(&["serve"]);
    assert_eq!(code, 64, "{why}");
    assert!(
        why.contains("belongs to node segw-1") && why.contains("was made for femto.operator.example"),
        "{why}"
    );
}

#[test]
fn an_exception_that_is_over_is_noted_and_stops_nothing() {
    let bench = Bench::new();
    let config = fs::read_to_string(bench.path("truecell.toml")).unwrap();
    let over = "[[gateway.legacy]]\nname = \"old\"\nrealm = \"femto.operator.example\"\nuntil = \"2020-01-01T00:00:00Z\"\n";
    bench.write("truecell.toml", &(config + over));
    let said = bench.good(&["config", "check"]);
    assert!(said.starts_with("warning: [[gateway.legacy]] \"old\" ended at 2020-01-01"), "{said}");
}

#[test]
fn a_configuration_that_is_no_text_is_named_for_what_it_is() {
    let bench = Bench::new();
    fs::write(bench.path("binary"), [0xff, 0xfe]).unwrap();
    for (file, what) in
        [("state", "is a folder"), ("binary", "is no text in UTF-8"), ("none", "there is no such file")]
    {
        let (code, why) = bench.refused(&["config", "check", "-c", file]);
        assert_eq!(code, 64, "{why}");
        assert!(why.starts_with(&format!("error: {file}: {what}")), "{why}");
    }
    let answer = bench.run(&["--json", "config", "check", "-c", "state"]).stdout;
    let answer: serde_json::Value = serde_json::from_slice(&answer).unwrap();
    for field in ["code", "title", "detail", "next"] {
        assert!(answer["error"][field].as_str().is_some_and(|text| !text.is_empty()), "{answer}");
    }
}

#[test]
fn a_journal_is_looked_for_only_in_a_data_directory_and_by_a_whole_key() {
    let bench = Bench::bare();
    for command in ["verify", "tail"] {
        let (code, why) = bench.refused(&["event", command]);
        assert_eq!(code, 2, "{why}");
        assert!(why.contains("the data directory state does not exist"), "{why}");
    }
    let (code, why) = bench.refused(&["event", "verify", "--journal", ".", "--key", &"0".repeat(63)]);
    assert_eq!(code, 2, "{why}");
    assert!(why.contains("a journal key has 64 hex digits, as `truecell init` printed it"), "{why}");
}

#[test]
fn a_request_that_is_none_is_answered_with_how_to_make_one() {
    let bench = Bench::new();
    bench.good(&["device", "add", "00aabbccddee"]);
    fs::write(bench.path("request.der"), [0x30, 0x82, 0xff, 0xff]).unwrap();
    let (code, why) =
        bench.refused(&["cert", "issue", "00aabbccddee", "--approver", "dave", "--request", "request.der"]);
    assert_eq!(code, 2, "{why}");
    assert!(why.contains("openssl req -inform DER"), "{why}");
    bench.write(
        "request.pem",
        "-----BEGIN CERTIFICATE REQUEST-----\nMAA=\n-----END CERTIFICATE REQUEST-----\n",
    );
    let (code, why) =
        bench.refused(&["cert", "issue", "00aabbccddee", "--approver", "dave", "--request", "request.pem"]);
    assert_eq!(code, 2, "{why}");
    assert!(
        why.contains("the certificate request cannot be taken") && why.contains("openssl req -new"),
        "{why}"
    );
}

#[test]
fn what_the_command_line_names_and_cannot_be_used_is_its_own_fault() {
    let bench = Bench::new();
    bench.write("a-file", "");
    bench.good(&["device", "add", "00aabbccddee"]);
    for arguments in [
        &["--data", "a-file/state", "init"][..],
        &["man", "a-file"],
        &["--data", "a-file", "lab", "--once"],
        &["cert", "issue", "00aabbccddee", "--approver", "dave", "--out", "a-file"],
        &["--data", "missing", "serve"],
        &["device", "import", "missing.csv"],
        &["lab", "unit", "missing/00aabbccddee", "--to", "127.0.0.1", "--gateway", "segw.operator.example"],
    ] {
        let (code, why) = bench.refused(arguments);
        assert_eq!(code, 2, "{arguments:?}: {why}");
        assert!(why.contains("\n  why: ") && why.contains("\n  next: "), "{why}");
    }
    assert_eq!(bench.refused(&["-c", "missing.toml", "serve"]).0, 64);
    let bare = Bench::bare();
    let config = fs::read_to_string(bare.path("truecell.toml")).unwrap();
    bare.write("truecell.toml", &config.replace("[control]\n", "[control]\ngroup = \"nosuchgroup\"\n"));
    let (code, why) = bare.refused(&["init"]);
    assert!(code == 64 && why.contains("control.group: there is no group nosuchgroup"), "{code}: {why}");
    assert!(!bare.path("state").exists());
}

#[test]
fn the_files_of_a_unit_are_each_named_once() {
    let bench = Bench::new();
    bench.good(&["device", "add", "00aabbccddee"]);
    bench.good(&["cert", "issue", "00aabbccddee", "--approver", "dave", "--out", "unit"]);
    let attach = || {
        bench.refused(&[
            "lab",
            "unit",
            "unit/00aabbccddee",
            "--to",
            "127.0.0.1",
            "--gateway",
            "segw.operator.example",
        ])
    };
    for file in ["unit/root.pem", "unit/00aabbccddee.key", "unit/00aabbccddee.pem"] {
        fs::rename(bench.path(file), bench.path("away")).unwrap();
        let (code, why) = attach();
        assert_eq!(code, 2, "{why}");
        assert!(why.starts_with(&format!("error: {file} cannot be used\n  why: No such file")), "{why}");
        assert_eq!(why.matches(file).count(), 1, "{why}");
        assert!(why.contains("next: name DIR/ID, as `truecell cert issue ID --out DIR` wrote it"), "{why}");
        bench.write(file, "rubbish");
        let (code, why) = attach();
        assert!(
            code == 2 && why.starts_with(&format!("error: {file} cannot be used\n  why: ")),
            "{code}: {why}"
        );
        fs::rename(bench.path("away"), bench.path(file)).unwrap();
    }
}

#[test]
fn an_init_that_was_forgotten_is_named_by_whatever_needs_it() {
    let bench = Bench::bare();
    for state in ["does not exist", "is not initialised"] {
        for command in [&["serve"][..], &["device", "list"], &["cert", "list"], &["event", "tail"]] {
            let (code, why) = bench.refused(command);
            assert_eq!(code, 2, "{why}");
            assert!(why.starts_with(&format!("error: the data directory state {state}\n")), "{why}");
            assert!(why.contains("next: run `truecell init` once"), "{why}");
        }
        let _ = fs::create_dir(bench.path("state"));
    }
}

#[test]
fn an_estate_with_other_separators_is_refused_by_what_they_are() {
    let bench = Bench::new();
    for (separator, named) in [(";", ";"), ("\t", "\\t"), ("|", "|")] {
        bench.write("estate.csv", &format!("id{separator}site\n00aabbccddee{separator}here\n"));
        let (code, why) = bench.refused(&["device", "import", "estate.csv"]);
        assert_eq!(code, 2, "{why}");
        let expected = format!("why: its columns are separated by `{named}`, not by commas\n");
        assert!(why.contains(&expected) && why.contains("with commas between them"), "{why}");
    }
}

#[test]
fn a_usage_error_has_the_same_words_in_json() {
    let bench = Bench::bare();
    let output = bench.run(&["--json", "device", "lost", "00aabbccddee"]);
    assert_eq!(output.status.code(), Some(2));
    let answer: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let error = &answer["error"];
    assert_eq!(error["title"], "the following required arguments were not provided");
    assert!(error["detail"].as_str().is_some_and(|detail| detail.starts_with("--why <TEXT>\n")), "{answer}");
}

#[test]
fn an_address_that_no_interface_has_is_named_as_such() {
    let bench = Bench::new();
    let config = fs::read_to_string(bench.path("truecell.toml")).unwrap();
    let listen = config.lines().find(|line| line.starts_with("listen = [")).unwrap();
    bench.write("truecell.toml", &config.replace(listen, "listen = [\"192.0.2.1\"]"));
    let (code, why) = bench.refused(&["serve"]);
    assert_eq!(code, 70, "{why}");
    assert!(why.contains("no interface of this machine has that address"), "{why}");
}

#[test]
fn what_a_start_would_miss_on_this_machine_is_a_warning() {
    let bench = Bench::bare();
    bench.write("a-file", "");
    let config = fs::read_to_string(bench.path("truecell.toml")).unwrap();
    assert_eq!(bench.good(&["config", "check"]), "truecell.toml: good\n");
    let listen = config.lines().find(|line| line.starts_with("listen = [")).unwrap();
    let config = config.replace(listen, "listen = [\"192.0.2.1\", \"127.0.0.1\"]");
    bench.write("truecell.toml", &config.replace("\"state\"", "\"a-file/state\""));
    let expected = "\
warning: data: a-file/state cannot be made: a-file is no folder that this user may write
warning: [gateway] listen: no interface of this machine has 192.0.2.1 now
truecell.toml: good
";
    assert_eq!(bench.good(&["config", "check"]), expected);
    bench.write("truecell.toml", &config.replace("\"state\"", "\"a-file\""));
    let said = bench.good(&["config", "check"]);
    assert!(said.starts_with("warning: data: a-file is no folder\n"), "{said}");
}

#[test]
fn a_limit_that_no_page_has_is_a_usage_error() {
    let bench = Bench::bare();
    for list in ["device", "cert", "session"] {
        for limit in ["0", "1001"] {
            let (code, why) = bench.refused(&[list, "list", "--limit", limit]);
            assert_eq!(code, 2, "{why}");
            assert!(why.contains("1..=1000"), "{why}");
        }
    }
}

#[test]
fn init_repeats_what_was_typed_and_help_keeps_own_options_apart() {
    let bench = Bench::bare();
    fs::rename(bench.path("truecell.toml"), bench.path("t2.toml")).unwrap();
    let made = bench.good(&["init", "-c", "t2.toml"]);
    assert!(made.ends_with("and start with `truecell serve -c t2.toml`.\n"), "{made}");
    let help = bench.good(&["device", "list", "--help"]);
    let (own, global) = help.split_once("Options of every command:").unwrap();
    assert!(own.contains("--limit") && own.contains("[possible values: made, shipped"), "{help}");
    assert!(global.contains("--data") && !own.contains("--data"), "{help}");
}
