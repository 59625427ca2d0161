//! Each command as Bitcoin Core calls it, against the shapes that it takes: `src/external_signer.cpp`,
//! `src/wallet/external_signer_scriptpubkeyman.cpp` and the signer of its own tests, `test/functional/mocks/signer.py`; and the
//! errors of HWI, `hwilib/errors.py`.

use std::cell::Cell;
use std::str::FromStr;

use clap::Parser;
use futures_util::FutureExt;
use keymoot_types::Network;
use keymoot_wire::rest::KeyView;
use miniscript::{Descriptor, DescriptorPublicKey};
use serde_json::{Value, json};

use super::signer::Cluster;
use super::{HwiArgs, answer, asked, merged};
use crate::explain::UNREACHABLE;
use crate::failure::{Failure, Trouble};
use crate::proof::Read;
use crate::psbt;
use crate::purse::Owner;
use crate::whole::Whole;

/// Keys in one piece, where a cluster would be.
struct Double {
    keys: Vec<Whole>,
    network: Network,
    is_away: bool,
    signed: Cell<usize>,
}

impl Cluster for Double {
    fn network(&self) -> Network {
        self.network
    }

    async fn keys(&self, key: Option<&str>) -> Result<Vec<KeyView>, Failure> {
        if self.is_away {
            return Err(Trouble::new(UNREACHABLE, "cannot connect").into());
        }
        let views = self.keys.iter().map(|key| key.view.clone());
        Ok(views.filter(|view| key.is_none_or(|name| view.name == name)).collect())
    }

    async fn sign(&self, key: &KeyView, read: &Read) -> Result<Vec<u8>, Failure> {
        self.signed.set(self.signed.get() + 1);
        Ok(self.keys.iter().find(|one| one.view.id == key.id).unwrap().signed(read))
    }
}

fn double(schemes: &[&str]) -> Double {
    Double {
        keys: schemes.iter().map(|scheme| Whole::new(scheme)).collect(),
        network: Network::Mainnet,
        is_away: false,
        signed: Cell::new(0),
    }
}

#[derive(Parser)]
struct Typed {
    #[command(flatten)]
    args: HwiArgs,
}

/// What is printed for this command line, with this on standard input.
fn said(double: &Double, line: &str, input: Option<&str>) -> Value {
    let words = shlex::split(&format!("hwi {line}")).unwrap();
    let args = Typed::try_parse_from(words).unwrap().args;
    let asked = match input {
        Some(text) => merged(&args, text),
        None => asked(&args),
    };
    match asked {
        Ok((options, command)) => answer::answer(double, &options, &command).now_or_never().unwrap(),
        Err(refusal) => refusal.document(),
    }
}

fn fields(value: &Value) -> Vec<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

fn must_refuse(answer: &Value, code: i32, word: &str) {
    assert_eq!(fields(answer), ["code", "error"], "{answer}");
    assert_eq!(answer["code"], code, "{answer}");
    assert!(answer["error"].as_str().unwrap().contains(word), "{answer}");
    assert!(!answer.to_string().contains('\n'), "Bitcoin Core reads one line");
}

#[test]
fn enumerate_lists_the_keys_that_sign_for_bitcoin() {
    let listed = said(&double(&["dkls23", "frost-ed25519"]), "enumerate", None);
    let fingerprint = Whole::new("dkls23").xpub().fingerprint().to_string();
    assert_eq!(
        listed,
        json!([{
            "type": "keymoot", "model": "keymoot hot", "label": "hot", "path": "key_000102030405060708090a0b0c0d0e0f",
            "fingerprint": fingerprint, "needs_pin_sent": false, "needs_passphrase_sent": false,
        }])
    );
    assert_eq!(said(&double(&["frost-ed25519"]), "enumerate", None), json!([]), "an empty list is a list");
    let away = Double { is_away: true, ..double(&[]) };
    let listed = said(&away, "enumerate", None);
    must_refuse(&listed[0], -3, "E5901: cannot connect");
    must_refuse(&said(&away, "--fingerprint 00000000 getdescriptors", None), -3, "E5901");
}

