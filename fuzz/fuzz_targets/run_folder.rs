//! libFuzzer on the target `run_folder`: what it does stands in `tests/fuzzing/entry/`.
#![no_main]
libfuzzer_sys::fuzz_target!(
    // The run whose folder is changed is no input: its seconds count for none.
    init: {
        windtunnel_fuzz::target("run_folder");
        windtunnel_fuzz::entry::run_folder::finished();
    },
    |data: &[u8]| windtunnel_fuzz::target("run_folder")(data)
);
