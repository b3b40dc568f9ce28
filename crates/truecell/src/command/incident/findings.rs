//! An incident about findings, for people: what they have in common, and each with the rows that show it.

use crate::{output::seconds, table::printable};
use api::incident::IncidentView;
use ledger::detection::{Detected, Detection, Misuse};
use std::fmt::{Display, Write as _};

/// What they have in common.
pub(super) fn facts(misuse: &Misuse) -> Vec<(&'static str, String)> {
    let detectors = misuse.detectors.iter().map(|(detector, findings)| format!("{detector} {findings}"));
    let more = if misuse.more { ", and more" } else { "" };
    let partial = match misuse.partial {
        0 => "no".to_owned(),
        some => format!("{some} of {} findings", misuse.findings()),
    };
    vec![
        ("severity", misuse.severity.to_string()),
        ("confidence", misuse.confidence.to_string()),
        ("from", seconds(misuse.first_at)),
        ("to", seconds(misuse.last_at)),
        ("findings", detectors.collect::<Vec<_>>().join(", ")),
        ("cells", listed(&misuse.cells) + more),
        ("lines", listed(&misuse.lines)),
        ("handsets", format!("{} at least", misuse.handsets)),
        ("partial", partial),
        ("parts", listed(&misuse.parts)),
    ]
}

/// Each finding, with the rows that show it and the honest causes that are not ruled out.
pub(super) fn list(view: &IncidentView) -> String {
    let mut text: String = view.findings.iter().map(finding).collect();
    if view.more_findings {
        let (shown, number) = (view.findings.len(), view.incident.number);
        let _ = writeln!(text, "({shown} are shown: GET /v1/findings?incident={number} has all of them)");
    }
    text
}

fn finding(row: &Detection) -> String {
    let Detected {
        detector, version, at, what, cells, devices, handsets, evidence, confidence, benign, ..
    } = &row.found;
    let partial = if row.found.partial { ", partial" } else { "" };
    let mut text = format!("{} {detector} {version}: {}\n", seconds(*at), printable(what));
    let about = [("cells", listed(cells)), ("units", listed(devices))];
    for (name, value) in about.iter().filter(|(_, value)| !value.is_empty()) {
        let _ = writeln!(text, "  {name:<10} {value}");
    }
    let _ = writeln!(text, "  {:<10} {} at least", "handsets", handsets.count);
    let _ = writeln!(text, "  {:<10} {confidence}{partial}", "confidence");
    let rows = evidence.iter().map(|(feed, number)| format!("{feed} {number}")).collect::<Vec<_>>();
    let _ = writeln!(text, "  {:<10} {}", "rows", rows.join(", "));
    for cause in benign {
        let _ = writeln!(text, "  {:<10} {}", "benign", printable(cause));
    }
    text
}

/// What a person does next.
pub(super) fn next(number: u64, misuse: &Misuse) -> String {
    let (device, cell) = (misuse.devices.first(), misuse.cells.first());
    let look = device.map(|device| format!("`truecell device show {device}`"));
    let look = look.or_else(|| cell.map(|cell| format!("`truecell cell show {cell}`")));
    let look = look.map_or_else(String::new, |look| format!("{look}; then "));
    format!("next: {look}`truecell incident judge {number} --found benign|misuse --why TEXT`\n")
}

fn listed<T: Display>(all: impl IntoIterator<Item = T>) -> String {
    all.into_iter().map(|one| one.to_string()).collect::<Vec<_>>().join(" ")
}
