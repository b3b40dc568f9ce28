//! A scenario as it is written: docs/scenarios.md is its reference, held to the keys here.

use super::{
    check,
    country::Country,
    keys::{Given, table},
    moment::Moment,
    names::Spot,
    word::{ActorKind, By, Deed, FeedKind, Omits, Place, Strip, Via},
};
use ids::{Plmn, Position, UnixTime};
use serde::{Deserialize, Serialize};

/// Version of the format that is read.
pub const FORMAT: u32 = 1;

table! {
    /// A scenario: a carrier, what happens to it, and what is to be found of it.
    struct Scenario in "";
    words {
        "format" format: u32, "1", "needed", "version of the format", of [];
        "about" about: String, "text", "needed", "what happens, in one line", of [];
        "start" #[serde(default)] start: Option<UnixTime>, "a time", "2026-01-05T00:00:00Z, a Monday", "when it begins; hours of the day are UTC", of [];
        "estate" #[serde(default)] estate: Estate, "a table", "all defaults", "the carrier and its subscribers", of [];
        "feed" #[serde(default)] feeds: Vec<FeedTerms>, "tables", "all defaults", "how the feeds of the carrier work", of [];
        "actor" #[serde(default)] actors: Vec<Actor>, "tables", "none", "who does something of note", of [];
        "step" #[serde(default)] steps: Vec<Step>, "tables", "none", "what they do", of [];
        "expect" #[serde(default)] expects: Vec<Expect>, "tables", "none", "what must be found", of [];
        "never" #[serde(default)] nevers: Vec<Never>, "tables", "none", "what must not be found", of [];
    }
    values {
        seed: u32 = 1, 0 to 2147483647, "of all draws, unless the command gives another", of [];
        span_d: u32 = 7, 1 to 3650, "how long it lasts, days", of [];
    }
}

table! {
    /// The carrier: femtocells in towns, the macro cells around them, and who lives there.
    struct Estate in "estate";
    words {
        "network" #[serde(default)] network: Option<Plmn>, "MCC-MNC", "001-01", "the carrier's network", of [];
    }
    values {
        units: u32 = 60, 1 to 1000000, "femtocells, each with a row of the ledger, an access line, a tunnel and one cell; towns share them", of [];
        towns: u32 = 1, 1 to 1024, "towns", of [];
        town_km: f64 = 6.0, 1 to 30, "side of a town, a square, km", of [];
        towns_apart_km: f64 = 40.0, 1 to 100, "between the middles of two towns, km", of [];
        macro_spacing_m: u32 = 1000, 200 to 5000, "between two macro cells, m; each reaches 0.9 of it", of [];
        people_per_home: u32 = 3, 1 to 8, "who live with a unit, on average (each home has 1 to twice that less 1)", of [];
        offices_pct: f64 = 5.0, 0 to 100, "units in offices", of [];
        shops_pct: f64 = 3.0, 0 to 100, "units in shops", of [];
        hotels_pct: f64 = 1.0, 0 to 100, "units in hotels", of [];
        guests_pct: f64 = 8.0, 0 to 100, "homes that have guests, on a day", of [];
        passers_per_d: u32 = 1, 0 to 10000, "people in the street who come to a home's cell, on a day", of [];
        holidays_pct: f64 = 4.0, 0 to 100, "homes that are away, in a week", of [];
        outages_pct: f64 = 10.0, 0 to 100, "units that lose power for a while, on a day", of [];
        regional_outages_pct: f64 = 0.3, 0 to 100, "towns without power for a while, on a day", of [];
        addresses_pct: f64 = 5.0, 0 to 100, "tunnels that come back from another address of their line", of [];
        moves_pct_y: f64 = 5.0, 0 to 100, "homes that move, with their unit and by order, in a year", of [];
        lost_pct_y: f64 = 1.0, 0 to 100, "units that are lost, in a year; reported within a month", of [];
        moves_untold_pct_y: f64 = 0.0, 0 to 100, "homes that move, with their unit, and nobody hears of it, in a year", of [];
        found_pct: f64 = 30.0, 0 to 100, "of these, found and told within two months", of [];
        found_untold_pct: f64 = 0.0, 0 to 100, "of these, plugged in and nobody hears of it", of [];
        misplaced_pct: f64 = 0.0, 0 to 100, "units that the ledger has 2 to 6 km from where they are", of [];
        unplanned_pct: f64 = 0.0, 0 to 100, "macro cells that the plan does not have", of [];
        periodic_min: u32 = 54, 6 to 1440, "longest time without a word from a handset (T3412), min", of [];
        service_per_d: u32 = 6, 1 to 200, "what a handset asks for at its cell, in 12 waking hours there", of [];
        codes_pct: f64 = 10.0, 0 to 100, "handsets that ask for a one-time code at their cell, on a day; then they pay", of [];
        codes_unasked_pct: f64 = 1.0, 0 to 100, "of these codes, nobody knows who asked for it", of [];
        ims_plain_pct: f64 = 2.0, 0 to 100, "handsets of makes whose IMS is never encrypted", of [];
        strangers_per_mast: u32 = 400, 1 to 10000, "people without a unit who live around a macro cell", of [];
    }
}

