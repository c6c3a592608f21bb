//! The settings of an `openai` backend: what may stand in a scenario, and within which bounds.
//! A key never stands here, only the name of the environment variable that holds it; what looks like
//! a key put in the wrong place is not repeated in a complaint. Must not know how requests are sent.

use crate::llm::Price;
use crate::scenario::params::{self, Complaint, within};
use crate::secret::{self, HIDDEN, is_variable};
use reqwest::Url;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Characters a model's name has at most.
const MODEL_CHARS_MAX: usize = 256;
/// Bytes of `extra` as JSON at most.
const EXTRA_BYTES_MAX: usize = 64 << 10;
/// Keys of a request's body that are written here, so `extra` may not hold them.
const RESERVED: [&str; 10] = [
    "max_completion_tokens",
    "max_tokens",
    "messages",
    "model",
    "n",
    "response_format",
    "seed",
    "stream",
    "temperature",
    "top_p",
];

/// How a server is asked for replies of a given shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum StructuredOutput {
    /// As a JSON Schema; where the server does not take that, as `json_object`, then not at all.
    Auto,
    /// As a JSON Schema that the server holds the reply to.
    JsonSchema,
    /// As some JSON object; the prompt says which.
    JsonObject,
    /// Only by the prompt.
    None,
}

/// The name under which the limit of a reply's tokens is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum MaxTokensField {
    /// What nearly every server reads.
    MaxTokens,
    /// What newer hosted models read.
    MaxCompletionTokens,
}

impl MaxTokensField {
    /// The key in the body of a request.
    pub fn key(self) -> &'static str {
        match self {
            MaxTokensField::MaxTokens => "max_tokens",
            MaxTokensField::MaxCompletionTokens => "max_completion_tokens",
        }
    }
}

/// Settings of `openai`. `base_url` and `model` are needed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct OpenAiSettings {
    /// Where the protocol is spoken, without `/chat/completions`: `http://localhost:8000/v1`. No key in it.
    pub base_url: String,
    /// The model's name, as the server knows it.
    pub model: String,
    /// The environment variable that holds the key: capital letters, digits and `_`. Without it none is sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_env: Option<String>,
    /// Tokens of prompt and reply together that the model holds, 256..=16777216.
    pub context_tokens: u32,
    /// Requests on their way at once, 1..=4096.
    pub max_in_flight: u32,
    /// Requests a minute, 0..=10000000; 0 for no limit. A tenth of it may come at once.
    pub requests_per_minute: u32,
    /// Tokens a minute, prompt and reply, 0..=1000000000000; 0 for no limit. A tenth of it may come at once.
    pub tokens_per_minute: u64,
    /// Milliseconds an attempt may take from connecting to its last byte, 1..=3600000.
    pub timeout_ms: u64,
    /// Milliseconds connecting may take, 1..=600000.
    pub connect_timeout_ms: u64,
    /// Further attempts after the first, 0..=100.
    pub retries_max: u32,
    /// Milliseconds: the first pause before a retry is drawn from 0 to this, each further one from twice
    /// as much, 1..=600000.
    pub backoff_ms: u64,
    /// Milliseconds from which pauses grow no more, `backoff_ms`..=3600000.
    pub backoff_ms_max: u64,
    /// Milliseconds a server may ask to wait (`Retry-After`), 0..=86400000; a call asked to wait longer has failed.
    pub retry_after_ms_max: u64,
    /// Bytes a server's answer may have, 1024..=1073741824; what is longer is dropped, and the attempt has failed.
    pub reply_bytes_max: u64,
    /// How the server is asked for replies of a given shape.
    pub structured: StructuredOutput,
    /// The name under which the limit of a reply's tokens is sent.
    pub max_tokens_field: MaxTokensField,
    /// Whether the request's seed is sent, cut to 53 bits.
    pub send_seed: bool,
    /// Whether temperature and top_p are sent; some hosted models refuse them.
    pub send_sampling: bool,
    /// Further keys for the body of every request, such as `chat_template_kwargs`. Part of the model's name on the tape.
    #[schemars(with = "serde_json::Map<String, serde_json::Value>")]
    pub extra: toml::Table,
    /// So many calls in a row that failed for good, none succeeding between, stop the run, 1..=1000000.
    pub failures_in_a_row_max: u32,
    /// US dollars for a million tokens read, 0..=1000000.
    pub usd_per_million_prompt: f64,
    /// US dollars for a million tokens read from the server's cache, 0..=1000000; without it as much as any read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usd_per_million_cached: Option<f64>,
    /// US dollars for a million tokens written, 0..=1000000.
    pub usd_per_million_completion: f64,
}

