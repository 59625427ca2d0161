//! The states of a pair setup. Each takes one complete round and is consumed by it.

use std::collections::BTreeMap;
use std::sync::Arc;

use keymoot_types::{Party, Secret};

use super::super::base_ot::{Element, Link, Offer, Replied, Reply};
use super::super::grown::Grown;
use super::super::pair::{Pair, PairSetup, Shared};
use super::super::tree::{Forest, build, puncture};
use super::checks::{half_fits, offers_are_complete, reply_is_distinct};
use super::messages::{Confirmation, Done, Half, Offers, Trees};
use super::{Drawn, Draws, Task};
use crate::abort::{Abort, Charges, Fault};
use crate::codec::Wire;
use crate::machine::{Hello, Outgoing, Round};
use crate::transcript::oblivious::{PairConfirmation, SetupName, ZeroSeed};
use crate::transcript::{Body, Hash, Transcript};
use rand_core::RngCore;

const STRANGER: Abort = Abort::Bug("a complete round is not that of the participants");

impl Task {
    /// The transfers in which `peer` chooses.
    fn to(&self, ssid: Hash, peer: Party) -> Link {
        Link { ssid, sender: self.me, receiver: peer }
    }

    /// The transfers in which we choose.
    fn from(&self, ssid: Hash, peer: Party) -> Link {
        Link { ssid, sender: peer, receiver: self.me }
    }
}

/// Awaits everybody's contribution to the session's name.
pub struct AwaitingHellos {
    pub(super) task: Task,
    pub(super) drawn: Draws,
}

impl AwaitingHellos {
    pub(super) fn receive(self, round: &Round<'_>) -> Result<(AwaitingOffers, Vec<Outgoing>), Abort> {
        round.decode::<Hello>()?;
        let Self { task, drawn } = self;
        let to = drawn.iter().map(|(peer, drawn)| {
            (*peer, drawn.half.committed(round.ssid, task.me, *peer), drawn.offer.element)
        });
        let offers = Offers { to: to.collect() };
        Ok((AwaitingOffers { task, drawn }, vec![Outgoing::broadcast(1, &offers)]))
    }
}

/// Awaits everybody's offers.
pub struct AwaitingOffers {
    pub(super) task: Task,
    drawn: Draws,
}

/// One side of one pair while it is being made.
pub(super) struct Answering {
    half: Half,
    offer: Offer,
    seed: Secret<[u8; 32]>,
    delta: Secret<u128>,
    replied: Replied,
    reply: Reply,
    theirs: Element,
}

impl AwaitingOffers {
    pub(super) fn receive(self, round: &Round<'_>) -> Result<(AwaitingReplies, Vec<Outgoing>), Abort> {
        let offers = round.decode::<Offers>()?;
        let Self { task, drawn } = self;
        let participants = task.context.participants();
        let mut charges = Charges::default();
        for (party, offers) in &offers {
            let complete = offers_are_complete(*party, &participants, offers);
            charges.unless(complete, *party, Fault::Malformed, &[1]);
        }
        charges.verdict()?;
        let (mut pairs, mut outbox) = (BTreeMap::new(), Vec::new());
        for (peer, drawn) in drawn {
            let offer = offers.get(&peer).and_then(|offers| offers.for_party(task.me)).ok_or(STRANGER)?;
            let seed = drawn.seed_in(round.ssid, (task.me, peer));
            let mut rng = Grown::new(seed.expose(), "setup/replies");
            let mut delta = Secret::new(0);
            *delta.expose_mut() = u128::from(rng.next_u64()) << 64 | u128::from(rng.next_u64());
            // The transfer of a level yields the side beside the path.
            let choices = !*delta.expose();
            let (replied, reply) = Replied::draw(task.from(round.ssid, peer), choices, &mut rng);
            outbox.push(Outgoing::direct(2, peer, &reply));
            let (Drawn { half, offer, .. }, theirs) = (drawn, offer.1);
            pairs.insert(peer, Answering { half, offer, seed, delta, replied, reply, theirs });
        }
        Ok((AwaitingReplies { task, offers, pairs }, outbox))
    }
}

/// Awaits everybody's answer to our offers.
pub struct AwaitingReplies {
    pub(super) task: Task,
    offers: BTreeMap<Party, Offers>,
    pairs: BTreeMap<Party, Answering>,
}

/// One side of one pair, with the trees we grew.
pub(super) struct Growing {
    half: Secret<[u8; 32]>,
    delta: Secret<u128>,
    replied: Replied,
    reply: Reply,
    theirs: Element,
    leaves: Secret<Forest>,
    messages: Vec<Hash>,
}

impl AwaitingReplies {
    pub(super) fn receive(self, round: &Round<'_>) -> Result<(AwaitingTrees, Vec<Outgoing>), Abort> {
        let replies = round.decode::<Reply>()?;
        let Self { task, offers: all, pairs } = self;
        let mut charges = Charges::default();
        for (peer, reply) in &replies {
            let offers = all.get(peer).ok_or(STRANGER)?;
            let ours = all.get(&task.me).ok_or(STRANGER)?;
            let distinct = reply_is_distinct((*peer, offers), (task.me, ours), reply).ok_or(STRANGER)?;
            charges.unless(distinct, *peer, Fault::RepeatedPoint, &[2]);
        }
        charges.verdict()?;
        let (mut next, mut outbox) = (BTreeMap::new(), Vec::new());
        for (peer, pair) in pairs {
            let link = task.to(round.ssid, peer);
            let keys = pair.offer.keys(link, replies.get(&peer).ok_or(STRANGER)?);
            let (leaves, corrections) =
                build(link, &keys, &mut Grown::new(pair.seed.expose(), "setup/trees"));
            let half = Secret::new(*pair.half.seed());
            let trees = Outgoing::direct(3, peer, &Trees { corrections, half: pair.half });
            let theirs = round.bodies.get(&peer).ok_or(STRANGER)?;
            let ours = pair.reply.encode();
            let messages = in_order(task.me, peer, &ours, theirs).into_iter().collect();
            outbox.push(trees);
            let Answering { delta, replied, reply, theirs, .. } = pair;
            next.insert(peer, Growing { half, delta, replied, reply, theirs, leaves, messages });
        }
        let ours = outbox.iter().filter_map(|one| Some((one.to?, Body(&one.body).digest()))).collect();
        Ok((AwaitingTrees { task, offers: all, pairs: next, ours }, outbox))
    }
}

