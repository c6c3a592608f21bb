//! From scores to yes and no: a scorer's best cut on one half of the people, used on the other.
//! Must not know who scores.

use crate::agent::taste::questions::Question;

/// In what form scores meet the cut: as they are, in a person's own standard deviations from
/// their mean over the catalogue, or as the share of the catalogue the person likes less.
const N_FORMS: usize = 3;

/// A person's opinion of the whole catalogue, as one scorer has it.
pub(super) struct Opinion {
    scores: Vec<f32>,
    ascending: Vec<f32>,
    mean: f64,
    std_dev: f64,
}

impl Opinion {
    /// From one score an item; not a number where there is no opinion, which is never a yes.
    pub(super) fn new(scores: Vec<f32>) -> Opinion {
        let mut ascending: Vec<f32> = scores.iter().copied().filter(|score| score.is_finite()).collect();
        ascending.sort_by(f32::total_cmp);
        let n = ascending.len().max(1) as f64;
        let mean = ascending.iter().map(|&x| f64::from(x)).sum::<f64>() / n;
        let variance = ascending.iter().map(|&x| (f64::from(x) - mean).powi(2)).sum::<f64>() / n;
        Opinion { scores, ascending, mean, std_dev: variance.sqrt() }
    }

    fn forms(&self, item: usize) -> [f64; N_FORMS] {
        let score = self.scores[item];
        if !score.is_finite() {
            return [f64::NEG_INFINITY; N_FORMS];
        }
        let deviation = f64::from(score) - self.mean;
        let standardised = if self.std_dev > 0.0 { deviation / self.std_dev } else { 0.0 };
        let n_below = self.ascending.partition_point(|&other| other < score);
        [f64::from(score), standardised, n_below as f64 / self.ascending.len() as f64]
    }
}

/// The scores of the items asked about, question by question, in every form.
#[derive(Default)]
pub(super) struct Answers {
    by_question: Vec<Vec<[f64; N_FORMS]>>,
}

impl Answers {
    pub(super) fn push(&mut self, opinion: &Opinion, question: &Question) {
        self.by_question.push(question.items.iter().map(|(item, _)| opinion.forms(item.idx())).collect());
    }
}

/// Right and wrong answers.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Confusion {
    pub right_yes: u32,
    pub wrong_yes: u32,
    pub right_no: u32,
    pub wrong_no: u32,
}

impl Confusion {
    fn count(&mut self, yes: bool, chosen: bool) {
        match (yes, chosen) {
            (true, true) => self.right_yes += 1,
            (true, false) => self.wrong_yes += 1,
            (false, false) => self.right_no += 1,
            (false, true) => self.wrong_no += 1,
        }
    }

    pub(super) fn plus(self, other: &Confusion) -> Confusion {
        Confusion {
            right_yes: self.right_yes + other.right_yes,
            wrong_yes: self.wrong_yes + other.wrong_yes,
            right_no: self.right_no + other.right_no,
            wrong_no: self.wrong_no + other.wrong_no,
        }
    }

    pub(super) fn accuracy(&self) -> f64 {
        let right = self.right_yes + self.right_no;
        share(right, right + self.wrong_yes + self.wrong_no)
    }

    pub(super) fn precision(&self) -> f64 {
        share(self.right_yes, self.right_yes + self.wrong_yes)
    }

    pub(super) fn recall(&self) -> f64 {
        share(self.right_yes, self.right_yes + self.wrong_no)
    }

    pub(super) fn f1(&self) -> f64 {
        share(2 * self.right_yes, 2 * self.right_yes + self.wrong_yes + self.wrong_no)
    }
}

fn share(part: u32, whole: u32) -> f64 {
    if whole == 0 { 0.0 } else { f64::from(part) / f64::from(whole) }
}

/// How every question is answered with the form and the cut that served the other half best.
pub(super) fn cross_fit(answers: &Answers, questions: &[Question], halves: &[bool]) -> Vec<Confusion> {
    assert_eq!(answers.by_question.len(), questions.len(), "one answer a question");
    let mut confusions = vec![Confusion::default(); questions.len()];
    for half in [false, true] {
        let chooses: Vec<usize> = (0..questions.len()).filter(|&k| halves[k] != half).collect();
        let (form, cut) = best(answers, questions, &chooses);
        for k in (0..questions.len()).filter(|&k| halves[k] == half) {
            for (forms, (_, chosen)) in answers.by_question[k].iter().zip(&questions[k].items) {
                confusions[k].count(forms[form] > cut, *chosen);
            }
        }
    }
    confusions
}

