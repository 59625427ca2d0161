//! Attacks on presigning and signing of GG20, by signers that sign what they say.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, OnceLock};

use k256::{ProjectivePoint, Scalar};
use keymoot_protocol::abort::{Abort, Blame, Fault};
use keymoot_protocol::codec::Wire;
use keymoot_protocol::context::{Batch, Context};
use keymoot_protocol::envelope::Kind;
use keymoot_protocol::gg20::presign::{
    AffineProofs, Closing, EncryptionProofs, Offers, Shares, Sums, batch_max, context, convict,
};
use keymoot_protocol::gg20::sign::SignatureShare;
use keymoot_protocol::gg20::{Auxiliary, Natural, PresignRefused, Presigner};
use keymoot_protocol::key::KeyShare;
use keymoot_protocol::machine::Outgoing;
use keymoot_protocol::session::Session;
use keymoot_protocol::transcript::Hash;
use keymoot_types::{Party, Path, Quorum, Scheme, SessionId};
use rand_chacha::rand_core::RngCore;

use crate::dkls::{payload, verifies_elsewhere};
use crate::gg20::{Member, order_for, take_first};
use crate::net::{Node, Order, Rogue, Seated, blamed, faults, honest, run};
use crate::parties::{DEADLINE, World, party, rng};

type Secp256k1 = keymoot_protocol::curve::Secp256k1;

/// A committee of three of three, made once; what tests change is their own.
struct Ready {
    shares: Vec<Arc<KeyShare<Secp256k1>>>,
    moduli: BTreeMap<Party, Arc<Auxiliary>>,
}

pub fn scene(seed: u64) -> (World, BTreeMap<Party, Member>) {
    static READY: OnceLock<Ready> = OnceLock::new();
    let ready = READY.get_or_init(|| {
        let mut world = World::new(3, 3, 970);
        Ready { shares: world.generate_for(Scheme::Gg20, 2), moduli: world.generate_moduli() }
    });
    let mut world = World::new(3, 3, 970);
    world.rng = rng(seed);
    let members = ready.shares.iter().zip(&ready.moduli).map(|(share, (party, auxiliary))| {
        (*party, Member { share: Arc::clone(share), auxiliary: Arc::clone(auxiliary) })
    });
    let members = members.collect();
    (world, members)
}

pub fn all() -> [Party; 3] {
    [party(1), party(2), party(3)]
}

fn about(members: &BTreeMap<Party, Member>, session: SessionId, size: u16) -> Context {
    let member = &members[&party(1)];
    let group = member.share.group();
    let quorum = Quorum::new(group.committee.threshold(), all().to_vec()).expect("a quorum");
    context(group, quorum, Batch { size, setup: member.auxiliary.table().digest() }, session)
}

/// What came of a batch in which some lie.
pub struct Outcome {
    pub blamed: BTreeSet<Party>,
    faults: BTreeMap<Party, BTreeSet<Fault>>,
    pub done: usize,
    /// One of the blames that honest signers brought.
    example: Option<Blame>,
    context: Context,
    members: BTreeMap<Party, Member>,
    /// What was said, by round, author and recipient: envelopes.
    pub said: BTreeMap<(u8, Party, Option<Party>), Vec<u8>>,
}

impl Outcome {
    /// Whether third parties hold this proven.
    pub fn convicts(&self, blame: &Blame) -> bool {
        let member = &self.members[&party(1)];
        convict(&self.context, member.auxiliary.table(), member.share.group(), blame).is_ok()
    }
}

