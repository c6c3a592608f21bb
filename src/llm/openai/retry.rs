//! How long to wait before the next attempt: what the server asked for, or a pause drawn from the
//! request's own stream, so that one request's luck moves no other's. Must not know why attempts fail.

use super::settings::OpenAiSettings;
use crate::rng::ChaCha8Rng;
use rand::{RngExt, SeedableRng};
use std::time::Duration;

/// What tells requests apart whose pauses are to differ.
#[derive(Clone, Copy, Debug)]
pub struct Who<'a> {
    /// The request's seed.
    pub seed: u64,
    /// The request's name.
    pub name: &'a str,
}

/// Keeps the stream of pauses apart from every other use of a request's seed.
const PURPOSE: &[u8; 8] = b"retrying";

/// The pause before retry number `k` (the first is 0): full jitter, uniform from nothing to
/// `first_ms · 2^k`, or to `max_ms` where that is less.
pub fn backoff(who: Who<'_>, k: u32, first_ms: u64, max_ms: u64) -> Duration {
    let bound_ms = 1u64.checked_shl(k).and_then(|factor| first_ms.checked_mul(factor)).unwrap_or(u64::MAX);
    let bound_ms = bound_ms.min(max_ms);
    Duration::from_micros(stream(who, k).random_range(0..=bound_ms.saturating_mul(1000)))
}

/// The pause after the failure number `k` (the first is 0), which is as long as the server asks for and a
/// little more; `None` where it wants more than `retry_after_ms_max`.
pub fn asked_pause(
    settings: &OpenAiSettings,
    who: Who<'_>,
    k: u32,
    asked: Option<Duration>,
) -> Option<Duration> {
    let pause = |k| backoff(who, k, settings.backoff_ms, settings.backoff_ms_max);
    match asked.filter(|asked| !asked.is_zero()) {
        None => Some(pause(k)),
        Some(asked) if asked > Duration::from_millis(settings.retry_after_ms_max) => None,
        // Those who were sent away together should not come back together.
        Some(asked) => Some(asked + pause(0)),
    }
}

/// The generator of one request's one pause.
fn stream(who: Who<'_>, k: u32) -> ChaCha8Rng {
    let mut key = [0u8; 32];
    key[..8].copy_from_slice(&who.seed.to_le_bytes());
    key[8..16].copy_from_slice(&fnv1a(who.name.as_bytes()).to_le_bytes());
    key[16..20].copy_from_slice(&k.to_le_bytes());
    key[24..].copy_from_slice(PURPOSE);
    ChaCha8Rng::from_seed(key)
}

/// FNV-1a, 64 bits: the same on every machine.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

/// The wait that a server asks for, from its headers: `retry-after-ms`, or `Retry-After` as seconds or
/// as a date (RFC 9110, 10.2.3), counted from the server's own `Date` where it gives one, else from
/// `now_unix_s`. `None` where it asks for none that can be read.
pub fn asked_wait<'a>(header: impl Fn(&'static str) -> Option<&'a str>, now_unix_s: u64) -> Option<Duration> {
    let number = |text: &str| text.trim().parse::<f64>().ok().filter(|n| *n >= 0.0);
    let wait = |seconds: f64| Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX);
    if let Some(ms) = header("retry-after-ms").and_then(number) {
        return Some(wait(ms / 1000.0));
    }
    let asked = header("retry-after")?;
    if let Some(seconds) = number(asked) {
        return Some(wait(seconds));
    }
    let then = unix_seconds(asked)?;
    let now = header("date").and_then(unix_seconds).unwrap_or(now_unix_s);
    Some(Duration::from_secs(then.saturating_sub(now)))
}

