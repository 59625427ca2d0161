//! The moduli that GG20 needs: made before anybody asks, by all members, once; whatever happens on the way.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::rc::Rc;
use std::sync::Arc;

use keymoot_engine::coordinator::StoreCall;
use keymoot_engine::message::{Address, Answer, Complete, Ended, Invite, Message, SessionMail, What};
use keymoot_engine::outcome::Outcome;
use keymoot_engine::plan::Effect;
use keymoot_engine::record::{Entry, Record};
use keymoot_engine::refusal::Refusal;
use keymoot_engine::request::{Ask, ToSign};
use keymoot_protocol::abort::Blame;
use keymoot_protocol::codec::Wire;
use keymoot_protocol::envelope::{Envelope, Kind};
use keymoot_protocol::transcript::Hash;
use keymoot_types::{Party, Path, Scheme, SessionId};

use crate::cluster::{Cluster, Deed, Post, Postman, STOLEN, Seat, honest, id_of, payload};
use crate::room::{Room, party};

/// The round in which members sign their table.
const SIGNED: u8 = 4;

/// Everybody serves GG20; keys have small moduli, as everything here.
fn cluster(seed: u8) -> Cluster {
    Cluster::serving(seed, &Scheme::ALL, |_, _| ())
}

fn pending(entry: &Entry) -> bool {
    matches!(entry, Entry::ModuliPending { .. })
}

fn certified(entry: &Entry) -> bool {
    matches!(entry, Entry::Moduli { .. })
}

/// The tables that a node has on record, certified.
fn tables(seat: &Seat) -> Vec<Hash> {
    let table = |entry| if let Entry::Moduli { name, .. } = entry { Some(name) } else { None };
    seat.entries().into_iter().filter_map(table).collect()
}

fn all_have_one(cluster: &Cluster) -> bool {
    cluster.seats.values().all(|seat| seat.count(certified) == 1)
}

/// The sessions that were called to make moduli.
fn calls(cluster: &Cluster) -> Vec<SessionId> {
    let mut calls = Vec::new();
    for post in &cluster.said {
        if let Message::Invite(Invite { session, what: What::Moduli }) = &post.message
            && !calls.contains(session)
        {
            calls.push(*session);
        }
    }
    calls
}

/// A body of this round, in one of these sessions.
fn is_body(message: &Message, sessions: &[SessionId], round: u8) -> bool {
    let Message::Mail(mail) = message else { return false };
    let header = Envelope::decode(&mail.bytes).map(|envelope| envelope.header);
    let is_it = header.is_ok_and(|header| (header.round, header.kind) == (round, Kind::Body));
    sessions.contains(&mail.session) && is_it
}

/// No signature on a table has left before the primes in it were on disk.
fn check_order(cluster: &Cluster) {
    let calls = calls(cluster);
    let mut signed = 0;
    for (post, durable) in cluster.said.iter().zip(&cluster.durable) {
        let Address::Node(from) = post.from else { continue };
        if is_body(&post.message, &calls, SIGNED) {
            let journal = &cluster.seats[&from].journal[..*durable];
            let records = journal.iter().map(|bytes| Record::decode(bytes).expect("a record"));
            let holds = |record: &Record| pending(&record.entry) && !record.sealed().is_empty();
            assert!(records.into_iter().any(|record| holds(&record)), "{from} signs before it is durable");
            signed += 1;
        }
    }
    assert!(signed > 0, "somebody has signed");
}

/// Everybody gets what somebody has.
fn settle(cluster: &mut Cluster) {
    cluster.postman = Box::new(honest);
    cluster.fate = Box::new(|_, _| false);
    for party in cluster.parties() {
        if cluster.seats[&party].node.is_none() {
            cluster.start_node(party);
        }
    }
    cluster.run_until(all_have_one);
}

