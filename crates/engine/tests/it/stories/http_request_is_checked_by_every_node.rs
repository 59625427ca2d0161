//! What an HTTP client signed is what is done, whoever carries it; and every node looks itself.

use keymoot_engine::message::{Answer, Message, What};
use keymoot_engine::outcome::Outcome;
use keymoot_engine::refusal::Refusal;
use keymoot_engine::request::{BadRequest, HttpRequest};
use keymoot_protocol::identity::IdentityKey;
use keymoot_types::signed::{self, Algorithm, Parameters};
use keymoot_types::{GroupId, KeyId, Scheme};

use super::stolen_coordinator_gets_nothing::{invitations, must_be_refused, stock};
use crate::cluster::{Cluster, Pen, id_of};
use crate::room::party;

fn sign_body(key: KeyId, payload: &str) -> String {
    let payload = hex::encode(payload);
    format!(r#"{{"key":"{key}","path":"m/0/7","kind":"message","payload":"0x{payload}"}}"#)
}

#[test]
fn clients_of_both_types_get_keys_and_signatures_by_http() {
    let mut cluster = Cluster::new(220);
    for pen in Pen::enrolled() {
        let body = cluster.http(&pen, "/v1/keys", r#"{"scheme":"dkls23","name":"hot"}"#);
        assert_eq!(body.key_name().as_deref(), Some("hot"));
        let Outcome::Key(package) = cluster.outcome(&body.to_bytes()) else { panic!("no key") };
        let key = cluster.described(&package);
        assert_eq!(key.scheme, Scheme::Dkls23);
        let body = cluster.http(&pen, "/v1/signatures", &sign_body(key.id, "pay 7"));
        cluster.must_sign(&body.to_bytes());
    }
}

/// What somebody makes of an honest request that it has seen, or as somebody else.
fn forgeries(cluster: &mut Cluster, pen: &Pen, key: KeyId) -> Vec<(&'static str, HttpRequest)> {
    let path = "/v1/signatures";
    let text = sign_body(key, "pay 7 to nobody");
    let honest = cluster.http(pen, path, &text);
    let made = cluster.parameters(pen);
    let with = |change: fn(&mut Parameters)| {
        let mut parameters = made.clone();
        change(&mut parameters);
        pen.request(path, &text, &parameters)
    };
    let bent = |change: fn(&mut HttpRequest)| {
        let mut request = honest.clone();
        change(&mut request);
        request
    };
    let stranger = Pen::Ed25519(IdentityKey::from_seed([0xbd; 32]));
    let foreign = cluster.http(&stranger, path, &text);
    let mut under_our_name = cluster.parameters(&stranger);
    under_our_name.keyid = pen.key().id().0;
    let mut crossed = made.clone();
    crossed.algorithm = match made.algorithm {
        Algorithm::Ed25519 => Algorithm::EcdsaP256Sha256,
        Algorithm::EcdsaP256Sha256 => Algorithm::Ed25519,
    };
    let zero = |request: &mut HttpRequest| request.input = request.input.replace("created=17", "created=16");
    vec![
        (
            "another payload",
            HttpRequest { body: sign_body(key, "pay 9 to the thief").into(), ..honest.clone() },
        ),
        ("a blank in the body", HttpRequest { body: format!("{text} ").into(), ..honest.clone() }),
        ("another path", bent(|request| request.path = "/v1/keys".to_owned())),
        ("a longer path", bent(|request| request.path.push('/'))),
        ("another method", bent(|request| request.method = "PUT".to_owned())),
        ("another time", bent(zero)),
        ("no signature", bent(|request| request.signature = [0; 64])),
        ("a signature of ones", bent(|request| request.signature = [0xff; 64])),
        ("another cluster", with(|one| one.tag = signed::tag(GroupId::new([9; 16])))),
        ("of yesterday", with(|one| (one.created, one.expires) = (one.created - 9_000, one.expires - 9_000))),
        ("of tomorrow", with(|one| (one.created, one.expires) = (one.created + 9_000, one.expires + 9_000))),
        ("the other algorithm", pen.request(path, &text, &crossed)),
        ("a stranger", foreign),
        ("a stranger under our name", stranger.request(path, &text, &under_our_name)),
        ("an unknown field", pen.request(path, &text.replace("{", r#"{"digest":"00","#), &made)),
        ("an unknown kind", pen.request(path, &text.replace("message", "anything"), &made)),
        ("a bare digest", pen.request(path, &text.replace("message", "raw_digest"), &made)),
        ("odd digits", pen.request(path, &text.replace("0x", "0x0"), &made)),
        ("no JSON", pen.request(path, "pay 7", &made)),
    ]
}

#[test]
fn no_forgery_of_an_http_request_makes_a_node_say_more_than_no() {
    let mut cluster = Cluster::new(221);
    let key = cluster.key(Scheme::Dkls23);
    cluster.sign(key.id, "warm");
    cluster.run_for(15_000);
    let stock = stock(&mut cluster, &key);
    for pen in Pen::enrolled() {
        for (why, request) in forgeries(&mut cluster, &pen, key.id) {
            for what in invitations(&request.to_bytes(), &stock[..1]) {
                must_be_refused(&mut cluster, why, &what);
            }
        }
    }
}

#[test]
fn an_http_request_cannot_be_replayed_after_its_time() {
    let mut cluster = Cluster::new(222);
    let key = cluster.key(Scheme::FrostEd25519);
    let [pen, _] = Pen::enrolled();
    let body = sign_body(key.id, "once").replace("m/0/7", "m");
    let body = cluster.http(&pen, "/v1/signatures", &body).to_bytes();
    cluster.must_sign(&body);
    for wait in [61_000, 20 * 60_000] {
        cluster.run_for(wait);
        let what =
            What::Sign { request: body.clone(), signers: vec![party(1), party(2)], presignature: None };
        let said = cluster.lure(party(1), what);
        let expired = Refusal::Request(BadRequest::Expired);
        assert!(matches!(said.as_slice(), [Message::Refused(_, why, None)] if *why == expired), "{said:?}");
    }
    assert!(matches!(cluster.outcome(&body), Outcome::Signed { .. }), "and has the same outcome for ever");
}

#[test]
fn a_nonce_is_good_for_one_request() {
    let mut cluster = Cluster::new(223);
    let key = cluster.key(Scheme::FrostEd25519);
    for pen in Pen::enrolled() {
        let parameters = cluster.parameters(&pen);
        let request = |text: &str| {
            let body = sign_body(key.id, text).replace("m/0/7", "m");
            pen.request("/v1/signatures", &body, &parameters).to_bytes()
        };
        let (one, other) = (request("pay 7 to nobody"), request("pay 9 to somebody"));
        assert_eq!(id_of(&one), id_of(&other));
        cluster.ask(0, &one);
        cluster.run_for(8);
        let since = cluster.answers.len();
        cluster.ask(0, &other);
        cluster.ask(1, &other);
        cluster.run_for(20);
        let told = |cluster: &Cluster| {
            let answers = cluster.answers[since..].iter();
            answers.filter(|(.., answer)| matches!(answer, Answer::Conflict)).count()
        };
        assert_eq!(told(&cluster), 2, "by who works on it, and by who asks the store");
        cluster.must_sign(&one);
        cluster.ask(0, &other);
        cluster.run_for(20);
        assert_eq!(told(&cluster), 3, "also when it has ended");
        let what = What::Sign { request: other, signers: vec![party(1), party(2)], presignature: None };
        let said = cluster.lure(party(1), what);
        assert!(matches!(said.as_slice(), [Message::Refused(_, Refusal::Conflict, None)]), "{said:?}");
    }
}
