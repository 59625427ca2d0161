//! A node dies after the burn is durable and before its approval leaves.

use std::cell::Cell;
use std::rc::Rc;

use keymoot_engine::message::{Message, What};
use keymoot_engine::plan::Effect;
use keymoot_engine::record::Entry;
use keymoot_engine::refusal::Refusal;
use keymoot_protocol::transcript::Hash;
use keymoot_types::Scheme;

use crate::cluster::Cluster;
use crate::room::party;

/// Presignatures that a node had in stock before its last start.
fn stocked_before(cluster: &Cluster) -> Vec<Hash> {
    let entries = cluster.seats[&party(1)].entries();
    let last = entries.iter().rposition(|entry| matches!(entry, Entry::Started { .. })).unwrap();
    let stocked = entries.into_iter().take(last).filter_map(|entry| match entry {
        Entry::Stocked { presignatures, .. } => Some(presignatures),
        _ => None,
    });
    stocked.flatten().collect()
}

#[test]
fn a_presignature_that_was_burnt_before_a_crash_is_never_used_again() {
    let mut cluster = Cluster::new(30);
    let key = cluster.key(Scheme::Dkls23).id;
    cluster.sign(key, "warm");
    let before = cluster.burnt(party(1)).len();
    let has_died = Rc::new(Cell::new(false));
    let once = Rc::clone(&has_died);
    cluster.fate = Box::new(move |who, deed| {
        let speaks = matches!(deed, Effect::Send(_, Message::Mail(_)));
        who == party(1) && speaks && !once.replace(true)
    });
    let body = cluster.sign_request(key, "pay 7 to nobody");
    cluster.ask(0, &body);
    cluster.run_until(|_| has_died.get());
    let burnt = cluster.burnt(party(1));
    assert_eq!(burnt.len(), before + 1, "the burn was durable before the approval was to leave");
    let lost = *burnt.last().unwrap();
    cluster.start_node(party(1));
    let (signers, session) = cluster.must_sign(&body);
    let called = cluster.called(&body);
    let (.., used) = called.iter().find(|(of, ..)| *of == session).expect("it was called");
    assert_ne!(used.unwrap(), lost);
    let replay = What::Sign { request: body, signers, presignature: Some(lost) };
    for party in cluster.parties() {
        let said = cluster.lure(party, replay.clone());
        assert!(said.iter().all(|one| matches!(one, Message::Refused(..))), "{said:?}");
    }
    assert_eq!(cluster.burnt(party(1)).iter().filter(|name| **name == lost).count(), 1);
}

#[test]
fn nothing_that_was_in_stock_before_a_crash_is_used_after_it() {
    let mut cluster = Cluster::new(31);
    let key = cluster.key(Scheme::Dkls23).id;
    cluster.sign(key, "warm");
    let known = cluster.burnt(party(1));
    cluster.restart_node(party(1));
    cluster.run_for(10);
    let old = stocked_before(&cluster);
    let void: Vec<Hash> = old.into_iter().filter(|name| !known.contains(name)).collect();
    assert!(!void.is_empty(), "something was left");
    let body = cluster.sign_request(key, "which one?");
    for name in &void {
        let signers = vec![party(1), party(2)];
        let what = What::Sign { request: body.clone(), signers, presignature: Some(*name) };
        let said = cluster.lure(party(1), what);
        assert!(matches!(said.as_slice(), [Message::Refused(_, Refusal::Presignature, None)]), "{said:?}");
    }
    (0..6).for_each(|_| {
        cluster.sign(key, "after the crash");
    });
    assert!(cluster.burnt(party(1)).iter().all(|name| !void.contains(name)));
}

#[test]
fn whatever_a_node_was_about_to_do_when_it_died_the_request_ends_signed() {
    let mut cluster = Cluster::new(32);
    let key = cluster.key(Scheme::Dkls23).id;
    for survived in 0..16 {
        let left = Cell::new(survived);
        cluster.fate = Box::new(move |who, _| {
            let is_hers = who == party(1);
            left.set(left.get() - i32::from(is_hers));
            is_hers && left.get() == -1
        });
        let body = cluster.sign_request(key, "pay 7 to nobody");
        cluster.ask(0, &body);
        cluster.run_for(1_000);
        if cluster.seats[&party(1)].node.is_none() {
            cluster.start_node(party(1));
        }
        cluster.must_sign(&body);
        cluster.fate = Box::new(|_, _| false);
        if cluster.seats[&party(1)].node.is_none() {
            cluster.start_node(party(1));
        }
        cluster.run_for(5_000);
    }
    let mut burnt: Vec<_> = cluster.burnt(party(1)).iter().map(|name| *name.as_bytes()).collect();
    let count = burnt.len();
    burnt.sort_unstable();
    burnt.dedup();
    assert_eq!(burnt.len(), count, "nothing is burnt twice");
}
