//! The exam of [`Sessions`].

use std::sync::Arc;

use super::{Failure, RACERS, Room, Verdict, demand, granted, name, names, refused, together};
use crate::sessions::{
    Admission, BODY_BYTES_MAX, Claim, Fence, Finish, LISTED_BYTES_MAX, LISTED_MAX, Listed, NOTE_BYTES_MAX,
    Noted, OUTCOME_BYTES_MAX, RequestId, Sessions, Standing,
};
use crate::{Bytes, Name};

const REQUEST: RequestId = [7; 32];
const BODY: &[u8] = b"pay 1 to bob";

/// Sits the whole exam.
///
/// # Errors
/// The first thing that callers could not rely on.
pub async fn sit(room: &mut impl Room<Port = dyn Sessions>) -> Verdict {
    the_first_body_wins(room).await?;
    of_many_who_admit_one_is_first(room).await?;
    a_live_lease_is_held_and_renewed(room).await?;
    a_lapsed_lease_is_taken_over_with_a_higher_fence(room).await?;
    of_many_who_claim_one_succeeds(room).await?;
    an_old_fence_is_stale(room).await?;
    a_lapsed_fence_is_good_until_somebody_has_a_higher_one(room).await?;
    the_first_outcome_wins(room).await?;
    of_many_outcomes_one_is_told_to_all(room).await?;
    orphans_are_open_and_lapsed(room).await?;
    whoever_looks_sees_all_and_changes_nothing(room).await?;
    the_latest_are_listed_first_page_by_page(room).await?;
    a_page_has_a_length(room).await?;
    everything_survives_a_restart(room).await?;
    what_is_unknown_or_too_long_is_refused(room).await
}

type Port = Arc<dyn Sessions>;

/// A fresh port with one request, whose lease the name holds.
async fn opened(room: &mut impl Room<Port = dyn Sessions>, owner: &Name) -> Result<(Port, Fence), Failure> {
    let port = room.fresh().await;
    let admission = port.admit(REQUEST, BODY, owner, room.ttl()).await;
    match granted(admission, "a request can be admitted")? {
        Admission::Fresh { fence } => Ok((port, fence)),
        _ => Err(Failure { sentence: "a request that nobody has brought before is fresh", answer: None }),
    }
}

/// The caller's claim must succeed: fence, body and note.
async fn claimed(
    port: &Port,
    owner: &Name,
    room: &impl Room,
    sentence: &'static str,
) -> Result<(Fence, Bytes, Bytes), Failure> {
    match granted(port.claim(REQUEST, owner, room.ttl()).await, sentence)? {
        Claim::Yours { fence, body, note } => Ok((fence, body, note)),
        _ => Err(Failure { sentence, answer: None }),
    }
}

async fn is_held(port: &Port, by_other_than: &Name, room: &impl Room) -> Result<bool, Failure> {
    let claim = port.claim(REQUEST, by_other_than, room.ttl()).await;
    Ok(granted(claim, "a claim on a request that is held is answered")? == Claim::Held)
}

async fn the_first_body_wins(room: &mut impl Room<Port = dyn Sessions>) -> Verdict {
    let (ann, bob) = (name("ann")?, name("bob")?);
    let (port, fence) = opened(room, &ann).await?;
    let open = Admission::Open { held_by: ann.clone() };
    for owner in [&bob, &ann] {
        let again = granted(
            port.admit(REQUEST, BODY, owner, room.ttl()).await,
            "a request can be admitted again with the same body",
        )?;
        demand(again == open, "a request that was admitted before is open and names its holder")?;
    }
    let other = port.admit(REQUEST, b"pay 9 to eve", &bob, room.ttl()).await;
    refused(other, "a known request with another body is refused")?;
    let (_, body, note) = claimed(&port, &ann, room, "a claim renews the owner's own lease").await?;
    demand(*body == *BODY, "the body that was admitted first is kept")?;
    demand(note.is_empty(), "the note of a new request is empty")?;
    granted(port.finish(REQUEST, fence, b"paid").await, "a request can be finished")?;
    let other = port.admit(REQUEST, b"pay 9 to eve", &bob, room.ttl()).await;
    refused(other, "a finished request with another body is refused")
}

