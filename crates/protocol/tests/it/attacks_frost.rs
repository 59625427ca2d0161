//! Attacks on signing: rows S05, S07–S10, P05 and P07 of the attack table.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use frost_core::Ciphersuite;
use keymoot_protocol::abort::{Abort, Benign, Blame, Fault};
use keymoot_protocol::codec::Wire;
use keymoot_protocol::curve::{Curve, Ed25519, Secp256k1, abscissa, group::Group};
use keymoot_protocol::evidence::Evidence;
use keymoot_protocol::frost::nonces::Spent;
use keymoot_protocol::frost::{
    Aggregator, Commitments, NoncePool, Nonces, Order as SignOrder, Refused, SignatureShare, Signer,
    SigningKey, Suite, VerifyingKey,
};
use keymoot_protocol::session::{Advance, Refusal, Session};
use keymoot_protocol::vss::lagrange;
use keymoot_types::{Party, Path, SessionId};
use rand_chacha::rand_core::RngCore;

use crate::net::{Mail, Node, Order, Seated, faults, honest};
use crate::parties::{Checked, DEADLINE, Signing, World, party, signing_keys};

/// A key of 2-of-3 and an order for parties 1 and 3.
fn ready<C: Checked>(seed: u64) -> (World, Vec<Arc<SigningKey<C>>>, SignOrder<C>) {
    let mut world = World::new(2, 3, seed);
    let shares = world.generate::<C>();
    let keys = signing_keys(&shares, &Path::root());
    let order = order_for(&keys, &[1, 3], C::MESSAGE);
    (world, keys, order)
}

fn order_for<C: Checked>(keys: &[Arc<SigningKey<C>>], signers: &[u16], message: &[u8]) -> SignOrder<C> {
    let signers = signers.iter().map(|index| party(*index)).collect();
    SignOrder::new(Arc::clone(keys[0].public()), signers, message.to_vec()).expect("a legal order")
}

// ── S05 ──────────────────────────────────────────────────────────────────────────────────────────────────────

#[test]
fn s05_a_nonce_is_handed_out_once() {
    let (mut world, keys, _) = ready::<Secp256k1>(200);
    let mut pool = NoncePool::<Secp256k1>::default();
    let published = pool.refill(&keys[0], 2, &mut world.rng);
    assert_ne!(published[0].0, published[1].0);
    assert!(pool.burn(published[0].0).is_ok());
    assert_eq!(
        pool.burn(published[0].0).err(),
        Some(Spent),
        "another message, another quorum: the nonce is gone"
    );
    let foreign = NoncePool::default().refill(&keys[1], 1, &mut world.rng);
    assert_eq!(pool.burn(foreign[0].0).err(), Some(Spent), "nor is another member's nonce ours");
    assert_eq!(pool.left(), 1);
}

/// ρ of RFC 9591, §4.4, computed from the text.
fn binding_factor(
    key: &[u8; 32],
    message: &[u8],
    list: &[(Party, Commitments<Ed25519>)],
    of: Party,
) -> curve25519_dalek::Scalar {
    type Zf = frost_ed25519::Ed25519Sha512;
    let name = |party: Party| abscissa::<Ed25519>(party).to_bytes();
    let mut encoded = vec![];
    for (party, commitments) in list {
        encoded.extend(name(*party));
        encoded.extend(commitments.0.hiding().serialize().unwrap());
        encoded.extend(commitments.0.binding().serialize().unwrap());
    }
    let mut input = key.to_vec();
    input.extend_from_slice(&<Zf as Ciphersuite>::H4(message));
    input.extend_from_slice(&<Zf as Ciphersuite>::H5(&encoded));
    input.extend(name(of));
    <Zf as Ciphersuite>::H1(&input)
}

fn point(bytes: &[u8]) -> curve25519_dalek::EdwardsPoint {
    Ed25519::decode_point(bytes).expect("a commitment is a point")
}

