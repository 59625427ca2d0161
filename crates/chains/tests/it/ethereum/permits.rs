//! Typed data whose type is known: Safe transactions, permits. And personal messages.

use keymoot_chains::ethereum::{How, Meaning};
use keymoot_chains::{Danger, Detail, Inspection, Kind, inspect};
use serde_json::{Value, json};

use super::second::{Word, call};
use super::typed::{detail, read};
use super::{checksummed, inside, keccak, local, payload};

const ALICE: &str = "0x00000000000000000000000000000000000000a1";
const BOB: &str = "0x00000000000000000000000000000000000000b0";
const TOKEN: &str = "0x0000000000000000000000000000000000000070";
const MAX: &str = "0xffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff";
/// The same in decimal digits.
const DIGITS: &str = "115792089237316195423570985008687907853269984665640564039457584007913129639935";

fn address(text: &str) -> String {
    checksummed(&hex::decode(&text[2..]).unwrap().try_into().unwrap())
}

/// Typed data from the strings of its types, as `type name,type name`.
fn data(types: &[(&str, &str)], message: Value) -> Value {
    let members = |list: &str| {
        let each = list.split(',').map(|member| member.split_once(' ').unwrap());
        each.map(|(of, name)| json!({ "name": name, "type": of })).collect::<Vec<_>>()
    };
    let mut map: serde_json::Map<_, _> =
        types.iter().map(|(name, list)| ((*name).to_owned(), json!(members(list)))).collect();
    map.insert("EIP712Domain".into(), json!(members("uint256 chainId,address verifyingContract")));
    json!({
        "types": map, "primaryType": types[0].0,
        "domain": { "chainId": 1, "verifyingContract": TOKEN }, "message": message,
    })
}

const SAFE_TX: &str = "address to,uint256 value,bytes data,uint8 operation,uint256 safeTxGas,uint256 baseGas,\
                       uint256 gasPrice,address gasToken,address refundReceiver,uint256 nonce";

fn safe_tx(operation: u8, gas_price: u64, calldata: &[u8]) -> Value {
    data(
        &[("SafeTx", SAFE_TX)],
        json!({
            "to": BOB, "value": "5", "data": format!("0x{}", hex::encode(calldata)), "operation": operation,
            "safeTxGas": 0, "baseGas": 0, "gasPrice": gas_price, "gasToken": ALICE, "refundReceiver": ALICE, "nonce": 7,
        }),
    )
}

fn dangers(inspection: &Inspection) -> Vec<Danger> {
    inspection.facts.dangers.iter().copied().collect()
}

/// Safe 1.3 and 1.4, `Safe.sol`: the hash of `SafeTx`'s encodeType is a constant of the contract.
#[test]
fn a_safes_typed_data_is_its_transaction() {
    assert_eq!(
        hex::encode(keccak(format!("SafeTx({SAFE_TX})").as_bytes())),
        "bb8310d486368db6bd6f849402fdd73ad53d316b5a4b2644ad6efe0f941286d8"
    );
    let transfer = call("transfer(address,uint256)", &[Word::Address([0xb0; 20]), Word::Uint(7)]);
    let inspection = read(&safe_tx(0, 0, &transfer)).unwrap();
    assert_eq!((dangers(&inspection), inspection.facts.outflows.len()), (vec![], 2));
    assert!(inspection.facts.outflows.iter().all(|one| one.from == Some(address(TOKEN))), "the Safe pays");
    assert_eq!(dangers(&read(&safe_tx(0, 1, &transfer)).unwrap()), [Danger::GasRefund]);
    assert_eq!(dangers(&read(&safe_tx(2, 0, &transfer)).unwrap()), [Danger::UnknownTypedData]);
}

/// What the owners of Bybit's Safe were given to sign had this shape.
#[test]
fn the_bybit_shape_as_typed_data_is_a_delegatecall() {
    let looks_like_a_transfer =
        call("transfer(address,uint256)", &[Word::Address([0xb0; 20]), Word::Uint(0)]);
    let inspection = read(&safe_tx(1, 0, &looks_like_a_transfer)).unwrap();
    assert_eq!(dangers(&inspection), [Danger::Opaque, Danger::Delegatecall]);
    assert!(inspection.facts.outflows.is_empty());
    let Some(Meaning::SafeTransaction { operation: 1, call, .. }) = &detail(&inspection).meaning else {
        panic!("{inspection:?}")
    };
    assert_eq!((call.how, &call.meaning), (How::Delegatecall, &Meaning::Opaque));
    assert!(inside(call).is_empty());
}