/// A batch of two in which the given parties lie in the given way.
pub fn with_liars(
    seed: u64,
    liars: &[Party],
    mut lie: impl FnMut(Party, Hash, &mut Vec<Outgoing>),
) -> Outcome {
    let (mut world, members) = scene(seed);
    let session = world.new_session();
    let lie = std::cell::RefCell::new(&mut lie);
    let lie = &lie;
    let mut seats = BTreeMap::new();
    let mut rogues = Vec::new();
    for member in all() {
        let opening = world.gg20_presigner(&members[&member], &all(), (session, 2));
        if liars.contains(&member) {
            let lies = move |ssid: Hash, outbox: &mut Vec<Outgoing>| lie.borrow_mut()(member, ssid, outbox);
            rogues.push(Seated::new(Some(member), Session::open(Rogue::opening(opening, lies), DEADLINE)));
        } else {
            seats.insert(member, Seated::new(Some(member), Session::open(opening, DEADLINE)));
        }
    }
    let mut nodes: Vec<&mut dyn Node> = seats.values_mut().map(|seat| seat as &mut dyn Node).collect();
    nodes.extend(rogues.iter_mut().map(|rogue| rogue as &mut dyn Node));
    let mut said = BTreeMap::new();
    run(&mut nodes, Order::First, |mail| {
        let header = mail.header();
        if header.kind == Kind::Body {
            said.insert((header.round, header.from, header.to), mail.bytes.clone());
        }
        honest(mail)
    });
    let (context, member) = (about(&members, session, 2), &members[&party(1)]);
    let convicts =
        |blame: &Blame| convict(&context, member.auxiliary.table(), member.share.group(), blame).is_ok();
    let blamed = blamed(seats.values(), convicts);
    assert!(blamed.iter().all(|party| liars.contains(party)), "an honest signer is blamed: {blamed:?}");
    let (faults, done) =
        (faults(seats.values()), seats.values().filter(|seat| seat.output.is_some()).count());
    let example = seats.values().find_map(|seat| match &seat.abort {
        Some(Abort::Blame(blames)) => {
            blames.iter().next().map(|one| Blame::decode(&one.encode()).expect("travels"))
        }
        _ => None,
    });
    Outcome { blamed, faults, done, example, context, members, said }
}

/// As [`with_liars`] with party 3 as the only liar, who changes the message of one round.
fn with_change<T: Wire>(seed: u64, round: u8, mut change: impl FnMut(&mut T)) -> Outcome {
    with_liars(seed, &[party(3)], |_, _, outbox| {
        for one in outbox.iter_mut().filter(|one| one.round == round) {
            let mut message = T::decode(&one.body).expect("an honest message");
            change(&mut message);
            one.body = message.encode();
        }
    })
}

pub fn assert_blamed(outcome: &Outcome, fault: Fault) {
    assert_eq!(outcome.blamed, BTreeSet::from([party(3)]));
    assert_eq!(outcome.faults[&party(3)], BTreeSet::from([fault]));
    assert_eq!(outcome.done, 0, "nobody has a presignature");
}

fn small(value: u32) -> Natural {
    Natural::from_be(&value.to_be_bytes())
}

#[test]
fn g11_a_proof_for_another_verifier_is_refused() {
    // The two direct messages of round 2 are exchanged.
    let outcome = with_liars(1, &[party(3)], |_, _, outbox| {
        let mut direct: Vec<_> = outbox.iter_mut().filter(|one| one.round == 2).collect();
        if let [one, other] = direct.as_mut_slice() {
            std::mem::swap(&mut one.body, &mut other.body);
        }
    });
    assert_blamed(&outcome, Fault::WrongProof);
}

#[test]
fn g12_products_for_another_verifier_are_refused() {
    let outcome = with_liars(2, &[party(3)], |_, _, outbox| {
        let mut direct: Vec<_> = outbox.iter_mut().filter(|one| one.round == 4).collect();
        if let [one, other] = direct.as_mut_slice() {
            std::mem::swap(&mut one.body, &mut other.body);
        }
    });
    assert_blamed(&outcome, Fault::WrongProof);
}

#[test]
fn g09_proofs_that_are_missing_or_too_many_are_refused() {
    // An empty list would verify vacuously.
    for size in [0, 1] {
        let outcome = with_change::<Offers>(3, 1, |all| all.0.truncate(size));
        assert_blamed(&outcome, Fault::Malformed);
        let outcome = with_change::<Shares>(3, 3, |all| all.0.truncate(size));
        assert_blamed(&outcome, Fault::Malformed);
        let outcome = with_change::<Sums>(3, 5, |all| all.0.truncate(size));
        assert_blamed(&outcome, Fault::Malformed);
    }
    let outcome = with_change::<Shares>(3, 3, |all| all.0[0].products.truncate(1));
    assert_blamed(&outcome, Fault::Malformed);
    let outcome = with_liars(3, &[party(3)], |_, _, outbox| {
        for one in outbox.iter_mut().filter(|one| one.round == 2 || one.round == 4) {
            // A list of nothing.
            one.body = [3, 0, 0, 0, 0, 0, 0, 0, 0].to_vec().into();
        }
    });
    assert!(EncryptionProofs::decode(&[3, 0, 0, 0, 0, 0, 0, 0, 0]).is_ok());
    assert!(AffineProofs::decode(&[3, 0, 0, 0, 0, 0, 0, 0, 0]).is_ok());
    assert_blamed(&outcome, Fault::Malformed);
}

