//! Honest runs of GG20: presignatures, and signatures that verify elsewhere.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use keymoot_protocol::any::{AnyMachine, AnyOutput};
use keymoot_protocol::dkls23::{Payload, PayloadHash};
use keymoot_protocol::gg20::{Auxiliary, Presignature, Table};
use keymoot_protocol::session::Session;
use keymoot_types::Path;

use crate::dkls::{payload, verifies_elsewhere};
use crate::gg20::{order_for, take_first};
use crate::net::{Order, Seated, honest};
use crate::parties::{DEADLINE, World, party, rng, run_all};

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
        run_all(&mut seats, Order::Random(&mut rng(seed)), honest);
        let mut done =
            seats.into_iter().map(|(party, seat)| (party, seat.output.expect("a batch"))).collect();
        let presignatures = take_first(&mut done);
        let payload = Arc::new(Payload::new(PayloadHash::Sha256, vec![seed as u8]));
        let order = order_for(&members[&party(2)], &paths()[1], &payload, &presignatures);
        let mut signing = world.gg20_signing(&order, presignatures);
        signing.run(Order::Random(&mut rng(seed)), honest);
        assert!(verifies_elsewhere(order.key(), &payload, &signing.aggregator.output.expect("a signature")));
    }
}

/// Party 1 hears nobody's signature on the table.
#[test]
fn primes_that_wait_for_the_certificate_open_beside_the_table_that_another_shows() {
    let mut world = World::new(2, 3, 954);
    let place = world.place(None);
    let mut seats: BTreeMap<_, _> = world
        .generation_openings(&place)
        .into_iter()
        .map(|(member, opening)| {
            let opening = opening.wrap(AnyMachine::GenerateModuli);
            (member, Seated::new(Some(member), Session::open(opening, DEADLINE)))
        })
        .collect();
    let mut early = 0;
    run_all(&mut seats, Order::First, |mail| {
        early += usize::from(mail.header().round < 4);
        let is_lost = mail.header().round == 4 && mail.to == Some(party(1));
        if is_lost { vec![] } else { vec![mail] }
    });
    assert!(early > 0);
    let machine = seats[&party(1)].session().expect("party 1 waits").machine();
    assert!(machine.is_pending());
    let (digest, sealed) = machine.seal_pending().expect("our signature is made");
    let Some(AnyOutput::Moduli(two)) = seats.remove(&party(2)).and_then(|seat| seat.output) else {
        panic!("party 2 has everybody's signature")
    };
    assert!(seats[&party(1)].output.is_none());
    let shown = Table::open(&two.table().encode(), &world.committee, |name| name == digest);
    let shown = Arc::new(shown.expect("the one that we have signed"));
    let one = Auxiliary::unseal(&sealed, Arc::clone(&shown)).expect("our primes");
    assert_eq!(*one.seal(), *sealed);
    assert_eq!(one.party(), party(1));
    let theirs = two.seal();
    assert!(Auxiliary::unseal(&theirs[..theirs.len() - 1], Arc::clone(&shown)).is_err(), "cut off");
    let other = world.generate_moduli().remove(&party(1)).expect("other moduli");
    assert!(Auxiliary::unseal(&sealed, Arc::clone(other.table())).is_err(), "another table");
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
