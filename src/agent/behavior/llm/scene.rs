//! From what an agent has before it to what its model is asked. A prompt runs from what never changes
//! to what changes with every page: rules, person, memories in the order of time, task. Where it does not
//! fit into the model, the least salient memories are left out. Must not know who answers.

use super::persona::TITLE_CHARS_MAX;
use super::prompts::Prompts;
use super::reply;
use crate::agent::behavior::Visit;
use crate::agent::facts::Facts;
use crate::agent::memory::{Emotional, Factual, recency};
use crate::agent::profile::Agents;
use crate::id::ItemId;
use crate::llm::client::prompt_tokens;
use crate::llm::fence::fenced;
use crate::llm::shape::Shape;
use crate::llm::{Backend, ChatRequest, Message, Role, Sampling};
use crate::rng::{Purpose, Streams};
use minijinja::context;
use rand::RngExt;
use std::sync::Arc;

/// Characters of a summary.
const SUMMARY_CHARS_MAX: usize = 200;
/// Characters of a title in a memory.
const REMEMBERED_TITLE_CHARS_MAX: usize = 48;
/// Genres named of an item.
const N_GENRES_MAX: usize = 3;

/// The tasks of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Task {
    /// Align, watch and rate.
    Page,
    /// Next or exit.
    Decide,
    /// Take stock.
    Reflect,
    /// After the exit.
    Interview,
}

impl Task {
    /// Its template, and its name in the stream of a request.
    pub fn name(self) -> &'static str {
        match self {
            Task::Page => "page",
            Task::Decide => "decide",
            Task::Reflect => "reflect",
            Task::Interview => "interview",
        }
    }

    /// Whose luck it is.
    fn purpose(self) -> Purpose {
        match self {
            Task::Page => Purpose::Watch,
            Task::Decide => Purpose::Exit,
            Task::Reflect => Purpose::Reflect,
            Task::Interview => Purpose::Interview,
        }
    }
}

/// How agents are asked: everything about it that is the same for all of them.
pub struct Stage {
    /// The words.
    pub prompts: Prompts,
    /// What agents know.
    pub facts: Arc<Facts>,
    /// Everybody's taste in words, by user.
    pub tastes: Vec<String>,
    /// Everybody.
    pub agents: Agents,
    /// What an advert says.
    pub advert: String,
    /// The run's randomness.
    pub streams: Streams,
    /// How replies are drawn.
    pub temperature: f32,
    /// Nucleus.
    pub top_p: f32,
    /// Characters of a text that an agent writes.
    pub text_chars: usize,
    /// Whether the decision is part of the reply to a page.
    pub decides_with_page: bool,
    /// Pages of a session at most.
    pub pages_max: u32,
}

/// A request, and how many memories had to be left out of it.
#[derive(Clone, Debug)]
pub struct Asked {
    /// The request.
    pub request: ChatRequest,
    /// Memories left out for want of room.
    pub n_forgotten: u32,
}

/// Why a request cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum SceneError {
    /// A template asks for what is not there.
    #[error("prompt template: {0}")]
    Template(#[from] minijinja::Error),
    /// Not even without memories does the prompt fit.
    #[error("the prompt does not fit into the model's context even without memories")]
    TooLong,
}

impl Stage {
    /// The shape of a reply to this task.
    pub fn shape(&self, task: Task, n_slots: usize) -> Shape {
        match task {
            Task::Page => reply::page(n_slots, self.text_chars, self.decides_with_page),
            Task::Decide => reply::decision(self.text_chars),
            Task::Reflect => reply::reflection(self.text_chars),
            Task::Interview => reply::interview(self.text_chars),
        }
    }

    /// What this agent's model is asked, so that it fits into what `backend` holds.
    pub fn ask(&self, task: Task, visit: &Visit<'_>, backend: &dyn Backend) -> Result<Asked, SceneError> {
        let shape = self.shape(task, visit.items.len());
        let max_tokens = reply::tokens_max(&shape);
        let room = backend.context_tokens().saturating_sub(max_tokens);
        let mut memories = self.memories(visit);
        let n_memories = memories.len();
        let mut request = self.request(task, visit, &memories, shape, max_tokens)?;
        while prompt_tokens(backend, &request) > room {
            let least = (0..memories.len())
                .min_by(|&a, &b| memories[a].salience.total_cmp(&memories[b].salience))
                .ok_or(SceneError::TooLong)?;
            memories.remove(least);
            request.messages = self.messages(task, visit, &memories)?;
        }
        Ok(Asked { request, n_forgotten: (n_memories - memories.len()) as u32 })
    }

