//! What is known before looking: which variable certainly has a path to which, and which certainly has none. Must not
//! know data.

use super::observations::CausesError;

/// What is known of one ordered pair of variables.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Known {
    /// Nothing.
    #[default]
    Nothing,
    /// The first certainly has a directed path to the second.
    Path,
    /// It certainly has none.
    NoPath,
}

/// Prior knowledge of a set of variables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prior {
    n_variables: usize,
    /// Of (from, to) at `from · n_variables + to`.
    known: Vec<Known>,
}

impl Prior {
    /// Nothing is known.
    pub fn nothing(n_variables: usize) -> Self {
        Prior { n_variables, known: vec![Known::Nothing; n_variables * n_variables] }
    }

    /// The prior order of the variables: a variable of a later tier has no path to one of an earlier tier. Within a tier
    /// nothing is known. One tier a variable.
    pub fn of_tiers(tiers: &[u32]) -> Self {
        let mut prior = Prior::nothing(tiers.len());
        for (from, later) in tiers.iter().enumerate() {
            for (to, earlier) in tiers.iter().enumerate() {
                if later > earlier {
                    prior = prior.with(from, to, Known::NoPath);
                }
            }
        }
        prior
    }

    /// The same, knowing this of the pair; a pair of a variable with itself is never known.
    ///
    /// # Panics
    /// When there are no such variables.
    pub fn with(mut self, from: usize, to: usize, known: Known) -> Self {
        assert!(from < self.n_variables && to < self.n_variables, "no such pair: {from} to {to}");
        if from != to {
            self.known[from * self.n_variables + to] = known;
        }
        self
    }

    /// Variables.
    pub fn n_variables(&self) -> usize {
        self.n_variables
    }

    /// What is known of this pair.
    pub fn of(&self, from: usize, to: usize) -> Known {
        self.known[from * self.n_variables + to]
    }

    /// Whether the first must come before the second in any causal order: it has a path to it, or the second has none
    /// to the first. Where neither has a path to the other, the two are not ordered.
    pub fn precedes(&self, first: usize, second: usize) -> bool {
        if first == second {
            return false;
        }
        let (there, back) = (self.of(first, second), self.of(second, first));
        there == Known::Path || (back == Known::NoPath && there != Known::NoPath)
    }

    /// Those of `left` that none of the others in `left` must come before, in their order.
    pub fn may_come_first(&self, left: &[usize]) -> Vec<usize> {
        let waits = |second: usize| left.iter().any(|&first| self.precedes(first, second));
        left.iter().copied().filter(|&variable| !waits(variable)).collect()
    }

    /// Checks that it is about these variables, and that they can be put in an order.
    ///
    /// # Errors
    /// When it is about another number of variables, or some of them wait for each other.
    pub fn check(&self, names: &[String]) -> Result<(), CausesError> {
        if self.n_variables != names.len() {
            return Err(CausesError::PriorSize { n: self.n_variables, expected: names.len() });
        }
        let mut left: Vec<usize> = (0..self.n_variables).collect();
        while !left.is_empty() {
            let first = self.may_come_first(&left);
            if first.is_empty() {
                let names: Vec<&str> = left.iter().map(|&at| names[at].as_str()).collect();
                return Err(CausesError::PriorCycle { names: names.join(", ") });
            }
            left.retain(|variable| !first.contains(variable));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(n: usize) -> Vec<String> {
        (0..n).map(|at| format!("v{at}")).collect()
    }

    #[test]
    fn tiers_order_what_is_in_different_tiers_only() {
        let prior = Prior::of_tiers(&[1, 0, 1]);
        assert_eq!(prior.may_come_first(&[0, 1, 2]), [1]);
        assert_eq!(prior.may_come_first(&[0, 2]), [0, 2]);
        assert_eq!(
            (prior.of(0, 1), prior.of(1, 0), prior.of(0, 2)),
            (Known::NoPath, Known::Nothing, Known::Nothing)
        );
        assert_eq!(prior.check(&names(3)), Ok(()));
    }

    #[test]
    fn neither_way_is_no_order() {
        let prior = Prior::nothing(2).with(0, 1, Known::NoPath).with(1, 0, Known::NoPath);
        assert_eq!(prior.may_come_first(&[0, 1]), [0, 1]);
    }

    #[test]
    fn contradictions_are_named() {
        let both = Prior::nothing(3).with(0, 1, Known::Path).with(1, 0, Known::Path);
        let text = both.check(&names(3)).expect_err("a cycle").to_string();
        assert!(text.contains("each of v0, v1 is said"), "{text}");
        let round = Prior::nothing(3).with(0, 1, Known::Path).with(1, 2, Known::Path).with(2, 0, Known::Path);
        assert!(matches!(round.check(&names(3)), Err(CausesError::PriorCycle { .. })));
        assert_eq!(round.check(&names(2)), Err(CausesError::PriorSize { n: 3, expected: 2 }));
    }
}
