//! In steady state no packet allocates: it is sealed into a buffer that has room and opened in place; in quarantine it is
//! translated into buffers that have room. What the crypto
//! library takes from C's allocator is not seen here.
#![allow(clippy::unwrap_used, reason = "tests")]

use esp::{Dropped, InboundSa, Keys, OutboundSa, Selector, Selectors, Suite};
use ids::Spi;
use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
    sync::Arc,
};

/// The system's allocator, which counts for each thread how often it gives.
struct Counting;

thread_local! {
    static GIVEN: Cell<u64> = const { Cell::new(0) };
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn count() {
    // A thread that ends has no counter any more.
    let _ = GIVEN.try_with(|given| given.set(given.get() + 1));
}

// SAFETY: every call goes to `System` as it came; the counter is a plain number, which allocates nothing.
#[allow(unsafe_code)]
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller keeps what `GlobalAlloc` asks for, which is what `System` asks for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as above, and all that was given came from `System`.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        // SAFETY: as above.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

fn allocations(work: impl FnOnce()) -> u64 {
    let before = GIVEN.get();
    work();
    GIVEN.get() - before
}

const SUITES: [Suite; 4] =
    [Suite::Aes128Gcm16, Suite::Aes256Gcm16, Suite::Aes128CbcHmacSha256, Suite::Aes256CbcHmacSha256];

fn pair(suite: Suite, extended: bool) -> (OutboundSa, InboundSa) {
    let all = Selector::range("0.0.0.0".parse().unwrap(), "255.255.255.255".parse().unwrap());
    let selectors = Arc::new(Selectors { local: Arc::new([all]), remote: Box::new([all]) });
    let (encryption, integrity) = ([7; 36], [9; 32]);
    let keys = || {
        Keys::new(suite, &encryption[..suite.encryption_len()], &integrity[..suite.integrity_len()]).unwrap()
    };
    (
        OutboundSa::new(Spi(1), keys(), extended, selectors.clone()),
        InboundSa::new(Spi(1), keys(), extended, selectors),
    )
}

/// UDP over IPv4.
fn packet(length: u16) -> Vec<u8> {
    let [high, low] = length.to_be_bytes();
    let mut packet = vec![0x45, 0, high, low, 0, 0, 0x40, 0, 64, 17, 0, 0, 10, 64, 0, 1, 10, 0, 0, 1];
    packet.resize(length.into(), 0x5a);
    packet
}

#[test]
fn sealing_and_opening_allocate_nothing_once_keys_and_buffers_are_warm() {
    for (suite, extended) in SUITES.into_iter().flat_map(|suite| [(suite, false), (suite, true)]) {
        let (mut outbound, mut inbound) = pair(suite, extended);
        let packets = [28, 64, 576, 1400].map(packet);
        let (mut out, mut again) = (Vec::with_capacity(2000), Vec::with_capacity(2000));
        let mut exchange = |rounds: usize| {
            for packet in (0..rounds).flat_map(|_| &packets) {
                out.clear();
                outbound.seal(packet, &mut out).unwrap();
                again.clone_from(&out);
                assert_eq!(inbound.open(&mut out).unwrap().packet, packet);
                assert_eq!(inbound.open(&mut again).unwrap_err().why, Dropped::Replayed);
                out.clear();
                outbound.seal(packet, &mut out).unwrap();
                *out.last_mut().unwrap() ^= 1;
                assert_eq!(inbound.open(&mut out).unwrap_err().why, Dropped::NotAuthentic);
            }
        };
        assert!(
            allocations(|| exchange(1)) > 0,
            "{suite:?}: key schedules and the window are made, and counted"
        );
        assert_eq!(allocations(|| exchange(500)), 0, "{suite:?}, extended: {extended}");
    }
}

#[test]
fn translating_there_and_back_allocates_nothing_once_buffers_are_warm() {
    let (own, stands_for) = ([10, 64, 0, 1], [10, 99, 0, 1]);
    let mut exchange = gateway::fuzz::quarantine(own.into(), stands_for.into(), "10.0.0.1".parse().unwrap());
    let out = packet(1400);
    let mut back = packet(1400);
    back[12..20].copy_from_slice(&[10, 0, 0, 1, 10, 99, 0, 1]);
    let mut barred = out.clone();
    barred[19] = 9;
    assert!(allocations(|| assert_eq!(exchange(&out, &back), [1400; 2])) > 0);
    let steady = allocations(|| {
        for _ in 0..500 {
            assert_eq!((exchange(&out, &back), exchange(&barred, &out)), ([1400; 2], [0; 2]));
        }
    });
    assert_eq!(steady, 0);
}
