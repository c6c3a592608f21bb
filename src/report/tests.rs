//! The report as a whole: every plot, every kind of run, hostile names, the same bytes.

use super::sample::{Kind, report};
use super::{Report, plot, table};
use std::collections::BTreeSet;

const KINDS: [Kind; 5] = [Kind::Rich, Kind::FirstPage, Kind::Nothing, Kind::OneAgent, Kind::Alike];

/// A tiny check of well-formedness: tags nest, attributes are quoted, text is escaped.
/// Returns the ids defined and the references made.
fn check_xml(name: &str, xml: &str) {
    let mut open: Vec<&str> = Vec::new();
    let (mut ids, mut references) = (BTreeSet::new(), BTreeSet::new());
    let mut rest = xml;
    while let Some(start) = rest.find('<') {
        let text = &rest[..start];
        assert!(!text.contains('>'), "{name}: stray > in {text:?}");
        let end = rest[start..].find('>').unwrap_or_else(|| panic!("{name}: tag without end")) + start;
        let tag = &rest[start + 1..end];
        assert_eq!(tag.matches('"').count() % 2, 0, "{name}: unbalanced quotes in <{tag}>");
        for (attribute, set) in [("id=\"", &mut ids), ("href=\"#", &mut references)] {
            if let Some(at) = tag.find(&format!(" {attribute}")) {
                let value = &tag[at + 1 + attribute.len()..];
                let value = value[..value.find('"').unwrap_or(0)].to_owned();
                let is_new = set.insert(value.clone());
                assert!(is_new || attribute.starts_with("href"), "{name}: id {value} twice");
            }
        }
        if let Some(closed) = tag.strip_prefix('/') {
            assert_eq!(open.pop(), Some(closed), "{name}: </{closed}> closes something else");
        } else if !tag.ends_with('/') {
            open.push(tag.split(' ').next().unwrap_or(tag));
        }
        rest = &rest[end + 1..];
    }
    assert!(open.is_empty(), "{name}: left open: {open:?}");
    assert!(references.is_subset(&ids), "{name}: outlines missing: {:?}", references.difference(&ids));
}

fn check_svg(name: &str, svg: &str) {
    check_xml(name, svg);
    assert!(svg.starts_with("<svg xmlns=") && svg.contains("<title") && svg.contains("<desc"), "{name}");
    assert!(!svg.contains("<text"), "{name}: text needs a font");
    for broken in ["NaN", "inf", "\"-\""] {
        assert!(!svg.contains(broken), "{name} holds {broken}");
    }
    let size: Vec<f64> = svg
        .split("viewBox=\"-10 -10 ")
        .nth(1)
        .and_then(|rest| rest.split('"').next())
        .map(|size| size.split(' ').filter_map(|n| n.parse().ok()).collect())
        .unwrap_or_default();
    for text in svg.split("translate(").skip(1).step_by(2) {
        let at: Vec<f64> =
            text.split(')').next().unwrap_or("").split(' ').filter_map(|n| n.parse().ok()).collect();
        assert!(
            at[0] >= 0.0 && at[0] <= size[0] && at[1] >= 0.0 && at[1] <= size[1],
            "{name}: text at {at:?} of {size:?}"
        );
    }
}

#[test]
fn every_plot_renders_for_every_run() {
    for kind in KINDS {
        for n_arms in [1, 2, 8] {
            let report = report(n_arms, kind, if kind == Kind::Rich { 3 } else { 1 });
            for plot in plot::ALL {
                let Some(plotted) = (plot.draw)(&report) else { continue };
                let name = format!("{} of {n_arms} arms, {kind:?}", plot.name);
                check_svg(&name, &plotted.drawing.standalone(plot.name, plot.title, plot.help));
                for row in &plotted.table.rows {
                    assert_eq!(row.len(), plotted.table.columns.len(), "{name}");
                    assert!(
                        row.iter().all(|cell| !cell.contains("NaN") && !cell.contains("inf")),
                        "{name}: {row:?}"
                    );
                }
            }
            let rendered = report.render().expect("the template is ours");
            assert!(!rendered.html.contains("NaN"), "{kind:?} {n_arms}");
            let text = table::terminal(&report, 80);
            assert!(!text.contains("NaN"), "{text}");
        }
    }
}

#[test]
fn a_rich_run_has_every_plot_once() {
    let report = report(4, Kind::Rich, 3);
    let names: Vec<&str> =
        plot::ALL.iter().filter(|plot| (plot.draw)(&report).is_some()).map(|plot| plot.name).collect();
    assert_eq!(names.len(), plot::ALL.len());
    assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len(), "two plots share a name");
}

#[test]
fn the_same_run_gives_the_same_bytes() {
    let render = || report(3, Kind::Rich, 2).render().expect("the template is ours");
    assert_eq!(render(), render());
}

#[test]
fn hostile_names_stay_text() {
    let mut report = report(2, Kind::Rich, 1);
    let hostile = "\"><script>alert(1)</script>&\u{1b}[31m";
    let old = report.manifest.arms[1].name.clone();
    report.manifest.title = hostile.into();
    report.manifest.arms[1].name = hostile.into();
    report.manifest.dataset.source = hostile.into();
    report.scenario = hostile.into();
    report.figures.genres[0] = hostile.into();
    report.metrics.iter_mut().filter(|row| row.arm == old).for_each(|row| row.arm = hostile.into());
    report.comparisons.iter_mut().filter(|row| row.arm == old).for_each(|row| row.arm = hostile.into());
    let rendered = report.render().expect("the template is ours");
    assert!(!rendered.html.contains("<script"), "a script got through");
    assert!(rendered.html.contains("&lt;script&gt;"));
    for (name, svg) in &rendered.plots {
        check_svg(name, svg);
    }
    assert!(!table::terminal(&report, 80).contains('\u{1b}'), "a control character got through");
}

