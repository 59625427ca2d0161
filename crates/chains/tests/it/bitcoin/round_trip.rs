//! Random transactions through inspect, a local signer and assemble; then Bitcoin Core's interpreter has the last word.

use bitcoin::consensus::encode::serialize;
use bitcoin::script::PushBytesBuf;
use bitcoin::{Psbt, ScriptBuf, Transaction, TxOut, Witness};
use keymoot_chains::{Danger, inspect};
use keymoot_types::Scheme;
use miniscript::psbt::PsbtExt;
use proptest::prelude::*;
use psbt_v2::v2;

use super::wallet::{Owner, Wallet, path, point};
use super::{detail, psbt};
use crate::local::Local;

fn owners(scheme: Scheme) -> BoxedStrategy<Owner> {
    let index = 0u32..1 << 31;
    match scheme {
        Scheme::Dkls23 => {
            prop_oneof![index.clone().prop_map(Owner::Native), index.prop_map(Owner::Nested)].boxed()
        }
        _ => index.prop_map(Owner::Taproot).boxed(),
    }
}

/// Our inputs, and outputs for us and others, whose amounts add up.
fn wallets(scheme: Scheme) -> impl Strategy<Value = Wallet> {
    let inputs = prop::collection::vec((owners(scheme), 10_000u64..1 << 40), 1..4);
    let output = prop_oneof![owners(scheme), any::<u8>().prop_map(Owner::Somebody)];
    let outputs = prop::collection::vec((output, 1u64..2_000), 1..5);
    (inputs, outputs, prop::sample::select(vec![0u32, 2]), any::<bool>()).prop_map(
        move |(inputs, outputs, version, is_whole)| Wallet {
            inputs,
            outputs,
            version,
            is_whole: is_whole || scheme == Scheme::Dkls23,
        },
    )
}

proptest! {
    #![proptest_config(crate::cases(60))]

    #[test]
    fn ecdsa_spends_are_valid(wallet in wallets(Scheme::Dkls23), secret in 1u8..) {
        check(&wallet, Scheme::Dkls23, secret);
    }

    #[test]
    fn taproot_spends_are_valid(wallet in wallets(Scheme::FrostTaproot), secret in 1u8..) {
        check(&wallet, Scheme::FrostTaproot, secret);
    }
}

fn check(wallet: &Wallet, scheme: Scheme, secret: u8) {
    let local = Local::new(scheme, [secret; 32]);
    let made = wallet.make(&local);
    let payload = psbt(&made.bytes());
    let facts = inspect(&payload, &local.key()).unwrap().facts;
    let total = |list: &[(Owner, u64)], ours: fn(&Owner) -> bool| -> u64 {
        list.iter().filter(|(owner, _)| ours(owner)).map(|(_, amount)| amount).sum()
    };
    let (paid, back) = (total(&wallet.outputs, |o| !o.is_ours()), total(&wallet.outputs, |o| o.is_ours()));
    let spent = total(&wallet.inputs, |_| true);
    let shown = detail(&facts);
    assert_eq!(facts.fee_max.as_ref().unwrap().digits(), (spent - paid - back).to_string());
    assert_eq!((shown.ours_in.digits(), shown.ours_out.digits()), (&*spent.to_string(), &*back.to_string()));
    let outflow: u64 = facts.outflows.iter().map(|one| one.amount.digits().parse::<u64>().unwrap()).sum();
    assert_eq!((outflow, facts.dangers.len()), (paid, 0));
    assert_eq!(
        (shown.txid.clone(), shown.psbt_version),
        (made.unsigned.compute_txid().to_string(), wallet.version)
    );
    assert_eq!((shown.lock_time, shown.replaceable), (800_000, true));
    let signed = local.round(&payload, &local.key());
    let whole = finished(&signed, &made.unsigned, wallet, &local);
    verify(&whole, &made.coins);
    if wallet.version == 0 {
        let mut psbt = Psbt::deserialize(&signed).unwrap();
        psbt.finalize_mut(&bitcoin::secp256k1::Secp256k1::verification_only()).unwrap();
        assert_eq!(psbt.extract_tx_unchecked_fee_rate(), whole, "as miniscript finalises it");
    }
}

/// Keys with signatures of ECDSA, and the signature of Taproot.
type Signatures = (Vec<(Vec<u8>, Vec<u8>)>, Option<Vec<u8>>);

