//! The systems of a page tick. Each takes the agents at its stage, a few in turn, many in parallel, and writes the
//! outcome back. Must not know arms, files or metrics.

use super::flock::{Departed, Trouble};
use super::lists::{answers, assert_fits};
use super::{Presentation, Tunnel};
use crate::agent::behavior::{Answer, Arrival, Arrived, Reaction, Step, Visit};
use crate::agent::memory::{Factual, Memory};
use crate::agent::profile::Profile;
use crate::agent::session::{SessionState, Stage};
use crate::event::{ExitReason, What};
use crate::recommender::{Feedback, Ranked, Request};
use crate::rng::Purpose;
use bevy_ecs::change_detection::{Mut, Res, ResMut};
use bevy_ecs::system::Query;
use rand::RngExt;
use rand::seq::SliceRandom;
use rayon::prelude::*;
use std::sync::Arc;

/// Agents that a task takes in turn.
const AGENTS_PER_TASK: usize = 512;

/// One agent, as the systems see it.
type Everything = (&'static Profile, &'static mut Memory, &'static mut SessionState);

/// Agents gathered for one system.
type Gathered<'a> = Vec<(&'a Profile, Mut<'a, Memory>, Mut<'a, SessionState>)>;

/// The agents at this stage, in `AgentId` order.
fn at_stage<'a>(
    stage: Stage,
    agents: impl Iterator<Item = (&'a Profile, Mut<'a, Memory>, Mut<'a, SessionState>)>,
) -> Gathered<'a> {
    let gathered: Gathered<'a> = agents.filter(|(_, _, session)| session.stage == stage).collect();
    assert!(gathered.is_sorted_by_key(|(profile, _, _)| profile.agent), "nobody changes seats");
    gathered
}

/// Does this with every agent at this stage.
fn each_at(
    stage: Stage,
    agents: &mut Query<'_, '_, Everything>,
    work: impl Fn(&Profile, &mut Memory, &mut SessionState) + Sync,
) {
    if agents.iter().len() <= AGENTS_PER_TASK {
        for (profile, mut memory, mut session) in agents.iter_mut() {
            if session.stage == stage {
                work(profile, &mut memory, &mut session);
            }
        }
        return;
    }
    let mut gathered = at_stage(stage, agents.iter_mut());
    let tasks = gathered.par_iter_mut().with_min_len(AGENTS_PER_TASK);
    tasks.for_each(|(profile, memory, session)| work(profile, memory, session));
}

