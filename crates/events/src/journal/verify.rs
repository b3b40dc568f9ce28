use super::{Begun, Checkpoint, KeyChanged, Place, Pruned, Recovered, Restored, segment};
use crate::{
    PublicKey, Record, Recorded,
    record::versions,
    witness::{Comparison, Extent, Testimony, Witnessed},
};
use ids::{NodeId, Sha256, UnixTime};
use serde::{Deserialize, Serialize, de::IgnoredAny};
use std::{
    fs::File,
    io::{self, BufRead, BufReader},
    path::{Path, PathBuf},
};

/// A journal holds together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Whose journal.
    pub node: NodeId,
    /// First record that is there.
    pub first: u64,
    /// Last record that is there.
    pub last: u64,
    /// Up to here a checkpoint proves every octet, unless whoever has the key wrote it all anew. What is
    /// behind is chained, but whoever can write the files could have cut or changed its end.
    pub proven: u64,
    /// Up to where a witness has seen the same; `None` when none was asked.
    pub witnessed: Option<Witnessed>,
    /// Where the node went on from a backup, as it says itself.
    pub restores: Vec<Restore>,
    /// Hash of the last line.
    pub head: Sha256,
    /// The key that signs now.
    pub key: PublicKey,
    /// A line behind the last record that has no end: it is just being written, or the copy was taken in the middle
    /// of it. Nothing is known of it.
    pub unfinished: Option<Unfinished>,
}

/// What stands behind the last whole line, and begins as the next record would.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unfinished {
    /// The number that the record would have.
    pub seq: u64,
    /// How many octets of it there are.
    pub octets: u64,
}

/// A record that declares that the node went on from a backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Restore {
    /// Its number: records from here on were written anew.
    pub seq: u64,
    /// When it was restored, by the node's clock.
    pub at: UnixTime,
    /// When the backup was made.
    pub backup_at: UnixTime,
    /// Who did it.
    pub by: String,
    /// Why.
    pub why: String,
    /// The witness saw the lost records up to this one; `None` where it saw none of them, or was not asked.
    pub lost_to: Option<u64>,
}

/// The first record that does not hold together with the others.
#[derive(Debug, thiserror::Error)]
#[error("record {seq} ({path}): {why}")]
pub struct Broken {
    /// Its number: as it says, or as it ought to say.
    pub seq: u64,
    /// The segment.
    pub path: PathBuf,
    /// What does not hold.
    pub why: String,
    /// Stable word for that, of these: `bad-record`, `no-records`, `unreadable`, `pruned`, `not-as-witnessed`.
    pub code: &'static str,
    /// First record that is there; what is from it up to `seq` holds together. 0 where nothing could be read.
    pub first: u64,
    /// The last checkpoint before `seq`, by whose signature that is proven; 0 without one.
    pub proven: u64,
}

/// Checks a whole journal: format, numbers, chain and signatures, beginning with `key`, the key that
/// signed first, which the verifier must have from elsewhere.
///
/// Any changed octet up to the last checkpoint is found, and the record named that holds it.
///
/// # Errors
/// [`Broken`], also for a folder without records.
pub fn verify(dir: &Path, key: PublicKey) -> Result<Report, Broken> {
    check(dir, Chain::new(key, None))
}

/// The same, and the journal has everything that a witness has seen, and nothing else in its place: a
/// journal that was cut before its last witnessed record, or written anew and signed, is found.
///
/// What a restore from a backup lost is named with it ([`Restore::lost_to`]) and is no difference: the
/// witness's checkpoints from its record on that were signed before its time. Whoever has the journal's key
/// can declare one, so a restore that nobody knows of is a cut.
///
/// # Errors
/// [`Broken`]: the first record that is bad; else the first one that is missing, or the first that may be
/// another one than the witness saw.
pub fn verify_with(dir: &Path, key: PublicKey, witness: &Testimony) -> Result<Report, Broken> {
    check(dir, Chain::new(key, Some(witness)))
}

fn check(dir: &Path, mut chain: Chain<'_>) -> Result<Report, Broken> {
    let unreadable = |source: io::Error| Broken {
        seq: 0,
        path: dir.to_owned(),
        why: source.to_string(),
        code: "unreadable",
        first: 0,
        proven: 0,
    };
    let segments = segment::list(dir).map_err(unreadable)?;
    chain.begin(segments.first().map_or(1, |(first, _)| *first));
    let last = segments.len().saturating_sub(1);
    for (index, (first, path)) in segments.into_iter().enumerate() {
        chain.segment(first, &path, index == last)?;
    }
    chain.finish(dir)
}

struct Chain<'a> {
    key: PublicKey,
    /// All that have signed, the present one last.
    keys: Vec<PublicKey>,
    witness: Option<Comparison<'a>>,
    first: u64,
    /// Where the next line stands, and what its `prev` must be; `None` before the first.
    next: u64,
    prev: Option<Sha256>,
    node: Option<NodeId>,
    proven: u64,
    /// The last checkpoint before that one.
    proven_before: u64,
    pruned: bool,
    first_prev: Sha256,
    restores: Vec<Restore>,
    unfinished: Option<Unfinished>,
    /// The line before, kept until its successor vouches for it.
    doubt: Option<Doubt>,
    path: PathBuf,
}

