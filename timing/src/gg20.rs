//! GG20: the shares of a presignature, everything that is drawn for one, products with the key share, decryption.
//!
//! The peer's words are those of one run, so that only the victim's work is done again for each measurement.

use std::sync::Arc;

use anyhow::{Context as _, Result, anyhow};
use k256::{ProjectivePoint, Scalar};
use keymoot_protocol::codec::Wire;
use keymoot_protocol::context::Context;
use keymoot_protocol::curve::{Curve, Secp256k1};
use keymoot_protocol::dkls23::sign::Approval;
use keymoot_protocol::dkls23::{Bans, Payload, PayloadHash, VerifyingKey};
use keymoot_protocol::gg20::{
    Auxiliary, Generation, Natural, Order, Presignature, Presigner, SafePrime, Signer, Suite, auxiliary,
};
use keymoot_protocol::key::{GroupKey, KeyShare};
use keymoot_protocol::machine::{Next, Opening};
use keymoot_protocol::transcript::oblivious::Growth;
use keymoot_protocol::transcript::paillier::{Hedge, Seed, SessionSeed};
use keymoot_protocol::transcript::{ContextId, Hash, Transcript};
use keymoot_types::{Epoch, KeyId, Party, Path, Scheme, Secret, SessionId};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{CryptoRng, RngCore, SeedableRng};

use crate::cases::Seeding;
use crate::measure::{Bench, Class, Expected};
use crate::world::{Awaiting, Table, World};

/// The name of the batch that is measured, which everything drawn depends on.
const NAME: Hash = Hash::from_bytes([8; 32]);

/// What the victim draws from where nothing else is said.
const USUAL: [u8; 32] = [9; 32];

/// Bytes of a field of a sealed presignature, and of its head.
const FIELD: usize = HEAD + 32;
const HEAD: usize = 9;

/// Keys of the victim among which the random class draws.
const KEYS: usize = 4;

/// The full parameters; a build for tests may have smaller ones.
fn suite() -> Suite {
    Suite::ALL.last().copied().unwrap_or(Suite::Full)
}

/// Safe primes of the test vectors.
fn primes(places: [usize; 4]) -> Result<[SafePrime; 4]> {
    let text = include_str!("../../crates/protocol/vectors/gg20_primes.json");
    let all: serde_json::Value = serde_json::from_str(text)?;
    let list = if suite() == Suite::Full { "full" } else { "small" };
    let mut rng = ChaCha20Rng::seed_from_u64(6);
    let mut one = |at: usize| -> Result<SafePrime> {
        let text = all[list][at].as_str().context("there are primes enough")?;
        let byte = |at: usize| u8::from_str_radix(&text[2 * at..2 * at + 2], 16);
        let bytes = (0..text.len() / 2).map(byte).collect::<Result<Vec<_>, _>>()?;
        SafePrime::unseal(&Natural::from_be(&bytes).encode(), suite(), &mut rng)
            .map_err(|error| anyhow!(error))
    };
    let [p, q, r, s] = places;
    Ok([one(p)?, one(q)?, one(r)?, one(s)?])
}

/// What somebody hears in each round of a batch.
type Heard = Vec<Vec<(Party, Vec<u8>)>>;

/// Two nodes with moduli, of which the victim's key is the one of this number; the rest is the same for all numbers.
struct Scene {
    world: World,
    victim: Arc<Auxiliary>,
    peer: Arc<Auxiliary>,
}

impl Scene {
    fn new(key: usize) -> Result<Self> {
        let (world, mut rng) = (World::new()?, ChaCha20Rng::seed_from_u64(7));
        let context =
            auxiliary::context(Arc::clone(&world.committee), suite(), None, SessionId::new([4; 16]));
        let context = Arc::new(context);
        let mut openings = Vec::new();
        for (party, places) in [(world.victim, [6 + 2 * key, 7 + 2 * key, 4, 5]), (world.peer, [0, 1, 2, 3])]
        {
            let identity = Arc::clone(&world.identities[&party]);
            let (context, primes) = (Arc::clone(&context), primes(places)?);
            let opening = Generation::start(context, party, identity, primes, None, &mut rng)?;
            openings.push((party, opening));
        }
        let mut moduli =
            Table::named(NAME, openings)?.finish()?.into_iter().map(|(_, moduli)| Arc::new(moduli));
        let (victim, peer) = (moduli.next().context("the victim's")?, moduli.next().context("the peer's")?);
        Ok(Self { world, victim, peer })
    }

