//! Tokens of foreign issuers (OIDC), whose keys come from the cluster document or from where it says.

use base64ct::{Base64UrlUnpadded, Encoding as _};
use ed25519_dalek::Signer as _;
use jsonwebtoken::jwk::JwkSet;
use keymoot_wire::cluster::IssuerEntry;
use serde_json::{Value, json};

use super::*;

const ISSUER: &str = "https://id.example.org/";
const URL: &str = "https://id.example.org/keys";

fn text(bytes: &[u8]) -> String {
    Base64UrlUnpadded::encode_string(bytes)
}

fn ed25519() -> ed25519_dalek::SigningKey {
    ed25519_dalek::SigningKey::from_bytes(&[42; 32])
}

fn p256_key() -> p256::ecdsa::SigningKey {
    p256::ecdsa::SigningKey::from_slice(&[43; 32]).expect("a key")
}

/// The issuer's keys: two that sign, one for encryption, and a symmetric one that somebody published by mistake.
fn keys() -> JwkSet {
    let point = p256_key().verifying_key().to_encoded_point(false);
    let (x, y) = (text(point.x().expect("a point")), text(point.y().expect("a point")));
    let ed = text(ed25519().verifying_key().as_bytes());
    let keys = json!({"keys": [
        {"kty": "OKP", "crv": "Ed25519", "kid": "ed", "alg": "EdDSA", "use": "sig", "x": ed},
        {"kty": "EC", "crv": "P-256", "kid": "ec", "x": x, "y": y},
        {"kty": "EC", "crv": "P-256", "kid": "enc", "use": "enc", "x": x, "y": y},
        {"kty": "oct", "kid": "oct", "k": text(&[1; 32])},
        {"kty": "OKP", "crv": "Ed25519", "kid": "bad", "x": "?"},
    ]});
    serde_json::from_value(keys).expect("a key set")
}

/// A stage whose document knows the issuer: with keys, or with an address to fetch them from.
fn must_build(listed: Option<JwkSet>, unbound: Unbound) -> Stage {
    let stage = Stage::must_build();
    let mut fields = stage.scene.document.fields().clone();
    let jwks_url = listed.is_none().then(|| URL.to_owned());
    fields.issuers.push(IssuerEntry { issuer: ISSUER.to_owned(), jwks_url, keys: listed, clients: None });
    let document = ClusterDocument::new(fields).expect("a valid document").into_handle();
    Stage { verifier: Verifier::new(document.clone(), unbound), document, ..stage }
}

fn claims(x5t: Option<&[u8; 32]>) -> Value {
    let mut claims = json!({
        "iss": ISSUER, "sub": "alice", "aud": ["other", CLUSTER], "exp": NOW + 600, "iat": NOW, "email": "a@b.c",
    });
    if let Some(x5t) = x5t {
        claims["cnf"] = json!({"x5t#S256": text(x5t)});
    }
    claims
}

fn signed(header: &Value, claims: &Value) -> String {
    let message = format!("{}.{}", text(header.to_string().as_bytes()), text(claims.to_string().as_bytes()));
    let signature = match header["alg"].as_str() {
        Some("EdDSA") => ed25519().sign(message.as_bytes()).to_bytes(),
        _ => {
            let signature: p256::ecdsa::Signature = p256_key().sign(message.as_bytes());
            signature.to_bytes().into()
        }
    };
    format!("{message}.{}", text(&signature))
}

#[test]
fn a_foreign_issuer_speaks_for_enrolled_clients() {
    let stage = must_build(Some(keys()), Unbound::Refused);
    let claims = claims(Some(&stage.peer("alice").x5t));
    for header in [json!({"alg": "EdDSA", "kid": "ed"}), json!({"alg": "ES256", "kid": "ec", "typ": "JWT"})] {
        let verified = stage.verify(&signed(&header, &claims), "alice").expect("a good token");
        let subject = Subject::Client { name: "alice".to_owned(), role: Role::Requester };
        assert_eq!(verified, Verified { subject, issuer: IssuerKind::Foreign, expires: NOW + 600 });
    }
    let mut of_stranger = claims;
    of_stranger["sub"] = json!("bob");
    let token = signed(&json!({"alg": "EdDSA", "kid": "ed"}), &of_stranger);
    assert_eq!(stage.verify(&token, "alice"), Err(TokenError::Subject));
}

