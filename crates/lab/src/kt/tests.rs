use super::*;
use crate::scenario::{Attempt, Player};
use ids::{Sha256, SourceClass, UnixTime};
use std::collections::BTreeSet;

const SHORT: Size = Size { units: 500, days: 20, seed: 1 };
const WHOLE: Size = Size { units: 20_000, days: WHOLE_D, seed: 1 };

/// The short form is played once for all that is to be seen of it.
#[test]
fn the_short_form() {
    let of = |policies| play(&SHORT, policies, &|_| ()).unwrap();
    let played = (of(Policies::AsItWas), of(Policies::Ours));
    for seen in [
        every_cell_is_found_before_the_first_payment_through_it,
        a_cell_that_is_not_found_or_found_too_late_is_told,
        with_our_rules_no_tunnel_is_given_and_nobody_comes,
        who_acts_sooner_loses_less,
        the_page_is_whole_and_needs_nothing_else,
        what_a_page_says_is_escaped,
        it_plays_the_same_everywhere,
    ] {
        seen(&played);
    }
}

fn every_cell_is_found_before_the_first_payment_through_it((was, ours): &(Noted, Noted)) {
    let report = Report::new(&SHORT, was, Some(ours));
    assert_eq!(report.cells.len(), published::CELLS as usize);
    for cell in &report.cells {
        assert!(cell.in_time && cell.found.is_some(), "{cell:?}");
        let found = cell.found.unwrap();
        assert!(found >= cell.first_used.unwrap(), "{cell:?}");
        assert!(cell.first_payment.is_none_or(|payment| found < payment), "{cell:?}");
    }
    assert!(report.all_found_before_payment);
    assert!(report.as_it_was.taken.payments > 0, "nobody paid: nothing is shown by it");
}

fn a_cell_that_is_not_found_or_found_too_late_is_told((was, _): &(Noted, Noted)) {
    let paid = |note: &&mut CellNote| note.first_payment.is_some();
    for spoil in [
        |note: &mut CellNote| note.found.clear(),
        |note: &mut CellNote| {
            let late = note.first_payment.unwrap().after(std::time::Duration::from_secs(1));
            note.found.values_mut().for_each(|at| *at = late);
        },
    ] {
        let mut spoiled = was.clone();
        spoil(spoiled.cells.values_mut().find(paid).unwrap());
        let report = Report::new(&SHORT, &spoiled, None);
        assert!(!report.all_found_before_payment);
        assert_eq!(report.cells.iter().filter(|cell| !cell.in_time).count(), 1);
        assert!(html(&report).contains("NOT every cell"));
    }
}

fn with_our_rules_no_tunnel_is_given_and_nobody_comes((was, ours): &(Noted, Noted)) {
    assert_eq!((was.attempts.asked, was.attempts.refused), (0, 0));
    assert!(ours.attempts.asked > 0);
    assert_eq!(ours.attempts.refused, ours.attempts.asked);
    let reasons: Vec<_> = ours.attempts.layers.iter().map(|layer| layer.reason).collect();
    assert_eq!(reasons, ["lost", "mis-issued", "validity-too-long", "foreign-network"]);
    let last = ours.points.last().unwrap();
    assert_eq!((last.exposed, last.codes, last.payments, ours.cells.len()), (0, 0, 0, 0));
    assert!(ours.detectors.values().all(|found| found.first.is_none()));
    // The ordinary world is the same but for what the gang leaves in it.
    assert!(ours.counts.rows < was.counts.rows && ours.counts.rows * 10 > was.counts.rows * 9);
}

