//! JSON-RPC: batches, notifications, what is passed on, what is not, and nonsense.

use alloy_consensus::Transaction;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};

use crate::scene::Scene;

#[tokio::test]
async fn a_batch_is_answered_in_its_order_and_each_for_itself() {
    let scene = Scene::start().await;
    let batch = json!([
        { "jsonrpc": "2.0", "id": "a", "method": "eth_chainId" },
        { "jsonrpc": "2.0", "method": "eth_chainId" },
        7,
        { "jsonrpc": "2.0", "id": 2, "method": "personal_unlockAccount", "params": [] },
        { "jsonrpc": "2.0", "id": null, "method": "eth_blockNumber", "params": [] },
    ]);
    let answer = scene.say(&batch).await;
    let answers = answer.as_array().unwrap();
    assert_eq!(answers.len(), 4, "a notification is not answered");
    assert_eq!(answers[0], json!({ "jsonrpc": "2.0", "id": "a", "result": "0x7a69" }));
    assert_eq!((&answers[1]["id"], &answers[1]["error"]["code"]), (&Value::Null, &json!(-32600)));
    assert_eq!((&answers[2]["id"], &answers[2]["error"]["data"]["code"]), (&json!(2), &json!("E2804")));
    assert_eq!(answers[3], json!({ "jsonrpc": "2.0", "id": null, "result": "0x1" }));
    let quiet = scene.post(json!([{ "jsonrpc": "2.0", "method": "eth_chainId" }]).to_string()).await;
    assert_eq!(quiet.status(), 204);
    let hundred = Value::from(vec![json!({ "jsonrpc": "2.0", "id": 1, "method": "eth_chainId" }); 100]);
    assert_eq!(scene.say(&hundred).await.as_array().map(Vec::len), Some(100));
    for bad in [json!([]), Value::from(vec![json!({}); 101])] {
        let answer = scene.say(&bad).await;
        assert_eq!((&answer["id"], &answer["error"]["code"]), (&Value::Null, &json!(-32600)));
    }
}

#[tokio::test]
async fn transactions_of_one_batch_all_have_places() {
    let scene = Scene::start().await;
    let one = |value: u64| {
        let params = scene.transfer(json!({ "value": format!("{value:#x}") }));
        json!({ "jsonrpc": "2.0", "id": value, "method": "eth_sendTransaction", "params": params })
    };
    let answer = scene.say(&(1..=50).map(one).collect()).await;
    assert!(answer.as_array().unwrap().iter().all(|answer| answer["result"].is_string()), "{answer}");
    assert_eq!(scene.chain.nonces(scene.purse.address(0)), (0..50).collect::<Vec<_>>());
    for (nonce, answer) in (0u64..).zip(answer.as_array().unwrap()) {
        assert_eq!(scene.chain.find(&answer["result"]).unwrap().nonce(), nonce, "in the order of the batch");
    }
}

#[tokio::test]
async fn answers_that_are_too_long_together_are_refused_but_for_short_ones() {
    let scene = Scene::with(|config| config.limits.batch_answer_bytes = 5000).await;
    let one = |method: &str| json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": [] });
    let long = "eth_getCode";
    let batch: Value = [long, long, long, "eth_blockNumber"].map(one).into_iter().collect();
    let answers = scene.say(&batch).await;
    assert!(answers[0]["result"].is_string() && answers[1]["result"].is_string());
    assert_eq!(answers[2]["error"]["data"]["code"], "E2808");
    assert_eq!(answers[3]["result"], "0x1");
}

#[tokio::test]
async fn what_needs_no_key_is_passed_on_and_errors_come_back_as_they_are() {
    let scene = Scene::with(|config| config.methods = vec!["anvil_*".into()]).await;
    assert_eq!(scene.ask("eth_blockNumber", json!([])).await.unwrap(), "0x1");
    assert_eq!(
        scene.ask("eth_call", json!([{}, "latest"])).await.unwrap_err(),
        json!({ "code": 3, "message": "execution reverted" })
    );
    // The node says that it does not know the method: it was asked.
    let foreign = scene.ask("anvil_mine", json!([])).await.unwrap_err();
    assert_eq!(foreign, json!({ "code": -32601, "message": "the method does not exist" }));
    for method in ["eth_sign3", "wallet_sendTransaction", "debug_setHead", "eth_sendUnsignedTransaction"] {
        let refused = scene.ask(method, json!([])).await.unwrap_err();
        assert_eq!((&refused["code"], &refused["data"]["code"]), (&json!(-32601), &json!("E2804")));
        assert_eq!(scene.chain.asked(method), 0);
    }
}