    /// A party's share of the key of which these are both shares.
    fn share(&self, party: Party, shares: [Scalar; 2]) -> Result<Arc<KeyShare<Secp256k1>>> {
        let points = shares.map(|share| ProjectivePoint::GENERATOR * share);
        // The line through both, at 0.
        let public = points[0] + points[0] - points[1];
        let mut group = GroupKey {
            scheme: Scheme::Gg20,
            committee: Arc::clone(&self.world.committee),
            key: KeyId::new([2; 16]),
            epoch: Epoch::FIRST,
            public,
            shares: points.to_vec(),
            chain_code: [3; 32],
            merkle_root: None,
            output_key: *Secp256k1::encode_point(&public).last_chunk().context("a point has an x")?,
            session: NAME,
            view: NAME,
            certificate: Vec::new(),
        };
        let digest = group.digest();
        group.certificate = self.world.identities.values().map(|identity| identity.sign(&digest)).collect();
        let secret = shares[usize::from(party == self.world.peer)];
        Ok(Arc::new(KeyShare::new(party, Secret::new(secret), Arc::new(group), &digest)?))
    }

    fn presigner(
        &self,
        party: Party,
        shares: [Scalar; 2],
        rng: &mut (impl RngCore + CryptoRng),
    ) -> Result<Opening<Presigner>> {
        let moduli = if party == self.world.victim { &self.victim } else { &self.peer };
        let (share, identity) = (self.share(party, shares)?, Arc::clone(&self.world.identities[&party]));
        let (signers, session) = ([self.world.victim, self.world.peer], (SessionId::new([5; 16]), 1));
        let bans = Bans::default();
        Ok(Presigner::start(share, Arc::clone(moduli), &signers, session, identity, &bans, rng)?)
    }

    /// The victim, which draws from these bytes.
    fn victim(
        &self,
        shares: [Scalar; 2],
        seed: [u8; 32],
        rng: &mut ChaCha20Rng,
    ) -> Result<Opening<Presigner>> {
        self.presigner(self.world.victim, shares, &mut Seeding { rng, seed: Some(seed) })
    }

    /// Both at a table, always the same.
    fn table(&self) -> Result<Table<Presigner>> {
        let mut rng = ChaCha20Rng::seed_from_u64(8);
        let victim = self.victim(usual_shares(), USUAL, &mut rng)?;
        let peer = self.presigner(self.world.peer, usual_shares(), &mut rng)?;
        Table::named(NAME, vec![(self.world.victim, victim), (self.world.peer, peer)])
    }

    /// What the peer says to the victim in each of the first rounds of that table.
    fn heard(&self, rounds: u8) -> Result<Heard> {
        let mut table = self.table()?;
        let (mut heard, victim) = (Vec::new(), self.world.victim);
        for number in 0..rounds {
            let mut bodies = table.bodies(victim);
            bodies.retain(|(from, _)| *from != victim);
            heard.push(bodies);
            if number + 1 < rounds {
                table.turn()?;
            }
        }
        Ok(heard)
    }

    /// The victim when it is about to take the last round of what it hears.
    fn alone(&self, opening: Opening<Presigner>, heard: &Heard) -> Result<Awaiting<Presigner>> {
        let (mut machine, hello) = opening.into_parts();
        let mut own = vec![(0, hello.context("a signer says a first word")?.to_vec())];
        for (number, bodies) in (0..).zip(heard) {
            let mut bodies = bodies.clone();
            let ours = own.iter().filter(|(round, _)| *round == number);
            bodies.extend(ours.map(|(_, body)| (self.world.victim, body.clone())));
            let awaiting = Awaiting::of(machine, NAME, number, bodies);
            if usize::from(number) + 1 == heard.len() {
                return Ok(awaiting);
            }
            let step = awaiting.receive()?;
            own.extend(
                step.outbox
                    .into_iter()
                    .filter(|one| one.to.is_none())
                    .map(|one| (one.round, one.body.to_vec())),
            );
            let Next::Wait(next) = step.next else { break };
            machine = next;
        }
        Err(anyhow!("the run is over"))
    }
}

