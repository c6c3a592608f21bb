//! What made-up agents say in made-up sessions, and what their made-up language models took: friendly,
//! long, silent and hostile. Must not be taken for results.

use crate::event::story::{About, Story, Words};
use crate::event::{ExitReason, Page, Session, Slot};
use crate::id::{AgentId, ItemId};
use crate::metric::{Catalogue, Population};
use crate::report::Report;
use crate::report::conversation::Conversation;
use crate::report::manifest::LlmUsage;
use crate::report::voices::Voice;

/// (score, why), of each arm.
const SAID: [(u8, &str); 5] = [
    (1, "<script>alert('interview')</script> & </q></article> \u{1b}[31mnothing for me"),
    (4, "I had seen most of what was offered, and the rest was not my kind."),
    (6, ""),
    (
        7,
        "A good mix of what I know I like and two things I would not have found myself; the third page was weaker, with too many films of the same kind in a row.",
    ),
    (
        10,
        "Donaudampfschiffahrtsgesellschaftskapitaensmuetzenabzeichenfabrikationsgeheimnisbewahrungsvorschriftenverzeichnisband wonderful",
    ),
];

/// Adds voices of every arm and the usage of two models.
pub fn add(report: &mut Report) {
    let (catalogue, population) = (super::catalogue(), super::population(20));
    let n_arms = report.manifest.arms.len();
    for arm in 0..n_arms {
        for (nth, (score, why)) in SAID.into_iter().enumerate() {
            report.voices.push(voice(arm, nth as u32, score, why, &catalogue, &population));
        }
    }
    for (arm, info) in report.manifest.arms.iter().enumerate() {
        report.manifest.llm.push(usage(&info.name, "small", arm as u64));
        if arm == 1 {
            report.manifest.llm.push(usage(&info.name, "large", 7));
        }
    }
}

fn voice(
    arm: usize,
    nth: u32,
    score: u8,
    why: &str,
    catalogue: &Catalogue,
    population: &Population,
) -> Voice {
    let mut words = Vec::new();
    let n_pages = 1 + nth % 3;
    let page = |number: u32, words: &mut Vec<Words>| {
        let mut say = |about, text: &str| words.push(Words { page: number, about, text: text.to_owned() });
        let slots = (0..4_u32).map(|slot| {
            let watched = (slot + number + nth).is_multiple_of(3);
            if watched {
                let feeling = if slot == 0 { "<script>alert('feeling')</script>" } else { "kept me awake" };
                say(About::Rating { slot }, feeling);
            }
            Slot {
                item: ItemId(((number - 1) * 4 + slot) * (1 + nth + arm as u32)),
                aligned: Some(watched || slot == 1),
                held_out: slot == 2,
                propensity: None,
                watched,
                rating: watched.then_some(1 + ((nth + slot) % 5) as u8),
            }
        });
        let slots = slots.collect();
        say(About::Reflection, "it goes <b>well</b> so far");
        if number == n_pages {
            say(About::Exit, "enough for tonight");
            say(About::Interview, why);
        }
        Page { number, slots }
    };
    let pages: Vec<Page> = (1..=n_pages).map(|number| page(number, &mut words)).collect();
    let session = Session {
        reflections: pages.iter().map(|page| (page.number, 0.5, 0.1 * page.number as f32)).collect(),
        pages,
        exit: Some(ExitReason::Left),
        satisfaction: Some(score),
        ..Session::new(0, AgentId(nth * 3 + arm as u32 % 3))
    };
    Voice { arm, conversation: Conversation::of(&Story { session, words }, catalogue, population) }
}

fn usage(arm: &str, model: &str, nth: u64) -> LlmUsage {
    let is_small = model == "small";
    LlmUsage {
        arm: arm.to_owned(),
        model: model.to_owned(),
        about: if is_small {
            "qwen2.5-7b-instruct at a server that speaks the chat-completions protocol, 64 requests at once"
                .into()
        } else {
            "another <b>model</b>".into()
        },
        n_calls: 9_312 + 37 * nth,
        n_replayed: 120 * nth,
        n_retries: 14 + nth,
        n_repairs: 3 * nth,
        n_failures: nth % 2,
        n_unknown_slots: 0,
        n_repeated_slots: 0,
        n_unnamed_slots: 0,
        prompt_tokens: 6_204_118 + 9_113 * nth,
        cached_tokens: 4_001_220,
        completion_tokens: 391_040 + 77 * nth,
        cost_usd: if is_small { 0.0 } else { 12.4321 },
        replayed_tokens: 90_000 * nth,
        replayed_usd: 0.0,
        latency_p50_ms: (nth != 2).then_some(820),
        latency_p90_ms: (nth != 2).then_some(2_140),
        latency_p99_ms: (nth != 2).then_some(11_900),
    }
}
