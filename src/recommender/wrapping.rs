//! What every recommender that wraps another shares: the key `wraps`, asking the arm inside for lists long enough
//! to work on, and keeping it in a folder inside its own. Must not know what is made of the lists.
//!
//! [`Inner`] is the arm inside. Whoever makes something of each list alone implements [`Rerank`] and is served by
//! [`Reranked`]; whoever works on all lists at once, such as [`llm_rank`](super::llm_rank), asks [`Inner`] itself.
//! Whatever else of the training data it needs to answer, it keeps and saves itself.

use super::{
    FitContext, Ranked, RecommendError, Recommender, RecommenderKind, Request, Surroundings, Wrapped,
    model_file,
};
use crate::scenario::params::Complaint;
use rayon::prelude::*;
use std::path::Path;
use std::sync::Arc;

/// Where the inner model is saved, inside the folder of the one that wraps it.
const FOLDER: &str = "wrapped";

/// Refuses settings that name no arm; whether there is one of that name is the scenario's to say.
pub fn check_wraps(at: &str, wraps: &str) -> Result<(), Complaint> {
    if wraps.is_empty() {
        let expected = "the name of the arm whose lists are reordered".to_owned();
        return Err(Complaint::Missing { path: format!("{at}.wraps"), expected });
    }
    Ok(())
}

/// An arm's fitted model inside another recommender.
pub struct Inner {
    kind: &'static dyn RecommenderKind,
    model: Arc<dyn Recommender>,
    n_candidates: usize,
    adapts: bool,
}

impl Inner {
    /// The arm named `wraps`, fitted, for the recommender `name`.
    ///
    /// It is asked for `n_candidates` items at least. Where `adapts` is given, it says whether the whole is asked
    /// again on every page; otherwise the whole is as the arm inside.
    pub fn fitted(
        name: &str,
        wraps: &str,
        context: &FitContext<'_>,
        n_candidates: u32,
        adapts: Option<bool>,
    ) -> Result<Self, RecommendError> {
        let wrapped = context.wrapped.clone().ok_or_else(|| RecommendError::BadTraining {
            problem: format!("{name} reorders the lists of {wraps:?}, and there is no such arm"),
        })?;
        Ok(Inner::new(wrapped, n_candidates, adapts))
    }

    fn new(wrapped: Wrapped, n_candidates: u32, adapts: Option<bool>) -> Self {
        let adapts = adapts.unwrap_or_else(|| wrapped.model.adapts_in_session());
        Inner { kind: wrapped.kind, model: wrapped.model, n_candidates: n_candidates as usize, adapts }
    }

    /// What it is.
    pub fn kind(&self) -> &'static dyn RecommenderKind {
        self.kind
    }

    /// How many items of a list are worked on: further ones keep their places behind.
    pub fn n_candidates(&self) -> usize {
        self.n_candidates
    }

    /// Whether the whole wants to be asked again on every page.
    pub fn adapts(&self) -> bool {
        self.adapts
    }

    /// Whether its lists do not depend on luck.
    pub fn answers_alike(&self) -> bool {
        self.model.answers_alike()
    }

    /// Its lists, long enough to work on, one a request.
    pub fn recommend(&self, requests: &[Request<'_>]) -> Result<Vec<Ranked>, RecommendError> {
        let lists = self.model.recommend(&self.widened(requests))?;
        assert_eq!(lists.len(), requests.len(), "a recommender answers every request");
        Ok(lists)
    }

    /// The same where one failure must not spoil the rest.
    pub fn recommend_each(&self, requests: &[Request<'_>]) -> Vec<Result<Ranked, RecommendError>> {
        let lists = self.model.recommend_each(&self.widened(requests));
        assert_eq!(lists.len(), requests.len(), "a recommender answers every request");
        lists
    }

    fn widened<'a>(&self, requests: &[Request<'a>]) -> Vec<Request<'a>> {
        let n = |n: usize| if n == 0 { 0 } else { n.max(self.n_candidates) };
        requests.iter().map(|request| Request { n: n(request.n), ..*request }).collect()
    }

    /// Writes the model into a folder of its own inside `dir`.
    pub fn save(&self, dir: &Path) -> Result<(), RecommendError> {
        let path = dir.join(FOLDER);
        std::fs::create_dir(&path).map_err(|source| RecommendError::Io { path: path.clone(), source })?;
        self.model.save(&path)
    }

    /// Reads what [`Inner::save`] wrote, whatever kind it is.
    pub fn load(
        dir: &Path,
        around: &Surroundings,
        n_candidates: u32,
        adapts: Option<bool>,
    ) -> Result<Self, RecommendError> {
        let path = dir.join(FOLDER);
        let name = model_file::kind_of(&path)?;
        let kind = super::kind(&name).ok_or_else(|| {
            model_file::bad(&path.join("model.json"), format!("kind is {name:?}, which is not known"))
        })?;
        let model = kind.load(&path, around)?.into();
        Ok(Inner::new(Wrapped { kind, model }, n_candidates, adapts))
    }
}

