//! The only place where a plan's effects are performed: one match, and nothing left out.

use std::collections::BTreeSet;
use std::sync::Arc;

use keymoot_engine::message::{Address, Message};
use keymoot_engine::plan::Effect;
use keymoot_engine::real::Real;
use keymoot_types::{Millis, SessionId};
use keymoot_wire::outbox::Outbox;

use crate::mail::Post;
use crate::parcel::Parcel;
use crate::seeker::Seeker;
use crate::worker::Workers;

/// The node does nothing more until a person has looked.
#[derive(Debug)]
pub(crate) struct Halted(pub(crate) &'static str);

/// All that a node may do to the world.
pub(crate) struct Hands {
    pub(crate) post: Post,
    pub(crate) workers: Workers,
    pub(crate) seeker: Seeker,
    /// What waits for each coordinator, by its number.
    pub(crate) outboxes: Vec<Arc<Outbox<Parcel>>>,
    /// When to wake the engine.
    pub(crate) wakes: BTreeSet<Millis>,
    /// Jobs that found no room or are not begun any more, and have failed.
    pub(crate) failed: Vec<SessionId>,
}

impl Hands {
    /// Does what is to be done, in order.
    pub(crate) fn perform(&mut self, effects: Vec<Effect<Real>>) -> Result<(), Halted> {
        for effect in effects {
            match effect {
                Effect::Send(to, message) => self.send(to, message),
                Effect::WakeAt(at) => {
                    self.wakes.insert(at);
                }
                Effect::Work(whose, session, job) => {
                    if let Err(unfit) = self.workers.submit(whose, session, job) {
                        tracing::warn!(%session, reason = %unfit, "a job is given up");
                        self.failed.push(session);
                    }
                }
                Effect::Abandon(session) => {
                    if self.workers.abandon(session) {
                        self.failed.push(session);
                    }
                }
                Effect::Seek(seed) => self.seeker.seek(seed),
                Effect::Halt(why) => return Err(Halted(why)),
            }
        }
        Ok(())
    }

    fn send(&mut self, to: Address, message: Message) {
        // A node speaks to coordinators only; they carry what is for others.
        let Address::Coordinator(number) = to else { return };
        let Some(outbox) = self.outboxes.get(usize::from(number)).map(Arc::clone) else { return };
        match message {
            Message::Mail(mail) => {
                let is_share = self.post.is_signing(mail.session);
                let (round, all) = self.post.seal(mail);
                if let Some(round) = round {
                    metrics::counter!("keymoot_node_mail_total", "round" => round.to_string()).increment(1);
                }
                for mail in all {
                    put(&outbox, number, Parcel::new(&Message::Mail(mail), round, is_share));
                }
            }
            message => put(&outbox, number, Parcel::new(&message, None, false)),
        }
    }
}

fn put(outbox: &Outbox<Parcel>, coordinator: u16, parcel: Parcel) {
    let (bytes, weight) = (parcel.len(), parcel.weight);
    let lost = outbox.push(parcel, bytes, weight);
    if lost > 0 {
        let coordinator = coordinator.to_string();
        metrics::counter!("keymoot_node_outbox_lost_total", "coordinator" => coordinator).increment(lost);
    }
}