/// The link from `seq` to its predecessor does not hold; the next link tells which of the two changed.
struct Doubt {
    seq: u64,
    hash: Sha256,
    /// It is a checkpoint and its signature verifies: then it is the line before that has changed.
    is_signed: bool,
    path: PathBuf,
}

impl<'a> Chain<'a> {
    fn new(key: PublicKey, witness: Option<&'a Testimony>) -> Self {
        let zero = Sha256([0; 32]);
        Self {
            key,
            keys: vec![key],
            witness: witness.map(Comparison::new),
            first: 1,
            next: 1,
            prev: Some(zero),
            node: None,
            proven: 0,
            proven_before: 0,
            pruned: true,
            first_prev: zero,
            restores: Vec::new(),
            unfinished: None,
            doubt: None,
            path: PathBuf::new(),
        }
    }

    fn begin(&mut self, first: u64) {
        (self.first, self.next, self.pruned) = (first, first, first == 1);
        self.prev = self.prev.filter(|_| first == 1);
    }

    fn broken(&self, why: impl Into<String>) -> Broken {
        self.broken_at(self.next, why)
    }

    fn broken_at(&self, seq: u64, why: impl Into<String>) -> Broken {
        let proven = if self.proven < seq { self.proven } else { self.proven_before };
        let (path, first) = (self.path.clone(), self.first);
        Broken { seq, path, why: why.into(), code: "bad-record", first, proven }
    }

    fn segment(&mut self, first: u64, path: &Path, is_last: bool) -> Result<(), Broken> {
        path.clone_into(&mut self.path);
        if first != self.next {
            return Err(self.broken(format!("the segment begins with record {first}")));
        }
        let unreadable =
            |chain: &Self, error: io::Error| Broken { code: "unreadable", ..chain.broken(error.to_string()) };
        let file = File::open(path).map_err(|error| unreadable(self, error))?;
        let mut reader = BufReader::new(file);
        let mut line = Vec::new();
        loop {
            line.clear();
            let read = reader.read_until(b'\n', &mut line).map_err(|error| unreadable(self, error))?;
            if read == 0 {
                return Ok(());
            }
            if is_last && self.is_unfinished(&line) {
                self.unfinished = Some(Unfinished { seq: self.next, octets: line.len() as u64 });
                return Ok(());
            }
            self.line(&line)?;
        }
    }

    fn line(&mut self, line: &[u8]) -> Result<(), Broken> {
        let record = self.read(line).or_else(|broken| self.settle(None).and(Err(broken)))?;
        self.settle(Some(record.prev))?;
        let hash = Sha256::of(line);
        match self.prev {
            Some(prev) if prev != record.prev => {
                // Either this line's `prev` or the line before has changed: the next line tells.
                self.doubt = Some(Doubt {
                    seq: self.next,
                    is_signed: self.control(&record).is_ok() && record.kind == Checkpoint::KIND,
                    hash,
                    path: self.path.clone(),
                });
            }
            Some(_) => {}
            None => self.first_prev = record.prev,
        }
        if self.doubt.is_none() {
            self.place(&record)?;
            self.control(&record)?;
        }
        if let Some(witness) = &mut self.witness {
            witness.record(self.next, &hash);
        }
        (self.next, self.prev) = (self.next + 1, Some(hash));
        Ok(())
    }

