//! Presignatures are there before anybody wants one, and none is wanted twice.

use keymoot_engine::message::{Address, Invite, Message, What};
use keymoot_engine::refusal::Refusal;
use keymoot_types::{KeyId, Party, Scheme, SessionId};

use crate::cluster::{Cluster, id_of};
use crate::room::party;

const COORDINATOR: Address = Address::Coordinator(0);

fn stocked(seed: u8, pool: usize, batch: u16) -> Cluster {
    Cluster::with(seed, |_, limits| (limits.pool, limits.batch, limits.low) = (pool, batch, 2))
}

fn held(cluster: &Cluster, of: Party) -> usize {
    let view = cluster.seats[&of].node().view();
    view.presignatures.values().sum()
}

fn told(cluster: &Cluster, key: KeyId) -> usize {
    cluster.replicas[&0].coordinator().stock_of(key)
}

#[test]
fn a_new_key_is_supplied_before_the_first_signature_and_after_the_last() {
    let mut cluster = stocked(220, 12, 4);
    let key = cluster.key(Scheme::Dkls23).id;
    cluster.run_for(15_000);
    let before = [party(1), party(2)].map(|one| held(&cluster, one));
    assert_eq!((before, told(&cluster, key)), ([12, 12], 12));
    for count in 0..5 {
        let text = format!("number {count}");
        let since = cluster.said.len();
        let body = cluster.sign_request(key, &text);
        cluster.ask(0, &body);
        cluster.run_for(100);
        assert!(cluster.settled(id_of(&body)).is_some(), "nothing is made while the client waits");
        let said = cluster.said_by(COORDINATOR, since);
        assert_eq!(said.filter(|one| matches!(one, Message::Invite(_))).count(), 2, "one session of two");
    }
    cluster.run_for(10_000);
    assert!((12..16).contains(&held(&cluster, party(1))), "{}", held(&cluster, party(1)));
    assert_eq!(told(&cluster, key), held(&cluster, party(1)));
}

#[test]
fn what_a_node_that_has_begun_again_has_lost_is_made_with_others() {
    let mut cluster = stocked(221, 8, 4);
    let key = cluster.key(Scheme::Dkls23).id;
    cluster.run_for(15_000);
    assert_eq!(held(&cluster, party(2)), 8);
    cluster.restart_node(party(2));
    cluster.line_breaks(0, party(2));
    assert_eq!(held(&cluster, party(2)), 0, "presignatures are in memory and nowhere else");
    cluster.run_for(15_000);
    assert_eq!((held(&cluster, party(3)), told(&cluster, key)), (8, 8));
    let since = cluster.said.len();
    assert_eq!(cluster.sign(key, "by the others"), [party(1), party(3)]);
    let prepares =
        |one: &&Message| matches!(one, Message::Invite(invite) if !matches!(invite.what, What::Sign { .. }));
    assert_eq!(cluster.said_by(COORDINATOR, since).filter(prepares).count(), 0);
}

#[test]
fn more_than_can_be_named_is_counted() {
    let mut cluster = stocked(222, 200, 100);
    let key = cluster.key(Scheme::Dkls23).id;
    cluster.run_for(20_000);
    let held = held(&cluster, party(1));
    assert!(held >= 200, "{held}");
    assert_eq!(told(&cluster, key), held);
}

#[test]
fn what_a_node_said_before_it_was_asked_brings_nothing_back() {
    let mut cluster = stocked(223, 0, 12);
    let described = cluster.key(Scheme::Dkls23);
    cluster.sign(described.id, "warm");
    cluster.run_for(10_000);
    let old: Vec<Message> = [party(1), party(2)]
        .into_iter()
        .flat_map(|member| cluster.provoke(member, Message::StockQuery(described.digest)))
        .collect();
    assert_eq!(old.len(), 2);
    let since = cluster.said.len();
    for count in 0..6 {
        for (member, stock) in [party(1), party(2)].into_iter().zip(&old) {
            cluster.say(Address::Node(member), COORDINATOR, stock.clone());
        }
        cluster.run_for(5);
        cluster.sign(described.id, &format!("number {count}"));
    }
    let gone = |one: &&Message| matches!(one, Message::Refused(_, Refusal::Presignature, _));
    for member in [party(1), party(2)] {
        assert_eq!(cluster.said_by(Address::Node(member), since).filter(gone).count(), 0);
    }
}

#[test]
fn what_a_coordinator_has_made_gives_way_to_what_it_has_made_later() {
    let mut cluster = Cluster::with(224, |node, limits| {
        (node.pool, limits.pool, limits.batch, limits.low) = (24, 8, 4, 2);
    });
    let old = cluster.key(Scheme::Dkls23).id;
    cluster.run_for(15_000);
    assert_eq!((held(&cluster, party(1)), told(&cluster, old)), (8, 8), "a third of what the node keeps");
    let fresh = cluster.key(Scheme::Dkls23).id;
    cluster.run_for(3_000);
    for count in 0..3 {
        cluster.sign(fresh, &format!("number {count}"));
        cluster.sign(old, &format!("number {count}"));
        assert!(held(&cluster, party(1)) <= 8);
    }
}

#[test]
fn the_first_batch_is_small_and_the_next_is_larger() {
    let mut cluster = stocked(225, 96, 64);
    assert_eq!(sizes(&mut cluster, 96), [32, 64]);
}

#[test]
fn the_largest_batch_is_carried_whole() {
    let mut cluster = stocked(226, 1_500, 1_024);
    assert_eq!(sizes(&mut cluster, 2_016), [32, 64, 128, 256, 512, 1_024]);
}

/// The sizes of the batches that are made until a node holds so many presignatures.
fn sizes(cluster: &mut Cluster, count: usize) -> Vec<u16> {
    cluster.key(Scheme::Dkls23);
    cluster.run_until(|cluster| held(cluster, party(1)) >= count);
    cluster.run_for(5_000);
    let mut sizes: Vec<(SessionId, u16)> = Vec::new();
    for message in cluster.said_by(COORDINATOR, 0) {
        let Message::Invite(Invite { session, what: What::Presign { size, .. } }) = message else { continue };
        if !sizes.iter().any(|(known, _)| known == session) {
            sizes.push((*session, *size));
        }
    }
    sizes.into_iter().map(|(_, size)| size).collect()
}