/// R = Σ Dᵢ + ρᵢ·Eᵢ.
fn group_commitment(
    key: &[u8; 32],
    message: &[u8],
    list: &[(Party, Commitments<Ed25519>)],
) -> curve25519_dalek::EdwardsPoint {
    list.iter().fold(curve25519_dalek::EdwardsPoint::identity(), |sum, (party, commitments)| {
        let hiding = point(&commitments.0.hiding().serialize().unwrap());
        let binding = point(&commitments.0.binding().serialize().unwrap());
        sum + hiding + binding * binding_factor(key, message, list, *party)
    })
}

fn challenge(
    key: &[u8; 32],
    message: &[u8],
    commitment: &curve25519_dalek::EdwardsPoint,
) -> curve25519_dalek::Scalar {
    let input = [commitment.compress().as_bytes().as_slice(), key, message].concat();
    <frost_ed25519::Ed25519Sha512 as Ciphersuite>::H2(&input)
}

#[test]
fn s05_reused_nonces_would_give_the_share_away() {
    // What the move-only nonce prevents: three answers with one nonce are three equations in d, e and the share.
    let mut world = World::new(2, 3, 201);
    let shares = world.generate::<Ed25519>();
    let keys = signing_keys(&shares, &Path::root());
    let (key, secret) = (*keys[0].public().output_key(), *shares[0].expose());
    let (d, e) = (Ed25519::random(&mut world.rng), Ed25519::random(&mut world.rng));
    let commitment =
        |nonce| Ed25519::encode_point(&(curve25519_dalek::EdwardsPoint::generator() * nonce)).to_vec();
    let ours = encode_commitments(&commitment(d), &commitment(e));
    let theirs = Nonces::draw(&keys[1], &mut world.rng).commitments();
    let list = [(party(1), ours), (party(2), theirs)];
    let lambda = lagrange::<Ed25519>(&[party(1), party(2)], party(1)).unwrap();
    // z = d + ρ·e + c·λ·x for three messages.
    let rows: Vec<[curve25519_dalek::Scalar; 4]> = [b"one", b"two", b"six"]
        .iter()
        .map(|message| {
            let rho = binding_factor(&key, *message, &list, party(1));
            let c = challenge(&key, *message, &group_commitment(&key, *message, &list)) * lambda;
            [curve25519_dalek::Scalar::ONE, rho, c, d + rho * e + c * secret]
        })
        .collect();
    assert_eq!(solve(rows)[2], secret, "the share, from three public answers");
}

fn encode_commitments(hiding: &[u8], binding: &[u8]) -> Commitments<Ed25519> {
    let field = |content: &[u8]| [&[crate::tokens::POINT][..], &32u64.to_le_bytes(), content].concat();
    Commitments::decode(&[field(hiding), field(binding)].concat()).expect("two points")
}

/// Gauß, three unknowns.
fn solve(mut rows: Vec<[curve25519_dalek::Scalar; 4]>) -> [curve25519_dalek::Scalar; 3] {
    for column in 0..3 {
        let inverse = rows[column][column].invert();
        rows[column] = rows[column].map(|value| value * inverse);
        for other in (0..3).filter(|other| *other != column) {
            let factor = rows[other][column];
            let pivot = rows[column];
            rows[other].iter_mut().zip(pivot).for_each(|(value, pivot)| *value -= factor * pivot);
        }
    }
    [rows[0][3], rows[1][3], rows[2][3]]
}

// ── S07 ──────────────────────────────────────────────────────────────────────────────────────────────────────