/// Seconds since 1970 of a date as servers must write it: `Sun, 06 Nov 1994 08:49:37 GMT` (RFC 9110, 5.6.7).
fn unix_seconds(text: &str) -> Option<u64> {
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let parts: Vec<&str> = text.split_whitespace().collect();
    let [_, day, month, year, time, "GMT"] = parts[..] else { return None };
    let month = MONTHS.iter().position(|name| *name == month)? as u64 + 1;
    let (day, year) = (day.parse::<u64>().ok()?, year.parse::<u64>().ok()?);
    let clock: Vec<u64> = time.split(':').map(|part| part.parse().ok()).collect::<Option<_>>()?;
    let [hour, minute, second] = clock[..] else { return None };
    let sane = (1..=31).contains(&day) && (1970..=9999).contains(&year);
    if !sane || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    // Years begin in March, so the day that comes and goes is the last one.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days_before_1970_03 = 719_468;
    let days = year * 365 + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day - 1;
    Some(((days - days_before_1970_03) * 24 + hour) * 3600 + minute * 60 + second)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_are_drawn_from_the_requests_own_stream() {
        let pause = |seed, name, k| backoff(Who { seed, name }, k, 1000, 60_000);
        assert_eq!(pause(1, "agent 1", 3), pause(1, "agent 1", 3));
        assert_ne!(pause(1, "agent 1", 3), pause(2, "agent 1", 3));
        assert_ne!(pause(1, "agent 1", 3), pause(1, "agent 2", 3));
        assert_ne!(pause(1, "agent 1", 6), pause(1, "agent 1", 7));
    }

    #[test]
    fn pauses_double_and_stop_growing() {
        for (k, bound_ms) in [(0, 100), (1, 200), (3, 800), (4, 1500), (63, 1500), (64, 1500), (200, 1500)] {
            let pauses: Vec<Duration> =
                (0..500).map(|seed| backoff(Who { seed, name: "a" }, k, 100, 1500)).collect();
            let bound = Duration::from_millis(bound_ms);
            assert!(pauses.iter().all(|pause| *pause <= bound), "{k}");
            // Uniform: of 500 draws some fall into the last and some into the first twentieth.
            assert!(pauses.iter().any(|pause| *pause > bound * 19 / 20), "{k}");
            assert!(pauses.iter().any(|pause| *pause < bound / 20), "{k}");
        }
    }

    fn asked(headers: &[(&str, &'static str)]) -> Option<f64> {
        let header = |name: &str| headers.iter().find(|(key, _)| *key == name).map(|(_, value)| *value);
        asked_wait(header, 784_111_700).map(|wait| wait.as_secs_f64())
    }

    #[test]
    fn waits_are_read_as_seconds_milliseconds_and_dates() {
        assert_eq!(asked(&[("retry-after", " 7 ")]), Some(7.0));
        assert_eq!(asked(&[("retry-after", "0.25")]), Some(0.25));
        assert_eq!(asked(&[("retry-after", "9"), ("retry-after-ms", "1500")]), Some(1.5));
        // 1994-11-06 08:49:37 is 784111777 (RFC 9110's example; `date -d … +%s`).
        assert_eq!(asked(&[("retry-after", "Sun, 06 Nov 1994 08:49:37 GMT")]), Some(77.0));
        let both =
            [("retry-after", "Sun, 06 Nov 1994 08:49:37 GMT"), ("date", "Sun, 06 Nov 1994 08:49:30 GMT")];
        assert_eq!(asked(&both), Some(7.0));
        assert_eq!(asked(&[("retry-after", "Sun, 06 Nov 1994 08:00:00 GMT")]), Some(0.0));
    }

    #[test]
    fn what_is_no_wait_is_none_and_a_huge_one_is_huge() {
        for text in ["", "soon", "-3", "nan", "Sun, 06 Foo 1994 08:49:37 GMT", "Sun, 06 Nov 1994 8h GMT"] {
            let header = |name: &str| (name == "retry-after").then_some(text);
            assert_eq!(asked_wait(header, 0), None, "{text}");
        }
        assert_eq!(asked(&[]), None);
        assert!(asked(&[("retry-after", "1e300")]).is_some_and(|seconds| seconds > 1e15));
    }

    #[test]
    fn dates_around_the_end_of_february_are_right() {
        // `date -u -d … +%s`.
        assert_eq!(unix_seconds("Thu, 01 Jan 1970 00:00:00 GMT"), Some(0));
        assert_eq!(unix_seconds("Thu, 29 Feb 2024 12:00:00 GMT"), Some(1_709_208_000));
        assert_eq!(unix_seconds("Fri, 01 Mar 2024 00:00:00 GMT"), Some(1_709_251_200));
        assert_eq!(unix_seconds("Wed, 31 Dec 2025 23:59:59 GMT"), Some(1_767_225_599));
    }
}
