//! What presigning keeps in memory, and leaves there. One test, because the allocator sees the whole process.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use keymoot_canary::{Scanner, freed_with, peak_of};
use keymoot_protocol::codec::Wire;
use keymoot_protocol::curve::{Curve, Secp256k1};
use keymoot_protocol::dkg::Dkg;
use keymoot_protocol::dkls23::{
    Bans, Freshness, Ledger, Order, PairSetup, Payload, PayloadHash, Presignature, Presigner, Setup, Signer,
    VerifyingKey, setup,
};
use keymoot_protocol::key::KeyShare;
use keymoot_protocol::machine::{Machine, Opening};
use keymoot_protocol::session::{Advance, Session};
use keymoot_types::{Millis, Party, Path, Scheme};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;

use pair::{NAME, committee, generation, identity, parties};

#[path = "pair/parties.rs"]
mod pair;

#[global_allocator]
static ALLOCATOR: Scanner = Scanner;

/// Delivers everything to the other of two parties, until both have finished.
fn drive<M: Machine>(openings: Vec<(Party, Opening<M>)>) -> BTreeMap<Party, M::Output> {
    let (mut waiting, mut done, mut mail) = (BTreeMap::new(), BTreeMap::new(), VecDeque::new());
    let mut take = |party, advance, waiting: &mut BTreeMap<_, _>, mail: &mut VecDeque<_>| match advance {
        Advance::Waiting { session, outbox, .. } => {
            waiting.insert(party, session);
            mail.extend(outbox);
        }
        Advance::Done { output, outbox } => {
            done.insert(party, output);
            mail.extend(outbox);
        }
        Advance::Dead { abort, .. } => panic!("{abort}"),
    };
    for (party, opening) in openings {
        take(party, Session::open(opening, Millis(u64::MAX)), &mut waiting, &mut mail);
    }
    while let Some(envelope) = mail.pop_front() {
        let (from, bytes) = (envelope.header.from, envelope.encode());
        drop(envelope);
        // Who has finished needs no more mail.
        let Some(to) = waiting.keys().copied().find(|party| *party != from) else { continue };
        let session: Session<M> = waiting.remove(&to).unwrap();
        take(to, session.deliver(&bytes), &mut waiting, &mut mail);
    }
    done
}

struct Node {
    share: Arc<KeyShare<Secp256k1>>,
    setup: Arc<PairSetup>,
}

fn nodes() -> Vec<Node> {
    let mut rng = ChaCha20Rng::seed_from_u64(4);
    let (dkg, pairs) = (generation(Scheme::Dkls23), Arc::new(setup::context(committee(), NAME)));
    let start = |party: Party| {
        let opening = Dkg::<Secp256k1>::start(Arc::clone(&dkg), party, identity(party), &mut rng);
        (party, opening.unwrap())
    };
    let shares = drive(parties().into_iter().map(start).collect());
    let start = |party: Party| {
        let opening = Setup::start(Arc::clone(&pairs), party, identity(party), &Bans::default(), &mut rng);
        (party, opening.unwrap())
    };
    let setups = drive(parties().into_iter().map(start).collect());
    let node = |(share, setup)| Node { share: Arc::new(share), setup: Arc::new(setup) };
    shares.into_values().zip(setups.into_values()).map(node).collect()
}

/// The same batch at every call.
fn presign(nodes: &[Node], size: u16) -> Vec<Vec<Presignature>> {
    let start = |node: &Node| {
        let mut ledger = Ledger::new(&node.setup);
        let ticket = ledger.reserve(&node.setup, &parties(), Freshness::Shared, &Bans::default()).unwrap();
        let (share, setup, party) = (Arc::clone(&node.share), Arc::clone(&node.setup), node.share.party());
        let mut rng = ChaCha20Rng::seed_from_u64(5);
        let (batch, bans) = ((NAME, size), Bans::default());
        let opening = Presigner::start(share, setup, ticket, batch, identity(party), &bans, &mut rng);
        (party, opening.unwrap())
    };
    let done = drive(nodes.iter().map(start).collect());
    done.into_values().map(|presigned| presigned.presignatures).collect()
}

/// A signature of both with their first presignature.
fn sign(nodes: &[Node], presignatures: Vec<Presignature>) {
    let group = Arc::clone(nodes[0].share.group());
    let key = VerifyingKey::new(Arc::clone(&group), &group.committee, Path::root()).unwrap();
    let payload = Arc::new(Payload::new(PayloadHash::Sha256, b"canary".to_vec()));
    let order = Order::new(Arc::new(key), payload, Arc::new(presignatures[0].public().clone())).unwrap();
    let start = |presignature: Presignature| {
        let (party, (_, burnt)) = (presignature.party(), presignature.burn(order.intent()));
        let opening = Signer::start(order.clone(), NAME, identity(party), burnt, &Bans::default());
        (party, opening.unwrap())
    };
    assert_eq!(drive(presignatures.into_iter().map(start).collect()).len(), 2);
}

/// A scalar as it travels and as it lies in memory.
fn both_ways(scalar: [u8; 32]) -> [[u8; 32]; 2] {
    let mut reversed = scalar;
    reversed.reverse();
    [scalar, reversed]
}

/// The scalars of a sealed presignature: its last 164 bytes are three scalars and the entropy, 41 bytes each.
fn scalars(presignature: &Presignature) -> Vec<[u8; 32]> {
    let sealed = presignature.seal();
    let end = &sealed[sealed.len() - 4 * 41..];
    end.chunks(41).take(3).map(|field| field[9..].try_into().unwrap()).collect()
}

#[test]
fn presigning_leaves_no_secret_behind_and_keeps_its_memory_bounded() {
    let nodes = nodes();
    let mut sought: Vec<[u8; 32]> =
        nodes.iter().flat_map(|node| both_ways(Secp256k1::encode_scalar(node.share.expose()))).collect();
    let first: Vec<_> = presign(&nodes, 1).into_iter().map(|mut all| all.remove(0)).collect();
    sought.extend(scalars(&first[0]).into_iter().flat_map(both_ways));
    // A seed of each kind, out of the sealed setup: of a tree of ours, and of one of the peer's.
    let sealed = nodes[0].setup.seal();
    let leaves = sealed.len() - 32;
    let punctured = sealed.len() - 512 * 32 - 9 - 32;
    sought.extend([leaves, punctured].map(|at| <[u8; 32]>::try_from(&sealed[at..at + 32]).unwrap()));
    let copies = sought.clone();
    assert!(freed_with(&sought, || drop(copies)).iter().all(|seen| *seen > 0), "unwiped copies are seen");

    let none = vec![0; sought.len()];
    assert_eq!(freed_with(&sought, || drop(presign(&nodes, 1))), none, "presigning leaves nothing behind");
    assert_eq!(freed_with(&sought, || sign(&nodes, first)), none, "signing leaves nothing behind");
    drop(sealed);
    // A burnt pair is freed while its setup is not, and wiped before.
    let spare = PairSetup::unseal(&nodes[0].setup.seal(), committee());
    let (spare, peer) = (spare.unwrap(), nodes[1].share.party());
    assert_eq!(freed_with(&sought, || spare.burn(peer)), none, "burning leaves nothing behind");
    assert_eq!(spare.peers().count(), 0);

    // Both signers, and the mail between them.
    for (size, most) in [(256, (2 * 24) << 20), (1024, (2 * 64) << 20)] {
        let peak = peak_of(|| drop(presign(&nodes, size)));
        println!("a batch of {size} took {:.1} MiB for two signers and their mail", peak as f64 / 1048576.0);
        assert!(peak < most, "{peak} bytes for a batch of {size}");
    }
}