#[test]
fn g19_encryptions_outside_of_the_group_are_refused() {
    let huge = Natural::from_be(&[0xff; 1000]);
    for wrong in [small(0), small(1), huge] {
        let outcome = with_change::<Offers>(4, 1, |all| all.0[1].nonce = wrong.clone());
        assert_blamed(&outcome, Fault::WrongProof);
        let outcome = with_change::<Offers>(4, 1, |all| all.0[0].mask = wrong.clone());
        assert_blamed(&outcome, Fault::WrongProof);
    }
    let outcome = with_change::<Offers>(4, 1, |all| all.0[0].mask = all.0[0].nonce.clone());
    assert_blamed(&outcome, Fault::WrongProof);
}

#[test]
fn g19_products_outside_of_the_group_are_refused() {
    let huge = Natural::from_be(&[0xff; 1000]);
    for wrong in [small(0), small(1), huge] {
        for at in 0..4 {
            let outcome = with_change::<Shares>(5, 3, |all| {
                let products = &mut all.0[1].products[0];
                let numbers = products.mask.iter_mut().chain(&mut products.key);
                *numbers.into_iter().nth(at).expect("four numbers") = wrong.clone();
            });
            assert_blamed(&outcome, Fault::WrongProof);
        }
    }
}

#[test]
fn g13_products_that_are_exchanged_are_refused() {
    // The product with γ in place of that with the key share.
    let outcome = with_change::<Shares>(6, 3, |all| {
        let products = &mut all.0[0].products[1];
        std::mem::swap(&mut products.mask, &mut products.key);
    });
    assert_blamed(&outcome, Fault::WrongProof);
}

#[test]
fn g17_another_point_than_the_committed_share_is_refused() {
    let outcome = with_change::<Shares>(7, 3, |all| all.0[0].point += ProjectivePoint::GENERATOR);
    assert_blamed(&outcome, Fault::WrongProof);
    let outcome = with_change::<Shares>(7, 3, |all| all.0[1].point = -all.0[1].point);
    assert_blamed(&outcome, Fault::WrongProof);
}

#[test]
fn g06_points_of_sums_without_their_proof_are_refused() {
    let outcome = with_change::<Sums>(8, 5, |all| all.0[0].nonce += ProjectivePoint::GENERATOR);
    assert_blamed(&outcome, Fault::WrongProof);
}

#[test]
fn g14_a_wrong_share_of_delta_is_blamed_by_everybody() {
    let outcome = with_change::<Sums>(9, 5, |all| all.0[1].delta += Scalar::ONE);
    assert_blamed(&outcome, Fault::WrongInverseShare);
}

#[test]
fn g14_two_cheaters_are_both_named() {
    let liars = [party(2), party(3)];
    let outcome = with_liars(10, &liars, |_, _, outbox| {
        for one in outbox.iter_mut().filter(|one| one.round == 5) {
            let mut sums = Sums::decode(&one.body).expect("sums");
            sums.0[0].delta += Scalar::ONE;
            one.body = sums.encode();
        }
    });
    assert_eq!(outcome.blamed, BTreeSet::from(liars));
    assert_eq!(outcome.done, 0);
}

#[test]
fn g14_two_cheats_that_cancel_out_harm_nobody() {
    let (mut world, members) = scene(11);
    let session = world.new_session();
    let mut seats = BTreeMap::new();
    for (member, shift) in [(party(1), Scalar::ZERO), (party(2), Scalar::ONE), (party(3), -Scalar::ONE)] {
        let opening = world.gg20_presigner(&members[&member], &all(), (session, 1));
        let lie = move |_: Hash, outbox: &mut Vec<Outgoing>| {
            for one in outbox.iter_mut().filter(|one| one.round == 5) {
                let mut sums = Sums::decode(&one.body).expect("sums");
                sums.0[0].delta += shift;
                one.body = sums.encode();
            }
        };
        seats
            .insert(member, Seated::new(Some(member), Session::open(Rogue::opening(opening, lie), DEADLINE)));
    }
    let mut nodes: Vec<&mut dyn Node> = seats.values_mut().map(|seat| seat as &mut dyn Node).collect();
    run(&mut nodes, Order::First, honest);
    let mut done = seats.into_iter().map(|(party, seat)| (party, seat.output.expect("a batch"))).collect();
    let presignatures = take_first(&mut done);
    let payload = payload(b"with a correct signature all the same");
    let order = order_for(&members[&party(1)], &Path::root(), &payload, &presignatures);
    let mut signing = world.gg20_signing(&order, presignatures);
    signing.run(Order::First, honest);
    assert!(verifies_elsewhere(order.key(), &payload, &signing.aggregator.output.expect("a signature")));
}

