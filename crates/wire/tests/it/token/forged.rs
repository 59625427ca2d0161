//! Tokens of people who have no key that counts, and those that only look like tokens.

use base64ct::{Base64UrlUnpadded, Encoding as _};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use p256::elliptic_curve::sec1::ToEncodedPoint as _;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};

use super::*;

fn part(value: &Value) -> String {
    Base64UrlUnpadded::encode_string(value.to_string().as_bytes())
}

fn x5t(peer: &Peer) -> String {
    Base64UrlUnpadded::encode_string(&peer.x5t)
}

/// Claims of node-1 that are good.
fn claims(stage: &Stage) -> Value {
    let peer = stage.peer("node-1");
    let uri = peer.id.to_uri();
    json!({
        "iss": uri, "sub": uri, "aud": CLUSTER, "exp": NOW + 300, "nbf": NOW, "iat": NOW, "jti": "1",
        "cnf": {"x5t#S256": x5t(&peer)},
    })
}

/// Signs with node-1's key, whatever it is.
fn must_sign(stage: &Stage, header: &Value, claims: &Value) -> String {
    use p256::ecdsa::signature::Signer as _;
    let pem = stage.scene.process("node-1").key.key_pem();
    let der = rustls_pki_types::PrivatePkcs8KeyDer::from(must_decode(pem));
    let key = must_key(der.secret_pkcs8_der());
    let message = format!("{}.{}", part(header), part(claims));
    let signature: p256::ecdsa::Signature = key.sign(message.as_bytes());
    format!("{message}.{}", Base64UrlUnpadded::encode_string(&signature.to_bytes()))
}

fn must_decode(pem: &str) -> Vec<u8> {
    use rustls_pki_types::pem::PemObject as _;
    rustls_pki_types::PrivatePkcs8KeyDer::from_pem_slice(pem.as_bytes())
        .expect("a key")
        .secret_pkcs8_der()
        .to_vec()
}

fn must_key(der: &[u8]) -> p256::ecdsa::SigningKey {
    let info = pkcs8::PrivateKeyInfo::try_from(der).expect("PKCS #8");
    p256::SecretKey::from_sec1_der(info.private_key).expect("a key on P-256").into()
}

#[test]
fn claims_by_hand_are_as_good_as_minted_ones() {
    let stage = Stage::must_build();
    let token = must_sign(&stage, &json!({"alg": "ES256"}), &claims(&stage));
    assert!(stage.verify(&token, "node-1").is_ok());
    let token = must_sign(&stage, &json!({"alg": "ES256", "typ": "at+jwt"}), &claims(&stage));
    assert!(stage.verify(&token, "node-1").is_ok());
}

#[test]
fn algorithms_are_on_a_list_or_refused_by_name() {
    let stage = Stage::must_build();
    let claims = claims(&stage);
    for alg in [
        "none", "None", "NONE", "HS256", "HS384", "HS512", "ES384", "ES256K", "RS512", "RS1", "es256", "",
        "ECDH-ES",
    ] {
        let token = must_sign(&stage, &json!({"alg": alg}), &claims);
        assert_eq!(stage.verify(&token, "node-1"), Err(TokenError::Algorithm), "{alg}");
    }
    // Good for foreign issuers, not for our own.
    for alg in ["RS256", "PS256", "EdDSA"] {
        let token = must_sign(&stage, &json!({"alg": alg}), &claims);
        assert_eq!(stage.verify(&token, "node-1"), Err(TokenError::Algorithm), "{alg}");
    }
    let unsigned = format!("{}.{}.", part(&json!({"alg": "none"})), part(&claims));
    assert_eq!(stage.verify(&unsigned, "node-1"), Err(TokenError::Algorithm));
    let unsigned = format!("{}.{}.", part(&json!({"alg": "ES256"})), part(&claims));
    assert_eq!(stage.verify(&unsigned, "node-1"), Err(TokenError::Signature));
}

