//! Handshakes over real sockets: who comes in, who does not, and the name of each reason.

use std::io;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use futures_util::StreamExt;
use keymoot_wire::authority::{Authority, TlsKey, Validity};
use keymoot_wire::cluster::{ClusterDocument, DocumentHandle, Hex};
use keymoot_wire::identity::PeerRole;
use keymoot_wire::tls::{
    Acceptor, ClientCertificates, Identity, Peer, Serving, TlsRefusal, admit, client_config, refusal_of_io,
    server_config,
};
use rustls::{
    ClientConfig, HandshakeKind, NamedGroup, ProtocolVersion, RootCertStore, SupportedProtocolVersion,
};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_rustls::client::TlsStream;
use tokio_rustls::{TlsAcceptor, TlsConnector};

use crate::scene::{CLUSTER, Process, Scene, must_id};

fn for_nodes() -> Serving {
    Serving { roles: vec![PeerRole::Node], certificates: ClientCertificates::Required, http1: false }
}

/// A client as a stranger would build it: any certificate or none, and no opinion about who serves.
fn must_configure(
    scene: &Scene,
    certificate: Option<(&str, &TlsKey)>,
    version: &'static SupportedProtocolVersion,
) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    let root = CertificateDer::from_pem_slice(scene.authority.certificate_pem().as_bytes());
    roots.add(root.expect("PEM")).expect("a root");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[version])
        .expect("a version")
        .with_root_certificates(roots);
    match certificate {
        None => builder.with_no_client_auth(),
        Some((certificate, key)) => {
            let certificate = CertificateDer::from_pem_slice(certificate.as_bytes()).expect("PEM");
            let key = PrivateKeyDer::from_pem_slice(key.key_pem().as_bytes()).expect("PEM");
            builder.with_client_auth_cert(vec![certificate], key).expect("they fit")
        }
    }
}

fn must_configure_as(scene: &Scene, process: &Process) -> ClientConfig {
    must_configure(scene, Some((&process.certificate, &process.key)), &rustls::version::TLS13)
}

async fn must_listen() -> (TcpListener, std::net::SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    (listener, address)
}

/// Connects and reads what the server says, which is nothing: ends with its refusal, or with a clean end.
async fn knock(address: std::net::SocketAddr, config: ClientConfig) -> io::Result<TlsStream<TcpStream>> {
    let stream = TcpStream::connect(address).await.expect("somebody listens");
    let name = ServerName::try_from("localhost").expect("a name");
    TlsConnector::from(Arc::new(config)).connect(name, stream).await
}

/// One handshake at a coordinator that serves nodes.
async fn handshake(
    scene: &Scene,
    document: &DocumentHandle,
    serving: Serving,
    client: ClientConfig,
) -> io::Result<Option<Peer>> {
    let config = server_config(&scene.must_identify("coordinator-1"), document, serving).expect("a config");
    let (listener, address) = must_listen().await;
    let server = async {
        let (stream, _) = listener.accept().await.expect("a connection");
        let stream = TlsAcceptor::from(Arc::new(config)).accept(stream).await?;
        let certificates = stream.get_ref().1.peer_certificates();
        let certificate = certificates.and_then(<[_]>::first);
        Ok(certificate.map(|certificate| Peer::of_certificate(certificate).expect("an identity")))
    };
    let (served, _) = tokio::join!(server, knock(address, client));
    served
}

async fn must_refuse(scene: &Scene, client: ClientConfig) -> TlsRefusal {
    let document = scene.document.clone().into_handle();
    let refused = handshake(scene, &document, for_nodes(), client).await;
    refusal_of_io(&refused.expect_err("refused"))
}

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

fn must_issue(authority: &Authority, role: PeerRole, name: &str, key: &TlsKey, validity: Validity) -> String {
    authority.issue(key.csr_pem(), &must_id(role, name), &[], validity).expect("a certificate")
}

#[tokio::test]
async fn a_node_comes_in_under_its_name() {
    let scene = Scene::must_build();
    let (document, node) = (scene.document.clone().into_handle(), scene.process("node-1"));
    let came = handshake(&scene, &document, for_nodes(), must_configure_as(&scene, node)).await;
    let peer = came.expect("comes in").expect("with a certificate");
    assert_eq!(peer.id, node.id);
    assert_eq!(peer.spki, *node.key.spki_sha256());
    assert_eq!(peer, *node.must_identify(&scene.authority).current().as_peer());
}

