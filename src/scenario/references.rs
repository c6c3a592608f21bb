//! `${dotted.key}` inside a string of a scenario stands for the value of that key, so that one
//! `--set dataset.path=…` moves everything that lies beside the data. Must not know which keys exist.

use super::ScenarioError;
use toml::{Table, Value};

/// Replaces every reference. A referenced string must not hold references itself.
pub fn expand(table: &mut Table) -> Result<(), ScenarioError> {
    let known = table.clone();
    table.iter_mut().try_for_each(|(_, value)| expand_value(value, &known))
}

fn expand_value(value: &mut Value, known: &Table) -> Result<(), ScenarioError> {
    match value {
        Value::String(text) if text.contains("${") => {
            *text = expanded(text, known)?;
            Ok(())
        }
        Value::Array(values) => values.iter_mut().try_for_each(|value| expand_value(value, known)),
        Value::Table(inner) => inner.iter_mut().try_for_each(|(_, value)| expand_value(value, known)),
        _ => Ok(()),
    }
}

fn expanded(text: &str, known: &Table) -> Result<String, ScenarioError> {
    let wrong = |problem: String| ScenarioError::Reference { text: text.to_owned(), problem };
    let mut result = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        let (key, tail) = after.split_once('}').ok_or_else(|| wrong("expected a } after ${".to_owned()))?;
        result.push_str(before);
        match lookup(key, known) {
            Some(Value::String(value)) if !value.contains("${") => result.push_str(value),
            Some(Value::String(_)) => return Err(wrong(format!("{key} holds a reference itself"))),
            Some(Value::Integer(value)) => result.push_str(&value.to_string()),
            Some(other) => return Err(wrong(format!("{key} is {}, expected a string", other.type_str()))),
            None => return Err(wrong(format!("there is no key {key}"))),
        }
        rest = tail;
    }
    result.push_str(rest);
    Ok(result)
}

fn lookup<'a>(key: &str, known: &'a Table) -> Option<&'a Value> {
    let (first, rest) = key.split_once('.').map_or((key, None), |(first, rest)| (first, Some(rest)));
    let value = known.get(first)?;
    match rest {
        Some(rest) => lookup(rest, value.as_table()?),
        None => Some(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(text: &str) -> String {
        let mut table: Table = text.parse().expect("test TOML");
        match expand(&mut table) {
            Ok(()) => table["x"].to_string(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn references_are_replaced_wherever_strings_are() {
        let with = |x: &str| after(&format!("seed = 3\nx = {x}\n[data]\npath = \"a/b\"\n"));
        assert_eq!(with("\"${data.path}/c-${seed}\""), "\"a/b/c-3\"");
        assert_eq!(with("[\"${data.path}\", 1]"), "[\"a/b\", 1]");
        assert_eq!(with("\"no reference\""), "\"no reference\"");
    }

    #[test]
    fn wrong_references_are_refused() {
        assert_eq!(after("x = \"${y}\""), "\"${y}\": there is no key y");
        assert_eq!(after("x = \"${y\""), "\"${y\": expected a } after ${");
        assert_eq!(after("x = \"${y}\"\ny = true"), "\"${y}\": y is boolean, expected a string");
        assert_eq!(after("x = \"${x}\""), "\"${x}\": x holds a reference itself");
    }
}
