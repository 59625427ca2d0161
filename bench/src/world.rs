//! Committees and links in memory for the cases.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::{Context as _, Result, bail};
use keymoot_protocol::codec::Wire;
use keymoot_protocol::context::Committee;
use keymoot_protocol::curve::Curve;
use keymoot_protocol::dkg::{self, Dkg};
use keymoot_protocol::envelope::Envelope;
use keymoot_protocol::frost::Suite;
use keymoot_protocol::identity::IdentityKey;
use keymoot_protocol::key::KeyShare;
use keymoot_protocol::machine::{Machine, Next, Opening, Outgoing, Round};
use keymoot_protocol::session::{Advance, Session};
use keymoot_protocol::transcript::Hash;
use keymoot_types::{GroupId, KeyId, Millis, Party, Scheme, SessionId, Threshold};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

/// A committee and everybody's identity.
pub struct World {
    pub committee: Arc<Committee>,
    pub identities: BTreeMap<Party, Arc<IdentityKey>>,
    pub rng: ChaCha20Rng,
}

impl World {
    pub fn new(needed: u16, total: u16) -> Result<Self> {
        let mut rng = ChaCha20Rng::seed_from_u64(1);
        let threshold = Threshold::new(needed, total)?;
        let mut identities = BTreeMap::new();
        for party in threshold.parties() {
            let mut seed = [0; 32];
            rng.fill_bytes(&mut seed);
            identities.insert(party, Arc::new(IdentityKey::from_seed(seed)));
        }
        let members = identities.iter().map(|(party, key)| (*party, key.public())).collect();
        Ok(Self {
            committee: Arc::new(Committee::new(GroupId::new([1; 16]), threshold, members)?),
            identities,
            rng,
        })
    }

    /// One key generation through sessions and bytes; returns the shares and the bytes delivered.
    pub fn generate<S: Suite>(&mut self) -> Result<(Vec<KeyShare<S>>, usize)> {
        self.generate_for(S::SCHEME)
    }

    /// As [`World::generate`], for any scheme on the curve.
    pub fn generate_for<C: Curve>(&mut self, scheme: Scheme) -> Result<(Vec<KeyShare<C>>, usize)> {
        let (committee, session) = (Arc::clone(&self.committee), self.new_session());
        let context = Arc::new(dkg::context(committee, scheme, KeyId::new([2; 16]), session));
        let mut runs = BTreeMap::new();
        for (party, identity) in &self.identities {
            let opening = Dkg::<C>::start(Arc::clone(&context), *party, Arc::clone(identity), &mut self.rng)?;
            runs.insert(*party, Run::new(opening));
        }
        let bytes = drive(&mut runs)?;
        Ok((outputs(runs)?, bytes))
    }

    /// A name for a session.
    pub fn new_session(&mut self) -> SessionId {
        let mut name = [0; 16];
        self.rng.fill_bytes(&mut name);
        SessionId::new(name)
    }
}

/// Runs machines without sessions: bodies as bytes, but no signatures, echoes or views. Returns everybody's result in
/// order, and the bytes of all bodies for all recipients.
pub fn machines<M: Machine>(
    world: &mut World,
    openings: Vec<(Party, Opening<M>)>,
) -> Result<(Vec<M::Output>, usize)> {
    let mut ssid = [0; 32];
    world.rng.fill_bytes(&mut ssid);
    let (ssid, mut total, mut outputs) = (Hash::from_bytes(ssid), 0, Vec::new());
    let mut waiting = BTreeMap::new();
    let mut sent: Vec<(Party, Outgoing)> = Vec::new();
    for (party, opening) in openings {
        let (machine, hello) = opening.into_parts();
        let body = hello.context("everybody says a first word")?;
        sent.push((party, Outgoing { round: 0, to: None, body }));
        waiting.insert(party, machine);
    }
    let others = waiting.len() - 1;
    for number in 0.. {
        let (now, later): (Vec<_>, Vec<_>) = sent.into_iter().partition(|(_, one)| one.round == number);
        sent = later;
        if waiting.is_empty() {
            break;
        }
        total += now.iter().map(|(_, one)| one.body.len() * one.to.map_or(others, |_| 1)).sum::<usize>();
        for (party, machine) in std::mem::take(&mut waiting) {
            let for_us = now.iter().filter(|(_, one)| one.to.is_none_or(|to| to == party));
            let bodies = for_us.map(|(from, one)| (*from, one.body.as_slice())).collect();
            let step = machine.receive(Round { ssid, number, view: ssid, bodies })?;
            sent.extend(step.outbox.into_iter().map(|one| (party, one)));
            match step.next {
                Next::Wait(machine) => drop(waiting.insert(party, machine)),
                Next::Done(output) => outputs.push(output),
            }
        }
    }
    Ok((outputs, total))
}

