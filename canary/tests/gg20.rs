//! What GG20 keeps in memory, and leaves there. One test, because the allocator sees the whole process.

use std::collections::BTreeMap;
use std::sync::Arc;

use keymoot_canary::{Scanner, freed_with, peak_of};
use keymoot_protocol::codec::Wire;
use keymoot_protocol::curve::{Curve, Secp256k1};
use keymoot_protocol::dkg::Dkg;
use keymoot_protocol::dkls23::{Bans, Payload, PayloadHash, VerifyingKey};
use keymoot_protocol::gg20::presign::{Closing, Offers, Sums};
use keymoot_protocol::gg20::{
    Auxiliary, Generation, Hunt, Natural, Order, Presignature, Presigner, SafePrime, Signer, Suite, Table,
    auxiliary,
};
use keymoot_protocol::key::KeyShare;
use keymoot_protocol::machine::{Machine, Next, Opening, Outgoing, Round};
use keymoot_protocol::transcript::Hash;
use keymoot_types::{Party, Path, Scheme};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;

use pair::{NAME, committee, generation, identity, parties};

#[path = "pair/parties.rs"]
mod pair;

#[global_allocator]
static ALLOCATOR: Scanner = Scanner;

/// The small parameters.
fn suite() -> Suite {
    *Suite::ALL.last().unwrap()
}

/// What a run yields, and what was said in it, by round and author.
struct Run<O> {
    outputs: BTreeMap<Party, O>,
    said: BTreeMap<(u8, Party), Vec<u8>>,
}

/// Runs machines around a table, each with everything that is said to it, of which `lie` may change something. Whose run
/// ends badly says nothing more.
fn drive<M: Machine>(
    openings: Vec<(Party, Opening<M>)>,
    lie: impl Fn(Party, &mut Outgoing),
) -> Run<M::Output> {
    let (mut waiting, mut sent) = (Vec::new(), Vec::new());
    for (party, opening) in openings {
        let (machine, hello) = opening.into_parts();
        sent.push((party, Outgoing { round: 0, to: None, body: hello.unwrap() }));
        waiting.push((party, machine));
    }
    let (mut outputs, ssid) = (BTreeMap::new(), Hash::from_bytes([5; 32]));
    for number in 0.. {
        if waiting.is_empty() {
            break;
        }
        let mut replies = Vec::new();
        for (party, machine) in std::mem::take(&mut waiting) {
            let heard = sent.iter().filter(|(_, one): &&(Party, Outgoing)| {
                one.round == number && one.to.is_none_or(|to| to == party)
            });
            let bodies = heard.map(|(from, one)| (*from, one.body.as_slice())).collect();
            let Ok(step) = machine.receive(Round { ssid, number, view: ssid, bodies }) else { continue };
            replies.extend(step.outbox.into_iter().map(|one| (party, one)));
            match step.next {
                Next::Wait(machine) => waiting.push((party, machine)),
                Next::Done(output) => drop(outputs.insert(party, output)),
            }
        }
        replies.iter_mut().for_each(|(party, one)| lie(*party, one));
        sent.extend(replies);
    }
    let said = sent.into_iter().map(|(from, one)| ((one.round, from), one.body.to_vec())).collect();
    Run { outputs, said }
}

/// The safe prime of this seed.
fn hunt(seed: u64) -> SafePrime {
    let (hunt, mut rng) = (Hunt::new(suite()), ChaCha20Rng::seed_from_u64(seed));
    loop {
        if let Some(prime) = hunt.step(&mut rng) {
            return prime;
        }
    }
}

/// The moduli of both, the same at every call.
fn moduli(sealed: &BTreeMap<Party, Vec<Vec<u8>>>) -> BTreeMap<Party, Auxiliary> {
    let context = Arc::new(auxiliary::context(committee(), suite(), None, NAME));
    let start = |(party, primes): (&Party, &Vec<Vec<u8>>)| {
        let mut rng = ChaCha20Rng::seed_from_u64(4);
        let prime = |at: usize, rng: &mut _| SafePrime::unseal(&primes[at], suite(), rng).ok().unwrap();
        let primes = [0, 1, 2, 3].map(|at| prime(at, &mut rng));
        let opening =
            Generation::start(Arc::clone(&context), *party, identity(*party), primes, None, &mut rng);
        (*party, opening.ok().unwrap())
    };
    drive(sealed.iter().map(start).collect(), |_, _| {}).outputs
}

