//! Honest runs of GG20: presignatures, and signatures that verify elsewhere.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use keymoot_protocol::any::{AnyMachine, AnyOutput};
use keymoot_protocol::curve::{Curve, Secp256k1};
use keymoot_protocol::dkls23::{Payload, PayloadHash};
use keymoot_protocol::gg20::{Auxiliary, Presignature, Table};
use keymoot_protocol::session::Session;
use keymoot_types::{Party, Path, Scheme};

use crate::dkls::{payload, verifies_elsewhere};
use crate::gg20::{Member, members_of, order_for, suite, take_first};
use crate::net::{Order, Seated, honest};
use crate::parties::{DEADLINE, World, party, rng, run_all};

fn paths() -> [Path; 3] {
    ["m", "m/7", "m/44/0/3"].map(|text| text.parse().expect("a path"))
}

/// A committee that signs, and how long each part took: with the full parameters it is minutes.
struct Run {
    world: World,
    members: BTreeMap<Party, Member>,
    name: String,
    signed: usize,
}

impl Run {
    fn new(needed: u16, total: u16, seed: u64) -> Self {
        let name = format!("{needed}-of-{total} with {}", suite().name());
        let (world, members) = (World::new(needed, total, seed), BTreeMap::new());
        let mut run = Self { world, members, name, signed: 0 };
        let shares = run.world.generate_for(Scheme::Gg20, 2);
        run.tell("a key");
        run.members = members_of(shares, run.world.generate_moduli());
        run.tell("moduli");
        run
    }

    fn tell(&self, part: &str) {
        println!("{}: {part}", self.name);
    }

    /// New moduli for the same key.
    fn replace_moduli(&mut self) {
        let table = Arc::clone(self.members[&party(1)].auxiliary.table());
        for (party, auxiliary) in self.world.replace_moduli(Some(table)) {
            self.members.get_mut(&party).expect("a member").auxiliary = auxiliary;
        }
        self.tell("new moduli");
    }

    /// Signatures by a quorum: of the key itself and of keys that are derived from it.
    fn sign(&mut self, quorum: &[u16]) {
        let signers: Vec<_> = quorum.iter().map(|index| party(*index)).collect();
        let mut done = self.world.gg20_presign(&self.members, &signers, 3);
        self.tell(&format!("three presignatures of {quorum:?}"));
        let mut keys = BTreeSet::new();
        for path in paths() {
            let presignatures = take_first(&mut done);
            let names: BTreeSet<_> = presignatures.values().map(Presignature::id).collect();
            assert_eq!(names.len(), 1, "all signers know it by one name");
            let payload = payload(format!("to be signed at {path}").as_bytes());
            let order = order_for(&self.members[&signers[0]], &path, &payload, &presignatures);
            let mut signing = self.world.gg20_signing(&order, presignatures);
            signing.run(Order::First, honest);
            let signature = signing.aggregator.output.expect("an honest signing succeeds");
            assert!(verifies_elsewhere(order.key(), &payload, &signature));
            assert_eq!(signature.recover(payload.digest().as_bytes()), Some(*order.key().public()));
            assert!(keys.insert(Secp256k1::encode_point(order.key().public())), "a key of its own");
            self.signed += 1;
        }
        self.tell("their signatures");
    }

    fn end(self) {
        println!("count: {} signatures of {} verify elsewhere", self.signed, self.name);
    }
}

#[test]
fn two_of_three_sign_with_every_quorum_and_derived_keys() {
    let mut run = Run::new(2, 3, 950);
    for quorum in [[1, 2], [1, 3], [2, 3]] {
        run.sign(&quorum);
    }
    run.end();
}

#[test]
fn three_of_five_sign_and_go_on_with_new_moduli() {
    let mut run = Run::new(3, 5, 951);
    run.sign(&[1, 3, 5]);
    run.replace_moduli();
    run.sign(&[2, 3, 4]);
    run.end();
}

#[test]
fn five_of_nine_sign() {
    let mut run = Run::new(5, 9, 955);
    run.sign(&[1, 3, 5, 7, 9]);
    run.sign(&[2, 4, 6, 8, 9]);
    run.end();
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
