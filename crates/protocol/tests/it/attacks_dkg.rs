//! Attacks on key generation: rows S01–S04, S11, S12, R14 of the attack table.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use keymoot_protocol::abort::{Abort, Blame, Fault};
use keymoot_protocol::codec::Wire;
use keymoot_protocol::context::Context;
use keymoot_protocol::curve::{Curve, Ed25519, Secp256k1, ff::Field, group::Group};
use keymoot_protocol::dkg::{Commit, Dkg, Opening, Proofs, Share};
use keymoot_protocol::envelope::Kind;
use keymoot_protocol::evidence::judge;
use keymoot_protocol::machine::Outgoing;
use keymoot_protocol::transcript::{Commitment, Hash, Transcript};
use keymoot_protocol::vss::Commitments;
use keymoot_types::{Party, Secret};

use crate::net::{Mail, Node, Order, Seated, blamed_by, faults, honest};
use crate::parties::{Checked, World, group, party, run_all, run_with};

/// Runs a key generation in which the last member lies; the honest ones' seats come back.
pub fn with_liar<C: Checked>(
    world: &mut World,
    lie: impl FnMut(Hash, &mut Vec<Outgoing>),
) -> (Arc<Context>, BTreeMap<Party, Seated<Dkg<C>>>) {
    let context = world.dkg_context::<C>();
    let mut seats = world.dkg::<C>(&context);
    let liar = party(world.committee.threshold().total());
    seats.remove(&liar);
    let mut rogue = world.rogue::<C, _>(&context, liar, lie);
    run_with(&mut seats, &mut rogue, Order::First, honest);
    (context, seats)
}

pub fn assert_convicts<C: Curve>(
    context: &Context,
    seats: &BTreeMap<Party, Seated<Dkg<C>>>,
    culprit: Party,
    fault: Fault,
) {
    assert_eq!(blamed_by(context, seats.values()), BTreeSet::from([culprit]), "only the culprit is blamed");
    assert_eq!(faults(seats.values()).get(&culprit), Some(&BTreeSet::from([fault])));
    assert!(seats.values().all(|seat| seat.output.is_none()), "no key comes of it");
}

fn opening_in<C: Curve>(outbox: &[Outgoing]) -> Option<Opening<C>> {
    outbox.iter().find(|one| one.round == 2).map(|one| Opening::decode(&one.body).expect("an honest opening"))
}

/// A liar needs its own opening one round before it is sent: it draws the same randomness twice.
fn own_opening<C: Checked>(world: &World, member: Party, context: &Arc<Context>) -> Opening<C> {
    let mut twin = World {
        committee: Arc::clone(&world.committee),
        identities: world.identities.clone(),
        rng: world.rng.clone(),
        session: world.session,
    };
    let found = std::cell::RefCell::new(None);
    let mut seats = twin.dkg::<C>(context);
    seats.remove(&member);
    let mut rogue = twin.rogue::<C, _>(context, member, |_, outbox| {
        if let Some(opening) = opening_in::<C>(outbox) {
            found.replace(Some(opening));
        }
    });
    run_with(&mut seats, &mut rogue, Order::First, honest);
    drop(rogue);
    found.into_inner().expect("an honest run opens")
}

/// A lie that opens `changed` and has committed to it.
fn committed_lie<C: Curve>(liar: Party, changed: Opening<C>) -> impl FnMut(Hash, &mut Vec<Outgoing>) {
    move |ssid, outbox| {
        for message in outbox {
            match message.round {
                1 => message.body = Commit::to(ssid, liar, &changed).encode(),
                2 => message.body = changed.encode(),
                _ => {}
            }
        }
    }
}