    fn request(
        &self,
        task: Task,
        visit: &Visit<'_>,
        memories: &[Remembered<'_>],
        shape: Shape,
        max_tokens: u32,
    ) -> Result<ChatRequest, SceneError> {
        let (agent, round, page) = (visit.profile.agent, visit.round, visit.page);
        let mut luck = self.streams.stream(task.purpose(), round, u64::from(agent.0), page);
        let sampling = Sampling {
            temperature: self.temperature,
            top_p: self.top_p,
            max_tokens,
            // Servers take whole numbers that fit into 53 bits.
            seed: luck.random::<u64>() >> 11,
        };
        let raw = self.agents.raw_id(agent);
        Ok(ChatRequest {
            messages: self.messages(task, visit, memories)?,
            sampling,
            shape: Some(Arc::new(shape)),
            stream: format!("agent {raw}, round {round}, page {page}, {}", task.name()),
            speaker: u64::from(agent.0),
        })
    }

    fn messages(
        &self,
        task: Task,
        visit: &Visit<'_>,
        memories: &[Remembered<'_>],
    ) -> Result<Vec<Message>, SceneError> {
        let system = context! { decides_with_page => self.decides_with_page, text_chars => self.text_chars };
        // The person is part of the rules: a tape keeps it once, and a server may cache it with them.
        let rules =
            [self.prompts.fill("system", system)?, self.prompts.fill("profile", self.profile(visit))?];
        let parts = [
            self.prompts.fill("memory", context! { memories => lines(memories, &self.facts) })?,
            self.prompts.fill(task.name(), self.task(task, visit))?,
        ];
        let parts: Vec<String> = parts.into_iter().filter(|part| !part.is_empty()).collect();
        Ok(vec![
            Message { role: Role::System, content: rules.join("\n") },
            Message { role: Role::User, content: parts.join("\n") },
        ])
    }

    fn profile(&self, visit: &Visit<'_>) -> minijinja::Value {
        let tiers = visit.profile.tiers;
        let [activity, diversity, conformity] =
            self.prompts.traits(tiers.activity, tiers.diversity, tiers.conformity);
        context! { activity, diversity, conformity, taste => &self.tastes[visit.profile.user.idx()] }
    }

    fn task(&self, task: Task, visit: &Visit<'_>) -> minijinja::Value {
        let items: Vec<_> = match task {
            Task::Page => (0..visit.items.len()).map(|place| self.item(visit, place)).collect(),
            _ => Vec::new(),
        };
        context! { page => visit.page, pages_max => self.pages_max, items }
    }

    fn item(&self, visit: &Visit<'_>, place: usize) -> minijinja::Value {
        let item = visit.items[place];
        let is_advertised = visit.advertised.get(place).copied().unwrap_or(false);
        let about = &self.facts.catalogue[item.idx()];
        let genres: Vec<String> = about
            .genres
            .iter()
            .take(N_GENRES_MAX)
            .map(|genre| fenced(&self.facts.genre_names[genre.idx()], TITLE_CHARS_MAX))
            .collect();
        context! {
            slot => place + 1,
            title => fenced(&about.title, TITLE_CHARS_MAX),
            genres => genres.join(", "),
            mean_rating => self.mean_rating(item).filter(|_| visit.cues.rating),
            n_people => visit.cues.popularity.then(|| self.facts.n_people[item.idx()]),
            advert => is_advertised.then(|| fenced(&self.advert, TITLE_CHARS_MAX)),
            // What a model wrote of the item stands in for a summary.
            summary => about.summary.as_ref().or(about.profile.as_ref()).map(|text| fenced(text, SUMMARY_CHARS_MAX)),
        }
    }

    fn mean_rating(&self, item: ItemId) -> Option<String> {
        self.facts.mean_ratings[item.idx()].map(|mean| format!("{mean:.1}"))
    }

    /// Everything the agent remembers, oldest first.
    fn memories<'a>(&self, visit: &Visit<'a>) -> Vec<Remembered<'a>> {
        let memory = visit.memory;
        let salience = memory.salience(visit.items, visit.page, &self.facts);
        let facts = memory.factual().iter().zip(salience).map(|(entry, salience)| Remembered {
            page: entry.page,
            salience,
            what: What::Fact(entry),
        });
        let feelings = memory.emotional().iter().map(|entry| Remembered {
            page: entry.page,
            // A feeling matters as much as a fact can, and bears on everything.
            salience: recency(entry.page, visit.page) + 2.0,
            what: What::Feeling(entry),
        });
        let mut all: Vec<Remembered<'a>> = facts.chain(feelings).collect();
        all.sort_by_key(|remembered| (remembered.page, matches!(remembered.what, What::Feeling(_))));
        all
    }
}

/// One memory, and how much it comes to mind.
#[derive(Clone, Debug)]
struct Remembered<'a> {
    page: u32,
    salience: f32,
    what: What<'a>,
}

#[derive(Clone, Debug)]
enum What<'a> {
    Fact(&'a Factual),
    Feeling(&'a Emotional),
}

/// The memories in words, a line a page and a line a feeling.
fn lines(memories: &[Remembered<'_>], facts: &Facts) -> Vec<String> {
    let mut lines = Vec::new();
    for of_page in memories.chunk_by(|a, b| a.page == b.page) {
        let page = of_page[0].page;
        let (mut used, mut left) = (Vec::new(), Vec::new());
        for remembered in of_page {
            let What::Fact(fact) = remembered.what else { continue };
            let title = fenced(&facts.catalogue[fact.item.idx()].title, REMEMBERED_TITLE_CHARS_MAX);
            match (fact.watched, fact.rating) {
                (true, Some(rating)) => used.push(format!("{title} ({rating} of 5)")),
                (true, None) => used.push(title),
                (false, _) => left.push(title),
            }
        }
        let part = |what: &str, titles: &[String]| match titles {
            [] => String::new(),
            titles => format!(" {what} {}.", titles.join("; ")),
        };
        if !(used.is_empty() && left.is_empty()) {
            lines.push(format!("page {page}:{}{}", part("used", &used), part("left", &left)));
        }
        for remembered in of_page {
            if let What::Feeling(feeling) = remembered.what {
                let tenths = |share: f32| (share * 10.0).round() as i32;
                lines.push(format!(
                    "after page {page}: satisfied {} of 10, tired {} of 10. {}",
                    tenths(feeling.mood.satisfaction),
                    tenths(feeling.mood.fatigue),
                    fenced(&feeling.text, SUMMARY_CHARS_MAX)
                ));
            }
        }
    }
    lines
}
