use super::Declined;
use std::{cell::RefCell, sync::Arc};
use tokio::{
    runtime::Handle,
    sync::{OwnedSemaphorePermit, Semaphore},
};

/// Work that needs a processor: some at once, some more that have begun and wait for others, some that wait to begin,
/// and no more.
#[derive(Debug)]
pub(super) struct Turns {
    /// Of all who are there.
    places: Arc<Semaphore>,
    /// Of those who have begun, each in a thread.
    begun: Arc<Semaphore>,
    /// Of those who work.
    working: Arc<Semaphore>,
    #[cfg(test)]
    all: usize,
}

/// Whose turn it is.
pub(super) struct Turn {
    working: Arc<Semaphore>,
    permit: RefCell<Option<OwnedSemaphorePermit>>,
}

impl Turns {
    /// `begun`: with those who work. `waiting`: until they may begin.
    pub(super) fn new(at_once: usize, begun: usize, waiting: usize) -> Self {
        Self {
            places: Arc::new(Semaphore::new(begun + waiting)),
            begun: Arc::new(Semaphore::new(begun)),
            working: Arc::new(Semaphore::new(at_once)),
            #[cfg(test)]
            all: begun + waiting,
        }
    }

    /// How many are there.
    #[cfg(test)]
    pub(super) fn held(&self) -> usize {
        self.all - self.places.available_permits()
    }

    /// Does it in a thread that may wait, once it is its turn. Who has gone by then has nothing done.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Turn) -> T + Send + 'static,
    ) -> Result<T, Declined> {
        let place = self.places.clone().try_acquire_owned().map_err(|_| Declined::Busy)?;
        let begun = self.begun.clone().acquire_owned().await.map_err(|_| Declined::Busy)?;
        let permit = self.working.clone().acquire_owned().await.map_err(|_| Declined::Busy)?;
        let turn = Turn { working: self.working.clone(), permit: RefCell::new(Some(permit)) };
        let done = tokio::task::spawn_blocking(move || {
            let done = work(&turn);
            // Held to the end of the work, whether or not anyone still waits for it.
            drop((turn, begun, place));
            done
        });
        done.await.map_err(|_| Declined::NotReady)
    }
}

impl Turn {
    /// Waits for others, who need no turn, and has a turn again before it goes on.
    pub(super) fn wait<T>(&self, others: impl FnOnce() -> T) -> T {
        self.permit.take();
        let done = others();
        let again = Handle::current().block_on(self.working.clone().acquire_owned());
        // Nobody closes the semaphore.
        self.permit.replace(again.ok());
        done
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{sync::mpsc::channel, time::Duration};
    use tokio::time::timeout;

    #[tokio::test]
    async fn what_finds_no_place_is_busy_at_once_and_what_waits_is_done_later() {
        let turns = Arc::new(Turns::new(1, 1, 1));
        let (begun, first_begun) = channel();
        let (release, released) = channel::<()>();
        let run = |work: Box<dyn FnOnce(&Turn) -> u8 + Send>| {
            let turns = turns.clone();
            tokio::spawn(async move { turns.run(work).await })
        };
        let first = run(Box::new(move |_| {
            begun.send(()).unwrap();
            released.recv().unwrap();
            1
        }));
        tokio::task::spawn_blocking(move || first_begun.recv().unwrap()).await.unwrap();
        let second = run(Box::new(|_| 2));
        while turns.places.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        let third = timeout(Duration::from_secs(20), turns.run(|_| 3)).await;
        assert_eq!(third.expect("it does not wait"), Err(Declined::Busy));
        assert!(!second.is_finished());
        release.send(()).unwrap();
        assert_eq!((first.await.unwrap(), second.await.unwrap()), (Ok(1), Ok(2)));
        assert_eq!(turns.run(|_| 3).await, Ok(3));
    }

    #[tokio::test]
    async fn who_has_gone_makes_room() {
        let turns = Turns::new(1, 1, 1);
        let taken = turns.working.clone().acquire_owned().await.unwrap();
        let mut waits = Box::pin(turns.run(|_| ()));
        assert!(is_pending(&mut waits).await);
        assert_eq!(turns.places.available_permits(), 1);
        drop(waits);
        assert_eq!(turns.places.available_permits(), 2);
        drop(taken);
    }

    #[tokio::test]
    async fn who_waits_for_others_leaves_the_turn_to_the_next_and_takes_one_again() {
        let turns = Arc::new(Turns::new(1, 2, 0));
        let (begun, first_begun) = channel();
        let (release, released) = channel::<()>();
        let (first, theirs) = (turns.clone(), turns.clone());
        let waits = move |turn: &Turn| {
            turn.wait(|| {
                begun.send(()).unwrap();
                released.recv().unwrap();
            });
            theirs.working.available_permits()
        };
        let first = tokio::spawn(async move { first.run(waits).await });
        tokio::task::spawn_blocking(move || first_begun.recv().unwrap()).await.unwrap();
        let second = timeout(Duration::from_secs(20), turns.run(|_| 2)).await;
        assert_eq!(second.expect("the turn is free"), Ok(2));
        release.send(()).unwrap();
        assert_eq!(first.await.unwrap(), Ok(0));
        assert_eq!((turns.working.available_permits(), turns.held()), (1, 0));
    }

    #[tokio::test]
    async fn who_panics_while_it_waits_takes_nothing_along() {
        let turns = Turns::new(1, 1, 0);
        let broken = turns.run(|turn| turn.wait(|| panic!("on purpose"))).await;
        assert_eq!(broken.map(|()| ()), Err(Declined::NotReady));
        assert_eq!((turns.working.available_permits(), turns.held()), (1, 0));
    }

    /// Whether it is pending.
    async fn is_pending<T>(future: &mut (impl Future<Output = T> + Unpin)) -> bool {
        std::future::poll_fn(|context| {
            std::task::Poll::Ready(std::pin::Pin::new(&mut *future).poll(context).is_pending())
        })
        .await
    }
}
