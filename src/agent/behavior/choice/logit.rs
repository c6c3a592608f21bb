//! The two link functions of the choice model: binary logit and ordered logit (McCullagh 1980).
//! Must not know what is being chosen.

/// The logistic function.
pub fn logistic(utility: f64) -> f64 {
    1.0 / (1.0 + (-utility).exp())
}

/// The utility whose logistic is `probability`, kept away from certainty.
pub fn log_odds(probability: f64) -> f64 {
    let p = probability.clamp(1e-6, 1.0 - 1e-6);
    (p / (1.0 - p)).ln()
}

/// log P(yes), or log P(no), at this utility; stable at both ends.
pub fn log_probability(yes: bool, utility: f64) -> f64 {
    let towards = if yes { utility } else { -utility };
    if towards > 0.0 { -(-towards).exp().ln_1p() } else { towards - towards.exp().ln_1p() }
}

/// The level, from 0, that uniform luck on 0..1 comes to: P(level ≤ k) = logistic(cut_k − utility).
pub fn ordered_level(cuts: &[f64], utility: f64, luck: f64) -> usize {
    cuts.iter().filter(|&&cut| luck >= logistic(cut - utility)).count()
}

/// P(level), from the same model.
pub fn ordered_probability(cuts: &[f64], utility: f64, level: usize) -> f64 {
    let below = |k: usize| cuts.get(k).map_or(1.0, |cut| logistic(cut - utility));
    below(level) - if level == 0 { 0.0 } else { below(level - 1) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn log_probabilities_are_right_and_finite() {
        for utility in [-800.0, -30.0, -1.0, 0.0, 0.5, 40.0, 800.0] {
            let (yes, no) = (log_probability(true, utility), log_probability(false, utility));
            assert!(yes.is_finite() && no.is_finite());
            assert!((yes.exp() + no.exp() - 1.0).abs() < 1e-12);
        }
        assert!((log_odds(logistic(1.7)) - 1.7).abs() < 1e-9);
    }

    #[test]
    fn luck_falls_on_levels_in_proportion_to_their_probability() {
        let (cuts, utility) = ([-1.0, 0.3, 2.0], 0.4);
        let total: f64 = (0..4).map(|level| ordered_probability(&cuts, utility, level)).sum();
        assert!((total - 1.0).abs() < 1e-12);
        let n = 100_000;
        let mut counts = [0usize; 4];
        (0..n).for_each(|k| counts[ordered_level(&cuts, utility, (k as f64 + 0.5) / n as f64)] += 1);
        for (level, count) in counts.into_iter().enumerate() {
            let expected = ordered_probability(&cuts, utility, level);
            assert!((count as f64 / n as f64 - expected).abs() < 1e-4);
        }
    }
}