#[tokio::test]
async fn a_node_that_is_not_there_is_told_apart_from_one_that_says_no() {
    let scene = Scene::start().await;
    scene.chain.behaves(|_, _| crate::chain::Mood::Loses);
    let lost = scene.ask("eth_sendRawTransaction", json!(["0x00"])).await;
    // The chain of the test panics at nonsense, and its connection breaks.
    let lost = lost.unwrap_err();
    assert_eq!((&lost["code"], &lost["data"]["code"]), (&json!(-32603), &json!("E5904")), "{lost}");
    assert!(!lost.to_string().contains(&scene.chain.url), "its address may be a secret: {lost}");
}

#[tokio::test]
async fn every_answer_has_the_name_of_its_request() {
    let scene = Scene::start().await;
    let request = scene.client.post(scene.url("/eth")).header("x-request-id", "order-66");
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": "eth_nothing" });
    let answer = request.json(&body).send().await.unwrap();
    assert_eq!(answer.headers()["x-request-id"], "order-66");
    assert_eq!(answer.headers()["cache-control"], "no-store");
    let answer: Value = answer.json().await.unwrap();
    assert_eq!(answer["error"]["data"]["trace"], "order-66");
}

#[tokio::test]
async fn more_requests_than_there_is_room_for_are_refused_at_once() {
    let scene = Scene::with(|config| config.limits.requests = 1).await;
    scene.purse.gate.forget_permits(tokio::sync::Semaphore::MAX_PERMITS);
    let signing = scene.ask("personal_sign", json!(["0x00", scene.account()]));
    let second = async {
        while scene.purse.asked() < 1 {
            tokio::task::yield_now().await;
        }
        let call = json!({ "jsonrpc": "2.0", "id": 1, "method": "eth_chainId" });
        let refused = scene.say(&call).await["error"].clone();
        scene.purse.gate.add_permits(1);
        refused
    };
    let (signed, refused) = tokio::join!(signing, second);
    assert!(signed.is_ok());
    assert_eq!((&refused["code"], &refused["data"]["code"]), (&json!(-32005), &json!("E5002")));
}

const METHODS: &[&str] =
    &["eth_sendTransaction", "eth_signTransaction", "eth_signTypedData_v4", "eth_accounts", "eth_sign"];

/// Values as somebody hostile might make them up.
fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(|number| json!(number)),
        "(0x)?[0-9a-fA-F]{0,70}".prop_map(Value::from),
        ".{0,20}".prop_map(Value::from),
        // The first account.
        Just(json!("0x1a642f0e3c3af545e7acbd38b07251b3990914f1")),
    ];
    leaf.prop_recursive(4, 32, 6, |inner| {
        let name = prop_oneof![
            Just("from".to_owned()),
            Just("to".to_owned()),
            Just("value".to_owned()),
            Just("type".to_owned()),
            Just("accessList".to_owned()),
            Just("authorizationList".to_owned()),
            Just("types".to_owned()),
            Just("primaryType".to_owned()),
            Just("domain".to_owned()),
            Just("message".to_owned()),
            ".{0,6}"
        ];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::vec((name, inner), 0..6).prop_map(|members| members.into_iter().collect()),
        ]
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nonsense_is_answered_and_does_no_harm() {
    let scene = Scene::start().await;
    let runtime = tokio::runtime::Handle::current();
    tokio::task::block_in_place(|| {
        let config = ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() };
        let mut runner = TestRunner::new(config);
        let strategy = (prop::sample::select(METHODS), value());
        runner
            .run(&strategy, |(method, params)| {
                let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
                let answer = runtime.block_on(scene.say(&body));
                prop_assert!(answer["error"]["code"].is_i64() || !answer["result"].is_null(), "{}", answer);
                Ok(())
            })
            .unwrap();
        runner
            .run(&prop::collection::vec(any::<u8>(), 0..300), |bytes| {
                let answer: Value = runtime.block_on(async { scene.post(bytes).await.json().await.unwrap() });
                prop_assert!(answer["error"]["code"].is_i64(), "{}", answer);
                Ok(())
            })
            .unwrap();
    });
    assert!(scene.send(json!({})).await.is_ok(), "it is as well as before");
}
