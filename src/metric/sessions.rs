//! How people fared: Agent4Rec's measures of a session and their next of kin.
//!
//! Shares are ratios of sums over all agents, not means of per-agent shares: that is what the
//! published numbers are (1,000 LightGCN agents: P_like .464 = N_like 6.00 / (4 · N_exit 3.234);
//! over the recorded half of them the ratio of sums is .465, the mean of ratios .451).
//! A session that a failure cut short does not tell when its agent would have left or how much
//! it would have liked, so `n_exit` and `n_like` leave it out.
//! Must not know why people acted as they did.

use super::{Gathering, Measure, Measured, Metric, MetricKind, Setting};
use crate::event::{ExitReason, Session};

/// The family of session measures.
pub struct Sessions;

static MEASURES: [Measure; 8] = [
    Measure {
        name: "p_view",
        unit: "share",
        better: Some(true),
        about: "items watched / items shown, over everybody",
    },
    Measure {
        name: "p_like",
        unit: "share",
        better: Some(true),
        about: "ratings of at least 4 / items shown, over everybody",
    },
    Measure {
        name: "n_like",
        unit: "count",
        better: Some(true),
        about: "ratings of at least 4 an agent, failed sessions left out",
    },
    Measure {
        name: "n_exit",
        unit: "pages",
        better: Some(true),
        about: "last page seen, mean over agents, failed sessions left out",
    },
    Measure {
        name: "s_sat",
        unit: "score",
        better: Some(true),
        about: "interview score 1 to 10, mean over agents",
    },
    Measure {
        name: "watches_per_page",
        unit: "count",
        better: Some(true),
        about: "items watched / pages seen, over everybody",
    },
    Measure {
        name: "mean_rating",
        unit: "score",
        better: Some(true),
        about: "mean of all ratings given, 1 to 5",
    },
    Measure {
        name: "failure_rate",
        unit: "share",
        better: Some(false),
        about: "share of agents whose session had a failure",
    },
];

impl MetricKind for Sessions {
    fn name(&self) -> &'static str {
        "sessions"
    }

    fn about(&self) -> &'static str {
        "what people watched, liked and how long they stayed (Agent4Rec, SIGIR 2024, section 4)"
    }

    fn measures(&self) -> &'static [Measure] {
        &MEASURES
    }

    fn start(&self) -> Box<dyn Metric> {
        Box::new(Accumulator::default())
    }
}

#[derive(Default)]
struct Accumulator {
    p_view: Gathering,
    p_like: Gathering,
    n_like: Gathering,
    n_exit: Gathering,
    s_sat: Gathering,
    watches_per_page: Gathering,
    mean_rating: Gathering,
    failure_rate: Gathering,
}

impl Metric for Accumulator {
    fn observe(&mut self, session: &Session, setting: Setting<'_>) {
        let agent = setting.witness(session);
        let (mut n_shown, mut n_watched, mut n_liked, mut n_rated, mut sum_ratings) = (0, 0, 0, 0, 0);
        for slot in session.slots() {
            n_shown += 1;
            n_watched += u32::from(slot.watched);
            if let Some(rating) = slot.rating {
                n_rated += 1;
                sum_ratings += u32::from(rating);
                n_liked += u32::from(rating >= 4);
            }
        }
        self.p_view.push_ratio(agent, f64::from(n_watched), f64::from(n_shown));
        self.p_like.push_ratio(agent, f64::from(n_liked), f64::from(n_shown));
        self.watches_per_page.push_ratio(agent, f64::from(n_watched), session.pages.len() as f64);
        self.mean_rating.push_ratio(agent, f64::from(sum_ratings), f64::from(n_rated));
        if session.exit.is_some_and(|reason| reason != ExitReason::Failure) {
            self.n_like.push(agent, f64::from(n_liked));
            self.n_exit.push(agent, session.pages.last().map_or(0.0, |page| f64::from(page.number)));
        }
        if let Some(satisfaction) = session.satisfaction {
            self.s_sat.push(agent, f64::from(satisfaction));
        }
        self.failure_rate.push(agent, if session.n_failures > 0 { 1.0 } else { 0.0 });
    }

    fn finish(self: Box<Self>, _setting: Setting<'_>) -> Vec<Measured> {
        let samples = [
            self.p_view,
            self.p_like,
            self.n_like,
            self.n_exit,
            self.s_sat,
            self.watches_per_page,
            self.mean_rating,
            self.failure_rate,
        ];
        MEASURES.iter().zip(samples).map(|(measure, sample)| measure.gathered(sample)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Page, Slot};
    use crate::id::{AgentId, ItemId};
    use crate::metric::{Catalogue, Population};
    use serde_json::Value;
    use std::path::{Path, PathBuf};

    fn numbers(value: &Value) -> Vec<u32> {
        let list = value.as_array().map(Vec::as_slice).unwrap_or_default();
        list.iter().filter_map(|number| number.as_u64().map(|number| number as u32)).collect()
    }

    /// One line of the recorded sessions.
    fn session(line: &str) -> Session {
        let told: Value = serde_json::from_str(line).expect("JSON");
        let page = |page: &Value| {
            let (watched, ratings) = (numbers(&page["watched"]), numbers(&page["rating"]));
            let slot = |(place, item): (u32, u32)| {
                let nth = watched.iter().position(|&slot| slot == place);
                Slot {
                    item: ItemId(item),
                    aligned: None,
                    held_out: false,
                    propensity: None,
                    advertised: None,
                    watched: nth.is_some(),
                    rating: nth.and_then(|nth| ratings.get(nth)).map(|&rating| rating as u8),
                }
            };
            let number = page["page"].as_u64().expect("a page number") as u32;
            Page { number, slots: (0..).zip(numbers(&page["shown"])).map(slot).collect() }
        };
        Session {
            round: 0,
            agent: AgentId(told["agent"].as_u64().expect("an agent") as u32),
            pages: told["pages"].as_array().expect("pages").iter().map(page).collect(),
            reflections: Vec::new(),
            exit: Some(ExitReason::Left),
            satisfaction: told["satisfaction"].as_u64().map(|score| score as u8),
            n_failures: 0,
        }
    }

    /// The 500 recorded agents are half of those whose numbers are published:
    /// P_view .503, P_like .464, N_like 6.00, N_exit 3.234, S_sat 3.945.
    #[test]
    fn recorded_agents_fare_as_published() {
        let root = std::env::var_os("WINDTUNNEL_DATA")
            .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data"), PathBuf::from);
        let path = root.join("agent4rec/recorded/sessions_lgn1000_even.jsonl");
        let Ok(text) = std::fs::read_to_string(&path) else {
            eprintln!("SKIPPED: no recorded sessions at {}", path.display());
            return;
        };
        let (catalogue, population) = (Catalogue::default(), Population::strangers(1000));
        let setting = Setting { catalogue: &catalogue, population: &population, items_per_page: 4 };
        let mut metric = Sessions.start();
        text.lines().for_each(|line| metric.observe(&session(line), setting));
        let found = metric.finish(setting);
        let value = |name: &str| found.iter().find(|m| m.name == name).and_then(|m| m.value).expect(name);
        assert_eq!(value("p_view"), 3316.0 / 6572.0);
        assert_eq!(value("p_like"), 3053.0 / 6572.0);
        for (name, published, tolerance) in [
            ("p_view", 0.503, 0.005),
            ("p_like", 0.464, 0.005),
            ("n_like", 6.00, 0.2),
            ("n_exit", 3.234, 0.1),
            ("s_sat", 3.945, 0.2),
        ] {
            assert!((value(name) - published).abs() < tolerance, "{name}: {}", value(name));
        }
    }
}
