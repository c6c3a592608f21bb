//! The systems of a page tick. Each gathers its agents in `AgentId` order, works on the
//! batch, and writes the outcome back. Must not know arms, files or metrics.

use super::{Departed, OnError, Presentation, Trouble, Tunnel};
use crate::agent::behavior::{Answer, Arrival, Arrived, Reaction, Step, Visit};
use crate::agent::memory::{Factual, Memory};
use crate::agent::profile::Profile;
use crate::agent::session::{Browsing, SessionState, Stage};
use crate::event::{ExitReason, What};
use crate::id::{ItemId, UserId};
use crate::recommender::{Feedback, Request};
use crate::rng::Purpose;
use bevy_ecs::change_detection::{Mut, Res, ResMut};
use bevy_ecs::entity::Entity;
use bevy_ecs::query::With;
use bevy_ecs::system::{Commands, Query};
use rand::seq::SliceRandom;

/// One agent, as the systems see it.
type Everything<'a> = (&'a Profile, &'a mut Memory, &'a mut SessionState);

/// Agents gathered for one system.
type Gathered<'a> = Vec<(&'a Profile, Mut<'a, Memory>, Mut<'a, SessionState>)>;

/// The agents of a query that are at this stage, in `AgentId` order: table order is not to be relied on.
fn at_stage<'a>(
    stage: Stage,
    agents: impl Iterator<Item = (&'a Profile, Mut<'a, Memory>, Mut<'a, SessionState>)>,
) -> Gathered<'a> {
    let mut gathered: Gathered<'a> = agents.filter(|(_, _, session)| session.stage == stage).collect();
    gathered.sort_by_key(|(profile, _, _)| profile.agent);
    gathered
}

