//! Means, ratios and shares with intervals, gathered one observation at a time, for plots.
//! The verdicts rest on the tables of [`crate::stats`], not on these.

use crate::stats::student::critical;
use statrs::distribution::{ContinuousCDF, Normal};

/// A value and the interval around it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// The value.
    pub value: f64,
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
    /// How many agents it rests on.
    pub n: u64,
}

/// A running mean and variance (Welford 1962).
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Mean {
    n: u64,
    mean: f64,
    squares: f64,
}

impl Mean {
    /// Takes in one value.
    pub fn add(&mut self, value: f64) {
        self.add_times(value, 1);
    }

    /// Takes in the same value many times over.
    pub fn add_times(&mut self, value: f64, times: u64) {
        if times > 0 {
            let n = self.n + times;
            let before = value - self.mean;
            self.mean += before * times as f64 / n as f64;
            self.squares += before * (value - self.mean) * times as f64;
            self.n = n;
        }
    }

    /// The mean with Student's interval; `None` of nothing.
    pub fn estimate(&self, confidence: f64) -> Option<Estimate> {
        let n = self.n as f64;
        let error = (self.squares.max(0.0) / (n - 1.0) / n).sqrt();
        (self.n > 0).then(|| around(self.mean, error, self.n, confidence))
    }
}

/// A running ratio of sums, one numerator and denominator an agent: watched / shown and
/// the like. Its interval is linearised and clustered by agent (Cochran 1977, section 6.4).
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Ratio {
    n: u64,
    above: f64,
    below: f64,
    above_squared: f64,
    below_squared: f64,
    product: f64,
}

impl Ratio {
    /// Takes in one agent; agents with nothing below the line do not count.
    pub fn add(&mut self, above: f64, below: f64) {
        if below > 0.0 {
            self.n += 1;
            self.above += above;
            self.below += below;
            self.above_squared += above * above;
            self.below_squared += below * below;
            self.product += above * below;
        }
    }

    /// The ratio with its interval; `None` of nothing.
    pub fn estimate(&self, confidence: f64) -> Option<Estimate> {
        let ratio = self.above / self.below;
        let residual = self.above_squared - 2.0 * ratio * self.product + ratio * ratio * self.below_squared;
        let n = self.n as f64;
        let error = (residual.max(0.0) * n / (n - 1.0)).sqrt() / self.below;
        (self.n > 0).then(|| around(ratio, error, self.n, confidence))
    }
}

/// `hits` of `n` as a share with Wilson's interval (Wilson 1927); `None` of nothing.
pub fn share(hits: u64, n: u64, confidence: f64) -> Option<Estimate> {
    if n == 0 {
        return None;
    }
    let z = Normal::standard().inverse_cdf(0.5 + confidence / 2.0);
    let (p, count) = (hits as f64 / n as f64, n as f64);
    let shrink = 1.0 + z * z / count;
    let centre = (p + z * z / (2.0 * count)) / shrink;
    let half = z / shrink * (p * (1.0 - p) / count + z * z / (4.0 * count * count)).sqrt();
    Some(Estimate { value: p, low: (centre - half).clamp(0.0, p), high: (centre + half).clamp(p, 1.0), n })
}

/// The interval of a value by its standard error; one observation has none of either.
fn around(value: f64, error: f64, n: u64, confidence: f64) -> Estimate {
    let half =
        if n < 2 { 0.0 } else { critical((n - 1) as f64, 1.0 - confidence).map_or(f64::NAN, |t| t * error) };
    Estimate { value, low: value - half, high: value + half, n }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_agree_with_the_textbook() {
        let mut mean = Mean::default();
        [4.0, 5.0, 6.0, 7.0, 8.0].iter().for_each(|v| mean.add(*v));
        let e = mean.estimate(0.95).expect("five values");
        // t(4, .975) = 2.776445, s = 1.581139: by hand.
        assert!((e.value - 6.0).abs() < 1e-12 && (e.high - 7.963243).abs() < 1e-5, "{e:?}");
        // Wilson's interval of 8 of 10: (0.490, 0.943), e.g. Brown, Cai and DasGupta 2001's formula by hand.
        let e = share(8, 10, 0.95).expect("ten");
        assert!((e.low - 0.490162).abs() < 1e-5 && (e.high - 0.943318).abs() < 1e-5, "{e:?}");
        assert_eq!(share(0, 5, 0.95).map(|e| e.low), Some(0.0));
    }

    #[test]
    fn a_ratio_with_equal_denominators_is_a_mean() {
        let (mut ratio, mut mean) = (Ratio::default(), Mean::default());
        for v in [1.0, 2.0, 4.0, 0.0] {
            ratio.add(v, 4.0);
            mean.add(v / 4.0);
        }
        let (r, m) = (ratio.estimate(0.95).expect("some"), mean.estimate(0.95).expect("some"));
        assert!((r.value - m.value).abs() < 1e-12 && (r.low - m.low).abs() < 1e-9, "{r:?} {m:?}");
    }

    #[test]
    fn nothing_has_no_estimate_and_one_no_width() {
        assert_eq!(Mean::default().estimate(0.95), None);
        assert_eq!(Ratio::default().estimate(0.95), None);
        assert_eq!(share(0, 0, 0.95), None);
        let mut one = Mean::default();
        one.add(3.0);
        assert_eq!(one.estimate(0.95), Some(Estimate { value: 3.0, low: 3.0, high: 3.0, n: 1 }));
    }
}
