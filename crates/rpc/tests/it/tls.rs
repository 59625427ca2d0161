//! Callers on other hosts: with TLS, a token or a certificate; in the clear only if that was said.

use std::net::SocketAddr;
use std::time::Duration;

use keymoot_rpc::{Config, Downstream, Signer, StartError, Tls, TlsFault};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use reqwest::{Certificate, Client, Identity};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use zeroize::Zeroizing;

use crate::chain::{CHAIN_ID, Chain};
use crate::purse::Purse;
use crate::scene::Scene;

const TOKEN: &str = "a-token-of-thirty-two-letters-at-least";

/// An authority of somebody.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

impl Authority {
    fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let pem = params.self_signed(&key).unwrap().pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    /// A certificate for these names, and its key.
    fn certify(&self, names: &[&str]) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let certificate = CertificateParams::new(names).unwrap().signed_by(&key, &self.issuer).unwrap();
        (certificate.pem(), key.serialize_pem())
    }

    fn tls(&self, callers: Option<&Self>) -> Tls {
        let (certificate, key) = self.certify(&["127.0.0.1", "localhost"]);
        let callers = callers.map(|authority| authority.pem.as_bytes());
        Tls::from_pem(certificate.as_bytes(), key.as_bytes(), callers).unwrap()
    }

    /// A caller that believes this authority.
    fn caller(&self, shown: Option<(String, String)>) -> Client {
        keymoot_wire::install_providers();
        let root = Certificate::from_pem(self.pem.as_bytes()).unwrap();
        let mut builder = Client::builder().no_proxy().tls_certs_only([root]);
        if let Some((certificate, key)) = shown {
            builder = builder.identity(Identity::from_pem(format!("{certificate}{key}").as_bytes()).unwrap());
        }
        builder.build().unwrap()
    }
}

/// The accounts, if the caller gets in.
async fn accounts(client: &Client, signer: &Signer, token: Option<&str>) -> Option<Value> {
    let ask = json!({ "jsonrpc": "2.0", "id": 1, "method": "eth_accounts", "params": [] });
    let mut request = client.post(signer.url()).json(&ask);
    if let Some(token) = token {
        request = request.bearer_auth(token);
    }
    let answer: Value = request.send().await.ok()?.json().await.ok()?;
    answer.get("result").cloned()
}

#[tokio::test]
async fn an_application_that_knows_the_certificate_is_answered_and_in_the_clear_nobody_is() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let scene = Scene::with(|config| {
        config.tls = Some(authority.tls(None));
        config.token = Some(Zeroizing::new(TOKEN.into()));
    })
    .await;
    let signer = &scene.signer;
    assert!(signer.url().starts_with("https://127.0.0.1:"));
    let found = accounts(&authority.caller(None), signer, Some(TOKEN)).await;
    assert_eq!(found.and_then(|found| found.as_array().map(Vec::len)), Some(2));
    assert_eq!(accounts(&authority.caller(None), signer, None).await, None, "the token is still needed");
    assert_eq!(
        accounts(&stranger.caller(None), signer, Some(TOKEN)).await,
        None,
        "another signer's authority"
    );
    let mut plain = TcpStream::connect(signer.address()).await.unwrap();
    plain.write_all(b"GET /upcheck HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    // It may also be hung up on.
    let _ = plain.read_to_end(&mut answer).await;
    assert!(!answer.starts_with(b"HTTP"), "{}", String::from_utf8_lossy(&answer));
}

#[tokio::test]
async fn where_callers_show_certificates_those_of_the_authority_get_in_and_no_others() {
    let (authority, callers, stranger) = (Authority::new(), Authority::new(), Authority::new());
    let scene = Scene::with(|config| config.tls = Some(authority.tls(Some(&callers)))).await;
    let with = |shown| authority.caller(shown);
    let good = with(Some(callers.certify(&["app.example"])));
    assert!(accounts(&good, &scene.signer, None).await.is_some());
    for shown in [None, Some(stranger.certify(&["app.example"])), Some(authority.certify(&["app.example"]))] {
        assert_eq!(accounts(&with(shown), &scene.signer, None).await, None);
    }
}

