//! `metrics.csv` against `tests/recompute/recompute.py`, which computes the same values from the
//! Parquet events with numpy. Needs python3 with numpy and pyarrow; skips loudly without them.

use rand::RngExt;
use std::borrow::Cow;
use std::path::Path;
use std::process::Command;
use windtunnel::event::write::{EventWriter, RawIds};
use windtunnel::event::{Event, ExitReason, Page, Session, Slot, What};
use windtunnel::id::{AgentId, GenreId, ItemId};
use windtunnel::metric::analyse::{ArmAnalysis, analyse};
use windtunnel::metric::tables::{self, MetricsRow};
use windtunnel::metric::{self, Catalogue, CatalogueItem, PersonRecord, Population, Setting};
use windtunnel::rng::{ChaCha8Rng, Purpose, Streams};
use windtunnel::stats::params::StatsParams;

const N_ITEMS: u32 = 120;
const GENRES: [&str; 5] = ["War", "Drama", "Comedy", "Film-Noir", "Children's"];
const ITEMS_PER_PAGE: usize = 4;

struct Ids<'a>(&'a Catalogue, &'a Population);

impl RawIds for Ids<'_> {
    fn agent(&self, agent: AgentId) -> Cow<'_, str> {
        self.1.agent(agent).raw_id()
    }

    fn item(&self, item: ItemId) -> &str {
        &self.0.items[item.idx()].raw_id
    }
}

fn catalogue(luck: &mut ChaCha8Rng) -> Catalogue {
    let item = |item| CatalogueItem {
        raw_id: format!("m{item}"),
        title: format!("Film, the \"{item}th\""),
        genres: (0..GENRES.len() as u16).filter(|_| luck.random_bool(0.4)).map(GenreId).collect(),
        // Every tenth is cold.
        n_train: if item % 10 == 0 { 0 } else { luck.random_range(1..90) },
        mean_rating: None,
    };
    let items = (0..N_ITEMS).map(item).collect();
    Catalogue { genres: GENRES.map(str::to_owned).to_vec(), items, n_train_users: 90 }
}

fn population(n_agents: u32, luck: &mut ChaCha8Rng) -> Population {
    let mut agent = |agent: u32| {
        let weights = GENRES.map(|_| if luck.random_bool(0.3) { 0.0 } else { luck.random::<f32>() });
        let total: f32 = weights.iter().sum();
        let person = PersonRecord {
            raw_id: format!("u{}", agent * 7),
            n_held_out: luck.random_range(0..7),
            genre_shares: weights
                .iter()
                .map(|weight| if total > 0.0 { weight / total } else { 0.0 })
                .collect(),
            mean_popularity: luck.random_range(0.0..60.0),
            ..PersonRecord::default()
        };
        (person, [1; 3])
    };
    Population::new((0..n_agents).map(&mut agent).collect())
}

/// A session in which anything may happen, failures and an empty first page included.
fn session(round: u32, agent: u32, luck: &mut ChaCha8Rng) -> Session {
    let mut fresh: Vec<u32> = (0..N_ITEMS).collect();
    let mut slot = |luck: &mut ChaCha8Rng| {
        let at = (fresh.len() as f64 * luck.random::<f64>().powi(3)) as usize;
        let watched = luck.random_bool(0.5);
        Slot {
            item: ItemId(fresh.remove(at)),
            aligned: luck.random_bool(0.5).then_some(watched),
            held_out: luck.random_bool(0.2),
            propensity: None,
            advertised: None,
            watched,
            rating: (watched && luck.random_bool(0.9)).then(|| luck.random_range(1..=5u8)),
        }
    };
    let n_pages = luck.random_range(0..6u32);
    let pages = (1..=n_pages)
        .map(|number| {
            let n_slots = if luck.random_bool(0.1) { 1 } else { ITEMS_PER_PAGE };
            Page { number, slots: (0..n_slots).map(|_| slot(luck)).collect() }
        })
        .collect();
    let failed = luck.random_bool(0.05);
    Session {
        round,
        agent: AgentId(agent),
        pages,
        reflections: Vec::new(),
        exit: Some(if failed { ExitReason::Failure } else { ExitReason::Left }),
        satisfaction: (!failed).then(|| luck.random_range(1..=10)),
        n_failures: u32::from(failed),
    }
}

