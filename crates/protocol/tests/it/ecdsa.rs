//! ECDSA signatures beside two other implementations: `k256::ecdsa` and libsecp256k1 called directly.
//!
//! Most signatures here are made backwards: for any R, s and digest there is the key Q = r⁻¹(sR − mG) under which they
//! verify. That reaches what no signer meets by chance: x(R) ≥ q, and r and s of any length.

mod digests;
mod malleability;
mod wycheproof;

use k256::ecdsa::hazmat::SignPrimitive;
use k256::ecdsa::signature::hazmat::PrehashVerifier;
use k256::elliptic_curve::bigint::{ArrayEncoding, U256};
use k256::elliptic_curve::ops::Reduce;
use k256::{ProjectivePoint, Scalar};
use keymoot_protocol::curve::{Curve, Secp256k1};
use keymoot_protocol::ecdsa::{EcdsaSignature, verify_compact, verify_der};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::RngCore;

use crate::parties::rng;

/// q and p of SEC 2, and what lies between them.
const Q: U256 = U256::from_be_hex("fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141");
const P: U256 = U256::from_be_hex("fffffffffffffffffffffffffffffffffffffffffffffffffffffffefffffc2f");
const GAP: U256 = P.wrapping_sub(&Q);

fn bytes(value: &U256) -> [u8; 32] {
    value.to_be_byte_array().into()
}

fn scalar(bytes: &[u8; 32]) -> Scalar {
    <Scalar as Reduce<U256>>::reduce_bytes(&(*bytes).into())
}

fn random_bytes(rng: &mut ChaCha20Rng) -> [u8; 32] {
    let mut bytes = [0; 32];
    rng.fill_bytes(&mut bytes);
    bytes
}

/// A random number of exactly `length` bytes, so that DER has to shorten it, and to pad it half of the time.
fn random_of_length(length: usize, rng: &mut ChaCha20Rng) -> [u8; 32] {
    let mut bytes = random_bytes(rng);
    bytes[..32 - length].fill(0);
    bytes[32 - length] = bytes[32 - length].max(1);
    bytes
}

/// The point with this x, if there is one.
fn point_at(x: &[u8; 32], is_odd: bool) -> Option<ProjectivePoint> {
    let mut encoded = [2 + u8::from(is_odd); 33];
    encoded[1..].copy_from_slice(x);
    Secp256k1::decode_point(&encoded)
}

/// A point whose x has exactly `length` bytes.
fn must_point_of_length(length: usize, rng: &mut ChaCha20Rng) -> ProjectivePoint {
    let mut tries = (0..1_000).map(|_| random_of_length(length, rng));
    tries.find_map(|x| point_at(&x, x[31] & 2 == 0)).expect("every other x has a point")
}

/// The xs from q to p−1 that have points, from both ends of that range and from within it.
fn xs_from_q(rng: &mut ChaCha20Rng) -> Vec<U256> {
    let low = (1..60u64).map(|step| Q.wrapping_add(&U256::from(step)));
    let high = (1..60u64).map(|step| P.wrapping_sub(&U256::from(step)));
    let within = (0..60).map(|_| {
        let step = U256::from(u128::from(rng.next_u64()) << 64 | u128::from(rng.next_u64()));
        Q.wrapping_add(&step)
    });
    let xs: Vec<U256> = low.chain(within).chain(high).filter(|x| *x > Q && *x < P).collect();
    xs.into_iter().filter(|x| point_at(&bytes(x), false).is_some()).collect()
}

/// The key under which this nonce point and this s, low or high, sign the digest.
fn key_of(nonce: &ProjectivePoint, s: &Scalar, digest: &[u8; 32]) -> ProjectivePoint {
    let x: [u8; 32] = Secp256k1::encode_point(nonce)[1..].try_into().expect("32 bytes");
    let inverse = scalar(&x).invert().expect("r is not zero");
    (nonce * s - ProjectivePoint::GENERATOR * scalar(digest)) * inverse
}

/// The signature of this nonce point and s with the key under which it verifies.
fn must_make(nonce: &ProjectivePoint, s: &Scalar, digest: &[u8; 32]) -> (EcdsaSignature, ProjectivePoint) {
    (EcdsaSignature::new(nonce, s).expect("a signature"), key_of(nonce, s, digest))
}

/// What k256, libsecp256k1 and both of our functions say, who all have to say the same.
fn must_agree(public: &ProjectivePoint, digest: &[u8; 32], compact: &[u8; 64]) -> bool {
    let other = k256::ecdsa::Signature::from_slice(compact).expect("r and s in range");
    let key = k256::ecdsa::VerifyingKey::from_affine(public.to_affine()).expect("a key");
    let theirs = key.verify_prehash(digest, &other).is_ok();
    let direct = secp256k1::PublicKey::from_slice(&Secp256k1::encode_point(public)).expect("a key");
    let standard = secp256k1::ecdsa::Signature::from_compact(compact).expect("r and s in range");
    let message = secp256k1::Message::from_digest(*digest);
    assert_eq!(secp256k1::SECP256K1.verify_ecdsa(message, &standard, &direct).is_ok(), theirs);
    assert_eq!(verify_compact(public, digest, compact), theirs);
    assert_eq!(verify_der(public, digest, other.to_der().as_bytes()), theirs);
    theirs
}

