//! Every command that README.md and docs/ show works as shown.

use crate::{
    bench::Bench,
    document::{Desk, steps},
};
use admission::Missing;
use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

fn documents() -> Vec<PathBuf> {
    let mut found = vec![root().join("README.md")];
    let docs = fs::read_dir(root().join("docs")).unwrap();
    found.extend(
        docs.map(|entry| entry.unwrap().path()).filter(|path| path.extension().is_some_and(|e| e == "md")),
    );
    found.sort();
    found
}

#[test]
fn every_command_that_the_documents_show_works_as_shown() {
    let mut run = 0;
    for document in documents() {
        let name = document.strip_prefix(root()).unwrap().display().to_string();
        let mut desk = Desk::new(&root());
        for step in steps(&fs::read_to_string(&document).unwrap()) {
            desk.follow(&name, &step);
            run += 1;
        }
        desk.leave();
    }
    assert!(run > 0, "no document shows a command");
}

/// The rows of the table behind a comment in a document.
fn table(document: &str, name: &str) -> Vec<String> {
    let text = fs::read_to_string(root().join("docs").join(document)).unwrap();
    let after = text.split_once(&format!("<!-- {name} -->\n")).unwrap().1;
    after.lines().skip(2).take_while(|line| line.starts_with('|')).map(str::to_owned).collect()
}

#[test]
fn the_table_of_moves_is_the_one_in_the_code() {
    use ledger::{LifeCycle, Move, People};
    let to = |state: LifeCycle| {
        let steps = Move::ALL.iter().filter(|step| step.from == state);
        let named = steps.map(|step| match step.needs {
            People::One => step.to.to_string(),
            People::Two => format!("{} (two people)", step.to),
        });
        named.collect::<Vec<_>>().join(", ")
    };
    let expected: Vec<_> = LifeCycle::ALL
        .iter()
        .map(|state| format!("| {state} | {} |", to(*state)).replace("|  |", "| |"))
        .collect();
    assert_eq!(table("cli.md", "moves"), expected);
}

#[test]
fn the_table_of_what_is_known_of_a_unit_is_the_one_in_the_code() {
    let named: Vec<_> = table("cli.md", "particulars").iter().map(|row| words(row)[0].to_owned()).collect();
    assert_eq!(named, ledger::Particular::ALL.map(ledger::Particular::name));
}

#[test]
fn the_table_of_routes_is_the_one_in_the_code() {
    let row = |route: &api::Route| format!("| {} {} | {} |", route.method, route.path, route.needs.word());
    let expected: Vec<_> = api::routes().iter().map(row).collect();
    assert_eq!(table("cli.md", "routes"), expected);
}

