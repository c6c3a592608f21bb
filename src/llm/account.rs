//! What asking took: calls, tokens, money, time, and what went wrong, one account an arm and model.
//! Must not know budgets; it only tells.

use super::{Price, Usage};
use std::collections::BTreeMap;

/// What one arm took of one model.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Account {
    /// Calls answered, from the tape or by the model.
    pub n_calls: u64,
    /// How many of them the tape answered.
    pub n_replayed: u64,
    /// Attempts that failed before a reply came.
    pub n_retries: u64,
    /// Replies that had to be asked for again since they could not be understood.
    pub n_repairs: u64,
    /// Calls that came to nothing for good.
    pub n_failures: u64,
    /// What was wrong with replies that were used all the same.
    pub slips: Slips,
    /// Tokens of the calls that the model answered.
    pub usage: Usage,
    /// Tokens of the calls that the tape answered.
    pub replayed: Usage,
    /// Latency of every call that the model answered, in milliseconds.
    latencies_ms: Vec<u32>,
    /// What its tokens cost.
    pub price: Price,
}

/// What was wrong with orders of slots that were used as far as they went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Slips {
    /// Numbers that are no slot.
    pub n_unknown: u64,
    /// Slots named once more.
    pub n_repeated: u64,
    /// Slots not named.
    pub n_unnamed: u64,
}

impl Slips {
    /// Adds others to these.
    pub fn add(&mut self, others: Slips) {
        self.n_unknown += others.n_unknown;
        self.n_repeated += others.n_repeated;
        self.n_unnamed += others.n_unnamed;
    }
}

/// Latency at three quantiles, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Latency {
    /// Half are faster.
    pub p50_ms: u32,
    /// Nine in ten are faster.
    pub p90_ms: u32,
    /// All but one in a hundred are faster.
    pub p99_ms: u32,
}

impl Account {
    /// Counts a reply.
    pub fn reply(&mut self, usage: Usage, latency_ms: u32, n_retries: u32, is_replayed: bool) {
        self.n_calls += 1;
        if is_replayed {
            self.n_replayed += 1;
            add(&mut self.replayed, usage);
        } else {
            self.n_retries += u64::from(n_retries);
            add(&mut self.usage, usage);
            self.latencies_ms.push(latency_ms);
        }
    }

    /// US dollars paid.
    pub fn usd(&self) -> f64 {
        self.price.of(self.usage)
    }

    /// US dollars that replayed calls once took.
    pub fn replayed_usd(&self) -> f64 {
        self.price.of(self.replayed)
    }

    /// Latency quantiles (nearest rank); `None` where no model was asked.
    pub fn latency(&self) -> Option<Latency> {
        let mut sorted = self.latencies_ms.clone();
        sorted.sort_unstable();
        let at = |q: f64| sorted[((q * sorted.len() as f64).ceil() as usize).clamp(1, sorted.len()) - 1];
        (!sorted.is_empty()).then(|| Latency { p50_ms: at(0.50), p90_ms: at(0.90), p99_ms: at(0.99) })
    }
}

fn add(sum: &mut Usage, usage: Usage) {
    sum.prompt_tokens += usage.prompt_tokens;
    sum.cached_tokens += usage.cached_tokens;
    sum.completion_tokens += usage.completion_tokens;
}

/// The accounts of a run, by (arm, model).
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    accounts: BTreeMap<(String, String), Account>,
}

impl Ledger {
    /// The account of this arm with this model.
    pub fn account(&mut self, arm: &str, model: &str, price: Price) -> &mut Account {
        let account = self.accounts.entry((arm.to_owned(), model.to_owned())).or_default();
        account.price = price;
        account
    }

    /// Every account, by arm and model.
    pub fn accounts(&self) -> &BTreeMap<(String, String), Account> {
        &self.accounts
    }

    /// All accounts in a few words, for a progress line; empty while nothing was asked.
    pub fn remark(&self) -> String {
        let sum = |of: fn(&Account) -> u64| self.accounts.values().map(of).sum::<u64>();
        let n_calls = sum(|a| a.n_calls) + sum(|a| a.n_failures);
        if n_calls == 0 {
            return String::new();
        }
        let tokens = sum(|a| a.usage.prompt_tokens + a.usage.completion_tokens);
        let usd: f64 = self.accounts.values().map(Account::usd).sum();
        let mut remark = format!("{n_calls} calls, {}k tokens", tokens / 1000);
        let mut more = |n: u64, what: &str| {
            if n > 0 {
                remark.push_str(&format!(", {n} {what}"));
            }
        };
        more(sum(|a| a.n_replayed), "replayed");
        more(sum(|a| a.n_retries), "retries");
        more(sum(|a| a.n_repairs), "repairs");
        more(sum(|a| a.n_failures), "failed");
        if usd > 0.0 {
            remark.push_str(&format!(", {usd:.2} USD"));
        }
        remark
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_tape_answered_is_told_apart_from_what_was_paid() {
        let mut ledger = Ledger::default();
        let price = Price { prompt: 1.0, cached: 0.0, completion: 10.0 };
        let usage = Usage { prompt_tokens: 1_000_000, cached_tokens: 500_000, completion_tokens: 100_000 };
        let account = ledger.account("mf", "small", price);
        account.reply(usage, 120, 2, false);
        account.reply(usage, 0, 0, true);
        account.n_failures += 1;
        assert_eq!((account.n_calls, account.n_replayed, account.n_retries), (2, 1, 2));
        assert!((account.usd() - 1.5).abs() < 1e-12 && (account.replayed_usd() - 1.5).abs() < 1e-12);
        assert_eq!(ledger.remark(), "3 calls, 1100k tokens, 1 replayed, 2 retries, 1 failed, 1.50 USD");
    }

    #[test]
    fn latency_is_the_nearest_rank() {
        let mut account = Account::default();
        assert_eq!(account.latency(), None);
        (1..=200).rev().for_each(|ms| account.reply(Usage::default(), ms, 0, false));
        assert_eq!(account.latency(), Some(Latency { p50_ms: 100, p90_ms: 180, p99_ms: 198 }));
    }
}