#[test]
fn s07_every_share_is_bound_to_message_commitments_and_key() {
    let (mut world, keys, order) = ready::<Ed25519>(202);
    let mut said = BTreeMap::new();
    let mut signing = world.signing(&order, &keys);
    signing.run(Order::First, |mail| {
        said.insert((mail.header().round, mail.from), mail.envelope().body().to_vec());
        vec![mail]
    });
    let list: Vec<_> = [1, 3]
        .map(|index| (party(index), Commitments::<Ed25519>::decode(&said[&(0, party(index))]).unwrap()))
        .to_vec();
    let key = *order.key().output_key();
    let rho = |key: &[u8; 32], message: &[u8], list: &[_]| binding_factor(key, message, list, party(1));
    let bound = rho(&key, Ed25519::MESSAGE, &list);
    let mut other_key = key;
    other_key[0] ^= 1;
    let mut other_list = list.clone();
    other_list[1].1 = Nonces::draw(&keys[2], &mut world.rng).commitments();
    assert_ne!(bound, rho(&other_key, Ed25519::MESSAGE, &list), "the key is bound");
    assert_ne!(bound, rho(&key, b"another message", &list), "the message is bound");
    assert_ne!(bound, rho(&key, Ed25519::MESSAGE, &other_list), "every commitment is bound");
    assert_ne!(bound, rho(&key, Ed25519::MESSAGE, &list[..1]), "the set of signers is bound");
    // And the answer that went out was made with exactly this factor: z·G = D + ρ·E + c·λ·X.
    let c = challenge(&key, Ed25519::MESSAGE, &group_commitment(&key, Ed25519::MESSAGE, &list));
    let lambda = lagrange::<Ed25519>(&[party(1), party(3)], party(1)).unwrap();
    let share = SignatureShare::<Ed25519>::decode(&said[&(1, party(1))]).unwrap().0.serialize();
    let z = Ed25519::decode_scalar(&share).unwrap();
    let hiding = point(&list[0].1.0.hiding().serialize().unwrap());
    let binding = point(&list[0].1.0.binding().serialize().unwrap());
    let public = *order.key().group().share_of(party(1)).unwrap();
    assert_eq!(
        curve25519_dalek::EdwardsPoint::generator() * z,
        hiding + binding * bound + public * (c * lambda)
    );
}

#[test]
fn s07_many_parallel_sessions_share_no_nonce() {
    let (mut world, keys, order) = ready::<Secp256k1>(203);
    let mut sessions: Vec<Signing<Secp256k1>> = (0..256).map(|_| world.signing(&order, &keys)).collect();
    let mut seen = BTreeSet::new();
    for signing in &mut sessions {
        signing.run(Order::First, |mail| {
            if mail.header().round == 0 && mail.to.is_none() {
                assert!(seen.insert(mail.envelope().body().to_vec()), "a commitment appeared twice");
            }
            vec![mail]
        });
        assert!(signing.aggregator.is_done());
    }
    assert_eq!(seen.len(), 512);
}

// ── S08 ──────────────────────────────────────────────────────────────────────────────────────────────────────

fn wrong_shares<C: Checked>(
    needed: u16,
    cheaters: &[u16],
    seed: u64,
    change: impl Fn(C::Scalar) -> C::Scalar,
) {
    let mut world = World::new(needed, needed, seed);
    let shares = world.generate::<C>();
    let keys = signing_keys(&shares, &Path::root());
    let everybody: Vec<u16> = (1..=needed).collect();
    let order = order_for(&keys, &everybody, C::MESSAGE);
    let cheaters: BTreeSet<Party> = cheaters.iter().map(|index| party(*index)).collect();
    let mut signing = world.signing(&order, &keys);
    signing.run(Order::First, |mail| {
        if mail.header().round == 0 || !cheaters.contains(&mail.from) {
            return vec![mail];
        }
        let forge = |_: &mut _, body: &mut Vec<u8>| {
            let share = SignatureShare::<C>::decode(body).unwrap().0.serialize();
            let wrong = C::encode_scalar(&change(C::decode_scalar(&share).unwrap()));
            *body = [&[crate::tokens::SCALAR][..], &32u64.to_le_bytes(), &wrong].concat();
        };
        vec![mail.forged(world.identity(mail.from), forge)]
    });
    assert!(signing.aggregator.output.is_none());
    assert_eq!(signing.blamed(), cheaters, "all cheaters and nobody else");
}

