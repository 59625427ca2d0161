//! Presignatures are there before anybody wants one, and none is wanted twice.

use keymoot_engine::message::{Address, Complete, Invite, Message, What};
use keymoot_engine::record::Entry;
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
fn nothing_is_filled_up_while_one_signature_follows_the_other_and_half_is_left() {
    let mut cluster = stocked(235, 40, 8);
    let key = cluster.key(Scheme::Dkls23).id;
    cluster.run_until(|cluster| held(cluster, party(1)) >= 40);
    cluster.run_for(2_000);
    let (before, since) = (held(&cluster, party(1)), cluster.said.len());
    let prepares = |one: &&Message| matches!(one, Message::Invite(invite) if matches!(invite.what, What::Presign { .. }));
    for count in 0..15 {
        let body = cluster.sign_request(key, &format!("number {count}"));
        cluster.ask(0, &body);
        cluster.run_for(200);
        assert!(cluster.settled(id_of(&body)).is_some());
    }
    assert_eq!(held(&cluster, party(1)), before - 15);
    assert_eq!(cluster.said_by(COORDINATOR, since).filter(prepares).count(), 0);
    cluster.run_for(5_000);
    assert!(held(&cluster, party(1)) >= 40, "when it is quiet, it is filled up");
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

/// What one signer still has of batches that another has lost with its memory is in nobody's way.
#[test]
fn a_signer_that_has_begun_again_is_counted_on_again_with_what_it_has_now() {
    let mut cluster = stocked(227, 512, 256);
    let key = cluster.key(Scheme::Dkls23).id;
    cluster.run_until(|cluster| held(cluster, party(1)) >= 512);
    cluster.crash_node(party(3));
    cluster.line_breaks(0, party(3));
    cluster.restart_node(party(2));
    cluster.line_breaks(0, party(2));
    cluster.run_until(|cluster| held(cluster, party(2)) >= 512);
    cluster.run_for(2_000);
    let since = cluster.said.len();
    for count in 0..300 {
        let (body, began) = (cluster.sign_request(key, &format!("number {count}")), cluster.now);
        cluster.ask(0, &body);
        cluster.run_until(|cluster| cluster.settled(id_of(&body)).is_some());
        assert!(cluster.now - began < 100, "number {count} took {} ms", cluster.now - began);
    }
    for member in [party(1), party(2)] {
        let refused = |one: &&Message| matches!(one, Message::Refused(..));
        assert_eq!(cluster.said_by(Address::Node(member), since).filter(refused).count(), 0);
    }
}

/// A coordinator that has had none made lives on what others have had made, and does not take what they take next.
#[test]
fn coordinators_rarely_want_the_same() {
    let mut cluster = stocked(228, 400, 256);
    let key = cluster.key(Scheme::Dkls23).id;
    cluster.run_until(|cluster| held(cluster, party(1)) >= 400);
    cluster.run_for(5_000);
    let since = cluster.said.len();
    for count in 0..40 {
        for coordinator in [0, 0, 1] {
            let body = cluster.sign_request(key, &format!("number {count} for the {}th", cluster.now));
            cluster.ask(coordinator, &body);
            cluster.run_until(|cluster| cluster.settled(id_of(&body)).is_some());
        }
    }
    let gone = |one: &&Message| matches!(one, Message::Refused(_, Refusal::Presignature, _));
    // Had both begun at the same end, nearly every one of the forty would have been gone before.
    for member in cluster.parties() {
        let gone = cluster.said_by(Address::Node(member), since).filter(gone).count();
        assert!(gone <= 2, "{gone} of 120");
    }
}

/// Where there are few, they do: whoever comes late asks what is left, and does not try them all.
#[test]
fn a_name_that_is_gone_makes_a_coordinator_ask_what_is_left() {
    let mut cluster = stocked(229, 40, 20);
    let key = cluster.key(Scheme::Dkls23).id;
    cluster.run_for(15_000);
    let warm = cluster.sign_request(key, "the other has heard of all");
    cluster.ask(1, &warm);
    cluster.run_until(|cluster| cluster.settled(id_of(&warm)).is_some());
    for count in 0..20 {
        cluster.sign(key, &format!("number {count}"));
    }
    let late = cluster.sign_request(key, "the other comes late");
    let began = cluster.now;
    cluster.ask(1, &late);
    cluster.run_until(|cluster| cluster.settled(id_of(&late)).is_some());
    assert!(cluster.called(&late).len() <= 2, "{:?}", cluster.called(&late));
    assert!(cluster.now - began < 1_000, "{} ms", cluster.now - began);
}

/// The second coordinator has a pair setup made, which takes long, and nearly all that it knows of is gone meanwhile.
fn short_of_presignatures(seed: u8) -> (Cluster, KeyId) {
    let mut cluster = stocked(seed, 40, 20);
    let key = cluster.key(Scheme::Dkls23).id;
    cluster.run_for(15_000);
    sign_by(&mut cluster, 1, key);
    cluster.parties().into_iter().for_each(|one| cluster.seat(one).work = 4_000);
    let drawn =
        (0..30).take_while(|_| !is_preparing(&cluster) && sign_by(&mut cluster, 1, key).1 > 0).count();
    (drawn..34).for_each(|_| {
        sign_by(&mut cluster, 0, key);
    });
    assert!(is_preparing(&cluster), "it takes long");
    (cluster, key)
}

fn is_preparing(cluster: &Cluster) -> bool {
    let runs = cluster.replicas[&1].coordinator().view().runs;
    runs.iter().any(|run| ["pair setup", "presigning"].contains(&run.kind))
}

/// How long a coordinator takes to have something signed, and in how many sessions.
fn sign_by(cluster: &mut Cluster, coordinator: u16, key: KeyId) -> (u64, usize) {
    let body = cluster.sign_request(key, &format!("for the {coordinator}th at {}", cluster.now));
    let began = cluster.now;
    cluster.ask(coordinator, &body);
    cluster.run_until(|cluster| cluster.settled(id_of(&body)).is_some());
    (cluster.now - began, cluster.called(&body).len())
}

/// And it asks at once, also while more are being made: there is no need to wait for those.
#[test]
fn a_name_that_is_gone_makes_a_coordinator_ask_while_others_are_made() {
    let (mut cluster, key) = short_of_presignatures(233);
    let (time, attempts) = sign_by(&mut cluster, 1, key);
    assert!(is_preparing(&cluster), "nobody has waited for that");
    assert!(attempts > 1, "the first that it takes is gone");
    assert!(time < 1_000, "{time} ms");
}

/// Whoever is busy with what it was called to do may be slow to answer.
#[test]
fn who_is_asked_while_others_are_made_is_not_pressed() {
    let (mut cluster, key) = short_of_presignatures(234);
    let since = cluster.said.len();
    cluster.postman = Box::new(|post| {
        let is_answer = matches!(post.message, Message::Stock(_));
        vec![if is_answer { post.after(2_000) } else { post }]
    });
    let (time, attempts) = sign_by(&mut cluster, 1, key);
    assert!(is_preparing(&cluster) && attempts > 1 && (2_000..3_000).contains(&time), "{time} {attempts}");
    let asked = cluster.said_by(Address::Coordinator(1), since);
    let queries = asked.filter(|one| matches!(one, Message::StockQuery(_))).count();
    assert!((1..=2).contains(&queries), "each signer once at most: {queries}");
    let members = cluster.replicas[&1].coordinator().view().members;
    assert!(members.iter().all(|member| member.suspicion == 0), "{members:?}");
}

/// A presignature that was wanted and never used is there again.
#[test]
fn what_was_wanted_for_a_denied_request_is_free_again() {
    let mut cluster = stocked(230, 16, 16);
    let key = cluster.key(Scheme::Dkls23).id;
    cluster.run_for(15_000);
    cluster.parties().into_iter().for_each(|party| cluster.seats[&party].deny_all());
    for count in 0..60 {
        let body = cluster.sign_request(key, &format!("number {count}"));
        cluster.ask(0, &body);
        cluster.run_for(4_500);
        assert!(cluster.settled(id_of(&body)).is_some());
    }
    let held = held(&cluster, party(1));
    assert!(held <= 32, "nobody burns for what it denies, and nothing has to be made instead: {held}");
}

/// Two bounds at once: each name is thrown away once, and no more than has to be.
#[test]
fn what_gives_way_is_thrown_away_once() {
    let mut cluster = Cluster::with(231, |node, limits| {
        (node.stock, node.pool, limits.batch) = (8, 24, 4);
    });
    let key = cluster.key(Scheme::Dkls23);
    cluster.sign(key.id, "warm");
    cluster.run_for(10_000);
    cluster.thieves_setup();
    for other in [2, 2, 2, 3, 2, 2].map(party) {
        let said = cluster.provoke(party(1), Message::StockQuery(key.digest));
        let [Message::Stock(stock)] = said.as_slice() else { panic!("{said:?}") };
        let setup = *stock.setups.last().expect("a setup");
        let (key, signers, size) = (key.digest, vec![party(1), other], 4);
        cluster.have_done(&signers.clone(), &What::Presign { key, signers, setup, size });
        let its = cluster.seats[&party(1)].node().view().presignatures.values().sum::<usize>();
        assert!(its <= 8 + 4, "{its}");
    }
    let buried = |entry: Entry| match entry {
        Entry::Burnt { presignatures, .. } => presignatures,
        _ => Vec::new(),
    };
    let mut burnt: Vec<_> = cluster.seats[&party(1)].entries().into_iter().flat_map(buried).collect();
    let count = burnt.len();
    burnt.sort_unstable();
    burnt.dedup();
    assert_eq!(burnt.len(), count, "a name is on record as burnt once");
    assert_eq!(count, 1 + 4 * 4, "the one that has signed, and what had to give way");
}

/// One signer is done with a batch long before the other says so: what both have had before is used meanwhile.
#[test]
fn a_signer_that_is_late_with_a_batch_keeps_nobody_from_using_the_last() {
    let mut cluster = stocked(232, 512, 256);
    let key = cluster.key(Scheme::Dkls23).id;
    cluster.run_until(|cluster| held(cluster, party(1)) >= 512);
    cluster.run_for(2_000);
    cluster.postman = Box::new(|post| {
        let is_late = matches!(&post.message, Message::Complete(_, Complete::Presigned(_)));
        vec![if is_late && post.from == Address::Node(party(2)) { post.after(4_000) } else { post }]
    });
    for count in 0..400 {
        let (body, began) = (cluster.sign_request(key, &format!("number {count}")), cluster.now);
        cluster.ask(0, &body);
        cluster.run_until(|cluster| cluster.settled(id_of(&body)).is_some());
        assert!(cluster.now - began < 100, "number {count} took {} ms", cluster.now - began);
    }
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
