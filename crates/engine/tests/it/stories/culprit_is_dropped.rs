//! A signer that sends wrong shares costs an attempt, and not the signature.

use keymoot_engine::message::{Address, Ended, Invite, Message, SessionMail, What};
use keymoot_engine::outcome::Outcome;
use keymoot_engine::refusal::Refusal;
use keymoot_protocol::codec::Wire;
use keymoot_protocol::envelope::{Envelope, Kind};
use keymoot_types::{Party, Scheme, SessionId};

use crate::cluster::{Cluster, Post, Postman, honest};
use crate::room::party;

/// Round 1 of either signing protocol: the signature share.
const SHARE: u8 = 1;

/// Changes a bit of every share of this signer and signs the result as the signer would.
fn liar(cluster: &Cluster, culprit: Party) -> Postman {
    let identity = std::sync::Arc::clone(&cluster.identities[&culprit]);
    Box::new(move |post: Post| {
        let Message::Mail(mail) = &post.message else { return vec![post] };
        let Ok(envelope) = Envelope::decode(&mail.bytes) else { return vec![post] };
        let is_share = envelope.header.round == SHARE && envelope.header.kind == Kind::Body;
        if post.from != Address::Node(culprit) || !is_share || mail.released.is_none() {
            return vec![post];
        }
        let mut body = envelope.body().to_vec();
        body[0] ^= 1;
        let bytes = Envelope::sign(&identity, envelope.header, body.into()).encode().to_vec();
        let message = Message::Mail(SessionMail { bytes, ..mail.clone() });
        vec![Post { message, ..post }]
    })
}

#[test]
fn a_frost_signer_that_lies_is_left_out_of_the_next_quorum() {
    let mut cluster = Cluster::new(10);
    let key = cluster.key(Scheme::FrostEd25519).id;
    cluster.postman = liar(&cluster, party(1));
    let body = cluster.sign_request(key, "pay 7 to nobody");
    let (signers, _) = cluster.must_sign(&body);
    assert_eq!(signers, [party(2), party(3)]);
    let called = cluster.called(&body);
    assert_eq!(called.len(), 2, "it has cost one attempt");
    assert!(called[0].1.contains(&party(1)));
    for text in ["again", "and again"] {
        let body = cluster.sign_request(key, text);
        assert_eq!(cluster.must_sign(&body).0, [party(2), party(3)]);
        assert_eq!(cluster.called(&body).len(), 1, "the coordinator remembers for a while");
    }
    cluster.postman = Box::new(honest);
    cluster.run_for(60_000);
    assert_eq!(cluster.sign(key, "forgiven"), [party(1), party(2)], "and not for ever");
}

#[test]
fn ecdsa_signers_take_turns_until_those_sign_who_tell_the_truth() {
    for (seed, culprit) in [(11, party(1)), (12, party(2)), (13, party(3))] {
        let mut cluster = Cluster::new(seed);
        let key = cluster.key(Scheme::Dkls23).id;
        cluster.postman = liar(&cluster, culprit);
        let body = cluster.sign_request(key, "pay 7 to nobody");
        let (signers, _) = cluster.must_sign(&body);
        assert!(!signers.contains(&culprit), "{signers:?}");
        let called = cluster.called(&body);
        assert!(called.len() <= 4, "{} attempts", called.len());
        let mut used: Vec<_> =
            called.iter().map(|(.., name)| *name.expect("a presignature").as_bytes()).collect();
        used.sort_unstable();
        used.dedup();
        assert_eq!(used.len(), called.len(), "every attempt has its own presignature");
    }
}

#[test]
fn what_was_paid_for_long_ago_is_paid_again() {
    let mut cluster = Cluster::new(47);
    let key = cluster.key(Scheme::FrostEd25519).id;
    cluster.postman = shirker(party(2), |session, _| Message::Ended(session, Ended::Late(vec![])));
    let mut lies = Vec::new();
    for text in ["a", "b", "c", "d"] {
        let body = cluster.sign_request(key, text);
        cluster.outcome(&body);
        let with_it = cluster.called(&body).into_iter().filter(|(_, signers, _)| signers.contains(&party(2)));
        lies.extend(with_it.map(|(session, signers, _)| (session, signers[0])));
        cluster.run_for(11_000);
    }
    assert!(lies.len() > 1, "{lies:?}");
    cluster.run_for(60_000);
    for (session, other) in lies {
        let ended = Ended::Blamed(vec![other]);
        cluster.say(Address::Node(party(2)), Address::Coordinator(0), Message::Ended(session, ended));
    }
    cluster.postman = Box::new(honest);
    cluster.run_for(100);
    assert!(!cluster.sign(key, "afterwards").contains(&party(2)), "it has taken as much upon itself");
}

