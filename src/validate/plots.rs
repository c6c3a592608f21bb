//! The plots of a validation: reference in grey, simulation in colour. One function a plot, one
//! entry in [`ALL`]. Drawn from a [`Validation`] alone, each with the table of what it shows.

use super::Validation;
use super::check::{Bound, Check, Group};
use super::distances::Distribution;
use super::tiers::{MEASURES, Side, TRAITS, TierPair};
use crate::report::estimate::Estimate;
use crate::report::plot::arms::{Curve, banded, dodged, highest, span};
use crate::report::plot::{DataTable, Plotted};
use crate::report::sketch::{Align, SMALL, Sheet, TINY, WIDTH, labelled, legend_height, ticks};
use crate::report::theme::{self, ArmStyle, GRID, INK, MUTED};
use crate::report::{font, format};

/// A kind of plot.
pub struct PlotKind {
    /// Its name within the page.
    pub name: &'static str,
    /// Its heading.
    pub title: &'static str,
    /// How to read it.
    pub help: &'static str,
    /// Draws it; `None` where the validation has nothing of the kind.
    pub draw: fn(&Validation) -> Option<Plotted>,
}

/// Every plot, in reading order.
pub static ALL: &[PlotKind] = &[
    PlotKind {
        name: "bounds",
        title: "How much of each bound is used",
        help: "Every difference from the reference as a share of what is allowed: inside the shaded band it holds. \
               Whiskers are intervals; distances and areas start at what a perfect simulation would have; what is further out \
               than three bounds stands at the edge.",
        draw: bounds,
    },
    PlotKind {
        name: "distributions",
        title: "Distributions side by side",
        help: "The share (%) of each value: grey bars are the reference, coloured ones the simulation.",
        draw: distributions,
    },
    PlotKind {
        name: "slots",
        title: "Watching by place on the page",
        help: "Of the items shown in each slot, the share that was watched; whiskers are intervals.",
        draw: slots,
    },
    PlotKind {
        name: "tiers",
        title: "Kind of person by kind of person",
        help: "Exit page, satisfaction and share watched in the tiers of each trait, with intervals.",
        draw: tiers,
    },
    PlotKind {
        name: "survival",
        title: "Who is still browsing, tier by tier",
        help: "The share of each tier's sessions that reached each page.",
        draw: survival,
    },
    PlotKind {
        name: "order",
        title: "Gate: who pleases most",
        help: "Mean satisfaction of the same people with each arm. From top to bottom the markers must move left; the \
               best learnt arm must stand right of popularity.",
        draw: order,
    },
    PlotKind {
        name: "doses",
        title: "Gate: more of what is liked",
        help: "Mean satisfaction as a growing share of every page holds what the agent likes best. It must not fall.",
        draw: doses,
    },
    PlotKind {
        name: "position",
        title: "Gate: position without relevance",
        help: "Watch rate by slot when pages are shuffled, so that every slot is as relevant as any other. What falls \
               here is position bias itself.",
        draw: position,
    },
];