table! {
    /// How a feed works.
    struct FeedTerms in "feed";
    words {
        "name" name: FeedKind, "`core`, `ims`, `codes`, `payments`, `ledger`, `plan`", "needed", "which: access records, registrations with IMS, one-time codes, payments, units and their tunnels, macro cells and orders", of [];
        "gaps" #[serde(default)] gaps: Vec<GapTerms>, "list of `{ from, for_h, late }`", "none", "when it says nothing, for how many hours (0.1 to 1000), and whether that comes when it is over", of [];
    }
    values {
        lag_s: u32 = 5, 0 to 3600, "from event to arrival, on average, s", of [];
        lag_most_s: u32 = 30, 1 to 7200, "at most, s", of [];
        lateness_s: u32 = 60, 1 to 86400, "how late the engine takes rows, s", of [];
        silence_s: u32 = 3600, 60 to 86400, "how long it may say nothing, s", of [];
        heartbeat_s: u32 = 600, 10 to 86400, "it says that it works, each so many s", of [];
        watermarks: bool = false, false to true, "after each of these it says that it has said all", of [];
        lost_pct: f64 = 0.0, 0 to 100, "rows that are lost on the way: their numbers are missing", of [];
        unrecorded_pct: f64 = 0.0, 0 to 100, "rows that were never written: nothing shows it", of [];
        twice_pct: f64 = 0.0, 0 to 100, "rows that come twice", of [];
    }
}

table! {
    /// Somebody, or something, that steps and expectations name.
    struct Actor in "actor";
    words {
        "name" name: String, "text", "needed", "what steps and expectations call it; not `any`, `honest`, `attack`", of [];
        "kind" kind: ActorKind, "`unit`, `box`, `network`, `ims`", "needed", "a unit of the estate; an attacker's box; the access network; what keeps IMS's records", of [];
        "place" #[serde(default)] place: Option<Place>, "`home`, `bus-stop`, `office`, `shop`, `hotel`, `stadium`", "`home`", "where the unit stands", of ["unit"];
        "identity" #[serde(default)] identity: Option<String>, "an actor of kind `unit`", "none: no tunnel", "whose certificate opens the box's tunnels, one for each of its units", of ["box"];
        "network" #[serde(default)] network: Option<Via>, "`own-line`, `own-fixed`, `other-fixed`, `mobile`, `foreign`, `hosting`", "`mobile`", "where its tunnel comes from; `own-line`: relayed through the line of the unit", of ["box"];
        "strips" #[serde(default)] strips: Vec<Strip>, "list of `ims`, `ims-null`, `nas`", "none", "what it takes from handsets: security agreement with IMS; its encryption alone; ciphering of NAS", of ["box"];
        "omits" #[serde(default)] omits: Option<Omits>, "`ealg`, `sec-agree`", "`ealg`", "what its records leave out: the algorithm; the whole agreement", of ["ims"];
    }
    values {
        count: u32 = 1, 1 to 100000, "so many units of the estate", of ["unit"];
        town: u32 = 0, 0 to 1023, "in which town", of ["unit" "network"];
        x_km: f64 = 0.0, -15 to 15, "east of its middle, km; without `x_km` and `y_km` units stand anywhere", of ["unit"];
        y_km: f64 = 0.0, -15 to 15, "north of it, km", of ["unit"];
        visitors_per_d: u32 = 0, 0 to 100000, "who come by on a day; 0: as usual for the place", of ["unit"];
        cells: u32 = 0, 0 to 256, "cells with identities of the box's own, which no ledger has", of ["box"];
        own_cell: bool = false, false to true, "it has the cells of `identity`, too", of ["box"];
        tells_inner: bool = true, false to true, "access records have the address of its tunnel", of ["box"];
        share_pct: f64 = 100.0, 0 to 100, "of handsets that it has", of ["ims"];
    }
}

