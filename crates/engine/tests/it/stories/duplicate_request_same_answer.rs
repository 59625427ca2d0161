//! One request has one answer, wherever and whenever it is asked for.

use keymoot_engine::message::{Address, Answer, Message};
use keymoot_engine::outcome::Outcome;
use keymoot_engine::request::Ask;
use keymoot_protocol::codec::Wire;
use keymoot_types::Scheme;

use crate::cluster::{Cluster, Post, id_of};
use crate::room::party;

/// Every last word that was ever given on a request.
fn last_words(cluster: &Cluster, body: &[u8]) -> Vec<Vec<u8>> {
    let id = id_of(body);
    let last = cluster.answers.iter().filter_map(|(_, of, answer)| match answer {
        Answer::Final(outcome) if *of == id => Some(outcome.encode().to_vec()),
        _ => None,
    });
    last.collect()
}

#[test]
fn the_same_bytes_have_the_same_answer_everywhere_and_for_ever() {
    let mut cluster = Cluster::new(20);
    let key = cluster.key(Scheme::FrostEd25519).id;
    for is_key in [false, true] {
        let ask = Ask::Key(Scheme::FrostTaproot);
        let body = if is_key { cluster.request(ask) } else { cluster.sign_request(key, "once") };
        for _ in 0..3 {
            cluster.ask(0, &body);
            cluster.ask(1, &body);
        }
        cluster.run_for(2_000);
        let first = cluster.outcome(&body);
        assert!(!matches!(first, Outcome::Failed(_) | Outcome::Expired), "{first:?}");
        cluster.crash_coordinator(0);
        cluster.start_coordinator(0);
        cluster.outcome(&body);
        // Long after its time is over, too.
        cluster.run_for(20 * 60_000);
        cluster.ask(0, &body);
        cluster.ask(1, &body);
        cluster.run_for(100);
        let all = last_words(&cluster, &body);
        assert!(all.len() >= 5, "{}", all.len());
        assert!(all.iter().all(|one| *one == first.encode().to_vec()));
        assert_eq!(cluster.settled(id_of(&body)), Some(first.encode().to_vec()));
    }
}

#[test]
fn two_equal_wishes_are_two_requests() {
    let mut cluster = Cluster::new(21);
    let key = cluster.key(Scheme::FrostEd25519).id;
    let (one, other) = (cluster.sign_request(key, "same"), cluster.sign_request(key, "same"));
    assert_ne!(id_of(&one), id_of(&other));
    assert_ne!(cluster.must_sign(&one).1, cluster.must_sign(&other).1);
}

#[test]
fn a_network_that_says_everything_twice_costs_no_attempt() {
    let mut cluster = Cluster::new(22);
    let key = cluster.key(Scheme::FrostEd25519).id;
    for lag in (0..80).step_by(5) {
        // Party 2's share is slow, so that the other has done its part while the session still goes on.
        cluster.postman = Box::new(move |post: Post| {
            let is_share = matches!(&post.message, Message::Mail(mail) if mail.released.is_some());
            let slow = if is_share && post.from == Address::Node(party(2)) { 60 } else { 0 };
            vec![post.clone().after(slow), post.after(slow + lag)]
        });
        let body = cluster.sign_request(key, "pay 7 to nobody");
        cluster.must_sign(&body);
        assert_eq!(cluster.called(&body).len(), 1, "everything comes again after {lag} ms");
    }
}

#[test]
fn a_network_that_says_everything_twice_uses_no_presignature_twice() {
    for (seed, lag) in [(23, 0), (24, 7), (25, 400)] {
        let mut cluster = Cluster::new(seed);
        cluster.postman = Box::new(move |post: Post| vec![post.clone(), post.after(lag)]);
        let key = cluster.key(Scheme::Dkls23).id;
        for text in ["one", "two", "three"] {
            cluster.sign(key, text);
        }
        for party in cluster.parties() {
            let mut burnt: Vec<_> = cluster.burnt(party).iter().map(|name| *name.as_bytes()).collect();
            let count = burnt.len();
            burnt.sort_unstable();
            burnt.dedup();
            assert_eq!(burnt.len(), count, "{party}");
        }
    }
}
