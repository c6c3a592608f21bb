//! `windtunnel sweep`: cells as run folders, one table, resumption, and what is said to a grid that cannot be run.

use assert_cmd::Command;
use std::path::Path;

const SCENARIO: &str = "name = \"toy\"\n[dataset]\nsource = \"synthetic\"\nn_users = 60\nn_items = 50\n\
                        [arms.popular]\n[arms.random]\n[statistics]\nn_bootstrap = 100\n";

/// Runs with these arguments in `dir`; gives exit code, stdout, stderr.
fn call(dir: &Path, arguments: &[&str]) -> (i32, String, String) {
    let mut command = Command::cargo_bin("windtunnel").expect("the binary is built");
    let output = command.current_dir(dir).args(arguments).output().expect("the binary runs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code().unwrap_or(-1), text(&output.stdout), text(&output.stderr))
}

fn folder() -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a temporary folder");
    std::fs::write(dir.path().join("s.toml"), SCENARIO).expect("written");
    dir
}

fn read(dir: &Path, name: &str) -> String {
    std::fs::read_to_string(dir.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

const GRID: [&str; 8] = [
    "sweep",
    "s.toml",
    "--grid",
    "arms.popular.window=0.5,1",
    "--grid",
    "session.max_pages=2,4",
    "--seeds",
    "1,2",
];

#[test]
fn every_cell_is_a_run_and_the_table_has_them_all_however_often_it_is_called() {
    let dir = folder();
    let arguments = [&GRID[..], &["--out", "out"]].concat();
    let (code, stdout, stderr) = call(dir.path(), &arguments);
    assert_eq!(code, 0, "{stderr}");
    assert!(stdout.contains("8 cells run, 0 kept"), "{stdout}");
    let out = dir.path().join("out");
    let cell = "cells/window=0.5,max_pages=4,seed=2";
    assert!(read(&out, &format!("{cell}/scenario.toml")).contains("max_pages = 4"));
    let table = read(&out, "sweep.csv");
    assert!(
        table.starts_with("window,max_pages,seed,arm,round,metric,n,mean,std_error,ci_low,ci_high,unit\n")
    );
    // What the table says of a cell is what its own table says.
    let own = read(&out, &format!("{cell}/metrics.csv"));
    for line in own.lines().skip(1) {
        let (arm_round_metric_n_mean_error, unit) = line.rsplit_once(',').expect("cells");
        assert!(table.contains(&format!("0.5,4,2,{arm_round_metric_n_mean_error},{unit}\n")), "{line}");
    }
    // Cells differ in which of the metrics they have: one that shows fewer pages reaches fewer depths.
    let rows_of = |cell: &str| read(&out, &format!("cells/{cell}/metrics.csv")).lines().count() - 1;
    let cells =
        std::fs::read_dir(out.join("cells")).expect("cells").map(|cell| cell.expect("a cell").file_name());
    let n_rows: Vec<usize> = cells.map(|cell| rows_of(&cell.to_string_lossy())).collect();
    assert_eq!((n_rows.len(), table.lines().count()), (8, 1 + n_rows.iter().sum::<usize>()));
    let means = read(&out, "sweep_means.csv");
    assert!(means.lines().count() < table.lines().count(), "one row for both seeds");
    assert!(means.contains("\n0.5,4,popular,0,s_sat,2,"), "{means}");
    let page = read(&out, "sweep.html");
    assert!(page.contains("toy: sweep") && page.contains("default-src 'none'") && !page.contains("<script"));
    assert!(out.join("plots/s_sat-2.svg").is_file(), "a plot for each value of the second setting");

    // Half a cell, as a run that was killed leaves it, is run again; the others are kept, and nothing changes.
    std::fs::remove_file(out.join(cell).join("study.json")).expect("removed");
    std::fs::remove_file(out.join(cell).join("manifest.json")).expect("removed");
    let (code, stdout, stderr) = call(dir.path(), &arguments);
    assert_eq!(code, 0, "{stderr}");
    assert!(stdout.contains("1 cells run, 7 kept"), "{stdout}");
    assert!(read(&out, "sweep.csv") == table && read(&out, "sweep_means.csv") == means, "the tables differ");
    assert!(read(&out, "sweep.html") == page, "the page differs");

    // Another scenario is not mixed with this one.
    let other = [&arguments[..], &["--set", "session.items_per_page=3"]].concat();
    let (code, _, stderr) = call(dir.path(), &other);
    assert_eq!(code, 2, "{stderr}");
    assert!(
        stderr.contains("finished already, from another scenario") && stderr.contains("seed=2"),
        "{stderr}"
    );
    assert_eq!(read(&out, "sweep.csv"), table);
    let few =
        ["sweep", "s.toml", "--out", "out", "--seeds", "1", "--grid", "arms.popular.window=0.5", "--grid"];
    let few =
        [&few[..], &["session.max_pages=2", "--set", "session.items_per_page=3", "--metrics", "p_view"]]
            .concat();
    assert_eq!(call(dir.path(), &few).0, 2);
    let (code, stdout, stderr) = call(dir.path(), &[&few[..], &["--force"]].concat());
    assert_eq!(code, 0, "{stderr}");
    assert!(stdout.contains("1 cells run, 0 kept"), "{stdout}");
    assert_eq!(read(&out, "sweep.csv").lines().count(), 3, "p_view of two arms");
}

#[test]
fn a_cell_that_fails_is_reported_and_the_others_go_on() {
    let dir = folder();
    let arguments = ["sweep", "s.toml", "--out", "out", "--grid", "arms.popular.model=absent", "--grid"];
    let arguments = [&arguments[..], &["arms.popular.kind=popular,random"]].concat();
    let (code, stdout, stderr) = call(dir.path(), &arguments);
    assert_eq!((code, stdout.contains("0 cells run")), (1, true), "{stderr}");
    assert!(stderr.contains("cell model=absent,kind=popular: arm popular: cannot access"), "{stderr}");
    assert!(stderr.contains("cell model=absent,kind=random: "), "{stderr}");
    assert!(read(&dir.path().join("out"), "sweep.html").contains("Cells that failed"));

    // One model is there, one is not.
    assert_eq!(call(dir.path(), &["fit", "s.toml", "--out", "models"]).0, 0);
    let arguments = ["sweep", "s.toml", "--out", "two", "--grid", "arms.popular.model=absent,models/popular"];
    let (code, stdout, stderr) = call(dir.path(), &arguments);
    assert_eq!(code, 1, "{stderr}");
    assert!(
        stdout.contains("1 cells run, 0 kept") && stderr.contains("cell model=absent: "),
        "{stdout}{stderr}"
    );
    assert!(read(&dir.path().join("two"), "sweep.csv").contains("\nmodels/popular,"));
}

#[test]
fn a_grid_that_cannot_be_run_is_told_before_anything_runs() {
    let dir = folder();
    let told = |more: &[&str]| {
        let (code, _, stderr) = call(dir.path(), &[&["sweep", "s.toml", "--out", "out"], more].concat());
        assert_eq!(code, 2, "{stderr}");
        assert!(!dir.path().join("out").exists(), "nothing has run");
        stderr
    };
    // Every complaint at once, each with its cells.
    let all =
        told(&["--grid", "session.max_pages=0,3", "--grid", "arms.popular.window=1,7,no", "--seeds", "1,2"]);
    assert!(
        all.contains("cell max_pages=0,window=1,seed=1 and 5 others: session.max_pages is 0, must be"),
        "{all}"
    );
    assert!(all.contains("cell max_pages=0,window=7,seed=1 and 3 others: arms.popular.window is 7"), "{all}");
    assert!(all.contains("cell max_pages=0,window=no,seed=1 and 3 others: arms.popular.window: "), "{all}");
    assert!(told(&["--grid", "arms.popular.windw=1"]).contains("did you mean `window`?"));
    assert!(told(&["--grid", "session.max_pages"]).contains("expected dotted.key=value,value"));
    assert!(told(&["--seeds", "one"]).contains("--seeds one: expected whole numbers"));
    assert!(told(&["--metrics", "s_sta"]).contains("did you mean `s_sat`?"));
    // A run folder is no sweep's.
    assert_eq!(call(dir.path(), &["run", "s.toml", "--out", "run"]).0, 0);
    let (code, _, stderr) = call(dir.path(), &["sweep", "s.toml", "--out", "run"]);
    assert_eq!((code, stderr.contains("run holds a run")), (2, true), "{stderr}");
}