#[test]
fn moduli_are_there_before_anybody_asks_and_serve_every_key_and_every_coordinator() {
    let mut cluster = cluster(230);
    cluster.run_until(all_have_one);
    assert!(cluster.answers.is_empty(), "nobody has asked for anything");
    let keys = [cluster.key(Scheme::Gg20), cluster.key(Scheme::Gg20), cluster.key(Scheme::Dkls23)];
    for (key, text) in keys.iter().zip(["one", "another", "with pairs"]) {
        let body = cluster.sign_request(key.id, text);
        cluster.must_sign(&body);
    }
    cluster.crash_coordinator(0);
    cluster.run_for(5_000);
    cluster.sign(keys[0].id, "by the other coordinator");
    assert_eq!(calls(&cluster).len(), 1, "one table is enough");
    check_order(&cluster);
    let names: Vec<_> = cluster.seats.values().map(tables).collect();
    assert!(names.iter().all(|one| one.len() == 1 && *one == names[0]));
    let view = cluster.seats[&party(1)].node().view().moduli;
    assert_eq!((view.tables.len(), view.pending, view.primes, view.wanted), (1, 0, 0, 0));
}

#[test]
fn a_table_outlives_every_process() {
    let mut cluster = cluster(231);
    cluster.run_until(all_have_one);
    let key = cluster.key(Scheme::Gg20).id;
    cluster.sign(key, "before");
    let found = cluster.primes;
    for party in cluster.parties() {
        cluster.restart_node(party);
    }
    for id in 0..2 {
        cluster.crash_coordinator(id);
        cluster.start_coordinator(id);
    }
    cluster.run_for(2_000);
    cluster.sign(key, "after");
    assert_eq!((calls(&cluster).len(), cluster.primes), (1, found), "and nothing is looked for any more");
    assert!(all_have_one(&cluster));
}

/// Which step of the making of moduli a node is about to take: the body of a round, or its word that it has the table.
fn step_of(deed: &Deed) -> Option<u8> {
    match deed {
        Effect::Send(_, Message::Mail(mail)) => {
            let header = Envelope::decode(&mail.bytes).ok()?.header;
            (header.kind == Kind::Body).then_some(header.round)
        }
        Effect::Send(_, Message::Complete(_, Complete::Moduli(_))) => Some(SIGNED + 1),
        Effect::Send(_, Message::Moduli(told)) if !told.tables.is_empty() => Some(SIGNED + 2),
        _ => None,
    }
}

#[test]
fn whatever_a_node_was_about_to_do_when_it_died_there_is_one_table_in_the_end() {
    for fatal in 0..=SIGNED + 2 {
        let mut cluster = cluster(232);
        let has_died = Cell::new(false);
        cluster.fate = Box::new(move |who, deed| {
            who == party(1) && step_of(deed) == Some(fatal) && !has_died.replace(true)
        });
        cluster.run_until(|cluster| cluster.seats[&party(1)].node.is_none());
        let had_signed = cluster.seats[&party(1)].count(pending) == 1;
        assert_eq!(had_signed, fatal >= SIGNED, "step {fatal}");
        settle(&mut cluster);
        check_order(&cluster);
        let key = cluster.key(Scheme::Gg20).id;
        cluster.sign(key, "whatever has happened");
        let names: Vec<_> = cluster.seats.values().map(tables).collect();
        assert!(names.iter().all(|one| *one == names[0]), "step {fatal}: {names:?}");
    }
}