#[test]
fn s08_one_to_all_wrong_shares_are_all_named_ed25519() {
    for cheaters in [&[1][..], &[3], &[1, 2], &[2, 3], &[1, 2, 3]] {
        wrong_shares::<Ed25519>(3, cheaters, 204, |z| z + curve25519_dalek::Scalar::ONE);
        wrong_shares::<Ed25519>(3, cheaters, 204, |z| -z);
        wrong_shares::<Ed25519>(3, cheaters, 204, |_| curve25519_dalek::Scalar::ZERO);
    }
}

#[test]
fn s08_wrong_shares_are_named_in_every_parity_of_keys_and_nonces() {
    // P, Q and R are odd or even with probability one half each: 48 keys meet all eight cases.
    for seed in 0..48 {
        wrong_shares::<Secp256k1>(3, &[2], 1000 + seed, |z| z + k256::Scalar::ONE);
        wrong_shares::<Secp256k1>(2, &[1, 2], 2000 + seed, |z| -z);
    }
}

#[test]
fn s08_a_share_of_another_session_is_refused_or_convicts() {
    let (mut world, keys, order) = ready::<Ed25519>(205);
    let mut other = None;
    world.signing(&order, &keys).run(Order::First, |mail| {
        if mail.header().round == 1 && mail.from == party(3) && mail.to.is_none() {
            other = Some(mail.clone());
        }
        vec![mail]
    });
    let other = other.expect("party 3 answered");
    // Replayed by the relay it belongs to another session; signed again by its author it is a wrong share.
    let mut signing = world.signing(&order, &keys);
    signing.run(Order::First, |mail| {
        if mail.header().round == 1 && mail.from == party(3) && mail.to.is_none() {
            vec![other.clone()]
        } else {
            vec![mail]
        }
    });
    assert_eq!(signing.aggregator.refusals, [Refusal::OtherSession]);
    assert!(signing.blamed().is_empty() && signing.aggregator.output.is_none());
    let mut signing = world.signing(&order, &keys);
    let replayed = other.envelope().body().to_vec();
    signing.run(Order::First, |mail| {
        let liar = mail.header().round == 1 && mail.from == party(3);
        if liar {
            vec![mail.forged(world.identity(party(3)), |_, body| body.clone_from(&replayed))]
        } else {
            vec![mail]
        }
    });
    assert_eq!(signing.blamed(), BTreeSet::from([party(3)]));
    assert_eq!(faults([&signing.aggregator])[&party(3)].len(), 1);
}

#[test]
fn s08_errors_that_cancel_out_leave_a_valid_signature() {
    let (mut world, keys, order) = ready::<Ed25519>(206);
    let mut signing = world.signing(&order, &keys);
    signing.run(Order::First, |mail| {
        if mail.header().round == 0 {
            return vec![mail];
        }
        let one = curve25519_dalek::Scalar::ONE;
        let shift = if mail.from == party(1) { one } else { -one };
        vec![mail.forged(world.identity(mail.from), |_, body| {
            let z = Ed25519::decode_scalar(&SignatureShare::<Ed25519>::decode(body).unwrap().0.serialize())
                .unwrap();
            let shifted = Ed25519::encode_scalar(&(z + shift));
            *body = [&[crate::tokens::SCALAR][..], &32u64.to_le_bytes(), &shifted].concat();
        })]
    });
    let signature = signing.aggregator.output.expect("nothing is wrong with the sum");
    assert!(Ed25519::verifies(order.key().output_key(), Ed25519::MESSAGE, &signature));
}

// ── S09 ──────────────────────────────────────────────────────────────────────────────────────────────────────