impl Default for OpenAiSettings {
    fn default() -> Self {
        OpenAiSettings {
            base_url: String::new(),
            model: String::new(),
            key_env: None,
            context_tokens: 8192,
            max_in_flight: 32,
            requests_per_minute: 0,
            tokens_per_minute: 0,
            timeout_ms: 60_000,
            connect_timeout_ms: 10_000,
            retries_max: 5,
            backoff_ms: 500,
            backoff_ms_max: 30_000,
            retry_after_ms_max: 120_000,
            reply_bytes_max: 1 << 20,
            structured: StructuredOutput::Auto,
            max_tokens_field: MaxTokensField::MaxTokens,
            send_seed: true,
            send_sampling: true,
            extra: toml::Table::new(),
            failures_in_a_row_max: 50,
            usd_per_million_prompt: 0.0,
            usd_per_million_cached: None,
            usd_per_million_completion: 0.0,
        }
    }
}

impl OpenAiSettings {
    /// Reads the table found at the dotted path `at`, every bound checked.
    ///
    /// # Errors
    /// The first thing wrong with it.
    pub fn checked(at: &str, table: &toml::Table) -> Result<Self, Complaint> {
        let mut settings: OpenAiSettings = params::parse(at, table)?;
        settings.check_server(at)?;
        settings.check_bounds(at)?;
        settings.check_prices(at)?;
        settings.check_extra(at)?;
        let n = settings.base_url.trim_end_matches('/').len();
        settings.base_url.truncate(n);
        Ok(settings)
    }

    fn check_server(&self, at: &str) -> Result<(), Complaint> {
        if self.base_url.is_empty() {
            let expected = "where the server listens, such as \"http://localhost:8000/v1\"".to_owned();
            return Err(Complaint::Missing { path: format!("{at}.base_url"), expected });
        }
        check_url(&format!("{at}.base_url"), &self.base_url)?;
        if self.model.is_empty() {
            let expected = "the model's name, as the server knows it".to_owned();
            return Err(Complaint::Missing { path: format!("{at}.model"), expected });
        }
        if self.model.chars().count() > MODEL_CHARS_MAX || self.model.chars().any(char::is_control) {
            let value = format!("{:?}", self.model.chars().take(MODEL_CHARS_MAX).collect::<String>());
            let bound = format!("at most {MODEL_CHARS_MAX} characters, none of them a control character");
            return Err(Complaint::out_of_range(format!("{at}.model"), value, bound));
        }
        match &self.key_env {
            // A key in this place by mistake hardly ever looks like this, and is not repeated.
            Some(name) if !is_variable(name) => Err(Complaint::out_of_range(
                format!("{at}.key_env"),
                HIDDEN,
                "the name of an environment variable, of A-Z, 0-9 and _, not the key itself",
            )),
            Some(name) => {
                secret::note_variable(name);
                Ok(())
            }
            None => Ok(()),
        }
    }

    fn check_bounds(&self, at: &str) -> Result<(), Complaint> {
        within(at, "context_tokens", self.context_tokens, 256, 1 << 24)?;
        within(at, "max_in_flight", self.max_in_flight, 1, 4096)?;
        within(at, "requests_per_minute", self.requests_per_minute, 0, 10_000_000)?;
        within(at, "tokens_per_minute", self.tokens_per_minute, 0, 1_000_000_000_000)?;
        within(at, "timeout_ms", self.timeout_ms, 1, 3_600_000)?;
        within(at, "connect_timeout_ms", self.connect_timeout_ms, 1, 600_000)?;
        within(at, "retries_max", self.retries_max, 0, 100)?;
        within(at, "backoff_ms", self.backoff_ms, 1, 600_000)?;
        within(at, "backoff_ms_max", self.backoff_ms_max, self.backoff_ms, 3_600_000)?;
        within(at, "retry_after_ms_max", self.retry_after_ms_max, 0, 86_400_000)?;
        within(at, "reply_bytes_max", self.reply_bytes_max, 1024, 1 << 30)?;
        within(at, "failures_in_a_row_max", self.failures_in_a_row_max, 1, 1_000_000)
    }