async fn of_many_who_admit_one_is_first(room: &mut impl Room<Port = dyn Sessions>) -> Verdict {
    let ports = [room.fresh().await, room.reopen().await];
    let (owners, ttl) = (names(RACERS)?, room.ttl());
    let racers = owners.iter().zip(ports.iter().cycle());
    let all = racers.map(|(owner, port)| port.admit(REQUEST, BODY, owner, ttl)).collect();
    let (mut fresh, mut holders) = (Vec::new(), Vec::new());
    for (answer, owner) in together(all).await.into_iter().zip(&owners) {
        match granted(answer, "many can admit the same request at once")? {
            Admission::Fresh { .. } => fresh.push(owner.clone()),
            Admission::Open { held_by } => holders.push(held_by),
            Admission::Finished(_) => demand(false, "a request that nobody finished is open")?,
        }
    }
    demand(fresh.len() == 1, "of many who admit a request at once, exactly one is the first")?;
    demand(holders.iter().all(|holder| fresh.contains(holder)), "all others are told who was the first")
}

async fn a_live_lease_is_held_and_renewed(room: &mut impl Room<Port = dyn Sessions>) -> Verdict {
    let (ann, bob) = (name("ann")?, name("bob")?);
    let (port, fence) = opened(room, &ann).await?;
    demand(is_held(&port, &bob, room).await?, "nobody gets a lease that somebody else holds")?;
    for _ in 0..4 {
        room.half().await;
        demand(is_held(&port, &bob, room).await?, "a lease that is renewed does not lapse")?;
        let renewed = claimed(&port, &ann, room, "a claim renews the owner's own lease").await?;
        demand(renewed.0 == fence, "a lease that is renewed keeps its fence")?;
    }
    Ok(())
}

async fn a_lapsed_lease_is_taken_over_with_a_higher_fence(
    room: &mut impl Room<Port = dyn Sessions>,
) -> Verdict {
    let owners = names(3)?;
    let (port, mut highest) = opened(room, &name("ann")?).await?;
    let mut last_note = Bytes::default();
    // The last owner of a lapsed lease takes it over like anybody else.
    for owner in owners.iter().chain(owners.last()) {
        room.lapse().await;
        let (fence, body, note) = claimed(&port, owner, room, "a lapsed lease can be taken over").await?;
        demand(fence > highest, "taking over a lapsed lease raises the fence")?;
        demand(*body == *BODY, "who takes a request over gets its body")?;
        demand(note == last_note, "who takes a request over gets the last note")?;
        let noted = port.note(REQUEST, fence, owner.as_str().as_bytes()).await;
        demand(
            granted(noted, "progress can be noted")? == Noted::Noted,
            "who took a request over can note progress",
        )?;
        (highest, last_note) = (fence, owner.as_str().as_bytes().into());
    }
    Ok(())
}

async fn of_many_who_claim_one_succeeds(room: &mut impl Room<Port = dyn Sessions>) -> Verdict {
    let (port, _) = opened(room, &name("ann")?).await?;
    let ports = [port, room.reopen().await];
    let (owners, ttl) = (names(RACERS)?, room.ttl());
    for _ in 0..3 {
        room.lapse().await;
        let racers = owners.iter().zip(ports.iter().cycle());
        let all = racers.map(|(owner, port)| port.claim(REQUEST, owner, ttl)).collect();
        let mut winners = 0;
        for answer in together(all).await {
            match granted(answer, "many can claim the same request at once")? {
                Claim::Yours { .. } => winners += 1,
                claim => {
                    demand(claim == Claim::Held, "who loses a race for a lease is told that it is held")?
                }
            }
        }
        demand(winners == 1, "of many who claim a lapsed lease at once, exactly one gets it")?;
    }
    Ok(())
}

async fn an_old_fence_is_stale(room: &mut impl Room<Port = dyn Sessions>) -> Verdict {
    let (port, old) = opened(room, &name("ann")?).await?;
    room.lapse().await;
    let (new, ..) = claimed(&port, &name("bob")?, room, "a lapsed lease can be taken over").await?;
    granted(port.note(REQUEST, new, b"by bob").await, "progress can be noted")?;
    let late = granted(port.note(REQUEST, old, b"by ann").await, "a late note is answered")?;
    demand(late == Noted::Stale, "a note with an old fence is stale")?;
    let late = granted(port.finish(REQUEST, old, b"by ann").await, "a late outcome is answered")?;
    demand(late == Finish::Stale, "an outcome with an old fence is stale")?;
    let never = granted(port.note(REQUEST, Fence(u64::MAX), b"by eve").await, "such a note is answered")?;
    demand(never == Noted::Stale, "a fence that was never handed out is stale")?;
    let (_, _, note) = claimed(&port, &name("bob")?, room, "a claim renews the owner's own lease").await?;
    demand(*note == *b"by bob", "what is stale changes nothing")
}

