//! Work queue: the twin and its broken copies.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use keymoot_ports::conformance::{Verdict, queue};
use keymoot_ports::memory::queue::{Backlog, Twin};
use keymoot_ports::queue::{Delivery, DeliveryId};
use keymoot_ports::{Answer, Bytes, Fault, Name, Queue, Ttl};
use keymoot_types::Millis;

use crate::drive::{TwinRoom, block_on, must_be_rejected};

#[derive(Clone, Copy, PartialEq)]
enum How {
    Well,
    ExpiryDrops,
    LentWorkIsLentAgain,
    DoneIsForgotten,
    ThereIsNoBound,
    WhatIsFullIsSilent,
    AttemptsAreNotCounted,
    EqualWorkIsMerged,
    DoneEndsAnything,
}

struct Copied {
    honest: Twin,
    how: How,
    pushed: Arc<Mutex<BTreeSet<Vec<u8>>>>,
}

const BOUND: usize = 20;

fn sit(how: How) -> Verdict {
    let mut room = TwinRoom::<dyn Queue>::new(move |clock| {
        let bound = if how == How::ThereIsNoBound { usize::MAX } else { BOUND };
        let (honest, pushed) = (Twin::new(bound, clock), Arc::default());
        Box::new(move || Arc::new(Copied { honest: honest.clone(), how, pushed: Arc::clone(&pushed) }))
    });
    block_on(queue::sit(&mut room))
}

impl Queue for Copied {
    fn push<'a>(&'a self, bytes: &'a [u8]) -> Answer<'a, ()> {
        Box::pin(async move {
            let is_new = self.pushed.lock().unwrap().insert(bytes.to_vec());
            if self.how == How::EqualWorkIsMerged && !is_new {
                return Ok(());
            }
            match self.honest.push(bytes).await {
                Err(Fault::Full) if self.how == How::WhatIsFullIsSilent => Ok(()),
                answer => answer,
            }
        })
    }

    fn pull<'a>(&'a self, owner: &'a Name, visibility: Ttl) -> Answer<'a, Option<Delivery>> {
        Box::pin(async move {
            let short = Ttl::new(1).unwrap();
            let half = Ttl::new(visibility.milliseconds() / 2).unwrap();
            let visibility = match self.how {
                How::LentWorkIsLentAgain => half.max(short),
                _ => visibility,
            };
            let mut delivery = self.honest.pull(owner, visibility).await?;
            while self.how == How::ExpiryDrops
                && let Some(late) = delivery.take_if(|delivery| delivery.attempt > 1)
            {
                self.honest.done(&late.id).await?;
                delivery = self.honest.pull(owner, visibility).await?;
            }
            if let (How::AttemptsAreNotCounted, Some(delivery)) = (self.how, &mut delivery) {
                delivery.attempt = 1;
            }
            Ok(delivery)
        })
    }

    fn done<'a>(&'a self, id: &'a DeliveryId) -> Answer<'a, ()> {
        Box::pin(async move {
            match self.how {
                How::DoneIsForgotten => Ok(()),
                How::DoneEndsAnything => {
                    let next = DeliveryId(Bytes::from((u64::from(id.0[0]) + 1).to_le_bytes()));
                    self.honest.done(&next).await
                }
                _ => self.honest.done(id).await,
            }
        })
    }
}

#[test]
fn the_twin_passes() {
    sit(How::Well).unwrap();
}

#[test]
fn broken_twins_fail() {
    for (how, sentence) in [
        (How::ExpiryDrops, "work that was not done in time comes again, for whoever asks"),
        (How::LentWorkIsLentAgain, "work stays lent for its visibility time"),
        (How::DoneIsForgotten, "what is done never comes again, and all else does"),
        (How::ThereIsNoBound, "a queue has a bound, and says so when it is reached"),
        (How::WhatIsFullIsSilent, "a queue has a bound, and says so when it is reached"),
        (How::AttemptsAreNotCounted, "the attempt grows with every delivery"),
        (How::EqualWorkIsMerged, "equal bytes that are pushed twice are two pieces of work"),
        (How::DoneEndsAnything, "what is done never comes again, and all else does"),
    ] {
        must_be_rejected(sit(how), sentence);
    }
}

#[test]
fn a_queue_that_forgets_in_a_restart_fails() {
    let mut room =
        TwinRoom::<dyn Queue>::new(|clock| Box::new(move || Arc::new(Twin::new(BOUND, clock.clone()))));
    let verdict = block_on(queue::sit(&mut room));
    must_be_rejected(verdict, "a restart loses no work, and brings none back that is done");
}

#[test]
fn a_backlog_knows_who_borrowed() {
    let (mut backlog, ttl) = (Backlog::new(1), Ttl::new(10).unwrap());
    let (ann, bob) = (Name::new("ann").unwrap(), Name::new("bob").unwrap());
    backlog.push(b"work", Millis(0)).unwrap();
    let id = backlog.pull(&ann, ttl, Millis(0)).unwrap().id;
    assert_eq!(backlog.borrower(&id), Some(&ann));
    assert!(backlog.pull(&bob, ttl, Millis(9)).is_none());
    assert_eq!(backlog.pull(&bob, ttl, Millis(10)).unwrap().attempt, 2);
    assert_eq!(backlog.borrower(&id), Some(&bob));
    backlog.done(&id);
    backlog.done(&DeliveryId(Bytes::from(*b"not ours")));
    assert_eq!(backlog.borrower(&id), None);
    assert!(backlog.pull(&ann, ttl, Millis(99)).is_none());
}