/// From the unit's own line nothing of the network speaks against it: what is left are the ledger and the certificate.
#[test]
fn reasons_follow_from_where_the_box_is() {
    let door = door::Door::default();
    let mut admit = door.admit();
    let attempt = |outer: [u8; 4]| Attempt {
        at: UnixTime::from_secs(1_728_352_800),
        actor: "box".into(),
        device: ids::DeviceId::eui48([2, 0, 0, 0, 0, 1]),
        outer: outer.into(),
        line: None,
        class: SourceClass::Mobile,
        cells: Vec::new(),
        is_there: false,
    };
    assert!(!admit(&attempt([198, 18, 0, 1])));
    assert_eq!(door.attempts().layers.len(), 4);
    assert!(!admit(&attempt([203, 0, 113, 9])));
    let counts: Vec<_> = door.attempts().layers.iter().map(|layer| (layer.reason, layer.attempts)).collect();
    let expected = [("lost", 2), ("mis-issued", 2), ("validity-too-long", 2), ("foreign-network", 1)];
    assert_eq!(counts, expected);
}

/// Sooner is less, nobody counts twice for it, and never is all of it.
fn who_acts_sooner_loses_less((was, _): &(Noted, Noted)) {
    let [hour, day] = was.stopped.as_slice() else { panic!("{:?}", was.stopped) };
    let last = was.points.last().unwrap();
    assert!(hour.exposed > 0 && hour.exposed <= day.exposed);
    assert!(hour.payments <= day.payments && day.payments <= last.payments);
    assert!(day.exposed < last.exposed, "{day:?} {last:?}");
}

/// The digests of both worlds: the same file and seed play the same everywhere.
fn it_plays_the_same_everywhere((was, ours): &(Noted, Noted)) {
    let digests = [was.digest, ours.digest].map(|digest: Sha256| digest.to_string());
    assert_eq!(digests, DIGESTS, "{:?}", was.counts);
    assert_eq!([was.pressed, ours.pressed], [0, 0]);
}

const DIGESTS: [&str; 2] = [
    "9b01c6525113303c48c85f293255e8a4ffad9f5dec06470a5c220affc3104fb8",
    "ed85d746834dbc0ca3deeafd39853283b6649b3def89ad600ac02100deabc220",
];

/// Held to what was published: cells, first day, longest life, payments.
#[test]
fn the_file_says_what_was_published() {
    let scenario = WHOLE.scenario().unwrap();
    let boxes: Vec<_> = scenario.actors.iter().filter(|actor| actor.identity.is_some()).collect();
    assert_eq!(boxes.iter().map(|actor| actor.cells()).sum::<u32>(), published::CELLS);
    let out = |actor: &str| {
        let steps = scenario.steps.iter().filter(move |step| step.actor == actor);
        steps.map(|step| (step.at.since_start().as_secs() / 86_400, step.codes_pct())).collect::<Vec<_>>()
    };
    let date = |day: u64| scenario.begins().after(std::time::Duration::from_secs(86_400 * day)).to_string();
    let first = boxes.iter().filter_map(|actor| out(&actor.name).first().copied()).min_by_key(|out| out.0);
    assert!(date(first.unwrap().0).starts_with("2024-10-08"));
    let longest = out("longest");
    assert_eq!(longest.last().unwrap().0 - longest.first().unwrap().0, 305);
    let paying: BTreeSet<_> =
        scenario.steps.iter().filter(|step| step.codes_pct() > 0.0).map(|step| &*step.actor).collect();
    let cells = boxes.iter().filter(|actor| paying.contains(&*actor.name)).map(|actor| actor.cells());
    assert_eq!(cells.sum::<u32>(), published::PAYING_CELLS);
    let days = scenario.steps.iter().filter(|step| step.codes_pct() > 0.0);
    let days: BTreeSet<_> = days.map(|step| step.at.since_start().as_secs() / 86_400).collect();
    assert!(date(*days.first().unwrap()).starts_with("2025-08-05"));
    assert!(date(*days.last().unwrap()).as_str() < "2025-09-06");
    assert!(date(u64::from(WHOLE_D)).starts_with("2025-09-11"), "the last day is the 10th");
    assert!(scenario.steps.iter().filter(|step| step.amount.is_some()).all(|step| step.amount() == 313_000));
}

