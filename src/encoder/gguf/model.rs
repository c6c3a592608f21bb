//! The model as an encoder: looks at the file, loads it, and has workers compute batches of texts.
//! Must not know where texts come from.

use super::batches::pack;
use super::{GgufParams, Pooling};
use crate::digest::hex;
use crate::encoder::{EncodeError, Encoder, EncoderPlan, Entry, Identity};
use crate::llm::llama::gguf::{self, Head};
use crate::llm::llama::library;
use crate::progress::Progress;
use crate::recommender::dense::Matrix;
use llama_cpp_2::context::LlamaContext;
use llama_cpp_2::context::params::LlamaPoolingType;
use llama_cpp_2::llama_batch::LlamaBatch;
use llama_cpp_2::model::LlamaModel;
use llama_cpp_2::token::LlamaToken;
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Texts computed at once by a worker at most. Room for more costs memory and gains nothing.
const N_TEXTS_MAX: usize = 64;

/// A model that is not loaded yet.
pub struct Plan {
    params: GgufParams,
}

impl Plan {
    /// A plan with settings that were checked.
    pub fn new(params: GgufParams) -> Self {
        Plan { params }
    }
}

impl EncoderPlan for Plan {
    fn start(&self, base_dir: &Path) -> Result<Box<dyn Encoder>, EncodeError> {
        Ok(Box::new(Model::load(&self.params, base_dir)?))
    }
}

/// A model that is loaded.
pub struct Model {
    path: PathBuf,
    model: LlamaModel,
    pooling: LlamaPoolingType,
    identity: String,
    /// Tokens of a text that are read.
    max_tokens: usize,
    /// Tokens of a batch of several texts.
    batch_tokens: usize,
    /// Tokens that a worker has room for: a batch, or a long text alone.
    context_tokens: usize,
    n_workers: usize,
}

impl Model {
    /// Loads a model. A relative path starts at `base_dir`.
    ///
    /// # Errors
    /// If it is not a whole GGUF file, says nothing of pooling where the settings leave that to it, has no
    /// vocabulary to read texts with, or llama.cpp refuses it.
    pub fn load(params: &GgufParams, base_dir: &Path) -> Result<Self, EncodeError> {
        let path = base_dir.join(&params.path);
        let bad = |problem: String| EncodeError::BadFile { path: path.clone(), problem };
        let head = gguf::inspect(&path).map_err(|error| bad(error.to_string()))?;
        let (pooling, pooling_name) = pooling(&head, params.pooling).map_err(bad)?;
        let hash = sha256(&path)?;
        let model = library::load(&path, params.gpu_layers).map_err(|error| failed(error.to_string()))?;
        check_vocabulary(&model).map_err(bad)?;
        let max_tokens = params.max_tokens.min(model.n_ctx_train());
        if max_tokens < 8 {
            return Err(bad(format!("reads {} tokens at most, expected 8 or more", model.n_ctx_train())));
        }
        let n_workers = match params.n_workers {
            0 => rayon::current_num_threads(),
            n => n as usize,
        };
        let model = Model {
            identity: format!("gguf sha256={hash} pooling={pooling_name} max_tokens={max_tokens}"),
            path,
            model,
            pooling,
            max_tokens: max_tokens as usize,
            batch_tokens: params.batch_tokens as usize,
            context_tokens: params.batch_tokens.max(max_tokens) as usize,
            n_workers,
        };
        // What memory does not hold is told before there is work.
        model.context().map(drop)?;
        Ok(model)
    }

    /// The tokens of a text, cut to what is read; its markers stay at both ends.
    fn tokens(&self, text: &str) -> Result<Vec<LlamaToken>, EncodeError> {
        let vocab = self.model.vocab();
        // Markers count in front and at the end, and never in what is said.
        let mut tokens = vocab.tokenize(text.as_bytes(), true, false);
        if let Some(last) = tokens.last().copied().filter(|_| tokens.len() > self.max_tokens) {
            tokens.truncate(self.max_tokens);
            if last == vocab.sep() || last == vocab.eos() {
                tokens[self.max_tokens - 1] = last;
            }
        }
        match tokens.iter().any(|token| token.0 < 0) {
            true => Err(self.bad("its vocabulary has no token for words it does not know")),
            false => Ok(tokens),
        }
    }

    fn context(&self) -> Result<LlamaContext<'_>, EncodeError> {
        let (n_tokens, n_texts) = (self.context_tokens as u32, N_TEXTS_MAX as u32);
        library::embedding_context(&self.model, n_tokens, n_texts, self.pooling)
            .map_err(|error| failed(error.to_string()))
    }

    /// Computes batches until none is left, and puts rows where they belong.
    fn work(&self, todo: &Todo<'_>, rows: &Mutex<Matrix>) -> Result<(), EncodeError> {
        let mut context = self.context()?;
        let mut batch = LlamaBatch::new(self.context_tokens, 1);
        while let Some(texts) = todo.take() {
            batch.clear();
            for (sequence, &text) in texts.iter().enumerate() {
                for (position, &token) in todo.tokens[text].iter().enumerate() {
                    let added = batch.add(token, position as i32, &[sequence as i32], true);
                    added.map_err(|error| failed(error.to_string()))?;
                }
            }
            // Models that remember begin anew; others have nothing to forget.
            context.clear_kv_cache();
            let cannot = |problem: String| failed(format!("llama.cpp cannot compute a batch: {problem}"));
            context.decode(&mut batch).map_err(|error| cannot(error.to_string()))?;
            let mut rows = rows.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            for (sequence, &text) in texts.iter().enumerate() {
                let row = context.embeddings_seq_ith(sequence as i32);
                let row = row.map_err(|error| cannot(error.to_string()))?;
                if row.len() != rows.n_cols {
                    return Err(cannot(format!("{} numbers a text, expected {}", row.len(), rows.n_cols)));
                }
                rows.row_mut(text).copy_from_slice(row);
            }
        }
        Ok(())
    }

    fn bad(&self, problem: &str) -> EncodeError {
        EncodeError::BadFile { path: self.path.clone(), problem: problem.to_owned() }
    }
}

