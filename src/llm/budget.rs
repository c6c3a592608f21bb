//! A hard limit on tokens and money. Room is reserved before a request is sent, at the most it can
//! cost, so that what is spent never passes the limit. Must not know who spends.

use super::{LlmError, Price, Usage};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::sync::{Mutex, PoisonError};

/// What a run may spend in all, replies that its tape already holds included; 0 is no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Budget {
    /// Tokens read and written.
    pub tokens: u64,
    /// US dollars, by the prices of the models.
    pub usd: f64,
}

/// Keeps a [`Budget`].
#[derive(Debug)]
pub struct Purse {
    budget: Budget,
    state: Mutex<State>,
}

/// Millionths of a millionth of a dollar: whole numbers add up to the same sum in any order.
type PicoUsd = u128;

#[derive(Clone, Copy, Debug, Default)]
struct State {
    tokens: u64,
    pico_usd: PicoUsd,
}

/// Room that was set aside for one request.
#[derive(Debug)]
#[must_use = "room that is set aside has to be settled"]
pub struct Reservation {
    held: State,
}

impl State {
    fn of(usage: Usage, price: Price) -> State {
        State { tokens: usage.prompt_tokens + usage.completion_tokens, pico_usd: pico_usd(price.of(usage)) }
    }
}

fn pico_usd(usd: f64) -> PicoUsd {
    (usd.max(0.0) * 1e12).round() as PicoUsd
}

impl Purse {
    /// A purse with this much in it.
    pub fn new(budget: Budget) -> Self {
        Purse { budget, state: Mutex::default() }
    }

    /// Sets aside the most that a request can take.
    ///
    /// # Errors
    /// [`LlmError::Stop`] where that could pass the limit.
    pub fn reserve(&self, at_most: Usage, price: Price) -> Result<Reservation, LlmError> {
        let held = State::of(at_most, price);
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let after = State { tokens: state.tokens + held.tokens, pico_usd: state.pico_usd + held.pico_usd };
        if self.budget.tokens > 0 && after.tokens > self.budget.tokens {
            return Err(LlmError::Stop(format!(
                "the budget of {} tokens is spent but for {}; raise llm.budget.tokens and run again, what has been said is on the tape",
                self.budget.tokens,
                self.budget.tokens.saturating_sub(state.tokens)
            )));
        }
        if self.budget.usd > 0.0 && after.pico_usd > pico_usd(self.budget.usd) {
            return Err(LlmError::Stop(format!(
                "of the budget of {} US dollars {:.4} are spent, and the next call could pass it; raise llm.budget.usd and run again, what has been said is on the tape",
                self.budget.usd,
                state.pico_usd as f64 / 1e12
            )));
        }
        *state = after;
        Ok(Reservation { held })
    }

    /// Puts what a request truly took in the place of what was set aside for it.
    pub fn settle(&self, reservation: Reservation, taken: Usage, price: Price) {
        let taken = State::of(taken, price);
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.tokens = state.tokens - reservation.held.tokens + taken.tokens;
        state.pico_usd = state.pico_usd - reservation.held.pico_usd + taken.pico_usd;
    }

    /// Counts what was spent before and is on the tape.
    pub fn count(&self, taken: Usage, price: Price) {
        self.settle(Reservation { held: State::default() }, taken, price);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRICE: Price = Price { prompt: 1.0, cached: 0.5, completion: 2.0 };

    fn usage(prompt_tokens: u64, completion_tokens: u64) -> Usage {
        Usage { prompt_tokens, cached_tokens: 0, completion_tokens }
    }

    #[test]
    fn tokens_are_set_aside_at_the_most_and_given_back() {
        let purse = Purse::new(Budget { tokens: 100, usd: 0.0 });
        let first = purse.reserve(usage(50, 30), PRICE).expect("80 of 100");
        let refused = purse.reserve(usage(10, 20), PRICE).expect_err("110 of 100");
        assert!(refused.stops_run() && refused.to_string().contains("100 tokens"), "{refused}");
        purse.settle(first, usage(50, 5), PRICE);
        let _second = purse.reserve(usage(25, 20), PRICE).expect("55 + 45 of 100");
    }

    #[test]
    fn money_is_counted_with_replayed_calls() {
        let purse = Purse::new(Budget { tokens: 0, usd: 1.0 });
        purse.count(usage(400_000, 250_000), PRICE);
        let refused = purse.reserve(usage(60_000, 25_000), PRICE).expect_err("0.9 + 0.11 dollars");
        assert!(refused.to_string().contains("0.9000 are spent"), "{refused}");
        let _fits = purse.reserve(usage(60_000, 20_000), PRICE).expect("0.9 + 0.1 dollars");
    }

    #[test]
    fn no_budget_is_no_limit() {
        let purse = Purse::new(Budget::default());
        assert!(purse.reserve(usage(u64::MAX / 4, 0), PRICE).is_ok());
    }
}
