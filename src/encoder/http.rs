//! `http`: a server that speaks the OpenAI-compatible embeddings protocol (vLLM, llama-server, Ollama, TEI, the
//! hosted ones). Its replies are checked number by number. Must not know who uses the vectors.

use super::{EncodeError, Encoder, EncoderKind, EncoderPlan, Entry, Identity};
use crate::llm::openai::{Exchange, OpenAiSettings};
use crate::progress::Progress;
use crate::recommender::dense::Matrix;
use crate::scenario::params::{self, Complaint, within};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// What follows `base_url`.
const PATH: &str = "/embeddings";

/// Numbers in a vector at most.
const DIMENSION_MAX: u32 = 65_536;

/// The settings that are those of an `openai` backend, bounds and all.
const OF_THE_SERVER: [&str; 10] = [
    "backoff_ms",
    "backoff_ms_max",
    "base_url",
    "connect_timeout_ms",
    "key_env",
    "model",
    "reply_bytes_max",
    "retries_max",
    "retry_after_ms_max",
    "timeout_ms",
];

/// Settings of `http`. `base_url` and `model` are needed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct HttpParams {
    /// Where the protocol is spoken, without `/embeddings`: `http://localhost:8000/v1`. No key in it.
    pub base_url: String,
    /// The model's name, as the server knows it.
    pub model: String,
    /// The environment variable that holds the key: capital letters, digits and `_`. Without it none is sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_env: Option<String>,
    /// Numbers in a vector, 1..=65536, where the model can give fewer than it has; without it as many as it has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dimensions: Option<u32>,
    /// Texts in a request at most, 1..=2048.
    pub batch_size: u32,
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
    /// Milliseconds a server may ask to wait (`Retry-After`), 0..=86400000; asked to wait longer, it has failed.
    pub retry_after_ms_max: u64,
    /// Bytes a server's answer may have, 1024..=1073741824.
    pub reply_bytes_max: u64,
}

impl Default for HttpParams {
    fn default() -> Self {
        let server = OpenAiSettings::default();
        HttpParams {
            base_url: server.base_url,
            model: server.model,
            key_env: None,
            dimensions: None,
            batch_size: 64,
            timeout_ms: server.timeout_ms,
            connect_timeout_ms: server.connect_timeout_ms,
            retries_max: server.retries_max,
            backoff_ms: server.backoff_ms,
            backoff_ms_max: server.backoff_ms_max,
            retry_after_ms_max: server.retry_after_ms_max,
            reply_bytes_max: 64 << 20,
        }
    }
}

/// The kind `http`.
pub struct Http;

impl EncoderKind for Http {
    fn name(&self) -> &'static str {
        "http"
    }

    fn about(&self) -> &'static str {
        "an embeddings server, asked over HTTP (OpenAI-compatible)"
    }

    fn params_schema(&self) -> schemars::Schema {
        schemars::schema_for!(HttpParams)
    }

    fn check(&self, at: &str, table: &toml::Table) -> Result<Box<dyn EncoderPlan>, Complaint> {
        let params: HttpParams = params::parse(at, table)?;
        within(at, "batch_size", params.batch_size, 1, 2048)?;
        within(at, "dimensions", params.dimensions.unwrap_or(1), 1, DIMENSION_MAX)?;
        let mut of_server = table.clone();
        of_server.retain(|key, _| OF_THE_SERVER.contains(&key));
        of_server.entry("reply_bytes_max").or_insert((params.reply_bytes_max as i64).into());
        let server = OpenAiSettings::checked(at, &of_server)?;
        Ok(Box::new(Plan { server, dimensions: params.dimensions, batch_size: params.batch_size as usize }))
    }
}

/// Checked settings.
struct Plan {
    server: OpenAiSettings,
    dimensions: Option<u32>,
    batch_size: usize,
}

