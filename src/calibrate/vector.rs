//! A step's parameters as a vector of free numbers, and back.
//!
//! The table of a step, as it stands in the parameter file, is flattened to one coordinate a number,
//! named by its path (`by_slot[2]`). Some are fixed to make the model identified; some are
//! searched on another scale, on which every number is allowed: a probability as its log-odds, an
//! ascending cut as the log of the gap below it. Must not know what the numbers mean.

use crate::agent::behavior::choice::logit::{log_odds, logistic};
use toml::{Table, Value};

/// Keeps cuts apart when they are written down with four decimals.
const GAP_MIN: f64 = 1e-3;

/// On which scale a number is searched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scale {
    /// As it is.
    Plain,
    /// A probability, by its log-odds.
    Probability,
    /// An ascending number, by the log of its distance from the one before it.
    Ascending,
    /// A number above 0, by its log.
    Positive,
}

/// One number of a step.
#[derive(Clone, Debug, PartialEq)]
pub struct Coordinate {
    /// Where it stands in the step's table.
    pub path: String,
    /// On which scale it is searched.
    pub scale: Scale,
    /// Whether it stays as it is.
    pub is_fixed: bool,
}

/// The coordinates of a step's table: `fixed` paths stay, `scale` says how a path is searched.
pub fn coordinates(step: &Table, fixed: &[&str], scale: impl Fn(&str) -> Scale) -> Vec<Coordinate> {
    let mut found = Vec::new();
    visit(&mut step.clone(), &mut |path, _| {
        let is_fixed = fixed.contains(&path) || fixed.iter().any(|f| path.starts_with(&format!("{f}[")));
        found.push(Coordinate { scale: scale(path), is_fixed, path: path.to_owned() });
    });
    found
}

/// The numbers of a step's table, in the order of its coordinates.
pub fn numbers(step: &Table) -> Vec<f64> {
    let mut found = Vec::new();
    visit(&mut step.clone(), &mut |_, number| found.push(*number));
    found
}

/// The table with these numbers in it.
pub fn with_numbers(step: &Table, numbers: &[f64]) -> Table {
    let mut table = step.clone();
    let mut next = numbers.iter();
    visit(&mut table, &mut |_, number| *number = *next.next().expect("one number a coordinate"));
    table
}

/// The free numbers on the scales they are searched on.
pub fn free_of(coordinates: &[Coordinate], numbers: &[f64]) -> Vec<f64> {
    (0..numbers.len())
        .filter(|&k| !coordinates[k].is_fixed)
        .map(|k| match coordinates[k].scale {
            Scale::Plain => numbers[k],
            Scale::Probability => log_odds(numbers[k]),
            Scale::Ascending => (numbers[k] - numbers[k - 1] - GAP_MIN).max(1e-9).ln(),
            Scale::Positive => numbers[k].max(1e-9).ln(),
        })
        .collect()
}

/// All numbers from the free ones; the fixed ones are taken from `numbers`.
pub fn numbers_of(coordinates: &[Coordinate], numbers: &[f64], free: &[f64]) -> Vec<f64> {
    let mut all = numbers.to_vec();
    let mut next = free.iter();
    for k in 0..all.len() {
        if coordinates[k].is_fixed {
            continue;
        }
        let x = *next.next().expect("one number a free coordinate");
        all[k] = match coordinates[k].scale {
            Scale::Plain => x,
            Scale::Probability => logistic(x),

            Scale::Ascending => all[k - 1] + x.min(50.0).exp() + GAP_MIN,
            Scale::Positive => x.min(50.0).exp(),
        };
    }
    all
}

/// Calls `take` with the path of every number of a table and the number.
fn visit(table: &mut Table, take: &mut dyn FnMut(&str, &mut f64)) {
    for (key, value) in table.iter_mut() {
        visit_value(key, value, take);
    }
}

fn visit_value(path: &str, value: &mut Value, take: &mut dyn FnMut(&str, &mut f64)) {
    match value {
        Value::Float(number) => take(path, number),
        Value::Array(entries) => {
            for (k, entry) in entries.iter_mut().enumerate() {
                visit_value(&format!("{path}[{k}]"), entry, take);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_go_there_and_back() {
        let step: Table =
            "p = [1.0, 0.25]\ncuts = [-1.0, 0.5, 0.75]\nx = 2.0\ns = 0.5".parse().expect("TOML");
        let scale = |path: &str| match path {
            path if path.starts_with("p[") => Scale::Probability,
            "cuts[1]" | "cuts[2]" => Scale::Ascending,
            "s" => Scale::Positive,
            _ => Scale::Plain,
        };
        let coordinates = coordinates(&step, &["p[0]"], scale);
        let paths: Vec<&str> = coordinates.iter().map(|c| c.path.as_str()).collect();
        assert_eq!(paths, ["p[0]", "p[1]", "cuts[0]", "cuts[1]", "cuts[2]", "x", "s"]);
        let all = numbers(&step);
        let free = free_of(&coordinates, &all);
        assert_eq!(free.len(), 6);
        assert!((free[0] + 3f64.ln()).abs() < 1e-9 && (free[2] - (1.5 - GAP_MIN).ln()).abs() < 1e-9);
        let back = numbers_of(&coordinates, &all, &free);
        assert!(back.iter().zip(&all).all(|(a, b)| (a - b).abs() < 1e-9));
        assert_eq!(numbers(&with_numbers(&step, &back)), back);
    }
}
