//! Certificates that have ended count for longer, by the word of two people.

use super::*;
use crate::{Doubt, Extension};

const DAY: u64 = 24 * 3600;
/// The certificate of [`Carrier::enrolled`] has ended a day ago.
const NOW: u64 = 31 * DAY;
const CA: CertSha256 = Sha256([0xca; 32]);

fn extend(carrier: &Carrier, until: u64, approver: &str, now: u64) -> Result<Extension, LedgerError> {
    carrier.ledger.extend((vec![CA], at(until)), "kim", "the HSM is broken", approver, at(now))
}

fn is_extended(carrier: &Carrier, key: u8, now: u64) -> bool {
    let credential = carrier.credential(key);
    carrier.within(|tx| tx.is_extended(&credential, at(now)).unwrap())
}

#[test]
fn it_takes_two_people_is_bounded_is_one_at_a_time_and_ends_by_itself_or_by_one_persons_word() {
    let carrier = Carrier::enrolled(1);
    assert!(!is_extended(&carrier, 1, NOW));
    for own in ["", "kim", " KIM "] {
        assert!(matches!(extend(&carrier, NOW + DAY, own, NOW), Err(LedgerError::NeedsApprover(_))), "{own}");
    }
    for until in [NOW, NOW + 30 * DAY + 1] {
        assert!(matches!(extend(&carrier, until, "lee", NOW), Err(LedgerError::Conflict(_))), "{until}");
    }
    let extension = extend(&carrier, NOW + 2 * DAY, "lee", NOW).unwrap();
    assert_eq!(
        (extension.by.as_str(), extension.approver.as_str(), &extension.cas[..]),
        ("kim", "lee", &[CA][..])
    );
    assert!(is_extended(&carrier, 1, NOW + 2 * DAY) && !is_extended(&carrier, 1, NOW + 2 * DAY + 1));
    assert!(matches!(extend(&carrier, NOW + 3 * DAY, "lee", NOW + 1), Err(LedgerError::Conflict(_))));
    let ended = carrier.ledger.end_extension("lee", "the HSM works", at(NOW + 2)).unwrap();
    assert_eq!(ended.ended.unwrap().by, "lee");
    assert!(!is_extended(&carrier, 1, NOW + 3));
    let again = carrier.ledger.end_extension("lee", "the HSM works", at(NOW + 3));
    assert!(matches!(again, Err(LedgerError::NotFound { .. })));
    extend(&carrier, NOW + 30 * DAY, "lee", NOW + 4).unwrap();
    assert_eq!(carrier.ledger.verify().unwrap().findings, []);
}

#[test]
fn what_ended_long_before_or_is_revoked_superseded_unsure_imported_held_or_of_a_distrusted_vendor_is_not_extended()
 {
    let long_before = Carrier::enrolled(1);
    extend(&long_before, NOW + 32 * DAY, "lee", NOW + 30 * DAY).unwrap();
    assert!(!is_extended(&long_before, 1, NOW + 31 * DAY));

    let not = |what: &str, change: &dyn Fn(&Carrier)| {
        let carrier = Carrier::enrolled(1);
        extend(&carrier, NOW + 2 * DAY, "lee", NOW).unwrap();
        assert!(is_extended(&carrier, 1, NOW), "{what}");
        change(&carrier);
        assert!(!is_extended(&carrier, 1, NOW), "{what}");
    };
    let put = |carrier: &Carrier, credential: &Credential| {
        let because = crate::transaction::Because::new("test", "test");
        carrier.within(|tx| tx.put_row(credential, &because, at(NOW)).unwrap());
    };
    not("revoked", &|carrier| {
        carrier.ledger.revoke(Sha256([1; 32]), None, "kim", "copied", at(NOW)).unwrap();
    });
    not("superseded, also while the grace lasts", &|carrier| {
        carrier.renew(1, 1, 2, HOME, at(NOW)).unwrap();
        carrier.confirm(2, at(NOW)).unwrap();
    });
    not("unsure", &|carrier| {
        let doubt = Doubt { kind: DoubtKind::Unsure, since: at(NOW), why: "fork".into() };
        put(carrier, &Credential { doubt: Some(doubt), ..carrier.credential(1) });
    });
    not("imported", &|carrier| {
        put(carrier, &Credential { origin: crate::Origin::Imported, ..carrier.credential(1) });
    });
    not("held", &|carrier| carrier.within(|tx| tx.hold(unit(1), "test", at(NOW)).unwrap()));
    not("of a distrusted vendor", &|carrier| {
        carrier.ledger.distrust(&VENDOR, at(5), "kim", "broken into", at(NOW)).unwrap();
    });
}

#[test]
fn a_renewal_by_one_that_is_extended_is_as_by_one_that_lasts() {
    for is_there in [false, true] {
        let carrier = Carrier::enrolled(1);
        let device = crate::DeviceChange { access_line: Some(None), ..Default::default() };
        carrier.ledger.set_device(unit(1), device, "kim", "moved", Some("lee"), at(20)).unwrap();
        if is_there {
            extend(&carrier, NOW + 2 * DAY, "lee", NOW).unwrap();
        }
        let renewed = carrier.renew(1, 1, 2, ELSEWHERE, at(NOW));
        assert_eq!(renewed, if is_there { Ok(2) } else { Err(Denied::Expired) }, "nobody knows its line");
        if is_there {
            assert_eq!(carrier.confirm(2, at(NOW + 1)).unwrap().doubt, None);
        }
    }
}
