//! What was found of slots and click models, in words. Must not compute anything.

use super::Found;
use super::compare::Score;
use super::propensity::Propensity;
use crate::report::format;
use crate::study::Finding;

/// `0.42 (95 % interval 0.41 … 0.43)`.
fn told(value: f64, interval: Option<(f64, f64)>, confidence: f64) -> String {
    let value = format!("{value:.3}");
    match interval {
        Some((low, high)) => {
            let level = format::plain(100.0 * confidence);
            format!("{value} ({level} % interval {low:.3} to {high:.3})")
        }
        None => value,
    }
}

impl Found<'_> {
    fn say(&self, value: f64, interval: Option<(f64, f64)>) -> String {
        told(value, interval, self.evidence.statistics.confidence)
    }

    /// What the agents' parameters say of a slot, as the end of a sentence.
    fn truly(&self, slot: usize) -> String {
        match &self.truth {
            Some(truth) if truth.is_all => format!("; truly {:.3}", truth.relative_examination[slot]),
            Some(truth) => {
                format!("; the agents look there {:.3} times as often", truth.relative_examination[slot])
            }
            None => String::new(),
        }
    }

    pub(super) fn answer(&self) -> String {
        let last = self.last();
        let slot = &self.by_slot[last];
        let Some(ratio) = slot.ratio else {
            return "Nothing was watched in the first slot, so no slot can be held against it.".to_owned();
        };
        let ratio = self.say(ratio, slot.interval);
        if self.is_shuffled {
            let same = format!(
                "On pages in random order, what stands in the last of {} slots is watched {ratio} times as often as what \
                 stands in the first{}.",
                last + 1,
                self.truly(last)
            );
            return [Some(same), self.of_models()].into_iter().flatten().collect::<Vec<_>>().join(" ");
        }
        let naive = format!(
            "This run cannot tell: pages are ranked, so what stands higher also fits better. The last slot is watched {ratio} \
             times as often as the first, for both reasons{}.",
            self.truly(last)
        );
        let pair = &self.harvested[last];
        let harvested = pair.ratio.map(|ratio| {
            format!(
                "Among {} items that arms showed the same agent in both slots, it is {}.",
                pair.n,
                self.say(ratio, pair.interval)
            )
        });
        let ask = "Set session.presentation = \"shuffled\" to find out.".to_owned();
        [Some(naive), harvested, Some(ask)].into_iter().flatten().collect::<Vec<_>>().join(" ")
    }

    /// Which click model tells best what people watch whom it was not fitted on.
    fn of_models(&self) -> Option<String> {
        let best = self.best()?;
        let others = self.scores.iter().filter(|score| score.model != best.model && score.n_impossible == 0);
        let second = others.max_by(|a, b| a.per_page().total_cmp(&b.per_page()))?;
        let (value, interval) = self.behind(second)?;
        let told = self.say(value, interval);
        let is_shown = interval.is_some_and(|(low, _)| low > 0.0);
        let verdict = match is_shown {
            true => format!(
                "describes best what people watch whom it was not fitted on: {told} nats a page better than"
            ),
            false => format!(
                "describes people whom it was not fitted on no better, as far as can be shown ({told} nats a page), than"
            ),
        };
        Some(format!("Of the click models, {} {verdict} {}.", name(best), name(second)))
    }

    pub(super) fn findings(&self) -> Vec<Finding> {
        let mut findings = Vec::new();
        let first = |what: &str, slot: usize, by: &str| format!("{what} slot {slot} over the first{by}");
        let key = if self.is_shuffled { "propensity" } else { "naive" };
        let what = if self.is_shuffled { "Examination of" } else { "Watch rate (not examination) of" };
        for slot in 1..=self.last() {
            let estimate = &self.by_slot[slot];
            findings.push(self.ratio(format!("slot{slot}.{key}"), estimate, &first(what, slot, ""), slot));
            if let (true, Some(ratio), Some(truth)) =
                (self.is_shuffled, estimate.ratio, self.certain_truth(slot))
            {
                let ends = estimate.interval.map(|(low, high)| (low - truth, high - truth));
                let told = format!("Slot {slot}: estimate less truth {}.", self.say(ratio - truth, ends));
                findings.push(
                    Finding::new(format!("slot{slot}.error"), "ratio", Some(ratio - truth), ends).said(told),
                );
            }
            if let Some(pair) = self.harvested.get(slot).filter(|pair| pair.ratio.is_some()) {
                let by = ", among items that arms showed the same agent in both";
                let what = first("Watch rate of", slot, by);
                findings.push(self.ratio(format!("slot{slot}.harvested"), pair, &what, slot));
            }
            let (ratio, interval) = self.position_based[slot];
            let (what, by) = match self.is_shuffled {
                true => ("Examination of", " in the position-based model"),
                false => {
                    ("What the position-based model makes of", ", taking a fall of relevance for position")
                }
            };
            let told = format!("{}: {}.", first(what, slot, by), self.say(ratio, interval));
            let id = format!("slot{slot}.position_based");
            findings.push(Finding::new(id, "ratio", Some(ratio), interval).said(told));
        }
        findings.extend(self.scores.iter().filter_map(|score| self.advantage(score)));
        findings
    }

    fn ratio(&self, id: String, estimate: &Propensity, what: &str, slot: usize) -> Finding {
        let told = match estimate.ratio {
            Some(ratio) => format!("{what}: {}{}.", self.say(ratio, estimate.interval), self.truly(slot)),
            None => format!("{what}: undefined, nothing was watched there."),
        };
        Finding::new(id, "ratio", estimate.ratio, estimate.interval).said(told)
    }

    /// What the best model is ahead of this one.
    fn advantage(&self, score: &Score) -> Option<Finding> {
        let best = self.best()?;
        let (value, interval) = self.behind(score)?;
        let told = format!(
            "A page of somebody it was not fitted on is {} nats likelier to {} than to {}.",
            self.say(value, interval),
            name(best),
            name(score)
        );
        let id = format!("{}.over.{}", best.model, score.model);
        Some(Finding::new(id, "nats", Some(value), interval).said(told))
    }

    /// The true ratio of a slot, where estimates should meet it.
    pub(super) fn certain_truth(&self, slot: usize) -> Option<f64> {
        self.truth.as_ref().filter(|truth| truth.is_all).map(|truth| truth.relative_examination[slot])
    }

    pub(super) fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        if !self.is_shuffled {
            warnings.push(
                "Slot and relevance are confounded: pages are ranked best first, so a lower slot is watched less both \
                 because it is looked at less and because what stands there fits less. Neither watch rates by slot nor \
                 click models fitted to these pages are examination; session.presentation = \"shuffled\" parts the two."
                    .to_owned(),
            );
        }
        if !self.has_converged {
            warnings.push("The position-based model had not come to rest when fitting stopped.".to_owned());
        }
        warnings
    }

    pub(super) fn limits(&self) -> Vec<String> {
        let mut limits = vec![
            "Examination is known relative to the first slot only: whether everybody looks there, watches cannot tell."
                .to_owned(),
            "Click models give every item (or kind of match) one attractiveness for all people; what is personal beyond \
             that is noise to them."
                .to_owned(),
        ];
        if self.truth.as_ref().is_some_and(|truth| !truth.is_all) {
            limits.push(
                "These agents do not watch all that they look at and find fitting, and may prefer what stands first among it: \
                 ratios of watch rates hold that too, so they need not equal the ratios at which slots are looked at."
                    .to_owned(),
            );
        }
        limits
    }
}

/// A model's name in a sentence.
fn name(score: &Score) -> &'static str {
    match score.model {
        "position_based" => "the position-based model",
        "position_blind" => "the model without positions",
        "cascade" => "the cascade model",
        "dependent_click" => "the dependent click model",
        other => other,
    }
}
