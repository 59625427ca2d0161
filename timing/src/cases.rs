//! Pair setup and presigning: Δ and β.

use std::sync::Arc;

use anyhow::{Context, Result};
use keymoot_protocol::curve::{Curve, Secp256k1};
use keymoot_protocol::transcript::oblivious::{Growth, PairSeed, SetupHedge, SetupSeed};
use keymoot_protocol::transcript::presignature::PresignSeed;
use keymoot_protocol::transcript::{ContextId, Hash, Transcript};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{CryptoRng, Error, RngCore, SeedableRng};

use crate::measure::{Bench, Class, Expected};
use crate::world::{Awaiting, Table, World};

/// The extension's check, all selections by Δ, and the replies made with it: a presigner that takes round 2.
pub fn delta(bench: &mut Bench, case: &str, fixed: u128) -> Result<()> {
    if !bench.wants(case) {
        return Ok(());
    }
    let world = World::new()?;
    let prepare = |class: Class, rng: &mut ChaCha20Rng| {
        let random = u128::from(rng.next_u64()) << 64 | u128::from(rng.next_u64());
        let setup = Arc::new(world.with_delta(class.of(fixed, random))?);
        let victim = world.presigner(world.victim, setup, rng)?;
        let peer = world.presigner(world.peer, Arc::clone(&world.setups[&world.peer]), rng)?;
        Table::new(vec![victim, peer], rng)?.until(2)
    };
    bench.case(case, Expected::NoLeak, prepare, Awaiting::receive).map(drop)
}

/// Selection by β, the product's check and the ties to points: a presigner that takes a round of replies.
///
/// Everything a presigner draws grows from 32 bytes; the fixed ones are those of many that draw the β of least weight.
pub fn choices(bench: &mut Bench) -> Result<()> {
    const CASE: &str = "presign/choices-few";
    if !bench.wants(CASE) {
        return Ok(());
    }
    let world = World::new()?;
    let mut search = ChaCha20Rng::seed_from_u64(4);
    let seeds = (0..1 << 16).map(|_| {
        let mut seed = [0; 32];
        search.fill_bytes(&mut seed);
        seed
    });
    let weight = |seed: &[u8; 32]| choices_of(&world, seed).iter().map(|word| word.count_ones()).sum::<u32>();
    let fixed = seeds.min_by_key(weight).context("there are seeds")?;
    eprintln!("{CASE}: the fixed choices have weight {} of 448", weight(&fixed));
    let prepare = |class: Class, rng: &mut ChaCha20Rng| {
        let mut random = [0; 32];
        rng.fill_bytes(&mut random);
        let seed = class.of(fixed, random);
        let setup = |party| Arc::clone(&world.setups[&party]);
        let mut seeding = Seeding { rng: &mut *rng, seed: Some(seed) };
        let victim = world.presigner(world.victim, setup(world.victim), &mut seeding)?;
        let peer = world.presigner(world.peer, setup(world.peer), rng)?;
        Table::new(vec![victim, peer], rng)?.until(4)
    };
    bench.case(CASE, Expected::NoLeak, prepare, Awaiting::receive).map(drop)
}

/// The choices that the victim draws for a batch of one from 32 bytes: ahead of them one nonce, one mask, one entropy and
/// the blind, 192 bytes together; then two 64-bit integers for each word, of which four are for transfers.
fn choices_of(world: &World, random: &[u8; 32]) -> [u128; 4] {
    let share = Secp256k1::encode_scalar(world.shares[&world.victim].expose());
    let setup = world.setups[&world.victim].name();
    let seed = PresignSeed { setup, number: 1, random, share: &share }.digest();
    let mut growth = Growth::new(seed.as_bytes(), "presign/draws");
    growth.fill(&mut [0; 192]);
    let words = [(); 4].map(|()| word(&mut growth));
    // The last word's upper half belongs to no transfer: 448 is three words and a half.
    [words[0], words[1], words[2], words[3] & u128::from(u64::MAX)]
}

