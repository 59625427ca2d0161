//! Golden bytes of what is sent and stored, and what hostile bytes come to.
//!
//! `vectors/golden.json` has the encoding of one value of every variant. Bytes that change are another version of the
//! format. `KEYMOOT_BLESS=1 cargo test -p keymoot-engine --test it encoding::` rewrites the file and fails.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use keymoot_chains::{Kind, Payload};
use keymoot_engine::message::{
    Answer, Complete, Ended, Invite, MESSAGE_MAX, Message, Moduli, OFFER_MAX, OFFERED_MAX, SETUPS_MAX,
    SessionMail, Stock, TABLES_MAX, What, Words,
};
use keymoot_engine::outcome::Outcome;
use keymoot_engine::record::{Entry, Record};
use keymoot_engine::refusal::{REASON_MAX, Refusal};
use keymoot_engine::request::{
    Ask, BadRequest, ClientId, Form, HttpRequest, REQUEST_MAX, Request, RequestId, SignedRequest, ToSign,
};
use keymoot_engine::words::{Hash, IdentitySignature, Malformed, Wire};
use keymoot_protocol::codec::Writer;
use keymoot_types::{GroupId, KeyId, Millis, Scheme, SessionId};
use proptest::prelude::*;

use crate::room::party;

/// An encoded value, and how its type reads and writes bytes.
struct Specimen {
    name: String,
    bytes: Vec<u8>,
    reencode: fn(&[u8]) -> Result<Vec<u8>, Malformed>,
}

fn specimen<T: Wire>(name: impl Into<String>, value: &T) -> Specimen {
    Specimen {
        name: name.into(),
        bytes: value.encode().to_vec(),
        reencode: |bytes| T::decode(bytes).map(|value| value.encode().to_vec()),
    }
}

const fn hash(byte: u8) -> Hash {
    Hash::from_bytes([byte; 32])
}

const SESSION: SessionId = SessionId::new([0x51; 16]);
const KEY: KeyId = KeyId::new([0x52; 16]);
const WORD: IdentitySignature = IdentitySignature([0x53; 64]);
const REQUEST: RequestId = RequestId(hash(0x54));

fn refusals() -> Vec<Refusal> {
    let reason = || "because".into();
    vec![
        Refusal::Request(BadRequest::Malformed),
        Refusal::Request(BadRequest::Expired),
        Refusal::Request(BadRequest::Premature),
        Refusal::Request(BadRequest::TooLong),
        Refusal::Request(BadRequest::Elsewhere),
        Refusal::Client,
        Refusal::Policy(reason()),
        Refusal::Key,
        Refusal::Scheme,
        Refusal::Generated,
        Refusal::Signers,
        Refusal::Banned(party(3)),
        Refusal::Seen,
        Refusal::TooMany,
        Refusal::Presignature,
        Refusal::Setup(reason()),
        Refusal::Enough,
        Refusal::Unfit(reason()),
        Refusal::Conflict,
        Refusal::Retired,
        Refusal::Exhausted,
        Refusal::NotServed,
    ]
}

fn outcomes() -> Vec<Outcome> {
    vec![
        Outcome::Key(vec![1, 2, 3]),
        Outcome::Signed { signature: vec![4; 65], session: SESSION, released: vec![(party(1), WORD)] },
        Outcome::Denied(vec![(party(2), "no".to_owned(), WORD)]),
        Outcome::Expired,
        Outcome::Failed("nobody is there".to_owned()),
        Outcome::Retired { words: vec![(party(1), WORD), (party(2), WORD)] },
        Outcome::NoModuli("nobody has any".to_owned()),
    ]
}

fn stock() -> Stock {
    Stock {
        key: hash(1),
        setups: vec![hash(2)],
        presignatures: vec![vec![3; 40]],
        unnamed: vec![(vec![party(1), party(3)], 9)],
        is_retired: false,
    }
}