#[test]
fn the_body_of_each_post_is_one_that_the_api_takes() {
    use api::{
        backup, ca, certificate, configuration, device, finding, incident, legacy, line, management,
        migration, order, pair, policy, session,
    };
    fn takes<T: serde::de::DeserializeOwned>(body: &str) -> Result<(), serde_json::Error> {
        serde_json::from_str::<T>(body).map(drop)
    }
    let rows = table("cli.md", "bodies");
    let shown: Vec<_> = rows
        .iter()
        .map(|row| {
            let (route, body) = row.trim_start_matches("| POST ").split_once(" | ").unwrap();
            (route, body.split('`').nth(1).unwrap())
        })
        .collect();
    for (route, body) in &shown {
        let taken = match *route {
            "/v1/devices" => takes::<device::AddDevice>(body),
            "/v1/devices/import" => takes::<device::ImportDevices>(body),
            "/v1/devices/{id}" => takes::<device::SetDevice>(body),
            "/v1/devices/{id}/move" => takes::<device::MoveDevice>(body),
            "/v1/lines" => takes::<line::AddLine>(body),
            "/v1/lines/set" => takes::<line::SetLine>(body),
            "/v1/orders" => takes::<order::OpenOrder>(body),
            "/v1/orders/import" => takes::<order::ImportOrders>(body),
            "/v1/orders/{id}/close" => takes::<order::CloseOrder>(body),
            "/v1/legacy-groups" => takes::<legacy::NameGroup>(body),
            "/v1/migrations" => takes::<migration::PlanMigration>(body),
            "/v1/migrations/{name}/run" | "/v1/migrations/{name}/halt" | "/v1/migrations/{name}/rollback" => {
                takes::<migration::SayMigration>(body)
            }
            "/v1/pairs" | "/v1/pairs/remove" => takes::<pair::ChangePair>(body),
            "/v1/policy" => takes::<policy::SetMode>(body),
            "/v1/policy/resume" => takes::<policy::Resume>(body),
            "/v1/certificates" => takes::<certificate::IssueCertificate>(body),
            "/v1/certificates/import" => takes::<certificate::ImportCertificates>(body),
            "/v1/certificates/extension" => takes::<certificate::ExtendCertificates>(body),
            "/v1/certificates/extension/end" => takes::<certificate::EndExtension>(body),
            "/v1/certificates/{serial}/revoke" => takes::<certificate::RevokeCertificate>(body),
            "/v1/ca/distrust" => takes::<ca::DistrustVendor>(body),
            "/v1/ca/trust" => takes::<ca::TrustVendor>(body),
            "/v1/ca/rotation" => takes::<ca::PrepareRotation>(body),
            "/v1/ca/rotation/certificate" => takes::<ca::TakeUpCertificate>(body),
            "/v1/findings" => takes::<finding::TakeFindings>(body),
            "/v1/incidents/{number}/close" => takes::<incident::CloseIncident>(body),
            "/v1/incidents/{number}/judge" => takes::<incident::JudgeIncident>(body),
            "/v1/management/orders" => takes::<management::OrderManagement>(body),
            "/v1/management/orders/{number}/report" => takes::<management::ReportOrder>(body),
            "/v1/management/orders/{number}/withdraw" => takes::<management::WithdrawOrder>(body),
            "/v1/sessions/{id}/cut" => takes::<session::CutSession>(body),
            "/v1/backups" => takes::<backup::BeginBackup>(body),
            "/v1/configuration" => takes::<configuration::ApplyConfiguration>(body),
            other => panic!("{other} is a route without a type here"),
        };
        assert!(taken.is_ok(), "{route}: {taken:?}");
    }
    let routes = api::routes();
    let posts = routes.iter().filter(|route| route.method == "POST" && !route.path.ends_with("/verify"));
    let missing: Vec<_> = posts
        .filter(|post| !shown.iter().any(|(route, _)| *route == post.path))
        .map(|post| post.path)
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn the_table_of_kinds_has_every_kind_of_event() {
    let of_journal = |kind: &&str| kind.starts_with("journal.");
    let expected: Vec<_> = events::kinds().filter(|kind| !of_journal(kind)).collect();
    let rows = table("formats.md", "kinds");
    let named: Vec<_> = rows.iter().map(|row| words(row)[0]).collect();
    assert_eq!(named, expected);
}

#[test]
fn the_table_of_signals_is_the_one_in_the_code() {
    use ledger::trust::{DAYS, KINDS, RULES, SignalKind, TABLE, Weight};
    let or_none = |text: String| if text.is_empty() { "-".to_owned() } else { text };
    let word = |kind: &SignalKind| format!("`{}`", kind.as_str());
    let row = |rule: &ledger::trust::Rule| {
        let falls_to = rule.falls_to.map(|state| state.to_string()).unwrap_or_default();
        let lifts = rule.lifts.iter().map(word).collect::<Vec<_>>().join(", ");
        let counts = match rule.weight {
            Weight::None => "-",
            Weight::Seen => "seen",
            Weight::Copyable => "copyable",
            Weight::Independent => "independent",
        };
        format!("| {} | {} | {} | {counts} |", word(&rule.kind), or_none(falls_to), or_none(lifts))
    };
    assert_eq!(table("formats.md", "trust signals"), TABLE.iter().map(row).collect::<Vec<_>>());
    let text = fs::read_to_string(root().join("docs/formats.md")).unwrap();
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(text.contains(&format!("Trust takes {DAYS} days of signals that count, of {KINDS} kinds")));
    assert!(text.contains(&format!("`rules`, now `{RULES}`, is the version of this table")));
}

#[test]
fn the_table_of_what_detectors_do_to_cells_is_the_one_in_the_code_and_has_every_detector() {
    use ledger::{
        detection::{JOINS_FROM, Kept, Register},
        trust::{FOUND, HIGH, MEDIUM},
    };
    let rows: Vec<_> = FOUND.iter().map(|row| format!("| `{}` | {} |", row.detector, row.at_most)).collect();
    assert_eq!(table("verdict.md", "found"), rows);
    let read = |name: &str| {
        let text = fs::read_to_string(root().join("docs").join(name)).unwrap();
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    let verdict = format!("from {HIGH} on *high* (`finding-high`: suspect), from {MEDIUM} on *medium*");
    assert!(read("verdict.md").contains(&verdict));
    let detectors = read("detectors.md");
    assert!(
        detectors.contains(&format!("below confidence {JOINS_FROM} a finding links by its own key alone"))
    );
    assert!(detectors.contains(&format!("a line of more than {} units", Register::FEW)));
    assert!(detectors.contains(&format!("for {} days", Kept::LONG.as_secs() / 86_400)));
    let files = fs::read_dir(root().join("crates/detect/src/detectors")).unwrap();
    let files = files.map(|file| file.unwrap().path().file_stem().unwrap().to_string_lossy().into_owned());
    let named: BTreeSet<String> = FOUND.iter().map(|row| row.detector.to_owned()).collect();
    // One file helps others with their pace.
    assert_eq!(files.filter(|name| name != "pace").collect::<BTreeSet<_>>(), named);
}

/// The words in backticks of each row.
fn words(row: &str) -> Vec<&str> {
    row.split('`').skip(1).step_by(2).collect()
}

#[test]
fn the_table_of_alarms_has_every_alarm_and_its_check() {
    let rows = table("formats.md", "alarms");
    let named: Vec<_> = rows.iter().map(|row| words(row)).collect();
    let expected: Vec<_> =
        gateway::Alarm::ALL.iter().map(|alarm| vec![alarm.code(), alarm.needs()]).collect();
    assert_eq!(named, expected);
}

/// The texts in double quotes of a function or list in a source file of ours, from the line behind `begin` on.
fn literals(file: &str, begin: &str) -> Vec<String> {
    let source = fs::read_to_string(root().join("crates").join(file)).unwrap();
    let (_, behind) = source.split_once(begin).unwrap_or_else(|| panic!("{file} has no `{begin}`"));
    let body = behind.lines().skip(1).take_while(|line| !matches!(*line, "    }" | "    ];"));
    let code = body.filter(|line| !line.trim_start().starts_with("//"));
    code.flat_map(|line| line.split('"').skip(1).step_by(2)).map(str::to_owned).collect()
}

fn first_words(document: &str, name: &str) -> Vec<String> {
    table(document, name).iter().map(|row| words(row)[0].to_owned()).collect()
}

#[test]
fn the_tables_of_values_have_every_word_that_the_code_writes() {
    let written = [
        ("session ends", "gateway/src/hand_off.rs", "pub fn code(&self) -> &'static str {"),
        ("contest ends", "gateway/src/contest.rs", "pub(crate) fn code(self) -> &'static str {"),
        ("evidence", "admission/src/verdict.rs", "let all = ["),
    ];
    for (name, file, function) in written {
        assert_eq!(first_words("formats.md", name), literals(file, function), "{name}");
    }
    let text = fs::read_to_string(root().join("docs/formats.md")).unwrap();
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let rules = format!("`rules` is the version of the rules that decided, now `{}`", admission::RULES);
    assert!(text.contains(&rules), "{rules}");
    for missing in [Missing::NotGathered, Missing::NoRecord, Missing::NotSent, Missing::Stale] {
        let word = serde_json::to_value(missing).unwrap();
        assert!(text.contains(&format!("`{}` (", word.as_str().unwrap())), "{word}");
    }
}

/// Each line shown is read, each kind is shown, and each field is described.
#[test]
fn the_feed_of_lines_is_read_as_it_is_documented() {
    let text = fs::read_to_string(root().join("docs/formats.md")).unwrap();
    let (_, shown) = text.split_once("<!-- line feed -->\n```json\n").unwrap();
    let (mut kinds, mut fields) = (BTreeSet::new(), BTreeSet::new());
    for line in shown.lines().take_while(|line| *line != "```") {
        let record = records::line::Record::parse(line.as_bytes());
        assert!(record.is_ok(), "{line}: {record:?}");
        let value: serde_json::Value = serde_json::from_str(line).unwrap();
        kinds.insert(value["kind"].as_str().unwrap().to_owned());
        fields.extend(value.as_object().unwrap().keys().cloned());
    }
    let known = literals("records/src/line/record.rs", "fn word(self) -> &'static str {");
    assert_eq!(kinds, known.iter().cloned().collect());
    assert_eq!(fields, first_words("formats.md", "line fields").into_iter().collect());
    let rows = table("formats.md", "line fields");
    let described = |field: &str| rows.iter().find(|row| words(row)[0] == field).map(|row| words(row));
    assert_eq!(described("kind").unwrap()[1..], known);
    assert_eq!(described("v").unwrap()[1], records::line::V.to_string());
    let longest = format!("A line has at most {} octets", records::line::LONGEST);
    assert!(text.contains(&longest), "{longest}");
}

#[test]
fn the_feed_of_device_facts_is_read_as_it_is_documented() {
    let text = fs::read_to_string(root().join("docs/formats.md")).unwrap();
    let (_, shown) = text.split_once("<!-- facts feed -->\n```json\n").unwrap();
    let (mut kinds, mut fields) = (BTreeSet::new(), BTreeSet::new());
    for line in shown.lines().take_while(|line| *line != "```") {
        let record = records::facts::Record::parse(line.as_bytes());
        assert!(record.is_ok(), "{line}: {record:?}");
        let value: serde_json::Value = serde_json::from_str(line).unwrap();
        kinds.insert(value["kind"].as_str().unwrap().to_owned());
        fields.extend(value.as_object().unwrap().keys().cloned());
    }
    assert_eq!(fields, first_words("formats.md", "facts fields").into_iter().collect());
    let rows = table("formats.md", "facts fields");
    let described = |field: &str| rows.iter().find(|row| words(row)[0] == field).map(|row| words(row));
    let named: BTreeSet<_> = described("kind").unwrap()[1..].iter().map(ToString::to_string).collect();
    assert_eq!(named, kinds);
    assert_eq!(described("v").unwrap()[1], records::facts::V.to_string());
    let longest = format!("A line of facts has at most {} octets", records::facts::LONGEST);
    let most = format!("at most {}", records::facts::MOST);
    assert!(text.contains(&longest) && text.contains(&most), "{longest}, {most}");
}

#[test]
fn the_codes_of_the_help_are_those_of_the_document() {
    let documented: Vec<_> = table("cli.md", "codes")
        .iter()
        .map(|row| row.trim_matches(['|', ' ']).split(' ').next().unwrap().to_owned())
        .collect();
    let help = Bench::bare().good(&["--help"]);
    let help = help.split_whitespace().collect::<Vec<_>>().join(" ");
    let (_, codes) = help.split_once("Exit codes: ").unwrap();
    let (codes, _) = codes.split_once(". ").unwrap();
    let named: Vec<_> = codes.split("; ").map(|code| code.split(' ').next().unwrap().to_owned()).collect();
    assert_eq!(named, documented, "{codes}");
}

#[test]
fn the_table_of_drops_has_every_cause_in_the_order_of_the_metric() {
    let cells = |row: String| -> Vec<String> {
        row.split(" | ").map(|cell| cell.trim_matches(['|', ' ', '`']).to_owned()).collect()
    };
    let rows: Vec<_> = table("deployment.md", "drops").into_iter().map(cells).collect();
    let named: Vec<_> = rows.iter().map(|row| (row[0].as_str(), row[1].as_str())).collect();
    let expected: BTreeSet<_> = gateway::Cause::all().map(gateway::Cause::labels).collect();
    assert_eq!(named, expected.into_iter().collect::<Vec<_>>());
    assert!(rows.iter().all(|row| row.len() == 4 && row.iter().all(|cell| !cell.is_empty())), "{rows:?}");
}

#[test]
fn every_key_of_the_example_is_in_the_documents() {
    let example = fs::read_to_string(root().join("truecell.example.toml")).unwrap();
    let text = fs::read_to_string(root().join("docs/configuration.md")).unwrap();
    let key = |line: &str| {
        let line = line.strip_prefix('#').unwrap_or(line);
        let (key, _) = line.split_once(" = ")?;
        key.bytes().all(|b| b.is_ascii_lowercase() || b == b'_' || b.is_ascii_digit()).then(|| key.to_owned())
    };
    let missing: Vec<_> =
        example.lines().filter_map(key).filter(|key| !text.contains(&format!("`{key}`"))).collect();
    assert!(missing.is_empty(), "{missing:?}");
}
