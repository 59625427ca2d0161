//! Golden JSON: facts become audit records and the input of policies, so no name in them changes unnoticed.
//!
//! `vectors/golden.json` holds the inspection of one payload of every kind. A name that changes is a new version of what
//! policies read. Only then, `KEYMOOT_BLESS=1 cargo test -p keymoot-chains --test it golden::` rewrites the file. It
//! never passes, so that it cannot be left switched on.

use keymoot_chains::{Danger, Kind, Payload, inspect};
use keymoot_types::Scheme;
use serde_json::{Map, Value, json};

use crate::bitcoin::wallet::{Owner, Wallet};
use crate::ethereum::second::{self, Authorisation, Transaction, Word, call};
use crate::local::Local;

fn shown(scheme: Scheme, kind: Kind, bytes: &[u8]) -> Value {
    let key = Local::new(scheme, [0x46; 32]).key();
    let payload = Payload::new(kind, bytes.to_vec()).unwrap();
    serde_json::to_value(inspect(&payload, &key).unwrap()).unwrap()
}

/// A Safe that approves without limit, in a transaction that also gives an account code.
fn transaction() -> Vec<u8> {
    let approve = call("approve(address,uint256)", &[Word::Address([2; 20]), Word::Max]);
    let (zero, nothing) = (Word::Address([0; 20]), || Word::Uint(0));
    let exec = call(
        "execTransaction(address,uint256,bytes,uint8,uint256,uint256,uint256,address,address,bytes)",
        &[
            Word::Address([3; 20]),
            Word::Uint(4),
            Word::Bytes(approve),
            nothing(),
            nothing(),
            nothing(),
            Word::Uint(5),
            zero.clone(),
            zero,
            Word::Bytes(vec![1; 65]),
        ],
    );
    let batch = call("multicall(bytes[])", &[Word::List(vec![Word::Bytes(exec), Word::Bytes(vec![9; 5])])]);
    let one = Authorisation {
        chain: 0,
        delegate: [6; 20],
        nonce: 7,
        parity: false,
        r: vec![1; 32],
        s: vec![1; 32],
    };
    Transaction { calldata: batch, authorisations: vec![one], ..second::plain(4) }.signing()
}

fn typed() -> Value {
    json!({
        "types": {
            "EIP712Domain": [{ "name": "name", "type": "string" }],
            "Order": [
                { "name": "id", "type": "uint64" }, { "name": "gone", "type": "int8" }, { "name": "by", "type": "address" },
                { "name": "tags", "type": "bytes2[]" }, { "name": "note", "type": "string" }, { "name": "now", "type": "bool" }
            ]
        },
        "primaryType": "Order",
        "domain": { "name": "Shop" },
        "message": {
            "id": 7, "gone": "-1", "by": "0x00000000000000000000000000000000000000a1", "tags": ["0x0102"], "note": "hi",
            "now": true
        }
    })
}

fn psbt(scheme: Scheme) -> Vec<u8> {
    let mut wallet = Wallet::simple(scheme);
    wallet.version = 2;
    wallet.inputs.push((Owner::Somebody(9), 50_000));
    wallet.bytes(&Local::new(scheme, [0x46; 32]))
}

/// One signer, a transfer to itself, and an instruction that nobody understands.
fn solana() -> Vec<u8> {
    let ours = Local::new(Scheme::FrostEd25519, [0x46; 32]).public();
    let head = [&[1, 0, 1, 2], ours.as_slice(), &[0; 32], &[7; 32], &[2]].concat();
    [head, vec![1, 2, 0, 0, 12, 2, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0], vec![1, 0, 1, 9]].concat()
}