fn rogue_key<C: Checked>() {
    // 3 of 3: with two honest shares of its choice, a dealer can fix any constant term, even one it does not know.
    let mut world = World::new(3, 3, 100);
    let context = world.dkg_context::<C>();
    let liar = party(3);
    let mut changed = own_opening::<C>(&world, liar, &context);
    let unknown = C::Point::generator() * C::random(&mut world.rng);
    let values = [C::random(&mut world.rng), C::random(&mut world.rng)];
    // f(x) = A0 + A1·x + A2·x² in the exponent through f(1), f(2) and the constant.
    let (one, two) =
        (C::Point::generator() * values[0] - unknown, C::Point::generator() * values[1] - unknown);
    let half = C::Scalar::from(2).invert().unwrap();
    let second = (two - one - one) * half;
    changed.polynomial = Commitments::new(vec![unknown, one - second, second]);
    for (index, value) in [(1, values[0]), (2, values[1])] {
        assert!(changed.polynomial.at(party(index)) == C::Point::generator() * value, "the shares will fit");
    }
    let mut lie = committed_lie(liar, changed);
    let (context, seats) = with_liar::<C>(&mut world, move |ssid, outbox| {
        lie(ssid, outbox);
        for message in outbox.iter_mut().filter(|message| message.round == 3) {
            let to = message.to.expect("shares have a recipient").index();
            message.body = Share::<C>(Secret::new(values[usize::from(to) - 1])).encode();
        }
    });
    assert_convicts(&context, &seats, liar, Fault::WrongProof);
}

#[test]
fn s01_a_rogue_key_fails_its_proof_of_possession() {
    rogue_key::<Secp256k1>();
    rogue_key::<Ed25519>();
}

#[test]
fn s01_a_proof_from_another_session_is_refused() {
    let recorded = std::cell::RefCell::new(None);
    let mut earlier = World::new(2, 3, 101);
    let keep = |_: Hash, outbox: &mut Vec<Outgoing>| {
        if let Some(proofs) = outbox.iter().find(|one| one.round == 4) {
            recorded.replace(Some(proofs.body.clone()));
        }
    };
    with_liar::<Secp256k1>(&mut earlier, keep);
    let replayed = recorded.into_inner().expect("the earlier session proved");
    let mut world = World::new(2, 3, 101);
    world.rng = crate::parties::rng(999);
    let (context, seats) = with_liar::<Secp256k1>(&mut world, |_, outbox| {
        outbox.iter_mut().filter(|one| one.round == 4).for_each(|one| one.body = replayed.clone());
    });
    assert_convicts(&context, &seats, party(3), Fault::WrongProof);
}

#[test]
fn s01_a_copied_dealer_cannot_open_the_copied_commitment() {
    // A rushing member, who speaks last, repeats what party 3 said.
    let mut world = World::new(2, 3, 102);
    let context = world.dkg_context::<Ed25519>();
    let mut seats = world.dkg::<Ed25519>(&context);
    let copier = party(2);
    seats.remove(&copier);
    let said: std::cell::RefCell<BTreeMap<u8, Vec<u8>>> = Default::default();
    let mut copied = BTreeSet::new();
    let mut rogue = world.rogue::<Ed25519, _>(&context, copier, |_: Hash, outbox: &mut Vec<Outgoing>| {
        for message in outbox.iter_mut().filter(|message| message.to.is_none()) {
            if let Some(body) = said.borrow().get(&message.round) {
                message.body = body.clone().into();
                copied.insert(message.round);
            }
        }
    });
    run_with(&mut seats, &mut rogue, Order::Rushing(copier), |mail| {
        let header = mail.header();
        if header.from == party(3) && header.kind == Kind::Body && header.to.is_none() {
            said.borrow_mut().insert(header.round, mail.envelope().body().to_vec());
        }
        vec![mail]
    });
    drop(rogue);
    assert!(
        copied.is_superset(&BTreeSet::from([1, 2])),
        "it copied the commitment and its opening: {copied:?}"
    );
    assert_convicts(&context, &seats, copier, Fault::WrongOpening);
}

#[test]
fn s01_swapped_proofs_are_refused() {
    let mut world = World::new(2, 3, 103);
    let (context, seats) = with_liar::<Ed25519>(&mut world, |_, outbox| {
        for message in outbox.iter_mut().filter(|message| message.round == 4) {
            let proofs = Proofs::<Ed25519>::decode(&message.body).unwrap();
            message.body = Proofs::<Ed25519> { share: proofs.constant, constant: proofs.share }.encode();
        }
    });
    assert_convicts(&context, &seats, party(3), Fault::WrongProof);
}

