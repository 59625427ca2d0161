//! Who gets in: programs on this machine, and nobody whom a browser has sent.

use std::time::Duration;

use keymoot_rpc::{Config, Downstream, Signer, StartError};
use reqwest::Method;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use crate::chain::{CHAIN_ID, Chain};
use crate::purse::Purse;
use crate::scene::Scene;

fn ask() -> String {
    json!({ "jsonrpc": "2.0", "id": 1, "method": "eth_accounts", "params": [] }).to_string()
}

async fn with(scene: &Scene, headers: &[(&str, &str)]) -> (u16, Value) {
    let mut request = scene.client.post(scene.url("/")).body(ask());
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let answer = request.send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap_or_default())
}

const JSON: (&str, &str) = ("content-type", "application/json");

#[tokio::test]
async fn a_web_page_gets_nothing() {
    let scene = Scene::start().await;
    assert_eq!(with(&scene, &[JSON]).await.0, 200);
    for header in [("origin", "https://evil.example"), ("origin", "null"), ("host", "evil.example")] {
        let (status, answer) = with(&scene, &[JSON, header]).await;
        assert_eq!((status, &answer["error"]["data"]["code"]), (403, &json!("E2809")), "{header:?}");
    }
    // What a page can send without asking first is not read either.
    for kind in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"] {
        assert_eq!(with(&scene, &[("content-type", kind)]).await.0, 415, "{kind}");
    }
    let preflight =
        scene.client.request(Method::OPTIONS, scene.url("/")).header("origin", "https://evil.example");
    let preflight = preflight.header("access-control-request-method", "POST").send().await.unwrap();
    assert!(preflight.status() == 403 && preflight.headers().get("access-control-allow-origin").is_none());
    for path in ["/upcheck", "/api/v1/eth1/publicKeys"] {
        let request = scene.client.get(scene.url(path)).header("host", "evil.example");
        assert_eq!(request.send().await.unwrap().status(), 403, "{path}");
    }
}

#[tokio::test]
async fn a_page_and_a_name_that_the_configuration_has_get_in() {
    let scene = Scene::with(|config| {
        config.origins = vec!["https://app.example".into()];
        config.hosts = vec!["signer.internal".into()];
    })
    .await;
    assert_eq!(with(&scene, &[JSON, ("host", "signer.internal:9000")]).await.0, 200);
    assert_eq!(with(&scene, &[JSON, ("origin", "https://app.example")]).await.0, 200);
    let preflight =
        scene.client.request(Method::OPTIONS, scene.url("/")).header("origin", "https://app.example");
    let preflight = preflight.header("access-control-request-method", "POST").send().await.unwrap();
    assert_eq!(preflight.headers()["access-control-allow-origin"], "https://app.example");
}

#[tokio::test]
async fn where_there_is_a_token_nobody_gets_in_without_it() {
    let token = "a-token-of-thirty-two-letters-at-least";
    let scene = Scene::with(|config| config.token = Some(Zeroizing::new(token.into()))).await;
    for header in [JSON, ("authorization", "Bearer wrong"), ("authorization", token)] {
        let (status, answer) = with(&scene, &[JSON, header]).await;
        assert_eq!((status, &answer["error"]["code"]), (401, &json!(4100)));
    }
    assert_eq!(with(&scene, &[JSON, ("authorization", &format!("Bearer {token}"))]).await.0, 200);
    assert_eq!(scene.client.get(scene.url("/upcheck")).send().await.unwrap().status(), 200);
    assert_eq!(scene.client.get(scene.url("/healthcheck")).send().await.unwrap().status(), 401);
}

#[tokio::test]
async fn a_body_that_is_too_large_is_not_read() {
    let scene = Scene::start().await;
    let large = format!("{{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"{}\"}}", "x".repeat(1 << 20));
    let answer = scene.post(large).await;
    assert_eq!(answer.status(), 413);
    let answer: Value = answer.json().await.unwrap();
    assert_eq!(
        (&answer["error"]["code"], &answer["error"]["data"]["code"]),
        (&json!(-32600), &json!("E2808"))
    );
}

