//! libFuzzer on the target `llm_tape_lines`: what it does stands in `tests/fuzzing/entry/`.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| windtunnel_fuzz::target("llm_tape_lines")(data));
