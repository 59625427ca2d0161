//! BIP-32 below our keys: published vectors, another implementation, and signatures under child keys.

use std::sync::Arc;

use bitcoin::bip32::{ChildNumber, Xpub};
use bitcoin::key::TapTweak;
use bitcoin::secp256k1::{Secp256k1 as Libsecp256k1, VerifyOnly};
use keymoot_protocol::curve::{Curve, Ed25519, Secp256k1};
use keymoot_protocol::derive::{DeriveError, ExtendedPublic, extended, path_tweak};
use keymoot_protocol::frost::{Order as SignOrder, Refused, VerifyingKey};
use keymoot_types::{Path, PathError};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::RngCore;
use serde::Deserialize;

use crate::net::{Order, honest};
use crate::parties::{Checked, World, group, party, rng, signing_keys};
use crate::vectors::must_load;

#[derive(Deserialize)]
struct Bip32 {
    vectors: Vec<Tree>,
    invalid: Vec<Invalid>,
}

#[derive(Deserialize)]
struct Tree {
    chains: Vec<Chain>,
}

#[derive(Deserialize)]
struct Chain {
    path: String,
    xpub: String,
    xprv: String,
}

#[derive(Deserialize)]
struct Invalid {
    key: String,
    why: String,
}

fn bip32() -> Bip32 {
    must_load(include_str!("../../vectors/bip32.json"))
}

fn chains() -> Vec<Chain> {
    bip32().vectors.into_iter().flat_map(|tree| tree.chains).collect()
}

fn libsecp256k1() -> Libsecp256k1<VerifyOnly> {
    Libsecp256k1::verification_only()
}

/// Between one and four random steps, the ends of the range among them.
fn random_path(rng: &mut ChaCha20Rng) -> Vec<u32> {
    let depth = rng.next_u32() % 4 + 1;
    let step = |_| match rng.next_u32() % 8 {
        0 => 0,
        1 => (1 << 31) - 1,
        _ => rng.next_u32() >> 1,
    };
    (0..depth).map(step).collect()
}

/// The descendant, as the `bitcoin` crate computes it.
fn must_descend_elsewhere(root: &str, steps: &[u32]) -> Xpub {
    let steps: Vec<_> = steps.iter().map(|step| ChildNumber::from_normal_idx(*step).unwrap()).collect();
    let root: Xpub = root.parse().expect("our extended key is one for others too");
    root.derive_pub(&libsecp256k1(), &steps).expect("such a child exists")
}

#[test]
fn bip32_extended_keys_print_as_they_were_read() {
    let chains = chains();
    assert_eq!(chains.len(), 17);
    for chain in chains {
        let key = ExtendedPublic::from_xpub(&chain.xpub).expect("a published key");
        assert_eq!(key.to_xpub(), chain.xpub, "{}", chain.path);
        let theirs: Xpub = chain.xpub.parse().unwrap();
        assert_eq!(theirs.public_key.serialize(), Secp256k1::encode_point(key.point()), "{}", chain.path);
    }
}

#[test]
fn bip32_private_keys_are_no_extended_public_keys() {
    for chain in chains() {
        assert_eq!(ExtendedPublic::from_xpub(&chain.xprv), None);
    }
}

#[test]
fn bip32_children_are_as_published_wherever_no_private_key_is_needed() {
    let mut derived = 0;
    for tree in bip32().vectors {
        for (parent, child) in tree.chains.iter().zip(tree.chains.iter().skip(1)) {
            let last = child.path.rsplit('/').next().unwrap();
            let Ok(index) = last.parse() else { continue };
            let parent = ExtendedPublic::from_xpub(&parent.xpub).unwrap();
            let (found, tweak) = parent.child(index).unwrap();
            assert_eq!(found.to_xpub(), child.xpub, "{}", child.path);
            assert_eq!(*found.point(), *parent.point() + k256::ProjectivePoint::GENERATOR * tweak);
            let path = Path::new(vec![index]).unwrap();
            assert_eq!(parent.descend(&path).unwrap(), (found, tweak));
            derived += 1;
        }
    }
    assert_eq!(derived, 6);
}

#[test]
fn bip32_invalid_extended_keys_are_refused() {
    let invalid = bip32().invalid;
    assert_eq!(invalid.len(), 16);
    for Invalid { key, why } in invalid {
        assert_eq!(ExtendedPublic::from_xpub(&key), None, "{why}");
    }
}

#[test]
fn text_that_is_almost_an_extended_key_is_refused() {
    let good = &chains()[0].xpub;
    let changed = format!("{}9", &good[..good.len() - 1]);
    let spaced = format!(" {good}");
    let longer = format!("{good}1");
    for bad in
        ["", "x", "xpub", &good[1..], &good[..good.len() - 1], &changed, &spaced, &longer, "0OIl", "🔑"]
    {
        assert_eq!(ExtendedPublic::from_xpub(bad), None, "{bad}");
    }
}

#[test]
fn p07_hardened_paths_of_the_vectors_are_refused_with_an_explanation() {
    let mut refused = 0;
    for chain in chains().iter().filter(|chain| chain.path.contains('H')) {
        for spelling in ["H", "h", "'"] {
            let error = chain.path.replace('H', spelling).parse::<Path>().unwrap_err();
            assert!(matches!(error, PathError::Hardened(_)), "{}", chain.path);
            assert!(error.to_string().contains("private key"), "{error}");
            assert!(error.to_string().contains("non-hardened"), "{error}");
        }
        refused += 1;
    }
    assert_eq!(refused, 12);
}

