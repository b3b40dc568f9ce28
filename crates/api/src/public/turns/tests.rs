use super::*;
use std::{
    sync::mpsc::{Receiver, Sender, channel},
    time::Duration,
};
use tokio::{task::JoinHandle, time::timeout};

/// Far beyond what an answer takes.
const FAR: Duration = Duration::from_secs(20);

/// Work that has begun and goes on once it is told to.
struct Held {
    done: JoinHandle<Result<u8, Declined>>,
    go_on: Sender<()>,
}

impl Held {
    async fn begin(turns: &Arc<Turns>, held: impl FnOnce(&Turn, &Receiver<()>) + Send + 'static) -> Self {
        let (begun, is_begun) = channel();
        let (go_on, told) = channel();
        let turns = turns.clone();
        let work = move |turn: &Turn| {
            begun.send(()).unwrap();
            held(turn, &told);
            1
        };
        let done = tokio::spawn(async move { turns.run(work).await });
        tokio::task::spawn_blocking(move || is_begun.recv().unwrap()).await.unwrap();
        Self { done, go_on }
    }

    async fn end(self) {
        self.go_on.send(()).unwrap();
        assert_eq!(self.done.await.unwrap(), Ok(1));
    }
}

fn at_work(_: &Turn, told: &Receiver<()>) {
    told.recv().unwrap();
}

fn waiting_for_others(turn: &Turn, told: &Receiver<()>) {
    turn.wait(|| told.recv().unwrap());
}

async fn held(turns: &Turns, many: usize) {
    while turns.held() != many {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn what_finds_no_place_is_busy_at_once_and_what_waits_is_done_later() {
    let turns = Arc::new(Turns::new(1, 1, 1));
    let first = Held::begin(&turns, at_work).await;
    let theirs = turns.clone();
    let second = tokio::spawn(async move { theirs.run(|_| 2).await });
    held(&turns, 2).await;
    let third = timeout(FAR, turns.run(|_| 3)).await;
    assert_eq!(third.expect("it does not wait"), Err(Declined::Busy));
    assert!(!second.is_finished());
    first.end().await;
    assert_eq!(second.await.unwrap(), Ok(2));
    assert_eq!(turns.run(|_| 3).await, Ok(3));
    held(&turns, 0).await;
}

#[tokio::test]
async fn who_has_gone_makes_room_and_has_nothing_done() {
    let turns = Arc::new(Turns::new(1, 1, 1));
    let first = Held::begin(&turns, at_work).await;
    let theirs = turns.clone();
    let gone = tokio::spawn(async move { theirs.run(|_| unreachable!("nobody waits for it")).await });
    held(&turns, 2).await;
    gone.abort();
    held(&turns, 1).await;
    first.end().await;
    assert_eq!(turns.run(|_| 2).await, Ok(2));
}

#[tokio::test]
async fn who_waits_for_others_leaves_the_turn_to_the_next() {
    let turns = Arc::new(Turns::new(1, 2, 0));
    let first = Held::begin(&turns, waiting_for_others).await;
    let second = timeout(FAR, turns.run(|_| 2)).await;
    assert_eq!(second.expect("the turn is free"), Ok(2));
    first.end().await;
    held(&turns, 0).await;
}

#[tokio::test]
async fn no_more_begin_than_may_also_while_all_wait_for_others() {
    let turns = Arc::new(Turns::new(1, 2, 1));
    let first = Held::begin(&turns, waiting_for_others).await;
    let second = Held::begin(&turns, waiting_for_others).await;
    let theirs = turns.clone();
    let third = tokio::spawn(async move { theirs.run(|_| 3).await });
    held(&turns, 3).await;
    assert_eq!(turns.run(|_| 4).await, Err(Declined::Busy));
    assert!(!third.is_finished());
    first.end().await;
    assert_eq!(third.await.unwrap(), Ok(3));
    second.end().await;
}

#[tokio::test]
async fn who_wants_to_go_on_does_so_before_another_begins_and_never_beside_one() {
    let turns = Arc::new(Turns::new(1, 3, 3));
    let (order, seen) = channel();
    let said = order.clone();
    let first = Held::begin(&turns, move |turn, told| {
        turn.wait(|| told.recv().unwrap());
        said.send("went on").unwrap();
    })
    .await;
    let second = Held::begin(&turns, at_work).await;
    let theirs = turns.clone();
    let third = tokio::spawn(async move { theirs.run(move |_| order.send("began").unwrap()).await });
    held(&turns, 3).await;
    first.go_on.send(()).unwrap();
    while turns.0.lock().returning == 0 {
        tokio::task::yield_now().await;
    }
    assert!(seen.try_recv().is_err(), "the only turn is taken");
    second.end().await;
    assert_eq!((first.done.await.unwrap(), third.await.unwrap()), (Ok(1), Ok(())));
    assert_eq!(seen.iter().collect::<Vec<_>>(), ["went on", "began"]);
}

#[tokio::test]
async fn who_breaks_off_takes_nothing_along() {
    let turns = Turns::new(1, 1, 0);
    let broken = turns.run(|turn| turn.wait(|| panic!("on purpose"))).await;
    assert_eq!(broken, Err(Declined::NotReady));
    held(&turns, 0).await;
    let broken = turns.run(|_| panic!("on purpose")).await;
    assert_eq!(broken, Err(Declined::NotReady));
    held(&turns, 0).await;
    assert_eq!(turns.run(|_| 2).await, Ok(2));
}