#[tokio::test]
async fn tls_1_2_is_refused() {
    let scene = Scene::must_build();
    let node = scene.process("node-1");
    let old = must_configure(&scene, Some((&node.certificate, &node.key)), &rustls::version::TLS12);
    assert_eq!(must_refuse(&scene, old).await, TlsRefusal::OldTls);
}

#[tokio::test]
async fn nobody_comes_in_without_a_certificate() {
    let scene = Scene::must_build();
    let bare = must_configure(&scene, None, &rustls::version::TLS13);
    assert_eq!(must_refuse(&scene, bare).await, TlsRefusal::NoCertificate);
}

#[tokio::test]
async fn a_certificate_of_another_authority_is_refused() {
    let scene = Scene::must_build();
    // It has the same name as ours and certifies a key that is pinned.
    let (other, node) = (Authority::create(CLUSTER).expect("an authority"), scene.process("node-1"));
    let forged = must_issue(&other, PeerRole::Node, "node-1", &node.key, Validity::days(1));
    let client = must_configure(&scene, Some((&forged, &node.key)), &rustls::version::TLS13);
    assert_eq!(must_refuse(&scene, client).await, TlsRefusal::ForeignAuthority);
}

#[tokio::test]
async fn a_certificate_counts_only_in_its_time() {
    let (scene, now) = (Scene::must_build(), SystemTime::now());
    let node = scene.process("node-1");
    for (validity, refusal) in [
        (Validity::between(now - DAY * 2, now - DAY), TlsRefusal::Expired),
        (Validity::between(now + DAY, now + DAY * 2), TlsRefusal::NotYetValid),
    ] {
        let certificate = must_issue(&scene.authority, PeerRole::Node, "node-1", &node.key, validity);
        let client = must_configure(&scene, Some((&certificate, &node.key)), &rustls::version::TLS13);
        assert_eq!(must_refuse(&scene, client).await, refusal);
    }
}

#[tokio::test]
async fn the_authority_alone_is_not_enough() {
    let scene = Scene::must_build();
    let node = scene.process("node-2");
    for (name, refusal) in [("node-1", TlsRefusal::NotPinned), ("node-9", TlsRefusal::WrongName)] {
        let certificate = must_issue(&scene.authority, PeerRole::Node, name, &node.key, Validity::days(1));
        let client = must_configure(&scene, Some((&certificate, &node.key)), &rustls::version::TLS13);
        assert_eq!(must_refuse(&scene, client).await, refusal, "{name}");
    }
}

#[tokio::test]
async fn a_role_without_business_here_is_refused() {
    let scene = Scene::must_build();
    for name in ["alice", "gateway-1", "coordinator-2"] {
        let client = must_configure_as(&scene, scene.process(name));
        assert_eq!(must_refuse(&scene, client).await, TlsRefusal::WrongRole, "{name}");
    }
}

#[tokio::test]
async fn a_certificate_that_names_nobody_is_refused() {
    let scene = Scene::must_build();
    let key = rcgen::KeyPair::from_pem(&scene.authority.key_pem()).expect("a key");
    let issuer = rcgen::Issuer::from_ca_cert_pem(scene.authority.certificate_pem(), key).expect("an issuer");
    let key = TlsKey::create().expect("a key");
    let pair = rcgen::KeyPair::from_pem(key.key_pem()).expect("a key");
    let mut params = rcgen::CertificateParams::new(["localhost".to_owned()]).expect("a name");
    params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ClientAuth];
    let certificate = params.signed_by(&pair, &issuer).expect("a certificate").pem();
    let client = must_configure(&scene, Some((&certificate, &key)), &rustls::version::TLS13);
    assert_eq!(must_refuse(&scene, client).await, TlsRefusal::BadCertificate);
}

#[tokio::test]
async fn a_revoked_key_is_refused_from_the_next_handshake_on() {
    let scene = Scene::must_build();
    let (document, node) = (scene.document.clone().into_handle(), scene.process("node-1"));
    let client = must_configure_as(&scene, node);
    let came = handshake(&scene, &document, for_nodes(), client.clone()).await;
    let peer = came.expect("comes in").expect("with a certificate");
    let mut fields = scene.document.fields().clone();
    fields.revoked.push(Hex(*node.key.spki_sha256()));
    document.store(Arc::new(ClusterDocument::new(fields).expect("valid")));
    let refused = handshake(&scene, &document, for_nodes(), client).await.expect_err("refused");
    assert_eq!(refusal_of_io(&refused), TlsRefusal::Revoked);
    // Whoever is in already can be asked again.
    assert_eq!(peer.is_known_to(&document.load()), Err(TlsRefusal::Revoked));
}

