//! Looks for octets in this process's own memory, where nothing but their masked form is kept of them.

use std::{fs, fs::File, hint::black_box, os::unix::fs::FileExt as _};
use zeroize::Zeroizing;

/// What the searched octets are kept under, so that the search does not find itself.
pub(crate) const MASK: u8 = 0xa5;

/// Regions of this process that hold the octets behind the mask of one of `secrets`.
pub(crate) fn found(secrets: &[Vec<u8>]) -> Vec<String> {
    let mut begins = [false; 256];
    secrets.iter().for_each(|secret| begins[usize::from(secret[0])] = true);
    let (maps, memory) =
        (fs::read_to_string("/proc/self/maps").unwrap(), File::open("/proc/self/mem").unwrap());
    let mut regions = Vec::new();
    for line in maps.lines().filter(|line| line.contains(" rw-p ")) {
        let (from, to) = line.split_whitespace().next().unwrap().split_once('-').unwrap();
        let number = |text: &str| u64::from_str_radix(text, 16).unwrap();
        let (from, length) = (number(from), (number(to) - number(from)) as usize);
        let mut buffer = Zeroizing::new(vec![0; length]);
        let Ok(read) = memory.read_at(&mut buffer, from) else { continue };
        let read = &mut buffer[..read];
        // The copy that was just read must not be found, by this look or the next.
        read.iter_mut().for_each(|octet| *octet ^= MASK);
        let is_begin = |at: &usize| begins[usize::from(read[*at])];
        for at in (0..read.len()).filter(is_begin) {
            let hit = secrets.iter().find(|secret| read[at..].starts_with(secret));
            regions.extend(hit.map(|secret| format!("{} octets at {at:#x} of {line}", secret.len())));
        }
    }
    regions
}

/// Writes over what calls that have returned left on the stack.
#[inline(never)]
pub(crate) fn scrub_stack() {
    black_box([0_u8; 256 << 10]);
}
