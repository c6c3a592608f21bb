//! Keyed randomness: every draw belongs to a (seed, purpose, round, subject, page).
//!
//! A [`Streams`] hands out independent ChaCha8 generators. Two places that ask for
//! the same key get the same numbers, whatever ran before, on any thread: that is what
//! makes runs reproducible and lets arms share their luck (common random numbers:
//! the arm is not part of the key). Nothing here may read a clock, a thread id or
//! an operating-system source of entropy.

mod uniforms;

use rand::SeedableRng;
pub use rand_chacha::ChaCha8Rng;
pub use uniforms::{LANES, Uniforms};

/// What a stream of random numbers is for. The number is part of the key: never reuse one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Purpose {
    /// Generating a synthetic dataset.
    Synthesis = 1,
    /// Splitting interactions into train, validation and test.
    Split = 2,
    /// Initial parameters of a model.
    Init = 3,
    /// Order and negatives of training samples.
    Training = 4,
    /// Dropout and other noise inside training.
    Noise = 5,
    /// A recommender's own randomness at serving time.
    Recommend = 6,
    /// Sampling and jittering the population.
    Population = 7,
    /// Sampled negatives of offline evaluation.
    Evaluation = 8,
    /// Step align of a session page.
    Align = 9,
    /// Step watch of a session page.
    Watch = 10,
    /// Step rate of a session page.
    Rate = 11,
    /// Reflection.
    Reflect = 12,
    /// Step next-or-exit.
    Exit = 13,
    /// The exit interview.
    Interview = 14,
    /// Bootstrap resampling.
    Bootstrap = 15,
    /// The order in which a page's items are presented.
    Present = 16,
    /// Which of a person's true ratings recommenders may learn from.
    ObservedSample = 17,
    /// Parts of taste that are learnt or projected at random.
    Taste = 20,
    /// Whom and what a test of taste asks.
    TasteTest = 21,
    /// Dealing people into halves.
    Halves = 23,
    /// The luck of each repetition of a simulation in a validation.
    Repetition = 24,
    /// Which of a person's ratings are told to a language model.
    Persona = 26,
    /// Which agents a model plays, where it plays a share of them.
    Cast = 27,
    /// Random projections inside encoders.
    Encoding = 28,
    /// Folds, resampling and probe pages of a validation.
    Validation = 25,
    /// Which items on a page are advertised.
    Advert = 40,
    /// Which items a split holds out whole.
    ColdItems = 30,
    /// Orders in which values are looked at, and dealings of labels under which there is nothing to find.
    Sequential = 31,
    /// The orders in which candidates are put before a language model, and its luck.
    Rerank = 29,
    /// What exploring recommenders put at each place.
    Explore = 36,
    /// What a policy puts above a place, where its chances there are averaged over that.
    Policy = 37,
    /// Resampling of what causes are looked for in.
    Causes = 32,
    /// Which items an experiment on exposure raises.
    Boost = 33,
    /// Folds and resampling of click models.
    ClickModel = 34,
    /// Which people a split holds out whole.
    ColdUsers = 35,
}

/// The root of all randomness of one run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Streams {
    seed: u64,
}

impl Streams {
    /// Streams of the run with this seed.
    pub fn new(seed: u64) -> Self {
        Streams { seed }
    }

    /// The seed these streams were made from.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// The generator for one purpose, round, subject (agent, user, chunk…) and page.
    ///
    /// The key is the ChaCha key itself, so distinct keys give independent streams.
    pub fn stream(&self, purpose: Purpose, round: u32, subject: u64, page: u32) -> ChaCha8Rng {
        let mut seed = [0u8; 32];
        let words = self.key(purpose, round, subject, page).into_iter();
        seed.chunks_exact_mut(4)
            .zip(words)
            .for_each(|(bytes, word)| bytes.copy_from_slice(&word.to_le_bytes()));
        ChaCha8Rng::from_seed(seed)
    }

    /// The uniform numbers of [`Streams::stream`] for several (round, subject, page) at once, which is cheaper
    /// where each draws a few.
    pub fn uniforms(&self, purpose: Purpose, of: &[(u32, u64, u32); LANES]) -> [Uniforms; LANES] {
        Uniforms::of(&of.map(|(round, subject, page)| self.key(purpose, round, subject, page)))
    }

    /// The key in words.
    fn key(&self, purpose: Purpose, round: u32, subject: u64, page: u32) -> [u32; 8] {
        let [low, high] = [|x: u64| x as u32, |x: u64| (x >> 32) as u32];
        let (seed, purpose) = (self.seed, purpose as u32);
        [low(seed), high(seed), purpose, round, low(subject), high(subject), page, 0]
    }

    /// Streams of a part that must not share luck with the rest (a model's own seed).
    pub fn with_seed(&self, seed: u64) -> Streams {
        Streams { seed }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::RngExt;

    #[test]
    fn same_key_same_numbers_and_any_other_key_other_numbers() {
        let streams = Streams::new(7);
        let draw = |p, r, s, g| streams.stream(p, r, s, g).random::<u64>();
        let first = draw(Purpose::Watch, 1, 2, 3);
        assert_eq!(first, draw(Purpose::Watch, 1, 2, 3));
        assert_ne!(first, draw(Purpose::Rate, 1, 2, 3));
        assert_ne!(first, draw(Purpose::Watch, 2, 2, 3));
        assert_ne!(first, draw(Purpose::Watch, 1, 3, 3));
        assert_ne!(first, draw(Purpose::Watch, 1, 2, 4));
        assert_ne!(first, Streams::new(8).stream(Purpose::Watch, 1, 2, 3).random::<u64>());
    }
}
