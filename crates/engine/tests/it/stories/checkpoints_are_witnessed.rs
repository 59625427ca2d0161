//! Every node's log is watched by all others, and a log with two histories is found out.

use keymoot_engine::audit::checkpoint::Fork;
use keymoot_engine::audit::{Log, LogKey, Request, SignedCheckpoint};
use keymoot_engine::crypto::Crypto;
use keymoot_engine::message::{Message, Words};
use keymoot_engine::node::log_name;
use keymoot_engine::real::Real;
use keymoot_engine::record::Entry;
use keymoot_types::{Party, Scheme};

use crate::cluster::Cluster;
use crate::room::party;

fn log_key(cluster: &Cluster, owner: Party) -> LogKey {
    let origin = log_name(&cluster.committee, owner).unwrap();
    LogKey::new(origin, cluster.identities[&owner].public())
}

/// The last note of this member's log that party 1 has cosigned.
fn last_seen(cluster: &Cluster, owner: Party) -> SignedCheckpoint {
    let key = log_key(cluster, owner);
    let notes = cluster.seats[&party(1)].entries().into_iter().rev().filter_map(|entry| match entry {
        Entry::Witnessed { note } => SignedCheckpoint::open(&note, &key, Real::verifies_note).ok(),
        _ => None,
    });
    notes.into_iter().next().expect("it was seen")
}

/// What party 1 is told in the name of `from`.
fn words(from: Party, text: String) -> Message {
    Message::Witness { from, to: party(1), words: Words::Checkpoint(text) }
}

/// A request to cosign another history of this member's log.
fn other_history(cluster: &Cluster, owner: Party) -> String {
    let seen = last_seen(cluster, owner);
    let size = seen.checkpoint().size();
    let log = Log::restore(log_key(cluster, owner), (0..size).map(|entry| entry.to_le_bytes()));
    let crypto = cluster.crypto(owner);
    let signed = log.sign(|text| crypto.sign_note(text));
    Request { old_size: size, proof: vec![], note: signed.to_string() }.to_string()
}

#[test]
fn every_checkpoint_is_cosigned_by_all_others() {
    let mut cluster = Cluster::new(190);
    let key = cluster.key(Scheme::FrostEd25519).id;
    for _ in 0..5 {
        cluster.sign(key, "something happens");
        cluster.run_for(15_000);
        for (party, seat) in &cluster.seats {
            let latest = seat.node().checkpoint().expect("a checkpoint");
            assert_eq!(latest.count(), 2, "{party}");
            let checkpoint = latest.signed().checkpoint();
            assert!(checkpoint.size() <= seat.journal.len() as u64, "it covers what is durable");
            assert!(seat.node().log().holds(checkpoint));
        }
    }
}

#[test]
fn a_node_that_was_away_is_witnessed_again() {
    let mut cluster = Cluster::new(191);
    cluster.run_for(12_000);
    cluster.restart_node(party(2));
    cluster.run_for(20_000);
    assert_eq!(cluster.seats[&party(2)].node().checkpoint().expect("a checkpoint").count(), 2);
}

#[test]
fn a_log_with_two_histories_is_on_record_with_the_evidence() {
    let mut cluster = Cluster::new(192);
    cluster.run_for(12_000);
    let forked = other_history(&cluster, party(3));
    let said = cluster.provoke(party(1), words(party(3), forked));
    let [Message::Witness { to, words: Words::Behind(Some(note)), .. }] = said.as_slice() else {
        panic!("{said:?}")
    };
    assert_eq!(*note, last_seen(&cluster, party(3)).to_string(), "no cosignature, but what was seen");
    assert_eq!(*to, party(3));
    let found = cluster.seats[&party(1)].entries().into_iter().find_map(|entry| match entry {
        Entry::Forked { party, notes } => Some((party, notes)),
        _ => None,
    });
    let (accused, [one, other]) = found.expect("it is on record");
    assert_eq!(accused, party(3));
    let key = log_key(&cluster, party(3));
    assert!(Fork::judge(&one, &other, &key, Real::verifies_note).is_ok(), "it convinces everybody");
    cluster.restart_node(party(1));
    cluster.run_for(12_000);
    assert_eq!(cluster.seats[&party(3)].node().checkpoint().expect("a checkpoint").count(), 2);
}

#[test]
fn nobody_is_accused_of_another_ones_fork() {
    let mut cluster = Cluster::new(193);
    cluster.run_for(12_000);
    let forked = other_history(&cluster, party(3));
    cluster.provoke(party(1), words(party(2), forked));
    let accused = cluster.seats[&party(1)].entries().into_iter().find_map(|entry| match entry {
        Entry::Forked { party, .. } => Some(party),
        _ => None,
    });
    assert_eq!(accused, None, "what is said in another's name is not read");
}

#[test]
fn what_is_said_again_is_not_written_again() {
    let mut cluster = Cluster::new(194);
    cluster.run_for(12_000);
    let forked = other_history(&cluster, party(3));
    let seen = last_seen(&cluster, party(3));
    let size = seen.checkpoint().size();
    let again = Request { old_size: size, proof: vec![], note: seen.to_string() }.to_string();
    let written = |cluster: &Cluster| {
        let of_three = log_key(cluster, party(3));
        cluster.seats[&party(1)].count(|entry| match entry {
            Entry::Forked { .. } => true,
            Entry::Witnessed { note } => {
                let opened = SignedCheckpoint::open(note, &of_three, Real::verifies_note);
                opened.is_ok_and(|note| note.checkpoint().size() == size)
            }
            _ => false,
        })
    };
    let before = written(&cluster);
    for _ in 0..5 {
        cluster.provoke(party(1), words(party(3), forked.clone()));
        cluster.provoke(party(1), words(party(3), again.clone()));
    }
    assert_eq!(written(&cluster), before + 1, "the fork, once");
}

#[test]
fn logs_of_a_cluster_at_rest_do_not_grow() {
    let mut cluster = Cluster::new(195);
    cluster.run_for(60_000);
    let sizes = |cluster: &Cluster| cluster.seats.values().map(|seat| seat.journal.len()).collect::<Vec<_>>();
    let before = sizes(&cluster);
    cluster.run_for(10 * 60_000);
    assert_eq!(sizes(&cluster), before, "vouching for others' vouching is no news");
}

#[test]
fn whoever_has_missed_a_checkpoint_is_asked_again() {
    let mut cluster = Cluster::new(196);
    let key = cluster.key(Scheme::FrostEd25519).id;
    cluster.crash_node(party(3));
    cluster.sign(key, "without it");
    cluster.run_for(60_000);
    assert_eq!(cluster.seats[&party(1)].node().checkpoint().expect("a checkpoint").count(), 1);
    cluster.start_node(party(3));
    cluster.run_for(15_000);
    assert_eq!(cluster.seats[&party(1)].node().checkpoint().expect("a checkpoint").count(), 2);
}
