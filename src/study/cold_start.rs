//! Cold start: what do recommenders make of people, and of items, that they have never met?
//!
//! New people have nothing in training (`split.kind = "cold_users"`), new items nobody who has them
//! (`"cold_items"`). New people are held against known ones, page by page. Lists get worse from page to page as their
//! best is used up, so whether an arm learns within the session is told against its twin: the same arm without.
//! Must not know recommenders.

use super::grouped::{Grouped, Part};
use super::{Evidence, Finding, Study, StudyError, StudyKind, Told};
use crate::dataset::split::SplitKind;
use crate::event::Session;
use crate::metric::{Measure, Sample};
use crate::scenario::params::{self, Complaint};
use crate::study::{Axis, Chart, ChartData, Point, Series};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The kind `cold_start`.
pub struct ColdStart;

const NAME: &str = "cold_start";

/// Pages that are told one by one, from the first.
const N_PAGES_MAX: u32 = 10;

/// New and known, of people and of items.
const PEOPLE: [&str; 2] = ["new_people", "known_people"];
const ITEMS: [&str; 2] = ["new_items", "known_items"];

static P_VIEW: Measure =
    Measure { name: "p_view", unit: "share", better: Some(true), about: "items watched / items shown" };
static P_LIKE: Measure = Measure {
    name: "p_like",
    unit: "share",
    better: Some(true),
    about: "ratings of at least 4 / items shown",
};
static N_EXIT: Measure =
    Measure { name: "n_exit", unit: "pages", better: Some(true), about: "pages seen, mean over agents" };
static SATISFACTION: Measure =
    Measure { name: "s_sat", unit: "score", better: Some(true), about: "interview score, mean over agents" };
static EXPOSURE: Measure = Measure {
    name: "exposure",
    unit: "count",
    better: None,
    about: "times an item of the group is shown to an agent in a session, mean over items of the group",
};
static RATING: Measure =
    Measure { name: "rating", unit: "score", better: Some(true), about: "mean rating of what was watched" };

/// Parameters.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ColdStartParams {
    /// Arms that take in what is watched in the session, each with the same arm that does not: what it gains on pages
    /// 2 and later is told against its twin. `twins = { item_knn_learns = "item_knn" }`
    pub twins: BTreeMap<String, String>,
}

impl StudyKind for ColdStart {
    fn name(&self) -> &'static str {
        NAME
    }

    fn about(&self) -> &'static str {
        "what do recommenders make of people and of items they have never met? new against known, page by page"
    }

    fn params_schema(&self) -> schemars::Schema {
        schemars::schema_for!(ColdStartParams)
    }

    fn check(&self, at: &str, table: &toml::Table) -> Result<Box<dyn Study>, Complaint> {
        Ok(Box::new(params::parse::<ColdStartParams>(at, table)?))
    }
}

/// Who and what is new: people of a split that holds people out, items of one that holds items out, else both.
struct News {
    /// By agent.
    people: Vec<bool>,
    /// By item.
    items: Vec<bool>,
}

impl News {
    fn of(evidence: &Evidence<'_>) -> Result<Self, StudyError> {
        let kind = evidence.scenario.split.kind;
        let (of_people, of_items) = (kind != SplitKind::ColdItems, kind != SplitKind::ColdUsers);
        let agents = evidence.population.iter();
        let news = News {
            people: agents.map(|agent| of_people && agent.person.n_train == 0).collect(),
            items: evidence.catalogue.items.iter().map(|item| of_items && item.n_train == 0).collect(),
        };
        if news.n_people() == 0 && news.n_items() == 0 {
            return Err(StudyError::Unanswerable {
                study: NAME.to_owned(),
                problem: "everybody and everything is in training; split.kind = \"cold_users\" or \"cold_items\" holds \
                          people or items out"
                    .to_owned(),
            });
        }
        Ok(news)
    }

    fn n_people(&self) -> usize {
        self.people.iter().filter(|is_new| **is_new).count()
    }

    fn n_items(&self) -> usize {
        self.items.iter().filter(|is_new| **is_new).count()
    }
}

/// What is gathered of people of one kind.
struct OfPeople {
    p_view: Sample,
    p_like: Sample,
    n_exit: Sample,
    satisfaction: Sample,
    /// On pages 2 and later.
    later: Sample,
    pages: Vec<Sample>,
}

impl OfPeople {
    fn new(max_pages: u32) -> Self {
        OfPeople {
            p_view: Sample::default(),
            p_like: Sample::default(),
            n_exit: Sample::default(),
            satisfaction: Sample::default(),
            later: Sample::default(),
            pages: vec![Sample::default(); max_pages.min(N_PAGES_MAX) as usize],
        }
    }

