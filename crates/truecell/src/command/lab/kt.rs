use crate::{
    failure::{Failure, Problem},
    output::Output,
    progress::Progress,
    table::Table,
};
use clap::Args;
use lab::kt::{
    Noted, Policies, Report, Size, WHOLE_D, html, play,
    words::{after, number, span, won},
};
use std::{
    fmt::Write as _,
    fs,
    path::PathBuf,
    sync::atomic::{AtomicU32, Ordering::Relaxed},
    thread,
};

/// The case of 2024 and 2025 replayed: what was noticed when, what would have been stopped, what the attackers would have got
///
/// A carrier's femtocells and subscribers live 13 months, row by row and drawn from the seed, and a gang has the certificate of a lost unit
/// (docs/case.md). It is played twice, as the carrier was and with Truecell's rules of admission, and judged by the same detectors.
/// Nothing is sent anywhere. Two minutes on two cores by default.
#[derive(Debug, Args)]
pub(crate) struct Kt {
    /// 200,000 femtocells, as many as that carrier had: up to two hours
    #[arg(long, conflicts_with = "units")]
    full: bool,

    /// The carrier as it was, alone
    #[arg(long)]
    as_was: bool,

    /// Femtocells; what the gang does is scaled with them
    #[arg(long, value_name = "COUNT", default_value_t = 20_000, value_parser = clap::value_parser!(u32).range(100..=1_000_000))]
    units: u32,

    /// Days; fewer than the 402 of the case compress its calendar
    #[arg(long, value_name = "DAYS", default_value_t = WHOLE_D, value_parser = clap::value_parser!(u32).range(20..=i64::from(WHOLE_D)))]
    days: u32,

    /// Seed of the draws
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    seed: u64,

    /// Write the page there as well, with charts: one file that needs nothing else
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
}

const FULL: u32 = 200_000;

impl Kt {
    pub(super) fn run(&self, output: &Output) -> Result<(), Failure> {
        let units = if self.full { FULL } else { self.units };
        let size = Size { units, days: self.days, seed: self.seed };
        let (was, ours) = self.play(&size)?;
        let report = Report::new(&size, &was, ours.as_ref());
        if let Some(file) = &self.html {
            fs::write(file, html(&report)).map_err(|error| {
                let problem = Problem::new("page", format!("{} cannot be written", file.display()));
                Failure::Usage(problem.because(error).next("name a file in a folder that can be written"))
            })?;
        }
        output.answer(&report, text)
    }

    /// Both worlds, each on a thread of its own.
    fn play(&self, size: &Size) -> Result<(Noted, Option<Noted>), Failure> {
        let worlds = if self.as_was { 1 } else { 2 };
        let bar = Progress::new((worlds * self.days) as usize);
        let done = [AtomicU32::new(0), AtomicU32::new(0)];
        let on = |progress: lab::kt::Progress| {
            let [was, ours] = &done;
            let of = if progress.policies == Policies::AsItWas { was } else { ours };
            if of.swap(progress.days, Relaxed) != progress.days {
                bar.at((was.load(Relaxed) + ours.load(Relaxed)) as usize);
            }
        };
        thread::scope(|scope| {
            let ours = (!self.as_was).then(|| scope.spawn(|| play(size, Policies::Ours, &on)));
            let was = play(size, Policies::AsItWas, &on).map_err(|error| bad(&error))?;
            let ours = ours.map(|ours| match ours.join() {
                Ok(ours) => ours.map_err(|error| bad(&error)),
                Err(panic) => std::panic::resume_unwind(panic),
            });
            Ok((was, ours.transpose()?))
        })
    }
}

fn bad(why: &impl std::fmt::Display) -> Failure {
    let problem = Problem::new("replay", "the case cannot be played in that size").because(why);
    Failure::Usage(problem.next("give other --units or --days"))
}

fn text(report: &Report) -> String {
    let mut text = String::new();
    // Writing to a String does not fail.
    let _ = write(report, &mut text);
    text
}

