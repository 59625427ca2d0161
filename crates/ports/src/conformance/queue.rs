//! The exam of [`Queue`].

use std::collections::BTreeSet;
use std::sync::Arc;

use super::{Failure, RACERS, Room, Verdict, demand, granted, name, names, refused, together};
use crate::queue::{Delivery, Queue, WORK_BYTES_MAX};
use crate::{Fault, Name};

/// The most pushes before a queue must be full. A room makes queues with a bound that is lower.
pub const PUSHES_MAX: usize = 1000;

/// How many works most questions of the exam need; a room makes queues with room for so many.
pub const WORKS: usize = 8;

const _: () = assert!(WORKS < PUSHES_MAX, "a queue must have room for the exam");

/// Sits the whole exam.
///
/// # Errors
/// The first thing that callers could not rely on.
pub async fn sit(room: &mut impl Room<Port = dyn Queue>) -> Verdict {
    what_was_pushed_is_lent_once(room).await?;
    of_many_who_pull_none_gets_the_same(room).await?;
    what_is_not_done_comes_again(room).await?;
    what_is_done_never_comes_again(room).await?;
    a_late_done_harms_nobody(room).await?;
    a_full_queue_says_so_and_loses_nothing(room).await?;
    everything_survives_a_restart(room).await?;
    work_that_is_too_long_is_refused(room).await
}

/// A fresh queue with `WORKS` pieces of work, and these.
async fn filled(room: &mut impl Room<Port = dyn Queue>) -> Result<(Arc<dyn Queue>, Works), Failure> {
    let queue = room.fresh().await;
    let works: Works = (0u8..).take(WORKS).map(|i| vec![i; usize::from(i)]).collect();
    for work in &works {
        granted(queue.push(work).await, "work can be pushed")?;
    }
    Ok((queue, works))
}

type Works = BTreeSet<Vec<u8>>;

async fn pulled(queue: &Arc<dyn Queue>, owner: &Name, room: &impl Room) -> Result<Option<Delivery>, Failure> {
    granted(queue.pull(owner, room.ttl()).await, "work can be pulled")
}

/// Pulls until there is nothing more.
async fn all(queue: &Arc<dyn Queue>, owner: &Name, room: &impl Room) -> Result<Vec<Delivery>, Failure> {
    let mut deliveries = Vec::new();
    while let Some(delivery) = pulled(queue, owner, room).await? {
        deliveries.push(delivery);
        demand(
            deliveries.len() <= PUSHES_MAX,
            "work that is lent is not lent again within its visibility time",
        )?;
    }
    Ok(deliveries)
}

fn bytes(deliveries: &[Delivery]) -> Works {
    deliveries.iter().map(|delivery| delivery.bytes.to_vec()).collect()
}

async fn what_was_pushed_is_lent_once(room: &mut impl Room<Port = dyn Queue>) -> Verdict {
    let (ann, bob) = (name("ann")?, name("bob")?);
    let queue = room.fresh().await;
    demand(pulled(&queue, &ann, room).await?.is_none(), "a fresh queue is empty")?;
    let (queue, works) = filled(room).await?;
    let lent = all(&queue, &ann, room).await?;
    demand(
        bytes(&lent) == works && lent.len() == WORKS,
        "all that was pushed is lent, once and byte for byte",
    )?;
    demand(lent.iter().all(|delivery| delivery.attempt == 1), "the first delivery is attempt 1")?;
    demand(pulled(&queue, &bob, room).await?.is_none(), "what is lent to one is not lent to another")?;
    let queue = room.fresh().await;
    for _ in 0..2 {
        granted(queue.push(b"twin").await, "work can be pushed")?;
    }
    let twins = all(&queue, &ann, room).await?;
    demand(twins.len() == 2, "equal bytes that are pushed twice are two pieces of work")?;
    let is_other = twins.first().map(|twin| &twin.id) != twins.last().map(|twin| &twin.id);
    demand(is_other, "two pieces of work have two ids")
}

async fn of_many_who_pull_none_gets_the_same(room: &mut impl Room<Port = dyn Queue>) -> Verdict {
    let (queue, works) = filled(room).await?;
    let (owners, ttl) = (names(RACERS)?, room.ttl());
    let mut lent = Vec::new();
    for answer in together(owners.iter().map(|owner| queue.pull(owner, ttl)).collect()).await {
        lent.extend(granted(answer, "many can pull at once")?);
    }
    lent.extend(all(&queue, &name("ann")?, room).await?);
    demand(lent.len() == WORKS && bytes(&lent) == works, "of many who pull at once, no two get the same work")
}

