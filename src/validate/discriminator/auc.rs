//! The area under the receiver operating characteristic: the chance that a positive scores above a
//! negative, ties counting half (Mann and Whitney 1947). Must not know who scores.

/// One scored case.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scored {
    /// Its score.
    pub score: f64,
    /// Whether it is a positive.
    pub positive: bool,
    /// How often it counts.
    pub weight: f64,
}

/// The area, `None` where one side has no weight or a score is not a number.
pub fn auc(mut cases: Vec<Scored>) -> Option<f64> {
    if cases.iter().any(|case| case.score.is_nan()) {
        return None;
    }
    cases.sort_by(|a, b| a.score.total_cmp(&b.score));
    let (mut area, mut below, mut positives) = (0.0, 0.0, 0.0);
    for tied in cases.chunk_by(|a, b| a.score == b.score) {
        let weight = |side: bool| tied.iter().filter(|c| c.positive == side).map(|c| c.weight).sum::<f64>();
        let (here_positive, here_negative) = (weight(true), weight(false));
        area += here_positive * (below + 0.5 * here_negative);
        below += here_negative;
        positives += here_positive;
    }
    Some(area / (below * positives)).filter(|area| area.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn areas_agree_with_sklearn() {
        // sklearn.metrics.roc_auc_score([0,0,1,1,0,1,1,0], [.1,.4,.35,.8,.4,.4,.9,.05]) = 0.8125.
        let (labels, scores) = ([0, 0, 1, 1, 0, 1, 1, 0], [0.1, 0.4, 0.35, 0.8, 0.4, 0.4, 0.9, 0.05]);
        let case =
            |(label, score): (&u8, &f64), weight| Scored { score: *score, positive: *label == 1, weight };
        let of = |weight| auc(labels.iter().zip(&scores).map(|pair| case(pair, weight)).collect());
        assert_eq!((of(1.0), of(3.0)), (Some(SKLEARN), Some(SKLEARN)));
        assert_eq!(auc(vec![case((&1, &0.5), 1.0)]), None);
        assert_eq!(auc(vec![case((&1, &f64::NAN), 1.0), case((&0, &0.5), 1.0)]), None);
    }

    const SKLEARN: f64 = 0.8125;
}
