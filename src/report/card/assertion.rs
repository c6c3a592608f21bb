//! Assertions on what a run found, such as `arms.new.s_sat > arms.old.s_sat`: parsed, held against a
//! [`Card`], and told with what was measured on both sides. Must not know how anything was measured.

use super::Card;
use super::evaluate::{self, Measured};
use super::parse;

/// Adds, takes away, multiplies, divides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operator {
    /// `+`
    Plus,
    /// `-`
    Minus,
    /// `*`
    Times,
    /// `/`
    By,
}

/// How two numbers are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compare {
    /// `<`
    Below,
    /// `<=`
    AtMost,
    /// `>`
    Above,
    /// `>=`
    AtLeast,
    /// `==`
    Equal,
    /// `!=`
    Unequal,
}

impl Compare {
    /// Whether it holds.
    pub fn holds(self, left: f64, right: f64) -> bool {
        match self {
            Compare::Below => left < right,
            Compare::AtMost => left <= right,
            Compare::Above => left > right,
            Compare::AtLeast => left >= right,
            Compare::Equal => left == right,
            Compare::Unequal => left != right,
        }
    }

    fn sign(self) -> &'static str {
        match self {
            Compare::Below => "<",
            Compare::AtMost => "<=",
            Compare::Above => ">",
            Compare::AtLeast => ">=",
            Compare::Equal => "==",
            Compare::Unequal => "!=",
        }
    }
}

/// Why an assertion says nothing.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum AssertionError {
    /// It cannot be read.
    #[error("column {column}: {problem}")]
    Syntax {
        /// Where, in characters from 1.
        column: usize,
        /// What was expected.
        problem: String,
    },
    /// It names a value that the run does not have.
    #[error("the run has no value {path}{hint}")]
    Unknown {
        /// The path.
        path: String,
        /// What may have been meant.
        hint: String,
    },
    /// It names a value that could not be measured.
    #[error("{path} is not defined in this run")]
    Undefined {
        /// The path.
        path: String,
    },
    /// A number stands where a comparison belongs, or the other way round.
    #[error("expected {expected}, found {found}")]
    Kind {
        /// What belongs there.
        expected: &'static str,
        /// What stands there.
        found: &'static str,
    },
    /// Something divided by nothing, or a number too large.
    #[error("a part of it is not a finite number")]
    NotFinite,
}

/// What came of an assertion.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// Whether it holds.
    pub holds: bool,
    /// Every comparison in it, in order, with the values on both sides.
    measured: Vec<Measured>,
}

impl Outcome {
    /// The comparisons with their values: `7.12 > 6.98`.
    pub fn told(&self) -> String {
        let told = |(left, compare, right): &Measured| {
            format!("{} {} {}", plain(*left), compare.sign(), plain(*right))
        };
        self.measured.iter().map(told).collect::<Vec<_>>().join("; ")
    }
}