/// The key to which all three recover, who have to find the same.
fn must_recover(signature: &EcdsaSignature, digest: &[u8; 32]) -> Option<ProjectivePoint> {
    let compact = signature.to_compact();
    let other = k256::ecdsa::Signature::from_slice(&compact).expect("r and s in range");
    let id = k256::ecdsa::RecoveryId::from_byte(signature.recovery_id()).expect("an id");
    let theirs = k256::ecdsa::VerifyingKey::recover_from_prehash(digest, &other, id)
        .ok()
        .map(|key| ProjectivePoint::from(*key.as_affine()));
    let id = secp256k1::ecdsa::RecoveryId::from_u8_masked(signature.recovery_id());
    let direct = secp256k1::ecdsa::RecoverableSignature::from_compact(&compact, id).expect("in range");
    let direct = direct.recover(secp256k1::Message::from_digest(*digest)).ok();
    assert_eq!(direct.and_then(|key| Secp256k1::decode_point(&key.serialize())), theirs);
    assert_eq!(signature.recover(digest), theirs);
    theirs
}

/// All that holds for every signature, whatever it was made of.
fn must_hold(signature: &EcdsaSignature, public: &ProjectivePoint, digest: &[u8; 32]) {
    let (r, s) = (U256::from_be_slice(signature.r()), U256::from_be_slice(signature.s()));
    assert!(r != U256::ZERO && r < Q, "r is canonical");
    assert!(s != U256::ZERO && s <= Q.shr_vartime(1), "s is low");
    assert!(signature.recovery_id() <= 3);
    assert!(must_agree(public, digest, &signature.to_compact()));
    assert!(signature.verifies(public, digest));
    assert_eq!(must_recover(signature, digest).as_ref(), Some(public));
    assert_eq!(EcdsaSignature::from_recoverable(&signature.to_recoverable()), Some(*signature));
    must_encode_alike(signature);
}

fn must_encode_alike(signature: &EcdsaSignature) {
    let compact = signature.to_compact();
    assert_eq!((&compact[..32], &compact[32..]), (&signature.r()[..], &signature.s()[..]));
    assert_eq!(signature.to_recoverable()[..64], compact);
    assert_eq!(signature.to_recoverable()[64], signature.recovery_id());
    let other = k256::ecdsa::Signature::from_scalars(*signature.r(), *signature.s()).expect("in range");
    assert_eq!(other.to_bytes()[..], compact);
    assert_eq!(other.to_der().as_bytes(), signature.to_der());
    let direct = secp256k1::ecdsa::Signature::from_der(&signature.to_der()).expect("strict DER");
    assert_eq!(direct.serialize_compact(), compact);
    assert_eq!(direct.serialize_der()[..], signature.to_der());
}

#[test]
fn signatures_are_those_of_another_signer_with_the_same_nonce() {
    let mut rng = rng(1_200);
    let mut seen = [0; 4];
    for _ in 0..500 {
        let (secret, nonce) = (Secp256k1::random(&mut rng), Secp256k1::random(&mut rng));
        let digest = random_bytes(&mut rng);
        let (other, id) = secret.try_sign_prehashed(nonce, &digest.into()).unwrap();
        let point = ProjectivePoint::GENERATOR * nonce;
        let r = scalar(&Secp256k1::encode_point(&point)[1..].try_into().unwrap());
        let s = nonce.invert().unwrap() * (scalar(&digest) + r * secret);
        let ours = EcdsaSignature::new(point, &s).unwrap();
        assert_eq!(ours.to_compact()[..], other.to_bytes()[..]);
        assert_eq!(ours.recovery_id(), id.unwrap().to_byte());
        must_hold(&ours, &(ProjectivePoint::GENERATOR * secret), &digest);
        seen[usize::from(ours.recovery_id())] += 1;
    }
    assert!(seen[0] > 100 && seen[1] > 100, "both parities: {seen:?}");
}

#[test]
fn signatures_of_libsecp256k1_are_taken_as_they_are() {
    let mut rng = rng(1_201);
    for _ in 0..500 {
        let secret = Secp256k1::random(&mut rng);
        let digest = random_bytes(&mut rng);
        let key = secp256k1::SecretKey::from_byte_array(Secp256k1::encode_scalar(&secret)).unwrap();
        let message = secp256k1::Message::from_digest(digest);
        let (id, compact) = secp256k1::SECP256K1.sign_ecdsa_recoverable(message, &key).serialize_compact();
        let bytes = [&compact[..], &[i32::from(id) as u8]].concat();
        let ours = EcdsaSignature::from_recoverable(&bytes).unwrap();
        assert_eq!(ours.to_recoverable()[..], bytes);
        must_hold(&ours, &(ProjectivePoint::GENERATOR * secret), &digest);
    }
}

