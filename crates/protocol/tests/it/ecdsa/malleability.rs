//! Nobody makes a second signature out of one: not by its s, its encoding, or numbers beyond the range.

use k256::Scalar;
use k256::elliptic_curve::bigint::U256;
use keymoot_protocol::curve::{Curve, Secp256k1};
use keymoot_protocol::ecdsa::{EcdsaSignature, verify_compact, verify_der};
use rand_chacha::rand_core::RngCore;

use super::{
    GAP, P, Q, bytes, must_agree, must_hold, must_make, must_point_of_length, must_recover, point_at,
    random_bytes, random_of_length, scalar, xs_from_q,
};
use crate::parties::rng;

/// r ‖ s ‖ id, of numbers that need not make a signature.
fn recoverable(r: &U256, s: &U256, id: u8) -> Vec<u8> {
    [&bytes(r)[..], &bytes(s), &[id]].concat()
}

#[test]
fn p08_both_forms_of_a_signature_become_the_one_with_low_s() {
    let mut rng = rng(1_207);
    let half = scalar(&bytes(&Q.shr_vartime(1)));
    let edges = [Scalar::ONE, -Scalar::ONE, half, -half, half - Scalar::ONE, half + Scalar::from(2u64)];
    let random: Vec<Scalar> = (0..500).map(|_| Secp256k1::random(&mut rng)).collect();
    for s in edges.into_iter().chain(random) {
        let nonce = must_point_of_length(32, &mut rng);
        let digest = random_bytes(&mut rng);
        let (signature, public) = must_make(&nonce, &s, &digest);
        must_hold(&signature, &public, &digest);
        assert_eq!(EcdsaSignature::new(-nonce, &-s), Some(signature), "the same R, said otherwise");
        let other = EcdsaSignature::new(nonce, &-s).unwrap();
        assert_eq!(other.to_compact(), signature.to_compact());
        assert_eq!(other.recovery_id(), signature.recovery_id() ^ 1);
    }
}

#[test]
fn p08_the_form_with_high_s_is_refused_everywhere() {
    let mut rng = rng(1_208);
    for _ in 0..200 {
        let nonce = must_point_of_length(32, &mut rng);
        let digest = random_bytes(&mut rng);
        let (signature, public) = must_make(&nonce, &Secp256k1::random(&mut rng), &digest);
        let high = Q.wrapping_sub(&U256::from_be_slice(signature.s()));
        let r = U256::from_be_slice(signature.r());
        let compact: [u8; 64] = recoverable(&r, &high, 0)[..64].try_into().unwrap();
        assert!(!must_agree(&public, &digest, &compact));
        for id in 0..=3 {
            assert_eq!(EcdsaSignature::from_recoverable(&recoverable(&r, &high, id)), None);
        }
        // ECDSA itself takes it: it is this library that does not.
        let der = k256::ecdsa::Signature::from_slice(&compact).unwrap();
        assert_eq!(der.normalize_s().unwrap().to_bytes()[..], signature.to_compact());
    }
}

#[test]
fn p08_numbers_out_of_range_are_refused() {
    let mut rng = rng(1_209);
    let digest = random_bytes(&mut rng);
    // With r = x = 1 and s = 3, r + q and s + q fit 256 bits: whoever reduced them would accept them.
    let [one, two, three] = [1u64, 2, 3].map(U256::from);
    let nonce = point_at(&bytes(&one), false).unwrap();
    let (signature, public) = must_make(&nonce, &Scalar::from(3u64), &digest);
    must_hold(&signature, &public, &digest);
    assert_eq!(signature.to_recoverable()[..], recoverable(&one, &three, 0));
    let must_refuse = |r: &U256, s: &U256| {
        for id in 0..=255 {
            assert_eq!(EcdsaSignature::from_recoverable(&recoverable(r, s, id)), None, "{r} {s} {id}");
        }
        let compact: [u8; 64] = recoverable(r, s, 0)[..64].try_into().unwrap();
        assert!(!verify_compact(&public, &digest, &compact));
        assert!(!verify_der(&public, &digest, &der(&unsigned(&bytes(r)), &unsigned(&bytes(s)))));
    };
    for number in [U256::ZERO, Q, Q.wrapping_add(&one), Q.wrapping_add(&three), P, U256::MAX] {
        must_refuse(&number, &three);
        must_refuse(&one, &number);
        must_refuse(&number, &number);
    }
    // The least high s, the form of ours, and the greatest s below q.
    for high in [Q.shr_vartime(1).wrapping_add(&one), Q.wrapping_sub(&three), Q.wrapping_sub(&one)] {
        must_refuse(&one, &high);
    }
    // Ids 2 and 3 mean x = r + q. It has to be below p; q + 2 and p − 3 are the first and the last x with points.
    for (r, has_point) in [
        (two, true),
        (GAP.wrapping_sub(&three), true),
        (GAP, false),
        (GAP.wrapping_add(&one), false),
        (Q.wrapping_sub(&two), false),
    ] {
        for id in [2, 3] {
            let decoded = EcdsaSignature::from_recoverable(&recoverable(&r, &three, id));
            assert_eq!(decoded.is_some(), has_point, "{r} {id}");
        }
    }
}

