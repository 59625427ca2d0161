//! Every endpoint, through the client that people use.

use std::time::Duration;

use keymoot_client::{Client, Page};
use keymoot_types::Scheme;
use keymoot_wire::cluster::Role;
use keymoot_wire::mpc;
use keymoot_wire::problem::Code;
use keymoot_wire::rest::{AskView, CreateSignatureBody, KeyView, Status};

use crate::raw::{Raw, over_http1, signed};
use crate::scene::{Scene, key_of};

const WAIT: Duration = Duration::from_secs(2);
const NOW: Duration = Duration::ZERO;

pub fn body(key: &str, kind: &str) -> CreateSignatureBody {
    let (key, kind) = (key.to_owned(), kind.to_owned());
    CreateSignatureBody { key, path: "m/0/7".into(), kind, payload: "0x68656c6c6f".into(), signing: None }
}

pub async fn must_make_key(client: &Client, name: &str, scheme: Scheme) -> KeyView {
    let made = client.create_key(scheme, name, WAIT).await.unwrap();
    assert_eq!(made.status, Status::Complete);
    made.key.unwrap()
}

#[tokio::test]
async fn a_key_is_made_shown_listed_and_retired() {
    let scene = Scene::new().await;
    let admin = scene.client(Role::Admin);
    let key = must_make_key(&admin, "hot", Scheme::Dkls23).await;
    assert_eq!((key.name.as_str(), key.scheme.as_str(), key.created_by.as_str()), ("hot", "dkls23", "admin"));
    assert_eq!((key.threshold.needed, key.threshold.total), (2, 3));
    assert!(key.created_at.as_ref().unwrap().ends_with('Z') && key.created_ms.is_some());
    let viewer = scene.client(Role::Viewer);
    assert_eq!(viewer.key(&key.id).await.unwrap(), key);
    assert_eq!(viewer.key("hot").await.unwrap(), key);
    assert_eq!(viewer.list_keys(&Page::default()).await.unwrap().keys, std::slice::from_ref(&key));
    let retired = admin.retire(key.id.parse().unwrap(), WAIT).await.unwrap();
    assert_eq!(retired.ask, AskView::Retire { key: key.id.clone() });
    assert_eq!(viewer.request(&retired.id, NOW).await.unwrap(), retired);
    must_make_key(&admin, "hot", Scheme::FrostTaproot).await;
    assert_eq!(viewer.key("hot").await.unwrap_err().code(), Some(Code::NameAmbiguous));
}

#[tokio::test]
async fn addresses_and_extended_keys_come_from_the_coordinators() {
    let scene = Scene::new().await;
    let admin = scene.client(Role::Admin);
    must_make_key(&admin, "hot", Scheme::Dkls23).await;
    must_make_key(&admin, "sol", Scheme::FrostEd25519).await;
    let path = "m/0/7".parse().unwrap();
    let found = admin.addresses("hot", &path, Some("testnet")).await.unwrap();
    assert_eq!((found.path.as_str(), found.addresses[0].network.as_deref()), ("m/0/7", Some("testnet")));
    let found = admin.xpub("hot", None).await.unwrap();
    assert_eq!(
        (found.xpub.as_str(), found.fingerprint.as_str()),
        ("xpub-", "5c9e228d"),
        "the network is for the coordinators to say"
    );
    assert_eq!(admin.xpub("sol", None).await.unwrap_err().code(), Some(Code::NotForThisKey));
    assert_eq!(admin.key("cold").await.unwrap_err().code(), Some(Code::NoSuchKey));
}

#[tokio::test]
async fn a_signature_is_made_and_the_same_request_has_the_same_answer() {
    let scene = Scene::new().await;
    let client = scene.client(Role::Requester);
    let key = must_make_key(&scene.client(Role::Operator), "hot", Scheme::Dkls23).await;
    let prepared = client.prepare_signature(&body(&key.id, "message")).unwrap();
    let made: keymoot_wire::rest::SignatureView = client.send(&prepared, WAIT).await.unwrap();
    assert_eq!(
        (made.status, made.client.as_str(), made.path.as_str()),
        (Status::Complete, "requester", "m/0/7")
    );
    let signature = made.signature.clone().unwrap();
    assert_eq!((signature.r, signature.recid), (Some("11".repeat(32)), Some(1)));
    assert_eq!((made.signers.len(), made.signed_data.as_str()), (2, "07".repeat(32).as_str()));
    assert_eq!(client.send::<keymoot_wire::rest::SignatureView>(&prepared, WAIT).await.unwrap(), made);
    assert_eq!(client.signature(&made.id, NOW).await.unwrap(), made);
    assert_eq!(client.signature(&made.id, WAIT).await.unwrap(), made);
    assert_eq!(scene.store.requests.lock().unwrap().len(), 2, "one key and one signature");
}

