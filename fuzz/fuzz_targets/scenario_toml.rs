//! libFuzzer on the target `scenario_toml`: what it does stands in `tests/fuzzing/entry/`.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| windtunnel_fuzz::target("scenario_toml")(data));