/// Asks those gathered who are not waiting yet, and takes the answers that are there: each with its
/// place among the gathered. Whoever has to wait is marked so.
fn answered<T>(
    gathered: &mut Gathered<'_>,
    ask: impl FnOnce(&[Visit<'_>]) -> Vec<Answer<T>>,
    of_this_step: fn(Arrived) -> Option<Step<T>>,
) -> Vec<(usize, Step<T>)> {
    let asking: Vec<usize> = (0..gathered.len()).filter(|&k| !gathered[k].2.is_waiting).collect();
    let answers = ask(&asking.iter().map(|&k| visit(&gathered[k])).collect::<Vec<_>>());
    assert_eq!(answers.len(), asking.len(), "a behaviour answers every visit");
    let mut steps = Vec::with_capacity(gathered.len());
    for (k, (_, _, session)) in gathered.iter_mut().enumerate() {
        if let Some(arrived) = session.arrived.take() {
            session.is_waiting = false;
            steps.push((k, of_this_step(arrived).expect("an answer to the step that was asked")));
        }
    }
    for (k, answer) in asking.into_iter().zip(answers) {
        let (profile, _, session) = &mut gathered[k];
        match answer {
            Answer::Now(step) => steps.push((k, step)),
            Answer::Later { n_forgotten } => {
                session.is_waiting = true;
                if n_forgotten > 0 {
                    let text = format!("{n_forgotten} memories left out for want of room");
                    session.log(profile.agent, What::Forgetting { text: text.into() });
                }
            }
        }
    }
    steps
}

/// Hands out the answers that have come; where everybody waits, waits for the first.
pub(super) fn arrive(
    tunnel: Res<Tunnel>,
    mut trouble: ResMut<Trouble>,
    mut agents: Query<(&Profile, &mut SessionState), With<Browsing>>,
) {
    let wait = agents.iter().all(|(_, session)| session.is_waiting);
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
pub(super) fn turn_page(mut agents: Query<&mut SessionState, With<Browsing>>) {
    for mut session in &mut agents {
        if session.stage == Stage::Turn {
            session.page += 1;
            session.on_page.clear();
            session.scores.clear();
            session.propensities.clear();
        }
    }
}

/// Asks the recommender: on every page if it adapts, else on the first for all pages.
pub(super) fn ask(
    tunnel: Res<Tunnel>,
    mut trouble: ResMut<Trouble>,
    mut agents: Query<Everything<'static>, With<Browsing>>,
) {
    let adapts = tunnel.recommender.adapts_in_session();
    let mut asking = at_stage(Stage::Turn, agents.iter_mut());
    asking.retain(|(_, _, session)| adapts || session.page == 1);
    let n = tunnel.rules.items_per_page * if adapts { 1 } else { tunnel.rules.max_pages as usize };
    let requests: Vec<Request<'_>> =
        asking.iter().map(|(profile, _, session)| request(&tunnel, profile, session, n)).collect();
    let answers = match tunnel.rules.on_error {
        OnError::Stop => match tunnel.recommender.recommend(&requests) {
            Ok(lists) => lists.into_iter().map(Ok).collect(),
            Err(error) => {
                trouble.0 = Some(error.into());
                return;
            }
        },
        OnError::SkipSession => tunnel.recommender.recommend_each(&requests),
    };
    assert_eq!(answers.len(), requests.len(), "a recommender answers every request");
    drop(requests);
    for ((profile, _, session), answer) in asking.iter_mut().zip(answers) {
        match answer {
            Ok(ranked) => session.ranked = ranked,
            Err(error) if error.stops_run() => {
                trouble.0.get_or_insert(error.into());
                return;
            }
            Err(error) => session.fail(profile.agent, "recommend", error.cause()),
        }
    }
}

fn request<'a>(tunnel: &'a Tunnel, profile: &Profile, session: &'a SessionState, n: usize) -> Request<'a> {
    Request {
        user: profile.user,
        luck: u64::from(profile.agent.0),
        round: session.round,
        page: session.page,
        n,
        known: tunnel.known.items_of(profile.user),
        shown: &session.shown,
        feedback: &session.feedback,
    }
}

/// Lays out the page: the next items of the list, presented as the rules say.
pub(super) fn present(tunnel: Res<Tunnel>, mut agents: Query<Everything<'static>, With<Browsing>>) {
    let per_page = tunnel.rules.items_per_page;
    let adapts = tunnel.recommender.adapts_in_session();
    for (profile, _, session) in &mut at_stage(Stage::Turn, agents.iter_mut()) {
        let skip = if adapts { 0 } else { per_page * (session.page as usize - 1) };
        let end = session.ranked.items.len().min(skip + per_page);
        let mut order: Vec<usize> = (skip.min(end)..end).collect();
        if order.is_empty() {
            // The list has run dry: the session ends on the last page that had something.
            session.page -= 1;
            session.leave(ExitReason::CatalogueExhausted);
            continue;
        }
        session.stage = Stage::React;
        if tunnel.rules.presentation == Presentation::Shuffled {
            let (agent, page) = (u64::from(profile.agent.0), session.page);
            order.shuffle(&mut tunnel.streams.stream(Purpose::Present, session.round, agent, page));
        }
        let session = &mut **session;
        session.on_page.extend(order.iter().map(|&k| session.ranked.items[k]));
        session.scores.extend(order.iter().map(|&k| session.ranked.scores[k]));
        session.propensities.extend(order.iter().filter_map(|&k| session.ranked.propensities.get(k)));
        assert_page(&tunnel, profile.user, session);
    }
}

/// A page never repeats an item, in itself or in the session, nor shows what the person already has.
fn assert_page(tunnel: &Tunnel, user: UserId, session: &SessionState) {
    let known = tunnel.known.items_of(user);
    for (slot, item) in session.on_page.iter().enumerate() {
        assert!(!session.on_page[..slot].contains(item), "a page repeats item {}", item.0);
        assert!(!session.shown.contains(item), "a session repeats item {}", item.0);
        assert!(known.binary_search(&item.0).is_err(), "item {} is already known to user {}", item.0, user.0);
    }
}

/// What a gathered agent has before it.
fn visit<'a>(
    (profile, memory, session): &'a (&Profile, Mut<'_, Memory>, Mut<'_, SessionState>),
) -> Visit<'a> {
    Visit {
        profile,
        memory,
        mood: session.mood,
        round: session.round,
        page: session.page,
        items: &session.on_page,
        outcomes: &session.outcomes,
        foretold: session.foretold.as_ref(),
    }
}

/// Align, watch, rate.
pub(super) fn react(tunnel: Res<Tunnel>, mut agents: Query<Everything<'static>, With<Browsing>>) {
    let mut gathered = at_stage(Stage::React, agents.iter_mut());
    let reactions = answered(
        &mut gathered,
        |visits| tunnel.behavior.react(visits),
        |arrived| match arrived {
            Arrived::Reaction(step) => Some(step),
            _ => None,
        },
    );
    for (k, reaction) in reactions {
        let (profile, _, session) = &mut gathered[k];
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
    }
}

/// Turns the page into log, feedback and factual memory.
pub(super) fn remember(tunnel: Res<Tunnel>, mut agents: Query<Everything<'static>, With<Browsing>>) {
    for (profile, memory, session) in &mut at_stage(Stage::Remember, agents.iter_mut()) {
        log_exposures(&tunnel, profile, session);
        log_reaction(profile, session);
        let session = &mut **session;
        for (&item, slot) in session.on_page.iter().zip(&session.reaction.slots) {
            let rating = slot.rating.as_ref().map(|(rating, _)| *rating);
            memory.remember(Factual { page: session.page, item, watched: slot.watched, rating });
            session.shown.push(item);
            session.feedback.push(Feedback {
                item,
                page: session.page,
                watched: slot.watched,
                rating: rating.map(f32::from),
            });
        }
        session.outcomes.push(session.reaction.outcome());
        session.stage = Stage::Reflect;
    }
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
            aligned: session.reaction.slots[slot].aligned,
            held_out: held_out.binary_search(&item.0).is_ok(),
        };
        session.log(profile.agent, what);
    }
}

