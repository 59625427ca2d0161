//! Attacks on auxiliary-information generation, by members that sign what they say.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use keymoot_protocol::abort::{Blame, Fault};
use keymoot_protocol::codec::Wire;
use keymoot_protocol::gg20::auxiliary::{Commit, Parameters, convict};
use keymoot_protocol::gg20::{Auxiliary, Generation, GenerationRefused, Natural, Table, TableError, Written};
use keymoot_protocol::machine::Outgoing;
use keymoot_protocol::transcript::Hash;
use keymoot_types::Party;

use crate::gg20::{Place, prime, primes, suite};
use crate::net::{Node, Order, blamed, faults, honest, run};
use crate::parties::{World, party, rng};

/// A committee about to make its first moduli.
fn first(seed: u64) -> (World, Place) {
    let mut world = World::new(2, 3, seed);
    let place = world.place(None);
    (world, place)
}

/// A committee about to replace its moduli.
fn second(seed: u64) -> (World, Place) {
    let mut world = World::new(2, 3, seed);
    let done = world.generate_moduli();
    let place = world.place(Some(Arc::clone(done[&party(1)].table())));
    (world, place)
}

/// Runs a generation in which party 3 lies; returns who is blamed, and of what.
fn with_liar(
    (mut world, place): (World, Place),
    lie: impl FnMut(Hash, &mut Vec<Outgoing>),
) -> (BTreeSet<Party>, BTreeSet<Fault>) {
    let mut seats = world.generation_seats(&place);
    seats.remove(&party(3));
    let mut liar = world.generation_rogue(&place, party(3), lie);
    let mut nodes: Vec<&mut dyn Node> = seats.values_mut().map(|seat| seat as &mut dyn Node).collect();
    nodes.push(&mut liar);
    run(&mut nodes, Order::First, honest);
    assert!(seats.values().all(|seat| seat.output.is_none()), "a table with a lie in it");
    let convicts = |blame: &Blame| convict(&place.context, place.previous.as_deref(), blame).is_ok();
    let all = blamed(seats.values(), convicts);
    for seat in seats.values() {
        let culprits = seat.abort.as_ref().expect("the run ends").culprits();
        assert_eq!(culprits.into_iter().collect::<BTreeSet<_>>(), all, "all honest members name the same");
    }
    (all, faults(seats.values()).into_values().flatten().collect())
}

/// What a member broadcasts, by round.
type Bodies = BTreeMap<u8, Vec<u8>>;

type Scene = fn(u64) -> (World, Place);

/// What party 3 broadcasts in a round of an honest run; each run is recorded once.
fn said(scene: Scene, seed: u64, round: u8) -> Vec<u8> {
    static RUNS: Mutex<BTreeMap<(usize, u64), Bodies>> = Mutex::new(BTreeMap::new());
    let mut runs = RUNS.lock().expect("nobody has panicked with it");
    let record = || {
        let (mut world, place) = scene(seed);
        let mut seats = world.generation_seats(&place);
        seats.remove(&party(3));
        let mut bodies = BTreeMap::new();
        let mut spoken = world.generation_rogue(&place, party(3), |_, outbox| {
            bodies.extend(outbox.iter().map(|one| (one.round, one.body.to_vec())));
        });
        let mut nodes: Vec<&mut dyn Node> = seats.values_mut().map(|seat| seat as &mut dyn Node).collect();
        nodes.push(&mut spoken);
        run(&mut nodes, Order::First, honest);
        drop(spoken);
        bodies
    };
    runs.entry((scene as usize, seed)).or_insert_with(record)[&round].clone()
}

/// A liar that publishes other parameters than its own, and commits to them as it should.
fn with_parameters(
    scene: Scene,
    seed: u64,
    change: impl Fn(&mut Parameters),
) -> (BTreeSet<Party>, BTreeSet<Fault>) {
    // The parameters come one step after the commitment to them; an earlier run shows what they will be.
    let mut lie = Parameters::decode(&said(scene, seed, 2)).expect("parameters");
    change(&mut lie);
    with_liar(scene(seed), |ssid, outbox| {
        for one in outbox.iter_mut() {
            match one.round {
                1 => *one = Outgoing::broadcast(1, &Commit::to(ssid, party(3), &lie)),
                2 => *one = Outgoing::broadcast(2, &lie),
                _ => {}
            }
        }
    })
}

fn blames(fault: Fault) -> (BTreeSet<Party>, BTreeSet<Fault>) {
    (BTreeSet::from([party(3)]), BTreeSet::from([fault]))
}