/// What is to be computed, handed out batch by batch.
struct Todo<'t> {
    tokens: &'t [Vec<LlamaToken>],
    batches: Vec<Vec<usize>>,
    next: AtomicUsize,
}

impl Todo<'_> {
    fn take(&self) -> Option<&[usize]> {
        self.batches.get(self.next.fetch_add(1, Ordering::Relaxed)).map(Vec::as_slice)
    }
}

impl Encoder for Model {
    fn identity(&self) -> Identity {
        Identity::PerText(self.identity.clone())
    }

    fn encode(&self, entries: &[Entry<'_>], _progress: &dyn Progress) -> Result<Matrix, EncodeError> {
        let tokens =
            entries.iter().map(|entry| self.tokens(entry.text)).collect::<Result<Vec<_>, EncodeError>>()?;
        let lengths: Vec<usize> = tokens.iter().map(Vec::len).collect();
        // How batches are made up depends on the texts alone, not on who computes them.
        let batches = pack(&lengths, self.batch_tokens, N_TEXTS_MAX);
        let n_workers = self.n_workers.min(batches.len());
        let todo = Todo { tokens: &tokens, batches, next: AtomicUsize::new(0) };
        let width = usize::try_from(self.model.n_embd_out()).unwrap_or(0);
        let rows = Mutex::new(Matrix::zeros(entries.len(), width));
        std::thread::scope(|scope| {
            let workers: Vec<_> = (0..n_workers).map(|_| scope.spawn(|| self.work(&todo, &rows))).collect();
            workers.into_iter().try_for_each(|worker| {
                worker.join().unwrap_or_else(|_| Err(failed("a worker of llama.cpp broke off".to_owned())))
            })
        })?;
        Ok(rows.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner))
    }
}

/// How llama.cpp shall pool, and what that is called.
fn pooling(head: &Head, asked: Pooling) -> Result<(LlamaPoolingType, &'static str), String> {
    if head.architecture == "t5" || head.architecture.contains("clip") {
        return Err(format!(
            "general.architecture is \"{}\", expected a model that only reads text, such as \"bert\", or one that only \
             writes it",
            head.architecture
        ));
    }
    match (asked, head.pooling_type) {
        (Pooling::Mean, _) | (Pooling::Model, Some(1)) => Ok((LlamaPoolingType::Mean, "mean")),
        (Pooling::Cls, _) if !head.only_reads() => Err(format!(
            "pooling = \"cls\" takes the vector of the first token, which in a \"{}\" has seen no other; expected \
             \"mean\" or \"last\"",
            head.architecture
        )),
        (Pooling::Cls, _) | (Pooling::Model, Some(2)) => Ok((LlamaPoolingType::Cls, "cls")),
        (Pooling::Last, _) | (Pooling::Model, Some(3)) => Ok((LlamaPoolingType::Last, "last")),
        (Pooling::Model, Some(4)) => {
            Err("is a reranker: it scores pairs of texts and has no vector for one, expected a model of sentence \
                 embeddings"
                .to_owned())
        }
        (Pooling::Model, found) => Err(format!(
            "{}.pooling_type is {}, expected 1 (mean), 2 (cls) or 3 (last): say pooling = \"mean\" or another if the \
             model's makers do, or take a model of sentence embeddings",
            head.architecture,
            found.map_or("missing".to_owned(), |number| number.to_string())
        )),
    }
}

/// Refuses a vocabulary that lacks a marker which llama.cpp would put around every text: it would end the process.
fn check_vocabulary(model: &LlamaModel) -> Result<(), String> {
    let vocab = model.vocab();
    if vocab.n_tokens() < 1 {
        return Err("has no vocabulary, expected one to read texts with".to_owned());
    }
    // Asked by name: the binding has no name for the number of this type.
    let word_pieces = model.meta_val_str("tokenizer.ggml.model").is_ok_and(|name| name == "bert");
    let markers = [
        ("first", vocab.bos(), word_pieces || vocab.should_add_bos()),
        ("last", vocab.sep(), word_pieces || vocab.should_add_sep()),
        ("end", vocab.eos(), vocab.should_add_eos()),
    ];
    match markers.iter().find(|(_, token, wanted)| *wanted && !(0..vocab.n_tokens()).contains(&token.0)) {
        Some((which, token, _)) => Err(format!(
            "its {which} token of a text is {}, expected a place in its vocabulary of {}",
            token.0,
            vocab.n_tokens()
        )),
        None => Ok(()),
    }
}

/// The hash of a whole file, as hexadecimal digits.
fn sha256(path: &Path) -> Result<String, EncodeError> {
    let io = |source| EncodeError::Io { path: path.to_owned(), source };
    let mut file = File::open(path).map_err(io)?;
    let mut hasher = Sha256::new();
    let mut part = vec![0; 1 << 20];
    loop {
        match file.read(&mut part).map_err(io)? {
            0 => break,
            n => hasher.update(&part[..n]),
        }
    }
    Ok(hex(hasher.finalize()))
}

fn failed(problem: String) -> EncodeError {
    EncodeError::Failed { encoder: "gguf".to_owned(), problem }
}