fn all() -> Value {
    let (ecdsa, taproot, edwards) = (Scheme::Dkls23, Scheme::FrostTaproot, Scheme::FrostEd25519);
    let typed = typed().to_string();
    let mut all = Map::new();
    for (name, value) in [
        ("evm_tx", shown(ecdsa, Kind::EvmTx, &transaction())),
        ("evm_typed_data", shown(ecdsa, Kind::EvmTypedData, typed.as_bytes())),
        ("evm_message", shown(ecdsa, Kind::EvmMessage, &[7; 32])),
        ("btc_psbt, ecdsa", shown(ecdsa, Kind::BtcPsbt, &psbt(ecdsa))),
        ("btc_psbt, taproot", shown(taproot, Kind::BtcPsbt, &psbt(taproot))),
        ("btc_message", shown(taproot, Kind::BtcMessage, b"hello")),
        ("sol_tx", shown(edwards, Kind::SolTx, &solana())),
        ("message", shown(edwards, Kind::Message, b"hello")),
        ("dangers", json!(DANGERS)),
    ] {
        all.insert(name.into(), value);
    }
    all.into()
}

const DANGERS: [Danger; 12] = [
    Danger::Opaque,
    Danger::Delegatecall,
    Danger::UnlimitedAllowance,
    Danger::Authorisation,
    Danger::AuthorisationOnAnyChain,
    Danger::Creation,
    Danger::AnyChain,
    Danger::UnknownTypedData,
    Danger::DigestAsMessage,
    Danger::GasRefund,
    Danger::ForeignInputs,
    Danger::Blind,
];

/// The payloads themselves, in hexadecimal digits: what fuzzing begins with.
fn payloads() -> Value {
    let hello = b"hello".to_vec();
    let payloads = [
        ("evm_tx, safe", transaction()),
        ("evm_tx, plain 0", second::plain(0).signing()),
        ("evm_tx, plain 1", second::plain(1).signing()),
        ("evm_tx, plain 2", second::plain(2).signing()),
        ("evm_tx, plain 3", second::plain(3).signing()),
        ("evm_typed_data", typed().to_string().into_bytes()),
        ("btc_psbt, ecdsa", psbt(Scheme::Dkls23)),
        ("btc_psbt, taproot", psbt(Scheme::FrostTaproot)),
        (
            "btc_psbt, version 0",
            Wallet::simple(Scheme::Dkls23).bytes(&Local::new(Scheme::Dkls23, [0x46; 32])),
        ),
        ("sol_tx", solana()),
        ("messages", hello),
    ];
    payloads
        .into_iter()
        .map(|(name, bytes)| (name.to_owned(), json!(hex::encode(bytes))))
        .collect::<Map<_, _>>()
        .into()
}

#[test]
fn fuzzing_begins_with_payloads_that_are_read() {
    let now = payloads();
    if std::env::var_os("KEYMOOT_BLESS").is_some() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/vectors");
        std::fs::write(format!("{folder}/payloads.json"), serde_json::to_string_pretty(&now).unwrap() + "\n")
            .unwrap();
        std::fs::create_dir_all(format!("{folder}/keys")).unwrap();
        for scheme in Scheme::USUAL {
            let public = hex::encode(Local::new(scheme, [0x46; 32]).public());
            std::fs::write(format!("{folder}/keys/{scheme}"), public + "\n").unwrap();
        }
        panic!("blessed {folder}/payloads.json and keys; run without");
    }
    let before: Value = serde_json::from_str(include_str!("../../vectors/payloads.json")).unwrap();
    assert_eq!(now, before);
    for (scheme, public) in [
        (Scheme::Dkls23, include_str!("../../vectors/keys/dkls23")),
        (Scheme::FrostTaproot, include_str!("../../vectors/keys/frost-taproot")),
        (Scheme::FrostEd25519, include_str!("../../vectors/keys/frost-ed25519")),
    ] {
        assert_eq!(hex::encode(Local::new(scheme, [0x46; 32]).public()), public.trim());
    }
}

#[test]
fn facts_keep_their_names() {
    let now = all();
    if std::env::var_os("KEYMOOT_BLESS").is_some() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/vectors/golden.json");
        std::fs::write(path, serde_json::to_string_pretty(&now).unwrap() + "\n").unwrap();
        panic!("blessed {path}; read what changed, then run without");
    }
    let before: Value = serde_json::from_str(include_str!("../../vectors/golden.json")).unwrap();
    for (name, value) in before.as_object().unwrap() {
        assert_eq!(&now[name], value, "{name}");
    }
    assert_eq!(now, before);
}
