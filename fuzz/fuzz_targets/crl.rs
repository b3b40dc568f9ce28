#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    x509::fuzz::crl(data);
});
