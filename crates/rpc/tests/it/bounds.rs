//! How much somebody can make the signer hold.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::net::TcpStream;

use crate::scene::Scene;

fn code(id: u64) -> Value {
    let params = json!(["0x70997970c51812dc3a010c7d01b50e0d17dc79c8", "latest"]);
    json!({ "jsonrpc": "2.0", "id": id, "method": "eth_getCode", "params": params })
}

#[tokio::test]
async fn all_answers_that_wait_to_be_written_have_a_bound_together() {
    // Each has some two thousand bytes.
    let scene = Scene::with(|config| config.limits.answers_bytes = 5000).await;
    for _ in 0..3 {
        let answers = scene.say(&json!([code(1), code(2), code(3)])).await;
        let refused: Vec<_> = answers.as_array().unwrap().iter().filter_map(|a| a.get("error")).collect();
        assert_eq!(refused.len(), 1, "{answers}");
        assert_eq!((&refused[0]["code"], &refused[0]["data"]["code"]), (&json!(-32005), &json!("E5002")));
    }
    // What is written is free again, and what has no answer of the node needs no room.
    assert!(scene.send(json!({})).await.is_ok());
}

#[tokio::test]
async fn all_bodies_of_requests_in_progress_have_a_bound_together() {
    let scene = Scene::with(|config| config.limits.bodies_bytes = 1000).await;
    scene.purse.gate.forget_permits(tokio::sync::Semaphore::MAX_PERMITS);
    let large = json!({ "data": format!("0x{}", "00".repeat(200)) });
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": "eth_sendTransaction", "params": scene.transfer(large) });
    let first = async {
        let answer: Value = scene.post(body.to_string()).await.json().await.unwrap();
        assert!(answer["result"].is_string(), "{answer}");
    };
    let second = async {
        while scene.purse.asked() < 1 {
            tokio::task::yield_now().await;
        }
        let refused = tokio::time::timeout(Duration::from_secs(10), scene.post(body.to_string())).await;
        let refused = refused.expect("it is refused at once");
        assert_eq!(refused.status(), 429);
        let refused: Value = refused.json().await.unwrap();
        assert_eq!(refused["error"]["data"]["code"], "E5002");
        scene.purse.gate.add_permits(1000);
    };
    tokio::join!(first, second);
    let again: Value = scene.post(body.to_string()).await.json().await.unwrap();
    assert!(again["result"].is_string(), "it is free again: {again}");
}

#[tokio::test]
async fn who_has_no_place_is_not_read() {
    let scene = Scene::with(|config| config.limits.requests = 0).await;
    // What is no JSON would be told so.
    let refused = scene.post("{").await;
    assert_eq!(refused.status(), 429);
    let refused: Value = refused.json().await.unwrap();
    assert_eq!((&refused["error"]["data"]["code"], &refused["id"]), (&json!("E5002"), &Value::Null));
}

#[tokio::test]
async fn strangers_do_not_take_the_places_of_those_who_are_known() {
    let scene = Scene::with(|config| {
        config.limits.strangers = 2;
        config.limits.connections = 1;
    })
    .await;
    let mut silent = Vec::new();
    for _ in 0..6 {
        silent.push(TcpStream::connect(scene.signer.address()).await.unwrap());
    }
    let asked = scene.ask("eth_chainId", json!([]));
    let told = tokio::time::timeout(Duration::from_secs(8), asked).await.expect("one place is left");
    assert!(told.is_ok());
    // It is admitted, and the one place for those who are is taken by a connection that is kept.
    let other = reqwest::Client::builder().no_proxy().build().unwrap();
    let refused = other.post(scene.url("/")).json(&code(1)).send().await.unwrap();
    assert_eq!(refused.status(), 429);
}
