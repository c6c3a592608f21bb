//! Recorded sessions, replayed: they come out as they went in, from calls and from sessions alike, and what
//! the record does not hold fails instead of being invented.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use windtunnel::agent::behavior::{Answer, Visit};
use windtunnel::agent::cue::Cues;
use windtunnel::agent::memory::{Memory, Mood};
use windtunnel::event::read::{DenseIds, for_each_session};
use windtunnel::event::recorded::{self, Names, Recorded};
use windtunnel::event::{ExitReason, Session, transcript};
use windtunnel::experiment::prepare::Prepared;
use windtunnel::experiment::{self, RunOptions};
use windtunnel::id::{AgentId, ItemId};
use windtunnel::llm::client::Client;
use windtunnel::progress::Quiet;
use windtunnel::scenario::Scenario;

/// A small world; user k of it has the raw id that its vocabulary says.
const WORLD: &str = r#"
name = "small"
[dataset]
source = "synthetic"
n_users = 30
n_items = 60
[session]
items_per_page = 2
max_pages = 3
[behavior]
kind = "replay"
transcripts = "record.jsonl"
[arms.recorded]
transcripts = "RECORD"
[statistics]
n_bootstrap = 100
"#;

fn scenario(dir: &Path, set: &[&str]) -> Scenario {
    let text = WORLD.replace("RECORD", &dir.join("record.jsonl").display().to_string());
    let set: Vec<String> = set.iter().map(|set| (*set).to_owned()).collect();
    Scenario::parse(Path::new("test.toml"), &text, &set).expect("a valid scenario")
}

/// The small world as other agents see it, to know ids and titles.
fn world() -> Prepared {
    let text = WORLD.replace("[behavior]\nkind = \"replay\"\ntranscripts = \"record.jsonl\"\n", "");
    let scenario = Scenario::parse(Path::new("test.toml"), &text, &[]).expect("valid");
    Prepared::new(&scenario, Path::new("."), &Client::none(), &Quiet).expect("prepared")
}

/// The first `n` items that a user may be shown.
fn showable(world: &Prepared, user: u32, n: usize) -> Vec<ItemId> {
    let known = world.known.items_of(windtunnel::id::UserId(user));
    let items = (0..world.dataset.n_items() as u32).filter(|item| known.binary_search(item).is_err());
    items.take(n).map(ItemId).collect()
}

fn call(world: &Prepared, user: u32, page: u32, kind: &str, shown: &[ItemId], response: &str) -> String {
    let title = |item: &ItemId| &world.dataset.catalogue[item.idx()].title;
    let lines: String = shown
        .iter()
        .map(|item| format!("<- {} -> <- History ratings: 3.0 -> <- Summary: x ->\n", title(item)))
        .collect();
    let prompt = format!("#### Recommended List ####\nPAGE {page}\n{lines}");
    let agent = world.dataset.users.raw(user);
    let call = serde_json::json!({"agent": agent, "page": page, "kind": kind, "prompt": prompt, "response": response});
    format!("{call}\n")
}

/// Two people: 3 sees two pages, the second one short, and leaves; 5 sees one, says nothing, and is asked nothing.
fn record(world: &Prepared) -> String {
    let items = showable(world, 3, 3);
    let title = &world.dataset.catalogue[items[1].idx()].title;
    let watches = format!(
        "MOVIE: {title}; ALIGN: Yes; REASON: mine\nNUM: 1; WATCH: {title}\nMOVIE: {title}; RATING: 5; FEELING: joy"
    );
    [
        call(world, 3, 1, "page", &items[..2], &watches),
        call(world, 3, 1, "decide", &[], "POSITIVE: so good\n[NEXT]; Reason: curious"),
        call(world, 3, 2, "page", &items[2..], "Sorry, nothing."),
        call(world, 3, 2, "decide", &[], "NEGATIVE: so bad\n[EXIT]; Reason: bored"),
        call(world, 3, 2, "interview", &[], "RATING: 4; REASON: mixed"),
        call(world, 5, 1, "page", &showable(world, 5, 2), ""),
        call(world, 5, 1, "decide", &[], "POSITIVE: fine"),
    ]
    .concat()
}

