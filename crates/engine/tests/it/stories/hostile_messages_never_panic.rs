//! Anything may be said by anybody, at any time.

use keymoot_engine::message::{
    Address, Answer, Complete, Ended, Invite, Message, Moduli, SessionMail, Stock, What, Words,
};
use keymoot_engine::outcome::Outcome;
use keymoot_engine::refusal::Refusal;
use keymoot_engine::request::{BadRequest, RequestId};
use keymoot_protocol::identity::IdentitySignature;
use keymoot_protocol::transcript::Hash;
use keymoot_types::{KeyId, Party, Scheme, SessionId};

use crate::cluster::Cluster;
use crate::room::party;

/// What the noise is made of: names that mean something here, and some that mean nothing.
struct Parts {
    sessions: Vec<SessionId>,
    bodies: Vec<Vec<u8>>,
    hashes: Vec<Hash>,
    keys: Vec<KeyId>,
    groups: Vec<Vec<Party>>,
    word: IdentitySignature,
}

fn whats(parts: &Parts) -> Vec<What> {
    let mut all = vec![What::Moduli];
    for members in &parts.groups {
        all.push(What::Setup { members: members.clone() });
        for hash in &parts.hashes {
            for size in [0, 1, u16::MAX] {
                let (key, signers, setup) = (*hash, members.clone(), *hash);
                all.push(What::Presign { key, signers, setup, size });
            }
            for request in &parts.bodies {
                let (request, signers) = (request.clone(), members.clone());
                all.push(What::Sign { request, signers, presignature: Some(*hash) });
            }
        }
        all.extend(parts.bodies.iter().map(|request| What::Sign {
            request: request.clone(),
            signers: members.clone(),
            presignature: None,
        }));
    }
    for request in &parts.bodies {
        all.extend([0, u16::MAX].map(|attempt| What::Keygen { request: request.clone(), attempt }));
    }
    all
}

fn of_a_session(parts: &Parts, session: SessionId) -> Vec<Message> {
    let (word, hash) = (parts.word, parts.hashes[0]);
    let mut all = Vec::new();
    for refusal in [
        Refusal::Request(BadRequest::TooLong),
        Refusal::Client,
        Refusal::Policy("noise".into()),
        Refusal::Key,
        Refusal::Generated,
        Refusal::Banned(party(9)),
        Refusal::Seen,
        Refusal::Presignature,
        Refusal::Setup("noise".into()),
        Refusal::Enough,
        Refusal::Unfit("noise".into()),
    ] {
        all.push(Message::Refused(session, refusal.clone(), None));
        all.push(Message::Refused(session, refusal, Some(word)));
    }
    for members in &parts.groups {
        all.push(Message::Ended(session, Ended::Late(members.clone())));
        all.push(Message::Ended(session, Ended::Blamed(members.clone())));
    }
    for bytes in &parts.bodies {
        all.push(Message::Complete(session, Complete::Key(bytes.clone())));
        for (to, released) in [(None, Some(word)), (Some(party(9)), None), (Some(party(1)), Some(word))] {
            all.push(Message::Mail(SessionMail { session, to, bytes: bytes.clone(), released }));
        }
    }
    let stock = Stock {
        key: hash,
        setups: parts.hashes.clone(),
        presignatures: parts.bodies.clone(),
        unnamed: vec![(vec![party(1), party(2)], u64::MAX), (vec![], 7)],
        is_retired: false,
    };
    all.push(Message::Ended(session, Ended::Benign));
    all.push(Message::Complete(session, Complete::Setup(hash)));
    all.push(Message::Complete(session, Complete::Moduli(hash)));
    all.push(Message::Complete(session, Complete::Presigned(stock)));
    all
}

