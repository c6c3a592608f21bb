//! A language model that is asked by recommenders and asks nobody: it counts what it would take, and says the
//! least that fits. For estimates alone. Must not know who asks, or what a token costs.

use crate::llm::client::{Model, prompt_tokens};
use crate::llm::shape::Shape;
use crate::llm::{Backend, ChatReply, ChatRequest, Finish, Pending, Usage};
use serde_json::Value;
use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

/// Requests kept as samples.
const N_SAMPLES: usize = 32;

/// Stands in for a model.
pub struct Pretender {
    model: Arc<Model>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The first messages that were read: what begins with one of them again need not be computed again.
    beginnings: HashSet<String>,
    samples: Vec<ChatRequest>,
}

impl Pretender {
    /// One that counts as this model would.
    pub fn new(model: Arc<Model>) -> Self {
        Pretender { model, state: Mutex::default() }
    }

    /// A few requests as they would be sent.
    pub fn samples(&self) -> Vec<ChatRequest> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).samples.clone()
    }

    fn answered(&self, request: &ChatRequest) -> ChatReply {
        let backend = self.model.backend();
        let text = request.shape.as_ref().map(|shape| example(shape).to_string()).unwrap_or_default();
        let beginning = request.messages.first().map(|message| message.content.as_str()).unwrap_or_default();
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let is_known = !state.beginnings.insert(beginning.to_owned());
        if state.samples.len() < N_SAMPLES {
            state.samples.push(request.clone());
        }
        drop(state);
        let prompt_tokens = u64::from(prompt_tokens(backend, request));
        let usage = Usage {
            prompt_tokens,
            cached_tokens: if is_known { u64::from(backend.count_tokens(beginning)) } else { 0 },
            completion_tokens: u64::from(backend.count_tokens(&text)),
        };
        ChatReply { text, finish: Finish::Stop, usage, latency_ms: 0, n_retries: 0 }
    }
}

impl Backend for Pretender {
    fn model(&self) -> &str {
        self.model.backend().model()
    }

    fn complete<'a>(&'a self, request: &'a ChatRequest) -> Pending<'a> {
        Box::pin(async move { Ok(self.answered(request)) })
    }

    fn count_tokens(&self, text: &str) -> u32 {
        self.model.backend().count_tokens(text)
    }

    fn context_tokens(&self) -> u32 {
        self.model.backend().context_tokens()
    }

    fn n_slots(&self) -> usize {
        self.model.backend().n_slots()
    }
}

/// Some value of a shape; lists and orders are whole, since they are what takes tokens.
fn example(shape: &Shape) -> Value {
    match shape {
        Shape::Object(fields) => fields
            .iter()
            .map(|(key, inner)| (key.to_string(), example(inner)))
            .collect::<serde_json::Map<_, _>>()
            .into(),
        Shape::Array { of, max, .. } => vec![example(of); *max].into(),
        Shape::Order { n } => (1..=*n).collect::<Vec<u32>>().into(),
        Shape::Integer { low, .. } => (*low).into(),
        Shape::Text { .. } => "x".into(),
        Shape::Boolean => true.into(),
        Shape::OneOf(words) => words.first().copied().unwrap_or_default().into(),
        Shape::Either(shapes) => shapes.first().map_or(Value::Null, example),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_it_says_has_the_shape_that_was_asked_for() {
        let number = Shape::Integer { low: 2, high: 4 };
        let shape = Shape::object([
            ("order", Shape::Order { n: 12 }),
            ("list", Shape::Array { of: Box::new(number), min: 1, max: 3 }),
            ("either", Shape::Either(vec![Shape::OneOf(vec!["no"]), Shape::Boolean])),
            ("text", Shape::Text { max_chars: 9 }),
        ]);
        let text = example(&shape).to_string();
        assert_eq!(shape.read(&text).expect("has the shape")["order"][11], 12);
    }
}