/// Asks those gathered who are not waiting yet, and does this with each answer that is there. Whoever has to
/// wait is marked so.
fn answered<T: Send>(
    tunnel: &Tunnel,
    mut gathered: Gathered<'_>,
    ask: impl FnOnce(&[Visit<'_>]) -> Vec<Answer<T>>,
    of_this_step: fn(Arrived) -> Option<Step<T>>,
    then: impl Fn(&Profile, &mut Memory, &mut SessionState, Step<T>) + Sync,
) {
    let asking = gathered.iter().filter(|(_, _, session)| !session.is_waiting);
    let visits: Vec<Visit<'_>> = asking.map(|agent| visit(tunnel, agent)).collect();
    let answers = ask(&visits);
    assert_eq!(answers.len(), visits.len(), "a behaviour answers every visit");
    drop(visits);
    let settle = |profile: &Profile, memory: &mut Memory, session: &mut SessionState, answer| match answer {
        Answer::Now(step) => then(profile, memory, session, step),
        Answer::Later { n_forgotten } => {
            session.is_waiting = true;
            if n_forgotten > 0 {
                let text = format!("{n_forgotten} memories left out for want of room");
                session.log(profile.agent, What::Forgetting { text: text.into() });
            }
        }
    };
    if answers.len() == gathered.len() {
        let pairs = gathered.par_iter_mut().zip(answers).with_min_len(AGENTS_PER_TASK);
        pairs.for_each(|((profile, memory, session), answer)| settle(profile, memory, session, answer));
        return;
    }
    let mut answers = answers.into_iter();
    for (profile, memory, session) in &mut gathered {
        if !session.is_waiting {
            settle(profile, memory, session, answers.next().expect("one for each who asked"));
        } else if let Some(arrived) = session.arrived.take() {
            session.is_waiting = false;
            then(
                profile,
                memory,
                session,
                of_this_step(arrived).expect("an answer to the step that was asked"),
            );
        }
    }
}

/// Hands out the answers that have come; where everybody waits, waits for the first.
pub(super) fn arrive(
    tunnel: Res<Tunnel>,
    mut trouble: ResMut<Trouble>,
    mut agents: Query<(&Profile, &mut SessionState)>,
) {
    let wait = agents.iter().all(|(_, session)| session.is_waiting || session.stage == Stage::Gone);
    let mut arrivals: Vec<Arrival> = match tunnel.behavior.arrivals(wait) {
        Ok(arrivals) => arrivals,
        Err(error) => {
            trouble.0.get_or_insert(error.into());
            return;
        }
    };
    if arrivals.is_empty() {
        return;
    }
    arrivals.sort_by_key(|arrival| arrival.agent);
    for (profile, mut session) in agents.iter_mut().filter(|(_, session)| session.is_waiting) {
        if let Ok(k) = arrivals.binary_search_by_key(&profile.agent, |arrival| arrival.agent) {
            session.arrived = Some(arrivals[k].answer.clone());
        }
    }
}

/// Moves those who went on to the next page.
pub(super) fn turn_page(mut agents: Query<Everything>) {
    each_at(Stage::Turn, &mut agents, |_, _, session| {
        session.page += 1;
        session.on_page.clear();
        session.scores.clear();
        session.propensities.clear();
        session.advertised.clear();
    });
}

/// Asks a recommender that adapts for this page. All others were asked before the first, for all pages; whom
/// they refused fails here.
pub(super) fn ask(tunnel: Res<Tunnel>, mut trouble: ResMut<Trouble>, mut agents: Query<Everything>) {
    if !tunnel.recommender.adapts_in_session() {
        each_at(Stage::Turn, &mut agents, |profile, _, session| {
            if let Some(cause) = session.refusal.take() {
                session.fail(profile.agent, "recommend", cause);
            }
        });
        return;
    }
    let mut asking = at_stage(Stage::Turn, agents.iter_mut());
    let requests: Vec<Request<'_>> =
        asking.iter().map(|(profile, _, session)| request(&tunnel, profile, session)).collect();
    let answers = match answers(&tunnel, &requests) {
        Ok(answers) => answers,
        Err(error) => {
            trouble.0.get_or_insert(error);
            return;
        }
    };
    drop(requests);
    for ((profile, _, session), answer) in asking.iter_mut().zip(answers) {
        match answer {
            Ok(ranked) => session.ranked = Arc::new(ranked),
            Err(error) if error.stops_run() => {
                trouble.0.get_or_insert(error.into());
                return;
            }
            Err(error) => session.fail(profile.agent, "recommend", error.cause()),
        }
    }
}

/// What a page of a recommender that adapts is asked for with.
fn request<'a>(tunnel: &'a Tunnel, profile: &Profile, session: &'a SessionState) -> Request<'a> {
    Request {
        user: profile.user,
        luck: u64::from(profile.agent.0),
        round: session.round,
        page: session.page,
        n: tunnel.rules.items_per_page,
        known: tunnel.known.items_of(profile.user),
        shown: &session.shown,
        feedback: &session.feedback,
    }
}

/// Lays out the page: the next items of the list, presented as the rules say.
pub(super) fn present(tunnel: Res<Tunnel>, mut agents: Query<Everything>) {
    let per_page = tunnel.rules.items_per_page;
    let adapts = tunnel.recommender.adapts_in_session();
    each_at(Stage::Turn, &mut agents, |profile, _, session| {
        let skip = if adapts { 0 } else { per_page * (session.page as usize - 1) };
        let end = session.ranked.items.len().min(skip + per_page);
        if skip >= end {
            // The list has run dry: the session ends on the last page that had something.
            session.page -= 1;
            session.leave(ExitReason::CatalogueExhausted);
            return;
        }
        session.stage = Stage::React;
        let ranked = session.ranked.clone();
        match tunnel.rules.presentation {
            Presentation::Ranked => lay_out(session, &ranked, skip..end),
            Presentation::Shuffled => {
                let mut order: Vec<usize> = (skip..end).collect();
                let agent = u64::from(profile.agent.0);
                let mut luck = tunnel.streams.stream(Purpose::Present, session.round, agent, session.page);
                order.shuffle(&mut luck);
                lay_out(session, &ranked, order.into_iter());
            }
        }
        if tunnel.rules.cues.advert {
            let (agent, page) = (u64::from(profile.agent.0), session.page);
            let mut luck = tunnel.streams.stream(Purpose::Advert, session.round, agent, page);
            let is_advertised = |_| luck.random_bool(tunnel.rules.advert_share);
            session.advertised.extend((0..session.on_page.len()).map(is_advertised));
        }
        if adapts {
            // Lists for whole sessions were looked at as a whole.
            assert_fits(&request(&tunnel, profile, session), &session.on_page);
        }
    });
}

/// Puts these places of the list on the page.
fn lay_out(session: &mut SessionState, ranked: &Ranked, places: impl Iterator<Item = usize> + Clone) {
    session.on_page.extend(places.clone().map(|k| ranked.items[k]));
    session.scores.extend(places.clone().map(|k| ranked.scores[k]));
    session.propensities.extend(places.filter_map(|k| ranked.propensities.get(k)));
}

/// What a gathered agent has before it.
fn visit<'a>(
    tunnel: &Tunnel,
    (profile, memory, session): &'a (&Profile, Mut<'_, Memory>, Mut<'_, SessionState>),
) -> Visit<'a> {
    Visit {
        profile,
        memory,
        mood: session.mood,
        round: session.round,
        page: session.page,
        items: &session.on_page,
        cues: tunnel.rules.cues,
        advertised: &session.advertised,
        outcomes: &session.outcomes,
        foretold: session.foretold.as_ref(),
    }
}

