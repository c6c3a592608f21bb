//! What replies to the tasks of a session look like, and what they mean. A reply has one entry for
//! each slot, by its number, so that nothing has to be matched by title and nothing can be said twice.
//! Must not know prompts or who answers.

use crate::agent::behavior::{Decision, Foretold, Interview, Reaction, Reflection, SlotReaction};
use crate::agent::memory::Mood;
use crate::llm::shape::Shape;
use serde_json::Value;
use std::borrow::Cow;

/// The word for an item that does not fit.
const NO: &str = "no";
/// The word for an item that fits and is left alone.
const FITS: &str = "fits";

/// Align, watch and rate: for each slot `"no"`, `"fits"`, or a rating with a feeling. One who `decides` takes
/// stock in the same breath and says whether to go on.
pub fn page(n_slots: usize, text_chars: usize, decides: bool) -> Shape {
    let rated = Shape::object([
        ("rating", Shape::Integer { low: 1, high: 5 }),
        ("feeling", Shape::Text { max_chars: text_chars }),
    ]);
    let slot = Shape::Either(vec![Shape::OneOf(vec![NO, FITS]), rated]);
    let mut fields: Vec<(Cow<'static, str>, Shape)> =
        (1..=n_slots).map(|number| (Cow::Owned(number.to_string()), slot.clone())).collect();
    if decides {
        if let Shape::Object(stock) = reflection(text_chars) {
            fields.extend(stock);
        }
        fields.push((Cow::Borrowed("next"), Shape::Boolean));
    }
    Shape::Object(fields)
}

/// Next or exit, with a reason.
pub fn decision(text_chars: usize) -> Shape {
    Shape::object([("why", Shape::Text { max_chars: text_chars }), ("next", Shape::Boolean)])
}

/// Satisfaction and fatigue in tenths.
pub fn reflection(text_chars: usize) -> Shape {
    Shape::object([
        ("thought", Shape::Text { max_chars: text_chars }),
        ("satisfaction", Shape::Integer { low: 0, high: 10 }),
        ("fatigue", Shape::Integer { low: 0, high: 10 }),
    ])
}

/// Satisfaction 1..=10, with a reason.
pub fn interview(text_chars: usize) -> Shape {
    Shape::object([
        ("why", Shape::Text { max_chars: text_chars }),
        ("satisfaction", Shape::Integer { low: 1, high: 10 }),
    ])
}

/// A taste in a few sentences.
pub fn taste(text_chars: usize) -> Shape {
    Shape::object([(
        "taste",
        Shape::Array { of: Box::new(Shape::Text { max_chars: text_chars }), min: 1, max: 6 },
    )])
}

/// The most tokens that a reply of this shape should take: text at a token a character, which leaves room for
/// any language, the frame at four tokens a value, and what a backend needs to end what has grown too long.
pub fn tokens_max(shape: &Shape) -> u32 {
    usual_tokens_max(shape) + shape.closing_bytes()
}

fn usual_tokens_max(shape: &Shape) -> u32 {
    match shape {
        Shape::Object(fields) => 2 + fields.iter().map(|(_, inner)| 4 + usual_tokens_max(inner)).sum::<u32>(),
        Shape::Array { of, max, .. } => 2 + *max as u32 * (1 + usual_tokens_max(of)),
        Shape::Order { n } => 2 + n * 3,
        Shape::Integer { .. } | Shape::Boolean => 2,
        Shape::OneOf(_) => 4,
        Shape::Text { max_chars } => 2 + *max_chars as u32,
        Shape::Either(shapes) => shapes.iter().map(usual_tokens_max).max().unwrap_or(0),
    }
}

/// A reply to the task page.
pub fn reaction(value: &Value, n_slots: usize, text_chars: usize) -> Reaction {
    let slots = (1..=n_slots).map(|number| slot(&value[number.to_string()], text_chars)).collect();
    let foretold = value.get("next").map(|next| {
        let reflection = reflected(value, text_chars);
        let decision = Decision { goes_on: *next == true, text: reflection.text.clone() };
        Foretold { reflection, decision }
    });
    Reaction { slots, foretold }
}

fn slot(value: &Value, text_chars: usize) -> SlotReaction {
    match value["rating"].as_u64() {
        Some(rating) => SlotReaction {
            aligned: Some(true),
            watched: true,
            rating: Some((rating.clamp(1, 5) as u8, text(&value["feeling"], text_chars))),
        },
        None => SlotReaction { aligned: Some(value == FITS), watched: false, rating: None },
    }
}

/// A reply to the task decide.
pub fn decided(value: &Value, text_chars: usize) -> Decision {
    Decision { goes_on: value["next"] == true, text: text(&value["why"], text_chars) }
}

/// A reply to the task reflect.
pub fn reflected(value: &Value, text_chars: usize) -> Reflection {
    let tenths = |key: &str| value[key].as_u64().unwrap_or(0).min(10) as f32 / 10.0;
    let mood = Mood { satisfaction: tenths("satisfaction"), fatigue: tenths("fatigue") };
    Reflection { mood, text: text(&value["thought"], text_chars) }
}

/// A reply to the task interview.
pub fn interviewed(value: &Value, text_chars: usize) -> Interview {
    let satisfaction = value["satisfaction"].as_u64().unwrap_or(1).clamp(1, 10) as u8;
    Interview { satisfaction, text: text(&value["why"], text_chars) }
}

/// A reply to the task taste.
pub fn tasted(value: &Value, text_chars: usize) -> Vec<String> {
    let sentences = value["taste"].as_array().into_iter().flatten();
    sentences.map(|sentence| text(sentence, text_chars).into_owned()).filter(|s| !s.is_empty()).collect()
}

/// What was said, in one line of at most so many characters.
fn text(value: &Value, max_chars: usize) -> crate::event::Text {
    let said = value.as_str().unwrap_or_default();
    let words: Vec<&str> = said.split_whitespace().collect();
    words.join(" ").chars().filter(|c| !c.is_control()).take(max_chars).collect::<String>().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_means_what_it_says_of_each_slot() {
        let shape = page(4, 60, true);
        let said = r#"{"1":"no","2":{"rating":5,"feeling":"a\njoy"},"3":"fits","4":{"rating":2,"feeling":"dull"},"thought":"curious","satisfaction":7,"fatigue":2,"next":true}"#;
        let reaction = reaction(&shape.read(said).expect("has the shape"), 4, 60);
        let aligned: Vec<_> = reaction.slots.iter().map(|slot| slot.aligned).collect();
        assert_eq!(aligned, [Some(false), Some(true), Some(true), Some(true)]);
        assert_eq!(reaction.slots[1].rating, Some((5, "a joy".into())));
        assert_eq!(reaction.slots.iter().filter(|slot| slot.watched).count(), 2);
        let foretold = reaction.foretold.expect("it decides with the page");
        assert_eq!(foretold.decision, Decision { goes_on: true, text: "curious".into() });
        assert_eq!(foretold.reflection.mood, Mood { satisfaction: 0.7, fatigue: 0.2 });
    }

    #[test]
    fn slots_that_are_not_on_the_page_are_refused() {
        let shape = page(2, 60, false);
        assert!(shape.read(r#"{"1":"no","2":"no"}"#).is_ok());
        for bad in [
            r#"{"1":"no"}"#,
            r#"{"1":"no","2":"no","3":"no"}"#,
            r#"{"1":"no","2":"maybe"}"#,
            r#"{"1":"no","2":{"rating":0,"feeling":"x"}}"#,
            r#"{"1":"no","2":{"rating":4}}"#,
            "{}",
            "null",
        ] {
            assert!(shape.read(bad).is_err(), "{bad}");
        }
    }
}
