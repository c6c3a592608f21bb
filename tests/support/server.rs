//! A chat-completions server on a loopback socket, for tests: it keeps connections open, answers by a
//! function of the request, takes as long as it is told, remembers what it heard, and fails in every way
//! that servers fail, at a given rate. Which request meets which failure hangs on its body and on how
//! often that body has come before, not on who came first: a run meets the same failures every time.
//!
//! Included by `#[path = "support/server.rs"] mod server;`. A thread serves a connection. Must not
//! know the library it tests.
#![allow(dead_code, reason = "no test uses all of it")]

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// A way to fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fault {
    /// 429 with `Retry-After`.
    TooManyWait,
    /// 429 without it.
    TooMany,
    /// 500.
    Internal,
    /// No answer until the client goes away.
    Hang,
    /// A byte now and then, until the client goes away or the whole answer is out.
    SlowDrip,
    /// The connection is closed in the middle of a body whose length was announced.
    Cut,
    /// Half of the JSON, announced as the whole.
    TruncatedJson,
    /// JSON that is no chat completion.
    WrongEnvelope,
    /// A chat completion whose content is JSON of another shape than asked for.
    WrongContent,
    /// The content with every whole number replaced by 99, a slot that was not shown.
    WrongSlots,
    /// A chat completion whose content is empty.
    Empty,
    /// An answer of [`Settings::huge_bytes`], its length not announced.
    Huge,
    /// A chat completion with bytes that are no UTF-8.
    InvalidUtf8,
}

impl Fault {
    /// Every fault.
    pub const ALL: [Fault; 13] = [
        Fault::TooManyWait,
        Fault::TooMany,
        Fault::Internal,
        Fault::Hang,
        Fault::SlowDrip,
        Fault::Cut,
        Fault::TruncatedJson,
        Fault::WrongEnvelope,
        Fault::WrongContent,
        Fault::WrongSlots,
        Fault::Empty,
        Fault::Huge,
        Fault::InvalidUtf8,
    ];

    /// Whether a client gets words all the same, though not those asked for.
    pub fn still_replies(self) -> bool {
        matches!(self, Fault::WrongContent | Fault::WrongSlots)
    }
}

/// How often requests fail, and how.
#[derive(Clone, Debug)]
pub struct Faults {
    /// Share of requests that fail, 0 to 1.
    pub rate: f64,
    /// Another seed, other failures.
    pub seed: u64,
    /// The ways, equally likely.
    pub kinds: Vec<Fault>,
}

/// What a server does besides answering.
#[derive(Clone, Debug)]
pub struct Settings {
    /// From the last byte of a request to the first of its answer.
    pub latency: Duration,
    /// Failures, if any.
    pub faults: Option<Faults>,
    /// What `Retry-After` says.
    pub retry_after: String,
    /// Bytes of a huge answer.
    pub huge_bytes: usize,
    /// Whether answers say how many tokens they took.
    pub tells_usage: bool,
    /// Whether requests are kept for [`Server::heard`].
    pub remembers: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            latency: Duration::ZERO,
            faults: None,
            retry_after: "1".to_owned(),
            huge_bytes: 10 << 20,
            tells_usage: true,
            remembers: true,
        }
    }
}

/// A request as it came.
#[derive(Clone, Debug)]
pub struct Heard {
    /// Request line and headers.
    pub head: String,
    /// The body; null where it was no JSON.
    pub body: Value,
    /// How often the same body had come before.
    pub n_before: u32,
    /// When its last byte came.
    pub at: Instant,
}

impl Heard {
    /// The value of a header, if it came.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then_some(value.trim())
        })
    }
}

/// What a server answers.
#[derive(Clone, Debug)]
pub enum Answer {
    /// A chat completion with this content.
    Content(String),
    /// Something else.
    Raw {
        /// The HTTP status.
        status: u16,
        /// Further headers, each with its line end: `"Retry-After: 3\r\n"`.
        headers: String,
        /// The body.
        body: String,
    },
    /// A failure; the string is the content of a reply that goes wrong.
    Fails(Fault, String),
}

impl Answer {
    /// An answer with a status and a body.
    pub fn status(status: u16, body: &str) -> Self {
        Answer::Raw { status, headers: String::new(), body: body.to_owned() }
    }
}

type Answering = Box<dyn Fn(&Heard) -> Answer + Send + Sync>;

