//! A key that was retired is known and shown, and nobody signs with it any more.

use keymoot_engine::crypto::{Crypto, Described};
use keymoot_engine::message::{Address, Complete, Message, What};
use keymoot_engine::outcome::{Outcome, retirement};
use keymoot_engine::real::Real;
use keymoot_engine::record::Entry;
use keymoot_engine::refusal::Refusal;
use keymoot_engine::request::Ask;
use keymoot_types::{Party, Scheme};

use crate::cluster::{Cluster, Pen, Post, honest, id_of};
use crate::room::party;

fn retire(cluster: &mut Cluster, key: &Described) -> Vec<u8> {
    cluster.request(Ask::Retire { key: key.id })
}

/// Who has it on record.
fn retired_at(cluster: &Cluster) -> Vec<Party> {
    let is_it = |entry: &Entry| matches!(entry, Entry::Retired { .. });
    cluster.parties().into_iter().filter(|party| cluster.seats[party].count(is_it) > 0).collect()
}

fn must_be_retired(cluster: &Cluster, body: &[u8], outcome: &Outcome, key: &Described) {
    let Outcome::Retired { words } = outcome else { panic!("{outcome:?}") };
    assert!(words.len() >= 2, "so that one of three is left");
    let statement = retirement::<Real>(id_of(body), key.id);
    for (party, word) in words {
        assert!(Real::verifies(&cluster.identities[party].public(), &statement, word), "{party}");
        assert!(retired_at(cluster).contains(party), "{party} has said it and not written it");
    }
}

#[test]
fn nobody_signs_with_a_retired_key_and_everybody_says_why() {
    for (seed, scheme) in [(230, Scheme::FrostTaproot), (231, Scheme::Dkls23)] {
        let mut cluster = Cluster::new(seed);
        let key = cluster.key(scheme);
        cluster.sign(key.id, "once");
        let body = retire(&mut cluster, &key);
        let outcome = cluster.outcome(&body);
        must_be_retired(&cluster, &body, &outcome, &key);
        cluster.run_for(1_000);
        assert_eq!(retired_at(&cluster).len(), 3);
        let view = cluster.seats[&party(1)].node.as_ref().unwrap().view();
        assert_eq!((view.keys, view.retired), (vec![key.id], vec![key.id]), "it is still known");
        assert!(view.presignatures.is_empty());
        let late = cluster.sign_request(key.id, "never");
        let outcome = cluster.outcome(&late);
        assert!(matches!(outcome, Outcome::Denied(_) | Outcome::Failed(_)), "{outcome:?}");
        let told = format!("{outcome:?}");
        assert!(told.contains("the key is retired"), "{told}");
        // Whoever asks again, or another client, hears the same.
        let again = retire(&mut cluster, &key);
        let outcome = cluster.outcome(&again);
        must_be_retired(&cluster, &again, &outcome, &key);
    }
}

#[test]
fn a_restart_and_another_coordinator_bring_no_retired_key_back() {
    let mut cluster = Cluster::new(232);
    let key = cluster.key(Scheme::FrostEd25519);
    let body = retire(&mut cluster, &key);
    cluster.outcome(&body);
    cluster.run_for(1_000);
    cluster.crash_coordinator(0);
    for party in cluster.parties() {
        cluster.restart_node(party);
    }
    cluster.run_for(2_000);
    let request = cluster.sign_request(key.id, "never");
    let said = cluster.lure(
        party(1),
        What::Sign { request: request.clone(), signers: vec![party(1), party(2)], presignature: None },
    );
    assert!(matches!(said.as_slice(), [Message::Refused(_, Refusal::Retired, Some(_))]), "{said:?}");
    let setup = keymoot_engine::words::Hash::from_bytes([1; 32]);
    let presign = What::Presign { key: key.digest, signers: vec![party(1), party(2)], setup, size: 4 };
    let said = cluster.lure(party(1), presign);
    assert!(matches!(said.as_slice(), [Message::Refused(_, Refusal::Retired, None)]), "{said:?}");
    assert!(matches!(cluster.outcome(&request), Outcome::Denied(denials) if denials.len() == 2));
}

#[test]
fn one_node_that_is_away_does_not_keep_a_key_alive() {
    let mut cluster = Cluster::new(233);
    let key = cluster.key(Scheme::FrostTaproot);
    cluster.crash_node(party(3));
    cluster.run_for(5_000);
    let body = retire(&mut cluster, &key);
    let outcome = cluster.outcome(&body);
    must_be_retired(&cluster, &body, &outcome, &key);
    cluster.restart_node(party(3));
    cluster.run_for(2_000);
    let late = cluster.sign_request(key.id, "never");
    assert!(matches!(cluster.outcome(&late), Outcome::Denied(denials) if denials.len() == 2));
}

#[test]
fn a_node_that_comes_back_is_told_while_others_are_waited_for() {
    let mut cluster = Cluster::new(234);
    let key = cluster.key(Scheme::FrostTaproot);
    cluster.crash_node(party(2));
    cluster.crash_node(party(3));
    cluster.run_for(5_000);
    let body = retire(&mut cluster, &key);
    cluster.ask(0, &body);
    cluster.run_for(5_000);
    assert_eq!(retired_at(&cluster), [party(1)]);
    cluster.restart_node(party(2));
    let outcome = cluster.outcome(&body);
    must_be_retired(&cluster, &body, &outcome, &key);
}

