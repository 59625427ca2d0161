//! One test for each thing that is refused.

use bitcoin::bip32::{ChildNumber, DerivationPath, Xpub};
use bitcoin::hashes::Hash;
use bitcoin::key::{PublicKey, XOnlyPublicKey};
use bitcoin::{Amount, NetworkKind, ScriptBuf, TapNodeHash, Witness};
use keymoot_chains::bitcoin::{Fault, INPUTS_MAX, ORIGINS_MAX, OUTPUTS_MAX, OWN_ORIGINS_MAX};
use keymoot_chains::{Danger, Inspection, Unreadable, inspect};
use keymoot_types::{Network, Scheme};

use super::wallet::{Made, Owner, Wallet, path, point, source};
use super::{BOTH, detail, fault, psbt};
use crate::local::Local;

fn local(scheme: Scheme) -> Local {
    Local::new(scheme, [7; 32])
}

/// The usual transaction with a change, in both versions.
fn changed(scheme: Scheme, change: impl Fn(&mut Made, &Local)) -> Result<Inspection, Unreadable> {
    let local = local(scheme);
    let each = [0, 2].map(|version| {
        let mut made = Wallet { version, ..Wallet::simple(scheme) }.make(&local);
        change(&mut made, &local);
        let mut answer = inspect(&psbt(&made.bytes()), &local.key());
        if let Ok(inspection) = &mut answer {
            assert_eq!(detail(&inspection.facts).psbt_version, version);
        }
        answer
    });
    let [zero, two] = each;
    assert_eq!(zero.as_ref().err(), two.as_ref().err(), "both versions refuse the same");
    zero
}

#[test]
fn a_key_that_does_not_sign_bitcoin_is_refused() {
    let key = local(Scheme::FrostEd25519).key();
    let refused = inspect(&psbt(b"psbt\xff"), &key);
    assert_eq!(refused, Err(Unreadable::WrongScheme { scheme: Scheme::FrostEd25519, kind: "btc_psbt" }));
}

/// Extended public keys are the only thing in a PSBT that is marked with a network.
#[test]
fn what_is_marked_for_another_network_is_refused_and_addresses_are_of_the_keys_own() {
    for (scheme, version) in [(BOTH[0], 0), (BOTH[0], 2), (BOTH[1], 0), (BOTH[1], 2)] {
        let local = local(scheme);
        let bytes = Wallet { version, ..Wallet::simple(scheme) }.bytes(&local);
        let marked = |network| {
            let xpub = Xpub { network, ..local.key().xpub().unwrap() };
            let field = [&[79, 1][..], &xpub.encode(), &[4], xpub.fingerprint().as_bytes()].concat();
            psbt(&[&bytes[..5], &field, &bytes[5..]].concat())
        };
        for (network, start) in [
            (Network::Mainnet, "bc1"),
            (Network::Testnet, "tb1"),
            (Network::Signet, "tb1"),
            (Network::Regtest, "bcrt1"),
        ] {
            let key = local.key().on(network);
            let [own, other] = match network {
                Network::Mainnet => [NetworkKind::Main, NetworkKind::Test],
                _ => [NetworkKind::Test, NetworkKind::Main],
            };
            assert_eq!(fault(inspect(&marked(other), &key)), Fault::Network(network));
            let facts = inspect(&marked(own), &key).unwrap().facts;
            let detail = detail(&facts);
            let all = detail.inputs.iter().map(|input| &input.address);
            let all = all.chain(detail.outputs.iter().map(|output| &output.address));
            assert!(all.flatten().chain([&facts.outflows[0].to]).all(|address| address.starts_with(start)));
        }
    }
}

/// BIP-174 and the attack of 2020 on SegWit signers: two lies about two amounts make one transaction with a huge fee.
#[test]
fn ecdsa_without_the_whole_previous_transaction_is_refused() {
    let without = |made: &mut Made, _: &Local| made.inputs[0].non_witness_utxo = None;
    assert_eq!(fault(changed(Scheme::Dkls23, without)), Fault::NoWholeTransaction(0));
    assert!(changed(Scheme::FrostTaproot, without).is_ok(), "BIP-341 signs all amounts");
}

#[test]
fn coins_that_are_not_those_that_are_spent_are_refused() {
    for scheme in BOTH {
        let refused = |change: fn(&mut Made, &Local)| fault(changed(scheme, change));
        let lie = |made: &mut Made, _: &Local| {
            made.inputs[0].witness_utxo.as_mut().unwrap().value += Amount::from_sat(1);
        };
        assert_eq!(refused(lie), Fault::WrongCoin(0));
        let other = |made: &mut Made, _: &Local| {
            made.inputs[0].non_witness_utxo.as_mut().unwrap().output[1].value += Amount::from_sat(1);
        };
        assert_eq!(refused(other), Fault::WrongCoin(0));
        let beyond = |made: &mut Made, _: &Local| {
            made.inputs[0].spent_output_index = 2;
            made.unsigned.input[0].previous_output.vout = 2;
        };
        assert_eq!(refused(beyond), Fault::WrongCoin(0));
        let none = |made: &mut Made, _: &Local| {
            (made.inputs[0].witness_utxo, made.inputs[0].non_witness_utxo) = (None, None);
        };
        assert_eq!(refused(none), Fault::NoCoin(0));
        let twice = |made: &mut Made, _: &Local| {
            made.inputs.push(made.inputs[0].clone());
            made.unsigned.input.push(made.unsigned.input[0].clone());
        };
        assert_eq!(refused(twice), Fault::Repeated(1));
    }
}

