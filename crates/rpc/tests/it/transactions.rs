//! Transactions of all types: what is filled, what is signed, what is refused.

use std::time::{Duration, Instant};

use alloy_consensus::{Transaction, TxEnvelope};
use alloy_eips::eip2718::Decodable2718;
use alloy_primitives::keccak256;
use keymoot_rpc::{Refusal, Shape};
use serde_json::{Value, json};

use crate::chain::sender;
use crate::scene::{Scene, TO};

#[tokio::test]
async fn what_is_missing_is_filled_by_the_node_behind() {
    let scene = Scene::start().await;
    let of = async |more: Value| {
        let hash = scene.send(more).await.expect("a hash");
        let tx = scene.chain.find(&hash).expect("a transaction");
        assert_eq!(sender(&tx), scene.purse.address(0));
        tx
    };
    let plain = of(json!({})).await;
    assert_eq!(u8::from(plain.tx_type()), 2);
    // Twice the base fee of 7, and the tip of 3.
    assert_eq!(
        (plain.max_fee_per_gas(), plain.max_priority_fee_per_gas(), plain.gas_limit()),
        (17, Some(3), 21_000)
    );
    let capped = of(json!({ "maxFeePerGas": "0x8" })).await;
    assert_eq!((capped.max_fee_per_gas(), capped.max_priority_fee_per_gas()), (8, Some(3)));
    let low = of(json!({ "maxFeePerGas": "0x7", "maxPriorityFeePerGas": "0x0", "gas": "0x10000" })).await;
    assert_eq!(
        (low.max_fee_per_gas(), low.max_priority_fee_per_gas(), low.gas_limit()),
        (7, Some(0), 65_536)
    );
    let legacy = of(json!({ "gasPrice": "0x9" })).await;
    assert_eq!((u8::from(legacy.tx_type()), legacy.gas_price()), (0, Some(9)));
    let filled = of(json!({ "type": "0x0" })).await;
    assert_eq!((u8::from(filled.tx_type()), filled.gas_price()), (0, Some(100)));
    let listed = of(json!({ "type": "0x1", "accessList": [{ "address": TO, "storageKeys": [] }] })).await;
    assert_eq!((u8::from(listed.tx_type()), listed.access_list().map(|list| list.len())), (1, Some(1)));
    let created = scene
        .ask("eth_sendTransaction", json!([{ "from": scene.account(), "data": "0x6000" }]))
        .await
        .expect("a hash");
    assert_eq!(scene.chain.find(&created).and_then(|tx| tx.to()), None);
}

#[tokio::test]
async fn a_chain_from_before_eip_1559_has_one_price() {
    let scene = Scene::start().await;
    scene.chain.with(|ledger| ledger.base_fee = None);
    let hash = scene.send(json!({})).await.unwrap();
    let tx = scene.chain.find(&hash).unwrap();
    assert_eq!((u8::from(tx.tx_type()), tx.gas_price()), (0, Some(100)));
    let error = scene.send(json!({ "maxFeePerGas": "0x1" })).await.unwrap_err();
    assert_eq!((&error["code"], &error["data"]["field"]), (&json!(-32602), &json!("type")));
}

fn complete(scene: &Scene, more: Value) -> Value {
    let mut whole =
        json!({ "nonce": "0x7", "gas": "0x5208", "maxFeePerGas": "0x10", "maxPriorityFeePerGas": "0x1" });
    for (name, value) in more.as_object().unwrap() {
        whole[name] = value.clone();
    }
    scene.transfer(whole)
}

#[tokio::test]
async fn a_whole_transaction_is_signed_without_the_node_behind() {
    let scene = Scene::start().await;
    let before = scene.chain.with(|ledger| ledger.asked.len());
    let raw =
        scene.ask("eth_signTransaction", complete(&scene, json!({ "chainId": "0x7a69" }))).await.unwrap();
    let bytes = hex::decode(raw.as_str().unwrap().strip_prefix("0x").unwrap()).unwrap();
    let tx = TxEnvelope::decode_2718_exact(&bytes).unwrap();
    assert_eq!((sender(&tx), tx.nonce()), (scene.purse.address(0), 7));
    let again =
        scene.ask("eth_signTransaction", complete(&scene, json!({ "chainId": "0x7a69" }))).await.unwrap();
    assert_eq!(again, raw, "the same again is the same");
    assert_eq!(scene.chain.with(|ledger| ledger.asked.len()), before);
    // A place that is not said is the next one, and stays free.
    let params = scene.transfer(json!({}));
    scene.ask("eth_signTransaction", params.clone()).await.unwrap();
    let hash = scene.send(json!({})).await.unwrap();
    assert_eq!(scene.chain.find(&hash).unwrap().nonce(), 0);
}

