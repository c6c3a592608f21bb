//! What varies in a sweep: settings with their values, and seeds; and the cells that come of it.
//! Must not know which settings there are.

use crate::digest::hex;
use sha2::{Digest, Sha256};

/// Cells at most: a mistyped grid is no reason to fill a disk.
const N_CELLS_MAX: usize = 10_000;

/// Letters of a folder's name at most.
const NAME_LETTERS_MAX: usize = 150;

/// Why a grid is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GridError {
    /// An argument cannot be read.
    #[error("--{argument} {text}: {problem}")]
    Argument {
        /// `grid` or `seeds`.
        argument: &'static str,
        /// As given.
        text: String,
        /// What is wrong and what was expected.
        problem: String,
    },
    /// Too many cells.
    #[error("the grid has {n_cells} cells, must be 1..={N_CELLS_MAX}")]
    Cells {
        /// How many.
        n_cells: usize,
    },
}

/// A setting and the values it takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dimension {
    /// The dotted key, as `--set` takes it.
    pub key: String,
    /// The values, as given.
    pub values: Vec<String>,
}

/// What varies.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// The settings.
    pub dimensions: Vec<Dimension>,
    /// The seeds every combination is run with; the scenario's own where there are none.
    pub seeds: Vec<u64>,
}

/// One combination, with one seed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cell {
    /// Its name, and that of its folder: the values, and the seed where seeds vary.
    pub name: String,
    /// The value of each setting, in the order of the plan.
    pub values: Vec<String>,
    /// What it overrides, as `--set` takes it.
    pub overrides: Vec<String>,
}

impl Plan {
    /// From the arguments `--grid KEY=V,V` and `--seeds 1,2`.
    pub fn parse(grid: &[String], seeds: &[String]) -> Result<Self, GridError> {
        let mut plan = Plan::default();
        for text in grid {
            let dimension = dimension(text)?;
            if plan.dimensions.iter().any(|known| known.key == dimension.key) {
                return Err(bad("grid", text, format!("{} is given twice", dimension.key)));
            }
            plan.dimensions.push(dimension);
        }
        for text in seeds.iter().flat_map(|text| text.split(',')) {
            let problem = "expected whole numbers from 0, with commas between them";
            let seed = text.trim().parse().map_err(|_| bad("seeds", text, problem.to_owned()))?;
            if plan.seeds.contains(&seed) {
                return Err(bad("seeds", text, "the seed is given twice".to_owned()));
            }
            plan.seeds.push(seed);
        }
        Ok(plan)
    }

    /// How each setting is called for short: the last part of its key, or all of it where two would be called alike.
    pub fn short_names(&self) -> Vec<String> {
        let last = |key: &str| key.rsplit('.').next().unwrap_or(key).to_owned();
        let of = |dimension: &Dimension| {
            let short = last(&dimension.key);
            let n_alike = self.dimensions.iter().filter(|other| last(&other.key) == short).count();
            // Columns of the tables have these names too.
            let is_taken = ["seed", "arm", "round", "metric", "n", "mean"].contains(&short.as_str());
            if n_alike > 1 || is_taken { dimension.key.clone() } else { short }
        };
        self.dimensions.iter().map(of).collect()
    }

