#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz::node_decoders::feed("multipart", bytes));
