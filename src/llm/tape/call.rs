//! One call as the tape holds it: what was asked, of whom, and how it ended. Must not know tables.

use super::key::canonical;
use super::{Key, Outcome, TapeError};
use crate::llm::{ChatRequest, Message, Sampling};
use serde::Serialize;
use std::time::{SystemTime, UNIX_EPOCH};

/// A call.
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    /// What it is known by.
    pub key: Key,
    /// The model's name.
    pub model: String,
    /// Whose request it was.
    pub stream: String,
    /// How the reply was drawn.
    pub sampling: Sampling,
    /// The conversation.
    pub messages: Vec<Message>,
    /// JSON Schema of what was asked for, without white space, keys sorted; `None` for free text.
    pub shape: Option<String>,
    /// How it ended.
    pub outcome: Outcome,
    /// When it was written, in seconds since 1970 (UTC).
    pub created_at: u64,
}

impl Call {
    /// A call that ended just now.
    ///
    /// # Errors
    /// The sampling is not finite: no such request can be written down.
    pub(super) fn new(
        key: Key,
        model: &str,
        request: &ChatRequest,
        outcome: Outcome,
    ) -> Result<Call, TapeError> {
        let sampling = request.sampling;
        for (field, value) in [("temperature", sampling.temperature), ("top_p", sampling.top_p)] {
            if !value.is_finite() {
                return Err(TapeError::NotFinite { field, value });
            }
        }
        Ok(Call {
            key,
            model: model.to_owned(),
            stream: request.stream.clone(),
            sampling,
            messages: request.messages.clone(),
            shape: request.shape.as_ref().map(|shape| canonical(&shape.json_schema())),
            outcome,
            created_at: SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()),
        })
    }

    /// The key that follows from what was asked; another one in `key` means that something was changed.
    pub(super) fn key_of_content(&self) -> Key {
        Key::of_parts(&self.model, &self.sampling, &self.messages, self.shape.as_deref(), &self.stream)
    }
}

/// [`Sampling`] with numbers that come back with the same bits.
#[derive(Debug, PartialEq, Serialize)]
pub(super) struct SamplingJson {
    temperature: f64,
    top_p: f64,
    max_tokens: u32,
    seed: u64,
}

impl From<&Sampling> for SamplingJson {
    fn from(sampling: &Sampling) -> Self {
        SamplingJson {
            temperature: readable(sampling.temperature),
            top_p: readable(sampling.top_p),
            max_tokens: sampling.max_tokens,
            seed: sampling.seed,
        }
    }
}

impl SamplingJson {
    /// As JSON.
    pub(super) fn text(sampling: &Sampling) -> Result<String, serde_json::Error> {
        serde_json::to_string(&SamplingJson::from(sampling))
    }
}

/// `0.7` rather than the `0.699999988079071` that a single widens to, unless reading that gives other bits.
fn readable(value: f32) -> f64 {
    let shortest = value.to_string();
    let back = serde_json::from_str::<f32>(&shortest).map(f32::to_bits);
    match shortest.parse() {
        Ok(short) if back.is_ok_and(|bits| bits == value.to_bits()) => short,
        _ => f64::from(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn back(sampling: &Sampling) -> Sampling {
        serde_json::from_str(&SamplingJson::text(sampling).expect("JSON")).expect("read again")
    }

    #[test]
    fn sampling_reads_well() {
        let sampling = Sampling { temperature: 0.7, top_p: 1.0, max_tokens: 200, seed: u64::MAX };
        assert_eq!(
            SamplingJson::text(&sampling).expect("JSON"),
            r#"{"temperature":0.7,"top_p":1.0,"max_tokens":200,"seed":18446744073709551615}"#
        );
        assert_eq!(
            back(&Sampling { temperature: -0.0, ..sampling }).temperature.to_bits(),
            (-0.0f32).to_bits()
        );
    }

    proptest! {
        #[test]
        fn sampling_comes_back_with_the_same_bits(bits in any::<u32>(), seed in any::<u64>()) {
            let temperature = f32::from_bits(bits);
            prop_assume!(temperature.is_finite());
            let sampling = Sampling { temperature, top_p: temperature / 3.0, max_tokens: 1, seed };
            let back = back(&sampling);
            prop_assert_eq!(back.temperature.to_bits(), sampling.temperature.to_bits());
            prop_assert_eq!(back.top_p.to_bits(), sampling.top_p.to_bits());
            prop_assert_eq!(back.seed, seed);
        }
    }
}
