//! One session: a machine, fed from an untrusted wire.
//!
//! [`Session::deliver`] takes bytes as they arrive and never panics on them. Mail that cannot be pinned on a member
//! is refused and the session lives on, so the relay can delay but not kill or frame. What a member signed and the
//! protocol forbids ends the session with [`Abort::Blame`] and evidence. The caller's order matters only for speed:
//! rounds are complete when they are complete.

mod desk;

use keymoot_types::{Millis, Party};

use crate::abort::{Abort, Benign};
use crate::codec::Malformed;
use crate::envelope::Envelope;
use crate::machine::{First, Machine, Next, Opening, Outgoing};
use crate::transcript::Hash;
use desk::Desk;

/// Why bytes were dropped. Nothing changed; nobody is at fault, because the relay could have made them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Longer than any envelope of this session.
    #[error("the envelope is too long")]
    TooLong,
    /// Not an envelope.
    #[error("the bytes are no envelope")]
    Malformed(#[source] Malformed),
    /// For another session, or none.
    #[error("the envelope belongs to another session")]
    OtherSession,
    /// From somebody who does not take part.
    #[error("the sender does not take part")]
    Stranger,
    /// Our own, reflected.
    #[error("the envelope is our own")]
    Reflected,
    /// For another recipient.
    #[error("the envelope is for another recipient")]
    NotForUs,
    /// For a round that the protocol does not have.
    #[error("the protocol has no such round")]
    UnknownRound,
    /// The signature is not the sender's.
    #[error("the signature is not the sender's")]
    Forged,
    /// Already received.
    #[error("the envelope was received before")]
    Duplicate,
    /// Another first word than the one we have. Before a session has its own name, that convicts nobody.
    #[error("another first word than the one we have")]
    OtherAttempt,
    /// Too much mail of this sender waits for the session to begin.
    #[error("too much mail from this sender before the session began")]
    TooEarly,
    /// For a round that its sender cannot have reached, because we have not said what it depends on.
    #[error("the sender cannot have reached that round yet")]
    Premature,
}

/// A running session.
pub struct Session<M: Machine> {
    // Boxed, because a session moves with every delivery.
    desk: Box<Desk>,
    machine: M,
}

/// What came of a delivery.
pub enum Advance<M: Machine> {
    /// The session goes on.
    Waiting {
        /// The session.
        session: Session<M>,
        /// What to send.
        outbox: Vec<Envelope>,
        /// Why the delivery was dropped, if it was.
        refused: Option<Refusal>,
    },
    /// The session is complete.
    Done {
        /// The result.
        output: M::Output,
        /// What to send, all the same.
        outbox: Vec<Envelope>,
    },
    /// The session has ended without a result.
    Dead {
        /// How.
        abort: Abort,
        /// Our echoes, so that the others can come to their own verdict. Nothing else of a dead session leaves: in
        /// particular no signature on a certificate whose key we no longer hold.
        outbox: Vec<Envelope>,
    },
}

impl<M: Machine> Session<M> {
    /// Begins a session: says our first word, listens for the others', or goes on from those that are known.
    pub fn open(opening: Opening<M>, deadline: Millis) -> Advance<M> {
        let Opening { machine, context, member, first } = opening;
        let mut desk = Box::new({
            let rounds = M::rounds(&context);
            Desk::new(context, member, deadline, rounds)
        });
        let begun = match first {
            First::Listen => Ok(()),
            First::Say(hello) => desk.say(Outgoing { round: 0, to: None, body: hello }),
            First::Known(hellos) => {
                return match desk.settle_bodies(hellos) {
                    Ok(()) => Self { desk, machine }.run_round(),
                    Err(abort) => desk.dead(abort),
                };
            }
        };
        match begun {
            Ok(()) => Self { desk, machine }.pump(None),
            Err(abort) => desk.dead(abort),
        }
    }

    /// Takes bytes from the wire.
    pub fn deliver(mut self, bytes: &[u8]) -> Advance<M> {
        match self.desk.accept(bytes) {
            Ok(()) => self.pump(None),
            Err(desk::Trouble::Refused(refusal)) => self.pump(Some(refusal)),
            Err(desk::Trouble::Over(abort)) => self.desk.dead(abort),
        }
    }

    /// Ends the session if its deadline has passed.
    ///
    /// # Errors
    /// [`Benign::TimedOut`] with the parties whose mail is missing.
    pub fn check_deadline(self, now: Millis) -> Result<Self, Abort> {
        if now < self.desk.deadline() {
            return Ok(self);
        }
        Err(Abort::Benign(Benign::TimedOut { missing: self.desk.missing() }))
    }

    /// Whose mail of the current round is missing, in increasing order.
    #[must_use]
    pub fn missing(&self) -> Vec<Party> {
        self.desk.missing()
    }

    /// The machine, which awaits the current round.
    #[must_use]
    pub const fn machine(&self) -> &M {
        &self.machine
    }

    /// The session's name, once everybody's first word is in.
    #[must_use]
    pub const fn ssid(&self) -> Option<Hash> {
        self.desk.ssid()
    }

    /// The round that is being awaited.
    #[must_use]
    pub const fn round(&self) -> u8 {
        self.desk.round_number()
    }

    fn pump(mut self, refused: Option<Refusal>) -> Advance<M> {
        match self.desk.complete() {
            Err(abort) => self.desk.dead(abort),
            Ok(false) => {
                let outbox = self.desk.take_outbox();
                Advance::Waiting { session: self, outbox, refused }
            }
            Ok(true) => match self.desk.settle() {
                Err(abort) => self.desk.dead(abort),
                Ok(()) => match self.run_round() {
                    Advance::Waiting { session, outbox, .. } => Advance::Waiting { session, outbox, refused },
                    ended => ended,
                },
            },
        }
    }

    /// Hands the settled round to the machine, and goes on with whatever is complete by then.
    fn run_round(self) -> Advance<M> {
        let Self { mut desk, machine } = self;
        let step = match machine.receive(desk.round()) {
            Ok(step) => step,
            Err(abort) => {
                let abort = desk.with_evidence(abort);
                return desk.dead(abort);
            }
        };
        for outgoing in step.outbox {
            if let Err(abort) = desk.say(outgoing) {
                return desk.dead(abort);
            }
        }
        desk.next_round();
        match step.next {
            Next::Done(output) => Advance::Done { output, outbox: desk.take_outbox() },
            Next::Wait(machine) => Self { desk, machine }.pump(None),
        }
    }
}
