//! Whoever speaks in a coordinator's name gets nothing that a client did not ask for.

use std::sync::Arc;

use keymoot_engine::crypto::{Crypto, Described};
use keymoot_engine::message::{Address, Ended, Message, What};
use keymoot_engine::outcome::denial;
use keymoot_engine::real::Real;
use keymoot_engine::record::Entry;
use keymoot_engine::refusal::Refusal;
use keymoot_engine::request::{Ask, SignedRequest, ToSign};
use keymoot_protocol::codec::Wire;
use keymoot_protocol::identity::IdentityKey;
use keymoot_protocol::transcript::Hash;
use keymoot_types::{Party, Path, Scheme};

use crate::cluster::{CLIENT, Cluster, DAWN, Post, STOLEN, id_of, payload};
use crate::room::party;

fn forge(body: &[u8], change: impl FnOnce(&mut SignedRequest)) -> Vec<u8> {
    let mut signed = SignedRequest::decode(body).expect("a request");
    change(&mut signed);
    signed.encode().to_vec()
}

/// What the thief makes of what it has seen.
fn forgeries(cluster: &mut Cluster, key: &Described) -> Vec<(&'static str, Vec<u8>)> {
    let honest = cluster.sign_request(key.id, "pay 7 to nobody");
    let foreign = Real::new(Arc::new(IdentityKey::from_seed([0xbd; 32])));
    let ask = Ask::Sign { key: key.id, what: ToSign::new(Path::root(), payload("pay 9 to the thief")) };
    let by_foreigner = cluster.request_by(&foreign, ask.clone(), 60_000);
    let me = cluster.client();
    let too_long = cluster.request_by(&me, ask.clone(), 16 * 60_000);
    let signed = SignedRequest::decode(&cluster.request_by(&me, ask.clone(), 60_000)).unwrap().request;
    let mut old = signed.clone();
    (old.created, old.expires) = (keymoot_types::Millis(DAWN - 60_000), keymoot_types::Millis(DAWN));
    let mut early = signed;
    (early.created, early.expires) = (early.created.plus(60_000), early.expires.plus(60_000));
    let is_mine = |name: &mut SignedRequest| {
        name.request.client = keymoot_engine::request::ClientId::of(&me.identity());
    };
    vec![
        ("nothing", vec![]),
        ("noise", vec![0xa5; 300]),
        ("half of a request", honest[..honest.len() / 2].to_vec()),
        ("a request and more", [honest.as_slice(), &[0]].concat()),
        ("another payload", forge(&honest, |one| one.request.ask = ask)),
        (
            "another path",
            forge(&honest, |one| {
                let Ask::Sign { what: ToSign { path, .. }, .. } = &mut one.request.ask else {
                    unreachable!("it asks to sign")
                };
                *path = "m/1".parse().unwrap();
            }),
        ),
        ("another nonce", forge(&honest, |one| one.request.nonce[0] ^= 1)),
        ("a longer life", forge(&honest, |one| one.request.expires = one.request.expires.plus(1))),
        ("no signature", forge(&honest, |one| one.signature.0 = [0; 64])),
        ("a foreign client", by_foreigner.clone()),
        ("a foreign client under our name", forge(&by_foreigner, is_mine)),
        ("a life that is too long", too_long),
        ("an expired request", old.sign(&me).encode().to_vec()),
        ("a request of tomorrow", early.sign(&me).encode().to_vec()),
    ]
}

/// Everything the thief can invite to with these bytes.
pub(super) fn invitations(request: &[u8], stock: &[(Vec<Party>, Hash)]) -> Vec<What> {
    let mut all = vec![What::Keygen { request: request.to_vec(), attempt: 0 }];
    let pair = vec![party(1), party(2)];
    all.push(What::Sign { request: request.to_vec(), signers: pair, presignature: None });
    all.extend(stock.iter().map(|(signers, name)| What::Sign {
        request: request.to_vec(),
        signers: signers.clone(),
        presignature: Some(*name),
    }));
    all
}

