//! The protocol's JSON: the body of a request, and what of a server's answer is read. Must not know HTTP,
//! nor what becomes of an answer that cannot be read.

use super::settings::OpenAiSettings;
use super::structured::Way;
use crate::llm::{ChatRequest, Sampling};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// Seeds are cut to what a double holds exactly, since some gateways read numbers as such.
const SEED_MASK: u64 = (1 << 53) - 1;
/// A server that counts more tokens than this in one reply has miscounted.
const TOKENS_SANE_MAX: u64 = 1 << 32;

/// The body of a request, asking for its shape in this way.
pub fn body(
    settings: &OpenAiSettings,
    extra: &Map<String, Value>,
    request: &ChatRequest,
    way: Way,
) -> String {
    let mut body = extra.clone();
    let mut put = |key: &str, value: Value| body.insert(key.to_owned(), value);
    let Sampling { temperature, top_p, max_tokens, seed } = request.sampling;
    put("model", json!(settings.model));
    put("messages", json!(request.messages));
    put(settings.max_tokens_field.key(), json!(max_tokens));
    if settings.send_sampling {
        put("temperature", decimal(temperature));
        put("top_p", decimal(top_p));
    }
    if settings.send_seed {
        put("seed", json!(seed & SEED_MASK));
    }
    if let Some(format) = request.shape.as_ref().and_then(|shape| way.response_format(shape)) {
        put("response_format", format);
    }
    Value::Object(body).to_string()
}

/// A number as it was written: 0.7, not 0.699999988.
fn decimal(number: f32) -> Value {
    number.to_string().parse::<f64>().map_or(Value::Null, Value::from)
}

/// `extra` as JSON, keys in alphabetical order at every depth.
///
/// # Errors
/// The dotted path of a number that is not finite, which JSON does not have.
pub fn extra_json(extra: &toml::Table) -> Result<Map<String, Value>, String> {
    let sorted: BTreeMap<&String, &toml::Value> = extra.iter().collect();
    sorted.into_iter().map(|(key, value)| Ok((key.clone(), json_of(key, value)?))).collect()
}

fn json_of(at: &str, value: &toml::Value) -> Result<Value, String> {
    Ok(match value {
        toml::Value::String(text) => json!(text),
        toml::Value::Integer(number) => json!(number),
        toml::Value::Float(number) if number.is_finite() => json!(number),
        toml::Value::Float(_) => return Err(at.to_owned()),
        toml::Value::Boolean(flag) => json!(flag),
        toml::Value::Datetime(time) => json!(time.to_string()),
        toml::Value::Array(values) => {
            Value::Array(values.iter().map(|inner| json_of(at, inner)).collect::<Result<_, _>>()?)
        }
        toml::Value::Table(table) => {
            Value::Object(extra_json(table).map_err(|inner| format!("{at}.{inner}"))?)
        }
    })
}

/// What a server sends back. Unknown keys are not read.
#[derive(Debug, Deserialize)]
pub struct Envelope {
    /// Replies; one is asked for.
    pub choices: Vec<Choice>,
    /// What they took; read leniently, since servers differ.
    #[serde(default)]
    pub usage: Value,
}

/// One reply.
#[derive(Debug, Deserialize)]
pub struct Choice {
    /// What is said.
    pub message: Spoken,
    /// Why it ended.
    #[serde(default)]
    pub finish_reason: Option<String>,
}

/// The message of a reply.
#[derive(Debug, Deserialize)]
pub struct Spoken {
    /// The words. What a model thought before (`reasoning_content`) is not read.
    #[serde(default)]
    pub content: Option<String>,
    /// Why it will not answer.
    #[serde(default)]
    pub refusal: Option<String>,
}

/// Tokens as a server counted them; `None` where it did not, or not sanely.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counted {
    /// Tokens read.
    pub prompt: Option<u64>,
    /// How many of them came from its cache.
    pub cached: Option<u64>,
    /// Tokens written.
    pub completion: Option<u64>,
}

impl Counted {
    /// Reads the key `usage` of an answer.
    pub fn read(usage: &Value) -> Self {
        let count =
            |pointer: &str| usage.pointer(pointer).and_then(Value::as_u64).filter(|n| *n < TOKENS_SANE_MAX);
        Counted {
            prompt: count("/prompt_tokens"),
            cached: count("/prompt_tokens_details/cached_tokens"),
            completion: count("/completion_tokens"),
        }
    }
}

/// What a server says about a failure, where it says it as is usual: `{"error": {"message", "type", "code"}}`,
/// or the same without `error` around.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// Words for people; may hold anything.
    pub message: String,
    /// `code` and `type`, where they look like names.
    pub names: Vec<String>,
}

impl Told {
    /// Reads the body of an answer with a status of 300 or more.
    pub fn read(body: &[u8]) -> Self {
        let body: Value = serde_json::from_slice(body).unwrap_or_default();
        let error = body.get("error").unwrap_or(&body);
        let text = |value: Option<&Value>| value.and_then(Value::as_str).map(str::to_owned);
        let message = text(error.get("message")).or_else(|| text(Some(error))).unwrap_or_default();
        let names =
            ["code", "type"].iter().filter_map(|key| text(error.get(*key))).filter(|n| is_name(n)).collect();
        Told { message, names }
    }

