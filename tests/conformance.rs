//! One suite for every recommender in the list: what a caller may rely on, whoever ranks.
//!
//! A new recommender joins by standing in `recommender::ALL`. Where its defaults are meant
//! for data larger than the toy worlds here, it gets a line in `toy_params`. Recommenders
//! that need something outside this process are tested where that something can be had.

use rand::RngExt;
use std::collections::BTreeSet;
use std::path::Path;
use windtunnel::dataset::{Interaction, Interactions, Item, Vocabulary};
use windtunnel::id::{GenreId, ItemId, UserId};
use windtunnel::progress::Quiet;
use windtunnel::recommender::without::Without;
use windtunnel::recommender::{
    ALL, Feedback, FitContext, Needs, Ranked, RecommendError, Recommender, RecommenderKind, Request,
    Surroundings, Training, Wrapped,
};
use windtunnel::rng::{Purpose, Streams};

/// Recommenders that by definition give everybody the same or anything: nothing to learn. `boost` puts others first on
/// purpose.
const NOT_PERSONAL: [&str; 3] = ["boost", "popular", "random"];

/// What those that wrap another wrap here.
const INNER: &str = "item_knn";

/// What must be given, whatever else is said.
fn given(kind: &dyn RecommenderKind) -> String {
    let wraps = kind.about().needs == Needs::Arm;
    if wraps { format!("wraps = \"{INNER}\"") } else { String::new() }
}

/// Hyper-parameters that suit a world of a few dozen users, where the defaults do not.
fn toy_params(name: &str) -> &'static str {
    match name {
        // One factor is enough to tell two parities apart.
        "als" => "embedding_size = 4\nepochs = 10",
        "alpharec" => "embedding_size = 16\nepochs = 60\nlearning_rate = 0.01",
        // Little enough exploration that what is best comes first.
        "epsilon_greedy" => "epsilon = 0.001",
        "softmax" => "temperature = 0.02",
        "thompson" => "scale = 0.01",
        "lightgcn" => "embedding_size = 16\nepochs = 60",
        // Fifty items need no more.
        "rlmrec" => "embedding_size = 16\nepochs = 60\nalignment = 0.01",
        "two_tower" => "embedding_size = 16\nepochs = 30\nbatch_size = 256\nlearning_rate = 0.01",
        "mult_vae" => {
            "hidden_size = 40\nembedding_size = 8\nepochs = 40\nlearning_rate = 0.01\nbatch_size = 16"
        }
        _ => "",
    }
}

/// Everything in the list that can be tested without help from outside.
fn kinds() -> impl Iterator<Item = &'static dyn RecommenderKind> {
    ALL.iter().copied().filter(|kind| ![Needs::Foreign, Needs::Llm].contains(&kind.about().needs))
}

