//! A second attempt at a key makes another key: no certificate of the first can be taken for it.

use keymoot_engine::message::{Message, What};
use keymoot_engine::outcome::Outcome;
use keymoot_engine::real::Real;
use keymoot_engine::record::Entry;
use keymoot_engine::refusal::Refusal;
use keymoot_engine::request::{Ask, key_of_attempt};
use keymoot_types::Scheme;

use super::ready_without_certificate_becomes_a_key::is_ready;
use crate::cluster::{Cluster, Post, id_of};
use crate::room::party;

#[test]
fn an_attempt_that_fails_after_everybody_signed_is_never_taken_up_again() {
    let mut cluster = Cluster::new(80);
    let mut first = None;
    cluster.postman = Box::new(move |post: Post| {
        let Message::Mail(mail) = &post.message else { return vec![post] };
        let is_lost = is_ready(&post.message) && *first.get_or_insert(mail.session) == mail.session;
        if is_lost { vec![] } else { vec![post] }
    });
    let body = cluster.request(Ask::Key(Scheme::FrostEd25519));
    let Outcome::Key(package) = cluster.outcome(&body) else { panic!("no key") };
    let [zero, one] = [0, 1].map(|attempt| key_of_attempt::<Real>(id_of(&body), attempt));
    assert_eq!(cluster.described(&package).id, one);
    for party in cluster.parties() {
        let seat = &cluster.seats[&party];
        assert_eq!(seat.count(|entry| matches!(entry, Entry::Pending { key, .. } if *key == zero)), 1);
        assert_eq!(seat.count(|entry| matches!(entry, Entry::Certified { key, .. } if *key == zero)), 0);
        let again = What::Keygen { request: body.clone(), attempt: 0 };
        let said = cluster.lure(party, again);
        assert!(matches!(said.as_slice(), [Message::Refused(_, Refusal::Generated, None)]), "{said:?}");
        let other = What::Keygen { request: body.clone(), attempt: 1 };
        let said = cluster.lure(party, other);
        assert!(matches!(said.as_slice(), [Message::Refused(_, Refusal::Generated, None)]), "{said:?}");
    }
    cluster.sign(one, "with the second");
}

#[test]
fn a_key_that_was_made_before_its_coordinator_died_is_the_answer_of_the_next() {
    let mut cluster = Cluster::new(81);
    let body = cluster.request(Ask::Key(Scheme::FrostEd25519));
    cluster.ask(0, &body);
    let whole = |cluster: &Cluster| cluster.seats[&party(1)].node().keys().count() == 1;
    cluster.run_until(whole);
    cluster.crash_coordinator(0);
    let Outcome::Key(package) = cluster.outcome(&body) else { panic!("no key") };
    assert_eq!(cluster.described(&package).id, key_of_attempt::<Real>(id_of(&body), 0));
    cluster.run_for(1_000);
    for party in cluster.parties() {
        assert_eq!(cluster.seats[&party].node().keys().count(), 1, "{party} has this key and no other");
    }
}