#[test]
fn getdescriptors_gives_one_of_each_form_that_another_library_reads() {
    for (scheme, starts) in [("dkls23", &["wpkh([", "sh(wpkh(["][..]), ("frost-taproot", &["tr(["])] {
        let key = Whole::new(scheme);
        let fingerprint = key.xpub().fingerprint();
        for (chain, network, prefix) in [
            ("main", Network::Mainnet, "xpub"),
            ("test", Network::Testnet, "tpub"),
            ("signet", Network::Signet, "tpub"),
            ("regtest", Network::Regtest, "tpub"),
            ("testnet4", Network::Testnet, "tpub"),
        ] {
            let line = format!("--fingerprint \"{fingerprint}\" --chain {chain} getdescriptors --account 0");
            let double = Double { network, ..double(&[scheme]) };
            let answer = said(&double, &line, None);
            assert_eq!(said(&double, "getdescriptors", None), answer, "it is the network of the cluster");
            assert_eq!(fields(&answer), ["internal", "receive"]);
            for (side, branch) in [("receive", "/0/*)"), ("internal", "/1/*)")] {
                let list = answer[side].as_array().unwrap();
                assert_eq!(list.len(), starts.len(), "{answer}");
                for (text, start) in list.iter().map(|text| text.as_str().unwrap()).zip(starts) {
                    assert!(text.starts_with(&format!("{start}{fingerprint}]{prefix}")), "{text}");
                    assert!(text.contains(branch), "{text}");
                    // It checks the checksum.
                    let read = Descriptor::<DescriptorPublicKey>::from_str(text).unwrap();
                    assert!(read.has_wildcard() && text.contains('#') && !read.is_multipath(), "{text}");
                }
            }
        }
    }
    let one = double(&["dkls23"]);
    must_refuse(&said(&one, "getdescriptors --account 1", None), -9, "another key");
    must_refuse(&said(&one, "--fingerprint 00000000 getdescriptors", None), -3, "fingerprint");
    let two = double(&["dkls23", "frost-taproot"]);
    must_refuse(&said(&two, "getdescriptors", None), -1, "--fingerprint or --key");
}

#[test]
fn displayaddress_shows_what_another_library_derives_and_nothing_of_others() {
    for (scheme, chain) in [("dkls23", "regtest"), ("frost-taproot", "main")] {
        let home = if chain == "main" { Network::Mainnet } else { Network::Regtest };
        let double = Double { network: home, ..double(&[scheme]) };
        let listed = said(&double, &format!("--chain {chain} getdescriptors"), None);
        for text in listed["receive"].as_array().unwrap().iter().map(|text| text.as_str().unwrap()) {
            let read = Descriptor::<DescriptorPublicKey>::from_str(text).unwrap();
            let seventh = read.at_derivation_index(7).unwrap();
            let network = if chain == "main" { bitcoin::Network::Bitcoin } else { bitcoin::Network::Regtest };
            let wanted = seventh.address(network).unwrap().to_string();
            // As Core asks: a key with its origin; and as people do, with the extended key.
            let inferred = inferred(&double.keys[0], text, 7);
            for descriptor in
                [seventh.to_string(), text.split('#').next().unwrap().replace('*', "7"), inferred]
            {
                let line = format!("--chain {chain} displayaddress --desc \"{descriptor}\"");
                assert_eq!(said(&double, &line, None), json!({ "address": wanted }), "{descriptor}");
            }
        }
    }
    let double = double(&["dkls23"]);
    let answer = said(&double, "--chain main displayaddress --path m/0/7 --addr-type sh_wit", None);
    assert!(answer["address"].as_str().unwrap().starts_with('3'), "{answer}");
    must_refuse(&said(&double, "displayaddress --path m/0/7 --addr-type tap", None), -7, "form");
    must_refuse(&said(&double, "displayaddress --path m/84h/0h/0h/0/0", None), -7, "hardened");
}

/// What Core infers from a script: origin with the whole path, and the public key alone.
fn inferred(key: &Whole, ranged: &str, index: u32) -> String {
    use bitcoin::bip32::ChildNumber;
    let path = [ChildNumber::Normal { index: 0 }, ChildNumber::Normal { index }];
    let child = key.xpub().derive_pub(&bitcoin::secp256k1::Secp256k1::new(), &path).unwrap().public_key;
    let (start, rest) = ranged.split_once('[').unwrap();
    let end = ")".repeat(rest.split('#').next().unwrap().matches(')').count());
    let text = match start {
        "tr(" => bitcoin::key::XOnlyPublicKey::from(child).to_string(),
        _ => child.to_string(),
    };
    let text = format!("{start}[{}/0/{index}]{text}{end}", key.xpub().fingerprint());
    format!("{text}#{}", keymoot_chains::bitcoin::checksum(&text).unwrap())
}

#[test]
fn displayaddress_refuses_what_is_not_ours_in_every_letter() {
    let double = double(&["dkls23"]);
    let xpub = double.keys[0].xpub();
    let print = xpub.fingerprint();
    let good = format!("wpkh([{print}]{xpub}/0/7)");
    assert_eq!(fields(&said(&double, &format!("displayaddress --desc {good}"), None)), ["address"]);
    let other = Whole::new("frost-taproot").view.public_key;
    for (bad, word) in [
        (format!("{good}#qqqqqqqq"), "checksum"),
        (format!("wpkh([00000000]{xpub}/0/7)"), "another signer"),
        (format!("wpkh([{print}]{xpub}/0/*)"), "numbers"),
        (format!("wpkh([{print}]{xpub}/0/7h)"), "numbers"),
        (format!("wpkh([{print}/0]{xpub}/7)"), "another key"),
        (format!("wpkh([{print}/0/7]{other})"), "another key"),
        (format!("wpkh([{print}]{xpub}/0/7"), "form"),
        (format!("wpkh([{print}{xpub}/0/7)"), "does not end"),
        (format!("tr([{print}]{xpub}/0/7)"), "form"),
        (format!("pkh([{print}]{xpub}/0/7)"), "form"),
        (format!("wpkh([{print}]{xpub}/0/7/1/2/3/4/5/6/7/8)"), "no key"),
        (good.replace("xpub", "tpub"), "E2704"),
        (String::new(), "form"),
    ] {
        must_refuse(&said(&double, &format!("displayaddress --desc '{bad}'"), None), -7, word);
    }
}