#[tokio::test]
async fn a_new_certificate_is_shown_without_a_new_start() {
    let (old, new) = (Authority::new(), Authority::new());
    let tls = old.tls(None);
    let scene = Scene::with(|config| config.tls = Some(tls.clone())).await;
    assert!(accounts(&old.caller(None), &scene.signer, None).await.is_some());
    assert!(accounts(&new.caller(None), &scene.signer, None).await.is_none());
    assert!(!tls.renew(&new.tls(Some(&new))), "who may ask is not changed on the way");
    assert!(tls.renew(&new.tls(None)));
    assert!(accounts(&new.caller(None), &scene.signer, None).await.is_some());
    assert!(accounts(&old.caller(None), &scene.signer, None).await.is_none());
}

#[tokio::test]
async fn elsewhere_it_listens_with_tls_or_if_it_was_told_to_do_without() {
    let authority = Authority::new();
    let chain = Chain::start().await;
    let start = async |change: &dyn Fn(&mut Config)| {
        let mut config = Config::new(CHAIN_ID);
        change(&mut config);
        let node = Downstream::new(&chain.url, Duration::from_secs(5)).unwrap();
        let everywhere: SocketAddr = "0.0.0.0:0".parse().unwrap();
        Signer::start(config, everywhere, node, Purse::new(1)).await.map(|signer| signer.url())
    };
    let token = |config: &mut Config| config.token = Some(Zeroizing::new(TOKEN.into()));
    assert!(matches!(start(&token).await, Err(StartError::Plaintext(_))));
    let told = |config: &mut Config| {
        token(config);
        config.allows_plaintext = true;
    };
    assert!(start(&told).await.unwrap().starts_with("http://"));
    let both = |config: &mut Config| {
        token(config);
        config.tls = Some(authority.tls(None));
    };
    assert!(start(&both).await.unwrap().starts_with("https://"));
    let open = |config: &mut Config| config.tls = Some(authority.tls(None));
    assert!(matches!(start(&open).await, Err(StartError::Open(_))), "TLS alone lets everybody ask");
    let known = |config: &mut Config| config.tls = Some(authority.tls(Some(&authority)));
    assert!(start(&known).await.is_ok());
    let clear = |config: &mut Config| config.allows_plaintext = true;
    assert!(matches!(start(&clear).await, Err(StartError::Open(_))));
}

#[tokio::test]
async fn somebody_who_says_nothing_keeps_nobody_waiting_and_does_not_keep_it_from_stopping() {
    let authority = Authority::new();
    let scene = Scene::with(|config| config.tls = Some(authority.tls(None))).await;
    let _silent = TcpStream::connect(scene.signer.address()).await.unwrap();
    assert!(accounts(&authority.caller(None), &scene.signer, None).await.is_some());
    let began = std::time::Instant::now();
    scene.signer.stop(Duration::from_secs(60)).await;
    assert!(began.elapsed() < Duration::from_secs(9), "it waited for a handshake that never comes");
}

#[test]
fn files_that_do_not_fit_together_are_refused_by_what_they_are() {
    let authority = Authority::new();
    let ((certificate, key), (_, other)) =
        (authority.certify(&["localhost"]), authority.certify(&["localhost"]));
    let made = |certificate: &str, key: &str, callers: Option<&str>| {
        Tls::from_pem(certificate.as_bytes(), key.as_bytes(), callers.map(str::as_bytes)).map(drop)
    };
    assert!(made(&certificate, &key, None).is_ok());
    assert!(matches!(made(&certificate, &other, None), Err(TlsFault::Key(_))));
    assert!(matches!(made("", &key, None), Err(TlsFault::Pem("certificate"))));
    assert!(matches!(made(&certificate, &certificate, None), Err(TlsFault::Pem("key"))));
    assert!(matches!(made(&certificate, &key, Some("nothing")), Err(TlsFault::Pem(_))));
}
