//! A small world to ask about, and what every faulty recommender must be answered with.

use std::path::PathBuf;
use windtunnel::dataset::{Interaction, Interactions, Item, Vocabulary};
use windtunnel::id::{ItemId, UserId};
use windtunnel::progress::Quiet;
use windtunnel::recommender::{
    self, FitContext, Ranked, RecommendError, Recommender, Request, Trainer, Training,
};
use windtunnel::rng::Streams;

pub const N_USERS: u32 = 6;
pub const N_ITEMS: u32 = 12;

/// Six users, twelve items; user u has the items u and u + 1, rated 3 and 4. Raw ids: `u0`, `i0`, ….
pub struct World {
    train: Interactions,
    valid: Interactions,
    catalogue: Vec<Item>,
    users: Vocabulary,
    items: Vocabulary,
    genres: Vocabulary,
}

impl World {
    pub fn new() -> Self {
        let names = |prefix: &str, n: u32| {
            let mut names = Vocabulary::new();
            (0..n).for_each(|id| assert_eq!(names.intern(&format!("{prefix}{id}")), id));
            names
        };
        let pair = |user: u32, more: u32| Interaction {
            user: UserId(user),
            item: ItemId(user + more),
            rating: 3.0 + more as f32,
            // The later item first.
            order: -i64::from(more),
        };
        let pairs: Vec<Interaction> = (0..N_USERS).flat_map(|user| [pair(user, 0), pair(user, 1)]).collect();
        World {
            train: Interactions::from_sorted(N_USERS as usize, N_ITEMS as usize, &pairs),
            valid: Interactions::from_sorted(N_USERS as usize, N_ITEMS as usize, &[]),
            catalogue: (0..N_ITEMS).map(|k| Item { title: format!("film {k}"), ..Item::default() }).collect(),
            users: names("u", N_USERS),
            items: names("i", N_ITEMS),
            genres: Vocabulary::new(),
        }
    }

    pub fn fit(&self, kind: &str, params: &str) -> Result<Box<dyn Recommender>, RecommendError> {
        let training = Training {
            train: &self.train,
            valid: &self.valid,
            catalogue: &self.catalogue,
            users: &self.users,
            items: &self.items,
            genres: &self.genres,
            has_ratings: true,
            user_profiles: None,
        };
        let mut context = FitContext::plain(Streams::new(42), &Quiet);
        check(kind, params).expect("valid parameters").fit(&training, &mut context)
    }

    pub fn request(&self, user: u32, n: usize) -> Request<'_> {
        let known = if user < N_USERS { self.train.items_of(UserId(user)) } else { &[] };
        Request {
            user: UserId(user),
            luck: 7,
            round: 0,
            page: 2,
            n,
            known,
            shown: &[ItemId(9)],
            feedback: &[],
        }
    }

    /// One request a user, five items each.
    pub fn requests(&self) -> Vec<Request<'_>> {
        (0..N_USERS).map(|user| self.request(user, 5)).collect()
    }
}

/// The trainer of these parameters, or the complaint about them.
pub fn check(kind: &str, params: &str) -> Result<Box<dyn Trainer>, String> {
    let table = params.parse().expect("test TOML");
    let kind = recommender::kind(kind).expect("in the list");
    kind.check("arms.x", &table).map_err(|complaint| complaint.to_string())
}

/// The items of lists, as numbers.
pub fn items(lists: &[Ranked]) -> Vec<Vec<u32>> {
    lists.iter().map(|list| list.items.iter().map(|item| item.0).collect()).collect()
}

/// What a recommender that ranks by item number answers to [`World::requests`].
pub fn in_order() -> Vec<Vec<u32>> {
    let may = |user: u32, item: u32| item != user && item != user + 1 && item != 9;
    (0..N_USERS).map(|user| (0..N_ITEMS).filter(|&item| may(user, item)).take(5).collect()).collect()
}

/// What a recommender can do wrong when it is asked about user `u3`, and what the error must say.
/// The number tells whether the trouble is that list's alone, or the whole answer's.
pub const FAULTS: &[(&str, &str, Spoilt)] = &[
    ("repeats", "item \"i0\" stands at places 1 and 2, expected once", Spoilt::List),
    ("known", "item \"i3\" at place 2 is excluded: the user already has it", Spoilt::List),
    ("shown", "item \"i9\" at place 1 is excluded: this session has shown it", Spoilt::List),
    ("unknown", "item \"x\\\"1\" at place 1 is unknown, expected ids of the catalogue", Spoilt::List),
    ("too_few", "list has 3 items, expected 5", Spoilt::List),
    ("too_many", "list has 6 items, expected 5", Spoilt::List),
    (
        "malformed",
        "answer is not as expected: expected value at line 1 column 1; it begins \"well, \"",
        Spoilt::Answer,
    ),
    ("numbers", "answer is not as expected: invalid type: integer `0`, expected a string", Spoilt::Answer),
    ("not_utf8", "answer is not UTF-8 from byte 2 on", Spoilt::Answer),
    ("oversized", "answer is longer than 2048 bytes", Spoilt::Answer),
    ("endless", "answer is longer than 2048 bytes", Spoilt::Answer),
    ("too_many_lists", "lists, expected ", Spoilt::Answer),
    ("no_lists", "answer has no `lists`, expected one list a request", Spoilt::Answer),
    ("other_protocol", "answer is of protocol 2, expected 1", Spoilt::Answer),
    ("other_message", "answer is to message 1, expected ", Spoilt::Answer),
    ("reports", "it reports an error: \"no model for\\nu3\"", Spoilt::Answer),
];

/// How much one fault spoils.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Spoilt {
    List,
    Answer,
}

/// Fails unless `recommend` names user, page and cause, and `recommend_each` loses user 3 only.
pub fn assert_one_failure(world: &World, model: &dyn Recommender, what: &str, cause: &str, spoilt: Spoilt) {
    let error = model.recommend(&world.requests()).expect_err(what).to_string();
    // A spoilt answer is that of the whole batch, named after its first user.
    let (user, batch) = match spoilt {
        Spoilt::List => ("u3", ""),
        Spoilt::Answer => ("u0", "; so with all 6 users of this batch"),
    };
    let head = format!("recommender answered badly for user {user}, page 2: ");
    assert!(error.starts_with(&head), "{what}: {error}");
    assert!(error.contains(cause), "{what}: {error}");
    assert!(error.contains("; tried 2 times") && error.ends_with(batch), "{what}: {error}");
    assert!(!error.contains('\n'), "{what}: {error}");
    for (user, (answer, expected)) in
        model.recommend_each(&world.requests()).iter().zip(in_order()).enumerate()
    {
        match answer {
            Ok(list) => {
                assert_eq!((user != 3, items(std::slice::from_ref(list))), (true, vec![expected]), "{what}")
            }
            Err(error) => {
                assert_eq!(user, 3, "{what}: {error}");
                assert!(error.cause().contains(cause), "{what}: {error}");
                assert!(error.to_string().contains("user u3, page 2: "), "{what}: {error}");
            }
        }
    }
}

/// The Python to test with, where there is one.
pub fn python() -> Option<String> {
    let python = std::env::var("WINDTUNNEL_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let found = std::process::Command::new(&python).args(["-c", "import json"]).output();
    if found.is_ok_and(|output| output.status.success()) {
        return Some(python);
    }
    eprintln!("SKIPPED: {python} does not run");
    None
}

/// The root of the package.
pub fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}
