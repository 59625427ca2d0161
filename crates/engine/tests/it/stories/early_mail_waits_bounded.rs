//! Mail may overtake its invitation; it waits, in a room of fixed size.

use keymoot_engine::message::{Address, Message, SessionMail};
use keymoot_types::Scheme;

use crate::cluster::{Cluster, Post, STOLEN};
use crate::room::party;

/// Mail for sessions that nobody will ever be invited to.
fn junk(cluster: &mut Cluster, count: usize) {
    for _ in 0..count {
        let mail = SessionMail { session: cluster.session(), to: None, bytes: vec![0; 1000], released: None };
        cluster.say(STOLEN, Address::Node(party(2)), Message::Mail(mail));
    }
}

/// How many attempts a signature takes when party 2 is invited late and gets so much junk before that.
fn attempts_with_junk(cluster: &mut Cluster, count: usize) -> usize {
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
    junk(cluster, count);
    assert!(cluster.must_sign(&body).0.contains(&party(1)));
    cluster.called(&body).len()
}

#[test]
fn mail_that_overtakes_its_invitation_is_read_when_that_comes() {
    let mut cluster = Cluster::with(180, |node, _| node.early = 4);
    assert_eq!(attempts_with_junk(&mut cluster, 0), 1);
}

#[test]
fn as_much_as_may_wait_waits() {
    let mut cluster = Cluster::with(181, |node, _| node.early = 4);
    assert_eq!(attempts_with_junk(&mut cluster, 2), 1);
}

#[test]
fn more_than_may_wait_costs_the_oldest_its_place_and_no_memory() {
    let mut cluster = Cluster::with(182, |node, _| node.early = 4);
    assert_eq!(attempts_with_junk(&mut cluster, 10_000), 2, "the attempt is lost, and the next is not");
}
