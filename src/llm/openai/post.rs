//! One attempt over HTTP: send, wait no longer than allowed, read no more than allowed. Whatever goes
//! wrong is told in fixed words, never with an address or a header in them. Must not know the protocol.

use super::retry::asked_wait;
use super::settings::OpenAiSettings;
use crate::secret::Secret;
use reqwest::header::{self, HeaderValue};
use reqwest::{Client, Response};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Bytes of an answer with an error status that are read; they may say why.
const ERROR_BYTES_MAX: usize = 64 << 10;

/// Why an attempt brought nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoAnswer {
    /// Nobody listens, the name is unknown, the certificate is wrong.
    #[error("cannot connect")]
    Connect,
    /// `timeout_ms` has passed.
    #[error("no answer in time")]
    Timeout,
    /// The connection ended before the answer did.
    #[error("connection cut")]
    Cut,
    /// More than `reply_bytes_max`.
    #[error("answer larger than reply_bytes_max")]
    Oversized,
}

/// What a server answered.
#[derive(Debug)]
pub struct Answered {
    /// The HTTP status.
    pub status: u16,
    /// The pause it asks for.
    pub asked_wait: Option<Duration>,
    /// The whole body; of an answer with a status of 300 or more, as much as arrived and is kept.
    pub body: Vec<u8>,
    /// From sending to the last byte.
    pub latency: Duration,
}

/// A client of one server, which keeps its connections open.
pub struct Post {
    client: Client,
    url: String,
    base_url: String,
    key: Option<(Secret, HeaderValue)>,
    timeout: Duration,
    reply_bytes_max: usize,
}

impl Post {
    /// Makes the client of one address of a server; nothing is sent.
    ///
    /// # Errors
    /// Says in words why there is no client, such as a system without certificates.
    pub fn new(settings: &OpenAiSettings, url: String, key: Option<Secret>) -> Result<Self, String> {
        // Another part of the process may have installed one already, which serves as well.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut builder = Client::builder()
            .user_agent(concat!("windtunnel/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .referer(false)
            .connect_timeout(Duration::from_millis(settings.connect_timeout_ms))
            .pool_max_idle_per_host(settings.max_in_flight as usize);
        if settings.is_loopback() {
            builder = builder.no_proxy();
        }
        if !settings.is_https() {
            // No certificates are needed, so a machine without any will do.
            builder = builder.tls_certs_only([]);
        }
        let client = builder.build().map_err(|error| root_cause(&error))?;
        Ok(Post {
            client,
            url,
            base_url: settings.base_url.clone(),
            key: key.map(with_header).transpose()?,
            timeout: Duration::from_millis(settings.timeout_ms),
            reply_bytes_max: usize::try_from(settings.reply_bytes_max).unwrap_or(usize::MAX),
        })
    }

    /// Posts a JSON body.
    pub async fn send(&self, body: String) -> Result<Answered, NoAnswer> {
        tokio::time::timeout(self.timeout, self.exchange(body)).await.unwrap_or(Err(NoAnswer::Timeout))
    }

    async fn exchange(&self, body: String) -> Result<Answered, NoAnswer> {
        let start = Instant::now();
        let mut request =
            self.client.post(&self.url).header(header::CONTENT_TYPE, "application/json").body(body);
        if let Some((_, header)) = &self.key {
            request = request.header(header::AUTHORIZATION, header.clone());
        }
        let mut response = request.send().await.map_err(|error| no_answer(&error))?;
        let status = response.status().as_u16();
        let asked_wait = asked_wait(|name| response.headers().get(name)?.to_str().ok(), now_unix_s());
        let body = if status < 300 {
            read(&mut response, self.reply_bytes_max).await?
        } else {
            // What went wrong is known already; the rest may say more, or not come.
            let mut body = Vec::new();
            let _ = read_into(&mut body, &mut response, ERROR_BYTES_MAX).await;
            body
        };
        Ok(Answered { status, asked_wait, body, latency: start.elapsed() })
    }

    /// A reply without the key, which some servers repeat.
    pub fn scrubbed(&self, reply: String) -> String {
        match &self.key {
            Some((key, _)) => key.scrub(reply),
            None => reply,
        }
    }

    /// A cause with what the server said about it, both without the key.
    pub fn with_words(&self, cause: &str, told: &str) -> String {
        let cause = match &self.key {
            Some((key, _)) => key.redact(cause),
            None => cause.to_owned(),
        };
        match self.fit_to_show(told) {
            told if told.is_empty() => format!("{cause}, at {}", self.base_url),
            told => format!("{cause}, at {}; it says: {told}", self.base_url),
        }
    }

    /// A text of the server, fit to be shown: without the key, in one line, not too long.
    pub fn fit_to_show(&self, text: &str) -> String {
        const CHARS_MAX: usize = 300;
        let line: String =
            text.chars().take(4 * CHARS_MAX).map(|c| if c.is_control() { ' ' } else { c }).collect();
        let line = match &self.key {
            Some((key, _)) => key.redact(&line),
            None => line,
        };
        line.trim().chars().take(CHARS_MAX).collect()
    }
}

/// A key with the header that carries it, which nothing prints.
fn with_header(key: Secret) -> Result<(Secret, HeaderValue), String> {
    let mut header = HeaderValue::from_str(&key.bearer()).map_err(|error| error.to_string())?;
    header.set_sensitive(true);
    Ok((key, header))
}

/// Reads a body of at most so many bytes.
async fn read(response: &mut Response, n_bytes_max: usize) -> Result<Vec<u8>, NoAnswer> {
    let announced = response.content_length().unwrap_or(0);
    if usize::try_from(announced).map_or(true, |n_bytes| n_bytes > n_bytes_max) {
        return Err(NoAnswer::Oversized);
    }
    let mut body = Vec::new();
    read_into(&mut body, response, n_bytes_max).await?;
    Ok(body)
}

/// Reads chunk by chunk, so that a body without end costs no more memory than a chunk beyond the bound.
async fn read_into(body: &mut Vec<u8>, response: &mut Response, n_bytes_max: usize) -> Result<(), NoAnswer> {
    while let Some(chunk) = response.chunk().await.map_err(|error| no_answer(&error))? {
        if body.len() + chunk.len() > n_bytes_max {
            return Err(NoAnswer::Oversized);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(())
}

fn no_answer(error: &reqwest::Error) -> NoAnswer {
    if error.is_connect() {
        NoAnswer::Connect
    } else if error.is_timeout() {
        NoAnswer::Timeout
    } else {
        NoAnswer::Cut
    }
}

/// The last of a chain of causes, which is the one that tells something.
fn root_cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}

/// The wall clock, needed only for servers that name a date without telling their own time.
fn now_unix_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
