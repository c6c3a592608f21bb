//! Limits a minute, as token buckets, and the pause a server asks for. Time comes in as the time since
//! some start, so nothing here reads a clock or waits.

use std::time::Duration;

/// Seconds in which a bucket fills up, so the part of a minute's allowance that may come at once is a tenth.
const BURST_SECONDS: f64 = 6.0;

/// A bucket that fills at a steady rate and may go into debt: who takes more than is there waits until
/// the debt is paid. So those who come first go first, and no more than the burst and what has flowed
/// in since is ever taken.
#[derive(Clone, Debug)]
struct Bucket {
    per_second: f64,
    capacity: f64,
    /// Negative: debt.
    level: f64,
    /// When the level was true.
    at: Duration,
}

impl Bucket {
    /// A full bucket; `None` where there is no limit.
    fn new(per_minute: u64) -> Option<Self> {
        let per_second = per_minute as f64 / 60.0;
        let capacity = (per_second * BURST_SECONDS).max(1.0);
        (per_minute > 0).then_some(Bucket { per_second, capacity, level: capacity, at: Duration::ZERO })
    }

    fn fill(&mut self, now: Duration) {
        let since = now.saturating_sub(self.at).as_secs_f64();
        self.level = (self.level + since * self.per_second).min(self.capacity);
        self.at = self.at.max(now);
    }

    /// Takes so much, and says how long to wait before using it.
    fn take(&mut self, now: Duration, amount: f64) -> Duration {
        self.fill(now);
        self.level -= amount;
        let wait_s = (-self.level / self.per_second).max(0.0);
        Duration::try_from_secs_f64(wait_s).unwrap_or(Duration::MAX)
    }

    /// Corrects what was taken for what was used.
    fn correct(&mut self, now: Duration, taken: f64, used: f64) {
        self.fill(now);
        self.level = (self.level + taken - used).min(self.capacity);
    }
}

/// The limits of one backend.
#[derive(Clone, Debug)]
pub struct Limits {
    requests: Option<Bucket>,
    tokens: Option<Bucket>,
    /// Nothing is sent before.
    held_until: Duration,
}

impl Limits {
    /// So many requests and tokens a minute; 0 for no limit.
    pub fn new(requests_per_minute: u32, tokens_per_minute: u64) -> Self {
        Limits {
            requests: Bucket::new(requests_per_minute.into()),
            tokens: Bucket::new(tokens_per_minute),
            held_until: Duration::ZERO,
        }
    }

    /// Takes one request of so many tokens, and says how long to wait before sending it.
    pub fn take(&mut self, now: Duration, n_tokens: u64) -> Duration {
        let wait = |bucket: &mut Option<Bucket>, amount: f64| {
            bucket.as_mut().map_or(Duration::ZERO, |bucket| bucket.take(now, amount))
        };
        wait(&mut self.requests, 1.0).max(wait(&mut self.tokens, n_tokens as f64))
    }

    /// Corrects the tokens a request was expected to take for those it took.
    pub fn correct(&mut self, now: Duration, n_taken: u64, n_used: u64) {
        if let Some(tokens) = &mut self.tokens {
            tokens.correct(now, n_taken as f64, n_used as f64);
        }
    }

    /// The server wants a pause until then, from everybody.
    pub fn hold_until(&mut self, until: Duration) {
        self.held_until = self.held_until.max(until);
    }

    /// How long the pause goes on.
    pub fn held(&self, now: Duration) -> Duration {
        self.held_until.saturating_sub(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(s: f64) -> Duration {
        Duration::from_secs_f64(s)
    }

    /// When each of `n` requests that all come at `now` may be sent, in seconds.
    fn sent_at(limits: &mut Limits, now: f64, n: usize, n_tokens: u64) -> Vec<f64> {
        (0..n).map(|_| now + limits.take(seconds(now), n_tokens).as_secs_f64()).collect()
    }

    #[test]
    fn no_more_than_burst_and_flow_is_ever_sent_and_first_come_are_first_served() {
        let mut limits = Limits::new(120, 0);
        let mut sent = sent_at(&mut limits, 0.0, 100, 1);
        sent.extend(sent_at(&mut limits, 30.0, 100, 1));
        assert!(sent.is_sorted());
        // 120 a minute are 2 a second, 12 of them at once.
        for (k, at) in sent.iter().enumerate() {
            let n_sent = (k + 1) as f64;
            assert!(n_sent <= 12.0 + 2.0 * at + 1e-6, "{n_sent} by {at}");
        }
        assert_eq!(sent.iter().filter(|at| **at < 1e-9).count(), 12);
        assert!((sent[199] - 94.0).abs() < 1e-6, "{}", sent[199]);
    }

    #[test]
    fn an_idle_bucket_holds_no_more_than_its_burst() {
        let mut limits = Limits::new(120, 0);
        let at_once =
            sent_at(&mut limits, 3600.0, 40, 1).into_iter().filter(|at| *at < 3600.0 + 1e-9).count();
        assert_eq!(at_once, 12);
    }

    #[test]
    fn tokens_limit_too_and_one_request_larger_than_the_burst_waits_for_all_of_it() {
        let mut limits = Limits::new(0, 60_000);
        assert_eq!(sent_at(&mut limits, 0.0, 3, 3000), [0.0, 0.0, 3.0]);
        let mut limits = Limits::new(0, 600);
        assert_eq!(sent_at(&mut limits, 0.0, 1, 160), [10.0]);
    }

    #[test]
    fn what_was_not_used_comes_back_and_what_was_used_beyond_is_taken() {
        let mut limits = Limits::new(0, 60_000);
        assert_eq!(limits.take(Duration::ZERO, 6000), Duration::ZERO);
        limits.correct(Duration::ZERO, 6000, 2000);
        assert_eq!(limits.take(Duration::ZERO, 4000), Duration::ZERO);
        limits.correct(Duration::ZERO, 4000, 9000);
        assert_eq!(limits.take(Duration::ZERO, 0), seconds(5.0));
        // Giving back fills no bucket beyond its burst.
        limits.correct(seconds(100.0), 1_000_000, 0);
        assert_eq!(limits.take(seconds(100.0), 7000), seconds(1.0));
    }

    #[test]
    fn without_limits_nobody_waits_and_the_smallest_limit_lets_one_through() {
        let mut limits = Limits::new(0, 0);
        assert_eq!(sent_at(&mut limits, 0.0, 3, u64::MAX), [0.0; 3]);
        assert_eq!(sent_at(&mut Limits::new(1, 0), 0.0, 2, 1), [0.0, 60.0]);
    }

    #[test]
    fn pauses_are_kept_and_never_shortened() {
        let mut limits = Limits::new(0, 0);
        limits.hold_until(seconds(5.0));
        limits.hold_until(seconds(2.0));
        assert_eq!(limits.held(seconds(1.0)), seconds(4.0));
        assert_eq!(limits.held(seconds(9.0)), Duration::ZERO);
    }
}
