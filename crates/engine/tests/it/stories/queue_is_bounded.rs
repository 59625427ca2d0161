//! More than can be worked on is turned away, before anything is stored.

use std::sync::Arc;

use keymoot_engine::crypto::Crypto;
use keymoot_engine::message::{Address, Answer, Message, Stock};
use keymoot_engine::real::Real;
use keymoot_engine::request::{Ask, ClientId, Request, ToSign};
use keymoot_ports::{Name, Ttl};
use keymoot_protocol::codec::Wire;
use keymoot_protocol::identity::IdentityKey;
use keymoot_types::{Millis, Path, Scheme};

use crate::cluster::{CLIENT, Cluster, DAWN, Post, honest, id_of, payload};
use crate::room::party;

#[test]
fn a_coordinator_that_has_enough_to_do_says_so_and_stores_nothing() {
    let mut cluster = Cluster::with(130, |_, limits| limits.drives = 3);
    let key = cluster.key(Scheme::FrostEd25519).id;
    cluster.postman = Box::new(|post: Post| {
        let is_invite = matches!(post.message, Message::Invite(_));
        if is_invite { vec![] } else { vec![post] }
    });
    let requests: Vec<_> = (0..6).map(|_| cluster.sign_request(key, "crowd")).collect();
    requests.iter().for_each(|body| cluster.ask(0, body));
    let before = cluster.table.requests().count();
    cluster.run_for(50);
    assert_eq!(cluster.table.requests().count(), before + 3);
    assert_eq!(cluster.replicas[&0].coordinator().load(), 3);
    for (place, body) in requests.iter().enumerate() {
        let mut said = cluster.answers.iter().rev().filter(|(_, of, _)| *of == id_of(body));
        let is_busy = said.next().is_some_and(|(.., one)| matches!(one, Answer::Busy(_)));
        assert_eq!(is_busy, place >= 3, "request {place}");
    }
    cluster.postman = Box::new(honest);
    for body in &requests {
        cluster.must_sign(body);
    }
    assert_eq!(cluster.replicas[&0].coordinator().load(), 0);
}

#[test]
fn a_request_that_no_node_may_serve_is_turned_away_at_the_door() {
    let mut cluster = Cluster::new(131);
    let key = cluster.key(Scheme::FrostEd25519).id;
    let me = cluster.client();
    let admitted = cluster.table.requests().count();
    for (place, (ahead, valid)) in [(0, 16 * 60_000), (40_000, 60_000)].into_iter().enumerate() {
        let created = Millis(DAWN + cluster.now + ahead);
        let ask = Ask::Sign { key, what: ToSign::new(Path::root(), payload("some day")) };
        let (client, expires) = (ClientId::of(&me.identity()), created.plus(valid));
        let request = Request { ask, client, created, expires, nonce: [place as u8; 16] };
        let body = request.sign(&me).encode();
        let since = cluster.said.len();
        (0..2).for_each(|coordinator| cluster.ask(coordinator, &body));
        cluster.run_for(5_000);
        for coordinator in [0, 1].map(Address::Coordinator) {
            let said = cluster.told(coordinator, CLIENT, since);
            let [Message::Answer(of, Answer::Refused(_))] = said.as_slice() else { panic!("{said:?}") };
            assert_eq!(*of, id_of(&body));
        }
    }
    assert_eq!(cluster.table.requests().count(), admitted, "nothing was begun");
    assert_eq!(cluster.sign(key, "today"), [party(1), party(2)]);
}

#[test]
fn a_node_that_talks_without_end_does_not_use_up_the_patience_with_others() {
    let mut cluster = Cluster::new(132);
    let described = cluster.key(Scheme::Dkls23);
    let key = described.id;
    cluster.parties().into_iter().for_each(|party| cluster.seat(party).work = 200);
    let body = cluster.sign_request(key, "in spite of the noise");
    cluster.ask(0, &body);
    for _ in 0..200 {
        let (key, setups, presignatures) = (described.digest, vec![], vec![]);
        let stock = Stock { key, setups, presignatures, unnamed: vec![], is_retired: false };
        cluster.say(Address::Node(party(3)), Address::Coordinator(0), Message::Stock(stock));
        cluster.run_for(5);
    }
    cluster.must_sign(&body);
}

#[test]
fn one_client_does_not_take_all_the_room() {
    let mut cluster = Cluster::with(135, |_, limits| limits.client = 2);
    let key = cluster.key(Scheme::FrostEd25519).id;
    cluster.postman = Box::new(|post: Post| {
        let is_invite = matches!(post.message, Message::Invite(_));
        if is_invite { vec![] } else { vec![post] }
    });
    let requests: Vec<_> = (0..4).map(|_| cluster.sign_request(key, "pushy")).collect();
    requests.iter().for_each(|body| cluster.ask(0, body));
    cluster.run_for(50);
    assert_eq!(cluster.replicas[&0].coordinator().load(), 2);
    let busy = cluster.answers.iter().filter(|(.., answer)| matches!(answer, Answer::Busy(_)));
    assert_eq!(busy.count(), 2);
    cluster.postman = Box::new(honest);
    for body in &requests {
        cluster.must_sign(body);
    }
}

