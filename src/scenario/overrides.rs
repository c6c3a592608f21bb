//! `--set dotted.key=value`: changes a scenario table before it is checked, so that an
//! override obeys the same rules as the file. Must not know which keys exist.

use super::ScenarioError;
use toml::{Table, Value};

/// Keys within each other at most; no scenario has more than half as many.
const DEPTH_MAX: usize = 16;

/// Applies one override. The value is read as TOML; what is not TOML is taken as a string.
pub fn apply(table: &mut Table, text: &str) -> Result<(), ScenarioError> {
    let wrong =
        |problem: &str| ScenarioError::Override { text: text.to_owned(), problem: problem.to_owned() };
    let (path, value) = text.split_once('=').ok_or_else(|| wrong("expected dotted.key=value"))?;
    let keys: Vec<&str> = path.split('.').map(str::trim).collect();
    let Some((last, parents)) = keys.split_last() else {
        return Err(wrong("expected dotted.key=value"));
    };
    if keys.len() > DEPTH_MAX {
        return Err(ScenarioError::Override {
            text: format!("{}…", path.chars().take(60).collect::<String>()),
            problem: format!("{} keys within each other, expected at most {DEPTH_MAX}", keys.len()),
        });
    }
    if keys.iter().any(|key| key.is_empty()) {
        return Err(wrong("a key between dots is empty"));
    }
    let mut place = table;
    for key in parents {
        let inner = place.entry(*key).or_insert_with(|| Value::Table(Table::new()));
        place = match inner {
            Value::Table(inner) => inner,
            _ => return Err(wrong(&format!("{key} is a value, not a table"))),
        };
    }
    place.insert((*last).to_owned(), read(value.trim()));
    Ok(())
}

fn read(value: &str) -> Value {
    let parsed: Result<Table, _> = format!("value = {value}").parse();
    let parsed = parsed.ok().filter(|table| table.len() == 1).and_then(|mut table| table.remove("value"));
    parsed.unwrap_or_else(|| Value::String(value.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(texts: &[&str]) -> String {
        let mut table: Table = "seed = 1\n[arms.mf]\nepochs = 2".parse().expect("test TOML");
        for text in texts {
            if let Err(error) = apply(&mut table, text) {
                return error.to_string();
            }
        }
        table.to_string().replace('\n', ";")
    }

    #[test]
    fn values_are_toml_or_else_text() {
        assert_eq!(after(&["seed=7"]), "seed = 7;;[arms.mf];epochs = 2;");
        assert_eq!(after(&["arms.mf.epochs=9"]), "seed = 1;;[arms.mf];epochs = 9;");
        assert!(after(&["dataset.path=../some/where"]).contains("path = \"../some/where\""));
        assert!(after(&["behavior.p = [1, 2]"]).contains("p = [1, 2]"));
        assert!(
            after(&["name=1\nseed=2"]).contains("name = \"1\\nseed=2\"")
                || after(&["name=1\nseed=2"]).contains("'''")
                || after(&["name=1\nseed=2"]).contains("\"\"\"")
        );
    }

    #[test]
    fn nonsense_is_refused() {
        assert_eq!(after(&["seed"]), "--set seed: expected dotted.key=value");
        assert_eq!(after(&["a..b=1"]), "--set a..b=1: a key between dots is empty");
        assert_eq!(after(&["seed.x=1"]), "--set seed.x=1: seed is a value, not a table");
    }
}
