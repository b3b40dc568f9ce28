#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| lake::fuzz::csv(octets));
