//! Taste in words: a model writes each person's from a sample of their ratings, once, into a file that
//! somebody can read and mend. Must not know sessions.

use super::persona::{PersonaEntry, PersonaFile, TITLE_CHARS_MAX, sampled};
use super::prompts::Prompts;
use super::reply;
use crate::agent::behavior::{BehaviorError, Setting};
use crate::id::UserId;
use crate::llm::client::Caller;
use crate::llm::fence::fenced;
use crate::llm::{ChatRequest, Message, Role, Sampling};
use crate::progress::Progress;
use minijinja::context;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

/// Characters of a sentence of taste.
const SENTENCE_CHARS_MAX: usize = 160;
/// Genres named of a rated item.
const N_GENRES_MAX: usize = 3;

/// A file of personas, and who could not be described.
#[derive(Clone, Debug, Default)]
pub struct Biographies {
    /// The personas.
    pub file: PersonaFile,
    /// Raw user id and cause, by user.
    pub failures: Vec<(String, String)>,
}

/// How long a reply is waited for before the work looks whether it is to stop.
const WAIT_MAX: Duration = Duration::from_millis(50);

/// Has the model describe everybody who will be simulated and has rated anything.
pub fn write(
    prompts: &Prompts,
    model: &str,
    setting: &Setting<'_>,
    progress: &dyn Progress,
) -> Result<Biographies, BehaviorError> {
    let caller = Caller { model: setting.llm.model(model)?, arm: "personas".into() };
    let users: BTreeSet<UserId> = setting.agents.users().collect();
    let users: Vec<UserId> =
        users.into_iter().filter(|&user| !setting.evidence.items_of(user).is_empty()).collect();
    progress.begin("write personas", users.len() as u64);
    let (sender, arrivals) = channel();
    for &user in &users {
        let request = request(prompts, setting, user)
            .map_err(|error| BehaviorError::BadInput(format!("prompt template: {error}")))?;
        let (client, caller, sender) = (setting.llm.clone(), caller.clone(), sender.clone());
        setting.llm.spawn(async move {
            let said = client.converse(&caller, request).await;
            // Nobody listens any more only where the work has been given up.
            let _ = sender.send((user, said));
        })?;
    }
    drop(sender);
    let mut found = Biographies::default();
    let mut failures = Vec::new();
    loop {
        progress.go_on()?;
        let (user, said) = match arrivals.recv_timeout(WAIT_MAX) {
            Ok(arrived) => arrived,
            Err(RecvTimeoutError::Timeout) => continue,
            Err(RecvTimeoutError::Disconnected) => break,
        };
        let raw = setting.dataset.users.raw(user.0).to_owned();
        match said {
            Ok(said) => {
                let taste = reply::tasted(&said, SENTENCE_CHARS_MAX);
                found.file.users.insert(raw, PersonaEntry { taste });
            }
            Err(error) if error.stops_run() => return Err(error.into()),
            Err(error) => failures.push((user, raw, error.to_string())),
        }
        progress.advance(1, &setting.llm.remark());
    }
    progress.end();
    failures.sort();
    found.failures = failures.into_iter().map(|(_, raw, cause)| (raw, cause)).collect();
    found.file.about =
        format!("Taste of {} people, written by {model} from ratings.", found.file.users.len());
    Ok(found)
}

fn request(prompts: &Prompts, setting: &Setting<'_>, user: UserId) -> Result<ChatRequest, minijinja::Error> {
    let catalogue = &setting.dataset.catalogue;
    let line = |told: &super::persona::Told| {
        let item = &catalogue[told.item.idx()];
        let genres: Vec<&str> =
            item.genres.iter().take(N_GENRES_MAX).map(|g| setting.dataset.genres.raw(g.0.into())).collect();
        let rating = told.rating.map_or_else(|| "used".to_owned(), |rating| format!("{rating:.0} of 5"));
        let (title, genres) =
            (fenced(&item.title, TITLE_CHARS_MAX), fenced(&genres.join(", "), TITLE_CHARS_MAX));
        format!("{rating} | {title} | {genres}")
    };
    let told = sampled(setting.dataset, setting.evidence, user, setting.streams);
    let ratings: Vec<String> = told.iter().map(line).collect();
    let shape = reply::taste(SENTENCE_CHARS_MAX);
    Ok(ChatRequest {
        messages: vec![
            Message { role: Role::System, content: prompts.fill("taste_system", context! {})? },
            Message { role: Role::User, content: prompts.fill("taste", context! { ratings })? },
        ],
        // A description is to be the same whenever it is asked for, as far as the model allows.
        sampling: Sampling { temperature: 0.0, top_p: 1.0, max_tokens: reply::tokens_max(&shape), seed: 0 },
        shape: Some(Arc::new(shape)),
        stream: format!("user {}, taste", setting.dataset.users.raw(user.0)),
        speaker: u64::from(user.0),
    })
}