#[test]
fn a_foreign_issuer_may_be_kept_to_some_clients() {
    let stage = must_build(Some(keys()), Unbound::Allowed);
    let (header, own) = (json!({"alg": "EdDSA", "kid": "ed"}), claims(Some(&stage.peer("alice").x5t)));
    let (own, loose) = (signed(&header, &own), signed(&header, &claims(None)));
    for (clients, told) in [
        (None, Ok(())),
        (Some(vec!["bob", "alice"]), Ok(())),
        (Some(vec!["bob"]), Err(TokenError::Subject)),
        (Some(vec!["alic"]), Err(TokenError::Subject)),
    ] {
        let mut fields = stage.document.load().fields().clone();
        fields.issuers[0].clients = clients.map(|names| names.into_iter().map(ToOwned::to_owned).collect());
        let text = ClusterDocument::new(fields).expect("a valid document").to_text();
        stage.document.store(ClusterDocument::parse(&text).expect("its own text").into());
        assert_eq!(stage.verify(&own, "alice").map(drop), told);
        assert_eq!(stage.verifier.verify(&loose, None, NOW).map(drop), told, "without a certificate");
        // Gateways speak for every client.
        let local = stage.must_mint_for("alice", &stage.peer("alice").x5t);
        assert!(stage.verify(&local, "alice").is_ok());
    }
}

#[test]
fn a_key_is_for_its_algorithm_and_its_use() {
    let stage = must_build(Some(keys()), Unbound::Refused);
    let claims = claims(Some(&stage.peer("alice").x5t));
    let told = |alg: &str, kid: &str| {
        stage.verify(&signed(&json!({"alg": alg, "kid": kid}), &claims), "alice").map(drop)
    };
    assert_eq!(told("EdDSA", "ec"), Err(TokenError::UnknownKey));
    assert_eq!(told("ES256", "ed"), Err(TokenError::UnknownKey));
    assert_eq!(told("RS256", "ec"), Err(TokenError::UnknownKey));
    assert_eq!(told("ES256", "enc"), Err(TokenError::UnknownKey));
    assert_eq!(told("HS256", "oct"), Err(TokenError::Algorithm));
    assert_eq!(told("ES256", "oct"), Err(TokenError::UnknownKey));
    assert_eq!(told("EdDSA", "bad"), Err(TokenError::UnknownKey));
    assert_eq!(told("EdDSA", "../ed"), Err(TokenError::UnknownKey));
    // Without a name, the only key that fits.
    assert_eq!(stage.verify(&signed(&json!({"alg": "ES256"}), &claims), "alice").map(drop), Ok(()));
    assert_eq!(
        stage.verify(&signed(&json!({"alg": "EdDSA"}), &claims), "alice").map(drop),
        Err(TokenError::UnknownKey),
        "there are two"
    );
}

#[test]
fn fetched_keys_replace_the_old_ones_at_once() {
    let stage = must_build(None, Unbound::Refused);
    let token = signed(&json!({"alg": "EdDSA", "kid": "ed"}), &claims(Some(&stage.peer("alice").x5t)));
    assert_eq!(stage.verify(&token, "alice"), Err(TokenError::UnknownKey), "nothing was fetched yet");
    stage.verifier.replace_keys("https://other.example.org/", URL, keys(), NOW);
    assert_eq!(stage.verify(&token, "alice"), Err(TokenError::UnknownKey), "another issuer's");
    stage.verifier.replace_keys(ISSUER, URL, keys(), NOW);
    assert!(stage.verify(&token, "alice").is_ok());
    stage.verifier.replace_keys(ISSUER, URL, JwkSet { keys: Vec::new() }, NOW);
    assert_eq!(stage.verify(&token, "alice"), Err(TokenError::UnknownKey), "the key was withdrawn");
}

