//! Keys leave no trace: this process's own memory is searched for them after they have gone.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "tests")]

use esp::{InboundSa, Keys, OutboundSa, Selector, Selectors, Suite};
use ids::Spi;
use std::{fs, fs::File, os::unix::fs::FileExt as _, sync::Arc};
use zeroize::Zeroizing;

const SUITES: [Suite; 4] =
    [Suite::Aes128Gcm16, Suite::Aes256Gcm16, Suite::Aes128CbcHmacSha256, Suite::Aes256CbcHmacSha256];
/// What the searched octets are kept under, so that the search does not find itself.
const MASK: u8 = 0xa5;

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

/// Regions of this process that hold the octets behind the mask.
fn found(masked: &[u8]) -> Vec<String> {
    let (maps, memory) =
        (fs::read_to_string("/proc/self/maps").unwrap(), File::open("/proc/self/mem").unwrap());
    let (mut regions, mut buffer) = (Vec::new(), Vec::new());
    for line in maps.lines().filter(|line| line.contains(" rw-p ")) {
        let (from, to) = line.split_whitespace().next().unwrap().split_once('-').unwrap();
        let number = |text: &str| u64::from_str_radix(text, 16).unwrap();
        let (from, length) = (number(from), (number(to) - number(from)) as usize);
        buffer.clear();
        buffer.resize(length, 0);
        let Ok(read) = memory.read_at(&mut buffer, from) else { continue };
        let read = &mut buffer[..read];
        // The copy that was just read must not be found by the next look.
        read.iter_mut().for_each(|octet| *octet ^= MASK);
        let hits = read.windows(masked.len()).filter(|window| *window == masked).count();
        if hits > 0 {
            regions.push(format!("{hits} in {line}"));
        }
    }
    regions
}

fn everything() -> Arc<Selectors> {
    let all = [Selector::range("0.0.0.0".parse().unwrap(), "255.255.255.255".parse().unwrap())];
    Arc::new(Selectors { local: Box::new(all), remote: Box::new(all) })
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
        assert!(!found(&encryption).is_empty(), "{suite:?}: the search finds what is there");
        drop(sas);
        assert_eq!(found(&encryption), [""; 0], "{suite:?}: encryption");
        assert!(integrity.is_empty() || found(&integrity).is_empty(), "{suite:?}: integrity");
    }
}
