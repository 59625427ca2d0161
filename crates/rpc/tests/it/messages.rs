//! Messages and typed data, recovered by another library.

use alloy_primitives::{Address, B256, keccak256};
use serde_json::{Value, json};

use crate::chain::recover;
use crate::scene::Scene;

fn signer_of(signature: &Value, digest: B256) -> Address {
    let bytes = hex::decode(signature.as_str().unwrap().strip_prefix("0x").unwrap()).unwrap();
    assert_eq!(bytes.len(), 65);
    assert!(matches!(bytes[64], 27 | 28));
    recover(&bytes[..64], bytes[64] == 28, digest)
}

fn prefixed(message: &[u8]) -> B256 {
    let head = format!("\x19Ethereum Signed Message:\n{}", message.len());
    keccak256([head.as_bytes(), message].concat())
}

#[tokio::test]
async fn both_orders_of_parameters_sign_the_same_message() {
    let scene = Scene::start().await;
    let (account, digest) = (scene.account(), prefixed(b"hello"));
    let personal = scene.ask("personal_sign", json!(["0x68656c6c6f", account])).await.unwrap();
    let plain = scene.ask("eth_sign", json!([account, "0x68656c6c6f"])).await.unwrap();
    let text = scene.ask("personal_sign", json!(["hello", account])).await.unwrap();
    assert_eq!(signer_of(&personal, digest), scene.purse.address(0));
    assert_eq!((&personal, &personal), (&plain, &text));
    assert_eq!(scene.purse.asked(), 1, "the same message has the same signature");
    let mixed = scene.ask("personal_sign", json!([account, "0x68656c6c6f"])).await.unwrap_err();
    assert_eq!(mixed["code"], -32602);
    assert!(mixed["data"]["help"].as_str().unwrap().contains("personal_sign data and address"), "{mixed}");
    for bad in
        [json!([]), json!(["0x00"]), json!(["0x00", account, "password"]), json!({}), json!(["0x0", account])]
    {
        let error = scene.ask("personal_sign", bad).await.unwrap_err();
        assert_eq!((&error["code"], &error["data"]["code"]), (&json!(-32602), &json!("E2803")), "{error}");
    }
}

fn mail(chain_id: Value) -> Value {
    json!({
        "types": {
            "EIP712Domain": [
                { "name": "name", "type": "string" }, { "name": "version", "type": "string" },
                { "name": "chainId", "type": "uint256" }, { "name": "verifyingContract", "type": "address" }
            ],
            "Person": [{ "name": "name", "type": "string" }, { "name": "wallet", "type": "address" }],
            "Mail": [
                { "name": "from", "type": "Person" }, { "name": "to", "type": "Person" },
                { "name": "contents", "type": "string" }
            ]
        },
        "primaryType": "Mail",
        "domain": {
            "name": "Ether Mail", "version": "1", "chainId": chain_id,
            "verifyingContract": "0xCcCCccccCCCCcCCCCCCcCcCccCcCCCcCcccccccC"
        },
        "message": {
            "from": { "name": "Cow", "wallet": "0xCD2a3d9F938E13CD947Ec05AbC7FE734Df8DD826" },
            "to": { "name": "Bob", "wallet": "0xbBbBBBBbbBBBbbbBbbBbbbbBBbBbbbbBbBbbBBbB" },
            "contents": "Hello, Bob!"
        }
    })
}

/// By hand, as EIP-712 has it.
fn digest_of_mail(chain_id: u64) -> B256 {
    let word = |text: &str| keccak256(text).to_vec();
    let address = |digits: &str| [vec![0; 12], hex::decode(digits).unwrap()].concat();
    let domain = keccak256(
        [
            word("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"),
            word("Ether Mail"),
            word("1"),
            [vec![0; 24], chain_id.to_be_bytes().to_vec()].concat(),
            address("cccccccccccccccccccccccccccccccccccccccc"),
        ]
        .concat(),
    );
    let person = |name: &str, wallet: &str| {
        keccak256([word("Person(string name,address wallet)"), word(name), address(wallet)].concat()).to_vec()
    };
    let message = keccak256(
        [
            word("Mail(Person from,Person to,string contents)Person(string name,address wallet)"),
            person("Cow", "cd2a3d9f938e13cd947ec05abc7fe734df8dd826"),
            person("Bob", "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"),
            word("Hello, Bob!"),
        ]
        .concat(),
    );
    keccak256([b"\x19\x01".as_slice(), domain.as_slice(), message.as_slice()].concat())
}

#[tokio::test]
async fn typed_data_may_be_an_object_or_its_text() {
    let scene = Scene::start().await;
    let (account, data) = (scene.account(), mail(json!(31337)));
    let object = scene.ask("eth_signTypedData_v4", json!([account, data])).await.unwrap();
    let text = scene.ask("eth_signTypedData", json!([account, data.to_string()])).await.unwrap();
    for signature in [object, text] {
        assert_eq!(signer_of(&signature, digest_of_mail(31337)), scene.purse.address(0));
    }
}

#[tokio::test]
async fn typed_data_for_another_chain_or_of_no_kind_is_not_signed() {
    let scene = Scene::start().await;
    let account = scene.account();
    let error = scene.ask("eth_signTypedData_v4", json!([account, mail(json!(1))])).await.unwrap_err();
    assert_eq!(
        (&error["data"]["code"], &error["data"]["field"]),
        (&json!("E2806"), &json!("typedData.domain.chainId"))
    );
    let mut broken = mail(json!(31337));
    broken["message"]["from"]["wallet"] = "0x00".into();
    for data in [broken, json!({}), json!("{"), json!(7)] {
        let error = scene.ask("eth_signTypedData_v4", json!([account, data])).await.unwrap_err();
        assert_eq!(
            (&error["code"], &error["data"]["field"]),
            (&json!(-32602), &json!("typedData")),
            "{error}"
        );
    }
    let first = json!([[{ "type": "string", "name": "message", "value": "Hi" }], account]);
    let error = scene.ask("eth_signTypedData", first).await.unwrap_err();
    assert_eq!(error["code"], -32602);
    assert_eq!(scene.purse.asked(), 0, "nothing was asked of the cluster");
}