#[test]
fn fetched_keys_do_not_overrule_the_document() {
    let stage =
        must_build(Some(JwkSet { keys: keys().keys.into_iter().skip(1).collect() }), Unbound::Refused);
    stage.verifier.replace_keys(ISSUER, URL, keys(), NOW);
    let token = signed(&json!({"alg": "EdDSA", "kid": "ed"}), &claims(Some(&stage.peer("alice").x5t)));
    assert_eq!(stage.verify(&token, "alice"), Err(TokenError::UnknownKey));
}

#[test]
fn an_issuer_must_be_in_the_document() {
    let stage = Stage::must_build();
    stage.verifier.replace_keys(ISSUER, URL, keys(), NOW);
    let token = signed(&json!({"alg": "EdDSA", "kid": "ed"}), &claims(Some(&stage.peer("alice").x5t)));
    assert_eq!(stage.verify(&token, "alice"), Err(TokenError::UnknownIssuer));
}

#[test]
fn without_a_certificate_only_where_that_is_configured() {
    let (bound, unbound) = (claims(Some(&[1; 32])), claims(None));
    let header = json!({"alg": "EdDSA", "kid": "ed"});
    let strict = must_build(Some(keys()), Unbound::Refused);
    assert_eq!(strict.verifier.verify(&signed(&header, &unbound), None, NOW), Err(TokenError::NotBound));
    let lax = must_build(Some(keys()), Unbound::Allowed);
    assert!(lax.verifier.verify(&signed(&header, &unbound), None, NOW).is_ok());
    assert_eq!(lax.verifier.verify(&signed(&header, &bound), None, NOW), Err(TokenError::BoundToAnother));
    assert_eq!(
        lax.verify(&signed(&header, &unbound), "alice"),
        Err(TokenError::NotBound),
        "who has one, uses it"
    );
    let own = lax.must_mint_for("alice", &lax.peer("alice").x5t);
    assert_eq!(
        lax.verifier.verify(&own, None, NOW),
        Err(TokenError::BoundToAnother),
        "ours always are bound"
    );
}

/// The modulus of an RSA key that was made for these two tokens, and thrown away.
const RSA: &str = concat!(
    "yLQSmgNThi07UFvCDIEwGpVXB4vxFyZWhfmCVhbW15weXc2s5ogAKSZdcqDuzFjEzAUqlN4aezLrmTI-",
    "6z7FAtk16dIJbmjCUu2V5tK-lCz_giqHn4hd34ZFY0I7CMUc1ykdaDewGyyuksErnvQJ1kt2nf0vwDDYqz_FIs7dXRy6Fa7g",
    "3q_pEDoQYiqk65NeMY_3gF3CtLd4YM9tfNlnjykcen10a5xhOQPts8-DDCHZ4gmAIRkMtSccyuFqYond-",
    "BT0Z04tvge3KEPaLURhm1yLZDtQX4epmSUJ5UdUy-DH3tM6JFGcbGb521JBZLq_LF3JhUyyZNHoSvK8kK2yFw"
);

/// Its word about alice, in PKCS #1 v1.5.
const RS256: &str = concat!(
    "eyJhbGciOiJSUzI1NiIsImtpZCI6InJzYSJ9.eyJpc3MiOiJodHRwczovL2lkLmV4YW1wbGUub3JnLyIsInN1YiI6ImFsaWN",
    "lIiwiYXVkIjoic2NlbmUiLCJleHAiOjE3MDAwMDA2MDAsImlhdCI6MTcwMDAwMDAwMH0.rxM75x6RYWE6Uk95Fuas-",
    "5tX_IChiWdV_Pp8FbF8CaYork6Tb10N0pzQAvvGVEMlkYP0jwRQsleQw28yyWED2-",
    "S1Hny97wa1kJf0326omx2WB4j2NzHpb2Nb6sgN9X24vWpIKTmCqhU6O_tqNxXW5N8m5-",
    "cBDjjWtcMTg2jAXXHjZF1dvfHIjdZqWlFPFkdLUuzDA1gMWUP-",
    "3yfAzJUyl2sN47oBfq_nvqpbB4lzH398ZllCwQVb_wz8zW-",
    "PZX4kpMhsnEonBq84S_GjTI_MOROhlgbVYCLLsWR4G0uqVHy6iYJociyj6AkPCcatHYw-jSXFQcNXkw-sm6qtkocrmg"
);

