//! A catalogue of hostile inputs: each ends in a clear error, and a finished run beside it is as it was.
//! `docs/hostile-inputs.md` is made from it.

mod arrays;
mod case;
mod commands;
mod datasets;
mod document;
mod folders;
mod models;
mod records;
mod scenarios;
#[path = "../support/server.rs"]
mod server;
mod talkers;

use case::Case;

/// Every group of cases under the name of its test.
fn groups() -> Vec<(&'static str, Vec<Case>)> {
    vec![
        ("scenarios", scenarios::cases()),
        ("datasets", datasets::cases()),
        ("arrays", arrays::cases()),
        ("models", models::cases()),
        ("folders", folders::cases()),
        ("records", records::cases()),
        ("talkers", talkers::cases()),
        ("commands", commands::cases()),
    ]
}

#[test]
fn scenarios() {
    case::hold(&scenarios::cases());
}

#[test]
fn datasets() {
    case::hold(&datasets::cases());
}

#[test]
fn arrays() {
    case::hold(&arrays::cases());
}

#[test]
fn models() {
    case::hold(&models::cases());
}

#[test]
fn folders() {
    case::hold(&folders::cases());
}

#[test]
fn records() {
    case::hold(&records::cases());
}

#[test]
fn talkers() {
    case::hold(&talkers::cases());
}

#[test]
fn commands() {
    case::hold(&commands::cases());
}