#[test]
fn a_member_that_never_heard_the_last_signatures_is_shown_the_table() {
    let mut cluster = cluster(233);
    let is_cut = Rc::new(Cell::new(true));
    let cut = Rc::clone(&is_cut);
    let mut sessions = Vec::new();
    cluster.postman = Box::new(move |post: Post| {
        if let Message::Invite(Invite { session, what: What::Moduli }) = &post.message {
            sessions.push(*session);
        }
        let is_it = matches!(post.message, Message::Table(_)) || is_body(&post.message, &sessions, SIGNED);
        if is_it && post.to == Address::Node(party(3)) && cut.get() { vec![] } else { vec![post] }
    });
    cluster.run_until(|cluster| cluster.seats[&party(1)].count(certified) == 1);
    cluster.run_for(10_000);
    assert_eq!(cluster.seats[&party(3)].count(certified), 0);
    // It has signed, and opens what it has signed for after a crash as well.
    cluster.restart_node(party(3));
    cluster.run_for(10_000);
    let key = cluster.key(Scheme::Gg20).id;
    assert_eq!(cluster.sign(key, "by those who have it"), [party(1), party(2)]);
    is_cut.set(false);
    cluster.run_until(all_have_one);
    assert_eq!(calls(&cluster).len(), 1);
    cluster.crash_node(party(1));
    cluster.run_for(5_000);
    assert_eq!(cluster.sign(key, "by those who have it now"), [party(2), party(3)]);
}

#[test]
fn signatures_that_nobody_gets_cost_another_table_and_other_primes() {
    let mut cluster = cluster(234);
    let lost = Rc::new(Cell::new(0));
    let count = Rc::clone(&lost);
    let first = Rc::new(Cell::new(None));
    cluster.postman = Box::new(move |post: Post| {
        if let Message::Invite(Invite { session, what: What::Moduli }) = &post.message {
            first.set(first.get().or(Some(*session)));
        }
        let is_lost = first.get().is_some_and(|session| is_body(&post.message, &[session], SIGNED));
        count.set(count.get() + u32::from(is_lost));
        if is_lost { vec![] } else { vec![post] }
    });
    settle_with(&mut cluster, |cluster| cluster.seats.values().all(|seat| seat.count(certified) >= 1));
    assert!(lost.get() >= 3, "everybody had signed the first");
    assert_eq!(calls(&cluster).len(), 2);
    for seat in cluster.seats.values() {
        assert_eq!((seat.count(pending), seat.count(certified)), (2, 1));
        assert_eq!(seat.node().view().moduli.pending, 1, "the first may still be completed by somebody");
    }
    let key = cluster.key(Scheme::Gg20).id;
    cluster.sign(key, "with the second");
}

fn settle_with(cluster: &mut Cluster, is_so: impl Fn(&Cluster) -> bool) {
    for _ in 0..4 {
        cluster.run_for(100_000);
        if is_so(cluster) {
            return;
        }
    }
    panic!("it does not come to that");
}

#[test]
fn a_journal_from_before_the_table_halts_its_node() {
    let mut cluster = cluster(235);
    let old = cluster.seats[&party(2)].journal.clone();
    cluster.run_until(all_have_one);
    cluster.run_for(15_000);
    assert!(!old.iter().any(|bytes| pending(&Record::decode(bytes).expect("a record").entry)));
    cluster.crash_node(party(2));
    cluster.seat(party(2)).journal = old;
    cluster.start_node(party(2));
    cluster.run_for(1_000);
    assert!(cluster.seats[&party(2)].is_halted);
    let key = cluster.seats[&party(1)].node().view().moduli.tables[0];
    let said = cluster.lure(party(2), What::Moduli);
    assert!(said.is_empty(), "{said:?}");
    assert_eq!(cluster.seats[&party(2)].count(|entry| *entry == Entry::ModuliPending { table: key }), 0);
}