/// What everybody has after the run, in order.
pub fn outputs<M: Machine>(runs: BTreeMap<Party, Run<M>>) -> Result<Vec<M::Output>> {
    runs.into_values().map(|run| run.output().context("a party has no result")).collect()
}

/// One party's session, wherever it is.
pub enum Run<M: Machine> {
    Going(Advance<M>),
    Idle(Session<M>),
    Done(M::Output),
    Taken,
}

impl<M: Machine> Run<M> {
    pub fn new(opening: Opening<M>) -> Self {
        Self::Going(Session::open(opening, Millis(u64::MAX)))
    }

    fn output(self) -> Option<M::Output> {
        match self {
            Self::Done(output) => Some(output),
            Self::Going(_) | Self::Idle(_) | Self::Taken => None,
        }
    }

    /// What it has to send; afterwards it is idle or done.
    fn outbox(&mut self) -> Result<Vec<Envelope>> {
        match std::mem::replace(self, Self::Taken) {
            Self::Going(Advance::Waiting { session, outbox, .. }) => {
                *self = Self::Idle(session);
                Ok(outbox)
            }
            Self::Going(Advance::Done { output, outbox }) => {
                *self = Self::Done(output);
                Ok(outbox)
            }
            Self::Going(Advance::Dead { abort, .. }) => bail!("an honest run died: {abort}"),
            other => {
                *self = other;
                Ok(Vec::new())
            }
        }
    }

    fn deliver(&mut self, bytes: &[u8]) {
        *self = match std::mem::replace(self, Self::Taken) {
            Self::Idle(session) => Self::Going(session.deliver(bytes)),
            other => other,
        };
    }
}

/// Delivers everything to everybody; returns the bytes delivered.
pub fn drive<M: Machine>(runs: &mut BTreeMap<Party, Run<M>>) -> Result<usize> {
    drive_and(runs, |_| {})
}

/// As [`drive`], with somebody who listens to all broadcasts.
pub fn drive_and<M: Machine>(
    runs: &mut BTreeMap<Party, Run<M>>,
    mut listen: impl FnMut(&[u8]),
) -> Result<usize> {
    let mut total = 0;
    let mut queue = std::collections::VecDeque::new();
    loop {
        for run in runs.values_mut() {
            queue.extend(run.outbox()?.into_iter().map(|envelope| (envelope.header, envelope.encode())));
        }
        let Some((header, bytes)) = queue.pop_front() else { return Ok(total) };
        if header.to.is_none() {
            listen(&bytes);
        }
        let reached = |to: &Party| *to != header.from && header.to.is_none_or(|only| only == *to);
        let reached: Vec<_> = runs.keys().copied().filter(reached).collect();
        for to in reached {
            total += bytes.len();
            if let Some(run) = runs.get_mut(&to) {
                run.deliver(&bytes);
                let more = run.outbox()?;
                queue.extend(more.into_iter().map(|envelope| (envelope.header, envelope.encode())));
            }
        }
    }
}
