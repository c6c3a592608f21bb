//! JSON Schema of the scenario file, for editors: the mirror's own schema with the
//! parameters of every plug-in put in where they belong.

use super::file::ScenarioFile;
use crate::{agent::behavior, dataset, encoder, llm, recommender};
use serde_json::{Map, Value, json};

/// The schema.
pub fn schema() -> Value {
    let mut root = schemars::schema_for!(ScenarioFile).to_value();
    let mut definitions = Map::new();
    let sources: Vec<(&str, &str, schemars::Schema)> =
        dataset::ALL.iter().map(|k| (k.name(), k.about(), k.params_schema())).collect();
    let behaviors: Vec<(&str, &str, schemars::Schema)> =
        behavior::ALL.iter().map(|k| (k.name(), k.about(), k.params_schema())).collect();
    let recommenders: Vec<(&str, &str, schemars::Schema)> =
        recommender::ALL.iter().map(|k| (k.name(), k.about().summary, k.params_schema())).collect();
    let dataset = one_of("source", sources, &[], &mut definitions);
    let behavior = one_of("kind", behaviors, &[], &mut definitions);
    let model = json!({"type": "string", "description": "folder of a model fitted before"});
    let cold_items = json!({
        "enum": ["refuse", "exclude", "as_scored"],
        "default": "refuse",
        "description": "what becomes of items that nobody has in training: refuse models that know nothing of them where \
                        split.kind is cold_items, never rank them, or leave them where the model puts them",
    });
    let of_every_arm = [("model", model), ("cold_items", cold_items)];
    let arm = one_of("kind", recommenders, &of_every_arm, &mut definitions);
    let backends: Vec<(&str, &str, schemars::Schema)> =
        llm::ALL.iter().map(|k| (k.name(), k.about(), k.params_schema())).collect();
    let model_of_language = one_of("backend", backends, &[], &mut definitions);
    let encoders: Vec<(&str, &str, schemars::Schema)> =
        encoder::ALL.iter().map(|k| (k.name(), k.about(), k.params_schema())).collect();
    let text = json!({"type": "string", "description": "template of an item's text"});
    let encoder = one_of("kind", encoders, &[("text", text)], &mut definitions);
    if let Some(models) = root.pointer_mut("/$defs/LlmSection/properties/models") {
        *models = json!({
            "type": "object",
            "description": "the models by name",
            "additionalProperties": model_of_language,
        });
    }
    if let Some(properties) = root.get_mut("properties").and_then(Value::as_object_mut) {
        properties.insert("dataset".to_owned(), dataset);
        properties.insert("behavior".to_owned(), behavior);
        properties.insert(
            "encoders".to_owned(),
            json!({
                "type": "object",
                "description": "how text becomes vectors, by name",
                "additionalProperties": encoder,
            }),
        );
        properties.insert(
            "arms".to_owned(),
            json!({
                "type": "object",
                "description": "the recommenders under test, by name",
                "minProperties": 1,
                "additionalProperties": arm,
            }),
        );
    }
    if let Some(root) = root.as_object_mut() {
        let defs = root.entry("$defs").or_insert_with(|| json!({}));
        if let Some(defs) = defs.as_object_mut() {
            defs.append(&mut definitions);
        }
        root.insert("title".to_owned(), json!("Windtunnel scenario"));
    }
    root
}

/// One alternative a plug-in, told apart by the constant `name_key`.
fn one_of(
    name_key: &str,
    plugins: Vec<(&str, &str, schemars::Schema)>,
    extra: &[(&str, Value)],
    definitions: &mut Map<String, Value>,
) -> Value {
    let alternatives: Vec<Value> = plugins
        .into_iter()
        .map(|(name, about, schema)| {
            let mut schema = schema.to_value();
            if let Some(object) = schema.as_object_mut() {
                object.remove("$schema");
                if let Some(Value::Object(mut inner)) = object.remove("$defs") {
                    definitions.append(&mut inner);
                }
                object.insert("title".to_owned(), json!(name));
                object.insert("description".to_owned(), json!(about));
                let properties = object.entry("properties").or_insert_with(|| json!({}));
                if let Some(properties) = properties.as_object_mut() {
                    properties.insert(name_key.to_owned(), json!({"const": name}));
                    for (key, value) in extra {
                        properties.insert((*key).to_owned(), value.clone());
                    }
                }
            }
            schema
        })
        .collect();
    json!({ "oneOf": alternatives })
}