/// Runs a scenario and reads back what an arm's log says.
fn run(scenario: &Scenario, base_dir: &Path, arm: &str) -> Result<Vec<Session>, String> {
    let out = tempfile::tempdir().expect("a temporary folder");
    let folder = out.path().join("run");
    let options = RunOptions::new(&folder, base_dir, &Quiet);
    experiment::run(scenario, &options).map_err(|error| {
        let source =
            std::error::Error::source(&error).map(|source| format!(": {source}")).unwrap_or_default();
        format!("{error}{source}")
    })?;
    let prepared = Prepared::new(scenario, base_dir, &Client::none(), &Quiet).expect("prepared");
    // Sessions are numbered by the users of the dataset, as records are.
    let ids = names(&prepared).ids;
    let mut sessions = Vec::new();
    let path = folder.join(format!("events/arm={arm}/part-00000.parquet"));
    for_each_session(&path, &ids, |session| sessions.push(session.clone())).expect("a log");
    Ok(sessions)
}

fn names(prepared: &Prepared) -> Names {
    let dataset = &prepared.dataset;
    let [users, items] = [&dataset.users, &dataset.items].map(|all| all.all().iter().map(String::as_str));
    Names::new(users, items, dataset.catalogue.iter().map(|item| item.title.as_str()))
}

fn write(dir: &Path, text: &str) {
    std::fs::write(dir.join("record.jsonl"), text).expect("written");
}

#[test]
fn recorded_people_do_it_again_and_nobody_else() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let world = world();
    write(dir.path(), &record(&world));
    let scenario = scenario(dir.path(), &[]);
    let sessions = run(&scenario, dir.path(), "recorded").expect("a run");
    let recorded = recorded::read_either(&dir.path().join("record.jsonl"), &names(&world)).expect("a record");
    assert_eq!(sessions.iter().map(|session| session.agent).collect::<Vec<_>>(), [AgentId(3), AgentId(5)]);
    for (session, recorded) in sessions.iter().zip(&recorded) {
        let items = |session: &Session| {
            session.slots().map(|s| (s.item, s.aligned, s.watched, s.rating)).collect::<Vec<_>>()
        };
        assert_eq!(items(session), items(&recorded.session));
        assert_eq!(session.exit, recorded.session.exit);
        assert_eq!(session.satisfaction, recorded.session.satisfaction);
    }
    assert_eq!(sessions[0].reflections, [(1, 1.0, 0.0), (2, 0.0, 0.0)]);
    // The one without a score: the interview failed, and that is all that did.
    assert_eq!((sessions[0].n_failures, sessions[1].n_failures), (0, 1));
    assert_eq!(sessions[1].exit, Some(ExitReason::Left));
}

#[test]
fn the_words_of_the_record_are_said_again() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    write(dir.path(), &record(&world()));
    let prepared =
        Prepared::new(&scenario(dir.path(), &[]), dir.path(), &Client::none(), &Quiet).expect("prepared");
    assert_eq!(prepared.agents.len(), 2, "as many agents as recorded people");
    let profile = &prepared.agents.profile(AgentId(0));
    let items = showable(&prepared, 3, 3);
    let memory = Memory::with_capacity(0);
    let visit = |page: u32, items| Visit {
        profile,
        memory: &memory,
        mood: Mood::NEUTRAL,
        round: 0,
        page,
        items,
        cues: Cues::USUAL,
        advertised: &[],
        outcomes: &[],
        foretold: None,
    };
    let (first, second) = (visit(1, &items[..2]), visit(2, &items[2..]));
    let behavior = &prepared.behavior;
    let Answer::Now(Ok(reaction)) = &behavior.react(&[first])[0] else { panic!("a reaction") };
    assert_eq!(reaction.slots[1].rating, Some((5, "joy".into())));
    assert_eq!((reaction.slots[0].watched, reaction.slots[0].aligned), (false, Some(false)));
    let Answer::Now(Ok(reflection)) = &behavior.reflect(&[first])[0] else { panic!("a reflection") };
    assert_eq!((reflection.mood.satisfaction, reflection.text.as_ref()), (1.0, "so good"));
    let Answer::Now(Ok(decision)) = &behavior.decide(&[second])[0] else { panic!("a decision") };
    assert_eq!((decision.goes_on, decision.text.as_ref()), (false, "bored"));
    let Answer::Now(Ok(interview)) = &behavior.interview(&[second])[0] else { panic!("an interview") };
    assert_eq!((interview.satisfaction, interview.text.as_ref()), (4, "mixed"));
    // Anything but the page of the record fails, step by step.
    for (visit, told) in [
        (visit(1, &items[1..3]), "page 1 shows other items than the record"),
        (visit(2, &items[..2]), "page 2 shows other items than the record"),
        (visit(3, &items[..2]), "page 3 is not in the record, which ends with page 2"),
    ] {
        let Answer::Now(Err(failure)) = &behavior.react(&[visit])[0] else { panic!("{told}") };
        assert_eq!((failure.step, failure.cause.as_str()), ("react", told));
        assert!(matches!(&behavior.decide(&[visit])[0], Answer::Now(Err(_))), "{told}");
    }
}

