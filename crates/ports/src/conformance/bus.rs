//! The exam of [`Bus`]. Loss, repetition and disorder pass; forgery, misdelivery and growth do not.

use std::collections::BTreeSet;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;

use super::{Failure, Verdict, demand, granted, name, refused};
use crate::bus::{Bus, MESSAGE_BYTES_MAX};
use crate::{Answer, Fault, Name};

/// Where a bus sits its exam.
pub trait BusRoom {
    /// A bus of its own with one process for each of these names, in this order.
    fn fresh(&mut self, names: &[Name]) -> impl Future<Output = Vec<Arc<dyn Bus>>>;

    /// Waits for an answer as long as a message may take; `None` when it did not come. A bus that delivers at once
    /// needs no more than what is here: it polls once.
    fn patience<T>(&mut self, mut answer: Answer<'_, T>) -> impl Future<Output = Option<Result<T, Fault>>> {
        poll_fn(move |context| {
            Poll::Ready(match answer.as_mut().poll(context) {
                Poll::Ready(result) => Some(result),
                Poll::Pending => None,
            })
        })
    }

    /// How many messages wait for one process at most, on the whole way to it.
    fn bound(&self) -> usize;
}

/// How often a caller that wants to get through sends the same.
const TRIES: u32 = 20;

/// Sits the whole exam.
///
/// # Errors
/// The first thing that callers could not rely on.
pub async fn sit(room: &mut impl BusRoom) -> Verdict {
    who_keeps_sending_gets_through(room).await?;
    what_arrives_was_sent_to_this_address(room).await?;
    sending_to_nobody_harms_nobody(room).await?;
    dropping_a_receive_loses_nothing(room).await?;
    a_message_that_is_too_long_is_refused(room).await?;
    a_full_mailbox_is_refused_and_drains(room).await
}

/// The processes of a fresh bus: ann, bob and eve.
async fn three(room: &mut impl BusRoom) -> Result<([Arc<dyn Bus>; 3], [Name; 3]), Failure> {
    let names = [name("ann")?, name("bob")?, name("eve")?];
    let ends = room.fresh(&names).await;
    let sentence = "a room makes one process for each name";
    let ends = ends.try_into().map_err(|_| Failure { sentence, answer: None })?;
    Ok((ends, names))
}

/// Everything that arrives until nothing does. Never more than `most`, or the exam would not end.
async fn drained(room: &mut impl BusRoom, end: &Arc<dyn Bus>, most: usize) -> Result<Vec<Vec<u8>>, Failure> {
    let mut arrived = Vec::new();
    while let Some(bytes) = room.patience(end.receive()).await {
        arrived.push(granted(bytes, "what waits can be received")?);
        demand(arrived.len() <= most, "a mailbox holds no more than its bound")?;
    }
    Ok(arrived)
}

/// Sends until it arrives; what else arrives must be one of `also`.
async fn get_through(
    room: &mut impl BusRoom,
    from: &Arc<dyn Bus>,
    (to, address): (&Arc<dyn Bus>, &Name),
    bytes: &[u8],
    also: &[&[u8]],
) -> Verdict {
    for _ in 0..TRIES {
        granted(from.send(address, bytes).await, "a message to a live process is taken")?;
        while let Some(arrived) = room.patience(to.receive()).await {
            let arrived = granted(arrived, "what waits can be received")?;
            if arrived == bytes {
                return Ok(());
            }
            demand(also.contains(&&*arrived), "what arrives was sent, byte for byte")?;
        }
    }
    demand(false, "who sends the same often enough gets through")
}

async fn who_keeps_sending_gets_through(room: &mut impl BusRoom) -> Verdict {
    let ([ann, bob, _], [ann_name, bob_name, _]) = three(room).await?;
    get_through(room, &ann, (&bob, &bob_name), b"hello", &[]).await?;
    get_through(room, &bob, (&ann, &ann_name), b"hello yourself", &[]).await?;
    get_through(room, &ann, (&ann, &ann_name), b"note to self", &[b"hello yourself"]).await?;
    get_through(room, &ann, (&bob, &bob_name), b"", &[b"hello"]).await?;
    let all_bytes: Vec<u8> = (0..=u8::MAX).collect();
    get_through(room, &ann, (&bob, &bob_name), &all_bytes, &[b"hello", b""]).await
}

