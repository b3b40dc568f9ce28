use super::journal_key;
use crate::{
    failure::{Failure, Problem},
    output::{Output, facts, seconds},
};
use clap::Args;
use events::{
    PublicKey,
    witness::{Intake, Kept, Standing, Testimony, WitnessError},
};
use ids::{NodeId, UnixTime};
use serde::Serialize;
use std::{
    io,
    path::{Path, PathBuf},
};

/// Run it on the witness, a host that others administer, each half minute. DIR is the witness's own
/// folder for one node, which that node cannot reach; it only grows. DROP is the folder into which the
/// node puts its checkpoints; what was taken in is removed there.
#[derive(Debug, Args)]
pub(crate) struct Witness {
    /// Folder of the witness for one node; or a drop, to look at only
    #[arg(value_name = "DIR")]
    dir: PathBuf,
    /// First take in what this drop holds
    #[arg(long, value_name = "DROP", requires = "key")]
    from: Option<PathBuf>,
    /// The public key of the node's journal: 64 hex digits, as `init` printed them and its DATA/journal.pub has them
    #[arg(long, value_name = "KEY", requires = "from", value_parser = journal_key)]
    key: Option<PublicKey>,
    /// An older last checkpoint is bad: the node is silent
    #[arg(long, value_name = "SECONDS", default_value_t = 120)]
    max_age: u32,
}

/// What a witness has.
#[derive(Debug, Serialize)]
struct Seen {
    /// Nothing in it asks for a person.
    ok: bool,
    /// What does, the worst: a stable word; `None`, as the next, when nothing does.
    code: Option<&'static str>,
    /// The same in words.
    why: Option<&'static str>,
    /// Whose journal; `None`, as the next three, before the first checkpoint.
    node: Option<NodeId>,
    /// The last checkpoint.
    seq: Option<u64>,
    /// When it was signed, by the node's clock.
    at: Option<UnixTime>,
    /// How long ago, by this host's clock; negative when that one is ahead.
    age_s: Option<i64>,
    /// Checkpoints that were new in the drop; `None` without one.
    taken: Option<u64>,
    /// All that contradict others.
    contradictions: Vec<Contradiction>,
    /// Files of the drop that are no checkpoint which the node has signed.
    refused: Vec<Refused>,
}

#[derive(Debug, Serialize)]
struct Contradiction {
    seq: u64,
    at: UnixTime,
}

#[derive(Debug, Serialize)]
struct Refused {
    file: PathBuf,
    why: String,
}

impl Witness {
    pub(super) fn run(&self, output: &Output) -> Result<(), Failure> {
        let intake = match (&self.from, self.key) {
            (Some(drop), Some(key)) => {
                Some(Kept::open(&self.dir, key).and_then(|mut kept| kept.take_in(drop)).map_err(failure)?)
            }
            (Some(_), None) | (None, Some(_)) | (None, None) => None,
        };
        let standing = Standing::read(&self.dir).map_err(failure)?;
        let seen = self.seen(standing, intake, UnixTime::now());
        output.answer(&seen, report)?;
        if seen.ok { Ok(()) } else { Err(Failure::answered()) }
    }

    fn seen(&self, standing: Standing, intake: Option<Intake>, now: UnixTime) -> Seen {
        let last = standing.last.as_ref();
        let taken = intake.as_ref().map(|intake| intake.new);
        let refused = intake.into_iter().flat_map(|intake| intake.refused);
        let mut seen = Seen {
            ok: true,
            code: None,
            why: None,
            node: last.map(|last| last.node.clone()),
            seq: last.map(|last| last.seq),
            at: last.map(|last| last.at),
            age_s: last.map(|last| now.secs() - last.at.secs()),
            taken,
            contradictions: standing
                .contradictions
                .iter()
                .map(|other| Contradiction { seq: other.seq, at: other.at })
                .collect(),
            refused: refused.map(|refused| Refused { file: refused.path, why: refused.why }).collect(),
        };
        (seen.code, seen.why) = bad(&seen, self.max_age).unzip();
        seen.ok = seen.code.is_none();
        seen
    }
}

/// What asks for a person, the worst first: a stable word, and what it means.
fn bad(seen: &Seen, max_age: u32) -> Option<(&'static str, &'static str)> {
    let Some(age) = seen.age_s else { return Some(("nothing-witnessed", "nothing was witnessed yet")) };
    if !seen.contradictions.is_empty() {
        let why = "the node has signed what contradicts its journal: it was cut, or written anew";
        return Some(("contradicted", why));
    }
    if age.unsigned_abs() > u64::from(max_age) {
        let why = "the last checkpoint is not of now: the node is silent, or a clock is wrong";
        return Some(("not-of-now", why));
    }
    (!seen.refused.is_empty()).then_some(("strange-files", "somebody else writes to the drop"))
}

fn report(seen: &Seen) -> String {
    let mut lines = Vec::new();
    lines.extend(seen.node.as_ref().map(|node| ("node", node.to_string())));
    if let (Some(seq), Some(at), Some(age)) = (seen.seq, seen.at, seen.age_s) {
        lines.push(("witnessed", format!("up to record {seq}, signed {}, {age} s ago", seconds(at))));
    }
    lines.extend(seen.taken.map(|taken| ("taken in", format!("{taken} checkpoints"))));
    let others = seen.contradictions.iter();
    lines.extend(
        others.map(|other| ("contradiction", format!("record {}, signed {}", other.seq, seconds(other.at)))),
    );
    let refused = seen.refused.iter();
    lines.extend(refused.map(|refused| ("refused", format!("{}: {}", refused.file.display(), refused.why))));
    let first = seen.why.map_or_else(|| "good".into(), |why| format!("BAD: {why}"));
    format!("{first}\n{}", facts(&lines))
}

/// All that a witness has of a journal, to compare that with.
///
/// # Errors
/// There is no such folder, nothing in it, or something else.
pub(super) fn testimony(dir: &Path) -> Result<Testimony, Failure> {
    let read = Testimony::read(dir).map_err(failure)?;
    if read.is_empty() {
        let problem = Problem::new("no-testimony", format!("{} holds no checkpoint", dir.display()));
        return Err(Failure::No(problem.next(
            "name the folder of the node on its witness; if it is that one, somebody has emptied it",
        )));
    }
    Ok(read)
}

fn failure(error: WitnessError) -> Failure {
    match error {
        WitnessError::Io { ref source, .. } if source.kind() == io::ErrorKind::NotFound => Failure::Usage(
            Problem::new("no-witness", "the witness cannot be read")
                .because(error)
                .next("name the folder of the node on its witness, and see that it is mounted"),
        ),
        WitnessError::Io { .. } | WitnessError::InUse(_) => {
            Failure::system("the witness cannot be used", &error)
        }
        WitnessError::Line { .. } | WitnessError::Mixed { .. } | WitnessError::Taken(_) => Failure::No(
            Problem::new("bad-witness", "what the witness holds cannot be used")
                .because(error)
                .next("find out who wrote it there; keep it, outside this folder"),
        ),
    }
}