    /// Whether one of the names is this one.
    pub fn has(&self, name: &str) -> bool {
        self.names.iter().any(|known| known == name)
    }
}

/// Names are short and of few letters, so that equal failures read alike.
fn is_name(text: &str) -> bool {
    let letters = text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_uppercase() || c == '_');
    letters && (3..=40).contains(&text.len())
}

#[cfg(test)]
mod tests {
    use super::super::settings::MaxTokensField;
    use super::*;
    use crate::llm::shape::Shape;
    use crate::llm::{Message, Role};
    use std::sync::Arc;

    fn request() -> ChatRequest {
        ChatRequest {
            messages: vec![
                Message { role: Role::System, content: "Be brief.".to_owned() },
                Message { role: Role::User, content: "Well?".to_owned() },
            ],
            sampling: Sampling { temperature: 0.7, top_p: 0.95, max_tokens: 50, seed: u64::MAX },
            shape: Some(Arc::new(Shape::object([("next", Shape::Boolean)]))),
            stream: "agent 1".to_owned(),
            speaker: 1,
        }
    }

    fn written(settings: &OpenAiSettings, way: Way) -> Value {
        let extra = extra_json(&settings.extra).expect("finite");
        serde_json::from_str(&body(settings, &extra, &request(), way)).expect("JSON")
    }

    #[test]
    fn a_body_says_what_the_protocol_wants() {
        let settings = OpenAiSettings { model: "tiny".to_owned(), ..OpenAiSettings::default() };
        assert_eq!(
            written(&settings, Way::JsonSchema),
            json!({
                "model": "tiny",
                "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Well?"}],
                "max_tokens": 50, "temperature": 0.7, "top_p": 0.95, "seed": 9_007_199_254_740_991u64,
                "response_format": {"type": "json_schema", "json_schema": {"name": "reply", "strict": true,
                    "schema": {"type": "object", "properties": {"next": {"type": "boolean"}},
                               "required": ["next"], "additionalProperties": false}}},
            })
        );
        assert_eq!(written(&settings, Way::JsonObject)["response_format"], json!({"type": "json_object"}));
        assert_eq!(written(&settings, Way::None).get("response_format"), None);
    }

    #[test]
    fn settings_change_the_body() {
        let settings = OpenAiSettings {
            max_tokens_field: MaxTokensField::MaxCompletionTokens,
            send_seed: false,
            send_sampling: false,
            extra: "b = 1\nchat_template_kwargs = { z = 1.5, enable_thinking = false }"
                .parse()
                .expect("TOML"),
            ..OpenAiSettings::default()
        };
        let body = written(&settings, Way::None);
        assert_eq!(body["max_completion_tokens"], 50);
        assert_eq!(body["chat_template_kwargs"], json!({"enable_thinking": false, "z": 1.5}));
        for absent in ["max_tokens", "seed", "temperature", "top_p"] {
            assert_eq!(body.get(absent), None, "{absent}");
        }
    }

    #[test]
    fn extra_is_written_alike_whatever_its_order() {
        let text =
            |toml: &str| Value::Object(extra_json(&toml.parse().expect("TOML")).expect("finite")).to_string();
        assert_eq!(text("b = { y = 1, x = 2 }\na = [1]"), r#"{"a":[1],"b":{"x":2,"y":1}}"#);
        assert_eq!(text("a = [1]\nb = { x = 2, y = 1 }"), r#"{"a":[1],"b":{"x":2,"y":1}}"#);
    }

    #[test]
    fn counts_are_read_where_they_are_sane() {
        let usage = json!({"prompt_tokens": 7, "completion_tokens": 1u64 << 40,
                           "prompt_tokens_details": {"cached_tokens": 3}});
        assert_eq!(Counted::read(&usage), Counted { prompt: Some(7), cached: Some(3), completion: None });
        assert_eq!(Counted::read(&Value::Null), Counted::default());
        assert_eq!(
            Counted::read(&json!({"prompt_tokens": -1, "prompt_tokens_details": 3})),
            Counted::default()
        );
    }

    #[test]
    fn failures_are_told_in_several_dialects() {
        let told = |body: &str| Told::read(body.as_bytes());
        let usual =
            told(r#"{"error": {"message": "no", "type": "invalid_request_error", "code": "bad_model"}}"#);
        assert_eq!((usual.message.as_str(), usual.has("bad_model")), ("no", true));
        assert_eq!(told(r#"{"error": "no"}"#).message, "no");
        assert_eq!(told(r#"{"object": "error", "message": "no", "code": 400}"#).message, "no");
        assert_eq!(told("<html>"), Told::default());
        assert!(told(r#"{"error": {"code": "req-8f2a 17"}}"#).names.is_empty());
    }
}