async fn what_arrives_was_sent_to_this_address(room: &mut impl BusRoom) -> Verdict {
    let ([ann, bob, eve], [_, bob_name, eve_name]) = three(room).await?;
    let most = room.bound();
    let (mut for_bob, mut for_eve) = (BTreeSet::new(), BTreeSet::new());
    let (mut at_bob, mut at_eve) = (Vec::new(), Vec::new());
    for i in 0..TRIES {
        for (address, sent) in [(&bob_name, &mut for_bob), (&eve_name, &mut for_eve)] {
            let bytes = format!("{i} for {address}").into_bytes();
            granted(ann.send(address, &bytes).await, "a message to a live process is taken")?;
            sent.insert(bytes);
        }
        at_bob.extend(drained(room, &bob, most).await?);
        at_eve.extend(drained(room, &eve, most).await?);
    }
    let sentence = "what arrives was sent to this address, byte for byte";
    demand(at_bob.iter().all(|bytes| for_bob.contains(bytes)), sentence)?;
    demand(at_eve.iter().all(|bytes| for_eve.contains(bytes)), sentence)?;
    demand(!at_bob.is_empty() && !at_eve.is_empty(), "not everything is lost")?;
    demand(drained(room, &ann, most).await?.is_empty(), "what was sent to others does not come back")
}

async fn sending_to_nobody_harms_nobody(room: &mut impl BusRoom) -> Verdict {
    let ([ann, bob, _], [_, bob_name, _]) = three(room).await?;
    match ann.send(&name("nobody")?, b"anybody there").await {
        Ok(()) | Err(Fault::Unavailable { .. }) => {}
        Err(fault) => {
            let sentence = "a message to nobody is taken or cannot be delivered, and no more";
            return Err(Failure { sentence, answer: Some(fault) });
        }
    }
    get_through(room, &ann, (&bob, &bob_name), b"hello", &[]).await
}

async fn dropping_a_receive_loses_nothing(room: &mut impl BusRoom) -> Verdict {
    let ([ann, bob, _], [_, bob_name, _]) = three(room).await?;
    demand(room.patience(bob.receive()).await.is_none(), "nothing arrives that was not sent")?;
    // The receive above was polled and dropped. A drop after every message must not cost every message.
    get_through(room, &ann, (&bob, &bob_name), b"hello", &[]).await?;
    drained(room, &bob, room.bound()).await?;
    get_through(room, &ann, (&bob, &bob_name), b"hello again", &[b"hello"]).await
}

async fn a_message_that_is_too_long_is_refused(room: &mut impl BusRoom) -> Verdict {
    let ([ann, bob, _], [_, bob_name, _]) = three(room).await?;
    let mut long = vec![1; MESSAGE_BYTES_MAX + 1];
    refused(ann.send(&bob_name, &long).await, "a message that is too long is refused")?;
    demand(drained(room, &bob, room.bound()).await?.is_empty(), "what was refused does not arrive")?;
    long.pop();
    get_through(room, &ann, (&bob, &bob_name), &long, &[]).await
}

async fn a_full_mailbox_is_refused_and_drains(room: &mut impl BusRoom) -> Verdict {
    let ([ann, bob, eve], [_, bob_name, eve_name]) = three(room).await?;
    let bound = room.bound();
    let mut is_refused = false;
    // Twice the bound and some more: even a bus that loses one in two must refuse by then.
    for i in 0..bound.saturating_mul(2).saturating_add(TRIES as usize) {
        match ann.send(&bob_name, &i.to_le_bytes()).await {
            Err(Fault::Full) => is_refused = true,
            answer => granted(answer, "a message is taken, or refused because a queue is full")?,
        }
    }
    demand(is_refused, "the sender is told when a mailbox is full")?;
    get_through(room, &ann, (&eve, &eve_name), b"hello", &[]).await?;
    demand(!drained(room, &bob, bound).await?.is_empty(), "what waits in a full mailbox is received")?;
    get_through(room, &ann, (&bob, &bob_name), b"hello", &[]).await
}
