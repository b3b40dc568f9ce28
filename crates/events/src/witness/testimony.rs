use super::{WitnessError, kept::each};
use crate::{PublicKey, journal::Restore};
use ids::{NodeId, Sha256, UnixTime};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// Everything that a folder holds of one journal, in the order of its records.
#[derive(Clone, Debug)]
pub struct Testimony {
    dir: PathBuf,
    /// `None` when it holds nothing.
    node: Option<NodeId>,
    told: Vec<Told>,
}

/// 48 octets for each checkpoint, which a year of them has a million of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Told {
    seq: u64,
    sha256: Sha256,
    at: UnixTime,
}

/// What a journal has in common with a witness.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Witnessed {
    /// The witness vouches for the records up to this one.
    pub seq: u64,
    /// When that one was signed, by the node's clock.
    pub at: UnixTime,
    /// How many checkpoints were compared.
    pub checkpoints: u64,
}

impl Testimony {
    /// Reads a folder of a witness, or a drop, before the journal that is compared with it.
    ///
    /// # Errors
    /// [`WitnessError`]
    pub fn read(dir: &Path) -> Result<Self, WitnessError> {
        let (mut node, mut told, mut mixed): (Option<NodeId>, _, _) = (None, Vec::new(), None);
        each(dir, |path, line| {
            let expected = node.get_or_insert_with(|| line.node.clone());
            if *expected != line.node {
                let (path, found, expected) = (path.to_owned(), line.node, expected.clone());
                mixed.get_or_insert(WitnessError::Mixed { path, found, expected });
                return;
            }
            told.push(Told { seq: line.seq, sha256: line.sha256, at: line.at });
        })?;
        told.sort_unstable();
        told.dedup();
        mixed.map_or(Ok(Self { dir: dir.to_owned(), node, told }), Err)
    }

    /// It holds nothing.
    pub fn is_empty(&self) -> bool {
        self.told.is_empty()
    }

    /// Those among `some`, in their order, that one of the keys has signed.
    fn signed(&self, some: &[Missed], keys: &[PublicKey]) -> Result<Vec<Missed>, WitnessError> {
        let mut signed = vec![false; some.len()];
        each(&self.dir, |_, line| {
            let found = some.binary_search_by_key(&(line.seq, line.sha256), |missed| missed.told.name());
            if let Ok(index) = found {
                signed[index] |= keys.iter().any(|key| line.is_signed_by(key));
            }
        })?;
        Ok(some.iter().zip(signed).filter_map(|(missed, signed)| signed.then_some(*missed)).collect())
    }
}

impl Told {
    fn name(&self) -> (u64, Sha256) {
        (self.seq, self.sha256)
    }
}

/// A checkpoint of the witness that the journal does not have.
#[derive(Clone, Copy, Debug)]
struct Missed {
    told: Told,
    /// The last record before it for which the witness vouches; 0 for none.
    agreed: u64,
}

/// A journal, record by record, beside what a witness has of it.
pub(crate) struct Comparison<'a> {
    testimony: &'a Testimony,
    next: usize,
    agreed: Option<Told>,
    count: u64,
    missed: Vec<Missed>,
}

/// The journal that was read.
pub(crate) struct Extent<'a> {
    pub(crate) node: &'a NodeId,
    pub(crate) first: u64,
    pub(crate) last: u64,
    /// All that have signed in it.
    pub(crate) keys: &'a [PublicKey],
}

/// A restore explains that the journal does not have it: it was signed before that, from its place on.
fn is_lost_by(restores: &mut [Restore], told: &Told) -> bool {
    let explains = |restore: &&mut Restore| restore.seq <= told.seq && told.at <= restore.at;
    let restore = restores.iter_mut().find(explains);
    restore.map(|restore| restore.lost_to = restore.lost_to.max(Some(told.seq))).is_some()
}

/// How a journal is not what its witness has seen.
pub(crate) struct Differs {
    /// The first record that is missing, or that may be another one.
    pub(crate) seq: u64,
    /// In words.
    pub(crate) why: String,
}

