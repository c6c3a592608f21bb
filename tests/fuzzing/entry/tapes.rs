//! Tapes of what language models said: lines to import, and the file itself.

use super::archive::{Folder, split};
use super::read;
use windtunnel::llm::tape::{self, Filter, Tape, TapeMode};

/// Imports lines into a new tape and reads them back; takes `tape.sqlite` as a tape, where there is one.
pub fn llm_tape_lines(data: &[u8]) {
    let files = split(data, "calls.jsonl");
    let folder = Folder::with(&files);
    let (tape, lines) = (folder.path().join("new.sqlite"), folder.path().join("calls.jsonl"));
    if let Some(imported) = read(tape::import(&tape, &lines)) {
        assert!(imported.n_new <= imported.n_calls);
        let mut out = Vec::new();
        let exported = read(tape::export(&tape, &mut out)).expect("what was imported can be exported");
        assert_eq!(exported, imported.n_new);
        std::fs::write(&lines, out).expect("written");
        let again = read(tape::import(&tape, &lines)).expect("what was exported can be imported");
        assert_eq!((again.n_calls, again.n_new), (exported, 0));
    }
    let given = folder.path().join("tape.sqlite");
    if given.is_file() {
        read(tape::summarise(&given));
        read(tape::export(&given, &mut Vec::new()));
        if let Some(tape) = read(Tape::open(&given, TapeMode::Replay)) {
            read(tape.calls(&Filter::default()));
        }
    }
}