/// A running server; it stops listening when dropped.
pub struct Server {
    address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    settings: Settings,
    answer: Answering,
    heard: Mutex<Vec<Heard>>,
    /// How often each body has come, by its hash.
    n_times: Mutex<HashMap<u64, u32>>,
    n_requests: AtomicUsize,
    n_connections: AtomicUsize,
    n_in_flight: AtomicUsize,
    peak_in_flight: AtomicUsize,
    n_broken_off: AtomicUsize,
    stopped: AtomicBool,
}

impl Server {
    /// Answers every request with the content that `reply` makes of its body.
    pub fn start(settings: Settings, reply: impl Fn(&Value) -> String + Send + Sync + 'static) -> Self {
        Server::scripted(settings, move |heard| Answer::Content(reply(&heard.body)))
    }

    /// Answers every request as `answer` says; faults of the settings come on top.
    pub fn scripted(settings: Settings, answer: impl Fn(&Heard) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address");
        let shared = Arc::new(Shared {
            settings,
            answer: Box::new(answer),
            heard: Mutex::default(),
            n_times: Mutex::default(),
            n_requests: AtomicUsize::new(0),
            n_connections: AtomicUsize::new(0),
            n_in_flight: AtomicUsize::new(0),
            peak_in_flight: AtomicUsize::new(0),
            n_broken_off: AtomicUsize::new(0),
            stopped: AtomicBool::new(false),
        });
        let mine = shared.clone();
        std::thread::spawn(move || accept(&listener, &mine));
        Server { address, shared }
    }

    /// Where it listens, as a `base_url`.
    pub fn base_url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    /// The requests so far, in the order in which they came.
    pub fn heard(&self) -> Vec<Heard> {
        lock(&self.shared.heard).clone()
    }

    /// Requests so far.
    pub fn n_requests(&self) -> usize {
        self.shared.n_requests.load(Ordering::SeqCst)
    }

    /// The most often that one and the same body came.
    pub fn n_times_max(&self) -> u32 {
        lock(&self.shared.n_times).values().copied().max().unwrap_or(0)
    }

    /// Connections so far.
    pub fn n_connections(&self) -> usize {
        self.shared.n_connections.load(Ordering::SeqCst)
    }

    /// The most requests that waited for their answer at once.
    pub fn peak_in_flight(&self) -> usize {
        self.shared.peak_in_flight.load(Ordering::SeqCst)
    }

    /// Answers that the client did not let come to their end.
    pub fn n_broken_off(&self) -> usize {
        self.shared.n_broken_off.load(Ordering::SeqCst)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::SeqCst);
        // Wakes the thread that accepts.
        let _ = TcpStream::connect(self.address);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    for stream in listener.incoming() {
        if shared.stopped.load(Ordering::SeqCst) {
            return;
        }
        let Ok(stream) = stream else { continue };
        shared.n_connections.fetch_add(1, Ordering::SeqCst);
        let mine = shared.clone();
        let serving = std::thread::Builder::new().stack_size(512 << 10);
        // A thread that cannot be had is a connection cut.
        let _ = serving.spawn(move || serve(stream, &mine));
    }
}

/// Serves a connection until it ends.
fn serve(mut stream: TcpStream, shared: &Shared) {
    let _ = stream.set_nodelay(true);
    let Ok(reading) = stream.try_clone() else { return };
    let mut reader = BufReader::new(reading);
    while let Some(heard) = hear(&mut reader, shared) {
        let n = shared.n_in_flight.fetch_add(1, Ordering::SeqCst) + 1;
        shared.peak_in_flight.fetch_max(n, Ordering::SeqCst);
        let answer = faulty(shared, &heard).unwrap_or_else(|| (shared.answer)(&heard));
        if !shared.settings.latency.is_zero() {
            std::thread::sleep(shared.settings.latency);
        }
        // Counted down before the answer goes out, or the client's next request could be counted first.
        let leave = || shared.n_in_flight.fetch_sub(1, Ordering::SeqCst);
        let takes_long = matches!(answer, Answer::Fails(Fault::Hang | Fault::SlowDrip | Fault::Huge, _));
        if !takes_long {
            leave();
        }
        let goes_on = give(&mut stream, shared, &heard, answer);
        if takes_long {
            leave();
        }
        if !goes_on {
            return;
        }
    }
}