/// An item whose two words stand in some other items of its parity and in no others.
fn about(item: u32) -> Item {
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

/// A training set with all that belongs to it.
struct World {
    train: Interactions,
    valid: Interactions,
    catalogue: Vec<Item>,
    users: Vocabulary,
    items: Vocabulary,
    genres: Vocabulary,
}

impl World {
    fn new(n_users: u32, n_items: u32, pairs: impl IntoIterator<Item = (u32, u32)>) -> Self {
        let pairs: Vec<Interaction> = pairs
            .into_iter()
            .enumerate()
            .map(|(order, (user, item))| Interaction {
                user: UserId(user),
                item: ItemId(item),
                rating: 4.0,
                order: order as i64,
            })
            .collect();
        let (rows, columns) = (n_users as usize, n_items as usize);
        let names = |prefix: &str, n: u32| {
            let mut names = Vocabulary::new();
            (0..n).for_each(|id| assert_eq!(names.intern(&format!("{prefix}{id}")), id));
            names
        };
        World {
            train: Interactions::from_sorted(rows, columns, &pairs),
            valid: Interactions::from_sorted(rows, columns, &[]),
            catalogue: (0..n_items).map(about).collect(),
            users: names("u", n_users),
            items: names("i", n_items),
            genres: Vocabulary::new(),
        }
    }

    /// Users and items of one parity like each other; user u never met item u.
    fn checkerboard(n: u32) -> Self {
        let pairs = (0..n).flat_map(|u| (u % 2..n).step_by(2).filter(move |&i| i != u).map(move |i| (u, i)));
        World::new(n, n, pairs)
    }

    /// 90 users in three camps, 70 items, noise; users 7 and 89 and items 5 and 69 met nobody.
    fn camps() -> Self {
        let mut rng = Streams::new(11).stream(Purpose::Synthesis, 0, 0, 0);
        let mut pairs = Vec::new();
        for user in 0..90 {
            for item in 0..70 {
                let chance = if user % 3 == item % 3 { 0.5 } else { 0.08 };
                let met = rng.random_bool(chance);
                if met && ![7, 89].contains(&user) && ![5, 69].contains(&item) {
                    pairs.push((user, item));
                }
            }
        }
        let mut world = World::new(90, 70, pairs);
        (0..4).for_each(|genre| assert_eq!(world.genres.intern(&format!("g{genre}")), genre));
        for (number, item) in world.catalogue.iter_mut().enumerate() {
            // Every eleventh item has none.
            let genres = (0..4u16).filter(|&genre| number % 11 != 0 && (number >> genre) % 2 == 1);
            item.genres = genres.map(GenreId).collect();
        }
        world
    }

    fn n_items(&self) -> usize {
        self.train.matrix.n_cols
    }

    fn fit(&self, kind: &dyn RecommenderKind, params: &str) -> Box<dyn Recommender> {
        self.try_fit(kind, params).expect("a fit of the toy world")
    }

    fn try_fit(
        &self,
        kind: &dyn RecommenderKind,
        params: &str,
    ) -> Result<Box<dyn Recommender>, RecommendError> {
        let params = format!("{params}\n{}\n{}", given(kind), toy_params(kind.name()));
        let table = params.parse().expect("test TOML");
        let trainer = kind.check("arms.x", &table).expect("valid parameters");
        let training = Training {
            train: &self.train,
            valid: &self.valid,
            catalogue: &self.catalogue,
            users: &self.users,
            items: &self.items,
            genres: &self.genres,
            has_ratings: false,
            user_profiles: None,
        };
        let mut context = FitContext::plain(Streams::new(42), &Quiet);
        if let Some(inner) = trainer.wraps() {
            let kind = windtunnel::recommender::kind(inner).expect("in the list");
            context.wrapped = Some(Wrapped { kind, model: self.try_fit(kind, "")?.into() });
        }
        trainer.fit(&training, &mut context)
    }

    fn request(&self, user: u32, n: usize) -> Request<'_> {
        let known =
            if (user as usize) < self.train.matrix.n_rows { self.train.items_of(UserId(user)) } else { &[] };
        Request {
            user: UserId(user),
            luck: u64::from(user),
            round: 0,
            page: 1,
            n,
            known,
            shown: &[],
            feedback: &[],
        }
    }

    /// One request a user, some with items already shown and watched, one from a stranger.
    fn requests(&self) -> Vec<Request<'_>> {
        const SHOWN: [ItemId; 3] = [ItemId(12), ItemId(3), ItemId(40)];
        const FEEDBACK: [Feedback; 2] = [
            Feedback { item: ItemId(3), page: 1, watched: true, rating: Some(4.0) },
            Feedback { item: ItemId(12), page: 1, watched: false, rating: None },
        ];
        let n_users = self.train.matrix.n_rows as u32;
        (0..n_users + 1)
            .map(|user| match user % 4 {
                0 => Request { page: 2, shown: &SHOWN, feedback: &FEEDBACK, ..self.request(user, 10) },
                1 => self.request(user, 1),
                _ => self.request(user, 25),
            })
            .collect()
    }
}

