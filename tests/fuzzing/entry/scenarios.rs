//! What people write in TOML: scenarios, overrides, calibrations, profiles, personas, parameters of agents.

use super::archive::{Folder, split};
use super::{read, words};
use std::path::Path;
use windtunnel::agent::behavior::choice::ChoiceParameters;
use windtunnel::agent::behavior::llm::persona::PersonaFile;
use windtunnel::calibrate::spec::Calibration;
use windtunnel::dataset::profiles::ProfileFile;
use windtunnel::experiment::scenario_text;
use windtunnel::report::card::{Card, assertion};
use windtunnel::scenario::Scenario;

/// Checks a scenario with overrides, a line each of `set`; what is valid is valid again as it is written out. Then the
/// same text as a calibration, and lines of `assert` as assertions.
pub fn scenario_toml(data: &[u8]) {
    let files = split(data, "scenario.toml");
    let text_of = |name: &str| {
        let found = files.iter().find(|(known, _)| *known == name)?;
        std::str::from_utf8(found.1).ok()
    };
    for line in text_of("assert").unwrap_or_default().lines() {
        if let Err(error) = assertion::check(line, &Card::default()) {
            words(&error);
        }
    }
    let Some(text) = text_of("scenario.toml") else { return };
    let overrides: Vec<String> = text_of("set").unwrap_or_default().lines().map(str::to_owned).collect();
    let path = Path::new("scenario.toml");
    if let Some(scenario) = read(Scenario::parse(path, text, &overrides)) {
        let written = scenario_text(&scenario);
        if let Err(error) = Scenario::parse(path, &written, &[]) {
            panic!("the scenario as resolved is refused: {}\n{written}", words(&error));
        }
    }
    let folder = Folder::with(&[("calibration.toml", text.as_bytes())]);
    read(Calibration::load(&folder.path().join("calibration.toml"), &overrides));
}

/// Reads a file of profiles, of personas and of the parameters of agents.
pub fn profiles(data: &[u8]) {
    let folder = Folder::with(&[("p.toml", data)]);
    let path = folder.path().join("p.toml");
    if let Some(file) = read(ProfileFile::read(&path)) {
        let mut ids = windtunnel::dataset::Vocabulary::new();
        file.items.keys().chain(file.users.keys()).for_each(|id| _ = ids.intern(id));
        let again: ProfileFile =
            toml::from_str(&file.text(&ids, |_| String::new())).expect("what was written is TOML");
        assert_eq!((again.items, again.users), (file.items, file.users));
    }
    read(PersonaFile::read(&path));
    if let Ok(table) = String::from_utf8_lossy(data).parse::<toml::Table>() {
        read(ChoiceParameters::from_table("p.toml", &table));
    }
}
