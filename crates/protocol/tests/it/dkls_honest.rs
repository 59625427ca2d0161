//! Honest runs of DKLs23: every quorum signs, at every path, with presignatures of every batch size.

use keymoot_types::Path;
use rand_chacha::rand_core::RngCore;

use crate::dkls::{payload, take_first, verifies_elsewhere, verifying_key};
use crate::honest::subsets;
use crate::parties::{World, party};

#[test]
fn every_quorum_signs_at_every_path() {
    for (needed, total, sizes) in [(2, 3, vec![1, 2, 33]), (3, 5, vec![2]), (5, 5, vec![1])] {
        let mut world = World::new(needed, total, 7);
        let mut members = world.ecdsa_members();
        let key = |path: &str| verifying_key(&members[&party(1)], &path.parse::<Path>().unwrap());
        let keys = [key("m"), key("m/0/7"), key("m/2147483647/1/2/3")];
        for signers in subsets(&mut world, usize::from(needed), 20) {
            for size in &sizes {
                let mut done = world.presign(&mut members, &signers, *size);
                for turn in 0..usize::from(*size).min(6) {
                    let presignatures = take_first(&mut done);
                    let (key, payload) = (&keys[turn % 3], payload(&[turn as u8]));
                    let signature = world.ecdsa_sign(key, &payload, presignatures);
                    assert!(verifies_elsewhere(key, &payload, &signature));
                    assert!(!verifies_elsewhere(&keys[(turn + 1) % 3], &payload, &signature));
                    assert_eq!(signature.recover(payload.digest().as_bytes()), Some(*key.public()));
                }
            }
        }
    }
}

/// How many signatures, when the environment does not say.
const SIGNATURES: usize = 2_000;

#[test]
fn signatures_of_random_keys_signers_paths_and_batches_verify() {
    let wanted = std::env::var("KEYMOOT_SIGNATURES").ok().map(|count| count.parse().expect("a number"));
    let wanted: usize = wanted.unwrap_or(SIGNATURES);
    let (mut done, mut keys, mut batches) = (0, 0, 0);
    for seed in 0.. {
        if done >= wanted {
            break;
        }
        let mut world = World::new([2, 2, 3, 2][seed % 4], [3, 2, 5, 4][seed % 4], 9_000 + seed as u64);
        let mut members = world.ecdsa_members();
        keys += 1;
        let needed = usize::from(world.committee.threshold().needed());
        for signers in subsets(&mut world, needed, 3) {
            let steps = (0..world.rng.next_u32() % 4).map(|_| world.rng.next_u32() >> 1).collect();
            let key = verifying_key(&members[&party(1)], &Path::new(steps).unwrap());
            let size = 1 + (world.rng.next_u32() % 150) as u16;
            let mut presigned = world.presign(&mut members, &signers, size);
            batches += 1;
            for turn in 0..size {
                let (parts, payload) = (take_first(&mut presigned), payload(&[seed as u8, turn as u8]));
                let signature = world.ecdsa_sign(&key, &payload, parts);
                assert!(verifies_elsewhere(&key, &payload, &signature), "seed {seed}, {signers:?}, {turn}");
                done += 1;
            }
        }
    }
    println!("count: {done} signatures of {keys} keys from {batches} batches verify under libsecp256k1");
}