#[test]
fn p08_only_the_65_bytes_of_a_signature_are_one() {
    let mut rng = rng(1_210);
    let nonce = must_point_of_length(32, &mut rng);
    let (signature, _) = must_make(&nonce, &Secp256k1::random(&mut rng), &[7; 32]);
    let good = signature.to_recoverable();
    for length in 0..good.len() {
        assert_eq!(EcdsaSignature::from_recoverable(&good[..length]), None);
    }
    assert_eq!(EcdsaSignature::from_recoverable(&[&good[..], &[0]].concat()), None);
    assert_eq!(EcdsaSignature::from_recoverable(&[&[0], &good[..]].concat()), None);
    assert_eq!(EcdsaSignature::from_recoverable(&signature.to_der()), None);
    // Offsets by which chains mark the id: 27 and 31 of Bitcoin, 35 and more of Ethereum.
    for id in (0..=255).filter(|id| *id != signature.recovery_id()) {
        let mut bytes = good;
        bytes[64] = id;
        let other = EcdsaSignature::from_recoverable(&bytes);
        assert_eq!(other.is_some(), id == signature.recovery_id() ^ 1, "{id}: r ≥ p − q, so x is r");
    }
    // Every decoded value is the one with these bytes, and every r has a point.
    for _ in 0..2_000 {
        let mut bytes = [0; 65];
        rng.fill_bytes(&mut bytes);
        bytes[32] &= 0x7f;
        bytes[64] &= 1;
        let decoded = EcdsaSignature::from_recoverable(&bytes);
        let has_point = point_at(bytes[..32].try_into().unwrap(), false).is_some();
        let is_low = U256::from_be_slice(&bytes[32..64]) <= Q.shr_vartime(1);
        assert_eq!(
            decoded.map(|signature| signature.to_recoverable()),
            (has_point && is_low).then_some(bytes)
        );
    }
}

#[test]
fn p08_another_recovery_id_recovers_another_key() {
    let mut rng = rng(1_211);
    for x in xs_from_q(&mut rng) {
        let nonce = point_at(&bytes(&x), true).unwrap();
        let digest = random_bytes(&mut rng);
        let (signature, public) = must_make(&nonce, &Secp256k1::random(&mut rng), &digest);
        let mut bytes = signature.to_recoverable();
        for id in (0..=3).filter(|id| *id != signature.recovery_id()) {
            bytes[64] = id;
            let Some(other) = EcdsaSignature::from_recoverable(&bytes) else { continue };
            let recovered = must_recover(&other, &digest).unwrap();
            assert!(recovered != public && must_agree(&recovered, &digest, &other.to_compact()));
            assert!(other.verifies(&public, &digest), "r and s decide");
        }
    }
}

/// DER of two integers whose contents are as given.
fn der(r: &[u8], s: &[u8]) -> Vec<u8> {
    let sizes = [r.len() + s.len() + 4, r.len(), s.len()].map(|size| u8::try_from(size).expect("short"));
    [&[0x30, sizes[0], 2, sizes[1]], r, &[2, sizes[2]], s].concat()
}

/// The least content of a DER integer that is not negative.
fn unsigned(number: &[u8; 32]) -> Vec<u8> {
    let padded = [&[0], &number[..]].concat();
    let least = (0..33).find(|i| *i == 32 || padded[*i] != 0 || padded[*i + 1] >= 0x80);
    padded[least.expect("an end")..].to_vec()
}

#[test]
fn p08_only_strict_der_verifies() {
    let mut rng = rng(1_212);
    let digest = random_bytes(&mut rng);
    for (r_length, s_length) in [(32, 31), (1, 32), (7, 1)] {
        let nonce = must_point_of_length(r_length, &mut rng);
        let s = scalar(&random_of_length(s_length, &mut rng));
        let (signature, public) = must_make(&nonce, &s, &digest);
        let good = signature.to_der();
        let (r, s) = (unsigned(signature.r()), unsigned(signature.s()));
        let accepts = |bytes: &[u8]| verify_der(&public, &digest, bytes);
        assert!(good == der(&r, &s) && accepts(&good));
        for i in 0..good.len() {
            assert!(!accepts(&good[..i]), "cut");
            assert!(!accepts(&[&good[..i], &good[i + 1..]].concat()), "one byte less");
            for byte in 0..=255 {
                let mut changed = good.clone();
                changed[i] = byte;
                assert_eq!(accepts(&changed), byte == good[i], "byte {i} is {byte}");
                assert!(!accepts(&[&good[..i], &[byte], &good[i..]].concat()), "one byte more");
            }
        }
        assert!(!accepts(&[&good[..], &[0]].concat()), "trailing byte");
        assert!(!accepts(&der(&[&[0], &r[..]].concat(), &s)) && !accepts(&der(&r, &[&[0], &s[..]].concat())));
        let body = &good[2..];
        assert!(!accepts(&[&[0x30, 0x81, good[1]], body].concat()), "long length");
        assert!(!accepts(&[&[0x30, 0x82, 0, good[1]], body].concat()), "longer length");
        assert!(!accepts(&[&[0x30, 0x80], body, &[0, 0]].concat()), "indefinite length");
        assert!(!accepts(&signature.to_compact()) && !accepts(&signature.to_recoverable()));
    }
}