/// Two 64-bit integers, the high one first.
fn word(growth: &mut Growth) -> u128 {
    let [mut high, mut low] = [[0; 8]; 2];
    growth.fill(&mut high);
    growth.fill(&mut low);
    u128::from(u64::from_le_bytes(high)) << 64 | u128::from(u64::from_le_bytes(low))
}

/// Randomness whose first request is this, from which everything grows.
pub struct Seeding<'a> {
    pub rng: &'a mut ChaCha20Rng,
    pub seed: Option<[u8; 32]>,
}

impl RngCore for Seeding<'_> {
    fn next_u32(&mut self) -> u32 {
        self.rng.next_u32()
    }
    fn next_u64(&mut self) -> u64 {
        self.rng.next_u64()
    }
    fn fill_bytes(&mut self, bytes: &mut [u8]) {
        self.rng.fill_bytes(bytes);
        if let Some(seed) = self.seed.take() {
            bytes.copy_from_slice(&seed);
        }
    }
    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Error> {
        self.fill_bytes(bytes);
        Ok(())
    }
}

impl CryptoRng for Seeding<'_> {}

/// The name of the setups that are measured, which Δ depends on.
const NAME: Hash = Hash::from_bytes([6; 32]);

/// What the victim's identity adds to the randomness of a setup.
struct Hedge {
    context: Hash,
    signature: [u8; 64],
}

impl Hedge {
    fn of(world: &World) -> Self {
        let context = ContextId(&world.setup_context()).digest();
        let signature = world.identities[&world.victim].sign(&SetupHedge { context }.digest()).0;
        Self { context, signature }
    }

    /// Δ that the victim draws from 32 bytes: ahead of its seed are a half and a blind.
    fn delta_of(&self, world: &World, random: &[u8; 32]) -> u128 {
        let seed = SetupSeed { context: self.context, random, hedge: &self.signature }.digest();
        let (mut draws, mut seed_of_pair) = (Growth::new(seed.as_bytes(), "setup/draws"), [0; 32]);
        draws.fill(&mut [0; 64]);
        draws.fill(&mut seed_of_pair);
        let (party, peer) = (world.victim, world.peer);
        let seed = PairSeed { ssid: NAME, party, peer, seed: &seed_of_pair }.digest();
        word(&mut Growth::new(seed.as_bytes(), "setup/replies"))
    }
}

/// The reply to an offer of base OTs, of which all grows from 32 bytes, in round 1; the trees that are rebuilt beside
/// the path that Δ is, in round 3.
///
/// The fixed bytes are those of many that draw the Δ of least weight.
pub fn setup(bench: &mut Bench, case: &str, round: u8) -> Result<()> {
    if !bench.wants(case) {
        return Ok(());
    }
    let world = World::new()?;
    let mut search = ChaCha20Rng::seed_from_u64(2);
    let seeds = (0..1 << 18).map(|_| {
        let mut seed = [0; 32];
        search.fill_bytes(&mut seed);
        seed
    });
    let hedge = Hedge::of(&world);
    let weight = |seed: &[u8; 32]| hedge.delta_of(&world, seed).count_ones();
    let fixed = seeds.min_by_key(weight).context("there are seeds")?;
    eprintln!("{case}: the fixed choices have weight {}", weight(&fixed));
    let prepare = |class: Class, rng: &mut ChaCha20Rng| {
        let mut random = [0; 32];
        rng.fill_bytes(&mut random);
        let seed = class.of(fixed, random);
        let victim = world.setup(world.victim, &mut Seeding { rng: &mut *rng, seed: Some(seed) })?;
        let peer = world.setup(world.peer, rng)?;
        Table::named(NAME, vec![(world.victim, victim), (world.peer, peer)])?.until(round)
    };
    bench.case(case, Expected::NoLeak, prepare, Awaiting::receive).map(drop)
}

#[cfg(test)]
mod tests {
    use super::{Hedge, NAME, Seeding, choices_of};
    use crate::world::{Table, World};
    use keymoot_protocol::codec::Reader;
    use keymoot_protocol::codec::Wire;
    use keymoot_protocol::context::Committee;
    use keymoot_protocol::dkls23::presign::Extension;
    use keymoot_protocol::transcript::Hash;
    use keymoot_protocol::transcript::oblivious::{Domain, Stream};
    use rand_chacha::ChaCha20Rng;
    use rand_chacha::rand_core::{RngCore, SeedableRng};
    use std::sync::Arc;

