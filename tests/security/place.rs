//! A place to run the binary in, with data, models and a recommender that mean ill: everything they say holds one of
//! [`HOSTILE`], and the server repeats the key that it was sent.

use crate::mind;
use crate::server::{Answer, Heard, Server, Settings};
use serde_json::{Value, json};
use std::path::Path;
use std::process::Command;

/// What a page, a template, a terminal or a spreadsheet could mistake for its own.
pub const HOSTILE: [&str; 9] = [
    "<script>alert(1)</script>",
    "\"><img src=x onerror=alert(2)>",
    "' onmouseover='alert(3)",
    "</style></title></svg></pre></code><iframe src=//x>",
    "{{ 7*7 }}{% include \"head.html\" %}",
    "javascript:alert(4)",
    "\u{202e}live\u{2066}\u{200b}",
    "\u{1b}[31mred\u{1b}]0;title\u{7}\u{9b}2J",
    "=cmd|' /C calc'!A0",
];

/// The key of the language model.
pub const KEY: &str = "sk-loopback-5f1d8c02a77e4b39";
/// The token of the recommender.
pub const TOKEN: &str = "tok-loopback-93ab6610ffe24d5c";

/// The hostile text number `k`, around again from the last.
pub fn hostile(k: usize) -> &'static str {
    HOSTILE[k % HOSTILE.len()]
}

/// A folder with data and scenarios, and a server that stands for everybody who is asked over HTTP.
pub struct Place {
    pub dir: tempfile::TempDir,
    pub server: Server,
}

/// What a command said.
pub struct Said {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Place {
    /// A place whose server answers as [`answer`] says.
    pub fn new() -> Self {
        Place::with(answer)
    }

    /// A place whose server answers otherwise.
    pub fn with(answer: impl Fn(&Heard) -> Answer + Send + Sync + 'static) -> Self {
        let dir = tempfile::tempdir().expect("a temporary folder");
        write_data(dir.path());
        Place { dir, server: Server::scripted(Settings::default(), answer) }
    }

    /// Writes a scenario on the hostile data; `more` follows it.
    pub fn scenario(&self, name: &str, more: &str) {
        let all: String = HOSTILE.concat();
        let mut file = toml::Table::new();
        file.insert("name".to_owned(), format!("hostile {all}").into());
        file.insert("description".to_owned(), format!("What if {all}?").into());
        let text = format!("{file}\n{DATA}\n{}", more.replace("BASE_URL", &self.server.base_url()));
        std::fs::write(self.dir.path().join(name), text).expect("written");
    }

    /// Calls the binary in the folder, with both keys in its environment.
    pub fn call(&self, arguments: &[&str]) -> Said {
        let output = Command::new(env!("CARGO_BIN_EXE_windtunnel"))
            .current_dir(self.dir.path())
            .args(arguments)
            .env("WT_KEY", KEY)
            .env("WT_TOKEN", TOKEN)
            .env("XDG_CACHE_HOME", self.dir.path().join("cache"))
            .output()
            .expect("the binary runs");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Said {
            code: output.status.code().unwrap_or(-1),
            stdout: text(&output.stdout),
            stderr: text(&output.stderr),
        }
    }

    /// A file of the folder as text.
    pub fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.dir.path().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }
}

const DATA: &str = r#"
[dataset]
source = "csv"
path = "ratings.csv"
rating = "rating"
[dataset.items]
path = "items.csv"
title = "title"
genres = "genres"
[session]
advert = "<b>Buy</b> {{ 7*7 }}"
[statistics]
n_bootstrap = 100
"#;

/// Forty people, thirty items; ids, titles and genres are hostile.
fn write_data(dir: &Path) {
    let mut ratings = csv::Writer::from_path(dir.join("ratings.csv")).expect("a file");
    ratings.write_record(["user_id", "item_id", "rating"]).expect("a row");
    for user in 0..40 {
        for k in 0..10 {
            let item = (user * 7 + k * k + k) % 30;
            let row = [user_id(user), item_id(item), (1 + (user + k) % 5).to_string()];
            ratings.write_record(row).expect("a row");
        }
    }
    ratings.flush().expect("written");
    let mut items = csv::Writer::from_path(dir.join("items.csv")).expect("a file");
    items.write_record(["item_id", "title", "genres"]).expect("a row");
    for item in 0..30 {
        let title = format!("film {item} {}", hostile(item));
        // `|` stands between two genres.
        let genres = format!("genre {}|plain", hostile(item / 3).replace('|', "!"));
        items.write_record([item_id(item), title, genres]).expect("a row");
    }
    items.flush().expect("written");
}