/// Reads a request; `None` at the end of the connection.
fn hear(reader: &mut BufReader<TcpStream>, shared: &Shared) -> Option<Heard> {
    let mut head = String::new();
    loop {
        let start = head.len();
        if reader.read_line(&mut head).ok()? == 0 || head.len() > 64 << 10 {
            return None;
        }
        if head[start..].trim().is_empty() {
            break;
        }
    }
    let mut heard = Heard { head, body: Value::Null, n_before: 0, at: Instant::now() };
    let length: usize = heard.header("content-length").and_then(|text| text.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length.min(16 << 20)];
    reader.read_exact(&mut body).ok()?;
    heard.at = Instant::now();
    heard.body = serde_json::from_slice(&body).unwrap_or_default();
    let mut n_times = lock(&shared.n_times);
    let times = n_times.entry(fnv1a(&body)).or_default();
    heard.n_before = *times;
    *times += 1;
    drop(n_times);
    shared.n_requests.fetch_add(1, Ordering::SeqCst);
    if shared.settings.remembers {
        lock(&shared.heard).push(heard.clone());
    }
    Some(heard)
}

/// FNV-1a, 64 bits.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

/// The failure that this request meets, if any.
fn faulty(shared: &Shared, heard: &Heard) -> Option<Answer> {
    let faults = shared.settings.faults.as_ref()?;
    let mut key = [0u8; 32];
    key[..8].copy_from_slice(&faults.seed.to_le_bytes());
    key[8..16].copy_from_slice(&fnv1a(heard.body.to_string().as_bytes()).to_le_bytes());
    key[16..20].copy_from_slice(&heard.n_before.to_le_bytes());
    let mut luck = ChaCha8Rng::from_seed(key);
    if faults.kinds.is_empty() || luck.random::<f64>() >= faults.rate {
        return None;
    }
    let fault = faults.kinds[luck.random_range(0..faults.kinds.len())];
    let content = match (shared.answer)(heard) {
        Answer::Content(content) | Answer::Fails(_, content) => content,
        Answer::Raw { .. } => String::new(),
    };
    Some(Answer::Fails(fault, content))
}

/// Gives an answer; says whether the connection goes on.
fn give(stream: &mut TcpStream, shared: &Shared, heard: &Heard, answer: Answer) -> bool {
    match answer {
        Answer::Content(content) => whole(stream, 200, "", completion(shared, heard, &content).as_bytes()),
        Answer::Raw { status, headers, body } => whole(stream, status, &headers, body.as_bytes()),
        Answer::Fails(fault, content) => fail(stream, shared, heard, fault, &content),
    }
}