fn answer(model: &dyn Recommender, requests: &[Request<'_>]) -> Vec<Ranked> {
    let lists = model.recommend(requests).expect("an answer");
    assert_eq!(lists.len(), requests.len(), "one list a request");
    lists
}

/// Items and the very bits of their scores.
fn bits(lists: &[Ranked]) -> Vec<Vec<(u32, u32)>> {
    let of =
        |list: &Ranked| list.items.iter().map(|i| i.0).zip(list.scores.iter().map(|s| s.to_bits())).collect();
    lists.iter().map(of).collect()
}

fn with_threads<T: Send>(n_threads: usize, work: impl FnOnce() -> T + Send) -> T {
    rayon::ThreadPoolBuilder::new().num_threads(n_threads).build().expect("a thread pool").install(work)
}

/// What holds for every list whatever the model: sizes, order, no repeats, nothing excluded.
fn check_list(name: &str, world: &World, request: &Request<'_>, list: &Ranked) {
    let place = format!("{name}, user {}", request.user.0);
    let excluded: BTreeSet<u32> =
        request.known.iter().copied().chain(request.shown.iter().map(|item| item.0)).collect();
    let n_left = world.n_items() - excluded.iter().filter(|&&item| (item as usize) < world.n_items()).count();
    assert_eq!(list.items.len(), request.n.min(n_left), "{place}: length");
    assert_eq!(list.items.len(), list.scores.len(), "{place}: one score an item");
    let unique: BTreeSet<u32> = list.items.iter().map(|item| item.0).collect();
    assert_eq!(unique.len(), list.items.len(), "{place}: repeats");
    assert!(unique.is_disjoint(&excluded), "{place}: excluded items");
    assert!(unique.iter().all(|&item| (item as usize) < world.n_items()), "{place}: no such item");
    for (pair, scores) in list.items.windows(2).zip(list.scores.windows(2)) {
        let ordered = scores[0] > scores[1] || (scores[0] == scores[1] && pair[0] < pair[1]);
        assert!(ordered, "{place}: {pair:?} with {scores:?} out of order");
    }
}

#[test]
fn the_list_is_alphabetical_and_documents_itself() {
    assert!(ALL.windows(2).all(|w| w[0].name() < w[1].name()), "names in order, none twice");
    for kind in ALL {
        let (name, about) = (kind.name(), kind.about());
        assert!(!about.summary.is_empty() && !about.source.is_empty(), "{name}");
        assert!(windtunnel::recommender::kind(name).is_some(), "{name}");
        for (key, schema) in properties(*kind) {
            assert!(schema.get("description").is_some(), "{name}.{key} has no description");
        }
    }
}

#[test]
fn the_withheld_square_of_a_checkerboard_comes_first() {
    // The test of implicit's recommender_base_test.py: the best item for user u is u.
    let world = World::checkerboard(50);
    let personal = |kind: &&dyn RecommenderKind| {
        [Needs::Interactions, Needs::Text, Needs::Arm].contains(&kind.about().needs)
            && !NOT_PERSONAL.contains(&kind.name())
    };
    for kind in kinds().filter(personal) {
        let model = world.fit(kind, "");
        let requests: Vec<Request<'_>> = (0..50).map(|user| world.request(user, 10)).collect();
        for (user, list) in answer(&*model, &requests).iter().enumerate() {
            assert_eq!(list.items[0].idx(), user, "{}: user {user} got {list:?}", kind.name());
        }
    }
}

#[test]
fn lists_are_sorted_whole_and_free_of_what_is_excluded() {
    let world = World::camps();
    for kind in kinds() {
        let model = world.fit(kind, "");
        let requests = world.requests();
        for (request, list) in requests.iter().zip(answer(&*model, &requests)) {
            check_list(kind.name(), &world, request, &list);
        }
        assert!(answer(&*model, &[]).is_empty(), "{}: no requests, no lists", kind.name());
    }
}

#[test]
fn any_size_can_be_asked_for() {
    let world = World::camps();
    let everything: Vec<u32> = (0..80).collect();
    let far = [ItemId(70), ItemId(u32::MAX)];
    for kind in kinds() {
        let model = world.fit(kind, "");
        let requests = [
            world.request(0, 0),
            world.request(0, 1000),
            world.request(0, usize::MAX),
            Request { known: &everything, ..world.request(0, 5) },
            Request { shown: &far, ..world.request(0, 5) },
        ];
        for (request, list) in requests[..3].iter().zip(answer(&*model, &requests)) {
            check_list(kind.name(), &world, request, &list);
        }
        let lists = answer(&*model, &requests);
        assert!(lists[3].items.is_empty(), "{}: everything is known", kind.name());
        assert_eq!(lists[4].items.len(), 5, "{}", kind.name());
    }
}

#[test]
fn people_without_history_are_answered_too() {
    let world = World::camps();
    let counts = world.train.item_counts();
    for kind in kinds() {
        let model = world.fit(kind, "");
        // Users 7 and 89 are in the training set without an interaction; 90 and 2^32 - 1 are not in it.
        let requests = [7, 89, 90, u32::MAX].map(|user| world.request(user, 10));
        let lists = answer(&*model, &requests);
        for (request, list) in requests.iter().zip(&lists) {
            check_list(kind.name(), &world, request, list);
        }
        if kind.name() != "random" {
            let mean = |list: &Ranked| {
                list.items.iter().map(|item| f64::from(counts[item.idx()])).sum::<f64>()
                    / list.items.len() as f64
            };
            let usual = counts.iter().map(|&count| f64::from(count)).sum::<f64>() / counts.len() as f64;
            assert!(mean(&lists[3]) > usual, "{}: strangers get obscure items {:?}", kind.name(), lists[3]);
        }
    }
}

#[test]
fn the_answer_does_not_depend_on_the_rest_of_the_batch() {
    let world = World::camps();
    for kind in kinds() {
        let model = world.fit(kind, "");
        let requests = world.requests();
        let together = bits(&answer(&*model, &requests));
        for (at, request) in requests.iter().enumerate() {
            let alone = bits(&answer(&*model, std::slice::from_ref(request)));
            assert_eq!(alone[0], together[at], "{}: request {at} alone", kind.name());
        }
        let backwards: Vec<Request<'_>> = requests.iter().rev().copied().collect();
        let mut lists = bits(&answer(&*model, &backwards));
        lists.reverse();
        assert_eq!(lists, together, "{}: backwards", kind.name());
    }
}

#[test]
fn whoever_answers_alike_does_not_look_at_luck() {
    // By their definition these draw, or may; all others are ranked once for every agent of a person.
    const DRAW: [&str; 4] = ["epsilon_greedy", "random", "softmax", "thompson"];
    let world = World::camps();
    for kind in kinds() {
        let model = world.fit(kind, "");
        assert_eq!(model.answers_alike(), !DRAW.contains(&kind.name()), "{}", kind.name());
        let requests = world.requests();
        let lucky: Vec<Request<'_>> =
            requests.iter().map(|request| Request { luck: request.luck + 1_000_003, ..*request }).collect();
        let (one, other) = (bits(&answer(&*model, &requests)), bits(&answer(&*model, &lucky)));
        if model.answers_alike() {
            assert_eq!(one, other, "{} looks at luck", kind.name());
        } else {
            assert_ne!(one, other, "{} does not draw", kind.name());
        }
    }
}

#[test]
fn what_stands_around_a_model_answers_as_alike_as_the_model() {
    let world = World::camps();
    for (inner, alike) in [("item_knn", true), ("random", false)] {
        let kind = windtunnel::recommender::kind(inner).expect("in the list");
        let without = Without::new(world.fit(kind, ""), vec![1, 5]);
        assert_eq!(without.answers_alike(), alike, "{inner} without some items");
    }
}

#[test]
fn fits_and_answers_are_the_same_bits_on_one_thread_and_two() {
    let world = World::camps();
    for kind in kinds() {
        let run = || bits(&answer(&*world.fit(kind, ""), &world.requests()));
        let first = with_threads(1, run);
        assert_eq!(first, with_threads(1, run), "{}: fitted twice", kind.name());
        assert_eq!(first, with_threads(2, run), "{}: two threads", kind.name());
        assert_eq!(first, with_threads(3, run), "{}: three threads", kind.name());
    }
}

#[test]
fn a_saved_model_answers_like_the_one_it_was() {
    let world = World::camps();
    for kind in kinds() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let model = world.fit(kind, "");
        model.save(dir.path()).expect("saved");
        let loaded = kind.load(dir.path(), &Surroundings::plain()).expect("loaded");
        assert_eq!(model.adapts_in_session(), loaded.adapts_in_session(), "{}", kind.name());
        let requests = world.requests();
        assert_eq!(
            bits(&answer(&*model, &requests)),
            bits(&answer(&*loaded, &requests)),
            "{}: loaded",
            kind.name()
        );
    }
}

