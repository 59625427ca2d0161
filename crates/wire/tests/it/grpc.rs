//! The contract over mutual TLS: servers know their callers, and links find their servers.

use keymoot_wire::identity::PeerRole;
use keymoot_wire::mpc::mpc_registry_client::MpcRegistryClient;
use keymoot_wire::mpc::mpc_registry_server::{MpcRegistry, MpcRegistryServer};
use keymoot_wire::mpc::{
    DESCRIPTORS, DiscoverNodesRequest, DiscoverNodesResponse, Member, RegisterNodeRequest,
    RegisterNodeResponse, UnregisterNodeRequest, UnregisterNodeResponse,
};
use keymoot_wire::tls::{Acceptor, ClientCertificates, Peer, Serving, TlsError, dial, server_config};
use prost::Message;
use tokio::net::TcpListener;
use tonic::transport::Server;
use tonic::{Code, Request, Response, Status};

use crate::scene::{Scene, must_id};

/// Answers with who asks.
struct Mirror;

#[tonic::async_trait]
impl MpcRegistry for Mirror {
    async fn register_node(
        &self,
        _request: Request<RegisterNodeRequest>,
    ) -> Result<Response<RegisterNodeResponse>, Status> {
        Err(Status::unimplemented("a mirror registers nobody"))
    }

    async fn discover_nodes(
        &self,
        request: Request<DiscoverNodesRequest>,
    ) -> Result<Response<DiscoverNodesResponse>, Status> {
        let peer = request.extensions().get::<Peer>().ok_or_else(|| Status::internal("no peer"))?;
        let member = Member { name: peer.id.to_uri(), ..Member::default() };
        Ok(Response::new(DiscoverNodesResponse { members: vec![member] }))
    }

    async fn unregister_node(
        &self,
        _request: Request<UnregisterNodeRequest>,
    ) -> Result<Response<UnregisterNodeResponse>, Status> {
        Err(Status::unimplemented("a mirror registers nobody"))
    }
}

#[tokio::test]
async fn a_server_knows_its_caller_and_a_link_its_server() {
    let scene = Scene::must_build();
    let document = scene.document.clone().into_handle();
    let serving = Serving {
        roles: vec![PeerRole::Node, PeerRole::Gateway],
        certificates: ClientCertificates::Required,
        http1: false,
    };
    let config = server_config(&scene.must_identify("coordinator-1"), &document, serving).expect("a config");
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let acceptor = Acceptor::new(listener, config);
    let address = format!("https://{}", acceptor.local_addr().expect("an address"));
    let server = Server::builder().add_service(MpcRegistryServer::new(Mirror));
    let serving = tokio::spawn(server.serve_with_incoming(acceptor.incoming()));

    let (first, second) = ("coordinator-1", "coordinator-2");
    let expected = must_id(PeerRole::Coordinator, first);
    for name in ["node-3", "gateway-1"] {
        let identity = scene.must_identify(name);
        let link = dial(&address, &identity, &document, &expected).expect("an address");
        let mut client = MpcRegistryClient::new(link.channel());
        for _ in 0..3 {
            let answer = client.discover_nodes(DiscoverNodesRequest::default()).await.expect("an answer");
            assert_eq!(answer.into_inner().members[0].name, identity.current().id().to_uri());
        }
        assert_eq!(link.credentials().as_peer(), identity.current().as_peer());
    }

    // Somebody without business there, and somebody who looks for another server.
    let link = dial(&address, &scene.must_identify("alice"), &document, &expected).expect("an address");
    let refused =
        MpcRegistryClient::new(link.channel()).discover_nodes(DiscoverNodesRequest::default()).await;
    // In TLS 1.3 a client learns with its first read that the server has refused it.
    let code = refused.expect_err("refused").code();
    assert!(matches!(code, Code::Unavailable | Code::Unknown), "{code}");
    let expected = must_id(PeerRole::Coordinator, second);
    let link = dial(&address, &scene.must_identify("node-1"), &document, &expected).expect("an address");
    let refused =
        MpcRegistryClient::new(link.channel()).discover_nodes(DiscoverNodesRequest::default()).await;
    assert_eq!(refused.expect_err("refused").code(), Code::Unavailable);
    serving.abort();
}

#[tokio::test]
async fn a_link_needs_an_address_in_full() {
    let scene = Scene::must_build();
    let document = scene.document.clone().into_handle();
    let expected = must_id(PeerRole::Coordinator, "coordinator-1");
    for bad in ["", "127.0.0.1:1", "http://127.0.0.1:1", "https://127.0.0.1"] {
        let link = dial(bad, &scene.must_identify("node-1"), &document, &expected);
        assert!(matches!(link, Err(TlsError::Address(_))), "{bad}");
    }
}

#[test]
fn the_contract_has_its_services_and_calls() {
    // Names of services and calls are promised to other people's programs.
    let services: Vec<(String, Vec<String>)> = must_describe();
    let calls = |service: &str| {
        let found = services.iter().find(|(name, _)| name == service);
        found.map(|(_, calls)| calls.join(" ")).unwrap_or_default()
    };
    assert_eq!(calls("MPCNode"), "Heartbeat JoinSigningSession SubmitSignatureShare");
    assert_eq!(calls("MPCRegistry"), "RegisterNode DiscoverNodes UnregisterNode");
    for call in ["CreateSigningSession", "GetSessionStatus", "AggregateSignatures"] {
        assert!(calls("MPCCoordinator").split(' ').any(|name| name == call), "{call}");
    }
    for call in ["CreateKey", "GetKey", "ListKeys"] {
        assert!(calls("MPCKeys").split(' ').any(|name| name == call), "{call}");
    }
}

fn must_describe() -> Vec<(String, Vec<String>)> {
    let set = prost_types::FileDescriptorSet::decode(DESCRIPTORS).expect("descriptors");
    let services = set.file.into_iter().flat_map(|file| file.service);
    services
        .map(|service| {
            let calls = service.method.iter().map(|call| call.name().to_owned()).collect();
            (service.name().to_owned(), calls)
        })
        .collect()
}
