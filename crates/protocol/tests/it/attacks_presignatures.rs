//! Attacks on presignatures and on signing with them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use k256::Scalar;
use keymoot_protocol::abort::{Abort, Benign, Fault};
use keymoot_protocol::codec::Wire;
use keymoot_protocol::dkls23::sign::{Approval, Share};
use keymoot_protocol::dkls23::{
    Bans, Order as SignOrder, Payload, PayloadHash, Presignature, PresignaturePool, SignRefused, Signer,
    Tombstone, Unavailable, VerifyingKey,
};
use keymoot_protocol::envelope::Kind;
use keymoot_protocol::identity::IdentityKey;
use keymoot_protocol::transcript::Hash;
use keymoot_types::{Epoch, Millis, Party, Path};

use crate::dkls::{Member, payload, take_first, verifies_elsewhere, verifying_key};
use crate::net::{Mail, Node, Order, honest};
use crate::parties::{DEADLINE, World, party};

type Parts = BTreeMap<Party, Presignature>;

struct Scene {
    world: World,
    members: BTreeMap<Party, Member>,
    key: Arc<VerifyingKey>,
    parts: Vec<Parts>,
}

/// A 2-of-3 key, and this many presignatures of parties 1 and 3.
fn scene(seed: u64, size: u16) -> Scene {
    let mut world = World::new(2, 3, seed);
    let mut members = world.ecdsa_members();
    let mut done = world.presign(&mut members, &[party(1), party(3)], size);
    let parts = (0..size).map(|_| take_first(&mut done)).collect();
    let key = verifying_key(&members[&party(1)], &Path::root());
    Scene { world, members, key, parts }
}

impl Scene {
    fn next(&mut self) -> Parts {
        self.parts.remove(0)
    }

    fn order(&self, parts: &Parts, message: &[u8]) -> SignOrder {
        let public = Arc::new(parts[&party(1)].public().clone());
        SignOrder::new(Arc::clone(&self.key), payload(message), public).unwrap()
    }
}

const SOON: Millis = Millis(1_000);
const LATER: Millis = Millis(5_000);

#[test]
fn p01_a_presignature_is_had_once_whatever_crashes() {
    let mut scene = scene(600, 1);
    let parts = scene.next();
    let order = scene.order(&parts, b"one");
    let (id, sealed) = (parts[&party(1)].id(), parts[&party(1)].seal());
    let copy = || Presignature::unseal(&sealed).unwrap();
    let mut pool = PresignaturePool::default();
    pool.add(copy(), LATER).unwrap();
    assert_eq!(pool.add(copy(), LATER), Err(Unavailable::Spent), "already here");
    let (tombstone, burnt) = pool.burn(id, order.intent(), SOON).unwrap();
    assert_eq!(tombstone, Tombstone { presignature: id, request: Some(order.intent()) });
    drop(burnt);
    let again = |pool: &mut PresignaturePool| pool.burn(id, order.intent(), SOON).map(drop);
    assert_eq!(again(&mut pool), Err(Unavailable::Spent), "the same request gets nothing either");
    assert_eq!(pool.add(copy(), LATER), Err(Unavailable::Spent));
    // A crash after the tombstone: the old record may still be on disk, the log says otherwise.
    let read = Tombstone::decode(&tombstone.encode()).unwrap();
    let mut restored = PresignaturePool::restore([read]);
    assert_eq!(restored.add(copy(), LATER), Err(Unavailable::Spent));
    assert_eq!(again(&mut restored), Err(Unavailable::Spent));
    // A crash before the tombstone: nothing had left, so it is still good.
    let mut restored = PresignaturePool::restore([]);
    restored.add(copy(), LATER).unwrap();
    assert_eq!(again(&mut restored), Ok(()));
    assert_eq!(again(&mut PresignaturePool::default()), Err(Unavailable::Unknown));
}

#[test]
fn p02_of_many_requests_at_once_one_gets_the_presignature() {
    let mut scene = scene(601, 1);
    let mut parts = scene.next();
    let order = scene.order(&parts, b"race");
    let part = parts.remove(&party(1)).unwrap();
    let id = part.id();
    let mut pool = PresignaturePool::default();
    pool.add(part, LATER).unwrap();
    let pool = Mutex::new(pool);
    let start = std::sync::Barrier::new(8);
    let won = std::thread::scope(|scope| {
        let try_it = || {
            start.wait();
            pool.lock().unwrap().burn(id, order.intent(), SOON).is_ok()
        };
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(try_it)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).filter(|won| *won).count()
    });
    assert_eq!(won, 1);
}

