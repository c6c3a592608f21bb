//! What is given on the command line, and grids of sweeps.

use super::case::{Case, SMALL};

const LINE: &str = "the command line";
const SWEEP: &str = "`windtunnel sweep`";

pub fn cases() -> Vec<Case> {
    let sweep = |what, grid: &[&str], says| {
        let fixed = ["sweep", "s.toml", "--out", "new", "--quiet"];
        Case::new(SWEEP, what, &[fixed.as_slice(), grid].concat(), says).file("s.toml", SMALL)
    };
    vec![
        Case::new(LINE, "a command that there is not", &["rnu"], "unrecognized subcommand 'rnu'"),
        Case::new(LINE, "no threads at all", &["--threads", "0", "list", "datasets"], "0 is not in 1..=1024"),
        Case::new(
            LINE,
            "more threads than a number holds",
            &["--threads", "99999999999999999999", "list", "datasets"],
            "number too large to fit in target type",
        ),
        Case::new(
            LINE,
            "a run over what is no run",
            &["run", "s.toml", "--out", "note.txt", "--quiet"],
            "cannot write note.txt: File exists",
        )
        .file("s.toml", SMALL)
        .fails(),
        Case::new(
            LINE,
            "a run into a finished run without `--force`",
            &["run", "s.toml", "--out", "done", "--quiet"],
            "done already holds a run or a model; give another --out, --force to replace it, or for a run --resume to go on with it",
        )
        .file("s.toml", SMALL),
        Case::new(
            LINE,
            "a confidence above one",
            &["off-policy", "a.csv", "b.csv", "--confidence", "1.5"],
            "\"1.5\" must be a number above 0.5 and below 1",
        ),
        Case::new(
            LINE,
            "a confidence that is none",
            &["off-policy", "a.csv", "b.csv", "--confidence", "nan"],
            "\"nan\" must be a number above 0.5 and below 1",
        ),
        Case::new(
            LINE,
            "a scenario that does not exist",
            &["run", "absent.toml", "--out", "done", "--force"],
            "cannot read scenario absent.toml: No such file or directory",
        ),
        Case::new(LINE, "a list of what nobody knows", &["list", "bananas"], "invalid value 'bananas'"),
        sweep("a grid without a key", &["--grid", "=1,2"], "--grid =1,2: expected dotted.key=value,value"),
        sweep(
            "a grid of nothing",
            &["--grid", "session.max_pages="],
            "--grid session.max_pages=: a value between commas is empty",
        ),
        sweep(
            "a grid over a key that there is not",
            &["--grid", "session.pages=[1,2]"],
            "unknown key `session.pages`; expected one of: advert, advert_share",
        ),
    ]
}