#[tokio::test]
async fn final_requests_are_created_and_others_accepted() {
    let scene = Scene::new().await;
    let raw = Raw::connect(&scene, Some(&scene.identity("requester"))).await;
    let key = key_of(Role::Requester);
    let token = raw.token(&key).await;
    let id = "key_00000000000000000000000000000000";
    for (kind, status, state, code) in [
        ("message", 201, "complete", serde_json::Value::Null),
        ("slow", 202, "pending", serde_json::Value::Null),
        ("lonely", 202, "pending", "E2104".into()),
        ("denied", 201, "denied", "E2101".into()),
        ("cheated", 201, "failed", "E2105".into()),
    ] {
        let body = serde_json::to_vec(&body(id, kind)).unwrap();
        let mut headers = signed(&key, "/v1/signatures", &body);
        headers.push(crate::raw::bearer(&token));
        let answer = raw.send("POST", "/v1/signatures?wait=0", &headers, &body).await;
        let view = answer.json();
        assert_eq!((answer.status.as_u16(), &view["status"], &view["code"]), (status, &state.into(), &code));
        assert_eq!(answer.header("location"), format!("/v1/signatures/{}", view["id"].as_str().unwrap()));
    }
    let requests = scene.client(Role::Viewer).signatures(None, &Page::default()).await.unwrap().signatures;
    let denied = requests.iter().find(|one| one.status == Status::Denied).unwrap();
    assert_eq!((denied.denials[0].node.as_str(), denied.signature.as_ref()), ("node-2", None));
    let failed = requests.iter().find(|one| one.status == Status::Failed).unwrap();
    assert_eq!(failed.culprits, ["node-3"]);
}

#[tokio::test]
async fn pages_follow_each_other_without_gaps() {
    let scene = Scene::new().await;
    let client = scene.client(Role::Admin);
    let mut made = Vec::new();
    for name in ["a", "b", "c", "d", "e"] {
        made.insert(0, must_make_key(&client, name, Scheme::Dkls23).await.id);
    }
    let mut seen = Vec::new();
    let mut page = Page { limit: Some(2), cursor: None };
    loop {
        let found = client.list_keys(&page).await.unwrap();
        assert!(found.keys.len() <= 2);
        seen.extend(found.keys.into_iter().map(|key| key.id));
        page.cursor = found.next_cursor;
        if page.cursor.is_none() {
            break;
        }
    }
    assert_eq!(seen, made);
    // Requests for keys share the list with those for signatures, which must not show.
    for _ in 0..3 {
        client.sign(&body(&made[0], "message"), NOW).await.unwrap();
    }
    let mut count = 0;
    let mut page = Page { limit: Some(1), cursor: None };
    loop {
        let found = client.signatures(Some("e"), &page).await.unwrap();
        count += found.signatures.len();
        page.cursor = found.next_cursor;
        if page.cursor.is_none() {
            break;
        }
    }
    assert_eq!(count, 3);
}

#[tokio::test]
async fn a_batch_is_judged_item_by_item() {
    let scene = Scene::new().await;
    let requester = scene.client(Role::Requester);
    let admin = scene.client(Role::Admin);
    let id = "key_00000000000000000000000000000000";
    let items = [
        requester.prepare_signature(&body(id, "message")).unwrap(),
        requester.prepare_signature(&body(id, "slow")).unwrap(),
        // What a requester may not ask for alone, it may not ask for in a batch either.
        requester.prepare_key(Scheme::Dkls23, "mine").unwrap(),
        // But it may carry what somebody else has signed, who may.
        admin.prepare_key(Scheme::Dkls23, "theirs").unwrap(),
        requester
            .prepare_signature(&CreateSignatureBody { payload: "xyz".into(), ..body(id, "message") })
            .unwrap(),
    ];
    let results = requester.batch(&items, NOW).await.unwrap().results;
    let statuses: Vec<u16> = results.iter().map(|one| one.status).collect();
    assert_eq!(statuses, [201, 202, 403, 201, 422]);
    let problem = results[2].problem.as_ref().unwrap();
    assert_eq!((problem.code.as_str(), problem.request_id.is_empty()), ("E3101", false));
    assert_eq!(results[3].request.as_ref().unwrap().client, "admin");
    assert!(results.iter().all(|one| one.request.is_some() != one.problem.is_some()));
}