#[test]
fn what_agents_say_stays_text() {
    let page = report(2, Kind::Rich, 1).render().expect("the template is ours").html;
    assert!(!page.contains("<script"), "a script got through");
    for told in ["alert(&#x27;interview&#x27;)", "alert(&#x27;feeling&#x27;)", "alert(&#x27;The &quot;Matrix"]
    {
        assert!(page.contains(&format!("&lt;script&gt;{told}")), "{told} is not on the page");
    }
    assert!(page.contains("\\u{1b}[31mnothing for me") && !page.contains('\u{1b}'));
    assert!(page.contains("it goes &lt;b&gt;well&lt;&#x2f;b&gt; so far"));
    for arm in 1..=2 {
        for nth in 1..=5 {
            let id = format!("said-{arm}-{nth}\"");
            assert_eq!(page.matches(&format!("id=\"{id}")).count(), 1, "{id}");
            assert_eq!(page.matches(&format!("href=\"#{id}")).count(), 1, "{id}");
        }
    }
    let silent = Report { voices: Vec::new(), ..report(2, Kind::Rich, 1) };
    let page = silent.render().expect("the template is ours").html;
    assert!(!page.contains("What they said") && !page.contains("href=\"#voices\""));
}

#[test]
fn the_page_needs_nothing_else() {
    let page = report(3, Kind::Rich, 1).render().expect("the template is ours").html;
    for outside in ["http://", "https://", "src=", "@import", "url(", "<script", "<text", " style=\""] {
        assert!(!page.contains(outside), "the page holds {outside}");
    }
    assert!(page.contains("default-src 'none'"));
    let references: BTreeSet<&str> =
        page.split("href=\"#glyph-").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    for glyph in references {
        assert_eq!(page.matches(&format!("id=\"glyph-{glyph}\"")).count(), 1, "{glyph}");
    }
}

#[test]
fn a_report_is_written_whole_and_read_back_from_its_folder() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let report = report(2, Kind::Rich, 1);
    let text = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).expect("writable");
    text("manifest.json", &report.manifest.to_json());
    text("scenario.toml", &report.scenario);
    let mut file = Vec::new();
    crate::metric::tables::write(&report.metrics, &crate::metric::tables::MetricsRow::HEADER, &mut file)
        .expect("memory");
    std::fs::write(dir.path().join("metrics.csv"), &file).expect("writable");
    file.clear();
    crate::metric::tables::write(
        &report.comparisons,
        &crate::metric::tables::ComparisonRow::HEADER,
        &mut file,
    )
    .expect("memory");
    std::fs::write(dir.path().join("comparisons.csv"), &file).expect("writable");
    file.clear();
    crate::metric::tables::write(
        &report.text_bought,
        &crate::metric::tables::ComparisonRow::HEADER,
        &mut file,
    )
    .expect("memory");
    std::fs::write(dir.path().join("text_bought.csv"), &file).expect("writable");
    let mut read = Report::read_tables(dir.path()).expect("own folder");
    read.figures = report.figures.clone();
    read.voices = report.voices.clone();
    assert_eq!(read, report);
    let rendered = read.render().expect("the template is ours");
    rendered.write(dir.path()).expect("writable");
    assert_eq!(std::fs::read_to_string(dir.path().join("report.html")).expect("written"), rendered.html);
    let left: Vec<_> =
        std::fs::read_dir(dir.path().join("plots")).expect("made").flatten().map(|e| e.file_name()).collect();
    assert_eq!(left.len(), rendered.plots.len(), "{left:?}");
    let missing = Report::read_tables(&dir.path().join("nowhere")).expect_err("no such folder").to_string();
    assert!(missing.contains("manifest.json"), "{missing}");
}

#[test]
fn the_terminal_table_keeps_to_its_width() {
    for width in [40, 80, 120] {
        let text = table::terminal(&report(4, Kind::Rich, 1), width);
        assert!(text.lines().all(|line| line.chars().count() <= width), "{text}");
        assert!(text.contains("mf") && text.contains("Failure rate"), "{text}");
    }
}

/// Writes sample pages for people to look at, to the folder named by the variable.
#[test]
fn sample_pages_on_request() {
    let Some(dir) = std::env::var_os("WINDTUNNEL_SAMPLE_PAGES") else { return };
    for (name, report) in [
        ("rich", report(4, Kind::Rich, 3)),
        ("eight", report(8, Kind::Rich, 1)),
        ("one", report(1, Kind::Rich, 1)),
        ("first-page", report(2, Kind::FirstPage, 1)),
        ("nothing", report(2, Kind::Nothing, 1)),
    ] {
        let dir = std::path::Path::new(&dir).join(name);
        std::fs::create_dir_all(&dir).expect("a writable folder");
        report.render().expect("the template is ours").write(&dir).expect("a writable folder");
        println!("{}", table::terminal(&report, 100));
    }
}
