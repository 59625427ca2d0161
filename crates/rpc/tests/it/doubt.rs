//! What may have happened is never paid a second time, whatever the node behind says, and whoever asks again.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use alloy_consensus::{Transaction, TxEnvelope};
use alloy_eips::eip2718::Decodable2718;
use futures_util::future::join_all;
use keymoot_rpc::Refusal;
use serde_json::{Value, json};

use crate::chain::Mood;
use crate::scene::Scene;

fn must_be_in_doubt(error: &Value) {
    assert_eq!((&error["code"], &error["data"]["code"]), (&json!(-32603), &json!("E5905")), "{error}");
    assert_eq!(error["data"]["hash"].as_str().map(str::len), Some(66), "{error}");
}

fn count(scene: &Scene) -> usize {
    scene.chain.with(|ledger| ledger.taken.len())
}

#[tokio::test]
async fn a_proxy_that_asks_twice_before_a_node_that_is_behind_does_not_make_two_payments_of_one() {
    let scene = Scene::start().await;
    // The first node takes it; the second, which the proxy asks too, counts it and does not know its hash yet.
    scene.chain.behaves(|_, _| Mood::TakesAndSays(200, -32000, "nonce too low"));
    scene.chain.with(|ledger| ledger.lags = true);
    let error = scene.send(json!({})).await.unwrap_err();
    must_be_in_doubt(&error);
    assert_eq!((count(&scene), scene.purse.asked()), (1, 1));
    let again = scene.send(json!({})).await.unwrap_err();
    must_be_in_doubt(&again);
    assert_eq!((count(&scene), scene.purse.asked()), (1, 1), "asked again, it is the same payment");
    scene.chain.with(|ledger| ledger.lags = false);
    let found = scene.send(json!({})).await.unwrap();
    assert_eq!((&found, count(&scene)), (&error["data"]["hash"], 1));
}

#[tokio::test]
async fn an_error_after_a_transaction_was_passed_on_is_no_rejection() {
    let cases = [
        (200, -32603, "internal error"),
        (200, -32603, "insufficient funds for gas * price + value"),
        (200, -32002, "request timed out"),
        (502, -32000, "bad gateway"),
        (504, -32000, "insufficient funds for gas * price + value"),
        (200, -32000, "context deadline exceeded"),
        (200, 42, "who knows"),
    ];
    join_all(cases.map(async |(status, number, text)| {
        let scene = Scene::start().await;
        scene.chain.behaves(move |_, _| Mood::TakesAndSays(status, number, text));
        let hash = scene.send(json!({})).await.unwrap();
        assert!(scene.chain.find(&hash).is_some(), "the node knows it: {text}");
        scene.chain.with(|ledger| ledger.lags = true);
        let error = scene.send(json!({ "value": "0x2" })).await.unwrap_err();
        must_be_in_doubt(&error);
        scene.chain.with(|ledger| ledger.lags = false);
        let again = scene.send(json!({ "value": "0x2" })).await.unwrap();
        assert_eq!((&again, count(&scene)), (&error["data"]["hash"], 2), "{text}");
    }))
    .await;
}

#[tokio::test]
async fn what_was_lost_on_its_way_is_sent_again_as_it_was() {
    let scene = Scene::start().await;
    scene.chain.behaves(|_, _| Mood::Says(503, -32000, "no backend"));
    let error = scene.send(json!({})).await.unwrap_err();
    must_be_in_doubt(&error);
    scene.chain.behaves(|_, _| Mood::Takes);
    scene.chain.with(|ledger| ledger.base_fee = Some(8));
    assert_eq!(scene.send(json!({})).await.unwrap(), error["data"]["hash"]);
    let other = scene.send(json!({})).await.unwrap();
    assert_eq!(scene.chain.find(&other).unwrap().nonce(), 1, "what is done is not held");
}

#[tokio::test]
async fn a_rejection_names_the_hash_and_an_unknown_type_is_not_a_known_transaction() {
    let scene = Scene::start().await;
    scene.chain.behaves(|_, _| Mood::Says(200, -32000, "unknown transaction type"));
    let error = scene.send(json!({})).await.unwrap_err();
    assert_eq!((&error["code"], &error["message"]), (&json!(-32000), &json!("unknown transaction type")));
    assert_eq!(error["data"]["hash"].as_str().map(str::len), Some(66));
    // A node that says it has it, and has it not.
    scene.chain.behaves(|_, _| Mood::Says(200, -32000, "already known"));
    must_be_in_doubt(&scene.send(json!({})).await.unwrap_err());
    assert_eq!(count(&scene), 0);
}

