//! BIP-322 against its vectors and the crate bip322; addresses and descriptors against the BIPs and miniscript.

use std::str::FromStr;

use base64ct::{Base64, Encoding};
use bitcoin::PrivateKey;
use keymoot_chains::bitcoin::{Form, address, checksum, descriptor};
use keymoot_chains::{Detail, Key, Kind, Network, Payload, Signature, assemble, inspect};
use keymoot_types::Scheme;
use miniscript::{Descriptor, DescriptorPublicKey};
use proptest::prelude::*;

use super::BOTH;
use crate::local::Local;

fn message(text: &[u8]) -> Payload {
    Payload::new(Kind::BtcMessage, text.to_vec()).unwrap()
}

/// A key from the wallet import format; our tree's root is that key.
fn imported(scheme: Scheme, key: &str) -> Local {
    Local::new(scheme, PrivateKey::from_wif(key).unwrap().inner.secret_bytes())
}

/// BIP-322, basic-test-vectors.json, `simple`: P2WPKH. Either of two signatures, by how the nonce is found.
#[test]
fn the_p2wpkh_signatures_of_bip_322() {
    let vectors = [
        (
            "",
            "AkgwRQIhAPkJ1Q4oYS0htvyuSFHLxRQpFAY56b70UvE7Dxazen0ZAiAtZfFz1S6T6I23MWI2lK/pcNTWncuyL8UL+oMdydVgzAEhAsfxIAMZZEKUPYWI4BruhAQjzFT8FSFSajuFwrDL1Yhy",
        ),
        (
            "Hello World",
            "AkgwRQIhAOzyynlqt93lOKJr+wmmxIens//zPzl9tqIOua93wO6MAiBi5n5EyAcPScOjf1lAqIUIQtr3zKNeavYabHyR8eGhowEhAsfxIAMZZEKUPYWI4BruhAQjzFT8FSFSajuFwrDL1Yhy",
        ),
    ];
    let local = imported(Scheme::Dkls23, "L3VFeEujGtevx9w18HD1fhRbCH67Az2dpCymeRE1SoPK6XQtaN2k");
    assert_eq!(address(&local.key(), Form::P2wpkh).unwrap(), "bc1q9vza2e8x573nczrlzms0wvx3gsqjx7vavgkx0l");
    for (text, signature) in vectors {
        assert_eq!(Base64::encode_string(&local.round(&message(text.as_bytes()), &local.key())), signature);
    }
}

/// The same file: P2TR, whose signature was made with an unknown nonce, so it is put in and comes out.
#[test]
fn the_p2tr_signature_of_bip_322() {
    let local = imported(Scheme::FrostTaproot, "KyrSGCFPhqZMjCe5fNTYddiLMp4tMj4gLKuJ26TsB2rvr1VJGPbt");
    let expected = "bc1pss0zhytly75awhm6x2hhvd5lnzv3vssgrf9axfheq8ldyzn88ges79fler";
    assert_eq!(address(&local.key(), Form::P2tr).unwrap(), expected);
    let witness = Base64::decode_vec(
        "AUCJYOwOjxYAvatTAGYaVlNXBVyFuc4MwNQkOuK2tl8xhfKDONd0NjfYyNSYcRqeCp8hsAnCEPHAVEkO9h6vbQ/R",
    );
    let witness = witness.unwrap();
    let signature = Signature(witness[2..].try_into().unwrap());
    assert_eq!(assemble(&message(b"No prefix fallback"), &local.key(), &[signature]).unwrap(), witness);
}

