//! What an answer means: a reply, another attempt, a request refused, or the end of the run. Reasons are
//! in fixed words, without sizes, times and ids, since they are counted by their text. Must not know
//! how answers arrive, nor how often an attempt is made.

use super::post::{Answered, NoAnswer};
use super::wire::{Counted, Envelope, Told};
use crate::llm::Finish;
use std::time::Duration;

/// A reply as it was read.
#[derive(Debug, PartialEq)]
pub struct Reply {
    /// The words, at least one character.
    pub text: String,
    /// Why they ended.
    pub finish: Finish,
    /// What the server counted.
    pub counted: Counted,
    /// From sending to the last byte.
    pub latency: Duration,
}

/// Why an attempt brought no reply, and what that means.
#[derive(Debug, PartialEq)]
pub enum Failure {
    /// Another attempt may bring one.
    Again {
        /// In fixed words.
        cause: String,
        /// The pause the server asks for.
        asked_wait: Option<Duration>,
        /// Whether the request cannot have reached the server.
        unsent: bool,
    },
    /// The same request will never bring one.
    Refused {
        /// In fixed words.
        cause: String,
        /// Whether the way in which a shape was asked for may be the reason.
        perhaps_shape: bool,
        /// What the server said about it; may hold anything.
        told: String,
    },
    /// No request will bring one.
    Stop {
        /// In fixed words.
        cause: String,
        /// What the server said about it; may hold anything.
        told: String,
    },
}

/// Judges one attempt at a chat completion.
pub fn judge(attempt: Result<Answered, NoAnswer>) -> Result<Reply, Failure> {
    reply(accepted(attempt)?)
}

/// The answer of an attempt, where there is one whose status says that it went well.
pub fn accepted(attempt: Result<Answered, NoAnswer>) -> Result<Answered, Failure> {
    let answered = attempt.map_err(|cause| again(&cause.to_string(), None, cause == NoAnswer::Connect))?;
    match answered.status {
        200..=299 => Ok(answered),
        _ => Err(failure(&answered)),
    }
}

fn again(cause: &str, asked_wait: Option<Duration>, unsent: bool) -> Failure {
    Failure::Again { cause: cause.to_owned(), asked_wait, unsent }
}

/// Reads a reply out of an answer that says it went well.
fn reply(answered: Answered) -> Result<Reply, Failure> {
    let retry = |cause: &str| again(cause, None, false);
    let refused =
        |cause: &str| Failure::Refused { cause: cause.to_owned(), perhaps_shape: false, told: String::new() };
    let text = String::from_utf8(answered.body).map_err(|_| retry("answer is not UTF-8"))?;
    let envelope: Envelope = serde_json::from_str(&text).map_err(|error| match error.classify() {
        serde_json::error::Category::Data => retry("answer is not a chat completion"),
        _ => retry("answer is not JSON"),
    })?;
    let counted = Counted::read(&envelope.usage);
    let choice = envelope.choices.into_iter().next().ok_or_else(|| retry("answer holds no reply"))?;
    if choice.message.refusal.is_some_and(|words| !words.is_empty()) {
        return Err(refused("the model declined"));
    }
    let reason = choice.finish_reason.as_deref();
    if reason == Some("content_filter") {
        return Err(refused("a content filter"));
    }
    let finish = if reason == Some("length") { Finish::Length } else { Finish::Stop };
    let text = choice.message.content.unwrap_or_default();
    match (text.trim().is_empty(), finish) {
        (false, _) => Ok(Reply { text, finish, counted, latency: answered.latency }),
        // Models that think aloud first can use up all their tokens so; they would again.
        (true, Finish::Length) => Err(refused("max_tokens used up before the reply began")),
        (true, Finish::Stop) => Err(retry("reply is empty")),
    }
}

