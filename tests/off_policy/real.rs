//! The Open Bandit Dataset, where it is at hand, and files that are not like it.

use std::path::{Path, PathBuf};
use windtunnel::study::off_policy::between_logs::{Compared, compare, shown_by};
use windtunnel::study::off_policy::estimators::Estimator;
use windtunnel::study::off_policy::open_bandit::{Log, read};

/// The log of one policy over the men's items, where it is there.
fn real(policy: &str) -> Option<Log> {
    let base = std::env::var("WINDTUNNEL_DATA")
        .unwrap_or_else(|_| concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/data").to_owned());
    let path = Path::new(&base).join(format!("obd/{policy}/men/men.csv"));
    if !path.exists() {
        eprintln!("SKIPPED: {} is not there; set WINDTUNNEL_DATA to the folder of real data", path.display());
        return None;
    }
    Some(read(&path).expect("read"))
}

fn within(found: &Compared, estimator: Estimator) -> bool {
    let (low, high) = found.estimated.by(estimator).interval.expect("an interval");
    low <= found.seen.value && found.seen.value <= high
}

#[test]
fn the_log_has_the_published_shape() {
    let (Some(random), Some(bts)) = (real("random"), real("bts")) else { return };
    for log in [&random, &bts] {
        // The README of the small-size version: 10,000 records, items 0 to 33, positions 1 to 3.
        assert_eq!((log.impressions.len(), log.n_items()), (10_000, 34));
        assert_eq!(log.positions, [1, 2, 3]);
    }
    assert!(random.impressions.iter().all(|x| (x.propensity - 1.0 / 34.0).abs() < 1e-12));
    // What random shows is what it says that it shows; what bts shows is its share.
    assert!(shown_by(&random, 34).iter().flatten().all(|p| (p - 1.0 / 34.0).abs() < 1e-12));
    for place in shown_by(&bts, 34) {
        assert!((place.iter().sum::<f64>() - 1.0).abs() < 1e-12);
    }
}

/// From the random log, the value of bts is estimated within an interval that holds what bts earned itself.
#[test]
fn random_tells_what_bts_is_worth() {
    let (Some(random), Some(bts)) = (real("random"), real("bts")) else { return };
    let found = compare(&random, &bts, 0.95).expect("compared");
    // pandas: clicks over impressions of the two files.
    assert!((found[0].seen.value - 0.0069).abs() < 1e-12);
    assert!((found[0].logged.value - 0.0046).abs() < 1e-12);
    // numpy: mean of 34 · share of the item at the position in the bts file · click, over the random file.
    assert!((found[0].estimated.by(Estimator::Ips).value - 0.005656266700835461).abs() < 1e-12);
    assert!((found[0].estimated.by(Estimator::Snips).value - 0.005739864701951365).abs() < 1e-12);
    assert!((found[0].estimated.support.effective_sample_size - 2869.275271787956).abs() < 1e-6);
    for estimator in [Estimator::Ips, Estimator::Snips, Estimator::Dr, Estimator::SwitchDr] {
        assert!(within(&found[0], estimator), "{}", estimator.name());
    }
    assert!(found[0].estimated.support.is_plausible());
    // The three positions have a third of the impressions each, and intervals as much wider.
    for one in &found[1..] {
        for estimator in [Estimator::Ips, Estimator::Snips, Estimator::Dr] {
            assert!(within(one, estimator), "position {:?}, {}", one.position, estimator.name());
        }
    }
}

/// And the other way round, from a log with weights up to 178.
#[test]
fn bts_tells_what_random_is_worth() {
    let (Some(random), Some(bts)) = (real("random"), real("bts")) else { return };
    let found = compare(&bts, &random, 0.95).expect("compared");
    assert!((found[0].seen.value - 0.0046).abs() < 1e-12);
    for estimator in [Estimator::Ips, Estimator::Snips, Estimator::Dr, Estimator::SwitchDr] {
        assert!(within(&found[0], estimator), "{}", estimator.name());
    }
}

const HEADER: &str =
    ",timestamp,item_id,position,click,propensity_score,user_feature_0,user-item_affinity_0\n";

fn written(dir: &Path, text: &str) -> PathBuf {
    let path = dir.join("log.csv");
    std::fs::write(&path, text).expect("writable");
    path
}

#[test]
fn broken_logs_are_told_by_line_and_column() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let told = |text: &str| {
        let message = read(&written(dir.path(), text)).expect_err("refused").to_string();
        message.split("log.csv").last().unwrap_or_default().to_owned()
    };
    let good = "0,2019-11-24 00:01,2,2,0,0.04,a,0.0\n";
    let row = |row: &str| format!("{HEADER}{good}{row}\n");
    for (text, expected) in [
        (
            row("1,t,x,2,0,0.04,a,0"),
            ", line 3, column \"item_id\": \"x\", expected a whole number, 0..=1000000",
        ),
        (
            row("1,t,2,-1,0,0.04,a,0"),
            ", line 3, column \"position\": \"-1\", expected a whole number, 0..=1000000",
        ),
        (row("1,t,2,1,2,0.04,a,0"), ", line 3, column \"click\": \"2\", expected 0 or 1"),
        (
            row("1,t,2,1,1,0,a,0"),
            ", line 3, column \"propensity_score\": \"0\", expected a probability, above 0 and at most 1",
        ),
        (
            row("1,t,2,1,1,NaN,a,0"),
            ", line 3, column \"propensity_score\": \"NaN\", expected a probability, above 0 and at most 1",
        ),
        (row("1,t,2,1"), ": line 3: 4 cells, expected 8 as in the header"),
        (HEADER.to_owned(), ": no row, expected one an impression"),
        ("a,b\n1,2\n".to_owned(), ": no column \"timestamp\", expected a log of the Open Bandit Dataset"),
    ] {
        assert_eq!(told(&text), expected);
    }
    assert!(read(&dir.path().join("none.csv")).expect_err("refused").to_string().starts_with("cannot read"));
    std::fs::write(dir.path().join("log.csv"), b"\xff\xfe\x00").expect("writable");
    assert!(read(&dir.path().join("log.csv")).is_err());
    // The column's name in the documentation is as good as that in the files.
    let renamed = row("1,t,3,1,1,0.5,b,0").replace("propensity_score", "action_prob");
    let log = read(&written(dir.path(), &renamed)).expect("read");
    assert_eq!((log.impressions.len(), log.n_items(), log.positions.as_slice()), (2, 4, [1, 2].as_slice()));
    assert_eq!((log.impressions[0].place, log.impressions[1].place), (1, 0));
}

