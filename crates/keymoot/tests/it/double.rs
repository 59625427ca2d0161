//! The double of a gateway: it has the directory of a real one, with its certificate, and answers what the test likes. Also for
//! the tests beside the code.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::http::request::Parts;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use keymoot_wire::cluster::SignedDocument;
use keymoot_wire::identity::PeerRole;
use keymoot_wire::tls::{Acceptor, ClientCertificates, CredentialFiles, Identity, Serving, server_config};
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// Status and body; without them the answer is lost.
pub type Answer = Option<(u16, Value)>;

/// Answers from now on, on this runtime, for the gateway of this directory. Says where.
pub async fn start(
    directory: &Path,
    answer: impl Fn(&Parts) -> Answer + Send + Sync + 'static,
) -> SocketAddr {
    keymoot_wire::install_providers();
    let file = |name: &str| directory.join(name);
    let authority = fs::read_to_string(file("authority.pem")).expect("an authority");
    let document = fs::read_to_string(file("cluster.json")).expect("a document");
    let document = SignedDocument::parse(&document).and_then(|signed| signed.verify(&authority));
    let files = CredentialFiles {
        certificate: file("tls.pem"),
        key: file("tls.key.pem"),
        authority: file("authority.pem"),
    };
    let identity = Identity::open(files).expect("a certificate");
    let (roles, certificates) = (vec![PeerRole::Client], ClientCertificates::Required);
    let document = document.expect("a signed document").into_handle();
    let tls =
        server_config(&identity, &document, Serving { roles, certificates, http1: false }).expect("TLS");
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(serve(Acceptor::new(listener, tls), Arc::new(answer)));
    address
}

async fn serve(mut acceptor: Acceptor, answer: Arc<impl Fn(&Parts) -> Answer + Send + Sync + 'static>) {
    loop {
        let accepted = acceptor.accept().await;
        let answer = Arc::clone(&answer);
        let service = service_fn(move |request: Request<Incoming>| {
            let answer = Arc::clone(&answer);
            async move {
                let (parts, body) = request.into_parts();
                body.collect().await.map_err(io::Error::other)?;
                let (status, body) = match parts.uri.path() {
                    "/v1/tokens" => {
                        let ends = 4_000_000_000_000_u64;
                        let token = json!({ "token": "a", "expires_at": "", "expires_ms": ends, "role": "requester" });
                        (200, token)
                    }
                    _ => answer(&parts).ok_or(io::ErrorKind::ConnectionReset)?,
                };
                let text = if body.is_null() { String::new() } else { body.to_string() };
                let mut response = Response::new(Full::new(Bytes::from(text)));
                *response.status_mut() = status.try_into().expect("a status");
                Ok::<_, io::Error>(response)
            }
        });
        tokio::spawn(async move {
            let stream = TokioIo::new(accepted.stream);
            // It ends with whoever asks.
            let _ = Builder::new(TokioExecutor::new()).serve_connection(stream, service).await;
        });
    }
}

/// A finished or pending request, with whatever else is in it.
pub fn request(status: &str, more: &Value) -> Value {
    let mut all = json!({
        "id": "req_000102030405060708090a0b0c0d0e0f", "status": status, "session": null, "reason": null,
        "code": null, "culprits": [], "denials": [], "attempts": 1, "client": "alice", "created_at": null,
        "created_ms": null, "expires_at": null, "expires_ms": null, "finished_at": null, "finished_ms": null,
        "signers": ["node-1", "node-2"], "signature": null,
    });
    for (name, value) in more.as_object().expect("an object") {
        all[name] = value.clone();
    }
    all
}
