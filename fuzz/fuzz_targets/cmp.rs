#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    cmp::fuzz::cmp(data);
});
