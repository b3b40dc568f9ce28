//! A checkpoint at any point, and what was fed after it, come to the same as if nothing had been.

use crate::{
    order::{busy, judged, last, plain},
    scene::setup,
};
use detect::{BadCheckpoint, Bounds, Engine, Setup, Taken};
use proptest::prelude::*;
use std::io::{self, Read, Write};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn nothing_is_lost_and_nothing_is_found_twice(cuts in proptest::collection::vec(0..1000_usize, 1..4), handsets in 16..64_usize) {
        let setup = Setup { bounds: Bounds { handsets, ..setup().bounds }, ..setup() };
        let inputs = plain(&busy());
        let (expected, whole) = judged(setup.clone(), &inputs);
        let (mut engine, mut found) = (Engine::new(setup.clone()), Vec::new());
        for (at, input) in inputs.iter().enumerate() {
            if cuts.iter().any(|cut| cut * inputs.len() / 1000 == at) {
                engine = Engine::restore(setup.clone(), &engine.checkpoint().unwrap()).unwrap();
            }
            engine.take(input.clone(), &mut found);
        }
        engine.finish(last(), &mut found);
        prop_assert_eq!(&found, &expected);
        // What is fed again from before the checkpoint is known.
        let had = found.len();
        for input in &inputs {
            prop_assert_eq!(engine.take(input.clone(), &mut found), Taken::Duplicate);
        }
        prop_assert_eq!(found.len(), had);
        let octets = whole.checkpoint().unwrap();
        prop_assert_eq!(octets, judged(setup, &inputs).1.checkpoint().unwrap());
    }
}

#[test]
fn a_checkpoint_that_is_cut_changed_or_of_another_engine_is_refused() {
    let (_, engine) = judged(setup(), &plain(&busy())[..400]);
    let octets = engine.checkpoint().unwrap();
    let bad = |octets: &[u8]| Engine::restore(setup(), octets).map(|_| ()).unwrap_err();
    assert!(matches!(bad(&octets[..octets.len() - 1]), BadCheckpoint::Damaged));
    assert!(matches!(bad(&[]), BadCheckpoint::Damaged));
    for at in [40, octets.len() / 2, octets.len() - 1] {
        let mut changed = octets.clone();
        changed[at] ^= 1;
        assert!(Engine::restore(setup(), &changed).is_err(), "{at}");
    }
    let mut newer = octets.clone();
    newer[0] = 3;
    assert!(matches!(bad(&newer), BadCheckpoint::Format(3)));
    let mut other = setup();
    other.feeds.pop();
    assert!(matches!(Engine::restore(other, &octets), Err(BadCheckpoint::Setup)));
    assert_eq!(Engine::restore(setup(), &octets).unwrap().checkpoint().unwrap(), octets);
}

/// Gives three octets at a time, then says no.
struct Slow<'a>(&'a [u8], usize);

impl Read for Slow<'_> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        self.1 = self.1.checked_sub(1).ok_or(io::ErrorKind::BrokenPipe)?;
        let most = to.len().min(3);
        self.0.read(&mut to[..most])
    }
}

struct Full;

impl Write for Full {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::StorageFull.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn it_is_written_and_read_piece_by_piece_and_who_reads_or_writes_may_fail() {
    let (_, engine) = judged(setup(), &plain(&busy())[..400]);
    let octets = engine.checkpoint().unwrap();
    let mut pieces = Vec::new();
    engine.checkpoint_to(&mut pieces).unwrap();
    assert_eq!(pieces, octets);
    let with_more = [octets.as_slice(), b"more"].concat();
    let again = Engine::restore_from(setup(), &mut Slow(&with_more, usize::MAX)).unwrap();
    assert_eq!(again.checkpoint().unwrap(), octets);
    assert!(matches!(Engine::restore(setup(), &with_more), Err(BadCheckpoint::Damaged)));
    let broken = Engine::restore_from(setup(), &mut Slow(&octets, 500));
    assert!(
        matches!(broken, Err(BadCheckpoint::Storage(error)) if error.kind() == io::ErrorKind::BrokenPipe)
    );
    let full = engine.checkpoint_to(&mut Full);
    assert!(matches!(full, Err(BadCheckpoint::Storage(error)) if error.kind() == io::ErrorKind::StorageFull));
}