/// The published dates that a chart has are those of their days.
#[test]
fn published_dates_are_on_their_days() {
    let begins = WHOLE.scenario().unwrap().begins();
    for date in published::DATES {
        let Some(day) = date.day else { continue };
        let at = begins.after(std::time::Duration::from_secs(86_400 * u64::from(day))).to_string();
        let (number, rest) = date.when.split_once(' ').unwrap();
        let (month, year) = rest.split_once(' ').unwrap();
        let month = ["August", "September", "October"].iter().position(|name| *name == month).unwrap() + 8;
        assert!(at.starts_with(&format!("{year}-{month:02}-{number:0>2}T")), "{} is {at}", date.when);
    }
}

#[test]
fn a_smaller_size_keeps_each_box_to_one_night_a_day_and_within_its_calendar() {
    for size in
        [SHORT, Size { units: 100, days: 20, seed: 3 }, Size { units: 1000, days: 100, seed: 3 }, WHOLE]
    {
        let scenario = size.scenario().unwrap();
        let mut seen = BTreeSet::new();
        for step in &scenario.steps {
            let day = step.at.since_start().as_secs() / 86_400;
            assert!(day < u64::from(size.days), "{size:?} {step:?}");
            assert!(seen.insert((&step.actor, step.deed.as_str(), day)), "{size:?} {step:?}");
        }
        let boxes = scenario.actors.iter().filter(|actor| actor.identity.is_some());
        boxes.for_each(|actor| assert!(seen.iter().any(|(name, ..)| **name == actor.name), "{size:?}"));
        Player::new(&scenario, 1).unwrap();
    }
}

#[test]
fn what_was_published_is_scaled_with_the_estate() {
    let full = Size { units: 200_000, days: WHOLE_D, seed: 1 };
    assert_eq!([published::EXPOSED, 368, 777].map(|count| full.scaled_count(count)), [22_227, 368, 777]);
    assert_eq!([published::EXPOSED, 368, 777].map(|count| WHOLE.scaled_count(count)), [2223, 37, 78]);
}

/// As an HTML parser sees it: each element that opens closes, names are those of the page, and nothing is asked from elsewhere.
fn the_page_is_whole_and_needs_nothing_else((was, ours): &(Noted, Noted)) {
    let page = html(&Report::new(&SHORT, was, Some(ours)));
    for word in ["http:", "https:", "//", "url(", "src=", "href=", "<script", "@import"] {
        assert!(!page.contains(word), "{word}");
    }
    let mut open = Vec::new();
    for tag in page.split('<').skip(1) {
        let (tag, _) = tag.split_once('>').unwrap();
        let name = tag.trim_start_matches('/').split([' ', '/']).next().unwrap();
        match tag {
            _ if name == "!DOCTYPE" || name == "meta" || tag.ends_with('/') => {}
            _ if tag.starts_with('/') => assert_eq!(open.pop(), Some(name), "{tag}"),
            _ => open.push(name),
        }
    }
    assert!(open.is_empty(), "{open:?}");
    let svgs = page.matches("<svg").count();
    assert!(svgs >= 3);
    for of_each in ["role=\"img\"", "<title id=", "<desc id="] {
        assert_eq!(page.matches(of_each).count(), svgs, "{of_each}");
    }
    assert!(page.matches("<table").count() > svgs);
}

fn what_a_page_says_is_escaped((was, ours): &(Noted, Noted)) {
    let mut spoiled = was.clone();
    let note = spoiled.cells.values_mut().next().unwrap();
    note.actor = "<b>&\"'".into();
    let page = html(&Report::new(&SHORT, &spoiled, Some(ours)));
    assert!(page.contains("&lt;b&gt;&amp;&quot;&#39;") && !page.contains("<b>"));
}

#[test]
fn numbers_and_spans_are_for_people() {
    use words::{after, number, span, won};
    assert_eq!([0, 999, 1000, 4_030_000_000_000].map(number), ["0", "999", "1,000", "4,030,000,000,000"]);
    assert_eq!([0, 119, 120, 7200, 172_800].map(span), ["0 s", "119 s", "2 min", "2 h", "2 days"]);
    assert_eq!([0, 1].map(after), ["at once", "after 1 s"]);
    assert_eq!(won(243_190_000), "KRW 243,190,000");
}
