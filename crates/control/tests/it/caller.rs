//! A gateway or a client that calls coordinators.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hyper_util::rt::TokioIo;
use keymoot_wire::identity::PeerRole;
use keymoot_wire::mpc::mpc_coordinator_client::MpcCoordinatorClient;
use keymoot_wire::mpc::mpc_keys_client::MpcKeysClient;
use keymoot_wire::mpc::mpc_registry_client::MpcRegistryClient;
use keymoot_wire::mpc::request::{Ask as Asked, Result as Came};
use keymoot_wire::mpc::{
    self, CreateKeyRequest, CreateSigningSessionRequest, GetSessionStatusRequest, RequestStatus,
};
use keymoot_wire::signed::Unsigned;
use keymoot_wire::tls::{Identity, Link, client_config, dial};
use keymoot_wire::token::Minter;
use rand::RngCore;
use rand::rngs::OsRng;
use tokio::net::TcpStream;
use tokio::time::{interval, timeout};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;
use tonic::metadata::MetadataValue;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status};
use tower::service_fn;

use crate::cluster::{Cluster, GROUP, PATIENCE, must_id, signing_key};

pub fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs()
}

/// What a client signs.
pub fn sign(client: &str, path: &str, body: &str) -> mpc::SignedRequest {
    let mut nonce = [0; 16];
    OsRng.fill_bytes(&mut nonce);
    sign_with(client, path, body, nonce)
}

pub fn sign_with(client: &str, path: &str, body: &str, nonce: [u8; 16]) -> mpc::SignedRequest {
    let created = now();
    let unsigned = Unsigned {
        method: "POST",
        path,
        body: body.as_bytes(),
        created,
        expires: created + 60,
        nonce,
        group: GROUP,
    };
    signing_key(client).sign(&unsigned).expect("a signature").into_request(&unsigned)
}

/// A connection to one coordinator, as one process of the cluster.
pub struct Caller {
    pub link: Link,
    token: String,
}

impl Caller {
    pub fn gateway(cluster: &Cluster, place: usize) -> Self {
        Self::service(cluster, place, PeerRole::Gateway, "gateway-1")
    }

    /// A process with a token of its own.
    pub fn service(cluster: &Cluster, place: usize, role: PeerRole, name: &str) -> Self {
        let identity = cluster.identity(role, name);
        let credentials = identity.current();
        let minter = Minter::service(&credentials).expect("a minter");
        let own = credentials.as_peer();
        let token = minter.mint(&own.id.to_uri(), &own.x5t, 600, now()).expect("a token");
        Self { link: connect(cluster, place, &identity), token }
    }

    /// A client with a token of the gateway.
    pub fn client(cluster: &Cluster, place: usize, name: &str) -> Self {
        Self::client_with(cluster, place, name, &cluster.identity(PeerRole::Client, name))
    }

    fn client_with(cluster: &Cluster, place: usize, name: &str, identity: &Arc<Identity>) -> Self {
        let gateway = cluster.credentials(&must_id(PeerRole::Gateway, "gateway-1"));
        let minter = Minter::local(&gateway).expect("a minter");
        let x5t = identity.current().as_peer().x5t;
        let token = minter.mint(name, &x5t, 600, now()).expect("a token");
        Self { link: connect(cluster, place, identity), token }
    }

    /// A client that takes so many bytes of each answer, and no more. It is one connection, which is open.
    pub async fn that_takes(cluster: &Cluster, name: &str, window: u32) -> (Self, Channel) {
        let identity = cluster.identity(PeerRole::Client, name);
        let caller = Self::client_with(cluster, 0, name, &identity);
        let document = cluster.document.load_full();
        let address = document.coordinator(0).expect("a coordinator").address.clone();
        let expected = must_id(PeerRole::Coordinator, "coordinator-1");
        let config = client_config(&identity, &cluster.document, &expected).expect("a configuration");
        let tls = TlsConnector::from(Arc::new(config));
        let (plain, authority) = (address.replace("https", "http"), address.replace("https://", ""));
        let endpoint = Endpoint::from_shared(plain).expect("an address").initial_stream_window_size(window);
        let connect = service_fn(move |_: http::Uri| {
            let (tls, authority) = (tls.clone(), authority.clone());
            async move {
                let stream = TcpStream::connect(authority).await?;
                let name = ServerName::try_from("localhost").expect("a name");
                tls.connect(name, stream).await.map(TokioIo::new)
            }
        });
        (caller, endpoint.connect_with_connector(connect).await.expect("a connection"))
    }