fn write(report: &Report, text: &mut String) -> std::fmt::Result {
    writeln!(
        text,
        "The case of the copied femtocell, replayed: {} femtocells, {} days, seed {}. Simulated.\n",
        number(report.units.into()),
        report.days,
        report.seed
    )?;
    for sentence in report.summary() {
        writeln!(text, "{}", wrapped(&sentence, ""))?;
    }
    writeln!(text, "\nWHAT THE ATTACKERS WOULD HAVE GOT\n{}", taken(report))?;
    writeln!(text, "WHAT WAS NOTICED WHEN\n{}", timeline(report))?;
    writeln!(text, "EACH CELL\n{}", cells(report))?;
    writeln!(
        text,
        "{}\n",
        if report.all_found_before_payment {
            "Every cell was found, and before the first payment through it."
        } else {
            "NOT every cell was found before the first payment through it."
        }
    )?;
    if let Some(ours) = &report.ours {
        let mut table = Table::new(&["REASON", "ATTEMPTS", "IN WORDS"]);
        for layer in &ours.attempts.layers {
            table.row([layer.reason.to_owned(), number(layer.attempts), layer.text.clone()]);
        }
        writeln!(
            text,
            "WHAT WOULD HAVE BEEN STOPPED\n{} of {} attempts. The first rule speaks; each further one would have, without those above it.\n{table}",
            number(ours.attempts.refused),
            number(ours.attempts.asked)
        )?;
    }
    writeln!(text, "WHAT THE DETECTORS SAID\n{}", detectors(report))?;
    writeln!(text, "WHAT NOBODY COULD HAVE KNOWN\n{}", list(&report.unknowable()))?;
    writeln!(text, "WHAT IS SIMULATED, AND WHAT IS ASSUMED\n{}", list(&report.assumed()))?;
    let world = |name: &str, of: &lab::kt::WorldReport| {
        format!(
            "{name}: {} rows, {} too late, digest {}\n",
            number(of.counts.rows),
            number(of.late),
            of.digest
        )
    };
    text.push_str(&world("as it was", &report.as_it_was));
    text.push_str(&report.ours.as_ref().map_or_else(String::new, |ours| world("ours", ours)));
    Ok(())
}

fn taken(report: &Report) -> String {
    let mut table = Table::new(&["", "EXPOSED", "CODES READ", "VICTIMS", "PAYMENTS", "AMOUNT"]);
    let mut row = |name: String, counts: [Option<u64>; 4], amount: i64| {
        let [exposed, codes, victims, payments] =
            counts.map(|count| count.map_or_else(|| "-".to_owned(), number));
        table.row([name, exposed, codes, victims, payments, won(amount)]);
    };
    let world = |of: &lab::kt::WorldReport| {
        [of.taken.exposed, of.taken.codes, of.taken.victims, of.taken.payments].map(Some)
    };
    row("as it was".into(), world(&report.as_it_was), report.as_it_was.taken.amount_krw);
    for stopped in report.findings_alone.iter().rev() {
        let counts = [Some(stopped.exposed), Some(stopped.codes), None, Some(stopped.payments)];
        row(format!("boxes cut {} h after found", stopped.after_h), counts, stopped.amount_minor);
    }
    if let Some(ours) = &report.ours {
        row("ours".into(), world(ours), ours.taken.amount_krw);
    }
    let published = &report.published;
    let counts = [Some(published.exposed), None, Some(published.victims), Some(published.payments)];
    row("published, whole estate".into(), counts, published.amount_krw);
    table.to_string()
}

fn timeline(report: &Report) -> String {
    let mut table = Table::new(&["WHEN", "WHOSE", "WHAT"]);
    for entry in &report.timeline {
        table.row([entry.when.clone(), entry.whose.as_str().to_owned(), entry.what.clone()]);
    }
    table.to_string()
}

fn cells(report: &Report) -> String {
    let mut table = Table::new(&["CELL", "FIRST HANDSET", "FOUND", "BY", "PAID", "FOUND BEFORE IT"]);
    for cell in &report.cells {
        let time = |at: Option<ids::UnixTime>| {
            at.map_or_else(
                || "-".to_owned(),
                |at| crate::output::seconds(at).replace('T', " ").replace('Z', ""),
            )
        };
        let for_people = |secs: Option<u64>| secs.map_or_else(|| "-".to_owned(), span);
        table.row([
            cell.cell.to_string(),
            time(cell.first_used),
            cell.found_after_s.map_or_else(|| "-".to_owned(), after),
            cell.found_by.unwrap_or("-").to_owned(),
            time(cell.first_payment),
            for_people(cell.found_before_payment_s),
        ]);
    }
    table.to_string()
}

fn detectors(report: &Report) -> String {
    let mut table = Table::new(&["DETECTOR", "ABOUT THE GANG", "ABOUT OTHERS", "OTHERS", "SURE OF"]);
    for found in &report.as_it_was.detectors {
        table.row([
            found.id.to_owned(),
            number(found.findings),
            number(found.others),
            number(found.others_accused as u64),
            number(found.others_accused_surely as u64),
        ]);
    }
    table.to_string()
}

fn list(items: &[String]) -> String {
    items.iter().map(|item| ["- ", &wrapped(item, "  "), "\n"].concat()).collect()
}

/// Lines of at most 100 letters; those after the first begin with `indent`.
fn wrapped(text: &str, indent: &str) -> String {
    let (mut lines, mut length) = (String::new(), 0);
    for word in text.split_whitespace() {
        let letters = word.chars().count();
        if length > 0 && length + 1 + letters > 100 {
            lines.push('\n');
            lines.push_str(indent);
            length = 0;
        } else if length > 0 {
            lines.push(' ');
            length += 1;
        }
        lines.push_str(word);
        length += letters;
    }
    lines
}
