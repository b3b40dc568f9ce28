#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    esp::fuzz::datagram(data);
});