fn usual_shares() -> [Scalar; 2] {
    [Scalar::from(0x1234_5678_u64).invert().unwrap_or(Scalar::ONE), Scalar::from(77_u64)]
}

/// All that a signer draws and proves for its offers: k and γ, roots, exponents of commitments. The fixed bytes are those
/// of many that draw the k and γ of least weight.
pub fn offers(bench: &mut Bench) -> Result<()> {
    const CASE: &str = "gg20/offers-few";
    if !bench.wants(CASE) {
        return Ok(());
    }
    let scene = Scene::new(0)?;
    let (heard, shares) = (scene.heard(1)?, usual_shares());
    let mut search = ChaCha20Rng::seed_from_u64(9);
    let seeds = (0..1 << 16).map(|_| {
        let mut seed = [0; 32];
        search.fill_bytes(&mut seed);
        seed
    });
    let context = Arc::clone(scene.victim(shares, USUAL, &mut ChaCha20Rng::seed_from_u64(1))?.context());
    let drawing = Drawing::of(&scene, &context);
    let weight = |seed: &[u8; 32]| {
        let bytes = drawing.scalars(seed).map(|scalar| Secp256k1::encode_scalar(&scalar));
        bytes.as_flattened().iter().map(|byte| byte.count_ones()).sum::<u32>()
    };
    let fixed = seeds.min_by_key(weight).context("there are seeds")?;
    eprintln!("{CASE}: the fixed k and γ have weight {} of 512", weight(&fixed));
    let prepare = |class: Class, rng: &mut ChaCha20Rng| {
        let mut random = [0; 32];
        rng.fill_bytes(&mut random);
        let victim = scene.victim(shares, class.of(fixed, random), rng)?;
        scene.alone(victim, &heard)
    };
    bench.case(CASE, Expected::NoLeak, prepare, Awaiting::receive).map(drop)
}

/// What the victim draws from 32 bytes in the batch of that name.
struct Drawing {
    context: Hash,
    hedge: [u8; 64],
    party: Party,
}

impl Drawing {
    fn of(scene: &Scene, context: &Context) -> Self {
        let (party, context) = (scene.world.victim, ContextId(context).digest());
        let hedge = scene.world.identities[&party].sign(&Hedge { context }.digest()).0;
        Self { context, hedge, party }
    }

    /// k and γ; ahead of them is the entropy.
    fn scalars(&self, random: &[u8; 32]) -> [Scalar; 2] {
        let seed = Seed { context: self.context, random, hedge: &self.hedge }.digest();
        let seed = SessionSeed { ssid: NAME, party: self.party, seed: seed.as_bytes() }.digest();
        let mut growth = Growth::new(seed.as_bytes(), "gg20/presign/offers");
        growth.fill(&mut [0; 32]);
        [(); 2].map(|()| {
            let mut wide = [0; 64];
            growth.fill(&mut wide);
            Secp256k1::reduce_wide(&wide)
        })
    }
}

/// The product with the key share, and its proof: a share of 1, and random ones.
pub fn products(bench: &mut Bench) -> Result<()> {
    const CASE: &str = "gg20/products-share-one";
    if !bench.wants(CASE) {
        return Ok(());
    }
    let scene = Scene::new(0)?;
    let heard = scene.heard(3)?;
    let prepare = |class: Class, rng: &mut ChaCha20Rng| {
        let share = class.of(Scalar::ONE, Secp256k1::random(rng));
        let victim = scene.victim([share, usual_shares()[1]], USUAL, rng)?;
        scene.alone(victim, &heard)
    };
    bench.case(CASE, Expected::NoLeak, prepare, Awaiting::receive).map(drop)
}

/// Decryption of two products, and the sums with them: with the primes of one key, and of one of several others.
pub fn decryption(bench: &mut Bench) -> Result<()> {
    const CASE: &str = "gg20/decrypt-primes";
    if !bench.wants(CASE) {
        return Ok(());
    }
    let ready = |key| -> Result<_> {
        let scene = Scene::new(key)?;
        let heard = scene.heard(5)?;
        Ok((scene, heard))
    };
    let all = (0..=KEYS).map(ready).collect::<Result<Vec<_>>>()?;
    let prepare = |class: Class, rng: &mut ChaCha20Rng| {
        let random = 1 + rng.next_u32() as usize % KEYS;
        let (scene, heard) = &all[class.of(0, random)];
        scene.alone(scene.victim(usual_shares(), USUAL, rng)?, heard)
    };
    bench.case(CASE, Expected::NoLeak, prepare, Awaiting::receive).map(drop)
}

