//! What happened: event files of a run, records of other agents, logs for off-policy evaluation.

use super::archive::{Folder, split};
use super::read;
use windtunnel::event::read::{DenseIds, for_each_session, for_each_story};
use windtunnel::event::recorded::{self, Names};
use windtunnel::study::off_policy::{between_logs, open_bandit, policy_file};

/// Raw ids that files may name: `1` to `99`.
fn raw_ids() -> Vec<String> {
    (1..100).map(|id| id.to_string()).collect()
}

/// Reads an event file whole, and the stories of two people.
pub fn event_parquet(data: &[u8]) {
    let folder = Folder::with(&[("part-00000.parquet", data)]);
    let path = folder.path().join("part-00000.parquet");
    let ids = raw_ids();
    let ids = DenseIds::new(ids.iter().map(String::as_str), ids.iter().map(String::as_str));
    let mut n_slots = 0;
    read(for_each_session(&path, &ids, |session| n_slots += session.slots().count()));
    read(for_each_story(&path, &ids, 0, &["1", "7"], |story| n_slots += story.session.slots().count()));
}

/// Reads a record of sessions or of calls.
pub fn recorded_transcript(data: &[u8]) {
    let files = split(data, "record.jsonl");
    let folder = Folder::with(&files);
    let ids = raw_ids();
    let ids = || ids.iter().map(String::as_str);
    let titles = ["Heat (1995)", "Lion King, The (1994)", "Persuasion", "Ugetsu", "8 1/2"];
    let names =
        Names::new(ids(), ids(), ids().enumerate().map(|(at, id)| titles.get(at).copied().unwrap_or(id)));
    let path = folder.path().join("record.jsonl");
    let calls = Some(folder.path().join("calls.jsonl")).filter(|path| path.is_file());
    if let Some(mut sessions) = read(recorded::read_either(&path, &names)) {
        recorded::mark_held_out(&mut sessions, |agent, item| agent.0 == item.0);
        for recorded in &sessions {
            assert!(recorded.session.agent.idx() < 99, "an agent of the dataset");
            assert_eq!(recorded.goes_on.len(), recorded.session.pages.len());
            assert!(recorded.session.satisfaction.is_none_or(|score| (1..=10).contains(&score)));
        }
    }
    read(recorded::read(&path, calls.as_deref(), &names.ids));
}

/// Reads a log of the Open Bandit Dataset and compares it with another (or itself), and the rows of `policies.csv`.
pub fn off_policy_csv(data: &[u8]) {
    let files = split(data, "log.csv");
    let folder = Folder::with(&files);
    read(policy_file::read(folder.path(), "soft", &["mf".to_owned(), "random".to_owned()]));
    let Some(log) = read(open_bandit::read(&folder.path().join("log.csv"))) else { return };
    assert!(log.impressions.iter().all(|x| (x.place as usize) < log.positions.len()));
    assert!(log.impressions.iter().all(|x| x.propensity > 0.0 && x.propensity <= 1.0));
    let target = read(open_bandit::read(&folder.path().join("target.csv")));
    if log.n_items() <= 2000 {
        read(between_logs::compare(&log, target.as_ref().unwrap_or(&log), 0.95));
    }
}
