//! What a node behind says of prices is believed within bounds.

use alloy_consensus::Transaction;
use serde_json::json;

use crate::scene::Scene;

const GWEI: u128 = 1_000_000_000;

#[tokio::test]
async fn a_tip_that_a_node_makes_up_is_not_paid() {
    let scene = Scene::start().await;
    // With 21,000 gas, nearly one ether.
    scene.chain.with(|ledger| ledger.tip = 47_000 * GWEI);
    let tx = scene.chain.find(&scene.send(json!({})).await.unwrap()).unwrap();
    assert_eq!((tx.max_priority_fee_per_gas(), tx.max_fee_per_gas()), (Some(50 * GWEI), 50 * GWEI + 14));
    // What the caller says holds.
    let tip = format!("{:#x}", 60 * GWEI);
    let tx = scene.chain.find(&scene.send(json!({ "maxPriorityFeePerGas": tip })).await.unwrap()).unwrap();
    assert_eq!(tx.max_priority_fee_per_gas(), Some(60 * GWEI));
    // A base fee is of the node as well, and no measure for a tip.
    scene.chain.with(|ledger| ledger.base_fee = Some(100 * GWEI));
    let tx = scene.chain.find(&scene.send(json!({})).await.unwrap()).unwrap();
    assert_eq!((tx.max_priority_fee_per_gas(), tx.max_fee_per_gas()), (Some(50 * GWEI), 250 * GWEI));
    let scene = Scene::with(|config| config.tip_max = None).await;
    scene.chain.with(|ledger| ledger.tip = 60 * GWEI);
    let tx = scene.chain.find(&scene.send(json!({})).await.unwrap()).unwrap();
    assert_eq!(tx.max_priority_fee_per_gas(), Some(60 * GWEI));
}

#[tokio::test]
async fn a_price_that_is_paid_whole_has_the_limit_of_a_tip() {
    let scene = Scene::start().await;
    scene.chain.with(|ledger| ledger.price = 51 * GWEI);
    let refused = async |more: serde_json::Value| {
        let error = scene.send(more).await.unwrap_err();
        assert_eq!((&error["code"], &error["data"]["code"]), (&json!(-32003), &json!("E2807")), "{error}");
        assert!(error["message"].as_str().unwrap().contains("tip_max"), "{error}");
    };
    refused(json!({ "type": "0x0" })).await;
    refused(json!({ "accessList": [], "type": "0x1" })).await;
    // A node that keeps the base fee back makes the chain look older than it is.
    scene.chain.with(|ledger| ledger.base_fee = None);
    refused(json!({})).await;
    assert_eq!(scene.purse.asked(), 0);
    let said = json!({ "gasPrice": format!("{:#x}", 51 * GWEI) });
    assert!(scene.send(said).await.is_ok(), "what the caller says holds");
    scene.chain.with(|ledger| ledger.price = 50 * GWEI);
    assert!(scene.send(json!({})).await.is_ok());
}

#[tokio::test]
async fn a_price_of_the_node_has_a_limit_and_one_of_the_caller_has_not() {
    let scene = Scene::start().await;
    scene.chain.with(|ledger| ledger.base_fee = Some(250 * GWEI));
    let error = scene.send(json!({})).await.unwrap_err();
    assert_eq!((&error["code"], &error["data"]["code"]), (&json!(-32003), &json!("E2807")), "{error}");
    assert!(error["message"].as_str().unwrap().contains("price_max"), "{error}");
    assert_eq!(scene.purse.asked(), 0);
    let said = json!({ "maxFeePerGas": format!("{:#x}", 600 * GWEI) });
    let tx = scene.chain.find(&scene.send(said).await.unwrap()).unwrap();
    assert_eq!(tx.max_fee_per_gas(), 600 * GWEI);
    let scene = Scene::with(|config| config.price_max = Some(99)).await;
    // Its price before EIP-1559 is 100.
    let error = scene.send(json!({ "type": "0x0" })).await.unwrap_err();
    assert_eq!(error["data"]["code"], "E2807");
    let scene = Scene::with(|config| config.price_max = None).await;
    scene.chain.with(|ledger| ledger.base_fee = Some(250 * GWEI));
    assert!(scene.send(json!({})).await.is_ok());
}