#[test]
fn a_journal_with_moduli_of_others_is_not_this_nodes() {
    let mut cluster = cluster(236);
    cluster.run_until(all_have_one);
    let journal = cluster.seats[&party(1)].journal.clone();
    let of = |is_it: fn(&Entry) -> bool, journal: &[Vec<u8>]| {
        journal
            .iter()
            .position(|bytes| is_it(&Record::decode(bytes).expect("a record").entry))
            .expect("it is there")
    };
    let why = |journal: &[Vec<u8>]| cluster.recover(party(1), journal).err().map(|corrupt| corrupt.why);
    assert_eq!(why(&journal), None);
    let (signed, complete) = (of(pending, &journal), of(certified, &journal));
    let mut twice = journal.clone();
    twice.insert(complete + 1, journal[signed].clone());
    assert_eq!(why(&twice), Some("signs moduli that were signed before"));
    let mut unsigned = journal.clone();
    unsigned.remove(signed);
    assert_eq!(why(&unsigned), Some("certifies moduli that are not ours"));
    let Entry::Moduli { name, table } = Record::decode(&journal[complete]).unwrap().entry else { panic!() };
    let written = |name, table: Vec<u8>| {
        let mut journal = journal.clone();
        journal[complete] = Record::from(Entry::Moduli { name, table }).encode().to_vec();
        journal
    };
    let refused = Some("certifies moduli that are not ours");
    assert_eq!(why(&written(Hash::from_bytes([1; 32]), table.clone())), refused, "under another name");
    let mut bent = table.clone();
    *bent.last_mut().expect("a certificate") ^= 1;
    assert_eq!(why(&written(name, bent)), refused, "with another signature");
    assert_eq!(why(&written(name, table[..table.len() - 1].to_vec())), refused, "cut");
    // Sound, and of another committee.
    let (other, _) = Room::new(237).moduli();
    assert_eq!(why(&written(other.digest(), other.encode().to_vec())), refused);
    let record = Record::decode(&journal[signed]).unwrap();
    let sealed = |primes: Vec<u8>| {
        let mut journal = journal.clone();
        journal[signed] = Record::sealing(record.entry.clone(), primes.into()).encode().to_vec();
        journal
    };
    let mut primes = record.sealed().to_vec();
    *primes.last_mut().expect("primes") ^= 2;
    assert_eq!(why(&sealed(primes.clone())), refused, "other primes");
    // Also where no table has come yet that could show it.
    let early = |primes: Vec<u8>| why(&sealed(primes)[..complete]);
    assert_eq!(early(record.sealed().to_vec()), None);
    let unread = Some("holds primes that are not ours, or not of the table that it names");
    primes.pop();
    assert_eq!(early(primes), unread, "cut");
    let theirs = cluster.seats[&party(2)].journal.iter().map(|bytes| Record::decode(bytes).unwrap());
    let theirs = theirs.into_iter().find(|record| pending(&record.entry)).expect("another's");
    assert_eq!(early(theirs.sealed().to_vec()), unread, "another's");
}

/// Changes a bit of every body of this round that the culprit says in sessions that fit, and signs it.
fn liar(cluster: &Cluster, culprit: Party, what: fn(&What) -> bool, round: u8) -> Postman {
    let identity = Arc::clone(&cluster.identities[&culprit]);
    let sessions = std::cell::RefCell::new(Vec::new());
    Box::new(move |post: Post| {
        if let Message::Invite(invite) = &post.message
            && what(&invite.what)
        {
            sessions.borrow_mut().push(invite.session);
        }
        let is_its = post.from == Address::Node(culprit) && is_body(&post.message, &sessions.borrow(), round);
        let Message::Mail(mail) = &post.message else { return vec![post] };
        if !is_its {
            return vec![post];
        }
        let envelope = Envelope::decode(&mail.bytes).expect("an envelope");
        let mut body = envelope.body().to_vec();
        // The middle of a number.
        let middle = body.len() / 2;
        body[middle] ^= 1;
        let bytes = Envelope::sign(&identity, envelope.header, body.into()).encode().to_vec();
        vec![Post { message: Message::Mail(SessionMail { bytes, ..mail.clone() }), ..post }]
    })
}

