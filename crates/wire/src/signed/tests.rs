mod vectors;

use http::{HeaderMap, HeaderValue};
use proptest::prelude::*;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng as _;

use super::*;

const GROUP: GroupId = GroupId::new([5; 16]);
const BODY: &[u8] = br#"{"key":"hot","path":"m/0/7","kind":"message","payload":"68656c6c6f"}"#;

fn unsigned() -> Unsigned<'static> {
    Unsigned {
        method: "POST",
        path: "/v1/signatures",
        body: BODY,
        created: 1_700_000_000,
        expires: 1_700_000_300,
        nonce: [0xab; 16],
        group: GROUP,
    }
}

fn keys() -> [SigningKey; 2] {
    [SigningKey::ed25519(&[1; 32]), SigningKey::p256(&[7; 32]).unwrap()]
}

fn signed(key: &SigningKey) -> mpc::SignedRequest {
    key.sign(&unsigned()).unwrap().into_request(&unsigned())
}

fn headers(key: &SigningKey) -> HeaderMap {
    let parts = key.sign(&unsigned()).unwrap();
    parts.headers().into_iter().map(|(name, value)| (name, HeaderValue::try_from(value).unwrap())).collect()
}

#[test]
fn a_signed_request_verifies_under_its_key_only() {
    let [one, other] = keys();
    for (key, stranger) in [(&one, &other), (&other, &one)] {
        let request = signed(key);
        let parameters = verify(&request, &key.public()).unwrap();
        assert_eq!((parameters.keyid, parameters.nonce), (key.client_id(), [0xab; 16]));
        assert_eq!(verify(&request, &stranger.public()), Err(SignedError::OtherKey));
    }
}

#[test]
fn whatever_is_altered_on_the_way_is_noticed() {
    for key in keys() {
        let good = signed(&key);
        let refused = |alter: &dyn Fn(&mut mpc::SignedRequest)| {
            let mut request = good.clone();
            alter(&mut request);
            verify(&request, &key.public()).unwrap_err()
        };
        assert_eq!(refused(&|request| request.body.push(b' ')), SignedError::Forged);
        assert_eq!(refused(&|request| request.path = "/v1/keys".into()), SignedError::Forged);
        assert_eq!(refused(&|request| request.method = "PUT".into()), SignedError::Forged);
        assert_eq!(refused(&|request| request.signature[5] ^= 1), SignedError::Forged);
        assert_eq!(refused(&|request| request.signature = vec![0; 64]), SignedError::Forged);
        assert_eq!(refused(&|request| request.signature.truncate(63)), SignedError::Length);
        for (from, to) in
            [("created=1700000000", "created=1700000001"), ("nonce=\"a", "nonce=\"b"), ("_05", "_06")]
        {
            let altered =
                refused(&|request| request.signature_input = request.signature_input.replace(from, to));
            assert_eq!(altered, SignedError::Forged, "{from}");
        }
        let [one, other] = ["ed25519", "ecdsa-p256-sha256"];
        let (own, foreign) = if key.algorithm().name() == one { (one, other) } else { (other, one) };
        let relabelled =
            refused(&|request| request.signature_input = request.signature_input.replace(own, foreign));
        assert_eq!(relabelled, SignedError::OtherAlgorithm);
        assert!(matches!(refused(&|request| request.path = "/v1?x".into()), SignedError::Profile(_)));
        assert!(matches!(refused(&|request| request.signature_input.push(' ')), SignedError::Profile(_)));
    }
}

#[test]
fn a_request_is_for_one_cluster_and_one_time() {
    let [key, _] = keys();
    let parameters = parameters(&signed(&key)).unwrap();
    assert_eq!(is_for(&parameters, GROUP, 1_700_000_000), Ok(()));
    assert_eq!(is_for(&parameters, GROUP, 1_700_000_299), Ok(()));
    assert_eq!(is_for(&parameters, GROUP, 1_700_000_000 - LEEWAY), Ok(()));
    assert_eq!(is_for(&parameters, GROUP, 1_700_000_000 - LEEWAY - 1), Err(SignedError::NotYet));
    assert_eq!(is_for(&parameters, GROUP, 1_700_000_300), Err(SignedError::Expired));
    assert_eq!(is_for(&parameters, GroupId::new([6; 16]), 1_700_000_000), Err(SignedError::OtherGroup));
}

#[test]
fn nobody_signs_what_no_node_would_take() {
    let [key, _] = keys();
    let late = Unsigned { expires: 1_700_001_000, ..unsigned() };
    assert_eq!(key.sign(&late), Err(SignedError::Profile(SignedTextError::Lifetime)));
    let query = Unsigned { path: "/v1/keys?limit=1", ..unsigned() };
    assert_eq!(key.sign(&query), Err(SignedError::Profile(SignedTextError::Path)));
}

