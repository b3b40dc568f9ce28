//! The page as one file: no script, nothing from elsewhere, readable in light and dark and without colour.

use super::{
    chart::{Chart, Mark, ROW, escaped},
    report::{Report, Taken},
    story::{Whose, moment},
    words::{after, number, span, won},
};
use ids::UnixTime;
use std::time::Duration;

const STYLE: &str = include_str!("page.css");

/// The page.
pub fn html(report: &Report) -> String {
    let [what, came, found] = report.summary().map(|sentence| escaped(&sentence));
    let title = "The case of the copied femtocell, replayed";
    let list = |items: &[String]| {
        let items: String = items.iter().map(|item| ["<li>", &escaped(item), "</li>\n"].concat()).collect();
        ["<ul>\n", &items, "</ul>\n"].concat()
    };
    [
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n<title>",
        title,
        "</title>\n<style>\n",
        STYLE,
        "</style>\n</head>\n<body>\n<main>\n<h1>",
        title,
        "</h1>\n<p class=\"note\">",
        &escaped(&source(report)),
        "</p>\n<p class=\"lead\">",
        &[what, came, found].join(" "),
        "</p>\n<section>\n<h2>What the attackers would have got</h2>\n",
        &taken(report),
        "</section>\n<section>\n<h2>What was noticed when</h2>\n",
        &noticed(report),
        "</section>\n<section>\n<h2>Subscribers exposed over time</h2>\n",
        &exposed(report),
        "</section>\n<section>\n<h2>Each cell: used, found, paid through</h2>\n",
        &cells(report),
        "</section>\n",
        &refused(report),
        "<section>\n<h2>What the detectors said of others</h2>\n",
        &others(report),
        "</section>\n<section>\n<h2>What nobody could have known</h2>\n",
        &list(&report.unknowable()),
        "</section>\n<section>\n<h2>What is simulated, and what is assumed</h2>\n",
        &list(&report.assumed()),
        "</section>\n</main>\n</body>\n</html>\n",
    ]
    .concat()
}

fn source(report: &Report) -> String {
    format!(
        "A simulation by Truecell: {} femtocells, {} days, seed {}; {} rows, digest {}.",
        number(report.units.into()),
        report.days,
        report.seed,
        number(report.as_it_was.counts.rows),
        report.as_it_was.digest
    )
}

/// A table; the first cell of each row is its heading.
fn table(caption: &str, heads: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let heads: String =
        heads.iter().map(|head| ["<th scope=\"col\">", &escaped(head), "</th>"].concat()).collect();
    let mut body = String::new();
    for row in rows {
        body.push_str("<tr>");
        for (at, cell) in row.iter().enumerate() {
            let (opens, closes) = if at == 0 { ("<th scope=\"row\">", "</th>") } else { ("<td>", "</td>") };
            body.push_str(&[opens, &escaped(cell), closes].concat());
        }
        body.push_str("</tr>\n");
    }
    [
        "<div class=\"wide\"><table>\n<caption>",
        &escaped(caption),
        "</caption>\n<thead><tr>",
        &heads,
        "</tr></thead>\n<tbody>\n",
        &body,
        "</tbody>\n</table></div>\n",
    ]
    .concat()
}

fn taken(report: &Report) -> String {
    let of = |name: &str, taken: &Taken| {
        let Taken { cells: _, exposed, unrecorded: _, codes, victims, payments, amount_krw } = taken;
        let [exposed, codes, victims, payments] = [exposed, codes, victims, payments].map(|of| number(*of));
        vec![name.to_owned(), exposed, codes, victims, payments, won(*amount_krw)]
    };
    let mut rows = vec![of("As it was: every tunnel, and nobody reads findings", &report.as_it_was.taken)];
    rows.extend(report.findings_alone.iter().rev().map(|stopped| {
        let name = format!("The same, and each box is cut {} h after its cells were found", stopped.after_h);
        let [exposed, codes, payments] = [stopped.exposed, stopped.codes, stopped.payments].map(number);
        vec![name, exposed, codes, "\u{2013}".into(), payments, won(stopped.amount_minor)]
    }));
    rows.extend(
        report.ours.as_ref().map(|ours| of("Ours: a tunnel only by the rules of admission", &ours.taken)),
    );
    rows.push(vec![
        "Published, of the whole estate".into(),
        number(report.published.exposed),
        "\u{2013}".into(),
        number(report.published.victims),
        number(report.published.payments),
        won(report.published.amount_krw),
    ]);
    let heads = ["", "Subscribers exposed", "Codes read", "Victims", "Payments", "Amount"];
    table("What the gang gets, by what the carrier does", &heads, rows)
}