#[test]
fn g15_a_wrong_share_of_the_key_product_is_blamed_by_everybody() {
    let outcome = with_change::<Sums>(12, 5, |all| all.0[0].key += ProjectivePoint::GENERATOR);
    assert_blamed(&outcome, Fault::WrongProof);
}

#[test]
fn g15_two_presignatures_of_a_batch_fail_in_both_ways() {
    // Nonces come first: nothing of the other presignature is opened then.
    let outcome = with_change::<Sums>(13, 5, |all| {
        all.0[0].key += ProjectivePoint::GENERATOR;
        all.0[1].delta += Scalar::ONE;
    });
    assert_blamed(&outcome, Fault::WrongInverseShare);
}

#[test]
fn g21_forged_openings_are_blamed() {
    type Forge = fn(&mut Closing);
    let forge: [Forge; 6] = [
        |closing| with_nonce(closing, |one| one.nonce.0 += Scalar::ONE),
        |closing| with_nonce(closing, |one| one.nonce.1 = small(5)),
        |closing| with_nonce(closing, |one| one.mask += Scalar::ONE),
        |closing| with_nonce(closing, |one| one.pairs[0][0] = small(7)),
        |closing| with_nonce(closing, |one| one.pairs[1][1] = small(7)),
        |closing| with_nonce(closing, |one| one.pairs[1][2] = small(0)),
    ];
    for (seed, forge) in (20..).zip(forge) {
        let outcome = with_liars(seed, &[party(3)], |_, _, outbox| {
            for one in outbox.iter_mut() {
                match one.round {
                    5 => {
                        let mut sums = Sums::decode(&one.body).expect("sums");
                        sums.0[0].delta += Scalar::ONE;
                        one.body = sums.encode();
                    }
                    6 => {
                        let mut closing = Closing::decode(&one.body).expect("a closing");
                        forge(&mut closing);
                        one.body = closing.encode();
                    }
                    _ => {}
                }
            }
        });
        assert_blamed(&outcome, Fault::WrongOpening);
    }
}

fn with_nonce(closing: &mut Closing, change: impl Fn(&mut keymoot_protocol::gg20::presign::NonceOpening)) {
    let Closing::Nonces(all) = closing else { panic!("nonces are due") };
    change(&mut all[0].1);
}

#[test]
fn g21_forged_key_openings_are_blamed() {
    type Forge = fn(&mut keymoot_protocol::gg20::presign::KeyOpening);
    let forge: [Forge; 4] = [
        |one| one.nonce.0 += Scalar::ONE,
        |one| one.nonce.1 = small(5),
        |one| one.pairs[0][0] = small(7),
        |one| one.pairs[1][1] = small(7),
    ];
    for (seed, forge) in (30..).zip(forge) {
        let outcome = with_liars(seed, &[party(3)], |_, _, outbox| {
            for one in outbox.iter_mut() {
                match one.round {
                    5 => {
                        let mut sums = Sums::decode(&one.body).expect("sums");
                        sums.0[0].key += ProjectivePoint::GENERATOR;
                        one.body = sums.encode();
                    }
                    6 => {
                        let mut closing = Closing::decode(&one.body).expect("a closing");
                        let Closing::Keys(all) = &mut closing else { panic!("keys are due") };
                        forge(&mut all[0].1);
                        one.body = closing.encode();
                    }
                    _ => {}
                }
            }
        });
        assert_blamed(&outcome, Fault::WrongOpening);
    }
}

