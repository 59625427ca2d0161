//! Sessions share the disk, and each keeps its own order: nothing is said before what it depends on is written.

use std::collections::BTreeMap;

use keymoot_engine::message::{Address, Message};
use keymoot_engine::record::{Entry, Record};
use keymoot_protocol::codec::Wire;
use keymoot_protocol::envelope::Envelope;
use keymoot_types::Scheme;

use crate::cluster::{Cluster, id_of};
use crate::room::party;

#[test]
fn many_sessions_are_written_together_and_none_speaks_too_early() {
    let mut cluster = Cluster::new(150);
    let keys = [Scheme::FrostEd25519, Scheme::FrostTaproot].map(|scheme| cluster.key(scheme).id);
    cluster.run_for(5_000);
    let (since, parties) = (cluster.said.len(), cluster.parties());
    let begin: BTreeMap<_, _> = parties
        .iter()
        .map(|one| (*one, (cluster.seats[one].writes, cluster.seats[one].journal.len())))
        .collect();
    parties.iter().for_each(|party| cluster.seat(*party).disk = 40);
    let requests: Vec<_> = (0..24).map(|place| cluster.sign_request(keys[place % 2], "crowd")).collect();
    for body in &requests {
        cluster.ask(0, body);
        cluster.run_for(3);
    }
    let ids: Vec<_> = requests.iter().map(|body| id_of(body)).collect();
    cluster.run_until(|cluster| ids.iter().all(|id| cluster.settled(*id).is_some()));
    let mut rounds: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for (post, durable) in cluster.said.iter().zip(&cluster.durable).skip(since) {
        let (Address::Node(party), Message::Mail(mail)) = (post.from, &post.message) else { continue };
        let written = cluster.seats[&party].journal.iter().take(*durable);
        let allowed = written
            .map(|bytes| Record::decode(bytes).unwrap().entry)
            .any(|entry| matches!(entry, Entry::Allowed { session, .. } if session == mail.session));
        assert!(allowed, "{party} speaks before it is durable that it may");
        let round = Envelope::decode(&mail.bytes).unwrap().header.round;
        rounds.entry((party, mail.session)).or_default().push(round);
    }
    assert_eq!(rounds.len(), 48, "two signers of each request");
    assert!(rounds.values().all(|one| one.is_sorted() && one.len() == 2), "{rounds:?}");
    let (writes, records) = begin[&party(1)];
    let seat = &cluster.seats[&party(1)];
    assert!(seat.journal.len() - records > 2 * (seat.writes - writes), "they were written together");
}

#[test]
fn what_is_told_about_a_key_is_durable_when_it_is_told() {
    let mut cluster = Cluster::new(151);
    cluster.parties().iter().for_each(|party| cluster.seat(*party).disk = 30);
    let since = cluster.said.len();
    cluster.key(Scheme::FrostEd25519);
    let mut told = 0;
    for (post, durable) in cluster.said.iter().zip(&cluster.durable).skip(since) {
        let Address::Node(party) = post.from else { continue };
        let is_ready = super::ready_without_certificate_becomes_a_key::is_ready(&post.message);
        let is_complete = matches!(post.message, Message::Complete(..));
        let written = cluster.seats[&party].journal.iter().take(*durable);
        let entries: Vec<_> = written.map(|bytes| Record::decode(bytes).unwrap().entry).collect();
        let has = |is_it: fn(&Entry) -> bool| entries.iter().any(is_it);
        assert!(!is_ready || has(|entry| matches!(entry, Entry::Pending { .. })));
        assert!(!is_complete || has(|entry| matches!(entry, Entry::Certified { .. })));
        told += usize::from(is_ready || is_complete);
    }
    assert!(told >= 6, "{told}");
}
