//! Drawing the next token: by temperature and nucleus from the request's own luck, held to a grammar where there
//! is one. Must not know batches or prompts.

use super::prompt::Vocabulary;
use super::store::Token;
use crate::llm::Sampling;
use llama_cpp_2::model::LlamaModel;
use llama_cpp_2::sampling::LlamaSampler;
use llama_cpp_2::token::LlamaToken;
use llama_cpp_2::token::data::LlamaTokenData;
use llama_cpp_2::token::data_array::LlamaTokenDataArray;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Memory that draws share.
#[derive(Default)]
pub struct Scratch {
    weights: Vec<(f32, Token)>,
    candidates: Vec<LlamaTokenData>,
}

/// Draws the tokens of one reply.
pub struct Drawer {
    temperature: f32,
    top_p: f32,
    luck: ChaCha8Rng,
    grammar: Option<LlamaSampler>,
}

impl Drawer {
    /// A drawer at the start of a reply.
    pub fn new(sampling: &Sampling, grammar: Option<LlamaSampler>) -> Self {
        Drawer {
            temperature: sampling.temperature,
            top_p: sampling.top_p,
            luck: ChaCha8Rng::seed_from_u64(sampling.seed),
            grammar,
        }
    }

    /// The next token; none if the grammar leaves nothing to say.
    ///
    /// A free draw comes first: only if the grammar refuses it is the whole vocabulary asked, and drawn from again.
    /// That has the same odds as asking first, and is much cheaper with a model that follows its instructions.
    pub fn next(&mut self, logits: &[f32], vocabulary: &Vocabulary, scratch: &mut Scratch) -> Option<Token> {
        let numbered = || (0..).zip(logits.iter().copied());
        let free = self.draw(numbered(), scratch)?;
        let Some(grammar) = &mut self.grammar else { return Some(free) };
        if vocabulary.control.binary_search(&free).is_err() && allows(grammar, free) {
            return Some(free);
        }
        let mut candidates = std::mem::take(&mut scratch.candidates);
        candidates.clear();
        candidates
            .extend(numbered().map(|(token, logit)| LlamaTokenData::new(LlamaToken(token), logit, 0.0)));
        for token in &vocabulary.control {
            if let Some(candidate) = candidates.get_mut(*token as usize) {
                candidate.set_logit(f32::NEG_INFINITY);
            }
        }
        let mut candidates = LlamaTokenDataArray::new(candidates, false);
        candidates.apply_sampler(grammar);
        let allowed = candidates.data.iter().map(|candidate| (candidate.id().0, candidate.logit()));
        let drawn = self.draw(allowed, scratch);
        scratch.candidates = candidates.data;
        drawn
    }

    /// Tells the grammar what was said.
    ///
    /// # Errors
    /// If the grammar does not allow it, which a drawn token never meets.
    pub fn accept(&mut self, token: Token) -> Result<(), String> {
        match &mut self.grammar {
            Some(grammar) => grammar.try_accept(LlamaToken(token)).map_err(|error| error.to_string()),
            None => Ok(()),
        }
    }

    /// Whether a grammar allows this token next; never without a grammar.
    pub fn may_be(&mut self, token: Token) -> bool {
        self.grammar.as_mut().is_some_and(|grammar| allows(grammar, token))
    }

    /// Whether the grammar is content with what was said so far.
    pub fn may_end(&mut self, vocabulary: &Vocabulary) -> bool {
        match (&mut self.grammar, vocabulary.ends.first()) {
            (Some(grammar), Some(end)) => allows(grammar, *end),
            _ => false,
        }
    }

    /// Draws from tokens with their logits; none if all are impossible.
    fn draw(&mut self, logits: impl Iterator<Item = (Token, f32)>, scratch: &mut Scratch) -> Option<Token> {
        if self.temperature <= 0.0 {
            let likelier = |best: Option<(Token, f32)>, (token, logit): (Token, f32)| match best {
                Some((_, most)) if most >= logit => best,
                _ if logit > f32::NEG_INFINITY => Some((token, logit)),
                _ => best,
            };
            return logits.fold(None, likelier).map(|(token, _)| token);
        }
        let weights = &mut scratch.weights;
        weights.clear();
        weights.extend(
            logits.filter(|(_, logit)| *logit > f32::NEG_INFINITY).map(|(token, logit)| (logit, token)),
        );
        let most = weights.iter().map(|(logit, _)| *logit).fold(f32::NEG_INFINITY, f32::max);
        for (weight, _) in weights.iter_mut() {
            *weight = ((*weight - most) / self.temperature).exp();
        }
        keep_nucleus(weights, self.top_p);
        let total: f64 = weights.iter().map(|(weight, _)| f64::from(*weight)).sum();
        let mut left = self.luck.random::<f64>() * total;
        for (weight, token) in weights.iter() {
            left -= f64::from(*weight);
            if left < 0.0 {
                return Some(*token);
            }
        }
        // Rounding can leave a crumb.
        weights.iter().rev().find(|(weight, _)| *weight > 0.0).map(|(_, token)| *token)
    }
}

