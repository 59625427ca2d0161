//! A request whose time is over is not served, whatever the clocks say afterwards.

use keymoot_engine::message::{Message, What};
use keymoot_engine::outcome::Outcome;
use keymoot_engine::refusal::Refusal;
use keymoot_engine::request::{Ask, BadRequest, ToSign};
use keymoot_types::{KeyId, Path, Scheme};

use crate::cluster::{Cluster, Post, honest, payload};
use crate::room::party;

const HOUR: i64 = 3_600_000;

fn short_request(cluster: &mut Cluster, key: KeyId) -> Vec<u8> {
    let ask = Ask::Sign { key, what: ToSign::new(Path::root(), payload("quickly")) };
    cluster.request_by(&cluster.client(), ask, 5_000)
}

fn must_be_expired(cluster: &mut Cluster, body: &[u8]) {
    let (request, signers) = (body.to_vec(), vec![party(1), party(2)]);
    let said = cluster.lure(party(1), What::Sign { request, signers, presignature: None });
    let expired = Refusal::Request(BadRequest::Expired);
    assert!(matches!(said.as_slice(), [Message::Refused(_, why, None)] if *why == expired), "{said:?}");
}

#[test]
fn a_request_that_nobody_could_serve_in_time_has_expired_for_ever() {
    let mut cluster = Cluster::new(110);
    let key = cluster.key(Scheme::FrostEd25519).id;
    cluster.postman = Box::new(|post: Post| {
        let is_mail = matches!(post.message, Message::Mail(_));
        if is_mail { vec![] } else { vec![post] }
    });
    let body = short_request(&mut cluster, key);
    assert_eq!(cluster.outcome(&body), Outcome::Expired);
    cluster.postman = Box::new(honest);
    must_be_expired(&mut cluster, &body);
    assert_eq!(cluster.outcome(&body), Outcome::Expired);
}

#[test]
fn a_clock_that_is_set_back_brings_no_request_back() {
    let mut cluster = Cluster::new(111);
    let key = cluster.key(Scheme::FrostEd25519).id;
    let body = short_request(&mut cluster, key);
    cluster.run_for(6_000);
    for shift in [0, -5_000, -HOUR, 0] {
        cluster.seat(party(1)).wall_shift = shift;
        must_be_expired(&mut cluster, &body);
    }
}

#[test]
fn a_clock_that_was_put_right_and_is_set_back_again_brings_no_request_back() {
    let mut cluster = Cluster::new(112);
    let key = cluster.key(Scheme::FrostEd25519).id;
    // The machine begins in the past, until it hears the time.
    cluster.seat(party(1)).wall_shift = -HOUR;
    cluster.restart_node(party(1));
    cluster.run_for(2_000);
    cluster.seat(party(1)).wall_shift = 0;
    let body = short_request(&mut cluster, key);
    cluster.run_for(6_000);
    for shift in [0, -6_000, -8_000, -HOUR] {
        cluster.seat(party(1)).wall_shift = shift;
        must_be_expired(&mut cluster, &body);
    }
}

#[test]
fn a_request_that_expires_while_it_is_signed_has_one_outcome() {
    let mut cluster = Cluster::new(113);
    let key = cluster.key(Scheme::FrostEd25519).id;
    for held_up in [4_900, 4_985, 4_990, 4_995] {
        cluster.postman = Box::new(move |post: Post| {
            let is_ask = matches!(post.message, Message::Invite(_));
            vec![if is_ask { post.after(held_up) } else { post }]
        });
        let body = short_request(&mut cluster, key);
        let first = cluster.outcome(&body);
        cluster.run_for(10_000);
        assert_eq!(cluster.outcome(&body), first);
    }
}
