use crate::{
    entry::{Entry, Kind},
    lake::{self, Lake, LakeError},
    part::{Day, PART, Part},
    run::Run,
};
use ids::UnixTime;
use std::{
    cmp::{Ordering, Reverse},
    collections::{BTreeMap, BinaryHeap, binary_heap::PeekMut},
    path::PathBuf,
    vec,
};

/// Rows that are held in memory; parts beyond it are put aside.
const HELD: usize = 2 * PART;
/// Parts that are merged at once.
pub(crate) const RUNS: usize = 512;

/// Rows of the lake in the order of (at, feed, seq); equal ones in the order of their kinds. After an error there is nothing more.
pub struct Rows {
    lake: Lake,
    from: UnixTime,
    to: UnixTime,
    /// What is still to come, by day.
    days: vec::IntoIter<(Day, Vec<(Kind, PathBuf)>)>,
    /// The parts of the day at hand whose time has not come, the first one last.
    waiting: Vec<Waiting>,
    runs: BinaryHeap<Reverse<Head>>,
    held: usize,
    most_held: usize,
}

/// A part that begins at that time.
struct Waiting {
    begins: UnixTime,
    kind: Kind,
    path: PathBuf,
    rows: usize,
}

/// A run by its next row.
struct Head {
    entry: Entry,
    run: Run,
}

impl Rows {
    pub(crate) fn new(lake: &Lake, kinds: &[Kind], from: UnixTime, to: UnixTime) -> Result<Self, LakeError> {
        let mut days: BTreeMap<Day, Vec<(Kind, PathBuf)>> = BTreeMap::new();
        let mut kinds = kinds.to_vec();
        kinds.sort_unstable();
        kinds.dedup();
        for kind in kinds {
            for (day, path) in lake.days(kind.as_str())? {
                if day >= Day::of(from) && day.begins() < to {
                    days.entry(day).or_default().push((kind, path));
                }
            }
        }
        let days = days.into_iter().collect::<Vec<_>>().into_iter();
        let lake = lake.clone();
        Ok(Self {
            lake,
            from,
            to,
            days,
            waiting: Vec::new(),
            runs: BinaryHeap::new(),
            held: 0,
            most_held: HELD,
        })
    }

    /// With room for so many rows, and one part, in memory: 2 million unless it is said. Each takes some 100 octets.
    #[must_use]
    pub fn holding(self, most_held: usize) -> Self {
        Self { most_held, ..self }
    }

    fn step(&mut self) -> Result<Option<Entry>, LakeError> {
        loop {
            let next = self.runs.peek().map(|Reverse(head)| head.entry.stamp().at);
            let is_due = |waiting: &Waiting| next.is_none_or(|next| waiting.begins <= next);
            if let Some(waiting) = self.waiting.pop_if(|waiting| is_due(waiting)) {
                self.begin(waiting)?;
            } else if next.is_some() {
                return self.take();
            } else if let Some((_, parts)) = self.days.next() {
                self.look(parts)?;
            } else {
                return Ok(None);
            }
        }
    }

    /// Which parts a day has, and when each begins.
    fn look(&mut self, folders: Vec<(Kind, PathBuf)>) -> Result<(), LakeError> {
        for (kind, folder) in folders {
            for (_, path) in lake::parts(&folder)? {
                let part = Part::open(&path, kind.as_str(), kind.schema())?;
                let none = || LakeError::Damaged {
                    path: path.clone(),
                    why: "it does not say of what time it is".into(),
                };
                let (begins, ends) = part.times().ok_or_else(none)?;
                if ends >= self.from && begins < self.to {
                    self.waiting.push(Waiting { begins, kind, rows: part.rows, path });
                }
            }
        }
        self.waiting.sort_by(|a, b| (b.begins, b.kind, &b.path).cmp(&(a.begins, a.kind, &a.path)));
        Ok(())
    }

    fn begin(&mut self, Waiting { begins, kind, path, rows }: Waiting) -> Result<(), LakeError> {
        if self.runs.len() >= RUNS {
            return Err(LakeError::TooManyAtOnce { most: RUNS, at: begins });
        }
        let mut run = Run::open(path, kind, self.from, self.to)?;
        if self.held + rows > self.most_held {
            run.put_aside(self.lake.dir())?;
        }
        self.held += run.held;
        self.put_back(run)
    }

    fn put_back(&mut self, mut run: Run) -> Result<(), LakeError> {
        match run.next()? {
            Some(entry) => self.runs.push(Reverse(Head { entry, run })),
            None => self.held -= run.held,
        }
        Ok(())
    }

    /// The first of all rows.
    fn take(&mut self) -> Result<Option<Entry>, LakeError> {
        let Some(mut first) = self.runs.peek_mut() else { return Ok(None) };
        let Reverse(head) = &mut *first;
        match head.run.next()? {
            Some(entry) => Ok(Some(std::mem::replace(&mut head.entry, entry))),
            None => {
                let Reverse(head) = PeekMut::pop(first);
                self.held -= head.run.held;
                Ok(Some(head.entry))
            }
        }
    }
}

impl Iterator for Rows {
    type Item = Result<Entry, LakeError>;

    fn next(&mut self) -> Option<Self::Item> {
        let stepped = self.step();
        if stepped.is_err() {
            (self.days, self.waiting, self.runs) = (Vec::new().into_iter(), Vec::new(), BinaryHeap::new());
        }
        stepped.transpose()
    }
}

impl Ord for Head {
    fn cmp(&self, other: &Self) -> Ordering {
        self.entry.stamp().cmp(other.entry.stamp()).then_with(|| self.run.kind.cmp(&other.run.kind))
    }
}

impl PartialOrd for Head {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Head {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Head {}
