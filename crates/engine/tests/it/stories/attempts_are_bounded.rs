//! A coordinator that invites again and again wears nothing out but itself.

use keymoot_engine::message::{Message, What};
use keymoot_engine::outcome::Outcome;
use keymoot_engine::record::Entry;
use keymoot_engine::refusal::Refusal;
use keymoot_engine::request::Ask;
use keymoot_types::Scheme;

use crate::cluster::{Cluster, id_of};
use crate::room::party;

#[test]
fn t18_one_request_burns_no_more_than_its_attempts() {
    let mut cluster = Cluster::with(120, |node, limits| (node.attempts, limits.batch) = (3, 8));
    let key = cluster.key(Scheme::Dkls23);
    cluster.sign(key.id, "warm");
    cluster.run_for(10_000);
    let body = cluster.sign_request(key.id, "once more");
    let before = cluster.burnt(party(1)).len();
    let said = cluster.provoke(party(1), Message::StockQuery(key.digest));
    let [Message::Stock(stock)] = said.as_slice() else { panic!("{said:?}") };
    let labels: Vec<_> = stock.presignatures.iter().map(|bytes| label(bytes)).collect();
    let mut refused = 0;
    for round in 0..12 {
        let (signers, name) = labels[round % labels.len()].clone();
        let what = What::Sign { request: body.clone(), signers, presignature: Some(name) };
        let said = cluster.lure(party(1), what);
        refused +=
            said.iter().filter(|one| matches!(one, Message::Refused(_, Refusal::Exhausted, None))).count();
    }
    let id = id_of(&body);
    let allowed = |entry: &Entry| matches!(entry, Entry::Allowed { request, .. } if *request == id);
    assert!(cluster.seats[&party(1)].count(allowed) <= 3);
    assert!(cluster.burnt(party(1)).len() - before <= 3);
    assert!(refused > 0);
}

fn label(bytes: &[u8]) -> (Vec<keymoot_types::Party>, keymoot_protocol::transcript::Hash) {
    use keymoot_engine::crypto::Crypto;
    use keymoot_engine::real::Real;
    let label = Real::label(&Real::decode_public(bytes).expect("a public side"));
    (label.signers, label.id)
}

#[test]
fn one_request_has_only_so_many_sessions() {
    let mut cluster = Cluster::with(121, |node, _| node.attempts = 5);
    let key = cluster.key(Scheme::FrostEd25519).id;
    let (signing, making) =
        (cluster.sign_request(key, "again"), cluster.request(Ask::Key(Scheme::FrostTaproot)));
    for round in 0..20 {
        let sign =
            What::Sign { request: signing.clone(), signers: vec![party(1), party(2)], presignature: None };
        let make = What::Keygen { request: making.clone(), attempt: round };
        for what in [sign, make] {
            let said = cluster.lure(party(1), what);
            let is_refused =
                said.iter().any(|one| matches!(one, Message::Refused(_, Refusal::Exhausted, None)));
            assert_eq!(is_refused, round >= 5, "round {round}: {said:?}");
        }
    }
    for id in [id_of(&signing), id_of(&making)] {
        let allowed = |entry: &Entry| matches!(entry, Entry::Allowed { request, .. } if *request == id);
        assert_eq!(cluster.seats[&party(1)].count(allowed), 5);
    }
}

#[test]
fn a_request_whose_attempts_a_thief_has_used_up_ends_at_once() {
    let mut cluster = Cluster::with(124, |node, _| node.attempts = 3);
    let key = cluster.key(Scheme::FrostEd25519).id;
    let requests = [cluster.sign_request(key, "again"), cluster.request(Ask::Key(Scheme::FrostTaproot))];
    let [signing, making] = requests.clone();
    for attempt in 0..3 {
        for (member, other) in [(1, 2), (2, 3), (3, 1)] {
            let signers = vec![party(member.min(other)), party(member.max(other))];
            cluster.lure(party(member), What::Sign { request: signing.clone(), signers, presignature: None });
        }
        cluster.lure(party(2), What::Keygen { request: making.clone(), attempt });
    }
    cluster.run_for(12_000);
    for body in requests {
        let before = cluster.now;
        let outcome = cluster.outcome(&body);
        assert_eq!(outcome, Outcome::Failed("the attempts at this request are used up".to_owned()));
        assert!(cluster.now - before < 1_000, "{} ms", cluster.now - before);
    }
    cluster.sign(key, "another request has its own");
}