/// Puts the signatures in the PSBT where transactions have them, as psbt-v2 reads them.
fn finished(signed: &[u8], unsigned: &Transaction, wallet: &Wallet, local: &Local) -> Transaction {
    let mut whole = unsigned.clone();
    let mut inputs: Vec<Signatures> = Vec::new();
    if wallet.version == 2 {
        let psbt = v2::Psbt::deserialize(signed).unwrap();
        assert_eq!(psbt.global.tx_modifiable_flags, 0, "nobody may add anything after a signature");
        for input in &psbt.inputs {
            let each = input.partial_sigs.iter().map(|(key, one)| (key.to_bytes(), one.to_vec()));
            inputs.push((each.collect(), input.tap_key_sig.map(|one| one.to_vec())));
        }
    } else {
        let psbt = psbt_v2::v0::Psbt::deserialize(signed).unwrap();
        for input in &psbt.inputs {
            let each = input.partial_sigs.iter().map(|(key, one)| (key.to_bytes(), one.to_vec()));
            inputs.push((each.collect(), input.tap_key_sig.map(|one| one.to_vec())));
        }
    }
    for ((input, (partial, key_sig)), (owner, _)) in whole.input.iter_mut().zip(inputs).zip(&wallet.inputs) {
        match (owner, partial.as_slice(), key_sig) {
            (Owner::Taproot(_), [], Some(signature)) => input.witness = Witness::from_slice(&[signature]),
            (Owner::Native(_) | Owner::Nested(_), [(key, signature)], None) => {
                input.witness = Witness::from_slice(&[signature, key]);
            }
            other => panic!("{other:?}"),
        }
        if let Owner::Nested(index) = owner {
            let program = ScriptBuf::new_p2wpkh(&point(local, &path(0, *index)).wpubkey_hash());
            let program = PushBytesBuf::try_from(program.into_bytes()).unwrap();
            input.script_sig = bitcoin::script::Builder::new().push_slice(program).into_script();
        }
    }
    whole
}

/// Every input, by the interpreter of Bitcoin Core.
fn verify(transaction: &Transaction, coins: &[TxOut]) {
    let utxos: Vec<_> = coins
        .iter()
        .map(|coin| bitcoinconsensus::Utxo {
            script_pubkey: coin.script_pubkey.as_bytes().as_ptr(),
            script_pubkey_len: coin.script_pubkey.len() as u32,
            value: coin.value.to_sat() as i64,
        })
        .collect();
    let flags = bitcoinconsensus::VERIFY_ALL_PRE_TAPROOT | bitcoinconsensus::VERIFY_TAPROOT;
    for (place, coin) in coins.iter().enumerate() {
        let spends = |bytes: &[u8]| {
            let (script, amount) = (coin.script_pubkey.as_bytes(), coin.value.to_sat());
            bitcoinconsensus::verify_with_flags(script, amount, bytes, Some(&utxos), place, flags)
        };
        spends(&serialize(transaction)).unwrap();
        let mut other = transaction.clone();
        other.output[0].value -= bitcoin::Amount::from_sat(1);
        assert!(spends(&serialize(&other)).is_err(), "the signature is for these outputs only");
    }
}

#[test]
fn somebody_elses_inputs_are_shown_and_not_signed() {
    for scheme in super::BOTH {
        let local = Local::new(scheme, [7; 32]);
        let mut wallet = Wallet::simple(scheme);
        wallet.inputs.insert(0, (Owner::Somebody(9), 50_000));
        for version in [0, 2] {
            wallet.version = version;
            let payload = psbt(&wallet.bytes(&local));
            let inspection = inspect(&payload, &local.key()).unwrap();
            assert_eq!(inspection.signings.len(), 1);
            assert_eq!(inspection.facts.dangers.iter().copied().collect::<Vec<_>>(), [Danger::ForeignInputs]);
            let shown = detail(&inspection.facts);
            assert_eq!(
                (shown.inputs[0].path.as_deref(), shown.inputs[1].path.as_deref()),
                (None, Some("m/0/5"))
            );
            assert_eq!(shown.ours_in.digits(), "100000");
            local.round(&payload, &local.key());
        }
    }
}

/// The hash type ALL is written out: 65 bytes.
#[test]
fn taproot_signatures_have_the_hash_type_that_was_asked_for() {
    let local = Local::new(Scheme::FrostTaproot, [7; 32]);
    for (asked, length) in [(None, 64), (Some(0), 64), (Some(1), 65)] {
        let mut made = Wallet::simple(Scheme::FrostTaproot).make(&local);
        made.inputs[0].sighash_type = asked.map(psbt_v2::PsbtSighashType::from_u32);
        let signed = local.round(&psbt(&made.bytes()), &local.key());
        let signed = Psbt::deserialize(&signed).unwrap();
        assert_eq!(signed.inputs[0].tap_key_sig.unwrap().to_vec().len(), length);
        let mut whole = made.unsigned.clone();
        whole.input[0].witness = Witness::from_slice(&[signed.inputs[0].tap_key_sig.unwrap().to_vec()]);
        verify(&whole, &made.coins);
    }
}
