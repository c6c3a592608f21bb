//! What a request is known by on the tape. Must not know where it is kept.

use crate::llm::{ChatRequest, Message, Role, Sampling};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::fmt;
use std::str::FromStr;

/// Changes whenever the bytes that are hashed change their meaning.
const FORM: &str = "windtunnel call 1";

/// SHA-256 over all that decides a reply: the model's name, how it is drawn, the messages, the shape and the
/// stream. Not over the speaker, which says only what a backend may keep.
///
/// The bytes, numbers little-endian, a text being its length in bytes (64 bits) and its UTF-8:
/// text `windtunnel call 1`; text model; `temperature` and `top_p` as the bits of an IEEE single (32 each);
/// `max_tokens` (32); `seed` (64); number of messages (64), each the text of its role (`system`, `user`,
/// `assistant`) and its text; a byte 0 for no shape, or 1 and the text of its JSON Schema without white space,
/// keys sorted; text stream.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key([u8; 32]);

impl Key {
    /// The key of a request to a model.
    pub fn of(model: &str, request: &ChatRequest) -> Key {
        let shape = request.shape.as_ref().map(|shape| canonical(&shape.json_schema()));
        Key::of_parts(model, &request.sampling, &request.messages, shape.as_deref(), &request.stream)
    }

    /// The same from parts, `shape` being [`canonical`] JSON.
    pub(super) fn of_parts(
        model: &str,
        sampling: &Sampling,
        messages: &[Message],
        shape: Option<&str>,
        stream: &str,
    ) -> Key {
        let mut canon = Canon(Sha256::new());
        canon.text(FORM);
        canon.text(model);
        canon.0.update(sampling.temperature.to_bits().to_le_bytes());
        canon.0.update(sampling.top_p.to_bits().to_le_bytes());
        canon.0.update(sampling.max_tokens.to_le_bytes());
        canon.0.update(sampling.seed.to_le_bytes());
        canon.length(messages.len());
        for message in messages {
            canon.text(role_name(message.role));
            canon.text(&message.content);
        }
        canon.0.update([u8::from(shape.is_some())]);
        if let Some(shape) = shape {
            canon.text(shape);
        }
        canon.text(stream);
        Key(canon.0.finalize().into())
    }

    /// The key with these bytes.
    pub(super) fn from_bytes(bytes: [u8; 32]) -> Key {
        Key(bytes)
    }

    /// Its bytes.
    pub fn bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// Feeds values to the hash, so that no two requests feed the same bytes.
struct Canon(Sha256);

impl Canon {
    fn length(&mut self, n: usize) {
        self.0.update((n as u64).to_le_bytes());
    }

    fn text(&mut self, text: &str) {
        self.length(text.len());
        self.0.update(text);
    }
}

/// A role as it stands in keys and files.
pub(super) fn role_name(role: Role) -> &'static str {
    match role {
        Role::System => "system",
        Role::User => "user",
        Role::Assistant => "assistant",
    }
}

/// JSON without white space and with sorted keys, whatever order its maps keep. The order of a shape's fields
/// is not lost: it stands in the schema's list `required`.
pub(super) fn canonical(value: &Value) -> String {
    match value {
        Value::Object(fields) => {
            let mut fields: Vec<(&String, &Value)> = fields.iter().collect();
            fields.sort_by_key(|(name, _)| *name);
            let field = |(name, inner): &(&String, &Value)| {
                format!("{}:{}", Value::from(name.as_str()), canonical(inner))
            };
            format!("{{{}}}", fields.iter().map(field).collect::<Vec<_>>().join(","))
        }
        Value::Array(values) => {
            format!("[{}]", values.iter().map(canonical).collect::<Vec<_>>().join(","))
        }
        simple => simple.to_string(),
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({self})")
    }
}

impl FromStr for Key {
    type Err = String;