/// Fails, where `content` would have been a good answer; says whether the connection goes on.
fn fail(stream: &mut TcpStream, shared: &Shared, heard: &Heard, fault: Fault, content: &str) -> bool {
    let good = completion(shared, heard, content);
    match fault {
        Fault::TooManyWait => {
            let headers = format!("Retry-After: {}\r\n", shared.settings.retry_after);
            whole(stream, 429, &headers, TOO_MANY.as_bytes())
        }
        Fault::TooMany => whole(stream, 429, "", TOO_MANY.as_bytes()),
        Fault::Internal => whole(stream, 500, "", b"Internal Server Error"),
        Fault::TruncatedJson => whole(stream, 200, "", &good.as_bytes()[..good.len() / 2]),
        Fault::WrongEnvelope => whole(stream, 200, "", br#"{"result": {"words": ["none"]}}"#),
        Fault::WrongContent => {
            whole(stream, 200, "", completion(shared, heard, r#"{"answer": [42]}"#).as_bytes())
        }
        Fault::WrongSlots => whole(stream, 200, "", completion(shared, heard, &with_99(content)).as_bytes()),
        Fault::Empty => whole(stream, 200, "", completion(shared, heard, "").as_bytes()),
        Fault::InvalidUtf8 => {
            let marked = completion(shared, heard, "MARK");
            let (before, after) = marked.split_once("MARK").unwrap_or((&marked, ""));
            whole(stream, 200, "", &[before.as_bytes(), b"\xff\xfe\xc3(", after.as_bytes()].concat())
        }
        Fault::Hang => until_gone(stream, shared),
        Fault::SlowDrip => drip(stream, shared, good.as_bytes()),
        Fault::Cut => cut(stream, good.as_bytes()),
        Fault::Huge => huge(stream, shared),
    }
}

const TOO_MANY: &str = r#"{"error": {"message": "slow down", "type": "rate_limit_error", "code": null}}"#;

/// A chat completion with this content.
fn completion(shared: &Shared, heard: &Heard, content: &str) -> String {
    let mut body = json!({
        "id": format!("chatcmpl-{}", shared.n_requests.load(Ordering::SeqCst)),
        "object": "chat.completion",
        "model": heard.body["model"],
        "choices": [{"index": 0, "finish_reason": "stop", "logprobs": null,
                     "message": {"role": "assistant", "content": content, "refusal": null}}],
    });
    if shared.settings.tells_usage {
        body["usage"] = usage(&heard.body, content);
    }
    body.to_string()
}

/// Four characters a token; the first message counts as cached.
fn usage(body: &Value, content: &str) -> Value {
    let n_tokens = |text: &str| text.chars().count().div_ceil(4);
    let counts: Vec<usize> = body["messages"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|message| n_tokens(message["content"].as_str().unwrap_or_default()))
        .collect();
    let cached = if counts.len() > 1 { counts[0] } else { 0 };
    let (prompt, completion) = (counts.iter().sum::<usize>(), n_tokens(content));
    json!({"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion,
           "prompt_tokens_details": {"cached_tokens": cached}})
}

/// The content with every whole number replaced by 99.
fn with_99(content: &str) -> String {
    fn replace(value: &mut Value) {
        match value {
            Value::Number(_) => *value = json!(99),
            Value::Array(values) => values.iter_mut().for_each(replace),
            Value::Object(fields) => fields.values_mut().for_each(replace),
            _ => {}
        }
    }
    let mut value = serde_json::from_str(content).unwrap_or_else(|_| json!({"slots": [1]}));
    replace(&mut value);
    value.to_string()
}

/// An answer whose length is announced.
fn whole(stream: &mut TcpStream, status: u16, headers: &str, body: &[u8]) -> bool {
    stream.write_all(&[head(status, headers, body.len()).as_bytes(), body].concat()).is_ok()
}

fn head(status: u16, headers: &str, length: usize) -> String {
    format!(
        "HTTP/1.1 {status} Said\r\nContent-Type: application/json\r\n{headers}Content-Length: {length}\r\n\r\n"
    )
}

/// Says nothing until the client goes away.
fn until_gone(stream: &mut TcpStream, shared: &Shared) -> bool {
    let _ = stream.set_read_timeout(Some(Duration::from_secs(60)));
    let mut byte = [0];
    let _ = stream.read(&mut byte);
    shared.n_broken_off.fetch_add(1, Ordering::SeqCst);
    false
}

/// A byte every 20 milliseconds.
fn drip(stream: &mut TcpStream, shared: &Shared, body: &[u8]) -> bool {
    let text = [head(200, "", body.len()).as_bytes(), body].concat();
    for byte in text {
        if stream.write_all(&[byte]).is_err() {
            shared.n_broken_off.fetch_add(1, Ordering::SeqCst);
            return false;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    true
}

/// Half of a body, then the end.
fn cut(stream: &mut TcpStream, body: &[u8]) -> bool {
    let half = &body[..body.len() / 2];
    let _ = stream.write_all(&[head(200, "", body.len()).as_bytes(), half].concat());
    let _ = stream.shutdown(std::net::Shutdown::Both);
    false
}

/// A chat completion without end, in chunks.
fn huge(stream: &mut TcpStream, shared: &Shared) -> bool {
    let start = "HTTP/1.1 200 Said\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n";
    let opening = r#"{"choices": [{"message": {"content": ""#;
    let chunk = |text: &str| format!("{:x}\r\n{text}\r\n", text.len());
    let filling = chunk(&"word ".repeat(13_107));
    let mut given = stream.write_all(format!("{start}{}", chunk(opening)).as_bytes());
    let mut n_bytes = 0;
    while given.is_ok() && n_bytes < shared.settings.huge_bytes {
        given = stream.write_all(filling.as_bytes());
        n_bytes += filling.len();
    }
    let closing = format!("{}0\r\n\r\n", chunk(r#""}, "finish_reason": "stop"}]}"#));
    let goes_on = given.and_then(|()| stream.write_all(closing.as_bytes())).is_ok();
    if !goes_on {
        shared.n_broken_off.fetch_add(1, Ordering::SeqCst);
    }
    goes_on
}
