use super::*;
use proptest::prelude::*;
use std::collections::BTreeSet;

/// What the window must do, without any of its tricks: the numbers seen, and the highest of them.
struct PlainSet {
    seen: BTreeSet<u64>,
    size: u64,
}

impl PlainSet {
    fn new(size: WindowSize) -> Self {
        Self { seen: BTreeSet::new(), size: size.packets() }
    }

    fn take(&mut self, sequence: u64) -> Result<(), Replay> {
        let top = self.seen.last().copied().unwrap_or(0);
        if sequence == 0 || sequence + self.size <= top {
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

fn sizes() -> impl Strategy<Value = WindowSize> {
    prop::sample::select(&WindowSize::ALL)
}

/// How far a packet is from the highest: a few, some windows' lengths, or the window's edge.
fn distances(size: WindowSize) -> impl Strategy<Value = u64> {
    let size = size.packets();
    prop_oneof![0..8_u64, 0..3 * size, size - 4..size + 4]
}

proptest! {
    #[test]
    fn the_window_agrees_with_a_plain_set(
        (size, steps) in sizes().prop_flat_map(|size| {
            (Just(size), prop::collection::vec((distances(size), any::<bool>()), 1..400))
        }),
        start in prop_oneof![Just(0_u64), Just(u64::from(u32::MAX) - 700), any::<u32>().prop_map(u64::from)],
    ) {
        let (mut window, mut model) = (ReplayWindow::new(true, size), PlainSet::new(size));
        let mut highest = start;
        if start > 0 {
            window.accept(start);
            model.seen.insert(start);
        }
        for (distance, forward) in steps {
            let sequence = if forward { highest + distance } else { highest.saturating_sub(distance) };
            // A number from below the window could as well be one from far above; the sender's
            // real numbers stay within half of the 32-bit space, and so do these.
            if sequence + size.packets() > highest {
                let expected = model.take(sequence);
                prop_assert_eq!(take(&mut window, sequence), expected, "{} of {}", sequence, highest);
                highest = highest.max(sequence);
            }
        }
    }

    #[test]
    fn whatever_the_order_each_packet_is_taken_once_and_none_from_below(
        size in sizes(),
        first in prop_oneof![Just(1_u64), Just((1 << 32) - 700)],
        order in Just((0..1500_u64).collect::<Vec<_>>()).prop_shuffle(),
    ) {
        let (mut window, mut model) = (ReplayWindow::new(true, size), PlainSet::new(size));
        window.accept(first);
        model.seen.insert(first);
        for offset in order.into_iter().flat_map(|offset| [offset, offset]) {
            let sequence = first + offset;
            let top = model.seen.last().copied().unwrap_or(0);
            if sequence + size.packets() > top {
                prop_assert_eq!(take(&mut window, sequence), model.take(sequence));
            } else {
                // Read as one from far above, whose ICV will not verify (RFC 4303 A2.3).
                prop_assert_eq!(window.check(sequence as u32), Ok(sequence + (1 << 32)));
            }
        }
    }

    #[test]
    fn with_32_bits_every_number_is_judged_as_it_stands(
        size in sizes(),
        numbers in prop::collection::vec(0_u32..50_000, 1..400),
    ) {
        let (mut window, mut model) = (ReplayWindow::new(false, size), PlainSet::new(size));
        for number in numbers {
            prop_assert_eq!(take(&mut window, number.into()), model.take(number.into()));
        }
    }
}

#[test]
fn section_4_line_27() {
    for size in WindowSize::ALL {
        let (oldest, top) = (50_000 - size.packets() + 1, 50_000);
        let mut window = ReplayWindow::new(true, size);
        take(&mut window, top).unwrap();
        take(&mut window, oldest).unwrap();
        assert_eq!(window.check(oldest as u32 - 1), Ok(oldest - 1 + (1 << 32)), "ESN reads it as far above");
        let mut window = ReplayWindow::new(false, size);
        take(&mut window, top).unwrap();
        for late in [top - 31, top - 63, oldest] {
            take(&mut window, late).unwrap();
            assert_eq!(window.check(late as u32), Err(Replay::Seen));
        }
        assert_eq!(window.check(oldest as u32 - 1), Err(Replay::TooOld));
    }
}

#[test]
fn a_window_has_a_size_that_a_mask_can_cut() {
    let sizes = WindowSize::ALL.map(WindowSize::packets);
    assert!(sizes.iter().all(|size| size.is_power_of_two() && *size >= 1024), "{sizes:?}");
    assert_eq!(WindowSize::new(1024), Some(WindowSize::default()));
    assert!(WindowSize::new(32).is_none() && WindowSize::new(1500).is_none());
    assert!(WindowSize::new(32_768).is_none());
}

#[test]
fn a_window_takes_no_memory_before_its_first_packet_and_never_more_than_its_bits() {
    for size in WindowSize::ALL {
        let mut window = ReplayWindow::new(true, size);
        assert!(window.check(7).is_ok() && window.seen.is_empty());
        for sequence in [7, 8, 100_000, 99_999, 10_000_000] {
            window.accept(sequence);
            assert_eq!(size_of_val(&*window.seen) as u64, size.packets() / 8);
        }
    }
}

#[test]
fn the_high_half_follows_over_the_edge_and_back() {
    let edge = 1_u64 << 32;
    let mut window = ReplayWindow::new(true, WindowSize::default());
    window.accept(edge - 2);
    take(&mut window, edge + 3).unwrap();
    take(&mut window, edge - 1).unwrap();
    assert_eq!(window.check(u32::MAX), Err(Replay::Seen));
    take(&mut window, edge).unwrap();
    assert_eq!(window.check(3), Err(Replay::Seen));
}

#[test]
fn before_the_first_packet_nothing_is_below_zero() {
    let window = ReplayWindow::new(true, WindowSize::default());
    assert_eq!(window.check(u32::MAX), Err(Replay::TooOld));
    assert_eq!(window.check(0), Err(Replay::TooOld));
    assert_eq!(window.check(1), Ok(1));
    assert_eq!(ReplayWindow::new(false, WindowSize::default()).check(u32::MAX), Ok(u64::from(u32::MAX)));
}

#[test]
fn the_last_subspace_has_none_above() {
    let mut window = ReplayWindow::new(true, WindowSize::default());
    window.accept(u64::MAX - 5000);
    assert_eq!(window.check(1), Err(Replay::TooOld));
    assert_eq!(window.check(u32::MAX), Ok(u64::MAX));
    assert!(window.accept(u64::MAX));
    assert_eq!(window.check(u32::MAX), Err(Replay::Seen));
}