#[test]
fn logs_of_different_pages_are_refused() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let log = |position: u32| {
        let text = format!("{HEADER}0,t,2,{position},0,0.04,a,0.0\n");
        read(&written(dir.path(), &text)).expect("read")
    };
    let told = compare(&log(1), &log(2), 0.95).expect_err("refused").to_string();
    assert_eq!(told, "the logs have different positions: [1] and [2]");
}

/// A log of two items at two positions: item 1 is shown with probability `p` and clicked half of the time, item 0 never.
fn invented(dir: &Path, name: &str, p: f64) -> PathBuf {
    let mut text = HEADER.to_owned();
    for view in 0..2000u32 {
        for position in 1..=2 {
            let item = u32::from(f64::from((view * 7 + position * 3) % 20) < 20.0 * p);
            let click = u32::from(item == 1 && (view / 20) % 2 == 0);
            let shown = if item == 1 { p } else { 1.0 - p };
            text.push_str(&format!("{view},t{view},{item},{position},{click},{shown},a,0\n"));
        }
    }
    let path = dir.join(name);
    std::fs::write(&path, text).expect("writable");
    path
}

#[test]
fn the_command_tells_what_the_other_policy_earns() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let (half, most) = (invented(dir.path(), "half.csv", 0.5), invented(dir.path(), "most.csv", 0.8));
    let run = |arguments: &[&std::ffi::OsStr]| {
        let mut command = assert_cmd::Command::cargo_bin("windtunnel").expect("built");
        command.arg("off-policy").args(arguments).output().expect("run")
    };
    let output = run(&[half.as_os_str(), most.as_os_str()]);
    let told = String::from_utf8(output.stdout).expect("text");
    assert!(output.status.success(), "{told}");
    // Half of 80 % are clicked: 400 of 1,000; the log's own policy earns 250.
    for expected in ["4000 impressions logged", "seen         400.00", "logged       250.00", "position 2"] {
        assert!(told.contains(expected), "{expected} is not in\n{told}");
    }
    assert_eq!(
        told.matches("holds what was seen").count() + told.matches("misses what was seen").count(),
        18
    );
    let ips = told.lines().find(|line| line.trim_start().starts_with("ips")).expect("a line");
    assert!(ips.contains("400.00") && ips.ends_with("holds what was seen"), "{ips}");
    let bad = run(&[dir.path().join("none.csv").as_os_str(), most.as_os_str()]);
    assert_eq!(bad.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&bad.stderr).contains("cannot read"));
    assert_eq!(run(&[half.as_os_str(), most.as_os_str(), "--confidence=2".as_ref()]).status.code(), Some(2));
}