    /// Every combination with every seed; the first setting changes slowest, the seed fastest.
    pub fn cells(&self) -> Result<Vec<Cell>, GridError> {
        let sizes = self.dimensions.iter().map(|dimension| dimension.values.len());
        let n_cells = sizes.fold(self.seeds.len().max(1), usize::saturating_mul);
        if !(1..=N_CELLS_MAX).contains(&n_cells) {
            return Err(GridError::Cells { n_cells });
        }
        let mut combinations: Vec<Vec<String>> = vec![Vec::new()];
        for dimension in &self.dimensions {
            let with = |values: &Vec<String>| {
                let one = |value: &String| [values.as_slice(), std::slice::from_ref(value)].concat();
                dimension.values.iter().map(one).collect::<Vec<_>>()
            };
            combinations = combinations.iter().flat_map(with).collect();
        }
        let mut seeds: Vec<Option<u64>> = self.seeds.iter().copied().map(Some).collect();
        if seeds.is_empty() {
            seeds.push(None);
        }
        let mut cells: Vec<Cell> = combinations
            .iter()
            .flat_map(|values| seeds.iter().map(|seed| self.cell(values, *seed)))
            .collect();
        // Values that differ only in what no file name may hold.
        let names: Vec<String> = cells.iter().map(|cell| cell.name.clone()).collect();
        for (nth, cell) in cells.iter_mut().enumerate() {
            if names.iter().filter(|name| **name == names[nth]).count() > 1 {
                cell.name = hashed(&cell.name, &cell.overrides);
            }
        }
        Ok(cells)
    }

    fn cell(&self, values: &[String], seed: Option<u64>) -> Cell {
        let names = self.short_names();
        let mut parts: Vec<String> =
            names.iter().zip(values).map(|(name, value)| format!("{name}={}", unquoted(value))).collect();
        let with_key = self.dimensions.iter().zip(values);
        let mut overrides: Vec<String> =
            with_key.map(|(dimension, value)| format!("{}={value}", dimension.key)).collect();
        if let Some(seed) = seed {
            parts.push(format!("seed={seed}"));
            overrides.push(format!("seed={seed}"));
        }
        let safe = |c: char| if c.is_ascii_alphanumeric() || "._=,+-".contains(c) { c } else { '-' };
        let name: String = parts.join(",").chars().map(safe).collect();
        let name = match name.len() {
            0 => "only".to_owned(),
            length if length > NAME_LETTERS_MAX => hashed(&name[..NAME_LETTERS_MAX - 9], &overrides),
            _ => name,
        };
        Cell { name, values: values.to_vec(), overrides }
    }
}

/// A value without the quotes of a TOML string.
pub fn unquoted(value: &str) -> &str {
    let inside = |quote| value.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote));
    inside('"').or_else(|| inside('\'')).unwrap_or(value)
}

fn hashed(name: &str, overrides: &[String]) -> String {
    let hash = Sha256::digest(overrides.join("\n"));
    format!("{name}-{}", hex(&hash[..4]))
}

fn bad(argument: &'static str, text: &str, problem: String) -> GridError {
    GridError::Argument { argument, text: text.to_owned(), problem }
}

fn dimension(text: &str) -> Result<Dimension, GridError> {
    let bad = |problem: &str| bad("grid", text, problem.to_owned());
    let (key, values) = text.split_once('=').ok_or_else(|| bad("expected dotted.key=value,value"))?;
    let key = key.trim();
    if key.is_empty() || key.split('.').any(|part| part.trim().is_empty()) {
        return Err(bad("expected dotted.key=value,value"));
    }
    if key == "seed" {
        return Err(bad("seeds are given with --seeds"));
    }
    let values = split(values);
    if values.iter().any(String::is_empty) {
        return Err(bad("a value between commas is empty"));
    }
    if (1..values.len()).any(|nth| values[..nth].contains(&values[nth])) {
        return Err(bad("a value is given twice"));
    }
    Ok(Dimension { key: key.to_owned(), values })
}