    /// A line without its end that may become the next record: up to where it says when, it can say one thing only.
    fn is_unfinished(&self, line: &[u8]) -> bool {
        let Some(prev) = self.prev.filter(|_| line.last() != Some(&b'\n')) else { return false };
        let begins = format!(r#"{{"seq":"{}","prev":"{prev}","at":""#, self.next);
        let common = begins.len().min(line.len());
        let may_go_on = || match serde_json::from_slice::<IgnoredAny>(line) {
            Ok(_) => line.last() == Some(&b'}'),
            Err(error) => error.is_eof(),
        };
        line[..common] == begins.as_bytes()[..common] && may_go_on()
    }

    fn read(&mut self, line: &[u8]) -> Result<Record, Broken> {
        if line.last() != Some(&b'\n') {
            return Err(self.broken("the line is not finished"));
        }
        let record: Record = serde_json::from_slice(line).map_err(|error| self.broken(error.to_string()))?;
        if canonical(&record).as_bytes() != line {
            return Err(self.broken("the line is not written as a journal writes it"));
        }
        Ok(record)
    }

    /// A line whose link holds must also say the right number and node.
    fn place(&mut self, record: &Record) -> Result<(), Broken> {
        let node = self.node.get_or_insert_with(|| record.node.clone());
        if &record.node != node {
            return Err(self.broken("it is of another node"));
        }
        if record.seq != self.next {
            return Err(self.broken(format!("it says that it is record {}", record.seq)));
        }
        Ok(())
    }

    /// A broken link behind us: if the line after vouches for the later one, the earlier has changed.
    fn settle(&mut self, next_prev: Option<Sha256>) -> Result<(), Broken> {
        let Some(doubt) = self.doubt.take() else { return Ok(()) };
        let later_is_whole = doubt.is_signed || next_prev == Some(doubt.hash);
        let seq = if later_is_whole { doubt.seq - 1 } else { doubt.seq };
        Err(Broken { path: doubt.path, ..self.broken_at(seq, "it does not fit the record beside it") })
    }

    fn control(&mut self, record: &Record) -> Result<(), Broken> {
        let place = Place { node: &record.node, seq: record.seq, prev: record.prev, at: record.at };
        match record.kind.as_str() {
            Begun::KIND => {
                let begun: Begun = self.body(record)?;
                if record.seq != 1 || begun.key != self.key {
                    return Err(self.broken("the journal begins with another key than yours"));
                }
            }
            Checkpoint::KIND => {
                let checkpoint: Checkpoint = self.body(record)?;
                self.signed(&self.key, &place.checkpoint(), &checkpoint.signature)?;
                (self.proven_before, self.proven) = (self.proven, record.seq);
            }
            KeyChanged::KIND => {
                let changed: KeyChanged = self.body(record)?;
                let message = place.key_changed(&changed.key);
                self.signed(&self.key, &message, &changed.by_old)?;
                self.signed(&changed.key, &message, &changed.by_new)?;
                self.key = changed.key;
                self.keys.push(changed.key);
            }
            Pruned::KIND => {
                let pruned: Pruned = self.body(record)?;
                self.signed(&self.key, &place.pruned(pruned.first, &pruned.prev), &pruned.signature)?;
                self.pruned |= (pruned.first, pruned.prev) == (self.first, self.first_prev);
            }
            Recovered::KIND => {
                let _: Recovered = self.body(record)?;
            }
            Restored::KIND => {
                let Restored { backup_at, by, why, .. } = self.body(record)?;
                let (seq, at) = (record.seq, record.at);
                self.restores.push(Restore { seq, at, backup_at, by, why, lost_to: None });
            }
            kind => return self.is_known(kind, record.v),
        }
        Ok(())
    }

    fn is_known(&self, kind: &str, v: u16) -> Result<(), Broken> {
        let what = match versions().find(|(known, _)| *known == kind) {
            Some((_, newest)) if v <= newest => return Ok(()),
            Some(_) => format!("version {v} of {kind}"),
            None => format!("the kind {kind}"),
        };
        Err(self.broken(format!("{what} is not known: changed, or of a newer Truecell")))
    }

    fn body<T: Recorded>(&self, record: &Record) -> Result<T, Broken> {
        match record.read() {
            Ok(Some(body)) if record.v == T::V => Ok(body),
            Ok(_) => Err(self.broken("its version is not known")),
            Err(error) => Err(self.broken(error.to_string())),
        }
    }

    fn signed(&self, key: &PublicKey, message: &str, signature: &str) -> Result<(), Broken> {
        if key.verifies(message, signature) {
            Ok(())
        } else {
            Err(self.broken("its signature does not verify"))
        }
    }

    fn finish(mut self, dir: &Path) -> Result<Report, Broken> {
        self.settle(None)?;
        let (Some(node), Some(head)) = (self.node.clone(), self.prev) else {
            dir.clone_into(&mut self.path);
            return Err(Broken { code: "no-records", ..self.broken("there are no records here") });
        };
        if !self.pruned {
            self.next = self.first;
            let why = "earlier records are gone, and no signed record says that they were pruned";
            return Err(Broken { code: "pruned", ..self.broken(why) });
        }
        let (first, last, proven, key) = (self.first, self.next - 1, self.proven, self.key);
        let extent = Extent { node: &node, first, last, keys: &self.keys };
        let mut restores = std::mem::take(&mut self.restores);
        let witnessed = match self.witness.take().map(|witness| witness.conclude(&extent, &mut restores)) {
            Some(Err(differs)) => {
                let differs = self.broken_at(differs.seq, differs.why);
                return Err(Broken { code: "not-as-witnessed", ..differs });
            }
            Some(Ok(witnessed)) => witnessed,
            None => None,
        };
        let unfinished = self.unfinished;
        Ok(Report { node, first, last, proven, witnessed, restores, head, key, unfinished })
    }
}

/// The line as [`super::Journal`] writes it: no other spelling of the same JSON is taken.
pub(crate) fn canonical(record: &Record) -> String {
    let Record { seq, prev, at, node, kind, v, body } = record;
    format!(
        r#"{{"seq":"{seq}","prev":"{prev}","at":"{at}","node":"{node}","kind":"{kind}","v":{v},"body":{body}}}"#
    ) + "\n"
}