fn raised_threshold<C: Checked>(change: impl Fn(Vec<C::Point>) -> Vec<C::Point>) {
    let mut world = World::new(2, 3, 104);
    let context = world.dkg_context::<C>();
    let liar = party(3);
    let mut changed = own_opening::<C>(&world, liar, &context);
    let points = (0..2).map(|k| {
        if k == 0 {
            changed.polynomial.constant()
        } else {
            changed.polynomial.at(party(1)) - changed.polynomial.constant()
        }
    });
    changed.polynomial = Commitments::new(change(points.collect()));
    let (context, seats) = with_liar::<C>(&mut world, committed_lie(liar, changed));
    assert_convicts(&context, &seats, liar, Fault::WrongThreshold);
}

#[test]
fn s02_a_commitment_vector_of_another_length_is_refused() {
    raised_threshold::<Secp256k1>(|points| [points.as_slice(), &[points[0]]].concat());
    raised_threshold::<Secp256k1>(|points| points[..1].to_vec());
    raised_threshold::<Secp256k1>(|_| vec![]);
    raised_threshold::<Ed25519>(|points| points.repeat(16));
}

#[test]
fn s03_different_commitments_to_different_members_convict_their_sender() {
    for round in [1, 2, 4] {
        for rogue in 1..=3 {
            let mut world = World::new(2, 3, 105);
            let context = world.dkg_context::<Secp256k1>();
            let mut seats = world.dkg::<Secp256k1>(&context);
            let (liar, victim) = (party(rogue), party(rogue % 3 + 1));
            let identity = Arc::clone(&world.identities[&liar]);
            run_all(&mut seats, Order::First, |mail| {
                let header = mail.header();
                let hit = (header.from, header.round, header.kind, mail.to)
                    == (liar, round, Kind::Body, Some(victim));
                let flip = |body: &mut Vec<u8>| *body.last_mut().unwrap() ^= 1;
                if hit { vec![mail.forged(&identity, |_, body| flip(body))] } else { vec![mail] }
            });
            seats.remove(&liar);
            let blamed = blamed_by(&context, seats.values());
            assert_eq!(blamed, BTreeSet::from([liar]), "round {round}");
            let faults = &faults(seats.values())[&liar];
            assert!(
                faults.contains(&Fault::Equivocation) || faults.contains(&Fault::FalseEcho),
                "{faults:?}"
            );
            assert!(seats.values().all(|seat| seat.output.is_none()), "no key comes of it");
        }
    }
}

#[test]
fn s03_without_agreement_two_members_would_hold_different_keys() {
    // The hole that the echo closes: each victim's own checks pass, with two different dealers' polynomials.
    let mut world = World::new(2, 3, 106);
    let polynomial = |rng: &mut _| keymoot_protocol::vss::Polynomial::<Secp256k1>::random(2, rng);
    let (honest, to_one, to_two) =
        (polynomial(&mut world.rng), polynomial(&mut world.rng), polynomial(&mut world.rng));
    let key = |dealer: &keymoot_protocol::vss::Polynomial<Secp256k1>, victim| {
        let share = k256::ProjectivePoint::GENERATOR * dealer.share_of(victim);
        assert_eq!(share, dealer.commit().at(victim), "the victim's check passes");
        Commitments::sum([&honest.commit(), &dealer.commit()].into_iter()).constant()
    };
    assert_ne!(key(&to_one, party(1)), key(&to_two, party(2)));
}

fn bad_share<C: Checked>() {
    let mut world = World::new(2, 3, 107);
    let victim = party(1);
    let (context, mut seats) = with_liar::<C>(&mut world, |_, outbox| {
        for message in outbox.iter_mut().filter(|message| message.round == 3 && message.to == Some(victim)) {
            let share = Share::<C>::decode(&message.body).unwrap();
            message.body = Share::<C>(Secret::new(*share.0.expose() + C::Scalar::ONE)).encode();
        }
    });
    let spared = seats.remove(&party(2)).unwrap();
    assert!(spared.output.is_none() && spared.abort.is_none(), "the key does not become active elsewhere");
    assert_convicts(&context, &seats, party(3), Fault::WrongShare);
}

#[test]
fn s04_a_bad_share_to_one_member_convicts_its_dealer() {
    bad_share::<Secp256k1>();
    bad_share::<Ed25519>();
}

