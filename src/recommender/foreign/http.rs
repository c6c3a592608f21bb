//! `http`: a server that answers every message, POSTed to it as JSON, with JSON, as
//! `docs/foreign-recommenders.md` says. It runs already, or is started here and killed when it is
//! no longer needed. Redirects are not followed. Must not know what the messages say.

use super::super::{
    About, ColdItems, FitContext, Needs, RecommendError, Recommender, RecommenderKind, Surroundings, Trainer,
    Training,
};
use super::child::{Child, NoLine};
use super::connected::{self, Common, Connect};
use super::remote::{Fault, Transport, quote};
use crate::scenario::params::{self, Complaint};
use crate::secret::{self, HIDDEN, Secret};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::time::{Duration, Instant};
use ureq::http::{Uri, header};

/// The longest first line of a server that is started here.
const URL_BYTES_MAX: u64 = 4096;

/// Bytes of an answer with a wrong status that an error quotes.
const EXCERPT_BYTES_MAX: u64 = 1024;

/// Parameters of `http`. Either `url` or `start` is needed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct HttpParams {
    /// Where messages are POSTed to, `http://…` or `https://…`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// A server to start instead: the program and its arguments, no shell involved. The first line it
    /// prints is its URL; it is killed at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start: Option<Vec<String>>,
    /// The environment variable that holds a token to send as `Authorization: Bearer …`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token_env: Option<String>,
    /// Requests in a message at most, 1..=65536.
    pub batch_size: u32,
    /// Milliseconds an answer may take, 1..=3600000.
    pub timeout_ms: u64,
    /// Milliseconds a server may take to start, and then to answer the greeting, 1..=3600000.
    pub start_timeout_ms: u64,
    /// Further tries after a failure, 0..=10.
    pub retries: u32,
    /// Bytes an answer may have, 1024..=1073741824.
    pub max_response_bytes: u64,
    /// The newest interactions of a user that are told, 0..=1000000.
    pub history_max: u32,
    /// Whether it is asked again on every page, with what the user did in the session.
    pub fold_in: bool,
}

impl Default for HttpParams {
    fn default() -> Self {
        HttpParams {
            url: None,
            start: None,
            token_env: None,
            batch_size: 256,
            timeout_ms: 10_000,
            start_timeout_ms: 60_000,
            retries: 2,
            max_response_bytes: 64 << 20,
            history_max: 1000,
            fold_in: false,
        }
    }
}

/// The kind `http`.
pub struct Http;

impl RecommenderKind for Http {
    fn name(&self) -> &'static str {
        HttpParams::NAME
    }

    fn about(&self) -> About {
        About {
            summary: "a server of yours, asked over HTTP",
            source: "docs/foreign-recommenders.md",
            needs: Needs::Foreign,
            folds_in: true,
            cold_items: ColdItems::Ranked,
        }
    }

    fn params_schema(&self) -> schemars::Schema {
        schemars::schema_for!(HttpParams)
    }

    fn check(&self, at: &str, table: &toml::Table) -> Result<Box<dyn Trainer>, Complaint> {
        let params: HttpParams = params::parse(at, table)?;
        match (&params.url, &params.start) {
            (Some(url), None) => check_url(url)
                .map_err(|expected| Complaint::out_of_range(format!("{at}.url"), shown(url), expected))?,
            (None, Some(start)) => connected::check_command(at, "start", start)?,
            (None, None) => {
                let expected = "where a server listens, or `start`, a command that starts one".to_owned();
                return Err(Complaint::Missing { path: format!("{at}.url"), expected });
            }
            (Some(url), Some(_)) => {
                let bound = format!("absent where {at}.start is given");
                return Err(Complaint::out_of_range(format!("{at}.url"), shown(url), bound));
            }
        }
        check_token(at, params.token_env.as_deref())?;
        params.common().check(at)?;
        Ok(Box::new(params))
    }

    fn load(&self, dir: &Path, _around: &Surroundings) -> Result<Box<dyn Recommender>, RecommendError> {
        connected::load::<HttpParams>(dir)
    }
}

impl Trainer for HttpParams {
    fn fit(
        &self,
        training: &Training<'_>,
        context: &mut FitContext<'_>,
    ) -> Result<Box<dyn Recommender>, RecommendError> {
        connected::fit(self, training, context)
    }
}

impl Connect for HttpParams {
    const NAME: &'static str = "http";

    fn name(&self) -> String {
        match (&self.url, &self.start) {
            (Some(url), _) => format!("server at {url}"),
            (None, start) => format!("server `{}`", start.clone().unwrap_or_default().join(" ")),
        }
    }

