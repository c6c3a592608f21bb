//! Model folders: those of an arm (`model = "DIR"`), and GGUF files.

use super::case::{Case, Content};

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
    ]
}