/// Splits at commas that are in no quotes, brackets or braces.
fn split(text: &str) -> Vec<String> {
    let mut values = vec![String::new()];
    let (mut depth, mut quote) = (0usize, None);
    for letter in text.chars() {
        match (letter, quote) {
            (letter, Some(open)) if letter == open => quote = None,
            ('"' | '\'', None) => quote = Some(letter),
            ('[' | '{', None) => depth += 1,
            (']' | '}', None) => depth = depth.saturating_sub(1),
            (',', None) if depth == 0 => {
                values.push(String::new());
                continue;
            }
            _ => {}
        }
        if let Some(value) = values.last_mut() {
            value.push(letter);
        }
    }
    values.iter().map(|value| value.trim().to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(grid: &[&str], seeds: &[&str]) -> Result<Plan, GridError> {
        let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        Plan::parse(&owned(grid), &owned(seeds))
    }

    fn names(grid: &[&str], seeds: &[&str]) -> Vec<String> {
        let cells = plan(grid, seeds).and_then(|plan| plan.cells()).expect("a grid");
        cells.into_iter().map(|cell| cell.name).collect()
    }

    #[test]
    fn cells_are_every_combination_with_every_seed() {
        let grid = ["arms.mf.embedding_size=16,32", "arms.mf-mmr.lambda = 0.5 , 1"];
        let cells = plan(&grid, &["1,2"]).and_then(|plan| plan.cells()).expect("a grid");
        assert_eq!(cells.len(), 8);
        assert_eq!(cells[0].name, "embedding_size=16,lambda=0.5,seed=1");
        assert_eq!(cells[7].name, "embedding_size=32,lambda=1,seed=2");
        assert_eq!(cells[5].overrides, ["arms.mf.embedding_size=32", "arms.mf-mmr.lambda=0.5", "seed=2"]);
        assert_eq!(cells[5].values, ["32", "0.5"]);
    }

    #[test]
    fn values_may_be_strings_lists_and_tables_and_names_stay_apart() {
        let values = |text: &str| dimension(text).expect("a dimension").values;
        assert_eq!(values("a.b=x, 'y,z',\"q\"\"r,s\""), ["x", "'y,z'", "\"q\"\"r,s\""]);
        assert_eq!(values("a=[1,2],[3],{b = 1, c = 2}"), ["[1,2]", "[3]", "{b = 1, c = 2}"]);
        assert_eq!(names(&["a.kind=\"mf\",'als'"], &[]), ["kind=mf", "kind=als"]);
        assert_eq!(names(&["a.x=1", "b.x=2"], &[]), ["a.x=1,b.x=2"]);
        assert_eq!(names(&["d.path=\"../a b\""], &["7"]), ["path=..-a-b,seed=7"]);
        let alike = names(&["a.x='p/q','p:q'"], &[]);
        assert!(alike[0] != alike[1] && alike.iter().all(|name| name.starts_with("x=p-q-")), "{alike:?}");
        let long = names(&[&format!("a.x={}", "9".repeat(400))], &[]);
        assert!(long[0].len() <= NAME_LETTERS_MAX);
        assert_eq!(names(&[], &[]), ["only"]);
    }

    #[test]
    fn what_is_no_grid_is_told() {
        let told = |grid: &[&str], seeds: &[&str]| {
            plan(grid, seeds).and_then(|plan| plan.cells()).expect_err("refused").to_string()
        };
        assert_eq!(told(&["x"], &[]), "--grid x: expected dotted.key=value,value");
        assert_eq!(told(&["a..b=1"], &[]), "--grid a..b=1: expected dotted.key=value,value");
        assert_eq!(told(&["a=1,,2"], &[]), "--grid a=1,,2: a value between commas is empty");
        assert_eq!(told(&["a=1,1"], &[]), "--grid a=1,1: a value is given twice");
        assert_eq!(told(&["a=1", "a=2"], &[]), "--grid a=2: a is given twice");
        assert_eq!(told(&["seed=1,2"], &[]), "--grid seed=1,2: seeds are given with --seeds");
        assert!(told(&[], &["1,x"]).starts_with("--seeds x: expected whole numbers"));
        assert_eq!(told(&[], &["1,1"]), "--seeds 1: the seed is given twice");
        let many: Vec<String> = (0..101).map(|n| n.to_string()).collect();
        let (a, b) = (format!("a={}", many.join(",")), format!("b={}", many.join(",")));
        assert_eq!(told(&[&a, &b], &[]), "the grid has 10201 cells, must be 1..=10000");
    }
}
