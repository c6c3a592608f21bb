//! A mind for the loopback server: it answers the tasks of the `llm` behaviour as a pure function of
//! what it is asked, so that a run that asks the same gets the same.

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// The words of the first message of the user: the profile, the memories and the task.
pub fn scene(body: &Value) -> &str {
    let messages = body["messages"].as_array().map_or(&[][..], Vec::as_slice);
    let user = messages.iter().find(|message| message["role"] == "user");
    user.and_then(|message| message["content"].as_str()).unwrap_or_default()
}

/// The numbers of the slots on the page that is before the agent.
pub fn slots(scene: &str) -> Vec<u32> {
    let page = scene.rsplit("Task page").next().unwrap_or_default();
    page.lines().filter_map(|line| line.split_once(" | ")?.0.trim().parse().ok()).collect()
}

/// Which task is asked for last.
pub fn task(scene: &str) -> &str {
    let last = scene.rsplit("Task ").next().unwrap_or_default();
    last.split([' ', ',', '.', ':']).next().unwrap_or_default()
}

/// Bytes that depend on everything that was asked.
pub fn luck(body: &Value) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(body["messages"].to_string());
    hash.update(body["seed"].to_string());
    hash.finalize().into()
}

/// An answer with the shape that was asked for.
pub fn answer(body: &Value) -> String {
    let (scene, luck) = (scene(body), luck(body));
    let decides = body["messages"][0]["content"].as_str().is_some_and(|rules| !rules.contains("Task decide"));
    match task(scene) {
        "page" => {
            let mut reply = serde_json::Map::new();
            for (slot, &byte) in slots(scene).iter().zip(luck.iter().cycle()) {
                let said = match byte % 4 {
                    0 => json!("no"),
                    1 => json!("fits"),
                    k => {
                        json!({"rating": 1 + (u32::from(byte) + u32::from(k)) % 5, "feeling": format!("felt {byte}")})
                    }
                };
                reply.insert(slot.to_string(), said);
            }
            if decides {
                reply.insert("thought".to_owned(), json!("so far so good"));
                reply.insert("satisfaction".to_owned(), json!(luck[30] % 11));
                reply.insert("fatigue".to_owned(), json!(luck[29] % 11));
                reply.insert("next".to_owned(), json!(luck[31] % 4 != 0));
            }
            Value::Object(reply).to_string()
        }
        "decide" => json!({"why": "curious", "next": luck[31] % 4 != 0}).to_string(),
        "reflect" => {
            json!({"thought": "it goes well", "satisfaction": luck[0] % 11, "fatigue": luck[1] % 11})
                .to_string()
        }
        "interview" => {
            json!({"why": format!("said {}", luck[2]), "satisfaction": 1 + luck[3] % 10}).to_string()
        }
        _ => json!({"taste": ["I like what moves me.", "I avoid noise."]}).to_string(),
    }
}
