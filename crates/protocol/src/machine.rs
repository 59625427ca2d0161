//! A protocol is a value and one verb.
//!
//! A [`Machine`] is handed one complete round at a time and consumed by it: exactly one body from every expected
//! sender, no duplicates, no strangers, no early mail, because [`crate::session::Session`] has seen to that. It
//! answers with what to send and with the machine that awaits the next round. An error ends the run.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use keymoot_types::Party;
use zeroize::Zeroizing;

use crate::abort::{Abort, Charges, Fault};
use crate::codec::{Malformed, Reader, Wire, Writer};
use crate::context::Context;
use crate::echo::ECHO_MAX;
use crate::envelope::{Header, Kind};
use crate::evidence::Case;
use crate::identity::IdentityKey;
use crate::record::Broadcasts;
use crate::transcript::Hash;

/// A protocol run, seen by one participant or observer.
pub trait Machine: Sized {
    /// What a complete run yields.
    type Output;

    /// The rounds of a session about this, in order; round 0 is everybody's first word, from which the session takes
    /// its name.
    fn rounds(context: &Context) -> Rounds;

    /// Whether the machine runs sessions about this: the protocol, and the scheme on its curve.
    fn concerns(context: &Context) -> bool;

    /// Takes one complete round.
    ///
    /// # Errors
    /// Whatever ends the run; every culprit of the round is named.
    fn receive(self, round: Round<'_>) -> Result<Step<Self>, Abort>;

    /// Whether what the accused signed, and nothing else, proves the fault. For third parties.
    fn convicts(case: &Case<'_>, fault: Fault) -> bool;
}

/// The rounds of a session: always the same, or computed from what the session is about.
pub type Rounds = Cow<'static, [RoundSpec]>;

/// How one round's messages travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RoundSpec {
    /// Whether the round goes to everybody or to one recipient each.
    pub travel: Travel,
    /// The round after which these messages are sent; their senders vouch for the view they had then.
    pub after: Option<u8>,
    /// The longest body, in bytes.
    pub body_max: usize,
}

impl RoundSpec {
    /// The longest body of an envelope of this round.
    #[must_use]
    pub const fn longest(&self, kind: Kind) -> usize {
        match kind {
            Kind::Body => self.body_max,
            Kind::Echo => ECHO_MAX,
        }
    }

    /// Whether an envelope of this round is addressed to the wrong audience, or an echo where none is due.
    #[must_use]
    pub fn misroutes(&self, header: &Header) -> bool {
        match (header.kind, self.travel) {
            (Kind::Body, Travel::Broadcast | Travel::Echoed) | (Kind::Echo, Travel::Echoed) => {
                header.to.is_some()
            }
            (Kind::Body, Travel::Direct) => header.to.is_none(),
            (Kind::Echo, Travel::Broadcast | Travel::Direct) => true,
        }
    }
}

/// To whom a round's messages go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Travel {
    /// One message to everybody.
    Broadcast,
    /// One message to everybody, and the machine moves on only when all participants proved to have seen the same.
    Echoed,
    /// A message of its own for each participant.
    Direct,
}

/// One complete round.
pub struct Round<'a> {
    /// The session, known from the end of round 0 on.
    pub ssid: Hash,
    /// The round's number.
    pub number: u8,
    /// Everything broadcast up to now, this round included.
    pub view: Hash,
    /// One body of each expected sender, our own broadcast included.
    pub bodies: BTreeMap<Party, &'a [u8]>,
}

impl Round<'_> {
    /// All bodies as messages.
    ///
    /// # Errors
    /// Blames everybody whose body is malformed.
    pub fn decode<T: Wire>(&self) -> Result<BTreeMap<Party, T>, Abort> {
        self.decode_others(None)
    }

    /// All bodies as messages, except those of `known`, who is us.
    ///
    /// # Errors
    /// Blames everybody whose body is malformed.
    pub fn decode_others<T: Wire>(&self, known: Option<Party>) -> Result<BTreeMap<Party, T>, Abort> {
        let mut charges = Charges::default();
        let mut messages = BTreeMap::new();
        for (party, body) in self.bodies.iter().filter(|(party, _)| Some(**party) != known) {
            match T::decode(body) {
                Ok(message) => drop(messages.insert(*party, message)),
                Err(_) => charges.bring(*party, Fault::Malformed, &[self.number]),
            }
        }
        charges.verdict().map(|()| messages)
    }
}

/// What a machine does next.
pub struct Step<M: Machine> {
    /// What to send, in order.
    pub outbox: Vec<Outgoing>,
    /// What to await.
    pub next: Next<M>,
}

/// The rest of a run.
pub enum Next<M: Machine> {
    /// The next round is awaited.
    Wait(M),
    /// The run is complete.
    Done(M::Output),
}

/// A message to be signed and sent.
pub struct Outgoing {
    /// The round it belongs to.
    pub round: u8,
    /// The one recipient; everybody if `None`.
    pub to: Option<Party>,
    /// The encoded message.
    pub body: Zeroizing<Vec<u8>>,
}

impl Outgoing {
    /// A message to everybody.
    pub fn broadcast(round: u8, message: &impl Wire) -> Self {
        Self { round, to: None, body: message.encode() }
    }

    /// A message to one participant.
    pub fn direct(round: u8, to: Party, message: &impl Wire) -> Self {
        Self { round, to: Some(to), body: message.encode() }
    }
}

/// A machine ready to start, with all that its session needs: made only by what knows that it fits together.
pub struct Opening<M> {
    pub(crate) machine: M,
    pub(crate) context: Arc<Context>,
    pub(crate) member: Option<(Party, Arc<IdentityKey>)>,
    pub(crate) first: First,
}

/// How a session gets its first words.
pub(crate) enum First {
    /// Everybody says one; this is ours.
    Say(Zeroizing<Vec<u8>>),
    /// Everybody says one; we are an observer.
    Listen,
    /// They are known already.
    Known(Broadcasts),
}

/// A first word that is a fresh contribution to the session's name and nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hello {
    /// 32 uniform bytes.
    pub nonce: [u8; 32],
}

impl Wire for Hello {
    fn write(&self, writer: &mut Writer) {
        writer.bytes(&self.nonce);
    }
    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(Self { nonce: reader.fixed()? })
    }
}

impl<M> Opening<M> {
    /// What the session is about.
    #[must_use]
    pub const fn context(&self) -> &Arc<Context> {
        &self.context
    }

    /// The machine, and the first word it has to say.
    #[must_use]
    pub fn into_parts(self) -> (M, Option<Zeroizing<Vec<u8>>>) {
        let hello = match self.first {
            First::Say(hello) => Some(hello),
            First::Listen | First::Known(_) => None,
        };
        (self.machine, hello)
    }

    /// The same opening of a machine that wraps this one.
    pub fn wrap<N>(self, wrap: impl FnOnce(M) -> N) -> Opening<N> {
        let Self { machine, context, member, first } = self;
        Opening { machine: wrap(machine), context, member, first }
    }
}