/// The envelopes that party 3 received from party 1, and the record of broadcasts, as an accuser would show them.
fn shown_to_three(world: &mut World) -> (Arc<Context>, Blame) {
    let context = world.dkg_context::<Secp256k1>();
    let mut seats = world.dkg::<Secp256k1>(&context);
    let mut blame =
        Blame { party: party(1), fault: Fault::WrongShare, cites: vec![], evidence: Default::default() };
    let mut record: BTreeMap<u8, BTreeMap<Party, Vec<u8>>> = BTreeMap::new();
    run_all(&mut seats, Order::First, |mail| {
        let header = mail.header();
        if header.kind == Kind::Body && header.to.is_none() {
            record.entry(header.round).or_default().insert(header.from, mail.envelope().body().to_vec());
        }
        if header.from == party(1)
            && mail.to == Some(party(3))
            && header.kind == Kind::Body
            && [2, 3].contains(&header.round)
        {
            blame.evidence.envelopes.push(mail.envelope());
        }
        vec![mail]
    });
    assert!(seats.values().all(Node::is_done));
    blame.evidence.record =
        (0..3).map(|round| record.remove(&round).unwrap().into_iter().collect()).collect();
    (context, blame)
}

#[test]
fn s04_a_false_complaint_blames_nobody() {
    let mut world = World::new(2, 3, 108);
    let (context, mut blame) = shown_to_three(&mut world);
    let proven = |blame: &Blame| judge::<Dkg<Secp256k1>>(&context, blame).is_ok();
    assert_eq!(blame.evidence.envelopes.len(), 2);
    for fault in Fault::ALL {
        blame.fault = fault;
        assert!(!proven(&blame), "an honest dealer's messages do not prove {fault:?}");
    }
    blame.fault = Fault::WrongShare;
    for accused in [2, 3] {
        blame.party = party(accused);
        assert!(!proven(&blame), "nor anything against {accused}");
    }
    blame.party = party(1);
    // The accuser signs a share of its own making in the dealer's name.
    let mail =
        Mail { from: party(1), to: Some(party(3)), bytes: blame.evidence.envelopes[1].encode().to_vec() };
    let other = Share::<Secp256k1>(Secret::new(k256::Scalar::from(5u64))).encode().to_vec();
    blame.evidence.envelopes[1] = mail.forged(world.identity(party(3)), |_, body| *body = other).envelope();
    assert!(!proven(&blame), "a share that the dealer did not sign proves nothing");
}

#[test]
fn s11_nobody_can_hide_a_script_in_the_output_key() {
    let key = group(&World::new(2, 3, 109).generate::<Secp256k1>());
    let x = &Secp256k1::encode_point(&key.public)[1..];
    let even = Secp256k1::decode_point(&[&[2], x].concat()).unwrap();
    let tweak =
        Secp256k1::decode_scalar(&keymoot_protocol::transcript::bitcoin::tagged("TapTweak", &[x])).unwrap();
    let output = Secp256k1::encode_point(&(even + k256::ProjectivePoint::GENERATOR * tweak));
    assert_eq!(key.output_key, output[1..], "the output key commits to the empty script tree of BIP-341");
}

#[test]
fn s11_a_member_with_another_script_root_generates_no_key() {
    let mut world = World::new(2, 3, 110);
    let context = world.dkg_context::<Secp256k1>();
    let other = Arc::new(Context { merkle_root: Some([9; 32]), ..(*context).clone() });
    let mut seats = world.dkg::<Secp256k1>(&context);
    seats.insert(party(3), world.dkg::<Secp256k1>(&other).remove(&party(3)).unwrap());
    run_all(&mut seats, Order::First, honest);
    assert!(seats.values().all(|seat| seat.output.is_none() && seat.abort.is_none()), "they never meet");
    assert_eq!(seats[&party(1)].session().unwrap().round(), 0);
}