fn log_reaction(profile: &Profile, session: &mut SessionState) {
    let slots = std::mem::take(&mut session.reaction.slots);
    let watched = |(slot, reaction): (usize, _)| (slot as u32, session.on_page[slot], reaction);
    let seen: Vec<(u32, ItemId, _)> =
        slots.iter().enumerate().filter(|(_, r)| r.watched).map(watched).collect();
    for &(slot, item, _) in &seen {
        session.log(profile.agent, What::Watch { slot, item });
    }
    for (slot, item, reaction) in seen {
        if let Some((rating, feeling)) = &reaction.rating {
            assert!((1..=5).contains(rating), "a rating is 1..=5, not {rating}");
            let what = What::Rating { slot, item, rating: *rating, feeling: feeling.clone() };
            session.log(profile.agent, what);
        }
    }
    session.reaction.slots = slots;
}

/// Lets those reflect to whom enough has happened.
pub(super) fn reflect(tunnel: Res<Tunnel>, mut agents: Query<Everything<'static>, With<Browsing>>) {
    let threshold = tunnel.behavior.reflection_threshold();
    let (mut gathered, indifferent): (Gathered<'_>, Gathered<'_>) =
        at_stage(Stage::Reflect, agents.iter_mut())
            .into_iter()
            .partition(|(_, memory, _)| memory.wants_reflection(threshold));
    indifferent.into_iter().for_each(|(_, _, mut session)| session.stage = Stage::Decide);
    let reflections = answered(
        &mut gathered,
        |visits| tunnel.behavior.reflect(visits),
        |arrived| match arrived {
            Arrived::Reflection(step) => Some(step),
            _ => None,
        },
    );
    for (k, reflection) in reflections {
        let (profile, memory, session) = &mut gathered[k];
        match reflection {
            Ok(reflection) => {
                let mood = reflection.mood;
                session.mood = mood;
                memory.reflect(session.page, mood, reflection.text.clone());
                let (satisfaction, fatigue) = (mood.satisfaction, mood.fatigue);
                session.log(profile.agent, What::Reflection { satisfaction, fatigue, text: reflection.text });
                session.stage = Stage::Decide;
            }
            Err(failure) => session.fail(profile.agent, failure.step, failure.cause),
        }
    }
}

/// Next page or exit.
pub(super) fn stay_or_go(tunnel: Res<Tunnel>, mut agents: Query<Everything<'static>, With<Browsing>>) {
    let mut gathered = at_stage(Stage::Decide, agents.iter_mut());
    let decisions = answered(
        &mut gathered,
        |visits| tunnel.behavior.decide(visits),
        |arrived| match arrived {
            Arrived::Decision(step) => Some(step),
            _ => None,
        },
    );
    for (k, decision) in decisions {
        let (profile, _, session) = &mut gathered[k];
        match decision {
            Ok(decision) if !decision.goes_on => {
                session.exit_text = decision.text;
                session.leave(ExitReason::Left);
            }
            Ok(_) if session.page == tunnel.rules.max_pages => session.leave(ExitReason::MaxPages),
            Ok(_) => session.stage = Stage::Turn,
            Err(failure) => session.fail(profile.agent, failure.step, failure.cause),
        }
    }
}

/// Logs the exits. Whoever failed, or was never shown anything, is not interviewed.
pub(super) fn leave(mut agents: Query<Everything<'static>, With<Browsing>>) {
    for (profile, _, session) in &mut at_stage(Stage::Leave, agents.iter_mut()) {
        let reason = session.exit.expect("whoever leaves has a reason");
        let text = std::mem::take(&mut session.exit_text);
        session.log(profile.agent, What::Exit { reason, text });
        let is_heard = reason != ExitReason::Failure && !session.shown.is_empty();
        session.stage = if is_heard { Stage::Interview } else { Stage::Done };
    }
}

/// Interviews those who have left.
pub(super) fn interview(tunnel: Res<Tunnel>, mut agents: Query<Everything<'static>, With<Browsing>>) {
    let mut gathered = at_stage(Stage::Interview, agents.iter_mut());
    let interviews = answered(
        &mut gathered,
        |visits| tunnel.behavior.interview(visits),
        |arrived| match arrived {
            Arrived::Interview(step) => Some(step),
            _ => None,
        },
    );
    for (k, interview) in interviews {
        let (profile, _, session) = &mut gathered[k];
        session.stage = Stage::Done;
        match interview {
            Ok(interview) => {
                let satisfaction = interview.satisfaction;
                assert!((1..=10).contains(&satisfaction), "satisfaction is 1..=10, not {satisfaction}");
                session.log(profile.agent, What::Interview { satisfaction, text: interview.text });
            }
            Err(failure) => session
                .log(profile.agent, What::Failure { step: failure.step.into(), cause: failure.cause.into() }),
        }
    }
}

/// Takes those whose session is over out of the loop.
pub(super) fn depart(
    mut commands: Commands<'_, '_>,
    mut departed: ResMut<Departed>,
    agents: Query<(Entity, &SessionState), With<Browsing>>,
) {
    for (entity, session) in &agents {
        if session.stage == Stage::Done {
            commands.entity(entity).remove::<Browsing>();
            departed.0 += 1;
        }
    }
}