#[test]
fn g21_openings_that_nobody_asked_for_and_refusals_to_open_are_blamed() {
    // All is well, and party 3 opens something; something is wrong, and it confirms.
    let outcome = with_change::<Closing>(40, 6, |closing| *closing = Closing::Nonces(Vec::new()));
    assert_eq!(outcome.blamed, BTreeSet::from([party(3)]));
    assert_eq!((outcome.faults[&party(3)].clone(), outcome.done), (BTreeSet::from([Fault::Malformed]), 0));
    let outcome = with_liars(41, &[party(3)], |_, _, outbox| {
        for one in outbox.iter_mut() {
            match one.round {
                5 => {
                    let mut sums = Sums::decode(&one.body).expect("sums");
                    sums.0[0].delta += Scalar::ONE;
                    one.body = sums.encode();
                }
                6 => one.body = Closing::Confirm.encode(),
                _ => {}
            }
        }
    });
    assert_blamed(&outcome, Fault::Malformed);
}

#[test]
fn g22_true_blame_cannot_be_turned_against_others() {
    for (seed, round) in [(50, 1u8), (51, 3), (52, 5), (53, 6)] {
        let outcome = with_liars(seed, &[party(3)], |_, _, outbox| {
            for one in outbox.iter_mut() {
                if one.round == 1 && round == 1 {
                    let mut all = Offers::decode(&one.body).expect("offers");
                    all.0[0].nonce = small(9);
                    one.body = all.encode();
                } else if one.round == 3 && round == 3 {
                    let mut all = Shares::decode(&one.body).expect("shares");
                    all.0[0].products[0].mask[0] = small(9);
                    one.body = all.encode();
                } else if one.round == 5 && round >= 5 {
                    let mut all = Sums::decode(&one.body).expect("sums");
                    match round {
                        5 => all.0[0].delta += Scalar::ONE,
                        _ => all.0[0].key += ProjectivePoint::GENERATOR,
                    }
                    one.body = all.encode();
                }
            }
        });
        let mut blame = Blame::decode(&outcome.example.as_ref().expect("a blame").encode()).expect("travels");
        let convicted = |blame: &Blame| outcome.convicts(blame);
        assert!(convicted(&blame), "round {round}");
        let fault = blame.fault;
        for other in Fault::ALL {
            blame.fault = other;
            for honest in [party(1), party(2)] {
                blame.party = honest;
                assert!(!convicted(&blame), "{other:?} against {honest}");
            }
        }
        (blame.party, blame.fault) = (party(3), fault);
        // Broadcasts of others that the accused never saw prove nothing.
        let mut random = rng(seed);
        let bytes = blame.encode();
        for _ in 0..30 {
            let mut altered = Blame::decode(&bytes).expect("a blame");
            let rounds = altered.evidence.record.len();
            let bodies = &mut altered.evidence.record[random.next_u32() as usize % rounds];
            let Some((owner, body)) = bodies.first_mut() else { continue };
            assert_ne!(*owner, party(3));
            let at = random.next_u32() as usize % body.len();
            body[at] ^= 1;
            altered.party = party(1);
            assert!(!convicted(&altered));
        }
    }
}

#[test]
fn g20_messages_of_another_session_are_refused() {
    let mut earlier: BTreeMap<(u8, Option<Party>), Vec<u8>> = BTreeMap::new();
    let outcome = with_liars(60, &[party(3)], |_, _, outbox| {
        earlier.extend(outbox.iter().map(|one| ((one.round, one.to), one.body.to_vec())));
    });
    assert_eq!(outcome.done, 2, "an honest run");
    for from in [1u8, 2, 3, 4, 5] {
        let outcome = with_liars(61, &[party(3)], |_, _, outbox| {
            for one in outbox.iter_mut().filter(|one| one.round >= from) {
                one.body = earlier[&(one.round, one.to)].clone().into();
            }
        });
        assert_blamed(&outcome, Fault::WrongProof);
    }
}

#[test]
fn g16_a_wrong_signature_share_names_its_author() {
    let (mut world, members) = scene(70);
    let mut done = world.gg20_presign(&members, &all(), 2);
    for (path, wrong) in [("m", Scalar::ONE), ("m/5/1", -Scalar::ONE)] {
        let presignatures = take_first(&mut done);
        let payload = payload(b"a payload");
        let order = order_for(&members[&party(1)], &path.parse().expect("a path"), &payload, &presignatures);
        let mut signing = world.gg20_signing(&order, presignatures);
        let identity = Arc::clone(&world.identities[&party(3)]);
        signing.run(Order::First, |mail| {
            let header = mail.header();
            if header.from == party(3) && header.round == 1 {
                let forged = mail.forged(&identity, |_, body| {
                    let share = SignatureShare::decode(body).expect("a share").0;
                    *body = SignatureShare(share + wrong).encode().to_vec();
                });
                return vec![forged];
            }
            vec![mail]
        });
        assert!(signing.aggregator.output.is_none());
        assert_eq!(signing.blamed(), BTreeSet::from([party(3)]));
        assert_eq!(faults([&signing.aggregator])[&party(3)], BTreeSet::from([Fault::WrongSignatureShare]));
    }
}

