//! What a node has acknowledged, it knows after a restart.

use keymoot_engine::audit::Checkpoint;
use keymoot_engine::audit::note::SignedNote;
use keymoot_engine::crypto::{End, Next, Progress};
use keymoot_engine::event::Event;
use keymoot_engine::message::{Address, Message, What, Words};
use keymoot_engine::record::Entry;
use keymoot_engine::refusal::Refusal;
use keymoot_types::Scheme;

use crate::cluster::{Cluster, STOLEN};
use crate::room::party;

#[test]
fn keys_bans_burns_and_the_log_are_there_after_a_crash() {
    let mut cluster = Cluster::new(40);
    let keys = [Scheme::FrostEd25519, Scheme::FrostTaproot, Scheme::Dkls23].map(|one| cluster.key(one).id);
    keys.iter().for_each(|key| {
        cluster.sign(*key, "before");
    });
    // Party 1 finds party 3 out.
    cluster.run_for(5_000);
    cluster.seat(party(1)).work = 60_000;
    let what = What::Setup { members: cluster.parties() };
    cluster.lure(party(1), what);
    let (session, _) = cluster.seats[&party(1)].sessions().pop_first().expect("a setup");
    let next = Next::Dead(End::Ban(vec![party(3)]));
    let progress = Progress { notes: vec![], mail: vec![], refused: None, next };
    cluster.event(party(1), Event::Worked(session, Ok(progress)));
    cluster.run_for(100);
    let size = cluster.seats[&party(1)].node().log().tree().size();
    let root = cluster.seats[&party(1)].node().log().tree().root();
    assert_eq!(size, cluster.seats[&party(1)].journal.len() as u64, "the journal and the log are one list");
    let burnt = cluster.burnt(party(1));
    for boot in 1..4 {
        cluster.restart_node(party(1));
        let node = cluster.seats[&party(1)].node();
        assert_eq!(node.keys().count(), 3);
        assert!(node.bans().contains(&cluster.identities[&party(3)].public()));
        assert_eq!(node.log().tree().root_at(size), Some(root), "the same history");
        cluster.run_for(10);
        let starts = cluster.seats[&party(1)].count(|entry| matches!(entry, Entry::Started { .. }));
        assert_eq!(starts, boot + 1);
    }
    assert_eq!(cluster.burnt(party(1)), burnt);
    let body = cluster.sign_request(keys[0], "with the banned");
    let what = What::Sign { request: body, signers: vec![party(1), party(3)], presignature: None };
    let said = cluster.lure(party(1), what);
    assert!(matches!(said.as_slice(), [Message::Refused(_, Refusal::Banned(who), None)] if *who == party(3)));
    cluster.seat(party(1)).work = 0;
    cluster.run_for(5_000);
    for key in keys {
        assert!(cluster.sign(key, "after") != [party(1), party(3)]);
    }
}

#[test]
fn attempts_are_counted_across_restarts() {
    let mut cluster = Cluster::with(41, |node, _| node.attempts = 4);
    let key = cluster.key(Scheme::FrostEd25519).id;
    let body = cluster.sign_request(key, "again and again");
    for round in 0..6 {
        let (request, signers) = (body.clone(), vec![party(1), party(2)]);
        let said = cluster.lure(party(1), What::Sign { request, signers, presignature: None });
        let is_refused = matches!(said.first(), Some(Message::Refused(_, Refusal::Exhausted, None)));
        assert_eq!(is_refused, round >= 4, "round {round}: {said:?}");
        cluster.restart_node(party(1));
        cluster.run_for(10);
    }
}

#[test]
fn a_session_is_not_served_again_after_a_restart() {
    let mut cluster = Cluster::new(42);
    let key = cluster.key(Scheme::FrostEd25519).id;
    let body = cluster.sign_request(key, "once");
    let (signers, session) = cluster.must_sign(&body);
    let what = What::Sign { request: body, signers, presignature: None };
    let invite = Message::Invite(keymoot_engine::message::Invite { session, what });
    assert!(cluster.provoke(party(1), invite.clone()).is_empty(), "a late copy, for all the node knows");
    for _ in 0..2 {
        cluster.restart_node(party(1));
        let said = cluster.provoke(party(1), invite.clone());
        assert!(matches!(said.as_slice(), [Message::Refused(_, Refusal::Seen, None)]), "{said:?}");
    }
}

#[test]
fn a_witness_knows_after_a_restart_what_it_has_seen() {
    let mut cluster = Cluster::new(43);
    cluster.run_for(30_000);
    let asks = |message: &Message| match message {
        Message::Witness { from, to, words: Words::Checkpoint(_) } => (*from, *to) == (party(2), party(1)),
        _ => false,
    };
    let first = cluster.said.iter().find(|post| asks(&post.message)).expect("it was asked").message.clone();
    let seen = |said: &[Message]| match said {
        [Message::Witness { words: Words::Behind(Some(seen)), .. }] => {
            SignedNote::parse(seen).and_then(|note| Checkpoint::parse(note.text())).expect("a note").size()
        }
        other => panic!("{other:?}"),
    };
    let before = seen(&cluster.provoke(party(1), first.clone()));
    assert!(before > 0);
    cluster.restart_node(party(1));
    assert!(seen(&cluster.provoke(party(1), first)) >= before);
}

#[test]
fn no_presignature_outlives_its_process() {
    let mut cluster = Cluster::new(44);
    let key = cluster.key(Scheme::Dkls23);
    cluster.sign(key.id, "warm");
    let left = |cluster: &mut Cluster| {
        let said = cluster.provoke(party(1), Message::StockQuery(key.digest));
        let [Message::Stock(stock)] = said.as_slice() else { panic!("{said:?}") };
        stock.presignatures.len()
    };
    assert!(left(&mut cluster) > 0);
    // Not even an orderly stop: a copy of the journal that ends with one may be old.
    cluster.stop_node(party(1));
    cluster.start_node(party(1));
    assert_eq!(left(&mut cluster), 0);
}

#[test]
fn a_node_that_has_stopped_says_and_writes_nothing_more() {
    let mut cluster = Cluster::new(45);
    let key = cluster.key(Scheme::FrostEd25519).id;
    let body = cluster.sign_request(key, "too late");
    cluster.event(party(1), Event::Stop);
    let since = cluster.said.len();
    // The process has not gone yet, and more has come for it.
    let what = What::Sign { request: body, signers: vec![party(1), party(2)], presignature: None };
    assert!(cluster.lure(party(1), what).is_empty());
    cluster.run_for(20_000);
    assert_eq!(cluster.said_by(Address::Node(party(1)), since).count(), 0);
    assert!(cluster.told(Address::Node(party(1)), STOLEN, since).is_empty());
    assert_eq!(cluster.seats[&party(1)].entries().last(), Some(&Entry::Stopped));
    cluster.restart_node(party(1));
    cluster.sign(key, "here again");
}
