//! The page decoder, with windows of any size.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| defender_endpoint::fuzzing::page(input));
