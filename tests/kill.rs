//! A run that is killed at any moment leaves at every output path either no file or a whole one, and gone on with
//! it ends with the bytes of a run that was left alone.

#![cfg(unix)]

#[path = "support/run_folder.rs"]
mod run_folder;

use rand::{Rng, RngExt};
use run_folder::{Place, assert_whole, files, is_hidden, stderr};
use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use windtunnel::rng::{Purpose, Streams};

/// Where a run is by what its folder holds, from the last stage to the first.
const STAGES: [(&str, &str); 5] = [
    ("report", "manifest.json"),
    ("write", "metrics.csv"),
    ("simulate the last arm", "events/arm=mf"),
    ("simulate", "events"),
    ("fit", ".windtunnel-lock"),
];

fn stage(out: &Path) -> &'static str {
    let there = STAGES.iter().find(|(_, file)| out.join(file).exists());
    there.map_or("prepare", |(stage, _)| stage)
}

fn start(place: &Place, arguments: &[&str]) -> Child {
    let mut command = place.command(&["run", "s.toml", "--out", "run", "--quiet"]);
    command.args(arguments).stdout(Stdio::null()).spawn().expect("the binary starts")
}

fn signal(child: &Child, name: &str) {
    let sent = Command::new("kill").args(["-s", name, &child.id().to_string()]).status().expect("kill runs");
    assert!(sent.success(), "no signal was sent");
}

/// Waits until the file is there and then for as long again as `luck` says; `false` when the run was over before.
fn wait_for(child: &mut Child, file: &Path, then: Duration) -> bool {
    while !file.exists() {
        if child.try_wait().expect("a child").is_some() {
            return false;
        }
        std::thread::sleep(Duration::from_micros(500));
    }
    let begun = Instant::now();
    while begun.elapsed() < then {
        if child.try_wait().expect("a child").is_some() {
            return false;
        }
        std::thread::sleep(Duration::from_micros(200));
    }
    child.try_wait().expect("a child").is_none()
}

/// Kills runs until `n_kills` have died at work, goes on with each to its end, and holds it against one that was left
/// alone. A run is killed up to three times before it may end.
fn kill_and_resume(n_kills: u32) -> BTreeMap<&'static str, u32> {
    let place = Place::new();
    let begun = Instant::now();
    let reference = place.undisturbed("reference");
    let whole_run = begun.elapsed();
    let run = place.path("run");
    let mut luck = Streams::new(8).stream(Purpose::Exit, 0, 0, 0);
    let mut killed_in = BTreeMap::new();
    let mut n_killed = 0;
    while n_killed < n_kills {
        if run.exists() {
            std::fs::remove_dir_all(&run).expect("removed");
        }
        for _ in 0..luck.random_range(1..=3u32) {
            n_killed += u32::from(kill_once(&place, whole_run, &mut luck, &mut killed_in));
        }
        place.resume("run");
        assert_whole(&run);
        place.assert_same(&reference, &run);
    }
    killed_in
}

/// Starts or goes on with the run and kills it: half of the time at any moment of a run, else a moment after it has
/// come to a stage, since some stages are short. Whether it was still at work.
fn kill_once(
    place: &Place,
    whole_run: Duration,
    luck: &mut impl Rng,
    killed_in: &mut BTreeMap<&'static str, u32>,
) -> bool {
    let run = place.path("run");
    let before = files(&run);
    let mut child = start(place, &["--resume"]);
    // It may be over already; then there is nothing to kill.
    let _ = if luck.random_bool(0.5) {
        wait_for(&mut child, &place.path("s.toml"), whole_run.mul_f64(luck.random_range(0.0..1.0)))
    } else {
        let (_, file) = STAGES[luck.random_range(0..STAGES.len())];
        wait_for(&mut child, &run.join(file), whole_run.mul_f64(luck.random_range(0.0..0.1)))
    };
    let _ = child.kill();
    let output = child.wait_with_output().expect("the binary ends");
    let is_killed = output.status.code().is_none();
    assert!(is_killed || output.status.success(), "{}", stderr(&output));
    let names = assert_whole(&run);
    // What was there stays there: a run that is gone on with gives nothing up.
    for name in before.keys().filter(|name| !is_hidden(name)) {
        assert!(names.contains(name), "{name} is gone");
    }
    if is_killed {
        *killed_in.entry(stage(&run)).or_default() += 1;
    }
    is_killed
}

#[test]
fn killed_runs_are_whole_and_end_as_if_nothing_had_been() {
    let killed_in = kill_and_resume(8);
    assert!(killed_in.len() > 1, "all were killed in one stage: {killed_in:?}");
}

#[test]
#[ignore = "minutes: a hundred kills"]
fn a_hundred_kills() {
    let killed_in = kill_and_resume(100);
    println!("killed in: {killed_in:?}");
    for (stage, _) in STAGES {
        assert!(killed_in.contains_key(stage), "none was killed in {stage}: {killed_in:?}");
    }
}

