//! What a tree comes to, given the values of a run. Must not know where values come from.

use super::assertion::{AssertionError, Compare, Operator};
use super::parse::Tree;
use crate::scenario::params::nearest;
use std::collections::BTreeMap;

/// Known values that are named where none is near.
const N_NAMED_MAX: usize = 8;

/// The values of a run, by path; `None` is what could not be measured.
pub type Values = BTreeMap<String, Option<f64>>;

/// What an expression is.
enum Found {
    Number(f64),
    Truth(bool),
}

/// A comparison that was looked at: `7.12 > 6.98`.
pub type Measured = (f64, Compare, f64);

/// Whether the assertion holds, and every comparison in it with what was measured on both sides.
///
/// All of it is looked at, whatever the first part comes to, so that a mistake in the second is not hidden by it.
pub fn holds(tree: &Tree, values: &Values) -> Result<(bool, Vec<Measured>), AssertionError> {
    let mut measured = Vec::new();
    let holds = truth(tree, values, &mut measured)?;
    Ok((holds, measured))
}

fn truth(tree: &Tree, values: &Values, measured: &mut Vec<Measured>) -> Result<bool, AssertionError> {
    match find(tree, values, measured)? {
        Found::Truth(truth) => Ok(truth),
        Found::Number(_) => Err(AssertionError::Kind { expected: "a comparison", found: "a number" }),
    }
}

fn number(tree: &Tree, values: &Values, measured: &mut Vec<Measured>) -> Result<f64, AssertionError> {
    match find(tree, values, measured)? {
        Found::Number(number) if number.is_finite() => Ok(number),
        Found::Number(_) => Err(AssertionError::NotFinite),
        Found::Truth(_) => Err(AssertionError::Kind { expected: "a number", found: "a comparison" }),
    }
}

fn find(tree: &Tree, values: &Values, measured: &mut Vec<Measured>) -> Result<Found, AssertionError> {
    Ok(match tree {
        Tree::Number(number) => Found::Number(*number),
        Tree::Path(path) => Found::Number(value(path, values)?),
        Tree::Negative(of) => Found::Number(-number(of, values, measured)?),
        Tree::Absolute(of) => Found::Number(number(of, values, measured)?.abs()),
        Tree::Operation(operator, left, right) => {
            let (left, right) = (number(left, values, measured)?, number(right, values, measured)?);
            Found::Number(match operator {
                Operator::Plus => left + right,
                Operator::Minus => left - right,
                Operator::Times => left * right,
                Operator::By => left / right,
            })
        }
        Tree::Comparison(first, others) => {
            let mut left = number(first, values, measured)?;
            let mut all = true;
            for (compare, right) in others {
                let right = number(right, values, measured)?;
                all &= compare.holds(left, right);
                measured.push((left, *compare, right));
                left = right;
            }
            Found::Truth(all)
        }
        Tree::And(left, right) => {
            let (left, right) = (truth(left, values, measured)?, truth(right, values, measured)?);
            Found::Truth(left && right)
        }
        Tree::Or(left, right) => {
            let (left, right) = (truth(left, values, measured)?, truth(right, values, measured)?);
            Found::Truth(left || right)
        }
        Tree::Not(of) => Found::Truth(!truth(of, values, measured)?),
    })
}

fn value(path: &str, values: &Values) -> Result<f64, AssertionError> {
    match values.get(path) {
        Some(Some(value)) if value.is_finite() => Ok(*value),
        Some(_) => Err(AssertionError::Undefined { path: path.to_owned() }),
        None => Err(AssertionError::Unknown { path: path.to_owned(), hint: hint(path, values) }),
    }
}

/// What may have been meant: the nearest path, or what there is at the first place where the path goes astray.
fn hint(path: &str, values: &Values) -> String {
    let known: Vec<String> = values.keys().cloned().collect();
    if let Some(nearest) = nearest(path, &known) {
        return format!(", did you mean `{nearest}`?");
    }
    let mut stem = path;
    loop {
        let prefix = if stem.is_empty() { String::new() } else { format!("{stem}.") };
        let mut next: Vec<&str> = Vec::new();
        for known in values.keys().filter_map(|known| known.strip_prefix(&prefix)) {
            let name = known.split('.').next().unwrap_or(known);
            if next.last() != Some(&name) {
                next.push(name);
            }
        }
        if !next.is_empty() {
            let more = if next.len() > N_NAMED_MAX { ", …" } else { "" };
            next.truncate(N_NAMED_MAX);
            let place = if stem.is_empty() { "there are".to_owned() } else { format!("{stem} has") };
            return format!("; {place} {}{more}", next.join(", "));
        }
        if stem.is_empty() {
            return String::new();
        }
        stem = stem.rsplit_once('.').map_or("", |(stem, _)| stem);
    }
}
