//! Hostile words on their way to whoever reads: every page, every plot and every line on a terminal.

use super::markup::text_of;
use super::place::{ASKING, HOSTILE, Place, Said, user_id};

/// Characters that a terminal or a browser obeys instead of showing them.
fn obeyed(text: &str) -> Option<char> {
    text.chars().find(|&c| {
        (c.is_control() && c != '\n')
            || matches!(c, '\u{200b}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    })
}

/// A page with nothing in it that is not ours, and a policy that would stop whatever was.
fn checked(place: &Place, name: &str) -> String {
    let page = place.read(name);
    let head = page.split("</head>").next().unwrap_or_default();
    let policy = "content=\"default-src 'none'; img-src data:; style-src 'sha256-";
    assert!(
        head.contains("http-equiv=\"Content-Security-Policy\"") && head.contains(policy),
        "{name}: {head}"
    );
    assert!(!head.contains("unsafe"), "{name}");
    assert_eq!(obeyed(&page), None, "{name}");
    text_of(name, &page)
}

fn shows_nothing_raw(what: &str, said: &Said) {
    assert_eq!((obeyed(&said.stdout), obeyed(&said.stderr)), (None, None), "{what}");
}

#[test]
fn what_data_models_and_plug_ins_say_is_shown_and_never_obeyed() {
    let place = Place::new();
    place.scenario("s.toml", ASKING);
    let said = place.call(&["run", "s.toml", "--out", "run"]);
    assert_eq!(said.code, 0, "{}", said.stderr);
    shows_nothing_raw("run", &said);
    let text = checked(&place, "run/report.html");
    // Titles, genres, scenario, feelings and failures are all in it, letter by letter.
    for hostile in HOSTILE.iter().filter(|hostile| obeyed(hostile).is_none()) {
        assert!(text.contains(hostile), "the report does not show {hostile:?}");
    }
    assert!(text.contains(r"\u{1b}[31mred") && text.contains(r"\u{202e}live"), "spelt out");
    for entry in std::fs::read_dir(place.dir.path().join("run/plots")).expect("plots") {
        let name = entry.expect("a plot").file_name().into_string().expect("a name");
        let name = format!("run/plots/{name}");
        let plot = place.read(&name);
        assert_eq!(obeyed(&plot), None, "{name}");
        text_of(&name, &plot);
    }
    for user in [0, 1, 2, 3, 6, 7] {
        let user = user_id(user);
        for more in [&["--arm", "popular"][..], &["--arm", "remote", "--calls"]] {
            let said = place.call(&[&["show", "run", "--user", &user][..], more].concat());
            shows_nothing_raw("show", &said);
        }
    }
    let before = place.read("run/report.html");
    let said = place.call(&["report", "run"]);
    assert_eq!((said.code, place.read("run/report.html") == before), (0, true), "{}", said.stderr);
}

#[test]
fn pages_of_sweeps_and_validations_escape_what_they_are_told() {
    let place = Place::new();
    place.scenario("s.toml", "[population]\nn_agents = 20\n[arms.popular]\n[arms.random]\n");
    let said = place.call(&["run", "s.toml", "--out", "run"]);
    assert_eq!(said.code, 0, "{}", said.stderr);
    checked(&place, "run/report.html");
    let grid = format!("session.advert=\"<script>alert(1)</script>\",{:?}", HOSTILE[1]);
    let said = place.call(&["sweep", "s.toml", "--grid", &grid, "--out", "sweep"]);
    assert_eq!(said.code, 0, "{}", said.stderr);
    shows_nothing_raw("sweep", &said);
    assert!(checked(&place, "sweep/sweep.html").contains("<script>alert(1)</script>"));
    let against = ["--against", "run", "--replicates", "1", "--skip-gates", "--skip-taste-test"];
    let said = place.call(&[&["validate", "s.toml", "--out", "valid"], &against[..]].concat());
    assert_eq!(said.code, 0, "{}", said.stderr);
    shows_nothing_raw("validate", &said);
    assert!(checked(&place, "valid/validation.html").contains(HOSTILE[0]));
}

#[test]
fn names_in_the_folder_of_a_run_lead_nowhere_else() {
    let place = Place::new();
    place.scenario(
        "s.toml",
        "[population]\nn_agents = 20\n[arms.popular]\n[arms.random]\n[studies.popularity_bias]\n",
    );
    let said = place.call(&["run", "s.toml", "--out", "run"]);
    assert_eq!(said.code, 0, "{}", said.stderr);
    let path = place.dir.path().join("run/studies/popularity_bias.json");
    let mut told: serde_json::Value =
        serde_json::from_str(&place.read("run/studies/popularity_bias.json")).expect("JSON");
    told["name"] = "/../../../out\"><script>".into();
    let charts = told["charts"].as_array_mut().expect("charts");
    assert!(!charts.is_empty(), "nothing to draw, nothing to test");
    charts.iter_mut().for_each(|chart| chart["name"] = "../x\" onload=\"alert(1)".into());
    std::fs::write(path, told.to_string()).expect("written");
    std::fs::create_dir_all(place.dir.path().join("run/plots/study-")).expect("a folder to start from");
    let said = place.call(&["report", "run"]);
    // The page that was there stands; the name is refused before anything is written by it.
    assert_eq!(said.code, 1, "{}", said.stderr);
    assert!(said.stderr.contains("cannot be part of a file's name"), "{}", said.stderr);
    text_of("report.html", &place.read("run/report.html"));
    let outside: Vec<_> =
        std::fs::read_dir(place.dir.path()).expect("the folder").flatten().map(|e| e.file_name()).collect();
    assert!(outside.iter().all(|name| !name.to_string_lossy().ends_with(".svg")), "{outside:?}");
}