    /// Reads what `Display` writes.
    fn from_str(text: &str) -> Result<Key, String> {
        let expected = || format!("key is {text:?}, expected 64 hexadecimal digits in lower case");
        let digit = |c: u8| match c {
            b'0'..=b'9' => Some(c - b'0'),
            b'a'..=b'f' => Some(c - b'a' + 10),
            _ => None,
        };
        let digits: Option<Vec<u8>> = text.bytes().map(digit).collect();
        let digits = digits.filter(|digits| digits.len() == 64).ok_or_else(expected)?;
        let mut bytes = [0u8; 32];
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            *byte = pair[0] << 4 | pair[1];
        }
        Ok(Key(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::llm::shape::Shape;
    use proptest::prelude::*;
    use std::collections::BTreeMap;
    use std::sync::Arc;

    fn request() -> ChatRequest {
        let message = |role, content: &str| Message { role, content: content.to_owned() };
        ChatRequest {
            messages: vec![
                message(Role::System, "You watch films."),
                message(Role::User, "1. Amélie (2001)"),
            ],
            sampling: Sampling { temperature: 0.7, top_p: 0.95, max_tokens: 200, seed: u64::MAX - 58 },
            shape: Some(Arc::new(Shape::object([
                ("slot", Shape::Integer { low: 1, high: 4 }),
                ("fits", Shape::Boolean),
            ]))),
            stream: "agent 17, round 0, page 2, decide".to_owned(),
            speaker: 17,
        }
    }

    /// The oracle is Python's hashlib over what the documentation of [`Key`] says:
    ///
    /// ```python
    /// import hashlib, json, struct
    /// def text(s): b = s.encode(); return struct.pack("<Q", len(b)) + b
    /// schema = {"type": "object", "required": ["slot", "fits"], "additionalProperties": False,
    ///           "properties": {"slot": {"type": "integer", "minimum": 1, "maximum": 4}, "fits": {"type": "boolean"}}}
    /// for shape in [json.dumps(schema, sort_keys=True, separators=(",", ":")), None]:
    ///     b = text("windtunnel call 1") + text("toy-model") + struct.pack("<ffIQ", 0.7, 0.95, 200, 2**64 - 59)
    ///     b += struct.pack("<Q", 2) + text("system") + text("You watch films.") + text("user") + text("1. Amélie (2001)")
    ///     b += b"\0" if shape is None else b"\1" + text(shape)
    ///     print(hashlib.sha256(b + text("agent 17, round 0, page 2, decide")).hexdigest())
    /// ```
    #[test]
    fn keys_are_those_of_another_program() {
        let shaped = request();
        let free = ChatRequest { shape: None, ..request() };
        assert_eq!(
            Key::of("toy-model", &shaped).to_string(),
            "b8d99e8e6e6d9a0834905f9dca7c8c070e5884d931a67234d3de9bff2393e926"
        );
        assert_eq!(
            Key::of("toy-model", &free).to_string(),
            "7a5850822567d59721f1ba98b963ad0a59ea4c8e3b6a7bfd7db7312c61125d52"
        );
    }

    #[test]
    fn every_ingredient_changes_the_key_and_the_speaker_does_not() {
        let changed = |change: &dyn Fn(&mut ChatRequest)| {
            let mut request = request();
            change(&mut request);
            Key::of("toy-model", &request)
        };
        let integer = |high| Some(Arc::new(Shape::Integer { low: 1, high }));
        let keys = [
            Key::of("toy-model", &request()),
            Key::of("toy-model-2", &request()),
            changed(&|r| r.sampling.temperature = 0.700_000_05),
            changed(&|r| r.sampling.temperature = 0.0),
            changed(&|r| r.sampling.temperature = -0.0),
            changed(&|r| r.sampling.top_p = 1.0),
            changed(&|r| r.sampling.max_tokens += 1),
            changed(&|r| r.sampling.seed -= 1),
            changed(&|r| r.messages[0].role = Role::User),
            changed(&|r| r.messages[1].role = Role::Assistant),
            changed(&|r| r.messages[1].content.push(' ')),
            changed(&|r| r.messages.swap(0, 1)),
            changed(&|r| r.messages.truncate(1)),
            changed(&|r| r.shape = None),
            changed(&|r| r.shape = integer(4)),
            changed(&|r| r.shape = integer(5)),
            changed(&|r| {
                r.shape = Some(Arc::new(Shape::object([
                    ("fits", Shape::Boolean),
                    ("slot", Shape::Integer { low: 1, high: 4 }),
                ])));
            }),
            changed(&|r| r.stream.push('x')),
        ];
        let different: std::collections::BTreeSet<_> = keys.iter().collect();
        assert_eq!(different.len(), keys.len());
        assert_eq!(keys[0], changed(&|r| r.speaker = 99));
    }

    #[test]
    fn a_key_is_read_as_it_is_written() {
        let key = Key::of("toy-model", &request());
        assert_eq!(key.to_string().parse(), Ok(key));
        for bad in ["", "00", &key.to_string().to_uppercase(), &format!("{key}0"), &"é".repeat(32)] {
            let problem = bad.parse::<Key>().expect_err("no key");
            assert!(problem.contains("expected 64 hexadecimal digits"), "{problem}");
        }
    }

    #[test]
    fn canonical_json_does_not_depend_on_the_order_of_keys() {
        let read = |text: &str| canonical(&serde_json::from_str(text).expect("JSON"));
        let sorted = r#"{"a":[true,null,{"c":1,"d":"\"\n"}],"b":{}}"#;
        assert_eq!(read(r#" {"b": {}, "a": [true, null, {"d": "\"\n", "c": 1}]} "#), sorted);
        assert_eq!(read(sorted), sorted);
    }

    /// Texts over a few letters, so that the same ones are often cut in other places.
    fn parts() -> impl Strategy<Value = (String, String, Vec<(bool, String)>, Option<String>)> {
        let text = || "[ab\u{0}]{0,3}";
        let message = (any::<bool>(), text());
        (text(), text(), prop::collection::vec(message, 0..4), prop::option::of(text()))
    }

    proptest! {
        #[test]
        fn requests_that_differ_have_keys_that_differ(all in prop::collection::vec(parts(), 2..200)) {
            let mut seen = BTreeMap::new();
            for parts in all {
                let (model, stream, messages, shape) = &parts;
                let role = |is_user| if is_user { Role::User } else { Role::System };
                let messages: Vec<Message> = messages
                    .iter()
                    .map(|(is_user, content)| Message { role: role(*is_user), content: content.clone() })
                    .collect();
                let key = Key::of_parts(model, &request().sampling, &messages, shape.as_deref(), stream);
                if let Some(other) = seen.insert(key, parts.clone()) {
                    prop_assert_eq!(other, parts);
                }
            }
        }

        #[test]
        fn a_boundary_moved_between_two_texts_moves_the_key(text in "[a-c\u{0}]{1,12}", at in 0usize..12, to in 0usize..12) {
            let key = |cut: usize| {
                let (left, right) = text.split_at(cut.min(text.len()));
                let messages = [left, right].map(|part| Message { role: Role::User, content: part.to_owned() });
                [
                    Key::of_parts("m", &request().sampling, &messages, None, "s"),
                    Key::of_parts(left, &request().sampling, &[], None, right),
                    Key::of_parts("m", &request().sampling, &messages[..1], None, right),
                    Key::of_parts("m", &request().sampling, &messages[..1], Some(right), "s"),
                    Key::of_parts("m", &request().sampling, &[], Some(left), right),
                ]
            };
            let same_cut = at.min(text.len()) == to.min(text.len());
            for (a, b) in key(at).into_iter().zip(key(to)) {
                prop_assert_eq!(a == b, same_cut);
            }
        }
    }
}