#[test]
fn s09_a_lie_about_commitments_blames_no_signer() {
    let (mut world, keys, order) = ready::<Secp256k1>(207);
    let session = SessionId::new([1; 16]);
    let mut draw = |index: usize| Nonces::draw(&keys[index], &mut world.rng);
    let (one, three, bait) = (draw(0), draw(2), draw(2).commitments());
    let truth = [(party(1), one.commitments()), (party(3), three.commitments())];
    let lie = [(party(1), one.commitments()), (party(3), bait)];
    let aggregator = Aggregator::prepared(order.clone(), session, &truth).unwrap();
    let mut aggregator = Seated::new(None, Session::open(aggregator, DEADLINE));
    for (key, nonces, list) in [(&keys[0], one, &lie), (&keys[2], three, &truth)] {
        let identity = Arc::clone(&world.identities[&key.party()]);
        let signer =
            Signer::prepared(Arc::clone(key), order.clone(), session, identity, nonces.burn().1, list);
        let Advance::Done { outbox, .. } = Session::open(signer.unwrap(), DEADLINE) else {
            panic!("a prepared signer answers")
        };
        aggregator.deliver(&outbox[0].encode());
    }
    assert_eq!(aggregator.refusals, [Refusal::OtherSession], "the answer belongs to the session of the lie");
    assert!(aggregator.output.is_none() && aggregator.abort.is_none(), "no signature, and nobody to blame");
}

#[test]
fn s09_a_signer_refuses_a_list_without_its_own_commitment() {
    let (mut world, keys, order) = ready::<Secp256k1>(208);
    let mut draw = |index: usize| Nonces::draw(&keys[index], &mut world.rng);
    let (one, other, three) = (draw(0), draw(0).commitments(), draw(2).commitments());
    let own = one.commitments();
    let burnt = |nonces: Nonces<Secp256k1>| nonces.burn().1;
    let refused = |nonces, list: &[(Party, Commitments<Secp256k1>)]| {
        let identity = Arc::clone(&world.identities[&party(1)]);
        Signer::prepared(Arc::clone(&keys[0]), order.clone(), SessionId::new([1; 16]), identity, nonces, list)
            .err()
    };
    let mut random = crate::parties::rng(208);
    let mut draw = |index: usize| Nonces::draw(&keys[index], &mut random);
    assert_eq!(refused(burnt(one), &[(party(1), other), (party(3), three)]), Some(Refused::NotOurCommitment));
    for list in [
        vec![(party(1), own)],
        vec![(party(3), three), (party(1), own)],
        vec![(party(1), own), (party(2), three)],
        vec![(party(1), own), (party(1), own), (party(3), three)],
    ] {
        assert_eq!(refused(burnt(draw(0)), &list), Some(Refused::Package));
    }
}

#[test]
fn s09_a_nonce_listed_twice_is_refused_and_blames_nobody() {
    // Party 3 copies party 1's commitments: in a list of prepared ones, and as a rushing signer.
    let (mut world, keys, order) = ready::<Ed25519>(215);
    let one = Nonces::draw(&keys[0], &mut world.rng);
    let list = [(party(1), one.commitments()), (party(3), one.commitments())];
    let session = SessionId::new([1; 16]);
    let identity = Arc::clone(&world.identities[&party(1)]);
    let signer =
        Signer::prepared(Arc::clone(&keys[0]), order.clone(), session, identity, one.burn().1, &list);
    assert_eq!(signer.err(), Some(Refused::Repeated));
    assert_eq!(Aggregator::prepared(order.clone(), session, &list).err(), Some(Refused::Repeated));
    let mut signing = world.signing(&order, &keys);
    let mut said = None;
    signing.run(Order::First, |mail| {
        if mail.header().round != 0 {
            return vec![mail];
        }
        if mail.from == party(1) {
            said = Some(mail.envelope().body().to_vec());
            return vec![mail];
        }
        let copied = said.clone().expect("party 1 speaks first");
        vec![mail.forged(world.identity(party(3)), |_, body| *body = copied)]
    });
    assert!(signing.blamed().is_empty());
    let repeated = |abort: &Option<Abort>| matches!(abort, Some(Abort::Benign(Benign::Repeated)));
    assert!(repeated(&signing.aggregator.abort) && repeated(&signing.signers[&party(1)].abort));
}

