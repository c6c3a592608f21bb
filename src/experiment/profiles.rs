//! `windtunnel items build` and `windtunnel users build`: profiles written by one of the scenario's language models
//! into a file, and the files that a scenario names on their way into its data. Must not know arms or sessions.

use super::fit::split_hash;
use super::{RunError, RunOptions, prepare};
use crate::dataset::profiles::ProfileFile;
use crate::dataset::{Dataset, Split};
use crate::llm::client::{Client, TapePlace};
use crate::profiler::words::Words;
use crate::profiler::{Desk, ProfilerError, Subject, Written, items, model_of, users};
use crate::rng::Streams;
use crate::scenario::Scenario;
use std::path::Path;
use std::sync::Arc;

/// What is described.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// Items, from the catalogue.
    Items,
    /// People, from their training interactions and from the items' profiles that the scenario names.
    Users,
}

/// Has profiles written into the file `options.out`, by the scenario's model of this name or the only one. What has
/// been said before is on the tape, which lies beside the file where the scenario names none.
///
/// # Errors
/// When the data cannot be read, the file is there already, or nobody answers; single failures are in what is
/// returned.
pub fn build(
    scenario: &Scenario,
    what: What,
    model: Option<&str>,
    options: &RunOptions<'_>,
) -> Result<Written, RunError> {
    let path = match &scenario.llm.tape {
        Some(path) => options.base_dir.join(path),
        None => options.out.with_extension("tape.sqlite"),
    };
    let place = TapePlace { path, mode: options.tape };
    let llm = Client::new(scenario.llm.clone(), options.base_dir, Some(place));
    build_with(scenario, what, model, &llm, options)
}

/// The same with language models of the caller's own.
///
/// # Errors
/// As [`build`].
pub fn build_with(
    scenario: &Scenario,
    what: What,
    model: Option<&str>,
    llm: &Arc<Client>,
    options: &RunOptions<'_>,
) -> Result<Written, RunError> {
    if options.out.exists() && !options.replaces() {
        return Err(RunError::Occupied { path: options.out.to_owned() });
    }
    let written = write(scenario, what, model, llm, options);
    // Whatever happened: what has been paid for goes on the tape.
    llm.close();
    let (written, text) = written?;
    let io = |source| RunError::Io { path: options.out.to_owned(), source };
    if let Some(parent) = options.out.parent() {
        std::fs::create_dir_all(parent).map_err(io)?;
    }
    crate::files::write_whole(options.out, text.as_bytes()).map_err(io)?;
    Ok(written)
}

fn write(
    scenario: &Scenario,
    what: What,
    model: Option<&str>,
    llm: &Arc<Client>,
    options: &RunOptions<'_>,
) -> Result<(Written, String), RunError> {
    let section = &scenario.file.profiles;
    let known: Vec<&str> = scenario.llm.models.iter().map(|model| model.name.as_str()).collect();
    let model = model_of(&known, model)?;
    let words = Words::named("profiles.prompts", &section.prompts).map_err(ProfilerError::Words)?;
    let mut dataset = prepare::source(scenario, options.base_dir, options.progress)?;
    let hash = dataset.content_hash();
    let text_chars = section.text_chars as usize;
    let mut split = None;
    let subjects: Result<Vec<Subject>, minijinja::Error> = match what {
        What::Items => items::subjects(&dataset, &words, text_chars),
        What::Users => {
            let cut = prepare::cut(scenario, options.base_dir, &dataset)?;
            take_items(scenario, options.base_dir, &mut dataset)?;
            split = Some(split_hash(&cut));
            let streams = Streams::new(scenario.file.seed);
            users::subjects(&dataset, &cut.train, streams, &words, text_chars)
        }
    };
    let subjects = subjects.map_err(ProfilerError::Template)?;
    let name = match what {
        What::Items => "item",
        What::Users => "user",
    };
    let desk = Desk { llm, model, what: name, text_chars, progress: options.progress };
    let written = desk.write(subjects)?;
    let mut file = ProfileFile { split, ..ProfileFile::default() };
    let n = written.profiles.len();
    let by = llm.model(model).map_err(ProfilerError::Stopped)?;
    let by = by.backend().model();
    let text = match what {
        What::Items => {
            file.about =
                format!("Profiles of {n} items, written by {by} from the catalogue of dataset {hash}.");
            file.items = written.profiles.clone();
            file.text(&dataset.items, |item| title(&dataset, item))
        }
        What::Users => {
            file.about = format!(
                "Profiles of {n} people, written by {by} from training interactions of dataset {hash}."
            );
            file.users = written.profiles.clone();
            file.text(&dataset.users, |_| String::new())
        }
    };
    Ok((written, text))
}

/// A title as it may stand in a comment.
fn title(dataset: &Dataset, item: usize) -> String {
    crate::llm::fence::fenced(&dataset.catalogue[item].title, items::TITLE_CHARS_MAX)
}

/// Puts the items' profiles that the scenario names into the data.
pub(super) fn take_items(
    scenario: &Scenario,
    base_dir: &Path,
    dataset: &mut Dataset,
) -> Result<(), RunError> {
    if let Some(path) = &scenario.file.profiles.items {
        let path = base_dir.join(path);
        dataset.take_item_profiles(&path, &ProfileFile::read(&path)?)?;
    }
    Ok(())
}

/// Puts people's profiles that the scenario names into the data, if they were written for this split.
pub(super) fn take_users(
    scenario: &Scenario,
    base_dir: &Path,
    dataset: &mut Dataset,
    split: &Split,
) -> Result<(), RunError> {
    if let Some(path) = &scenario.file.profiles.users {
        let path = base_dir.join(path);
        dataset.take_user_profiles(&path, &ProfileFile::read(&path)?, &split_hash(split))?;
    }
    Ok(())
}
