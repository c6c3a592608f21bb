//! Model folders: those of an arm (`model = "DIR"`), and GGUF files.

use super::case::{Case, Content};
use windtunnel::llm::llama::gguf::look_at;

const ENTERS: &str = "`model = \"DIR\"` of an arm";

/// The files of a good model of `popular`, as `windtunnel fit` would leave them but for the dataset's hash.
fn model(what: &'static str, says: &'static str) -> Case {
    let scenario =
        "[dataset]\nsource = \"synthetic\"\nn_users = 12\nn_items = 30\n[arms.popular]\nmodel = \"m\"\n";
    Case::run(ENTERS, what, scenario, says)
}

pub fn cases() -> Vec<Case> {
    vec![
        model(
            "a folder that does not exist",
            "cannot access model file m/fitted_on.json: No such file or directory",
        ),
        model("an empty folder", "cannot access model file m/fitted_on.json: No such file or directory")
            .content("m", Content::Folder),
        model("a file for a folder", "cannot access model file m/fitted_on.json: Not a directory")
            .file("m", "x"),
        model(
            "no JSON where it says what it was fitted on",
            "model file m/fitted_on.json: expected ident at line 1 column 2",
        )
        .file("m/fitted_on.json", "fitted"),
        model(
            "JSON 100,000 lists deep",
            "model file m/fitted_on.json: invalid type: sequence, expected a string at line 1 column 1",
        )
        .file("m/fitted_on.json", "[".repeat(100_000)),
        model(
            "a header of two megabytes",
            "m/fitted_on.json: it is longer than 1048576 bytes, the most that such a file may have",
        )
        .file("m/fitted_on.json", vec![b' '; 2 << 20]),
        model("a model of another kind", "kind is \"ease\", the arm expects \"popular\"")
            .file("m/fitted_on.json", "{\"kind\": \"ease\", \"dataset_hash\": \"0\", \"split_hash\": \"0\"}"),
        model("a model of other data", "model file m/fitted_on.json: fitted on dataset 0, this one is ")
            .file(
                "m/fitted_on.json",
                "{\"kind\": \"popular\", \"dataset_hash\": \"0\", \"split_hash\": \"0\"}",
            ),
        gguf(
            "a model that is something else",
            b"PK\x03\x04....".to_vec(),
            "expected a GGUF file, which starts with \"GGUF\"",
        ),
        gguf("a model of a version to come", head(9, 1, 1), "is GGUF version 9, expected 2 or 3"),
        gguf(
            "a model cut after its magic",
            b"GGUF\x03\0\0\0\x01".to_vec(),
            "is truncated: the number of tensors ends at byte 16, the file has 9",
        ),
        gguf(
            "a model that claims 2^64 tensors",
            head(3, u64::MAX, 1),
            "the number of tensors is 18446744073709551615, expected 1..=131072",
        ),
        gguf(
            "a model that claims 2^60 keys",
            head(3, 1, 1 << 60),
            "the number of keys is 1152921504606846976, expected 1..=131072",
        ),
        gguf(
            "a model with a key of 2^63 letters",
            [head(3, 1, 1), (1u64 << 63).to_le_bytes().to_vec()].concat(),
            "is truncated: a key ends at byte 9223372036854775840",
        ),
        gguf("a model with a list of 2^61 numbers", list(4, 1 << 61), "is truncated: x.y ends at byte"),
        gguf(
            "a model with lists within lists, a thousand deep",
            lists_within_lists(),
            "the type of x.y is 9, expected 0..=12",
        ),
    ]
}

const GGUF: &str = "a GGUF file (read by the library)";

fn gguf(what: &'static str, bytes: Vec<u8>, says: &'static str) -> Case {
    Case::library(
        GGUF,
        what,
        bytes,
        |path| look_at(path).map_or_else(|error| error.to_string(), |_| String::new()),
        says,
    )
}

/// Magic, version, and how many tensors and keys are to come.
fn head(version: u32, n_tensors: u64, n_keys: u64) -> Vec<u8> {
    [&b"GGUF"[..], &version.to_le_bytes(), &n_tensors.to_le_bytes(), &n_keys.to_le_bytes()].concat()
}

/// A model with one key, a list of so many values of this type.
fn list(kind: u32, n: u64) -> Vec<u8> {
    let key = [&3u64.to_le_bytes()[..], b"x.y", &9u32.to_le_bytes(), &kind.to_le_bytes(), &n.to_le_bytes()]
        .concat();
    [head(3, 1, 1), key].concat()
}

fn lists_within_lists() -> Vec<u8> {
    let inner = [9u32.to_le_bytes().to_vec(), 1u64.to_le_bytes().to_vec()].concat();
    [list(9, 1), inner.repeat(1000)].concat()
}