#[test]
fn t03_any_order_of_delivery_gives_a_signature() {
    for shuffle in 0..40 {
        let (mut world, keys, _) = ready::<Secp256k1>(216);
        let order = order_for(&keys, &[1, 2, 3], Secp256k1::MESSAGE);
        let mut signing = world.signing(&order, &keys);
        signing.run(Order::Random(&mut crate::parties::rng(shuffle)), |mail| vec![mail.clone(), mail]);
        let signature = signing.aggregator.output.expect("order and repetition do not matter");
        assert!(Secp256k1::verifies(order.key().output_key(), Secp256k1::MESSAGE, &signature));
    }
}

#[test]
fn t13_dropping_any_one_message_of_a_signing_blames_nobody() {
    let (mut world, keys, order) = ready::<Ed25519>(217);
    let mut mail_in_all = 0;
    world.signing(&order, &keys).run(Order::First, |mail| {
        mail_in_all += 1;
        vec![mail]
    });
    assert_eq!(mail_in_all, 8, "two commitments and two shares, to the other signer and the aggregator");
    for lost in 0..mail_in_all {
        let mut signing = world.signing(&order, &keys);
        let mut number = 0;
        signing.run(Order::First, |mail| {
            number += 1;
            if number == lost + 1 { vec![] } else { vec![mail] }
        });
        assert!(signing.blamed().is_empty());
        assert!(signing.aggregator.abort.is_none());
    }
}

#[test]
fn k03_no_collage_of_honest_signings_convicts_anybody() {
    // Accusers combine the messages and commitments of three honest signings of one order.
    let (mut world, keys, order) = ready::<Secp256k1>(218);
    let mut runs = vec![];
    for _ in 0..3 {
        let mut said: Vec<Mail> = vec![];
        let mut signing = world.signing(&order, &keys);
        signing.run(Order::First, |mail| {
            said.push(mail.clone());
            vec![mail]
        });
        assert!(signing.aggregator.is_done());
        runs.push((signing.session, said));
    }
    let mut random = crate::parties::rng(218);
    let mut pick = |count: usize| random.next_u32() as usize % count;
    for _ in 0..5_000 {
        let (session, _) = runs[pick(3)];
        let mut evidence = Evidence::default();
        let spoken = |run: &Vec<Mail>, round, from| {
            let found = run.iter().find(|mail| (mail.header().round, mail.from) == (round, from));
            found.expect("everybody spoke").envelope()
        };
        let hellos =
            [1, 3].map(|from| (party(from), spoken(&runs[pick(3)].1, 0, party(from)).body().to_vec()));
        evidence.record.push(hellos.to_vec());
        let accused = party([1, 3][pick(2)]);
        evidence.envelopes.push(spoken(&runs[pick(3)].1, pick(2) as u8, accused));
        for fault in Fault::ALL {
            let blame =
                Blame { party: accused, fault, cites: vec![], evidence: std::mem::take(&mut evidence) };
            let verdict = keymoot_protocol::frost::aggregate::convict(&order, session, &blame);
            assert!(verdict.is_err(), "{accused:?} was convicted of {fault:?}");
            evidence = blame.evidence;
        }
    }
}

// ── S10 ──────────────────────────────────────────────────────────────────────────────────────────────────────

#[test]
fn s10_signers_who_approved_different_things_make_no_signature() {
    let mut world = World::new(2, 3, 209);
    let shares = world.generate::<Secp256k1>();
    let keys = signing_keys(&shares, &Path::root());
    let child = signing_keys(&shares, &"m/0/1".parse().unwrap());
    let approved = order_for(&keys, &[1, 3], &[1; 32]);
    let swaps = [
        (order_for(&keys, &[1, 3], &[2; 32]), &keys, "the message"),
        (order_for(&child, &[1, 3], &[1; 32]), &child, "the path"),
        (order_for(&keys, &[1, 2, 3], &[1; 32]), &keys, "the set of signers"),
    ];
    for (swapped, their_keys, what) in swaps {
        let mut signing = world.signing(&approved, &keys);
        let mut other = world.signing(&swapped, their_keys);
        signing.signers.insert(party(3), other.signers.remove(&party(3)).unwrap());
        signing.run(Order::First, honest);
        assert!(signing.aggregator.output.is_none(), "{what} differs");
        assert!(signing.blamed().is_empty(), "{what} differs, and nobody can tell who was deceived");
        assert!(
            signing.signers.values().all(|seat| seat.output.is_none()),
            "no share leaves when {what} differs"
        );
    }
}

