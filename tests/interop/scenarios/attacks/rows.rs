//! The table.

use super::{
    Act, AuthenticatesAnew, ComeAtOnce, Comes, Edits, Enrols, GoesOver, In, IsEnded, IsRestored, Leaves,
    Look, LosesPower, Ordered, Place, Quarantined, Rebinds, Refused, Row, Runs, Says, Who, world::World,
};
use Look::{Different, Same};
use Place::{Abroad, Home, OtherLine, Relayed, SecondStack, Unknown};
use Who::{Other, Third, Unit};

macro_rules! rows {
    ($($name:ident: $row:expr,)*) => {
        pub(super) const ROWS: &[(&str, Row)] = &[$((stringify!($name), $row)),*];

        $(
            #[test]
            #[ignore = "needs root and strongSwan: ./test interop"]
            fn $name() {
                World::play(&$row);
            }
        )*
    };
}

rows! {
    second_comer: Row {
        says: ["second comer, from where nobody knows", "refused; the unit keeps its service"],
        others: &[(Unknown, Different)],
        acts: &[Comes(Unit, In), Comes(Other, Refused("clone"))],
        serves: Some(Unit),
        incidents: &[("clone", Some("newcomer-is-clone"))],
        trust: "probation",
    },
    second_comer_on_another_line: Row {
        says: ["second comer, on a line that is another's", "refused (`foreign-network`), and nobody is asked"],
        others: &[(OtherLine, Different)],
        acts: &[Comes(Unit, In), Comes(Other, Refused("foreign-network"))],
        serves: Some(Unit),
        incidents: &[],
        trust: "probation",
    },
    first_comer: Row {
        says: ["first comer, while the unit is away", "is let in, and ended once the unit comes back"],
        others: &[(Unknown, Different)],
        acts: &[
            Comes(Unit, In),
            Leaves(Unit),
            Comes(Other, In),
            Comes(Unit, In),
            IsEnded(Other),
            Comes(Other, Refused("clone")),
        ],
        serves: Some(Unit),
        incidents: &[("clone", Some("holder-is-clone"))],
        trust: "suspect",
    },
    first_comer_with_an_emergency_call: Row {
        says: [
            "the same with an emergency call",
            "the unit waits in quarantine until the call is over; then it is let in, and the copy is ended",
        ],
        others: &[(Unknown, Different)],
        acts: &[
            Comes(Unit, In),
            Leaves(Unit),
            Comes(Other, In),
            Says(r#""radio":{"on":true,"emergency_call":true}"#),
            Comes(Unit, Quarantined),
            Says(r#""radio":{"on":true,"emergency_call":false}"#),
            IsEnded(Unit),
            Comes(Unit, In),
            IsEnded(Other),
        ],
        serves: Some(Unit),
        incidents: &[("second-claim", Some("holder-is-clone")), ("clone", Some("holder-is-clone"))],
        trust: "suspect",
    },
    first_comer_before_the_unit_ever_was: Row {
        says: [
            "first comer, before the unit ever was; a person says which it is",
            "the unit waits in quarantine; after `--genuine newcomer` it is let in, and the copy is out",
        ],
        others: &[(Unknown, Different)],
        acts: &[
            Comes(Other, In),
            Comes(Unit, Quarantined),
            Runs(&["incident", "judge", "1", "--genuine", "newcomer", "--why", "the household was asked"]),
            IsEnded(Other),
            IsEnded(Unit),
            Comes(Unit, In),
            Comes(Other, Refused("clone")),
        ],
        serves: Some(Unit),
        incidents: &[("second-claim", Some("undecided")), ("clone", Some("newcomer-is-clone"))],
        trust: "probation",
    },
    alternating: Row {
        says: ["they take turns", "the copy is let in once, and never after the unit came back"],
        others: &[(Unknown, Different)],
        acts: &[
            Comes(Unit, In),
            Leaves(Unit),
            Comes(Other, In),
            Leaves(Other),
            Comes(Unit, In),
            Leaves(Unit),
            Comes(Other, Refused("clone")),
            Comes(Unit, In),
        ],
        serves: Some(Unit),
        incidents: &[("alternating-use", Some("holder-is-clone")), ("clone", Some("newcomer-is-clone"))],
        trust: "suspect",
    },
    same_line: Row {
        says: ["beside the unit, behind its own router", "refused, by how its IKE looks"],
        others: &[(Home, Different)],
        acts: &[Comes(Unit, In), Comes(Other, Refused("clone"))],
        serves: Some(Unit),
        incidents: &[("clone", Some("newcomer-is-clone"))],
        trust: "probation",
    },
    household_router: Row {
        says: [
            "behind its own router, which keeps the unit off",
            "is let in for as long as the unit stays off; then ended",
        ],
        others: &[(Home, Different)],
        acts: &[
            Comes(Unit, In),
            LosesPower(Unit),
            Comes(Other, In),
            Comes(Unit, In),
            IsEnded(Other),
            Comes(Other, Refused("clone")),
        ],
        serves: Some(Unit),
        incidents: &[("clone", Some("holder-is-clone"))],
        trust: "suspect",
    },
    relay: Row {
        says: [
            "relay: a copy of all that is in the unit, out of the unit's own line",
            "waits in quarantine, as nothing tells them apart; the unit is let in whenever it comes",
        ],
        others: &[(Relayed, Same)],
        acts: &[Comes(Unit, In), Comes(Other, Quarantined), LosesPower(Unit), Comes(Unit, In)],
        serves: Some(Unit),
        incidents: &[("second-claim", Some("undecided"))],
        trust: "unsure",
    },
    relay_while_the_unit_is_off: Row {
        says: [
            "the same while the unit is off",
            "is let in and stays; the unit waits in quarantine, and needs a new key",
        ],
        others: &[(Relayed, Same)],
        acts: &[Comes(Unit, In), LosesPower(Unit), Comes(Other, In), Comes(Unit, Quarantined)],
        serves: Some(Other),
        incidents: &[("second-claim", Some("undecided"))],
        trust: "unsure",
    },
    carried: Row {
        says: ["the unit itself, carried to another line", "refused (`foreign-network`)"],
        others: &[(OtherLine, Same)],
        acts: &[Comes(Unit, In), LosesPower(Unit), Comes(Other, Refused("foreign-network"))],
        serves: None,
        incidents: &[],
        trust: "probation",
    },
    carried_under_management: Row {
        says: [
            "the unit itself, carried to where nobody knows, with an emergency call; management sees its tunnel",
            "let in; once the call is over its tunnel ends and its radio is ordered off; refused (`wrong-hands`)",
        ],
        others: &[(Unknown, Same)],
        acts: &[
            Comes(Unit, In),
            Says(r#""neighbours":["lte:450-08:1","lte:450-08:2","lte:450-08:3"]"#),
            LosesPower(Unit),
            Comes(Other, In),
            Says(r#"TUNNEL,"neighbours":["lte:450-08:a","lte:450-08:b","lte:450-08:c"],"radio":{"on":true,"emergency_call":true}"#),
            Ordered("waiting"),
            Says(r#"TUNNEL,"radio":{"on":true,"emergency_call":false}"#),
            Ordered("open"),
            IsEnded(Other),
            Comes(Other, Refused("wrong-hands")),
            Says(r#""radio":{"on":false,"emergency_call":false}"#),
            Ordered("done"),
        ],
        serves: None,
        incidents: &[("wrong-hands", Some("genuine-key-untrusted"))],
        trust: "suspect",
    },
    copied_configuration: Row {
        says: [
            "a copy of all that is in the unit, from where nobody knows; a person says which it is",
            "waits in quarantine; after `--genuine holder` it is out, and stays so",
        ],
        others: &[(Unknown, Same)],
        acts: &[
            Comes(Unit, In),
            Comes(Other, Quarantined),
            Runs(&["incident", "judge", "1", "--genuine", "holder", "--why", "the household was asked"]),
            IsEnded(Other),
            Comes(Other, Refused("clone")),
        ],
        serves: Some(Unit),
        incidents: &[("second-claim", Some("undecided")), ("clone", Some("newcomer-is-clone"))],
        trust: "probation",
    },
    two_copies_at_once: Row {
        says: [
            "two copies at once beside the unit, from two places that nobody knows",
            "both are refused, one after the other; the unit keeps its service",
        ],
        others: &[(Unknown, Different), (Unknown, Different)],
        acts: &[Comes(Unit, In), ComeAtOnce(Other, Third, "clone")],
        serves: Some(Unit),
        incidents: &[("clone", Some("newcomer-is-clone"))],
        trust: "probation",
    },
    two_copies_while_the_unit_is_away: Row {
        says: [
            "two copies while the unit is away",
            "one is let in, the other waits in quarantine; the unit is let in once it comes back, and neither of them ever again",
        ],
        others: &[(Unknown, Different), (Unknown, Different)],
        acts: &[
            Comes(Unit, In),
            Leaves(Unit),
            Comes(Other, In),
            Comes(Third, Quarantined),
            Comes(Unit, In),
            IsEnded(Other),
            Leaves(Third),
            Comes(Other, Refused("clone")),
            Comes(Third, Refused("clone")),
        ],
        serves: Some(Unit),
        incidents: &[("second-claim", Some("undecided")), ("clone", Some("holder-is-clone"))],
        trust: "suspect",
    },
    abroad: Row {
        says: [
            "a copy of all that is in the unit, from a data centre in another country, while the unit is off; a person says what it is",
            "refused (`wrong-hands`), by the databases of networks alone; after `--genuine neither` as `clone`",
        ],
        others: &[(Abroad, Same)],
        acts: &[
            Comes(Unit, In),
            LosesPower(Unit),
            Comes(Other, Refused("wrong-hands")),
            Comes(Unit, In),
            Runs(&["incident", "judge", "1", "--genuine", "neither", "--why", "it is on the shelf"]),
            Comes(Other, Refused("clone")),
        ],
        serves: Some(Unit),
        incidents: &[
            ("wrong-hands", Some("genuine-key-untrusted")),
            ("clone", Some("newcomer-is-clone")),
        ],
        trust: "probation",
    },
    lent_abroad: Row {
        says: [
            "the unit itself, there; a person says what it is",
            "refused (`wrong-hands`); after `--genuine newcomer` it is let in from there",
        ],
        others: &[(Abroad, Same)],
        acts: &[
            Comes(Unit, In),
            LosesPower(Unit),
            Comes(Other, Refused("wrong-hands")),
            Runs(&["incident", "judge", "1", "--genuine", "newcomer", "--why", "they show it at a fair"]),
            Comes(Other, In),
        ],
        serves: Some(Other),
        incidents: &[("wrong-hands", Some("genuine-key-untrusted"))],
        trust: "probation",
    },
    restored: Row {
        says: [
            "the ledger is restored from a backup of before, while the unit is attached",
            "the unit is let in again; the copy that was found before is refused, as before",
        ],
        others: &[(Unknown, Same)],
        acts: &[
            Comes(Unit, In),
            Comes(Other, Quarantined),
            Runs(&["incident", "judge", "1", "--genuine", "holder", "--why", "the household was asked"]),
            IsEnded(Other),
            Runs(&["backup", "kept"]),
            AuthenticatesAnew,
            IsRestored("kept"),
            LosesPower(Unit),
            Comes(Unit, In),
            Comes(Other, Refused("clone")),
        ],
        serves: Some(Unit),
        incidents: &[("second-claim", Some("undecided")), ("clone", Some("newcomer-is-clone"))],
        trust: "probation",
    },
    lost: Row {
        says: ["a unit that was reported lost", "ended, and refused (`lost`) wherever it comes back"],
        others: &[(Unknown, Same)],
        acts: &[
            Comes(Unit, In),
            Runs(&["device", "lost", "00aabbccddee", "--why", "not at its site"]),
            IsEnded(Unit),
            Comes(Other, Refused("lost")),
        ],
        serves: None,
        incidents: &[("lost", None)],
        trust: "blocked",
    },
    insider_edit: Row {
        says: [
            "an insider writes another line into the unit's row of the ledger",
            "refused (`row-tampered`), as is everybody new; the unit keeps its tunnel",
        ],
        others: &[(OtherLine, Same)],
        acts: &[
            Comes(Unit, In),
            Edits("UPDATE row SET body = replace(body, 'L-1', 'L-2') WHERE tbl = 'device'"),
            Comes(Other, Refused("row-tampered")),
        ],
        serves: Some(Unit),
        incidents: &[("row-tampered", None)],
        trust: "suspect",
    },
    authenticates_anew: Row {
        says: ["the unit authenticates anew, make before break", "is one unit"],
        others: &[(Unknown, Same)],
        acts: &[Comes(Unit, In), AuthenticatesAnew],
        serves: Some(Unit),
        incidents: &[],
        trust: "probation",
    },
    nat_rebinds: Row {
        says: ["its NAT forgets", "the tunnel goes on"],
        others: &[(Unknown, Same)],
        acts: &[Comes(Unit, In), Rebinds],
        serves: Some(Unit),
        incidents: &[],
        trust: "probation",
    },
    power: Row {
        says: ["it loses power, and comes back before the gateway missed it", "is let in"],
        others: &[(Unknown, Same)],
        acts: &[Comes(Unit, In), LosesPower(Unit), Comes(Unit, In)],
        serves: Some(Unit),
        incidents: &[],
        trust: "probation",
    },
    booked_move: Row {
        says: ["it moves to another line, as is booked", "is let in there"],
        others: &[(OtherLine, Same)],
        acts: &[
            Comes(Unit, In),
            LosesPower(Unit),
            Runs(&[
                "device", "set", "00aabbccddee", "--line", "L-2", "--approver", "approver", "--why", "they moved",
            ]),
            Comes(Other, In),
        ],
        serves: Some(Other),
        incidents: &[],
        trust: "probation",
    },
    factory_reset: Row {
        says: ["it was reset to how it left its factory, and enrols by an order", "is let in with its new key"],
        others: &[(Unknown, Same)],
        acts: &[
            Comes(Unit, In),
            LosesPower(Unit),
            Runs(&[
                "order", "create", "W-1", "00aabbccddee", "--line", "L-1", "--until", "2126-01-01T00:00:00Z",
                "--why", "the household reset it",
            ]),
            Enrols,
            Comes(Unit, In),
        ],
        serves: Some(Unit),
        incidents: &[],
        trust: "probation",
    },
    two_stacks: Row {
        says: [
            "it goes back and forth between IPv4 and IPv6, in good order, abruptly, and with both up for a while",
            "is let in each time",
        ],
        others: &[(SecondStack { is_fed: true }, Same)],
        acts: BACK_AND_FORTH,
        serves: Some(Unit),
        incidents: &[],
        trust: "probation",
    },
    two_stacks_of_which_the_feed_knows_one: Row {
        says: ["the same, where the feed of lines knows its IPv4 alone", "is let in each time"],
        others: &[(SecondStack { is_fed: false }, Same)],
        acts: BACK_AND_FORTH,
        serves: Some(Unit),
        incidents: &[],
        trust: "probation",
    },
}

/// The other one is the unit itself, over IPv6.
const BACK_AND_FORTH: &[Act] = &[
    Comes(Unit, In),
    GoesOver(Unit, Other),
    GoesOver(Other, Unit),
    GoesOver(Unit, Other),
    GoesOver(Other, Unit),
    LosesPower(Unit),
    Comes(Other, In),
    LosesPower(Other),
    Comes(Unit, In),
    LosesPower(Unit),
    Comes(Other, In),
    Leaves(Other),
    Comes(Unit, In),
    Leaves(Unit),
    Comes(Other, In),
    Leaves(Other),
    Comes(Unit, In),
];