fn product(one: &Natural, other: &Natural) -> Natural {
    // Schoolbook, in bytes.
    let bytes = |number: &Natural| {
        let mut all: Vec<u8> = number.encode()[9..].to_vec();
        all.reverse();
        all
    };
    let (one, other) = (bytes(one), bytes(other));
    let mut sum = vec![0u32; one.len() + other.len() + 1];
    for (i, a) in one.iter().enumerate() {
        for (j, b) in other.iter().enumerate() {
            let mut carry = u32::from(*a) * u32::from(*b);
            let mut at = i + j;
            while carry > 0 {
                carry += sum[at];
                sum[at] = carry & 255;
                carry >>= 8;
                at += 1;
            }
        }
    }
    let all: Vec<u8> = sum.into_iter().rev().map(|byte| byte as u8).collect();
    Natural::from_be(&all)
}

fn small(value: u32) -> Natural {
    Natural::from_be(&value.to_be_bytes())
}

/// An odd number of so many bits.
fn odd(bits: usize, seed: u8) -> Natural {
    let mut bytes = vec![seed | 1; bits.div_ceil(8)];
    bytes[0] = if bits.is_multiple_of(8) { 0x80 | seed } else { (1 << (bits % 8)) - 1 };
    Natural::from_be(&bytes)
}

#[test]
fn honest_members_end_with_one_certified_table() {
    let mut world = World::new(2, 3, 900);
    let done = world.generate_moduli();
    let digests: BTreeSet<_> = done.values().map(|one| one.table().digest()).collect();
    assert_eq!(digests.len(), 1);
    for (party, one) in &done {
        assert_eq!(one.party(), *party);
        let (bytes, digest) = (one.table().encode(), one.table().digest());
        let table = Table::open(&bytes, &world.committee, |name| name == digest);
        let table = Arc::new(table.expect("a table travels"));
        assert_eq!(table.digest(), digest);
        let again = Auxiliary::unseal(&one.seal(), table).expect("its own secrets");
        assert_eq!(again.party(), *party);
    }
    let (one, two) = (&done[&party(1)], &done[&party(2)]);
    let mut foreign = one.seal().to_vec();
    let at = foreign.len() - 1;
    foreign[at] ^= 4;
    assert!(Auxiliary::unseal(&foreign, Arc::clone(one.table())).is_err(), "other primes");
    assert!(Auxiliary::unseal(&two.seal()[..50], Arc::clone(one.table())).is_err());
    let shown = one.table().encode();
    let stranger = World::new(2, 3, 901).committee;
    assert_eq!(Table::open(&shown, &stranger, |_| true).err(), Some(TableError::Committee));
    assert_eq!(Table::open(&shown, &world.committee, |_| false).err(), Some(TableError::Unasked));
    // An even number, with which nothing can be computed, is not looked at before the signatures.
    let mut written = Written::decode(&shown).expect("a table");
    written.outputs.numbers[2][0] = small(2);
    let opened = Table::open(&written.encode(), &world.committee, |_| true);
    assert_eq!(opened.err(), Some(TableError::Signature(party(1))));
}

#[test]
fn g05_moduli_of_another_length_are_refused() {
    let bits = suite().modulus_bits();
    for wrong in [1, bits - 2, bits + 1, 8192] {
        let n = odd(wrong, 0x15);
        assert_eq!(with_parameters(first, 902, |lie| lie.modulus = n.clone()), blames(Fault::WrongModulus));
        assert_eq!(with_parameters(first, 902, |lie| lie.setup = n.clone()), blames(Fault::WrongModulus));
    }
}

#[test]
fn g04_even_prime_and_power_moduli_are_refused() {
    let bits = suite().modulus_bits();
    let mut even = odd(bits, 0x15).encode()[9..].to_vec();
    *even.last_mut().expect("bytes") &= 0xfe;
    let square = product(&prime(0), &prime(0));
    for wrong in [Natural::from_be(&even), square] {
        assert_eq!(
            with_parameters(first, 902, |lie| lie.modulus = wrong.clone()),
            blames(Fault::WrongModulus)
        );
        assert_eq!(with_parameters(first, 902, |lie| lie.setup = wrong.clone()), blames(Fault::WrongModulus));
    }
}

#[test]
fn g01_moduli_with_small_factors_are_refused() {
    let bits = suite().modulus_bits();
    // A number of the right length that 65521 divides.
    let n = product(&small(65_521), &odd(bits - 15, 0x13));
    assert_eq!(with_parameters(first, 902, |lie| lie.modulus = n.clone()), blames(Fault::WrongModulus));
}

#[test]
fn g02_a_modulus_of_other_primes_than_its_proofs_is_refused() {
    // Composite and without evident fault, but not the one whose primes made the proofs.
    let n = product(&prime(20), &prime(21));
    assert_eq!(with_parameters(first, 902, |lie| lie.modulus = n.clone()), blames(Fault::WrongProof));
    assert_eq!(with_parameters(first, 902, |lie| lie.setup = n.clone()), blames(Fault::WrongProof));
}