#[test]
fn every_recovery_id_recovers_the_key_also_where_x_is_above_the_order() {
    let mut rng = rng(1_202);
    let mut seen = [0; 4];
    let mut xs = xs_from_q(&mut rng);
    assert!(xs.len() > 60, "half of all xs have points");
    xs.extend((0..100).map(|_| U256::from_be_slice(&random_bytes(&mut rng))));
    for x in xs {
        for is_odd in [false, true] {
            let Some(nonce) = point_at(&bytes(&x), is_odd) else { continue };
            let (s, digest) = (Secp256k1::random(&mut rng), random_bytes(&mut rng));
            for s in [s, -s] {
                let (signature, public) = must_make(&nonce, &s, &digest);
                let is_flipped = Secp256k1::encode_scalar(&s) != *signature.s();
                let expected = u8::from(is_odd != is_flipped) + if x >= Q { 2 } else { 0 };
                assert_eq!(signature.recovery_id(), expected);
                must_hold(&signature, &public, &digest);
                seen[usize::from(expected)] += 1;
            }
        }
    }
    println!("recovery ids met: {seen:?}");
    assert!(seen.iter().all(|count| *count > 60), "{seen:?}");
}

#[test]
fn all_lengths_of_r_and_s_are_encoded_as_others_encode_them() {
    let mut rng = rng(1_203);
    let mut lengths = std::collections::BTreeMap::new();
    for (r_length, s_length) in (1..=32).flat_map(|r| (1..=32).map(move |s| (r, s))) {
        for _ in 0..4 {
            let nonce = must_point_of_length(r_length, &mut rng);
            let s = scalar(&random_of_length(s_length, &mut rng));
            let digest = random_bytes(&mut rng);
            let (signature, public) = must_make(&nonce, &s, &digest);
            must_hold(&signature, &public, &digest);
            *lengths.entry(signature.to_der().len()).or_insert(0) += 1;
        }
    }
    println!("DER lengths and how often: {lengths:?}");
    assert!(lengths.keys().copied().eq(8..=71), "{lengths:?}");
}

#[test]
fn zero_r_zero_s_and_the_identity_make_no_signature() {
    let mut rng = rng(1_204);
    let s = Secp256k1::random(&mut rng);
    assert!(EcdsaSignature::new(ProjectivePoint::GENERATOR, &s).is_some());
    assert_eq!(EcdsaSignature::new(ProjectivePoint::IDENTITY, &s), None);
    assert_eq!(EcdsaSignature::new(ProjectivePoint::GENERATOR, &Scalar::ZERO), None);
    // x = 0 is on no point of this curve, but x = q is, and only there r is zero.
    assert!(point_at(&[0; 32], false).is_none());
    for is_odd in [false, true] {
        assert_eq!(EcdsaSignature::new(point_at(&bytes(&Q), is_odd).unwrap(), &s), None);
    }
}

#[test]
fn nothing_verifies_under_the_identity_and_nothing_recovers_to_it() {
    let mut rng = rng(1_205);
    let (nonce, digest) = (Secp256k1::random(&mut rng), random_bytes(&mut rng));
    // R = kG with k = m/s: sR − mG is the identity.
    let s = scalar(&digest) * nonce.invert().unwrap();
    let signature = EcdsaSignature::new(ProjectivePoint::GENERATOR * nonce, &s).unwrap();
    assert_eq!(must_recover(&signature, &digest), None);
    assert!(!signature.verifies(&ProjectivePoint::IDENTITY, &digest));
    assert!(!verify_der(&ProjectivePoint::IDENTITY, &digest, &signature.to_der()));
}

#[test]
fn another_key_or_digest_or_signature_does_not_verify() {
    let mut rng = rng(1_206);
    for _ in 0..50 {
        let (nonce, s) = (Secp256k1::random(&mut rng), Secp256k1::random(&mut rng));
        let nonce = ProjectivePoint::GENERATOR * nonce;
        let digest = random_bytes(&mut rng);
        let (signature, public) = must_make(&nonce, &s, &digest);
        let compact = signature.to_compact();
        assert!(must_agree(&public, &digest, &compact));
        assert!(!must_agree(&-public, &digest, &compact));
        assert!(!must_agree(&(public + ProjectivePoint::GENERATOR), &digest, &compact));
        let bit = rng.next_u32() as usize % 256;
        let mut changed = digest;
        changed[bit / 8] ^= 1 << (bit % 8);
        assert!(!must_agree(&public, &changed, &compact));
        assert!(!signature.verifies(&public, &changed));
        let other = EcdsaSignature::new(nonce, &(s + Scalar::ONE)).unwrap();
        assert!(!must_agree(&public, &digest, &other.to_compact()));
        let other = EcdsaSignature::new(nonce.double(), &s).unwrap();
        assert!(!must_agree(&public, &digest, &other.to_compact()));
    }
}
