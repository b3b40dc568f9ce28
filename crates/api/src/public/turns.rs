use super::Declined;
use std::sync::Arc;
use tokio::sync::Semaphore;

/// Work that needs a processor or the disk: some at once, some that wait, and no more.
#[derive(Debug)]
pub(super) struct Turns {
    /// Of those who wait and those who work.
    places: Arc<Semaphore>,
    working: Arc<Semaphore>,
    #[cfg(test)]
    all: usize,
}

impl Turns {
    pub(super) fn new(at_once: usize, waiting: usize) -> Self {
        Self {
            places: Arc::new(Semaphore::new(at_once + waiting)),
            working: Arc::new(Semaphore::new(at_once)),
            #[cfg(test)]
            all: at_once + waiting,
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
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Declined> {
        let place = self.places.clone().try_acquire_owned().map_err(|_| Declined::Busy)?;
        let turn = self.working.clone().acquire_owned().await.map_err(|_| Declined::Busy)?;
        let done = tokio::task::spawn_blocking(move || {
            let done = work();
            // Held to the end of the work, whether or not anyone still waits for it.
            drop((turn, place));
            done
        });
        done.await.map_err(|_| Declined::NotReady)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{sync::mpsc::channel, time::Duration};
    use tokio::time::timeout;

    #[tokio::test]
    async fn what_finds_no_place_is_busy_at_once_and_what_waits_is_done_later() {
        let turns = Arc::new(Turns::new(1, 1));
        let (begun, first_begun) = channel();
        let (release, released) = channel::<()>();
        let run = |work: Box<dyn FnOnce() -> u8 + Send>| {
            let turns = turns.clone();
            tokio::spawn(async move { turns.run(work).await })
        };
        let first = run(Box::new(move || {
            begun.send(()).unwrap();
            released.recv().unwrap();
            1
        }));
        tokio::task::spawn_blocking(move || first_begun.recv().unwrap()).await.unwrap();
        let second = run(Box::new(|| 2));
        while turns.places.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        let third = timeout(Duration::from_secs(20), turns.run(|| 3)).await;
        assert_eq!(third.expect("it does not wait"), Err(Declined::Busy));
        assert!(!second.is_finished());
        release.send(()).unwrap();
        assert_eq!((first.await.unwrap(), second.await.unwrap()), (Ok(1), Ok(2)));
        assert_eq!(turns.run(|| 3).await, Ok(3));
    }

    #[tokio::test]
    async fn who_has_gone_makes_room() {
        let turns = Turns::new(1, 1);
        let taken = turns.working.clone().acquire_owned().await.unwrap();
        let mut waits = Box::pin(turns.run(|| ()));
        assert!(is_pending(&mut waits).await);
        assert_eq!(turns.places.available_permits(), 1);
        drop(waits);
        assert_eq!(turns.places.available_permits(), 2);
        drop(taken);
    }

    /// Whether it is pending.
    async fn is_pending<T>(future: &mut (impl Future<Output = T> + Unpin)) -> bool {
        std::future::poll_fn(|context| {
            std::task::Poll::Ready(std::pin::Pin::new(&mut *future).poll(context).is_pending())
        })
        .await
    }
}
