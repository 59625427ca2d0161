//! Whoever carries the messages knows sooner than silence shows that a node is not there (C35).

use keymoot_engine::message::{Address, Message};
use keymoot_types::{Party, Scheme};

use crate::cluster::{Cluster, Post};
use crate::room::party;

/// The node dies, and both coordinators see its line break.
fn cut_off(cluster: &mut Cluster, who: Party) {
    cluster.crash_node(who);
    (0..2).for_each(|id| cluster.line_breaks(id, who));
}

#[test]
fn nobody_is_called_whose_line_is_known_to_be_broken() {
    let mut cluster = Cluster::new(70);
    let key = cluster.key(Scheme::FrostEd25519).id;
    assert_eq!(cluster.sign(key, "before"), [party(1), party(2)]);
    cut_off(&mut cluster, party(1));
    let body = cluster.sign_request(key, "after");
    assert_eq!(cluster.must_sign(&body).0, [party(2), party(3)]);
    assert_eq!(cluster.called(&body).len(), 1, "it costs no attempt");
    cluster.start_node(party(1));
    cut_off(&mut cluster, party(2));
    cluster.run_for(2_000);
    assert_eq!(cluster.sign(key, "back"), [party(1), party(3)], "whoever is heard again is counted on again");
}

#[test]
fn a_session_with_a_node_whose_line_breaks_is_tried_at_once_with_others() {
    let mut cluster = Cluster::new(71);
    let key = cluster.key(Scheme::FrostEd25519).id;
    // It is invited, and says nothing more.
    let is_its_mail =
        |post: &Post| post.from == Address::Node(party(1)) && matches!(post.message, Message::Mail(_));
    cluster.postman = Box::new(move |post| if is_its_mail(&post) { Vec::new() } else { vec![post] });
    let body = cluster.sign_request(key, "hello");
    cluster.ask(0, &body);
    cluster.run_until(|cluster| !cluster.called(&body).is_empty());
    assert!(cluster.called(&body)[0].1.contains(&party(1)));
    cut_off(&mut cluster, party(1));
    cluster.run_for(1_000);
    assert_eq!(cluster.called(&body).len(), 2, "long before the session's deadline");
    assert_eq!(cluster.must_sign(&body).0, [party(2), party(3)]);
}

#[test]
fn what_a_node_held_before_its_line_broke_is_not_counted_on() {
    let mut cluster = Cluster::new(72);
    let key = cluster.key(Scheme::Dkls23).id;
    let signers = cluster.sign(key, "before");
    // It begins again at once, with its share and without its presignatures.
    cut_off(&mut cluster, signers[0]);
    cluster.start_node(signers[0]);
    cluster.run_for(2_000);
    let body = cluster.sign_request(key, "after");
    cluster.must_sign(&body);
    assert_eq!(cluster.called(&body).len(), 1, "no attempt is lost to a presignature that is gone");
}