#[test]
fn a_public_key_is_no_secret() {
    let stage = Stage::must_build();
    let peer = stage.peer("node-1");
    let point = keymoot_wire::identity::p256_key(&peer.certificate).expect("a key");
    for secret in [point.as_slice(), stage.scene.process("node-1").certificate.as_bytes()] {
        let key = EncodingKey::from_secret(secret);
        let token =
            jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims(&stage), &key).expect("a token");
        assert_eq!(stage.verify(&token, "node-1"), Err(TokenError::Algorithm));
    }
}

#[test]
fn a_key_is_known_or_it_is_none() {
    let stage = Stage::must_build();
    let huge = "a".repeat(257);
    for kid in ["../x", "/dev/null", "https://evil.example/keys", "' OR 1=1 --", "\u{0}", "", "00", &huge] {
        let token = must_sign(&stage, &json!({"alg": "ES256", "kid": kid}), &claims(&stage));
        assert_eq!(stage.verify(&token, "node-1"), Err(TokenError::UnknownKey), "{kid}");
        let mut local = claims(&stage);
        local["iss"] = format!("keymoot:{CLUSTER}").into();
        let token = must_sign(&stage, &json!({"alg": "ES256", "kid": kid}), &local);
        assert_eq!(stage.verify(&token, "node-1"), Err(TokenError::UnknownKey), "{kid}");
    }
    let token = must_sign(&stage, &json!({"alg": "ES256", "kid": "a".repeat(9000)}), &claims(&stage));
    assert_eq!(stage.verify(&token, "node-1"), Err(TokenError::Malformed), "longer than any token");
}

/// A gateway's key has one spelling: neither capitals nor the uncompressed point are it.
#[test]
fn a_gateways_key_has_one_spelling() {
    let stage = Stage::must_build();
    let gateway = keymoot_wire::identity::p256_key(&stage.peer("gateway-1").certificate).expect("a key");
    let public = p256::PublicKey::from_sec1_bytes(&gateway).expect("a point");
    let compressed = hex::encode(public.to_encoded_point(true));
    let mut local = claims(&stage);
    local["iss"] = format!("keymoot:{CLUSTER}").into();
    for (kid, expected) in [
        (compressed.clone(), TokenError::Signature),
        (compressed.to_uppercase(), TokenError::UnknownKey),
        (hex::encode(gateway), TokenError::UnknownKey),
    ] {
        let token = must_sign(&stage, &json!({"alg": "ES256", "kid": kid}), &local);
        assert_eq!(stage.verify(&token, "node-1"), Err(expected), "{kid}");
    }
}

#[test]
fn a_token_brings_no_key_along() {
    let stage = Stage::must_build();
    for (name, value) in [
        ("jwk", json!({"kty": "EC"})),
        ("jku", json!("https://evil.example/keys")),
        ("x5u", json!("https://evil.example/chain")),
        ("x5c", json!(["AAAA"])),
        ("crit", json!(["exp"])),
        ("typ", json!("dpop+jwt")),
    ] {
        let mut header = json!({"alg": "ES256"});
        header[name] = value;
        let token = must_sign(&stage, &header, &claims(&stage));
        assert_eq!(stage.verify(&token, "node-1"), Err(TokenError::Malformed), "{name}");
    }
}