/// What a cluster was asked for.
type Payloads = Arc<Mutex<Vec<Vec<u8>>>>;

/// A cluster that does not finish until it is told to, and all that it is asked for.
fn unfinished(scene: &Scene) -> (Arc<AtomicBool>, Payloads) {
    let (is_over, asked) = (Arc::new(AtomicBool::new(false)), Payloads::default());
    let (over, seen) = (is_over.clone(), asked.clone());
    scene.purse.fails(move |_, asked| {
        seen.lock().unwrap().push(asked.payload.bytes().to_vec());
        (!over.load(Ordering::SeqCst)).then(|| Refusal::new(-32002, "E2110", "not ready yet"))
    });
    (is_over, asked)
}

#[tokio::test]
async fn a_request_that_is_not_finished_is_the_same_when_it_is_asked_again() {
    for method in ["eth_sendTransaction", "eth_signTransaction"] {
        let scene = Scene::start().await;
        let (is_over, asked) = unfinished(&scene);
        let error = scene.ask(method, scene.transfer(json!({}))).await.unwrap_err();
        assert_eq!((&error["code"], &error["data"]["nonce"]), (&json!(-32002), &json!("0x0")), "{error}");
        // The next block is dearer, and somebody moves on the account.
        scene.chain.with(|ledger| ledger.base_fee = Some(9));
        scene.ask(method, scene.transfer(json!({}))).await.unwrap_err();
        is_over.store(true, Ordering::SeqCst);
        scene.ask(method, scene.transfer(json!({}))).await.unwrap();
        let asked = asked.lock().unwrap().clone();
        assert!(asked.len() == 3 && asked.iter().all(|payload| *payload == asked[0]), "{method}");
    }
}

#[tokio::test]
async fn a_payment_gets_another_place_only_when_another_transaction_is_in_a_block_at_its_own() {
    let scene = Scene::start().await;
    let (is_over, asked) = unfinished(&scene);
    scene.send(json!({ "value": "0x2" })).await.unwrap_err();
    is_over.store(true, Ordering::SeqCst);
    scene.chain.with(|ledger| ledger.is_mining = false);
    let other = scene.send(json!({ "value": "0x3" })).await.unwrap();
    assert_eq!(scene.chain.find(&other).unwrap().nonce(), 0, "a place that came back goes to the next");
    let error = scene.send(json!({ "value": "0x2" })).await.unwrap_err();
    assert_eq!((&error["code"], &error["data"]["other"]), (&json!(-32002), &other), "{error}");
    assert_eq!(asked.lock().unwrap().len(), 2, "nothing was signed for another place");
    scene.chain.with(|ledger| ledger.is_mining = true);
    let hash = scene.send(json!({ "value": "0x2" })).await.unwrap();
    assert_eq!(scene.chain.find(&hash).unwrap().nonce(), 1);
}

#[tokio::test]
async fn a_denial_and_a_rejection_may_be_lies_and_free_no_payment_for_another_place() {
    for is_denied in [true, false] {
        let scene = Scene::start().await;
        let asked = Payloads::default();
        let seen = asked.clone();
        scene.purse.fails(move |number, asked| {
            seen.lock().unwrap().push(asked.payload.bytes().to_vec());
            (is_denied && number == 0).then(|| Refusal::new(4001, "E2101", "the nodes refuse"))
        });
        scene.chain.behaves(move |number, _| match number {
            0 if !is_denied => Mood::Refuses,
            _ => Mood::Takes,
        });
        let error = scene.send(json!({ "value": "0x2" })).await.unwrap_err();
        let wanted = if is_denied { 4001 } else { -32000 };
        assert_eq!((&error["code"], &error["data"]["nonce"]), (&json!(wanted), &json!("0x0")), "{error}");
        // It holds nobody up: its place goes to the next.
        scene.chain.with(|ledger| ledger.is_mining = false);
        let other = scene.send(json!({ "value": "0x3" })).await.unwrap();
        assert_eq!(scene.chain.find(&other).unwrap().nonce(), 0);
        let waits = scene.send(json!({ "value": "0x2" })).await.unwrap_err();
        assert_eq!((&waits["code"], &waits["data"]["other"]), (&json!(-32002), &other), "{waits}");
        assert_eq!(asked.lock().unwrap().len(), 2, "nothing was signed for another place");
        scene.chain.with(|ledger| ledger.is_mining = true);
        let hash = scene.send(json!({ "value": "0x2" })).await.unwrap();
        assert_eq!((scene.chain.find(&hash).unwrap().nonce(), count(&scene)), (1, 2));
    }
}

