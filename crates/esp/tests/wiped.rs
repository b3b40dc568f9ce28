//! Keys leave no trace: this process's own memory is searched for them after they have gone.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "tests")]

mod memory;

use esp::{InboundSa, Keys, OutboundSa, Selector, Selectors, Suite};
use ids::Spi;
use memory::{MASK, found, scrub_stack};
use std::sync::Arc;
use zeroize::Zeroizing;

const SUITES: [Suite; 4] =
    [Suite::Aes128Gcm16, Suite::Aes256Gcm16, Suite::Aes128CbcHmacSha256, Suite::Aes256CbcHmacSha256];

/// The octet at `at` of a key that nothing else in the process looks like.
fn octet(at: usize, number: u8) -> u8 {
    (at as u8).wrapping_mul(29).wrapping_add(number.wrapping_mul(83)).rotate_left(3) ^ 0x3c
}

fn masked(length: usize, number: u8) -> Vec<u8> {
    (0..length).map(|at| octet(at, number) ^ MASK).collect()
}

fn unmasked(masked: &[u8]) -> Zeroizing<Vec<u8>> {
    let mut key = Zeroizing::new(Vec::with_capacity(masked.len()));
    key.extend(masked.iter().map(|octet| octet ^ MASK));
    key
}

fn everything() -> Arc<Selectors> {
    let all = [Selector::range("0.0.0.0".parse().unwrap(), "255.255.255.255".parse().unwrap())];
    Arc::new(Selectors { local: Arc::new(all), remote: Box::new(all) })
}

fn packet() -> Vec<u8> {
    [&[0x45, 0, 0, 28, 0, 0, 0, 0, 64, 17, 0, 0][..], &[10, 9, 0, 1, 10, 0, 0, 9], &[0; 8]].concat()
}

#[test]
fn an_sa_that_is_gone_has_left_no_key() {
    for (number, suite) in (1..).zip(SUITES) {
        let encryption = masked(suite.encryption_len(), number);
        let integrity = masked(suite.integrity_len(), number + 100);
        let keys = || Keys::new(suite, &unmasked(&encryption), &unmasked(&integrity)).unwrap();
        let mut sas = Vec::new();
        for spi in 1..=5 {
            let out = OutboundSa::new(Spi(spi), keys(), true, everything());
            sas.push((out, InboundSa::new(Spi(spi), keys(), true, everything())));
        }
        for (out, into) in &mut sas {
            let mut sealed = Vec::new();
            out.seal(&packet(), &mut sealed).unwrap();
            into.open(&mut sealed).unwrap();
        }
        let secrets = if suite.is_aead() { vec![encryption] } else { vec![encryption, integrity] };
        assert!(!found(&secrets).is_empty(), "{suite:?}: the search finds what is there");
        drop(sas);
        if !suite.is_aead() {
            // aws-lc-rs hands the schedule of a CBC key over by value and wipes the last copy alone.
            scrub_stack();
        }
        assert_eq!(found(&secrets), [""; 0], "{suite:?}");
    }
}