/// The form and cut with the most right answers to these questions; the first of equals.
fn best(answers: &Answers, questions: &[Question], chooses: &[usize]) -> (usize, f64) {
    let of_form = |form: usize| {
        let scored = chooses.iter().flat_map(|&k| {
            answers.by_question[k].iter().zip(&questions[k].items).map(move |(f, (_, yes))| (f[form], *yes))
        });
        best_cut(scored.collect())
    };
    let (mut best, mut n_best) = ((0, f64::INFINITY), None);
    for form in 0..N_FORMS {
        let (cut, n_right) = of_form(form);
        if n_best.is_none_or(|n_best| n_right > n_best) {
            (best, n_best) = ((form, cut), Some(n_right));
        }
    }
    best
}

/// The cut above which yes is right most often, and how often yes and no are right with it;
/// of equals the one with the fewest yeses.
fn best_cut(mut scored: Vec<(f64, bool)>) -> (f64, usize) {
    scored.sort_by(|a, b| b.0.total_cmp(&a.0));
    let mut n_right = scored.iter().filter(|(_, chosen)| !chosen).count();
    let (mut cut, mut n_best) = (f64::INFINITY, n_right);
    for (k, &(score, chosen)) in scored.iter().enumerate() {
        n_right = if chosen { n_right + 1 } else { n_right - 1 };
        let next = scored.get(k + 1).map_or(f64::NEG_INFINITY, |next| next.0);
        // No cut parts equals, and no opinion is no yes.
        if n_right > n_best && next < score {
            (cut, n_best) = (if next.is_finite() { next.midpoint(score) } else { next }, n_right);
        }
    }
    (cut, n_best)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_cut_is_found_and_parts_no_equals() {
        let cut = |scored: &[(f64, bool)]| best_cut(scored.to_vec());
        assert_eq!(cut(&[(1.0, false), (3.0, true), (2.0, true)]), (1.5, 3));
        assert_eq!(cut(&[(2.0, true), (2.0, false), (1.0, false)]), (f64::INFINITY, 2));
        assert_eq!(cut(&[(2.0, true), (2.0, true), (2.0, false), (1.0, false)]), (1.5, 3));
        assert_eq!(cut(&[(2.0, true), (1.0, true)]), (f64::NEG_INFINITY, 2));
        assert_eq!(cut(&[]), (f64::INFINITY, 0));
        // Whoever has no opinion says no, however often yes would be right.
        assert_eq!(cut(&[(f64::NEG_INFINITY, true), (0.0, false)]), (f64::INFINITY, 1));
    }

    #[test]
    fn forms_are_raw_standardised_and_the_share_liked_less() {
        let opinion = Opinion::new(vec![1.0, f32::NAN, 3.0, 5.0]);
        // Mean 3, population standard deviation sqrt(8/3), as numpy.std.
        let [raw, standardised, share] = opinion.forms(3);
        assert_eq!(raw, 5.0);
        assert!((standardised - 2.0 / (8.0f64 / 3.0).sqrt()).abs() < 1e-12);
        assert!((share - 2.0 / 3.0).abs() < 1e-12);
        assert_eq!(opinion.forms(1), [f64::NEG_INFINITY; 3]);
    }

    #[test]
    fn shares_of_a_confusion_are_the_usual_ones() {
        // sklearn.metrics on 3 right and 1 wrong yes, 4 right and 2 wrong no.
        let c = Confusion { right_yes: 3, wrong_yes: 1, right_no: 4, wrong_no: 2 };
        assert_eq!((c.accuracy(), c.precision(), c.recall()), (0.7, 0.75, 0.6));
        assert!((c.f1() - 2.0 * 0.75 * 0.6 / 1.35).abs() < 1e-12);
        assert_eq!(Confusion::default().f1(), 0.0);
    }
}
