//! Who may ask changes while everything runs: nobody has to begin again for it.

use std::sync::Arc;

use keymoot_engine::message::{Address, Answer, Ended, Message, What};
use keymoot_engine::real::Real;
use keymoot_engine::refusal::Refusal;
use keymoot_engine::request::{Ask, ClientKey, ToSign};
use keymoot_protocol::identity::IdentityKey;
use keymoot_types::{Path, Scheme};

use crate::cluster::{Cluster, Pen, id_of, payload};
use crate::room::party;

fn bob() -> (Real, ClientKey) {
    let key = IdentityKey::from_seed([0xb0; 32]);
    let public = ClientKey::Ed25519(key.public());
    (Real::new(Arc::new(key)), public)
}

fn go_by(cluster: &mut Cluster, clients: &[ClientKey]) {
    cluster.parties().into_iter().for_each(|party| cluster.node_goes_by(party, clients));
    (0..2).for_each(|replica| cluster.coordinator_goes_by(replica, clients));
}

#[test]
fn whoever_is_enrolled_later_is_served_with_what_was_prepared_before() {
    let mut cluster = Cluster::new(210);
    let key = cluster.key(Scheme::Dkls23).id;
    cluster.sign(key, "warm");
    cluster.run_for(10_000);
    let held = |cluster: &Cluster| cluster.seats[&party(1)].node().view().presignatures;
    let before = held(&cluster);
    let (bob, public) = bob();
    let ask = Ask::Sign { key, what: ToSign::new(Path::root(), payload("for bob")) };
    let body = cluster.request_by(&bob, ask, 60_000);
    cluster.ask(0, &body);
    cluster.run_for(1_000);
    assert!(
        matches!(cluster.answers.last(), Some((_, _, Answer::Refused(_)))),
        "{:?}",
        cluster.answers.last()
    );
    let mut clients: Vec<_> = Pen::enrolled().iter().map(Pen::key).collect();
    clients.push(public);
    go_by(&mut cluster, &clients);
    assert_eq!(held(&cluster), before, "a client more is no reason to throw anything away");
    cluster.must_sign(&body);
}

/// Nodes would refuse it one after the other, and each refusal would look like a fault of theirs.
#[test]
fn what_somebody_asked_who_is_taken_away_then_is_not_worked_on() {
    let mut cluster = Cluster::new(212);
    let key = cluster.key(Scheme::FrostEd25519).id;
    for party in [party(2), party(3)] {
        cluster.crash_node(party);
        cluster.line_breaks(0, party);
    }
    let body = cluster.sign_request(key, "waits for a quorum");
    cluster.ask(0, &body);
    cluster.run_for(500);
    assert_eq!(cluster.replicas[&0].coordinator().load(), 1);
    [party(2), party(3)].into_iter().for_each(|party| cluster.start_node(party));
    go_by(&mut cluster, &[bob().1]);
    assert_eq!(cluster.replicas[&0].coordinator().load(), 0);
    cluster.run_for(10_000);
    assert!(cluster.called(&body).is_empty(), "{:?}", cluster.called(&body));
    assert_eq!(cluster.settled(id_of(&body)), None);
    let view = cluster.replicas[&0].coordinator().view();
    assert!(view.members.iter().all(|member| member.suspicion == 0), "{:?}", view.members);
}

#[test]
fn whoever_is_taken_away_is_refused_and_what_goes_on_for_it_ends() {
    let mut cluster = Cluster::new(211);
    let key = cluster.key(Scheme::FrostEd25519).id;
    let request = cluster.sign_request(key, "too late");
    let what = What::Sign { request: request.clone(), signers: vec![party(1), party(2)], presignature: None };
    cluster.lure(party(1), what.clone());
    assert_eq!(cluster.seats[&party(1)].sessions().len(), 1);
    let since = cluster.said.len();
    go_by(&mut cluster, &[bob().1]);
    assert!(cluster.seats[&party(1)].sessions().is_empty());
    let told = cluster.told(Address::Node(party(1)), crate::cluster::STOLEN, since);
    assert!(matches!(told.as_slice(), [Message::Ended(_, Ended::Benign)]), "{told:?}");
    let said = cluster.lure(party(1), what);
    assert!(matches!(said.as_slice(), [Message::Refused(_, Refusal::Client, _)]), "{said:?}");
    cluster.ask(0, &request);
    cluster.run_for(1_000);
    let answer = cluster.answers.iter().rev().find(|(_, of, _)| *of == id_of(&request));
    assert!(matches!(answer, Some((_, _, Answer::Refused(_)))), "{answer:?}");
}