/// In every session with the culprit, whoever else is called says first that its check took too long, and then whom it has found out.
fn found_out_late(culprit: Party) -> Postman {
    Box::new(move |post: Post| {
        let Message::Invite(Invite { session, what: What::Sign { signers, .. } }) = &post.message else {
            return vec![post];
        };
        if !signers.contains(&culprit) || post.to == Address::Node(culprit) {
            return vec![post];
        }
        let word = |ended, after| {
            let message = Message::Ended(*session, ended);
            Post { from: post.to, to: post.from, message, after }
        };
        vec![word(Ended::Late(vec![]), 0), word(Ended::Blamed(vec![culprit]), 300)]
    })
}

#[test]
fn whoever_finds_somebody_out_late_is_not_taken_for_the_culprit() {
    for (seed, culprit) in (30..36).zip([1, 2, 3, 1, 2, 3].map(party)) {
        let mut cluster = Cluster::new(seed);
        let key = cluster.key(Scheme::FrostEd25519).id;
        cluster.postman = found_out_late(culprit);
        let body = cluster.sign_request(key, "pay 7 to nobody");
        let outcome = cluster.outcome(&body);
        assert!(matches!(outcome, Outcome::Signed { .. }), "{outcome:?}");
        assert!(!cluster.check_signed(&body, &outcome).0.contains(&culprit));
        let attempts = cluster.called(&body).len();
        assert!(attempts <= 3, "{attempts} attempts");
    }
}

/// A member that answers every invitation with this instead of taking part.
fn shirker(culprit: Party, lie: impl Fn(SessionId, Party) -> Message + 'static) -> Postman {
    Box::new(move |post: Post| {
        let Message::Invite(Invite { session, what }) = &post.message else { return vec![post] };
        if post.to != Address::Node(culprit) {
            return vec![post];
        }
        let members = match what {
            What::Sign { signers, .. } | What::Presign { signers, .. } => signers.clone(),
            What::Setup { members } => members.clone(),
            What::Keygen { .. } | What::Retire { .. } | What::Moduli => return vec![post],
        };
        let other = members.into_iter().find(|one| *one != culprit).expect("somebody else");
        vec![Post { from: post.to, to: post.from, message: lie(*session, other), after: 0 }]
    })
}

#[test]
fn no_excuse_keeps_a_member_in_every_frost_quorum() {
    every_excuse(Scheme::FrostEd25519);
}

#[test]
fn no_excuse_keeps_a_member_in_every_ecdsa_quorum() {
    every_excuse(Scheme::Dkls23);
}

fn every_excuse(scheme: Scheme) {
    type Lie = fn(SessionId, Party) -> Message;
    let lies: [(&str, Lie); 12] = [
        ("late", |session, other| Message::Ended(session, Ended::Late(vec![other]))),
        ("blamed", |session, other| Message::Ended(session, Ended::Blamed(vec![other]))),
        ("blamed a lot", |session, other| Message::Ended(session, Ended::Blamed(vec![other; 1000]))),
        ("late a lot", |session, other| Message::Ended(session, Ended::Late(vec![other; 1000]))),
        ("late, for nobody", |session, _| Message::Ended(session, Ended::Late(vec![]))),
        ("benign", |session, _| Message::Ended(session, Ended::Benign)),
        ("client", |session, _| Message::Refused(session, Refusal::Client, None)),
        ("policy", |session, _| Message::Refused(session, Refusal::Policy("a lie".into()), None)),
        ("presignature", |session, _| Message::Refused(session, Refusal::Presignature, None)),
        ("enough", |session, _| Message::Refused(session, Refusal::Enough, None)),
        ("setup", |session, _| Message::Refused(session, Refusal::Setup("a lie".into()), None)),
        ("seen", |session, _| Message::Refused(session, Refusal::Seen, None)),
    ];
    for (seed, (name, lie)) in (14..).zip(lies) {
        let mut cluster = Cluster::new(seed);
        let key = cluster.key(scheme).id;
        cluster.postman = shirker(party(1), lie);
        let body = cluster.sign_request(key, name);
        let outcome = cluster.outcome(&body);
        assert!(matches!(outcome, Outcome::Signed { .. }), "{name}: {outcome:?}");
        assert_eq!(cluster.check_signed(&body, &outcome).0, [party(2), party(3)], "{name}");
    }
}