// ── P05, P07 ─────────────────────────────────────────────────────────────────────────────────────────────────

#[test]
fn p05_nonces_shares_and_orders_of_another_key_are_refused() {
    let (world, keys, order) = ready::<Secp256k1>(210);
    let (mut elsewhere, other_keys, other_order) = ready::<Secp256k1>(211);
    let start =
        |key: &Arc<SigningKey<Secp256k1>>, order: &SignOrder<Secp256k1>, nonces: Nonces<Secp256k1>| {
            let identity = Arc::clone(&world.identities[&key.party()]);
            Signer::start(Arc::clone(key), order.clone(), SessionId::new([1; 16]), identity, nonces.burn().1)
                .err()
        };
    let mut random = crate::parties::rng(210);
    assert_eq!(start(&keys[0], &order, Nonces::draw(&keys[0], &mut random)), None);
    let wrong = Some(Refused::WrongKey);
    assert_eq!(
        start(&keys[0], &order, Nonces::draw(&other_keys[0], &mut random)),
        wrong,
        "another key's nonce"
    );
    assert_eq!(start(&keys[0], &order, Nonces::draw(&keys[2], &mut random)), wrong, "another member's nonce");
    assert_eq!(
        start(&keys[0], &other_order, Nonces::draw(&keys[0], &mut random)),
        wrong,
        "another key's order"
    );
    let refused = start(&keys[1], &order, Nonces::draw(&keys[1], &mut random));
    assert_eq!(refused, Some(Refused::NotASigner(party(2))));
    let share = elsewhere.generate::<Secp256k1>().remove(0);
    assert_eq!(SigningKey::new(&share, Arc::clone(keys[0].public())).err(), wrong, "another key's share");
}

#[test]
fn p05_a_key_serves_one_scheme_and_only_with_its_certificate() {
    let mut world = World::new(2, 3, 212);
    let shares = world.generate::<Secp256k1>();
    let mut pending = (**shares[0].group()).clone();
    pending.certificate.clear();
    let refused = VerifyingKey::<Secp256k1>::new(Arc::new(pending), &world.committee, Path::root()).err();
    assert!(matches!(refused, Some(Refused::Certificate(_))), "a key without its certificate signs nothing");
    let mut other = (**shares[0].group()).clone();
    other.scheme = <Ed25519 as Suite>::SCHEME;
    let digest = other.digest();
    other.certificate = world.identities.values().map(|identity| identity.sign(&digest)).collect();
    let refused = VerifyingKey::<Secp256k1>::new(Arc::new(other), &world.committee, Path::root()).err();
    assert_eq!(refused, Some(Refused::WrongScheme));
}

#[test]
fn p05_taproot_signs_digests_only() {
    let (_, keys, _) = ready::<Secp256k1>(213);
    for length in [0, 31, 33, 64] {
        let order = SignOrder::new(Arc::clone(keys[0].public()), vec![party(1), party(2)], vec![0; length]);
        assert_eq!(order.err(), Some(Refused::Message));
    }
}

#[test]
fn p07_ed25519_keys_have_no_children() {
    let mut world = World::new(2, 3, 214);
    let group = Arc::clone(world.generate::<Ed25519>()[0].group());
    let refused = VerifyingKey::new(group, &world.committee, "m/0".parse().unwrap()).err().expect("no child");
    assert!(matches!(refused, Refused::Path(_)));
    let cause = std::error::Error::source(&refused).expect("it says why").to_string();
    assert!(cause.contains("secp256k1"), "{cause}");
}
