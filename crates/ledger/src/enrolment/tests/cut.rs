//! The power goes at any record of a transaction: it has happened whole, or it never did.

use super::*;
use crate::store::SealedRow;
use std::fs;

/// What happens, what was before it, and what its unit or an operator does when it hears no answer.
struct Case {
    name: &'static str,
    before: fn(&Carrier),
    happens: fn(&Carrier),
    again: fn(&Carrier),
}

/// As by EST, where the answer is the end of it.
fn enrol_at_once(carrier: &Carrier, key: u8, now: UnixTime) -> Result<Credential, Denied> {
    let ask = Ask { said_at: Some(now), protocol: "est", ..ask(1, 0x41, key, HOME) };
    carrier.within(|tx| {
        let leave = denied(tx.leave_to_enrol(&ask, now))?;
        tx.record_certificate(&certificate(&ask, key, leave, now), now).unwrap();
        denied(tx.confirm(ask.transaction, &realm(), now))
    })
}

fn renew_at_once(carrier: &Carrier, key: u8, now: UnixTime) -> Result<Credential, Denied> {
    let ask = Ask { said_at: Some(now), protocol: "est", ..ask(1, 1, key, HOME) };
    carrier.within(|tx| {
        let leave = denied(tx.leave_to_renew(&ask, now))?;
        tx.record_certificate(&certificate(&ask, key, leave, now), now).unwrap();
        denied(tx.confirm(ask.transaction, &realm(), now))
    })
}

/// Either it is done by then, and is answered so, or it can be done now for the same key.
fn is_or_becomes(answer: Result<Credential, Denied>, carrier: &Carrier, key: u8) {
    assert!(answer.is_ok() || answer == Err(Denied::TransactionInUse), "{answer:?}");
    assert!(carrier.credential(key).revoked.is_none());
}

fn enrolled(carrier: &Carrier) {
    enrol_at_once(carrier, 1, at(10)).unwrap();
}

fn asked(carrier: &Carrier) {
    carrier.enrol(1, 1, HOME, at(10)).unwrap();
}

fn ordered_anew(carrier: &Carrier) {
    enrolled(carrier);
    carrier.order(1, 330);
}

fn import(carrier: &Carrier) {
    let new = (0x10..0x18u8).map(|number| (u64::from(number), NewDevice::installed(unit(number))));
    let imported = carrier.ledger.import(new, crate::Differing::Refuse, "kim", at(10), |_| ()).unwrap();
    assert_eq!((imported.added + imported.unchanged, imported.refused), (8, vec![]));
}

fn is_lost(carrier: &Carrier) {
    carrier.ledger.move_device(unit(1), LifeCycle::Lost, "kim", "gone", None, at(20)).unwrap();
    assert_eq!(carrier.ledger.device(unit(1)).unwrap().unwrap().state, LifeCycle::Lost);
}

/// The unit without a certificate is held, its order closed, and a person is told.
fn shares(carrier: &Carrier) {
    let shared = Ask { device: unit(2), ..ask(1, 0x41, 2, ELSEWHERE) };
    let answer = carrier.issue(&shared, 2, at(20), |tx| tx.leave_to_enrol(&shared, at(20)));
    assert_eq!(answer, Err(Denied::SharedCredential));
    assert_eq!([carrier.enrolment(1), carrier.enrolment(2)], [Enrolment::Enrolled, Enrolment::Held]);
}

fn forks(carrier: &Carrier) {
    let answer = carrier.renew(1, 1, 3, ELSEWHERE, at(1700));
    assert!(matches!(answer, Err(Denied::Fork | Denied::Held)), "{answer:?}");
    assert_eq!(carrier.enrolment(1), Enrolment::Held);
    assert_eq!(carrier.incidents().len(), 1);
}

