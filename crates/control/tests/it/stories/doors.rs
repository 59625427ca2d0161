//! Who is let in: certificate, token, role; and what a node may say on its stream.

use keymoot_wire::identity::PeerRole;
use keymoot_wire::mpc::mpc_coordinator_client::MpcCoordinatorClient;
use keymoot_wire::mpc::mpc_keys_client::MpcKeysClient;
use keymoot_wire::mpc::mpc_node_client::MpcNodeClient;
use keymoot_wire::mpc::mpc_registry_client::MpcRegistryClient;
use keymoot_wire::mpc::session_message::Body;
use keymoot_wire::mpc::{
    DiscoverNodesRequest, HeartbeatRequest, Hello, ListKeysRequest, PROTOCOL_VERSION, RegisterNodeRequest,
    SessionMessage, WatchSessionsRequest,
};
use keymoot_wire::problem::Code;
use tonic::{Request, Status};

use crate::caller::{Caller, sign, signature_of};
use crate::cluster::Cluster;

fn code<T>(answer: Result<T, Status>) -> Option<Code> {
    answer.err().map(|status| Code::of_status(&status))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_without_its_token_is_not_enough() {
    let mut cluster = Cluster::build(1).await;
    cluster.start_coordinator(0).await;
    let gateway = Caller::gateway(&cluster, 0);
    let vera = Caller::client(&cluster, 0, "vera");
    let mut keys = MpcKeysClient::new(vera.link.channel());
    assert_eq!(code(keys.list_keys(vera.request(ListKeysRequest::default())).await), None);
    let bare = Request::new(ListKeysRequest::default());
    assert_eq!(code(keys.list_keys(bare).await), Some(Code::TokenMissing));
    // The gateway's token, on the connection of a client.
    let stolen = gateway.request(ListKeysRequest::default());
    assert_eq!(code(keys.list_keys(stolen).await), Some(Code::TokenRefused));
    // Another client's token.
    let rita = Caller::client(&cluster, 0, "rita");
    let stolen = rita.request(ListKeysRequest::default());
    assert_eq!(code(keys.list_keys(stolen).await), Some(Code::TokenBoundElsewhere));
    let mut twice = vera.request(ListKeysRequest::default());
    let second = twice.metadata().get("authorization").expect("a token").clone();
    twice.metadata_mut().append("authorization", second);
    assert_eq!(
        code(keys.list_keys(twice).await),
        Some(Code::TokenMissing),
        "of two nobody knows which counts"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_opens_its_own_doors_and_signs_with_its_own_key() {
    let cluster = Cluster::start(1).await;
    let [vera, rita, otto] = ["vera", "rita", "otto"].map(|name| Caller::client(&cluster, 0, name));
    let body = r#"{"scheme":"frost-ed25519","name":"x"}"#;
    let refused = rita.create_key(sign("rita", "/v1/keys", body)).await;
    assert_eq!(code(refused), Some(Code::RoleTooLow));
    let refused = otto.create_key(sign("rita", "/v1/keys", body)).await;
    assert_eq!(code(refused), Some(Code::SomebodyElsesRequest));
    // Whatever the gateway lets through.
    let gateway = Caller::gateway(&cluster, 0);
    let refused = gateway.create_key(sign("rita", "/v1/keys", body)).await;
    assert_eq!(code(refused), Some(Code::RoleTooLow));
    let key = otto.must_make_key("frost-ed25519", "cold").await;
    assert_eq!(code(vera.sign(signature_of(&key, "hello"), 0).await), Some(Code::RoleTooLow));
    rita.must_sign(&key, "hello").await;
    let mut altered = signature_of(&key, "hello");
    altered.body = altered.body.iter().map(|byte| if *byte == b'6' { b'7' } else { *byte }).collect();
    assert_eq!(code(rita.sign(altered, 1_000).await), Some(Code::RequestSignatureRefused));
    let mut nobody = signature_of(&key, "hello");
    nobody.signature.pop();
    assert_eq!(code(rita.sign(nobody, 1_000).await), Some(Code::RequestSignatureRefused));
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_have_their_own_doors_and_speak_for_themselves() {
    let mut cluster = Cluster::build(1).await;
    cluster.start_coordinator(0).await;
    let node = Caller::service(&cluster, 0, PeerRole::Node, "node-1");
    let mut keys = MpcKeysClient::new(node.link.channel());
    assert_eq!(code(keys.list_keys(node.request(ListKeysRequest::default())).await), Some(Code::WrongPeer));
    let mut coordinator = MpcCoordinatorClient::new(node.link.channel());
    let watching = coordinator.watch_sessions(node.request(WatchSessionsRequest::default())).await;
    assert_eq!(code(watching), Some(Code::WrongPeer));
    let mut registry = MpcRegistryClient::new(node.link.channel());
    let register = |name: &str, role: &str| {
        let (name, role, address) = (name.to_owned(), role.to_owned(), "none".to_owned());
        node.request(RegisterNodeRequest { name, role, address })
    };
    assert_eq!(code(registry.register_node(register("node-1", "node")).await), None);
    assert_eq!(code(registry.register_node(register("node-2", "node")).await), Some(Code::WrongPeer));
    assert_eq!(code(registry.register_node(register("node-1", "gateway")).await), Some(Code::WrongPeer));
    let role = "node".to_owned();
    let found = registry.discover_nodes(node.request(DiscoverNodesRequest { role })).await.expect("members");
    let live: Vec<_> = found.into_inner().members.iter().map(|one| (one.name.clone(), one.live)).collect();
    let expected = [("node-1", true), ("node-2", false), ("node-3", false)];
    assert_eq!(live, expected.map(|(name, live)| (name.to_owned(), live)));
    let mut client = MpcNodeClient::new(node.link.channel());
    let beat = HeartbeatRequest { node: "node-2".to_owned(), ..HeartbeatRequest::default() };
    assert_eq!(code(client.heartbeat(node.request(beat)).await), Some(Code::WrongPeer));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_begins_with_a_hello_of_the_right_version() {
    let mut cluster = Cluster::build(1).await;
    cluster.start_coordinator(0).await;
    let node = Caller::service(&cluster, 0, PeerRole::Node, "node-1");
    let mut client = MpcNodeClient::new(node.link.channel());
    let hello = |name: &str, protocol, sequence| {
        let hello = Hello { node: name.to_owned(), protocol, ..Hello::default() };
        let first = SessionMessage { sequence, body: Some(Body::Hello(hello)), ..SessionMessage::default() };
        node.request(futures_util::stream::iter([first]))
    };
    let old =
        client.join_signing_session(hello("node-1", PROTOCOL_VERSION + 1, 1)).await.expect_err("refused");
    assert_eq!(Code::of_status(&old), Code::ProtocolVersion);
    assert!(old.message().contains("node-1") && old.message().contains("coordinator-1"), "{}", old.message());
    let other = client.join_signing_session(hello("node-2", PROTOCOL_VERSION, 1)).await;
    assert_eq!(code(other), Some(Code::WrongPeer));
    let late = client.join_signing_session(hello("node-1", PROTOCOL_VERSION, 2)).await;
    assert_eq!(code(late), Some(Code::InvalidRequest));
    let good = client.join_signing_session(hello("node-1", PROTOCOL_VERSION, 1)).await.expect("a stream");
    let first = good.into_inner().message().await.expect("a message").expect("a welcome");
    assert!(matches!(first.body, Some(Body::Welcome(welcome)) if welcome.coordinator == "coordinator-1"));
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_a_newer_document_does_not_know_is_out_at_once() {
    let cluster = Cluster::start(1).await;
    let vera = Caller::client(&cluster, 0, "vera");
    let mut keys = MpcKeysClient::new(vera.link.channel());
    assert_eq!(code(keys.list_keys(vera.request(ListKeysRequest::default())).await), None);
    let document = cluster.document.load_full();
    let mut fields = document.fields().clone();
    fields.version += 1;
    let client = fields.clients.iter().find(|client| client.name == "vera").expect("enrolled");
    fields.revoked.push(client.tls[0]);
    fields.revoked.push(fields.nodes[2].tls[0]);
    let newer = keymoot_wire::cluster::ClusterDocument::new(fields).expect("a document");
    cluster.document.store(std::sync::Arc::new(newer));
    let refused = keys.list_keys(vera.request(ListKeysRequest::default())).await;
    assert_eq!(code(refused), Some(Code::CertificateRefused), "on the connection that it had");
    cluster.until_connected(2).await;
}
