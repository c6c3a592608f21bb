//! `${dotted.key}` inside a string of a scenario stands for the value of that key, so that one
//! `--set dataset.path=…` moves everything that lies beside the data. A referenced string may hold
//! references itself, a few deep. Must not know which keys exist.

use super::ScenarioError;
use toml::{Table, Value};

/// How deep a reference may lead to another: deeper ones go in a circle, or may as well.
const DEPTH_MAX: u32 = 8;
/// Longest string that references may make, in bytes.
const LENGTH_MAX: usize = 1 << 16;

/// Replaces every reference.
pub fn expand(table: &mut Table) -> Result<(), ScenarioError> {
    let known = table.clone();
    table.iter_mut().try_for_each(|(_, value)| expand_value(value, &known))
}

fn expand_value(value: &mut Value, known: &Table) -> Result<(), ScenarioError> {
    match value {
        Value::String(text) if text.contains("${") => {
            *text = expanded(text, known, 1)?;
            Ok(())
        }
        Value::Array(values) => values.iter_mut().try_for_each(|value| expand_value(value, known)),
        Value::Table(inner) => inner.iter_mut().try_for_each(|(_, value)| expand_value(value, known)),
        _ => Ok(()),
    }
}

fn expanded(text: &str, known: &Table, depth: u32) -> Result<String, ScenarioError> {
    let wrong = |problem: String| ScenarioError::Reference { text: text.to_owned(), problem };
    let mut result = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        let (key, tail) = after.split_once('}').ok_or_else(|| wrong("expected a } after ${".to_owned()))?;
        result.push_str(before);
        match lookup(key, known) {
            Some(Value::String(value)) if !value.contains("${") => result.push_str(value),
            Some(Value::String(_)) if depth == DEPTH_MAX => {
                return Err(wrong(format!(
                    "{key} leads through more than {DEPTH_MAX} references, or in a circle"
                )));
            }
            Some(Value::String(value)) => result.push_str(&expanded(value, known, depth + 1)?),
            Some(Value::Integer(value)) => result.push_str(&value.to_string()),
            Some(other) => return Err(wrong(format!("{key} is {}, expected a string", other.type_str()))),
            None => return Err(wrong(format!("there is no key {key}"))),
        }
        if result.len() > LENGTH_MAX {
            return Err(wrong(format!("stands for more than {LENGTH_MAX} bytes")));
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
    fn references_may_lead_to_references() {
        let text = "x = \"${a.path}!\"\n[a]\npath = \"${b.path}/a\"\n[b]\npath = \"root\"\n";
        assert_eq!(after(text), "\"root/a!\"");
        let chain = |n: u32| {
            let links: String = (1..n).map(|k| format!("k{k} = \"${{k{}}}\"\n", k + 1)).collect();
            after(&format!("x = \"${{k1}}\"\n{links}k{n} = \"end\"\n"))
        };
        assert_eq!(chain(DEPTH_MAX), "\"end\"");
        assert!(chain(DEPTH_MAX + 1).ends_with("leads through more than 8 references, or in a circle"));
    }

    #[test]
    fn wrong_references_are_refused() {
        assert_eq!(after("x = \"${y}\""), "\"${y}\": there is no key y");
        assert_eq!(after("x = \"${y\""), "\"${y\": expected a } after ${");
        assert_eq!(after("x = \"${y}\"\ny = true"), "\"${y}\": y is boolean, expected a string");
        let doubling: String =
            (1..8).map(|k| format!("k{k} = \"{}\"\n", format!("${{k{}}}", k + 1).repeat(9))).collect();
        let told = after(&format!("x = \"${{k1}}\"\n{doubling}k8 = \"{}\"\n", "long".repeat(9)));
        assert!(told.ends_with("stands for more than 65536 bytes"), "{told}");
        let circle = "\"${x}\": x leads through more than 8 references, or in a circle";
        assert_eq!(after("x = \"${x}\""), circle);
    }
}
