use super::*;
use proptest::prelude::*;
use std::collections::BTreeSet;

/// What the window must do, without any of its tricks: the numbers seen, and the highest of them.
#[derive(Default)]
struct PlainSet {
    seen: BTreeSet<u64>,
}

impl PlainSet {
    fn take(&mut self, sequence: u64) -> Result<(), Replay> {
        let top = self.seen.last().copied().unwrap_or(0);
        if sequence == 0 || sequence + WINDOW <= top {
            return Err(Replay::TooOld);
        }
        if self.seen.insert(sequence) { Ok(()) } else { Err(Replay::Seen) }
    }
}

fn take(window: &mut ReplayWindow, sequence: u64) -> Result<(), Replay> {
    let found = window.check(sequence as u32)?;
    assert_eq!(found, sequence);
    window.accept(found);
    Ok(())
}

proptest! {
    #[test]
    fn the_window_agrees_with_a_plain_set(
        start in prop_oneof![Just(0_u64), Just(u64::from(u32::MAX) - 700), any::<u32>().prop_map(u64::from)],
        steps in prop::collection::vec((0_u64..3000, any::<bool>()), 1..400),
    ) {
        let (mut window, mut model) = (ReplayWindow::new(true), PlainSet::default());
        let mut highest = start;
        if start > 0 {
            window.accept(start);
            model.seen.insert(start);
        }
        for (distance, forward) in steps {
            let sequence = if forward { highest + distance } else { highest.saturating_sub(distance) };
            // A number from below the window could as well be one from far above; the sender's
            // real numbers stay within half of the 32-bit space, and so do these.
            if sequence + WINDOW > highest {
                let expected = model.take(sequence);
                prop_assert_eq!(take(&mut window, sequence), expected, "{} of {}", sequence, highest);
                highest = highest.max(sequence);
            }
        }
    }

    #[test]
    fn with_32_bits_every_number_is_judged_as_it_stands(
        numbers in prop::collection::vec(0_u32..5000, 1..400),
    ) {
        let (mut window, mut model) = (ReplayWindow::new(false), PlainSet::default());
        for number in numbers {
            prop_assert_eq!(take(&mut window, number.into()), model.take(number.into()));
        }
    }
}

#[test]
fn section_4_line_27() {
    let mut window = ReplayWindow::new(true);
    take(&mut window, 5000).unwrap();
    take(&mut window, 5000 - 1023).unwrap();
    assert_eq!(window.check(5000 - 1024), Ok(5000 - 1024 + (1 << 32)), "ESN reads it as far above");
    let mut window = ReplayWindow::new(false);
    take(&mut window, 5000).unwrap();
    for late in [5000 - 31, 5000 - 63, 5000 - 1023] {
        take(&mut window, late).unwrap();
        assert_eq!(window.check(late as u32), Err(Replay::Seen));
    }
    assert_eq!(window.check(5000 - 1024), Err(Replay::TooOld));
}

#[test]
fn the_high_half_follows_over_the_edge_and_back() {
    let edge = 1_u64 << 32;
    let mut window = ReplayWindow::new(true);
    window.accept(edge - 2);
    take(&mut window, edge + 3).unwrap();
    take(&mut window, edge - 1).unwrap();
    assert_eq!(window.check(u32::MAX), Err(Replay::Seen));
    take(&mut window, edge).unwrap();
    assert_eq!(window.check(3), Err(Replay::Seen));
}

#[test]
fn before_the_first_packet_nothing_is_below_zero() {
    let window = ReplayWindow::new(true);
    assert_eq!(window.check(u32::MAX), Err(Replay::TooOld));
    assert_eq!(window.check(0), Err(Replay::TooOld));
    assert_eq!(window.check(1), Ok(1));
    assert_eq!(ReplayWindow::new(false).check(u32::MAX), Ok(u64::from(u32::MAX)));
}

#[test]
fn the_last_subspace_has_none_above() {
    let mut window = ReplayWindow::new(true);
    window.accept(u64::MAX - 5000);
    assert_eq!(window.check(1), Err(Replay::TooOld));
    assert_eq!(window.check(u32::MAX), Ok(u64::MAX));
}