/// The events a session would have come from.
fn events(session: &Session) -> Vec<Event> {
    let mut events = Vec::new();
    let mut tell = |page, what| events.push(Event { round: session.round, agent: session.agent, page, what });
    for page in &session.pages {
        for (slot, shown) in (0..).zip(&page.slots) {
            let Slot { item, aligned, held_out, propensity, advertised, .. } = *shown;
            tell(
                page.number,
                What::Exposure { slot, item, score: 0.5, propensity, advertised, aligned, held_out },
            );
        }
        for (slot, shown) in (0..).zip(&page.slots).filter(|(_, shown)| shown.watched) {
            tell(page.number, What::Watch { slot, item: shown.item });
        }
        for (slot, shown) in (0..).zip(&page.slots) {
            if let Some(rating) = shown.rating {
                tell(
                    page.number,
                    What::Rating { slot, item: shown.item, rating, feeling: String::new().into() },
                );
            }
        }
    }
    let last = session.pages.len().max(1) as u32;
    if session.n_failures > 0 {
        tell(last, What::Failure { step: "watch".into(), cause: "none".into() });
    }
    if let Some(reason) = session.exit {
        tell(last, What::Exit { reason, text: "".into() });
    }
    if let Some(satisfaction) = session.satisfaction {
        tell(last, What::Interview { satisfaction, text: String::new().into() });
    }
    events
}

fn write_subjects(dir: &Path, catalogue: &Catalogue, population: &Population) {
    let mut items = csv::Writer::from_path(dir.join("items.csv")).expect("a writable folder");
    items.write_record(["item", "title", "genres", "n_train"]).expect("written");
    for item in &catalogue.items {
        let genres: Vec<&str> = item.genres.iter().map(|genre| GENRES[genre.idx()]).collect();
        let n_train = item.n_train.to_string();
        items.write_record([&item.raw_id, &item.title, &genres.join("|"), &n_train]).expect("written");
    }
    let mut people = csv::Writer::from_path(dir.join("people.csv")).expect("a writable folder");
    let mut agents = csv::Writer::from_path(dir.join("agents.csv")).expect("a writable folder");
    people.write_record(["persona", "n_held_out", "mean_popularity", "genre_shares"]).expect("written");
    agents.write_record(["user", "persona"]).expect("written");
    for person in population.people() {
        let shares: Vec<String> = person.genre_shares.iter().map(f32::to_string).collect();
        let (n_held_out, popularity) = (person.n_held_out.to_string(), person.mean_popularity.to_string());
        people.write_record([&person.raw_id, &n_held_out, &popularity, &shares.join(";")]).expect("written");
        agents.write_record([&person.raw_id, &person.raw_id]).expect("written");
    }
    let dataset = serde_json::json!({ "n_train_users": catalogue.n_train_users, "genres": GENRES });
    let manifest = serde_json::json!({ "dataset": dataset }).to_string();
    std::fs::write(dir.join("manifest.json"), manifest).expect("written");
}

fn write_metrics(dir: &Path, rows: &[MetricsRow]) {
    let mut file = Vec::new();
    tables::write(rows, &MetricsRow::HEADER, &mut file).expect("memory");
    std::fs::write(dir.join("metrics.csv"), file).expect("written");
}

/// The Python that `make test` prepares, else the system's.
fn python() -> String {
    std::env::var("WINDTUNNEL_PYTHON").unwrap_or_else(|_| "python3".to_owned())
}

/// Whether the script can run. A Python that was prepared for it and cannot is a failure.
fn can_recompute() -> bool {
    let found = Command::new(python()).args(["-c", "import numpy, pyarrow.parquet"]).output();
    let can = found.is_ok_and(|output| output.status.success());
    assert!(can || std::env::var_os("WINDTUNNEL_PYTHON").is_none(), "{} lacks numpy or pyarrow", python());
    if !can {
        eprintln!("SKIPPED: python3 with numpy and pyarrow is not installed");
    }
    can
}