    fn common(&self) -> Common {
        Common {
            batch_size: self.batch_size,
            timeout_ms: self.timeout_ms,
            start_timeout_ms: self.start_timeout_ms,
            retries: self.retries,
            max_response_bytes: self.max_response_bytes,
            history_max: self.history_max,
            fold_in: self.fold_in,
        }
    }

    fn transport(&self) -> Result<Box<dyn Transport>, RecommendError> {
        let unusable = |cause| RecommendError::ForeignStart { recommender: self.name(), cause };
        let peer = match (&self.url, &self.start) {
            (Some(url), _) => {
                check_url(url).map_err(|expected| unusable(format!("the URL must be {expected}")))?;
                Peer::At { agent: agent(url), url: url.clone() }
            }
            (None, start) => Peer::ToStart {
                command: start.clone().unwrap_or_default(),
                token_env: self.token_env.clone(),
                running: None,
            },
        };
        let token = match &self.token_env {
            Some(name) => Some(Secret::from_env(name).map_err(|error| unusable(error.to_string()))?),
            None => None,
        };
        let start_timeout = Duration::from_millis(self.start_timeout_ms);
        Ok(Box::new(Post { peer, token, bytes_max: self.max_response_bytes, start_timeout }))
    }
}

/// What a URL must be, where it is not.
fn check_url(url: &str) -> Result<(), &'static str> {
    let uri: Option<Uri> = url.parse().ok();
    let fits = uri.is_some_and(|uri| {
        matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some_and(|host| !host.is_empty())
    });
    match fits {
        false => Err("a URL http://… or https://…"),
        true if has_user(url) => Err("a URL without user and password; `token_env` names what holds a token"),
        true => Ok(()),
    }
}

/// Whether a URL holds a user, and perhaps a password.
fn has_user(url: &str) -> bool {
    url.split("://")
        .nth(1)
        .and_then(|rest| rest.split(['/', '?', '#']).next())
        .is_some_and(|a| a.contains('@'))
}

/// A URL as a complaint may show it.
fn shown(url: &str) -> String {
    if has_user(url) { HIDDEN.to_owned() } else { quote(url) }
}

/// Complains about what is no name of a variable; it may be the token itself, and is not repeated.
fn check_token(at: &str, name: Option<&str>) -> Result<(), Complaint> {
    match name {
        Some(name) if !secret::is_variable(name) => Err(Complaint::out_of_range(
            format!("{at}.token_env"),
            HIDDEN,
            "the name of an environment variable, of A-Z, 0-9 and _, not the token itself",
        )),
        Some(name) => {
            secret::note_variable(name);
            Ok(())
        }
        None => Ok(()),
    }
}

/// A client for one server: no redirects, and no proxy on the way to this machine itself.
fn agent(url: &str) -> ureq::Agent {
    let mut config = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .user_agent(concat!("windtunnel/", env!("CARGO_PKG_VERSION")))
        .accept_encoding("identity");
    let uri: Option<Uri> = url.parse().ok();
    let host = uri.as_ref().and_then(Uri::host).unwrap_or_default();
    if host.starts_with("127.") || host == "localhost" || host == "[::1]" {
        config = config.proxy(None);
    }
    config.build().new_agent()
}

/// Messages by POST.
struct Post {
    peer: Peer,
    token: Option<Secret>,
    bytes_max: u64,
    start_timeout: Duration,
}

/// Who answers.
enum Peer {
    /// A server that runs already.
    At { agent: ureq::Agent, url: String },
    /// A server that is started with the first message.
    ToStart { command: Vec<String>, token_env: Option<String>, running: Option<Running> },
}

/// A server that was started here.
struct Running {
    child: Child,
    agent: ureq::Agent,
    url: String,
}

impl Running {
    /// Starts a server, which gets the token that it is to ask for.
    fn start(command: &[String], token_env: Option<&str>, timeout: Duration) -> Result<Self, Fault> {
        let mut child = Child::start(command, URL_BYTES_MAX, token_env).map_err(Fault::Silent)?;
        let line = child.receive(timeout).map_err(|trouble| match trouble {
            NoLine::Late => {
                let waited = format!("the server printed no URL within {} ms", timeout.as_millis());
                Fault::Silent(waited + &child.stderr())
            }
            NoLine::Ended(how) => Fault::Silent(format!("before it printed its URL, the server {how}")),
            NoLine::TooLong => {
                Fault::Silent(format!("first line of the server is longer than {URL_BYTES_MAX} bytes"))
            }
        })?;
        child.stop_listening();
        let url = String::from_utf8_lossy(&line).trim().to_owned();
        if let Err(expected) = check_url(&url) {
            let problem = format!("first line of the server is {}, must be {expected}", quote(&url));
            return Err(Fault::Silent(problem));
        }
        Ok(Running { child, agent: agent(&url), url })
    }
}

