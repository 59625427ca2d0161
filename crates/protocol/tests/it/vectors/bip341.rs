//! BIP-341: internal keys, script trees, output keys, addresses, and signatures under the output key.

use std::collections::BTreeSet;
use std::sync::Arc;

use frost_core::{SigningPackage, compute_binding_factor_list, compute_group_commitment};
use frost_secp256k1_tr::keys::EvenY;
use keymoot_protocol::curve::{Curve, Secp256k1, ff::Field, group::Group};
use keymoot_protocol::derive::output_key;
use keymoot_protocol::frost::{Order as SignOrder, SigningKey};
use keymoot_protocol::transcript::bitcoin::tagged;
use keymoot_types::Scheme;
use rand_chacha::rand_core::RngCore;
use serde::Deserialize;

use super::dealer::{Signed, deal_two_of_three, must_sign};
use super::{Hex, must_load};
use crate::parties::{Checked, World, party};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wallet {
    script_pub_key: Vec<Output>,
    key_path_spending: Vec<Transaction>,
}

#[derive(Deserialize)]
struct Output {
    given: Internal,
    intermediary: Tweaked,
    expected: Expected,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Internal {
    internal_pubkey: Hex,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Tweaked {
    merkle_root: Option<Hex>,
    tweak: Hex,
    tweaked_pubkey: Hex,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Expected {
    script_pub_key: Hex,
    bip350_address: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Transaction {
    input_spending: Vec<Input>,
}

#[derive(Deserialize)]
struct Input {
    given: Spender,
    intermediary: Spending,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Spender {
    internal_privkey: Hex,
    merkle_root: Option<Hex>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Spending {
    internal_pubkey: Hex,
    tweaked_privkey: Hex,
    sig_hash: Hex,
}

fn wallet() -> Wallet {
    must_load(include_str!("../../../vectors/bip341_wallet.json"))
}

/// The point with this x coordinate, with even or odd y.
fn lift_x(x: &Hex, prefix: u8) -> k256::ProjectivePoint {
    Hex([&[prefix], x.0.as_slice()].concat()).must_point::<Secp256k1>()
}

#[test]
fn bip341_output_keys_and_addresses_are_as_published() {
    let outputs = wallet().script_pub_key;
    assert_eq!(outputs.len(), 7);
    for Output { given, intermediary, expected } in outputs {
        let root: Option<[u8; 32]> = intermediary.merkle_root.as_ref().map(Hex::must_array);
        let tweak = tagged("TapTweak", &[&given.internal_pubkey.0, root.as_ref().map_or(&[], |root| root)]);
        assert_eq!(tweak.as_slice(), intermediary.tweak.0);
        for parity in [2, 3] {
            let internal = lift_x(&given.internal_pubkey, parity);
            let output = output_key::<Secp256k1>(Scheme::FrostTaproot, &internal, root.as_ref()).unwrap();
            assert_eq!(
                output.as_slice(),
                intermediary.tweaked_pubkey.0,
                "whatever the internal key's parity"
            );
        }
        assert_eq!(
            expected.script_pub_key.0,
            [&[0x51, 0x20], intermediary.tweaked_pubkey.0.as_slice()].concat()
        );
        let address: bitcoin::Address<_> = expected.bip350_address.parse().unwrap();
        let address = address.require_network(bitcoin::Network::Bitcoin).unwrap();
        assert_eq!(address.script_pubkey().as_bytes(), expected.script_pub_key.0);
    }
}

#[test]
fn bip341_private_keys_split_in_three_sign_the_published_digests() {
    let inputs: Vec<Input> =
        wallet().key_path_spending.into_iter().flat_map(|one| one.input_spending).collect();
    assert_eq!(inputs.len(), 7);
    for (seed, Input { given, intermediary }) in (0..).zip(inputs) {
        let root = given.merkle_root.as_ref().map(Hex::must_array);
        let mut world = World::new(2, 3, seed);
        let keys = deal_two_of_three::<Secp256k1>(
            &mut world,
            given.internal_privkey.must_scalar::<Secp256k1>(),
            root,
        );
        let public = keys[0].public();
        assert_eq!(Secp256k1::encode_point(&public.group().public)[1..], intermediary.internal_pubkey.0);
        let tweaked =
            k256::ProjectivePoint::GENERATOR * intermediary.tweaked_privkey.must_scalar::<Secp256k1>();
        assert_eq!(&Secp256k1::encode_point(&tweaked)[1..], public.output_key());
        let digest = intermediary.sig_hash.0;
        for signers in [[1, 2], [1, 3], [2, 3]] {
            let signers = signers.map(party).to_vec();
            let order = SignOrder::new(Arc::clone(public), signers, digest.clone()).unwrap();
            let signature = must_sign(world.signing(&order, &keys)).signature;
            assert!(Secp256k1::verifies(public.output_key(), &digest, &signature));
        }
    }
}

/// Which of the internal key, the output key and the group commitment have odd y.
fn parities(keys: &[Arc<SigningKey<Secp256k1>>], signed: &Signed<Secp256k1>, message: &[u8]) -> [bool; 3] {
    let internal = keys[0].public().group().public;
    let root = keys[0].public().group().merkle_root;
    let x = &Secp256k1::encode_point(&internal)[1..];
    let even = lift_x(&Hex(x.to_vec()), 2);
    let tweak =
        Secp256k1::decode_scalar(&tagged("TapTweak", &[x, root.as_ref().map_or(&[], |root| root)])).unwrap();
    let output = Secp256k1::encode_point(&(even + k256::ProjectivePoint::GENERATOR * tweak));
    assert_eq!(&output[1..], keys[0].public().output_key());

    let name =
        |party: &keymoot_types::Party| frost_secp256k1_tr::Identifier::try_from(party.index()).unwrap();
    let named = signed.commitments.iter().map(|(party, commitments)| (name(party), commitments.0)).collect();
    let package = SigningPackage::new(named, message);
    let key = frost_secp256k1_tr::VerifyingKey::deserialize(&output).unwrap().into_even_y(None);
    let factors = compute_binding_factor_list(&package, &key, &[]).unwrap();
    let commitment = compute_group_commitment(&package, &factors).unwrap().to_element();
    assert!(!bool::from(commitment.is_identity()));
    let commitment = Secp256k1::encode_point(&commitment);
    assert_eq!(
        commitment[1..],
        signed.signature[..32],
        "this is the R of the signature, before it is made even"
    );
    [Secp256k1::encode_point(&internal), output, commitment].map(|encoded| encoded[0] == 3)
}

#[test]
fn bip341_signatures_verify_in_all_eight_combinations_of_parity() {
    let mut seen = BTreeSet::new();
    for seed in 0..256 {
        let mut world = World::new(2, 3, seed);
        let (mut message, mut root) = ([0; 32], [0; 32]);
        world.rng.fill_bytes(&mut message);
        world.rng.fill_bytes(&mut root);
        let root = (seed % 2 == 1).then_some(root);
        let secret = k256::Scalar::random(&mut world.rng);
        let keys = deal_two_of_three::<Secp256k1>(&mut world, secret, root);
        let signers = vec![party(1), party(2)];
        let order = SignOrder::new(Arc::clone(keys[0].public()), signers, message.to_vec()).unwrap();
        let signed = must_sign(world.signing(&order, &keys));
        assert!(Secp256k1::verifies(keys[0].public().output_key(), &message, &signed.signature));
        seen.insert(parities(&keys, &signed, &message));
        if seen.len() == 8 {
            return;
        }
    }
    panic!("256 random keys and messages showed only {} of 8 combinations of parity", seen.len());
}
