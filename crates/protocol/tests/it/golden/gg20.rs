//! One value of every wire type and of every transcript of GG20: the messages of one run from fixed seeds with the small
//! parameters, so that the bytes of all proofs are held fast too.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::OnceLock;

use k256::{ProjectivePoint, Scalar};
use keymoot_protocol::codec::{Wire, Writer};
use keymoot_protocol::gg20::auxiliary::{Commit, Parameters, Proofs, Signed};
use keymoot_protocol::gg20::presign::{AffineProofs, Closing, EncryptionProofs, Offers, Shares, Sums};
use keymoot_protocol::gg20::sign::SignatureShare;
use keymoot_protocol::gg20::{Natural, Public, Written};
use keymoot_protocol::machine::Outgoing;
use keymoot_protocol::session::Session;
use keymoot_protocol::transcript::Transcript;
use keymoot_protocol::transcript::paillier::{
    Challenge, Entropy, Hedge, Place, PresignedName, Rescaler, Seed, SessionSeed, SigningIntent, SuiteName,
    TableReady,
};
use keymoot_types::{Epoch, Path};

use super::{Hashed, Specimen, hash, multiple, specimen};
use crate::gg20::suite;
use crate::net::{Node, Order, Rogue, Seated, honest, run};
use crate::parties::{DEADLINE, World, party};

/// What party 1 says in one run, by round, and what the run leaves.
struct Run {
    generation: BTreeMap<u8, Vec<u8>>,
    presigning: [BTreeMap<u8, Vec<u8>>; 3],
    table: Vec<u8>,
    public: Vec<u8>,
}

/// Presigning in which party 2 changes its sums, as a fault or not.
fn presign(
    change: fn(&mut Sums),
    world: &mut World,
    members: &BTreeMap<keymoot_types::Party, crate::gg20::Member>,
) -> (BTreeMap<u8, Vec<u8>>, Option<Vec<u8>>) {
    let (signers, session) = ([party(1), party(2)], world.new_session());
    let said = RefCell::new(BTreeMap::new());
    let mut seats = Vec::new();
    for signer in signers {
        let opening = world.gg20_presigner(&members[&signer], &signers, (session, 1));
        let said = &said;
        let listen = move |_, outbox: &mut Vec<Outgoing>| {
            for one in outbox.iter_mut() {
                if signer == party(2) && one.round == 5 {
                    let mut sums = Sums::decode(&one.body).expect("sums");
                    change(&mut sums);
                    one.body = sums.encode();
                }
                if signer == party(1) {
                    said.borrow_mut().insert(one.round, one.body.to_vec());
                }
            }
        };
        seats.push(Seated::new(Some(signer), Session::open(Rogue::opening(opening, listen), DEADLINE)));
    }
    let mut nodes: Vec<&mut dyn Node> = seats.iter_mut().map(|seat| seat as &mut dyn Node).collect();
    run(&mut nodes, Order::First, honest);
    let public = seats.first().and_then(|seat| seat.output.as_ref());
    let public = public.and_then(|all| all.first()).map(|one| one.public().encode().to_vec());
    drop(seats);
    (said.into_inner(), public)
}

fn the_run() -> &'static Run {
    static RUN: OnceLock<Run> = OnceLock::new();
    RUN.get_or_init(|| {
        let mut world = World::new(2, 3, 990);
        let place = world.place(None);
        let mut seats = world.generation_seats(&place);
        seats.remove(&party(1));
        let generation = RefCell::new(BTreeMap::new());
        let mut one = world.generation_rogue(&place, party(1), |_, outbox| {
            generation.borrow_mut().extend(outbox.iter().map(|one| (one.round, one.body.to_vec())));
        });
        let mut nodes: Vec<&mut dyn Node> = vec![&mut one];
        nodes.extend(seats.values_mut().map(|seat| seat as &mut dyn Node));
        run(&mut nodes, Order::First, honest);
        let table = one.output.take().expect("an honest run").table().encode().to_vec();
        drop(one);
        let members = World::new(2, 3, 990).gg20_members();
        let mut world = World::new(2, 3, 990);
        let (first, public) = presign(|_| {}, &mut world, &members);
        let (second, _) = presign(|sums| sums.0[0].delta += Scalar::ONE, &mut world, &members);
        let (third, _) = presign(|sums| sums.0[0].key += ProjectivePoint::GENERATOR, &mut world, &members);
        let public = public.expect("an honest run");
        Run { generation: generation.into_inner(), presigning: [first, second, third], table, public }
    })
}

fn again<T: Wire>(bytes: &[u8]) -> T {
    T::decode(bytes).expect("a message of the run")
}