fn key() -> BTreeMap<Party, KeyShare<Secp256k1>> {
    let context = generation(Scheme::Gg20);
    let mut rng = ChaCha20Rng::seed_from_u64(3);
    let start = |party: Party| {
        (party, Dkg::<Secp256k1>::start(Arc::clone(&context), party, identity(party), &mut rng).unwrap())
    };
    drive(parties().into_iter().map(start).collect(), |_, _| {}).outputs
}

struct Node {
    share: Arc<KeyShare<Secp256k1>>,
    moduli: Arc<Auxiliary>,
}

/// The same batch at every call.
fn presign(nodes: &[Node], size: u16, lie: impl Fn(Party, &mut Outgoing)) -> Run<Vec<Presignature>> {
    let start = |node: &Node| {
        let (share, moduli, party) = (Arc::clone(&node.share), Arc::clone(&node.moduli), node.share.party());
        let (mut rng, batch) = (ChaCha20Rng::seed_from_u64(5), (NAME, size));
        let (bans, identity) = (Bans::default(), identity(party));
        (party, Presigner::start(share, moduli, &parties(), batch, identity, &bans, &mut rng).unwrap())
    };
    drive(nodes.iter().map(start).collect(), lie)
}

/// A signature of both with their first presignature.
fn sign(nodes: &[Node], presignatures: Vec<Presignature>) {
    let group = Arc::clone(nodes[0].share.group());
    let key =
        VerifyingKey::new(Arc::clone(&group), &group.committee, "m/4".parse::<Path>().unwrap()).unwrap();
    let payload = Arc::new(Payload::new(PayloadHash::Sha256, b"canary".to_vec()));
    let order = Order::new(Arc::new(key), payload, Arc::new(presignatures[0].public().clone())).unwrap();
    let start = |presignature: Presignature| {
        let (party, (_, burnt)) = (presignature.party(), presignature.burn(order.intent()));
        (party, Signer::start(order.clone(), NAME, identity(party), burnt, &Bans::default()).unwrap())
    };
    let run = drive(presignatures.into_iter().map(start).collect(), |_, _| {});
    assert_eq!(run.outputs.len(), 2);
}

/// 32 bytes of a secret as it travels and as it lies in memory: of a longer one the last, where no zeros are.
fn both_ways(secret: &[u8]) -> [[u8; 32]; 2] {
    let travels: [u8; 32] = *secret.last_chunk().unwrap();
    let mut lies = travels;
    lies.reverse();
    [travels, lies]
}

fn of_number(number: &Natural) -> [[u8; 32]; 2] {
    both_ways(&number.encode())
}

/// The shares of k and χ of a sealed presignature, whose last three fields are these and the entropy, 41 bytes each.
fn scalars(presignature: &Presignature) -> Vec<[u8; 32]> {
    let sealed = presignature.seal();
    let end = &sealed[sealed.len() - 3 * 41..];
    end.chunks(41).take(2).flat_map(|field| both_ways(&field[9..])).collect()
}

/// What the first signer draws for its presignature: γ, the root of K and y. A run in which the other lies has it open
/// them; up to that lie it is the run of every call.
fn drawn(nodes: &[Node]) -> Vec<[u8; 32]> {
    let [victim, liar] = [parties()[0], parties()[1]];
    let run = presign(nodes, 1, |party, one| {
        if party == liar && one.round == 5 {
            let mut sums = Sums::decode(&one.body).unwrap();
            sums.0[0].delta = sums.0[0].delta + sums.0[0].delta;
            one.body = sums.encode();
        }
    });
    assert!(run.outputs.is_empty());
    let Closing::Nonces(all) = Closing::decode(&run.said[&(6, victim)]).unwrap() else {
        panic!("they are due")
    };
    let (_, opening) = &all[0];
    let [[mask, root, _]] = opening.pairs.as_slice() else { panic!("there is one other") };
    let mut secrets = both_ways(&Secp256k1::encode_scalar(&opening.mask)).to_vec();
    secrets.extend([&opening.nonce.1, mask, root].into_iter().flat_map(of_number));
    secrets
}

