//! How often things happen in the simulated world, each once. `docs/verdict.md` has the same table.

/// One of them.
#[derive(Clone, Copy, Debug)]
pub struct Rate {
    /// What happens.
    pub what: &'static str,
    /// How often, or how long.
    pub value: f64,
    /// Of the value.
    pub unit: &'static str,
}

const fn rate(what: &'static str, value: f64, unit: &'static str) -> Rate {
    Rate { what, value, unit }
}

const A_DAY: &str = "a day and unit";
const PER_CENT: &str = "%";

pub(super) const POWER: Rate = rate("a unit loses power", 0.2, A_DAY);
pub(super) const POWER_OFF: Rate = rate("it is off for so long, mean", 20.0, "minutes");
pub(super) const OUTAGE: Rate = rate("a whole region is without power or network", 0.003, A_DAY);
pub(super) const OUTAGE_OFF: Rate = rate("it is so for so long, mean", 180.0, "minutes");
pub(super) const ADDRESS: Rate = rate("its line gets another address", 0.05, A_DAY);
pub(super) const REBINDING: Rate = rate("its NAT gives it another port", 0.5, A_DAY);
pub(super) const DUAL_STACK: Rate = rate("units with two stacks that flap", 2.0, PER_CENT);
pub(super) const FLAP: Rate = rate("such a unit goes to its other stack", 4.0, A_DAY);
pub(super) const BOOKED_MOVE: Rate = rate("it moves, and that is booked", 0.0005, A_DAY);
pub(super) const UNBOOKED_MOVE: Rate = rate("it moves, and that is booked a day later", 0.0001, A_DAY);
pub(super) const LINE_CHANGE: Rate = rate("its home gets another line, and that is booked", 0.0007, A_DAY);
pub(super) const RESET: Rate = rate("it is reset, and the hosting party says so", 0.0003, A_DAY);
pub(super) const UPGRADE: Rate = rate("it gets other firmware", 0.011, A_DAY);
pub(super) const UPGRADE_LOOKS: Rate = rate("firmware whose IKE looks otherwise", 50.0, PER_CENT);
pub(super) const UPGRADE_UNKNOWN: Rate = rate("firmware that the ledger does not hear of", 5.0, PER_CENT);
pub(super) const ROLL_BACK: Rate = rate("firmware that is set back after a day", 5.0, PER_CENT);
pub(super) const LINE_LAG: Rate = rate("until the feed has a new address, mean", 2.0, "minutes");
pub(super) const LINE_MISSING: Rate = rate("rows of the feed that are missing or stale", 1.0, PER_CENT);
pub(super) const LINE_FILLED: Rate = rate("until such a row is there, mean", 360.0, "minutes");
pub(super) const LINE_WRONG: Rate = rate("rows of the feed that name another line", 0.1, PER_CENT);
pub(super) const LINE_MENDED: Rate = rate("until such a row is mended, mean", 1440.0, "minutes");
pub(super) const LINE_ON: Rate = rate("lines that have an address at any time", 95.0, PER_CENT);
pub(super) const LINE_TWO: Rate = rate("lines that have two addresses of one family", 2.0, PER_CENT);
pub(super) const CLASS_WRONG: Rate = rate("networks whose class is wrong", 1.0, PER_CENT);
pub(super) const FACTS_EVERY: Rate = rate("management reports, every", 15.0, "minutes");
pub(super) const FACTS_GAP: Rate = rate("reports that are lost", 5.0, PER_CENT);
pub(super) const TRAIL_AFTER: Rate =
    rate("until handsets have shown where a tunnel's cell is, mean", 240.0, "minutes");
pub(super) const TRAIL_QUIET: Rate = rate("homes where too few handsets come by", 20.0, PER_CENT);
pub(super) const AGAIN: Rate = rate("one that is refused tries again after, at first", 10.0, "minutes");
pub(super) const TURN: Rate =
    rate("a copy that takes turns stays for 10 minutes and then, mean", 720.0, "minutes");
pub(super) const COPY_OWN: Rate =
    rate("copies elsewhere that sit on a fixed line of the carrier", 40.0, PER_CENT);
pub(super) const COPY_FOREIGN: Rate =
    rate("copies elsewhere in another country or a data centre", 10.0, PER_CENT);

/// All of them, in the order of the documents.
pub const RATES: [&Rate; 32] = [
    &POWER,
    &POWER_OFF,
    &OUTAGE,
    &OUTAGE_OFF,
    &ADDRESS,
    &REBINDING,
    &DUAL_STACK,
    &FLAP,
    &BOOKED_MOVE,
    &UNBOOKED_MOVE,
    &LINE_CHANGE,
    &RESET,
    &UPGRADE,
    &UPGRADE_LOOKS,
    &UPGRADE_UNKNOWN,
    &ROLL_BACK,
    &LINE_LAG,
    &LINE_MISSING,
    &LINE_FILLED,
    &LINE_WRONG,
    &LINE_MENDED,
    &LINE_ON,
    &LINE_TWO,
    &CLASS_WRONG,
    &FACTS_EVERY,
    &FACTS_GAP,
    &TRAIL_AFTER,
    &TRAIL_QUIET,
    &AGAIN,
    &TURN,
    &COPY_OWN,
    &COPY_FOREIGN,
];
