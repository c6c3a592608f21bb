//! Requests to such a server that are no chat completions (embeddings), one after another, each until
//! it is answered or never will be. Must not know what they are about.

use super::post::Post;
use super::retry::{Who, asked_pause};
use super::settings::OpenAiSettings;
use super::verdict::{Failure, accepted};
use crate::llm::LlmError;
use tokio::runtime::{Builder, Runtime};

/// One address of a server, ready to be asked.
pub struct Exchange {
    settings: OpenAiSettings,
    post: Post,
    runtime: Runtime,
}

impl Exchange {
    /// Reads the key and makes a client of `base_url` with `path` (`/embeddings`) after it; nothing is sent.
    ///
    /// # Errors
    /// `Stop` where the key or the certificates of the system are missing.
    pub fn new(settings: OpenAiSettings, path: &str) -> Result<Self, LlmError> {
        let key = super::key(&settings)?;
        let url = format!("{}{path}", settings.base_url);
        let none = |problem: String| LlmError::Stop(format!("no HTTP client: {problem}"));
        let post = Post::new(&settings, url, key).map_err(none)?;
        let runtime = Builder::new_current_thread().enable_all().build();
        Ok(Exchange { post, runtime: runtime.map_err(|error| none(error.to_string()))?, settings })
    }

    /// Posts a JSON body until `read` makes something of the answer, with at most `retries_max` further
    /// attempts and pauses between that hang on `name`. What `read` refuses is not asked again.
    ///
    /// # Errors
    /// In words: what the last attempt met, and what the server says about it.
    ///
    /// # Panics
    /// When called from within a `tokio` runtime.
    pub fn ask<T>(
        &self,
        name: &str,
        body: &str,
        read: &dyn Fn(&[u8]) -> Result<T, String>,
    ) -> Result<T, String> {
        self.runtime.block_on(self.attempts(name, body, read))
    }

    async fn attempts<T>(
        &self,
        name: &str,
        body: &str,
        read: &dyn Fn(&[u8]) -> Result<T, String>,
    ) -> Result<T, String> {
        let who = Who { seed: 0, name };
        let mut n_failed = 0;
        loop {
            let failure = match accepted(self.post.send(body.to_owned()).await) {
                Ok(answered) => {
                    return read(&answered.body).map_err(|problem| self.post.with_words(&problem, ""));
                }
                Err(failure) => failure,
            };
            match failure {
                Failure::Again { cause, asked_wait, .. } => {
                    let pause = asked_pause(&self.settings, who, n_failed, asked_wait);
                    n_failed += 1;
                    match pause.filter(|_| n_failed <= self.settings.retries_max) {
                        Some(pause) => tokio::time::sleep(pause).await,
                        None => {
                            let cause = format!("no answer after {n_failed} attempts: {cause}");
                            return Err(self.post.with_words(&cause, ""));
                        }
                    }
                }
                Failure::Refused { cause, told, .. } | Failure::Stop { cause, told } => {
                    // The server chose the name in it.
                    return Err(self.post.with_words(&self.post.fit_to_show(&cause), &told));
                }
            }
        }
    }
}