/// Align, watch, rate.
pub(super) fn react(tunnel: Res<Tunnel>, mut agents: Query<Everything>) {
    answered(
        &tunnel,
        at_stage(Stage::React, agents.iter_mut()),
        |visits| tunnel.behavior.react(visits),
        |arrived| match arrived {
            Arrived::Reaction(step) => Some(step),
            _ => None,
        },
        |profile, _, session, reaction| {
            let n_slots = session.on_page.len();
            match reaction {
                Ok(reaction) => {
                    assert_eq!(reaction.slots.len(), n_slots, "a reaction has one entry a slot");
                    session.reaction = reaction;
                    session.foretold = session.reaction.foretold.take();
                    session.stage = Stage::Remember;
                }
                Err(failure) => {
                    // What was shown stays in the log; what the agent did is not known.
                    session.reaction = Reaction { slots: vec![Default::default(); n_slots], foretold: None };
                    log_exposures(&tunnel, profile, session);
                    session.fail(profile.agent, failure.step, failure.cause);
                }
            }
        },
    );
}

/// Turns the page into log, factual memory and feedback for whoever adapts.
pub(super) fn remember(tunnel: Res<Tunnel>, mut agents: Query<Everything>) {
    let adapts = tunnel.recommender.adapts_in_session();
    each_at(Stage::Remember, &mut agents, |profile, memory, session| {
        log_exposures(&tunnel, profile, session);
        log_reaction(profile, session);
        for (&item, slot) in session.on_page.iter().zip(&session.reaction.slots) {
            let rating = slot.rating.as_ref().map(|(rating, _)| *rating);
            memory.remember(Factual { page: session.page, item, watched: slot.watched, rating });
            if adapts {
                session.shown.push(item);
                session.feedback.push(Feedback {
                    item,
                    page: session.page,
                    watched: slot.watched,
                    rating: rating.map(f32::from),
                });
            }
        }
        session.outcomes.push(session.reaction.outcome());
        session.stage = Stage::Reflect;
    });
}

fn log_exposures(tunnel: &Tunnel, profile: &Profile, session: &mut SessionState) {
    let held_out = tunnel.held_out.items_of(profile.user);
    for slot in 0..session.on_page.len() {
        let item = session.on_page[slot];
        let what = What::Exposure {
            slot: slot as u32,
            item,
            score: session.scores[slot],
            propensity: session.propensities.get(slot).copied(),
            advertised: session.advertised.get(slot).copied(),
            aligned: session.reaction.slots[slot].aligned,
            held_out: held_out.binary_search(&item.0).is_ok(),
        };
        session.log(profile.agent, what);
    }
}