fn of_nobody(parts: &Parts) -> Vec<Message> {
    let request = RequestId(parts.hashes[0]);
    let mut all = vec![Message::Beat];
    for bytes in &parts.bodies {
        all.extend([Message::Ask(bytes.clone()), Message::Key(bytes.clone()), Message::Table(bytes.clone())]);
    }
    for hash in &parts.hashes {
        let stock = Stock {
            key: *hash,
            setups: parts.hashes.clone(),
            presignatures: parts.bodies.clone(),
            unnamed: vec![(vec![party(1), party(2)], u64::MAX), (vec![], 7)],
            is_retired: false,
        };
        all.extend([Message::StockQuery(*hash), Message::Stock(stock), Message::TableQuery(*hash)]);
        all.push(Message::Moduli(Moduli { tables: vec![*hash], primes: u16::MAX }));
    }
    all.extend(parts.keys.iter().map(|key| Message::KeyQuery(*key)));
    let answers = [
        Answer::Pending,
        Answer::Busy(u64::MAX),
        Answer::Refused("x".into()),
        Answer::Final(Outcome::Expired),
    ];
    all.extend(answers.map(|answer| Message::Answer(request, answer)));
    let texts =
        ["", "\n\n", "old 1\n\n\n", "old 18446744073709551615\n\n", "old 0\n\nkeymoot/node-1\n0\n=\n\n"];
    for (from, to) in [(1, 2), (2, 1), (1, 1), (9, 1), (1, 9)].map(|(a, b)| (party(a), party(b))) {
        for text in texts.map(str::to_owned).into_iter().chain([String::from("\u{2014} x y\n").repeat(5000)])
        {
            let (a, b) = (Words::Checkpoint(text.clone()), Words::Cosigned(text));
            all.extend([a, b].map(|words| Message::Witness { from, to, words }));
        }
        let sizes =
            texts.map(|text| Words::Behind(Some(text.to_owned()))).into_iter().chain([Words::Behind(None)]);
        all.extend(sizes.map(|words| Message::Witness { from, to, words }));
    }
    all
}

/// All noise, said by everybody to everybody.
fn shout(cluster: &mut Cluster, parts: &Parts, step: usize) {
    let mut noise = of_nobody(parts);
    noise.extend(parts.sessions.iter().flat_map(|session| of_a_session(parts, *session)));
    for what in whats(parts) {
        let session = cluster.session();
        noise.push(Message::Invite(Invite { session, what: what.clone() }));
        noise.push(Message::Invite(Invite { session: parts.sessions[0], what }));
    }
    let everybody = [
        Address::Client(0),
        Address::Client(9),
        Address::Coordinator(0),
        Address::Coordinator(u16::MAX),
        Address::Node(party(1)),
        Address::Node(party(2)),
        Address::Node(party(9)),
    ];
    let mut turn = step;
    for message in noise {
        for from in everybody {
            for to in [Address::Node(party(1 + (turn % 3) as u16)), Address::Coordinator((turn % 2) as u16)] {
                cluster.say(from, to, message.clone());
            }
            turn += 1;
        }
    }
    cluster.run_for(2_000);
}

#[test]
fn noise_from_everybody_in_the_middle_of_everything_breaks_nothing() {
    let mut cluster = Cluster::new(210);
    let keys = [Scheme::FrostTaproot, Scheme::Dkls23].map(|scheme| cluster.key(scheme));
    cluster.sign(keys[1].id, "warm");
    for step in 0..4 {
        let body = cluster.sign_request(keys[step % 2].id, "through the noise");
        cluster.ask(0, &body);
        cluster.run_for(4);
        let seat = &cluster.seats[&party(1)];
        let mut sessions: Vec<_> = seat.sessions().into_keys().collect();
        sessions.push(SessionId::new([0xee; 16]));
        let mail = cluster.said.iter().rev().find_map(|post| match &post.message {
            Message::Mail(mail) => Some(mail.bytes.clone()),
            _ => None,
        });
        let mut long = body.clone();
        long.resize(1 << 17, 0);
        let bodies = vec![vec![], vec![0xff; 100], body, mail.expect("some mail"), long];
        let parts = Parts {
            sessions,
            bodies,
            hashes: vec![keys[1].digest, keys[0].digest, Hash::from_bytes([0; 32])],
            keys: vec![keys[0].id, KeyId::new([0; 16])],
            groups: vec![vec![], vec![party(1)], vec![party(1), party(2)], vec![party(2), party(9)]],
            word: IdentitySignature([7; 64]),
        };
        shout(&mut cluster, &parts, step);
    }
    cluster.run_for(60_000);
    for party in cluster.parties() {
        cluster.restart_node(party);
    }
    cluster.run_for(5_000);
    for key in keys {
        cluster.sign(key.id, "as if nothing had been");
    }
}