/// From the first to the last time of the replay.
fn ends(report: &Report) -> (UnixTime, UnixTime) {
    let from = report.as_it_was.points.first().map_or(UnixTime::default(), |point| point.at);
    (from, from.after(Duration::from_secs(86_400 * u64::from(report.days))))
}

fn noticed(report: &Report) -> String {
    let (from, to) = ends(report);
    let found: Vec<_> = report.as_it_was.detectors.iter().filter(|found| found.first.is_some()).collect();
    let about = "One row for each detector that found the gang, with its first finding; above them the dates that were published and the \
                 nights of the gang; last, our rules. A line goes on from where it began to be known. The table below has the same.";
    let height = ROW * (found.len() as u32 + 3);
    let mut chart = Chart::new("noticed", "What was noticed when", about, from, to, height);
    chart.name(0, "published");
    chart.name(1, "the gang is out");
    for entry in report.timeline.iter().filter(|entry| entry.whose == Whose::Then) {
        entry.at.into_iter().for_each(|at| chart.mark(0, at, Mark::Diamond, "then"));
    }
    let nights = report.as_it_was.points.windows(2).filter_map(|two| match two {
        [before, after] if after.exposed > before.exposed => Some(after.at),
        _ => None,
    });
    nights.for_each(|at| chart.mark(1, at, Mark::Tick, "gang"));
    for (row, found) in found.iter().enumerate() {
        chart.name(row + 2, found.id);
        let Some(first) = &found.first else { continue };
        chart.span(row + 2, first.at, to, "after");
        chart.mark(row + 2, first.at, Mark::Dot, "found");
        chart.beside(row + 2, &moment(first.at));
    }
    let row = found.len() + 2;
    chart.name(row, "ours refuses");
    if let Some(first) = report.ours.as_ref().and_then(|ours| ours.attempts.first) {
        chart.span(row, first, to, "after");
        chart.mark(row, first, Mark::Dot, "ours");
        chart.beside(row, &moment(first));
    }
    let noticed = report.timeline.iter().find(|entry| entry.when.starts_with("8 September"));
    noticed.and_then(|entry| entry.at).into_iter().for_each(|at| chart.moment(at, "the carrier notices"));
    let rows = report
        .timeline
        .iter()
        .map(|entry| vec![entry.when.clone(), entry.whose.as_str().to_owned(), entry.what.clone()]);
    let caption = "Then: published of the case. Replay: what the simulated gang did. Found: by Truecell's detectors in the replay, where nobody \
                   takes notice. Ours: by the rules of admission.";
    [chart.done(), table(caption, &["When", "Whose", "What"], rows)].concat()
}

fn exposed(report: &Report) -> String {
    let (from, to) = ends(report);
    let most = report.as_it_was.taken.exposed.max(1);
    let about = format!(
        "As it was, the number of subscribers who were at a cell of the gang grows to {}; ours stays at {}.",
        number(most),
        number(report.ours.as_ref().map_or(0, |ours| ours.taken.exposed))
    );
    let mut chart = Chart::new("exposed", "Subscribers exposed over time", &about, from, to, 260);
    for part in 0..=4 {
        chart.level(most * part / 4, most, &number(most * part / 4));
    }
    let steps = |points: &[super::Point]| -> Vec<_> {
        points.iter().map(|point| (point.at, point.exposed)).collect()
    };
    chart.steps(&steps(&report.as_it_was.points), most, "line gang", "as it was");
    if let Some(ours) = &report.ours {
        chart.steps(&steps(&ours.points), most, "line ours", "ours");
    }
    if let Some(at) = report.cells.iter().filter_map(|cell| cell.first_payment).min() {
        chart.moment(at, "first payment");
    }
    [chart.done(), months(report, from)].concat()
}

