//! A server that does everything wrong that a server can, on a loopback socket.

use super::toy::{FAULTS, Spoilt, World, assert_one_failure, check, in_order, items, python, root};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use windtunnel::recommender::{self, Surroundings};

/// What the server was sent: headers and body of every request.
type Heard = Arc<Mutex<Vec<(String, Value)>>>;

/// A server on a thread of its own, for as long as the test process lives.
struct Server {
    url: String,
    heard: Heard,
}

impl Server {
    fn start(mode: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let url = format!("http://{}/rank", listener.local_addr().expect("an address"));
        let heard = Heard::default();
        let (mine, place) = (heard.clone(), url.clone());
        std::thread::spawn(move || {
            let mut items = Vec::new();
            let mut held = Vec::new();
            for stream in listener.incoming() {
                let Ok(stream) = stream else { continue };
                let _ = serve(stream, mode, &place, &mut items, &mine, &mut held);
            }
        });
        Server { url, heard }
    }

    fn params(&self, more: &str) -> String {
        format!("url = {:?}\nretries = 1\nmax_response_bytes = 2048\n{more}", self.url)
    }

    fn n_heard(&self) -> usize {
        self.heard.lock().expect("no panic").len()
    }
}

/// Answers one request and closes; streams that are never answered are `held`.
fn serve(
    mut stream: TcpStream,
    mode: &str,
    url: &str,
    items: &mut Vec<String>,
    heard: &Heard,
    held: &mut Vec<TcpStream>,
) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let (mut head, mut length) = (String::new(), 0);
    loop {
        let start = head.len();
        reader.read_line(&mut head)?;
        let line = head[start..].trim().to_ascii_lowercase();
        if let Some(n) = line.strip_prefix("content-length:") {
            length = n.trim().parse().unwrap_or(0);
        }
        if line.is_empty() {
            break;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let message: Value = serde_json::from_slice(&body)?;
    heard.lock().expect("no panic").push((head, message.clone()));
    let mut answer = json!({"protocol": 1, "id": message["id"]});
    if message["type"] == "hello" {
        let named = message["items"].as_array().expect("items");
        *items = named.iter().map(|item| item["item"].as_str().expect("an id").to_owned()).collect();
        return send(&mut stream, "200 OK", answer.to_string().as_bytes());
    }
    let requests = message["requests"].as_array().expect("requests");
    let lists: Vec<Value> = requests.iter().map(|request| rank(request, items, mode)).collect();
    answer["lists"] = lists.into();
    let good = answer.to_string();
    if !requests.iter().any(|request| request["user"] == "u3") {
        return send(&mut stream, "200 OK", good.as_bytes());
    }
    let with = |key: &str, value: Value| {
        let mut answer = answer.clone();
        answer[key] = value;
        answer.to_string()
    };
    match mode {
        "malformed" => send(&mut stream, "200 OK", b"well, "),
        "numbers" => send(&mut stream, "200 OK", with("lists", json!([[0]])).as_bytes()),
        "not_utf8" => send(&mut stream, "200 OK", b"{\"\xff\xfe\": 1}"),
        "oversized" => send(&mut stream, "200 OK", with("padding", "x".repeat(5000).into()).as_bytes()),
        "endless" => {
            stream.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")?;
            // Until the client has had enough.
            loop {
                stream.write_all(format!("400\r\n{}\r\n", "x".repeat(0x400)).as_bytes())?;
            }
        }
        "too_many_lists" => {
            let mut lists = answer["lists"].as_array().expect("lists").clone();
            lists.push(json!([]));
            send(&mut stream, "200 OK", with("lists", lists.into()).as_bytes())
        }
        "no_lists" => send(&mut stream, "200 OK", with("lists", Value::Null).as_bytes()),
        "other_protocol" => send(&mut stream, "200 OK", with("protocol", 2.into()).as_bytes()),
        "other_message" => send(&mut stream, "200 OK", with("id", 1.into()).as_bytes()),
        "reports" => send(&mut stream, "200 OK", with("error", "no model for\nu3".into()).as_bytes()),
        "busy" => send(&mut stream, "503 Service Unavailable", b"try later"),
        "moved" => {
            // Without the last line the client may ask again on a connection that is just being closed.
            let head = format!("HTTP/1.1 302 Found\r\nLocation: {url}\r\nContent-Length: 0\r\n");
            stream.write_all(format!("{head}Connection: close\r\n\r\n").as_bytes())
        }
        "hangs" => {
            held.push(stream);
            Ok(())
        }
        "stalls" => {
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"pro")?;
            held.push(stream);
            Ok(())
        }
        "drips" => {
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")?;
            // Until the client has had enough.
            loop {
                std::thread::sleep(std::time::Duration::from_millis(20));
                stream.write_all(b" ")?;
            }
        }
        "swells" => {
            let body = swelling();
            let head = format!("Content-Encoding: gzip\r\nContent-Length: {}", body.len());
            let head = format!("HTTP/1.1 200 OK\r\n{head}\r\nConnection: close\r\n\r\n");
            stream.write_all(&[head.as_bytes(), &body].concat())
        }
        "closes" => Ok(()),
        "breaks_off" => stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"pro"),
        "not_http" => stream.write_all(b"220 mail.example ESMTP\r\n"),
        _ => send(&mut stream, "200 OK", good.as_bytes()),
    }
}