/// What an answer with an error status means.
fn failure(answered: &Answered) -> Failure {
    let told = Told::read(&answered.body);
    let out_of_money = told.has("insufficient_quota") || told.has("billing_hard_limit_reached");
    let stop = |cause: &str, told: Told| Failure::Stop { cause: cause.to_owned(), told: told.message };
    let status = answered.status;
    match status {
        429 if out_of_money => stop("the server says the account's quota is used up", told),
        402 => stop("the server wants to be paid first (status 402)", told),
        401 => stop("the server does not accept the key (status 401)", told),
        403 => stop("the server does not permit this (status 403)", told),
        404 => stop("the server knows no such model or address (status 404)", told),
        300..=399 => stop("the server redirects elsewhere, which is not followed: base_url is wrong", told),
        408 | 409 | 425 | 429 | 500.. => again(&format!("status {status}"), answered.asked_wait, false),
        _ => {
            let name = told.names.first().map(|name| format!(" ({name})")).unwrap_or_default();
            let too_long = told.has("context_length_exceeded");
            let perhaps_shape = matches!(status, 400 | 422) && !too_long;
            Failure::Refused { cause: format!("status {status}{name}"), perhaps_shape, told: told.message }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(status: u16, body: &str) -> Result<Answered, NoAnswer> {
        let asked_wait = Some(Duration::from_secs(3));
        Ok(Answered { status, asked_wait, body: body.as_bytes().to_vec(), latency: Duration::ZERO })
    }

    fn cause(status: u16, body: &str) -> String {
        match judge(answered(status, body)).expect_err("no reply") {
            Failure::Again { cause, .. } => format!("again: {cause}"),
            Failure::Refused { cause, .. } => format!("refused: {cause}"),
            Failure::Stop { cause, .. } => format!("stop: {cause}"),
        }
    }

    #[test]
    fn a_reply_is_read() {
        let body = r#"{"id": "x", "choices": [{"index": 0, "finish_reason": "length", "message":
            {"role": "assistant", "content": "So it", "reasoning_content": "hm", "refusal": null}}],
            "usage": {"prompt_tokens": 5, "completion_tokens": 2}}"#;
        let reply = judge(answered(200, body)).expect("a reply");
        assert_eq!((reply.text.as_str(), reply.finish), ("So it", Finish::Length));
        assert_eq!(reply.counted, Counted { prompt: Some(5), cached: None, completion: Some(2) });
    }

    #[test]
    fn answers_that_went_well_but_hold_no_reply() {
        for (body, expected) in [
            ("", "again: answer is not JSON"),
            ("{\"choices\": [{\"mess", "again: answer is not JSON"),
            ("[1, 2]", "again: answer is not a chat completion"),
            (r#"{"error": {"message": "overloaded"}}"#, "again: answer is not a chat completion"),
            (r#"{"choices": [{"message": {"content": 7}}]}"#, "again: answer is not a chat completion"),
            (r#"{"choices": []}"#, "again: answer holds no reply"),
            (r#"{"choices": [{"message": {"content": " \n"}}]}"#, "again: reply is empty"),
            (r#"{"choices": [{"message": {"content": null}}]}"#, "again: reply is empty"),
            (
                r#"{"choices": [{"message": {"content": ""}, "finish_reason": "length"}]}"#,
                "refused: max_tokens used up before the reply began",
            ),
            (
                r#"{"choices": [{"message": {"content": null, "refusal": "No."}}]}"#,
                "refused: the model declined",
            ),
            (
                r#"{"choices": [{"message": {"content": "I"}, "finish_reason": "content_filter"}]}"#,
                "refused: a content filter",
            ),
        ] {
            assert_eq!(cause(200, body), expected, "{body}");
        }
    }

    #[test]
    fn statuses_mean_another_attempt_a_refusal_or_the_end() {
        for status in [408, 409, 425, 429, 500, 502, 503, 504, 529] {
            assert_eq!(cause(status, "<html>"), format!("again: status {status}"));
        }
        for status in [400, 405, 413, 415, 418, 422] {
            assert_eq!(cause(status, ""), format!("refused: status {status}"));
        }
        for status in [301, 302, 307, 308, 401, 402, 403, 404] {
            assert!(cause(status, "").starts_with("stop: "), "{status}");
        }
        let quota =
            r#"{"error": {"message": "pay", "type": "insufficient_quota", "code": "insufficient_quota"}}"#;
        assert_eq!(cause(429, quota), "stop: the server says the account's quota is used up");
        let long = r#"{"error": {"message": "too long by 17", "code": "context_length_exceeded"}}"#;
        assert_eq!(cause(400, long), "refused: status 400 (context_length_exceeded)");
    }

    #[test]
    fn only_what_may_be_about_the_shape_is_asked_differently() {
        let perhaps_shape = |status, body: &str| {
            matches!(judge(answered(status, body)), Err(Failure::Refused { perhaps_shape: true, .. }))
        };
        assert!(perhaps_shape(400, "") && perhaps_shape(422, ""));
        assert!(!perhaps_shape(413, ""));
        assert!(!perhaps_shape(400, r#"{"error": {"code": "context_length_exceeded"}}"#));
    }

    #[test]
    fn waits_are_handed_on_and_unsent_requests_known() {
        let wait = Some(Duration::from_secs(3));
        let cause = "status 429".to_owned();
        assert_eq!(judge(answered(429, "")), Err(Failure::Again { cause, asked_wait: wait, unsent: false }));
        for (error, unsent) in [(NoAnswer::Connect, true), (NoAnswer::Timeout, false), (NoAnswer::Cut, false)]
        {
            let cause = error.to_string();
            assert_eq!(judge(Err(error)), Err(Failure::Again { cause, asked_wait: None, unsent }));
        }
    }
}
