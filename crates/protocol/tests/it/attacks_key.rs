//! Attacks on keys, committees and certificates: rows R01, R04 and R06 of the attack table.

use std::sync::Arc;

use keymoot_protocol::abort::{Abort, Fault};
use keymoot_protocol::codec::Wire;
use keymoot_protocol::context::{Committee, CommitteeError, Context};
use keymoot_protocol::curve::{Ed25519, Secp256k1, abscissa};
use keymoot_protocol::dkg::Dkg;
use keymoot_protocol::envelope::Kind;
use keymoot_protocol::key::{CertificateError, GroupKey, KeyShare};
use keymoot_protocol::transcript::Hash;
use keymoot_types::{Epoch, GroupId, KeyId, Party, PartyError, Secret, Threshold};

use crate::attacks_dkg::{assert_convicts, with_liar};
use crate::net::{Node, Order, honest};
use crate::parties::{Checked, World, group, party, run_all};

#[test]
fn r01_impossible_indices_are_refused() {
    assert_eq!(Party::new(0), Err(PartyError(0)));
    assert_eq!(Party::new(33), Err(PartyError(33)));
    let world = World::new(2, 3, 112);
    let members: Vec<_> = world.identities.iter().map(|(party, key)| (*party, key.public())).collect();
    let committee = |members| Committee::new(GroupId::new([1; 16]), Threshold::new(2, 3).unwrap(), members);
    assert!(committee(members.clone()).is_ok());
    assert_eq!(committee(members[..2].to_vec()), Err(CommitteeError::Numbering));
    assert_eq!(committee(vec![members[0], members[2], members[1]]), Err(CommitteeError::Numbering));
    assert_eq!(committee(vec![members[0], members[1], members[1]]), Err(CommitteeError::Numbering));
    let twice = vec![members[0], members[1], (party(3), members[1].1)];
    assert_eq!(committee(twice), Err(CommitteeError::SameIdentity(party(3))));
    // A point outside the committee, or twice, has no place in an interpolation.
    let all = [party(1), party(2)];
    assert!(keymoot_protocol::vss::lagrange::<Secp256k1>(&all, party(3)).is_none());
    assert!(keymoot_protocol::vss::lagrange::<Secp256k1>(&[party(1), party(1)], party(1)).is_none());
    assert!(
        keymoot_protocol::vss::lagrange::<Secp256k1>(&[party(1), party(2), party(2)], party(1)).is_none()
    );
    assert_eq!(abscissa::<Ed25519>(party(7)), curve25519_dalek::Scalar::from(7u64));
}

#[test]
fn r06_a_certificate_that_is_not_everybodys_is_no_certificate() {
    let mut world = World::new(2, 3, 113);
    let key = group(&world.generate::<Secp256k1>());
    let other = group(&World::new(2, 3, 114).generate::<Secp256k1>());
    let verdict = |change: &dyn Fn(&mut GroupKey<Secp256k1>)| {
        let mut changed = (*key).clone();
        change(&mut changed);
        let travelled = GroupKey::<Secp256k1>::decode(&changed.encode()).expect("it still decodes");
        let pinned = &world.committee;
        assert_eq!(travelled.verify(pinned), changed.verify(pinned));
        changed.verify(pinned)
    };
    assert_eq!(verdict(&|_| {}), Ok(()));
    assert_eq!(verdict(&|key| key.certificate.truncate(2)), Err(CertificateError::Incomplete));
    assert_eq!(verdict(&|key| key.certificate.push(key.certificate[0])), Err(CertificateError::Incomplete));
    let forged = Err(CertificateError::Signature(party(3)));
    assert_eq!(verdict(&|key| key.certificate[2] = key.certificate[0]), forged, "one signature twice");
    assert_eq!(verdict(&|key| key.certificate[2] = other.certificate[2]), forged, "a foreign signature");
    let first = Err(CertificateError::Signature(party(1)));
    assert_eq!(verdict(&|key| key.epoch = Epoch(1)), first);
    assert_eq!(verdict(&|key| key.key = KeyId::new([3; 16])), first);
    assert_eq!(verdict(&|key| key.chain_code[0] ^= 1), first);
    assert_eq!(verdict(&|key| key.merkle_root = Some([0; 32])), first);
    assert_eq!(verdict(&|key| key.output_key[0] ^= 1), first);
    assert_eq!(verdict(&|key| key.session = other.session), first);
    assert_eq!(verdict(&|key| key.view = other.view), first);
    assert_eq!(verdict(&|key| key.public = other.public), first);
    assert_eq!(
        verdict(&|key| key.committee = Arc::clone(&other.committee)),
        Err(CertificateError::Committee)
    );
    // Even what everybody signed must fit together.
    let resigned = |change: &dyn Fn(&mut GroupKey<Secp256k1>)| {
        verdict(&|key| {
            change(key);
            let digest = key.digest();
            key.certificate = world.identities.values().map(|identity| identity.sign(&digest)).collect();
        })
    };
    let inconsistent = Err(CertificateError::Inconsistent);
    assert_eq!(resigned(&|_| {}), Ok(()));
    assert_eq!(resigned(&|key| key.public = other.public), inconsistent);
    assert_eq!(resigned(&|key| key.shares[1] = other.shares[1]), inconsistent);
    assert_eq!(resigned(&|key| key.shares.truncate(2)), inconsistent);
    assert_eq!(resigned(&|key| key.merkle_root = Some([0; 32])), inconsistent);
    assert_eq!(resigned(&|key| key.output_key[0] ^= 1), inconsistent);
}

