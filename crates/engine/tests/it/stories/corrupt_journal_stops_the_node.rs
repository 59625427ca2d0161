//! A node does not begin with a journal that it cannot have written.

use keymoot_engine::node::Node;
use keymoot_engine::policy::DenyAll;
use keymoot_engine::record::{Entry, Record};
use keymoot_protocol::codec::Wire;
use keymoot_types::{KeyId, Millis, Party, Scheme};

use crate::cluster::Cluster;
use crate::room::party;

/// Why party 1 does not begin with this.
fn complaint(cluster: &Cluster, journal: &[Vec<u8>]) -> String {
    cluster.recover(party(1), journal).err().expect("it must not begin").to_string()
}

fn sealed(entry: Entry, bytes: &[u8]) -> Vec<u8> {
    Record::sealing(entry, bytes.to_vec().into()).encode().to_vec()
}

#[test]
fn every_record_that_cannot_be_is_named_in_clear_words() {
    let mut cluster = Cluster::new(200);
    cluster.key(Scheme::Dkls23);
    let sound = cluster.seats[&party(1)].journal.clone();
    assert!(cluster.recover(party(1), &sound).is_ok());
    let key = KeyId::new([4; 16]);
    for (entry, why) in [
        (Entry::Certified { key, package: vec![1; 50] }, "certifies a key that is not ours"),
        (Entry::Banned { identity: [0xff; 32] }, "bans something that is no identity"),
        (Entry::Witnessed { note: "nonsense".to_owned() }, "holds a checkpoint that is none"),
        (Entry::RolledBack { note: String::new() }, "says that this journal is an old copy of itself"),
    ] {
        let mut journal = sound.clone();
        journal.push(sealed(entry, b"not what was sealed"));
        let index = sound.len();
        assert_eq!(
            complaint(&cluster, &journal),
            format!("record {index} of the journal {why}; the node does not start with it")
        );
    }
}

#[test]
fn lives_follow_one_another_in_the_journal() {
    let mut cluster = Cluster::new(201);
    cluster.run_for(12_000);
    let sound = cluster.seats[&party(1)].journal.clone();
    let stopped = sealed(Entry::Stopped, b"");
    assert!(complaint(&cluster, &sound[1..]).contains("not running"), "the first record is missing");
    let twice = [sound.clone(), sound.clone()].concat();
    assert!(complaint(&cluster, &twice).contains("another start"));
    let after_stop = [sound.clone(), vec![stopped, sound[1].clone()]].concat();
    assert!(complaint(&cluster, &after_stop).contains("not running"));
}

#[test]
fn the_journal_of_another_member_is_not_taken_for_ours() {
    let mut cluster = Cluster::new(202);
    // After its first record, after its first key, and after its first words as a witness.
    for step in 0..3 {
        for other in [party(2), party(3)] {
            let journal = cluster.seats[&other].journal.clone();
            assert!(complaint(&cluster, &journal).contains("the journal "), "step {step}, {other}");
        }
        if step == 0 {
            cluster.key(Scheme::FrostEd25519);
        } else {
            cluster.run_for(12_000);
        }
    }
    let elsewhere = Cluster::new(203);
    let error = complaint(&cluster, &elsewhere.seats[&party(1)].journal);
    assert!(error.contains("another node"), "{error}");
}

#[test]
fn a_node_is_who_its_identity_says() {
    let cluster = Cluster::new(204);
    let start = |me: Party, who: Party| {
        let now = keymoot_engine::event::Now { mono: Millis(0), wall: Millis(0) };
        Node::recover(cluster.crypto(who), DenyAll, cluster.config(me), vec![], now)
    };
    assert!(start(party(1), party(1)).is_ok());
    let error = start(party(1), party(2)).err().expect("an impostor").to_string();
    assert!(error.contains("not the member it claims to be"), "{error}");
}