fn log_reaction(profile: &Profile, session: &mut SessionState) {
    let slots = std::mem::take(&mut session.reaction.slots);
    for (slot, _) in slots.iter().enumerate().filter(|(_, reaction)| reaction.watched) {
        let item = session.on_page[slot];
        session.log(profile.agent, What::Watch { slot: slot as u32, item });
    }
    for (slot, reaction) in slots.iter().enumerate().filter(|(_, reaction)| reaction.watched) {
        if let Some((rating, feeling)) = &reaction.rating {
            assert!((1..=5).contains(rating), "a rating is 1..=5, not {rating}");
            let (slot, item) = (slot as u32, session.on_page[slot]);
            let what = What::Rating { slot, item, rating: *rating, feeling: feeling.clone() };
            session.log(profile.agent, what);
        }
    }
    session.reaction.slots = slots;
}

/// Lets those reflect to whom enough has happened.
pub(super) fn reflect(tunnel: Res<Tunnel>, mut agents: Query<Everything>) {
    let threshold = tunnel.behavior.reflection_threshold();
    each_at(Stage::Reflect, &mut agents, |_, memory, session| {
        if !memory.wants_reflection(threshold) {
            session.stage = Stage::Decide;
        }
    });
    answered(
        &tunnel,
        at_stage(Stage::Reflect, agents.iter_mut()),
        |visits| tunnel.behavior.reflect(visits),
        |arrived| match arrived {
            Arrived::Reflection(step) => Some(step),
            _ => None,
        },
        |profile, memory, session, reflection| match reflection {
            Ok(reflection) => {
                let mood = reflection.mood;
                session.mood = mood;
                memory.reflect(session.page, mood, reflection.text.clone());
                let (satisfaction, fatigue) = (mood.satisfaction, mood.fatigue);
                session.log(profile.agent, What::Reflection { satisfaction, fatigue, text: reflection.text });
                session.stage = Stage::Decide;
            }
            Err(failure) => session.fail(profile.agent, failure.step, failure.cause),
        },
    );
}

/// Next page or exit.
pub(super) fn stay_or_go(tunnel: Res<Tunnel>, mut agents: Query<Everything>) {
    answered(
        &tunnel,
        at_stage(Stage::Decide, agents.iter_mut()),
        |visits| tunnel.behavior.decide(visits),
        |arrived| match arrived {
            Arrived::Decision(step) => Some(step),
            _ => None,
        },
        |profile, _, session, decision| match decision {
            Ok(decision) if !decision.goes_on => {
                session.exit_text = decision.text;
                session.leave(ExitReason::Left);
            }
            Ok(_) if session.page == tunnel.rules.max_pages => session.leave(ExitReason::MaxPages),
            Ok(_) => session.stage = Stage::Turn,
            Err(failure) => session.fail(profile.agent, failure.step, failure.cause),
        },
    );
}

/// Logs the exits. Whoever failed, or was never shown anything, is not interviewed.
pub(super) fn leave(mut agents: Query<Everything>) {
    each_at(Stage::Leave, &mut agents, |profile, _, session| {
        let reason = session.exit.expect("whoever leaves has a reason");
        let text = std::mem::take(&mut session.exit_text);
        session.log(profile.agent, What::Exit { reason, text });
        let is_heard = reason != ExitReason::Failure && !session.outcomes.is_empty();
        session.stage = if is_heard { Stage::Interview } else { Stage::Done };
    });
}

/// Interviews those who have left.
pub(super) fn interview(tunnel: Res<Tunnel>, mut agents: Query<Everything>) {
    answered(
        &tunnel,
        at_stage(Stage::Interview, agents.iter_mut()),
        |visits| tunnel.behavior.interview(visits),
        |arrived| match arrived {
            Arrived::Interview(step) => Some(step),
            _ => None,
        },
        |profile, _, session, interview| {
            session.stage = Stage::Done;
            match interview {
                Ok(interview) => {
                    let satisfaction = interview.satisfaction;
                    assert!((1..=10).contains(&satisfaction), "satisfaction is 1..=10, not {satisfaction}");
                    session.log(profile.agent, What::Interview { satisfaction, text: interview.text });
                }
                Err(failure) => session.log(
                    profile.agent,
                    What::Failure { step: failure.step.into(), cause: failure.cause.into() },
                ),
            }
        },
    );
}

/// Takes those whose session is over out of the loop.
pub(super) fn depart(mut departed: ResMut<Departed>, mut agents: Query<&mut SessionState>) {
    for mut session in &mut agents {
        if session.stage == Stage::Done {
            session.stage = Stage::Gone;
            departed.0 += 1;
        }
    }
}