table! {
    /// What an actor does.
    struct Step in "step";
    words {
        "at" at: Moment, "day and time", "needed", "when", of [];
        "actor" actor: String, "an actor", "needed", "who", of [];
        "do" deed: Deed, "`lose`, `report-lost`, `find`, `retire`, `off`, `move`, `crowd`, `on`, `renumber`, `omit`", "needed", "what: see below", of [];
    }
    values {
        for_h: f64 = 4.0, 0.1 to 87600, "how long, h", of ["off" "move"];
        for_min: u32 = 120, 1 to 1440, "how long, min", of ["crowd" "on" "renumber"];
        booked: bool = true, false to true, "there is an order, and the ledger has the new site when it is done", of ["move"];
        carries: bool = true, false to true, "who lives with it moves, too; else it serves people of the new place", of ["move"];
        switched_on: bool = false, false to true, "it is on while it is on its way, at 40 km/h", of ["move"];
        town: u32 = 0, 0 to 1023, "in which town, or to which", of ["move" "on"];
        x_km: f64 = 0.0, -15 to 15, "east of its middle, km", of ["move" "on"];
        y_km: f64 = 0.0, -15 to 15, "north of it, km", of ["move" "on"];
        people: u32 = 500, 1 to 100000, "how many come", of ["crowd"];
        told: bool = true, false to true, "the ledger hears of it before the unit is on", of ["find"];
        cgnat: bool = false, false to true, "behind one address, and whose line it is nobody knows", of ["renumber"];
        speed_kmh: u32 = 0, 0 to 150, "how fast it is driven through the town's streets; 0: it stands", of ["on"];
        catch_per_h: u32 = 120, 1 to 20000, "handsets that come to it in an hour", of ["on"];
        stay_s: u32 = 120, 5 to 86400, "how long each stays on average, s", of ["on"];
        hop_pct: f64 = 0.0, 0 to 100, "handsets that go on to another of its cells", of ["on"];
        codes_pct: f64 = 0.0, 0 to 100, "handsets to which a one-time code comes there that they had not asked for; a payment follows", of ["on"];
        codes_each: u32 = 1, 1 to 10, "codes that come to such a handset, one after another, each with its payment", of ["on"];
        amount: u32 = 300000, 1 to 100000000, "of such a payment, KRW", of ["on"];
        every_d: u32 = 1, 1 to 365, "it is done again after so many days", of ["crowd" "on"];
        times: u32 = 1, 1 to 3650, "so often in all", of ["crowd" "on"];
    }
}

table! {
    /// What must be found.
    struct Expect in "expect";
    words {
        "finding" finding: String, "a detector, or `any` of them but `feed_gap`", "needed", "by which detector", of [];
        "on" on: String, "an actor, or `any`, `attack`, `honest`", "needed", "about whom: it names a cell, a unit or a handset of theirs", of [];
        "by" #[serde(default)] by: Option<By>, "a time, or `first-code`, `first-payment`", "the end", "until when; of each attacked cell its first code or payment", of [];
    }
    values {
        each_cell: bool = false, false to true, "each cell of the actor, not one of them", of [];
        sure: u32 = 0, 0 to 100, "with that confidence at least", of [];
    }
}

table! {
    /// What must not be found.
    struct Never in "never";
    words {
        "finding" finding: String, "as above", "needed", "by which detector", of [];
        "on" on: String, "as above", "needed", "about whom; `honest`: whoever is of no attack", of [];
    }
    values {
        sure: u32 = 0, 0 to 100, "with that confidence at least", of [];
    }
}

/// A time in which a feed says nothing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GapTerms {
    /// When it begins.
    pub from: Moment,
    /// How many hours it lasts.
    pub for_h: f64,
    /// What it has not said comes when it is over.
    #[serde(default)]
    pub late: bool,
}

impl Scenario {
    /// Reads a scenario and checks all that can be known before it is played.
    ///
    /// # Errors
    /// [`check::BadScenario`]: what is wrong, where, and what to do.
    pub fn parse(text: &str) -> Result<Self, check::BadScenario> {
        let scenario: Self = toml::from_str(text)?;
        scenario.check()?;
        Ok(scenario)
    }

    /// When it begins.
    pub fn begins(&self) -> UnixTime {
        // 2026-01-05T00:00:00Z.
        self.start.unwrap_or(UnixTime::from_secs(1_767_571_200))
    }

    /// Where something is that a step or an actor puts somewhere in a town.
    pub fn position(&self, town: u32, x_km: f64, y_km: f64) -> Option<Position> {
        Country::new(&self.estate, 0).middle(town).plus(Spot::km(x_km, y_km)).position()
    }

    /// Whether somebody has a box.
    pub fn is_attack(&self) -> bool {
        self.actors.iter().any(|actor| actor.kind == ActorKind::Box)
    }

    /// How a feed works.
    pub(super) fn terms(&self, kind: FeedKind) -> FeedTerms {
        let given = self.feeds.iter().find(|feed| feed.name == kind).cloned();
        given.unwrap_or_else(|| FeedTerms { name: kind, ..FeedTerms::default() })
    }

    /// The number of an actor.
    pub(super) fn actor(&self, name: &str) -> Option<usize> {
        self.actors.iter().position(|actor| actor.name == name)
    }
}
