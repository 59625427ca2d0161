//! A stolen coordinator may have as much made as it likes. It does not push out what the others live on.

use std::collections::BTreeSet;

use keymoot_engine::coordinator::View;
use keymoot_engine::crypto::Crypto;
use keymoot_engine::message::{Address, Invite, Message, OFFERED_MAX, SETUPS_MAX, SessionMail, Stock, What};
use keymoot_engine::real::Real;
use keymoot_engine::refusal::Refusal;
use keymoot_protocol::transcript::Hash;
use keymoot_types::{Party, Scheme};

use crate::cluster::{Cluster, STOLEN};
use crate::room::party;

fn stock(cluster: &mut Cluster, who: Party, key: Hash) -> Stock {
    let said = cluster.provoke(who, Message::StockQuery(key));
    let [Message::Stock(stock)] = said.as_slice() else { panic!("{said:?}") };
    stock.clone()
}

fn names(stock: &Stock) -> Vec<Hash> {
    stock.presignatures.iter().filter_map(|one| Some(Real::label(&Real::decode_public(one)?).id)).collect()
}

#[test]
fn batches_of_a_stolen_coordinator_push_out_its_own() {
    let mut cluster = Cluster::with(240, |node, limits| (node.stock, limits.batch) = (12, 4));
    let key = cluster.key(Scheme::Dkls23);
    let signers = vec![party(1), party(2)];
    assert_eq!(cluster.sign(key.id, "warm"), signers);
    cluster.run_for(10_000);
    cluster.thieves_setup();
    let mine = names(&stock(&mut cluster, party(1), key.digest));
    assert!(!mine.is_empty() && mine.len() <= 4, "{}", mine.len());
    for _ in 0..4 {
        let setup = *stock(&mut cluster, party(1), key.digest).setups.last().expect("a setup");
        let (key, signers, size) = (key.digest, signers.clone(), 4);
        cluster.have_done(&signers.clone(), &What::Presign { key, signers, setup, size });
    }
    let left = names(&stock(&mut cluster, party(1), key.digest));
    assert_eq!(left.len(), mine.len() + 12, "it did have some made");
    assert!(mine.iter().all(|one| left.contains(one)), "what was there is there");
    cluster.sign(key.id, "and serves");
}

#[test]
fn pair_setups_of_a_stolen_coordinator_push_out_its_own() {
    let mut cluster = Cluster::new(241);
    let key = cluster.key(Scheme::Dkls23);
    cluster.sign(key.id, "warm");
    let mine = cluster.seats[&party(1)].node().view().setups;
    assert!(!mine.is_empty());
    for _ in 0..SETUPS_MAX + 2 {
        cluster.thieves_setup();
    }
    assert_eq!(stock(&mut cluster, party(1), key.digest).setups.len(), SETUPS_MAX, "it did have some made");
    let left = cluster.seats[&party(1)].node().view().setups;
    assert!(mine.iter().all(|one| left.contains(one)), "what was there is there");
    let (key, signers, size) = (key.digest, vec![party(1), party(2)], 4);
    let said = cluster.lure(party(1), What::Presign { key, signers, setup: mine[0], size });
    assert!(
        matches!(said.as_slice(), [Message::Refused(_, Refusal::Setup(_), None)]),
        "and is not for it: {said:?}"
    );
}

#[test]
fn an_old_first_word_does_not_make_a_pair_look_stale() {
    let mut cluster = Cluster::new(244);
    let key = cluster.key(Scheme::Dkls23);
    let signers = cluster.sign(key.id, "warm");
    cluster.run_for(10_000);
    cluster.thieves_setup();
    let setup = *stock(&mut cluster, party(1), key.digest).setups.last().expect("a setup");
    let what = What::Presign { key: key.digest, signers: signers.clone(), setup, size: 1 };
    let before = cluster.said.len();
    let session = cluster.have_done(&signers, &what);
    let hello = cluster.said[before..].iter().find_map(|post| match &post.message {
        Message::Mail(mail) if mail.session == session && post.from == Address::Node(signers[0]) => {
            Some(mail.clone())
        }
        _ => None,
    });
    // Long after that session, the other signer is invited to it again, and hears the first word of then.
    cluster.run_for(60_000);
    let invite = Message::Invite(Invite { session, what });
    let said = cluster.provoke(signers[1], invite);
    assert!(said.is_empty(), "{said:?}");
    let mail = SessionMail { to: None, ..hello.expect("a first word") };
    cluster.say(STOLEN, Address::Node(signers[1]), Message::Mail(mail));
    cluster.run_for(1_000);
    assert!(
        stock(&mut cluster, signers[1], key.digest).setups.contains(&setup),
        "the setup is as good as before"
    );
    cluster.sign(key.id, "with it");
}

