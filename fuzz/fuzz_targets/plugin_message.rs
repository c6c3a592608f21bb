//! libFuzzer on the target `plugin_message`: what it does stands in `tests/fuzzing/entry/`.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| windtunnel_fuzz::target("plugin_message")(data));