fn rank(request: &Value, items: &[String], mode: &str) -> Value {
    let excluded = request["exclude"].as_array().expect("a list");
    let best: Vec<&str> =
        items.iter().map(String::as_str).filter(|&item| !excluded.contains(&json!(item))).collect();
    let n = request["n"].as_u64().expect("a number") as usize;
    if request["user"] != "u3" {
        return json!(best[..n]);
    }
    match mode {
        "repeats" => json!([&best[..1], &best[..n - 1]].concat()),
        "known" => json!([&best[..1], &["i3"], &best[1..n - 1]].concat()),
        "shown" => json!([&["i9"], &best[..n - 1]].concat()),
        "unknown" => json!([&["x\"1"], &best[..n - 1]].concat()),
        "too_few" => json!(best[..n - 2]),
        "too_many" => json!(best[..n + 1]),
        _ => json!(best[..n]),
    }
}

/// A gzip stream of less than 1,024 bytes that unpacks to more than 150,000: one block of fixed Huffman codes
/// (RFC 1951, section 3.2.6), an `x` and then the byte before, 258 times, again and again.
fn swelling() -> Vec<u8> {
    let mut bits: Vec<bool> = Vec::new();
    // Codes are packed from their most significant bit on, the head of the block from its least.
    let mut put = |code: u32, n_bits: u32| bits.extend((0..n_bits).rev().map(|k| code >> k & 1 == 1));
    put(0b110, 3);
    put(0x30 + u32::from(b'x'), 8);
    for _ in 0..600 {
        put(0b1100_0101, 8);
        put(0, 5);
    }
    put(0, 7);
    let byte = |bits: &[bool]| bits.iter().enumerate().fold(0, |byte, (k, &bit)| byte | u8::from(bit) << k);
    let head = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
    let packed: Vec<u8> = head.into_iter().chain(bits.chunks(8).map(byte)).chain([0; 8]).collect();
    assert!(packed.len() < 1024, "within every limit while it is packed");
    packed
}

fn send(stream: &mut TcpStream, status: &str, body: &[u8]) -> std::io::Result<()> {
    let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
    stream.write_all(&[head.as_bytes(), body].concat())
}

#[test]
fn a_good_server_is_believed_and_sent_the_token() {
    let (world, server) = (World::new(), Server::start("good"));
    // A variable that cargo sets for every test, so that the test need not change the environment.
    let model = world.fit("http", &server.params("token_env = \"CARGO_PKG_NAME\"\nbatch_size = 4"));
    let model = model.expect("greeted");
    assert_eq!(items(&model.recommend(&world.requests()).expect("answers")), in_order());
    let heard = server.heard.lock().expect("no panic");
    let types: Vec<&str> = heard.iter().map(|(_, body)| body["type"].as_str().expect("a type")).collect();
    assert_eq!(types, ["hello", "recommend", "recommend"]);
    assert_eq!(heard[0].1["items"][1], json!({"item": "i1", "title": "film 1", "n_train": 2}));
    let head = heard[1].0.to_ascii_lowercase();
    assert!(
        head.starts_with("post /rank http/1.1") && head.contains("content-type: application/json"),
        "{head}"
    );
    assert!(head.contains("authorization: bearer windtunnel"), "{head}");
}

#[test]
fn every_fault_names_user_page_and_cause_and_spoils_one_session() {
    let world = World::new();
    let of_servers = [
        ("busy", "HTTP status is 503, expected 200 and says \"try later\"", Spoilt::Answer),
        ("moved", "HTTP status is 302, expected 200 (redirects are not followed)", Spoilt::Answer),
        ("closes", "no whole HTTP answer: ", Spoilt::Answer),
        ("breaks_off", "no whole HTTP answer: ", Spoilt::Answer),
        ("not_http", "no whole HTTP answer: ", Spoilt::Answer),
        ("swells", "answer is longer than 2048 bytes", Spoilt::Answer),
    ];
    for &(mode, cause, spoilt) in FAULTS.iter().chain(&of_servers) {
        let server = Server::start(mode);
        let model = world.fit("http", &server.params("")).expect("greeted");
        assert_one_failure(&world, &*model, mode, cause, spoilt);
    }
}

