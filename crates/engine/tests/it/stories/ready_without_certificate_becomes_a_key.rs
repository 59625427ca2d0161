//! A member that has signed a certificate and seen nobody else's signature becomes whole by the certificate itself.

use keymoot_engine::message::{Address, Message};
use keymoot_engine::plan::Effect;
use keymoot_engine::record::Entry;
use keymoot_protocol::codec::Wire;
use keymoot_protocol::envelope::{Envelope, Kind};
use keymoot_types::Scheme;

use crate::cluster::{Cluster, Post, honest};
use crate::room::party;

/// The round in which members sign the certificate of a key.
const READY: u8 = 5;

/// Whether this is a member's signature on a certificate.
pub fn is_ready(message: &Message) -> bool {
    let Message::Mail(mail) = message else { return false };
    let header = Envelope::decode(&mail.bytes).map(|envelope| envelope.header);
    header.is_ok_and(|header| header.round == READY && header.kind == Kind::Body)
}

fn certified(entry: &Entry) -> bool {
    matches!(entry, Entry::Certified { .. })
}

#[test]
fn a_member_that_loses_the_last_signatures_learns_the_key_from_the_others() {
    let mut cluster = Cluster::new(70);
    for scheme in Scheme::USUAL {
        cluster.postman = Box::new(|post: Post| {
            let is_lost = post.to == Address::Node(party(3)) && is_ready(&post.message);
            if is_lost { vec![] } else { vec![post] }
        });
        let key = cluster.key(scheme);
        cluster.postman = Box::new(honest);
        assert!(cluster.seats[&party(3)].node().keys().count() > 0);
        cluster.crash_node(party(1));
        cluster.run_for(5_000);
        assert_eq!(cluster.sign(key.id, "without party 1"), [party(2), party(3)]);
        cluster.start_node(party(1));
        cluster.run_for(1_500);
    }
    assert_eq!(cluster.seats[&party(3)].count(certified), 3);
}

#[test]
fn a_member_that_was_down_when_the_key_was_told_learns_it_when_it_is_asked_to_sign() {
    let mut cluster = Cluster::new(71);
    let is_down = std::rc::Rc::new(std::cell::Cell::new(false));
    let down = std::rc::Rc::clone(&is_down);
    // Party 1 dies once its own signature is out.
    cluster.fate = Box::new(move |who, deed| {
        let spoke = who == party(1) && down.get();
        if who == party(1) && matches!(deed, Effect::Send(_, message) if is_ready(message)) {
            down.set(true);
        }
        spoke
    });
    cluster.postman = Box::new(|post: Post| {
        let is_word = is_ready(&post.message) || matches!(post.message, Message::Key(_));
        let is_lost = post.to == Address::Node(party(1)) && is_word;
        if is_lost { vec![] } else { vec![post] }
    });
    let key = cluster.key(Scheme::FrostEd25519);
    cluster.run_for(2_000);
    assert!(cluster.seats[&party(1)].node.is_none());
    cluster.postman = Box::new(honest);
    cluster.fate = Box::new(|_, _| false);
    cluster.start_node(party(1));
    cluster.run_for(5_000);
    assert_eq!(cluster.seats[&party(1)].count(certified), 0);
    cluster.sign(key.id, "for whoever holds it");
    cluster.run_for(20_000);
    assert_eq!(cluster.seats[&party(1)].count(certified), 1);
    cluster.crash_node(party(2));
    cluster.run_for(5_000);
    assert_eq!(cluster.sign(key.id, "without party 2"), [party(1), party(3)]);
}

#[test]
fn a_member_that_crashed_before_its_share_was_durable_has_signed_nothing() {
    let mut cluster = Cluster::new(72);
    // What party 3 signs waits for a disk that is slower than the session; then it crashes.
    let body = cluster.request(keymoot_engine::request::Ask::Key(Scheme::FrostEd25519));
    cluster.ask(0, &body);
    cluster.run_for(5);
    let since = cluster.said.len();
    cluster.seat(party(3)).disk = 5_000;
    cluster.run_for(4_000);
    let speaks = |party, cluster: &Cluster| cluster.said_by(Address::Node(party), since).any(is_ready);
    assert!(speaks(party(1), &cluster) && !speaks(party(3), &cluster));
    cluster.seat(party(3)).disk = 0;
    cluster.restart_node(party(3));
    cluster.run_for(20_000);
    let outcome = cluster.outcome(&body);
    let keymoot_engine::outcome::Outcome::Key(package) = &outcome else { panic!("{outcome:?}") };
    let id = cluster.described(package).id;
    let first = keymoot_engine::request::key_of_attempt::<keymoot_engine::real::Real>(
        crate::cluster::id_of(&body),
        0,
    );
    assert_ne!(id, first, "the first key has never been");
    for party in cluster.parties() {
        let told = |entry: &Entry| matches!(entry, Entry::Certified { key, .. } if *key == first);
        assert_eq!(cluster.seats[&party].count(told), 0);
    }
}

#[test]
fn a_member_that_has_lost_its_disk_does_not_become_whole_and_does_not_stop_the_others() {
    for (seed, scheme) in [(73, Scheme::FrostEd25519), (74, Scheme::Dkls23)] {
        let mut cluster = Cluster::new(seed);
        let key = cluster.key(scheme);
        cluster.crash_node(party(1));
        cluster.seat(party(1)).journal.clear();
        cluster.start_node(party(1));
        cluster.run_for(2_000);
        assert_eq!(cluster.sign(key.id, "by those who can"), [party(2), party(3)]);
        assert_eq!(cluster.seats[&party(1)].node().keys().count(), 0);
        assert!(cluster.seats[&party(1)].is_halted, "the others remember more of it than it does");
    }
}
