//! The exam of [`Registry`].

use std::sync::Arc;

use keymoot_types::Millis;

use super::{Failure, Room, Verdict, demand, granted, name};
use crate::registry::{Member, Registry, Roster};
use crate::{Address, Role};

/// Sits the whole exam.
///
/// # Errors
/// The first thing that callers could not rely on.
pub async fn sit(room: &mut impl Room<Port = dyn Registry>) -> Verdict {
    who_announced_is_found_by_its_role(room).await?;
    a_lease_is_renewed_by_announcing_again(room).await?;
    a_lapsed_lease_vanishes_and_can_come_back(room).await?;
    who_withdraws_is_gone_at_once(room).await?;
    the_last_announcement_counts(room).await?;
    a_revision_stands_for_the_members(room).await?;
    others_see_the_same(room).await
}

fn member(named: &str, role: &str, address: &str) -> Result<Member, Failure> {
    Ok(Member { name: name(named)?, role: Role::new(role)?, address: Address::new(address)? })
}

async fn announced(port: &Arc<dyn Registry>, member: &Member, room: &impl Room) -> Verdict {
    granted(port.announce(member, room.ttl()).await, "a member can announce itself")
}

async fn found(port: &Arc<dyn Registry>, role: &Role) -> Result<Roster, Failure> {
    granted(port.discover(role).await, "members can be discovered")
}

async fn who_announced_is_found_by_its_role(room: &mut impl Room<Port = dyn Registry>) -> Verdict {
    let port = room.fresh().await;
    let (node, coordinator) = (Role::new("node")?, Role::new("coordinator")?);
    demand(found(&port, &node).await?.members.is_empty(), "a fresh registry has no members")?;
    let b = member("b", "node", "https://b:7001")?;
    let a = member("a", "node", "https://[::1]:7001")?;
    let c = member("c", "coordinator", "https://c:7001")?;
    for member in [&b, &c, &a, &b] {
        announced(&port, member, room).await?;
    }
    let nodes = found(&port, &node).await?.members;
    demand(nodes == [a, b], "all members of a role are found, once each, as announced and sorted by name")?;
    demand(found(&port, &coordinator).await?.members == [c], "a member is found under its own role only")
}

async fn a_lease_is_renewed_by_announcing_again(room: &mut impl Room<Port = dyn Registry>) -> Verdict {
    let port = room.fresh().await;
    let a = member("a", "node", "https://a:1")?;
    announced(&port, &a, room).await?;
    for _ in 0..4 {
        room.half().await;
        let live = found(&port, &a.role).await?.members;
        demand(live.contains(&a), "a member is there as long as its lease holds")?;
        announced(&port, &a, room).await?;
    }
    Ok(())
}

async fn a_lapsed_lease_vanishes_and_can_come_back(room: &mut impl Room<Port = dyn Registry>) -> Verdict {
    let port = room.fresh().await;
    let (a, b) = (member("a", "node", "https://a:1")?, member("b", "node", "https://b:1")?);
    announced(&port, &a, room).await?;
    room.half().await;
    announced(&port, &b, room).await?;
    let rest = room.ttl().milliseconds().div_ceil(2);
    let slack = room.slack();
    room.advance(slack.plus(rest)).await;
    let live = found(&port, &a.role).await?.members;
    demand(!live.contains(&a), "a member whose lease has lapsed is gone")?;
    // Whether the other is still there depends on the slack, unless there is none.
    demand(live.contains(&b) || slack > Millis(0), "each member has a lease of its own")?;
    announced(&port, &a, room).await?;
    demand(found(&port, &a.role).await?.members.contains(&a), "who was gone can announce itself again")
}