#[tokio::test]
async fn what_was_denied_or_rejected_goes_well_later_and_is_the_same_transaction() {
    for method in ["eth_sendTransaction", "eth_signTransaction"] {
        let scene = Scene::start().await;
        let asked = Payloads::default();
        let seen = asked.clone();
        scene.purse.fails(move |number, asked| {
            seen.lock().unwrap().push(asked.payload.bytes().to_vec());
            (number == 0).then(|| Refusal::new(4001, "E2101", "the nodes refuse"))
        });
        scene.ask(method, scene.transfer(json!({}))).await.unwrap_err();
        scene.chain.with(|ledger| ledger.base_fee = Some(9));
        scene.ask(method, scene.transfer(json!({}))).await.unwrap();
        let asked = asked.lock().unwrap().clone();
        assert!(asked.len() == 2 && asked[0] == asked[1], "{method}");
    }
    let scene = Scene::start().await;
    scene.chain.behaves(|_, _| Mood::Refuses);
    let error = scene.send(json!({})).await.unwrap_err();
    scene.chain.with(|ledger| ledger.base_fee = Some(9));
    assert_eq!(scene.send(json!({})).await.unwrap_err()["data"]["hash"], error["data"]["hash"]);
    // There are funds now.
    scene.chain.behaves(|_, _| Mood::Takes);
    assert_eq!(scene.send(json!({})).await.unwrap(), error["data"]["hash"]);
    let other = scene.send(json!({})).await.unwrap();
    assert_eq!(scene.chain.find(&other).unwrap().nonce(), 1, "what is done is not held");
}

#[tokio::test]
async fn of_one_payment_each_transaction_that_may_have_been_sent_is_looked_for() {
    let scene = Scene::with(|config| config.limits.same = Duration::ZERO).await;
    let seen = Arc::new(Mutex::new(Vec::new()));
    let sent = seen.clone();
    scene.chain.behaves(move |_, tx| {
        sent.lock().unwrap().push(tx.clone());
        Mood::Loses
    });
    let first = scene.send(json!({})).await.unwrap_err();
    must_be_in_doubt(&first);
    // Asked again after a while it is dearer, and in doubt as well.
    scene.chain.with(|ledger| ledger.base_fee = Some(9));
    let second = scene.send(json!({})).await.unwrap_err();
    must_be_in_doubt(&second);
    assert_ne!(first["data"]["hash"], second["data"]["hash"]);
    // Then it turns out that the first has come through.
    let late = seen.lock().unwrap()[0].clone();
    scene.chain.with(|ledger| ledger.taken.insert((scene.purse.address(0), 0), late));
    assert_eq!(scene.send(json!({})).await.unwrap(), first["data"]["hash"]);
    assert_eq!((count(&scene), scene.purse.asked()), (1, 2));
}

#[tokio::test]
async fn one_that_is_only_signed_gets_another_place_only_when_it_cannot_happen_at_its_own() {
    let scene = Scene::with(|config| config.limits.same = Duration::ZERO).await;
    let (is_over, asked) = unfinished(&scene);
    let sign = async || scene.ask("eth_signTransaction", scene.transfer(json!({ "value": "0x2" }))).await;
    sign().await.unwrap_err();
    is_over.store(true, Ordering::SeqCst);
    scene.chain.with(|ledger| ledger.is_mining = false);
    let other = scene.send(json!({ "value": "0x3" })).await.unwrap();
    let error = sign().await.unwrap_err();
    assert_eq!((&error["code"], &error["data"]["other"]), (&json!(-32002), &other), "{error}");
    assert_eq!(asked.lock().unwrap().len(), 2, "nothing was signed for another place");
    scene.chain.with(|ledger| ledger.is_mining = true);
    let raw = sign().await.unwrap();
    let raw = hex::decode(raw.as_str().unwrap().trim_start_matches("0x")).unwrap();
    let signed = TxEnvelope::decode_2718_exact(&raw).unwrap();
    assert_eq!(signed.nonce(), 1);
}
