//! The states of prompts that were computed, kept in memory for prompts that begin alike, on any worker.
//! Must not know how a state is computed or laid out.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A token's number.
pub type Token = i32;

/// How many tokens two prompts share from their beginning.
pub fn shared_prefix(a: &[Token], b: &[Token]) -> usize {
    a.iter().zip(b).take_while(|(left, right)| left == right).count()
}

/// A prompt and its state.
struct Entry<S> {
    speaker: u64,
    tokens: Arc<[Token]>,
    state: Arc<S>,
    used_at: u64,
}

struct Entries<S> {
    kept: Vec<Entry<S>>,
    /// Counts uses: the clock of what was used last.
    now: u64,
}

/// States `S` of the last `n_max` prompts, at most one a speaker.
pub struct Store<S> {
    n_max: usize,
    entries: Mutex<Entries<S>>,
}

impl<S> Store<S> {
    /// An empty store.
    pub fn new(n_max: usize) -> Self {
        Store { n_max, entries: Mutex::new(Entries { kept: Vec::new(), now: 0 }) }
    }

    fn lock(&self) -> MutexGuard<'_, Entries<S>> {
        // Entries are whole between statements, whatever panicked elsewhere.
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps the state of a prompt, in place of the same speaker's last one, else of what was unused for longest.
    pub fn put(&self, speaker: u64, tokens: Arc<[Token]>, state: Arc<S>) {
        let mut entries = self.lock();
        entries.now += 1;
        let entry = Entry { speaker, tokens, state, used_at: entries.now };
        let place = entries.kept.iter().position(|kept| kept.speaker == speaker);
        let place = place.or_else(|| {
            let oldest = || (0..entries.kept.len()).min_by_key(|k| entries.kept[*k].used_at);
            if entries.kept.len() < self.n_max { None } else { oldest() }
        });
        match place {
            Some(k) => entries.kept[k] = entry,
            None => entries.kept.push(entry),
        }
    }

    /// Tokens of `prompt` that a state is kept of.
    pub fn shared_with(&self, prompt: &[Token]) -> usize {
        self.lock().kept.iter().map(|kept| shared_prefix(&kept.tokens, prompt)).max().unwrap_or(0)
    }

    /// The state that shares most with `prompt`, the tokens it is of, and how many are shared.
    pub fn longest(&self, prompt: &[Token]) -> Option<(Arc<S>, Arc<[Token]>, usize)> {
        let mut entries = self.lock();
        entries.now += 1;
        let now = entries.now;
        let shared = |kept: &Entry<S>| shared_prefix(&kept.tokens, prompt);
        // Of equals the shorter, which is faster to bring back.
        let best =
            entries.kept.iter_mut().max_by_key(|kept| (shared(kept), usize::MAX - kept.tokens.len()))?;
        best.used_at = now;
        Some((best.state.clone(), best.tokens.clone(), shared(best)))
    }

    /// Whether a state of this speaker is kept.
    pub fn knows(&self, speaker: u64) -> bool {
        self.lock().kept.iter().any(|kept| kept.speaker == speaker)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(store: &Store<u8>, speaker: u64, tokens: &[Token], state: u8) {
        store.put(speaker, tokens.into(), Arc::new(state));
    }

    #[test]
    fn the_longest_beginning_is_found_and_the_longest_unused_goes() {
        let store = Store::new(2);
        assert!(store.longest(&[1, 2]).is_none());
        put(&store, 1, &[1, 2, 3, 4], 10);
        put(&store, 2, &[1, 2, 9], 20);
        let found = |prompt: &[Token]| store.longest(prompt).map(|(state, _, n)| (*state, n));
        assert_eq!(found(&[1, 2, 3, 7]), Some((10, 3)));
        assert_eq!(found(&[1, 2, 7]), Some((20, 2)), "of equals the shorter");
        assert_eq!(store.shared_with(&[1, 2, 9, 9]), 3);
        // Speaker 1 was used before speaker 2, so it makes room for speaker 3.
        put(&store, 3, &[5], 30);
        assert!(!store.knows(1) && store.knows(2) && store.knows(3));
        // A speaker has one state.
        put(&store, 2, &[1, 2, 8], 21);
        assert_eq!(found(&[1, 2, 8]), Some((21, 3)));
        assert!(store.knows(3));
    }
}