#[test]
fn a_wallet_for_another_network_is_refused_whatever_it_asks() {
    let double = Double { network: Network::Regtest, ..double(&["dkls23"]) };
    let key = &double.keys[0];
    let psbt = psbt::text(
        &key.purse(&[(Owner::Native(1), 70_000)], &[(Owner::Somebody(1), 60_000)]).make().version_0(),
    );
    for command in [
        "getdescriptors".to_owned(),
        "getmasterxpub".to_owned(),
        "getxpub m/0".to_owned(),
        "displayaddress --path m/0/0".to_owned(),
        format!("signtx {psbt}"),
    ] {
        for chain in ["main", "test", "signet"] {
            must_refuse(&said(&double, &format!("--chain {chain} {command}"), None), -7, "E2704");
        }
        let answer = said(&double, &format!("--chain regtest {command}"), None);
        assert!(answer["error"].is_null(), "{answer}");
    }
    let listed = said(&double, "--chain main enumerate", None);
    must_refuse(&listed[0], -7, "E2704");
    assert_eq!(double.signed.get(), 1, "only what is for the network of the cluster");
}

#[test]
fn extended_keys_are_those_of_another_library() {
    let double = double(&["dkls23"]);
    let xpub = double.keys[0].xpub();
    assert_eq!(
        said(&double, "getmasterxpub --addr-type wit --account 0", None),
        json!({ "xpub": xpub.to_string() })
    );
    let child = xpub.derive_pub(&bitcoin::secp256k1::Secp256k1::new(), &[0u32.into(), 3u32.into()]).unwrap();
    assert_eq!(said(&double, "getxpub m/0/3", None), json!({ "xpub": child.to_string() }));
    must_refuse(&said(&double, "getxpub m/84h/0h/0h", None), -7, "hardened");
    must_refuse(&said(&double, "getmasterxpub --addr-type legacy", None), -7, "form");
}

#[test]
fn signtx_over_standard_input_signs_every_input_of_either_version() {
    for (scheme, owner) in [
        ("dkls23", Owner::Native as fn(u32) -> Owner),
        ("dkls23", Owner::Nested),
        ("frost-taproot", Owner::Taproot),
    ] {
        let double = double(&[scheme]);
        let key = &double.keys[0];
        let inputs = [(owner(1), 70_000), (owner(2), 80_000), (owner(9), 90_000)];
        let made = key.purse(&inputs, &[(Owner::Somebody(1), 200_000), (owner(3), 39_000)]).make();
        let line = format!("--stdin --fingerprint \"{}\" --chain main", key.xpub().fingerprint());
        for bytes in [made.version_0(), made.version_2()] {
            // As Core writes it, without a line end, and with one.
            for (quote, end) in [("\"", ""), ("", "\n")] {
                let input = format!("signtx {quote}{}{quote}{end}", psbt::text(&bytes));
                let answer = said(&double, &line, Some(&input));
                assert_eq!(fields(&answer), ["psbt", "signed"], "{answer}");
                made.must_spend(&psbt::bytes(answer["psbt"].as_str().unwrap().as_bytes().to_vec()));
            }
        }
        assert_eq!(double.signed.get(), 4);
    }
}

#[test]
fn signtx_refuses_before_anything_is_signed_and_says_which_field_it_is() {
    let double = double(&["dkls23"]);
    let key = &double.keys[0];
    let inputs = [(Owner::Native(1), 70_000), (Owner::Native(2), 80_000)];
    let mut made = key.purse(&inputs, &[(Owner::Somebody(1), 140_000)]).make();
    let mut refused = |change: fn(&mut bitcoin::Psbt), word: &str| {
        let before = made.psbt.clone();
        change(&mut made.psbt);
        let input = format!("signtx {}", psbt::text(&made.version_0()));
        must_refuse(&said(&double, "--stdin", Some(&input)), -5, word);
        made.psbt = before;
    };
    refused(|psbt| psbt.inputs[1].non_witness_utxo = None, "inputs[1].non_witness_utxo");
    refused(|psbt| psbt.inputs.iter_mut().for_each(|input| input.bip32_derivation.clear()), "E2703");
    refused(
        |psbt| psbt.inputs[0].sighash_type = Some(bitcoin::psbt::PsbtSighashType::from_u32(3)),
        "inputs[0].sighash_type",
    );
    for (line, input, code) in [
        ("--stdin", "signtx hello", -5),
        ("--stdin", "signtx cHNidP8", -5),
        ("--stdin", "signtx \"cHNidP8", -2),
        ("--stdin", "", -2),
        ("--stdin", "wipe", -2),
        ("--stdin --chain main", "signtx", -2),
    ] {
        must_refuse(&said(&double, line, Some(input)), code, "");
    }
    must_refuse(&said(&double, "", None), -2, "command");
    assert_eq!(double.signed.get(), 0);
}