#[test]
fn p05_a_presignature_signs_for_its_key_epoch_signers_and_request_only() {
    let mut scene = scene(602, 2);
    let (mut parts, others) = (scene.next(), scene.next());
    let public = parts[&party(1)].public().clone();
    // Another key of the same committee, on the same pair setup.
    let other_shares = scene.world.generate_ecdsa(7);
    let group = other_shares[0].group();
    let other_key = VerifyingKey::new(Arc::clone(group), &group.committee, Path::root()).unwrap();
    let refused = |key: &Arc<VerifyingKey>, change: &dyn Fn(&mut keymoot_protocol::dkls23::Public)| {
        let mut changed = public.clone();
        change(&mut changed);
        SignOrder::new(Arc::clone(key), payload(b"x"), Arc::new(changed)).err()
    };
    assert_eq!(refused(&Arc::new(other_key), &|_| {}), Some(SignRefused::WrongKey));
    assert_eq!(refused(&scene.key, &|public| public.epoch = Epoch(1)), Some(SignRefused::WrongKey));
    assert!(matches!(
        refused(&scene.key, &|public| public.signers = vec![party(1)]),
        Some(SignRefused::Quorum(_))
    ));
    let too_many = |public: &mut keymoot_protocol::dkls23::Public| {
        public.signers = vec![party(1), party(2), party(3)];
    };
    assert_eq!(refused(&scene.key, &too_many), Some(SignRefused::TooMany));
    assert_eq!(refused(&scene.key, &|_| {}), None);
    // Burnt for one request, it signs for no other; nor for an order of another presignature.
    let (order, other) = (scene.order(&parts, b"one"), scene.order(&parts, b"other"));
    let foreign = scene.order(&others, b"one");
    let identity = |index| Arc::clone(&scene.world.identities[&party(index)]);
    let session = keymoot_types::SessionId::new([1; 16]);
    let start = |order: &SignOrder, intent: Hash, who: u16| {
        let sealed = parts[&party(1)].seal();
        let (_, burnt) = Presignature::unseal(&sealed).unwrap().burn(intent);
        Signer::start(order.clone(), session, identity(who), burnt, &Bans::default()).map(drop)
    };
    assert_eq!(start(&order, other.intent(), 1), Err(SignRefused::WrongRequest));
    assert_eq!(start(&foreign, foreign.intent(), 1), Err(SignRefused::WrongRequest));
    assert_eq!(start(&order, order.intent(), 3), Err(SignRefused::WrongIdentity(party(1))));
    assert_eq!(start(&order, order.intent(), 1), Ok(()));
    let mut bans = Bans::default();
    bans.add(scene.world.identities[&party(3)].public());
    let (_, burnt) = Presignature::unseal(&parts[&party(1)].seal()).unwrap().burn(order.intent());
    let banned = Signer::start(order, session, identity(1), burnt, &bans).map(drop);
    assert_eq!(banned, Err(SignRefused::Banned(party(3))));
    parts.clear();
}

#[test]
fn p05_a_key_of_another_scheme_is_none_of_ours() {
    let mut world = World::new(2, 3, 603);
    let taproot = world.generate::<keymoot_protocol::curve::Secp256k1>();
    let group = taproot[0].group();
    let key = VerifyingKey::new(Arc::clone(group), &group.committee, Path::root());
    assert_eq!(key.err(), Some(SignRefused::WrongScheme));
}

#[test]
fn p06_signers_that_were_shown_different_requests_release_nothing() {
    let mut scene = scene(604, 5);
    let child = verifying_key(&scene.members[&party(1)], &"m/0".parse().unwrap());
    for case in 0..4 {
        let parts = scene.next();
        let public = Arc::new(parts[&party(1)].public().clone());
        let order = |key: &Arc<VerifyingKey>, payload| {
            SignOrder::new(Arc::clone(key), payload, Arc::clone(&public)).unwrap()
        };
        let otherwise_hashed = Arc::new(Payload::new(PayloadHash::Sha256, b"pay Alice".to_vec()));
        let (other_order, other_parts) = match case {
            0 => (order(&scene.key, payload(b"pay Mallory")), copies(&parts)),
            1 => (order(&child, payload(b"pay Alice")), copies(&parts)),
            2 => (order(&scene.key, otherwise_hashed), copies(&parts)),
            _ => {
                // Another presignature of the same batch.
                let other = scene.next();
                (scene.order(&other, b"pay Alice"), other)
            }
        };
        let honest_order = order(&scene.key, payload(b"pay Alice"));
        let mut shown = scene.world.ecdsa_signing(&honest_order, parts);
        let mut deceived = scene.world.ecdsa_signing(&other_order, other_parts);
        let mut seats = BTreeMap::from([
            (party(1), shown.signers.remove(&party(1)).unwrap()),
            (party(3), deceived.signers.remove(&party(3)).unwrap()),
        ]);
        let mut shares = 0;
        crate::parties::run_all(&mut seats, Order::First, |mail| {
            shares += usize::from(mail.header().round == 1);
            vec![mail]
        });
        assert_eq!(shares, 0, "case {case}: a share left");
        for seat in seats.values_mut() {
            let session = seat.take_session().expect("both wait");
            let abort = session.check_deadline(DEADLINE).err().unwrap();
            assert!(abort.culprits().is_empty());
        }
    }
}