pub fn specimens() -> Vec<Specimen> {
    let run = the_run();
    let [first, nonces, keys] = &run.presigning;
    vec![
        specimen("Natural", &Natural::from_be(&[1, 2, 3, 4, 5, 6, 7, 8, 9])),
        specimen("Natural of zero", &Natural::from_be(&[0])),
        specimen("Commit, gg20", &again::<Commit>(&run.generation[&1])),
        specimen("Parameters", &again::<Parameters>(&run.generation[&2])),
        specimen("Proofs, gg20", &again::<Proofs>(&run.generation[&3])),
        specimen("Signed", &again::<Signed>(&run.generation[&4])),
        specimen("Outputs", &again::<Written>(&run.table).outputs),
        specimen("Written", &again::<Written>(&run.table)),
        specimen("Offers, gg20", &again::<Offers>(&first[&1])),
        specimen("EncryptionProofs", &again::<EncryptionProofs>(&first[&2])),
        specimen("Shares", &again::<Shares>(&first[&3])),
        specimen("AffineProofs", &again::<AffineProofs>(&first[&4])),
        specimen("Sums", &again::<Sums>(&first[&5])),
        specimen("Closing", &again::<Closing>(&first[&6])),
        specimen("Closing of nonces", &again::<Closing>(&nonces[&6])),
        specimen("Closing of keys", &again::<Closing>(&keys[&6])),
        specimen("Public, gg20", &again::<Public>(&run.public)),
        specimen("SignatureShare, gg20", &SignatureShare(Scalar::from(0x0102u64))),
    ]
}

fn hashed(transcript: &impl Transcript) -> Hashed {
    super::digest(transcript)
}

fn challenge() -> Hashed {
    let (mut statement, mut commitment) = (Writer::new(), Writer::new());
    statement.uint(7);
    commitment.uint(9);
    let place = Place {
        suite: suite().name(),
        ssid: hash(0x81),
        joint: hash(0x82),
        round: 3,
        prover: party(1),
        verifier: Some(party(2)),
        number: 258,
    };
    hashed(&Challenge { proof: "golden/v1", place: &place, statement: &statement, commitment: &commitment })
}

pub fn transcripts() -> Vec<(&'static str, Hashed)> {
    let run = the_run();
    let (table, public) = (again::<Written>(&run.table), again::<Public>(&run.public));
    let path: Path = "m/3/1".parse().expect("a path");
    let point = multiple::<keymoot_protocol::curve::Secp256k1>(5).to_affine();
    let entropy = [[0x91; 32], [0x92; 32]];
    vec![
        ("SuiteName", hashed(&SuiteName("gg20/golden"))),
        ("Hedge", hashed(&Hedge { context: hash(0x83) })),
        ("Seed", hashed(&Seed { context: hash(0x83), random: &[0x84; 32], hedge: &[0x85; 64] })),
        ("SessionSeed", hashed(&SessionSeed { ssid: hash(0x86), party: party(3), seed: &[0x87; 32] })),
        ("TableReady", hashed(&TableReady(&table.outputs))),
        (
            "Entropy",
            hashed(&Entropy { ssid: hash(0x88), party: party(2), number: 300, entropy: &entropy[0] }),
        ),
        ("PresignedName", hashed(&PresignedName(&public))),
        ("Challenge", challenge()),
        (
            "SigningIntent",
            hashed(&SigningIntent {
                hash: "sha256",
                digest: &[0x89; 32],
                path: &path,
                epoch: Epoch(4),
                public: point,
                presignature: hash(0x8a),
            }),
        ),
        (
            "Rescaler",
            hashed(&Rescaler {
                ssid: hash(0x8b),
                presignature: hash(0x8a),
                epoch: Epoch(4),
                signers: &[party(1), party(3)],
                public: point,
                tweak: &Scalar::from(77u64),
                child: point,
                digest: &[0x89; 32],
                nonce: point,
                entropy: &entropy,
            }),
        ),
    ]
}

/// The run's bytes do not depend on anything but its seeds.
#[test]
fn the_same_seeds_make_the_same_run() {
    let members = World::new(2, 3, 990).gg20_members();
    let (said, public) = presign(|_| {}, &mut World::new(2, 3, 990), &members);
    assert_eq!(said, the_run().presigning[0]);
    assert_eq!(public.as_ref(), Some(&the_run().public));
    assert_eq!(members[&party(1)].auxiliary.table().encode().to_vec(), {
        // The members' moduli come after a key generation from the same generator.
        let members = World::new(2, 3, 990).gg20_members();
        members[&party(2)].auxiliary.table().encode().to_vec()
    });
}