    #[test]
    fn the_seed_is_the_one_that_delta_is_drawn_from() {
        let (world, mut rng) = (World::new().unwrap(), ChaCha20Rng::seed_from_u64(3));
        let seed = [9; 32];
        let victim = world.setup(world.victim, &mut Seeding { rng: &mut rng, seed: Some(seed) }).unwrap();
        let peer = world.setup(world.peer, &mut rng).unwrap();
        let done = Table::named(NAME, vec![(world.victim, victim), (world.peer, peer)]).unwrap();
        let done = done.finish().unwrap();
        let sealed = done[0].1.seal();
        let mut reader = Reader::new(&sealed);
        let _committee = Committee::read(&mut reader).unwrap();
        let _whose = (reader.party().unwrap(), Hash::read(&mut reader).unwrap());
        let delta = reader.list(1, |reader| {
            reader.party()?;
            let (_, delta) = (reader.bytes(32)?, reader.fixed()?);
            let _ = (reader.bytes(1 << 20)?, reader.bytes(1 << 20)?);
            Ok(u128::from_le_bytes(delta))
        });
        assert_eq!(delta.unwrap(), [Hedge::of(&world).delta_of(&world, &seed)]);
    }

    #[test]
    fn the_choices_are_those_that_grow_from_the_seed() {
        let (world, mut rng) = (World::new().unwrap(), ChaCha20Rng::seed_from_u64(5));
        let seed = [7; 32];
        let mut seeding = Seeding { rng: &mut rng, seed: Some(seed) };
        let setup = Arc::clone(&world.setups[&world.victim]);
        let victim = world.presigner(world.victim, setup, &mut seeding).unwrap();
        let theirs = Arc::clone(&world.setups[&world.peer]);
        let peer = world.presigner(world.peer, theirs, &mut rng).unwrap();
        // What the peer is about to take in round 2 is the victim's extension.
        let table = Table::new(vec![peer, victim], &mut rng).unwrap().until(2).unwrap();
        let (ssid, body) = (table.session(), table.body_of(world.victim).unwrap());
        let extension = Extension::decode(body).unwrap();
        // The victim's first tree in this session, summed over its leaves.
        let sealed = world.setups[&world.victim].seal();
        let forest = &sealed[sealed.len() - 512 * 32..];
        let (sender, receiver) = (Some(world.peer), Some(world.victim));
        let domain = Domain { purpose: "extension/stream", ssid, sender, receiver }.seeded();
        let mut sum = [0u128; 4];
        for leaf in forest.chunks(32).take(16) {
            let mut words = [0; 4];
            Stream::new(&domain.branch(0, leaf.try_into().unwrap())).fill(0, &mut words);
            sum.iter_mut().zip(words).for_each(|(sum, word)| *sum ^= word);
        }
        let mut choices: Vec<u128> =
            sum.iter().zip(&extension.corrections).map(|(sum, one)| sum ^ one).collect();
        choices[3] &= u128::from(u64::MAX);
        assert_eq!(choices, choices_of(&world, &seed));
    }

    #[test]
    fn presigning_works_with_any_delta() {
        let (world, mut rng) = (World::new().unwrap(), ChaCha20Rng::seed_from_u64(4));
        for delta in [0, 1 << 77, u128::MAX, u128::from(rng.next_u64()) << 31] {
            let setup = Arc::new(world.with_delta(delta).unwrap());
            let victim = world.presigner(world.victim, setup, &mut rng).unwrap();
            let theirs = Arc::clone(&world.setups[&world.peer]);
            let peer = world.presigner(world.peer, theirs, &mut rng).unwrap();
            let done = Table::new(vec![victim, peer], &mut rng).unwrap().finish().unwrap();
            assert!(done.iter().all(|(_, presigned)| presigned.presignatures.len() == 1));
        }
    }
}