#[test]
fn another_arm_makes_failures_and_no_reactions() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    write(dir.path(), &record(&world()));
    let sessions =
        run(&scenario(dir.path(), &["arms.random.kind=random"]), dir.path(), "random").expect("a run");
    assert_eq!(sessions.len(), 2);
    for session in sessions {
        assert_eq!((session.n_failures, session.exit), (1, Some(ExitReason::Failure)));
        assert_eq!((session.n_shown(), session.n_watched(), session.satisfaction), (2, 0, None));
        assert!(session.slots().all(|slot| slot.aligned.is_none()));
    }
}

#[test]
fn records_that_do_not_fit_the_scenario_are_refused() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let world = world();
    write(dir.path(), &record(&world));
    let raw = world.dataset.users.raw(3);
    for (set, told) in [
        (
            "session.items_per_page=1",
            format!("page 1 of user {raw} shows 2 items in the record, session.items_per_page is 1"),
        ),
        (
            "session.items_per_page=3",
            format!("page 1 of user {raw} shows 2 items in the record, session.items_per_page is 3"),
        ),
        ("behavior.transcripts=none.jsonl", "none.jsonl".to_owned()),
    ] {
        let error = run(&scenario(dir.path(), &[set]), dir.path(), "recorded").expect_err(set);
        assert!(error.contains(&told), "{set}: {error}");
    }
    // A page that shows what the person has: the behaviour refuses it, and so does the recommender.
    let known = ItemId(world.known.items_of(windtunnel::id::UserId(5))[0]);
    write(dir.path(), &call(&world, 5, 1, "page", &[known], ""));
    let raw = (world.dataset.users.raw(5), world.dataset.items.raw(known.0));
    let error = run(&scenario(dir.path(), &[]), dir.path(), "recorded").expect_err("known");
    let told =
        format!("page 1 of user {} shows item {} in the record, which session.exclude keeps", raw.0, raw.1);
    assert!(error.contains(&told), "{error}");
    let others = scenario(dir.path(), &["behavior={kind=\"random\"}"]);
    let error = run(&others, dir.path(), "recorded").expect_err("known");
    let told = format!("user {} is shown item {}, which session.exclude keeps from this user", raw.0, raw.1);
    assert!(error.contains(&told), "{error}");
    write(dir.path(), "{\"agent\": 1}\n");
    let error = run(&others, dir.path(), "recorded").expect_err("no record");
    assert!(error.contains("row 1: expected a session with `pages` or a call with `response`"), "{error}");
}

/// The folder of Agent4Rec's data, where it and its recorded runs are at hand.
fn data() -> Option<PathBuf> {
    let root = std::env::var_os("WINDTUNNEL_DATA").map(PathBuf::from);
    let root = root.unwrap_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/data"));
    let folder = root.join("agent4rec");
    if folder.join("recorded").is_dir() {
        return Some(folder);
    }
    eprintln!("SKIPPED: no {}", folder.join("recorded").display());
    None
}