#[test]
fn what_has_expired_is_not_begun_and_what_had_an_outcome_still_has_it() {
    let mut cluster = Cluster::new(136);
    let key = cluster.key(Scheme::FrostEd25519).id;
    let (done, late) = (cluster.sign_request(key, "in time"), cluster.sign_request(key, "too late"));
    let outcome = cluster.outcome(&done);
    cluster.run_for(70_000);
    assert_eq!(cluster.outcome(&done), outcome, "the same for ever");
    let rows = cluster.table.requests().count();
    let since = cluster.said.len();
    (0..2).for_each(|coordinator| cluster.ask(coordinator, &late));
    cluster.run_for(5_000);
    for coordinator in [0, 1].map(Address::Coordinator) {
        let said = cluster.told(coordinator, CLIENT, since);
        assert!(matches!(said.as_slice(), [Message::Answer(_, Answer::Refused(_))]), "{said:?}");
    }
    assert_eq!(cluster.table.requests().count(), rows, "nothing was begun");
}

#[test]
fn what_no_client_has_asked_takes_no_room_though_it_is_in_the_store() {
    let mut cluster = Cluster::with(137, |_, limits| limits.drives = 8);
    let key = cluster.key(Scheme::FrostEd25519);
    let stranger = Real::new(Arc::new(IdentityKey::from_seed([0xbd; 32])));
    let thief = Name::new("thief").unwrap();
    let mut forged = Vec::new();
    for place in 0..40 {
        let ask =
            Ask::Sign { key: key.id, what: ToSign::new(Path::root(), payload(&format!("junk {place}"))) };
        // Of a client that nobody knows, and of one that has not signed it.
        let body = if place % 2 == 0 {
            cluster.request_by(&stranger, ask, 600_000)
        } else {
            let mut body = cluster.request(ask);
            body.iter_mut().last().into_iter().for_each(|byte| *byte ^= 1);
            body
        };
        let (name, now) = (*id_of(&body).0.as_bytes(), Millis(cluster.now));
        cluster.table.admit(name, &body, &thief, Ttl::new(1).unwrap(), now).unwrap();
        forged.push(body);
    }
    cluster.run_for(20_000);
    assert!((0..2).all(|id| cluster.replicas[&id].coordinator().load() == 0));
    let suspected =
        cluster.replicas[&0].coordinator().view().members.into_iter().map(|member| member.suspicion);
    assert_eq!(suspected.sum::<u32>(), 0, "no node was asked for any of it");
    let ended = forged.iter().filter(|body| cluster.settled(id_of(body)).is_some()).count();
    assert_eq!(
        ended, 20,
        "what can never become a request has an end; the rest has one when its time is over"
    );
    cluster.sign(key.id, "there is room");
}

#[test]
fn the_orphans_of_one_client_do_not_take_all_the_room() {
    let mut cluster = Cluster::with(138, |_, limits| limits.client = 2);
    let key = cluster.key(Scheme::FrostEd25519);
    let gone = Name::new("gone").unwrap();
    cluster.postman = Box::new(|post: Post| {
        let is_invite = matches!(post.message, Message::Invite(_));
        if is_invite { vec![] } else { vec![post] }
    });
    for place in 0..9 {
        let body = cluster.sign_request(key.id, &format!("orphan {place}"));
        let (name, now) = (*id_of(&body).0.as_bytes(), Millis(cluster.now));
        cluster.table.admit(name, &body, &gone, Ttl::new(1).unwrap(), now).unwrap();
    }
    for _ in 0..20 {
        cluster.run_for(500);
        assert!((0..2).all(|id| cluster.replicas[&id].coordinator().load() <= 2));
    }
}

#[test]
fn whoever_has_waited_for_room_does_not_wait_for_the_whole_patience_again() {
    let mut cluster = Cluster::with(137, |_, limits| (limits.drives, limits.patience) = (1, 8_000));
    let key = cluster.key(Scheme::FrostEd25519).id;
    cluster.run_for(2_000);
    cluster.crash_node(party(2));
    cluster.crash_node(party(3));
    let requests = ["by the first", "by the second"].map(|text| cluster.sign_request(key, text));
    let began = cluster.now;
    cluster.ask(0, &requests[0]);
    cluster.ask(1, &requests[1]);
    cluster.run_for(100);
    // The first has room for one, and is left with two.
    cluster.crash_coordinator(1);
    cluster.run_for(13_500);
    for body in &requests {
        assert!(cluster.settled(id_of(body)).is_some(), "{} ms are enough for both", cluster.now - began);
    }
}