    fn observe(&mut self, session: &Session) {
        let (agent, n_shown) = (session.agent, session.n_shown() as f64);
        self.p_view.push_ratio(agent, session.n_watched() as f64, n_shown);
        self.p_like.push_ratio(agent, session.n_liked() as f64, n_shown);
        self.n_exit.push(agent, session.pages.len() as f64);
        if let Some(satisfaction) = session.satisfaction {
            self.satisfaction.push(agent, f64::from(satisfaction));
        }
        let mut later = (0.0, 0.0);
        for page in &session.pages {
            let n_watched = page.slots.iter().filter(|slot| slot.watched).count() as f64;
            let n_shown = page.slots.len() as f64;
            if page.number > 1 {
                later = (later.0 + n_watched, later.1 + n_shown);
            }
            if let Some(sample) = self.pages.get_mut(page.number as usize - 1) {
                sample.push_ratio(agent, n_watched, n_shown);
            }
        }
        self.later.push_ratio(agent, later.0, later.1);
    }

    fn parts(self, group: &str) -> Vec<Part> {
        let part = |(measure, sample)| Part { group: group.to_owned(), measure, sample };
        let whole = [
            (&P_VIEW, self.p_view),
            (&P_LIKE, self.p_like),
            (&N_EXIT, self.n_exit),
            (&SATISFACTION, self.satisfaction),
        ];
        let page = |(nth, sample)| Part { group: on_page(group, nth + 1), measure: &P_VIEW, sample };
        let later = Part { group: later(group), measure: &P_VIEW, sample: self.later };
        let pages = self.pages.into_iter().enumerate().map(page);
        whole.map(part).into_iter().chain([later]).chain(pages).collect()
    }
}

/// The group on one page.
fn on_page(group: &str, page: usize) -> String {
    format!("{group}.page{page}")
}

/// The group on pages 2 and later.
fn later(group: &str) -> String {
    format!("{group}.later")
}

/// What is gathered of items of one kind.
#[derive(Default)]
struct OfItems {
    n_items: f64,
    exposure: Sample,
    p_view: Sample,
    p_like: Sample,
    rating: Sample,
}

impl OfItems {
    fn observe(&mut self, session: &Session, is_in: impl Fn(usize) -> bool) {
        let (mut n_shown, mut n_watched, mut n_liked, mut n_rated, mut stars) = (0.0, 0.0, 0.0, 0.0, 0.0);
        for slot in session.slots().filter(|slot| is_in(slot.item.idx())) {
            n_shown += 1.0;
            n_watched += f64::from(u8::from(slot.watched));
            if let Some(rating) = slot.rating {
                n_rated += 1.0;
                stars += f64::from(rating);
                n_liked += f64::from(u8::from(rating >= 4));
            }
        }
        if session.n_shown() > 0 {
            self.exposure.push_ratio(session.agent, n_shown, self.n_items);
        }
        self.p_view.push_ratio(session.agent, n_watched, n_shown);
        self.p_like.push_ratio(session.agent, n_liked, n_shown);
        self.rating.push_ratio(session.agent, stars, n_rated);
    }

    fn parts(self, group: &str) -> Vec<Part> {
        let part = |(measure, sample)| Part { group: group.to_owned(), measure, sample };
        [(&EXPOSURE, self.exposure), (&P_VIEW, self.p_view), (&P_LIKE, self.p_like), (&RATING, self.rating)]
            .map(part)
            .into()
    }
}

impl Study for ColdStartParams {
    fn arms(&self) -> Vec<&str> {
        self.twins.iter().flat_map(|(arm, twin)| [arm.as_str(), twin.as_str()]).collect()
    }

    fn tell(&self, evidence: &Evidence<'_>) -> Result<Told, StudyError> {
        let news = News::of(evidence)?;
        let max_pages = evidence.scenario.session.max_pages;
        let n_new = news.n_items() as f64;
        let mut parts = Vec::new();
        for arm in 0..evidence.arms.len() {
            let mut people = [OfPeople::new(max_pages), OfPeople::new(max_pages)];
            let mut items = [OfItems::default(), OfItems::default()];
            items[0].n_items = n_new;
            items[1].n_items = news.items.len() as f64 - n_new;
            evidence.for_each_session(arm, &mut |session| {
                // The first round: whoever was there in it is new no more.
                if session.round == 0 {
                    people[usize::from(!news.people[session.agent.idx()])].observe(session);
                    items[0].observe(session, |item| news.items[item]);
                    items[1].observe(session, |item| !news.items[item]);
                }
            })?;
            let mut of_arm: Vec<Part> = Vec::new();
            if news.n_people() > 0 {
                of_arm.extend(PEOPLE.iter().zip(people).flat_map(|(group, found)| found.parts(group)));
            }
            if news.n_items() > 0 {
                of_arm.extend(ITEMS.iter().zip(items).flat_map(|(group, found)| found.parts(group)));
            }
            of_arm.retain(|part| !part.sample.is_empty());
            parts.push(of_arm);
        }
        Ok(Found { evidence, grouped: Grouped::new(evidence, parts), news, max_pages, twins: &self.twins }
            .told())
    }
}

