//! All that one agent did and said: a session, and the words that go with it. Must not know
//! where it was read, or who will read it.

use super::Session;
use crate::id::AgentId;

/// A session with its texts.
#[derive(Clone, Debug, PartialEq)]
pub struct Story {
    /// What happened.
    pub session: Session,
    /// What was said, in the order of the log; a text is empty where there were no words.
    pub words: Vec<Words>,
}

/// A text of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Words {
    /// On which page, from 1.
    pub page: u32,
    /// What it is about.
    pub about: About,
    /// The words.
    pub text: String,
}

/// What words can be about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum About {
    /// What the item in this slot, from 0, felt like.
    Rating {
        /// Place on the page.
        slot: u32,
    },
    /// How it goes so far.
    Reflection,
    /// That memories were left out of what the agent was asked.
    Forgetting,
    /// Why the session ended.
    Exit,
    /// What the agent said in the interview.
    Interview,
    /// What went wrong.
    Failure {
        /// In which step.
        step: String,
    },
}

impl Story {
    /// A story in which nothing has happened yet.
    pub fn new(round: u32, agent: AgentId) -> Self {
        Story { session: Session::new(round, agent), words: Vec::new() }
    }

    /// The words about this on this page; empty where there are none.
    pub fn words(&self, page: u32, about: &About) -> &str {
        let found = self.words.iter().find(|words| words.page == page && words.about == *about);
        found.map_or("", |words| &words.text)
    }

    /// The words of the interview; empty where there was none.
    pub fn interview(&self) -> &str {
        let found = self.words.iter().find(|words| words.about == About::Interview);
        found.map_or("", |words| &words.text)
    }
}
