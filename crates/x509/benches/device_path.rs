//! CPU time of one device path check on this machine: with the issuers' signatures remembered, and
//! without. `cargo bench -p x509`.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, clippy::print_stdout, reason = "a bench")]

use ids::UnixTime;
use std::hint::black_box;
use std::time::Instant;
use x509::{Anchor, Anchors, Certificate, DevicePolicy, verify_device};

const NAME: &[u8] = b"00aabbccddee.femto.example";

/// Best of nine averages, in microseconds.
fn best(mut run: impl FnMut()) -> f64 {
    const RUNS: u32 = 500;
    let average = |run: &mut dyn FnMut()| {
        let start = Instant::now();
        (0..RUNS).for_each(|_| run());
        start.elapsed().as_secs_f64() / f64::from(RUNS) * 1e6
    };
    (0..9).map(|_| average(&mut run)).fold(f64::MAX, f64::min)
}

macro_rules! der {
    ($name:literal) => {
        include_bytes!(concat!("../tests/path/openssl/", $name, ".der")).as_slice()
    };
}

fn measure(case: &str, root: &[u8], chain: &[&[u8]]) {
    let anchors = || {
        let mut anchors = Anchors::new();
        anchors.insert("femto.example".parse().unwrap(), Anchor::from_der(root).unwrap());
        anchors
    };
    let now = UnixTime::from_secs(1_796_083_200);
    let verify = |anchors: &Anchors| {
        black_box(verify_device(anchors, &DevicePolicy::default(), NAME, chain, now).unwrap());
    };
    let known = anchors();
    let warm = best(|| verify(&known));
    let cold = best(|| verify(&anchors())) - best(|| drop(black_box(anchors())));
    println!("{case}: {warm:.1} us with issuers remembered, {cold:.1} us without");
}

fn main() {
    measure("P-256, device and issuing CA", der!("root"), &[der!("device"), der!("issuing")]);
    let p384 = [der!("p384-device"), der!("p384-issuing"), der!("p384-mid")];
    measure("P-384, four certificates", der!("p384-root"), &p384);
    let rsa = [der!("rsa-device"), der!("rsa-issuing"), der!("rsa-mid")];
    measure("RSA, four certificates", der!("rsa-root"), &rsa);
    let device = der!("device");
    println!("reading one certificate: {:.2} us", best(|| drop(black_box(Certificate::from_der(device)))));
}
