//! `docs/hostile-inputs.md` held to the cases. With `WINDTUNNEL_WRITE_DOCS` set, it is written instead.

use super::groups;
use std::path::Path;

const BEGIN: &str = "<!-- the table is made by tests/hostile -->\n";
const END: &str = "<!-- end of the table -->";

fn table() -> String {
    let mut table =
        "| | hostile input | where it enters | the error says | exit | test |\n|--:|---|---|---|--:|---|\n"
            .to_owned();
    let cell = |text: &str| text.replace('|', "\\|").replace('\n', " ");
    let mut number = 0;
    for (test, cases) in groups() {
        for case in cases {
            number += 1;
            table.push_str(&format!(
                "| {number} | {} | {} | `{}` | {} | `{test}` |\n",
                cell(case.what),
                cell(case.enters),
                cell(case.says).replace('`', "'"),
                case.exit()
            ));
        }
    }
    table
}

#[test]
fn the_document_has_exactly_these_cases() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/hostile-inputs.md");
    let text = std::fs::read_to_string(&path).expect("the document");
    let (before, rest) = text.split_once(BEGIN).expect("where the table begins");
    let (found, after) = rest.split_once(END).expect("where the table ends");
    let table = table();
    if std::env::var_os("WINDTUNNEL_WRITE_DOCS").is_some() {
        std::fs::write(&path, format!("{before}{BEGIN}{table}{END}{after}")).expect("written");
        return;
    }
    assert_eq!(found, table, "run this test with WINDTUNNEL_WRITE_DOCS=1 to write the table anew");
    let n_cases: usize = groups().iter().map(|(_, cases)| cases.len()).sum();
    assert!(n_cases >= 60, "{n_cases} cases, expected 60 at least");
    let mut names: Vec<&str> =
        groups().iter().flat_map(|(_, cases)| cases.iter().map(|case| case.what)).collect();
    names.sort_unstable();
    assert!(names.windows(2).all(|pair| pair[0] != pair[1]), "no case stands there twice");
}