    fn check_prices(&self, at: &str) -> Result<(), Complaint> {
        within(at, "usd_per_million_prompt", self.usd_per_million_prompt, 0.0, 1e6)?;
        within(at, "usd_per_million_cached", self.usd_per_million_cached.unwrap_or(0.0), 0.0, 1e6)?;
        within(at, "usd_per_million_completion", self.usd_per_million_completion, 0.0, 1e6)
    }

    fn check_extra(&self, at: &str) -> Result<(), Complaint> {
        if let Some(key) = self.extra.keys().find(|key| RESERVED.contains(&key.as_str())) {
            let bound = "absent: this key of a request is written from other settings";
            return Err(Complaint::out_of_range(format!("{at}.extra.{key}"), HIDDEN, bound));
        }
        let json = super::wire::extra_json(&self.extra).map_err(|path| {
            Complaint::out_of_range(format!("{at}.extra.{path}"), "not a finite number", "a finite number")
        })?;
        let n_bytes = serde_json::Value::Object(json).to_string().len();
        if n_bytes > EXTRA_BYTES_MAX {
            let bound = format!("at most {EXTRA_BYTES_MAX} bytes as JSON");
            return Err(Complaint::out_of_range(format!("{at}.extra"), format!("{n_bytes} bytes"), bound));
        }
        Ok(())
    }

    /// Where requests are sent to.
    pub fn completions_url(&self) -> String {
        format!("{}/chat/completions", self.base_url)
    }

    /// Whether the server runs on this machine, where no proxy belongs between.
    pub fn is_loopback(&self) -> bool {
        let url = Url::parse(&self.base_url);
        let host = url.as_ref().ok().and_then(Url::host_str).unwrap_or_default();
        let address = host.trim_start_matches('[').trim_end_matches(']').parse::<std::net::IpAddr>();
        host == "localhost" || address.is_ok_and(|address| address.is_loopback())
    }

    /// Whether the way to the server is encrypted.
    pub fn is_https(&self) -> bool {
        Url::parse(&self.base_url).is_ok_and(|url| url.scheme() == "https")
    }

    /// What tokens cost.
    pub fn price(&self) -> Price {
        Price {
            prompt: self.usd_per_million_prompt,
            cached: self.usd_per_million_cached.unwrap_or(self.usd_per_million_prompt),
            completion: self.usd_per_million_completion,
        }
    }

    /// What this backend is, in words: nothing secret, nothing of `extra`.
    pub fn statement(&self) -> String {
        format!(
            "model {:?} at {} (chat completions over HTTP, up to {} requests at once)",
            self.model, self.base_url, self.max_in_flight
        )
    }
}

