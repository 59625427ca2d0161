//! Bad input of every kind: always a problem with its code, never a 5xx, and never anything begun.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use http_body_util::BodyExt;
use keymoot_gateway::Limits;
use keymoot_types::GroupId;
use keymoot_types::signed::{BODY_MAX, PAYLOAD_MAX};
use keymoot_wire::authority::Validity;
use keymoot_wire::cluster::Role;
use keymoot_wire::identity::PeerRole;
use keymoot_wire::signed::{SigningKey, Unsigned};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::client::TlsStream;

use crate::fake::Mood;
use crate::raw::{Headers, Raw, bearer, headers_of, nonce, signed, tls, unsigned};
use crate::scene::{Scene, Wanted, certified_for, key_of, now_ms};

const KEY: &str = "key_00000000000000000000000000000000";

struct Admin {
    scene: Scene,
    raw: Raw,
    key: SigningKey,
    token: String,
}

impl Admin {
    async fn new() -> Self {
        let scene = Scene::new().await;
        let raw = Raw::connect(&scene, Some(&scene.identity("admin"))).await;
        let key = key_of(Role::Admin);
        let token = raw.token(&key).await;
        Self { scene, raw, key, token }
    }

    /// The status and the code of an answer to these headers and this body.
    async fn post(&self, path: &str, mut headers: Headers, body: &[u8]) -> (u16, String) {
        headers.push(bearer(&self.token));
        let answer = self.raw.send("POST", path, &headers, body).await;
        (answer.status.as_u16(), answer.code())
    }

    async fn post_signed(&self, path: &str, body: &[u8]) -> (u16, String) {
        self.post(path, signed(&self.key, path.split('?').next().unwrap(), body), body).await
    }

    fn begun(&self) -> usize {
        self.scene.store.requests.lock().unwrap().len()
    }
}

fn is(status: u16, code: &str) -> (u16, String) {
    (status, code.to_owned())
}

#[tokio::test]
async fn questions_that_make_no_sense_are_refused_with_a_code() {
    let admin = Admin::new().await;
    for (path, status, code) in [
        ("/", 404, "E4001"),
        ("/v1", 404, "E4001"),
        ("/v1/nothing", 404, "E4001"),
        ("/v2/keys", 404, "E4001"),
        ("/v1/keys/", 404, "E4001"),
        ("/v1/keys/%FF", 404, "E4001"),
        ("/v1/keys/%00", 404, "E4002"),
        ("/v1/keys/nobody", 404, "E4002"),
        ("/v1/keys?limit=0", 400, "E2007"),
        ("/v1/keys?limit=201", 400, "E2007"),
        ("/v1/keys?limit=-1", 400, "E2007"),
        ("/v1/keys?limit=many", 400, "E2007"),
        ("/v1/keys?limit=1&limit=2", 400, "E2007"),
        ("/v1/keys?colour=red", 400, "E2007"),
        ("/v1/keys?cursor=", 400, "E2008"),
        ("/v1/keys?cursor=%27%20OR%201", 400, "E2008"),
        ("/v1/signatures?cursor=azE6MQ", 400, "E2008"),
        ("/v1/signatures?key=nobody", 404, "E4002"),
        ("/v1/requests?key=nobody", 404, "E4002"),
        ("/v1/requests?cursor=azE6MQ", 400, "E2008"),
        ("/v1/requests?status=", 400, "E2007"),
        ("/v1/requests?client=alice", 400, "E2007"),
        ("/v1/keys/hot/addresses?path=m/0%27", 422, "E2011"),
        ("/v1/keys/hot/addresses?path=0/1", 422, "E2011"),
        ("/v1/keys/hot/addresses?network=moon", 400, "E2007"),
        ("/v1/keys/hot/xpub", 404, "E4002"),
        ("/v1/keys/hot?verbose=1", 400, "E2007"),
        ("/v1/signatures/none", 404, "E4003"),
        ("/v1/signatures/req_0f", 404, "E4003"),
        ("/v1/signatures/req_00000000000000000000000000000000", 404, "E4003"),
        ("/v1/signatures/req_00000000000000000000000000000000?wait=61", 400, "E2007"),
        ("/v1/requests/req_0000000000000000000000000000000G", 404, "E4003"),
        ("/v1/sessions/ses_none", 404, "E4004"),
        ("/docs/none.js", 404, "E4001"),
    ] {
        let answer = admin.raw.get(path, &admin.token).await;
        assert_eq!((answer.status.as_u16(), answer.code()), is(status, code), "{path}");
    }
    for method in ["PUT", "DELETE", "PATCH"] {
        let answer = admin.raw.send(method, "/v1/keys", &vec![bearer(&admin.token)], b"").await;
        assert_eq!((answer.status.as_u16(), answer.code()), is(405, "E2006"), "{method}");
        let allowed = answer.header("allow");
        assert!(allowed.contains("GET") && allowed.contains("POST"), "{allowed}");
    }
}

