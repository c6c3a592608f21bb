//! What a reply must look like: one small type, from which come the JSON Schema for servers, the
//! grammar for llama.cpp, and the strict reader for everybody. Must not know what replies are about.

use serde_json::{Value, json};
use std::borrow::Cow;
use std::fmt::Write;

/// The shape of a JSON value.
#[derive(Clone, Debug, PartialEq)]
pub enum Shape {
    /// Exactly these keys, in this order.
    Object(Vec<(Cow<'static, str>, Shape)>),
    /// A list of `min..=max` values of one shape.
    Array {
        /// The shape of each.
        of: Box<Shape>,
        /// Fewest values.
        min: usize,
        /// Most values.
        max: usize,
    },
    /// `low..=high`, both at least 0.
    Integer {
        /// Least value.
        low: u32,
        /// Greatest value.
        high: u32,
    },
    /// The slots `1..=n` in some order, as a list of numbers. Schema and grammar ask for exactly `n` of them;
    /// neither can say that none comes twice, so the reader takes every list of whole numbers that names a
    /// slot, and what to make of the rest is its user's business.
    Order {
        /// Slots there are.
        n: u32,
    },
    /// Text of at most so many characters.
    Text {
        /// Most characters.
        max_chars: usize,
    },
    /// `true` or `false`.
    Boolean,
    /// One of these words.
    OneOf(Vec<&'static str>),
    /// One of these shapes, which differ in kind.
    Either(Vec<Shape>),
}

impl Shape {
    /// An object with these keys.
    pub fn object<const N: usize>(fields: [(&'static str, Shape); N]) -> Shape {
        Shape::Object(fields.into_iter().map(|(key, shape)| (Cow::Borrowed(key), shape)).collect())
    }

    /// The shape as a JSON Schema that servers with structured output take: every key required, no others.
    pub fn json_schema(&self) -> Value {
        match self {
            Shape::Object(fields) => {
                let properties: serde_json::Map<String, Value> =
                    fields.iter().map(|(key, shape)| (key.to_string(), shape.json_schema())).collect();
                let required: Vec<&str> = fields.iter().map(|(key, _)| &**key).collect();
                json!({"type": "object", "properties": properties, "required": required,
                       "additionalProperties": false})
            }
            Shape::Array { of, min, max } => {
                json!({"type": "array", "items": of.json_schema(), "minItems": min, "maxItems": max})
            }
            Shape::Integer { low, high } => json!({"type": "integer", "minimum": low, "maximum": high}),
            Shape::Order { n } => order(*n).json_schema(),
            Shape::Text { max_chars } => json!({"type": "string", "maxLength": max_chars}),
            Shape::Boolean => json!({"type": "boolean"}),
            Shape::OneOf(words) => json!({"type": "string", "enum": words}),
            Shape::Either(shapes) => {
                json!({"anyOf": shapes.iter().map(Shape::json_schema).collect::<Vec<_>>()})
            }
        }
    }

    /// The shape as a GBNF grammar without any free white space, which saves tokens.
    pub fn grammar(&self) -> String {
        let mut grammar = Grammar::default();
        let root = grammar.expression(self);
        let mut text = format!("root ::= {root}\n");
        for (k, rule) in grammar.rules.iter().enumerate() {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "r{k} ::= {rule}");
        }
        text.push_str(CHARACTER_RULE);
        text
    }

    /// Bytes that surely suffice for a value of this shape whose texts are as short as they can be: one
    /// character of at most four bytes, so that a token a byte is enough too.
    pub fn closing_bytes(&self) -> u32 {
        match self {
            Shape::Object(fields) => {
                2 + fields
                    .iter()
                    .map(|(key, inner)| key.len() as u32 + 4 + inner.closing_bytes())
                    .sum::<u32>()
            }
            Shape::Array { of, max, .. } => 2 + *max as u32 * (1 + of.closing_bytes()),
            Shape::Integer { high, .. } => high.to_string().len() as u32,
            Shape::Order { n } => order(*n).closing_bytes(),
            Shape::Text { .. } => 6,
            Shape::Boolean => 5,
            Shape::OneOf(words) => 2 + words.iter().map(|word| word.len() as u32).max().unwrap_or(0),
            Shape::Either(shapes) => shapes.iter().map(Shape::closing_bytes).max().unwrap_or(0),
        }
    }

    /// Reads a value out of a reply and holds it to this shape.
    ///
    /// # Errors
    /// Says in words, fit for a repair turn, where the value strays from the shape.
    pub fn read(&self, text: &str) -> Result<Value, String> {
        let value: Value = serde_json::from_str(json_part(text))
            .map_err(|error| format!("the reply is not the JSON asked for ({error})"))?;
        self.check(&value, "the reply")?;
        Ok(value)
    }

    fn check(&self, value: &Value, at: &str) -> Result<(), String> {
        match (self, value) {
            (Shape::Object(fields), Value::Object(found)) => {
                if let Some(odd) = found.keys().find(|key| !fields.iter().any(|(known, _)| **known == **key))
                {
                    return Err(format!("{at} has a key {odd:?} that was not asked for"));
                }
                fields.iter().try_for_each(|(key, shape)| match found.get(&**key) {
                    Some(inner) => shape.check(inner, &format!("{at}, {key}")),
                    None => Err(format!("{at} lacks the key {key:?}")),
                })
            }
            (Shape::Array { of, min, max }, Value::Array(found)) => {
                if !(*min..=*max).contains(&found.len()) {
                    return Err(format!("{at} has {} entries, expected {min} to {max}", found.len()));
                }
                (1..).zip(found).try_for_each(|(k, inner)| of.check(inner, &format!("{at}, entry {k}")))
            }
            (Shape::Integer { low, high }, Value::Number(found)) => match found.as_u64() {
                Some(number) if (u64::from(*low)..=u64::from(*high)).contains(&number) => Ok(()),
                _ => Err(format!("{at} is {found}, expected a whole number from {low} to {high}")),
            },
            (Shape::Order { n }, Value::Array(found)) => {
                if let Some(odd) = found.iter().find(|entry| !entry.is_i64() && !entry.is_u64()) {
                    return Err(format!("{at} holds {odd}, expected whole numbers only"));
                }
                let is_slot =
                    |entry: &Value| entry.as_u64().is_some_and(|k| (1..=u64::from(*n)).contains(&k));
                let names_one = found.iter().any(is_slot);
                names_one.then_some(()).ok_or_else(|| format!("{at} names none of the numbers 1 to {n}"))
            }
            // Servers without structured output overrun the length now and then; cutting is the reader's business.
            (Shape::Text { .. }, Value::String(_)) | (Shape::Boolean, Value::Bool(_)) => Ok(()),
            (Shape::OneOf(words), Value::String(found)) if words.contains(&found.as_str()) => Ok(()),
            (Shape::OneOf(words), _) => {
                Err(format!("{at} is {value}, expected one of: {}", words.join(", ")))
            }
            (Shape::Either(shapes), _) => {
                let problems: Vec<String> =
                    shapes.iter().map_while(|shape| shape.check(value, at).err()).collect();
                if problems.len() < shapes.len() { Ok(()) } else { Err(problems.join(", or ")) }
            }
            _ => Err(format!("{at} is {}, expected {}", kind(value), self.kind())),
        }
    }

    fn kind(&self) -> &'static str {
        match self {
            Shape::Object(_) => "an object",
            Shape::Array { .. } | Shape::Order { .. } => "a list",
            Shape::Integer { .. } => "a whole number",
            Shape::Text { .. } => "text",
            Shape::Boolean => "true or false",
            Shape::OneOf(_) => "a word",
            Shape::Either(_) => "one of several",
        }
    }
}

/// The list that is asked for where an order of slots is wanted.
fn order(n: u32) -> Shape {
    Shape::Array { of: Box::new(Shape::Integer { low: 1, high: n }), min: n as usize, max: n as usize }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Object(_) => "an object",
        Value::Array(_) => "a list",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Bool(_) => "true or false",
        Value::Null => "null",
    }
}

/// The JSON in a reply: models without structured output like to wrap it in a fence or in words.
fn json_part(text: &str) -> &str {
    let text = text.trim();
    match (text.find('{'), text.rfind('}')) {
        (Some(start), Some(end)) if start < end => &text[start..=end],
        _ => text,
    }
}

/// What a character of a text may be: no quote, no backslash, nothing that ends a line.
const CHARACTER_RULE: &str = "char ::= [^\"\\\\\\x00-\\x1F\\x7F]\n";

/// llama.cpp refuses grammars that repeat anything more often.
const N_REPETITIONS_MAX: usize = 2000;

/// Rules gathered on the way through a shape.
#[derive(Default)]
struct Grammar {
    rules: Vec<String>,
}

impl Grammar {
    /// An expression for the shape; what needs repetition gets a rule of its own.
    fn expression(&mut self, shape: &Shape) -> String {
        match shape {
            Shape::Object(fields) => {
                let mut text = String::from("\"{");
                for (k, (key, inner)) in fields.iter().enumerate() {
                    let comma = if k == 0 { "" } else { "," };
                    let inner = self.rule(inner);
                    let _ = write!(text, "{comma}\\\"{key}\\\":\" {inner} \"");
                }
                text.push_str("}\"");
                text
            }
            Shape::Array { of, min, max } => {
                let inner = self.rule(of);
                let (min, max) = (*min, (*max).max(*min));
                match (min, max) {
                    (_, 0) => "\"[]\"".to_owned(),
                    (0, _) => format!("\"[\" ({inner} (\",\" {inner}){{0,{}}})? \"]\"", max - 1),
                    _ => format!("\"[\" {inner} (\",\" {inner}){{{},{}}} \"]\"", min - 1, max - 1),
                }
            }
            Shape::Order { n } => self.expression(&order(*n)),
            Shape::Integer { low, high } => alternatives((*low..=*high).map(|number| number.to_string())),
            Shape::Text { max_chars } => {
                let max_chars = (*max_chars).clamp(1, N_REPETITIONS_MAX);
                format!("\"\\\"\" char{{1,{max_chars}}} \"\\\"\"")
            }
            Shape::Boolean => alternatives(["true", "false"].map(str::to_owned)),
            Shape::OneOf(words) => alternatives(words.iter().map(|word| format!("\\\"{word}\\\""))),
            Shape::Either(shapes) => {
                let rules: Vec<String> = shapes.iter().map(|shape| self.rule(shape)).collect();
                format!("({})", rules.join(" | "))
            }
        }
    }

    fn rule(&mut self, shape: &Shape) -> String {
        let expression = self.expression(shape);
        let number = self.rules.iter().position(|rule| *rule == expression).unwrap_or_else(|| {
            self.rules.push(expression);
            self.rules.len() - 1
        });
        format!("r{number}")
    }
}

fn alternatives(words: impl IntoIterator<Item = String>) -> String {
    let quoted: Vec<String> = words.into_iter().map(|word| format!("\"{word}\"")).collect();
    format!("({})", quoted.join(" | "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page() -> Shape {
        let slot = || Shape::Integer { low: 1, high: 4 };
        let watch = Shape::object([
            ("slot", slot()),
            ("rating", Shape::Integer { low: 1, high: 5 }),
            ("feeling", Shape::Text { max_chars: 80 }),
        ]);
        let watch = Shape::Either(vec![Shape::OneOf(vec!["none"]), watch]);
        Shape::object([
            ("fits", Shape::Array { of: Box::new(slot()), min: 0, max: 4 }),
            ("watch", Shape::Array { of: Box::new(watch), min: 0, max: 4 }),
            ("next", Shape::Boolean),
            ("mood", Shape::OneOf(vec!["good", "bad"])),
        ])
    }

    #[test]
    fn what_has_the_shape_is_read_and_what_has_not_is_told_in_words() {
        let read = |text: &str| page().read(text);
        let good =
            r#"{"fits":[1,3],"watch":[{"slot":1,"rating":5,"feeling":"a joy"}],"next":true,"mood":"good"}"#;
        assert_eq!(read(good).expect("fits")["watch"][0]["rating"], 5);
        assert!(read(&format!("Here you are:\n```json\n{good}\n```")).is_ok());
        let problem = |text: &str| read(text).expect_err("does not fit");
        assert!(problem("").contains("not the JSON asked for"));
        assert!(
            problem(&good.replace("\"rating\":5", "\"rating\":9"))
                .contains("the reply, watch, entry 1, rating is 9, expected a whole number from 1 to 5")
        );
        assert!(problem(&good.replace("[1,3]", "[1,3,2,4,1]")).contains("has 5 entries, expected 0 to 4"));
        assert!(problem(&good.replace("\"good\"", "\"fine\"")).contains("expected one of: good, bad"));
        assert!(problem(&good.replace(",\"next\":true", "")).contains("lacks the key \"next\""));
        assert!(problem(&good.replace("\"next\"", "\"more\"")).contains("\"more\" that was not asked for"));
    }

    #[test]
    fn the_grammar_has_a_rule_for_each_part_once() {
        let grammar = Shape::object([
            ("a", Shape::Array { of: Box::new(Shape::Integer { low: 1, high: 2 }), min: 0, max: 3 }),
            ("b", Shape::Integer { low: 1, high: 2 }),
        ])
        .grammar();
        assert!(grammar.starts_with("root ::= \"{\\\"a\\\":\" r1 \",\\\"b\\\":\" r0 \"}\"\n"), "{grammar}");
        assert!(grammar.contains("r0 ::= (\"1\" | \"2\")\n"));
        assert!(grammar.contains("r1 ::= \"[\" (r0 (\",\" r0){0,2})? \"]\"\n"));
    }

    #[test]
    fn an_order_is_asked_for_whole_and_read_as_far_as_it_can_be_used() {
        let shape = Shape::object([("order", Shape::Order { n: 3 })]);
        let list = &shape.json_schema()["properties"]["order"];
        assert_eq!(
            (&list["minItems"], &list["maxItems"], &list["items"]["maximum"]),
            (&json!(3), &json!(3), &json!(3))
        );
        assert!(shape.grammar().contains("r1 ::= \"[\" r0 (\",\" r0){2,2} \"]\"\n"), "{}", shape.grammar());
        for good in ["[3,1,2]", "[2]", "[9,2,2,-4,0]", "[1,2,3,4]"] {
            assert!(shape.read(&format!("{{\"order\":{good}}}")).is_ok(), "{good}");
        }
        let problem = |list: &str| shape.read(&format!("{{\"order\":{list}}}")).expect_err("of no use");
        assert_eq!(problem("[]"), "the reply, order names none of the numbers 1 to 3");
        assert_eq!(problem("[4,0]"), "the reply, order names none of the numbers 1 to 3");
        assert_eq!(problem("[1,\"2\"]"), "the reply, order holds \"2\", expected whole numbers only");
        assert!(problem("[1.5]").contains("1.5") && problem("2").contains("is a number, expected a list"));
        assert!(shape.closing_bytes() as usize >= "{\"order\":[3,1,2]}".len());
    }

    #[test]
    fn the_shortest_reply_is_never_longer_than_said() {
        let watch = r#"{"slot":1,"rating":1,"feeling":"🎬"}"#;
        let longest = format!(
            r#"{{"fits":[1,1,1,1],"watch":[{watch},{watch},{watch},{watch}],"next":false,"mood":"good"}}"#
        );
        assert!(page().read(&longest).is_ok());
        assert!(page().closing_bytes() as usize >= longest.len());
        assert_eq!(Shape::object([("next", Shape::Boolean)]).closing_bytes(), 2 + 4 + 4 + 5);
    }

    #[test]
    fn the_schema_asks_for_every_key() {
        let schema = page().json_schema();
        assert_eq!(schema["required"], json!(["fits", "watch", "next", "mood"]));
        assert_eq!(schema["properties"]["watch"]["items"]["anyOf"][1]["properties"]["slot"]["maximum"], 4);
    }
}
