//! A node that begins with an old copy of its journal has forgotten what it has promised. Its witnesses remember.

use keymoot_engine::audit::{Log, LogKey};
use keymoot_engine::crypto::Crypto;
use keymoot_engine::message::{Address, Message, Words};
use keymoot_engine::node::log_name;
use keymoot_engine::record::Entry;
use keymoot_types::{KeyId, Party, Scheme};

use crate::cluster::{Cluster, STOLEN};
use crate::room::party;

/// Party 2 begins again with its journal as it was, after others have seen more of it.
fn rolled_back(seed: u8) -> (Cluster, KeyId) {
    let mut cluster = Cluster::new(seed);
    let key = cluster.key(Scheme::FrostEd25519).id;
    let old = cluster.seats[&party(2)].journal.clone();
    cluster.sign(key, "more of it");
    cluster.run_for(15_000);
    cluster.crash_node(party(2));
    cluster.seat(party(2)).journal = old;
    cluster.start_node(party(2));
    (cluster, key)
}

#[test]
fn a_node_that_was_rolled_back_says_nothing_more_and_does_not_start_again() {
    let (mut cluster, key) = rolled_back(220);
    cluster.run_for(500);
    assert!(cluster.seats[&party(2)].is_halted, "within half a second of its start");
    let forked = |party| cluster.seats[&party].count(|entry| matches!(entry, Entry::Forked { .. }));
    assert_eq!(forked(party(1)) + forked(party(3)), 0, "before it has signed a second history");
    let Some(Entry::RolledBack { note }) = cluster.seats[&party(2)].entries().pop() else { panic!() };
    let name = log_name(&cluster.committee, party(2)).unwrap();
    assert!(note.starts_with(name.as_str()), "it shows why: {note}");
    let since = cluster.said.len();
    cluster.run_for(20_000);
    assert_eq!(cluster.said_by(Address::Node(party(2)), since).count(), 0);
    let journal = cluster.seats[&party(2)].journal.clone();
    let error = cluster.recover(party(2), &journal).err().expect("it does not start").to_string();
    assert!(error.contains("an old copy of itself"), "{error}");
    assert_eq!(cluster.sign(key, "without it"), [party(1), party(3)]);
}

#[test]
fn a_restart_with_the_whole_journal_is_no_roll_back() {
    let mut cluster = Cluster::new(221);
    let key = cluster.key(Scheme::FrostEd25519).id;
    for _ in 0..3 {
        cluster.run_for(15_000);
        for one in cluster.parties() {
            cluster.restart_node(one);
        }
        cluster.run_for(5_000);
        cluster.sign(key, "still here");
    }
    assert!(cluster.seats.values().all(|seat| !seat.is_halted));
}

#[test]
fn nobody_halts_a_node_with_words_that_it_has_not_signed() {
    let mut cluster = Cluster::new(222);
    cluster.run_for(15_000);
    let log_of = |who, key| LogKey::new(log_name(&cluster.committee, party(who)).unwrap(), key);
    let long = |key: LogKey, signer: Party, cluster: &Cluster| {
        let crypto = cluster.crypto(signer);
        Log::restore(key, (0..999_u32).map(u32::to_le_bytes)).sign(|text| crypto.sign_note(text)).to_string()
    };
    let identity = |who| cluster.identities[&party(who)].public();
    // Signed by another, about another's log, and about a log of that name that another claims.
    let notes = [
        long(log_of(2, identity(3)), party(3), &cluster),
        long(log_of(3, identity(2)), party(2), &cluster),
        long(log_of(3, identity(3)), party(3), &cluster),
    ];
    for note in notes.into_iter().map(Some).chain([None, Some(String::new()), Some("x".repeat(100_000))]) {
        let (from, to, words) = (party(1), party(2), Words::Behind(note));
        cluster.say(STOLEN, Address::Node(party(2)), Message::Witness { from, to, words });
        cluster.run_for(100);
        assert!(!cluster.seats[&party(2)].is_halted);
    }
    cluster.run_for(15_000);
    assert_eq!(
        cluster.seats[&party(2)].node().checkpoint().expect("a checkpoint").count(),
        2,
        "and it goes on"
    );
}
