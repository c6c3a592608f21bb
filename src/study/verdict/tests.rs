//! Parameters and what is refused. Must not run a world; `tests/ab.rs` does.

use super::*;

fn complaint(text: &str) -> String {
    let table: toml::Table = toml::from_str(text).expect("TOML");
    Verdict.check("studies.verdict", &table).err().map(|complaint| complaint.to_string()).unwrap_or_default()
}

#[test]
fn what_cannot_be_is_refused_with_what_can() {
    let told = complaint("metrics = [\"s_sta\"]");
    assert!(told.contains("studies.verdict.metrics is \"s_sta\"") && told.contains("`s_sat`"), "{told}");
    let told = complaint("covariates = [\"age\"]");
    assert!(told.contains("covariates is \"age\"") && told.contains("genre_entropy"), "{told}");
    assert!(complaint("metrics = []").contains("a list with a metric in it"));
    assert!(complaint("effect = 0.0").contains("studies.verdict.effect is 0, must be above 0"));
    assert!(complaint("planned_agents = 0").contains("studies.verdict.planned_agents is 0, must be 1..="));
    assert_eq!(complaint("metrics = [\"recall@4\"]\nbaseline = \"popular\"\norder = \"listed\""), "");
}