#[test]
fn a_damaged_model_is_refused_not_believed() {
    let world = World::camps();
    for kind in kinds() {
        let model = world.fit(kind, "");
        let dir = tempfile::tempdir().expect("a temporary folder");
        assert!(kind.load(dir.path(), &Surroundings::plain()).is_err(), "{}: an empty folder", kind.name());
        model.save(dir.path()).expect("saved");
        for path in files(dir.path()) {
            let whole = std::fs::read(&path).expect("read");
            for len in [0, whole.len() / 2, whole.len() - 2] {
                std::fs::write(&path, &whole[..len]).expect("written");
                let place = format!("{}: {} cut to {len} bytes", kind.name(), path.display());
                assert!(kind.load(dir.path(), &Surroundings::plain()).is_err(), "{place}");
            }
            std::fs::write(&path, &whole).expect("written");
        }
        assert!(kind.load(dir.path(), &Surroundings::plain()).is_ok(), "{}: whole again", kind.name());
    }
}

#[test]
fn an_altered_model_never_panics() {
    let (world, small) = (World::camps(), World::checkerboard(14));
    for kind in kinds() {
        let (dir, other) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
        world.fit(kind, "").save(dir.path()).expect("saved");
        small.fit(kind, "").save(other.path()).expect("saved");
        let try_it = || {
            if let Ok(model) = kind.load(dir.path(), &Surroundings::plain()) {
                // Whatever it says now, it must say something or refuse.
                let _ = model.recommend(&world.requests());
            }
        };
        // Every number of the header, made wrong in several ways.
        let path = dir.path().join("model.json");
        let header = std::fs::read_to_string(&path).expect("every model has a header");
        let starts_number =
            |at: usize| header.as_bytes()[at].is_ascii_digit() && !header.as_bytes()[at - 1].is_ascii_digit();
        for at in (1..header.len()).filter(|&at| starts_number(at)) {
            let rest = header[at..].trim_start_matches(|c: char| c.is_ascii_digit());
            for number in ["0", "7", "65", "4000000000", "18446744073709551615", "-1"] {
                std::fs::write(&path, format!("{}{number}{rest}", &header[..at])).expect("written");
                try_it();
            }
        }
        std::fs::write(&path, &header).expect("written");
        // Every file, taken from another model of the same kind.
        for path in files(dir.path()) {
            let whole = std::fs::read(&path).expect("read");
            let foreign = other.path().join(path.strip_prefix(dir.path()).expect("below the folder"));
            if let Ok(foreign) = std::fs::read(foreign) {
                std::fs::write(&path, foreign).expect("written");
                try_it();
                std::fs::write(&path, whole).expect("written");
            }
        }
    }
}