async fn a_lapsed_fence_is_good_until_somebody_has_a_higher_one(
    room: &mut impl Room<Port = dyn Sessions>,
) -> Verdict {
    let (port, fence) = opened(room, &name("ann")?).await?;
    room.lapse().await;
    let note = granted(port.note(REQUEST, fence, b"late").await, "a late note is answered")?;
    demand(note == Noted::Noted, "a lapsed fence that nobody raised can note progress")?;
    let finish = granted(port.finish(REQUEST, fence, b"late").await, "a late outcome is answered")?;
    demand(finish == Finish::Settled(b"late"[..].into()), "a lapsed fence that nobody raised can finish")
}

async fn the_first_outcome_wins(room: &mut impl Room<Port = dyn Sessions>) -> Verdict {
    let (ann, bob) = (name("ann")?, name("bob")?);
    let (port, old) = opened(room, &ann).await?;
    room.lapse().await;
    let (fence, ..) = claimed(&port, &bob, room, "a lapsed lease can be taken over").await?;
    let first = Finish::Settled(b"first"[..].into());
    let settled = granted(port.finish(REQUEST, fence, b"first").await, "a request can be finished")?;
    demand(settled == first, "the first outcome is settled")?;
    for late in [fence, old] {
        let answer = granted(port.finish(REQUEST, late, b"second").await, "a late outcome is answered")?;
        demand(answer == first, "a second outcome does not replace the first, and is told the first")?;
    }
    let note = granted(port.note(REQUEST, fence, b"more").await, "a late note is answered")?;
    demand(note == Noted::Stale, "a note after the outcome is stale")?;
    room.lapse().await;
    let claim = granted(port.claim(REQUEST, &ann, room.ttl()).await, "a finished request can be claimed")?;
    demand(claim == Claim::Finished(b"first"[..].into()), "a claim on a finished request gets the outcome")?;
    let again = granted(
        port.admit(REQUEST, BODY, &ann, room.ttl()).await,
        "a finished request can be admitted again",
    )?;
    demand(
        again == Admission::Finished(b"first"[..].into()),
        "a finished request is admitted with its outcome",
    )
}

async fn of_many_outcomes_one_is_told_to_all(room: &mut impl Room<Port = dyn Sessions>) -> Verdict {
    let (port, fence) = opened(room, &name("ann")?).await?;
    let outcomes: Vec<Vec<u8>> = (0u8..).take(RACERS).map(|i| vec![i]).collect();
    let all = outcomes.iter().map(|outcome| port.finish(REQUEST, fence, outcome)).collect();
    let mut told = Vec::new();
    for answer in together(all).await {
        told.push(granted(answer, "many can finish the same request at once")?);
    }
    let is_one = |finish: &Finish| match finish {
        Finish::Settled(outcome) => outcomes.iter().any(|known| **known == **outcome),
        Finish::Stale => false,
    };
    demand(told.iter().all(is_one), "an outcome that is told is one that was brought")?;
    demand(
        told.windows(2).all(|pair| pair.first() == pair.last()),
        "all who finish are told the same outcome",
    )
}

async fn orphans_are_open_and_lapsed(room: &mut impl Room<Port = dyn Sessions>) -> Verdict {
    let (port, ann, ttl) = (room.fresh().await, name("ann")?, room.ttl());
    let all: Vec<RequestId> = (1u8..=5).map(|i| [i; 32]).collect();
    for request in &all {
        granted(port.admit(*request, BODY, &ann, ttl).await, "a request can be admitted")?;
    }
    let orphans = |limit| port.orphans(limit);
    demand(
        granted(orphans(9).await, "orphans are told")?.is_empty(),
        "a request with a live lease is no orphan",
    )?;
    room.lapse().await;
    let mut lapsed = granted(orphans(9).await, "orphans are told")?;
    lapsed.sort_unstable();
    demand(lapsed == all, "every open request whose lease has lapsed is an orphan, once")?;
    demand(
        granted(orphans(2).await, "orphans are told")?.len() == 2,
        "there are never more orphans than asked for",
    )?;
    // One by one: who claims or finishes what comes up gets to see all.
    let mut seen = Vec::new();
    for i in 0..all.len() {
        let Some(request) = granted(orphans(1).await, "orphans are told")?.first().copied() else { break };
        match granted(port.claim(request, &ann, ttl).await, "an orphan can be claimed")? {
            Claim::Yours { fence, .. } if i % 2 == 0 => {
                granted(port.finish(request, fence, b"done").await, "an orphan can be finished")?;
            }
            claim => demand(matches!(claim, Claim::Yours { .. }), "an orphan is nobody's")?,
        }
        seen.push(request);
    }
    seen.sort_unstable();
    demand(seen == all, "every orphan comes up when those before it are claimed")?;
    demand(
        granted(orphans(9).await, "orphans are told")?.is_empty(),
        "what is claimed or finished is no orphan",
    )?;
    room.lapse().await;
    demand(
        granted(orphans(9).await, "orphans are told")?.len() == 2,
        "a finished request never becomes an orphan",
    )
}

