//! Two nodes with a key and a pair setup, and their machines, driven round by round without signatures and echoes.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::{Context as _, Result, bail};
use keymoot_protocol::codec::{Reader, Wire, Writer};
use keymoot_protocol::context::{Committee, Context};
use keymoot_protocol::curve::Secp256k1;
use keymoot_protocol::dkg::{self, Dkg};
use keymoot_protocol::dkls23::{Bans, Freshness, Ledger, PairSetup, Presigner, Setup, setup};
use keymoot_protocol::identity::IdentityKey;
use keymoot_protocol::key::KeyShare;
use keymoot_protocol::machine::{Machine, Next, Opening, Outgoing, Round};
use keymoot_protocol::transcript::Hash;
use keymoot_types::{GroupId, KeyId, Party, Scheme, SessionId, Threshold};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{CryptoRng, RngCore, SeedableRng};

/// Leaves of a tree, trees of a direction, and bytes of a leaf's seed.
const LEAVES: usize = 16;
const TREES: usize = 32;
const SEED: usize = 32;

/// The name of the sessions that key and setup come from.
const SESSION: SessionId = SessionId::new([3; 16]);

/// A committee of two.
pub struct World {
    pub committee: Arc<Committee>,
    pub identities: BTreeMap<Party, Arc<IdentityKey>>,
    /// Whose machine is measured, and the other one.
    pub victim: Party,
    pub peer: Party,
    pub shares: BTreeMap<Party, Arc<KeyShare<Secp256k1>>>,
    pub setups: BTreeMap<Party, Arc<PairSetup>>,
}

impl World {
    pub fn new() -> Result<Self> {
        let mut rng = ChaCha20Rng::seed_from_u64(1);
        let threshold = Threshold::new(2, 2)?;
        let mut identities = BTreeMap::new();
        for party in threshold.parties() {
            let mut seed = [0; 32];
            rng.fill_bytes(&mut seed);
            identities.insert(party, Arc::new(IdentityKey::from_seed(seed)));
        }
        let members = identities.iter().map(|(party, key)| (*party, key.public())).collect();
        let committee = Arc::new(Committee::new(GroupId::new([1; 16]), threshold, members)?);
        let (victim, peer) = (Party::new(1)?, Party::new(2)?);
        let (shares, setups) = (BTreeMap::new(), BTreeMap::new());
        let mut world = Self { committee, identities, victim, peer, shares, setups };
        world.shares = world.generate(&mut rng)?;
        let openings = world.setup_openings(&mut rng)?;
        let setups = Table::new(openings, &mut rng)?.finish()?;
        world.setups = setups.into_iter().map(|(party, setup)| (party, Arc::new(setup))).collect();
        Ok(world)
    }

    fn generate(&self, rng: &mut ChaCha20Rng) -> Result<BTreeMap<Party, Arc<KeyShare<Secp256k1>>>> {
        let (committee, key) = (Arc::clone(&self.committee), KeyId::new([2; 16]));
        let context = Arc::new(dkg::context(committee, Scheme::Dkls23, key, SESSION));
        let mut openings = Vec::new();
        for (party, identity) in &self.identities {
            let opening = Dkg::<Secp256k1>::start(Arc::clone(&context), *party, Arc::clone(identity), rng)?;
            openings.push((*party, opening));
        }
        let shares = Table::new(openings, rng)?.finish()?;
        Ok(shares.into_iter().map(|(party, share)| (party, Arc::new(share))).collect())
    }

    pub fn setup_openings(&self, rng: &mut ChaCha20Rng) -> Result<Vec<(Party, Opening<Setup>)>> {
        Ok(vec![(self.victim, self.setup(self.victim, rng)?), (self.peer, self.setup(self.peer, rng)?)])
    }

    /// What a pair setup is about.
    pub fn setup_context(&self) -> Arc<Context> {
        Arc::new(setup::context(Arc::clone(&self.committee), SESSION))
    }

    pub fn setup(&self, party: Party, rng: &mut (impl RngCore + CryptoRng)) -> Result<Opening<Setup>> {
        let context = self.setup_context();
        Ok(Setup::start(context, party, Arc::clone(&self.identities[&party]), &Bans::default(), rng)?)
    }

    /// A presigner of a batch of one.
    pub fn presigner(
        &self,
        party: Party,
        setup: Arc<PairSetup>,
        rng: &mut (impl RngCore + CryptoRng),
    ) -> Result<(Party, Opening<Presigner>)> {
        let signers = [self.victim, self.peer];
        let ticket = Ledger::new(&setup).reserve(&setup, &signers, Freshness::Shared, &Bans::default())?;
        let (share, identity) = (Arc::clone(&self.shares[&party]), Arc::clone(&self.identities[&party]));
        let session = (SessionId::new([5; 16]), 1);
        let bans = Bans::default();
        Ok((party, Presigner::start(share, setup, ticket, session, identity, &bans, rng)?))
    }

