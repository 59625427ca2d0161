//! A stolen coordinator: it has a coordinator's certificate and address, and says to nodes whatever it likes.

use std::collections::BTreeMap;
use std::path::Path;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context, Result};
use futures_util::{Stream, StreamExt};
use keymoot_engine::message::Message;
use keymoot_protocol::codec::Wire;
use keymoot_wire::cluster::SignedDocument;
use keymoot_wire::identity::PeerRole;
use keymoot_wire::mpc::mpc_node_server::{MpcNode, MpcNodeServer};
use keymoot_wire::mpc::mpc_registry_server::{MpcRegistry, MpcRegistryServer};
use keymoot_wire::mpc::session_message::Body;
use keymoot_wire::mpc::{self, PROTOCOL_VERSION, SessionMessage, Welcome};
use keymoot_wire::tls::{
    Acceptor, ClientCertificates, CredentialFiles, Identity, Peer, Serving, server_config,
};
use tokio::sync::{Notify, mpsc};
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Server;
use tonic::{Request, Response, Status, Streaming};

/// How long it waits for the nodes.
const PATIENCE: Duration = Duration::from_secs(20);

/// The stolen coordinator.
#[derive(Clone, Default)]
pub struct Double {
    lines: Arc<Mutex<BTreeMap<String, mpsc::Sender<Message>>>>,
    heard: Arc<Mutex<Vec<(String, Message)>>>,
    news: Arc<Notify>,
}

impl Double {
    /// Listens where the coordinator of this directory does.
    ///
    /// # Errors
    /// A file is missing, or the port is taken.
    pub async fn listen(directory: &Path, address: &str) -> Result<Self> {
        keymoot_wire::install_providers();
        let file =
            |name: &str| std::fs::read_to_string(directory.join(name)).with_context(|| name.to_owned());
        let document = SignedDocument::parse(&file("cluster.json")?)?.verify(&file("authority.pem")?)?;
        let identity = Identity::open(CredentialFiles {
            certificate: directory.join("tls.pem"),
            key: directory.join("tls.key.pem"),
            authority: directory.join("authority.pem"),
        })?;
        let serving =
            Serving { roles: vec![PeerRole::Node], certificates: ClientCertificates::Required, http1: false };
        let config = server_config(&identity, &document.into_handle(), serving)?;
        let acceptor = Acceptor::new(tokio::net::TcpListener::bind(address).await?, config);
        let double = Self::default();
        let server = Server::builder()
            .add_service(MpcNodeServer::new(double.clone()).max_decoding_message_size(8 << 20))
            .add_service(MpcRegistryServer::new(double.clone()))
            .serve_with_incoming(acceptor.incoming());
        tokio::spawn(server);
        Ok(double)
    }

    /// Waits until these nodes have come.
    ///
    /// # Errors
    /// One has not.
    pub async fn wait_for(&self, nodes: &[String]) -> Result<()> {
        let are_here = || {
            let lines = self.lines.lock();
            lines.is_ok_and(|lines| nodes.iter().all(|node| lines.contains_key(node)))
        };
        self.until(are_here).await.context("the nodes have not come")
    }

    /// Says something to a node.
    ///
    /// # Errors
    /// It is not there.
    pub async fn say(&self, node: &str, message: Message) -> Result<()> {
        let line = self.lines.lock().ok().and_then(|lines| lines.get(node).cloned());
        line.context("no such node")?.send(message).await.context("the node has gone")
    }

    /// Waits for something that a node says, and returns all that this is true of.
    ///
    /// # Errors
    /// It does not come.
    pub async fn hear(
        &self,
        what: &str,
        is_it: impl Fn(&str, &Message) -> bool,
    ) -> Result<Vec<(String, Message)>> {
        let found = || -> Vec<_> {
            let heard = self.heard.lock();
            let all = heard.map(|heard| heard.clone()).unwrap_or_default();
            all.into_iter().filter(|(node, message)| is_it(node, message)).collect()
        };
        self.until(|| !found().is_empty()).await.with_context(|| format!("not heard: {what}"))?;
        Ok(found())
    }