/// Every file of a model, those of one that it wraps included.
fn files(dir: &Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(dir).expect("a folder");
    let entries = entries.map(|entry| entry.expect("an entry").path());
    let mut files: Vec<_> =
        entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect();
    files.sort();
    files
}

#[test]
fn what_is_watched_changes_the_next_page_of_those_that_fold_in() {
    let world = World::checkerboard(40);
    for kind in kinds().filter(|kind| properties(*kind).iter().any(|(key, _)| key == "fold_in")) {
        let name = kind.name();
        assert!(kind.about().folds_in, "{name}: `about` must say that it folds in");
        assert!(!world.fit(kind, "").adapts_in_session(), "{name}: folding in is asked for");
        let model = world.fit(kind, "fold_in = true");
        assert!(model.adapts_in_session(), "{name}");
        // A stranger watches odd items, and is shown some even ones too.
        let watched = |item: u32, watched| Feedback { item: ItemId(item), page: 1, watched, rating: None };
        let feedback = [watched(3, true), watched(8, false), watched(11, true), watched(21, true)];
        let shown = [3, 8, 11, 21].map(ItemId);
        let request = Request { page: 2, shown: &shown, feedback: &feedback, ..world.request(1000, 5) };
        let list = answer(&*model, &[request]).remove(0);
        assert!(list.items.iter().all(|item| item.0 % 2 == 1), "{name}: {list:?}");
        // Without fold_in the same request is answered as if nothing had happened.
        let deaf = world.fit(kind, "");
        let silent = Request { feedback: &[], ..request };
        assert_eq!(bits(&answer(&*deaf, &[request])), bits(&answer(&*deaf, &[silent])), "{name}");
    }
}

