//! Programs that a scenario starts: no shell reads their command, they inherit no key, and they end when we do.

#![cfg(unix)]

use super::place::{KEY, Place, TOKEN};
use std::process::Command;
use std::time::{Duration, Instant};

/// A recommender that writes down its arguments and its environment, then ranks by place in the catalogue.
const PROGRAM: &str = r#"
import json, os, sys
with open("seen.json", "w") as seen:
    json.dump({"arguments": sys.argv[1:], "environment": dict(os.environ), "pid": os.getpid()}, seen)
items = []
for line in sys.stdin:
    message = json.loads(line)
    answer = {"protocol": 1, "id": message["id"]}
    if message["type"] == "hello":
        items = [item["item"] for item in message["items"]]
    else:
        if os.environ.get("SLOW"):
            import time
            time.sleep(600)
        answer["lists"] = [
            [item for item in items if item not in set(request["exclude"])][: request["n"]]
            for request in message["requests"]
        ]
    print(json.dumps(answer), flush=True)
"#;

const ARMS: &str = r#"
[population]
n_agents = 10
[arms.popular]
[arms.mine]
kind = "process"
command = ["python3", "program.py", "$(touch made)", "; touch made", "`touch made`", "a b", "*", "> made", "$HOME"]
[encoders.served]
kind = "http"
base_url = "BASE_URL"
model = "vectors"
key_env = "WT_KEY"
[arms.other]
kind = "http"
url = "BASE_URL/rank"
token_env = "WT_TOKEN"
[world]
on_error = "skip_session"
"#;

fn has_python() -> bool {
    let has = Command::new("python3").arg("--version").output().is_ok_and(|output| output.status.success());
    if !has {
        eprintln!("SKIPPED: no python3");
    }
    has
}

#[test]
fn no_shell_reads_a_command_and_no_key_is_inherited() {
    if !has_python() {
        return;
    }
    let place = Place::new();
    place.scenario("s.toml", ARMS);
    std::fs::write(place.dir.path().join("program.py"), PROGRAM).expect("written");
    let said = place.call(&["run", "s.toml", "--out", "run"]);
    assert_eq!(said.code, 0, "{}", said.stderr);
    let seen: serde_json::Value = serde_json::from_str(&place.read("seen.json")).expect("JSON");
    let expected = ["$(touch made)", "; touch made", "`touch made`", "a b", "*", "> made", "$HOME"];
    assert_eq!(seen["arguments"], serde_json::json!(expected));
    assert!(!place.dir.path().join("made").exists(), "something read the command");
    let environment = seen["environment"].as_object().expect("variables");
    assert!(environment.contains_key("PATH"), "the environment is handed on");
    assert!(!environment.contains_key("WT_KEY") && !environment.contains_key("WT_TOKEN"), "keys are not");
    let all = place.read("seen.json");
    assert!(!all.contains(KEY) && !all.contains(TOKEN));
}

#[test]
fn a_program_ends_when_the_run_is_killed() {
    if !has_python() {
        return;
    }
    let place = Place::new();
    place.scenario("s.toml", ARMS);
    // It reads on after its answer, as programs do: the end of its input is the end of it.
    let waiting = PROGRAM
        .replace("if os.environ.get(\"SLOW\"):", "if not os.path.exists(\"go\"):")
        .replace("time.sleep(600)", "open('waits', 'w').close(); sys.stdin.read(); sys.exit(0)");
    std::fs::write(place.dir.path().join("program.py"), waiting).expect("written");
    let mut run = Command::new(env!("CARGO_BIN_EXE_windtunnel"))
        .current_dir(place.dir.path())
        .args(["run", "s.toml", "--out", "run", "--quiet"])
        .env("WT_KEY", KEY)
        .env("WT_TOKEN", TOKEN)
        .stderr(std::process::Stdio::null())
        .spawn()
        .expect("the binary starts");
    let within = |what: &str, holds: &dyn Fn() -> bool| {
        let start = Instant::now();
        while !holds() {
            assert!(start.elapsed() < Duration::from_secs(60), "not within a minute: {what}");
            std::thread::sleep(Duration::from_millis(10));
        }
    };
    within("the program is asked", &|| place.dir.path().join("waits").exists());
    let seen: serde_json::Value = serde_json::from_str(&place.read("seen.json")).expect("JSON");
    let pid = seen["pid"].as_u64().expect("a number");
    run.kill().expect("SIGKILL");
    run.wait().expect("it ends");
    within("the program ends", &|| {
        let alive = Command::new("kill").args(["-0", &pid.to_string()]).output();
        !alive.is_ok_and(|output| output.status.success())
    });
}