fn copies(parts: &Parts) -> Parts {
    parts.iter().map(|(party, part)| (*party, Presignature::unseal(&part.seal()).unwrap())).collect()
}

/// A signing in which the last signer says something else in one round.
fn with_lie(
    scene: &mut Scene,
    round: u8,
    change: impl Fn(&IdentityKey, &Mail) -> Mail,
) -> crate::dkls::EcdsaSigning {
    let parts = scene.next();
    let order = scene.order(&parts, b"lied about");
    let mut signing = scene.world.ecdsa_signing(&order, parts);
    let identity = Arc::clone(&scene.world.identities[&party(3)]);
    signing.run(Order::First, |mail| {
        let header = mail.header();
        if mail.from == party(3) && header.round == round && header.kind == Kind::Body {
            vec![change(&identity, &mail)]
        } else {
            vec![mail]
        }
    });
    signing
}

#[test]
fn d11_wrong_shares_end_the_attempt_and_blame_nobody() {
    let mut scene = scene(605, 5);
    let changes: [fn(&mut Share); 4] = [
        |share| share.numerator += Scalar::ONE,
        |share| share.denominator += Scalar::ONE,
        |share| share.numerator = Scalar::ZERO,
        |share| *share = Share { numerator: share.denominator, denominator: share.numerator },
    ];
    for change in changes {
        let signing = with_lie(&mut scene, 1, |identity, mail| {
            mail.forged(identity, |_, body| {
                let mut share = Share::decode(body).unwrap();
                change(&mut share);
                *body = share.encode().to_vec();
            })
        });
        assert!(matches!(signing.aggregator.abort, Some(Abort::Benign(Benign::WrongSum))));
        assert!(signing.blamed().is_empty());
        assert!(signing.signers.values().all(Node::is_done), "the presignature is spent all the same");
    }
    // A denominator that makes the sum zero is an error, not a panic.
    let seen = std::cell::RefCell::new(Scalar::ZERO);
    let parts = scene.next();
    let order = scene.order(&parts, b"zero");
    let mut signing = scene.world.ecdsa_signing(&order, parts);
    let identity = Arc::clone(&scene.world.identities[&party(3)]);
    signing.run(Order::First, |mail| {
        if mail.header().round != 1 {
            return vec![mail];
        }
        let share = Share::decode(mail.envelope().body()).unwrap();
        if mail.from == party(1) {
            seen.replace(share.denominator);
            return vec![mail];
        }
        let zeroing = Share { denominator: -*seen.borrow(), ..share };
        vec![mail.forged(&identity, |_, body| *body = zeroing.encode().to_vec())]
    });
    assert!(matches!(signing.aggregator.abort, Some(Abort::Benign(Benign::WrongSum))));
}

#[test]
fn p06_an_entropy_that_was_not_committed_to_convicts() {
    let mut scene = scene(606, 2);
    let signing = with_lie(&mut scene, 0, |identity, mail| {
        mail.forged(identity, |_, body| *body = Approval { entropy: [7; 32] }.encode().to_vec())
    });
    assert_eq!(signing.blamed(), BTreeSet::from([party(3)]));
    let fault = crate::net::faults(signing.signers.values()).remove(&party(3));
    assert_eq!(fault, Some(BTreeSet::from([Fault::WrongOpening])));
    assert!(signing.aggregator.output.is_none());
    assert!(!signing.signers[&party(1)].is_done(), "the honest signer's share did not leave");
    // The other signer's entropy, copied.
    let copied = std::cell::RefCell::new(Vec::new());
    let parts = scene.next();
    let order = scene.order(&parts, b"copied");
    let mut signing = scene.world.ecdsa_signing(&order, parts);
    let identity = Arc::clone(&scene.world.identities[&party(3)]);
    signing.run(Order::First, |mail| {
        match (mail.from == party(3), mail.header().round) {
            (false, 0) => drop(copied.replace(mail.envelope().body().to_vec())),
            (true, 0) => return vec![mail.forged(&identity, |_, body| body.clone_from(&copied.borrow()))],
            _ => {}
        }
        vec![mail]
    });
    assert_eq!(signing.blamed(), BTreeSet::from([party(3)]));
}

