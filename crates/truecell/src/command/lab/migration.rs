use super::broken;
use crate::{
    cli::Cli,
    command::migrate::{line, text},
    failure::Failure,
    folder::Folder,
    output::{Output, count},
};
use clap::Args;
use lab::Migrated;
use ledger::MigrationReport;
use serde::Serialize;
use std::time::Instant;

/// An estate whose units all have one key, to a certificate for each, in waves
///
/// Registration authority, CA, ledger and journal are real, and so are the messages; the time of day is the scenario's own. One
/// unit of 100 never comes, in one wave one of 5 is not where the ledger has it, and somebody has copied the key. All
/// files are in a folder below --data DIR, else where temporary files go, which is removed at the end.
#[derive(Debug, Args)]
pub(crate) struct Migration {
    /// Units of the estate
    #[arg(long, default_value_t = 1000, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(200..=60_000))]
    units: u32,
}

/// What it came to, beside the report.
#[derive(Serialize)]
struct Conclusion<'a> {
    report: &'a MigrationReport,
    claims_by_the_copied_key: usize,
    certificates_that_it_got: usize,
    halts_that_a_person_ended: usize,
    incidents: &'a [String],
    findings_in_ledger: usize,
    canary_units_attached: usize,
    enrolling_s: f64,
    all_s: f64,
}

impl Migration {
    pub(super) fn run(&self, cli: &Cli, output: &Output) -> Result<(), Failure> {
        let dir = Folder::make(cli.data.as_deref(), "truecell-lab")
            .map_err(|error| Failure::folder("the lab has no folder", &error))?;
        let began = Instant::now();
        let mut said = Ok(());
        let migrated = lab::migrate(dir.path(), self.units, |report| {
            if said.is_ok() && !output.is_json() {
                said = output.text(&line(report));
            }
        });
        let migrated = migrated.map_err(|error| broken(&error))?;
        said?;
        let all = began.elapsed();
        let Migrated { report, incidents, claims, stolen, taken_on, enrolling, findings, attached } =
            &migrated;
        let conclusion = Conclusion {
            report,
            claims_by_the_copied_key: *claims,
            certificates_that_it_got: *stolen,
            halts_that_a_person_ended: *taken_on,
            incidents,
            findings_in_ledger: *findings,
            canary_units_attached: *attached,
            enrolling_s: enrolling.as_secs_f64(),
            all_s: all.as_secs_f64(),
        };
        output.answer(&conclusion, conclude)?;
        if *stolen == 0 && *findings == 0 { Ok(()) } else { Err(Failure::answered()) }
    }
}

fn conclude(conclusion: &Conclusion<'_>) -> String {
    format!(
        "\n{}\n{} by the copied key got {}. {} of the canary attached by what they were given.\n\
         incidents: {}\n{:.1} s, of them {:.1} s for enrolments.\n",
        text(conclusion.report),
        count(conclusion.claims_by_the_copied_key as u64, "claim"),
        count(conclusion.certificates_that_it_got as u64, "certificate"),
        count(conclusion.canary_units_attached as u64, "unit"),
        conclusion.incidents.join(", "),
        conclusion.all_s,
        conclusion.enrolling_s,
    )
}