#[test]
fn g06_shared_moduli_and_shared_primes_are_refused() {
    // Primes 0 to 3 are party 1's: its modulus, and a modulus with one of its primes. A real cheater cannot know them in
    // time, because everybody commits first; so party 1 has given its primes away, and is named with party 3.
    let both = (BTreeSet::from([party(1), party(3)]), BTreeSet::from([Fault::WrongModulus]));
    let (same, shared) = (product(&prime(0), &prime(1)), product(&prime(0), &prime(21)));
    for n in [same, shared] {
        assert_eq!(with_parameters(first, 902, |lie| lie.modulus = n.clone()), both);
    }
}

#[test]
fn g06_both_moduli_of_one_member_differ() {
    let found = with_parameters(first, 902, |lie| lie.setup = lie.modulus.clone());
    assert_eq!(found, blames(Fault::WrongModulus));
}

#[test]
fn g07_degenerate_commitment_parameters_are_refused() {
    let one = small(1);
    let wrong = blames(Fault::WrongModulus);
    assert_eq!(with_parameters(first, 902, |lie| lie.t = one.clone()), wrong);
    assert_eq!(with_parameters(first, 902, |lie| lie.s = one.clone()), wrong);
    assert_eq!(with_parameters(first, 902, |lie| lie.s = small(0)), wrong);
    assert_eq!(with_parameters(first, 902, |lie| lie.s = lie.t.clone()), wrong);
    assert_eq!(with_parameters(first, 902, |lie| lie.t = lie.setup.clone()), wrong);
    // A unit, but nobody has shown that it is a power of t.
    assert_eq!(with_parameters(first, 902, |lie| lie.s = small(4)), blames(Fault::WrongProof));
}

#[test]
fn g17_parameters_that_were_not_committed_to_are_refused() {
    let found = with_liar(first(902), |_, outbox| {
        for one in outbox.iter_mut().filter(|one| one.round == 2) {
            let mut lie = Parameters::decode(&one.body).expect("parameters");
            lie.share[0] ^= 1;
            *one = Outgoing::broadcast(2, &lie);
        }
    });
    assert_eq!(found, blames(Fault::WrongOpening));
}

#[test]
fn g02_proofs_with_anything_changed_are_refused() {
    // One byte near the end of a response of the modulus proof, and one of the last factor proof.
    for from_end in [10usize, 3_000, 60_000] {
        let (blamed, faults) = with_liar(first(910), |_, outbox| {
            for one in outbox.iter_mut().filter(|one| one.round == 3) {
                let at = one.body.len().saturating_sub(from_end.min(one.body.len() - 200));
                one.body[at] ^= 1;
            }
        });
        assert_eq!(blamed, BTreeSet::from([party(3)]));
        assert!(
            faults.iter().all(|fault| matches!(fault, Fault::WrongProof | Fault::Malformed)),
            "{faults:?}"
        );
    }
}

#[test]
fn g20_the_proofs_of_another_session_are_refused() {
    let earlier = said(first, 902, 3);
    let found = with_liar(first(912), |_, outbox| {
        outbox.iter_mut().filter(|one| one.round == 3).for_each(|one| one.body = earlier.clone().into());
    });
    assert_eq!(found, blames(Fault::WrongProof));
}

#[test]
fn r06_a_wrong_signature_on_the_table_is_blamed() {
    let found = with_liar(first(913), |_, outbox| {
        outbox.iter_mut().filter(|one| one.round == 4).for_each(|one| one.body[20] ^= 1);
    });
    assert_eq!(found, blames(Fault::WrongCertificate));
}

#[test]
fn g23_new_moduli_go_through_all_of_it_and_are_new() {
    let (world, place) = second(914);
    let table = place.previous.clone().expect("the old table");
    let start = |first: usize, previous: Option<&Arc<Table>>| {
        let identity = Arc::clone(&world.identities[&party(1)]);
        let (context, previous) = (Arc::clone(&place.context), previous.map(Arc::clone));
        Generation::start(context, party(1), identity, primes(first), previous, &mut rng(1)).err()
    };
    assert_eq!(start(3, Some(&table)), None);
    assert_eq!(start(0, Some(&table)), Some(GenerationRefused::WrongPrimes), "our own, again");
    assert_eq!(start(1, Some(&table)), Some(GenerationRefused::WrongPrimes), "another member's");
    assert_eq!(start(3, None), Some(GenerationRefused::WrongTable));
    // Party 3 publishes its old modulus, or party 1's.
    for (p, q) in [(8, 9), (0, 1)] {
        let old = product(&prime(p), &prime(q));
        let found = with_parameters(second, 914, |lie| lie.modulus = old.clone());
        assert_eq!(found, blames(Fault::WrongModulus));
    }
}