async fn whoever_looks_sees_all_and_changes_nothing(room: &mut impl Room<Port = dyn Sessions>) -> Verdict {
    let ann = name("ann")?;
    let port = room.fresh().await;
    let unknown = granted(port.recall(REQUEST).await, "an unknown request can be looked at")?;
    demand(unknown.is_none(), "nothing is known of a request that nobody has admitted")?;
    let admission = granted(port.admit(REQUEST, BODY, &ann, room.ttl()).await, "a request can be admitted")?;
    let Admission::Fresh { fence } = admission else {
        return demand(false, "to look at a request does not admit it");
    };
    let is = |note: &[u8], outcome: Option<&[u8]>| {
        Some(Standing { body: BODY.into(), note: note.into(), outcome: outcome.map(Bytes::from) })
    };
    let open = granted(port.recall(REQUEST).await, "a request can be looked at")?;
    demand(open == is(b"", None), "whoever looks sees what was admitted")?;
    granted(port.note(REQUEST, fence, b"half way").await, "progress can be noted")?;
    room.lapse().await;
    let noted = granted(port.recall(REQUEST).await, "a request can be looked at")?;
    demand(noted == is(b"half way", None), "whoever looks sees the last note")?;
    let (new, ..) = claimed(&port, &name("bob")?, room, "a lapsed lease can be taken over").await?;
    demand(new > fence, "to look at a request renews nothing")?;
    granted(port.finish(REQUEST, new, b"paid").await, "a request can be finished")?;
    for port in [Arc::clone(&port), room.reopen().await] {
        let ended = granted(port.recall(REQUEST).await, "a request can be looked at")?;
        demand(ended == is(b"half way", Some(b"paid")), "whoever looks sees how a request ended")?;
    }
    Ok(())
}

async fn the_latest_are_listed_first_page_by_page(room: &mut impl Room<Port = dyn Sessions>) -> Verdict {
    let (port, ann, ttl) = (room.fresh().await, name("ann")?, room.ttl());
    let none = granted(port.newest(None, 9).await, "requests can be listed")?;
    demand(none.listed.is_empty() && !none.has_more, "where nothing was admitted, nothing is listed")?;
    // Their names are in another order than they.
    let all: Vec<RequestId> = [3_u8, 1, 5, 2, 4].iter().map(|i| [*i; 32]).collect();
    for request in &all {
        granted(port.admit(*request, request, &ann, ttl).await, "a request can be admitted")?;
    }
    granted(port.admit([3; 32], &[3; 32], &ann, ttl).await, "a request can be admitted again")?;
    granted(port.finish([1; 32], Fence(1), b"done").await, "a request can be finished")?;
    let (mut seen, mut before): (Vec<Listed>, _) = (Vec::new(), None);
    loop {
        let page = granted(port.newest(before, 2).await, "requests can be listed")?;
        demand(!page.listed.is_empty() && page.listed.len() <= 2, "a page has as many as were asked for")?;
        demand(
            page.listed
                .windows(2)
                .all(|pair| pair.first().map(|one| one.place) > pair.last().map(|one| one.place)),
            "places are listed from high to low",
        )?;
        seen.extend(page.listed);
        before = seen.last().map(|last| last.place);
        if !page.has_more {
            break;
        }
        demand(seen.len() < all.len(), "nothing comes after the first request")?;
    }
    demand(
        seen.iter().map(|one| &one.request).eq(all.iter().rev()),
        "the request that was admitted last comes first",
    )?;
    let is_whole = |one: &Listed| {
        let outcome = (one.request == [1; 32]).then(|| b"done"[..].into());
        *one.standing.body == one.request && one.standing.outcome == outcome
    };
    demand(seen.iter().all(is_whole), "a request is listed with all that is known of it")
}