/// Its word about alice, in PSS.
const PS256: &str = concat!(
    "eyJhbGciOiJQUzI1NiIsImtpZCI6InJzYSJ9.eyJpc3MiOiJodHRwczovL2lkLmV4YW1wbGUub3JnLyIsInN1YiI6ImFsaWN",
    "lIiwiYXVkIjoic2NlbmUiLCJleHAiOjE3MDAwMDA2MDAsImlhdCI6MTcwMDAwMDAwMH0.LiF5Hcj4tx52SziMpHFs3EcIDZ0",
    "Y8_wRh8fidW3BRrnEuw8hzsryVqrV0kfBBp1DPSSO6HO-",
    "3ZCiAxFCoKbCX2anskzV5fIkLJdZ_Gfc7up2DLuhNjAlQhc3k9aFMvz2aAEZ2sH201gjs3nfDceKz-hQWpaa76xEEdHz510H",
    "Om8eN3VUIQDk0Gbk097-",
    "DZ5Lhm640_EYFs52rLaOKs9DjXJ3CeM99pbVjIVImKfDUfUaJFoKyrHlAf5028meSrLXvUoUdUlFyJnUByNtrMmcuFEIQmiO",
    "Thra45HXzvJE50lW_BIl4cHlogP2JOEPN8Es09J3wBeKsBG614YMFxIWzQ"
);

/// Foreign issuers often have nothing but RSA. The tokens were signed by OpenSSL.
#[test]
fn a_foreign_issuer_may_use_rsa() {
    let key = json!({"keys": [{"kty": "RSA", "kid": "rsa", "n": RSA, "e": "AQAB"}]});
    let stage = must_build(Some(serde_json::from_value(key).expect("a key set")), Unbound::Allowed);
    for token in [RS256, PS256] {
        assert!(stage.verifier.verify(token, None, NOW).is_ok());
    }
    // The signature of one under the header of the other.
    let (one, other) = (RS256.rsplit_once('.'), PS256.rsplit_once('.'));
    let swapped = format!("{}.{}", one.expect("a token").0, other.expect("a token").1);
    assert_eq!(stage.verifier.verify(&swapped, None, NOW), Err(TokenError::Signature));
}

#[test]
fn fetched_keys_count_for_their_address_and_for_an_hour() {
    let stage = must_build(None, Unbound::Refused);
    let claims = |now: u64| {
        let mut claims = claims(Some(&stage.peer("alice").x5t));
        (claims["iat"], claims["exp"]) = (json!(now), json!(now + 600));
        signed(&json!({"alg": "EdDSA", "kid": "ed"}), &claims)
    };
    let verify = |now: u64| stage.verifier.verify(&claims(now), Some(&stage.peer("alice")), now).map(drop);
    stage.verifier.replace_keys(ISSUER, URL, keys(), NOW);
    assert_eq!(verify(NOW + KEYS_AGE_MAX), Ok(()));
    assert_eq!(verify(NOW + KEYS_AGE_MAX + 1), Err(TokenError::UnknownKey), "they were not fetched again");
    // The authority names another address: what is at the old one is nobody's word any more.
    let mut fields = stage.document.load().fields().clone();
    fields.issuers[0].jwks_url = Some("https://id.example.org/new".to_owned());
    stage.document.store(ClusterDocument::new(fields).expect("a valid document").into());
    assert_eq!(verify(NOW), Err(TokenError::UnknownKey));
    stage.verifier.replace_keys(ISSUER, URL, keys(), NOW);
    assert_eq!(verify(NOW), Err(TokenError::UnknownKey), "nor if they come late");
    stage.verifier.replace_keys(ISSUER, "https://id.example.org/new", keys(), NOW);
    assert_eq!(verify(NOW), Ok(()));
}
