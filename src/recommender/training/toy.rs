//! A small world with two tastes, to test training with. Must not be used outside tests.

use super::schedule::Learner;
use crate::dataset::{Interaction, Interactions, Vocabulary};
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
    let none = Vocabulary::new();
    let training = Training {
        train: &train,
        valid: &valid,
        catalogue: &[],
        users: &none,
        items: &none,
        genres: &none,
        has_ratings: false,
        user_profiles: None,
    };
    let mut context = context();
    let model = trainer.fit(&training, &mut context)?;
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