/// The raw id of a user.
pub fn user_id(user: usize) -> String {
    format!("u{user} {}", hostile(user))
}

fn item_id(item: usize) -> String {
    format!("i{item} {}", hostile(item + 4))
}

/// What the server says: to a recommender's messages, for embeddings, and as a language model.
pub fn answer(heard: &Heard) -> Answer {
    let path = heard.head.split(' ').nth(1).unwrap_or_default();
    match path {
        "/v1/rank" => rank(heard),
        "/v1/embeddings" => Answer::status(400, &complaint(heard)),
        _ => speak(heard),
    }
}

/// The header that carries the key, as servers repeat it.
pub fn repeated(heard: &Heard) -> String {
    heard.header("authorization").unwrap_or("no key").to_owned()
}

/// The body of an error that repeats the key.
pub fn complaint(heard: &Heard) -> String {
    let message = format!("wrong key {} {}", repeated(heard), HOSTILE.concat());
    json!({"error": {"message": message, "code": "bad_key", "type": repeated(heard)}}).to_string()
}

/// Ranks what is allowed, by place in the catalogue; every fifth user is answered with an error.
fn rank(heard: &Heard) -> Answer {
    let message = &heard.body;
    let mut answer = json!({"protocol": 1, "id": message["id"]});
    let requests = message["requests"].as_array().map_or(&[][..], Vec::as_slice);
    let is_refused = |request: &Value| {
        let user = request["user"].as_str().unwrap_or("u1 ");
        let digits: String = user.chars().skip(1).take_while(char::is_ascii_digit).collect();
        digits.parse::<u32>().is_ok_and(|number| number % 5 == 0)
    };
    if requests.iter().any(is_refused) {
        answer["error"] = format!("{} {}", repeated(heard), HOSTILE.concat()).into();
    }
    let list = |request: &Value| {
        let excluded = request["exclude"].as_array().cloned().unwrap_or_default();
        let allowed = (0..30).map(|item| json!(item_id(item))).filter(|item| !excluded.contains(item));
        allowed.take(request["n"].as_u64().unwrap_or(0) as usize).collect::<Vec<_>>()
    };
    answer["lists"] = requests.iter().map(list).collect::<Vec<_>>().into();
    Answer::status(200, &answer.to_string())
}

/// The reply of a mind that puts something hostile, or the key, behind every word; now and then a refusal.
fn speak(heard: &Heard) -> Answer {
    let luck = mind::luck(&heard.body);
    if luck[5].is_multiple_of(16) {
        return Answer::status(400, &complaint(heard));
    }
    let mut reply: Value = serde_json::from_str(&mind::answer(&heard.body)).expect("a mind speaks JSON");
    let tail = match luck[6] % 4 {
        0 => repeated(heard),
        _ => hostile(luck[7] as usize).to_owned(),
    };
    fn spoil(value: &mut Value, tail: &str) {
        match value {
            Value::String(text) if text != "no" && text != "fits" => *text = format!("{text} {tail}"),
            Value::Array(values) => values.iter_mut().for_each(|value| spoil(value, tail)),
            Value::Object(fields) => fields.values_mut().for_each(|value| spoil(value, tail)),
            _ => {}
        }
    }
    spoil(&mut reply, &tail);
    Answer::Content(reply.to_string())
}

/// The rest of a scenario whose agents, recommender and encoder ask the server.
pub const ASKING: &str = r#"
[population]
n_agents = 30
[world]
on_error = "skip_session"
[behavior]
kind = "llm"
model = "small"
text_chars = 1000
[arms.popular]
[arms.remote]
kind = "http"
url = "BASE_URL/rank"
token_env = "WT_TOKEN"
retries = 0
[encoders.served]
kind = "http"
base_url = "BASE_URL"
model = "vectors"
key_env = "WT_KEY"
[studies.popularity_bias]
[llm.models.small]
backend = "openai"
base_url = "BASE_URL"
model = "loopback"
key_env = "WT_KEY"
structured = "none"
backoff_ms = 1
backoff_ms_max = 2
retries_max = 1
failures_in_a_row_max = 1000
"#;
