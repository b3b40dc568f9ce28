//! Completions and manual pages.

use crate::bench::Bench;
use std::{fs, process::Command};

#[test]
fn completions_know_the_commands_and_bash_reads_them() {
    let bench = Bench::bare();
    for shell in ["bash", "zsh", "fish"] {
        let script = bench.good(&["completions", shell]);
        for command in ["serve", "import", "retire", "tail"] {
            assert!(script.contains(command), "{shell}: {command}");
        }
        assert_eq!(bench.json(&["completions", shell])["script"], script.as_str());
        bench.write(shell, &script);
    }
    assert!(Command::new("bash").arg("-n").arg(bench.path("bash")).status().unwrap().success());
}

#[test]
fn every_command_has_a_manual_page() {
    let bench = Bench::bare();
    let answer = bench.json(&["man", "pages"]);
    let pages: Vec<_> =
        answer["pages"].as_array().unwrap().iter().map(|page| page.as_str().unwrap()).collect();
    for page in ["truecell.1", "truecell-serve.1", "truecell-device-import.1", "truecell-event-verify.1"] {
        assert!(pages.contains(&page), "{pages:?}");
    }
    let page = fs::read_to_string(bench.path("pages/truecell-device-import.1")).unwrap();
    let head = format!(".TH truecell-device-import 1  \"truecell {}\" Truecell", env!("CARGO_PKG_VERSION"));
    assert!(page.contains(&head), "{page}");
    assert!(page.contains(".SH SYNOPSIS\ntruecell device import [OPTIONS] <FILE>\n"), "{page}");
}

#[test]
fn help_names_every_command_and_says_the_exit_codes() {
    let bench = Bench::bare();
    crate::bench::golden("help.txt", &bench.good(&["--help"]));
}