/// Six significant digits, in letters that any terminal has.
fn plain(value: f64) -> String {
    let magnitude = value.abs();
    if magnitude != 0.0 && !(1e-4..1e7).contains(&magnitude) {
        return format!("{value:.5e}");
    }
    let n_before = if magnitude < 1.0 { 1 } else { magnitude.log10() as usize + 1 };
    let text = format!("{value:.*}", 6usize.saturating_sub(n_before).max(1));
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Holds an assertion against what a run found.
pub fn check(text: &str, card: &Card) -> Result<Outcome, AssertionError> {
    let (holds, measured) = evaluate::holds(&parse::parse(text)?, &card.values())?;
    Ok(Outcome { holds, measured })
}

#[cfg(test)]
mod tests {
    use super::super::{FindingCard, MetricCard};
    use super::*;
    use proptest::prelude::*;

    fn card() -> Card {
        let mut card = Card { n_agents: 500, confidence: 0.95, ..Card::default() };
        let metric = |mean: f64| MetricCard {
            mean: Some(mean),
            ci_low: Some(mean - 0.25),
            ci_high: Some(mean + 0.25),
            n: 500,
        };
        for (arm, s_sat) in [("old", 6.5), ("new-mf", 7.0), ("my arm", 2.0)] {
            let metrics = card.arms.entry(arm.to_owned()).or_default();
            metrics.insert("s_sat".to_owned(), metric(s_sat));
            metrics.insert("ndcg@20".to_owned(), metric(s_sat / 10.0));
            metrics.insert("mean_rating".to_owned(), MetricCard::default());
        }
        let found = FindingCard { value: Some(-0.5), p_value: Some(1e-9), ..FindingCard::default() };
        card.studies.entry("mix".to_owned()).or_default().insert("mf.kl.change".to_owned(), found);
        card
    }

    fn holds(text: &str) -> bool {
        check(text, &card()).unwrap_or_else(|error| panic!("{text}: {error}")).holds
    }

    fn error(text: &str) -> String {
        check(text, &card()).expect_err(text).to_string()
    }

    #[test]
    fn comparisons_hold_or_fail_as_arithmetic_says() {
        for text in [
            "arms.new-mf.s_sat > arms.old.s_sat",
            "arms.new-mf.s_sat.ci_low >= arms.old.s_sat.ci_high",
            "arms.new-mf.s_sat - arms.old.s_sat == 0.5",
            "1 + 2 * 3 == 7 and (1 + 2) * 3 == 9 and 7 - 2 - 1 == 4 and 8 / 2 / 2 == 2",
            "-2 < -1 and - (2 + 1) == -3 and 1e3 == 1000 and .5 == 1 / 2 and 2.5E-1 == 0.25",
            "abs(arms.old.s_sat - arms.new-mf.s_sat) <= .5",
            "arms.\"my arm\".\"ndcg@20\" < arms.old.ndcg@20",
            "studies.mix.mf.kl.change < 0 and studies.mix.mf.kl.change.p_value < 0.001",
            "0 < arms.old.ndcg@20 < 1",
            "not 1 > 2",
            "not (1 > 2 or 2 > 3)",
            "1 > 2 or 2 > 1 and 3 > 2",
            "n_agents == 500 and confidence != 0.9 and 1 <= 1",
        ] {
            assert!(holds(text), "{text}");
            assert!(!holds(&format!("not ({text})")), "{text}");
        }
        assert!(!holds("not 1 > 2 and 2 > 3"), "not binds tighter than and");
        assert!(!holds("3 > 2 > 2"));
    }

    #[test]
    fn what_was_measured_is_told() {
        let told = |text: &str| check(text, &card()).expect(text).told();
        assert_eq!(told("arms.new-mf.s_sat > arms.old.s_sat"), "7 > 6.5");
        assert_eq!(told("0 < arms.old.ndcg@20 / 3 < 1"), "0 < 0.21667; 0.21667 < 1");
        assert_eq!(told("1 / 3e6 != 12345.678 or 0 == 1e9"), "3.33333e-7 != 12345.7; 0 == 1.00000e9");
    }

    #[test]
    fn what_says_nothing_is_an_error_that_helps() {
        assert!(error("arms.new-fm.s_sat > 1").contains("did you mean `arms.new-mf.s_sat`?"));
        assert_eq!(
            error("arms.old.nonsense_metric > 1"),
            "the run has no value arms.old.nonsense_metric; arms.old has mean_rating, ndcg@20, s_sat"
        );
        assert!(error("whatever > 1").contains("there are arms, confidence, n_agents"));
        assert_eq!(error("arms.old.mean_rating > 1"), "arms.old.mean_rating is not defined in this run");
        assert_eq!(error("1 + 2"), "expected a comparison, found a number");
        assert_eq!(error("(1 < 2) + 1 > 0"), "expected a number, found a comparison");
        assert_eq!(error("1 / 0 > 0"), "a part of it is not a finite number");
        // What is wrong in the second part is told whatever the first comes to.
        assert!(error("1 > 2 and arms.old.x > 1").contains("arms.old.x"));
        for (text, expected) in [
            ("", "column 1: expected a number"),
            ("1 <", "column 4: expected a number"),
            ("1 = 2", "column 3: '=' means nothing here"),
            ("(1 < 2", "column 7: expected )"),
            ("1 < 2)", "column 6: expected an operator, or the end"),
            ("arms..x > 1", "column 6: a name is missing"),
            ("arms.\"x > 1", "column 6: a quote is never closed"),
            ("20x > 1", "column 1: \"20x\" is no number"),
            ("abs 1 > 1", "column 5: expected ( behind abs"),
        ] {
            assert!(error(text).starts_with(expected), "{text}: {}", error(text));
        }
        assert!(error(&format!("{}1 < 2", "(".repeat(100))).contains("nested deeper than 50"));
        assert!(error(&format!("{}1 < 2", "not ".repeat(100))).contains("nested deeper than 50"));
        assert!(error(&"1+".repeat(2000)).contains("longer than 2000"));
        let long = format!("{}1 == 996", "1+".repeat(995));
        assert!(holds(&long), "as long as may be");
    }

    proptest! {
        #[test]
        fn no_text_makes_the_parser_panic(text in "\\PC{0,80}") {
            let _ = check(&text, &card());
        }

        #[test]
        fn no_order_of_words_makes_it_panic(
            words in prop::collection::vec(prop::sample::select(vec![
                "arms.old.s_sat", "arms.\"my arm\".s_sat", "1", ".5", "1e400", "-", "+", "*", "/", "(", ")", "<", ">=",
                "==", "!=", "and", "or", "not", "abs", "abs(", "\"", ".", "arms.", "@", "~", "\u{feff}", "é",
            ]), 0..40),
            gap in prop::sample::select(vec!["", " "]),
        ) {
            let _ = check(&words.join(gap), &card());
        }

        #[test]
        fn arithmetic_is_that_of_the_language(a in -1e6f64..1e6, b in -1e6f64..1e6, c in 1e-3f64..1e6) {
            let text = format!("{a:?} - {b:?} * {c:?} / 3 < ({a:?} + {b:?}) / {c:?}");
            prop_assert_eq!(holds(&text), a - b * c / 3.0 < (a + b) / c);
        }
    }
}