    /// All that was heard.
    #[must_use]
    pub fn heard(&self) -> Vec<(String, Message)> {
        self.heard.lock().map(|heard| heard.clone()).unwrap_or_default()
    }

    async fn until(&self, holds: impl Fn() -> bool) -> Result<()> {
        let waiting = async {
            loop {
                let news = self.news.notified();
                if holds() {
                    return;
                }
                news.await;
            }
        };
        tokio::time::timeout(PATIENCE, waiting).await.context("too late")
    }
}

type Answers = Pin<Box<dyn Stream<Item = Result<SessionMessage, Status>> + Send>>;

#[tonic::async_trait]
impl MpcNode for Double {
    async fn heartbeat(
        &self,
        request: Request<mpc::HeartbeatRequest>,
    ) -> Result<Response<mpc::HeartbeatResponse>, Status> {
        let beat = request.into_inner();
        let answer =
            mpc::HeartbeatResponse { wall_ms: beat.wall_ms, document: beat.document, lease_ms: 60_000 };
        Ok(Response::new(answer))
    }

    type JoinSigningSessionStream = Answers;

    async fn join_signing_session(
        &self,
        request: Request<Streaming<SessionMessage>>,
    ) -> Result<Response<Answers>, Status> {
        let peer = request.extensions().get::<Peer>().cloned();
        let name =
            peer.map(|peer| peer.id.name().to_owned()).ok_or_else(|| Status::unauthenticated("who?"))?;
        let mut incoming = request.into_inner();
        let (line, queue) = mpsc::channel(64);
        let double = self.clone();
        tokio::spawn(async move {
            let mut line = Some(line);
            while let Ok(Some(message)) = incoming.message().await {
                match message.body {
                    Some(Body::Hello(_)) => {
                        if let (Some(line), Ok(mut lines)) = (line.take(), double.lines.lock()) {
                            lines.insert(name.clone(), line);
                        }
                    }
                    Some(Body::Engine(bytes)) => {
                        if let (Ok(message), Ok(mut heard)) = (Message::decode(&bytes), double.heard.lock()) {
                            heard.push((name.clone(), message));
                        }
                    }
                    _ => {}
                }
                double.news.notify_waiters();
            }
        });
        let welcome =
            Welcome { coordinator: "coordinator-2".into(), protocol: PROTOCOL_VERSION, ..Welcome::default() };
        let first =
            SessionMessage { sequence: 1, body: Some(Body::Welcome(welcome)), ..SessionMessage::default() };
        let rest = ReceiverStream::new(queue).enumerate().map(|(place, message)| {
            let sequence = u64::try_from(place).unwrap_or(u64::MAX).saturating_add(2);
            let body = Some(Body::Engine(message.encode().to_vec()));
            Ok(SessionMessage { sequence, body, ..SessionMessage::default() })
        });
        let answers = futures_util::stream::once(async { Ok(first) }).chain(rest);
        Ok(Response::new(Box::pin(answers)))
    }

    async fn submit_signature_share(
        &self,
        _: Request<mpc::SubmitSignatureShareRequest>,
    ) -> Result<Response<mpc::SubmitSignatureShareResponse>, Status> {
        Ok(Response::new(mpc::SubmitSignatureShareResponse {}))
    }
}

#[tonic::async_trait]
impl MpcRegistry for Double {
    async fn register_node(
        &self,
        _: Request<mpc::RegisterNodeRequest>,
    ) -> Result<Response<mpc::RegisterNodeResponse>, Status> {
        Ok(Response::new(mpc::RegisterNodeResponse { lease_ms: 60_000 }))
    }

    async fn discover_nodes(
        &self,
        _: Request<mpc::DiscoverNodesRequest>,
    ) -> Result<Response<mpc::DiscoverNodesResponse>, Status> {
        Ok(Response::new(mpc::DiscoverNodesResponse::default()))
    }

    async fn unregister_node(
        &self,
        _: Request<mpc::UnregisterNodeRequest>,
    ) -> Result<Response<mpc::UnregisterNodeResponse>, Status> {
        Ok(Response::new(mpc::UnregisterNodeResponse {}))
    }
}