/// Exit code and complaints of the script.
fn recompute(dir: &Path) -> (Option<i32>, String) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/recompute/recompute.py");
    let output = Command::new(python()).arg(script).arg(dir).output().expect("python3");
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn metrics_agree_with_an_independent_recomputation() {
    if !can_recompute() {
        return;
    }
    // One population small enough to compare all pairs, and one large enough for a panel.
    for n_agents in [60, 1010] {
        let mut luck = Streams::new(3).stream(Purpose::Synthesis, 0, u64::from(n_agents), 0);
        let dir = tempfile::tempdir().expect("a temporary folder");
        let (catalogue, population) = (catalogue(&mut luck), population(n_agents, &mut luck));
        let setting =
            Setting { catalogue: &catalogue, population: &population, items_per_page: ITEMS_PER_PAGE };
        write_subjects(dir.path(), &catalogue, &population);
        let mut arms = Vec::new();
        for arm in ["mf", "popular"] {
            let folder = dir.path().join("events").join(format!("arm={arm}"));
            std::fs::create_dir_all(&folder).expect("a folder");
            let ids = Ids(&catalogue, &population);
            let mut writer = EventWriter::create(&folder.join("part-00000.parquet"), &ids).expect("a file");
            let mut analysis = ArmAnalysis::new(arm, metric::ALL);
            for round in 0..2 {
                let sessions: Vec<Session> =
                    (0..n_agents).map(|agent| session(round, agent, &mut luck)).collect();
                analysis.observe(&sessions, setting);
                let events: Vec<Event> = sessions.iter().flat_map(events).collect();
                writer.write(&events).expect("written");
            }
            writer.finish().expect("written");
            arms.push(analysis.finish(setting));
        }
        let params = StatsParams { n_bootstrap: 100, ..StatsParams::default() };
        let mut rows = analyse(&arms, &params, &Streams::new(1)).metrics;
        write_metrics(dir.path(), &rows);
        let (code, told) = recompute(dir.path());
        assert_eq!(code, Some(0), "{told}");
        assert!(told.contains(&format!("{} values recomputed", rows.len())), "{told}");

        if n_agents > 60 {
            continue;
        }
        // It must also notice what is wrong.
        rows[3].mean = rows[3].mean.map(|mean| mean + 1e-8);
        rows[7].n += 1;
        let dropped = rows.remove(11);
        write_metrics(dir.path(), &rows);
        let (code, told) = recompute(dir.path());
        assert_eq!(code, Some(1), "{told}");
        assert_eq!(told.lines().count(), 4, "{told}");
        for metric in [&rows[3].metric, &rows[7].metric, &dropped.metric] {
            assert!(told.contains(&format!("arm mf, round 0, {metric}:")), "{told}");
        }
    }
}

#[test]
fn the_metrics_of_a_real_run_agree_too() {
    if !can_recompute() {
        return;
    }
    let dir = tempfile::tempdir().expect("a temporary folder");
    let out = dir.path().join("run");
    // Two rounds, more agents than people, pages in random order: whatever a run can write.
    let status = Command::new(env!("CARGO_BIN_EXE_windtunnel"))
        .args(["run", concat!(env!("CARGO_MANIFEST_DIR"), "/scenarios/quickstart.toml"), "--quiet"])
        .args(["--set", "dataset.n_users=150", "--set", "dataset.n_items=120", "--set", "arms.mf.epochs=2"])
        .args(["--set", "rounds=2", "--set", "population.n_agents=400"])
        .args(["--set", "session.presentation=shuffled", "--out"])
        .arg(&out)
        .stdout(std::process::Stdio::null())
        .status();
    assert!(status.is_ok_and(|status| status.success()), "the run failed");
    let (code, complaints) = recompute(&out);
    assert_eq!(code, Some(0), "{complaints}");
}
