//! A member fails a check that depends on our secrets: first the ban is durable, and nothing is said to it again.

use keymoot_engine::crypto::{Accusation, End, Next, Progress};
use keymoot_engine::event::Event;
use keymoot_engine::message::{Address, Ended, Invite, Message, What};
use keymoot_engine::real::Real;
use keymoot_engine::record::Entry;
use keymoot_engine::refusal::Refusal;
use keymoot_types::{Party, Scheme, SessionId};

use crate::cluster::{Cluster, STOLEN};
use crate::room::party;

fn found_out(culprit: Party) -> Progress<Real> {
    Progress { notes: vec![], mail: vec![], refused: None, next: Next::Dead(End::Ban(vec![culprit])) }
}

fn blames(culprit: Party) -> Progress<Real> {
    let accusation = Accusation { party: culprit, fault: "WrongProof".to_owned(), evidence: vec![7] };
    let next = Next::Dead(End::Blame(vec![accusation]));
    Progress { notes: vec![], mail: vec![], refused: None, next }
}

/// A session of party 1 whose first step is with a worker for long.
fn long_session(cluster: &mut Cluster) -> SessionId {
    cluster.run_for(5_000);
    cluster.seat(party(1)).work = 60_000;
    let what = What::Setup { members: cluster.parties() };
    assert!(cluster.lure(party(1), what).is_empty());
    cluster.seats[&party(1)].sessions().pop_first().expect("a session").0
}

/// Invites party 1 to sign with another.
fn invite(cluster: &mut Cluster, request: Vec<u8>, other: Party) -> SessionId {
    let session = cluster.session();
    let what = What::Sign { request, signers: vec![party(1), other], presignature: None };
    cluster.say(STOLEN, Address::Node(party(1)), Message::Invite(Invite { session, what }));
    session
}

#[test]
fn the_ban_is_durable_first_and_what_waited_for_the_culprit_is_not_said() {
    let mut cluster = Cluster::new(160);
    let frost = cluster.key(Scheme::FrostEd25519).id;
    let ecdsa = cluster.key(Scheme::Dkls23);
    cluster.sign(ecdsa.id, "warm");
    cluster.thieves_setup();
    let long = long_session(&mut cluster);
    let (a, b) = (cluster.sign_request(frost, "a"), cluster.sign_request(frost, "b"));
    cluster.seat(party(1)).disk = 50;
    let (with_culprit, with_other) = (invite(&mut cluster, a, party(2)), invite(&mut cluster, b, party(3)));
    cluster.run_for(5);
    assert_eq!(cluster.seats[&party(1)].sessions().len(), 3);
    let (since, written) = (cluster.said.len(), cluster.seats[&party(1)].journal.len());
    cluster.event(party(1), Event::Worked(long, Ok(found_out(party(2)))));
    let left: Vec<_> = cluster.seats[&party(1)].sessions().into_keys().collect();
    assert_eq!(left, [with_other], "sessions with the culprit are dropped");
    cluster.run_for(10);
    assert_eq!(cluster.said_by(Address::Node(party(1)), since).count(), 0, "nothing before it is durable");
    cluster.run_for(500);
    let mails = cluster.said_by(Address::Node(party(1)), since).filter_map(|message| match message {
        Message::Mail(mail) => Some(mail.session),
        Message::Ended(session, _) => panic!("{session} is spoken of"),
        _ => None,
    });
    assert_eq!(mails.collect::<Vec<_>>(), [with_other], "not {with_culprit}");
    let entries = cluster.seats[&party(1)].entries().split_off(written);
    let place = |is_it: &dyn Fn(&Entry) -> bool| entries.iter().position(is_it).expect("it is on record");
    let culprit = *cluster.identities[&party(2)].public().as_bytes();
    let banned = place(&|entry| *entry == Entry::Banned { identity: culprit });
    let burnt = place(&|entry| matches!(entry, Entry::Burnt { intent: None, .. }));
    assert!(banned < burnt);
    let said = cluster.provoke(party(1), Message::StockQuery(ecdsa.digest));
    let [Message::Stock(stock)] = said.as_slice() else { panic!("{said:?}") };
    assert!(stock.presignatures.is_empty(), "all of them were with the culprit");
    let (key, signers, size) = (ecdsa.digest, vec![party(1), party(3)], 4);
    let setup = *stock.setups.last().expect("the setup is still good for the others");
    let said = cluster.lure(party(1), What::Presign { key, signers, setup, size });
    assert!(!said.iter().any(|one| matches!(one, Message::Refused(..))), "{said:?}");
}