#[test]
fn a_session_that_goes_on_when_its_key_is_retired_says_nothing_more() {
    let mut cluster = Cluster::new(235);
    let key = cluster.key(Scheme::FrostTaproot);
    let other = cluster.key(Scheme::FrostEd25519);
    // Mail is slow, so that the signing is still on its way.
    cluster.postman = Box::new(|post: Post| {
        let is_mail = matches!(post.message, Message::Mail(_));
        vec![if is_mail { post.after(300) } else { post }]
    });
    let (signing, elsewhere) = (cluster.sign_request(key.id, "late"), cluster.sign_request(other.id, "fine"));
    cluster.ask(0, &signing);
    cluster.ask(0, &elsewhere);
    cluster.run_for(50);
    let (session, signers, _) = cluster.called(&signing).remove(0);
    let body = retire(&mut cluster, &key);
    cluster.ask(0, &body);
    cluster.run_for(50);
    let since = cluster.said.len();
    cluster.run_for(2_000);
    for signer in signers {
        let mut mail = cluster.said_by(Address::Node(signer), since);
        assert!(!mail.any(|one| matches!(one, Message::Mail(mail) if mail.session == session)), "{signer}");
    }
    cluster.postman = Box::new(honest);
    cluster.must_sign(&elsewhere);
    let outcome = cluster.outcome(&signing);
    assert!(matches!(outcome, Outcome::Denied(_)), "{outcome:?}");
}

#[test]
fn nobody_retires_a_key_that_no_client_wants_to_retire() {
    let mut cluster = Cluster::new(236);
    let key = cluster.key(Scheme::FrostTaproot);
    let honest = retire(&mut cluster, &key);
    let signs = cluster.sign_request(key.id, "sign");
    let mut bent = honest.clone();
    let last = bent.len() - 1;
    bent[last] ^= 1;
    for request in [signs, bent, Vec::new()] {
        for party in cluster.parties() {
            let said = cluster.lure(party, What::Retire { request: request.clone() });
            assert!(matches!(said.as_slice(), [Message::Refused(..)]), "{said:?}");
        }
    }
    assert!(retired_at(&cluster).is_empty());
    cluster.sign(key.id, "still");
    // And one that is forged at the coordinator's end counts for nothing.
    let request = id_of(&honest);
    let word = cluster.crypto(party(1)).sign(&retirement::<Real>(request, key.id));
    cluster.ask(0, &honest);
    for from in cluster.parties() {
        let (session, complete) = (cluster.session(), Complete::Retired { request, word });
        cluster.say(Address::Node(from), Address::Coordinator(0), Message::Complete(session, complete));
    }
    let outcome = cluster.outcome(&honest);
    must_be_retired(&cluster, &honest, &outcome, &key);
}

#[test]
fn a_key_is_retired_by_http() {
    let mut cluster = Cluster::new(237);
    let key = cluster.key(Scheme::Dkls23);
    for (number, pen) in Pen::enrolled().into_iter().enumerate() {
        let path = format!("/v1/keys/{}/retire", key.id);
        let body = cluster.http(&pen, &path, "{}").to_bytes();
        let outcome = cluster.outcome(&body);
        must_be_retired(&cluster, &body, &outcome, &key);
        let is_it = |entry: &Entry| matches!(entry, Entry::Retired { .. });
        assert_eq!(cluster.seats[&party(1)].count(is_it), 1, "after {number} times more");
    }
}

#[test]
fn a_key_that_nobody_has_cannot_be_retired() {
    let mut cluster = Cluster::new(238);
    let ask = Ask::Retire { key: keymoot_types::KeyId::new([9; 16]) };
    let body = cluster.request_by(&cluster.client(), ask, 120_000);
    let outcome = cluster.outcome(&body);
    assert!(matches!(&outcome, Outcome::Failed(why) if why.contains("no node shows the key")), "{outcome:?}");
}

#[test]
fn what_the_policy_denies_is_not_retired_and_the_key_signs_on() {
    let mut cluster = Cluster::new(239);
    let key = cluster.key(Scheme::FrostTaproot);
    // One that denies it does not stop the others; two leave a quorum that signs.
    cluster.seats.values().take(2).for_each(crate::cluster::Seat::deny_all);
    let body = retire(&mut cluster, &key);
    let outcome = cluster.outcome(&body);
    assert!(matches!(&outcome, Outcome::Denied(denials) if denials.len() == 2), "{outcome:?}");
    assert_eq!(retired_at(&cluster), [party(3)], "whoever has ended its part has ended it");
}

#[test]
fn a_liar_that_calls_something_else_complete_does_not_have_a_retirement_wait_for_ever() {
    let mut cluster = Cluster::new(244);
    let key = cluster.key(Scheme::FrostTaproot);
    // Only party 1 hears of it, and says something else instead.
    cluster.postman = Box::new(|mut post: Post| {
        match &mut post.message {
            Message::Invite(invite) if matches!(invite.what, What::Retire { .. }) => {
                return if post.to == Address::Node(party(1)) { vec![post] } else { vec![] };
            }
            Message::Complete(_, complete) if matches!(complete, Complete::Retired { .. }) => {
                *complete = Complete::Setup(keymoot_engine::words::Hash::from_bytes([7; 32]));
            }
            _ => {}
        }
        vec![post]
    });
    for party in [party(2), party(3)] {
        cluster.crash_node(party);
    }
    cluster.run_for(5_000);
    let ask = Ask::Retire { key: key.id };
    let body = cluster.request_by(&cluster.client(), ask, 120_000);
    let outcome = cluster.outcome(&body);
    assert!(matches!(outcome, Outcome::Failed(_)), "{outcome:?}");
}