impl EncoderPlan for Plan {
    fn start(&self, _base_dir: &Path) -> Result<Box<dyn Encoder>, EncodeError> {
        let exchange = Exchange::new(self.server.clone(), PATH).map_err(|error| failed(error.to_string()))?;
        Ok(Box::new(Embedder {
            model: self.server.model.clone(),
            base_url: self.server.base_url.clone(),
            dimensions: self.dimensions,
            batch_size: self.batch_size,
            exchange,
        }))
    }
}

/// A server, ready to be asked.
struct Embedder {
    base_url: String,
    model: String,
    dimensions: Option<u32>,
    batch_size: usize,
    exchange: Exchange,
}

impl Encoder for Embedder {
    /// The address belongs to it: servers call different models by one name.
    fn identity(&self) -> Identity {
        let dimensions = self.dimensions.map_or("as the model has".to_owned(), |n| n.to_string());
        Identity::PerText(format!("http {} model {:?} dimensions {dimensions}", self.base_url, self.model))
    }

    fn encode(&self, entries: &[Entry<'_>], _progress: &dyn Progress) -> Result<Matrix, EncodeError> {
        let mut width = self.dimensions.map(|n| n as usize);
        let mut data = Vec::new();
        for batch in entries.chunks(self.batch_size) {
            let read = |body: &[u8]| read(body, batch.len(), width);
            let rows = self.exchange.ask(batch[0].text, &self.body(batch), &read).map_err(failed)?;
            width = rows.first().map(Vec::len);
            data.extend(rows.into_iter().flatten());
        }
        Ok(Matrix::new(entries.len(), width.unwrap_or(0), data))
    }
}

impl Embedder {
    fn body(&self, batch: &[Entry<'_>]) -> String {
        let input: Vec<&str> = batch.iter().map(|entry| entry.text).collect();
        let mut body = serde_json::json!({ "model": self.model, "input": input });
        if let Some(dimensions) = self.dimensions {
            body["dimensions"] = dimensions.into();
        }
        body.to_string()
    }
}

/// One vector a text, in the order of the texts, whatever the order of the reply.
///
/// # Errors
/// In words: where the answer strays from one finite vector of `width` numbers (or of any one width) a text.
pub fn read(body: &[u8], n_texts: usize, width: Option<usize>) -> Result<Vec<Vec<f32>>, String> {
    #[derive(Deserialize)]
    struct Row {
        index: usize,
        embedding: Vec<f64>,
    }
    #[derive(Deserialize)]
    struct Reply {
        data: Vec<Row>,
    }
    let reply: Reply = serde_json::from_slice(body).map_err(|error| {
        format!("the answer cannot be read ({error}), expected data with an index and an embedding, a list of numbers")
    })?;
    if reply.data.len() != n_texts {
        return Err(format!("the answer has {} vectors, expected {n_texts}, one a text", reply.data.len()));
    }
    let width = width.or(reply.data.first().map(|row| row.embedding.len())).unwrap_or(0);
    if !(1..=DIMENSION_MAX as usize).contains(&width) {
        return Err(format!("the answer has vectors of {width} numbers, expected 1..={DIMENSION_MAX}"));
    }
    let mut rows: Vec<Vec<f32>> = vec![Vec::new(); n_texts];
    for Row { index, embedding } in reply.data {
        let row = rows.get_mut(index).filter(|row| row.is_empty()).ok_or_else(|| {
            format!("the answer has the index {index}, expected each of 0..={} once", n_texts - 1)
        })?;
        if embedding.len() != width {
            let n = embedding.len();
            return Err(format!(
                "the vector with index {index} has {n} numbers, expected {width} like the others"
            ));
        }
        *row = embedding.iter().map(|&x| x as f32).collect();
        if let Some(at) = row.iter().position(|x| !x.is_finite()) {
            return Err(format!(
                "the vector with index {index} holds {}, expected finite 32-bit numbers",
                embedding[at]
            ));
        }
    }
    Ok(rows)
}

fn failed(problem: String) -> EncodeError {
    EncodeError::Failed { encoder: "http".to_owned(), problem }
}

#[cfg(test)]
mod tests;