#[test]
fn an_empty_world_is_answered_or_refused_but_never_a_panic() {
    for kind in kinds() {
        for (n_users, n_items) in [(0, 0), (3, 0), (0, 3), (3, 3)] {
            let world = World::new(n_users, n_items, []);
            if let Ok(model) = world.try_fit(kind, "") {
                let request = world.request(0, 2);
                let lists = answer(&*model, &[request]);
                assert_eq!(lists[0].items.len(), 2.min(n_items as usize), "{}", kind.name());
            }
        }
    }
}

/// The hyper-parameters of a kind with their schemas.
fn properties(kind: &dyn RecommenderKind) -> Vec<(String, serde_json::Value)> {
    let schema = kind.params_schema();
    let properties = schema.get("properties").and_then(|p| p.as_object());
    properties
        .map(|p| p.iter().map(|(key, value)| (key.clone(), value.clone())).collect())
        .unwrap_or_default()
}

#[test]
fn bad_hyper_parameters_are_answered_with_their_path() {
    for kind in kinds() {
        let complaint = |toml: String| {
            let mut table: toml::Table = given(kind).parse().expect("test TOML");
            table.extend(toml.parse::<toml::Table>().expect("test TOML"));
            kind.check("arms.x", &table).err().map(|complaint| complaint.to_string())
        };
        let name = kind.name();
        assert_eq!(complaint(String::new()), None, "{name}: the defaults are fine");
        let unknown = complaint("no_such_key = 1".to_owned()).expect("refused");
        assert!(unknown.contains("arms.x.no_such_key"), "{name}: {unknown}");
        for (key, schema) in properties(kind) {
            let bad_values: &[&str] = match schema.get("type").and_then(|kind| kind.as_str()) {
                Some("integer") => &["-1", "\"many\"", "1.5"],
                Some("number") => &["nan", "-inf", "inf", "\"much\""],
                Some("boolean") => &["\"maybe\"", "2"],
                _ => &["[[1]]"],
            };
            for value in bad_values {
                let found = complaint(format!("{key} = {value}"));
                let found = found.unwrap_or_else(|| panic!("{name}: {key} = {value} is taken"));
                assert!(found.contains(&format!("arms.x.{key}")), "{name}: {found}");
            }
        }
    }
}
