//! What the page says in words, in whichever form.

use super::{published, report::Report};
use std::time::Duration;

/// A number with a comma at each thousand.
pub fn number(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// Won, for people.
pub fn won(amount: i64) -> String {
    ["KRW ", &number(amount.unsigned_abs())].concat()
}

/// A time that passed, for people.
pub fn span(secs: u64) -> String {
    let span = Duration::from_secs(secs).as_secs();
    match span {
        0..120 => format!("{span} s"),
        120..7200 => format!("{} min", span / 60),
        7200..172_800 => format!("{} h", span / 3600),
        _ => format!("{} days", span / 86_400),
    }
}

/// How long after something, for people.
pub fn after(secs: u64) -> String {
    if secs == 0 { "at once".to_owned() } else { ["after ", &span(secs)].concat() }
}

impl Report {
    /// What happened, in three sentences.
    pub fn summary(&self) -> [String; 3] {
        let taken = &self.as_it_was.taken;
        let first = self.cells.iter().filter_map(|cell| cell.found_after_s).min().map_or_else(
            || "none of the detectors found any of it".to_owned(),
            |secs| {
                format!("the detectors name the first of these cells {} after its first handset", span(secs))
            },
        );
        let refused = self.ours.as_ref().map_or_else(
            || "what rules of admission would have done was not played".to_owned(),
            |ours| {
                format!(
                    "with a tunnel only by the rules of admission {} of {} attempts get none, and {} come to such a cell",
                    number(ours.attempts.refused),
                    number(ours.attempts.asked),
                    subscribers(ours.taken.exposed)
                )
            },
        );
        [
            "A gang had the certificate of a femtocell that an army post had lost years before, put it into its own boxes, and drove them \
             past blocks of flats at night: phones came to its cells as to any cell of the carrier, and it read the codes by which people \
             agree to payments."
                .to_owned(),
            format!(
                "In this replay of {} femtocells and {} days {} came to {} such cells, and {} on the bills of {} of them for {}; in the case \
                 the carrier noticed 11 months after the first.",
                number(self.units.into()),
                self.days,
                subscribers(taken.exposed),
                taken.cells,
                payments(taken.payments),
                number(taken.victims),
                won(taken.amount_krw),
            ),
            capital(&format!("{first}; {refused}.")),
        ]
    }

    /// What nobody could have known.
    pub fn unknowable(&self) -> Vec<String> {
        let taken = &self.as_it_was.taken;
        vec![
            "Anything before 1 August 2024: no record of phones at cells was kept, so whether the drive of May 2024 was the first nobody can say."
                .into(),
            format!(
                "{} of the {} were at a cell of the gang while the core's records had a gap, or their record was never written: no access \
                 record there names them. In the case, too, some victims had none.",
                subscribers(taken.unrecorded),
                number(taken.exposed)
            ),
            "Where names and dates of birth came from, which a payment needs beside a code: never found out.".into(),
            "Ordinary texts and calls at these cells: they could be read as well, and no row of any feed says whether somebody did.".into(),
        ]
    }

    /// What is made up.
    pub fn assumed(&self) -> Vec<String> {
        let mut assumed = vec![
            "All rows are simulated, drawn from the seed; the detectors and the rules of admission are those of Truecell, and nothing of them is \
             tuned here."
                .into(),
            format!(
                "The estate has {} femtocells; published numbers are for {} in operation (taken as {}). What the gang did is scaled by {}: {} \
                 subscribers exposed were {}, {} victims {}, {} payments {}.",
                number(self.units.into()),
                number(published::UNITS.into()),
                number(published::ROUND_UNITS.into()),
                self.scale,
                number(self.published.exposed),
                number(self.published.exposed_scaled),
                number(self.published.victims),
                number(self.published.victims_scaled),
                number(self.published.payments),
                number(self.published.payments_scaled),
            ),
            format!(
                "Rows are fewer than in life: {} access records of each femtocell a day. Homes are played in one week of four, a phone that \
                 stays says so each 150 minutes. Of {} records that the carrier looked through, {} were not made: nearly all are of macro cells \
                 that no phone went to a femtocell from.",
                self.rows.femtocell_per_unit_day,
                number(self.rows.published),
                number(self.rows.not_made)
            ),
            "Which cell was on which box, in which nights, and how many phones came in each: nothing of it was published but the number of \
             cells, the first day, the longest life, that payments went through 5, and the totals. All boxes have the one certificate that the \
             police named. That its loss was reported is assumed; without that, a unit that was silent for 90 days is found with less confidence."
                .into(),
            "The carrier as it was admits every tunnel, and nobody reads what is found. Ours judges each attempt by the rules as they are \
             without any setting, from these facts: the unit is lost by the ledger, its certificate was issued by no CA of ours and for 10 years, \
             and it comes from a mobile network. The gang does not adapt: it tries the same again each night."
                .into(),
            "Times of findings are those of the rows that show them: live, they are told a minute or two later, as feeds may be late."
                .into(),
            "How the case would have gone had somebody acted on findings assumes that all cells of a box are cut so long after the last of them \
             was found, and that subscribers are counted once for each box."
                .into(),
        ];
        if self.is_compressed {
            assumed.push(format!(
                "The calendar is compressed: {} days instead of {}, so dates of the replay are not those of the case.",
                self.days,
                super::WHOLE_D
            ));
        }
        assumed
    }
}

/// So many subscribers.
pub fn subscribers(count: u64) -> String {
    [&*number(count), if count == 1 { " subscriber" } else { " subscribers" }].concat()
}

fn payments(count: u64) -> String {
    [&*number(count), if count == 1 { " payment was made" } else { " payments were made" }].concat()
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}