/// What party 1 has in stock: names and signers.
pub(super) fn stock(cluster: &mut Cluster, key: &Described) -> Vec<(Vec<Party>, Hash)> {
    let said = cluster.provoke(party(1), Message::StockQuery(key.digest));
    let [Message::Stock(stock)] = said.as_slice() else { panic!("{said:?}") };
    let label = |bytes: &Vec<u8>| Real::label(&Real::decode_public(bytes).expect("a public side"));
    stock.presignatures.iter().map(label).map(|label| (label.signers, label.id)).collect()
}

/// Sends it to all nodes, and sees that each only refuses, and writes nothing that matters.
pub(super) fn must_be_refused(cluster: &mut Cluster, why: &str, what: &What) {
    let matters = |entry: &Entry| {
        matches!(
            entry,
            Entry::Allowed { .. } | Entry::Burnt { .. } | Entry::Pending { .. } | Entry::Denied { .. }
        )
    };
    for party in cluster.parties() {
        let (since, before) = (cluster.said.len(), cluster.seats[&party].count(matters));
        let said = cluster.lure(party, what.clone());
        assert!(matches!(said.as_slice(), [Message::Refused(_, _, None)]), "{why}: {said:?}");
        let is_loud = |message: &&Message| !matches!(message, Message::Beat | Message::Witness { .. });
        assert_eq!(cluster.said_by(Address::Node(party), since).filter(is_loud).count(), 1, "{why}");
        assert_eq!(cluster.seats[&party].count(matters), before, "{why}");
        assert!(cluster.seats[&party].sessions().is_empty(), "{why}");
    }
}

#[test]
fn no_forgery_makes_a_node_say_more_than_no() {
    let mut cluster = Cluster::new(100);
    let frost = cluster.key(Scheme::FrostTaproot);
    let ecdsa = cluster.key(Scheme::Dkls23);
    cluster.sign(ecdsa.id, "warm");
    cluster.run_for(15_000);
    let stock = stock(&mut cluster, &ecdsa);
    assert!(!stock.is_empty());
    for key in [frost, ecdsa] {
        for (why, request) in forgeries(&mut cluster, &key) {
            for what in invitations(&request, &stock[..1]) {
                must_be_refused(&mut cluster, why, &what);
            }
        }
    }
}

#[test]
fn what_was_asked_cannot_be_bent_by_the_invitation() {
    let mut cluster = Cluster::new(101);
    let frost = cluster.key(Scheme::FrostTaproot);
    let ecdsa = cluster.key(Scheme::Dkls23);
    cluster.sign(ecdsa.id, "warm");
    cluster.run_for(15_000);
    let (signers, name) = stock(&mut cluster, &ecdsa).remove(0);
    let other: Vec<Party> =
        if signers.contains(&party(3)) { vec![party(1), party(2)] } else { vec![party(1), party(3)] };
    let all = cluster.parties();
    let (a, b) = (cluster.sign_request(frost.id, "a"), cluster.sign_request(ecdsa.id, "b"));
    let asks_key = cluster.request(Ask::Key(Scheme::FrostEd25519));
    let sign = |request: &Vec<u8>, signers: &[Party], presignature| What::Sign {
        request: request.clone(),
        signers: signers.to_vec(),
        presignature,
    };
    let unknown = Hash::from_bytes([7; 32]);
    for (why, what) in [
        ("a presignature that nobody made", sign(&b, &signers, Some(unknown))),
        ("a presignature of other signers", sign(&b, &other, Some(name))),
        ("a presignature for all", sign(&b, &all, Some(name))),
        ("ecdsa without a presignature", sign(&b, &signers, None)),
        ("frost with a presignature", sign(&a, &signers, Some(name))),
        ("nobody signs", sign(&a, &[], None)),
        ("one signs", sign(&a, &[party(1)], None)),
        ("one signs twice", sign(&a, &[party(1), party(1)], None)),
        ("a stranger signs", sign(&a, &[party(1), party(9)], None)),
        ("a key request signs", sign(&asks_key, &signers, None)),
        ("a signing request makes a key", What::Keygen { request: a.clone(), attempt: 0 }),
        ("attempts without end", What::Keygen { request: asks_key.clone(), attempt: u16::MAX }),
    ] {
        must_be_refused(&mut cluster, why, &what);
    }
    // A node that is no signer says no even to what is right.
    let outsider = all.into_iter().find(|party| !signers.contains(party)).unwrap();
    let said = cluster.lure(outsider, sign(&b, &signers, Some(name)));
    assert!(matches!(said.as_slice(), [Message::Refused(..)]));
}