#[test]
fn p06_entropy_that_was_not_committed_to_is_blamed() {
    let (mut world, members) = scene(71);
    let presignatures = take_first(&mut world.gg20_presign(&members, &all(), 1));
    let order = order_for(&members[&party(1)], &Path::root(), &payload(b"a payload"), &presignatures);
    let mut signing = world.gg20_signing(&order, presignatures);
    let identity = Arc::clone(&world.identities[&party(3)]);
    signing.run(Order::First, |mail| {
        let hit = mail.header().from == party(3) && mail.header().round == 0;
        if hit { vec![mail.forged(&identity, |_, body| body[12] ^= 1)] } else { vec![mail] }
    });
    assert_eq!(signing.blamed(), BTreeSet::from([party(3)]));
    assert!(signing.aggregator.output.is_none());
}

#[test]
fn t11_impossible_batches_are_refused() {
    let (mut world, members) = scene(74);
    let start = |signers: &[Party], size: u16, member: u16, identity: u16| {
        let member = &members[&party(member)];
        let identity = Arc::clone(&world.identities[&party(identity)]);
        let (share, auxiliary) = (Arc::clone(&member.share), Arc::clone(&member.auxiliary));
        let bans = keymoot_protocol::dkls23::Bans::default();
        let session = (SessionId::new([5; 16]), size);
        Presigner::start(share, auxiliary, signers, session, identity, &bans, &mut rng(1)).err()
    };
    assert_eq!(start(&all(), 0, 1, 1), Some(PresignRefused::Size { got: 0, most: 16 }));
    assert_eq!(start(&all(), 17, 1, 1), Some(PresignRefused::Size { got: 17, most: 16 }));
    assert_eq!(start(&all(), 1, 1, 2), Some(PresignRefused::WrongIdentity(party(1))));
    assert!(matches!(start(&all()[..2], 1, 1, 1), Some(PresignRefused::Quorum(_))));
    assert!(matches!(start(&[party(1), party(1), party(2)], 1, 1, 1), Some(PresignRefused::Quorum(_))));
    let mixed = {
        let (share, auxiliary) =
            (Arc::clone(&members[&party(1)].share), Arc::clone(&members[&party(2)].auxiliary));
        let identity = Arc::clone(&world.identities[&party(1)]);
        let bans = keymoot_protocol::dkls23::Bans::default();
        Presigner::start(share, auxiliary, &all(), (world.new_session(), 1), identity, &bans, &mut rng(1))
            .err()
    };
    assert_eq!(mixed, Some(PresignRefused::WrongModuli));
}

#[test]
fn t16_random_changes_of_any_message_never_blame_the_honest() {
    let mut random = rng(80);
    let (mut convicted, mut harmless) = (0, 0);
    for seed in 0..60 {
        let (round, at, bit) = (1 + random.next_u32() % 6, random.next_u32() as usize, random.next_u32() % 8);
        let outcome = with_liars(1_000 + seed, &[party(3)], |_, _, outbox| {
            for one in outbox.iter_mut().filter(|one| u32::from(one.round) == round) {
                let at = at % one.body.len();
                one.body[at] ^= 1 << bit;
            }
        });
        match outcome.blamed.is_empty() {
            true => harmless += 1,
            false => convicted += 1,
        }
        assert!(
            outcome.done == 2 || !outcome.blamed.is_empty(),
            "round {round}: a lie that changes something is seen"
        );
    }
    println!(
        "count: 60 altered messages, {convicted} convictions of their author, {harmless} without effect"
    );
}

#[test]
fn evidence_of_the_largest_batch_fits_a_record() {
    let batches = [1, 2, 9, 11, 12, 13, 16, 20, 32].map(batch_max);
    assert_eq!(batches, [16, 16, 16, 16, 14, 12, 8, 5, 2]);
}
