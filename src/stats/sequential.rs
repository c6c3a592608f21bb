//! Looking while the data come in: p-values and intervals that hold at every look at once, however the moment
//! to stop is chosen. Must not know what is looked at.
//!
//! Mixture sequential probability ratio tests (Robbins 1970; Johari, Koomen, Pekelis and Walsh 2017/2022): the
//! likelihood ratio of a normally distributed effect against none. Under no effect it is a martingale of mean 1, so it ever
//! exceeds 1/α with probability at most α (Ville 1939). The p-value is the smallest 1/ratio so far; the interval at a look
//! holds the effects that the ratio does not speak against.
//!
//! The usual form plugs the estimated standard deviation in where the known one belongs. Early on that
//! is wrong: with few values the estimate is often far too small, and whoever looks at each of them finds an effect far too
//! often (`study_of_validity` in the tests has the numbers). So means are tested with the ratio of t statistics
//! instead: the effect in standard deviations is normal with variance `rho_squared`, the
//! standard deviation has its scale-invariant prior (Lai 1976; Pérez-Ortiz, Lardy, de Heide and Grünwald 2024; Wang and
//! Ramdas 2025). For normal values that is exact from the second value on, for others it is right in the limit, so there is a
//! burn-in besides: looks before [`Monitoring::n_min`] values count for nothing.
//! Two means use the same ratio with Welch's t and Satterthwaite's degrees of freedom. Two proportions use the normal ratio
//! with the pooled variance, and wait for [`Monitoring::n_min`] successes and as many failures.

use super::estimate::satterthwaite;
use super::proportions::Counts;

/// How an experiment is watched.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Monitoring {
    /// Variance of the effect in standard deviations that the mixture bets on.
    pub rho_squared: f64,
    /// The chance of ever finding an effect where there is none.
    pub alpha: f64,
    /// Values (of the smaller arm), or successes and failures each, before which no look counts.
    pub n_min: u64,
}

/// Burn-in for means: below it, sums of skewed values are not yet normal enough.
pub const N_MIN_MEAN: u64 = 50;
/// Burn-in for proportions, in successes and in failures of both arms together.
pub const N_MIN_EVENTS: u64 = 20;

impl Monitoring {
    /// The mixture whose intervals are nearly the shortest at `n` values (pairs, or values an arm where
    /// `n_arms` is 2): ρ² = (−2 ln α + ln(−2 ln α) + 1) / n (Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas 2024, eq. 26
    /// and around), of values of unit variance.
    pub fn planned(n: u64, n_arms: u32, alpha: f64, n_min: u64) -> Self {
        let a = -2.0 * alpha.ln();
        // A difference of two arms has the variance 2/n of values, hence half the information.
        let information = n.max(1) as f64 / f64::from(n_arms.clamp(1, 2));
        Monitoring { rho_squared: (a + a.ln() + 1.0) / information, alpha, n_min }
    }

    /// The mixture for effects about as large as `effect`, in standard deviations of a value: ρ² = effect².
    pub fn for_effect(effect: f64, alpha: f64, n_min: u64) -> Self {
        Monitoring { rho_squared: effect * effect, alpha, n_min }
    }
}

/// What one look shows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Look {
    /// Values so far, or values of the smaller arm, or trials of both.
    pub n: u64,
    /// The estimated effect.
    pub effect: f64,
    /// Always-valid interval, lower end; −∞ before the burn-in is over.
    pub low: f64,
    /// Upper end; +∞ before the burn-in is over.
    pub high: f64,
    /// Always-valid p-value: the smallest so far.
    pub p_value: f64,
}

impl Look {
    /// Whether the interval excludes no effect, so that one may stop.
    pub fn excludes_zero(&self) -> bool {
        self.low > 0.0 || self.high < 0.0
    }
}

/// Count, mean and squared deviations of values that come one by one (Welford 1962).
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Running {
    n: u64,
    mean: f64,
    squares: f64,
}

