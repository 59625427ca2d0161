//! Pair setup and presigning: Δ and β.

use std::sync::Arc;

use anyhow::{Context, Result};
use keymoot_protocol::curve::{Curve, Secp256k1};
use keymoot_protocol::transcript::Transcript;
use keymoot_protocol::transcript::oblivious::Growth;
use keymoot_protocol::transcript::presignature::PresignSeed;
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
        // The first request is the one that everything grows from.
        let mut seeding = Seeding { rng: &mut *rng, seed, requests: 2 };
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

/// Randomness whose third request is this; of a setup, that is the seed of the choices and of the reply.
struct Seeding<'a> {
    rng: &'a mut ChaCha20Rng,
    seed: [u8; 32],
    requests: usize,
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
        self.requests += 1;
        if self.requests == 3 {
            bytes.copy_from_slice(&self.seed);
        }
    }
    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Error> {
        self.fill_bytes(bytes);
        Ok(())
    }
}

impl CryptoRng for Seeding<'_> {}

/// Δ that a pair setup draws from a seed.
fn delta_of(seed: &[u8; 32]) -> u128 {
    word(&mut Growth::new(seed, "setup/replies"))
}

/// The reply to an offer of base OTs, of which all is drawn from one seed, in round 1; the trees that are rebuilt beside
/// the path that Δ is, in round 3.
///
/// The fixed seed is the one of many that draws the Δ of least weight.
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
    let fixed = seeds.min_by_key(|seed| delta_of(seed).count_ones()).context("there are seeds")?;
    eprintln!("{case}: the fixed choices have weight {}", delta_of(&fixed).count_ones());
    let prepare = |class: Class, rng: &mut ChaCha20Rng| {
        let mut random = [0; 32];
        rng.fill_bytes(&mut random);
        let seed = class.of(fixed, random);
        let victim = world.setup(world.victim, &mut Seeding { rng: &mut *rng, seed, requests: 0 })?;
        let peer = world.setup(world.peer, rng)?;
        Table::new(vec![(world.victim, victim), (world.peer, peer)], rng)?.until(round)
    };
    bench.case(case, Expected::NoLeak, prepare, Awaiting::receive).map(drop)
}

#[cfg(test)]
mod tests {
    use super::{Seeding, choices_of, delta_of};
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
        let victim = world.setup(world.victim, &mut Seeding { rng: &mut rng, seed, requests: 0 }).unwrap();
        let peer = world.setup(world.peer, &mut rng).unwrap();
        let done = Table::new(vec![(world.victim, victim), (world.peer, peer)], &mut rng).unwrap();
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
        assert_eq!(delta.unwrap(), [delta_of(&seed)]);
    }

    #[test]
    fn the_choices_are_those_that_grow_from_the_seed() {
        let (world, mut rng) = (World::new().unwrap(), ChaCha20Rng::seed_from_u64(5));
        let seed = [7; 32];
        let mut seeding = Seeding { rng: &mut rng, seed, requests: 2 };
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