impl Transport for Post {
    fn exchange(&mut self, message: &[u8], timeout: Duration) -> Result<Vec<u8>, Fault> {
        let (agent, url) = match &mut self.peer {
            Peer::At { agent, url } => (agent, url),
            Peer::ToStart { command, token_env, running } => {
                let running = match running {
                    Some(running) => running,
                    None => {
                        let started = Running::start(command, token_env.as_deref(), self.start_timeout);
                        running.insert(started.map_err(|fault| without(self.token.as_ref(), fault))?)
                    }
                };
                (&mut running.agent, &mut running.url)
            }
        };
        let asked = Instant::now();
        let answer = post(agent, url, self.token.as_ref(), message, timeout, self.bytes_max);
        match (answer, &self.token) {
            (Ok(answer), Some(token)) => Ok(token.scrub_bytes(answer)),
            (Ok(answer), None) => Ok(answer),
            (Err(error), _) => {
                let fault = fault(error, asked.elapsed() >= timeout, timeout, self.bytes_max);
                let fault = self.explained(fault);
                Err(without(self.token.as_ref(), fault))
            }
        }
    }

    fn hang_up(&mut self) {
        if let Peer::ToStart { running, .. } = &mut self.peer {
            *running = None;
        }
    }
}

impl Post {
    /// The fault with what a server started here has to say about it.
    fn explained(&mut self, fault: Fault) -> Fault {
        let Peer::ToStart { running: Some(running), .. } = &mut self.peer else { return fault };
        let words = match running.child.has_ended() {
            true => format!("; the server {}", running.child.farewell("ended")),
            false => running.child.stderr(),
        };
        match fault {
            Fault::Silent(cause) => Fault::Silent(cause + &words),
            Fault::Unusable(cause) => Fault::Unusable(cause + &words),
        }
    }
}

/// The fault without the token, which a server may have repeated.
fn without(token: Option<&Secret>, fault: Fault) -> Fault {
    match (token, fault) {
        (None, fault) => fault,
        (Some(token), Fault::Silent(cause)) => Fault::Silent(token.redact(&cause)),
        (Some(token), Fault::Unusable(cause)) => Fault::Unusable(token.redact(&cause)),
    }
}

/// Why a POST gave no usable answer.
enum PostError {
    Client(ureq::Error),
    Status(String),
}

fn post(
    agent: &ureq::Agent,
    url: &str,
    token: Option<&Secret>,
    message: &[u8],
    timeout: Duration,
    bytes_max: u64,
) -> Result<Vec<u8>, PostError> {
    let mut request = agent.post(url).config().timeout_global(Some(timeout)).build();
    request =
        request.header(header::CONTENT_TYPE, "application/json").header(header::ACCEPT, "application/json");
    if let Some(token) = token {
        request = request.header(header::AUTHORIZATION, token.bearer());
    }
    let mut response = request.send(message).map_err(PostError::Client)?;
    let status = response.status();
    if status != 200 {
        let body =
            response.body_mut().with_config().limit(EXCERPT_BYTES_MAX).lossy_utf8(true).read_to_string();
        let body = body.unwrap_or_default();
        let excerpt =
            if body.is_empty() { String::new() } else { format!(" and says {}", quote(body.trim())) };
        let hint = if status.is_redirection() { " (redirects are not followed)" } else { "" };
        return Err(PostError::Status(format!(
            "HTTP status is {}, expected 200{hint}{excerpt}",
            status.as_u16()
        )));
    }
    response.body_mut().with_config().limit(bytes_max).read_to_vec().map_err(PostError::Client)
}

/// Silence, or something that is no usable answer.
fn fault(error: PostError, is_late: bool, timeout: Duration, bytes_max: u64) -> Fault {
    let error = match error {
        PostError::Status(problem) => return Fault::Unusable(problem),
        PostError::Client(error) => error,
    };
    match error {
        ureq::Error::Timeout(_) => Fault::Silent(format!("no answer within {} ms", timeout.as_millis())),
        ureq::Error::BodyExceedsLimit(_) => {
            Fault::Unusable(format!("answer is longer than {bytes_max} bytes"))
        }
        _ if is_late => Fault::Silent(format!("no answer within {} ms", timeout.as_millis())),
        ureq::Error::ConnectionFailed | ureq::Error::HostNotFound => {
            Fault::Silent(format!("server cannot be reached: {error}"))
        }
        ureq::Error::Io(ref io) if io.kind() == std::io::ErrorKind::ConnectionRefused => {
            Fault::Silent(format!("server cannot be reached: {error}"))
        }
        // Among these: the connection is closed in the middle, or what comes is not HTTP.
        other => Fault::Unusable(format!("no whole HTTP answer: {other}")),
    }
}
