//! Protocol 1: the messages between Windtunnel and a recommender in another process, the same over
//! HTTP and over pipes. `docs/foreign-recommenders.md` is its specification; the JSON Schema there
//! is made from the types here. Must not know how bytes travel, or what lists are allowed.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The version of the protocol: part of every message and every answer.
pub const VERSION: u32 = 1;

/// What Windtunnel sends.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[schemars(title = "message")]
pub struct Message<'a> {
    /// Version of the protocol: 1.
    pub protocol: u32,
    /// The number of this message; its answer carries the same.
    pub id: u64,
    /// What it says.
    #[serde(flatten)]
    pub body: Body<'a>,
}

/// The two messages.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Body<'a> {
    /// The first message to a fresh recommender: the catalogue. It is sent again after a failure.
    Hello {
        /// Every item there is.
        items: Vec<CatalogueItem<'a>>,
    },
    /// Questions, each to be answered on its own: the answer to one must not depend on the others.
    Recommend {
        /// One or more of them, at most `batch_size`.
        requests: Vec<Question<'a>>,
    },
}

/// An item of the catalogue.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct CatalogueItem<'a> {
    /// Raw id.
    pub item: &'a str,
    /// Title, or the raw id where it has none.
    pub title: &'a str,
    /// Training interactions.
    pub n_train: u32,
}

/// A question: the best `n` items for this user now.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Question<'a> {
    /// Raw id of the user; null for somebody who is not in the training set.
    pub user: Option<&'a str>,
    /// Feedback round, from 0.
    pub round: u32,
    /// The page to fill, from 1.
    pub page: u32,
    /// A number of the agent's own, the same on all its pages and in all arms, to seed a random
    /// number generator with.
    pub luck: u64,
    /// How many items are wanted: exactly so many.
    pub n: u64,
    /// What the user has in the training set, oldest first: the newest `history_max` of it.
    pub history: Vec<Past<'a>>,
    /// Raw ids that must not be returned: what the user already has, and what this session has shown.
    pub exclude: Vec<&'a str>,
    /// What the user did in this session, oldest first; empty on the first page.
    pub session: Vec<Seen<'a>>,
}

/// An interaction of the training set.
#[derive(Clone, Copy, Debug, Serialize, JsonSchema)]
pub struct Past<'a> {
    /// Raw id of the item.
    pub item: &'a str,
    /// The rating on the dataset's own scale, where the dataset has ratings.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rating: Option<f32>,
}

/// What the user did with an item shown in this session.
#[derive(Clone, Copy, Debug, Serialize, JsonSchema)]
pub struct Seen<'a> {
    /// Raw id of the item.
    pub item: &'a str,
    /// The page it was shown on, from 1.
    pub page: u32,
    /// Whether it was watched.
    pub watched: bool,
    /// The rating, 1 to 5, where one was given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rating: Option<f32>,
}

/// What the recommender answers. Keys beyond these are ignored.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[schemars(title = "answer")]
pub struct Answer {
    /// Version of the protocol: 1.
    pub protocol: u32,
    /// The number of the message that is answered.
    pub id: u64,
    /// To `recommend`: one list of raw item ids a request, in the order of the requests, best first.
    #[serde(default)]
    pub lists: Option<Vec<Vec<String>>>,
    /// Why there are no lists, in words.
    #[serde(default)]
    pub error: Option<String>,
}

/// The JSON Schema of both directions, as it stands in the documentation.
pub fn schema() -> serde_json::Value {
    let mut message = schemars::schema_for!(Message<'static>).to_value();
    let mut answer = schemars::schema_for!(Answer).to_value();
    let mut definitions = serde_json::Map::new();
    for schema in [&mut message, &mut answer] {
        if let Some(object) = schema.as_object_mut() {
            object.remove("$schema");
            if let Some(serde_json::Value::Object(mut own)) = object.remove("$defs") {
                definitions.append(&mut own);
            }
        }
    }
    definitions.insert("Message".to_owned(), message);
    definitions.insert("Answer".to_owned(), answer);
    serde_json::json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Windtunnel recommender protocol 1",
        "oneOf": [{"$ref": "#/$defs/Message"}, {"$ref": "#/$defs/Answer"}],
        "$defs": definitions,
    })
}