#[test]
fn permits_are_allowances() {
    let erc2612 = [("Permit", "address owner,address spender,uint256 value,uint256 nonce,uint256 deadline")];
    let dai = [("Permit", "address holder,address spender,uint256 nonce,uint256 expiry,bool allowed")];
    let details = ("PermitDetails", "address token,uint160 amount,uint48 expiration,uint48 nonce");
    let single = [("PermitSingle", "PermitDetails details,address spender,uint256 sigDeadline"), details];
    let batch = [("PermitBatch", "PermitDetails[] details,address spender,uint256 sigDeadline"), details];
    let permissions = ("TokenPermissions", "address token,uint256 amount");
    let from = [
        ("PermitTransferFrom", "TokenPermissions permitted,address spender,uint256 nonce,uint256 deadline"),
        permissions,
    ];
    let from_batch = [
        (
            "PermitBatchTransferFrom",
            "TokenPermissions[] permitted,address spender,uint256 nonce,uint256 deadline",
        ),
        permissions,
    ];
    let one = json!({ "token": TOKEN, "amount": "7", "expiration": 1, "nonce": 2 });
    let rest = json!({ "spender": BOB, "sigDeadline": 1, "nonce": 1, "deadline": 1, "owner": ALICE, "holder": ALICE });
    let with = |more: Value| {
        let mut message = rest.clone();
        message.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        message
    };
    let me = keymoot_chains::ethereum::address(&local().key()).unwrap();
    let cases = [
        (data(&erc2612, with(json!({ "value": 7 }))), address(ALICE), Some("7"), 1),
        (data(&erc2612, with(json!({ "value": MAX }))), address(ALICE), Some(DIGITS), 1),
        (data(&dai, with(json!({ "expiry": 0, "allowed": true }))), address(ALICE), None, 1),
        (data(&dai, with(json!({ "expiry": 0, "allowed": false }))), address(ALICE), Some("0"), 1),
        (data(&single, with(json!({ "details": one }))), me.clone(), Some("7"), 1),
        (data(&batch, with(json!({ "details": [one, one] }))), me.clone(), Some("7"), 2),
        (data(&from, with(json!({ "permitted": one }))), me.clone(), Some("7"), 1),
        (data(&from_batch, with(json!({ "permitted": [one, one] }))), me, Some("7"), 2),
    ];
    for (data, owner, amount, count) in cases {
        let inspection = read(&data).unwrap();
        assert_eq!(inspection.facts.allowances.len(), count, "{data}");
        for allowance in &inspection.facts.allowances {
            assert_eq!((&allowance.owner, allowance.spender.clone()), (&owner, address(BOB)));
            assert_eq!(allowance.token, address(TOKEN));
            assert_eq!(allowance.amount.as_ref().map(|amount| amount.digits()), amount);
        }
        let is_unlimited = amount.is_none_or(|amount| amount.len() > 70);
        assert_eq!(
            dangers(&inspection),
            if is_unlimited { vec![Danger::UnlimitedAllowance] } else { vec![] }
        );
        assert_eq!(detail(&inspection).meaning, Some(Meaning::TokenAllowance));
    }
}

#[test]
fn a_struct_of_a_known_name_with_other_members_is_unknown() {
    let types = [("Permit", "address owner,address spender,uint256 value,uint256 nonce,uint128 deadline")];
    let message = json!({ "owner": ALICE, "spender": BOB, "value": 1, "nonce": 1, "deadline": 1 });
    let inspection = read(&data(&types, message)).unwrap();
    assert_eq!(dangers(&inspection), [Danger::UnknownTypedData]);
    assert!(inspection.facts.allowances.is_empty());
}

/// EIP-191, version 0x45; the hash of "hello world" is that of many libraries' documentation, such as ethers' hashMessage.
#[test]
fn a_personal_message_has_its_prefix_and_v_is_27_or_28() {
    let payload_of = |message: &[u8]| payload(Kind::EvmMessage, message);
    let local = local();
    let hello = inspect(&payload_of(b"hello world"), &local.key()).unwrap();
    assert_eq!(
        hex::encode(hello.signings[0].message()),
        "d9eba16ed0ecae432b71fe008c98cc872bb4cc214d3220a36f365326cf807d68"
    );
    let signature = local.round(&payload_of(b"hello world"), &local.key());
    assert_eq!(signature.len(), 65);
    let id = k256::ecdsa::RecoveryId::from_byte(signature[64] - 27).unwrap();
    let parsed = k256::ecdsa::Signature::from_slice(&signature[..64]).unwrap();
    let public =
        k256::ecdsa::VerifyingKey::recover_from_prehash(&hello.signings[0].message(), &parsed, id).unwrap();
    assert_eq!(public.to_encoded_point(true).as_bytes(), local.public());
    let Detail::EvmMessage(facts) = &hello.facts.detail else { panic!("{hello:?}") };
    assert_eq!(facts.text.as_deref(), Some("hello world"));
    assert!(hello.facts.dangers.is_empty());
}

#[test]
fn a_personal_message_that_could_be_a_digest_is_a_danger() {
    let digits = "ab".repeat(32);
    for message in [vec![7; 32], digits.clone().into_bytes(), format!("0x{digits}").into_bytes()] {
        let inspection = inspect(&payload(Kind::EvmMessage, &message), &local().key()).unwrap();
        assert_eq!(dangers(&inspection), [Danger::DigestAsMessage]);
    }
    let inspection = inspect(&payload(Kind::EvmMessage, &[7; 33]), &local().key()).unwrap();
    assert_eq!(dangers(&inspection), []);
}
