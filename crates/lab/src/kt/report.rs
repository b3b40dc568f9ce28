//! Both worlds beside each other: the document that all forms of the page are made from.

use super::{
    case::Size,
    door::Attempts,
    note::{Blamed, Noted, Point, Stopped},
    published,
    story::{Entry, story},
};
use crate::scenario::Counts;
use ids::{CellKey, Sha256, UnixTime};
use serde::Serialize;

/// What the replay came to.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Of all draws.
    pub seed: u64,
    /// Femtocells.
    pub units: u32,
    /// Days that were played.
    pub days: u32,
    /// The dates of the replay are not those of the case.
    pub is_compressed: bool,
    /// The size of the estate: of that which the published numbers belong to.
    pub scale: f64,
    /// What was published, and the same in this size.
    pub published: Published,
    /// Rows that were made, and that were not.
    pub rows: Rows,
    /// The carrier as it was.
    pub as_it_was: WorldReport,
    /// The carrier that admits units as Truecell does; none if that was not played.
    pub ours: Option<WorldReport>,
    /// What the gang would have had as it was, had somebody acted on findings.
    pub findings_alone: Vec<Stopped>,
    /// Cells of the gang, in the order of their use.
    pub cells: Vec<CellReport>,
    /// Each cell was found before the first payment through it.
    pub all_found_before_payment: bool,
    /// What was noticed when.
    pub timeline: Vec<Entry>,
}

/// What was published of the case.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Published {
    /// Cells.
    pub cells: u32,
    /// Subscribers exposed.
    pub exposed: u64,
    /// Subscribers on whose bills somebody paid.
    pub victims: u64,
    /// How often.
    pub payments: u64,
    /// For how much, KRW.
    pub amount_krw: i64,
    /// Exposed, in this size.
    pub exposed_scaled: u64,
    /// Victims, in this size.
    pub victims_scaled: u64,
    /// Payments, in this size.
    pub payments_scaled: u64,
}

/// Rows.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Rows {
    /// Access records that the carrier looked through.
    pub published: u64,
    /// Access records that were not made.
    pub not_made: u64,
    /// Access records of femtocells that were made, for each femtocell and day.
    pub femtocell_per_unit_day: f64,
}

/// One world.
#[derive(Clone, Debug, Serialize)]
pub struct WorldReport {
    /// What the gang got.
    pub taken: Taken,
    /// Tunnels that its boxes asked for, where somebody judged.
    pub attempts: Attempts,
    /// What each detector found.
    pub detectors: Vec<DetectorReport>,
    /// What the gang had by when: one point where something changed, at most one for each hour.
    pub points: Vec<Point>,
    /// What was played.
    pub counts: Counts,
    /// Rows that came too late to be judged.
    pub late: u64,
    /// Seconds judged before their time.
    pub pressed: u64,
    /// Of all rows.
    pub digest: Sha256,
}

/// What the gang got.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Taken {
    /// Cells that handsets came to.
    pub cells: usize,
    /// Subscribers who did.
    pub exposed: u64,
    /// Of them, those of whom no access record there arrived.
    pub unrecorded: u64,
    /// Codes that came there unasked, to be read.
    pub codes: u64,
    /// Subscribers on whose bills somebody paid.
    pub victims: u64,
    /// How often.
    pub payments: u64,
    /// For how much, KRW.
    pub amount_krw: i64,
}

/// What a detector found.
#[derive(Clone, Debug, Serialize)]
pub struct DetectorReport {
    /// Which.
    pub id: &'static str,
    /// The first finding about the gang.
    pub first: Option<Blamed>,
    /// How many about it.
    pub findings: u64,
    /// How many about anybody else.
    pub others: u64,
    /// About how many others.
    pub others_accused: usize,
    /// Of them, with a confidence of 70 or more.
    pub others_accused_surely: usize,
}