#[test]
fn another_clusters_process_is_told_apart() {
    let scene = Scene::must_build();
    let other = keymoot_wire::identity::PeerId::new("other", PeerRole::Node, "node-1").expect("proper");
    let pin = scene.process("node-1").key.spki_sha256();
    assert_eq!(admit(&scene.document, &other, pin), Err(TlsRefusal::WrongCluster));
}

#[tokio::test]
async fn where_certificates_are_optional_a_bad_one_is_refused_all_the_same() {
    let scene = Scene::must_build();
    let document = scene.document.clone().into_handle();
    let serving = || Serving { certificates: ClientCertificates::Optional, ..for_nodes() };
    let bare = must_configure(&scene, None, &rustls::version::TLS13);
    assert_eq!(handshake(&scene, &document, serving(), bare).await.expect("comes in"), None);
    let alice = must_configure_as(&scene, scene.process("alice"));
    let refused = handshake(&scene, &document, serving(), alice).await.expect_err("refused");
    assert_eq!(refusal_of_io(&refused), TlsRefusal::WrongRole);
}

#[tokio::test]
async fn the_key_exchange_is_hybrid_and_nothing_is_resumed() {
    let scene = Scene::must_build();
    let document = scene.document.clone().into_handle();
    let config =
        server_config(&scene.must_identify("coordinator-1"), &document, for_nodes()).expect("a config");
    let (listener, address) = must_listen().await;
    let mut acceptor = Acceptor::new(listener, config);
    // A client of our own, and a stranger who would resume if it could; each twice.
    let expected = must_id(PeerRole::Coordinator, "coordinator-1");
    let own = client_config(&scene.must_identify("node-1"), &document, &expected).expect("a config");
    let stranger = must_configure_as(&scene, scene.process("node-1"));
    for config in [own.clone(), own, stranger.clone(), stranger] {
        let (accepted, mut client) =
            tokio::join!(acceptor.accept(), async { knock(address, config).await.expect("comes in") });
        let mut server = accepted.stream;
        assert!(server.get_ref().0.nodelay().expect("a socket"));
        server.write_all(b"x").await.expect("open");
        assert_eq!(client.read_u8().await.expect("a byte"), b'x');
        let connection = client.get_ref().1;
        assert_eq!(connection.protocol_version(), Some(ProtocolVersion::TLSv1_3));
        assert_eq!(connection.handshake_kind(), Some(HandshakeKind::Full));
        let group = connection.negotiated_key_exchange_group().expect("a group");
        assert_eq!(group.name(), NamedGroup::X25519MLKEM768);
    }
}

#[tokio::test]
async fn a_client_talks_to_nobody_but_whom_it_expects() {
    let scene = Scene::must_build();
    let document = scene.document.clone().into_handle();
    for (server, expected, refusal) in [
        ("coordinator-1", must_id(PeerRole::Coordinator, "coordinator-2"), TlsRefusal::WrongName),
        ("gateway-1", must_id(PeerRole::Coordinator, "coordinator-1"), TlsRefusal::WrongRole),
        // A client's certificate is not for serving.
        ("alice", must_id(PeerRole::Client, "alice"), TlsRefusal::BadCertificate),
    ] {
        let config = server_config(&scene.must_identify(server), &document, for_nodes()).expect("a config");
        let client = client_config(&scene.must_identify("node-1"), &document, &expected).expect("a config");
        let (listener, address) = must_listen().await;
        let serve = async {
            let (stream, _) = listener.accept().await.expect("a connection");
            TlsAcceptor::from(Arc::new(config)).accept(stream).await.is_err()
        };
        let (was_refused, dialled) = tokio::join!(serve, knock(address, client));
        assert!(was_refused);
        assert_eq!(refusal_of_io(&dialled.expect_err("refused")), refusal, "{server}");
    }
}