    /// The victim's side of the pair setup, with another Δ: the peer's trees without the leaves that this one hides.
    pub fn with_delta(&self, delta: u128) -> Result<PairSetup> {
        let theirs = self.setups[&self.peer].seal();
        let (_, [_, _, _, leaves]) = parts(&theirs)?;
        let ours = self.setups[&self.victim].seal();
        let (name, [zero, _, _, own]) = parts(&ours)?;
        let mut punctured = vec![0; leaves.len()];
        for place in 0..TREES * LEAVES {
            let (tree, z) = (place / LEAVES, place % LEAVES);
            let leaf = z ^ ((delta >> (4 * tree)) as usize % LEAVES);
            // Place 0 has the leaf that its owner does not know.
            if z > 0 {
                let from = (tree * LEAVES + leaf) * SEED;
                punctured[place * SEED..(place + 1) * SEED].copy_from_slice(&leaves[from..from + SEED]);
            }
        }
        let mut writer = Writer::new();
        self.committee.write(&mut writer);
        writer.party(self.victim);
        name.write(&mut writer);
        writer.list([()].into_iter(), |writer, ()| {
            writer.party(self.peer);
            writer.bytes(zero);
            writer.bytes(&delta.to_le_bytes());
            writer.bytes(&punctured);
            writer.bytes(own);
        });
        Ok(PairSetup::unseal(&writer.finish(), Arc::clone(&self.committee))?)
    }
}

/// The name, zero seed, Δ, punctured trees and own trees of a sealed setup with one pair.
fn parts(sealed: &[u8]) -> Result<(Hash, [&[u8]; 4])> {
    let mut reader = Reader::new(sealed);
    let (_committee, _, name) = (Committee::read(&mut reader)?, reader.party()?, Hash::read(&mut reader)?);
    let forest = TREES * LEAVES * SEED;
    let mut pairs = reader.list(1, |reader| {
        reader.party()?;
        Ok([reader.bytes(SEED)?, reader.bytes(16)?, reader.bytes(forest)?, reader.bytes(forest)?])
    })?;
    Ok((name, pairs.pop().context("there is one pair")?))
}

/// Machines around a table, in the order they were given.
pub struct Table<M: Machine> {
    ssid: Hash,
    number: u8,
    waiting: Vec<(Party, M)>,
    sent: Vec<(Party, Outgoing)>,
    done: Vec<(Party, M::Output)>,
}

/// One machine, and the round that it is to take.
pub struct Awaiting<M> {
    machine: M,
    ssid: Hash,
    number: u8,
    bodies: Vec<(Party, Vec<u8>)>,
}

impl<M: Machine> Awaiting<M> {
    pub fn of(machine: M, ssid: Hash, number: u8, bodies: Vec<(Party, Vec<u8>)>) -> Self {
        Self { machine, ssid, number, bodies }
    }

    /// The session's name.
    #[cfg(test)]
    pub fn session(&self) -> Hash {
        self.ssid
    }

    /// What somebody has said in the round.
    #[cfg(test)]
    pub fn body_of(&self, from: Party) -> Option<&[u8]> {
        self.bodies.iter().find(|(party, _)| *party == from).map(|(_, body)| body.as_slice())
    }

    /// The call that is measured.
    pub fn receive(self) -> Result<keymoot_protocol::machine::Step<M>> {
        let Self { machine, ssid, number, bodies } = self;
        let bodies = bodies.iter().map(|(party, body)| (*party, body.as_slice())).collect();
        Ok(machine.receive(Round { ssid, number, view: ssid, bodies })?)
    }
}

impl<M: Machine> Table<M> {
    pub fn new(openings: Vec<(Party, Opening<M>)>, rng: &mut ChaCha20Rng) -> Result<Self> {
        let mut ssid = [0; 32];
        rng.fill_bytes(&mut ssid);
        Self::named(Hash::from_bytes(ssid), openings)
    }

    /// A session of this name.
    pub fn named(ssid: Hash, openings: Vec<(Party, Opening<M>)>) -> Result<Self> {
        let (mut waiting, mut sent) = (Vec::new(), Vec::new());
        for (party, opening) in openings {
            let (machine, hello) = opening.into_parts();
            let body = hello.context("everybody says a first word")?;
            sent.push((party, Outgoing { round: 0, to: None, body }));
            waiting.push((party, machine));
        }
        Ok(Self { ssid, number: 0, waiting, sent, done: Vec::new() })
    }

    /// What is said to a party in the round that is to be taken.
    pub fn bodies(&self, party: Party) -> Vec<(Party, Vec<u8>)> {
        let for_us = self.sent.iter().filter(|(_, one)| one.round == self.number);
        let for_us = for_us.filter(|(_, one)| one.to.is_none_or(|to| to == party));
        for_us.map(|(from, one)| (*from, one.body.to_vec())).collect()
    }

    /// One round of everybody.
    pub fn turn(&mut self) -> Result<()> {
        let mut said = Vec::new();
        for (party, machine) in std::mem::take(&mut self.waiting) {
            let step = Awaiting::of(machine, self.ssid, self.number, self.bodies(party)).receive()?;
            said.extend(step.outbox.into_iter().map(|one| (party, one)));
            match step.next {
                Next::Wait(machine) => self.waiting.push((party, machine)),
                Next::Done(output) => self.done.push((party, output)),
            }
        }
        self.sent.extend(said);
        self.number += 1;
        Ok(())
    }

    pub fn finish(mut self) -> Result<Vec<(Party, M::Output)>> {
        while !self.waiting.is_empty() {
            self.turn()?;
        }
        Ok(self.done)
    }

    /// The first machine, when it is about to take this round.
    pub fn until(mut self, number: u8) -> Result<Awaiting<M>> {
        while self.number < number {
            self.turn()?;
        }
        if self.waiting.is_empty() {
            bail!("the run was over before round {number}");
        }
        let (party, machine) = self.waiting.remove(0);
        let bodies = self.bodies(party);
        Ok(Awaiting { machine, ssid: self.ssid, number, bodies })
    }
}