/// Everything that was found out, with evidence that says who it was.
fn blamed(cluster: &Cluster) -> Vec<Party> {
    let (mut blamed, mut proven) = (Vec::new(), BTreeSet::new());
    for seat in cluster.seats.values() {
        for entry in seat.entries() {
            if let Entry::Blamed { party, evidence, .. } = entry {
                // Evidence is kept once, and others are named without.
                if !evidence.is_empty() {
                    assert_eq!(Blame::decode(&evidence).expect("evidence").party, party);
                    proven.insert(party);
                }
                blamed.push(party);
            }
        }
    }
    assert!(blamed.iter().all(|party| proven.contains(party)), "{blamed:?} {proven:?}");
    blamed
}

#[test]
fn whoever_spoils_the_making_of_moduli_is_named_and_nobody_is_banned() {
    for (seed, round) in [(238, 2), (239, 3), (240, SIGNED)] {
        let mut cluster = cluster(seed);
        cluster.postman = liar(&cluster, party(3), |what| *what == What::Moduli, round);
        cluster.run_until(|cluster| blamed(cluster).len() >= 2);
        cluster.postman = Box::new(honest);
        assert!(blamed(&cluster).iter().all(|one| *one == party(3)), "round {round}: {:?}", blamed(&cluster));
        settle_with(&mut cluster, |cluster| cluster.seats.values().all(|seat| !tables(seat).is_empty()));
        let banned = |entry: &Entry| matches!(entry, Entry::Banned { .. });
        assert!(cluster.seats.values().all(|seat| seat.count(banned) == 0));
        let key = cluster.key(Scheme::Gg20).id;
        cluster.run_for(60_000);
        cluster.sign(key, "when it has come to reason");
    }
}

#[test]
fn whoever_always_spoils_the_making_of_moduli_costs_the_others_less_and_less() {
    let mut cluster = cluster(246);
    cluster.postman = liar(&cluster, party(3), |what| *what == What::Moduli, 2);
    cluster.run_until(|cluster| !calls(cluster).is_empty());
    cluster.run_for(60_000);
    let calls = calls(&cluster).len();
    // Each of two coordinators begins with two seconds, and waits twice as long each time.
    assert!((3..=10).contains(&calls), "{calls} in a minute");
}

#[test]
fn whoever_spoils_moduli_and_says_that_they_are_made_costs_the_others_no_more() {
    let mut cluster = cluster(248);
    let mut spoil = liar(&cluster, party(1), |what| *what == What::Moduli, 3);
    cluster.postman = Box::new(move |post| {
        let mut posts = spoil(post);
        if let Some(Post { from, to, message: Message::Mail(mail), .. }) = posts.first()
            && *from == Address::Node(party(1))
        {
            let made = Complete::Moduli(Hash::from_bytes([9; 32]));
            let (from, to, message) = (*from, *to, Message::Complete(mail.session, made));
            posts.push(Post { from, to, message, after: 0 });
        }
        posts
    });
    cluster.run_for(60_000);
    let calls = calls(&cluster).len();
    assert!((3..=10).contains(&calls), "{calls} in a minute");
}

#[test]
fn a_table_that_one_member_makes_up_keeps_nobody_from_signing() {
    let mut cluster = cluster(247);
    cluster.run_until(all_have_one);
    cluster.postman = Box::new(|post| match (post.from, post.message.clone()) {
        (Address::Node(from), Message::Moduli(mut told)) if from == party(1) => {
            told.tables = vec![Hash::from_bytes([7; 32])];
            vec![Post { message: Message::Moduli(told), ..post }]
        }
        _ => vec![post],
    });
    cluster.run_for(10_000);
    let key = cluster.key(Scheme::Gg20).id;
    let body = cluster.sign_request(key, "by those who have the same");
    assert_eq!(cluster.must_sign(&body).0, [party(2), party(3)]);
}

#[test]
fn whoever_spoils_presignatures_is_named_and_the_others_sign() {
    let mut cluster = cluster(241);
    cluster.run_until(all_have_one);
    let key = cluster.key(Scheme::Gg20).id;
    cluster.postman = liar(&cluster, party(1), |what| matches!(what, What::Presign { .. }), 5);
    let body = cluster.sign_request(key, "by those who tell the truth");
    assert_eq!(cluster.must_sign(&body).0, [party(2), party(3)]);
    let blamed = blamed(&cluster);
    assert!(!blamed.is_empty() && blamed.iter().all(|one| *one == party(1)), "{blamed:?}");
}

