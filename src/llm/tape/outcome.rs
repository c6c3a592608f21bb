//! How a call ended: with a reply, or with a failure that no retry will mend. Must not know where it is kept.

use crate::llm::{ChatReply, LlmError};
use serde::{Deserialize, Serialize};

/// What the tape holds for a request.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// The model answered.
    Reply(ChatReply),
    /// It did not, for good; a replay fails in the same way.
    Failed {
        /// Why.
        cause: Failure,
    },
}

/// The errors of [`LlmError`] that end one agent's step and so belong on the tape.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", content = "detail", rename_all = "snake_case", deny_unknown_fields)]
pub enum Failure {
    /// [`LlmError::Exhausted`].
    Exhausted {
        /// Attempts made.
        n_attempts: u32,
        /// What the last one met.
        last: String,
    },
    /// [`LlmError::Refused`], in the backend's words.
    Refused(String),
    /// [`LlmError::TooLong`].
    TooLong {
        /// Tokens of the prompt.
        prompt_tokens: u32,
        /// Tokens kept for the reply.
        max_tokens: u32,
        /// Tokens the model holds.
        context_tokens: u32,
    },
}

impl Failure {
    /// Its kind as it stands in the file.
    pub fn kind(&self) -> &'static str {
        match self {
            Failure::Exhausted { .. } => "exhausted",
            Failure::Refused(_) => "refused",
            Failure::TooLong { .. } => "too_long",
        }
    }
}

impl From<Failure> for LlmError {
    fn from(failure: Failure) -> LlmError {
        match failure {
            Failure::Exhausted { n_attempts, last } => LlmError::Exhausted { n_attempts, last },
            Failure::Refused(words) => LlmError::Refused(words),
            Failure::TooLong { prompt_tokens, max_tokens, context_tokens } => {
                LlmError::TooLong { prompt_tokens, max_tokens, context_tokens }
            }
        }
    }
}

impl Outcome {
    /// What to keep of a backend's answer.
    ///
    /// # Errors
    /// Gives the error back where it does not belong on the tape: [`LlmError::Stop`], since the run can go on
    /// later, and [`LlmError::Unreadable`], which follows from replies that are on the tape themselves.
    pub fn of(answer: Result<ChatReply, LlmError>) -> Result<Outcome, LlmError> {
        let cause = match answer {
            Ok(reply) => return Ok(Outcome::Reply(reply)),
            Err(LlmError::Exhausted { n_attempts, last }) => Failure::Exhausted { n_attempts, last },
            Err(LlmError::Refused(words)) => Failure::Refused(words),
            Err(LlmError::TooLong { prompt_tokens, max_tokens, context_tokens }) => {
                Failure::TooLong { prompt_tokens, max_tokens, context_tokens }
            }
            Err(error @ (LlmError::Unreadable(_) | LlmError::Stop(_))) => return Err(error),
        };
        Ok(Outcome::Failed { cause })
    }

    /// The answer as the backend gave it.
    pub fn into_answer(self) -> Result<ChatReply, LlmError> {
        match self {
            Outcome::Reply(reply) => Ok(reply),
            Outcome::Failed { cause } => Err(cause.into()),
        }
    }

    /// Whether the model answered.
    pub fn is_reply(&self) -> bool {
        matches!(self, Outcome::Reply(_))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::llm::{Finish, Usage};

    #[test]
    fn answers_come_back_as_they_were_and_a_stop_is_not_kept() {
        let reply = ChatReply {
            text: "yes".to_owned(),
            finish: Finish::Length,
            usage: Usage::default(),
            latency_ms: 3,
            n_retries: 1,
        };
        let kept = [
            Ok(reply),
            Err(LlmError::Exhausted { n_attempts: 5, last: "HTTP 500".to_owned() }),
            Err(LlmError::Refused("no".to_owned())),
            Err(LlmError::TooLong { prompt_tokens: 9, max_tokens: 8, context_tokens: 7 }),
        ];
        for answer in kept {
            let outcome = Outcome::of(answer.clone()).expect("is kept");
            assert_eq!(outcome.is_reply(), answer.is_ok());
            assert_eq!(outcome.into_answer(), answer);
        }
        for error in [LlmError::Stop("full".to_owned()), LlmError::Unreadable("?".to_owned())] {
            assert_eq!(Outcome::of(Err(error.clone())), Err(error));
        }
    }
}