/// The same as numbers, each 30 days.
fn months(report: &Report, from: UnixTime) -> String {
    let had = |points: &[super::Point], at: UnixTime| {
        points.iter().take_while(|point| point.at <= at).last().map_or(0, |point| point.exposed)
    };
    let step = if report.days > 62 { 30 } else { 5 };
    let last = report.days.div_ceil(step);
    let rows = (1..=last).map(|part| {
        let at = from.after(Duration::from_secs(86_400 * u64::from((part * step).min(report.days))));
        let was = number(had(&report.as_it_was.points, at));
        let ours = report
            .ours
            .as_ref()
            .map_or_else(|| "not played".to_owned(), |ours| number(had(&ours.points, at)));
        vec![moment(at), was, ours]
    });
    table("Subscribers exposed until then", &["Until", "As it was", "Ours"], rows)
}

fn cells(report: &Report) -> String {
    let (from, to) = ends(report);
    let about = "A row for each cell of the gang: a line from its first handset on, a dot where the first finding names it, and a diamond where \
                 somebody first paid by a code that was read there.";
    let height = ROW * report.cells.len() as u32;
    let mut chart = Chart::new("cells", "Each cell: used, found, paid through", about, from, to, height);
    for (row, cell) in report.cells.iter().enumerate() {
        chart.name(row, &cell.cell.to_string());
        cell.first_used.into_iter().for_each(|at| chart.span(row, at, to, "after"));
        cell.first_payment.into_iter().for_each(|at| chart.mark(row, at, Mark::Diamond, "gang"));
        cell.found.into_iter().for_each(|at| chart.mark(row, at, Mark::Dot, "found"));
        let found = cell
            .found_after_s
            .map_or_else(|| "not found".to_owned(), |secs| ["found ", &after(secs)].concat());
        chart.beside(row, &found);
    }
    let time = |at: Option<UnixTime>| at.map_or_else(|| "\u{2013}".to_owned(), moment);
    let rows = report.cells.iter().map(|cell| {
        let before = cell.found_before_payment_s.map_or_else(|| "\u{2013}".to_owned(), span);
        let by: Vec<_> = cell.detectors.iter().map(|(detector, _)| *detector).collect();
        vec![
            cell.cell.to_string(),
            cell.actor.clone(),
            time(cell.first_used),
            time(cell.found),
            by.join(", "),
            time(cell.first_payment),
            before,
        ]
    });
    let heads =
        ["Cell", "Box", "First handset", "First finding", "Named by", "First payment", "Found before it"];
    let caption = if report.all_found_before_payment {
        "Every cell was found, and before the first payment through it."
    } else {
        "NOT every cell was found before the first payment through it."
    };
    [chart.done(), table(caption, &heads, rows)].concat()
}

fn refused(report: &Report) -> String {
    let Some(ours) = &report.ours else { return String::new() };
    let rows = ours
        .attempts
        .layers
        .iter()
        .map(|layer| vec![layer.reason.to_owned(), layer.text.clone(), number(layer.attempts)]);
    let caption = format!(
        "{} of {} attempts are refused. The first rule speaks; each further one would have, had those above it not been there.",
        number(ours.attempts.refused),
        number(ours.attempts.asked)
    );
    [
        "<section>\n<h2>What would have been stopped</h2>\n",
        &table(&caption, &["Reason", "In words", "Attempts"], rows),
        "</section>\n",
    ]
    .concat()
}

fn others(report: &Report) -> String {
    let rows = report.as_it_was.detectors.iter().map(|found| {
        vec![
            found.id.to_owned(),
            number(found.findings),
            number(found.others),
            number(found.others_accused as u64),
            number(found.others_accused_surely as u64),
        ]
    });
    let heads =
        ["Detector", "About the gang", "About others", "Others", "Others, with confidence of 70 or more"];
    let caption = "Findings as it was. Of others some are what they say: a unit that moved without an order, one that was lost and is on \
                   again, a feed with a gap.";
    table(caption, &heads, rows)
}