#[tokio::test]
async fn blobs_and_authorisations_are_signed_and_shown_as_nodes_show_them() {
    let scene = Scene::with(|config| config.shape = Shape::Both).await;
    let hash = format!("0x01{}", "ab".repeat(31));
    let blobs = json!({ "blobVersionedHashes": [hash], "maxFeePerBlobGas": "0x5", "type": "0x3" });
    let signed = scene.ask("eth_signTransaction", complete(&scene, blobs.clone())).await.unwrap();
    let tx = &signed["tx"];
    assert_eq!(
        (&tx["type"], &tx["blobVersionedHashes"][0], &tx["maxFeePerBlobGas"]),
        (&json!("0x3"), &json!(hash), &json!("0x5"))
    );
    let error = scene.ask("eth_sendTransaction", complete(&scene, blobs)).await.unwrap_err();
    assert_eq!(error["data"]["field"], "blobVersionedHashes", "they cannot be sent without the blobs");
    let signed_elsewhere = json!({ "chainId": "0x7a69", "address": TO, "nonce": "0x1", "yParity": "0x0", "r": "0x1", "s": "0x1" });
    let list = json!({ "authorizationList": [signed_elsewhere] });
    let signed = scene.ask("eth_signTransaction", complete(&scene, list)).await.unwrap();
    let bytes = hex::decode(signed["raw"].as_str().unwrap().strip_prefix("0x").unwrap()).unwrap();
    let tx = &signed["tx"];
    assert_eq!(tx["hash"], format!("0x{}", hex::encode(keccak256(&bytes))));
    assert_eq!((&tx["type"], &tx["authorizationList"][0]["address"]), (&json!("0x4"), &json!(TO)));
    let legacy = scene.transfer(json!({ "nonce": "0x0", "gas": "0x5208", "gasPrice": "0x1" }));
    let signed = scene.ask("eth_signTransaction", legacy).await.unwrap();
    assert!(["0xf4f5", "0xf4f6"].contains(&signed["tx"]["v"].as_str().unwrap()), "EIP-155: {signed}");
}

#[tokio::test]
async fn bad_input_is_refused_by_its_field_before_the_cluster_is_asked() {
    let scene = Scene::start().await;
    let too_wide = format!("0x1{}", "0".repeat(64));
    for (more, code, field) in [
        (json!({ "chainId": "0x1" }), "E2806", "chainId"),
        (json!({ "type": "0x7f" }), "E2803", "type"),
        (json!({ "value": too_wide }), "E2803", "value"),
        (json!({ "value": format!("0x{}", "f".repeat(64)) }), "E2803", "value"),
        (json!({ "input": "0xabc" }), "E2803", "input"),
        (json!({ "nonce": "0x00" }), "E2803", "nonce"),
        (json!({ "input": format!("0x{}", "00".repeat(130 << 10)), "gas": "0x1" }), "E2107", "transaction"),
    ] {
        for method in ["eth_sendTransaction", "eth_signTransaction"] {
            let error = scene.ask(method, scene.transfer(more.clone())).await.unwrap_err();
            assert_eq!((&error["code"], &error["data"]["code"]), (&json!(-32602), &json!(code)), "{error}");
            assert_eq!(error["data"]["field"], field);
        }
    }
    let error =
        scene.send(json!({ "maxFeePerGas": "0xffffffffffffffff", "maxPriorityFeePerGas": "0x1" })).await;
    let error = error.unwrap_err();
    assert_eq!((&error["code"], &error["data"]["code"]), (&json!(-32003), &json!("E2807")), "{error}");
    assert_eq!(scene.purse.asked(), 0);
    assert!(scene.send(json!({})).await.is_ok(), "no place was lost");
}

#[tokio::test]
async fn what_the_cluster_says_keeps_its_code_and_gets_its_number() {
    let scene = Scene::start().await;
    for (number, code) in
        [(4001, "E2101"), (4100, "E2106"), (-32002, "E2104"), (-32005, "E5002"), (-32603, "E5901")]
    {
        scene.purse.fails(move |_, _| Some(Refusal::new(number, code, "no").with("request", "req_1")));
        for (method, params) in [
            ("eth_sendTransaction", scene.transfer(json!({}))),
            ("eth_signTransaction", complete(&scene, json!({}))),
            ("personal_sign", json!(["0x00", scene.account()])),
        ] {
            let error = scene.ask(method, params).await.unwrap_err();
            assert_eq!((&error["code"], &error["data"]["code"]), (&json!(number), &json!(code)), "{method}");
            assert_eq!(error["data"]["request"], "req_1");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reading_and_answering_takes_little_time() {
    let scene = Scene::start().await;
    let mut times = Vec::new();
    for nonce in 0..100 {
        let params = complete(&scene, json!({ "nonce": format!("{nonce:#x}") }));
        let began = Instant::now();
        scene.ask("eth_signTransaction", params).await.unwrap();
        times.push(began.elapsed());
    }
    times.sort();
    println!("p50 {:?}, p99 {:?}", times[50], times[99]);
    assert!(times[50] < Duration::from_millis(50), "{:?}", times[50]);
}
