//! The fuzz targets. What each does with its bytes stands in `tests/fuzzing/entry/`, which the tests of the package
//! include too: what a fuzzer meets and what a test meets cannot drift apart.

#[path = "../../tests/fuzzing/entry/mod.rs"]
pub mod entry;

use std::sync::Once;

/// The target of this name.
pub fn target(name: &str) -> entry::Entry {
    static READY: Once = Once::new();
    READY.call_once(|| {
        // One thread does everything: the fuzzer's. To wake another would take longer than most inputs do.
        let pool = rayon::ThreadPoolBuilder::new().num_threads(1).use_current_thread();
        pool.build_global().expect("the first pool of the process");
    });
    entry::target(name)
}