#[test]
fn whoever_signs_wrongly_is_named_and_the_others_sign() {
    let mut cluster = cluster(242);
    cluster.run_until(all_have_one);
    let key = cluster.key(Scheme::Gg20).id;
    cluster.postman = liar(&cluster, party(1), |what| matches!(what, What::Sign { .. }), 1);
    let body = cluster.sign_request(key, "by those who tell the truth");
    assert_eq!(cluster.must_sign(&body).0, [party(2), party(3)]);
    assert_eq!(cluster.called(&body).len(), 2, "it has cost one attempt");
}

#[test]
fn whoever_signs_wrongly_where_nobody_else_is_left_is_found_out_by_the_coordinator() {
    let mut cluster = cluster(248);
    cluster.run_until(all_have_one);
    let key = cluster.key(Scheme::Gg20).id;
    cluster.crash_coordinator(1);
    cluster.crash_node(party(3));
    cluster.run_for(5_000);
    cluster.postman = liar(&cluster, party(1), |what| matches!(what, What::Sign { .. }), 1);
    let body = cluster.sign_request(key, "by nobody");
    let id = id_of(&body);
    cluster.ask(0, &body);
    let found_out = |cluster: &Cluster| cluster.replicas[&0].coordinator().found_out(id);
    cluster.run_until(|cluster| !found_out(cluster).is_empty());
    assert_eq!(found_out(&cluster).into_iter().collect::<Vec<_>>(), [party(1)]);
    assert_eq!(cluster.replicas[&0].coordinator().scheme_of_request(id), Some(Scheme::Gg20));
}

fn has_ended(cluster: &Cluster, body: &[u8]) -> bool {
    let is_it = |id, answer: &Answer| id == id_of(body) && matches!(answer, Answer::Final(_));
    cluster.answers.iter().any(|(_, id, answer)| is_it(*id, answer))
}

#[test]
fn every_session_is_known_by_the_scheme_that_it_serves() {
    let mut cluster = cluster(249);
    let mut seen = BTreeSet::new();
    let mut look = |cluster: &Cluster| {
        for replica in cluster.replicas.values() {
            let coordinator = replica.coordinator();
            let runs = coordinator.view().runs;
            let of = |session| coordinator.scheme_of_session(session).map(Scheme::name);
            seen.extend(runs.into_iter().map(|run| (run.kind, of(run.session))));
        }
    };
    cluster.run_until(|cluster| {
        look(cluster);
        all_have_one(cluster)
    });
    for scheme in [Scheme::Gg20, Scheme::Dkls23] {
        let body = cluster.request(Ask::Key(scheme));
        cluster.ask(0, &body);
        cluster.run_until(|cluster| {
            look(cluster);
            has_ended(cluster, &body)
        });
        let Outcome::Key(package) = cluster.outcome(&body) else { panic!("no key") };
        let key = cluster.described(&package).id;
        let body = cluster.sign_request(key, "seen");
        cluster.ask(0, &body);
        cluster.run_until(|cluster| {
            look(cluster);
            has_ended(cluster, &body)
        });
    }
    for kind in ["key generation", "presigning", "signing"] {
        let schemes: Vec<_> = seen.iter().filter(|(of, _)| *of == kind).map(|(_, scheme)| *scheme).collect();
        assert_eq!(schemes, [Some("dkls23"), Some("gg20")], "{kind}");
    }
    assert!(
        seen.contains(&("moduli", Some("gg20"))) && seen.contains(&("pair setup", Some("dkls23"))),
        "{seen:?}"
    );
}

