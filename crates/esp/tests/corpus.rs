//! Replays the committed fuzz corpus on the stable tool chain.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::{fs, path::PathBuf};

fn corpus(target: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(target)
}

/// UDP from `source` to 10.0.0.1, `length` octets in all.
fn v4(source: [u8; 4], length: u8) -> Vec<u8> {
    let mut packet = vec![0x45, 0, 0, length, 0, 0, 0, 0, 64, 17, 0, 0];
    packet.extend(source);
    packet.extend([10, 0, 0, 1, 0x13, 0x88, 0x13, 0x89, 0, length - 20, 0, 0]);
    packet.resize(usize::from(length), 0xab);
    packet
}

/// UDP behind a hop-by-hop header, 56 octets in all.
fn v6() -> Vec<u8> {
    let mut packet = vec![0x60, 0, 0, 0, 0, 16, 0, 64];
    packet.extend([0xfd; 32]);
    packet.extend([17, 0, 1, 4, 0, 0, 0, 0, 0x13, 0x88, 0x13, 0x89, 0, 8, 0, 0]);
    packet
}

/// What is encrypted, for a suite: `payload`, padding, the next header.
fn inside(kind: u8, payload: &[u8], next: u8) -> Vec<u8> {
    let alignment = if kind & 2 == 0 { 4 } else { 16 };
    let padding = (alignment - (payload.len() + 2) % alignment) % alignment;
    let mut plain = vec![kind | 8];
    plain.extend(payload);
    plain.extend(1..=u8::try_from(padding).unwrap());
    plain.extend([u8::try_from(padding).unwrap(), next]);
    plain
}

/// Inputs made by hand; a name begins with what becomes of its input.
fn seeds() -> Vec<(String, Vec<u8>)> {
    let mut seeds: Vec<(String, Vec<u8>)> = Vec::new();
    let mut seed = |name: &str, input: Vec<u8>| seeds.push((name.to_owned(), input));
    let unit = [10, 64, 0, 1];
    for kind in 0..8 {
        seed(&format!("opened-v4-{kind}"), esp::fuzz::sealed(kind, &v4(unit, 33)).unwrap());
        seed(&format!("opened-v6-{kind}"), esp::fuzz::sealed(kind, &v6()).unwrap());
        seed(&format!("opened-inside-{kind}"), inside(kind, &v4(unit, 41), 4));
        let mut altered = esp::fuzz::sealed(kind, &v4(unit, 33)).unwrap();
        *altered.last_mut().unwrap() ^= 1;
        seed(&format!("not_authentic-{kind}"), altered);
        seed(&format!("dummy-{kind}"), inside(kind, &[0xcc; 40], 59));
    }
    let mut tfc = v4(unit, 40);
    tfc.resize(300, 0);
    seed("opened-tfc-padding", inside(0, &tfc, 4));
    seed("spoofed_source", inside(0, &v4([127, 0, 0, 1], 40), 4));
    seed("not_tunnel_mode", inside(0, &v4(unit, 40), 17));
    seed("inner_malformed-other-version", inside(0, &v4(unit, 40), 41));
    seed("inner_malformed-short", inside(0, &v4(unit, 40)[..30], 4));
    seed("inner_malformed-nothing", inside(0, &[], 4));
    let mut v6_fragment = v6();
    (v6_fragment[6], v6_fragment[42]) = (44, 1);
    seed("opened-v6-later-fragment", inside(1, &v6_fragment, 41));
    let mut v6_endless = v6();
    v6_endless[41] = 255;
    seed("opened-v6-extension-past-the-end", inside(1, &v6_endless, 41));
    let mut padding = inside(0, &v4(unit, 41), 4);
    let at = padding.len() - 3;
    padding[at] ^= 1;
    seed("padding-other-octets", padding);
    seed("padding-longer-than-all", [vec![8], vec![0; 2], vec![255, 4]].concat());
    seed("not_authentic-nothing-inside", vec![8]);
    seed("malformed-other-spi", vec![0, 0xc0, 0xff, 0xee, 2, 0, 0, 0, 1]);
    seed("malformed-spi-alone", vec![0, 0xc0, 0xff, 0xee, 1]);
    seed("too_old-number-zero", [&[0, 0xc0, 0xff, 0xee, 1, 0, 0, 0, 0][..], &[0; 40]].concat());
    seed("ike", vec![0, 0, 0, 0, 0, 1, 2, 3]);
    seed("keepalive", vec![0, 0xff]);
    seed("runt", vec![0, 0xff, 0xff]);
    seed("empty", Vec::new());
    seeds
}

#[test]
fn each_input_of_the_corpus_becomes_what_its_name_says() {
    for (name, input) in seeds() {
        assert_eq!(fs::read(corpus("esp").join(&name)).ok(), Some(input), "{name}: run `write_the_corpus`");
    }
    for entry in fs::read_dir(corpus("esp")).unwrap() {
        let file = entry.unwrap();
        let (name, input) = (file.file_name().into_string().unwrap(), fs::read(file.path()).unwrap());
        let became = esp::fuzz::datagram(&input);
        assert!(name.starts_with(became), "{name} became {became}");
        for cut in 0..input.len() {
            esp::fuzz::datagram(&input[..cut]);
        }
    }
}

#[test]
#[ignore = "writes fuzz/corpus/esp anew"]
fn write_the_corpus() {
    fs::create_dir_all(corpus("esp")).unwrap();
    for (name, input) in seeds() {
        fs::write(corpus("esp").join(name), input).unwrap();
    }
}

#[test]
fn what_of_the_corpus_of_inner_may_pass_does_and_nothing_that_deceives() {
    let files = fs::read_dir(corpus("inner")).unwrap().map(|entry| entry.unwrap().path());
    let passed: Vec<_> = files.filter(|file| esp::fuzz::inner(&fs::read(file).unwrap()) > 0).collect();
    let names: Vec<_> = passed.iter().map(|file| file.file_name().unwrap().to_str().unwrap()).collect();
    assert!(names.contains(&"v4-udp") && names.contains(&"v6-atomic-fragment"), "{names:?}");
    for bad in
        ["source-route", "overlapping", "tiny", "routing", "jumbogram", "long-chain", "behind-fragment"]
    {
        assert!(!names.iter().any(|name| name.contains(bad)), "{names:?}");
    }
}
