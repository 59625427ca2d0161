//! What people are shown, word by word; and what they are not shown, because it is refused.

use std::path::Path;

use bitcoin::Psbt;
use bitcoin::psbt::PsbtSighashType;
use keymoot_chains::Network;

use super::tell;
use crate::ink::Ink;
use crate::proof::Claim;
use crate::purse::{Made, Owner};
use crate::whole::Whole;

/// All lines.
fn told(key: &Whole, kind: &str, payload: &[u8]) -> String {
    let read = key.read(kind, payload).unwrap();
    let lines = tell(&read, "\"hot\" (2-of-3)").painted(Ink::Plain);
    lines.iter().map(|line| format!("{}\n", line.trim_end())).collect()
}

/// Holds it against what is recorded. With `KEYMOOT_BLESS` in the environment it is recorded anew, and the test fails.
fn must_be_as_recorded(name: &str, told: &str) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/facts/tests").join(name);
    if std::env::var_os("KEYMOOT_BLESS").is_some() {
        std::fs::write(&file, told).unwrap();
        panic!("recorded anew: read what has changed");
    }
    let recorded = std::fs::read_to_string(&file).unwrap();
    assert_eq!(told, recorded, "{told}");
}

/// Both versions come to the same.
fn must_tell(key: &Whole, made: &Made, name: &str) {
    let two = told(key, "btc_psbt", &made.version_2());
    let zero = told(key, "btc_psbt", &made.version_0());
    assert_eq!(two.replace("version 2", "version 0"), zero);
    must_be_as_recorded(name, &zero);
}

#[test]
fn a_payment_with_change_is_told_with_fee_rate_and_digest() {
    let key = Whole::new("dkls23");
    let inputs = [(Owner::Native(5), 100_000), (Owner::Nested(6), 50_000)];
    let made = key.purse(&inputs, &[(Owner::Somebody(1), 60_000), (Owner::Native(7), 89_000)]).make();
    must_tell(&key, &made, "payment.txt");
}

#[test]
fn a_taproot_transaction_that_only_gathers_coins_is_told() {
    let key = Whole::new("frost-taproot");
    let inputs = [(Owner::Taproot(0), 100_000), (Owner::Taproot(1), 50_000)];
    let made = key.purse(&inputs, &[(Owner::Taproot(2), 149_000)]).make();
    must_tell(&key, &made, "gathering.txt");
}

#[test]
fn coins_of_others_scripts_and_fees_out_of_proportion_are_warned_of() {
    let key = Whole::new("dkls23");
    let inputs = [(Owner::Somebody(9), 50_000), (Owner::Native(5), 5_000_000)];
    let mut made = key.purse(&inputs, &[(Owner::Somebody(1), 60_000), (Owner::Somebody(2), 0)]).make();
    made.psbt.unsigned_tx.output[1].script_pubkey = bitcoin::ScriptBuf::new_op_return([1, 2, 3]);
    must_tell(&key, &made, "warnings.txt");
}

#[test]
fn an_ethereum_transaction_is_told() {
    let key = Whole::new("dkls23");
    // Type 2 on chain 1: nonce 7, 1 gwei tip, 20 gwei, 21000 gas, 1.5 ether.
    let send = "02f00107843b9aca008504a817c80082520894000102030405060708090a0b0c0d0e0f101112138814d1120d7b16000080c0";
    let sent = told(&key, "evm_tx", &hex::decode(send).unwrap());
    must_be_as_recorded("ether.txt", &sent);
}

#[test]
fn a_permit_is_told_as_what_it_allows() {
    let key = Whole::new("dkls23");
    let permitted = told(&key, "evm_typed_data", include_bytes!("tests/permit.json"));
    must_be_as_recorded("permit.txt", &permitted);
}

#[test]
fn messages_are_told_so_that_they_cannot_pass_for_anything_else() {
    let key = Whole::new("dkls23");
    let text = told(&key, "evm_message", "Log in\nfee  0 \u{1f600}".as_bytes());
    assert!(text.contains("    │ Log in\n      │ fee  0 😀\n"), "{text}");
    let bytes = told(&key, "btc_message", b"\xff\x00");
    assert!(bytes.contains("  bytes     ff00 (2 bytes, no text)"), "{bytes}");
    let digest = told(&key, "evm_message", &[b'a'; 32]);
    assert!(digest.contains("WARNING  the message looks like a digest"), "{digest}");
    let solana = Whole::new("frost-ed25519");
    let text = told(&solana, "message", b"hi");
    assert!(text.starts_with("  Message that no chain knows, to be signed by \"hot\" (2-of-3)\n"), "{text}");
    assert!(text.contains("signs     all ") && text.contains("bytes at m with Ed25519"), "{text}");
}