#[test]
fn p07_hardened_steps_have_no_path_however_they_are_given() {
    for step in [1 << 31, (1 << 31) + 44, u32::MAX] {
        assert!(matches!(Path::new(vec![0, step]), Err(PathError::Hardened(_))));
        assert!(matches!(format!("m/0/{step}").parse::<Path>(), Err(PathError::Hardened(_))));
    }
}

#[test]
fn children_of_our_keys_are_those_of_another_implementation() {
    for seed in 0..8 {
        let key = group(&World::new(2, 3, seed).generate::<Secp256k1>());
        let root = extended(&*key).unwrap();
        assert_eq!(*root.point(), key.public);
        let mut rng = rng(seed);
        for _ in 0..10 {
            let steps = random_path(&mut rng);
            let theirs = must_descend_elsewhere(&root.to_xpub(), &steps);
            let path = Path::new(steps).unwrap();
            let (ours, tweak) = root.clone().descend(&path).unwrap();
            assert_eq!(ours.to_xpub(), theirs.to_string(), "{path}");
            assert_eq!(Secp256k1::encode_point(ours.point()), theirs.public_key.serialize(), "{path}");
            assert_eq!(ExtendedPublic::from_xpub(&theirs.to_string()), Some(ours.clone()), "{path}");
            assert_eq!(path_tweak(&*key, &path).unwrap(), tweak, "{path}");
            assert_eq!(key.public + k256::ProjectivePoint::GENERATOR * tweak, *ours.point(), "{path}");
        }
    }
}

#[test]
fn a_path_of_255_steps_is_derived_as_by_another_implementation() {
    let key = group(&World::new(2, 2, 1).generate::<Secp256k1>());
    let root = extended(&*key).unwrap();
    let steps: Vec<u32> = (0..255).collect();
    let theirs = must_descend_elsewhere(&root.to_xpub(), &steps);
    let (deepest, _) = root.descend(&Path::new(steps).unwrap()).unwrap();
    assert_eq!(deepest.to_xpub(), theirs.to_string());
    assert_eq!(deepest.child(0).unwrap_err(), DeriveError::TooDeep);
}

#[test]
fn signatures_under_child_keys_verify_under_the_output_key_of_another_implementation() {
    let secp = libsecp256k1();
    for seed in 0..4 {
        let mut world = World::new(2, 3, seed);
        let shares = world.generate::<Secp256k1>();
        let root = extended(&**shares[0].group()).unwrap().to_xpub();
        for _ in 0..4 {
            let steps = random_path(&mut world.rng);
            let (internal, _) = must_descend_elsewhere(&root, &steps).public_key.x_only_public_key();
            let (output, _) = internal.tap_tweak(&secp, None);
            let keys = signing_keys(&shares, &Path::new(steps).unwrap());
            assert_eq!(*keys[0].public().output_key(), output.serialize());

            let signers = vec![party(1), party(3)];
            let order =
                SignOrder::new(Arc::clone(keys[0].public()), signers, Secp256k1::MESSAGE.to_vec()).unwrap();
            let mut signing = world.signing(&order, &keys);
            signing.run(Order::First, honest);
            let signature = signing.aggregator.output.expect("an honest signing succeeds");
            assert!(Secp256k1::verifies(&output.serialize(), Secp256k1::MESSAGE, &signature));
            assert!(!Secp256k1::verifies(&shares[0].group().output_key, Secp256k1::MESSAGE, &signature));
            let signature = bitcoin::secp256k1::schnorr::Signature::from_slice(&signature).unwrap();
            let message = bitcoin::secp256k1::Message::from_digest(Secp256k1::MESSAGE.try_into().unwrap());
            secp.verify_schnorr(&signature, &message, &output.to_x_only_public_key())
                .expect("Bitcoin takes it");
        }
    }
}

#[test]
fn keys_without_a_path_have_the_output_key_of_another_implementation() {
    let secp = libsecp256k1();
    for seed in 0..8 {
        let key = group(&World::new(2, 3, seed).generate::<Secp256k1>());
        let internal =
            bitcoin::secp256k1::PublicKey::from_slice(&Secp256k1::encode_point(&key.public)).unwrap();
        let (output, _) = internal.x_only_public_key().0.tap_tweak(&secp, None);
        assert_eq!(key.output_key, output.serialize());
        assert_eq!(path_tweak(&*key, &Path::root()).unwrap(), k256::Scalar::from(0u64));
    }
}

#[test]
fn ed25519_keys_have_no_children_and_say_why() {
    let shares = World::new(2, 3, 1).generate::<Ed25519>();
    let key = group(&shares);
    assert_eq!(extended(&*key), Err(DeriveError::WrongCurve));
    assert_eq!(path_tweak(&*key, &Path::root()), Ok(curve25519_dalek::Scalar::from(0u8)));
    for path in ["m/0", "m/44/0/7"] {
        let path: Path = path.parse().unwrap();
        assert_eq!(path_tweak(&*key, &path), Err(DeriveError::WrongCurve));
        let refused =
            VerifyingKey::new(Arc::clone(&key), &key.committee, path).err().expect("no key at a path");
        assert_eq!(refused, Refused::Path(DeriveError::WrongCurve));
        let why = std::error::Error::source(&refused).expect("the reason is kept").to_string();
        assert!(why.contains("Ed25519") && why.contains("separate key"), "{why}");
    }
}
