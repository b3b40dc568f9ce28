use super::Declined;
use std::{
    collections::BTreeMap,
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
};
use tokio::{sync::oneshot, task::spawn_blocking};

/// Work that needs a processor: some at once, some more that have begun and wait for others, some that wait to begin,
/// and no more. Who has begun goes on first. A thread that is done goes on with the next, so that many are no dearer than
/// their work.
#[derive(Debug)]
pub(super) struct Turns(Arc<Hall>);

/// Whose turn it is.
pub(super) struct Turn(Arc<Hall>);

#[derive(Debug)]
struct Hall {
    at_once: usize,
    begun: usize,
    waiting: usize,
    state: Mutex<State>,
    freed: Condvar,
}

#[derive(Default)]
struct State {
    number: u64,
    /// Who waits to begin, in the order in which they came.
    waiting: BTreeMap<u64, Work>,
    /// Who has begun and is not done, each in a thread.
    begun: usize,
    /// Of these, who works.
    working: usize,
    /// Of these, who has waited for others and wants to go on.
    returning: usize,
}

type Work = Box<dyn FnOnce(&Turn) + Send>;

/// Somebody who waits for an answer; dropped, nothing is begun for them any more.
struct Asker<'a> {
    hall: &'a Hall,
    number: u64,
}

/// Somebody who waits for others.
struct Aside<'a>(&'a Turn);

impl Turns {
    /// `begun`: with those who work. `waiting`: until they may begin.
    pub(super) fn new(at_once: usize, begun: usize, waiting: usize) -> Self {
        let (state, freed) = (Mutex::default(), Condvar::new());
        Self(Arc::new(Hall { at_once, begun, waiting, state, freed }))
    }

    /// How many are there.
    #[cfg(test)]
    pub(super) fn held(&self) -> usize {
        self.0.lock().held()
    }

    /// Does it in a thread that may wait, once it is its turn. Who has gone by then has nothing done.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Turn) -> T + Send + 'static,
    ) -> Result<T, Declined> {
        let (done, answer) = oneshot::channel();
        let work = move |turn: &Turn| {
            // Nobody may wait for it by now.
            let _ = done.send(work(turn));
        };
        let asker = self.0.enter(Box::new(work))?;
        let answer = answer.await.map_err(|_| Declined::NotReady);
        drop(asker);
        answer
    }
}

impl Turn {
    /// Waits for others, who need no turn, and has a turn again before it goes on.
    pub(super) fn wait<T>(&self, others: impl FnOnce() -> T) -> T {
        let aside = Aside::step(self);
        let done = others();
        drop(aside);
        done
    }
}

impl Hall {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn enter(self: &Arc<Self>, work: Work) -> Result<Asker<'_>, Declined> {
        let mut state = self.lock();
        if state.held() >= self.begun + self.waiting {
            return Err(Declined::Busy);
        }
        state.number += 1;
        let number = state.number;
        state.waiting.insert(number, work);
        self.begin_next(state);
        Ok(Asker { hall: self, number })
    }

    /// Has the next one begin in a thread of its own, if it may.
    fn begin_next(self: &Arc<Self>, mut state: MutexGuard<'_, State>) {
        let next = state.next(self);
        drop(state);
        if let Some(first) = next {
            let hall = self.clone();
            spawn_blocking(move || hall.work(first));
        }
    }

    /// Does one after another, for as long as there is one that may begin.
    fn work(self: Arc<Self>, first: Work) {
        let (turn, mut next) = (Turn(self), Some(first));
        while let Some(work) = next {
            // Who broke off has told nobody, which is answer enough.
            let _ = catch_unwind(AssertUnwindSafe(|| work(&turn)));
            let mut state = turn.0.lock();
            (state.working, state.begun) = (state.working - 1, state.begun - 1);
            next = state.next(&turn.0);
            turn.0.freed.notify_one();
        }
    }
}

impl State {
    fn held(&self) -> usize {
        self.waiting.len() + self.begun
    }

    /// Who begins now; those who want to go on come before.
    fn next(&mut self, hall: &Hall) -> Option<Work> {
        if self.working + self.returning >= hall.at_once || self.begun >= hall.begun {
            return None;
        }
        let (_, work) = self.waiting.pop_first()?;
        (self.working, self.begun) = (self.working + 1, self.begun + 1);
        Some(work)
    }
}

impl Drop for Asker<'_> {
    fn drop(&mut self) {
        self.hall.lock().waiting.remove(&self.number);
    }
}

impl<'a> Aside<'a> {
    fn step(turn: &'a Turn) -> Self {
        let mut state = turn.0.lock();
        state.working -= 1;
        turn.0.freed.notify_one();
        turn.0.begin_next(state);
        Self(turn)
    }
}

impl Drop for Aside<'_> {
    fn drop(&mut self) {
        let Turn(hall) = self.0;
        let mut state = hall.lock();
        state.returning += 1;
        let free = hall.freed.wait_while(state, |state| state.working >= hall.at_once);
        state = free.unwrap_or_else(PoisonError::into_inner);
        (state.returning, state.working) = (state.returning - 1, state.working + 1);
    }
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} wait, {} have begun, {} work", self.waiting.len(), self.begun, self.working)
    }
}

#[cfg(test)]
mod tests;