#[test]
fn whoever_is_found_out_when_the_time_is_over_is_named_all_the_same() {
    let mut cluster = Cluster::new(163);
    cluster.key(Scheme::FrostEd25519);
    let long = long_session(&mut cluster);
    let (since, ceremony) = (cluster.said.len(), cluster.node_limits.ceremony);
    cluster.run_for(ceremony + 500);
    let told = |cluster: &Cluster| -> Vec<Ended> {
        let said = cluster.said_by(Address::Node(party(1)), since).filter_map(|message| match message {
            Message::Ended(session, ended) if *session == long => Some(ended.clone()),
            _ => None,
        });
        said.collect()
    };
    assert_eq!(told(&cluster), [Ended::Late(vec![])], "the check takes too long");
    cluster.event(party(1), Event::Worked(long, Ok(blames(party(2)))));
    cluster.run_for(500);
    assert_eq!(told(&cluster)[1..], [Ended::Blamed(vec![party(2)])]);
    let entry =
        Entry::Blamed { session: long, party: party(2), fault: "WrongProof".to_owned(), evidence: vec![7] };
    assert!(cluster.seats[&party(1)].entries().contains(&entry));
}

#[test]
fn of_a_session_with_somebody_who_is_banned_nothing_is_said_later() {
    let mut cluster = Cluster::new(164);
    cluster.key(Scheme::FrostEd25519);
    cluster.run_for(5_000);
    cluster.seat(party(1)).work = 60_000;
    let both = [(); 2].map(|()| {
        let before = cluster.seats[&party(1)].sessions();
        let what = What::Setup { members: cluster.parties() };
        assert!(cluster.lure(party(1), what).is_empty());
        let mut all = cluster.seats[&party(1)].sessions().into_keys();
        all.find(|session| !before.contains_key(session)).expect("a session")
    });
    cluster.event(party(1), Event::Worked(both[0], Ok(found_out(party(2)))));
    cluster.run_for(500);
    let since = cluster.said.len();
    cluster.event(party(1), Event::Worked(both[1], Ok(blames(party(2)))));
    cluster.run_for(500);
    let of_it = |message: &&Message| matches!(message, Message::Ended(session, _) if *session == both[1]);
    assert_eq!(cluster.said_by(Address::Node(party(1)), since).filter(of_it).count(), 0);
    let is_blame = |entry: &Entry| matches!(entry, Entry::Blamed { session, .. } if *session == both[1]);
    assert!(cluster.seats[&party(1)].entries().iter().any(is_blame), "it is on record");
}

#[test]
fn a_banned_member_is_refused_for_ever_and_the_others_go_on() {
    let mut cluster = Cluster::new(161);
    let keys = [Scheme::FrostEd25519, Scheme::Dkls23].map(|scheme| cluster.key(scheme));
    cluster.sign(keys[1].id, "warm");
    let long = long_session(&mut cluster);
    cluster.event(party(1), Event::Worked(long, Ok(found_out(party(2)))));
    for _ in 0..2 {
        cluster.run_for(100);
        let body = cluster.sign_request(keys[0].id, "with the culprit");
        let invitations = [
            What::Sign { request: body, signers: vec![party(1), party(2)], presignature: None },
            What::Setup { members: cluster.parties() },
        ];
        cluster.run_for(5_000);
        for what in invitations {
            let said = cluster.lure(party(1), what);
            let is_no = matches!(said.as_slice(), [Message::Refused(_, Refusal::Banned(who), None)] if *who == party(2));
            assert!(is_no, "{said:?}");
        }
        cluster.restart_node(party(1));
    }
    cluster.seat(party(1)).work = 0;
    cluster.run_for(10_000);
    for key in keys {
        for dead in [party(2), party(3)] {
            cluster.crash_node(dead);
            cluster.run_for(5_000);
            if dead == party(2) {
                assert_eq!(cluster.sign(key.id, "without the culprit"), [party(1), party(3)]);
            }
            cluster.start_node(dead);
            cluster.run_for(2_000);
        }
        let signers = cluster.sign(key.id, "whoever can");
        assert_ne!(signers, [party(1), party(2)]);
    }
}