#[test]
fn a_server_that_is_silent_is_not_asked_for_everybody() {
    let world = World::new();
    let world = &world;
    let try_it = move |mode: &'static str| {
        let server = Server::start(mode);
        let model = world.fit("http", &server.params("timeout_ms = 1500\nbatch_size = 1")).expect("greeted");
        let answers = model.recommend_each(&world.requests());
        let cause = |user: usize| answers[user].as_ref().err().map(|error| error.to_string());
        assert_eq!(cause(2), None, "{mode}");
        for user in 3..6 {
            let late = format!(
                "recommender answered badly for user u{user}, page 2: no answer within 1500 ms; tried 2 times"
            );
            assert_eq!(cause(user), Some(late), "{mode}");
        }
        // Greeting, users 0 to 2, user 3; after the failure greeting and user 3 again. Not 4, not 5.
        assert_eq!(server.n_heard(), 7, "{mode}");
    };
    std::thread::scope(|scope| {
        for mode in ["hangs", "stalls", "drips"] {
            scope.spawn(move || try_it(mode));
        }
    });
}

#[test]
fn a_server_that_is_not_there_is_an_error_of_the_fit() {
    let world = World::new();
    // A port that was free a moment ago.
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    drop(listener);
    let error = world.fit("http", &format!("url = {url:?}\nretries = 1")).err().expect("refused").to_string();
    let head = format!("server at {url} cannot be used: server cannot be reached: ");
    assert!(error.starts_with(&head) && error.ends_with("; tried 2 times"), "{error}");
    let unset = format!("url = {url:?}\ntoken_env = \"WINDTUNNEL_NO_SUCH_TOKEN\"");
    let error = world.fit("http", &unset).err().expect("refused").to_string();
    assert!(error.contains("environment variable WINDTUNNEL_NO_SUCH_TOKEN is not set"), "{error}");
}

#[test]
fn a_server_can_be_started_saved_and_started_again() {
    let Some(python) = python() else { return };
    let world = World::new();
    let script = root().join("examples/recommenders/http_popular.py").display().to_string();
    let model = world.fit("http", &format!("start = [{python:?}, {script:?}]")).expect("greeted");
    let before = items(&model.recommend(&world.requests()).expect("answers"));
    // Items 1 to 5 have two training interactions, 0 and 6 one, the rest none; user 3 has 3 and 4.
    assert_eq!(before[3], [1, 2, 5, 0, 6]);
    let saved = tempfile::tempdir().expect("a temporary folder");
    model.save(saved.path()).expect("saved");
    drop(model);
    let loaded = recommender::kind("http")
        .expect("in the list")
        .load(saved.path(), &Surroundings::plain())
        .expect("greeted");
    assert_eq!(items(&loaded.recommend(&world.requests()).expect("answers")), before);
}

#[test]
fn a_program_that_starts_no_server_is_an_error_of_the_fit() {
    let Some(python) = python() else { return };
    let world = World::new();
    for (code, cause) in [
        (
            "print('ready', flush=True)",
            "first line of the server is \"ready\", must be a URL http://… or https://…",
        ),
        (
            "import sys; sys.exit('no port')",
            "before it printed its URL, the server ended (exit status: 1); its stderr ends with: no port",
        ),
        ("print('x' * 5000, flush=True)", "first line of the server is longer than 4096 bytes"),
        ("import time; time.sleep(1000)", "the server printed no URL within 500 ms"),
    ] {
        let params = format!("start = [{python:?}, \"-c\", {code:?}]\nretries = 0\nstart_timeout_ms = 500");
        let params = if code.contains("sleep") { params } else { params.replace("= 500", "= 60000") };
        let error = world.fit("http", &params).err().expect("refused").to_string();
        assert!(error.contains(cause), "{code}: {error}");
    }
}

#[test]
fn bad_parameters_are_answered_with_their_path() {
    for (params, complaint) in [
        ("", "arms.x.url is missing: where a server listens, or `start`"),
        ("url = \"here\"", "arms.x.url is \"here\", must be a URL http://… or https://…"),
        ("url = \"ftp://x/\"", "arms.x.url is \"ftp://x/\", must be a URL http://… or https://…"),
        (
            "url = \"http://x/\"\nstart = [\"y\"]",
            "arms.x.url is \"http://x/\", must be absent where arms.x.start is given",
        ),
        ("start = []", "arms.x.start is [], must be a program and its arguments"),
        ("url = \"http://x/\"\nhistory_max = 1000001", "arms.x.history_max is 1000001, must be 0..=1000000"),
        ("url = \"http://x/\"\ntoken = \"y\"", "unknown key `arms.x.token`; expected one of: batch_size"),
    ] {
        let found = check("http", params).err().expect("refused");
        assert!(found.contains(complaint), "{params}: {found}");
    }
}