#[test]
fn unsafe_signature_hash_types_are_refused() {
    for scheme in BOTH {
        for asked in [0x02, 0x03, 0x81, 0x82, 0x83, 0x04, 0x100] {
            let asks = |made: &mut Made, _: &Local| {
                made.inputs[0].sighash_type = Some(psbt_v2::PsbtSighashType::from_u32(asked));
            };
            assert_eq!(fault(changed(scheme, asks)), Fault::SighashType(0, asked));
        }
    }
    let default = |made: &mut Made, _: &Local| {
        made.inputs[0].sighash_type = Some(psbt_v2::PsbtSighashType::from_u32(0));
    };
    assert_eq!(fault(changed(Scheme::Dkls23, default)), Fault::SighashType(0, 0));
}

#[test]
fn paths_that_do_not_lead_to_their_key_are_refused() {
    let hardened = DerivationPath::from(vec![ChildNumber::Hardened { index: 0 }]);
    let long = DerivationPath::from(vec![ChildNumber::Normal { index: 0 }; 9]);
    for wrong in [path(0, 6), hardened, long] {
        let input = |made: &mut Made, local: &Local| {
            let wrong = source(local, &wrong);
            made.inputs[0].bip32_derivations.values_mut().for_each(|source| *source = wrong.clone());
            made.inputs[0].tap_key_origins.values_mut().for_each(|(_, source)| *source = wrong.clone());
        };
        let output = |made: &mut Made, local: &Local| {
            let wrong = source(local, &wrong);
            made.outputs[1].bip32_derivations.values_mut().for_each(|source| *source = wrong.clone());
            made.outputs[1].tap_key_origins.values_mut().for_each(|(_, source)| *source = wrong.clone());
        };
        for scheme in BOTH {
            assert_eq!(fault(changed(scheme, input)), Fault::FalseOrigin);
            assert_eq!(fault(changed(scheme, output)), Fault::FalseOrigin);
        }
    }
}

#[test]
fn inputs_outside_the_requests_path_are_refused_and_outputs_there_are_no_change() {
    for scheme in BOTH {
        let local = local(scheme);
        let bytes = psbt(&Wallet::simple(scheme).bytes(&local));
        let at = |path: &str| inspect(&bytes, &local.key().at(path.parse().unwrap()).unwrap());
        assert_eq!(at("m").unwrap().facts.outflows.len(), 1);
        // Inputs are at m/0/5, the change is at m/1/6.
        assert_eq!(at("m/0").unwrap().facts.outflows.len(), 2);
        assert_eq!(at("m/0/5").unwrap().facts.outflows.len(), 2);
        assert_eq!(fault(at("m/1")), Fault::OutsidePath);
    }
}

#[test]
fn change_that_is_not_proven_is_an_outflow() {
    for scheme in BOTH {
        let silent = |made: &mut Made, _: &Local| {
            made.outputs[1].bip32_derivations.clear();
            made.outputs[1].tap_key_origins.clear();
        };
        let facts = changed(scheme, silent).unwrap().facts;
        assert_eq!((facts.outflows.len(), detail(&facts).ours_out.digits()), (2, "0"));
        // The key is ours, the script is not: it does not come back.
        let elsewhere = |made: &mut Made, local: &Local| {
            let script = Owner::Somebody(3).script(local, 1);
            made.outputs[1].script_pubkey = script.clone();
            made.unsigned.output[1].script_pubkey = script;
        };
        let facts = changed(scheme, elsewhere).unwrap().facts;
        assert_eq!((facts.outflows.len(), detail(&facts).ours_out.digits()), (2, "0"));
    }
}

#[test]
fn forms_that_we_do_not_sign_are_refused() {
    let form =
        |scheme, change: fn(&mut Made, &Local)| assert_eq!(fault(changed(scheme, change)), Fault::Form(0));
    form(Scheme::Dkls23, |made, _| made.inputs[0].witness_script = Some(ScriptBuf::new()));
    form(Scheme::Dkls23, |made, _| made.inputs[0].redeem_script = Some(ScriptBuf::new()));
    form(Scheme::FrostTaproot, |made, _| made.inputs[0].tap_merkle_root = Some(TapNodeHash::all_zeros()));
    form(Scheme::FrostTaproot, |made, _| made.inputs[0].tap_internal_key = None);
    form(Scheme::FrostTaproot, |made, local| {
        made.inputs[0].tap_internal_key = Some(XOnlyPublicKey::from(point(local, &path(0, 6)).0));
    });
    // Our key in an input that is locked with something else.
    for scheme in BOTH {
        let mut wallet = Wallet::simple(scheme);
        wallet.inputs[0].0 = Owner::Somebody(4);
        let local = local(scheme);
        let mut made = wallet.make(&local);
        let key = point(&local, &path(0, 5));
        if scheme == Scheme::Dkls23 {
            made.inputs[0].bip32_derivations.insert(PublicKey::new(key.0), source(&local, &path(0, 5)));
        } else {
            made.inputs[0].tap_key_origins.insert(key.0.into(), (vec![], source(&local, &path(0, 5))));
        }
        assert_eq!(fault(inspect(&psbt(&made.bytes()), &local.key())), Fault::Form(0));
    }
    let mut wallet = Wallet::simple(Scheme::Dkls23);
    wallet.inputs[0].0 = Owner::Nested(5);
    let local = local(Scheme::Dkls23);
    let mut made = wallet.make(&local);
    made.inputs[0].redeem_script = Some(Owner::Native(6).script(&local, 0));
    assert_eq!(fault(inspect(&psbt(&made.bytes()), &local.key())), Fault::Form(0));
}

