//! A hard limit on tokens and money. Room is reserved before a request is sent, at the most it can
//! cost, so that what is spent never passes the limit. Must not know who spends.

use super::{LlmError, Price, Usage};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::sync::{Mutex, PoisonError};
use tokio::sync::Notify;

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
    settled: Notify,
}

/// Millionths of a millionth of a dollar: whole numbers add up to the same sum in any order.
type PicoUsd = u128;

/// What was spent, and what is set aside for requests under way.
#[derive(Debug, Default)]
struct State {
    spent: Amount,
    held: Amount,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Amount {
    tokens: u64,
    pico_usd: PicoUsd,
}

/// Room that was set aside for one request.
#[derive(Debug)]
#[must_use = "room that is set aside has to be settled"]
pub struct Reservation {
    held: Amount,
}

impl Amount {
    fn of(usage: Usage, price: Price) -> Amount {
        Amount { tokens: usage.prompt_tokens + usage.completion_tokens, pico_usd: pico_usd(price.of(usage)) }
    }

    fn and(self, other: Amount) -> Amount {
        Amount { tokens: self.tokens + other.tokens, pico_usd: self.pico_usd + other.pico_usd }
    }

    fn without(self, other: Amount) -> Amount {
        Amount { tokens: self.tokens - other.tokens, pico_usd: self.pico_usd - other.pico_usd }
    }
}

fn pico_usd(usd: f64) -> PicoUsd {
    (usd.max(0.0) * 1e12).round() as PicoUsd
}

impl Purse {
    /// A purse with this much in it.
    pub fn new(budget: Budget) -> Self {
        Purse { budget, state: Mutex::default(), settled: Notify::new() }
    }

    /// Sets aside the most that a request can take; where that only fits once others have taken less than
    /// was set aside for them, waits for these.
    ///
    /// # Errors
    /// [`LlmError::Stop`] where it could pass the limit whatever they take.
    pub async fn reserve(&self, at_most: Usage, price: Price) -> Result<Reservation, LlmError> {
        let wanted = Amount::of(at_most, price);
        loop {
            // Listens before it looks, so that nothing is missed in between.
            let settled = self.settled.notified();
            {
                let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
                if self.fits(state.spent.and(state.held).and(wanted)) {
                    state.held = state.held.and(wanted);
                    return Ok(Reservation { held: wanted });
                }
                if state.held == Amount::default() || !self.fits(state.spent.and(wanted)) {
                    return Err(LlmError::Stop(self.spent_words(state.spent)));
                }
            }
            settled.await;
        }
    }

    fn fits(&self, amount: Amount) -> bool {
        (self.budget.tokens == 0 || amount.tokens <= self.budget.tokens)
            && (self.budget.usd <= 0.0 || amount.pico_usd <= pico_usd(self.budget.usd))
    }

    fn spent_words(&self, spent: Amount) -> String {
        let Budget { tokens, usd } = self.budget;
        let mut limits = Vec::new();
        if tokens > 0 {
            limits.push(format!("{} of {tokens} tokens", spent.tokens));
        }
        if usd > 0.0 {
            limits.push(format!("{:.4} of {usd} US dollars", spent.pico_usd as f64 / 1e12));
        }
        format!(
            "the budget is spent: {}, and the next call could pass it; raise llm.budget and run again, what has been said is on the tape",
            limits.join(" and ")
        )
    }

    /// Puts what a request truly took in the place of what was set aside for it.
    pub fn settle(&self, reservation: Reservation, taken: Usage, price: Price) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.held = state.held.without(reservation.held);
        state.spent = state.spent.and(Amount::of(taken, price));
        drop(state);
        self.settled.notify_waiters();
    }

    /// Counts what was spent before and is on the tape.
    pub fn count(&self, taken: Usage, price: Price) {
        self.settle(Reservation { held: Amount::default() }, taken, price);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRICE: Price = Price { prompt: 1.0, cached: 0.5, completion: 2.0 };

    fn usage(prompt_tokens: u64, completion_tokens: u64) -> Usage {
        Usage { prompt_tokens, cached_tokens: 0, completion_tokens }
    }

    #[tokio::test]
    async fn tokens_are_set_aside_at_the_most_and_given_back() {
        let purse = Purse::new(Budget { tokens: 100, usd: 0.0 });
        let first = purse.reserve(usage(50, 30), PRICE).await.expect("80 of 100");
        // 110 of 100 do not fit, but 25 + 20 may once the first has taken less: it waits.
        let (second, ()) = tokio::join!(purse.reserve(usage(25, 20), PRICE), async {
            tokio::task::yield_now().await;
            purse.settle(first, usage(50, 5), PRICE);
        });
        let second = second.expect("55 + 45 of 100");
        purse.settle(second, usage(25, 10), PRICE);
        let refused = purse.reserve(usage(10, 1), PRICE).await.expect_err("101 of 100");
        assert!(refused.stops_run() && refused.to_string().contains("90 of 100 tokens"), "{refused}");
    }

    #[tokio::test]
    async fn what_can_never_fit_does_not_wait() {
        let purse = Purse::new(Budget { tokens: 100, usd: 0.0 });
        let _first = purse.reserve(usage(10, 0), PRICE).await.expect("10 of 100");
        assert!(purse.reserve(usage(101, 0), PRICE).await.is_err());
    }

    #[tokio::test]
    async fn money_is_counted_with_replayed_calls() {
        let purse = Purse::new(Budget { tokens: 0, usd: 1.0 });
        purse.count(usage(400_000, 250_000), PRICE);
        let refused = purse.reserve(usage(60_000, 25_000), PRICE).await.expect_err("0.9 + 0.11 dollars");
        assert!(refused.to_string().contains("0.9000 of 1 US dollars"), "{refused}");
        let _fits = purse.reserve(usage(60_000, 20_000), PRICE).await.expect("0.9 + 0.1 dollars");
    }

    #[tokio::test]
    async fn no_budget_is_no_limit() {
        let purse = Purse::new(Budget::default());
        assert!(purse.reserve(usage(u64::MAX / 4, 0), PRICE).await.is_ok());
    }
}
