//! Calls of a language model side by side, for somebody who waits for them. Conversations run on the client's own
//! threads and come back over a channel, so that waiting on any thread, a worker of `rayon` included, holds up
//! nobody. Must not know what is asked.

use crate::llm::client::{Caller, Client};
use crate::llm::{ChatRequest, LlmError};
use serde_json::Value;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

/// Which call a reply belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tag {
    /// The request, by its place in the batch.
    pub at: usize,
    /// The shuffled round, from 0.
    pub round: usize,
}

type Arrival = (Tag, Result<Value, LlmError>);

/// Calls under way.
pub struct Calls<'a> {
    client: &'a Arc<Client>,
    caller: &'a Caller,
    sender: Sender<Arrival>,
    arrivals: Receiver<Arrival>,
    n_under_way: usize,
}

impl<'a> Calls<'a> {
    /// None yet.
    pub fn new(client: &'a Arc<Client>, caller: &'a Caller) -> Self {
        let (sender, arrivals) = channel();
        Calls { client, caller, sender, arrivals, n_under_way: 0 }
    }

    /// Calls that have not come back.
    pub fn n_under_way(&self) -> usize {
        self.n_under_way
    }

    /// Has a call answered.
    pub fn send(&mut self, tag: Tag, request: ChatRequest) {
        let promise = Promise { tag, sender: Some(self.sender.clone()) };
        let (client, caller) = (self.client.clone(), self.caller.clone());
        self.n_under_way += 1;
        let work = async move {
            let said = client.converse(&caller, request).await;
            promise.keep(said);
        };
        // Where nothing can be spawned, the work is dropped and its promise says that it broke off.
        let _ = self.client.spawn(work);
    }

    /// Waits for the next reply, whichever it is.
    ///
    /// # Panics
    /// When nothing is under way.
    pub fn wait(&mut self) -> Arrival {
        assert!(self.n_under_way > 0, "nothing is under way");
        self.n_under_way -= 1;
        self.arrivals.recv().expect("one end of the channel is held here")
    }
}

/// A reply that will come, whatever happens to the conversation.
struct Promise {
    tag: Tag,
    sender: Option<Sender<Arrival>>,
}

impl Promise {
    fn keep(mut self, said: Result<Value, LlmError>) {
        if let Some(sender) = self.sender.take() {
            // Nobody listens any more only where the batch has been given up.
            let _ = sender.send((self.tag, said));
        }
    }
}

impl Drop for Promise {
    fn drop(&mut self) {
        if let Some(sender) = self.sender.take() {
            let _ = sender.send((self.tag, Err(LlmError::Stop("a conversation broke off".to_owned()))));
        }
    }
}
