//! Gate: whoever knows what people like pleases them most, then what was learnt, then
//! popularity, then chance, then the opposite.

use super::probe::{Probes, common_luck};
use super::{Arms, FittedArm, gate, mean, paired, satisfaction};
use crate::event::Session;
use crate::report::estimate::Estimate;
use crate::validate::ValidateError;
use crate::validate::check::{Bound, Check};
use crate::validate::simulate::Stage;

/// What the gate found.
pub struct Order {
    /// One check a pair that must stand in order.
    pub checks: Vec<Check>,
    /// Mean satisfaction by arm, the best expected first.
    pub means: Vec<(String, Option<Estimate>)>,
    /// The learnt arm that pleases most, or popularity where the scenario has none.
    pub best: FittedArm,
}

/// Runs the gate. Every learnt arm must stand below the oracle and above chance; the best of them
/// above popularity.
pub fn run(stage: &Stage<'_>, arms: &Arms, probes: &Probes) -> Result<Order, ValidateError> {
    let simulate = |arm: &FittedArm| -> Result<Vec<Session>, ValidateError> {
        stage.sessions(&arm.name, &arm.recommender, stage.rules(), common_luck(stage.prepared))
    };
    let made = |name: &str, recommender| FittedArm { name: name.to_owned(), recommender };
    let oracle = simulate(&made("oracle", probes.oracle.clone()))?;
    let anti_oracle = simulate(&made("anti-oracle", probes.anti_oracle.clone()))?;
    let popular = simulate(&arms.popular)?;
    let random = simulate(&arms.random)?;
    let mut trained: Vec<(&FittedArm, Vec<Session>)> = Vec::new();
    for arm in &arms.trained {
        trained.push((arm, simulate(arm)?));
    }
    let level = |sessions: &[Session]| mean(sessions, satisfaction).map_or(f64::NEG_INFINITY, |e| e.value);
    // Of equals the first named stays first.
    trained.sort_by(|a, b| level(&b.1).total_cmp(&level(&a.1)));
    let (of_popular, of_random) = (arms.popular.name.as_str(), arms.random.name.as_str());
    let mut pairs: Vec<(&str, &[Session], &str, &[Session])> = Vec::new();
    for (arm, sessions) in &trained {
        pairs.push(("oracle", &oracle, &arm.name, sessions));
    }
    match trained.first() {
        Some((arm, sessions)) => pairs.push((&arm.name, sessions, of_popular, &popular)),
        None => pairs.push(("oracle", &oracle, of_popular, &popular)),
    }
    for (arm, sessions) in trained.iter().skip(1) {
        pairs.push((&arm.name, sessions, of_random, &random));
    }
    pairs.push((of_popular, &popular, of_random, &random));
    pairs.push((of_random, &random, "anti-oracle", &anti_oracle));
    let check = |(better, above, worse, below): &(&str, &[Session], &str, &[Session])| {
        let mut check =
            gate(format!("order: {better} > {worse}"), "score", paired(below, above, satisfaction))
                .bounded(Bound::Positive)
                .about(format!(
                    "how much more satisfied the same people are with {better} than with {worse}"
                ));
        check.reference = mean(below, satisfaction);
        check.simulated = mean(above, satisfaction);
        check
    };
    let checks = pairs.iter().map(check).collect();
    let mut means = vec![("oracle".to_owned(), mean(&oracle, satisfaction))];
    means.extend(trained.iter().map(|(arm, s)| (arm.name.clone(), mean(s, satisfaction))));
    means.push((of_popular.to_owned(), mean(&popular, satisfaction)));
    means.push((of_random.to_owned(), mean(&random, satisfaction)));
    means.push(("anti-oracle".to_owned(), mean(&anti_oracle, satisfaction)));
    let best = trained.first().map_or_else(|| arms.popular.clone(), |(arm, _)| (*arm).clone());
    Ok(Order { checks, means, best })
}