async fn a_page_has_a_length(room: &mut impl Room<Port = dyn Sessions>) -> Verdict {
    let (port, ann, ttl) = (room.fresh().await, name("ann")?, room.ttl());
    let body = vec![6; BODY_BYTES_MAX];
    let count = LISTED_BYTES_MAX.div_ceil(BODY_BYTES_MAX).saturating_add(1);
    for i in (0_u8..).take(count) {
        granted(port.admit([i; 32], &body, &ann, ttl).await, "a long request can be admitted")?;
    }
    let page = granted(port.newest(None, LISTED_MAX).await, "requests can be listed")?;
    let bytes: usize = page.listed.iter().map(|one| one.standing.length()).sum();
    demand(
        page.has_more && !page.listed.is_empty() && bytes <= LISTED_BYTES_MAX,
        "a page ends before it is too long",
    )
}

async fn everything_survives_a_restart(room: &mut impl Room<Port = dyn Sessions>) -> Verdict {
    let (ann, bob) = (name("ann")?, name("bob")?);
    let (port, fence) = opened(room, &ann).await?;
    granted(port.note(REQUEST, fence, b"half way").await, "progress can be noted")?;
    let port = reopened(port, room).await;
    let other = port.admit(REQUEST, b"pay 9 to eve", &bob, room.ttl()).await;
    refused(other, "a request that was admitted is not forgotten in a restart")?;
    demand(is_held(&port, &bob, room).await?, "a lease survives a restart")?;
    let (same, body, note) =
        claimed(&port, &ann, room, "an owner keeps its lease in a restart of the storage").await?;
    demand(same == fence, "the fence survives a restart")?;
    demand(*body == *BODY && *note == *b"half way", "body and note survive a restart")?;
    room.lapse().await;
    let (fence, ..) = claimed(&port, &bob, room, "a lapsed lease can be taken over").await?;
    let port = reopened(port, room).await;
    let late = granted(port.finish(REQUEST, same, b"by ann").await, "a late outcome is answered")?;
    demand(late == Finish::Stale, "an old fence is stale after a restart, too")?;
    granted(port.finish(REQUEST, fence, b"by bob").await, "a request can be finished")?;
    let port = reopened(port, room).await;
    let claim = granted(port.claim(REQUEST, &ann, room.ttl()).await, "a finished request can be claimed")?;
    demand(claim == Claim::Finished(b"by bob"[..].into()), "the outcome survives a restart")
}

async fn reopened(before: Port, room: &mut impl Room<Port = dyn Sessions>) -> Port {
    drop(before);
    room.reopen().await
}

async fn what_is_unknown_or_too_long_is_refused(room: &mut impl Room<Port = dyn Sessions>) -> Verdict {
    let (ann, ttl) = (name("ann")?, room.ttl());
    let (port, fence) = opened(room, &ann).await?;
    let other: RequestId = [8; 32];
    let claim = granted(port.claim(other, &ann, ttl).await, "an unknown request can be claimed")?;
    demand(claim == Claim::Unknown, "a claim on a request that nobody admitted finds nothing")?;
    refused(port.note(other, Fence(1), b"x").await, "a note on an unknown request is refused")?;
    refused(port.finish(other, Fence(1), b"x").await, "an outcome of an unknown request is refused")?;
    let body = vec![1; BODY_BYTES_MAX + 1];
    refused(port.admit(other, &body, &ann, ttl).await, "a body that is too long is refused")?;
    let claim = granted(port.claim(other, &ann, ttl).await, "an unknown request can be claimed")?;
    demand(claim == Claim::Unknown, "what was refused was not admitted")?;
    let note = vec![1; NOTE_BYTES_MAX + 1];
    refused(port.note(REQUEST, fence, &note).await, "a note that is too long is refused")?;
    let mut outcome = vec![1; OUTCOME_BYTES_MAX + 1];
    refused(port.finish(REQUEST, fence, &outcome).await, "an outcome that is too long is refused")?;
    outcome.pop();
    let finish = port.finish(REQUEST, fence, &outcome).await;
    demand(
        matches!(granted(finish, "the longest outcome fits")?, Finish::Settled(_)),
        "the longest outcome fits",
    )
}