#[test]
fn s12_points_outside_the_group_convict_their_sender() {
    // The torsion point (0, −1), a point plus torsion, the identity, and an encoding with y ≥ p.
    let torsion = curve25519_dalek::constants::EIGHT_TORSION;
    let mixed = curve25519_dalek::constants::ED25519_BASEPOINT_POINT + torsion[1];
    let mut large = [0xff; 32];
    (large[0], large[31]) = (0xee, 0x7f);
    for bad in [torsion[4].compress().0, mixed.compress().0, torsion[0].compress().0, large] {
        for token in [4, 5] {
            let mut world = World::new(2, 3, 111);
            let context = world.dkg_context::<Ed25519>();
            let honest_opening = own_opening::<Ed25519>(&world, party(3), &context).encode();
            let mut tokens = crate::tokens::parse(&honest_opening);
            assert!(matches!(&tokens[token], crate::tokens::Token::Field(crate::tokens::POINT, _)));
            tokens[token] = crate::tokens::Token::Field(crate::tokens::POINT, bad.to_vec());
            let body = crate::tokens::join(&tokens);
            let (context, seats) = with_liar::<Ed25519>(&mut world, |ssid, outbox| {
                for message in outbox {
                    let commit = Commitment { ssid, round: 1, committer: party(3), opening: &body };
                    match message.round {
                        1 => message.body = Commit(commit.digest()).encode(),
                        2 => message.body = body.clone().into(),
                        _ => {}
                    }
                }
            });
            assert_convicts(&context, &seats, party(3), Fault::Malformed);
        }
    }
}

#[test]
fn r14_nothing_is_opened_before_everybody_is_bound() {
    // A member that misses one commitment, or one member's word that it has the same commitments, opens nothing.
    let others = |victim: Party| (1..=3).map(party).filter(move |party| *party != victim);
    for victim in (1..=3).map(party) {
        for (missing, kind) in others(victim).flat_map(|from| [(from, Kind::Body), (from, Kind::Echo)]) {
            let mut world = World::new(2, 3, 116);
            let context = world.dkg_context::<Secp256k1>();
            let mut seats = world.dkg::<Secp256k1>(&context);
            let mut opened = BTreeSet::new();
            run_all(&mut seats, Order::First, |mail| {
                let header = mail.header();
                if header.round >= 2 {
                    opened.insert(header.from);
                }
                let dropped =
                    header.round == 1 && (header.from, header.kind, mail.to) == (missing, kind, Some(victim));
                if dropped { vec![] } else { vec![mail] }
            });
            assert!(!opened.contains(&victim), "{victim:?} opened without {kind:?} of {missing:?}");
            assert!(kind == Kind::Echo || opened.is_empty(), "without its echo nobody else opens either");
        }
    }
}

#[test]
fn several_equivocators_are_all_named() {
    let mut world = World::new(2, 4, 119);
    let context = world.dkg_context::<Ed25519>();
    let mut seats = world.dkg::<Ed25519>(&context);
    let identities = world.identities.clone();
    run_all(&mut seats, Order::First, |mail| {
        let header = mail.header();
        let liar = (header.round, header.kind, mail.to) == (1, Kind::Body, Some(party(1)))
            && header.from.index() > 2;
        let flip = |body: &mut Vec<u8>| *body.last_mut().unwrap() ^= 1;
        if liar { vec![mail.forged(&identities[&header.from], |_, body| flip(body))] } else { vec![mail] }
    });
    for honest in [1, 2] {
        let seat = &seats[&party(honest)];
        let named = blamed_by(&context, [seat]);
        assert!(named.is_superset(&BTreeSet::from([party(3), party(4)])), "{named:?}");
    }
}

#[test]
fn several_culprits_are_all_named() {
    let mut world = World::new(2, 4, 117);
    let context = world.dkg_context::<Secp256k1>();
    let mut seats = world.dkg::<Secp256k1>(&context);
    let identities = world.identities.clone();
    run_all(&mut seats, Order::First, |mail| {
        let header = mail.header();
        let liar = header.round == 3 && header.from.index() > 2 && mail.to == Some(party(1));
        let wrong = Share::<Secp256k1>(Secret::new(k256::Scalar::ONE)).encode().to_vec();
        if liar { vec![mail.forged(&identities[&header.from], |_, body| *body = wrong)] } else { vec![mail] }
    });
    let Some(Abort::Blame(blames)) = &seats[&party(1)].abort else {
        panic!("party 1 was dealt wrong shares")
    };
    assert_eq!(blames.iter().map(|blame| blame.party).collect::<Vec<_>>(), [party(3), party(4)]);
    assert_eq!(blamed_by(&context, [&seats[&party(1)]]), BTreeSet::from([party(3), party(4)]));
}
