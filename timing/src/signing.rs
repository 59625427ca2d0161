//! Signing: one signer's share from its shares of a presignature.

use std::sync::Arc;

use anyhow::{Context, Result};
use k256::Scalar;
use keymoot_protocol::codec::Wire;
use keymoot_protocol::curve::{Curve, Secp256k1};
use keymoot_protocol::dkls23::sign::Approval;
use keymoot_protocol::dkls23::{Bans, Order, Payload, PayloadHash, Presignature, Signer, VerifyingKey};
use keymoot_protocol::transcript::Hash;
use keymoot_types::{Party, Path, SessionId};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;

use crate::measure::{Bench, Class, Expected};
use crate::world::{Awaiting, Table, World};

/// Type and length of a field, and the field: a scalar, or the entropy.
const HEAD: usize = 9;
const FIELD: usize = HEAD + 32;

/// A presignature, its order, and everybody's approvals, which are the same in all measurements.
struct Ready {
    world: World,
    sealed: Vec<u8>,
    order: Order,
    approvals: Vec<(Party, Vec<u8>)>,
}

impl Ready {
    fn new() -> Result<Self> {
        let (world, mut rng) = (World::new()?, ChaCha20Rng::seed_from_u64(5));
        let setup = |party| Arc::clone(&world.setups[&party]);
        let victim = world.presigner(world.victim, setup(world.victim), &mut rng)?;
        let peer = world.presigner(world.peer, setup(world.peer), &mut rng)?;
        let done = Table::new(vec![victim, peer], &mut rng)?.finish()?;
        let (mut approvals, mut first) = (Vec::new(), None);
        for (party, mut presigned) in done {
            let sealed = presigned.presignatures.remove(0).seal().to_vec();
            let entropy = sealed.last_chunk::<32>().context("the entropy comes last")?;
            approvals.push((party, Approval { entropy: *entropy }.encode().to_vec()));
            first.get_or_insert(sealed);
        }
        let sealed = first.context("there are signers")?;
        let group = Arc::clone(world.shares[&world.victim].group());
        let path: Path = "m/0/7".parse()?;
        let key = Arc::new(VerifyingKey::new(group, &world.committee, path)?);
        let payload = Arc::new(Payload::new(PayloadHash::Sha256, b"timing".to_vec()));
        let public = Presignature::unseal(&sealed)?.public().clone();
        let order = Order::new(key, payload, Arc::new(public))?;
        Ok(Self { world, sealed, order, approvals })
    }

    /// A signer that is about to make its share of these φ, u and v.
    fn signer(&self, scalars: &[Scalar; 3]) -> Result<Awaiting<Signer>> {
        let mut sealed = self.sealed.clone();
        let start = sealed.len() - 4 * FIELD;
        for (place, scalar) in sealed[start..].chunks_mut(FIELD).zip(scalars) {
            place[HEAD..].copy_from_slice(&Secp256k1::encode_scalar(scalar));
        }
        let (_, burnt) = Presignature::unseal(&sealed)?.burn(self.order.intent());
        let identity = Arc::clone(&self.world.identities[&self.world.victim]);
        let opening =
            Signer::start(self.order.clone(), SessionId::new([6; 16]), identity, burnt, &Bans::default())?;
        let machine = opening.into_parts().0;
        Ok(Awaiting::of(machine, Hash::from_bytes([7; 32]), 0, self.approvals.clone()))
    }
}

fn random(rng: &mut ChaCha20Rng) -> [Scalar; 3] {
    [Secp256k1::random(rng), Secp256k1::random(rng), Secp256k1::random(rng)]
}

/// Shares of one, and random ones.
pub fn small_shares(bench: &mut Bench) -> Result<()> {
    const CASE: &str = "sign/shares-one";
    if !bench.wants(CASE) {
        return Ok(());
    }
    let ready = Ready::new()?;
    let prepare = |class: Class, rng: &mut _| ready.signer(&class.of([Scalar::ONE; 3], random(rng)));
    bench.case(CASE, Expected::NoLeak, prepare, Awaiting::receive).map(drop)
}

/// The negative control: both classes random.
pub fn same_distribution(bench: &mut Bench) -> Result<()> {
    const CASE: &str = "control/same-distribution";
    if !bench.wants(CASE) {
        return Ok(());
    }
    let ready = Ready::new()?;
    let prepare = |class: Class, rng: &mut _| ready.signer(&class.of(random(rng), random(rng)));
    bench.case(CASE, Expected::NoLeak, prepare, Awaiting::receive).map(drop)
}