/// Reference and simulation.
fn sides() -> [(&'static str, ArmStyle); 2] {
    let styles = theme::arm_styles(2, Some(0));
    [("reference", styles[0]), ("simulated", styles[1])]
}

fn told(estimate: Option<Estimate>, unit: &str) -> String {
    estimate.map_or(format::UNKNOWN.to_owned(), |e| format::value(e.value, unit))
}

/// A check's value in units of its bound, where that is a distance from something perfect.
fn used(check: &Check) -> Option<Estimate> {
    let (from, room) = match (check.group, check.bound?) {
        (Group::Gate, _) => return None,
        (_, Bound::Within(most)) => (0.0, most),
        (Group::Discriminator, Bound::AtMost(most)) => (0.5, most - 0.5),
        (_, Bound::AtMost(most)) => (0.0, most),
        _ => return None,
    };
    let e = check.found.filter(|_| room > 0.0)?;
    let share = |value: f64| (value - from) / room;
    Some(Estimate { value: share(e.value), low: share(e.low), high: share(e.high), n: e.n })
}

fn bounds(found: &Validation) -> Option<Plotted> {
    const ROW: f64 = 19.0;
    const LEFT: f64 = 150.0;
    const REACH: f64 = 3.0;
    let checks: Vec<Check> = found.realism.checks.clone();
    let rows: Vec<(&Check, Estimate)> = checks.iter().filter_map(|c| Some((c, used(c)?))).collect();
    if rows.is_empty() {
        return None;
    }
    let mut table = DataTable::new(1, ["check", "share of the bound", "lower", "upper"]);
    let bottom = 6.0 + ROW * rows.len() as f64;
    let sheet = Sheet::new(bottom + 38.0);
    let panel = sheet.panel((LEFT, 4.0, WIDTH - 8.0, bottom), (-REACH, REACH), (0.0, 1.0));
    sheet.rectangle(panel.at((-1.0, 0.0)), panel.at((1.0, 1.0)), GRID, 0.8);
    let labels = (-2..=2)
        .map(|k| (f64::from(k), if k == 0 { "0".to_owned() } else { format!("{k}×").replace('-', "−") }));
    panel.x_axis(&labels.collect::<Vec<_>>(), true, "difference, in bounds");
    let styles = theme::arm_styles(3, Some(0));
    for (k, (check, e)) in rows.iter().enumerate() {
        let y = 6.0 + ROW * (k as f64 + 0.5);
        let style = if check.passed() == Some(true) { &styles[1] } else { &styles[2] };
        sheet.text(
            (2.0, y),
            &font::fitted(&check.name.replace('_', " "), SMALL, LEFT - 10.0),
            SMALL,
            INK,
            Align::Left,
        );
        let x = |value: f64| panel.at((value, 0.5)).0;
        sheet.line(&[(x(e.low), y), (x(e.high), y)], style.color, 1.6);
        sheet.marker((x(e.value), y), 3.6, style, false);
        let cells = [e.value, e.low, e.high].map(|v| format::fixed(v, 2));
        table.push(std::iter::once(check.name.clone()).chain(cells).collect());
    }
    Some(Plotted { drawing: sheet.finish(), table })
}

fn distributions(found: &Validation) -> Option<Plotted> {
    const BARS: f64 = 62.0;
    const ROW: f64 = BARS + 50.0;
    let drawn: Vec<&Distribution> = found.realism.distributions.iter().collect();
    if drawn.is_empty() {
        return None;
    }
    let sides = sides();
    let top = legend_height(&sides);
    let sheet = Sheet::new(top + ROW * drawn.len() as f64);
    sheet.legend(0.0, &sides);
    let mut table = DataTable::new(1, ["what", "value", "reference", "simulated"]);
    for (k, distribution) in drawn.iter().enumerate() {
        let y = top + ROW * k as f64;
        let name = distribution.counted.name().replace('_', " ");
        sheet.text((2.0, y + 8.0), &name, SMALL, INK, Align::Left);
        let n = distribution.reference.len();
        let both = || distribution.reference.iter().chain(&distribution.simulated);
        let tallest = both().copied().filter(|s| s.is_finite()).fold(0.05, f64::max);
        let first = distribution.counted.first();
        let panel = sheet.panel(
            (36.0, y + 20.0, WIDTH - 6.0, y + 20.0 + BARS),
            (-0.5, n as f64 - 0.5),
            (0.0, tallest),
        );
        for (value, label) in labelled(ticks((0.0, tallest), 3), true) {
            let (_, at) = panel.at((0.0, value));
            sheet.line(&[(36.0, at), (WIDTH - 6.0, at)], GRID, 0.8);
            sheet.text((31.0, at), &label, TINY, MUTED, Align::Right);
        }
        for bin in 0..n {
            let x = bin as f64;
            let pair = [distribution.reference[bin], distribution.simulated[bin]];
            for (side, share) in pair.into_iter().enumerate() {
                let from = x - 0.38 + 0.38 * side as f64;
                sheet.rectangle(
                    panel.at((from, share)),
                    panel.at((from + 0.36, 0.0)),
                    sides[side].1.color,
                    0.85,
                );
            }
            let label = (bin + first).to_string();
            sheet.text((panel.at((x, 0.0)).0, y + 31.0 + BARS), &label, TINY, MUTED, Align::Middle);
            table.push(vec![name.clone(), label, format::percent(pair[0]), format::percent(pair[1])]);
        }
    }
    Some(Plotted { drawing: sheet.finish(), table })
}

fn slots(found: &Validation) -> Option<Plotted> {
    let slots = &found.realism.slots;
    let place = |k: usize| k as f64 + 1.0;
    let theirs: Curve = slots.iter().enumerate().map(|(k, pair)| (place(k), pair.0)).collect();
    let ours: Curve = slots.iter().enumerate().map(|(k, pair)| (place(k), pair.1)).collect();
    let mut table = DataTable::new(1, ["slot", "reference", "simulated"]);
    for (k, pair) in slots.iter().enumerate() {
        table.push(vec![(k + 1).to_string(), told(pair.0, "share"), told(pair.1, "share")]);
    }
    by_slot(&[theirs, ours], table)
}

fn position(found: &Validation) -> Option<Plotted> {
    let curve: Curve = found.gates.slots.iter().enumerate().map(|(k, e)| (k as f64 + 1.0, *e)).collect();
    let mut table = DataTable::new(1, ["slot", "watched"]);
    for (k, e) in found.gates.slots.iter().enumerate() {
        table.push(vec![(k + 1).to_string(), told(*e, "share")]);
    }
    by_slot(&[curve], table)
}

/// Watch rates by slot; one curve is the simulation's, two are the reference's and the simulation's.
fn by_slot(curves: &[Curve], table: DataTable) -> Option<Plotted> {
    let n = curves.iter().map(Vec::len).max().filter(|n| *n > 0)?;
    let sides = sides();
    let shown = &sides[2 - curves.len()..];
    let top = if shown.len() > 1 { legend_height(shown) } else { 0.0 };
    let sheet = Sheet::new(top + 26.0 + 150.0 + 42.0);
    if shown.len() > 1 {
        sheet.legend(0.0, shown);
    }
    let high = (highest(curves, 0.02) * 1.05).min(1.0);
    let frame = (40.0, top + 26.0, WIDTH - 12.0, top + 26.0 + 150.0);
    let panel = sheet.panel(frame, (0.5, n as f64 + 0.5), (0.0, high));
    panel.y_axis(&labelled(ticks(panel.y, 5), true), "watched, of items shown (%)");
    let step = n.div_ceil(12).max(1);
    let labels = (1..=n).step_by(step).map(|slot| (slot as f64, slot.to_string()));
    panel.x_axis(&labels.collect::<Vec<_>>(), false, "slot (place on the page, from the top)");
    let styled: Vec<(ArmStyle, Curve)> =
        shown.iter().zip(curves).map(|((_, style), curve)| (*style, curve.clone())).collect();
    dodged(&panel, &styled, 0.5, 3.8);
    Some(Plotted { drawing: sheet.finish(), table })
}

const TIER_NAMES: [&str; 3] = ["low", "mid", "high"];

/// The tiers of a trait.
fn of_trait(found: &Validation, of_trait: usize) -> impl Iterator<Item = &TierPair> {
    found.realism.tiers.iter().filter(move |pair| pair.of_trait == of_trait)
}

fn tiers(found: &Validation) -> Option<Plotted> {
    const LEFT: f64 = 36.0;
    const GAP: f64 = 10.0;
    const HEIGHT: f64 = 86.0;
    if found.realism.tiers.is_empty() {
        return None;
    }
    let sides = sides();
    let top = legend_height(&sides) + 18.0;
    let sheet = Sheet::new(top + MEASURES.len() as f64 * (HEIGHT + 42.0));
    sheet.legend(0.0, &sides);
    let mut table = DataTable::new(3, ["trait", "tier", "measure", "people", "reference", "simulated"]);
    let width = (WIDTH - 4.0 - LEFT - 2.0 * GAP) / 3.0;
    for (t, (name, _)) in TRAITS.iter().enumerate() {
        let middle = LEFT + t as f64 * (width + GAP) + width / 2.0;
        sheet.text((middle, top - 8.0), name, SMALL, INK, Align::Middle);
    }
    let headings = ["pages browsed", "satisfaction (1 to 10)", "watched, of items shown (%)"];
    for (m, (_, unit, _)) in MEASURES.iter().enumerate() {
        let row_top = top + m as f64 * (HEIGHT + 42.0);
        sheet.text((2.0, row_top + 8.0), headings[m], SMALL, MUTED, Align::Left);
        let all = found.realism.tiers.iter().flat_map(|p| [p.reference.measures[m], p.simulated.measures[m]]);
        let range = span(all.flatten()).unwrap_or((0.0, 1.0));
        for (t, (name, _)) in TRAITS.iter().enumerate() {
            let left = LEFT + t as f64 * (width + GAP);
            let panel =
                sheet.panel((left, row_top + 20.0, left + width, row_top + 20.0 + HEIGHT), (0.5, 3.5), range);
            for (value, label) in labelled(ticks(range, 4), *unit == "share") {
                let (_, y) = panel.at((1.0, value));
                sheet.line(&[(left, y), (left + width, y)], GRID, 0.8);
                if t == 0 {
                    sheet.text((left - 5.0, y), &label, TINY, MUTED, Align::Right);
                }
            }
            let labels = TIER_NAMES.iter().enumerate().map(|(i, name)| (i as f64 + 1.0, (*name).to_owned()));
            panel.x_axis(&labels.collect::<Vec<_>>(), false, "");
            let curve = |pick: fn(&TierPair) -> &Side| -> Curve {
                of_trait(found, t).map(|pair| (f64::from(pair.tier), pick(pair).measures[m])).collect()
            };
            let curves = [(sides[0].1, curve(|p| &p.reference)), (sides[1].1, curve(|p| &p.simulated))];
            dodged(&panel, &curves, 0.6, 3.2);
            for pair in of_trait(found, t) {
                let (theirs, ours) = (pair.reference.measures[m], pair.simulated.measures[m]);
                table.push(vec![
                    (*name).to_owned(),
                    TIER_NAMES[usize::from(pair.tier) - 1].to_owned(),
                    headings[m].to_owned(),
                    format::count(theirs.map_or(0, |e| e.n)),
                    told(theirs, unit),
                    told(ours, unit),
                ]);
            }
        }
    }
    Some(Plotted { drawing: sheet.finish(), table })
}

fn survival(found: &Validation) -> Option<Plotted> {
    const LEFT: f64 = 36.0;
    const GAP: f64 = 10.0;
    const HEIGHT: f64 = 84.0;
    let n_pages = found.realism.tiers.iter().map(|pair| pair.reference.survival.len()).max()?;
    let sides = sides();
    let top = legend_height(&sides) + 18.0;
    let sheet = Sheet::new(top + TRAITS.len() as f64 * (HEIGHT + 42.0) + 10.0);
    sheet.legend(0.0, &sides);
    let columns = ["trait", "tier", "side"].map(str::to_owned).into_iter();
    let mut table = DataTable::new(3, columns.chain((1..=n_pages).map(|page| format!("page {page}"))));
    let width = (WIDTH - 4.0 - LEFT - 2.0 * GAP) / 3.0;
    for (k, name) in TIER_NAMES.iter().enumerate() {
        let middle = LEFT + k as f64 * (width + GAP) + width / 2.0;
        sheet.text((middle, top - 8.0), name, SMALL, INK, Align::Middle);
    }
    for (t, (name, _)) in TRAITS.iter().enumerate() {
        let row_top = top + t as f64 * (HEIGHT + 42.0);
        sheet.text((2.0, row_top + 8.0), &format!("{name}: sessions left (%)"), SMALL, MUTED, Align::Left);
        for pair in of_trait(found, t) {
            let left = LEFT + f64::from(pair.tier - 1) * (width + GAP);
            let frame = (left, row_top + 20.0, left + width, row_top + 20.0 + HEIGHT);
            let panel = sheet.panel(frame, (0.8, n_pages.max(2) as f64 + 0.2), (0.0, 1.0));
            for (value, label) in labelled(vec![0.0, 0.5, 1.0], true) {
                let (_, y) = panel.at((1.0, value));
                sheet.line(&[(left, y), (left + width, y)], GRID, 0.8);
                if pair.tier == 1 {
                    sheet.text((left - 5.0, y), &label, TINY, MUTED, Align::Right);
                }
            }
            let step = n_pages.div_ceil(6).max(1);
            let labels = (1..=n_pages).step_by(step).map(|page| (page as f64, page.to_string()));
            panel.x_axis(&labels.collect::<Vec<_>>(), false, "");
            let curve = |side: &Side| -> Curve {
                side.survival.iter().enumerate().map(|(k, e)| (k as f64 + 1.0, *e)).collect()
            };
            let curves = [(sides[0].1, curve(&pair.reference)), (sides[1].1, curve(&pair.simulated))];
            banded(&panel, &curves, n_pages <= 12);
            for (side, (word, _)) in [&pair.reference, &pair.simulated].into_iter().zip(sides) {
                let mut row = vec![
                    (*name).to_owned(),
                    TIER_NAMES[usize::from(pair.tier) - 1].to_owned(),
                    word.to_owned(),
                ];
                row.extend(side.survival.iter().map(|e| told(*e, "share")));
                row.resize(3 + n_pages, format::UNKNOWN.to_owned());
                table.push(row);
            }
        }
    }
    sheet.text((WIDTH - 8.0, sheet.height - 8.0), "page", SMALL, MUTED, Align::Right);
    Some(Plotted { drawing: sheet.finish(), table })
}

fn order(found: &Validation) -> Option<Plotted> {
    const ROW: f64 = 24.0;
    const LEFT: f64 = 120.0;
    let order = &found.gates.order;
    let range = span(order.iter().filter_map(|(_, e)| *e))?;
    let bottom = 6.0 + ROW * order.len() as f64;
    let sheet = Sheet::new(bottom + 38.0);
    let panel = sheet.panel((LEFT, 4.0, WIDTH - 12.0, bottom), range, (0.0, 1.0));
    panel.x_axis(&labelled(panel.x_ticks(6), false), true, "satisfaction (1 to 10)");
    let style = sides()[1].1;
    let mut table = DataTable::new(1, ["arm", "satisfaction", "interval"]);
    for (k, (name, e)) in order.iter().enumerate() {
        let y = 6.0 + ROW * (k as f64 + 0.5);
        sheet.text((2.0, y), &font::fitted(name, SMALL, LEFT - 12.0), SMALL, INK, Align::Left);
        let interval = e.map_or(format::UNKNOWN.to_owned(), |e| format::interval(e.low, e.high, "score"));
        table.push(vec![name.clone(), told(*e, "score"), interval]);
        let Some(e) = e else { continue };
        let x = |value: f64| panel.at((value, 0.5)).0;
        sheet.line(&[(x(e.low), y), (x(e.high), y)], style.color, 1.6);
        sheet.marker((x(e.value), y), 4.2, &style, false);
    }
    Some(Plotted { drawing: sheet.finish(), table })
}

fn doses(found: &Validation) -> Option<Plotted> {
    let curve: Curve = found.gates.doses.clone();
    let range = span(curve.iter().filter_map(|(_, e)| *e))?;
    let sheet = Sheet::new(26.0 + 150.0 + 42.0);
    let panel = sheet.panel((40.0, 26.0, WIDTH - 12.0, 176.0), (-0.05, 1.05), range);
    panel.y_axis(&labelled(ticks(panel.y, 5), false), "satisfaction (1 to 10)");
    panel.x_axis(
        &labelled(curve.iter().map(|(dose, _)| *dose).collect(), true),
        false,
        "share of the page (%)",
    );
    let mut table = DataTable::new(1, ["share of the page", "satisfaction", "interval"]);
    for (dose, e) in &curve {
        let interval = e.map_or(format::UNKNOWN.to_owned(), |e| format::interval(e.low, e.high, "score"));
        table.push(vec![format::percent(*dose), told(*e, "score"), interval]);
    }
    dodged(&panel, &[(sides()[1].1, curve)], 0.0, 4.0);
    Some(Plotted { drawing: sheet.finish(), table })
}
