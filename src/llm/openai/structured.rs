//! In which way a server is asked for replies of a given shape, and how a backend left to find out
//! settles on one: it starts with the strictest, goes down for one request that the server does not
//! take, and for good once that request has been answered in a weaker way while none ever was in the
//! stricter. Must not know how requests are sent.

use super::settings::StructuredOutput;
use crate::llm::shape::Shape;
use serde_json::{Value, json};
use std::sync::atomic::{AtomicU8, Ordering};

/// The ways, strictest first.
const WAYS: [Way; 3] = [Way::JsonSchema, Way::JsonObject, Way::None];

/// One way of asking for a shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Way {
    /// `response_format` with the schema.
    JsonSchema = 0,
    /// `response_format` without it.
    JsonObject = 1,
    /// No `response_format`.
    None = 2,
}

impl Way {
    /// What belongs under `response_format`, if anything.
    pub fn response_format(self, shape: &Shape) -> Option<Value> {
        match self {
            Way::JsonSchema => Some(json!({
                "type": "json_schema",
                "json_schema": {"name": "reply", "strict": true, "schema": shape.json_schema()},
            })),
            Way::JsonObject => Some(json!({"type": "json_object"})),
            Way::None => None,
        }
    }
}

/// What a backend has found out about its server. Many requests may share it.
#[derive(Debug)]
pub struct Ways {
    /// Whether weaker ways may be tried.
    finds_out: bool,
    /// The way new requests start with; only ever grows.
    first: AtomicU8,
    /// The strictest way that was ever answered; 3 before any was. Only ever shrinks.
    answered: AtomicU8,
}

impl Ways {
    /// As the settings say.
    pub fn new(setting: StructuredOutput) -> Self {
        let (finds_out, first) = match setting {
            StructuredOutput::Auto => (true, Way::JsonSchema),
            StructuredOutput::JsonSchema => (false, Way::JsonSchema),
            StructuredOutput::JsonObject => (false, Way::JsonObject),
            StructuredOutput::None => (false, Way::None),
        };
        Ways { finds_out, first: AtomicU8::new(first as u8), answered: AtomicU8::new(WAYS.len() as u8) }
    }

    /// The way a new request starts with.
    pub fn first(&self) -> Way {
        WAYS[usize::from(self.first.load(Ordering::SeqCst)).min(WAYS.len() - 1)]
    }

    /// The way to try after the server did not take a request asked in this one; `None` where there is none.
    pub fn weaker(&self, way: Way) -> Option<Way> {
        WAYS.get(way as usize + 1).copied().filter(|_| self.finds_out)
    }

    /// The server answered a request asked in this way.
    pub fn answered(&self, way: Way) {
        let strictest = self.answered.fetch_min(way as u8, Ordering::SeqCst).min(way as u8);
        self.first.fetch_max(strictest, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_answers_only_in_a_weaker_way_is_asked_in_that_way_from_then_on() {
        let ways = Ways::new(StructuredOutput::Auto);
        assert_eq!(ways.first(), Way::JsonSchema);
        assert_eq!(ways.weaker(Way::JsonSchema), Some(Way::JsonObject));
        assert_eq!(ways.weaker(Way::JsonObject), Some(Way::None));
        assert_eq!(ways.weaker(Way::None), None);
        // Trying alone settles nothing.
        assert_eq!(ways.first(), Way::JsonSchema);
        ways.answered(Way::JsonObject);
        assert_eq!(ways.first(), Way::JsonObject);
        ways.answered(Way::None);
        assert_eq!(ways.first(), Way::JsonObject, "it has answered in the stricter way before");
    }

    #[test]
    fn one_shape_a_server_does_not_take_settles_nothing_for_the_others() {
        let ways = Ways::new(StructuredOutput::Auto);
        ways.answered(Way::JsonSchema);
        ways.answered(Way::None);
        assert_eq!(ways.first(), Way::JsonSchema);
    }

    #[test]
    fn a_way_that_was_chosen_stays() {
        for (setting, way) in [
            (StructuredOutput::JsonSchema, Way::JsonSchema),
            (StructuredOutput::JsonObject, Way::JsonObject),
            (StructuredOutput::None, Way::None),
        ] {
            let ways = Ways::new(setting);
            ways.answered(way);
            assert_eq!((ways.first(), ways.weaker(way)), (way, None));
        }
    }
}