/// A signer's share of a signature from shares of one, and random ones.
pub fn signing(bench: &mut Bench) -> Result<()> {
    const CASE: &str = "gg20/sign-shares-one";
    if !bench.wants(CASE) {
        return Ok(());
    }
    let ready = Ready::new()?;
    let random = |rng: &mut _| [Secp256k1::random(rng), Secp256k1::random(rng)];
    let prepare = |class: Class, rng: &mut _| ready.signer(&class.of([Scalar::ONE; 2], random(rng)));
    bench.case(CASE, Expected::NoLeak, prepare, Awaiting::receive).map(drop)
}

/// A presignature, its order, and everybody's approvals, which are the same in all measurements.
struct Ready {
    world: World,
    sealed: Vec<u8>,
    order: Order,
    approvals: Vec<(Party, Vec<u8>)>,
}

impl Ready {
    fn new() -> Result<Self> {
        let scene = Scene::new(0)?;
        let (mut approvals, mut first) = (Vec::new(), None);
        for (party, mut presignatures) in scene.table()?.finish()? {
            let sealed = presignatures.remove(0).seal().to_vec();
            let entropy = sealed.last_chunk::<32>().context("the entropy comes last")?;
            approvals.push((party, Approval { entropy: *entropy }.encode().to_vec()));
            first.get_or_insert(sealed);
        }
        let sealed = first.context("there are signers")?;
        let group = Arc::clone(scene.share(scene.world.victim, usual_shares())?.group());
        let key = VerifyingKey::new(group, &scene.world.committee, "m/0/7".parse::<Path>()?)?;
        let payload = Arc::new(Payload::new(PayloadHash::Sha256, b"timing".to_vec()));
        let public = Presignature::unseal(&sealed)?.public().clone();
        let order = Order::new(Arc::new(key), payload, Arc::new(public))?;
        Ok(Self { world: scene.world, sealed, order, approvals })
    }

    /// A signer that is about to make its share of these k and χ.
    fn signer(&self, scalars: &[Scalar; 2]) -> Result<Awaiting<Signer>> {
        let mut sealed = self.sealed.clone();
        let start = sealed.len() - 3 * FIELD;
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

#[cfg(test)]
mod tests {
    use super::{Drawing, FIELD, HEAD, Scene, USUAL, usual_shares};
    use k256::Scalar;
    use keymoot_protocol::curve::{Curve, Secp256k1};
    use rand_chacha::ChaCha20Rng;
    use rand_chacha::rand_core::SeedableRng;
    use std::sync::Arc;

    #[test]
    fn the_seed_is_the_one_that_the_share_of_k_is_drawn_from() {
        let scene = Scene::new(0).unwrap();
        let opening = scene.victim(usual_shares(), USUAL, &mut ChaCha20Rng::seed_from_u64(1)).unwrap();
        let [k, _] = Drawing::of(&scene, &Arc::clone(opening.context())).scalars(&USUAL);
        let done = scene.table().unwrap().finish().unwrap();
        let sealed = done[0].1[0].seal();
        let field = &sealed[sealed.len() - 3 * FIELD..][..FIELD];
        assert_eq!(field[HEAD..], Secp256k1::encode_scalar(&k));
    }

    #[test]
    fn the_victim_alone_goes_through_all_measured_rounds() {
        let (scene, mut rng) = (Scene::new(1).unwrap(), ChaCha20Rng::seed_from_u64(2));
        for (rounds, share) in [(1, usual_shares()[0]), (3, Scalar::ONE), (5, usual_shares()[0])] {
            let victim = scene.victim([share, usual_shares()[1]], USUAL, &mut rng).unwrap();
            let awaiting = scene.alone(victim, &scene.heard(rounds).unwrap()).unwrap();
            assert!(awaiting.receive().is_ok(), "{rounds} rounds");
        }
    }
}