fn invitations() -> Vec<What> {
    let (request, signers) = (vec![7; 20], vec![party(1), party(3)]);
    vec![
        What::Keygen { request: request.clone(), attempt: 258 },
        What::Setup { members: signers.clone() },
        What::Presign { key: hash(1), signers: signers.clone(), setup: hash(2), size: 256 },
        What::Sign { request: request.clone(), signers: signers.clone(), presignature: Some(hash(3)) },
        What::Sign { request: request.clone(), signers, presignature: None },
        What::Retire { request },
        What::Moduli,
    ]
}

fn messages() -> Vec<Message> {
    let mail = SessionMail { session: SESSION, to: Some(party(2)), bytes: vec![8; 9], released: Some(WORD) };
    let mut all = vec![
        Message::Ask(vec![1, 2]),
        Message::Answer(REQUEST, Answer::Pending),
        Message::Answer(REQUEST, Answer::Busy(500)),
        Message::Answer(REQUEST, Answer::Refused("no".to_owned())),
        Message::Answer(REQUEST, Answer::Conflict),
        Message::Cancel(SESSION),
        Message::Mail(mail),
        Message::Mail(SessionMail { session: SESSION, to: None, bytes: vec![], released: None }),
        Message::Ended(SESSION, Ended::Benign),
        Message::Ended(SESSION, Ended::Late(vec![party(2), party(1)])),
        Message::Ended(SESSION, Ended::Blamed(vec![party(1)])),
        Message::Complete(SESSION, Complete::Key(vec![9; 10])),
        Message::Complete(SESSION, Complete::Setup(hash(9))),
        Message::Complete(SESSION, Complete::Moduli(hash(9))),
        Message::Complete(SESSION, Complete::Presigned(stock())),
        Message::Complete(SESSION, Complete::Retired { request: REQUEST, word: WORD }),
        Message::StockQuery(hash(1)),
        Message::Stock(stock()),
        Message::Stock(Stock { unnamed: vec![], setups: vec![], presignatures: vec![], ..stock() }),
        Message::KeyQuery(KEY),
        Message::Key(vec![5; 6]),
        Message::Beat,
        Message::Moduli(Moduli { tables: vec![hash(4), hash(5)], primes: 3 }),
        Message::TableQuery(hash(4)),
        Message::Table(vec![6; 7]),
    ];
    all.extend(outcomes().into_iter().map(|outcome| Message::Answer(REQUEST, Answer::Final(outcome))));
    all.extend(invitations().into_iter().map(|what| Message::Invite(Invite { session: SESSION, what })));
    all.extend(refusals().into_iter().map(|refusal| Message::Refused(SESSION, refusal, None)));
    all.push(Message::Refused(SESSION, Refusal::Client, Some(WORD)));
    let words = [
        Words::Checkpoint("old 0\n".to_owned()),
        Words::Cosigned("— x\n".to_owned()),
        Words::Recall,
        Words::Behind(None),
        Words::Behind(Some("note".to_owned())),
    ];
    let (from, to) = (party(1), party(2));
    all.extend(words.map(|words| Message::Witness { from, to, words }));
    all
}

fn entries() -> Vec<Entry> {
    let note = || "note".to_owned();
    vec![
        Entry::Started { boot: 300, node: [1; 32], group: GroupId::new([2; 16]) },
        Entry::Stopped,
        Entry::Allowed { request: REQUEST, session: SESSION, intent: hash(1), facts: None, at: Millis(4) },
        Entry::Denied { request: REQUEST, reason: note(), at: Millis(5) },
        Entry::Refused { count: 6 },
        Entry::Burnt { presignatures: vec![hash(7)], intent: Some(hash(8)) },
        Entry::Pending { key: KEY, package: hash(9) },
        Entry::Certified { key: KEY, package: vec![10; 11] },
        Entry::SetUp { setup: hash(12) },
        Entry::Stocked { presignatures: vec![hash(13)] },
        Entry::Banned { identity: [14; 32] },
        Entry::Blamed { session: SESSION, party: party(2), fault: note(), evidence: vec![15] },
        Entry::Forked { party: party(3), notes: [note(), note()] },
        Entry::Witnessed { note: note() },
        Entry::RolledBack { note: note() },
        Entry::Retired { key: KEY, request: REQUEST },
        Entry::ModuliPending { table: hash(16) },
        Entry::Moduli { name: hash(17), table: vec![18; 19] },
    ]
}

