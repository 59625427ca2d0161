//! An answer that nobody has read was not told: whoever asks the same again gets it, and nothing is paid twice.

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::scene::Scene;

fn call(scene: &Scene, id: u64, value: &str) -> Value {
    let params = scene.transfer(json!({ "value": value }));
    json!({ "jsonrpc": "2.0", "id": id, "method": "eth_sendTransaction", "params": params })
}

/// Asks by hand, and reads nothing.
async fn ask(scene: &Scene, body: &Value) -> TcpStream {
    ask_on(scene, "keep-alive", body).await
}

/// The same on a connection that is kept or not.
async fn ask_on(scene: &Scene, connection: &str, body: &Value) -> TcpStream {
    let mut stream = TcpStream::connect(scene.signer.address()).await.unwrap();
    let body = body.to_string();
    let head = "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json";
    let length = body.len();
    let text = format!("{head}\r\nConnection: {connection}\r\nContent-Length: {length}\r\n\r\n{body}");
    stream.write_all(text.as_bytes()).await.unwrap();
    stream
}

fn count(scene: &Scene) -> usize {
    scene.chain.nonces(scene.purse.address(0)).len()
}

#[tokio::test]
async fn an_answer_that_lies_at_the_caller_and_is_never_read_is_left() {
    for connection in ["keep-alive", "close"] {
        leave_unread(connection).await;
    }
}

async fn leave_unread(connection: &str) {
    let scene = Scene::start().await;
    let stream = ask_on(&scene, connection, &call(&scene, 1, "0x1")).await;
    // It is there, and its caller goes without having read it.
    assert!(stream.peek(&mut [0; 64]).await.unwrap() > 0);
    drop(stream);
    let again = scene.send(json!({})).await.unwrap();
    assert_eq!((scene.chain.nonces(scene.purse.address(0)).len(), scene.purse.asked()), (1, 1));
    assert!(scene.chain.find(&again).is_some());
    scene.send(json!({})).await.unwrap();
    assert_eq!(count(&scene), 2, "that one was read");
}

#[tokio::test]
async fn an_answer_that_was_read_is_told_however_the_caller_then_goes() {
    let scene = Scene::start().await;
    for (number, connection) in (1..).zip(["keep-alive", "close", "keep-alive"]) {
        let mut stream = ask_on(&scene, connection, &call(&scene, 1, "0x1")).await;
        let mut answer = vec![0; 4096];
        let length = stream.read(&mut answer).await.unwrap();
        assert!(String::from_utf8_lossy(&answer[..length]).contains("\"result\":\"0x"));
        drop(stream);
        assert_eq!(count(&scene), number, "two with the same words are two");
    }
}

#[tokio::test]
async fn a_batch_that_breaks_off_between_its_answers_was_not_told_in_part() {
    let scene = Scene::start().await;
    scene.purse.gate.forget_permits(tokio::sync::Semaphore::MAX_PERMITS);
    let batch = json!([call(&scene, 1, "0x1"), call(&scene, 2, "0x2")]);
    let stream = ask(&scene, &batch).await;
    scene.purse.gate.add_permits(1);
    while scene.purse.asked() < 2 || count(&scene) < 1 {
        tokio::task::yield_now().await;
    }
    drop(stream);
    scene.purse.gate.add_permits(1000);
    let first = scene.send(json!({ "value": "0x1" })).await.unwrap();
    let second = scene.send(json!({ "value": "0x2" })).await.unwrap();
    assert_eq!(count(&scene), 2);
    let value = |hash| alloy_consensus::Transaction::value(&scene.chain.find(hash).unwrap());
    assert_eq!([value(&first), value(&second)], [1, 2].map(alloy_primitives::U256::from));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_alike_with_a_nonce_in_one_batch_do_not_wait_for_each_other() {
    let scene = Scene::start().await;
    for nonce in 0..20 {
        let params = scene.transfer(json!({ "nonce": format!("{nonce:#x}") }));
        let call =
            |id| json!({ "jsonrpc": "2.0", "id": id, "method": "eth_sendTransaction", "params": params });
        let answer = scene.post(json!([call(1), call(2)]).to_string());
        let answer =
            tokio::time::timeout(std::time::Duration::from_secs(20), answer).await.expect("no deadlock");
        let answers: Value = answer.json().await.unwrap();
        assert_eq!(answers[0]["result"], answers[1]["result"], "one transaction");
        assert!(answers[0]["result"].is_string(), "{answers}");
    }
}

#[tokio::test]
async fn a_notification_is_told_when_it_is_done() {
    let scene = Scene::start().await;
    let mut call = call(&scene, 1, "0x1");
    call.as_object_mut().unwrap().remove("id");
    for number in 1..=2 {
        assert_eq!(scene.post(call.to_string()).await.status(), 204);
        assert_eq!(count(&scene), number);
    }
}

#[tokio::test]
async fn a_transaction_that_was_signed_and_not_told_is_the_same_when_it_is_asked_again() {
    let scene = Scene::start().await;
    let params = scene.transfer(json!({}));
    let call = json!({ "jsonrpc": "2.0", "id": 1, "method": "eth_signTransaction", "params": params });
    let sign = async || scene.ask("eth_signTransaction", params.clone()).await.unwrap();
    // It lies there and is not read.
    let stream = ask(&scene, &call).await;
    assert!(stream.peek(&mut [0; 64]).await.unwrap() > 0);
    drop(stream);
    scene.chain.with(|ledger| ledger.base_fee = Some(9));
    let first = sign().await;
    assert_eq!(scene.purse.asked(), 1, "it is the same transaction");
    let second = sign().await;
    assert!(scene.purse.asked() == 2 && second != first, "that one was told, and this is another");
    // Its caller goes on, and by that has been told. Then it is asked again while it is signed still.
    scene.ask("eth_chainId", json!([])).await.unwrap();
    scene.chain.with(|ledger| ledger.base_fee = Some(10));
    scene.purse.gate.forget_permits(tokio::sync::Semaphore::MAX_PERMITS);
    let stream = ask(&scene, &call).await;
    while scene.purse.asked() < 3 {
        tokio::task::yield_now().await;
    }
    drop(stream);
    scene.chain.with(|ledger| ledger.base_fee = Some(11));
    let counted = scene.chain.asked("eth_getTransactionCount");
    let release = async {
        while scene.chain.asked("eth_getTransactionCount") == counted {
            tokio::task::yield_now().await;
        }
        scene.purse.gate.add_permits(1000);
    };
    tokio::join!(sign(), release);
    assert_eq!(scene.purse.asked(), 3, "it is the same transaction");
}

#[tokio::test]
async fn two_to_sign_that_are_alike_and_come_at_once_are_one() {
    let scene = Scene::start().await;
    scene.chain.with(|ledger| ledger.is_rising = true);
    let sign = async || scene.ask("eth_signTransaction", scene.transfer(json!({}))).await.unwrap();
    let (first, second) = tokio::join!(sign(), sign());
    assert_eq!((first, scene.purse.asked()), (second, 1));
}
