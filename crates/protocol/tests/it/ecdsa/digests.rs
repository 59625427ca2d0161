//! Digests at the edges of the range: zero, and those that are not below q.

use k256::ProjectivePoint;
use k256::elliptic_curve::bigint::U256;
use keymoot_protocol::curve::{Curve, Secp256k1};
use keymoot_protocol::ecdsa::EcdsaSignature;

use super::{
    P, Q, bytes, must_agree, must_hold, must_make, must_point_of_length, must_recover, point_at, scalar,
    xs_from_q,
};
use crate::parties::rng;

/// Digests at the edges of the range, q and what lies above it among them.
fn edge_digests() -> Vec<[u8; 32]> {
    let one = U256::ONE;
    let edges = [U256::ZERO, one, Q.wrapping_sub(&one), Q, Q.wrapping_add(&one), P, U256::MAX];
    edges.iter().map(bytes).collect()
}

#[test]
fn p09_digests_at_the_edges_are_signed_as_others_sign_them() {
    let mut rng = rng(1_213);
    for digest in edge_digests() {
        for _ in 0..50 {
            let secret = Secp256k1::random(&mut rng);
            let public = ProjectivePoint::GENERATOR * secret;
            let key = k256::ecdsa::SigningKey::from_bytes(&secret.to_bytes()).unwrap();
            let (theirs, id) = key.sign_prehash_recoverable(&digest).unwrap();
            let bytes = [&theirs.to_bytes()[..], &[id.to_byte()]].concat();
            must_hold(&EcdsaSignature::from_recoverable(&bytes).unwrap(), &public, &digest);

            let key = secp256k1::SecretKey::from_byte_array(Secp256k1::encode_scalar(&secret)).unwrap();
            let message = secp256k1::Message::from_digest(digest);
            let direct = secp256k1::SECP256K1.sign_ecdsa_recoverable(message, &key);
            let (id, compact) = direct.serialize_compact();
            let bytes = [&compact[..], &[i32::from(id) as u8]].concat();
            must_hold(&EcdsaSignature::from_recoverable(&bytes).unwrap(), &public, &digest);

            let nonce = Secp256k1::random(&mut rng);
            let point = ProjectivePoint::GENERATOR * nonce;
            let r = scalar(&Secp256k1::encode_point(&point)[1..].try_into().unwrap());
            let s = nonce.invert().unwrap() * (scalar(&digest) + r * secret);
            must_hold(&EcdsaSignature::new(point, &s).unwrap(), &public, &digest);
            must_refuse_other_digests(&EcdsaSignature::new(point, &s).unwrap(), &public, &digest);
        }
    }
}

/// A digest counts modulo q, so that exactly those which are equal there share their signatures.
fn must_refuse_other_digests(signature: &EcdsaSignature, public: &ProjectivePoint, digest: &[u8; 32]) {
    for other in edge_digests() {
        let is_equal = scalar(&other) == scalar(digest);
        assert_eq!(must_agree(public, &other, &signature.to_compact()), is_equal);
        assert_eq!(signature.verifies(public, &other), is_equal);
        assert_eq!(must_recover(signature, &other).as_ref() == Some(public), is_equal);
    }
}

#[test]
fn p09_digests_at_the_edges_with_x_above_the_order_verify_and_recover() {
    let mut rng = rng(1_214);
    for digest in edge_digests() {
        for x in xs_from_q(&mut rng).into_iter().take(10) {
            let nonce = point_at(&bytes(&x), false).unwrap();
            let (signature, public) = must_make(&nonce, &Secp256k1::random(&mut rng), &digest);
            assert!(signature.recovery_id() >= 2);
            must_hold(&signature, &public, &digest);
        }
    }
}

#[test]
fn p09_over_a_zero_digest_anybody_signs_for_any_key() {
    let mut rng = rng(1_215);
    for digest in [[0; 32], bytes(&Q)] {
        for _ in 0..50 {
            // Somebody's key, whose secret is not used: R = aP and s = r/a.
            let public = must_point_of_length(32, &mut rng);
            let a = Secp256k1::random(&mut rng);
            let nonce = public * a;
            let r = scalar(&Secp256k1::encode_point(&nonce)[1..].try_into().unwrap());
            let forged = EcdsaSignature::new(nonce, &(r * a.invert().unwrap())).unwrap();
            must_hold(&forged, &public, &digest);
            must_refuse_other_digests(&forged, &public, &digest);
        }
    }
}