proptest! {
    #[test]
    fn messages_verify_with_another_implementation(text in "\\PC{0,60}", secret in 1u8.., step in 0u32..1 << 31) {
        for scheme in BOTH {
            let local = Local::new(scheme, [secret; 32]);
            let key = local.key().at(format!("m/{step}").parse().unwrap()).unwrap();
            let form = if scheme == Scheme::Dkls23 { Form::P2wpkh } else { Form::P2tr };
            let signer = address(&key, form).unwrap();
            let witness = Base64::encode_string(&local.round(&message(text.as_bytes()), &key));
            bip322::verify_simple_encoded(&signer, &text, &witness).unwrap();
            let other = format!("{text}.");
            prop_assert!(bip322::verify_simple_encoded(&signer, &other, &witness).is_err());
            let Detail::BtcMessage(facts) = inspect(&message(text.as_bytes()), &key).unwrap().facts.detail else {
                panic!()
            };
            prop_assert_eq!(facts.signer, signer);
        }
    }

    #[test]
    fn checksums_are_those_of_miniscript(text in "[0-9a-zA-Z(){}\\[\\],'/*@:$%&+\\-.;<=>?!^_|~`#\"\\\\ ]{0,80}") {
        let mut engine = miniscript::descriptor::checksum::Engine::new();
        engine.input(&text).unwrap();
        prop_assert_eq!(checksum(&text), Some(engine.checksum()));
    }

    /// A watching wallet that knows the descriptor finds the addresses at which we sign.
    #[test]
    fn descriptors_lead_to_our_addresses(secret in 1u8.., prefix in prop::option::of(0u32..1 << 31), index in 0u32..1 << 31) {
        for (scheme, form) in
            [(Scheme::Dkls23, Form::P2wpkh), (Scheme::Dkls23, Form::P2shP2wpkh), (Scheme::FrostTaproot, Form::P2tr)]
        {
            for (network, theirs) in NETWORKS {
                let prefix = prefix.map(|step| format!("/{step}")).unwrap_or_default();
                let key = |path: &str| {
                    let key = Local::new(scheme, [secret; 32]).key().on(network);
                    key.at(path.parse().unwrap()).unwrap()
                };
                let text = descriptor(&key(&format!("m{prefix}")), form).unwrap();
                let parsed = Descriptor::<DescriptorPublicKey>::from_str(&text).unwrap();
                prop_assert_eq!(&parsed.to_string(), &text);
                for (chain, single) in parsed.into_single_descriptors().unwrap().into_iter().enumerate() {
                    let there = single.at_derivation_index(index).unwrap().address(theirs).unwrap().to_string();
                    let ours = address(&key(&format!("m{prefix}/{chain}/{index}")), form);
                    prop_assert_eq!(ours, Some(there));
                }
            }
        }
    }
}

const NETWORKS: [(Network, bitcoin::Network); 4] = [
    (Network::Mainnet, bitcoin::Network::Bitcoin),
    (Network::Testnet, bitcoin::Network::Testnet),
    (Network::Signet, bitcoin::Network::Signet),
    (Network::Regtest, bitcoin::Network::Regtest),
];

/// BIP-49 and BIP-84, test vectors: account 0's first receiving key and its address.
#[test]
fn the_addresses_of_bip_49_and_bip_84() {
    for (public, form, network, expected) in [
        (
            "03a1af804ac108a8a51782198c2d034b28bf90c8803f5a53f76276fa69a4eae77f",
            Form::P2shP2wpkh,
            Network::Testnet,
            "2Mww8dCYPUpKHofjgcXcBCEGmniw9CoaiD2",
        ),
        (
            "0330d54fd0dd420a6e5f8d3624f5f3482cae350f79d5f0753bf5beef9c2d91af3c",
            Form::P2wpkh,
            Network::Mainnet,
            "bc1qcr8te4kr609gcawutmrza0j4xv80jy8z306fyu",
        ),
    ] {
        let key = Key::new(Scheme::Dkls23, &hex::decode(public).unwrap(), [0; 32]).unwrap().on(network);
        assert_eq!(address(&key, form).as_deref(), Some(expected));
    }
}

/// BIP-86, test vectors: the account's xpub is our root.
#[test]
fn the_addresses_of_bip_86() {
    let root = |scheme, xpub: &str| {
        let xpub = bitcoin::bip32::Xpub::from_str(xpub).unwrap();
        Key::new(scheme, &xpub.public_key.serialize(), xpub.chain_code.to_bytes()).unwrap()
    };
    let taproot = root(
        Scheme::FrostTaproot,
        "xpub6BgBgsespWvERF3LHQu6CnqdvfEvtMcQjYrcRzx53QJjSxarj2afYWcLteoGVky7D3UKDP9QyrLprQ3VCECoY49yfdDEHGCtMMj92pReUsQ",
    );
    for (path, expected) in [
        ("m/0/0", "bc1p5cyxnuxmeuwuvkwfem96lqzszd02n6xdcjrs20cac6yqjjwudpxqkedrcr"),
        ("m/0/1", "bc1p4qhjn9zdvkux4e44uhx8tc55attvtyu358kutcqkudyccelu0was9fqzwh"),
        ("m/1/0", "bc1p3qkhfews2uk44qtvauqyr2ttdsw7svhkl9nkm9s9c3x4ax5h60wqwruhk7"),
    ] {
        let key = taproot.clone().at(path.parse().unwrap()).unwrap();
        assert_eq!(address(&key, Form::P2tr).as_deref(), Some(expected));
        assert_eq!(address(&key, Form::P2wpkh), None);
        assert_eq!(descriptor(&key, Form::P2wpkh), None);
    }
}