#[test]
fn two_nodes_that_are_given_different_presignatures_sign_nothing() {
    let mut cluster = Cluster::new(102);
    let key = cluster.key(Scheme::Dkls23);
    cluster.sign(key.id, "warm");
    cluster.run_for(15_000);
    let all = stock(&mut cluster, &key);
    let (signers, one) = all[0].clone();
    let (_, other) = all.iter().find(|(with, name)| *with == signers && *name != one).expect("two").clone();
    let body = cluster.sign_request(key.id, "two halves");
    let (session, since) = (cluster.session(), cluster.said.len());
    for (to, name) in signers.iter().zip([one, other]) {
        let what = What::Sign { request: body.clone(), signers: signers.clone(), presignature: Some(name) };
        let invite = keymoot_engine::message::Invite { session, what };
        cluster.say(STOLEN, Address::Node(*to), Message::Invite(invite));
    }
    cluster.run_for(10);
    // The thief passes the approvals on.
    let posts: Vec<_> = cluster.said[since..].to_vec();
    for post in posts.into_iter().filter(|post| post.to == STOLEN) {
        for to in signers.iter().filter(|to| post.from != Address::Node(**to)) {
            cluster.say(STOLEN, Address::Node(*to), post.message.clone());
        }
    }
    cluster.run_for(5_000);
    let released = |post: &Post| matches!(&post.message, Message::Mail(mail) if mail.released.is_some());
    assert!(!cluster.said[since..].iter().any(released), "no share leaves");
}

#[test]
fn t12_forged_aborts_end_no_session_and_no_request() {
    let mut cluster = Cluster::new(116);
    let key = cluster.key(Scheme::FrostEd25519);
    cluster.postman = Box::new(|post: Post| {
        let is_mail = matches!(post.message, Message::Mail(_));
        vec![if is_mail { post.after(200) } else { post }]
    });
    let body = cluster.sign_request(key.id, "called off by nobody");
    cluster.ask(0, &body);
    cluster.run_for(20);
    let (session, signers, _) = cluster.called(&body).remove(0);
    let (caller, other) = (Address::Coordinator(0), party(3));
    assert!(!signers.contains(&other));
    // To the signers: from a coordinator that did not call the session, and words that are not for nodes.
    for signer in &signers {
        let reports = [Ended::Benign, Ended::Late(signers.clone()), Ended::Blamed(signers.clone())];
        let reports = reports.map(|ended| Message::Ended(session, ended));
        let refusal = Message::Refused(session, Refusal::Policy("no".into()), None);
        for forged in reports.into_iter().chain([Message::Cancel(session), refusal]) {
            cluster.say(STOLEN, Address::Node(*signer), forged.clone());
            cluster.say(Address::Node(other), Address::Node(*signer), forged);
        }
    }
    // To the caller: from a member that does not take part, from a stranger, and of another session.
    let word = cluster.crypto(other).sign(&denial::<Real>(id_of(&body), "no"));
    let elsewhere = cluster.session();
    for (from, session) in [
        (Address::Node(other), session),
        (Address::Node(party(9)), session),
        (CLIENT, session),
        (Address::Node(signers[0]), elsewhere),
    ] {
        for ended in [Ended::Benign, Ended::Blamed(signers.clone())] {
            cluster.say(from, caller, Message::Ended(session, ended));
        }
        cluster.say(from, caller, Message::Refused(session, Refusal::Policy("no".into()), Some(word)));
        cluster.say(from, caller, Message::Cancel(session));
    }
    assert_eq!(cluster.must_sign(&body), (signers, session), "the session that was called first");
    assert_eq!(cluster.called(&body).len(), 1);
}
