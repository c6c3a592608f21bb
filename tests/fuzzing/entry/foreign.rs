//! Answers of recommenders in other processes. The input is cut at line ends; each line answers one message, and what
//! is left when lines run out is silence.

use super::words;
use std::collections::VecDeque;
use std::time::Duration;
use windtunnel::dataset::{Interaction, Interactions, Item, Vocabulary};
use windtunnel::id::{ItemId, UserId};
use windtunnel::recommender::foreign::remote::{Fault, Remote, Settings, Transport};
use windtunnel::recommender::foreign::roster::Roster;
use windtunnel::recommender::{Request, Training};
use windtunnel::rng::Streams;

/// Answers that are known beforehand; `ID` in a line stands for the number of the message.
struct Scripted {
    lines: VecDeque<Vec<u8>>,
    n_asked: u64,
}

impl Transport for Scripted {
    fn exchange(&mut self, _message: &[u8], _timeout: Duration) -> Result<Vec<u8>, Fault> {
        self.n_asked += 1;
        let line = self.lines.pop_front().ok_or_else(|| Fault::Silent("nobody answers".to_owned()))?;
        match line.windows(2).position(|pair| pair == b"ID") {
            Some(at) => Ok([&line[..at], self.n_asked.to_string().as_bytes(), &line[at + 2..]].concat()),
            None => Ok(line),
        }
    }

    fn hang_up(&mut self) {}
}

/// Greets, and asks for three people in one message and one by one.
pub fn plugin_message(data: &[u8]) {
    let lines = data.split(|&byte| byte == b'\n').map(<[u8]>::to_vec).collect();
    let settings = Settings {
        batch_size: 2,
        timeout: Duration::from_secs(1),
        start_timeout: Duration::from_secs(1),
        // A retry pauses.
        retries: 0,
        streams: Streams::new(1),
    };
    let transport = Box::new(Scripted { lines, n_asked: 0 });
    let remote = match Remote::connect("a stranger", roster(), settings, transport) {
        Ok(remote) => remote,
        Err(error) => return drop(words(&error)),
    };
    let shown = [ItemId(4)];
    let request = |user: u32, n: usize| Request {
        user: UserId(user),
        luck: 7,
        round: 0,
        page: 2,
        n,
        known: &[0, 2],
        shown: &shown,
        feedback: &[],
    };
    let requests = [request(0, 3), request(1, 2), request(9, 1)];
    let expected = |n: usize, list: &windtunnel::recommender::Ranked| {
        assert_eq!((list.items.len(), list.scores.len()), (n, n), "a list that is taken is whole");
        assert!(list.items.iter().all(|item| ![0, 2, 4].contains(&item.0)));
    };
    for (request, list) in requests.iter().zip(remote.recommend_each(&requests)) {
        match list {
            Ok(list) => expected(request.n, &list),
            Err(error) => drop(words(&error)),
        }
    }
    if let Ok(lists) = remote.recommend(&requests) {
        requests.iter().zip(&lists).for_each(|(request, list)| expected(request.n, list));
    }
}

/// Four people and eight items.
fn roster() -> Roster {
    let mut users = Vocabulary::new();
    (0..4).for_each(|id| _ = users.intern(&format!("u{id}")));
    let mut items = Vocabulary::new();
    (0..8).for_each(|id| _ = items.intern(&format!("i{id}")));
    let pairs: Vec<Interaction> = (0..4)
        .flat_map(|user| {
            [0, 2].map(|item| Interaction { user: UserId(user), item: ItemId(item), rating: 3.0, order: 1 })
        })
        .collect();
    let training = Training {
        train: &Interactions::from_sorted(4, 8, &pairs),
        valid: &Interactions::from_sorted(4, 8, &[]),
        catalogue: &vec![Item::default(); 8],
        users: &users,
        items: &items,
        genres: &Vocabulary::new(),
        has_ratings: true,
        user_profiles: None,
    };
    Roster::new(&training, 10).expect("a roster of good ids")
}