#[test]
fn gg20_leaves_no_secret_behind_and_keeps_its_memory_bounded() {
    let sealed: BTreeMap<Party, Vec<Vec<u8>>> = parties()
        .into_iter()
        .zip(1..)
        .map(|(party, member)| (party, (0..4).map(|at| hunt(4 * member + at).seal().to_vec()).collect()))
        .collect();
    let primes: Vec<[u8; 32]> = sealed[&parties()[0]].iter().flat_map(|prime| both_ways(prime)).collect();
    let copies = primes.clone();
    assert!(freed_with(&primes, || drop(copies)).iter().all(|seen| *seen > 0), "unwiped copies are seen");
    let none = vec![0; primes.len()];
    assert_eq!(freed_with(&primes, || drop(hunt(4))), none, "a hunt leaves nothing behind");
    assert_eq!(freed_with(&primes, || drop(moduli(&sealed))), none, "making moduli leaves nothing behind");

    let moduli = moduli(&sealed);
    let table: Arc<Table> = Arc::clone(moduli[&parties()[0]].table());
    let again = || drop(Auxiliary::unseal(&moduli[&parties()[0]].seal(), table).ok().unwrap());
    assert_eq!(freed_with(&primes, again), none, "keeping moduli leaves nothing behind");
    let node = |(share, (_, moduli))| Node { share: Arc::new(share), moduli: Arc::new(moduli) };
    let nodes: Vec<_> = key().into_values().zip(moduli).map(node).collect();
    let first = |run: Run<Vec<Presignature>>| -> Vec<_> {
        run.outputs.into_values().map(|mut all| all.remove(0)).collect()
    };
    let made = first(presign(&nodes, 1, |_, _| {}));
    let mut sought = drawn(&nodes);
    sought.extend(scalars(&made[0]));
    sought.extend(both_ways(&Secp256k1::encode_scalar(nodes[0].share.expose())));
    let none = vec![0; sought.len()];
    let copies = sought.clone();
    assert!(freed_with(&sought, || drop(copies)).iter().all(|seen| *seen > 0), "unwiped copies are seen");
    let again = || drop(presign(&nodes, 1, |_, _| {}));
    assert_eq!(freed_with(&sought, again), none, "presigning leaves nothing behind");
    assert_eq!(freed_with(&primes, again), [0; 8], "presigning leaves no prime behind");
    let again = || drop(Presignature::unseal(&made[0].seal()).unwrap());
    assert_eq!(freed_with(&sought, again), none, "keeping a presignature leaves nothing behind");
    assert_eq!(freed_with(&sought, || sign(&nodes, made)), none, "signing leaves nothing behind");

    // Both signers, and the mail between them.
    let peak = peak_of(|| drop(presign(&nodes, 16, |_, _| {})));
    println!("a batch of 16 took {:.1} MiB for two signers and their mail", peak as f64 / 1048576.0);
    assert!(peak < 16 << 20, "{peak} bytes");
    // A number and a list that claim to be 64 MiB are refused before there is room for them.
    let said = presign(&nodes, 1, |_, _| {}).said;
    for at in [1, 10] {
        let mut offers = said[&(1, parties()[0])].clone();
        assert!(Offers::decode(&offers).is_ok());
        offers[at..at + 8].copy_from_slice(&(64u64 << 20).to_le_bytes());
        let peak = peak_of(|| assert!(Offers::decode(&offers).is_err()));
        assert!(peak < 64 << 10, "{peak} bytes for a claim");
    }
}