    pub fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        let value = MetadataValue::try_from(format!("Bearer {}", self.token)).expect("a header");
        request.metadata_mut().insert("authorization", value);
        request
    }

    pub async fn create_key(&self, signed: mpc::SignedRequest) -> Result<mpc::Request, Status> {
        let asked = CreateKeyRequest { signed: Some(signed), wait_ms: 50_000 };
        let mut client = MpcKeysClient::new(self.link.channel());
        client.create_key(self.request(asked)).await.map(tonic::Response::into_inner)
    }

    pub async fn sign(&self, signed: mpc::SignedRequest, wait_ms: u64) -> Result<mpc::Request, Status> {
        let asked = CreateSigningSessionRequest { signed: Some(signed), wait_ms };
        let mut client = MpcCoordinatorClient::new(self.link.channel());
        client.create_signing_session(self.request(asked)).await.map(tonic::Response::into_inner)
    }

    pub async fn status(&self, request: &str, wait_ms: u64) -> Result<mpc::Request, Status> {
        let asked = GetSessionStatusRequest { request: request.to_owned(), wait_ms };
        let mut client = MpcCoordinatorClient::new(self.link.channel());
        client.get_session_status(self.request(asked)).await.map(tonic::Response::into_inner)
    }

    /// What comes of a request for a new key.
    pub async fn make_key(&self, scheme: &str, name: &str) -> mpc::Request {
        let body = format!(r#"{{"scheme":"{scheme}","name":"{name}"}}"#);
        self.create_key(sign("otto", "/v1/keys", &body)).await.expect("an answer")
    }

    /// How far nodes are with their moduli, when this is so of so many.
    pub async fn moduli_of(&self, count: usize) -> Vec<Option<mpc::ModuliState>> {
        let mut registry = MpcRegistryClient::new(self.link.channel());
        let mut ticks = interval(Duration::from_millis(50));
        let look = async {
            loop {
                ticks.tick().await;
                let asked = self.request(mpc::DiscoverNodesRequest { role: "node".to_owned() });
                let found = registry.discover_nodes(asked).await.expect("an answer").into_inner();
                let states: Vec<_> = found.members.into_iter().map(|member| member.moduli).collect();
                if states.iter().flatten().count() == count {
                    return states;
                }
            }
        };
        timeout(PATIENCE, look).await.expect("so many say so in time")
    }

    /// A new key.
    pub async fn must_make_key(&self, scheme: &str, name: &str) -> mpc::Key {
        let made = self.make_key(scheme, name).await;
        match made.result {
            Some(Came::Key(key)) => key,
            _ => panic!("there is no key: {made:?}"),
        }
    }

    /// A signature on a message.
    pub async fn must_sign(&self, key: &mpc::Key, message: &str) -> mpc::Request {
        let answer = self.sign(signature_of(key, message), 50_000).await.expect("an answer");
        assert_eq!(answer.status(), RequestStatus::Complete, "{answer:?}");
        answer
    }
}

/// The request for a signature on a message.
pub fn signature_of(key: &mpc::Key, message: &str) -> mpc::SignedRequest {
    sign("rita", "/v1/signatures", &signature_body(key, message))
}

pub fn signature_body(key: &mpc::Key, message: &str) -> String {
    let digits: String = message.bytes().map(|byte| format!("{byte:02x}")).collect();
    format!(r#"{{"key":"{}","path":"m","kind":"message","payload":"{digits}"}}"#, key.id)
}

fn connect(cluster: &Cluster, place: usize, identity: &Arc<Identity>) -> Link {
    let document = cluster.document.load_full();
    let entry = document.coordinator(place).expect("such a coordinator");
    let expected = must_id(PeerRole::Coordinator, &entry.name);
    dial(&entry.address, identity, &cluster.document, &expected).expect("an address")
}

/// What a signature of a message is over: the message behind a prefix that no transaction has.
fn text_of(message: &str) -> Vec<u8> {
    let length = u64::try_from(message.len()).expect("a length");
    [b"\xffkeymoot signed message v1\n".as_slice(), &length.to_be_bytes(), message.as_bytes()].concat()
}

/// Checks a signature with a library that is not ours.
pub fn must_verify(key: &mpc::Key, message: &str, answer: &mpc::Request) {
    let Some(Came::Signature(signature)) = &answer.result else { panic!("no signature: {answer:?}") };
    let Some(Asked::SignatureAsk(asked)) = &answer.ask else { panic!("no signature: {answer:?}") };
    let (encoded, text) = (signature.encoded.as_slice(), text_of(message));
    match key.scheme.as_str() {
        "dkls23" => {
            use sha2::Digest;
            let public = secp256k1::PublicKey::from_slice(&key.public_key).expect("a public key");
            let digest: [u8; 32] = sha2::Sha256::digest(&text).into();
            assert_eq!(asked.signed_data, digest);
            let digest = secp256k1::Message::from_digest(digest);
            let signature = secp256k1::ecdsa::Signature::from_compact(&encoded[..64]).expect("64 bytes");
            secp256k1::SECP256K1.verify_ecdsa(digest, &signature, &public).expect("it verifies");
        }
        "frost-ed25519" => {
            let public: [u8; 32] = key.public_key.as_slice().try_into().expect("32 bytes");
            let public = ed25519_dalek::VerifyingKey::from_bytes(&public).expect("a public key");
            assert_eq!(asked.signed_data, text);
            let signature = ed25519_dalek::Signature::from_slice(encoded).expect("64 bytes");
            public.verify_strict(&text, &signature).expect("it verifies");
        }
        other => panic!("no library for {other} here"),
    }
}
