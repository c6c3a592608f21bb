//! The fuzz targets without a fuzzer: every past crash and the kept corpora again, and valid inputs with a few
//! changes, bounded so that it takes seconds. `docs/fuzzing.md` says how to fuzz for longer.

mod entry;
#[path = "../support/gguf.rs"]
mod gguf;
mod mutation;
mod replay;
mod seeds;
mod tables;
mod twins;
