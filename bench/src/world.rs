//! Committees and links in memory for the cases.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::{Context as _, Result, bail};
use keymoot_protocol::codec::Wire;
use keymoot_protocol::context::{Committee, Context, Protocol};
use keymoot_protocol::dkg::Dkg;
use keymoot_protocol::envelope::Envelope;
use keymoot_protocol::frost::Suite;
use keymoot_protocol::identity::IdentityKey;
use keymoot_protocol::key::KeyShare;
use keymoot_protocol::machine::Machine;
use keymoot_protocol::session::{Advance, Session};
use keymoot_types::{Epoch, GroupId, KeyId, Millis, Party, SessionId, Threshold};
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

    pub fn context<S: Suite>(&mut self) -> Arc<Context> {
        let mut name = [0; 16];
        self.rng.fill_bytes(&mut name);
        Arc::new(Context {
            session: SessionId::new(name),
            scheme: S::SCHEME,
            protocol: Protocol::Dkg,
            committee: Arc::clone(&self.committee),
            key: KeyId::new([2; 16]),
            epoch: Epoch::FIRST,
            signers: None,
            group_key: None,
            merkle_root: None,
            intent: None,
        })
    }

    /// One key generation through sessions and bytes; returns the shares and the bytes delivered.
    pub fn generate<S: Suite>(&mut self) -> Result<(Vec<KeyShare<S>>, usize)> {
        let context = self.context::<S>();
        let mut runs = BTreeMap::new();
        for (party, identity) in &self.identities {
            let opening = Dkg::<S>::start(Arc::clone(&context), *party, Arc::clone(identity), &mut self.rng)?;
            runs.insert(*party, Run::Going(Session::open(opening, Millis(u64::MAX))));
        }
        let bytes = drive(&mut runs)?;
        let shares: Result<_> =
            runs.into_values().map(|run| run.output().context("a party has no share")).collect();
        Ok((shares?, bytes))
    }
}

enum Run<M: Machine> {
    Going(Advance<M>),
    Idle(Session<M>),
    Done(M::Output),
    Taken,
}

impl<M: Machine> Run<M> {
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

fn drive<M: Machine>(runs: &mut BTreeMap<Party, Run<M>>) -> Result<usize> {
    let mut total = 0;
    let mut queue = std::collections::VecDeque::new();
    loop {
        for run in runs.values_mut() {
            queue.extend(run.outbox()?.into_iter().map(|envelope| (envelope.header, envelope.encode())));
        }
        let Some((header, bytes)) = queue.pop_front() else { return Ok(total) };
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
