//! Every command in text and in JSON, over the socket and in process: the same answers.

use crate::bench::{Bench, golden, text};

/// One run of the binary for the golden file: name, arguments.
const SCRIPT: &[&str] = &[
    "config check",
    "device add 00aabbccddee --owner Carol --site 서울-3 --region seoul --class home",
    "device add 00aabbccddee",
    "device import --dry-run estate.csv",
    "device import estate.csv",
    "device import estate.csv",
    "device set 00aabb000002 --cells lte:450-08:1a2b3c4 --position 35.1,129.04 --access-mode closed --csg 42 --vendor Acme --why radio-plan",
    "device set 00aabb000001 --cells lte:450-08:1a2b3c4 --why radio-plan",
    "device set 00aabb000001 --position here --why radio-plan",
    "device list --cell lte:450-08:1a2b3c4",
    "device export",
    "device reconcile estate.csv",
    "device reconcile nowhere.csv",
    "device list",
    "device list --state live --limit 1",
    "device show 00aabbccddee",
    "device show 00aabbccdd00",
    "device move 00aabbccddee live --why seen",
    "device suspend 00aabbccddee --why question",
    "device move 00aabbccddee live --why answered",
    "device lost 00aabbccddee --why moved-out",
    "device move 00aabbccddee suspended --why found",
    "device move 00aabbccddee suspended --why found --approver mallory",
    "device move 00aabbccddee suspended --why found --approver dave",
    "device set 00aabbccddee --line KT/02-1 --owner Dave --why sold",
    "device set 00aabbccddee --no-line --why sold",
    "device set 00aabb000001 --no-line --why sold",
    "device set 00aabb000001 --line KT/02-2 --why sold --approver mallory",
    "device set 00aabb000001 --line KT/02-2 --why sold --approver dave",
    "device set 00aabb000001 --line KT/02-1 --why kept --approver dave",
    "device set 00aabbccddee --why nothing",
    "device set 00aabbccdd00 --site x --why gone",
    "device retire 00aabbccddef --why old",
    "line add KT/02-1 192.0.2.0/29 2001:db8:1::/56 --region seoul",
    "line add KT/02-1 198.51.100.0/24",
    "line set KT/02-1 --region busan",
    "line set KT/02-1 --position 35.1796,129.0756",
    "line add KT/02-3 --region seoul --position 35.1796,129.0756",
    "line list",
    "order create W/1 00aabb000001 --line KT/02-1 --until 2126-01-01T00:00:00Z --why new-customer",
    "order create W/2 00aabb000001 --line KT/02-1 --until 2126-01-01T00:00:00Z --why again",
    "order create W/2 00aabb000002 --line KT/02-9 --from 2125-01-01T00:00:00Z --until 2126-01-01T00:00:00Z --why unknown-line",
    "order create W/3 00aabb000002 --line KT/02-1 --until 2020-01-01T00:00:00Z --why late",
    "order create W/3 00aabbccdd00 --line KT/02-1 --until 2126-01-01T00:00:00Z --why unknown-unit",
    "order list",
    "order list --limit 1",
    "order create W/3 00aabbccddee --line KT/02-1 --until 2126-01-01T00:00:00Z --why suspended",
    "order list --device 00aabb000002 --after W/1",
    "order close W/1 --why withdrawn",
    "order close W/1 --why withdrawn",
    "order close W/9 --why typo",
    "order create W/4 00aabb000002 --line KT/02-1 --until 2126-01-01T00:00:00Z --legacy-group old --why shared-key",
    "migrate group old --certificate shared.pem --realm vendor.example --until 2126-01-01T00:00:00Z --why one-key --approver dave",
    "migrate group old --certificate shared.pem --realm vendor.example --until 2026-01-01T00:00:00Z --why one-key",
    "migrate group old --certificate estate.csv --realm vendor.example --until 2026-01-01T00:00:00Z --why one-key --approver dave",
    "migrate group old --certificate shared.pem --realm vendor.example --until 2026-01-01T00:00:00Z --why one-key --approver dave",
    "migrate plan m --group old --units estate.csv --why one-key --approver dave",
    "migrate plan m --group old --class home --why one-key --approver dave --check",
    "migrate plan m --group old --class home --window 5m --why one-key --approver dave",
    "migrate run m --why go",
    "migrate halt m --why wait",
    "migrate rollback m --why back",
    "migrate status",
    "migrate status m",
    "pair add 00aabbccddee 00aabb000001 --why one-site",
    "pair add 00aabb000001 00aabbccddee --why again",
    "pair add 00aabb000002 00aabb000001 --why one-site",
    "pair list",
    "pair list --limit 1",
    "pair list --after 00aabb000001 00aabb000002",
    "pair remove 00aabb000001 00aabb000002 --why moved-out",
    "pair remove 00aabb000001 00aabb000002 --why moved-out",
    "pair add 00aabbccddee 00aabbccddee --why alone",
    "pair add 00aabbccddee 00aabbccdd00 --why one-site",
    "policy show",
    "policy set line-unknown enforce --class home --why lists-are-in",
    "policy set line-unknown inherit --class home --why lists-are-not",
    "policy set lost observe --why never",
    "policy set mis-issued observe --why everybody",
    "policy set odd observe --why typo",
    "policy readiness",
    "policy readiness --units",
    "policy resume foreign-network --why mended",
    "policy resume lost --why mended",
    "policy set line-unknown enforce --class hoem --why typo",
    "session list",
    "session show 1-1",
    "session show 00:AA:BB:CC:DD:EE",
    "session cut 1-1 --why test",
    "cert list",
    "cert issue 00aabb000001 --approver dave --out units",
    "cert issue 00aabb000001 --approver mallory --out others",
    "cert issue 00aabbccddef --approver dave",
    "cert show 00",
    "cert lineage 00aabb000001",
    "cert lineage 00aabb000003",
    "cert extend --until 2026-01-01T00:00:00Z --approver dave --why over",
    "cert extend --until 2126-01-01T00:00:00Z --approver dave --why long",
    "cert extend --end --why none",
    "cert expiring",
    "cert expiring --within 40d",
    "cert expiring --within soon",
    "ca show",
    "ca distrust vendor.example --since 2026-01-01T00:00:00Z --why broken-into",
    "ca distrust vendor.example --since 2126-01-01T00:00:00Z --why typo",
    "ca distrust femto.operator.example --since 2026-01-01T00:00:00Z --why typo",
    "ca show",
    "ca trust vendor.example --why mended",
    "ca trust vendor.example --why mended",
    "ca rotate devices --root-key state/ca/root.key --why yearly",
    "ca rotate devices --root-key state/ca/devices.key --why yearly --approver dave",
    "ca rotate devices --request next.csr --why yearly --approver dave",
    "ca rotate devices --root-key state/ca/root.key --why yearly --approver dave",
    "cert revoke 00 --why copied",
    "cert revoke 00 --why copied --reason stolen",
    "cert list --limit 1",
    "cert import 00aabb000001 estate.csv",
    "incident list",
    "incident list --state open --device 00aabb000001",
    "incident list --state over",
    "incident list --cell lte:450-08:1a2b3c4 --detector war_driving",
    "incident list --detector war-driving",
    "incident judge 1 --genuine someone --why TEXT",
    "incident judge 1 --found benign --why TEXT",
    "incident judge 1 --found benign --genuine both --why TEXT",
    "incident judge 1 --why TEXT",
    "incident show 1",
    "management order 00aabb000001 radio-off --why stolen-keys",
    "management order 00aabb000001 radio-off --why again",
    "management order 00aabbccdd00 radio-off --why unknown-unit",
    "management order 00aabb000001 radio-off --incident 9 --why unknown-incident",
    "management order 00aabb000002 enrol-anew --why new-key",
    "management list",
    "management list --device 00aabb000002",
    "management report 1 taken --text queued",
    "management report 1 done --text set",
    "management report 1 done --text set-again",
    "management report 1 failed",
    "management report 9 done",
    "management order 00aabb000001 radio-on --why cleared",
    "management withdraw 3 --why not-yet",
    "management withdraw 3 --why not-yet",
    "management show 1",
    "management show 9",
    "management list --all --limit 2",
    "management list --all --after 2",
    "event tail --from 2",
    "event tail --device 00aabb000002 -n 3",
    "event tail --device 00aabb000002 --kind ledger.row_changed -n 1",
    "event tail --kind ledger.row",
    "event verify",
    "event verify --witness kept",
    "event witness kept",
    "ledger verify",
    "cell show lte:450-08:1a2b3c4",
    "device suspend 00aabb000002 --why question",
    "cell show lte:450-08:1a2b3c4",
    "cell show lte:450-08:1a2b3c4 --at 2020-01-01T00:00:00Z",
    "device move 00aabb000002 installed --why answered",
    "cell list",
    "cell list --state blocked --limit 1",
    "cell show 450-08:1",
    "frobnicate",
    "device add 00aabb",
];