/// Stops a run politely as soon as the file is there.
fn stop(place: &Place, name: &str, file: &str, arguments: &[&str]) -> Option<String> {
    let mut child = start(place, arguments);
    if wait_for(&mut child, &place.path("run").join(file), Duration::from_millis(5)) {
        signal(&child, name);
    }
    let output = child.wait_with_output().expect("the binary ends");
    match output.status.code() {
        Some(130) => Some(stderr(&output)),
        Some(0) => None,
        code => panic!("{code:?}: {}", stderr(&output)),
    }
}

#[test]
fn a_run_that_is_stopped_says_so_and_can_be_gone_on_with() {
    let place = Place::new();
    let reference = place.undisturbed("reference");
    let mut n_stopped = 0;
    // Long enough to be met in training, which leaves a checkpoint.
    let long = ["--resume", "--set", "arms.mf.epochs=40000", "--set", "arms.mf.patience=40000"];
    for (name, file, arguments) in [
        ("INT", ".windtunnel-lock", &long[..]),
        ("TERM", "events", &["--resume"][..]),
        ("INT", "events/arm=mf", &["--resume"][..]),
    ] {
        let Some(told) = stop(&place, name, file, arguments) else { continue };
        n_stopped += 1;
        assert!(told.ends_with("stopped; go on with --resume\n"), "{told}");
        assert!(!told.contains("error"), "{told}");
        let names = assert_whole(&place.path("run"));
        let leftovers: Vec<String> =
            files(&place.path("run")).into_keys().filter(|name| is_hidden(name)).collect();
        assert!(
            leftovers.iter().all(|name| name.contains(".windtunnel-work")),
            "{leftovers:?} with {names:?}"
        );
    }
    assert!(n_stopped > 0, "no run was met at work");
    place.resume("run");
    place.assert_same(&reference, &place.path("run"));
}

#[test]
fn training_that_is_stopped_goes_on_where_it_was() {
    let place = Place::new();
    let long = ["--set", "arms.mf.epochs=3000", "--set", "arms.mf.eval_every=3000"];
    let arguments = [&["run", "s.toml", "--out", "reference", "--quiet"], &long[..]].concat();
    let begun = Instant::now();
    assert!(place.call(&arguments).status.success());
    let whole_run = begun.elapsed();
    let mut n_checkpoints = 0;
    for share in [0.3, 0.6] {
        let mut child = start(&place, &[&["--resume"], &long[..]].concat());
        if wait_for(&mut child, &place.path("s.toml"), whole_run.mul_f64(share)) {
            signal(&child, "INT");
        }
        child.wait_with_output().expect("the binary ends");
        let names: Vec<String> = files(&place.path("run")).into_keys().collect();
        n_checkpoints += u32::from(names.iter().any(|name| name.ends_with(".ckpt")));
    }
    assert!(n_checkpoints > 0, "training was never met");
    let arguments = [&["run", "s.toml", "--out", "run", "--resume"], &long[..]].concat();
    let output = place.call(&arguments);
    assert!(output.status.success(), "{}", stderr(&output));
    place.assert_same(&place.path("reference"), &place.path("run"));
}

#[test]
fn a_second_signal_ends_the_process_at_once() {
    let place = Place::new();
    // Nothing between two steps for a long time: the first signal alone would not end it soon.
    let mut child = start(&place, &["--set", "arms.mf.epochs=40000", "--set", "arms.mf.patience=40000"]);
    assert!(wait_for(&mut child, &place.path("run/.windtunnel-lock"), Duration::ZERO));
    for _ in 0..2 {
        signal(&child, "INT");
    }
    let output = child.wait_with_output().expect("the binary ends");
    assert_eq!(output.status.code(), Some(130), "{}", stderr(&output));
}

#[test]
fn a_folder_belongs_to_one_process() {
    let place = Place::new();
    let reference = place.undisturbed("reference");
    let run = place.path("run");
    let mut first = start(&place, &[]);
    assert!(wait_for(&mut first, &run.join(".windtunnel-lock"), Duration::ZERO), "the first is at work");
    signal(&first, "STOP");
    std::thread::sleep(Duration::from_millis(50));
    for mode in [&[][..], &["--force"], &["--resume"]] {
        let before = files(&run);
        let output = start(&place, mode).wait_with_output().expect("the binary ends");
        let told = stderr(&output);
        assert_eq!(output.status.code(), Some(1), "{told}");
        assert!(
            told.contains(&format!("another process ({}) is writing to run; wait", first.id())),
            "{told}"
        );
        assert_eq!(files(&run), before, "a process that is refused writes nothing");
    }
    signal(&first, "CONT");
    let output = first.wait_with_output().expect("the binary ends");
    assert!(output.status.success(), "{}", stderr(&output));
    place.assert_same(&reference, &run);
    assert!(!run.join(".windtunnel-lock").exists() && !run.join(".windtunnel-work").exists());
}
