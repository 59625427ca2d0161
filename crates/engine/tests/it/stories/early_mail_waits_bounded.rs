//! Mail may overtake its invitation; it waits, in a room of fixed size.

use keymoot_engine::message::{Address, Message, SessionMail};
use keymoot_types::Scheme;

use crate::cluster::{Cluster, Post, STOLEN};
use crate::room::party;

/// The coordinator that calls the sessions.
const CALLER: Address = Address::Coordinator(0);

/// Mail for sessions that nobody will ever be invited to.
fn junk(cluster: &mut Cluster, from: Address, count: usize) {
    for _ in 0..count {
        let mail = SessionMail { session: cluster.session(), to: None, bytes: vec![0; 1000], released: None };
        cluster.say(from, Address::Node(party(2)), Message::Mail(mail));
    }
}

/// How many attempts a signature takes when party 2 is invited late and gets so much junk from a coordinator before that.
fn attempts_with_junk(cluster: &mut Cluster, from: Address, count: usize) -> usize {
    let key = cluster.key(Scheme::FrostEd25519).id;
    let mut is_first = true;
    cluster.postman = Box::new(move |post: Post| {
        let is_invite = matches!(post.message, Message::Invite(_)) && post.to == Address::Node(party(2));
        let late = is_invite && std::mem::replace(&mut is_first, false);
        vec![if late { post.after(50) } else { post }]
    });
    let body = cluster.sign_request(key, "overtaken");
    cluster.ask(0, &body);
    cluster.run_for(20);
    junk(cluster, from, count);
    assert!(cluster.must_sign(&body).0.contains(&party(1)));
    cluster.called(&body).len()
}

#[test]
fn mail_that_overtakes_its_invitation_is_read_when_that_comes() {
    let mut cluster = Cluster::with(180, |node, _| node.early = 4);
    assert_eq!(attempts_with_junk(&mut cluster, CALLER, 0), 1);
}

#[test]
fn as_much_as_may_wait_waits() {
    let mut cluster = Cluster::with(181, |node, _| node.early = 4);
    assert_eq!(attempts_with_junk(&mut cluster, CALLER, 2), 1);
}

#[test]
fn more_than_may_wait_costs_the_oldest_its_place_and_no_memory() {
    let mut cluster = Cluster::with(182, |node, _| node.early = 4);
    assert_eq!(
        attempts_with_junk(&mut cluster, CALLER, 10_000),
        2,
        "the attempt is lost, and the next is not"
    );
}

#[test]
fn the_mail_of_one_coordinator_pushes_nobody_elses_out() {
    let mut cluster = Cluster::with(183, |node, _| node.early = 4);
    assert_eq!(attempts_with_junk(&mut cluster, STOLEN, 10_000), 1);
}

#[test]
fn only_the_coordinator_that_called_a_session_carries_its_mail() {
    let mut cluster = Cluster::new(184);
    let key = cluster.key(Scheme::FrostEd25519).id;
    cluster.run_for(15_000);
    // Everything goes by the other coordinator's address.
    cluster.postman = Box::new(|post: Post| {
        let is_mail = matches!(post.message, Message::Mail(_)) && matches!(post.to, Address::Node(_));
        let Address::Coordinator(from) = post.from else { return vec![post] };
        vec![if is_mail { Post { from: Address::Coordinator(1 - from), ..post } } else { post }]
    });
    let body = cluster.sign_request(key, "by the wrong hands");
    cluster.ask(0, &body);
    cluster.run_for(2_000);
    let refused = cluster.parties().into_iter().map(|party| cluster.seats[&party].node().view().refused);
    assert!(refused.sum::<u64>() > 0, "it is counted");
    assert!(cluster.settled(crate::cluster::id_of(&body)).is_none(), "and not read");
    cluster.postman = Box::new(crate::cluster::honest);
    cluster.must_sign(&body);
}
