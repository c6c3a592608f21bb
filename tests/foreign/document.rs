//! The documentation of the protocol against the code.

use super::toy::root;
use windtunnel::recommender::foreign::protocol;

/// The block that holds the schema.
const FENCE: (&str, &str) = ("```json schema\n", "```\n");

#[test]
fn the_schema_in_the_documentation_is_that_of_the_messages() {
    let path = root().join("docs/foreign-recommenders.md");
    let text = std::fs::read_to_string(&path).expect("the documentation");
    let (before, rest) = text.split_once(FENCE.0).expect("a block with the schema");
    let (written, after) = rest.split_once(FENCE.1).expect("its end");
    let schema = protocol::schema();
    let fresh = serde_json::to_string_pretty(&schema).expect("JSON") + "\n";
    if std::env::var_os("WINDTUNNEL_UPDATE_DOCS").is_some() {
        let text = [before, FENCE.0, &fresh, FENCE.1, after].concat();
        return std::fs::write(&path, text).expect("written");
    }
    let written: serde_json::Value = serde_json::from_str(written).expect("JSON");
    assert_eq!(written, schema, "run this test with WINDTUNNEL_UPDATE_DOCS=1 to write it anew");
}

#[test]
fn the_documentation_tells_of_every_kind_and_parameter() {
    let text =
        std::fs::read_to_string(root().join("docs/foreign-recommenders.md")).expect("the documentation");
    for kind in ["embeddings", "ranking", "recorded", "process", "http"] {
        assert!(text.contains(&format!("`{kind}`")), "{kind}");
        let schema = windtunnel::recommender::kind(kind).expect("in the list").params_schema();
        let properties = schema.get("properties").and_then(|p| p.as_object()).expect("parameters");
        for key in properties.keys() {
            assert!(text.contains(&format!("`{key}`")), "{kind}: nothing about {key}");
        }
    }
}

#[test]
fn the_examples_are_short() {
    for name in ["process_popular.py", "http_popular.py"] {
        let path = root().join("examples/recommenders").join(name);
        let text = std::fs::read_to_string(path).expect("an example");
        let n_lines = text.lines().filter(|line| !line.trim().is_empty()).count();
        assert!(n_lines <= 30, "{name}: {n_lines} lines");
    }
}