#[test]
fn every_claim_counts() {
    let stage = Stage::must_build();
    let refused = |name: &str, value: Value| {
        let mut claims = claims(&stage);
        match value {
            Value::Null => drop(claims.as_object_mut().expect("an object").remove(name)),
            value => claims[name] = value,
        }
        stage.verify(&must_sign(&stage, &json!({"alg": "ES256"}), &claims), "node-1").map(drop)
    };
    assert_eq!(refused("iss", json!("spiffe://scene/node/node-2")), Err(TokenError::UnknownIssuer));
    assert_eq!(refused("iss", json!("https://evil.example")), Err(TokenError::UnknownIssuer));
    for name in ["iss", "sub", "aud", "exp", "iat"] {
        assert_eq!(refused(name, Value::Null), Err(TokenError::Malformed), "{name}");
        assert_eq!(refused(name, json!({})), Err(TokenError::Malformed), "{name}");
    }
    assert_eq!(refused("aud", json!(["a", "b"])), Err(TokenError::Audience));
    assert_eq!(refused("aud", json!(["a", CLUSTER])), Ok(()));
    assert_eq!(refused("exp", json!(-1)), Err(TokenError::Malformed));
    assert_eq!(refused("exp", json!("1700000300")), Err(TokenError::Malformed));
    assert_eq!(refused("exp", json!(1e30)), Err(TokenError::Malformed));
    assert_eq!(refused("exp", json!(u64::MAX)), Err(TokenError::TooLong));
    assert_eq!(refused("exp", json!(NOW + 901)), Err(TokenError::TooLong));
    assert_eq!(refused("exp", json!(NOW - LEEWAY)), Err(TokenError::Expired));
    assert_eq!(refused("iat", json!(NOW + 301)), Err(TokenError::NotYet));
    assert_eq!(refused("iat", json!(0)), Err(TokenError::TooLong));
    assert_eq!(refused("nbf", json!(NOW + LEEWAY + 1)), Err(TokenError::NotYet));
    assert_eq!(refused("nbf", Value::Null), Ok(()));
    assert_eq!(refused("cnf", Value::Null), Err(TokenError::NotBound));
    assert_eq!(refused("cnf", json!({"jkt": "AAAA"})), Err(TokenError::NotBound));
    assert_eq!(refused("cnf", json!({"x5t#S256": ""})), Err(TokenError::BoundToAnother));
    assert_eq!(refused("cnf", json!({"x5t#S256": "AAAA"})), Err(TokenError::BoundToAnother));
    assert_eq!(refused("cnf", json!({"x5t#S256": "?"})), Err(TokenError::Malformed));
    assert_eq!(refused("sub", json!("node-1")), Err(TokenError::Subject));
}

#[test]
fn an_altered_token_does_not_verify() {
    let stage = Stage::must_build();
    let token = stage.must_mint_own("node-1");
    let parts: Vec<&str> = token.split('.').collect();
    let mut altered = claims(&stage);
    altered["jti"] = json!("2");
    let swapped = format!("{}.{}.{}", parts[0], part(&altered), parts[2]);
    assert_eq!(stage.verify(&swapped, "node-1"), Err(TokenError::Signature));
    let zeroes = format!("{}.{}.{}", parts[0], parts[1], Base64UrlUnpadded::encode_string(&[0; 64]));
    assert_eq!(stage.verify(&zeroes, "node-1"), Err(TokenError::Signature));
}

#[test]
fn what_is_no_token_is_told_so() {
    let stage = Stage::must_build();
    let good = stage.must_mint_own("node-1");
    assert_eq!(stage.verify("", "node-1"), Err(TokenError::Missing));
    let twice = format!("{}.e30.AA", Base64UrlUnpadded::encode_string(br#"{"alg":"ES256","alg":"none"}"#));
    let padded = good.replacen('.', "=.", 1);
    for other in
        ["a", "a.b", "..", "a.b.c.d", "e30.e30.e30", &twice, &padded, &"a".repeat(9000), &format!("{good}=")]
    {
        assert_eq!(stage.verify(other, "node-1"), Err(TokenError::Malformed), "{other}");
    }
    // Cut off anywhere, it is refused and nothing panics.
    for length in 0..good.len() {
        assert!(stage.verify(&good[..length], "node-1").is_err(), "{length}");
    }
}

#[test]
fn no_text_panics() {
    let stage = Stage::must_build();
    let peer = stage.peer("node-1");
    let part = "([A-Za-z0-9_-]{0,40}|eyJhbGciOiJFUzI1NiJ9|eyJpc3MiOiJrZXltb290OnNjZW5lIn0)";
    let close = format!("{part}\\.{part}\\.{part}");
    let texts = (any::<String>(), proptest::string::string_regex(&close).expect("a pattern"));
    let outcome = TestRunner::default().run(&texts, |(any, close)| {
        prop_assert!(stage.verifier.verify(&any, Some(&peer), NOW).is_err());
        prop_assert!(stage.verifier.verify(&close, Some(&peer), NOW).is_err());
        Ok(())
    });
    outcome.expect("every text is refused");
}
