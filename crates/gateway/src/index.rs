//! The ledger's index, compared with its rows beside serving: a start does not wait for it.

use ledger::Ledger;
use std::{
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    thread,
    time::{Duration, Instant},
};

/// It rests so many times as long as it works: a quarter of one processor is enough.
const REST: u32 = 3;
/// How often a ledger out of reach is tried again.
const TRY_AGAIN: Duration = Duration::from_secs(10);

/// Works until all is compared, or `stop`: whoever sets that unparks this thread. `mended`: what was found by the index
/// before may have been too little.
pub(crate) fn check(ledger: &Ledger, stop: &AtomicBool, mended: impl FnOnce()) {
    let mut began = Instant::now();
    let mut go_on = |is_awaited: bool| {
        if !is_awaited && !stop.load(Relaxed) {
            thread::park_timeout(began.elapsed() * REST);
        }
        began = Instant::now();
        !stop.load(Relaxed)
    };
    while !stop.load(Relaxed) {
        match ledger.compare_index(&mut go_on) {
            Ok(true) => return mended(),
            Ok(false) => return,
            Err(error) => {
                tracing::warn!(%error, "whether the index of the ledger fits its rows is not known yet");
                thread::park_timeout(TRY_AGAIN);
            }
        }
    }
}
