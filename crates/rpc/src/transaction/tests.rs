use alloy_primitives::{U256, address};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::*;
use crate::refusal::Refusal;

const CHAIN: u64 = 31337;
const FROM: &str = "0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266";
const TO: &str = "0x70997970c51812dc3a010c7d01b50e0d17dc79c8";

fn read_text(text: &str) -> Result<Draft, Refusal> {
    Draft::read(&RawValue::from_string(text.to_owned()).unwrap(), CHAIN)
}

fn read(more: Value) -> Result<Draft, Refusal> {
    let mut whole = json!({ "from": FROM, "to": TO });
    for (name, value) in more.as_object().unwrap() {
        whole[name] = value.clone();
    }
    read_text(&whole.to_string())
}

/// The field that a refusal names.
fn refused(more: Value) -> String {
    let refusal = read(more.clone()).expect_err(&more.to_string());
    assert!(matches!(refusal.code(), "E2803" | "E2806"), "{refusal:?}");
    assert_eq!(refusal.number, -32602, "{refusal:?}");
    refusal.more["field"].as_str().unwrap().to_owned()
}

#[test]
fn fields_say_the_type_and_must_not_stand_against_it() {
    let hash = format!("0x01{}", "00".repeat(31));
    let signed = json!({
        "chainId": "0x7a69", "address": TO, "nonce": "0x0", "yParity": "0x1", "r": "0x1", "s": "0x2"
    });
    let kind = |more: Value| read(more).unwrap().kind;
    assert_eq!(kind(json!({})), None);
    assert_eq!(kind(json!({ "gasPrice": "0x1" })), Some(0));
    assert_eq!(kind(json!({ "gasPrice": "0x1", "accessList": [] })), Some(1));
    assert_eq!(kind(json!({ "gasPrice": "0x1", "type": "0x1" })), Some(1));
    assert_eq!(kind(json!({ "accessList": [] })), Some(2));
    assert_eq!(kind(json!({ "accessList": [], "type": "0x1" })), Some(1));
    assert_eq!(kind(json!({ "maxPriorityFeePerGas": "0x1" })), Some(2));
    assert_eq!(kind(json!({ "blobVersionedHashes": [hash], "maxFeePerGas": "0x1" })), Some(3));
    assert_eq!(kind(json!({ "authorizationList": [signed], "type": "0x4" })), Some(4));
    for (more, field) in [
        (json!({ "gasPrice": "0x1", "maxFeePerGas": "0x1" }), "gasPrice"),
        (json!({ "gasPrice": "0x1", "type": "0x2" }), "type"),
        (json!({ "accessList": [], "type": "0x0" }), "type"),
        (json!({ "maxFeePerGas": "0x1", "type": "0x1" }), "type"),
        (json!({ "blobVersionedHashes": [hash], "type": "0x2" }), "type"),
        (json!({ "authorizationList": [signed], "blobVersionedHashes": [hash], "type": "0x3" }), "type"),
        (json!({ "type": "0x3" }), "blobVersionedHashes"),
        (json!({ "type": "0x4" }), "authorizationList"),
        (json!({ "type": "0x5" }), "type"),
        (json!({ "type": "0x7e" }), "type"),
        (json!({ "type": 2 }), "type"),
    ] {
        assert_eq!(refused(more), field);
    }
}

#[test]
fn what_is_wrong_is_named() {
    let too_wide = format!("0x1{}", "0".repeat(64));
    for (more, field) in [
        (json!({ "chainId": "0x1" }), "chainId"),
        (json!({ "from": "0x00" }), "from"),
        (json!({ "from": null }), "from"),
        (json!({ "value": too_wide }), "value"),
        (json!({ "value": "0x01" }), "value"),
        (json!({ "value": "1" }), "value"),
        (json!({ "value": 1 }), "value"),
        (json!({ "gas": "0x10000000000000000" }), "gas"),
        (json!({ "nonce": "0xffffffffffffffff" }), "nonce"),
        (json!({ "maxFeePerGas": "0x1", "maxPriorityFeePerGas": "0x2" }), "maxPriorityFeePerGas"),
        (json!({ "input": "0x1" }), "input"),
        (json!({ "input": "0x01", "data": "0x02" }), "data"),
        (json!({ "to": null }), "to"),
        (json!({ "gasLimit": "0x5208" }), "gasLimit"),
        (json!({ "blobs": ["0x00"] }), "blobs"),
        (json!({ "accessList": [{ "address": TO }] }), "accessList[0].storageKeys"),
        (
            json!({ "accessList": [{ "address": TO, "storageKeys": ["0x00"] }] }),
            "accessList[0].storageKeys[0]",
        ),
        (json!({ "accessList": [{ "address": TO, "storageKeys": [], "x": 1 }] }), "accessList[0].x"),
    ] {
        assert_eq!(refused(more.clone()), field, "{more}");
    }
    let twice = format!(r#"{{"from":"{FROM}","to":"{TO}","to":"{FROM}"}}"#);
    assert_eq!(read_text(&twice).unwrap_err().more["field"], "transaction");
    assert_eq!(refused(json!({ "chainId": "0x1" })), "chainId");
    assert_eq!(read(json!({ "chainId": "0x1" })).unwrap_err().code(), "E2806");
}

#[test]
fn null_is_nothing_and_two_names_of_the_same_bytes_are_one() {
    let draft =
        read(json!({ "input": "0xabcd", "data": "0xabcd", "nonce": null, "gasPrice": null, "odd": null }));
    let draft = draft.unwrap();
    assert_eq!((draft.nonce, draft.gas_price, draft.kind), (None, None, None));
    assert_eq!(draft.input.as_ref(), [0xab, 0xcd]);
    assert_eq!(draft.from, address!("f39fd6e51aad88f6f4ce6ab8827279cfffb92266"));
    let created = read(json!({ "to": null, "data": "0x6000" })).unwrap();
    assert_eq!(created.to, None);
}

#[test]
fn an_authorisation_may_have_its_parity_in_either_spelling() {
    let signed = |more: Value| {
        let mut signed =
            json!({ "chainId": "0x7a69", "address": TO, "nonce": "0x0", "r": "0x1", "s": "0x2" });
        for (name, value) in more.as_object().unwrap() {
            signed[name] = value.clone();
        }
        json!({ "authorizationList": [signed] })
    };
    for more in [json!({ "yParity": "0x1" }), json!({ "v": "0x1c" }), json!({ "v": "0x1", "yParity": "0x1" })]
    {
        let draft = read(signed(more)).unwrap();
        assert_eq!(draft.authorisations[0].y_parity(), 1);
    }
    for more in [json!({}), json!({ "yParity": "0x2" }), json!({ "v": "0x1b", "yParity": "0x1" })] {
        assert_eq!(refused(signed(more)), "authorizationList[0].yParity");
    }
}

#[test]
fn the_most_that_it_can_cost_counts_all_gas_and_all_blobs() {
    let draft = read(json!({ "blobVersionedHashes": [format!("0x01{}", "00".repeat(31))] })).unwrap();
    let priced = |fees| Priced { draft: draft.clone(), kind: 3, gas: 21_000, fees }.fee_max();
    assert_eq!(priced(Fees::Market { max: 10, tip: 1, blob: 2 }), U256::from(210_000 + 2 * (1 << 17)));
    assert_eq!(priced(Fees::Price(10)), U256::from(210_000));
    assert!(priced(Fees::Market { max: u128::MAX, tip: 0, blob: u128::MAX }) > U256::from(u128::MAX));
}