#[test]
fn r06_a_signature_on_another_certificate_convicts_its_signer() {
    let mut world = World::new(2, 3, 115);
    let identity = Arc::clone(&world.identities[&party(3)]);
    let (context, seats) = with_liar::<Ed25519>(&mut world, |_, outbox| {
        for message in outbox.iter_mut().filter(|message| message.round == 5) {
            message.body = keymoot_protocol::dkg::Certify(identity.sign(&Hash::from_bytes([7; 32]))).encode();
        }
    });
    assert_convicts(&context, &seats, party(3), Fault::WrongCertificate);
}

#[test]
fn r04_a_withheld_last_word_costs_nobody_the_key() {
    // Party 3 certifies to party 2 and not to party 1, who times out. Its share was ready before its own signature
    // left, and the certificate that party 2 holds makes it usable.
    let mut world = World::new(2, 3, 118);
    let context = world.dkg_context::<Secp256k1>();
    let mut seats = world.dkg::<Secp256k1>(&context);
    run_all(&mut seats, Order::First, |mail| {
        let withheld = mail.header().round == 5 && mail.from == party(3) && mail.to == Some(party(1));
        if withheld { vec![] } else { vec![mail] }
    });
    let session = seats.remove(&party(1)).unwrap().take_session().expect("party 1 waits");
    let (pending, secret) = session.machine().pending().expect("only the certificate is missing");
    assert!(pending.verify(&world.committee).is_err(), "a key without its certificate is not usable");
    let certified = Arc::clone(seats[&party(2)].output.as_ref().expect("party 2 has the key").group());
    certified.verify(&world.committee).unwrap();
    assert_eq!(certified.digest(), pending.digest(), "it is the key that party 1 has signed");
    let share =
        KeyShare::new(party(1), Secret::new(*secret.expose()), Arc::clone(&certified), &pending.digest())
            .expect("our share of it");
    let foreign =
        KeyShare::new(party(2), Secret::new(*secret.expose()), Arc::clone(&certified), &pending.digest());
    assert!(foreign.is_err(), "and of nobody else");
    let shares = vec![share, seats.remove(&party(2)).unwrap().output.unwrap()];
    let keys = crate::parties::signing_keys(&shares, &keymoot_types::Path::root());
    let order = keymoot_protocol::frost::Order::new(
        Arc::clone(keys[0].public()),
        vec![party(1), party(2)],
        vec![7; 32],
    );
    let mut signing = world.signing(&order.unwrap(), &keys);
    signing.run(Order::First, honest);
    assert!(Secp256k1::verifies(&certified.output_key, &[7; 32], &signing.aggregator.output.unwrap()));
}

