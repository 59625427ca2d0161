//! The paths of Web3Signer.

use alloy_consensus::{SignableTransaction, TxLegacy};
use alloy_primitives::{U256, keccak256};
use serde_json::{Value, json};

use crate::chain::{CHAIN_ID, recover};
use crate::scene::Scene;

async fn sign(scene: &Scene, key: &str, data: &[u8]) -> (u16, String) {
    let request = scene.client.post(scene.url(&format!("/api/v1/eth1/sign/{key}")));
    let answer = request.json(&json!({ "data": format!("0x{}", hex::encode(data)) })).send().await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

fn unsigned(chain_id: Option<u64>) -> Vec<u8> {
    let mut bytes = Vec::new();
    let to = alloy_primitives::TxKind::Call([7; 20].into());
    TxLegacy { chain_id, gas_price: 1, gas_limit: 21_000, to, value: U256::from(1), ..TxLegacy::default() }
        .encode_for_signing(&mut bytes);
    bytes
}

#[tokio::test]
async fn health_is_told_and_public_keys_are_listed() {
    let scene = Scene::start().await;
    let get = async |path: &str| scene.client.get(scene.url(path)).send().await.unwrap();
    assert_eq!(get("/upcheck").await.text().await.unwrap(), "OK");
    let health: Value = get("/healthcheck").await.json().await.unwrap();
    assert_eq!((&health["status"], &health["outcome"]), (&json!("UP"), &json!("UP")));
    let keys: Value = get("/api/v1/eth1/publicKeys").await.json().await.unwrap();
    let wanted: Vec<String> =
        (0..2).map(|place| format!("0x{}", hex::encode(scene.purse.public_key(place)))).collect();
    assert_eq!(keys, json!(wanted));
    assert_eq!(scene.ask("health_status", json!([])).await.unwrap(), env!("CARGO_PKG_VERSION"));
    scene.chain.with(|ledger| ledger.chain_id = 1);
    let health = get("/healthcheck").await;
    assert_eq!(health.status(), 503);
    assert_eq!(health.json::<Value>().await.unwrap()["checks"][1]["status"], "DOWN");
}

#[tokio::test]
async fn bytes_that_say_what_they_are_are_signed_as_web3signer_does() {
    let scene = Scene::start().await;
    let key = hex::encode(scene.purse.public_key(1));
    let message = b"\x19Ethereum Signed Message:\n5hello".to_vec();
    for (name, bytes) in [(format!("0x{key}"), message), (key.to_uppercase(), unsigned(Some(CHAIN_ID)))] {
        let (status, signature) = sign(&scene, &name, &bytes).await;
        assert_eq!(status, 200, "{signature}");
        let signature = hex::decode(signature.strip_prefix("0x").unwrap()).unwrap();
        assert!(signature.len() == 65 && matches!(signature[64], 27 | 28));
        let signer = recover(&signature[..64], signature[64] == 28, keccak256(&bytes));
        assert_eq!(signer, scene.purse.address(1));
    }
}

#[tokio::test]
async fn bytes_that_could_be_anything_are_not_signed() {
    let scene = Scene::start().await;
    let key = hex::encode(scene.purse.public_key(0));
    for bytes in [
        vec![1; 32],
        [b"\x19\x01".as_slice(), &[2; 64]].concat(),
        Vec::new(),
        unsigned(Some(1)),
        unsigned(None),
    ] {
        let (status, text) = sign(&scene, &key, &bytes).await;
        let answer: Value = serde_json::from_str(&text).unwrap();
        assert_eq!((status, &answer["error"]["data"]["field"]), (400, &json!("data")), "{text}");
    }
    assert_eq!(sign(&scene, &"ab".repeat(64), b"\x19Ethereum Signed Message:\n0").await.0, 404);
    assert_eq!(scene.purse.asked(), 0);
}

#[tokio::test]
async fn a_fee_that_is_too_high_is_not_signed_here_either() {
    let scene = Scene::with(|config| config.fee_max = Some(20_999)).await;
    let key = hex::encode(scene.purse.public_key(0));
    let (status, told) = sign(&scene, &key, &unsigned(Some(CHAIN_ID))).await;
    let told: Value = serde_json::from_str(&told).unwrap();
    assert_eq!((status, &told["error"]["data"]["code"]), (403, &json!("E2807")));
    assert_eq!(scene.purse.asked(), 0);
}