#[test]
fn what_is_refused_has_a_code_and_the_field() {
    let key = Whole::new("dkls23");
    let inputs = [(Owner::Native(1), 70_000), (Owner::Native(2), 80_000)];
    let made = key.purse(&inputs, &[(Owner::Somebody(1), 140_000)]).make();
    let refused = |change: fn(&mut Psbt), code: &str, field: &str| {
        let mut psbt = made.psbt.clone();
        change(&mut psbt);
        let failure = key.read("btc_psbt", &psbt.serialize()).map(|_| ()).unwrap_err();
        let told = failure.document().unwrap();
        assert_eq!(failure.code(), code, "{told}");
        assert!(told["details"].to_string().contains(field) && told["undone"].is_string(), "{told}");
    };
    refused(|psbt| psbt.inputs[1].non_witness_utxo = None, "E2702", "inputs[1].non_witness_utxo");
    refused(
        |psbt| (psbt.inputs[0].non_witness_utxo, psbt.inputs[0].witness_utxo) = (None, None),
        "E2702",
        "inputs[0].witness_utxo",
    );
    refused(
        |psbt| psbt.inputs[0].witness_utxo.as_mut().unwrap().value += bitcoin::Amount::ONE_SAT,
        "E2702",
        "inputs[0].non_witness_utxo",
    );
    refused(
        |psbt| psbt.inputs[0].sighash_type = Some(PsbtSighashType::from_u32(0x82)),
        "E2702",
        "inputs[0].sighash_type",
    );
    refused(
        |psbt| psbt.unsigned_tx.output[0].value = bitcoin::Amount::from_sat(150_001),
        "E2702",
        "outputs[].amount",
    );
    refused(
        |psbt| psbt.inputs.iter_mut().for_each(|input| input.bip32_derivation.clear()),
        "E2703",
        "bip32_derivation",
    );
    refused(
        |psbt| {
            for input in &mut psbt.inputs {
                for source in input.bip32_derivation.values_mut() {
                    source.1 = "m/0/3".parse().unwrap();
                }
            }
        },
        "E2702",
        "bip32_derivation",
    );
    let bytes = made.version_0();
    for cut in [0, 4, 5, 40, bytes.len() - 1] {
        assert_eq!(key.read("btc_psbt", &bytes[..cut]).map(|_| ()).unwrap_err().code(), "E2701");
    }
    let long = vec![0; (1 << 20) + 1];
    assert_eq!(key.read("btc_psbt", &long).map(|_| ()).unwrap_err().code(), "E2701");
    let solana = Whole::new("frost-ed25519");
    assert_eq!(solana.read("btc_psbt", &bytes).map(|_| ()).unwrap_err().code(), "E2703");
    for (kind, payload, code) in [
        ("evm_tx", &b"\x05\xc0"[..], "E2701"),
        ("evm_tx", &[0x02, 0xc0, 0xff], "E2701"),
        ("evm_typed_data", b"{}", "E2701"),
        ("sol_tx", b"", "E2703"),
        ("raw_digest", &[7; 32], "E2702"),
        ("no_such_kind", b"", "E2001"),
    ] {
        assert_eq!(key.read(kind, payload).map(|_| ()).unwrap_err().code(), code, "{kind}");
    }
}

#[test]
fn a_psbt_with_keys_of_another_network_is_refused_where_the_other_is_meant() {
    let key = Whole::new("dkls23");
    let mut made = key.purse(&[(Owner::Native(1), 70_000)], &[(Owner::Somebody(1), 60_000)]).make();
    let xpub = bitcoin::bip32::Xpub { network: bitcoin::NetworkKind::Test, ..key.xpub() };
    made.psbt.xpub.insert(xpub, (xpub.fingerprint(), bitcoin::bip32::DerivationPath::master()));
    let payload = made.version_0();
    let on = |network| {
        let claim = Claim { key: &key.view, path: "m", kind: "btc_psbt", payload: &payload };
        claim.read(network).map(|_| ()).map_err(|failure| failure.code())
    };
    assert_eq!(on(Network::Mainnet), Err("E2704"));
    assert_eq!((on(Network::Regtest), on(Network::Testnet)), (Ok(()), Ok(())));
}
