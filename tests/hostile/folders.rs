//! Run folders that somebody changed, given to the commands that read them.

use super::case::{Case, Content};

const REPORT: &str = "`windtunnel report`";
const COMPARE: &str = "`windtunnel compare`";
const ASSERT: &str = "`windtunnel assert`";
const SHOW: &str = "`windtunnel show`";

/// A copy of the finished run with one change, read by `report`.
fn report(
    what: &'static str,
    name: &'static str,
    from: &'static str,
    to: &'static [u8],
    says: &'static str,
) -> Case {
    Case::new(REPORT, what, &["report", "copy"], says)
        .content("copy", Content::Spoilt(name, from, to))
        .fails()
}

fn spoilt(
    (enters, what): (&'static str, &'static str),
    arguments: &[&str],
    (name, to): (&'static str, &'static [u8]),
    says: &'static str,
) -> Case {
    Case::new(enters, what, arguments, says).content("copy", Content::Spoilt(name, "", to))
}

pub fn cases() -> Vec<Case> {
    const EVENTS: &str = "events/arm=popular/part-00000.parquet";
    vec![
        Case::new(REPORT, "a folder that is no run", &["report", "."], ". is not a finished run: it has no manifest.json"),
        Case::new(REPORT, "a file for a run folder", &["report", "note.txt"], "note.txt is not a finished run: it has no manifest.json"),
        report("a manifest that is no JSON", "manifest.json", "", b"{", "copy/manifest.json is not a manifest: EOF while parsing an object at line 1 column 1"),
        report("a manifest that is a list", "manifest.json", "", b"[]", "copy/manifest.json is not a manifest: invalid type: sequence, expected a map"),
        report("a manifest of another format", "manifest.json", "\"format\": ", b"\"format\": 77", "copy/manifest.json: format is 77"),
        report("a manifest whose study lies elsewhere", "manifest.json", "\"verdict\"", b"\"../../note\"", "copy/manifest.json: \"../../note\" cannot be part of a file's name, expected 1 to 64 letters"),
        report("a manifest whose arm lies elsewhere", "manifest.json", "\"name\": \"popular\"", b"\"name\": \"../popular\"", "copy/manifest.json: \"../popular\" is no name of an arm, expected 1 to 64 letters"),
        report("metrics with a cell in words", "metrics.csv", "", b"arm,round,metric,n,mean,std_error,ci_low,ci_high,unit\npopular,0,p_view,many,,,,,share\n", "copy/metrics.csv is not a table of a run: CSV deserialize error: record 1 (line: 2, byte: 54): field 3: invalid digit found in string"),
        report("metrics without a column", "metrics.csv", "", b"arm,round\npopular,0\n", "copy/metrics.csv is not a table of a run: CSV deserialize error: record 1 (line: 2, byte: 10): missing field `metric`"),
        report("items with genres that the manifest lacks", "items.csv", "", b"item,title,genres,n_train,mean_rating\n1,x,Nonsense,3,\n", "copy/items.csv:2: genres is \"Nonsense\", expected genres that manifest.json names"),
        report("items that are not UTF-8", "items.csv", "", b"item,title,genres,n_train,mean_rating\n1,\xff\xfe,,3,\n", "copy/items.csv: CSV parse error: record 1 (line 2, field: 1, byte: 38): invalid utf-8"),
        report("people without agents", "agents.csv", "", b"user,persona,activity,diversity,conformity\n", "0 agents of 12 people\", expected an agent of every person"),
        report("a study that is something else", "studies/verdict.json", "", b"{\"answer\": 7}", "copy/studies/verdict.json: is not what a study told: invalid type: integer `7`, expected a string"),
        report("a study whose table is named out of the folder", "studies/verdict.json", "", b"{\"name\": \"verdict\", \"tables\": [{\"name\": \"/../../x\", \"title\": \"\", \"help\": \"\", \"columns\": [], \"rows\": []}]}", "copy/studies/verdict.json: \"/../../x\" cannot be part of a file's name"),
        report("an event file that is empty", EVENTS, "", b"", "part-00000.parquet cannot be read or written as Parquet: EOF: Parquet file too small"),
        report("an event file that is cut", EVENTS, "", b"PAR1\x15\x04", "part-00000.parquet cannot be read or written as Parquet: EOF: Parquet file too small"),
        report("an event file whose footer claims 2 GB", EVENTS, "", b"PAR1xxxx\xff\xff\xff\x7fPAR1", "Parquet file too small. Size is 16 but need 2147483655"),
        report("an event file that is a program's listing", EVENTS, "", b"#!/bin/sh\nrm -rf ~\n", "part-00000.parquet cannot be read or written as Parquet: Parquet error: Invalid Parquet file. Corrupt footer"),
        spoilt((COMPARE, "a second run without a scenario"), &["compare", "done", "copy"], ("scenario.toml", b"= ="), "copy/scenario.toml: is not a scenario of this version: extra `=`, expected nothing"),
        spoilt((COMPARE, "a second run whose events are no Parquet"), &["compare", "done", "copy"], (EVENTS, b"PAR1"), "copy cannot be compared: cannot read the events"),
        Case::new(COMPARE, "one run and nothing", &["compare", "done", "absent"], "absent cannot be compared: cannot access absent/manifest.json: No such file or directory"),
        spoilt((ASSERT, "a card that is no JSON"), &["assert", "copy", "1 < 2"], ("study.json", b"{\"format\": 1,"), "copy/study.json: is not what a run found: EOF while parsing a value at line 1 column 13"),
        spoilt((ASSERT, "a card of another format"), &["assert", "copy", "1 < 2"], ("study.json", b"{\"format\": 999}"), "copy/study.json: is not what a run found: missing field `name`"),
        Case::new(ASSERT, "an assertion a thousand brackets deep", &["assert", "done", &"(".repeat(1000)], "column 52: is nested deeper than 50 levels"),
        Case::new(ASSERT, "an assertion about an arm that there is not", &["assert", "done", "arms.nobody.s_sat > 1"], "the run has no value arms.nobody.s_sat"),
        Case::new(ASSERT, "an assertion of 5,000 letters", &["assert", "done", &"x".repeat(5000)], "column 2000: is longer than 2000 characters"),
        Case::new(SHOW, "a person who was not there", &["show", "done", "--user", "\u{1b}[31mnobody"], "--user is \"\\u{1b}[31mnobody\", which is not in done/agents.csv; expected one of 12"),
        Case::new(SHOW, "an arm that leads out of the folder", &["show", "done", "--user", "1", "--arm", "../../x"], "--arm is \"../../x\", which is not known; expected one of: popular, random"),
    ]
}
