use crate::{
    control::Control,
    csv_rows::{Columns, CsvRows},
    failure::{Failure, Problem},
    output::{Output, count, facts},
    table::Table,
};
use api::{
    Reason,
    migration::{NewMigration, PlanMigration, PlanView},
};
use clap::Args;
use ids::{DeviceId, Label};
use ledger::{Chosen, HaltRule, LeftOut, RefusedRow};
use std::path::{Path, PathBuf};

#[derive(Debug, Args)]
pub(crate) struct Plan {
    /// What people call it: 1 to 32 lower-case letters, digits and hyphens
    name: Label,
    /// The legacy group of its units
    #[arg(long)]
    group: Label,
    #[command(flatten)]
    chosen: Units,
    /// How many go first, of every region
    #[arg(long, default_value_t = 50, value_name = "COUNT")]
    canary: u32,
    /// How many go at a time after that
    #[arg(long, default_value_t = 1000, value_name = "COUNT")]
    wave: u32,
    /// For how long a wave is open, in hours (`24h`) or days (`3d`)
    #[arg(long, default_value = "24h", value_name = "TIME", value_parser = window)]
    window: u64,
    /// Halt once more than this part of a wave has failed
    #[arg(long, default_value = "2%", value_name = "PERCENT", value_parser = permille)]
    halt_at: u32,
    /// But not for fewer failures than this
    #[arg(long, default_value_t = 2, value_name = "COUNT")]
    halt_from: u32,
    /// Only say how it would be
    #[arg(long)]
    check: bool,
    /// The reason, for the record
    #[arg(long)]
    why: Reason,
    /// Who else agreed: one of `approvers` in `[control]`, and not you
    #[arg(long, value_name = "NAME")]
    approver: Option<String>,
    /// A word of your own for this request: sent again with the same word, it is not done again
    #[arg(long, value_name = "WORD")]
    request_id: Option<String>,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct Units {
    /// CSV with a head line and the column `device`; `-` reads standard input
    #[arg(long, value_name = "FILE")]
    units: Option<PathBuf>,
    /// All units of a class
    #[arg(long)]
    class: Option<String>,
}

const COLUMNS: Columns = Columns { required: &["device"], others: &[] };
/// Units that can't go and are listed; `--json` has all.
const NAMED: usize = 50;

impl Plan {
    pub(super) async fn run(&self, control: &mut Control, output: &Output) -> Result<(), Failure> {
        let plan = NewMigration {
            name: self.name.clone(),
            group: self.group.clone(),
            chosen: self.chosen.read()?,
            canary: self.canary,
            wave: self.wave,
            window_s: self.window,
            halt: HaltRule { above_permille: self.halt_at, at_least: self.halt_from },
        };
        let request = PlanMigration {
            request_id: self.request_id.clone(),
            plan,
            check: self.check,
            why: self.why.clone(),
            approver: self.approver.clone(),
        };
        let view: PlanView = control.client().post("/v1/migrations", &request).await?;
        output.answer(&view, text)?;
        if view.left_out.is_empty() { Ok(()) } else { Err(Failure::answered()) }
    }
}

impl Units {
    fn read(&self) -> Result<Chosen, Failure> {
        match (&self.units, &self.class) {
            (Some(file), _) => read(file).map(Chosen::Units),
            (None, class) => Ok(Chosen::Class(class.clone().unwrap_or_default())),
        }
    }
}

/// None may be missing: a plan is for all of a list.
fn read(file: &Path) -> Result<Vec<DeviceId>, Failure> {
    let device = |row: &crate::csv_rows::CsvRow<'_>| {
        DeviceId::typed(&row.text("device")).map_err(|error| error.to_string())
    };
    let CsvRows { rows, refused } = CsvRows::read(file, &COLUMNS, device)?;
    match refused.first() {
        None => Ok(rows.into_iter().map(|(_, device)| device).collect()),
        Some(RefusedRow { line, why, .. }) => {
            let what = format!("{}, line {line}: {why}", file.display());
            Err(Failure::Usage(Problem::new("invalid", what).next("correct the line; nothing was planned")))
        }
    }
}

fn text(view: &PlanView) -> String {
    let PlanView { planned, migration, waves, left_out } = view;
    let halt = &migration.halt;
    let mut text = facts(&[
        ("migration", format!("{}, {}", migration.name, if *planned { "planned" } else { "only looked at" })),
        ("group", migration.group.to_string()),
        ("units", format!("{} in {}", migration.units, count(waves.len() as u64, "wave"))),
        ("window", super::status::hours(migration.window_s)),
        (
            "halts",
            format!(
                "above {} of a wave, from {} on",
                super::status::percent(halt.above_permille),
                halt.at_least
            ),
        ),
        ("opened", "nothing yet: `truecell migrate run` does".to_owned()),
    ]);
    let mut table = Table::new(&["WAVE", "UNITS", "FIRST"]);
    for (number, units) in waves.iter().enumerate() {
        let first = units.first().map(ToString::to_string).unwrap_or_default();
        table.row([super::status::wave(number as u64), units.len().to_string(), first]);
    }
    text += &format!("\n{table}");
    if !left_out.is_empty() {
        text += &format!("\n{} can't go:\n{}", count(left_out.len() as u64, "unit"), out(left_out));
    }
    text
}

fn out(left_out: &[LeftOut]) -> String {
    let mut table = Table::new(&["DEVICE", "WHY"]);
    for LeftOut { device, why } in left_out.iter().take(NAMED) {
        table.row([device.to_string(), why.clone()]);
    }
    let more = left_out.len().saturating_sub(NAMED);
    let more = if more == 0 { String::new() } else { format!("and {more} more: --json has them\n") };
    table.to_string() + &more
}

/// `24h` or `3d`, in seconds.
fn window(text: &str) -> Result<u64, String> {
    let wrong = || "write it as in `24h` or `3d`".to_owned();
    let (number, each) = match text.strip_suffix('h') {
        Some(hours) => (hours, 3600),
        None => (text.strip_suffix('d').ok_or_else(wrong)?, 24 * 3600),
    };
    number.parse::<u64>().ok().and_then(|number| number.checked_mul(each)).ok_or_else(wrong)
}

/// `2%` or `0.5%`, in thousandths.
fn permille(text: &str) -> Result<u32, String> {
    let number = text.strip_suffix('%').and_then(|number| number.parse::<f64>().ok());
    let permille = number.map(|number| number * 10.0).filter(|permille| permille.fract() == 0.0);
    let fits = permille.filter(|permille| (0.0..1000.0).contains(permille));
    fits.map(|permille| permille as u32).ok_or_else(|| "write it as in `2%` or `0.5%`, below 100%".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_parts_are_written_with_their_unit() {
        assert_eq!([window("24h"), window("3d")], [Ok(86_400), Ok(259_200)]);
        assert!(["24", "h", "1m", "-1h", "99999999999999999999d"].iter().all(|bad| window(bad).is_err()));
        assert_eq!([permille("2%"), permille("0.5%"), permille("0%")], [Ok(20), Ok(5), Ok(0)]);
        assert!(["2", "%", "0.05%", "100%", "-1%", "NaN%"].iter().all(|bad| permille(bad).is_err()));
    }
}
