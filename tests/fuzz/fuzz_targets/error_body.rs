//! What is said of an answer that is no success.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| defender_endpoint::fuzzing::error_body(input));