impl<'a> Comparison<'a> {
    pub(crate) fn new(testimony: &'a Testimony) -> Self {
        Self { testimony, next: 0, agreed: None, count: 0, missed: Vec::new() }
    }

    /// The journal's records come in their order.
    pub(crate) fn record(&mut self, seq: u64, sha256: &Sha256) {
        let rest = &self.testimony.told[self.next..];
        // Those before are from before the first record that is left.
        let before = rest.partition_point(|told| told.seq < seq);
        let here = &rest[before..rest.partition_point(|told| told.seq <= seq)];
        self.next += before + here.len();
        here.iter().filter(|told| told.sha256 != *sha256).for_each(|told| self.miss(*told));
        if let Some(same) = here.iter().find(|told| told.sha256 == *sha256) {
            (self.agreed, self.count) = (Some(*same), self.count + 1);
        }
    }

    fn miss(&mut self, told: Told) {
        self.missed.push(Missed { told, agreed: self.agreed.map_or(0, |agreed| agreed.seq) });
    }

    /// The journal is over; what the two have in common. Each of `restores` learns what it lost.
    pub(crate) fn conclude(
        mut self,
        journal: &Extent<'_>,
        restores: &mut [Restore],
    ) -> Result<Option<Witnessed>, Differs> {
        if let Some(other) = self.testimony.node.as_ref().filter(|node| *node != journal.node) {
            let why = format!("it is of node {}, and what the witness holds of {other}", journal.node);
            return Err(Differs { seq: journal.first, why });
        }
        let behind = &self.testimony.told[self.next..];
        behind.iter().for_each(|told| self.miss(*told));
        let has_lost = self.set_lost_aside(journal.keys, restores);
        if let Some(differs) = self.differs(journal) {
            return Err(differs);
        }
        match (self.agreed, self.testimony.told.last()) {
            (None, Some(last)) if !has_lost => {
                let why = format!("all that the witness saw is gone before it, up to record {}", last.seq);
                Err(Differs { seq: journal.first, why })
            }
            (agreed, _) => {
                Ok(agreed.map(|Told { seq, at, .. }| Witnessed { seq, at, checkpoints: self.count }))
            }
        }
    }

    /// Takes out what restores explain; whether there is any. What no key has signed nobody has lost.
    fn set_lost_aside(&mut self, keys: &[PublicKey], restores: &mut [Restore]) -> bool {
        if restores.is_empty() || self.missed.is_empty() {
            return false;
        }
        let signed = self.testimony.signed(&self.missed, keys).unwrap_or_default();
        let missed = self.missed.len();
        self.missed.retain(|missed| {
            let is_signed = signed.binary_search_by_key(&missed.told.name(), |signed| signed.told.name());
            is_signed.is_err() || !is_lost_by(restores, &missed.told)
        });
        missed > self.missed.len()
    }

    fn differs(&self, journal: &Extent<'_>) -> Option<Differs> {
        if self.missed.is_empty() {
            return None;
        }
        // Anyone may have written to a drop what no key has signed: the rest comes first.
        let signed = self.testimony.signed(&self.missed, journal.keys).unwrap_or_default();
        let (missed, whose) = if signed.is_empty() {
            (&self.missed, "but no key of this journal has signed that: see who wrote it there")
        } else {
            (&signed, "and the journal's key has signed that")
        };
        let (first, last) = (missed.first()?, missed.last()?);
        let Told { seq, at, .. } = first.told;
        if seq > journal.last {
            let Told { seq, at, .. } = last.told;
            let why = format!("it is missing: the witness saw record {seq} of {at}, {whose}");
            return Some(Differs { seq: journal.last + 1, why });
        }
        let from = journal.first.max(first.agreed + 1);
        let which = if from < seq { format!("one of the records from it to {seq}") } else { "it".into() };
        let why =
            format!("{which} is another one than the witness saw: its record {seq} is of {at}, {whose}");
        Some(Differs { seq: from, why })
    }
}
