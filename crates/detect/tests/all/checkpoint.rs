//! A checkpoint at any point, and what was fed after it, come to the same as if nothing had been.

use crate::{
    order::{busy, judged, last, plain},
    scene::setup,
};
use detect::{BadCheckpoint, Bounds, Engine, Setup, Taken};
use proptest::prelude::*;

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
    newer[0] = 2;
    assert!(matches!(bad(&newer), BadCheckpoint::Format(2)));
    let mut other = setup();
    other.feeds.pop();
    assert!(matches!(Engine::restore(other, &octets), Err(BadCheckpoint::Setup)));
    assert_eq!(Engine::restore(setup(), &octets).unwrap().checkpoint().unwrap(), octets);
}
