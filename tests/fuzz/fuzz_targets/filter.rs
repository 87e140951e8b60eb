//! Filters and the query they are sent in.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| defender_endpoint::fuzzing::filter(input));
