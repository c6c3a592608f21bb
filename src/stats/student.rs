//! Student's t: the one place that asks how likely it is and which value it exceeds. Must not know what is tested.

use statrs::distribution::{ContinuousCDF, Normal, StudentsT};

/// Degrees of freedom from which t is taken for normal.
pub(super) const DEGREES_NORMAL: f64 = 100_000.0;

/// Probability that Student's t with these degrees of freedom is at least as far from 0 as `t`.
pub(super) fn two_sided(t: f64, degrees: f64) -> f64 {
    match StudentsT::new(0.0, 1.0, degrees) {
        Ok(distribution) => (2.0 * distribution.cdf(-t.abs())).min(1.0),
        Err(_) => f64::NAN,
    }
}

/// The value that Student's t with these degrees of freedom exceeds, on either side, with probability `alpha`; `None`
/// where there is no such distribution.
///
/// Found by bisection on the distribution function, whose accuracy it then has: the inverse that `statrs` offers
/// comes to no end at tens of millions of degrees of freedom.
pub fn critical(degrees: f64, alpha: f64) -> Option<f64> {
    if degrees >= DEGREES_NORMAL {
        return Some(Normal::standard().inverse_cdf(1.0 - alpha / 2.0));
    }
    let distribution = StudentsT::new(0.0, 1.0, degrees).ok()?;
    let (mut low, mut high) = (0.0, 1.0);
    while 2.0 * distribution.cdf(-high) > alpha {
        high *= 2.0;
    }
    for _ in 0..50 {
        let middle = 0.5 * (low + high);
        if 2.0 * distribution.cdf(-middle) > alpha { low = middle } else { high = middle }
    }
    Some(0.5 * (low + high))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_agree_with_tables_at_any_degrees_of_freedom() {
        // scipy.stats.t.ppf(.975, df); 79,000,000 is where the page of ten million agents came to no end.
        for (degrees, expected, within) in [
            (1.0, 12.706_204_736_432_095, 1e-9),
            (4.0, 2.776_445_105_197_799, 1e-9),
            (99_999.0, 1.959_987_707_771_845, 1e-9),
            // Taken for normal: off by (z³ + z) / (4 df).
            (100_001.0, 1.959_987_707_297_379, 2.5e-5),
            (79_000_000.0, 1.959_964_014_568_804, 1e-7),
            (1e300, 1.959_963_984_540_054, 1e-9),
        ] {
            let found = critical(degrees, 0.05).expect("a value");
            assert!((found - expected).abs() < within, "{degrees}: {found}");
        }
        assert_eq!(critical(0.0, 0.05), None);
        assert!((two_sided(2.776_445_105_197_8, 4.0) - 0.05).abs() < 1e-12);
    }
}