#[tokio::test]
async fn a_signer_does_not_start_open_with_a_weak_token_or_before_another_chain() {
    let chain = Chain::start().await;
    let start = async |listen: &str, chain_id: u64, token: Option<&str>| {
        let config =
            Config { token: token.map(|token| Zeroizing::new(token.into())), ..Config::new(chain_id) };
        let node = Downstream::new(&chain.url, Duration::from_secs(5)).unwrap();
        let started = Signer::start(config, listen.parse().unwrap(), node, Purse::new(1)).await;
        started.map(|signer| signer.address())
    };
    assert!(matches!(start("0.0.0.0:0", CHAIN_ID, None).await, Err(StartError::Open(_))));
    for token in ["short", "a token with spaces that is long enough, ä"] {
        assert!(matches!(start("127.0.0.1:0", CHAIN_ID, Some(token)).await, Err(StartError::Token)));
    }
    let wrong = start("127.0.0.1:0", 1, None).await;
    assert!(matches!(wrong, Err(StartError::Chain { wanted: 1, found: CHAIN_ID })));
    assert!(start("127.0.0.1:0", CHAIN_ID, Some(&"x".repeat(32))).await.is_ok());
}

#[tokio::test]
async fn a_signer_that_stops_finishes_what_it_has_begun() {
    let scene = Scene::start().await;
    scene.purse.gate.forget_permits(tokio::sync::Semaphore::MAX_PERMITS);
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": "eth_sendTransaction", "params": scene.transfer(json!({})) });
    let request = scene.client.post(scene.url("/")).json(&body).send();
    let request = tokio::spawn(request);
    while scene.purse.asked() < 1 {
        tokio::task::yield_now().await;
    }
    let Scene { signer, purse, .. } = scene;
    let (answer, ()) = tokio::join!(request, async {
        let stop = signer.stop(Duration::from_secs(20));
        tokio::join!(stop, async { purse.gate.add_permits(10) });
    });
    let answer: Value = answer.unwrap().unwrap().json().await.unwrap();
    assert!(answer["result"].is_string(), "{answer}");
}

#[tokio::test]
async fn a_signer_that_stops_finishes_what_callers_have_left() {
    let scene = Scene::with(|config| config.limits.requests = 1).await;
    scene.purse.gate.forget_permits(tokio::sync::Semaphore::MAX_PERMITS);
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": "eth_sendTransaction", "params": scene.transfer(json!({})) });
    let left = tokio::time::timeout(Duration::from_millis(300), scene.post(body.to_string())).await;
    assert!(left.is_err());
    while scene.purse.asked() < 1 {
        tokio::task::yield_now().await;
    }
    // It makes no room by leaving, also when the connection is long gone.
    for _ in 0..20 {
        let ask = json!({ "jsonrpc": "2.0", "id": 1, "method": "eth_chainId", "params": [] });
        assert_eq!(scene.say(&ask).await["error"]["data"]["code"], "E5002");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let Scene { signer, purse, chain, .. } = scene;
    tokio::join!(signer.stop(Duration::from_secs(20)), async { purse.gate.add_permits(10) });
    assert_eq!(chain.nonces(purse.address(0)), [0]);
}

#[tokio::test]
async fn a_node_that_comes_late_and_is_of_another_chain_gets_nothing() {
    let (chain, purse) = (Chain::start().await, Purse::new(1));
    chain.with(|ledger| (ledger.is_down, ledger.chain_id) = (true, 1));
    let node = Downstream::new(&chain.url, Duration::from_secs(5)).unwrap();
    let listen = "127.0.0.1:0".parse().unwrap();
    let signer = Signer::start(Config::new(CHAIN_ID), listen, node, purse.clone()).await.unwrap();
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let scene = Scene { chain, purse, signer, client };
    let silent = scene.send(json!({})).await.unwrap_err();
    assert_eq!(silent["data"]["code"], "E5904");
    scene.chain.with(|ledger| ledger.is_down = false);
    let error = scene.send(json!({})).await.unwrap_err();
    assert_eq!(error["data"]["code"], "E2810", "{error}");
    assert_eq!(scene.purse.asked(), 0);
}

#[tokio::test]
async fn a_signer_does_not_start_for_every_page() {
    let chain = Chain::start().await;
    for origin in ["*", "null", "https://app.example/"] {
        let config = Config { origins: vec![origin.into()], ..Config::new(CHAIN_ID) };
        let node = Downstream::new(&chain.url, Duration::from_secs(5)).unwrap();
        let started = Signer::start(config, "127.0.0.1:0".parse().unwrap(), node, Purse::new(1)).await;
        assert!(matches!(started, Err(StartError::Origin(_))), "{origin}");
    }
}