#[test]
fn p10_presignatures_expire_and_go_with_their_key_and_signers() {
    let mut scene = scene(607, 4);
    let key = scene.members[&party(1)].share.group().digest();
    let fill = |scene: &mut Scene| {
        let mut pool = PresignaturePool::default();
        let all: Vec<_> = scene.parts.iter().map(|parts| parts[&party(1)].seal()).collect();
        for (sealed, expires) in all.iter().zip([SOON, SOON, LATER, LATER]) {
            pool.add(Presignature::unseal(sealed).unwrap(), expires).unwrap();
        }
        pool
    };
    let ids: Vec<_> = scene.parts.iter().map(|parts| parts[&party(1)].id()).collect();
    let request = Hash::from_bytes([3; 32]);
    let signers = [party(1), party(3)];
    let mut pool = fill(&mut scene);
    assert_eq!(pool.left(key, &signers), 4);
    assert_eq!(pool.left(key, &[party(1), party(2)]), 0);
    // Asked for too late, it is buried at once; the rest of its age, when they are looked for.
    let buried = |id| Tombstone { presignature: id, request: None };
    assert_eq!(pool.burn(ids[0], request, SOON).map(drop), Err(Unavailable::Expired(buried(ids[0]))));
    assert_eq!(pool.left(key, &signers), 3);
    // A clock that is set back brings nothing back, nor does the store.
    assert_eq!(pool.burn(ids[0], request, Millis(0)).map(drop), Err(Unavailable::Spent));
    let stored = Presignature::unseal(&scene.parts[0][&party(1)].seal()).unwrap();
    assert_eq!(pool.add(stored, LATER), Err(Unavailable::Spent));
    assert_eq!(pool.expire(SOON), [buried(ids[1])]);
    assert_eq!(pool.burn(ids[1], request, Millis(0)).map(drop), Err(Unavailable::Spent));
    assert!(pool.burn(ids[2], request, SOON).is_ok());
    // A banned signer, a burnt pair.
    let mut pool = fill(&mut scene);
    let identity = |index| *scene.world.committee.identity(party(index)).unwrap();
    let [unrelated, banned] = [identity(2), identity(3)];
    assert!(pool.drop_signer(&unrelated).is_empty());
    assert_eq!(pool.drop_signer(&banned).len(), 4);
    assert_eq!(pool.burn(ids[3], request, Millis(0)).map(drop), Err(Unavailable::Spent));
    // The epoch is over, the key frozen.
    let mut pool = fill(&mut scene);
    assert!(pool.drop_key(request).is_empty());
    assert_eq!(pool.drop_key(key).len(), 4);
    assert_eq!(pool.left(key, &signers), 0);
}

#[test]
fn t03_any_order_of_delivery_gives_a_signature() {
    let mut scene = scene(608, 12);
    let mut rng = crate::parties::rng(9);
    for turn in 0..12 {
        let parts = scene.next();
        let order = scene.order(&parts, &[turn]);
        let mut signing = scene.world.ecdsa_signing(&order, parts);
        signing.run(Order::Random(&mut rng), honest);
        let signature = signing.aggregator.output.expect("an honest signing succeeds");
        assert!(verifies_elsewhere(&scene.key, order.payload(), &signature));
    }
}

#[test]
fn t03_any_order_of_delivery_gives_presignatures_whatever_the_batch() {
    let mut world = World::new(3, 3, 609);
    let mut members = world.ecdsa_members();
    let mut rng = crate::parties::rng(10);
    let signers = [party(1), party(2), party(3)];
    for size in [1, 40, 130] {
        let mut seats = world.presign_seats(&mut members, &signers, size);
        crate::parties::run_all(&mut seats, Order::Random(&mut rng), honest);
        assert!(seats.values().all(Node::is_done), "size {size}");
        assert!(seats.values().all(|seat| seat.refusals.is_empty()), "honest mail is never refused");
    }
}

#[test]
fn a_sealed_presignature_is_read_back_or_refused() {
    let mut scene = scene(610, 1);
    let parts = scene.next();
    let sealed = parts[&party(1)].seal();
    let back = Presignature::unseal(&sealed).unwrap();
    assert_eq!(
        (back.id(), back.party(), back.public()),
        (parts[&party(1)].id(), party(1), parts[&party(1)].public())
    );
    assert_eq!(*back.seal(), *sealed);
    for cut in 0..sealed.len() {
        assert!(Presignature::unseal(&sealed[..cut]).is_err());
    }
    assert!(Presignature::unseal(&[&sealed[..], &[0]].concat()).is_err());
}