/// Everything found, before it is told.
struct Found<'a> {
    evidence: &'a Evidence<'a>,
    grouped: Grouped<'a>,
    news: News,
    max_pages: u32,
    twins: &'a BTreeMap<String, String>,
}

impl Found<'_> {
    fn has_new_people(&self) -> bool {
        self.news.n_people() > 0
    }

    fn has_new_items(&self) -> bool {
        self.news.n_items() > 0
    }

    fn told(&self) -> Told {
        let arms = || self.evidence.arms.iter().map(|arm| arm.name.as_str());
        let mut warnings = Vec::new();
        if self.evidence.scenario.rounds > 1 {
            warnings.push("Told of the first round alone: later, nobody is new any more.".to_owned());
        }
        Told {
            question: "What do recommenders make of people and items that they have never met?".to_owned(),
            answer: arms().filter_map(|arm| self.answer(arm)).collect::<Vec<_>>().join(" "),
            findings: arms().flat_map(|arm| self.findings(arm)).collect(),
            warnings,
            limits: self.limits(),
            tables: vec![self.grouped.table(
                "New and known",
                "Against the baseline: paired by person; p-values are adjusted over an arm's rows.",
            )],
            charts: self.charts(),
            ..Told::default()
        }
    }

    fn limits(&self) -> Vec<String> {
        let mut limits = Vec::new();
        if self.has_new_people() {
            limits.push(
                "Rates by page are over those who saw the page: whoever stays was pleased before. A twin is compared over \
                 those who stayed under both."
                    .to_owned(),
            );
            limits.push(
                "Known people are never shown what they have in training, and new people have nothing: the best-known items \
                 are still to come for them. An arm that shows everybody the same says how much that makes."
                    .to_owned(),
            );
            limits.push(
                "New people have a taste like anybody's and are as patient: real newcomers may not be."
                    .to_owned(),
            );
        }
        if self.has_new_items() {
            limits.push(
                "New items are drawn at random among all, so they are as good as known ones; what is new in a real catalogue \
                 may not be."
                    .to_owned(),
            );
        }
        limits
    }

    fn answer(&self, arm: &str) -> Option<String> {
        let parts = [self.of_people(arm), self.of_items(arm)];
        let told: Vec<String> = parts.into_iter().flatten().collect();
        (!told.is_empty()).then(|| format!("{arm}: {}.", told.join("; ")))
    }

    fn of_people(&self, arm: &str) -> Option<String> {
        let rate = |group: &str| self.grouped.value(arm, &P_VIEW, group).map(|told| told.text("share"));
        let (new, known) = (rate(PEOPLE[0])?, rate(PEOPLE[1]));
        let known = known.map_or(String::new(), |known| format!(", known people {known}"));
        let gain = self.gain(arm, PEOPLE[0]).map_or(String::new(), |(twin, gain)| {
            let verdict = match (gain.is_shown(), gain.value > 0.0) {
                (true, true) => "it catches up within the session",
                (true, false) => "it loses within the session",
                (false, _) => "it does not catch up within the session as far as can be shown",
            };
            format!("; {verdict}: on later pages {} against {twin}", gain.signed("share"))
        });
        Some(format!("new people watch {new} of what they are shown{known}{gain}"))
    }

    /// What an arm gains on later pages over its twin, with the twin's name.
    fn gain(&self, arm: &str, group: &str) -> Option<(&str, super::grouped::Told)> {
        let twin = self.twins.get(arm)?;
        Some((twin, self.grouped.against((arm, twin), &P_VIEW, &later(group))?))
    }

    fn of_items(&self, arm: &str) -> Option<String> {
        let of = |group| self.grouped.value(arm, &EXPOSURE, group);
        let (new, known) = (of(ITEMS[0])?, of(ITEMS[1])?);
        if new.value == 0.0 {
            return Some("new items are never shown".to_owned());
        }
        let ratio =
            format!("a new item is shown {:.2} times as often as a known one", new.value / known.value);
        let rate = |group| self.grouped.value(arm, &P_VIEW, group).map(|told| told.text("share"));
        let rates = rate(ITEMS[0]).zip(rate(ITEMS[1]));
        let rates = rates
            .map_or(String::new(), |(new, known)| format!(" and watched {new} of the time, against {known}"));
        Some(format!("{ratio}{rates}"))
    }

    fn findings(&self, arm: &str) -> Vec<Finding> {
        let mut findings = Vec::new();
        let measures: [(&[&str; 2], &[&'static Measure]); 2] =
            [(&PEOPLE, &[&P_VIEW, &SATISFACTION]), (&ITEMS, &[&EXPOSURE, &P_VIEW, &RATING])];
        for (groups, measures) in measures {
            for measure in measures {
                findings.extend(self.value(arm, measure, groups[0]));
                findings.extend(self.against(arm, measure, groups[0]));
                findings.extend(self.gap(arm, measure, groups));
            }
        }
        for group in PEOPLE {
            if let Some((twin, gain)) = self.gain(arm, group) {
                let by = gain.signed("share");
                let told =
                    format!("{arm}, {}: share watched on later pages, against {twin}: {by}.", plain(group));
                findings.push(
                    gain.finding(format!("{arm}.p_view.{group}.later.against_twin"), "share").said(told),
                );
            }
        }
        findings
    }

    fn value(&self, arm: &str, measure: &Measure, group: &str) -> Option<Finding> {
        let told = self.grouped.value(arm, measure, group)?;
        let sentence =
            format!("{arm}, {}: {} is {}.", plain(group), spoken(measure), told.text(measure.unit));
        Some(told.finding(format!("{arm}.{}.{group}", measure.name), measure.unit).said(sentence))
    }

    fn against(&self, arm: &str, measure: &Measure, group: &str) -> Option<Finding> {
        let baseline = self.evidence.baseline();
        let told = self.grouped.against_baseline(arm, measure, group).filter(|_| arm != baseline)?;
        let by = told.signed(measure.unit);
        let sentence = format!("{arm}, {}: {}, against {baseline}: {by}.", plain(group), spoken(measure));
        let id = format!("{arm}.{}.{group}.against_baseline", measure.name);
        Some(told.finding(id, measure.unit).said(sentence))
    }

    fn gap(&self, arm: &str, measure: &Measure, groups: &[&str; 2]) -> Option<Finding> {
        let told = self.grouped.gap(arm, measure, (groups[0], groups[1]))?;
        let (new, known) = (plain(groups[0]), plain(groups[1]));
        let by = told.signed(measure.unit);
        let sentence = format!("{arm}: {} of {new} less that of {known} is {by}.", spoken(measure));
        let id = format!("{arm}.{}.{}.less_known", measure.name, groups[0]);
        Some(told.finding(id, measure.unit).said(sentence))
    }

    fn charts(&self) -> Vec<Chart> {
        let mut charts = Vec::new();
        if self.has_new_people() {
            for group in PEOPLE {
                charts.extend(self.by_page(group));
            }
        }
        if self.has_new_items() {
            let groups = ITEMS.map(|group| (group, plain(group).to_owned()));
            let shown =
                ("Exposure of an item", "How often an item of the group is shown to an agent in a session.");
            let watched =
                ("Watched of what is shown", "Of items of the group that are shown, how many are watched.");
            charts.push(self.grouped.chart(shown, &EXPOSURE, &groups));
            charts.push(self.grouped.chart(watched, &P_VIEW, &groups));
        }
        charts
    }

    /// Watch rates by page, a line an arm.
    fn by_page(&self, group: &str) -> Option<Chart> {
        let n_pages = self.max_pages.min(N_PAGES_MAX) as usize;
        let line = |arm: &str| {
            let point = |page: usize| {
                let told = self.grouped.value(arm, &P_VIEW, &on_page(group, page))?;
                let (low, high) = told.ci.unzip();
                Some(Point { x: page as f64, y: told.value, low, high })
            };
            Series {
                name: arm.to_owned(),
                arm: Some(arm.to_owned()),
                points: (1..=n_pages).filter_map(point).collect(),
            }
        };
        let series: Vec<Series> = self.evidence.arms.iter().map(|arm| line(&arm.name)).collect();
        series.iter().any(|line| !line.points.is_empty()).then(|| Chart {
            name: format!("pages_{group}"),
            title: format!("Watched, page by page: {}", plain(group)),
            help: "Of what a page shows to those who see it, how much is watched.".to_owned(),
            data: ChartData::Lines {
                x: Axis::new("page", ""),
                y: Axis::new("watched of shown", "share"),
                series,
            },
        })
    }
}

/// A group in a sentence.
fn plain(group: &str) -> &'static str {
    match group {
        "new_people" => "new people",
        "known_people" => "known people",
        "new_items" => "new items",
        _ => "known items",
    }
}

/// A measure's name in a sentence.
fn spoken(measure: &Measure) -> &'static str {
    match measure.name {
        "p_view" => "share watched of what is shown",
        "s_sat" => "satisfaction",
        "exposure" => "showings of an item in a session",
        _ => "mean rating",
    }
}
