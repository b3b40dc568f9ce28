use super::{CaKey, KeyError, KeyPlace};
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// Has one key, and asks whoever has it one thing at a time, each on a thread of its own: a token or a disk may never
/// answer. What was begun goes on; until it ends, nobody waits for it any more.
pub(super) struct Keeper {
    place: KeyPlace,
    /// SubjectPublicKeyInfo in DER.
    public: Vec<u8>,
    /// Never held while something is asked.
    state: Mutex<State>,
    free: Condvar,
}

#[derive(Default)]
struct State {
    key: Option<Arc<dyn CaKey>>,
    /// What was wrong when it was last tried, and when that was.
    trouble: Option<(KeyError, Instant)>,
    /// How many things were asked.
    asked: u64,
    /// The one that has no answer yet.
    running: Option<u64>,
}

/// One thing that is asked, until it ends.
struct Turn {
    keeper: Arc<Keeper>,
    number: u64,
    trouble: Option<KeyError>,
}

/// Whatever is asked of a key that cannot be had, it is looked for no more often than this.
const LOOK_EVERY: Duration = Duration::from_secs(1);

impl Keeper {
    pub(super) fn new(place: KeyPlace, public: Vec<u8>) -> Self {
        Self { place, public, state: Mutex::default(), free: Condvar::new() }
    }

    pub(super) fn place(&self) -> &KeyPlace {
        &self.place
    }

    pub(super) fn take(&self, key: Arc<dyn CaKey>) {
        self.state().key = Some(key);
    }

    pub(super) fn has_key(&self) -> bool {
        self.state().key.is_some()
    }

    /// The key, if it signs without asking anybody.
    pub(super) fn in_memory(&self) -> Option<Arc<dyn CaKey>> {
        self.state().key.as_ref().filter(|key| key.is_in_memory()).cloned()
    }

    pub(super) fn trouble(&self) -> Option<KeyError> {
        self.state().trouble.as_ref().map(|(error, _)| error.clone())
    }

    /// Asks, and waits for the answer, and for that of whoever asked before.
    ///
    /// # Errors
    /// [`KeyError::Silent`] after `patience`, and at once while somebody has waited in vain.
    pub(super) fn ask<T: Send + 'static>(
        self: &Arc<Self>,
        patience: Duration,
        work: impl FnOnce(&Self) -> Result<T, KeyError> + Send + 'static,
    ) -> Result<T, KeyError> {
        let until = Instant::now() + patience;
        let mut turn = self.turn(patience)?;
        let number = turn.number;
        let (done, answer) = sync_channel(1);
        let asking = thread::Builder::new().name("ca-key".into()).spawn(move || {
            let result = work(&turn.keeper);
            turn.trouble = result.as_ref().err().cloned();
            drop(turn);
            // Who does not wait any more asks again.
            let _ = done.send(result);
        });
        asking.map_err(|_| KeyError::Signing)?;
        if let Ok(result) = answer.recv_timeout(until.saturating_duration_since(Instant::now())) {
            return result;
        }
        let state = self.state();
        match state.running == Some(number) {
            true => Err(self.silent(state)),
            false => {
                drop(state);
                answer.recv().unwrap_or(Err(KeyError::Signing))
            }
        }
    }

    fn turn(self: &Arc<Self>, patience: Duration) -> Result<Turn, KeyError> {
        let is_to_wait = |state: &mut State| state.running.is_some() && !state.is_silent();
        let waited = self.free.wait_timeout_while(self.state(), patience, is_to_wait);
        let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        if state.running.is_some() {
            return Err(self.silent(state));
        }
        match &state.trouble {
            Some((error, at)) if state.key.is_none() && at.elapsed() < LOOK_EVERY => {
                return Err(error.clone());
            }
            Some(_) | None => (),
        }
        state.asked += 1;
        state.running = Some(state.asked);
        Ok(Turn { keeper: self.clone(), number: state.asked, trouble: Some(KeyError::Signing) })
    }

    fn silent(&self, mut state: MutexGuard<'_, State>) -> KeyError {
        let error = KeyError::Silent { place: self.place.to_string() };
        state.trouble = Some((error.clone(), Instant::now()));
        self.free.notify_all();
        error
    }

    /// The key, opened if it was not. May wait without end, as all below.
    pub(super) fn key(&self) -> Result<Arc<dyn CaKey>, KeyError> {
        if let Some(key) = &self.state().key {
            return Ok(key.clone());
        }
        let key = self.place.open()?;
        if key.subject_public_key_info() != self.public {
            return Err(KeyError::Foreign { place: self.place.to_string() });
        }
        self.take(key.clone());
        Ok(key)
    }

    /// A session ends with its token, and the next may do.
    pub(super) fn signature(&self, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        self.key()?.signature(message).or_else(|_| {
            self.lose();
            self.key()?.signature(message).inspect_err(|_| self.lose())
        })
    }

    fn lose(&self) {
        let lost = self.state().key.take();
        drop(lost);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn is_silent(&self) -> bool {
        matches!(self.trouble, Some((KeyError::Silent { .. }, _)))
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut state = self.keeper.state();
        state.running = None;
        state.trouble = self.trouble.take().map(|error| (error, Instant::now()));
        drop(state);
        self.keeper.free.notify_all();
    }
}
