//! Honest runs of GG20: presignatures, and signatures that verify elsewhere.

use std::collections::BTreeSet;

use keymoot_protocol::dkls23::{Payload, PayloadHash};
use keymoot_protocol::gg20::Presignature;
use keymoot_types::Path;

use crate::dkls::{payload, verifies_elsewhere};
use crate::gg20::{order_for, take_first};
use crate::net::{Order, honest};
use crate::parties::{World, party, rng};

fn paths() -> [Path; 3] {
    ["m", "m/7", "m/44/0/3"].map(|text| text.parse().expect("a path"))
}

fn committee_signs(needed: u16, total: u16, quorums: &[&[u16]], seed: u64) {
    let mut world = World::new(needed, total, seed);
    let members = world.gg20_members();
    for quorum in quorums {
        let signers: Vec<_> = quorum.iter().map(|index| party(*index)).collect();
        let mut done = world.gg20_presign(&members, &signers, 3);
        for path in paths() {
            let presignatures = take_first(&mut done);
            let names: BTreeSet<_> = presignatures.values().map(Presignature::id).collect();
            assert_eq!(names.len(), 1, "all signers know it by one name");
            let payload = payload(format!("to be signed at {path}").as_bytes());
            let order = order_for(&members[&signers[0]], &path, &payload, &presignatures);
            let mut signing = world.gg20_signing(&order, presignatures);
            signing.run(Order::First, honest);
            let signature = signing.aggregator.output.expect("an honest signing succeeds");
            assert!(verifies_elsewhere(order.key(), &payload, &signature));
            assert_eq!(signature.recover(payload.digest().as_bytes()), Some(*order.key().public()));
        }
    }
}

#[test]
fn two_of_three_sign_with_every_quorum_and_derived_keys() {
    committee_signs(2, 3, &[&[1, 2], &[1, 3], &[2, 3]], 950);
}

#[test]
fn three_of_five_sign() {
    committee_signs(3, 5, &[&[1, 3, 5]], 951);
}

#[test]
fn t03_any_order_of_delivery_gives_a_signature() {
    let mut world = World::new(2, 3, 952);
    let members = world.gg20_members();
    let signers = [party(2), party(3)];
    for seed in 0..3 {
        let session = world.new_session();
        let mut seats = world.gg20_presign_seats(&members, &signers, (session, 1));
        crate::parties::run_all(&mut seats, Order::Random(&mut rng(seed)), honest);
        let mut done =
            seats.into_iter().map(|(party, seat)| (party, seat.output.expect("a batch"))).collect();
        let presignatures = take_first(&mut done);
        let payload = std::sync::Arc::new(Payload::new(PayloadHash::Sha256, vec![seed as u8]));
        let order = order_for(&members[&party(2)], &paths()[1], &payload, &presignatures);
        let mut signing = world.gg20_signing(&order, presignatures);
        signing.run(Order::Random(&mut rng(seed)), honest);
        assert!(verifies_elsewhere(order.key(), &payload, &signing.aggregator.output.expect("a signature")));
    }
}

#[test]
fn presignatures_survive_a_sealed_store_and_nothing_else_does() {
    let mut world = World::new(2, 3, 953);
    let members = world.gg20_members();
    let signers = [party(1), party(2)];
    let mut done = world.gg20_presign(&members, &signers, 1);
    let presignatures = take_first(&mut done);
    let sealed = presignatures[&party(1)].seal();
    let again = Presignature::unseal(&sealed).expect("what was sealed");
    assert_eq!(again.id(), presignatures[&party(1)].id());
    for at in 0..sealed.len() {
        assert!(Presignature::unseal(&sealed[..at]).is_err(), "cut off at {at}");
    }
}
