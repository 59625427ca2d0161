//! A coordinator that was away for too long has nothing to say any more.

use keymoot_engine::coordinator::Finish;
use keymoot_engine::message::{Address, Answer, Message};
use keymoot_protocol::codec::Wire;
use keymoot_types::Scheme;

use crate::cluster::{CLIENT, Cluster, Post, honest, id_of};

#[test]
fn the_outcome_of_a_coordinator_that_lost_its_lease_is_not_stored() {
    let mut cluster = Cluster::new(60);
    let key = cluster.key(Scheme::FrostEd25519).id;
    let body = cluster.sign_request(key, "which of the two?");
    let id = id_of(&body);
    // The other one cannot call sessions yet, so that it has no outcome when the stale one comes.
    cluster.postman = Box::new(|post: Post| {
        let is_invite = matches!(post.message, Message::Invite(_));
        if is_invite && post.from == Address::Coordinator(1) { vec![] } else { vec![post] }
    });
    cluster.ask(0, &body);
    cluster.run_for(3);
    assert_eq!(cluster.table.requests().count(), 2, "it is admitted");
    cluster.replica(0).store_delay = 8_000;
    cluster.run_until(|cluster| !cluster.finishes(id).is_empty());
    assert!(matches!(cluster.finishes(id).as_slice(), [(0, 1, Finish::Stale)]));
    assert_eq!(cluster.settled(id), None);
    cluster.run_for(10);
    assert_eq!(cluster.replicas[&0].coordinator().load(), 0, "it has given up");
    let said = cluster.told(Address::Coordinator(0), CLIENT, 0);
    let final_words =
        said.iter().filter(|one| matches!(one, Message::Answer(of, Answer::Final(_)) if *of == id));
    assert_eq!(final_words.count(), 0, "and told nobody");
    cluster.replica(0).store_delay = 0;
    cluster.postman = Box::new(honest);
    let outcome = cluster.outcome(&body);
    cluster.check_signed(&body, &outcome);
    assert_eq!(cluster.settled(id), Some(outcome.encode().to_vec()));
    let finishes = cluster.finishes(id);
    let first = finishes.iter().find(|(.., finish)| matches!(finish, Finish::Stored(_)));
    assert!(matches!(first, Some((1, fence, _)) if *fence > 1), "{finishes:?}");
}

#[test]
fn of_two_outcomes_the_first_is_the_outcome() {
    let mut cluster = Cluster::new(61);
    let key = cluster.key(Scheme::FrostEd25519).id;
    let body = cluster.sign_request(key, "both sign it");
    cluster.ask(0, &body);
    cluster.run_for(3);
    // Both make a signature; the stale one comes when the other's is stored.
    cluster.replica(0).store_delay = 12_000;
    cluster.run_for(40_000);
    let id = id_of(&body);
    let finishes = cluster.finishes(id);
    assert!(finishes.iter().any(|(who, ..)| *who == 0) && finishes.iter().any(|(who, ..)| *who == 1));
    let stored = cluster.settled(id).expect("an outcome");
    assert!(finishes.iter().all(|(.., finish)| **finish == Finish::Stored(stored.clone())));
    cluster.replica(0).store_delay = 0;
    let last = cluster.answers.iter().filter_map(|(_, of, answer)| match answer {
        Answer::Final(outcome) if *of == id => Some(outcome.encode().to_vec()),
        _ => None,
    });
    assert!(last.into_iter().all(|one| one == stored), "clients have heard of one only");
}
