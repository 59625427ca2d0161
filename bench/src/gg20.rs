//! GG20 with its full parameters, all signers and an aggregator, machines alone with every message as bytes.
//!
//! The safe primes are made ahead of need in reality, and read from the test vectors here; the time to find them is no part
//! of any case.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::{Context as _, Result, anyhow};
use keymoot_protocol::codec::Wire;
use keymoot_protocol::curve::Secp256k1;
use keymoot_protocol::dkls23::{Bans, Payload, PayloadHash, VerifyingKey};
use keymoot_protocol::gg20::{
    Aggregator, Auxiliary, Generation, Natural, Order, Presignature, Presigner, SafePrime, Signer, Suite,
    auxiliary,
};
use keymoot_protocol::key::KeyShare;
use keymoot_protocol::machine::{Machine, Next, Round};
use keymoot_protocol::transcript::Hash;
use keymoot_types::{Party, Path, Scheme};

use crate::measure::{Bench, timed};
use crate::peer_cggmp24::{Cggmp24, NAME};
use crate::world::{World, machines};

pub fn run(bench: &Bench) -> Result<()> {
    let (needed, total) = (2, 3);
    let names = ["auxinfo", "presign", "online", "full"].map(|kind| format!("gg20/{kind}/{needed}of{total}"));
    let batches = names.iter().skip(1).map(|name| format!("{name}/batch16")).collect::<Vec<_>>();
    if !names.iter().chain(&batches).any(|name| bench.wants(name)) {
        return Ok(());
    }
    let [auxinfo, presign, online, full] = &names;
    let mut ready = Ready::new(needed, total)?;
    bench.case(auxinfo, &mut || ready.generate().map(|(_, bytes)| bytes), None)?;
    bench.case(presign, &mut || ready.presign(1).map(|(_, bytes)| bytes), None)?;
    let mut pool = Vec::new();
    let mut one = || {
        if pool.is_empty() {
            pool = ready.presign(8)?.0;
        }
        let parts = pool.pop().context("the pool was filled")?;
        timed(|| ready.sign(parts))
    };
    bench.timed_case(online, &mut one)?;
    let mut whole = |size| {
        let (all, mut bytes) = ready.presign(size)?;
        for parts in all {
            bytes += ready.sign(parts)?;
        }
        Ok(bytes)
    };
    let mut peer = if bench.peers { Cggmp24::start()? } else { None };
    for (case, size) in [(full.clone(), 1_u16), (format!("{full}/batch16"), 16)] {
        let runs = usize::from(size);
        match &mut peer {
            None => bench.batch(&case, runs, &mut || whole(size), None)?,
            Some(peer) => {
                bench.batch(&case, runs, &mut || whole(size), Some((NAME, &mut || peer.sign())))?;
            }
        }
    }
    Ok(())
}

/// The safe primes of the test vectors.
fn primes(member: usize) -> Result<[SafePrime; 4]> {
    let text = include_str!("../../crates/protocol/vectors/gg20_primes.json");
    let all: serde_json::Value = serde_json::from_str(text)?;
    let mut rng = World::new(2, 3)?.rng;
    let mut one = |at: usize| -> Result<SafePrime> {
        let text = all["full"][member * 4 + at].as_str().context("there are primes enough")?;
        let bytes: Vec<u8> = (0..text.len() / 2)
            .map(|at| u8::from_str_radix(&text[2 * at..2 * at + 2], 16))
            .collect::<Result<_, _>>()?;
        SafePrime::unseal(&Natural::from_be(&bytes).encode(), Suite::Full, &mut rng)
            .map_err(|error| anyhow!("{error}"))
    };
    Ok([one(0)?, one(1)?, one(2)?, one(3)?])
}

struct Ready {
    world: World,
    shares: Vec<Arc<KeyShare<Secp256k1>>>,
    moduli: Vec<Arc<Auxiliary>>,
    signers: Vec<Party>,
    key: Arc<VerifyingKey>,
}