#[test]
fn headers_carry_the_request_unchanged() {
    for key in keys() {
        let mut headers = headers(&key);
        let read = |headers: &HeaderMap| from_headers("POST", "/v1/signatures", headers, BODY);
        assert_eq!(read(&headers), Ok(signed(&key)));
        headers.insert(IDEMPOTENCY_KEY, HeaderValue::from_static("abababababababababababababababab"));
        assert_eq!(read(&headers), Ok(signed(&key)));
    }
}

#[test]
fn headers_have_one_form() {
    let [key, _] = keys();
    let good = headers(&key);
    let read = |headers: &HeaderMap| from_headers("POST", "/v1/signatures", headers, BODY).unwrap_err();
    for name in ["content-digest", "signature-input", "signature"] {
        let mut without = good.clone();
        let value = without.remove(name).unwrap();
        assert_eq!(read(&without), SignedError::Missing(name));
        let mut twice = good.clone();
        twice.append(name, value.clone());
        assert_eq!(read(&twice), SignedError::Repeated(name));
        let mut binary = good.clone();
        binary.insert(name, HeaderValue::from_bytes(b"\xff").unwrap());
        assert_eq!(read(&binary), SignedError::Header(name));
    }
    let with = |name: &'static str, value: &str| {
        let mut changed = good.clone();
        changed.insert(name, HeaderValue::from_str(value).unwrap());
        read(&changed)
    };
    let input = good["signature-input"].to_str().unwrap();
    assert_eq!(
        with("signature-input", &input.replace("keymoot=(", "sig1=(")),
        SignedError::Header("signature-input")
    );
    assert!(matches!(with("signature-input", &format!("{input}, sig1=()")), SignedError::Profile(_)));
    let signature = good["signature"].to_str().unwrap();
    assert_eq!(with("signature", &signature.replace("keymoot", "sig1")), SignedError::Header("signature"));
    assert_eq!(with("signature", &signature[..signature.len() - 1]), SignedError::Header("signature"));
    assert_eq!(with("signature", &format!("{signature}, keymoot=:AA==:")), SignedError::Header("signature"));
    assert_eq!(with("signature", "keymoot=:AAAA:"), SignedError::Length);
    assert_eq!(with("idempotency-key", &"ac".repeat(16)), SignedError::IdempotencyKey);
    assert_eq!(from_headers("POST", "/", &good, b"{}"), Err(SignedError::Digest));
}

#[test]
fn a_key_comes_back_from_its_stored_form() {
    let mut rng = ChaCha20Rng::from_seed([3; 32]);
    let key = SigningKey::generate(Algorithm::Ed25519, &mut rng);
    assert_eq!(SigningKey::ed25519(&key.to_secret()).public(), key.public());
    let key = SigningKey::generate(Algorithm::EcdsaP256Sha256, &mut rng);
    assert_eq!(SigningKey::p256(&key.to_secret()).unwrap().public(), key.public());
    assert_eq!(SigningKey::p256(&[0; 32]).err(), Some(KeyError::Scalar));
    assert_eq!(SigningKey::p256(&[0xff; 32]).err(), Some(KeyError::Scalar));
}

#[test]
fn a_p256_key_is_read_from_pkcs_8() {
    let pair = rcgen::KeyPair::generate().unwrap();
    let key = SigningKey::p256_pem(&pair.serialize_pem()).unwrap();
    let ClientKey::P256 { public } = key.public() else { panic!("not on P-256") };
    let point = p256::PublicKey::from_sec1_bytes(&public.0).unwrap();
    assert_eq!(p256::PublicKey::from_sec1_bytes(pair.public_key_raw()).unwrap(), point);
    let other = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).unwrap();
    for bad in ["", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", &other.serialize_pem()]
    {
        assert_eq!(SigningKey::p256_pem(bad).err(), Some(KeyError::Pem));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn no_request_panics(method: String, path: String, body: Vec<u8>, input: String, signature: Vec<u8>) {
        let request = mpc::SignedRequest { method, path, body, signature_input: input, signature };
        for key in keys() {
            prop_assert!(verify(&request, &key.public()).is_err());
        }
    }

    #[test]
    fn no_signature_bytes_verify_by_chance(signature in prop::collection::vec(any::<u8>(), 64)) {
        for key in keys() {
            let request = mpc::SignedRequest { signature: signature.clone(), ..signed(&key) };
            prop_assert_eq!(verify(&request, &key.public()), Err(SignedError::Forged));
        }
    }
}