fn http() -> HttpRequest {
    let input = keymoot_types::signed::Parameters {
        created: 1_700_000_000,
        expires: 1_700_000_060,
        nonce: [0xab; 16],
        keyid: [0xcd; 32],
        algorithm: keymoot_types::signed::Algorithm::Ed25519,
        tag: keymoot_types::signed::tag(GroupId::new([1; 16])),
    };
    HttpRequest {
        method: "POST".to_owned(),
        path: "/v1/keys".to_owned(),
        body: br#"{"scheme":"dkls23"}"#.to_vec(),
        input: input.to_string(),
        signature: [0x55; 64],
    }
}

fn requests() -> Vec<SignedRequest> {
    let payload = Arc::new(Payload::new(Kind::EvmMessage, b"payload".to_vec()).unwrap());
    let signs = Ask::Sign { key: KEY, what: ToSign::new("m/0/7".parse().unwrap(), payload) };
    let asks = [Ask::Key(Scheme::FrostTaproot), signs, Ask::Retire { key: KEY }];
    let request = |ask| Request {
        ask,
        client: ClientId([0x56; 32]),
        created: Millis(1_700_000_000_000),
        expires: Millis(1_700_000_060_000),
        nonce: [0x57; 16],
    };
    let by_name = |ask| SignedRequest { request: request(ask), signature: WORD, form: Form::Name };
    let mut all: Vec<_> = asks.into_iter().map(by_name).collect();
    all.push(SignedRequest::decode(&http().to_bytes()).expect("a request"));
    all
}

/// One value of every variant of everything.
fn specimens() -> Vec<Specimen> {
    let mut count: BTreeMap<String, usize> = BTreeMap::new();
    let named = |message: Message| {
        let text = format!("{message:?}");
        let word: String = text.chars().take_while(|letter| letter.is_alphanumeric()).collect();
        let number = count.entry(word.clone()).or_default();
        *number += 1;
        specimen(format!("Message, {word} {number:02}"), &message)
    };
    let mut all: Vec<_> = messages().into_iter().map(named).collect();
    let named = |number: u8| Record::sealing(entries()[usize::from(number)].clone(), vec![number; 3].into());
    all.extend(
        (0..entries().len() as u8).map(|number| specimen(format!("Record {number:02}"), &named(number))),
    );
    let requests = requests().into_iter().enumerate();
    all.extend(requests.map(|(number, one)| specimen(format!("SignedRequest {number}"), &one)));
    all
}

#[test]
fn golden_bytes_of_messages_records_and_requests_are_unchanged() {
    let found: BTreeMap<String, String> =
        specimens().into_iter().map(|one| (one.name, hex::encode(one.bytes))).collect();
    if std::env::var_os("KEYMOOT_BLESS").is_some_and(|value| value == "1") {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors/golden.json");
        std::fs::write(path, serde_json::to_string_pretty(&found).unwrap() + "\n").unwrap();
        panic!("golden.json has been rewritten: look at what changed, then test again without KEYMOOT_BLESS");
    }
    let stored: BTreeMap<String, String> =
        serde_json::from_str(include_str!("../../vectors/golden.json")).unwrap();
    assert!(stored.keys().eq(found.keys()), "other entries: {:?}", found.keys());
    for (name, found) in found {
        assert_eq!(stored[&name], found, "{name} is not encoded as it was");
    }
}

#[test]
fn no_two_values_have_the_same_bytes_and_all_read_back() {
    let all = specimens();
    let messages = || all.iter().filter(|one| one.name.starts_with("Message"));
    assert_eq!(messages().map(|one| &one.bytes).collect::<BTreeSet<_>>().len(), messages().count());
    for one in &all {
        assert_eq!((one.reencode)(&one.bytes).as_ref(), Ok(&one.bytes), "{}", one.name);
    }
}

