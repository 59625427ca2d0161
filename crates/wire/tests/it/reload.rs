//! New certificates while the process runs.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use keymoot_wire::authority::Validity;
use keymoot_wire::identity::PeerRole;
use keymoot_wire::tls::{
    Acceptor, ClientCertificates, CredentialFiles, Identity, Serving, TlsError, client_config, server_config,
};
use rustls_pki_types::ServerName;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsConnector;

use crate::scene::{Scene, must_id};

fn must_store(folder: &Path, scene: &Scene, name: &str) -> CredentialFiles {
    let files = CredentialFiles {
        certificate: folder.join(format!("{name}.pem")),
        key: folder.join(format!("{name}.key")),
        authority: folder.join("authority.pem"),
    };
    let process = scene.process(name);
    fs::write(&files.certificate, &process.certificate).expect("a file");
    fs::write(&files.key, process.key.key_pem().as_bytes()).expect("a file");
    fs::write(&files.authority, scene.authority.certificate_pem()).expect("a file");
    files
}

fn must_renew(scene: &Scene, name: &str, files: &CredentialFiles) {
    let new = scene.authority.renew(&scene.process(name).certificate, Validity::days(2)).expect("renewed");
    fs::write(&files.certificate, new).expect("a file");
}

#[tokio::test]
async fn the_next_connection_shows_the_new_certificates_of_both_sides() {
    let (scene, folder) = (Scene::must_build(), tempfile::tempdir().expect("a folder"));
    let server_files = must_store(folder.path(), &scene, "coordinator-1");
    let client_files = must_store(folder.path(), &scene, "node-1");
    let server = Identity::open(server_files.clone()).expect("good files");
    let client = Identity::open(client_files.clone()).expect("good files");
    let document = scene.document.clone().into_handle();
    let serving =
        Serving { roles: vec![PeerRole::Node], certificates: ClientCertificates::Required, http1: false };
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let config = server_config(&server, &document, serving).expect("a config");
    let mut acceptor = Acceptor::new(listener, config);
    let address = acceptor.local_addr().expect("an address");
    let expected = must_id(PeerRole::Coordinator, "coordinator-1");
    // One configuration for all connections: a resumption would show the old certificates.
    let connector = Arc::new(client_config(&client, &document, &expected).expect("a config"));
    let mut seen = Vec::new();
    for _ in 0..2 {
        let dial = async {
            let stream = TcpStream::connect(address).await.expect("somebody listens");
            let name = ServerName::try_from("localhost").expect("a name");
            TlsConnector::from(connector.clone()).connect(name, stream).await.expect("comes in")
        };
        let (accepted, stream) = tokio::join!(acceptor.accept(), dial);
        let shown = stream.get_ref().1.peer_certificates().expect("a certificate")[0].clone();
        let x5t = keymoot_wire::identity::certificate_sha256(&shown);
        assert_eq!(x5t, server.current().as_peer().x5t);
        let peer = accepted.peer.expect("with a certificate");
        assert_eq!(peer, *client.current().as_peer());
        seen.push((x5t, peer.x5t, server.current().serial().to_owned()));
        must_renew(&scene, "coordinator-1", &server_files);
        must_renew(&scene, "node-1", &client_files);
        assert!(server.reload().expect("good files") && client.reload().expect("good files"));
    }
    assert_ne!(seen[0].0, seen[1].0);
    assert_ne!(seen[0].1, seen[1].1);
    assert_ne!(seen[0].2, seen[1].2);
}

#[test]
fn files_that_are_not_good_change_nothing() {
    let (scene, folder) = (Scene::must_build(), tempfile::tempdir().expect("a folder"));
    let files = must_store(folder.path(), &scene, "node-1");
    let identity = Identity::open(files.clone()).expect("good files");
    let before = identity.current();
    assert!(!identity.reload().expect("the same files"));

    fs::write(&files.certificate, &scene.process("node-2").certificate).expect("a file");
    assert!(matches!(identity.reload(), Err(TlsError::Key(_))), "the key is another's");
    fs::write(&files.key, scene.process("node-2").key.key_pem().as_bytes()).expect("a file");
    assert!(matches!(identity.reload(), Err(TlsError::OtherIdentity { .. })), "who we are may not change");
    fs::write(&files.certificate, "half a certif").expect("a file");
    assert!(matches!(identity.reload(), Err(TlsError::Pem { .. })));
    fs::remove_file(&files.certificate).expect("a file");
    assert!(matches!(identity.reload(), Err(TlsError::Read { .. })));
    assert_eq!(identity.current().as_peer(), before.as_peer());
}

#[tokio::test]
async fn a_watched_file_is_read_again_when_it_changes() {
    let (scene, folder) = (Scene::must_build(), tempfile::tempdir().expect("a folder"));
    let files = must_store(folder.path(), &scene, "node-1");
    let identity = Identity::open(files.clone()).expect("good files");
    let before = identity.current();
    let mut changes = identity.changes();
    let watching = identity.watch(Duration::from_millis(2));
    must_renew(&scene, "node-1", &files);
    tokio::time::timeout(Duration::from_secs(20), changes.changed()).await.expect("in time").expect("open");
    watching.abort();
    assert_ne!(identity.current().serial(), before.serial());
    assert_eq!(identity.current().id(), before.id());
}
