//! Tokens of a foreign issuer, whose keys the gateway fetches.

use axum::Router;
use axum::routing::get;
use base64ct::{Base64UrlUnpadded, Encoding as _};
use keymoot_client::{Bearer, Client, ClientConfig, LIFETIME, Page, Retry};
use keymoot_wire::authority::{Authority, TlsKey, Validity};
use keymoot_wire::cluster::{IssuerEntry, Role};
use keymoot_wire::identity::{PeerId, PeerRole, p256_key};
use keymoot_wire::problem::Code;
use keymoot_wire::tls::Peer;
use keymoot_wire::token::Minter;
use serde_json::json;
use tokio::net::TcpListener;
use zeroize::Zeroizing;

use crate::raw::Raw;
use crate::scene::{CLUSTER, GROUP, Scene, Wanted, key_of, now_ms};

/// A key, and its public half as issuers publish it.
fn key() -> (TlsKey, serde_json::Value) {
    let key = TlsKey::create().unwrap();
    // A certificate is the shortest way to the point.
    let authority = Authority::create("elsewhere").unwrap();
    let id = PeerId::new("elsewhere", PeerRole::Client, "issuer").unwrap();
    let certificate = authority.issue(key.csr_pem(), &id, &[], Validity::days(1)).unwrap();
    let der = rustls::pki_types::pem::PemObject::from_pem_slice(certificate.as_bytes()).unwrap();
    let point = p256_key(&Peer::of_certificate(&der).unwrap().certificate).unwrap();
    let (x, y) = point[1..].split_at(32);
    let kid = hex::encode([&[2 + (y[31] & 1)], x].concat());
    let (x, y) = (Base64UrlUnpadded::encode_string(x), Base64UrlUnpadded::encode_string(y));
    (key, json!({"kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256", "kid": kid, "x": x, "y": y}))
}

/// Serves this text, and says where.
async fn served(text: String) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = Router::new().route("/jwks", get(move || async move { text }));
    tokio::spawn(async move { axum::serve(listener, router).await });
    format!("http://{address}/jwks")
}

fn entry(issuer: &str, jwks_url: String) -> IssuerEntry {
    IssuerEntry { issuer: issuer.into(), jwks_url: Some(jwks_url), keys: None, clients: None }
}

#[tokio::test]
async fn tokens_of_a_foreign_issuer_count_as_soon_as_its_keys_are_there() {
    let (good, public) = key();
    let (other, _) = key();
    let keys = json!({"keys": [public]}).to_string();
    let huge = format!("{}{keys}", " ".repeat(300 << 10));
    let issuers = vec![
        entry("https://huge.example", served(huge).await),
        entry("https://odd.example", served("{\"keys\":7}".into()).await),
        entry("https://good.example", served(keys).await),
    ];
    let scene = Scene::of(Wanted { issuers, ..Wanted::default() }).await;
    let identity = scene.identity("viewer");
    let raw = Raw::connect(&scene, Some(&identity)).await;
    let x5t = identity.current().as_peer().x5t;
    let token = |key: &TlsKey, issuer: &str, name: &str| {
        let minter = Minter::new(key.key_pem(), issuer, CLUSTER).unwrap();
        minter.mint(name, &x5t, 300, now_ms() / 1000).unwrap()
    };
    let fetched = token(&good, "https://good.example", "viewer");
    let mut tries = 0;
    while raw.get("/v1/keys", &fetched).await.status != 200 {
        tries += 1;
        assert!(tries < 10_000, "the keys are never fetched");
    }
    for (token, code) in [
        (token(&other, "https://good.example", "viewer"), "E3004"),
        (token(&good, "https://huge.example", "viewer"), "E3004"),
        (token(&good, "https://odd.example", "viewer"), "E3004"),
        (token(&good, "https://nobody.example", "viewer"), "E3004"),
        (token(&good, "https://good.example", "admin"), "E3004"),
    ] {
        let answer = raw.get("/v1/keys", &token).await;
        assert_eq!((answer.status.as_u16(), answer.code().as_str()), (401, code));
    }
    let client = |token: String| {
        Client::new(ClientConfig {
            gateway: scene.address(),
            authority_pem: scene.authority.certificate_pem().to_owned(),
            identity: Some(identity.clone()),
            key: key_of(Role::Viewer),
            group: GROUP,
            bearer: Bearer::Given(Zeroizing::new(token)),
            retry: Retry::NONE,
            lifetime: LIFETIME,
        })
        .unwrap()
    };
    assert!(client(fetched).list_keys(&Page::default()).await.is_ok());
    let refused = client("a.b.c".into()).list_keys(&Page::default()).await.unwrap_err();
    assert_eq!(refused.code(), Some(Code::TokenRefused));
}

#[tokio::test]
async fn a_client_believes_no_node_that_poses_as_a_gateway() {
    let scene = Scene::new().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let gateway = format!("https://127.0.0.1:{}", listener.local_addr().unwrap().port());
    let serving = keymoot_wire::tls::Serving {
        roles: vec![PeerRole::Client],
        certificates: keymoot_wire::tls::ClientCertificates::Required,
        http1: false,
    };
    let config =
        keymoot_wire::tls::server_config(&scene.identity("node-1"), &scene.document, serving).unwrap();
    let mut acceptor = keymoot_wire::tls::Acceptor::new(listener, config);
    tokio::spawn(async move { acceptor.accept().await });
    let client = Client::new(ClientConfig {
        gateway,
        authority_pem: scene.authority.certificate_pem().to_owned(),
        identity: Some(scene.identity("viewer")),
        key: key_of(Role::Viewer),
        group: GROUP,
        bearer: Bearer::Gateway,
        retry: Retry::NONE,
        lifetime: LIFETIME,
    })
    .unwrap();
    let error = client.version().await.unwrap_err();
    assert!(matches!(error, keymoot_client::ClientError::NotAGateway { .. }), "{error}");
}