async fn what_is_not_done_comes_again(room: &mut impl Room<Port = dyn Queue>) -> Verdict {
    let (queue, works) = filled(room).await?;
    let mut attempts = 0;
    for owner in &names(3)? {
        let lent = all(&queue, owner, room).await?;
        demand(bytes(&lent) == works, "work that was not done in time comes again, for whoever asks")?;
        let lowest = lent.iter().map(|delivery| delivery.attempt).min().unwrap_or_default();
        demand(lowest > attempts, "the attempt grows with every delivery")?;
        attempts = lent.iter().map(|delivery| delivery.attempt).max().unwrap_or_default();
        room.half().await;
        demand(pulled(&queue, owner, room).await?.is_none(), "work stays lent for its visibility time")?;
        room.lapse().await;
    }
    Ok(())
}

async fn what_is_done_never_comes_again(room: &mut impl Room<Port = dyn Queue>) -> Verdict {
    let (ann, mut left) = (name("ann")?, BTreeSet::new());
    let (queue, _) = filled(room).await?;
    for (i, delivery) in all(&queue, &ann, room).await?.into_iter().enumerate() {
        if i % 2 == 0 {
            left.insert(delivery.bytes.to_vec());
            continue;
        }
        for _ in 0..2 {
            granted(queue.done(&delivery.id).await, "work can be done, more than once")?;
        }
    }
    room.lapse().await;
    let again = all(&queue, &ann, room).await?;
    demand(bytes(&again) == left, "what is done never comes again, and all else does")?;
    for delivery in &again {
        granted(queue.done(&delivery.id).await, "work can be done at a later attempt")?;
    }
    room.lapse().await;
    demand(pulled(&queue, &ann, room).await?.is_none(), "a queue whose work is all done is empty")
}

async fn a_late_done_harms_nobody(room: &mut impl Room<Port = dyn Queue>) -> Verdict {
    let (ann, bob) = (name("ann")?, name("bob")?);
    let (queue, works) = filled(room).await?;
    let Some(late) = pulled(&queue, &ann, room).await? else {
        return demand(false, "what was pushed can be pulled");
    };
    room.lapse().await;
    let lent = bytes(&all(&queue, &bob, room).await?);
    demand(lent == works, "work that was not done in time comes again, for whoever asks")?;
    granted(queue.done(&late.id).await, "work can be done late")?;
    room.lapse().await;
    // It is done twice now, or will be. Nobody else's work is touched.
    let mut again = bytes(&all(&queue, &bob, room).await?);
    again.insert(late.bytes.to_vec());
    demand(again == works, "a late done ends no other work")
}

async fn a_full_queue_says_so_and_loses_nothing(room: &mut impl Room<Port = dyn Queue>) -> Verdict {
    let (queue, ann, mut taken) = (room.fresh().await, name("ann")?, BTreeSet::new());
    let mut is_full = false;
    for i in 0..PUSHES_MAX {
        let work = i.to_le_bytes().to_vec();
        match queue.push(&work).await {
            Err(Fault::Full) => is_full = true,
            answer => granted(answer, "work is taken, or refused because the queue is full")?,
        }
        if is_full {
            break;
        }
        taken.insert(work);
    }
    demand(is_full, "a queue has a bound, and says so when it is reached")?;
    demand(taken.len() >= WORKS, "a queue of the exam has room for the exam")?;
    let lent = all(&queue, &ann, room).await?;
    demand(bytes(&lent) == taken, "a full queue holds exactly what it took")?;
    for delivery in &lent {
        granted(queue.done(&delivery.id).await, "work can be done")?;
    }
    granted(queue.push(b"next").await, "a queue takes work again when other work is done")?;
    let next = pulled(&queue, &ann, room).await?;
    demand(next.is_some_and(|next| *next.bytes == *b"next"), "work that is pushed after a jam is lent")
}

async fn everything_survives_a_restart(room: &mut impl Room<Port = dyn Queue>) -> Verdict {
    let ann = name("ann")?;
    let (queue, mut works) = filled(room).await?;
    let Some(delivery) = pulled(&queue, &ann, room).await? else {
        return demand(false, "what was pushed can be pulled");
    };
    granted(queue.done(&delivery.id).await, "work can be done")?;
    works.remove(&*delivery.bytes);
    let lent = pulled(&queue, &ann, room).await?;
    demand(lent.is_some(), "what was pushed can be pulled")?;
    drop(queue);
    let queue = room.reopen().await;
    room.lapse().await;
    let again = bytes(&all(&queue, &ann, room).await?);
    demand(again == works, "a restart loses no work, and brings none back that is done")
}

async fn work_that_is_too_long_is_refused(room: &mut impl Room<Port = dyn Queue>) -> Verdict {
    let (queue, ann) = (room.fresh().await, name("ann")?);
    let mut long = vec![1; WORK_BYTES_MAX + 1];
    refused(queue.push(&long).await, "work that is too long is refused")?;
    demand(pulled(&queue, &ann, room).await?.is_none(), "what was refused is not lent")?;
    long.pop();
    granted(queue.push(&long).await, "the longest work is taken")?;
    let lent = pulled(&queue, &ann, room).await?;
    demand(lent.is_some_and(|lent| *lent.bytes == *long), "the longest work is lent")
}