impl Running {
    /// Takes a value in.
    pub fn push(&mut self, value: f64) {
        self.n += 1;
        let before = value - self.mean;
        self.mean += before / self.n as f64;
        self.squares += before * (value - self.mean);
    }

    fn variance(&self) -> f64 {
        self.squares / (self.n as f64 - 1.0)
    }
}

/// Watches the mean of values that come one by one, such as paired differences.
#[derive(Clone, Debug)]
pub struct MeanMonitor {
    monitoring: Monitoring,
    running: Running,
    p_value: f64,
}

impl MeanMonitor {
    /// Nothing seen yet.
    pub fn new(monitoring: Monitoring) -> Self {
        MeanMonitor { monitoring, running: Running::default(), p_value: 1.0 }
    }

    /// Takes a value in and looks.
    pub fn push(&mut self, value: f64) -> Look {
        self.running.push(value);
        let Running { n, mean, .. } = self.running;
        if n < self.monitoring.n_min.max(2) {
            return Look {
                n,
                effect: mean,
                low: f64::NEG_INFINITY,
                high: f64::INFINITY,
                p_value: self.p_value,
            };
        }
        let t_ratio = TRatio {
            std_error: (self.running.variance() / n as f64).sqrt(),
            degrees: n as f64 - 1.0,
            growth: 1.0 + n as f64 * self.monitoring.rho_squared,
        };
        t_ratio.look(n, mean, self.monitoring.alpha, &mut self.p_value)
    }
}

/// The looks at the mean of these values after each of them.
pub fn of_mean(values: &[f64], monitoring: Monitoring) -> Vec<Look> {
    let mut monitor = MeanMonitor::new(monitoring);
    values.iter().map(|&value| monitor.push(value)).collect()
}

/// Watches the difference of the means of two arms, right less left. The arms should grow in step.
#[derive(Clone, Debug)]
pub struct DifferenceMonitor {
    monitoring: Monitoring,
    left: Running,
    right: Running,
    p_value: f64,
}

impl DifferenceMonitor {
    /// Nothing seen yet.
    pub fn new(monitoring: Monitoring) -> Self {
        DifferenceMonitor { monitoring, left: Running::default(), right: Running::default(), p_value: 1.0 }
    }

    /// Takes a value of the left arm in.
    pub fn push_left(&mut self, value: f64) {
        self.left.push(value);
    }

    /// Takes a value of the right arm in.
    pub fn push_right(&mut self, value: f64) {
        self.right.push(value);
    }

    /// Looks.
    pub fn look(&mut self) -> Look {
        let (left, right) = (&self.left, &self.right);
        let n = left.n.min(right.n);
        let effect = right.mean - left.mean;
        if n < self.monitoring.n_min.max(2) {
            return Look { n, effect, low: f64::NEG_INFINITY, high: f64::INFINITY, p_value: self.p_value };
        }
        let part = |running: &Running| (running.variance() / running.n as f64, running.n as f64 - 1.0);
        let (part_left, part_right) = (part(left), part(right));
        let variance = part_left.0 + part_right.0;
        let of_a_value = (left.variance() + right.variance()) / 2.0;
        let degrees = satterthwaite(part_left, part_right);
        let t_ratio = TRatio {
            std_error: variance.sqrt(),
            degrees: if degrees.is_finite() { degrees } else { n as f64 - 1.0 },
            growth: if variance > 0.0 {
                1.0 + self.monitoring.rho_squared * of_a_value / variance
            } else {
                1.0
            },
        };
        t_ratio.look(n, effect, self.monitoring.alpha, &mut self.p_value)
    }
}

/// The mixture likelihood ratio of a t statistic.
struct TRatio {
    std_error: f64,
    degrees: f64,
    /// 1 + ρ² · information: how much the variance of t grows under the mixture.
    growth: f64,
}

impl TRatio {
    /// ln of the ratio at this t: the mixture over normal effects of noncentral t densities, over the central one.
    fn ln_ratio(&self, t: f64) -> f64 {
        let u = t * t / self.degrees;
        -0.5 * self.growth.ln() + (self.degrees + 1.0) / 2.0 * (u.ln_1p() - (u / self.growth).ln_1p())
    }