/// Holds an address to `http://HOST…` or `https://HOST…`. One that may hold a key is not repeated.
fn check_url(path: &str, text: &str) -> Result<(), Complaint> {
    let refused = |value: &str, bound: &str| Err(Complaint::out_of_range(path, value, bound));
    let shown = if text.contains(['@', '?', '#']) { HIDDEN.to_owned() } else { format!("{text:?}") };
    let Ok(url) = Url::parse(text) else {
        return refused(&shown, "an address that starts with http:// or https://");
    };
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return refused(&shown, "an address that starts with http:// or https://");
    }
    if !url.username().is_empty() || url.password().is_some() {
        return refused(HIDDEN, "an address without user and password; `key_env` names what holds a key");
    }
    if url.query().is_some() || url.fragment().is_some() {
        return refused(HIDDEN, "an address without `?` and `#`; `key_env` names what holds a key");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEAST: &str = "base_url = \"http://localhost:8000/v1/\"\nmodel = \"tiny\"\n";

    fn check(toml: &str) -> Result<OpenAiSettings, String> {
        OpenAiSettings::checked("llm.small", &toml.parse().expect("test TOML")).map_err(|c| c.to_string())
    }

    fn problem(more: &str) -> String {
        check(&format!("{LEAST}{more}")).expect_err("must be refused")
    }

    #[test]
    fn the_least_settings_are_enough_and_the_rest_are_defaults() {
        let settings = check(LEAST).expect("valid");
        assert_eq!(settings.completions_url(), "http://localhost:8000/v1/chat/completions");
        assert_eq!((settings.max_in_flight, settings.context_tokens), (32, 8192));
        assert!(settings.is_loopback() && !settings.is_https());
        let prices = "usd_per_million_prompt = 2.5\nusd_per_million_completion = 10.0";
        let price = check(&format!("{LEAST}{prices}")).expect("valid").price();
        assert_eq!(price, Price { prompt: 2.5, cached: 2.5, completion: 10.0 });
    }

    #[test]
    fn complaints_name_place_value_and_bound() {
        let missing = check("model = \"tiny\"").expect_err("no address");
        assert!(missing.starts_with("llm.small.base_url is missing"), "{missing}");
        let missing = check("base_url = \"http://localhost\"").expect_err("no model");
        assert!(missing.starts_with("llm.small.model is missing"), "{missing}");
        for (toml, expected) in [
            ("max_in_flight = 0", "llm.small.max_in_flight is 0, must be 1..=4096"),
            ("backoff_ms = 50\nbackoff_ms_max = 20", "llm.small.backoff_ms_max is 20, must be 50..=3600000"),
            ("reply_bytes_max = 10", "llm.small.reply_bytes_max is 10, must be 1024..=1073741824"),
            ("usd_per_million_prompt = nan", "llm.small.usd_per_million_prompt is NaN, must be 0..=1000000"),
            ("usd_per_million_cached = -1.0", "llm.small.usd_per_million_cached is -1, must be 0..=1000000"),
            ("extra = { stream = true }", "llm.small.extra.stream is (not shown), must be absent"),
            ("extra = { a = { b = [1.0, inf] } }", "llm.small.extra.a.b is not a finite number"),
            ("structured = \"yes\"", "llm.small.structured: unknown variant `yes`, expected one of"),
            ("modle = \"x\"", "unknown key `llm.small.modle`, did you mean `model`?"),
        ] {
            let found = problem(toml);
            assert!(found.starts_with(expected), "{toml}: {found}");
        }
    }

    #[test]
    fn addresses_that_are_none_or_hold_a_key_are_refused_and_not_repeated() {
        for (url, part) in [
            ("localhost:8000", "must be an address that starts with"),
            ("ftp://host/v1", "must be an address that starts with"),
            ("http://", "must be an address that starts with"),
            ("https://me:hunter2@host/v1", "without user and password"),
            ("https://host/v1?key=hunter2", "without `?`"),
            ("https://host/v1#hunter2", "without `?`"),
        ] {
            let found = check(&format!("base_url = {url:?}\nmodel = \"m\"")).expect_err("must be refused");
            assert!(found.contains(part) && !found.contains("hunter2"), "{url}: {found}");
        }
        let found = problem("key_env = \"sk-hunter2\"");
        assert!(found.contains("not the key itself") && !found.contains("hunter2"), "{found}");
        assert!(check(&format!("{LEAST}key_env = \"OPENAI_API_KEY\"")).is_ok());
    }

    #[test]
    fn loopback_is_known_by_its_addresses() {
        for (url, expected) in [
            ("http://127.0.0.1:1/v1", true),
            ("http://[::1]:1/v1", true),
            ("https://localhost/v1", true),
            ("https://10.0.0.1/v1", false),
            ("https://localhost.example/v1", false),
        ] {
            let settings = OpenAiSettings { base_url: url.to_owned(), ..OpenAiSettings::default() };
            assert_eq!(settings.is_loopback(), expected, "{url}");
        }
    }
}