#[test]
fn what_is_not_the_one_encoding_is_refused() {
    for one in specimens() {
        for cut in 0..one.bytes.len() {
            assert!((one.reencode)(&one.bytes[..cut]).is_err(), "{} cut at {cut}", one.name);
        }
        assert!((one.reencode)(&[one.bytes.as_slice(), &[0]].concat()).is_err(), "{} and more", one.name);
        for place in 0..one.bytes.len() {
            for bit in 0..8 {
                let mut bytes = one.bytes.clone();
                bytes[place] ^= 1 << bit;
                // What reads at all is another value, in its one encoding.
                if let Ok(again) = (one.reencode)(&bytes) {
                    assert_eq!(again, bytes, "{} at {place}", one.name);
                }
            }
        }
    }
}

#[test]
fn everything_has_a_bound() {
    let full = Stock {
        key: hash(1),
        setups: vec![hash(2); SETUPS_MAX],
        presignatures: vec![vec![3; 900]; OFFERED_MAX],
        unnamed: vec![(vec![party(1), party(3)], 9)],
        is_retired: false,
    };
    let reads = |message: &Message| Message::decode(&message.encode()).is_ok();
    assert!(reads(&Message::Stock(full.clone())));
    let too_much = |change: fn(&mut Stock)| {
        let mut stock = full.clone();
        change(&mut stock);
        !reads(&Message::Stock(stock))
    };
    assert!(too_much(|stock| stock.setups.push(hash(3))));
    assert!(too_much(|stock| stock.presignatures.push(vec![])));
    assert!(too_much(|stock| stock.presignatures[0] = vec![0; OFFER_MAX + 1]));
    assert!(too_much(|stock| stock.presignatures = vec![vec![0; OFFER_MAX]; OFFERED_MAX]), "all together");
    let tables = |count| Message::Moduli(Moduli { tables: vec![hash(2); count], primes: 4 });
    assert!(reads(&tables(TABLES_MAX)) && !reads(&tables(TABLES_MAX + 1)));
    assert!(reads(&Message::Ask(vec![0; REQUEST_MAX])) && !reads(&Message::Ask(vec![0; REQUEST_MAX + 1])));
    let reason = |length| Message::Refused(SESSION, Refusal::Policy("x".repeat(length).into()), None);
    assert!(reads(&reason(REASON_MAX)) && !reads(&reason(REASON_MAX + 1)));
    assert_eq!(Message::decode(&vec![0; MESSAGE_MAX + 1]), Err(Malformed::WrongLength));
}

#[test]
fn an_http_request_and_one_signed_by_name_never_have_the_same_bytes() {
    let mut all = requests();
    let http = all.pop().unwrap().encode();
    let mut text = Writer::new();
    text.text("");
    assert_eq!(http.first(), text.as_bytes().first(), "begins with a text");
    assert!(all.iter().all(|one| one.encode().first() != http.first()), "begins with a number");
}

proptest! {
    #[test]
    fn hostile_bytes_never_panic(which: prop::sample::Index, cuts: Vec<(prop::sample::Index, Vec<u8>)>) {
        let all = specimens();
        let one = which.get(&all);
        let mut bytes = one.bytes.clone();
        for (at, put) in cuts.into_iter().take(4) {
            let at = at.index(bytes.len() + 1);
            let end = bytes.len().min(at + put.len());
            bytes.splice(at..end, put);
        }
        if let Ok(again) = (one.reencode)(&bytes) {
            prop_assert_eq!(again, bytes);
        }
    }

    #[test]
    fn noise_never_panics(bytes: Vec<u8>) {
        for one in specimens().iter().step_by(7) {
            if let Ok(again) = (one.reencode)(&bytes) {
                prop_assert_eq!(&again, &bytes);
            }
        }
    }
}
