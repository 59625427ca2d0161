//! Honest runs: every subset of t signs, no subset of t−1 can even start, in any order of delivery.

use std::collections::BTreeSet;
use std::sync::Arc;

use keymoot_protocol::curve::{Ed25519, Secp256k1};
use keymoot_protocol::frost::{Aggregator, NoncePool, Order as SignOrder, Refused, Signer};
use keymoot_protocol::session::{Advance, Session};
use keymoot_types::{Party, Path, QuorumError, SessionId};
use rand_chacha::rand_core::RngCore;

use crate::net::{Node, Order, Seated, honest};
use crate::parties::{Checked, DEADLINE, World, group, run_all, signing_keys};

/// All subsets of size `take`, or `most` random ones if there are more.
pub fn subsets(world: &mut World, take: usize, most: usize) -> Vec<Vec<Party>> {
    let all: Vec<Party> = world.committee.threshold().parties().collect();
    let mut found = BTreeSet::new();
    let total = (0..take).fold(1u128, |product, k| product * (all.len() - k) as u128 / (k as u128 + 1));
    let wanted = (most as u128).min(total) as usize;
    while found.len() < wanted {
        let mut pool = all.clone();
        while pool.len() > take {
            let index = world.rng.next_u32() as usize % pool.len();
            pool.remove(index);
        }
        found.insert(pool);
    }
    found.into_iter().collect()
}

fn every_quorum_signs<S: Checked>(needed: u16, total: u16, seed: u64) {
    let mut world = World::new(needed, total, seed);
    let shares = world.generate::<S>();
    let key = group(&shares);
    key.verify(&world.committee).expect("the certificate holds");
    let keys = signing_keys(&shares, &Path::root());
    let public = keys[0].public();
    for signers in subsets(&mut world, usize::from(needed), 200) {
        let order = SignOrder::new(Arc::clone(public), signers, S::MESSAGE.to_vec()).unwrap();
        let mut signing = world.signing(&order, &keys);
        signing.run(Order::First, honest);
        let signature = signing.aggregator.output.expect("an honest signing succeeds");
        assert!(S::verifies(&key.output_key, S::MESSAGE, &signature));
        assert!(signing.signers.values().all(Node::is_done));
    }
    for too_few in subsets(&mut world, usize::from(needed) - 1, 200) {
        let refused = SignOrder::new(Arc::clone(public), too_few, S::MESSAGE.to_vec()).err();
        let why = QuorumError::NotEnough { needed, got: usize::from(needed) - 1 };
        assert_eq!(refused, Some(Refused::Quorum(why)), "t−1 signers cannot even start");
    }
}

#[test]
fn every_quorum_signs_2_of_3() {
    every_quorum_signs::<Ed25519>(2, 3, 1);
    every_quorum_signs::<Secp256k1>(2, 3, 2);
}

#[test]
fn every_quorum_signs_3_of_5() {
    every_quorum_signs::<Ed25519>(3, 5, 3);
    every_quorum_signs::<Secp256k1>(3, 5, 4);
}

#[test]
fn two_hundred_quorums_sign_7_of_12_ed25519() {
    every_quorum_signs::<Ed25519>(7, 12, 5);
}

#[test]
fn two_hundred_quorums_sign_7_of_12_taproot() {
    every_quorum_signs::<Secp256k1>(7, 12, 6);
}

#[test]
fn everybody_signs_32_of_32() {
    every_quorum_signs::<Ed25519>(32, 32, 7);
    every_quorum_signs::<Secp256k1>(32, 32, 8);
}

#[test]
fn more_signers_than_needed_sign_too() {
    let mut world = World::new(2, 4, 9);
    let shares = world.generate::<Secp256k1>();
    let keys = signing_keys(&shares, &Path::root());
    let everybody = world.committee.threshold().parties().collect();
    let order = SignOrder::new(Arc::clone(keys[0].public()), everybody, vec![1; 32]).unwrap();
    let mut signing = world.signing(&order, &keys);
    signing.run(Order::First, honest);
    assert!(Secp256k1::verifies(
        keys[0].public().output_key(),
        &[1; 32],
        &signing.aggregator.output.unwrap()
    ));
}

#[test]
fn t03_any_order_of_delivery_gives_the_same_key() {
    let reference = group(&World::new(2, 3, 10).generate::<Secp256k1>()).public;
    for shuffle in 0..40 {
        let mut world = World::new(2, 3, 10);
        let context = world.dkg_context::<Secp256k1>();
        let mut seats = world.dkg::<Secp256k1>(&context);
        run_all(&mut seats, Order::Random(&mut crate::parties::rng(shuffle)), honest);
        for seat in seats.values() {
            assert!(seat.refusals.is_empty(), "reordering alone makes nobody refuse anything");
            assert_eq!(seat.output.as_ref().expect("order does not matter").group().public, reference);
        }
    }
}

#[test]
fn a_run_replays_bit_for_bit_from_its_seed() {
    let keys = |seed| group(&World::new(3, 4, seed).generate::<Ed25519>());
    assert_eq!(keys(11), keys(11));
    assert_ne!(keys(11), keys(12));
}

#[test]
fn prepared_commitments_sign_in_one_message() {
    let mut world = World::new(2, 3, 13);
    let shares = world.generate::<Ed25519>();
    let keys = signing_keys(&shares, &Path::root());
    let mut pools: Vec<NoncePool<Ed25519>> = vec![NoncePool::default(), NoncePool::default()];
    let published: Vec<_> =
        pools.iter_mut().zip(&keys).map(|(pool, key)| pool.refill(key, 3, &mut world.rng)).collect();
    for turn in 0..3 {
        let list: Vec<_> = keys.iter().zip(&published).map(|(key, all)| (key.party(), all[turn].1)).collect();
        let signers = list.iter().map(|(party, _)| *party).collect();
        let order = SignOrder::new(Arc::clone(keys[0].public()), signers, vec![turn as u8]).unwrap();
        let session = SessionId::new([turn as u8; 16]);
        let aggregator = Aggregator::prepared(order.clone(), session, &list).unwrap();
        let mut aggregator = Seated::new(None, Session::open(aggregator, DEADLINE));
        for (index, pool) in pools.iter_mut().enumerate() {
            let nonces = pool.burn(published[index][turn].0).expect("a fresh nonce");
            let identity = Arc::clone(&world.identities[&keys[index].party()]);
            let signer =
                Signer::prepared(Arc::clone(&keys[index]), order.clone(), session, identity, nonces, &list);
            let Advance::Done { outbox, .. } = Session::open(signer.unwrap(), DEADLINE) else {
                panic!("a prepared signer answers at once");
            };
            assert_eq!(outbox.len(), 1, "one message online");
            aggregator.deliver(&keymoot_protocol::codec::Wire::encode(&outbox[0]));
        }
        assert!(Ed25519::verifies(keys[0].public().output_key(), &[turn as u8], &aggregator.output.unwrap()));
    }
    assert_eq!(pools[0].left(), 0);
}
