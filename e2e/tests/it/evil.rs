//! A coordinator that was stolen, with its certificate and its address, gets nothing signed that no client has asked for.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use keymoot_e2e::cluster::{Cluster, Places, Shape, free_ports};
use keymoot_e2e::double::Double;
use keymoot_e2e::load;
use keymoot_engine::message::{Invite, Message, SessionMail, What};
use keymoot_engine::refusal::Refusal;
use keymoot_engine::request::HttpRequest;
use keymoot_types::{Party, Scheme, SessionId};
use keymoot_wire::cluster::SignedDocument;
use keymoot_wire::signed::{SigningKey, Unsigned};

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs()
}

/// A request as a client signs it.
fn signed(key: &SigningKey, unsigned: &Unsigned<'_>) -> HttpRequest {
    let request = key.sign(unsigned).expect("a signature").into_request(unsigned);
    HttpRequest {
        method: request.method,
        path: request.path,
        body: request.body,
        input: request.signature_input,
        signature: request.signature.try_into().expect("64 bytes"),
    }
}

fn party(index: u16) -> Party {
    Party::new(index).expect("a party")
}

#[test]
fn a_stolen_coordinator_gets_nothing_signed() {
    let _alone = crate::alone();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.expect("a runtime").block_on(lies());
}

async fn lies() {
    let ports = free_ports(3).expect("ports");
    let address = |port: &u16| format!("127.0.0.1:{port}");
    let places =
        Places { coordinators: ports[1..].iter().map(address).collect(), gateway: address(&ports[0]) };
    let shape = Shape { nodes: 3, threshold: 2, coordinators: 2 };
    let mut cluster = Cluster::make(shape, &places).expect("a cluster");
    let thief = cluster.place("coordinator-2");
    let double = Double::listen(&thief, &places.coordinators[1]).await.expect("it listens");
    for name in ["coordinator-1", "gateway-1", "node-1", "node-2", "node-3"] {
        cluster.begin(name).expect("started");
    }
    double.wait_for(&cluster.nodes()).await.expect("the nodes come");
    let client = load::client(&cluster.place("alice"), cluster.gateway()).expect("a client");
    let key = load::key(&client, Scheme::FrostTaproot, "mine").await.expect("a key");
    let honest = what_nobody_asked_for(&cluster, &double, &key).await;
    the_wrong_signers(&double, &honest).await;
    let said = double.heard();
    let words = said.iter().filter(|(_, message)| matches!(message, Message::Mail(_))).count();
    assert_eq!(words, 0, "a node has said something in a session of lies: {said:?}");
    // And the real one still serves.
    let (path, kind) = ("m".to_owned(), "message".to_owned());
    let body =
        keymoot_wire::rest::CreateSignatureBody { key, path, kind, payload: "cc".into(), signing: None };
    let view = client.sign(&body, Duration::from_secs(20)).await.expect("an answer");
    assert_eq!(view.status, keymoot_wire::rest::Status::Complete, "{view:?}");
}

/// Requests that alice has not signed, or not like this. Returns the one that she has.
async fn what_nobody_asked_for(cluster: &Cluster, double: &Double, key: &str) -> HttpRequest {
    let alice = cluster.place("alice");
    let file = |name: &str| std::fs::read_to_string(alice.join(name)).expect("a file");
    let document =
        SignedDocument::parse(&file("cluster.json")).and_then(|it| it.verify(&file("authority.pem")));
    let group = document.expect("a document").group_id();
    let mut seed = [0; 32];
    hex::decode_to_slice(file("request.key").trim(), &mut seed).expect("a seed");
    let (alice, stranger) = (SigningKey::ed25519(&seed), SigningKey::ed25519(&[9; 32]));
    let body = format!(r#"{{"key":"{key}","path":"m","kind":"message","payload":"aa"}}"#);
    let other = body.replace("\"aa\"", "\"bb\"").into_bytes();
    let good = Unsigned {
        method: "POST",
        path: "/v1/signatures",
        body: body.as_bytes(),
        created: now(),
        expires: now() + 300,
        nonce: [1; 16],
        group,
    };
    let honest = signed(&alice, &good);
    let elsewhere = keymoot_types::GroupId::new([7; 16]);
    let lies = [
        ("another body", HttpRequest { body: other, ..honest.clone() }),
        ("another path", HttpRequest { path: "/v1/keys".into(), ..honest.clone() }),
        ("a stranger's", signed(&stranger, &good)),
        ("long expired", signed(&alice, &Unsigned { created: now() - 900, expires: now() - 600, ..good })),
        ("another cluster's", signed(&alice, &Unsigned { group: elsewhere, ..good })),
        ("another signature", HttpRequest { signature: [3; 64], ..honest.clone() }),
    ];
    let signers = vec![party(1), party(2)];
    for (number, (what, lie)) in lies.into_iter().enumerate() {
        let session = SessionId::new([u8::try_from(number).expect("few") + 1; 16]);
        let asked = What::Sign { request: lie.to_bytes(), signers: signers.clone(), presignature: None };
        for node in ["node-1", "node-2"] {
            let invite = Message::Invite(Invite { session, what: asked.clone() });
            double.say(node, invite).await.expect("said");
            let is_it = |from: &str, message: &Message| {
                from == node && matches!(message, Message::Refused(refused, ..) if *refused == session)
            };
            let refused = double.hear(what, is_it).await.expect("a refusal");
            let is_right = |message: &Message| {
                matches!(message, Message::Refused(_, Refusal::Client | Refusal::Request(_), _))
            };
            assert!(refused.iter().all(|(_, one)| is_right(one)), "{what}: {refused:?}");
        }
    }
    honest
}

/// What the client has asked for, but by too few, by others than us, and with mail that nobody wrote.
async fn the_wrong_signers(double: &Double, honest: &HttpRequest) {
    for (number, signers) in [vec![party(1)], vec![party(2), party(3)]].into_iter().enumerate() {
        let session = SessionId::new([u8::try_from(number).expect("few") + 100; 16]);
        let what = What::Sign { request: honest.to_bytes(), signers, presignature: None };
        double.say("node-1", Message::Invite(Invite { session, what })).await.expect("said");
        let is_it = |_: &str, message: &Message| matches!(message, Message::Refused(refused, Refusal::Signers, _) if *refused == session);
        double.hear("wrong signers", is_it).await.expect("a refusal");
        let mail = SessionMail { session, to: None, bytes: vec![0, 1, 2, 3], released: None };
        double.say("node-1", Message::Mail(mail)).await.expect("said");
    }
}