#[test]
fn a_node_is_in_only_so_many_sessions_at_once() {
    let mut cluster = Cluster::with(122, |node, _| node.sessions = 12);
    let key = cluster.key(Scheme::FrostEd25519).id;
    cluster.run_for(15_000);
    for round in 0..10 {
        let request = cluster.sign_request(key, "another");
        let session = cluster.session();
        let what = What::Sign { request, signers: vec![party(1), party(2)], presignature: None };
        let invite = keymoot_engine::message::Invite { session, what };
        cluster.say(
            crate::cluster::STOLEN,
            keymoot_engine::message::Address::Node(party(1)),
            Message::Invite(invite),
        );
        cluster.run_for(10);
        assert_eq!(cluster.seats[&party(1)].sessions().len(), (round + 1).min(4));
    }
    cluster.run_for(4_000);
    assert_eq!(cluster.sign(key, "when they are over"), [party(1), party(2)]);
}

#[test]
fn pair_setups_and_batches_are_few_at_a_time() {
    let mut cluster = Cluster::new(123);
    let key = cluster.key(Scheme::Dkls23);
    cluster.sign(key.id, "warm");
    cluster.run_for(15_000);
    cluster.thieves_setup();
    cluster.seat(party(1)).work = 60_000;
    let going = |cluster: &Cluster| {
        let view = cluster.seats[&party(1)].node().view();
        view.sessions.len()
    };
    let said = cluster.provoke(party(1), Message::StockQuery(key.digest));
    let [Message::Stock(stock)] = said.as_slice() else { panic!("{said:?}") };
    let presign = |size| What::Presign {
        key: key.digest,
        signers: vec![party(1), party(2)],
        setup: stock.setups[0],
        size,
    };
    let said = cluster.lure(party(1), presign(u16::MAX));
    assert!(matches!(said.last(), Some(Message::Refused(_, Refusal::Enough, None))), "{said:?}");
    // The earlier gives way to the later, but the workers are done with none of them yet: beyond six that are work for nobody,
    // a coordinator waits.
    let most = cluster.node_limits.setups + 1 + 6;
    assert!(most < cluster.node_limits.heavy);
    let setup = What::Setup { members: cluster.parties() };
    for round in 0..most + 4 {
        let what = if round % 2 == 0 { setup.clone() } else { presign(4) };
        let said = cluster.lure(party(1), what);
        let is_refused = matches!(said.as_slice(), [Message::Refused(_, Refusal::TooMany, None)]);
        assert_eq!((is_refused, said.is_empty()), (round >= most, round < most), "round {round}: {said:?}");
        assert_eq!(going(&cluster), (round + 1).min(most));
    }
}

#[test]
fn a_coordinator_that_has_begun_again_does_not_wait_for_what_it_began_before() {
    let mut cluster = Cluster::with(125, |_, limits| limits.low = 1);
    cluster.crash_coordinator(1);
    let key = cluster.key(Scheme::Dkls23).id;
    (0..3).for_each(|count| drop(cluster.sign(key, &format!("number {count}"))));
    // With the last presignature of a batch the next batch begins, and takes long.
    cluster.parties().into_iter().for_each(|party| cluster.seat(party).work = 9_000);
    cluster.sign(key, "the last");
    let presigns = cluster.seats[&party(1)].node().view().sessions;
    assert!(presigns.iter().any(|one| one.kind == "presigning"), "{presigns:?}");
    cluster.parties().into_iter().for_each(|party| cluster.seat(party).work = 0);
    cluster.crash_coordinator(0);
    cluster.start_coordinator(0);
    cluster.run_for(1_500);
    let (body, began) = (cluster.sign_request(key, "at once"), cluster.now);
    cluster.ask(0, &body);
    cluster.run_until(|cluster| cluster.settled(id_of(&body)).is_some());
    assert!(cluster.now - began < 2_000, "{} ms", cluster.now - began);
}