/// The digests of two messages of one round, that of the lower party first.
fn in_order(me: Party, peer: Party, ours: &[u8], theirs: &[u8]) -> [Hash; 2] {
    let (ours, theirs) = (Body(ours).digest(), Body(theirs).digest());
    if me < peer { [ours, theirs] } else { [theirs, ours] }
}

/// Awaits everybody's trees.
pub struct AwaitingTrees {
    pub(super) task: Task,
    offers: BTreeMap<Party, Offers>,
    pairs: BTreeMap<Party, Growing>,
    ours: BTreeMap<Party, Hash>,
}

impl AwaitingTrees {
    pub(super) fn receive(self, round: &Round<'_>) -> Result<(AwaitingConfirmations, Vec<Outgoing>), Abort> {
        let trees = round.decode::<Trees>()?;
        let Self { task, offers, pairs, ours } = self;
        let mut charges = Charges::default();
        for (peer, trees) in &trees {
            let offers = offers.get(peer).ok_or(STRANGER)?;
            let fits = half_fits(round.ssid, offers, (*peer, task.me), trees).ok_or(STRANGER)?;
            charges.unless(fits, *peer, Fault::WrongOpening, &[3]);
        }
        charges.verdict()?;
        // All trees are looked at before anybody is charged. No relay brings this about: the offer and the trees are signed
        // by the peer, and what the peer has answered is our own signed reply.
        let (mut next, mut charges) = (BTreeMap::new(), Charges::default());
        for (peer, mut half) in pairs {
            let trees = trees.get(&peer).ok_or(STRANGER)?;
            let link = task.from(round.ssid, peer);
            let keys = half.replied.keys(link, &half.theirs, &half.reply);
            let Some(punctured) = puncture(link, &half.delta, &keys, &trees.corrections) else {
                charges.bring(peer, Fault::WrongTrees, &[]);
                continue;
            };
            let zero = zero_seed(round.ssid, (task.me, half.half.expose()), (peer, trees.half.seed()));
            let theirs = Body(round.bodies.get(&peer).ok_or(STRANGER)?).digest();
            let ours = *ours.get(&peer).ok_or(STRANGER)?;
            half.messages.extend(if task.me < peer { [ours, theirs] } else { [theirs, ours] });
            let Growing { delta, leaves, messages, .. } = half;
            next.insert(peer, (Shared { zero, delta, punctured, leaves }, messages));
        }
        charges.ban()?;
        let confirm = |(peer, (pair, messages)): (&Party, &(Shared, Vec<Hash>))| {
            Outgoing::direct(4, *peer, &confirmation(round.ssid, task.me, *peer, pair, messages))
        };
        let outbox = next.iter().map(confirm).collect();
        Ok((AwaitingConfirmations { task, pairs: next }, outbox))
    }
}

fn zero_seed(ssid: Hash, one: (Party, &[u8; 32]), other: (Party, &[u8; 32])) -> Secret<[u8; 32]> {
    let halves = if one.0 < other.0 { [one, other] } else { [other, one] };
    Secret::new(*ZeroSeed { ssid, halves }.digest().as_bytes())
}

fn confirmation(ssid: Hash, from: Party, to: Party, pair: &Shared, messages: &[Hash]) -> Confirmation {
    Confirmation(PairConfirmation { ssid, from, to, seed: pair.zero.expose(), messages }.digest())
}

/// Awaits everybody's confirmation.
pub struct AwaitingConfirmations {
    pub(super) task: Task,
    pairs: BTreeMap<Party, (Shared, Vec<Hash>)>,
}

impl AwaitingConfirmations {
    pub(super) fn receive(self, round: &Round<'_>) -> Result<(AwaitingDone, Vec<Outgoing>), Abort> {
        let confirmations = round.decode::<Confirmation>()?;
        let Self { task, pairs } = self;
        let mut charges = Charges::default();
        for (peer, (pair, messages)) in &pairs {
            let expected = confirmation(round.ssid, *peer, task.me, pair, messages);
            let agrees = confirmations.get(peer) == Some(&expected);
            charges.unless(agrees, *peer, Fault::WrongConfirmation, &[]);
        }
        charges.ban()?;
        let pairs = pairs.into_iter().map(|(peer, (pair, _))| (peer, Arc::new(Pair::new(pair)))).collect();
        let name = SetupName { ssid: round.ssid, view: round.view }.digest();
        let setup = PairSetup { committee: Arc::clone(&task.context.committee), me: task.me, name, pairs };
        Ok((AwaitingDone { task, setup }, vec![Outgoing::broadcast(5, &Done)]))
    }
}

/// Awaits everybody's word that all is sound.
pub struct AwaitingDone {
    pub(super) task: Task,
    setup: PairSetup,
}

impl AwaitingDone {
    pub(super) fn receive(self, round: &Round<'_>) -> Result<PairSetup, Abort> {
        round.decode::<Done>()?;
        Ok(self.setup)
    }
}
