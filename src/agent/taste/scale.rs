//! The scale of normal scores (van der Waerden) that every taste is put on.
//! Must not know where raw values come from.

use statrs::distribution::{ContinuousCDF, Normal};

/// A monotone map from raw affinity to normal scores: ascending raw values at evenly spaced
/// probabilities, and the normal quantile of each. Empty: the identity.
#[derive(Clone, Debug, Default)]
pub(super) struct Scale {
    raw: Vec<f32>,
    scores: Vec<f32>,
    /// How many knots lie in the buckets below each, where raw values are cut into buckets of one width; empty where
    /// that cannot be.
    below: Vec<u16>,
    per_width: f32,
}

impl Scale {
    /// Probabilities at which the map has knots; the outermost bound the scores to about ±3.5.
    const N_KNOTS: usize = 2048;

    /// Buckets in which a knot is looked for; about one knot in each where knots are densest.
    const N_BUCKETS: usize = 4096;

    /// The scale on which this ascending sample is standard normal.
    ///
    /// # Panics
    /// When the sample is empty.
    pub(super) fn from_sorted(sample: &[f32]) -> Scale {
        let normal = Normal::standard();
        let (mut scale, mut first) = (Scale::default(), 0.0);
        for k in 0..Self::N_KNOTS {
            let probability = (k as f64 + 0.5) / Self::N_KNOTS as f64;
            let raw = sample[(probability * sample.len() as f64) as usize];
            // Ties share the score of their middle, so that the map stays a function.
            if scale.raw.last() != Some(&raw) {
                scale.raw.push(raw);
                scale.scores.push(0.0);
                first = probability;
            }
            let middle = normal.inverse_cdf(0.5 * (first + probability)) as f32;
            scale.scores.last_mut().into_iter().for_each(|score| *score = middle);
        }
        scale.index();
        scale
    }

    /// Cuts the range of the knots into buckets.
    fn index(&mut self) {
        let (Some(low), Some(high)) = (self.raw.first(), self.raw.last()) else { return };
        self.per_width = (Self::N_BUCKETS - 1) as f32 / (high - low).max(f32::MIN_POSITIVE);
        let buckets: Vec<usize> = self.raw.iter().map(|&raw| self.bucket(raw)).collect();
        if !buckets.is_sorted() {
            return;
        }
        let below = |bucket| buckets.partition_point(|&other| other < bucket) as u16;
        self.below = (0..=Self::N_BUCKETS).map(below).collect();
    }

    /// The bucket of a raw value: of two values the higher one is never in the lower bucket.
    fn bucket(&self, raw: f32) -> usize {
        (((raw - self.raw[0]) * self.per_width) as usize).min(Self::N_BUCKETS - 1)
    }

    /// The number of knots below a raw value.
    fn knots_below(&self, raw: f32) -> usize {
        if self.below.is_empty() {
            return self.raw.partition_point(|&knot| knot < raw);
        }
        let bucket = self.bucket(raw);
        let (from, to) = (usize::from(self.below[bucket]), usize::from(self.below[bucket + 1]));
        from + self.raw[from..to].partition_point(|&knot| knot < raw)
    }

    /// The normal score of a raw value; between knots along a line.
    pub(super) fn score(&self, raw: f32) -> f32 {
        let above = self.knots_below(raw);
        match (above.checked_sub(1), self.raw.get(above)) {
            (Some(below), Some(&high)) => {
                let (low, low_score) = (self.raw[below], self.scores[below]);
                low_score + (self.scores[above] - low_score) * (raw - low) / (high - low)
            }
            (None, Some(_)) => self.scores[0],
            (Some(below), None) => self.scores[below],
            (None, None) => raw,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_are_normal_quantiles_and_keep_the_order() {
        let sample: Vec<f32> = (0..65_536).map(|k| (k as f32 / 65_536.0).powi(3)).collect();
        let scale = Scale::from_sorted(&sample);
        // The median of the sample, its 97.72th percentile and beyond: scipy.stats.norm.ppf.
        assert!(scale.score(0.125).abs() < 2e-3);
        assert!((scale.score(0.977_25f32.powi(3)) - 2.0).abs() < 2e-2);
        assert!(scale.score(9.0) > 3.4 && scale.score(-9.0) < -3.4);
        let scores: Vec<f32> = (0..1000).map(|k| scale.score(k as f32 / 1000.0)).collect();
        assert!(scores.windows(2).all(|w| w[0] <= w[1]));
    }

    #[test]
    fn buckets_find_the_knots_that_a_search_over_all_finds() {
        let cube = |k: i32| (k as f32 / 32_768.0 - 1.0).powi(3);
        let samples =
            [(0..65_536).map(cube).collect(), vec![0.5; 4096], vec![f32::MIN, 0.0, 1e-30, f32::MAX]];
        for sample in samples {
            let scale = Scale::from_sorted(&sample);
            let near = scale.raw.iter().flat_map(|&knot| [knot.next_down(), knot, knot.next_up()]);
            let far = [f32::NEG_INFINITY, f32::INFINITY, f32::NAN, 0.0, -0.0, 0.3];
            for raw in near.chain(far) {
                let slow = scale.raw.partition_point(|&knot| knot < raw);
                assert_eq!(scale.knots_below(raw), slow, "{raw}");
            }
        }
    }

    #[test]
    fn ties_score_as_their_middle() {
        // Nine in ten at 0, the rest at 1: scipy.stats.norm.ppf([0.45, 0.95]).
        let sample: Vec<f32> = (0..65_536).map(|k| if k < 58_982 { 0.0 } else { 1.0 }).collect();
        let scale = Scale::from_sorted(&sample);
        assert!((scale.score(0.0) + 0.125_66).abs() < 2e-3, "{}", scale.score(0.0));
        assert!((scale.score(1.0) - 1.644_85).abs() < 1e-2, "{}", scale.score(1.0));
    }

    #[test]
    fn a_world_where_everybody_likes_everything_alike_has_one_score() {
        let scale = Scale::from_sorted(&[0.5; 4096]);
        assert_eq!(scale.score(0.5), scale.score(0.5));
        assert!(scale.score(0.5).is_finite() && scale.score(0.4).is_finite());
    }
}