/// What is made of each list of the arm inside, by itself.
pub trait Rerank: Send + Sync {
    /// The answer to a request that asks for something, from the list of the arm inside: at least
    /// [`Inner::n_candidates`] items long, or all that there are. At most `request.n` items, all from the list,
    /// whatever the request's luck.
    fn rerank(&self, request: &Request<'_>, list: Ranked) -> Ranked;

    /// Writes `model.json` and whatever else it needs into the folder of the whole.
    fn save(&self, dir: &Path) -> Result<(), RecommendError>;
}

/// A recommender made of an arm and of what is made of each of its lists.
pub struct Reranked {
    /// The arm.
    pub inner: Inner,
    /// What is made of its lists.
    pub by: Box<dyn Rerank>,
}

impl Reranked {
    fn answer(&self, request: &Request<'_>, list: Ranked) -> Ranked {
        if request.n == 0 || list.items.is_empty() {
            return Ranked::default();
        }
        let answer = self.by.rerank(request, list);
        assert!(answer.items.len() <= request.n, "no more than was asked for");
        assert_eq!(answer.items.len(), answer.scores.len(), "one score an item");
        answer
    }
}

impl Recommender for Reranked {
    fn recommend(&self, requests: &[Request<'_>]) -> Result<Vec<Ranked>, RecommendError> {
        let lists = self.inner.recommend(requests)?;
        let pairs = requests.par_iter().zip(lists);
        Ok(pairs.map(|(request, list)| self.answer(request, list)).collect())
    }

    fn recommend_each(&self, requests: &[Request<'_>]) -> Vec<Result<Ranked, RecommendError>> {
        let lists = self.inner.recommend_each(requests);
        let pairs = requests.par_iter().zip(lists);
        pairs.map(|(request, list)| list.map(|list| self.answer(request, list))).collect()
    }

    fn adapts_in_session(&self) -> bool {
        self.inner.adapts()
    }

    fn answers_alike(&self) -> bool {
        self.inner.answers_alike()
    }

    fn save(&self, dir: &Path) -> Result<(), RecommendError> {
        self.by.save(dir)?;
        self.inner.save(dir)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::{ItemId, UserId};
    use crate::progress::Quiet;
    use crate::recommender::popular::Popular;
    use crate::rng::Streams;

    /// Ranks as many of 50 items as are asked for, by number, and fails for user 9.
    struct ByNumber {
        adapts: bool,
    }

    impl Recommender for ByNumber {
        fn recommend(&self, requests: &[Request<'_>]) -> Result<Vec<Ranked>, RecommendError> {
            let rank = |request: &Request<'_>| {
                if request.user == UserId(9) {
                    return Err(RecommendError::BadTraining { problem: "user 9".to_owned() });
                }
                let items: Vec<ItemId> = (0..50).take(request.n).map(ItemId).collect();
                let scores = vec![0.0; items.len()];
                Ok(Ranked::plain(items, scores))
            };
            requests.iter().map(rank).collect()
        }

        fn adapts_in_session(&self) -> bool {
            self.adapts
        }

        fn save(&self, dir: &Path) -> Result<(), RecommendError> {
            model_file::write_header(dir, "no_such_kind", &0)
        }
    }

    /// Gives the end of a list, and the length of the whole as the score.
    struct Last;

    impl Rerank for Last {
        fn rerank(&self, request: &Request<'_>, list: Ranked) -> Ranked {
            let items: Vec<ItemId> = list.items.iter().rev().take(request.n).copied().collect();
            let scores = vec![list.items.len() as f32; items.len()];
            Ranked::plain(items, scores)
        }

        fn save(&self, dir: &Path) -> Result<(), RecommendError> {
            model_file::write_header(dir, "last", &0)
        }
    }

    fn wrapped(adapts: bool, forced: Option<bool>) -> Reranked {
        let mut context = FitContext::plain(Streams::new(1), &Quiet);
        context.wrapped = Some(Wrapped { kind: &Popular, model: Arc::new(ByNumber { adapts }) });
        let inner = Inner::fitted("last", "numbers", &context, 7, forced).expect("there is an arm");
        Reranked { inner, by: Box::new(Last) }
    }

    fn request(user: u32, n: usize) -> Request<'static> {
        Request { user: UserId(user), luck: 0, round: 0, page: 1, n, known: &[], shown: &[], feedback: &[] }
    }

    fn told(list: &Ranked) -> (Vec<u32>, f32) {
        (list.items.iter().map(|item| item.0).collect(), list.scores.first().copied().unwrap_or_default())
    }

    #[test]
    fn lists_are_long_enough_to_work_on_and_no_longer_than_that() {
        let lists = wrapped(false, None).recommend(&[request(0, 2), request(1, 9), request(2, 0)]);
        let lists: Vec<_> = lists.expect("lists").iter().map(told).collect();
        assert_eq!(lists[0], (vec![6, 5], 7.0));
        assert_eq!((lists[1].0.len(), lists[1].1), (9, 9.0));
        assert_eq!(lists[2], (vec![], 0.0));
    }

    #[test]
    fn one_failure_does_not_spoil_the_rest() {
        let model = wrapped(false, None);
        assert!(model.recommend(&[request(0, 2), request(9, 2)]).is_err());
        let each = model.recommend_each(&[request(0, 1), request(9, 2), request(1, 1)]);
        assert!(each[1].is_err());
        assert_eq!(each[0].as_ref().map(told).ok(), each[2].as_ref().map(told).ok());
        assert_eq!(each[0].as_ref().map(told).ok(), Some((vec![6], 7.0)));
    }

    #[test]
    fn it_follows_the_session_as_the_arm_inside_does_unless_told_otherwise() {
        let adapts = |inner, forced| wrapped(inner, forced).adapts_in_session();
        assert_eq!([adapts(false, None), adapts(true, None)], [false, true]);
        assert_eq!([adapts(false, Some(true)), adapts(true, Some(false))], [true, false]);
    }

    #[test]
    fn what_is_missing_or_unknown_is_told() {
        let told = check_wraps("arms.x", "").expect_err("refused").to_string();
        assert!(told.starts_with("arms.x.wraps is missing"), "{told}");
        let context = FitContext::plain(Streams::new(1), &Quiet);
        let told = Inner::fitted("mmr", "fm", &context, 7, None).err().map(|error| error.to_string());
        assert!(told.is_some_and(|told| told.contains("mmr reorders the lists of \"fm\"")));
        let dir = tempfile::tempdir().expect("a temporary folder");
        wrapped(false, None).save(dir.path()).expect("saved");
        let told =
            Inner::load(dir.path(), &Surroundings::plain(), 7, None).err().expect("refused").to_string();
        assert!(told.contains("wrapped") && told.contains("kind is \"no_such_kind\""), "{told}");
    }
}