/// The two recorded runs, with what was counted in their files of sessions: shown, watched, rated 4 or more,
/// agents, the sum of exit pages, the sum of scores. The first three are also published with the data.
const RUNS: [(&str, [usize; 6]); 2] =
    [("lgn1000_even", [6572, 3316, 3053, 500, 1643, 1994]), ("mf100", [1268, 635, 607, 100, 317, 380])];

fn counts(sessions: &[Session]) -> [usize; 6] {
    let sum = |of: fn(&Session) -> usize| sessions.iter().map(of).sum();
    [
        sum(Session::n_shown),
        sum(Session::n_watched),
        sum(Session::n_liked),
        sessions.len(),
        sum(|session| session.pages.len()),
        sum(|session| usize::from(session.satisfaction.unwrap_or_default())),
    ]
}

fn published(folder: &Path, record: &str) -> Scenario {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios/agent4rec-replay.toml");
    let set = [
        format!("dataset.path={}", folder.display()),
        format!("behavior.transcripts=${{dataset.path}}/recorded/{record}"),
        "statistics.n_bootstrap=100".to_owned(),
    ];
    Scenario::load(&path, &set).expect("a valid scenario")
}

/// What our parser reads in the calls is what the files of sessions say, which somebody else's parser made
/// from the same calls. Every difference has been looked up in prompt and reply:
/// agent 40, page 3 finds `Misérables, Les` fitting, which the page shows with a letter lost; the sessions
/// miss that.
#[test]
fn transcripts_tell_what_the_files_of_sessions_tell() {
    let Some(folder) = data() else { return };
    let prepared =
        Prepared::new(&published(&folder, "sessions_mf100.jsonl"), Path::new("."), &Client::none(), &Quiet)
            .expect("prepared");
    let names = names(&prepared);
    // Lines left: `Alien³`, shown as `Alien` and a lost character that may be any letter (its align and its
    // rating line), and four ratings that name no film: the run itself took them for no watch, as the
    // memories in its later prompts show.
    let expected_left = [(2, 5), (1, 0)];
    let (mut n_lines, mut n_landed) = (0, 0);
    for ((run, counted), (align_left, rating_left)) in RUNS.into_iter().zip(expected_left) {
        let file = |kind: &str| folder.join(format!("recorded/{kind}_{run}.jsonl"));
        let parsed = transcript::read(&file("llm_calls"), &names).expect("a transcript");
        let [align, rating] = [&parsed.align, &parsed.rating];
        assert_eq!(
            (align.seen - align.landed, rating.seen - rating.landed),
            (align_left, rating_left),
            "{run}"
        );
        assert_eq!(align.seen, counted[0] as u64, "every slot of every page has its line");
        n_lines += align.seen + rating.seen;
        n_landed += align.landed + rating.landed;
        let sessions: Vec<Session> =
            parsed.sessions.iter().map(|recorded| recorded.session.clone()).collect();
        assert_eq!(counts(&sessions), counted, "{run}");
        let theirs =
            recorded::read(&file("sessions"), Some(&file("llm_calls")), &names.ids).expect("sessions");
        assert_eq!(
            differences(&parsed.sessions, &theirs, &prepared),
            match run {
                "mf100" => Vec::<String>::new(),
                _ => vec!["40: page 3, slot 3: fits Some(true), theirs Some(false)".to_owned()],
            }
        );
    }
    assert!(n_landed as f64 >= 0.999 * n_lines as f64, "{n_landed} of {n_lines} lines land on a slot");
}