/// Keeps the smallest set of tokens that have the share `top_p` of all weight together.
fn keep_nucleus(weights: &mut Vec<(f32, Token)>, top_p: f32) {
    if top_p >= 1.0 || weights.is_empty() {
        return;
    }
    let heavier = |a: &(f32, Token), b: &(f32, Token)| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1));
    let total: f64 = weights.iter().map(|(weight, _)| f64::from(*weight)).sum();
    let wanted = total * f64::from(top_p.max(0.0));
    // The nucleus is small most of the time: sort the head alone, and more of it only if that does not do.
    let mut n_sorted = 64;
    loop {
        let n = n_sorted.min(weights.len());
        if n < weights.len() {
            weights.select_nth_unstable_by(n, heavier);
        }
        weights[..n].sort_unstable_by(heavier);
        let mut sum = 0.0;
        let n_kept = weights[..n].iter().position(|(weight, _)| {
            sum += f64::from(*weight);
            sum >= wanted
        });
        match n_kept {
            Some(last) => return weights.truncate(last + 1),
            None if n == weights.len() => return,
            None => n_sorted *= 8,
        }
    }
}

/// Whether a grammar allows a token next.
fn allows(grammar: &mut LlamaSampler, token: Token) -> bool {
    let candidate = LlamaTokenData::new(LlamaToken(token), 1.0, 0.0);
    let mut candidates = LlamaTokenDataArray::new(vec![candidate], false);
    candidates.apply_sampler(grammar);
    candidates.data.first().is_some_and(|candidate| candidate.logit() > f32::NEG_INFINITY)
}

/// Grammars that were parsed, ready to be copied.
#[derive(Default)]
pub struct Grammars {
    parsed: Vec<(String, LlamaSampler)>,
}

impl Grammars {
    /// A sampler at the start of a grammar.
    ///
    /// # Errors
    /// If llama.cpp does not take the grammar.
    pub fn start(&mut self, model: &LlamaModel, grammar: &str) -> Result<LlamaSampler, String> {
        const N_MAX: usize = 32;
        if let Some((_, sampler)) = self.parsed.iter().find(|(text, _)| text == grammar) {
            return Ok(sampler.clone());
        }
        let sampler = LlamaSampler::grammar(model, grammar, "root").map_err(|error| error.to_string())?;
        if self.parsed.len() == N_MAX {
            self.parsed.remove(0);
        }
        self.parsed.push((grammar.to_owned(), sampler.clone()));
        Ok(sampler)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawer(temperature: f32, top_p: f32, seed: u64) -> Drawer {
        Drawer::new(&Sampling { temperature, top_p, max_tokens: 1, seed }, None)
    }

    fn draws(drawer: &mut Drawer, logits: &[f32], n: usize) -> Vec<usize> {
        let mut counts = vec![0; logits.len()];
        let mut scratch = Scratch::default();
        for _ in 0..n {
            let token = drawer.draw((0..).zip(logits.iter().copied()), &mut scratch).expect("something");
            counts[token as usize] += 1;
        }
        counts
    }

    #[test]
    fn draws_follow_the_odds() {
        // Odds 1 : 2 : 4 by their logarithms; four standard deviations of 14,000 draws are 200 at most.
        let logits = [0.0, 2f32.ln(), 4f32.ln(), f32::NEG_INFINITY];
        let near = |counts: &[usize], expected: [usize; 4]| {
            counts.iter().zip(expected).all(|(count, n)| count.abs_diff(n) < 250)
        };
        assert!(near(&draws(&mut drawer(1.0, 1.0, 1), &logits, 14_000), [2_000, 4_000, 8_000, 0]));
        // Twice the temperature takes roots of the odds: 1 : 1.414 : 2.
        let warm = draws(&mut drawer(2.0, 1.0, 2), &logits, 14_000);
        assert!(near(&warm, [3_172, 4_485, 6_343, 0]), "{warm:?}");
        // The likeliest two have 6/7 of the weight.
        let nucleus = draws(&mut drawer(1.0, 0.8, 3), &logits, 14_000);
        assert!(near(&nucleus, [0, 4_667, 9_333, 0]) && nucleus[0] == 0, "{nucleus:?}");
        assert_eq!(draws(&mut drawer(0.0, 1.0, 4), &logits, 10), [0, 0, 10, 0]);
        assert_eq!(draws(&mut drawer(1.0, 0.0, 4), &logits, 10), [0, 0, 10, 0]);
    }

    #[test]
    fn a_wide_nucleus_is_found_in_steps_and_seeds_repeat() {
        let mut weights: Vec<(f32, Token)> = (0..5_000).map(|token| (1.0, token)).collect();
        keep_nucleus(&mut weights, 0.5);
        assert_eq!(
            weights.iter().map(|(_, token)| *token).collect::<Vec<_>>(),
            (0..2_500).collect::<Vec<_>>()
        );
        let logits: Vec<f32> = (0..50).map(|k| (k % 7) as f32).collect();
        assert_eq!(
            draws(&mut drawer(1.0, 0.9, 5), &logits, 100),
            draws(&mut drawer(1.0, 0.9, 5), &logits, 100)
        );
        assert_ne!(
            draws(&mut drawer(1.0, 0.9, 5), &logits, 100),
            draws(&mut drawer(1.0, 0.9, 6), &logits, 100)
        );
    }

    #[test]
    fn nothing_is_drawn_from_nothing() {
        let mut scratch = Scratch::default();
        for temperature in [0.0, 1.0] {
            let impossible = [(0, f32::NEG_INFINITY), (1, f32::NAN)];
            assert_eq!(drawer(temperature, 1.0, 1).draw(impossible.into_iter(), &mut scratch), None);
        }
    }
}