#[test]
fn inputs_that_are_final_or_not_ours_are_not_signed() {
    for scheme in BOTH {
        let done = |made: &mut Made, _: &Local| {
            made.inputs[0].final_script_witness = Some(Witness::from_slice(&[[1; 64]]));
        };
        assert_eq!(fault(changed(scheme, done)), Fault::Final(0));
        let nobody = |made: &mut Made, _: &Local| {
            made.inputs[0].bip32_derivations.clear();
            made.inputs[0].tap_key_origins.clear();
        };
        assert_eq!(fault(changed(scheme, nobody)), Fault::NothingToSign);
        // Somebody else's key, with somebody else's fingerprint.
        let other = Local::new(scheme, [8; 32]);
        assert_eq!(
            fault(inspect(&psbt(&Wallet::simple(scheme).bytes(&other)), &local(scheme).key())),
            Fault::NothingToSign
        );
    }
}

#[test]
fn amounts_that_do_not_add_up_are_refused() {
    let local = local(Scheme::Dkls23);
    let refused = |input: u64, outputs: &[u64]| {
        let mut wallet = Wallet::simple(Scheme::Dkls23);
        wallet.inputs[0].1 = input;
        wallet.outputs = outputs.iter().map(|amount| (Owner::Somebody(1), *amount)).collect();
        inspect(&psbt(&wallet.bytes(&local)), &local.key())
    };
    assert!(refused(1_000, &[1_000]).is_ok());
    assert_eq!(fault(refused(1_000, &[1_001])), Fault::Amounts);
    assert_eq!(fault(refused(1_000, &[u64::MAX, u64::MAX])), Fault::Amounts);
    assert_eq!(fault(refused(21_000_001 * 100_000_000, &[1])), Fault::Amounts);
}

#[test]
fn inputs_outputs_and_origins_are_counted() {
    let local = local(Scheme::FrostTaproot);
    let count = |inputs: usize, outputs: usize| {
        let mut wallet = Wallet::simple(Scheme::FrostTaproot);
        wallet.is_whole = false;
        wallet.inputs.extend((1..inputs).map(|_| (Owner::Somebody(1), 5_000)));
        wallet.outputs = (0..outputs).map(|_| (Owner::Somebody(1), 1)).collect();
        inspect(&psbt(&wallet.bytes(&local)), &local.key())
    };
    assert!(count(INPUTS_MAX, OUTPUTS_MAX).is_ok());
    assert_eq!(fault(count(INPUTS_MAX + 1, 1)), Fault::Size);
    assert_eq!(fault(count(1, OUTPUTS_MAX + 1)), Fault::Size);
    assert_eq!(fault(count(1, 0)), Fault::Size);
    let stuffed = |many: usize, whose: &Local| {
        changed(Scheme::Dkls23, |made, local| {
            for index in 0..many as u32 {
                let key = PublicKey::new(point(local, &path(3, index)).0);
                made.outputs[0].bip32_derivations.insert(key, source(whose, &path(3, index)));
            }
        })
    };
    let other = Local::new(Scheme::Dkls23, [8; 32]);
    assert!(stuffed(ORIGINS_MAX, &other).is_ok());
    assert_eq!(fault(stuffed(ORIGINS_MAX + 1, &other)), Fault::Size);
    let ours = Local::new(Scheme::Dkls23, [7; 32]);
    assert!(stuffed(OWN_ORIGINS_MAX, &ours).is_ok());
    assert_eq!(fault(stuffed(OWN_ORIGINS_MAX + 1, &ours)), Fault::Size);
}

#[test]
fn scripts_without_an_address_are_a_danger() {
    let data = |made: &mut Made, _: &Local| {
        let script = ScriptBuf::new_op_return([1, 2, 3]);
        made.outputs[0].script_pubkey = script.clone();
        made.unsigned.output[0].script_pubkey = script;
    };
    let facts = changed(Scheme::Dkls23, data).unwrap().facts;
    assert_eq!(facts.dangers.iter().copied().collect::<Vec<_>>(), [Danger::Opaque]);
    assert_eq!(facts.outflows[0].to, "6a03010203");
}