/// Where two readings of the same sessions differ, held-out marks of the split included.
fn differences(ours: &[Recorded], theirs: &[Recorded], prepared: &Prepared) -> Vec<String> {
    let mut ours = ours.to_vec();
    recorded::mark_held_out(&mut ours, |agent, item| {
        prepared.held_out.items_of(windtunnel::id::UserId(agent.0)).binary_search(&item.0).is_ok()
    });
    assert_eq!(ours.len(), theirs.len());
    let mut found = Vec::new();
    for (ours, theirs) in ours.iter_mut().zip(theirs) {
        let agent = prepared.dataset.users.raw(ours.session.agent.0);
        for (page, other) in ours.session.pages.iter_mut().zip(&theirs.session.pages) {
            for (k, (slot, other)) in page.slots.iter_mut().zip(&other.slots).enumerate() {
                if slot.aligned != other.aligned {
                    let (fits, other) = (slot.aligned, other.aligned);
                    found.push(format!(
                        "{agent}: page {}, slot {k}: fits {fits:?}, theirs {other:?}",
                        page.number
                    ));
                }
                slot.aligned = other.aligned;
            }
        }
        if (&ours.session, &ours.goes_on, &ours.feelings)
            != (&theirs.session, &theirs.goes_on, &theirs.feelings)
        {
            found.push(format!("{agent}: {:?}, theirs {:?}", ours.session, theirs.session));
        }
        for (page, words) in ours.session.pages.iter().zip(&ours.words.pages) {
            let is_told =
                page.slots.iter().zip(&words.feelings).all(|(slot, felt)| slot.watched != felt.is_empty());
            assert!(is_told && !words.overall.is_empty() && !words.decision.is_empty(), "{agent}: {words:?}");
        }
    }
    found
}

/// The acceptance of the published runs: replayed by our own world, from calls and from sessions, they give
/// the counts of the record, in events and in metrics.
#[test]
fn the_published_runs_come_out_as_they_were_recorded() {
    let Some(folder) = data() else { return };
    for (run, counted) in RUNS {
        let mut logs: Vec<Vec<Session>> = Vec::new();
        for kind in ["llm_calls", "sessions"] {
            let out = tempfile::tempdir().expect("a temporary folder");
            let out = out.path().join("run");
            let scenario = published(&folder, &format!("{kind}_{run}.jsonl"));
            let options = RunOptions::new(&out, Path::new("."), &Quiet);
            experiment::run(&scenario, &options).expect("a run");
            let [agents, items] = ["agents.csv", "items.csv"].map(|table| raw(&out, table));
            let ids = DenseIds::new(agents.iter().map(String::as_str), items.iter().map(String::as_str));
            let mut sessions = Vec::new();
            let log = out.join("events/arm=recorded/part-00000.parquet");
            for_each_session(&log, &ids, |session| sessions.push(session.clone())).expect("a log");
            assert_eq!(counts(&sessions), counted, "{kind}_{run}");
            assert!(sessions.iter().all(|session| session.n_failures == 0), "{kind}_{run}");
            let [shown, watched, liked, n, pages, scores] = counted.map(|count| count as f64);
            let metrics = metrics(&out);
            for (metric, value) in [
                ("p_view", watched / shown),
                ("n_like", liked / n),
                ("p_like", liked / shown),
                ("n_exit", pages / n),
                ("s_sat", scores / n),
            ] {
                let found = metrics[metric];
                assert!((found - value).abs() < 1e-9, "{kind}_{run}: {metric} is {found}, recorded {value}");
            }
            sessions.iter_mut().for_each(|session| session.reflections.clear());
            logs.push(sessions);
        }
        let fits = |log: &[Session]| {
            log.iter().flat_map(Session::slots).filter(|slot| slot.aligned == Some(true)).count()
        };
        let (calls, sessions) = (fits(&logs[0]), fits(&logs[1]));
        assert_eq!(calls - sessions, usize::from(run == "lgn1000_even"), "agent 40 finds one more fitting");
    }
}

/// The first column of a table of a run folder.
fn raw(folder: &Path, table: &str) -> Vec<String> {
    let mut reader = csv::Reader::from_path(folder.join(table)).expect("a table");
    reader.records().map(|row| row.expect("a row")[0].to_owned()).collect()
}

/// Means of metrics by name.
fn metrics(folder: &Path) -> BTreeMap<String, f64> {
    let mut reader = csv::Reader::from_path(folder.join("metrics.csv")).expect("a table");
    let headers = reader.headers().expect("headers").clone();
    let at = |name: &str| headers.iter().position(|header| header == name).expect("a column");
    let (metric, mean) = (at("metric"), at("mean"));
    let rows = reader.records().map(|row| row.expect("a row"));
    rows.filter_map(|row| Some((row[metric].to_owned(), row[mean].parse().ok()?))).collect()
}