impl Ready {
    fn new(needed: u16, total: u16) -> Result<Self> {
        let mut world = World::new(needed, total)?;
        let shares: Vec<_> = world.generate_for(Scheme::Gg20)?.0.into_iter().map(Arc::new).collect();
        let signers = shares.iter().take(usize::from(needed)).map(|share| share.party()).collect();
        let group = Arc::clone(shares.first().context("a key has shares")?.group());
        let key = Arc::new(VerifyingKey::new(group, &world.committee, Path::root())?);
        let mut ready = Self { world, shares, moduli: Vec::new(), signers, key };
        ready.moduli = ready.generate()?.0.into_iter().map(Arc::new).collect();
        Ok(ready)
    }

    /// The moduli of everybody.
    fn generate(&mut self) -> Result<(Vec<Auxiliary>, usize)> {
        let session = self.world.new_session();
        let context = auxiliary::context(Arc::clone(&self.world.committee), Suite::Full, None, session);
        let context = Arc::new(context);
        let mut openings = Vec::new();
        for (member, (party, identity)) in self.world.identities.iter().enumerate() {
            let (context, identity) = (Arc::clone(&context), Arc::clone(identity));
            let rng = &mut self.world.rng;
            openings
                .push((*party, Generation::start(context, *party, identity, primes(member)?, None, rng)?));
        }
        machines(&mut self.world, openings)
    }

    /// A batch by all signers: the presignatures, each with all its parts, and the bytes delivered.
    fn presign(&mut self, size: u16) -> Result<(Vec<Vec<Presignature>>, usize)> {
        let session = (self.world.new_session(), size);
        let mut openings = Vec::new();
        for (share, moduli) in self.shares.iter().zip(&self.moduli).take(self.signers.len()) {
            let identity = Arc::clone(&self.world.identities[&share.party()]);
            let (party, share, moduli) = (share.party(), Arc::clone(share), Arc::clone(moduli));
            let (bans, rng) = (Bans::default(), &mut self.world.rng);
            openings.push((
                party,
                Presigner::start(share, moduli, &self.signers, session, identity, &bans, rng)?,
            ));
        }
        let (made, bytes) = machines(&mut self.world, openings)?;
        let mut columns: Vec<Vec<Presignature>> = Vec::new();
        for presignatures in made {
            columns.resize_with(presignatures.len(), Vec::new);
            columns.iter_mut().zip(presignatures).for_each(|(column, one)| column.push(one));
        }
        Ok((columns, bytes))
    }

    /// A signature with all parts of one presignature; returns the bytes delivered.
    fn sign(&mut self, presignatures: Vec<Presignature>) -> Result<usize> {
        let session = self.world.new_session();
        let public = presignatures.first().context("there are signers")?.public().clone();
        let payload = Payload::new(PayloadHash::Sha256, b"benchmark".to_vec());
        let order = Order::new(Arc::clone(&self.key), Arc::new(payload), Arc::new(public))?;
        let ssid = Hash::from_bytes([9; 32]);
        let (mut approvals, mut signers) = (BTreeMap::new(), Vec::new());
        for presignature in presignatures {
            let identity = Arc::clone(&self.world.identities[&presignature.party()]);
            let (party, (_, burnt)) = (presignature.party(), presignature.burn(order.intent()));
            let opening = Signer::start(order.clone(), session, identity, burnt, &Bans::default())?;
            let (machine, hello) = opening.into_parts();
            approvals.insert(party, hello.context("a signer approves")?.to_vec());
            signers.push((party, machine));
        }
        let mut shares = BTreeMap::new();
        for (party, machine) in signers {
            let step = machine.receive(round(ssid, 0, &approvals))?;
            shares.insert(party, step.outbox.first().context("a signer sends one share")?.body.to_vec());
        }
        let aggregator = Aggregator::start(order, session).into_parts().0;
        let Next::Wait(aggregator) = aggregator.receive(round(ssid, 0, &approvals))?.next else {
            anyhow::bail!("the aggregator awaits shares")
        };
        let Next::Done(_signature) = aggregator.receive(round(ssid, 1, &shares))?.next else {
            anyhow::bail!("there is no signature")
        };
        // To every other signer and to the aggregator.
        Ok(approvals.values().chain(shares.values()).map(|body| body.len() * shares.len()).sum())
    }
}

fn round(ssid: Hash, number: u8, bodies: &BTreeMap<Party, Vec<u8>>) -> Round<'_> {
    let bodies = bodies.iter().map(|(party, body)| (*party, body.as_slice())).collect();
    Round { ssid, number, view: ssid, bodies }
}
