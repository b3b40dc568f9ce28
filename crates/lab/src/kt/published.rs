//! What was published of the case, by the findings of 6 November and 29 December 2025, police, the carrier and the press.

/// Femtocells in operation.
pub const UNITS: u32 = 189_000;
/// For which scenarios are sized: the estate that the numbers below belong to, in round numbers.
pub const ROUND_UNITS: u32 = 200_000;
/// Identities of cells that were nobody's.
pub const CELLS: u32 = 20;
/// Of them, those through which somebody paid.
pub const PAYING_CELLS: u32 = 5;
/// Subscribers whose identities leaked.
pub const EXPOSED: u64 = 22_227;
/// Subscribers on whose bills somebody paid.
pub const VICTIMS: u64 = 368;
/// How often.
pub const PAYMENTS: u64 = 777;
/// For how much, KRW.
pub const AMOUNT: i64 = 243_190_000;
/// Access records of phones at cells that were looked through, from 1 August 2024 to 10 September 2025.
pub const ACCESS_RECORDS: u64 = 4_030_000_000_000;

/// A date that was published: days from the start of the scenario, its name, and what happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Date {
    /// Days after 5 August 2024, where that lies within the replay.
    pub day: Option<u32>,
    /// As people write it.
    pub when: &'static str,
    /// What happened.
    pub what: &'static str,
}

const fn before(when: &'static str, what: &'static str) -> Date {
    Date { day: None, when, what }
}

const fn on(day: u32, when: &'static str, what: &'static str) -> Date {
    Date { day: Some(day), when, what }
}

/// In order.
pub const DATES: &[Date] = &[
    before("July 2019", "A femtocell is installed at an army post."),
    before("about January 2020", "The barracks move, and the femtocell is lost."),
    before("2 to 9 May 2024", "The gang's first drive through Seoul fails: its equipment has a fault."),
    before(
        "1 August 2024",
        "The earliest record of a phone at a cell that was kept: nothing before can be looked into.",
    ),
    on(64, "8 October 2024", "An illegal femtocell connects for the first time. Nobody notices."),
    on(365, "5 August 2025", "The first payment on a victim's bill."),
    on(386, "26 August 2025", "Victims go to the police."),
    on(392, "1 September 2025", "The police tell the carrier. 109 more payments follow."),
    on(396, "5 September 2025", "The carrier blocks abnormal payments: the last fraud."),
    on(
        399,
        "8 September 2025",
        "The carrier finds a device in its call records that it does not know, in batch.",
    ),
    on(400, "9 September 2025", "The carrier admits no new femtocells."),
];
