//! What is known of agents before they are shown anything: the covariates of adjusted analyses, from `agents.csv`.
//! Must not know metrics.

use crate::id::AgentId;
use crate::metric::{Agent, Population};

/// A covariate by name, in the order of [`ALL`], as columns of numbers.
type Covariate = (&'static str, fn(Agent<'_>) -> Vec<f64>);

/// Every covariate.
const ALL: [Covariate; 6] = [
    ("n_train", |agent| vec![f64::from(agent.person.n_train).ln_1p()]),
    ("mean_popularity", |agent| vec![f64::from(agent.person.mean_popularity).max(0.0).ln_1p()]),
    ("activity", |agent| tier(agent.activity())),
    ("diversity", |agent| tier(agent.diversity())),
    ("conformity", |agent| tier(agent.conformity())),
    ("genre_entropy", |agent| vec![entropy_bits(&agent.person.genre_shares)]),
];

/// Names of all covariates: logs of the number and the mean popularity of what the person has in training, the three
/// tiers (each as two yes-or-no numbers), the entropy of the genres in training.
pub fn names() -> impl Iterator<Item = &'static str> {
    ALL.iter().map(|(name, _)| *name)
}

fn tier(tier: u8) -> Vec<f64> {
    [2, 3].map(|of| f64::from(u8::from(tier == of))).to_vec()
}

fn entropy_bits(shares: &[f32]) -> f64 {
    let part = |share: &f32| if *share > 0.0 { -f64::from(*share) * f64::from(*share).log2() } else { 0.0 };
    shares.iter().map(part).sum()
}

/// Covariates of everybody.
pub struct Covariates {
    /// One row of numbers a person, that is of the person's first agent.
    rows: Vec<Vec<f64>>,
    n_columns: usize,
}

impl Covariates {
    /// These covariates (others' names are passed over) of this population.
    pub fn of(population: &Population, wanted: &[String]) -> Self {
        let chosen: Vec<&Covariate> =
            ALL.iter().filter(|(name, _)| wanted.iter().any(|wanted| wanted == name)).collect();
        let row = |agent| chosen.iter().flat_map(|(_, value)| value(agent)).collect::<Vec<f64>>();
        let rows: Vec<Vec<f64>> = population.iter().take(population.people().len()).map(row).collect();
        Covariates { n_columns: rows.first().map_or(0, Vec::len), rows }
    }

    /// The columns, for these agents: [witnesses](Population::witness) of their people.
    ///
    /// # Panics
    /// When an agent is not the first of a person.
    pub fn columns(&self, agents: &[AgentId]) -> Vec<Vec<f64>> {
        let column = |nth: usize| agents.iter().map(|agent| self.rows[agent.idx()][nth]).collect();
        (0..self.n_columns).map(column).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metric::PersonRecord;

    #[test]
    fn covariates_come_as_columns_of_the_agents_asked_for() {
        let agent = |n_train: u32, activity: u8, genre_shares: Vec<f32>| {
            (PersonRecord { n_train, genre_shares, ..PersonRecord::default() }, [activity, 0, 0])
        };
        let agents = Population::new(vec![agent(0, 1, vec![1.0, 0.0]), agent(1, 3, vec![0.5, 0.5])]);
        let wanted = ["genre_entropy", "activity", "n_train"].map(str::to_owned);
        let covariates = Covariates::of(&agents, &wanted);
        let columns = covariates.columns(&[AgentId(1), AgentId(0)]);
        // ln 2 and 0; tier 2: nobody; tier 3: the second agent; one bit and none.
        let expected = [[2f64.ln(), 0.0], [0.0, 0.0], [1.0, 0.0], [1.0, 0.0]];
        assert_eq!(columns, expected.map(Vec::from));
    }
}
