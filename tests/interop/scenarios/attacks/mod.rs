//! Two who have one unit's key, or one who seems to be two: what becomes of each, row by row.
//!
//! The unit is behind its household's router, whose line the feed knows. [`rows`] has what happens, and what is known;
//! [`world`] makes it happen.

mod rows;
mod side;
mod world;

use rows::ROWS;

/// A side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Who {
    /// The genuine unit.
    Unit,
    /// Whoever else has its key; or the unit itself, where it is somewhere else.
    Other,
    /// One more of these.
    Third,
}

/// Where a side is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// Behind the unit's own line.
    Home,
    /// Behind another line, which the feed knows.
    OtherLine,
    /// Where the feed knows nobody.
    Unknown,
    /// There as well, and what it sends comes out of the unit's line.
    Relayed,
    /// There as well; databases of networks have it as a data centre in another country.
    Abroad,
    /// The unit's own IPv6, which the feed of lines has or has not.
    SecondStack { is_fed: bool },
}

/// How its IKE looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Look {
    /// As the unit's.
    Same,
    /// Other proposals.
    Different,
}

/// What happens.
#[derive(Clone, Copy, Debug)]
enum Act {
    /// A side begins a tunnel, and this comes of it.
    Comes(Who, Came),
    /// Two sides begin tunnels at the same time, and both are refused for this.
    ComeAtOnce(Who, Who, &'static str),
    /// The first one, which has a tunnel, ends it once the other has begun one: it is let in.
    GoesOver(Who, Who),
    /// A side ends its tunnel.
    Leaves(Who),
    /// A side loses power.
    LosesPower(Who),
    /// The gateway ends a side's tunnel.
    IsEnded(Who),
    /// Its router gives the household's tunnels other ports, under traffic.
    Rebinds,
    /// The unit makes its next tunnel before it breaks the one that it has.
    AuthenticatesAnew,
    /// Somebody runs a command.
    Runs(&'static [&'static str]),
    /// Somebody writes to the database.
    Edits(&'static str),
    /// Management has this from whoever speaks as the unit; `TUNNEL` is the one that was let in last.
    Says(&'static str),
    /// What was ordered of management last is there.
    Ordered(&'static str),
    /// The unit has forgotten all that it had, and enrols anew with the key from its factory.
    Enrols,
    /// The gateway is killed, its data directory is lost, and it goes on from this backup.
    IsRestored(&'static str),
}
use Act::{
    AuthenticatesAnew, ComeAtOnce, Comes, Edits, Enrols, GoesOver, IsEnded, IsRestored, Leaves, LosesPower,
    Ordered, Rebinds, Runs, Says,
};

/// What comes of a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Came {
    In,
    Quarantined,
    Refused(&'static str),
}
use Came::{In, Quarantined, Refused};

/// One row.
struct Row {
    /// What is tried, and how it ends, as docs/interop.md says it.
    says: [&'static str; 2],
    /// The sides beside the unit.
    others: &'static [(Place, Look)],
    acts: &'static [Act],
    /// Who has service at the end.
    serves: Option<Who>,
    /// Kinds of incidents, and the conclusion of each that is about two.
    incidents: &'static [(&'static str, Option<&'static str>)],
    /// The trust in the unit's cell at the end.
    trust: &'static str,
}

#[test]
fn the_document_has_the_table() {
    let document = include_str!("../../../../docs/interop.md");
    for (name, row) in ROWS {
        let [what, end] = row.says;
        let conclusions: Vec<_> = row.incidents.iter().map(|(kind, what)| what.unwrap_or(kind)).collect();
        let told = if conclusions.is_empty() { "-".to_owned() } else { conclusions.join(", ") };
        let line = format!("| {what} | {end} | {told} | {} |\n", row.trust);
        assert!(document.contains(&line), "{name}: docs/interop.md lacks\n{line}");
    }
}