async fn who_withdraws_is_gone_at_once(room: &mut impl Room<Port = dyn Registry>) -> Verdict {
    let port = room.fresh().await;
    let (a, b) = (member("a", "node", "https://a:1")?, member("b", "node", "https://b:1")?);
    granted(port.withdraw(&a.name).await, "withdrawing somebody who is not there changes nothing")?;
    announced(&port, &a, room).await?;
    announced(&port, &b, room).await?;
    for _ in 0..2 {
        granted(port.withdraw(&a.name).await, "a member can withdraw, more than once")?;
        let live = found(&port, &a.role).await?.members;
        demand(live == [b.clone()], "who withdraws is gone at once, and nobody else is")?;
    }
    announced(&port, &a, room).await?;
    demand(found(&port, &a.role).await?.members == [a, b], "who withdrew can announce itself again")
}

async fn the_last_announcement_counts(room: &mut impl Room<Port = dyn Registry>) -> Verdict {
    let port = room.fresh().await;
    let before = member("a", "node", "https://a:1")?;
    let moved = member("a", "node", "https://a:2")?;
    let promoted = member("a", "coordinator", "https://a:2")?;
    announced(&port, &before, room).await?;
    announced(&port, &moved, room).await?;
    let live = found(&port, &before.role).await?.members;
    demand(live == [moved], "who announces another address is found there, and only there")?;
    announced(&port, &promoted, room).await?;
    demand(
        found(&port, &before.role).await?.members.is_empty(),
        "who announces another role leaves the old one",
    )?;
    demand(found(&port, &promoted.role).await?.members == [promoted], "who announces another role has it")
}

/// The watcher sees a change, and what it sees is what everybody sees.
async fn changed(
    port: &Arc<dyn Registry>,
    since: &Roster,
    sentence: &'static str,
) -> Result<Roster, Failure> {
    let role = Role::new("node")?;
    let now = granted(port.watch(&role, since.revision).await, "members can be watched")?;
    let now = now.ok_or(Failure { sentence, answer: None })?;
    demand(now.members != since.members, "a watcher is told the members as they are now")?;
    demand(now == found(port, &role).await?, "watching and discovering show the same")?;
    demand(now.revision != since.revision, "other members have another revision")?;
    Ok(now)
}

async fn a_revision_stands_for_the_members(room: &mut impl Room<Port = dyn Registry>) -> Verdict {
    let port = room.fresh().await;
    let (a, b) = (member("a", "node", "https://a:1")?, member("b", "node", "https://b:1")?);
    let empty = found(&port, &a.role).await?;
    announced(&port, &a, room).await?;
    let one = changed(&port, &empty, "a watcher is told who joins").await?;
    room.half().await;
    announced(&port, &a, room).await?;
    announced(&port, &member("c", "coordinator", "https://c:1")?, room).await?;
    let same = granted(port.watch(&a.role, one.revision).await, "members can be watched")?;
    demand(same.is_none(), "neither a renewed lease nor another role is a change")?;
    demand(found(&port, &a.role).await? == one, "the revision stays while the members do")?;
    announced(&port, &b, room).await?;
    let two = changed(&port, &one, "a watcher is told who joins").await?;
    announced(&port, &member("b", "node", "https://b:2")?, room).await?;
    let moved = changed(&port, &two, "a watcher is told who moves").await?;
    granted(port.withdraw(&b.name).await, "a member can withdraw")?;
    let left = changed(&port, &moved, "a watcher is told who leaves").await?;
    room.lapse().await;
    changed(&port, &left, "a watcher is told whose lease lapses").await?;
    Ok(())
}

async fn others_see_the_same(room: &mut impl Room<Port = dyn Registry>) -> Verdict {
    let port = room.fresh().await;
    let other = room.reopen().await;
    let a = member("a", "node", "https://a:1")?;
    announced(&port, &a, room).await?;
    demand(found(&other, &a.role).await?.members == [a.clone()], "one process finds what another announced")?;
    granted(other.withdraw(&a.name).await, "a member can withdraw")?;
    demand(found(&port, &a.role).await?.members.is_empty(), "one process sees that another withdrew")
}
