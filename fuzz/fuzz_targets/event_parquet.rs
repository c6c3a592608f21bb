//! libFuzzer on the target `event_parquet`: what it does stands in `tests/fuzzing/entry/`.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| windtunnel_fuzz::target("event_parquet")(data));