#[test]
fn r04_no_signature_leaves_a_session_that_has_lost_its_share() {
    // The relay holds party 3's last echo back until party 1 has two signatures of the round after it, one of them
    // bad. Party 1 completes two rounds in one delivery and dies: its own signature must not leave, or the others
    // could certify a key whose share at party 1 is gone.
    let mut world = World::new(2, 3, 120);
    let context = world.dkg_context::<Secp256k1>();
    let mut seats = world.dkg::<Secp256k1>(&context);
    let identity = Arc::clone(&world.identities[&party(3)]);
    let mut held = None;
    run_all(&mut seats, Order::First, |mail| {
        let header = mail.header();
        if (header.from, header.round, header.kind, mail.to) == (party(3), 4, Kind::Echo, Some(party(1))) {
            held = Some(mail);
            return vec![];
        }
        let bad = header.from == party(3) && header.round == 5 && mail.to == Some(party(1));
        if bad { vec![mail.forged(&identity, |_, body| *body.last_mut().unwrap() ^= 1)] } else { vec![mail] }
    });
    let victim = seats.get_mut(&party(1)).unwrap();
    assert!(victim.session().is_some_and(|session| session.round() == 4), "party 1 awaits the echo");
    victim.deliver(&held.expect("the echo was held back").bytes);
    assert!(matches!(victim.abort, Some(Abort::Blame(_))), "the bad signature convicts party 3");
    let outbox = victim.take_outbox();
    assert!(outbox.iter().all(|envelope| envelope.header.kind == Kind::Echo), "{outbox:?}");
    assert!(seats[&party(2)].output.is_none(), "without party 1's signature there is no certificate");
}

#[test]
fn r06_a_package_certified_by_others_replaces_no_key() {
    // Everything that party 1 knows of its pending key, under a committee that the attacker made up, with a chain code
    // and a script of the attacker's choice.
    let mut world = World::new(2, 3, 121);
    let shares = world.generate::<Secp256k1>();
    let genuine = group(&shares);
    let sybils = World::new(2, 3, 122);
    let mut forged = (*genuine).clone();
    forged.committee = Arc::clone(&sybils.committee);
    forged.chain_code = [6; 32];
    forged.merkle_root = Some([6; 32]);
    let output = keymoot_protocol::derive::output_key::<Secp256k1>;
    forged.output_key = output(forged.scheme, &forged.public, forged.merkle_root.as_ref()).unwrap();
    let digest = forged.digest();
    forged.certificate = sybils.identities.values().map(|identity| identity.sign(&digest)).collect();
    assert!(forged.verify(&sybils.committee).is_ok(), "its own committee certifies it");
    assert_eq!(forged.verify(&world.committee), Err(CertificateError::Committee));
    let secret = || Secret::new(*shares[0].expose());
    let forged = Arc::new(forged);
    assert!(KeyShare::new(party(1), secret(), Arc::clone(&forged), &genuine.digest()).is_err());
    assert!(KeyShare::new(party(1), secret(), Arc::clone(&genuine), &genuine.digest()).is_ok());
    assert!(
        KeyShare::new(party(2), secret(), Arc::clone(&genuine), &genuine.digest()).is_err(),
        "nobody else's share"
    );
    let verifying =
        keymoot_protocol::frost::VerifyingKey::new(forged, &world.committee, keymoot_types::Path::root());
    assert!(verifying.is_err(), "nor does anybody verify under it");
}

#[test]
fn r01_a_context_that_is_no_key_generation_is_refused() {
    let mut world = World::new(2, 3, 123);
    let context = (*world.dkg_context::<Ed25519>()).clone();
    let mut start = |context: Context| {
        let identity = Arc::clone(&world.identities[&party(1)]);
        Dkg::<Ed25519>::start(Arc::new(context), party(1), identity, &mut world.rng).err()
    };
    assert_eq!(start(context.clone()), None);
    let wrong = Some(keymoot_protocol::dkg::DkgError::WrongContext);
    assert_eq!(
        start(Context { epoch: Epoch(1), ..context.clone() }),
        wrong,
        "a key begins with its first epoch"
    );
    assert_eq!(
        start(Context { merkle_root: Some([0; 32]), ..context.clone() }),
        wrong,
        "Ed25519 has no scripts"
    );
    assert_eq!(start(Context { scheme: keymoot_types::Scheme::FrostTaproot, ..context.clone() }), wrong);
    assert_eq!(start(Context { intent: Some(Hash::from_bytes([0; 32])), ..context }), wrong);
}
