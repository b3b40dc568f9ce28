use crate::{
    command::tampered,
    control::Control,
    failure::Failure,
    output::{Output, facts, seconds},
    progress::bar,
    table::Table,
};
use api::{
    ledger_check::Finding,
    legacy::{GroupPage, GroupView},
    migration::MigrationPage,
};
use clap::Args;
use ids::{Label, UnixTime};
use ledger::{Counts, Migration, MigrationReport, MigrationState, UnitReport, WaveReport};
use serde::Serialize;

#[derive(Debug, Args)]
pub(crate) struct Status {
    /// The migration's name
    name: Option<Label>,
}

/// All there is.
#[derive(Serialize)]
struct Overview {
    groups: Vec<GroupView>,
    migrations: Vec<Migration>,
    tampered: Vec<Finding>,
}

/// Units that have failed and are listed; `--json` has more.
const NAMED: usize = 20;

impl Status {
    pub(super) async fn run(&self, control: &mut Control, output: &Output) -> Result<(), Failure> {
        if let Some(name) = &self.name {
            let report: MigrationReport = control.client().get(&super::path(name, "")).await?;
            return output.answer(&report, text);
        }
        let groups: GroupPage = control.client().get("/v1/legacy-groups").await?;
        let migrations: MigrationPage = control.client().get("/v1/migrations").await?;
        let tampered = groups.tampered.into_iter().chain(migrations.tampered).collect();
        let overview = Overview { groups: groups.groups, migrations: migrations.migrations, tampered };
        output.answer(&overview, all)?;
        tampered::conclude(&overview.tampered, output)
    }
}

fn all(overview: &Overview) -> String {
    let mut groups = Table::new(&["GROUP", "IN FORCE", "UNTIL", "USED BY", "MISUSED FOR", "KEY"]);
    for GroupView { in_force, used_by, misused_for, group } in &overview.groups {
        groups.row([
            group.name.to_string(),
            if *in_force { "yes" } else { "no" }.to_owned(),
            seconds(group.until),
            used_by.to_string(),
            misused_for.to_string(),
            group.spki_sha256.to_string(),
        ]);
    }
    let mut migrations = Table::new(&["MIGRATION", "STATE", "GROUP", "UNITS", "WAVE", "SINCE"]);
    for migration in &overview.migrations {
        let Migration { name, state, group, units, wave, waves, last, .. } = migration;
        migrations.row([
            name.to_string(),
            state.to_string(),
            group.to_string(),
            units.to_string(),
            format!("{wave} of {waves}"),
            seconds(last.at),
        ]);
    }
    format!("{groups}\n{migrations}{}", tampered::below(&overview.tampered))
}

/// How far it is, in a line.
pub(in crate::command) fn line(report: &MigrationReport) -> String {
    let MigrationReport { migration, counts, .. } = report;
    let (done, all) = (counts.enrolled as usize, counts.units as usize);
    let wave = wave(migration.wave.into());
    format!("{} {}  wave {wave}, {} failed", bar(done, all), migration.state, counts.failed())
}

/// What a regulator reads.
pub(in crate::command) fn text(report: &MigrationReport) -> String {
    let MigrationReport { migration, group, counts, waves, reasons, failed, projected_end } = report;
    let Migration { name, state, by, approver, why, since, last, halt, .. } = migration;
    let Counts { units, enrolled, .. } = counts;
    let mut text = format!(
        "{name} is {state}.\n\
         {enrolled} of {units} units ({}) have a certificate of their own; {} ({}) have only the key of legacy group {}.\n\
         {}\n\n",
        share(*enrolled, *units),
        counts.legacy(),
        share(counts.legacy(), *units),
        group.name,
        bar(*enrolled as usize, *units as usize),
    );
    let end = projected_end.map(|end| {
        let late =
            if end > group.until { ", after the group's end: name another with `migrate group`" } else { "" };
        format!("about {}{late}", seconds(end))
    });
    let mut pairs = vec![
        ("planned", format!("{} by {by}, agreed by {approver}: {why}", seconds(*since))),
        ("state", format!("{state} since {} by {}: {}", seconds(last.at), last.by, last.why)),
        ("group", format!("{}, whose key ends {}", group.name, seconds(group.until))),
        ("window", hours(migration.window_s)),
        ("halts", format!("above {} of a wave, from {} on", percent(halt.above_permille), halt.at_least)),
    ];
    pairs.extend(end.map(|end| ("projected end", end)));
    text += &facts(&pairs);
    text += &format!("\n{}", table(waves));
    if !reasons.is_empty() {
        text += "\nUnits that had their turn and have none, by reason:\n";
        reasons.iter().for_each(|(why, many)| text += &format!("{many:>8}  {why}\n"));
        text += &format!("\n{}", named(failed));
    }
    if *state == MigrationState::Halted {
        text += "\nNothing opens until `truecell migrate run`; `truecell migrate rollback` closes what is open.\n";
    }
    text
}

fn table(waves: &[WaveReport]) -> Table {
    let head = [
        "WAVE",
        "STATE",
        "OPENED",
        "CLOSED",
        "UNITS",
        "ENROLLED",
        "OPEN",
        "REFUSED",
        "HELD",
        "MISSED",
        "BARRED",
        "WITHDRAWN",
    ];
    let mut table = Table::new(&head);
    for WaveReport { number, state, opened_at, closed_at, counts } in waves {
        let time = |at: &Option<UnixTime>| at.map_or("-".to_owned(), seconds);
        let Counts { units, waiting: _, open, enrolled, refused, held, missed, barred, withdrawn } = counts;
        let numbers = [units, enrolled, open, refused, held, missed, barred, withdrawn];
        let first = [wave((*number).into()), state.as_str().to_owned(), time(opened_at), time(closed_at)];
        table.row(first.into_iter().chain(numbers.map(ToString::to_string)));
    }
    table
}

fn named(failed: &[UnitReport]) -> String {
    let mut table = Table::new(&["DEVICE", "WAVE", "STATE", "WHY"]);
    for UnitReport { device, wave: number, state, why } in failed.iter().take(NAMED) {
        table.row([device.to_string(), wave((*number).into()), state.as_str().to_owned(), why.clone()]);
    }
    let more = if failed.len() > NAMED { "and more: --json has up to 1,000\n" } else { "" };
    table.to_string() + more
}

pub(super) fn wave(number: u64) -> String {
    if number == 0 { "canary".to_owned() } else { number.to_string() }
}

pub(super) fn hours(seconds: u64) -> String {
    format!("{} h for each wave", seconds / 3600)
}

pub(super) fn percent(permille: u32) -> String {
    match permille % 10 {
        0 => format!("{} %", permille / 10),
        tenth => format!("{}.{tenth} %", permille / 10),
    }
}

fn share(part: u32, whole: u32) -> String {
    percent(u32::try_from(u64::from(part) * 1000 / u64::from(whole.max(1))).unwrap_or(u32::MAX))
}