/// What the log says, as text.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("nobody panicked").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn the_log_names_who_was_refused_and_why_and_the_next_one_comes_in() {
    let (scene, log) = (Scene::must_build(), Log::default());
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).finish();
    // The runtime of a test has one thread, so everything below is told to this log.
    let _guard = tracing::subscriber::set_default(subscriber);
    // With one subscriber only, tracing asks the thread that reaches an event first whether anybody listens, and other
    // tests' threads would say no for ever. With two it asks both.
    let _second = tracing::Dispatch::new(tracing::subscriber::NoSubscriber::new());
    let document = scene.document.clone().into_handle();
    let config =
        server_config(&scene.must_identify("coordinator-1"), &document, for_nodes()).expect("a config");
    let (listener, address) = must_listen().await;
    let mut acceptor = Acceptor::new(listener, config);
    let node = scene.process("node-1");
    let strangers = async {
        let mut plain = TcpStream::connect(address).await.expect("somebody listens");
        plain.write_all(b"GET / HTTP/1.1\r\n\r\n").await.expect("open");
        // Ends when the server has closed.
        let _ = plain.read_to_end(&mut Vec::new()).await;
        for bad in [
            must_configure(&scene, Some((&node.certificate, &node.key)), &rustls::version::TLS12),
            must_configure(&scene, None, &rustls::version::TLS13),
            must_configure_as(&scene, scene.process("alice")),
        ] {
            if let Ok(mut stream) = knock(address, bad).await {
                assert!(stream.read_u8().await.is_err(), "refused");
            }
        }
        knock(address, must_configure_as(&scene, node)).await.expect("comes in")
    };
    let (accepted, _client) = tokio::join!(acceptor.accept(), strangers);
    assert_eq!(accepted.peer.expect("with a certificate").id, node.id);
    let told = String::from_utf8(log.0.lock().expect("nobody panicked").clone()).expect("text");
    for reason in ["not-tls", "old-tls", "no-certificate", "wrong-role"] {
        let line = told.lines().find(|line| line.contains(&format!("reason=\"{reason}\"")));
        let line = line.unwrap_or_else(|| panic!("no {reason} in {told}"));
        assert!(line.contains("WARN") && line.contains("address=127.0.0.1:"), "{line}");
    }
    assert!(told.contains("claimed=\"spiffe://scene/client/alice\""), "{told}");
}

#[tokio::test]
async fn a_process_does_not_start_with_a_certificate_that_others_would_refuse() {
    let (scene, now) = (Scene::must_build(), SystemTime::now());
    let node = scene.process("node-1");
    let authority = scene.authority.certificate_pem();
    let expired = Validity::between(now - DAY * 2, now - DAY);
    let expired = must_issue(&scene.authority, PeerRole::Node, "node-1", &node.key, expired);
    let load = |certificate: &str, key: &TlsKey, authority: &str| {
        keymoot_wire::tls::Credentials::from_pem(certificate, key.key_pem(), authority)
            .map(Identity::fixed)
            .expect_err("refused")
            .to_string()
    };
    assert!(load(&expired, &node.key, authority).contains("our own certificate would be refused"));
    assert!(load(&node.certificate, &scene.process("node-2").key, authority).contains("does not fit"));
    assert!(load(&node.certificate, &node.key, &node.certificate).contains("nobody's identity"));
    assert!(load("", &node.key, authority).contains("not valid PEM"));
    let other = Authority::create(CLUSTER).expect("an authority");
    let foreign = load(&node.certificate, &node.key, other.certificate_pem());
    assert!(foreign.contains("our own certificate would be refused"));
}

#[tokio::test]
async fn a_connection_ends_with_its_certificate() {
    let scene = Scene::must_build();
    let document = scene.document.clone().into_handle();
    let config = server_config(&scene.must_identify("coordinator-1"), &document, for_nodes());
    let (listener, address) = must_listen().await;
    let mut incoming = Acceptor::new(listener, config.expect("a config")).incoming();
    let key = &scene.process("node-1").key;
    let until = SystemTime::now() + Duration::from_secs(2);
    let validity = Validity::between(SystemTime::now() - DAY, until);
    let certificate = must_issue(&scene.authority, PeerRole::Node, "node-1", key, validity);
    let short = must_configure(&scene, Some((&certificate, key)), &rustls::version::TLS13);
    let (came, held) = tokio::join!(incoming.next(), knock(address, short));
    let (mut ending, _held) = (came.expect("an item").expect("a connection"), held.expect("comes in"));
    let long = must_configure_as(&scene, scene.process("node-2"));
    let (came, held) = tokio::join!(incoming.next(), knock(address, long));
    let (mut staying, mut other) = (came.expect("an item").expect("a connection"), held.expect("comes in"));
    let read = timeout(Duration::from_secs(20), ending.read_u8()).await.expect("it ends by itself");
    let error = read.expect_err("nothing was sent");
    let refusal = error.get_ref().and_then(|cause| cause.downcast_ref::<TlsRefusal>());
    assert_eq!(refusal, Some(&TlsRefusal::Expired));
    assert!(SystemTime::now() >= until, "not before its time");
    assert!(ending.write_all(b"late").await.is_err() && ending.flush().await.is_err());
    other.write_all(b"x").await.expect("it is open");
    assert_eq!(staying.read_u8().await.expect("it is open"), b'x');
}
