//! A small world with two tastes, to test training with. Must not be used outside tests.

use super::schedule::Learner;
use crate::dataset::{Interaction, Interactions, Item, Vocabulary};
use crate::id::{ItemId, UserId};
use crate::progress::Quiet;
use crate::recommender::{CurvePoint, FitContext, RecommendError, Recommender, Request, Trainer, Training};
use crate::rng::{Purpose, Streams};
use rand::RngExt;
use std::collections::BTreeMap;

/// Users, half of either taste; large enough for two blocks.
pub const N_USERS: usize = 120;
/// Items, likewise; the last user and the last item have no interactions.
pub const N_ITEMS: usize = 110;

/// What came out of a fit.
pub struct Fit {
    /// Share of the top 10 that is of the user's own taste, over users with training items.
    pub share_of_own_taste: f64,
    /// Every saved file, by name.
    pub files: BTreeMap<String, Vec<u8>>,
    /// The learning curve.
    pub curve: Vec<CurvePoint>,
    /// The model.
    pub model: Box<dyn Recommender>,
}

/// Train and validation interactions: even users have even items, odd users odd ones.
pub fn interactions() -> (Interactions, Interactions) {
    let mut rng = Streams::new(11).stream(Purpose::Synthesis, 0, 0, 0);
    let (mut train, mut valid) = (Vec::new(), Vec::new());
    for user in 0..N_USERS as u32 - 1 {
        for item in (user % 2..N_ITEMS as u32 - 1).step_by(2) {
            let x = Interaction { user: UserId(user), item: ItemId(item), rating: 1.0, order: 0 };
            match rng.random_range(0..10) {
                0..4 => train.push(x),
                4 => valid.push(x),
                _ => {}
            }
        }
    }
    let table = |all: &[Interaction]| Interactions::from_sorted(N_USERS, N_ITEMS, all);
    (table(&train), table(&valid))
}

/// Fits on this many threads.
pub fn fit(trainer: &dyn Trainer, n_threads: usize) -> Fit {
    try_fit(trainer, n_threads).expect("the toy world can be learned")
}

/// Fits on this many threads; may fail.
pub fn try_fit(trainer: &dyn Trainer, n_threads: usize) -> Result<Fit, RecommendError> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(n_threads).build().expect("a thread pool");
    pool.install(|| fit_here(trainer))
}

/// The surroundings of a fit.
pub fn context() -> FitContext<'static> {
    FitContext::plain(Streams::new(1), &Quiet)
}

/// [`Learner::state`] holds all that an epoch depends on: a fresh learner given the state
/// of another goes on as that one does.
pub fn assert_resumes<L: Learner>(make: impl Fn() -> L) {
    let (mut straight, mut resumed) = (make(), make());
    straight.epoch(1);
    straight.epoch(2);
    for (to, from) in resumed.state().into_iter().zip(straight.state()) {
        to.clone_from(from);
    }
    assert_eq!(straight.epoch(3), resumed.epoch(3), "loss");
    assert!(straight.state() == resumed.state(), "state");
}

fn fit_here(trainer: &dyn Trainer) -> Result<Fit, RecommendError> {
    let (train, valid) = interactions();
    let mut context = context();
    let world = World::new(&train, &valid);
    let model = trainer.fit(&world.training(), &mut context)?;
    let dir = tempfile::tempdir().expect("a folder");
    model.save(dir.path())?;
    let files = std::fs::read_dir(dir.path()).expect("the folder").map(|entry| {
        let entry = entry.expect("an entry");
        let name = entry.file_name().to_string_lossy().into_owned();
        (name, std::fs::read(entry.path()).expect("the file"))
    });
    let files = files.collect();
    Ok(Fit { share_of_own_taste: own_taste(&*model, &train), files, curve: context.curve, model })
}

/// All that belongs to a training set.
pub struct World<'a> {
    train: &'a Interactions,
    valid: &'a Interactions,
    catalogue: Vec<Item>,
    users: Vocabulary,
    items: Vocabulary,
    genres: Vocabulary,
}

impl<'a> World<'a> {
    /// What belongs to these interactions.
    pub fn new(train: &'a Interactions, valid: &'a Interactions) -> Self {
        let names = |n: usize| {
            let mut names = Vocabulary::new();
            (0..n).for_each(|id| _ = names.intern(&id.to_string()));
            names
        };
        World {
            train,
            valid,
            catalogue: (0..N_ITEMS as u32).map(item).collect(),
            users: names(N_USERS),
            items: names(N_ITEMS),
            genres: Vocabulary::new(),
        }
    }

    /// As a recommender sees it.
    pub fn training(&self) -> Training<'_> {
        Training {
            train: self.train,
            valid: self.valid,
            catalogue: &self.catalogue,
            users: &self.users,
            items: &self.items,
            genres: &self.genres,
            has_ratings: false,
            user_profiles: None,
        }
    }
}

/// An item whose two words stand in some other items of its parity and in no others.
fn item(item: u32) -> Item {
    const FIRST: [[&str; 6]; 2] = [
        ["harbour", "lantern", "meadow", "orchard", "river", "valley"],
        ["bridge", "crane", "factory", "market", "tower", "tunnel"],
    ];
    const SECOND: [[&str; 5]; 2] =
        [["autumn", "dawn", "frost", "harvest", "thunder"], ["clock", "engine", "signal", "trolley", "wire"]];
    let (parity, number) = ((item % 2) as usize, (item / 2) as usize);
    let title = format!("{} {}", FIRST[parity][number % 6], SECOND[parity][number % 5]);
    Item { title, ..Item::default() }
}

/// A request for the top of a user's list, training items excluded.
pub fn request(train: &Interactions, user: u32, n: usize) -> Request<'_> {
    let known = if (user as usize) < N_USERS { train.items_of(UserId(user)) } else { &[] };
    Request { user: UserId(user), luck: 0, round: 0, page: 1, n, known, shown: &[], feedback: &[] }
}

fn own_taste(model: &dyn Recommender, train: &Interactions) -> f64 {
    let requests: Vec<Request<'_>> = (0..N_USERS as u32 - 1).map(|u| request(train, u, 10)).collect();
    let lists = model.recommend(&requests).expect("lists");
    let own = requests.iter().zip(&lists).flat_map(|(request, list)| {
        list.items.iter().map(|item| f64::from(u8::from(item.0 % 2 == request.user.0 % 2)))
    });
    own.sum::<f64>() / (10 * requests.len()) as f64
}
