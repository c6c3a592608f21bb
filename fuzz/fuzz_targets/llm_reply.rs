//! libFuzzer on the target `llm_reply`: what it does stands in `tests/fuzzing/entry/`.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| windtunnel_fuzz::target("llm_reply")(data));