#[tokio::test]
async fn bodies_that_make_no_sense_are_refused_with_a_code() {
    let admin = Admin::new().await;
    let sign = |key: &str, path: &str, payload: &str| {
        format!(r#"{{"key":"{key}","path":"{path}","kind":"message","payload":"{payload}"}}"#)
    };
    for (path, body, status, code) in [
        ("/v1/keys", String::new(), 400, "E2002"),
        ("/v1/keys", "{".into(), 400, "E2002"),
        ("/v1/keys", "\u{feff}{}".into(), 400, "E2002"),
        ("/v1/keys", "[]".into(), 422, "E2005"),
        ("/v1/keys", "null".into(), 422, "E2005"),
        ("/v1/keys", "{}".into(), 422, "E2005"),
        ("/v1/keys", r#"{"name":"a"}"#.into(), 422, "E2005"),
        ("/v1/keys", r#"{"scheme":"dkls23","name":7}"#.into(), 422, "E2005"),
        ("/v1/keys", r#"{"scheme":"dkls23","name":"a","x":1}"#.into(), 422, "E2005"),
        ("/v1/keys", r#"{"scheme":"dkls23","name":"a","name":"b"}"#.into(), 422, "E2005"),
        ("/v1/keys", r#"{"scheme":"rsa","name":"a"}"#.into(), 422, "E2001"),
        ("/v1/keys", format!(r#"{{"scheme":"dkls23","name":"{}"}}"#, "a".repeat(65)), 422, "E2001"),
        ("/v1/keys?wait=61", r#"{"scheme":"dkls23","name":"a"}"#.into(), 400, "E2007"),
        ("/v1/keys?wait=soon", r#"{"scheme":"dkls23","name":"a"}"#.into(), 400, "E2007"),
        ("/v1/signatures", sign("hot", "m", "00"), 422, "E2001"),
        ("/v1/signatures", sign(KEY, "m/0'", "00"), 422, "E2011"),
        ("/v1/signatures", sign(KEY, "", "00"), 422, "E2011"),
        ("/v1/signatures", sign(KEY, "m", "0"), 422, "E2001"),
        ("/v1/signatures", sign(KEY, "m", "zz"), 422, "E2001"),
        ("/v1/signatures", sign(KEY, "m", &"00".repeat(PAYLOAD_MAX + 1)), 413, "E2004"),
        ("/v1/keys/hot/retire", "{}".into(), 422, "E2001"),
        ("/v1/keys/key_00000000000000000000000000000000/retire", r#"{"a":1}"#.into(), 422, "E2005"),
        ("/v1/tokens", "[]".into(), 422, "E2005"),
        ("/v1/keys", r#" ["dkls23","a"]"#.into(), 422, "E2005"),
        ("/v1/batches", r#"{"requests":[]}"#.into(), 422, "E2001"),
        ("/v1/batches", r#"{"requests":[{}]}"#.into(), 422, "E2005"),
        ("/v1/batches", r#"{"requests":"all"}"#.into(), 422, "E2005"),
    ] {
        assert_eq!(admin.post_signed(path, body.as_bytes()).await, is(status, code), "{path} {body}");
    }
    let deep = "[".repeat(100_000);
    assert_eq!(admin.post_signed("/v1/keys", deep.as_bytes()).await, is(422, "E2005"));
    assert_eq!(admin.post_signed("/v1/keys", &[0xff, 0xfe]).await, is(400, "E2002"));
    let json = |kind: &str| vec![("content-type", kind.to_owned())];
    for kind in ["text/plain", "", "application/xml", "application/jsonp"] {
        assert_eq!(admin.post("/v1/keys", json(kind), b"{}").await, is(415, "E2003"), "{kind}");
    }
    let large = vec![b' '; BODY_MAX + 1];
    assert_eq!(admin.post("/v1/keys", json("application/json"), &large).await, is(413, "E2004"));
    assert_eq!(admin.begun(), 0);
}

#[tokio::test]
async fn requests_that_are_not_signed_well_are_refused_with_a_code() {
    let admin = Admin::new().await;
    let (path, body) = ("/v1/keys", br#"{"scheme":"dkls23","name":"a"}"#.as_slice());
    let good = signed(&admin.key, path, body);
    let without =
        |name: &str| good.iter().filter(|(header, _)| *header != name).cloned().collect::<Headers>();
    for name in ["content-digest", "signature-input", "signature"] {
        assert_eq!(admin.post(path, without(name), body).await, is(401, "E3007"), "{name}");
        let twice =
            [good.clone(), good.iter().filter(|(header, _)| *header == name).cloned().collect()].concat();
        assert_eq!(admin.post(path, twice, body).await, is(400, "E2012"), "{name} twice");
        let mut odd = without(name);
        odd.push((name_of(name), "odd".to_owned()));
        assert_eq!(admin.post(path, odd, body).await, is(401, "E3008"), "odd {name}");
    }
    let other = br#"{"scheme":"dkls23","name":"b"}"#;
    assert_eq!(admin.post(path, good.clone(), other).await, is(401, "E3008"), "another body");
    let elsewhere = signed(&admin.key, "/v1/signatures", body);
    assert_eq!(admin.post(path, elsewhere, body).await, is(401, "E3008"), "another path");
    let nobody = SigningKey::ed25519(&[99; 32]);
    assert_eq!(admin.post(path, signed(&nobody, path, body), body).await, is(401, "E3010"));
    let another = signed(&key_of(Role::Operator), path, body);
    assert_eq!(admin.post(path, another, body).await, is(403, "E3103"));
    let now = now_ms() / 1000;
    let base = unsigned(path, body, nonce());
    for (request, code) in [
        (Unsigned { created: now - 100, expires: now - 40, ..base }, "E3009"),
        (Unsigned { created: now + 100, expires: now + 160, ..base }, "E3009"),
        (Unsigned { group: GroupId::new([1; 16]), ..base }, "E3008"),
        (Unsigned { method: "PUT", ..base }, "E3008"),
    ] {
        let headers = headers_of(&admin.key.sign(&request).unwrap());
        assert_eq!(admin.post(path, headers, body).await, is(401, code), "{request:?}");
    }
    assert_eq!(admin.begun(), 0);
}

/// Header names are static in these tests.
fn name_of(name: &str) -> &'static str {
    ["content-digest", "signature-input", "signature"].into_iter().find(|known| *known == name).unwrap()
}

#[tokio::test]
async fn a_nonce_is_the_idempotency_key_and_names_one_request_for_ever() {
    let admin = Admin::new().await;
    let (path, body) = ("/v1/keys", br#"{"scheme":"dkls23","name":"a"}"#.as_slice());
    let nonce = nonce();
    let mut headers = headers_of(&admin.key.sign(&unsigned(path, body, nonce)).unwrap());
    let mut wrong = headers.clone();
    wrong.push(("idempotency-key", "ab".repeat(16)));
    assert_eq!(admin.post(path, wrong, body).await, is(400, "E2010"));
    assert_eq!(admin.begun(), 0);
    headers.push(("idempotency-key", hex::encode(nonce)));
    headers.push(bearer(&admin.token));
    let first = admin.raw.send("POST", path, &headers, body).await;
    let second = admin.raw.send("POST", path, &headers, body).await;
    assert_eq!((first.status.as_u16(), second.status.as_u16()), (201, 201));
    assert_eq!(first.body, second.body);
    let other = br#"{"scheme":"dkls23","name":"b"}"#.as_slice();
    let reused = headers_of(&admin.key.sign(&unsigned(path, other, nonce)).unwrap());
    assert_eq!(admin.post(path, reused, other).await, is(409, "E4007"));
    assert_eq!(admin.begun(), 1);
}

#[tokio::test]
async fn odd_headers_of_authorization_are_refused() {
    let admin = Admin::new().await;
    for (headers, status, code) in [
        (vec![], 401, "E3003"),
        (vec![("authorization", "Basic YTpi".to_owned())], 401, "E3004"),
        (vec![("authorization", "Bearer".to_owned())], 401, "E3004"),
        (vec![("authorization", "Bearer ".to_owned() + &"x".repeat(9000))], 401, "E3004"),
        (vec![bearer(&admin.token), bearer(&admin.token)], 400, "E2012"),
    ] {
        let answer = admin.raw.send("GET", "/v1/keys", &headers, b"").await;
        assert_eq!((answer.status.as_u16(), answer.code()), is(status, code), "{headers:?}");
    }
}

#[tokio::test]
async fn a_client_beyond_its_budget_is_told_when_to_come_back() {
    let limits = Limits { rate: 0.1, burst: 3.0, ..Limits::default() };
    let scene = Scene::of(Wanted { limits, ..Wanted::default() }).await;
    let raw = Raw::connect(&scene, Some(&scene.identity("viewer"))).await;
    let token = raw.token(&key_of(Role::Viewer)).await;
    assert_eq!(raw.get("/v1/keys", &token).await.status, 200);
    assert_eq!(raw.get("/v1/keys", &token).await.status, 200);
    let refused = raw.get("/v1/keys", &token).await;
    assert_eq!((refused.status.as_u16(), refused.code()), is(429, "E5003"));
    assert!(refused.header("retry-after").parse::<u32>().unwrap() >= 1);
    let others = Raw::connect(&scene, Some(&scene.identity("admin"))).await;
    let token = others.token(&key_of(Role::Admin)).await;
    assert_eq!(others.get("/v1/keys", &token).await.status, 200, "nobody else pays for it");
}

#[tokio::test]
async fn a_gateway_that_is_full_says_so_at_once() {
    let limits = Limits { requests: 1, ..Wanted::default().limits };
    let scene = Scene::of(Wanted { limits, ..Wanted::default() }).await;
    let raw = Raw::connect(&scene, Some(&scene.identity("viewer"))).await;
    let token = raw.token(&key_of(Role::Viewer)).await;
    scene.coordinators[0].take_traces();
    scene.coordinators[0].feel(Mood::Hangs);
    let hanging = raw.get("/v1/keys", &token);
    tokio::pin!(hanging);
    // The first holds the only place as soon as the coordinator has heard of it.
    while scene.coordinators[0].take_traces().is_empty() {
        tokio::select! {
            answer = hanging.as_mut() => panic!("an answer of a coordinator that hangs: {answer:?}"),
            () = tokio::task::yield_now() => {}
        }
    }
    let refused = raw.get("/v1/keys", &token).await;
    assert_eq!((refused.status.as_u16(), refused.code()), is(429, "E5002"));
    assert_eq!(raw.send("GET", "/livez", &vec![], b"").await.status, 200, "health is asked nevertheless");
}

/// A batch of so many requests of this client.
fn batch(role: Role, count: usize) -> Vec<u8> {
    let item = || {
        let body = format!(r#"{{"key":"{KEY}","path":"m","kind":"message","payload":"00"}}"#);
        let headers: BTreeMap<_, _> =
            signed(&key_of(role), "/v1/signatures", body.as_bytes()).into_iter().collect();
        serde_json::json!({"method": "POST", "path": "/v1/signatures", "body": body,
            "signature_input": headers["signature-input"], "signature": headers["signature"]})
    };
    let requests: Vec<_> = (0..count).map(|_| item()).collect();
    serde_json::to_vec(&serde_json::json!({"requests": requests})).unwrap()
}

fn few(client_requests: usize) -> Wanted {
    let limits = Limits { client_requests, ..Wanted::default().limits };
    Wanted { limits, ..Wanted::default() }
}

#[tokio::test]
async fn a_client_whose_bodies_do_not_come_in_leaves_the_places_of_others_alone() {
    let scene = Scene::of(few(2)).await;
    let raw = Raw::connect(&scene, Some(&scene.identity("viewer"))).await;
    let token = raw.token(&key_of(Role::Viewer)).await;
    let mut slow = Vec::new();
    for _ in 0..2 {
        let mut stream = tls(&scene, Some(&scene.identity("viewer")), b"http/1.1").await.unwrap();
        let head = "POST /v1/tokens HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
                    content-length: 100\r\nexpect: 100-continue\r\n\r\n";
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.flush().await.unwrap();
        // It is asked for its body, and does not send it.
        let mut answer = [0; 12];
        stream.read_exact(&mut answer).await.unwrap();
        assert_eq!(&answer, b"HTTP/1.1 100");
        slow.push(stream);
    }
    let refused = raw.get("/v1/keys", &token).await;
    assert_eq!((refused.status.as_u16(), refused.code()), (429, "E5003".to_owned()));
    assert_eq!(refused.header("retry-after"), "1");
    let others = Raw::connect(&scene, Some(&scene.identity("admin"))).await;
    let admin = others.token(&key_of(Role::Admin)).await;
    assert_eq!(others.get("/v1/keys", &admin).await.status, 200, "nobody else pays for it");
    drop(slow);
    while raw.get("/v1/keys", &token).await.status != 200 {}
}

#[tokio::test]
async fn an_answer_that_is_not_read_keeps_the_place_of_its_request() {
    let scene = Scene::of(few(2)).await;
    let token =
        Raw::connect(&scene, Some(&scene.identity("viewer"))).await.token(&key_of(Role::Viewer)).await;
    let headers = vec![bearer(&token)];
    // With a window of one byte, the library below takes all of the answer, and sends that byte.
    for (window, path) in
        [(0, "/v1/keys"), (1, "/v1/keys"), (0, "/openapi.json"), (1, "/docs/swagger-ui-bundle.js")]
    {
        let raw = Raw::that_takes(&scene, Some(&scene.identity("viewer")), window).await;
        let mut unread = Vec::new();
        for _ in 0..2 {
            let mut opened = raw.open("GET", path, &headers, b"").await;
            assert_eq!(opened.status(), 200, "{path}");
            if window > 0 {
                opened.body_mut().frame().await.unwrap().unwrap();
            }
            unread.push(opened);
        }
        assert_eq!(raw.open("GET", path, &headers, b"").await.status(), 429, "{path} at {window}");
        drop(unread);
        while raw.open("GET", path, &headers, b"").await.status() != 200 {}
    }
}

#[tokio::test]
async fn a_client_has_few_lists_and_no_fewer_of_all_else() {
    let limits = Limits { client_lists: 1, ..Wanted::default().limits };
    let scene = Scene::of(Wanted { limits, ..Wanted::default() }).await;
    let token =
        Raw::connect(&scene, Some(&scene.identity("viewer"))).await.token(&key_of(Role::Viewer)).await;
    let raw = Raw::that_takes(&scene, Some(&scene.identity("viewer")), 0).await;
    let headers = vec![bearer(&token)];
    let held = raw.open("GET", "/v1/keys", &headers, b"").await;
    assert_eq!(held.status(), 200);
    assert_eq!(raw.open("GET", "/v1/signatures", &headers, b"").await.status(), 429);
    assert_eq!(raw.open("GET", "/v1/nodes", &headers, b"").await.status(), 200);
    drop(held);
    while raw.open("GET", "/v1/signatures", &headers, b"").await.status() != 200 {}
}

#[tokio::test]
async fn what_requests_bring_is_bounded_in_bytes_for_each_client_and_for_all() {
    for (all, each, code) in [(1 << 20, 4000, "E5003"), (4000, 1 << 20, "E5002")] {
        let limits = Limits { request_bytes: all, client_request_bytes: each, ..Wanted::default().limits };
        let scene = Scene::of(Wanted { limits, ..Wanted::default() }).await;
        let raw = Raw::connect(&scene, Some(&scene.identity("requester"))).await;
        let token = raw.token(&key_of(Role::Requester)).await;
        let headers = vec![bearer(&token), ("content-type", "application/json".to_owned())];
        let refused = raw.send("POST", "/v1/batches", &headers, &vec![b' '; 4001]).await;
        assert_eq!((refused.status.as_u16(), refused.code()), (429, code.to_owned()));
        let read = raw.send("POST", "/v1/batches", &headers, &vec![b' '; 4000]).await;
        assert_eq!(read.status, 400, "it was read, and is no batch: {read:?}");
        let held = Raw::that_takes(&scene, Some(&scene.identity("requester")), 0).await;
        let mut body = batch(Role::Requester, 1);
        body.resize(2000, b' ');
        let unread = held.open("POST", "/v1/batches", &headers, &body).await;
        assert_eq!(unread.status(), 200);
        let refused = raw.send("POST", "/v1/batches", &headers, &[b' '; 2001]).await;
        assert_eq!(refused.code(), code, "the first has not read its answer");
        drop(unread);
        while raw.send("POST", "/v1/batches", &headers, &[b' '; 2001]).await.status != 400 {}
    }
}

#[tokio::test]
async fn each_item_of_a_batch_is_a_request_in_progress() {
    let scene = Scene::of(few(3)).await;
    let raw = Raw::connect(&scene, Some(&scene.identity("requester"))).await;
    let token = raw.token(&key_of(Role::Requester)).await;
    let headers = vec![bearer(&token), ("content-type", "application/json".to_owned())];
    let refused = raw.send("POST", "/v1/batches", &headers, &batch(Role::Requester, 4)).await;
    assert_eq!((refused.status.as_u16(), refused.code()), (429, "E5003".to_owned()));
    assert_eq!(scene.store.requests.lock().unwrap().len(), 0, "nothing of it was begun");
    let taken = raw.send("POST", "/v1/batches", &headers, &batch(Role::Requester, 3)).await;
    assert_eq!(taken.status, 200, "{taken:?}");
    assert_eq!(scene.store.requests.lock().unwrap().len(), 3);
}

#[tokio::test]
async fn a_certificate_has_its_share_of_connections_and_no_more() {
    let limits = Limits { client_connections: 2, connections: 8, ..Wanted::default().limits };
    let certificates = keymoot_wire::tls::ClientCertificates::Optional;
    let scene = Scene::of(Wanted { limits, certificates, ..Wanted::default() }).await;
    let (viewer, admin) = (scene.identity("viewer"), scene.identity("admin"));
    let mut open = Vec::new();
    // All who have no certificate share one half of what there is.
    for (identity, count, share) in [(Some(&viewer), 3, 2), (None, 5, 4), (Some(&admin), 1, 1)] {
        for number in 0..count {
            let mut stream = tls(&scene, identity, b"http/1.1").await.unwrap();
            assert_eq!(alive(&mut stream).await.is_ok(), number < share, "{number} of {count}");
            open.push(stream);
        }
    }
    drop(open);
    loop {
        let mut stream = tls(&scene, Some(&viewer), b"http/1.1").await.unwrap();
        if alive(&mut stream).await.is_ok() {
            break;
        }
    }
}

#[tokio::test]
async fn a_connection_ends_with_its_certificate() {
    let scene = Scene::new().await;
    let (now, minute) = (SystemTime::now(), Duration::from_secs(60));
    let until = now + Duration::from_secs(2);
    let validity = Validity::between(now - minute, until);
    let (identity, pin) = certified_for(&scene.authority, PeerRole::Client, "viewer", validity);
    scene.change(|fields| {
        let viewer = fields.clients.iter_mut().find(|client| client.name == "viewer").unwrap();
        viewer.tls.push(pin);
    });
    let mut stream = tls(&scene, Some(&identity), b"http/1.1").await.unwrap();
    alive(&mut stream).await.unwrap();
    // Whether it says goodbye is its own affair.
    let mut rest = Vec::new();
    let ended = timeout(minute / 2, stream.read_to_end(&mut rest)).await;
    assert!(ended.is_ok() && SystemTime::now() >= until, "{ended:?}");
}

/// Whether a connection is served.
async fn alive(stream: &mut TlsStream<TcpStream>) -> std::io::Result<u8> {
    stream.write_all(b"GET /livez HTTP/1.1\r\nhost: localhost\r\n\r\n").await?;
    stream.read_u8().await
}