const ESTATE: &str = "\
id,owner,site,class,line,state,note
00aabb000001,Carol,\"Busan, pier 2\",home,KT/02-1,live,
00aabb000002,Müller,,office,,,\u{1b}[2J
00aabbccddef,,,,,silent,
00aabbccddee,Mallory,,,,,
00aabb0000,,,,,,
00aabb000003,,,,two words,,
";

/// A certificate for ten years that names no unit.
const SHARED: &str = "\
-----BEGIN CERTIFICATE-----
MIIBkzCCATmgAwIBAgIUWFxOdmFrnVbSaW+g3pZ342iTdtowCgYIKoZIzj0EAwIw
HzEdMBsGA1UEAwwUZmVtdG8udmVuZG9yLmV4YW1wbGUwHhcNMjYxMTMwMTYxOTM3
WhcNMzYxMTI3MTYxOTM3WjAfMR0wGwYDVQQDDBRmZW10by52ZW5kb3IuZXhhbXBs
ZTBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABPKq8uBBTeJ2y2aHniZ3kyuDMSy/
k0DRWp58+w4D9eeQeGeY9qlBFjDjN48NT80ChnUdmvLBqZ/b74xQZTA7np+jUzBR
MB0GA1UdDgQWBBRKYQRm7F8gQjFtPGY7AeEl8W4H2DAfBgNVHSMEGDAWgBRKYQRm
7F8gQjFtPGY7AeEl8W4H2DAPBgNVHRMBAf8EBTADAQH/MAoGCCqGSM49BAMCA0gA
MEUCIQCQm7aVA/M5zpk5RUujva0bqZgidW6neKsY+FfOr10JaAIgC2zwTjNRsn+4
FQsky9JU2Oyb2ivF+xcUCz4QfMcGzIU=
-----END CERTIFICATE-----
";

fn transcript(bench: &Bench, json: bool) -> String {
    bench.write("estate.csv", ESTATE);
    bench.write("shared.pem", SHARED);
    let mut transcript = String::new();
    for line in SCRIPT {
        let mut arguments: Vec<&str> = line.split(' ').collect();
        if json {
            arguments.insert(0, "--json");
        }
        let output = bench.run(&arguments);
        let code = output.status.code().unwrap();
        let printed = bench.normalized(&(text(&output.stdout) + &text(&output.stderr)));
        transcript += &format!("$ truecell {}\n{printed}[{code}]\n\n", arguments.join(" "));
    }
    transcript
}

/// Without what differs by nature: records that openings and checkpoints add, and numbers of records.
fn comparable(transcript: &str) -> String {
    let differs = [
        "ledger.opened",
        "ledger.committed",
        "journal.checkpoint",
        "gateway.node_",
        "gateway.configuration_applied",
        "good: records",
        "\"last\":",
        "\"proven\":",
        "unproven",
    ];
    let lines = transcript.lines().filter(|line| !differs.iter().any(|part| line.contains(part)));
    lines.map(|line| without_record(&without_number(line)) + "\n").collect()
}

/// Without the number of a record that is evidence, and the width of its column.
fn without_record(line: &str) -> String {
    let words = line.split(' ').filter(|word| !word.is_empty());
    let words = words.map(|word| match word.find("segw-1/") {
        Some(at) => &word[..at + "segw-1/".len()],
        None => word,
    });
    words.collect::<Vec<_>>().join(" ")
}

fn without_number(line: &str) -> String {
    match line.strip_prefix("{\"seq\":\"") {
        Some(rest) => rest.trim_start_matches(|c: char| c.is_ascii_digit()).to_owned(),
        None if line.starts_with("  ") && line.contains("<time") => {
            line.trim_start_matches(|c: char| c.is_ascii_digit() || c == ' ').to_owned()
        }
        None => line.to_owned(),
    }
}

#[test]
fn every_command_answers_as_its_golden_file_says_in_process() {
    golden("commands.txt", &transcript(&Bench::new(), false));
    golden("commands.json.txt", &transcript(&Bench::new(), true));
}

#[test]
fn every_command_answers_the_same_over_the_control_socket() {
    for json in [false, true] {
        let mut served = Bench::new();
        served.serve();
        let over_socket = transcript(&served, json);
        assert_eq!(served.stop(), 0);
        assert_eq!(comparable(&over_socket), comparable(&transcript(&Bench::new(), json)));
    }
}
