//! BIP-340: the signatures that Taproot keys hand out.
//!
//! We have no verifier of our own: the aggregator hands out what the FROST library verified, and our tests and users
//! verify with libsecp256k1. So both are held to every row here. A row that only one of them accepted would be a
//! signature that we hand out and Bitcoin refuses, or one that we take for a broken share and blame a signer for.

use std::sync::Arc;

use keymoot_protocol::curve::{Curve, Secp256k1};
use keymoot_protocol::frost::{Order as SignOrder, Refused};
use keymoot_types::Path;
use serde::Deserialize;

use super::dealer::{deal_two_of_three, must_sign};
use super::{Hex, must_load};
use crate::parties::{Checked, World, party};

#[derive(Deserialize)]
struct Row {
    index: u32,
    secret_key: Option<Hex>,
    public_key: Hex,
    message: Hex,
    signature: Hex,
    verification_result: bool,
    comment: String,
}

impl Row {
    /// The secret key of the rows that have one.
    fn secret(&self) -> Option<k256::Scalar> {
        self.secret_key.as_ref().filter(|secret| !secret.0.is_empty()).map(Hex::must_scalar::<Secp256k1>)
    }
}

fn rows() -> Vec<Row> {
    let rows: Vec<Row> = must_load(include_str!("../../../vectors/bip340.json"));
    assert_eq!(rows.len(), 19);
    rows
}

fn libsecp256k1_verifies(row: &Row) -> bool {
    let Ok(key) = secp256k1::XOnlyPublicKey::from_byte_array(row.public_key.must_array()) else {
        return false;
    };
    let signature = secp256k1::schnorr::Signature::from_byte_array(row.signature.must_array());
    secp256k1::SECP256K1.verify_schnorr(&signature, &row.message.0, &key).is_ok()
}

fn library_verifies(row: &Row) -> bool {
    let even = [&[2], row.public_key.0.as_slice()].concat();
    let Ok(key) = frost_secp256k1_tr::VerifyingKey::deserialize(&even) else { return false };
    let Ok(signature) = frost_secp256k1_tr::Signature::deserialize(&row.signature.0) else { return false };
    key.verify(&row.message.0, &signature).is_ok()
}

#[test]
fn bip340_rows_verify_as_published_with_libsecp256k1() {
    for row in rows() {
        assert_eq!(libsecp256k1_verifies(&row), row.verification_result, "row {} {}", row.index, row.comment);
    }
}

#[test]
fn bip340_rows_verify_as_published_with_the_library_that_aggregates() {
    for row in rows() {
        assert_eq!(library_verifies(&row), row.verification_result, "row {} {}", row.index, row.comment);
    }
}

#[test]
fn bip340_secret_keys_are_those_of_the_published_public_keys() {
    for row in rows() {
        let Some(secret) = row.secret() else { continue };
        let public = Secp256k1::encode_point(&(k256::ProjectivePoint::GENERATOR * secret));
        assert_eq!(public[1..], row.public_key.0, "row {}", row.index);
    }
}

// Nonces are drawn jointly and the key is tweaked, so no byte can equal the published signature's.
#[test]
fn bip340_secret_keys_split_in_three_sign_their_messages_under_the_output_key() {
    let mut signed = 0;
    for row in rows() {
        let Some(secret) = row.secret().filter(|_| row.message.0.len() == 32) else { continue };
        let mut world = World::new(2, 3, u64::from(row.index));
        let keys = deal_two_of_three::<Secp256k1>(&mut world, secret, None);
        let signers = vec![party(1), party(3)];
        let order = SignOrder::new(Arc::clone(keys[0].public()), signers, row.message.0.clone()).unwrap();
        let signature = must_sign(world.signing(&order, &keys)).signature;
        assert!(
            Secp256k1::verifies(keys[0].public().output_key(), &row.message.0, &signature),
            "row {}",
            row.index
        );
        assert!(
            !Secp256k1::verifies(&row.public_key.must_array(), &row.message.0, &signature),
            "only the output key"
        );
        assert_eq!(keys[0].public().path(), &Path::root());
        signed += 1;
    }
    assert_eq!(signed, 4);
}

#[test]
fn bip340_messages_that_are_no_digests_are_refused() {
    let mut world = World::new(2, 3, 1);
    let keys = deal_two_of_three::<Secp256k1>(&mut world, k256::Scalar::from(3u64), None);
    let mut refused = 0;
    for row in rows().iter().filter(|row| row.message.0.len() != 32) {
        let signers = vec![party(1), party(2)];
        let order = SignOrder::new(Arc::clone(keys[0].public()), signers, row.message.0.clone());
        assert_eq!(order.err(), Some(Refused::Message), "row {}", row.index);
        refused += 1;
    }
    assert_eq!(refused, 4);
}