    /// The |t| from which the ratio is at least 1/α; infinite where no t gets there.
    fn t_bound(&self, alpha: f64) -> f64 {
        // (1 + u/g) / (1 + u) = c at the bound, with c = (α²/g)^(1/(ν + 1)), and it never gets below 1/g.
        let c = ((2.0 * alpha.ln() - self.growth.ln()) / (self.degrees + 1.0)).exp();
        let gap = c - 1.0 / self.growth;
        if gap > 0.0 { (self.degrees * (1.0 - c) / gap).sqrt() } else { f64::INFINITY }
    }

    /// The look at this effect; the p-value so far is brought up to date.
    fn look(&self, n: u64, effect: f64, alpha: f64, p_value: &mut f64) -> Look {
        // Values without any spread say nothing about how far their mean may be off.
        if !(self.std_error > 0.0 && effect.is_finite()) {
            return Look { n, effect, low: f64::NEG_INFINITY, high: f64::INFINITY, p_value: *p_value };
        }
        *p_value = p_value.min((-self.ln_ratio(effect / self.std_error)).exp());
        let half = self.t_bound(alpha) * self.std_error;
        Look { n, effect, low: effect - half, high: effect + half, p_value: *p_value }
    }
}

/// Watches the difference of two proportions, right less left.
#[derive(Clone, Debug)]
pub struct ProportionsMonitor {
    monitoring: Monitoring,
    p_value: f64,
}

impl ProportionsMonitor {
    /// Nothing seen yet. `rho_squared` is in standard deviations of one trial, √(p (1 − p)).
    pub fn new(monitoring: Monitoring) -> Self {
        ProportionsMonitor { monitoring, p_value: 1.0 }
    }

    /// Looks at the counts so far.
    pub fn look(&mut self, left: Counts, right: Counts) -> Look {
        let n = left.trials + right.trials;
        let n_successes = left.successes + right.successes;
        let mut look =
            Look { n, effect: 0.0, low: f64::NEG_INFINITY, high: f64::INFINITY, p_value: self.p_value };
        let Some((p_left, p_right)) = left.share().zip(right.share()) else { return look };
        look.effect = p_right - p_left;
        if n_successes.min(n - n_successes) < self.monitoring.n_min.max(1) {
            return look;
        }
        let (n_left, n_right) = (left.trials as f64, right.trials as f64);
        let pooled = n_successes as f64 / n as f64;
        let of_a_trial = pooled * (1.0 - pooled);
        let information = 1.0 / (1.0 / n_left + 1.0 / n_right);
        let growth = 1.0 + self.monitoring.rho_squared * information;
        self.p_value =
            self.p_value.min((-ln_normal_ratio(look.effect, of_a_trial / information, growth)).exp());
        look.p_value = self.p_value;
        let own = p_left * (1.0 - p_left) / n_left + p_right * (1.0 - p_right) / n_right;
        let half = normal_half_width(own, growth, self.monitoring.alpha);
        (look.low, look.high) = (look.effect - half, look.effect + half);
        look
    }
}

/// ln of the mixture likelihood ratio of an effect with known variance (Johari et al. 2022, eq. 7): growth is
/// (V + τ²) / V, where τ² is the variance of effects under the mixture.
pub fn ln_normal_ratio(effect: f64, variance: f64, growth: f64) -> f64 {
    -0.5 * growth.ln() + effect * effect / (2.0 * variance) * (1.0 - 1.0 / growth)
}

/// Half the always-valid interval of an effect with known variance: where the ratio reaches 1/α.
fn normal_half_width(variance: f64, growth: f64, alpha: f64) -> f64 {
    (2.0 * variance * (0.5 * growth.ln() - alpha.ln()) / (1.0 - 1.0 / growth)).sqrt()
}

#[cfg(test)]
mod tests;