#[test]
fn no_coordinator_takes_all_sessions_of_a_node() {
    let mut cluster = Cluster::with(245, |node, _| (node.sessions, node.heavy) = (9, 2));
    let key = cluster.key(Scheme::FrostEd25519);
    let members = cluster.parties();
    let called = |cluster: &mut Cluster, what: What| {
        let said = cluster.lure(party(1), what);
        !said.iter().any(|one| matches!(one, Message::Refused(_, Refusal::TooMany, None)))
    };
    cluster.seat(party(1)).work = 60_000;
    let setups = (0..3).filter(|_| called(&mut cluster, What::Setup { members: members.clone() })).count();
    assert_eq!(setups, 2);
    let mut all = setups;
    for place in 0..4 {
        let request = cluster.sign_request(key.id, &format!("number {place}"));
        let signers = vec![party(1), party(2)];
        let session = cluster.session();
        let what = What::Sign { request, signers, presignature: None };
        cluster.say(STOLEN, Address::Node(party(1)), Message::Invite(Invite { session, what }));
        cluster.run_for(5);
        all = cluster.seats[&party(1)].sessions().len();
    }
    assert_eq!(all, 3, "a third of nine");
    cluster.sign(key.id, "for others there is room");
}

#[test]
fn a_lying_node_fills_no_memory_of_a_coordinator() {
    let mut cluster = Cluster::with(242, |_, limits| limits.batch = 64);
    let key = cluster.key(Scheme::Dkls23);
    cluster.sign(key.id, "warm");
    cluster.run_for(10_000);
    let (from, to) = (Address::Node(party(1)), Address::Coordinator(0));
    let real = stock(&mut cluster, party(1), key.digest);
    let view = |cluster: &Cluster| cluster.replicas[&0].coordinator().view();
    let before = view(&cluster);
    // Of a key that nobody has certified: nothing of it is taken in.
    let other = Hash::from_bytes([9; 32]);
    cluster.say(from, to, Message::Stock(Stock { key: other, setups: vec![other; 10_000], ..real.clone() }));
    cluster.run_for(100);
    let setups = |view: &View| view.members[0].setups;
    assert_eq!((view(&cluster).offered, setups(&view(&cluster))), (before.offered, setups(&before)));
    // Of a key that exists, in names that do not: as many as an honest node could say.
    let invent = |place: u32| {
        let mut bytes = real.presignatures[place as usize % real.presignatures.len()].clone();
        // The session that it was made in, which its name depends on.
        bytes[10..14].copy_from_slice(&place.to_le_bytes());
        bytes
    };
    let many: Vec<_> = (0..2 * OFFERED_MAX as u32).map(invent).collect();
    let distinct: BTreeSet<_> =
        many.iter().filter_map(|one| Some(Real::label(&Real::decode_public(one)?).id)).collect();
    assert!(distinct.len() > OFFERED_MAX, "{} names", distinct.len());
    let setups_of_nobody =
        (0..10_000_u64).map(|place| Hash::from_bytes([place.to_le_bytes(); 4].concat().try_into().unwrap()));
    let stock = Stock { presignatures: many, setups: setups_of_nobody.collect(), ..real };
    cluster.say(from, to, Message::Stock(stock));
    cluster.run_for(100);
    let after = view(&cluster);
    assert!(after.offered <= before.offered + OFFERED_MAX, "{} presignatures", after.offered);
    assert_eq!(setups(&after), SETUPS_MAX);
    cluster.sign(key.id, "all the same");
}