const CASES: [Case; 10] = [
    Case {
        name: "by EST",
        before: |_| (),
        happens: enrolled,
        again: |carrier| is_or_becomes(enrol_at_once(carrier, 1, at(10_000)), carrier, 1),
    },
    Case {
        name: "ir by CMP",
        before: |_| (),
        happens: asked,
        again: |carrier| {
            carrier.enrol(1, 2, HOME, at(20)).unwrap();
            carrier.confirm(2, at(21)).unwrap();
        },
    },
    Case {
        name: "certConf by CMP",
        before: asked,
        happens: |carrier| drop(carrier.confirm(1, at(11)).unwrap()),
        again: |carrier| is_or_becomes(carrier.confirm(1, at(12)), carrier, 1),
    },
    Case {
        name: "by EST, with a certificate of before",
        before: ordered_anew,
        happens: |carrier| drop(enrol_at_once(carrier, 5, at(340)).unwrap()),
        again: |carrier| {
            is_or_becomes(enrol_at_once(carrier, 5, at(10_000)), carrier, 5);
            assert!(carrier.credential(1).revoked.is_some());
        },
    },
    Case {
        name: "simplereenroll by EST",
        before: enrolled,
        happens: |carrier| drop(renew_at_once(carrier, 2, at(1000)).unwrap()),
        again: |carrier| {
            is_or_becomes(renew_at_once(carrier, 2, at(10_000)), carrier, 2);
            assert!(carrier.credential(1).superseded.is_some());
        },
    },
    Case {
        name: "certConf of a renewal by CMP",
        before: |carrier| {
            enrolled(carrier);
            carrier.renew(1, 1, 2, HOME, at(1000)).unwrap();
        },
        happens: |carrier| drop(carrier.confirm(2, at(1001)).unwrap()),
        again: |carrier| {
            is_or_becomes(carrier.confirm(2, at(1002)), carrier, 2);
            assert!(carrier.credential(1).superseded.is_some());
        },
    },
    Case { name: "a key that two share", before: enrolled, happens: shares, again: shares },
    Case {
        name: "a fork",
        before: |carrier| {
            enrolled(carrier);
            renew_at_once(carrier, 2, at(1000)).unwrap();
        },
        happens: forks,
        again: forks,
    },
    Case { name: "an import", before: |_| (), happens: import, again: import },
    Case { name: "a unit that is lost", before: |_| (), happens: is_lost, again: is_lost },
];

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        match entry.file_type().unwrap().is_dir() {
            true => copy(&entry.path(), &to.join(entry.file_name())),
            false => drop(fs::copy(entry.path(), to.join(entry.file_name())).unwrap()),
        }
    }
}

fn lines(dir: &Path) -> Vec<String> {
    let journal = fs::read_to_string(dir.join("journal/00000000000000000001.jsonl")).unwrap();
    journal.split_inclusive('\n').map(str::to_owned).collect()
}

/// All rows, each with the record that explains it.
fn rows(carrier: &Carrier) -> Vec<SealedRow> {
    carrier
        .ledger
        .read(|store| {
            let mut rows = Vec::new();
            for table in store.tables()? {
                rows.extend(store.page(&table, "", 1000)?);
            }
            Ok(rows)
        })
        .unwrap()
}

fn assert_is_whole(carrier: &Carrier, dir: &Path) {
    assert_eq!(carrier.ledger.verify().unwrap().findings, []);
    carrier.ledger.journal().sync().unwrap();
    events::journal::verify(&dir.join("journal"), carrier.ledger.journal().public_key()).unwrap();
}

#[test]
fn a_transaction_that_is_cut_off_at_any_record_has_happened_whole_or_never_and_can_be_done_again() {
    for Case { name, before, happens, again } in CASES {
        let (base, whole) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let carrier = Carrier::of(base.path());
        carrier.fill();
        before(&carrier);
        let rows_before = rows(&carrier);
        drop(carrier);
        copy(base.path(), whole.path());
        let carrier = Carrier::of(whole.path());
        happens(&carrier);
        let rows_after = rows(&carrier);
        drop(carrier);

        let (first, lines) = (lines(base.path()).len(), lines(whole.path()));
        let is_committed = |line: &String| line.contains(r#""kind":"ledger.committed""#);
        let committed = first + lines[first..].iter().position(is_committed).unwrap();
        for cut in first..=lines.len() {
            let dir = tempfile::tempdir().unwrap();
            copy(base.path(), dir.path());
            let segment = dir.path().join("journal/00000000000000000001.jsonl");
            fs::write(segment, lines[..cut].concat()).unwrap();
            let carrier = Carrier::of(dir.path());
            let expected = if cut > committed { &rows_after } else { &rows_before };
            assert_eq!(&rows(&carrier), expected, "{name}, cut behind record {cut}");
            assert_is_whole(&carrier, dir.path());
            again(&carrier);
            assert_is_whole(&carrier, dir.path());
        }
    }
}