#[test]
fn where_one_node_does_not_serve_it_nothing_is_made_and_that_node_says_why() {
    let mut cluster = cluster(243);
    cluster.schemes = Scheme::USUAL.into();
    cluster.restart_node(party(2));
    cluster.run_for(60_000);
    assert!(calls(&cluster).is_empty() && cluster.seats.values().all(|seat| seat.count(pending) == 0));
    let body = cluster.request(Ask::Key(Scheme::Gg20));
    let outcome = cluster.outcome(&body);
    assert!(outcome.is_for_want_of_scheme(), "{outcome:?}");
    let Outcome::Denied(denials) = outcome else { panic!("a key of gg20") };
    assert_eq!(denials.iter().map(|(party, ..)| *party).collect::<Vec<_>>(), [party(2)]);
    let said = cluster.lure(party(2), What::Moduli);
    assert!(matches!(said.as_slice(), [Message::Refused(_, Refusal::NotServed, None)]), "{said:?}");
    // The operator changes its mind, and another one does later.
    cluster.schemes = Scheme::ALL.into();
    cluster.restart_node(party(2));
    cluster.run_until(all_have_one);
    let key = cluster.key(Scheme::Gg20).id;
    cluster.sign(key, "now it is served");
    cluster.schemes = Scheme::USUAL.into();
    cluster.restart_node(party(1));
    cluster.run_for(2_000);
    assert_eq!(cluster.sign(key, "by those who serve it"), [party(2), party(3)]);
    cluster.restart_node(party(2));
    cluster.run_for(2_000);
    let ask = Ask::Sign { key, what: ToSign::new(Path::root(), payload("by nobody")) };
    let body = cluster.request_by(&cluster.client(), ask, 300_000);
    cluster.ask(0, &body);
    cluster.run_for(120_000);
    let settled = cluster
        .stored
        .iter()
        .filter(|(_, call, _)| matches!(call, StoreCall::Finish { request, .. } if *request == id_of(&body)));
    assert_eq!(settled.count(), 0, "moduli may have to be made first");
    let outcome = cluster.outcome(&body);
    assert!(matches!(outcome, Outcome::NoModuli(_)), "{outcome:?}");
}

#[test]
fn a_stolen_coordinator_uses_up_its_own_primes_and_nobody_elses() {
    let mut cluster = cluster(244);
    // The honest coordinators' calls get lost until the thief has had its way.
    cluster.postman = Box::new(|post: Post| {
        let is_call = matches!(&post.message, Message::Invite(invite) if invite.what == What::Moduli);
        if is_call && post.from != STOLEN { vec![] } else { vec![post] }
    });
    cluster.run_for(14_000);
    let ready = |cluster: &Cluster| cluster.seats[&party(1)].node().view().moduli.primes;
    assert_eq!(ready(&cluster), 12, "four for each coordinator");
    let first = cluster.lure(party(1), What::Moduli);
    assert!(matches!(first.first(), Some(Message::Mail(_))), "{first:?}");
    let said = cluster.lure(party(1), What::Moduli);
    let is_refused = |said: &[Message]| said.iter().any(|one| matches!(one, Message::Refused(..)));
    assert!(is_refused(&said) || ready(&cluster) >= 8, "{said:?}");
    cluster.postman = Box::new(honest);
    cluster.run_until(all_have_one);
    assert!(blamed(&cluster).is_empty());
    // With a table in hand nobody begins another.
    let said = cluster.lure(party(1), What::Moduli);
    let refusal = said.iter().find_map(|one| match one {
        Message::Refused(_, refusal, _) => Some(refusal.to_string()),
        _ => None,
    });
    assert_eq!(refusal.as_deref(), Some("the setup cannot be used: the moduli are made"), "{said:?}");
    let ended = |message: &Message| matches!(message, Message::Ended(_, Ended::Benign));
    assert!(
        cluster.told(Address::Node(party(1)), STOLEN, 0).into_iter().any(ended),
        "its session was given up"
    );
}