/// A cell of the gang.
#[derive(Clone, Debug, Serialize)]
pub struct CellReport {
    /// Which.
    pub cell: CellKey,
    /// The box that has it.
    pub actor: String,
    /// The first handset there.
    pub first_used: Option<UnixTime>,
    /// The first finding that names it.
    pub found: Option<UnixTime>,
    /// By which detector.
    pub found_by: Option<&'static str>,
    /// How long after the first handset, s.
    pub found_after_s: Option<u64>,
    /// The first code read there.
    pub first_code: Option<UnixTime>,
    /// The first payment through it.
    pub first_payment: Option<UnixTime>,
    /// How long before that it was found, s; none where it was not, or not before, or where nobody paid.
    pub found_before_payment_s: Option<u64>,
    /// Found, and before any payment through it.
    pub in_time: bool,
    /// The first finding of each detector that names it.
    pub detectors: Vec<(&'static str, UnixTime)>,
}

impl Report {
    /// Of one world or both.
    pub fn new(size: &Size, was: &Noted, ours: Option<&Noted>) -> Self {
        let as_it_was = WorldReport::of(was);
        let access = was.counts.femtocell + was.counts.macro_cell;
        let cells = cells(was);
        let ours = ours.map(WorldReport::of);
        Self {
            seed: size.seed,
            units: size.units,
            days: size.days,
            is_compressed: size.is_compressed(),
            scale: size.scale(),
            published: Published {
                cells: published::CELLS,
                exposed: published::EXPOSED,
                victims: published::VICTIMS,
                payments: published::PAYMENTS,
                amount_krw: published::AMOUNT,
                exposed_scaled: size.scaled_count(published::EXPOSED),
                victims_scaled: size.scaled_count(published::VICTIMS),
                payments_scaled: size.scaled_count(published::PAYMENTS),
            },
            rows: Rows {
                published: published::ACCESS_RECORDS,
                not_made: published::ACCESS_RECORDS.saturating_sub(access),
                femtocell_per_unit_day: tenths(was.counts.femtocell, size),
            },
            findings_alone: was.stopped.clone(),
            all_found_before_payment: !cells.is_empty() && cells.iter().all(|cell| cell.in_time),
            timeline: story(size, was, ours.as_ref(), &cells),
            as_it_was,
            ours,
            cells,
        }
    }
}

/// For each unit and day, in tenths.
fn tenths(rows: u64, size: &Size) -> f64 {
    (rows as f64 * 10.0 / f64::from(size.units) / f64::from(size.days)).round() / 10.0
}

impl WorldReport {
    fn of(noted: &Noted) -> Self {
        let last = noted.points.last().copied().unwrap_or_default();
        let detectors = noted.detectors.iter().map(|(id, note)| DetectorReport {
            id,
            first: note.first.clone(),
            findings: note.findings,
            others: note.others,
            others_accused: note.subjects.len(),
            others_accused_surely: note.sure.len(),
        });
        Self {
            taken: Taken {
                cells: noted.cells.values().filter(|cell| cell.from.is_some()).count(),
                exposed: last.exposed,
                unrecorded: last.exposed.saturating_sub(noted.recorded),
                codes: last.codes,
                victims: last.victims,
                payments: last.payments,
                amount_krw: last.amount_minor,
            },
            attempts: noted.attempts.clone(),
            detectors: detectors.collect(),
            points: noted.points.clone(),
            counts: noted.counts,
            late: noted.late,
            pressed: noted.pressed,
            digest: noted.digest,
        }
    }
}

fn cells(noted: &Noted) -> Vec<CellReport> {
    let mut cells: Vec<_> = noted.cells.iter().collect();
    cells.sort_by_key(|(cell, note)| (note.from, **cell));
    let report = |(cell, note): (&CellKey, &super::CellNote)| {
        let (found, found_by) = note.found_first().unzip();
        let secs = |from: Option<UnixTime>, to: Option<UnixTime>| {
            from.zip(to).filter(|(from, to)| from <= to).map(|(from, to)| to.since(from).as_secs())
        };
        let found_before_payment_s = secs(found, note.first_payment);
        CellReport {
            cell: *cell,
            actor: note.actor.clone(),
            first_used: note.from,
            found,
            found_by,
            found_after_s: secs(note.from, found),
            first_code: note.first_code,
            first_payment: note.first_payment,
            found_before_payment_s,
            in_time: found.is_some() && (note.first_payment.is_none() || found_before_payment_s.is_some()),
            detectors: note.found.iter().map(|(detector, at)| (*detector, *at)).collect(),
        }
    };
    cells.into_iter().map(report).collect()
}