#[tokio::test]
async fn nodes_and_sessions_are_gathered_from_all_coordinators() {
    let wanted = crate::scene::Wanted { coordinators: 2, absent: 1, ..Default::default() };
    let scene = Scene::of(wanted).await;
    let client = scene.client(Role::Viewer);
    let nodes = client.nodes().await.unwrap();
    let names: Vec<&str> = nodes.nodes.iter().map(|node| node.name.as_str()).collect();
    assert_eq!(names, ["node-1", "node-2", "node-3"]);
    assert_eq!(nodes.nodes[0].connected, ["coordinator-1", "coordinator-2"]);
    assert!(nodes.nodes[0].live && !nodes.nodes[2].live && nodes.nodes[2].silent_ms.is_none());
    let moduli = nodes.nodes[0].moduli.as_ref().map(|one| (one.made, one.safe_primes, one.wanted));
    assert_eq!((moduli, nodes.nodes[2].moduli), (Some((false, 3, 4)), None));
    assert_eq!(nodes.silent_coordinators, ["coordinator-3"]);
    let sessions = client.sessions().await.unwrap();
    assert_eq!(sessions.sessions.len(), 2);
    let one = client.session("ses_of_coordinator-2").await.unwrap();
    assert_eq!((one.coordinator.as_str(), one.participants[0].round), ("coordinator-2", Some(1)));
    assert_eq!(client.session("ses_none").await.unwrap_err().code(), Some(Code::NoSuchSession));
    let ready = client.ready().await.unwrap();
    assert!(ready.ready, "{ready:?}");
}

#[tokio::test]
async fn the_canary_is_a_signature_that_was_really_made() {
    let scene = Scene::new().await;
    let client = scene.client(Role::Requester);
    let before = client.canary().await.unwrap();
    assert_eq!((before.alive, before.age_ms, before.detail.as_str()), (false, None, "no canary yet"));
    let id = "key_00000000000000000000000000000000";
    client.sign(&body(id, "denied"), NOW).await.unwrap();
    assert!(!client.canary().await.unwrap().alive, "what was refused is no sign of life");
    client.sign(&body(id, "message"), NOW).await.unwrap();
    let after = client.canary().await.unwrap();
    assert!(after.alive && after.age_ms.unwrap() < 60_000, "{after:?}");
}

#[tokio::test]
async fn an_old_signature_is_no_canary_and_one_made_elsewhere_is() {
    let scene = Scene::new().await;
    let client = scene.client(Role::Viewer);
    let made = |finished_ms| {
        let mut request = mpc::Request { finished_ms, ..mpc::Request::default() };
        request.set_status(mpc::RequestStatus::Complete);
        request.result = Some(mpc::request::Result::Signature(mpc::Signature::default()));
        (Vec::new(), request)
    };
    let now = crate::scene::now_ms();
    scene.store.requests.lock().unwrap().insert("req_1".into(), made(now - 90_000));
    let old = client.canary().await.unwrap();
    assert!(!old.alive && old.age_ms.unwrap() >= 90_000, "{old:?}");
    scene.store.requests.lock().unwrap().insert("req_2".into(), made(now));
    assert!(client.canary().await.unwrap().alive);
}

#[tokio::test]
async fn machines_find_health_versions_and_metrics_without_a_token() {
    let scene = Scene::new().await;
    let client = scene.client(Role::Viewer);
    let version = client.version().await.unwrap();
    assert_eq!((version.cluster.as_str(), version.gateway.as_str()), ("test", "gateway-1"));
    assert_eq!(version.document, hex::encode(scene.document.load().digest()));
    let raw = Raw::connect(&scene, Some(&scene.identity("viewer"))).await;
    assert_eq!(raw.send("GET", "/livez", &vec![], b"").await.body, "alive\n");
    let metrics = raw.send("GET", "/metrics", &vec![], b"").await;
    let text = String::from_utf8(metrics.body.to_vec()).unwrap();
    assert!(text.contains("keymoot_http_requests_total{endpoint=\"Livez\",status=\"200\"}"), "{text}");
    assert!(metrics.header("content-type").starts_with("text/plain"));
}

#[tokio::test]
async fn older_clients_speak_http1_and_see_the_same() {
    let scene = Scene::new().await;
    let identity = scene.identity("viewer");
    let token = Raw::connect(&scene, Some(&identity)).await.token(&key_of(Role::Viewer)).await;
    let answer = over_http1(&scene, &identity, "/v1/keys", &token).await;
    assert_eq!((answer.status.as_u16(), answer.json()["keys"].as_array().unwrap().len()), (200, 0));
    assert_eq!(over_http1(&scene, &identity, "/v1/nothing", &token).await.code(), "E4001");
}

#[tokio::test]
async fn the_id_of_a_request_goes_all_the_way() {
    let scene = Scene::new().await;
    let raw = Raw::connect(&scene, Some(&scene.identity("viewer"))).await;
    let token = raw.token(&key_of(Role::Viewer)).await;
    scene.coordinators[0].take_traces();
    let headers = vec![crate::raw::bearer(&token), ("x-request-id", "order-66".to_owned())];
    let answer = raw.send("GET", "/v1/keys", &headers, b"").await;
    assert_eq!(answer.header("x-request-id"), "order-66");
    assert_eq!(scene.coordinators[0].take_traces(), ["order-66"]);
    let made = raw.get("/v1/keys", &token).await.header("x-request-id").to_owned();
    assert_eq!((made.len(), scene.coordinators[0].take_traces()), (32, vec![made]));
}
