//! A client without manners: it sends just what it is told to, over one connection.

use std::sync::Arc;

use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use keymoot_wire::signed::{SignedParts, SigningKey, Unsigned};
use keymoot_wire::tls::Identity;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer, ServerName};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::scene::{GROUP, Scene, now_ms};

/// A connection.
pub struct Raw {
    sender: http2::SendRequest<Full<Bytes>>,
}

/// An answer, read to its end.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("not JSON: {self:?}"))
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The code of the problem that every answer of 400 and above is.
    pub fn code(&self) -> String {
        let problem = self.json();
        assert_eq!(self.header("content-type"), "application/problem+json", "{self:?}");
        assert_eq!(problem["status"], self.status.as_u16(), "{self:?}");
        assert_eq!(problem["request_id"], self.header("x-request-id"), "{self:?}");
        assert!(!problem["detail"].as_str().unwrap().is_empty(), "{self:?}");
        assert!(problem["type"].as_str().unwrap().starts_with("urn:keymoot:problem:E"), "{self:?}");
        problem["code"].as_str().unwrap().to_owned()
    }
}

/// The bytes of a connection, with this certificate or none.
pub async fn tls(
    scene: &Scene,
    identity: Option<&Arc<Identity>>,
    alpn: &[u8],
) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(scene.authority.certificate_pem().as_bytes()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_root_certificates(roots);
    let mut config = match identity {
        None => builder.with_no_client_auth(),
        Some(identity) => {
            let us = identity.current();
            let key = PrivatePkcs8KeyDer::from(us.key_der().to_vec());
            builder.with_client_auth_cert(vec![us.as_peer().certificate.clone()], key.into()).unwrap()
        }
    };
    config.alpn_protocols = vec![alpn.to_vec()];
    let stream = TcpStream::connect(scene.gateway.address()).await?;
    stream.set_nodelay(true)?;
    TlsConnector::from(Arc::new(config)).connect(ServerName::try_from("localhost").unwrap(), stream).await
}

impl Raw {
    pub async fn connect(scene: &Scene, identity: Option<&Arc<Identity>>) -> Self {
        Self::that_takes(scene, identity, 1 << 20).await
    }

    /// A client that takes so many bytes of each body, and no more until it has read them.
    pub async fn that_takes(scene: &Scene, identity: Option<&Arc<Identity>>, window: u32) -> Self {
        let stream = TokioIo::new(tls(scene, identity, b"h2").await.unwrap());
        let mut builder = http2::Builder::new(TokioExecutor::new());
        let (sender, connection) =
            builder.initial_stream_window_size(window).handshake(stream).await.unwrap();
        tokio::spawn(connection);
        Self { sender }
    }

    /// Sends, and reads the head of the answer.
    pub async fn open(&self, method: &str, path: &str, headers: &Headers, body: &[u8]) -> Response<Incoming> {
        let mut request = Request::builder().method(method).uri(format!("https://localhost{path}"));
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        let request = request.body(Full::new(Bytes::copy_from_slice(body))).unwrap();
        self.sender.clone().send_request(request).await.unwrap()
    }

    /// Sends, and reads all of the answer.
    pub async fn send(&self, method: &str, path: &str, headers: &Headers, body: &[u8]) -> Answer {
        let (head, body) = self.open(method, path, headers, body).await.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Answer { status: head.status, headers: head.headers, body }
    }

    pub async fn get(&self, path: &str, token: &str) -> Answer {
        self.send("GET", path, &vec![bearer(token)], b"").await
    }

    /// A token of the gateway.
    pub async fn token(&self, key: &SigningKey) -> String {
        let answer = self.send("POST", "/v1/tokens", &signed(key, "/v1/tokens", b"{}"), b"{}").await;
        assert_eq!(answer.status, 201, "{answer:?}");
        answer.json()["token"].as_str().unwrap().to_owned()
    }
}

pub type Headers = Vec<(&'static str, String)>;

pub fn bearer(token: &str) -> (&'static str, String) {
    ("authorization", format!("Bearer {token}"))
}

/// What is about to be signed, now and for a minute.
pub fn unsigned<'a>(path: &'a str, body: &'a [u8], nonce: [u8; 16]) -> Unsigned<'a> {
    let created = now_ms() / 1000;
    Unsigned { method: "POST", path, body, created, expires: created + 60, nonce, group: GROUP }
}

pub fn nonce() -> [u8; 16] {
    rand::random()
}

/// The headers of a signed request.
pub fn signed(key: &SigningKey, path: &str, body: &[u8]) -> Headers {
    headers_of(&key.sign(&unsigned(path, body, nonce())).unwrap())
}

pub fn headers_of(parts: &SignedParts) -> Headers {
    vec![
        ("content-type", "application/json".to_owned()),
        ("content-digest", parts.content_digest.clone()),
        ("signature-input", parts.signature_input_header()),
        ("signature", parts.signature_header()),
    ]
}

/// The same over HTTP/1.1, once.
pub async fn over_http1(scene: &Scene, identity: &Arc<Identity>, path: &str, token: &str) -> Answer {
    let stream = TokioIo::new(tls(scene, Some(identity), b"http/1.1").await.unwrap());
    let (mut sender, connection) = http1::handshake(stream).await.unwrap();
    tokio::spawn(connection);
    let (name, value) = bearer(token);
    let request = Request::builder().uri(path).header("host", "localhost").header(name, value);
    let (head, body) =
        sender.send_request(request.body(Full::<Bytes>::default()).unwrap()).await.unwrap().into_parts();
    Answer { status: head.status, headers: head.headers, body: body.collect().await.unwrap().to_bytes() }
}
