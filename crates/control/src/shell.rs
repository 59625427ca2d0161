//! Starts a coordinator, and stops it in order.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use keymoot_engine::coordinator::{Config, Coordinator};
use keymoot_engine::real::Real;
use keymoot_ports::{Name, Ttl};
use keymoot_types::Millis;
use keymoot_wire::cluster::DocumentHandle;
use keymoot_wire::identity::PeerRole;
use keymoot_wire::mpc::DESCRIPTORS;
use keymoot_wire::mpc::mpc_coordinator_server::MpcCoordinatorServer;
use keymoot_wire::mpc::mpc_keys_server::MpcKeysServer;
use keymoot_wire::mpc::mpc_node_server::MpcNodeServer;
use keymoot_wire::mpc::mpc_registry_server::MpcRegistryServer;
use keymoot_wire::stop::stopped;
use keymoot_wire::tls::{Acceptor, ClientCertificates, Identity, Serving, server_config};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tonic::service::RoutesBuilder;
use tonic::transport::Server;

use crate::access::{CallPlaces, Gate};
use crate::book::Book;
use crate::clock::Clock;
use crate::config::{ControlConfig, Listen};
use crate::desk::Desk;
use crate::entrance::{Places, entrance};
use crate::fault::ControlFault;
use crate::inlet::Inlet;
use crate::mend;
use crate::names::Names;
use crate::nodes::Nodes;
use crate::pulse;
use crate::room::Room;
use crate::roster;
use crate::serve::{CoordinatorService, KeysService, LISTS, MESSAGE_MAX, NodeService, RegistryService};
use crate::task::Task;
use crate::tokens::Tokens;
use crate::waiting::Waiting;
use crate::watch::Observer;

/// How often to ask a peer whether it is still there, and how long to wait for its answer.
const KEEP_ALIVE: Duration = Duration::from_secs(5);

/// Calls and streams at one time on one connection. A gateway has one connection, over which all that it was asked for
/// waits; what others may have is bounded by their places, which they hold until their answers have left.
const CALLS_MAX: u32 = 1024;

/// Calls of one process that is no client, on all its connections.
const CALLS_EACH: usize = 2048;

/// How long calls that are in progress may take when the coordinator stops.
const FAREWELL: Duration = Duration::from_secs(3);

/// A coordinator.
pub struct ControlShell;

/// A coordinator that runs.
pub struct ControlHandle {
    stop: watch::Sender<bool>,
    address: SocketAddr,
    room: Arc<Room>,
    task: JoinHandle<Result<(), ControlFault>>,
}

/// A coordinator at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ControlStatus {
    /// Names of the nodes with an open stream.
    pub connected: Vec<String>,
    /// Why it cannot serve, in words; nothing if it can.
    pub reasons: Vec<String>,
}

impl ControlHandle {
    /// Where it serves.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Has the coordinator stop: it takes nothing new, and hangs up. What it worked on others take over.
    pub fn stop(&self) {
        self.stop.send_replace(true);
    }

    /// What [`ControlHandle::stop`] does, for whoever waits in [`ControlHandle::join`].
    pub fn stopper(&self) -> impl Fn() + Send + Sync + 'static {
        let stop = self.stop.clone();
        move || {
            stop.send_replace(true);
        }
    }

    /// What [`ControlHandle::status`] does, for the same.
    pub fn prober(&self) -> impl Fn() -> ControlStatus + Send + Sync + 'static {
        let room = Arc::clone(&self.room);
        move || ControlStatus::of(&room)
    }

    /// Waits until it has ended.
    ///
    /// # Errors
    /// Why it has ended without being told to.
    pub async fn join(self) -> Result<(), ControlFault> {
        self.task.await.unwrap_or(Err(ControlFault::Died))
    }

    /// How it is.
    #[must_use]
    pub fn status(&self) -> ControlStatus {
        ControlStatus::of(&self.room)
    }
}

impl ControlStatus {
    fn of(room: &Room) -> Self {
        let connected = room.nodes.connected();
        let connected = connected.into_iter().map(|party| room.names.of(party)).collect();
        Self { connected, reasons: room.reasons() }
    }
}

impl ControlShell {
    /// Starts a coordinator.
    ///
    /// # Errors
    /// Something in the configuration cannot be, or the address is taken.
    pub async fn start(config: ControlConfig) -> Result<ControlHandle, ControlFault> {
        let (stop, stopping) = watch::channel(false);
        let acceptor = accept(&config.listen, &config.identity, &config.document).await?;
        let address = acceptor.local_addr().map_err(ControlFault::Listen)?;
        let reflection = config.reflection;
        let (room, engine, listed) = furnish(config, stopping.clone())?;
        let (reporter, health) = tonic_health::server::health_reporter();
        let mut routes = services(&room);
        routes.add_service(health);
        if reflection {
            let described = tonic_reflection::server::Builder::configure()
                .register_encoded_file_descriptor_set(DESCRIPTORS)
                .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
                .build_v1()
                .map_err(ControlFault::Reflection)?;
            routes.add_service(described);
        }
        let places = CallPlaces {
            calls: Places::new(usize::MAX, (room.limits.calls_each, CALLS_EACH)),
            lists: Places::new(room.limits.lists, (room.limits.lists_each, room.limits.lists / 2)),
            bytes: Places::new(
                room.limits.request_bytes,
                (room.limits.request_bytes / 8, room.limits.request_bytes),
            ),
        };
        let gate = Gate::new(Arc::clone(&room.document), Tokens::new(Arc::clone(&room.document)), places);
        let places = Places::new(
            room.limits.connections,
            (room.limits.connections_each, room.limits.connections_each),
        );
        let incoming = entrance(acceptor, places);
        let mut stopping = stopping;
        let over = async move { stopped(&mut stopping).await };
        let serving = Server::builder()
            .http2_keepalive_interval(Some(KEEP_ALIVE))
            .http2_keepalive_timeout(Some(KEEP_ALIVE))
            .max_concurrent_streams(Some(CALLS_MAX))
            .layer(gate)
            .add_routes(routes.routes())
            .serve_with_incoming_shutdown(incoming, over);
        tokio::spawn(mend::mend(Arc::clone(&room)));
        let pulse = tokio::spawn(pulse::beat(Arc::clone(&room), reporter, listed));
        let engine = tokio::spawn(engine);
        let whole = run(serving, (engine, pulse), stop.clone());
        tracing::info!(coordinator = room.name, %address, "the coordinator serves");
        Ok(ControlHandle { stop, address, room, task: tokio::spawn(whole) })
    }
}

async fn accept(
    listen: &Listen,
    identity: &Arc<Identity>,
    document: &DocumentHandle,
) -> Result<Acceptor, ControlFault> {
    let listener = match listen {
        Listen::Address(address) => TcpListener::bind(address).await,
        Listen::Bound(bound) => bound.try_clone().and_then(|bound| {
            bound.set_nonblocking(true)?;
            TcpListener::from_std(bound)
        }),
    };
    let serving = Serving {
        roles: vec![PeerRole::Node, PeerRole::Coordinator, PeerRole::Gateway, PeerRole::Client],
        certificates: ClientCertificates::Required,
        http1: false,
    };
    let tls = server_config(identity, document, serving)?;
    Ok(Acceptor::new(listener.map_err(ControlFault::Listen)?, tls))
}

/// The room with all that is in it, the engine's loop, and where the coordinator is listed.
fn furnish(
    config: ControlConfig,
    stop: watch::Receiver<bool>,
) -> Result<(Arc<Room>, impl Future<Output = ()> + Send + 'static, String), ControlFault> {
    let document = config.document.load_full();
    let number = document.coordinator_number(&config.name);
    let number = number.ok_or(ControlFault::Document("it has no coordinator of this name"))?;
    let listed = document.coordinator(number).map(|entry| entry.address.clone()).unwrap_or_default();
    let me = u16::try_from(number).map_err(|_| ControlFault::Document("it has too many coordinators"))?;
    let roster = roster::of(&document)?;
    let committee = roster.committee();
    let owner = Name::new(&config.name).map_err(|_| ControlFault::Document("the name is none"))?;
    let ttl = Ttl::new(config.limits.engine.lease).map_err(|_| ControlFault::Limit("the lease"))?;
    Ttl::new(config.limits.presence).map_err(|_| ControlFault::Limit("the lease of nodes"))?;
    let crypto = Real::from_seed(*config.seed).on(document.bitcoin);
    let book = Book::new(config.directory, Arc::clone(&committee), crypto.clone());
    let book = Arc::new(book.ok_or(ControlFault::Limit("the names of documents"))?);
    let names = Arc::new(Names::new(&document));
    let nodes = Arc::new(Nodes::new(names.parties().into_iter()));
    let (waiting, observer) = (
        Arc::new(Waiting::default()),
        Arc::new(Observer::new(
            Arc::clone(&names),
            committee.threshold().needed(),
            Duration::from_millis(config.limits.engine.silence),
        )),
    );
    let (inlet, inputs) = Inlet::new(config.limits.inputs, config.limits.input_bytes);
    let (desk, stored) = Desk::new(Arc::clone(&config.sessions), Arc::clone(&book), (owner, ttl));
    let clock = Clock::start();
    let engine = Config {
        me,
        committee: Arc::clone(&committee),
        clients: roster.clients().clone(),
        limits: config.limits.engine,
    };
    let (coordinator, first) = Coordinator::new(crypto, engine, clock.now());
    let task = Task {
        coordinator,
        clock,
        inputs,
        stored,
        desk,
        book: Arc::clone(&book),
        nodes: Arc::clone(&nodes),
        waiting: Arc::clone(&waiting),
        observer: Arc::clone(&observer),
        stop: stop.clone(),
        wakes: BTreeSet::new(),
        looked: Millis(0),
    };
    let room = Room {
        name: config.name,
        document: config.document,
        names,
        committee,
        nodes,
        book,
        sessions: config.sessions,
        registry: config.registry,
        waiting,
        observer,
        inputs: inlet,
        limits: config.limits,
        has_store: AtomicBool::new(false),
        stop,
    };
    Ok((Arc::new(room), task.run(first), listed))
}

/// All services but health and reflection.
fn services(room: &Arc<Room>) -> RoutesBuilder {
    let shared = || Arc::clone(room);
    let watchers = room.limits.watchers;
    let watchers = Places::new(watchers, ((watchers / 8).max(1), watchers));
    let lists = Arc::new(Semaphore::new(LISTS));
    let mut routes = RoutesBuilder::default();
    routes
        .add_service(
            MpcNodeServer::new(NodeService::new(shared()))
                .max_decoding_message_size(MESSAGE_MAX)
                .max_encoding_message_size(MESSAGE_MAX),
        )
        // The gate bounds what is brought to these.
        .add_service(MpcRegistryServer::new(RegistryService { room: shared() }))
        .add_service(MpcKeysServer::new(KeysService { room: shared(), lists: Arc::clone(&lists) }))
        .add_service(MpcCoordinatorServer::new(CoordinatorService { room: shared(), watchers, lists }));
    routes
}

/// Runs everything until it is told to stop, or something dies.
async fn run(
    serving: impl Future<Output = Result<(), tonic::transport::Error>>,
    (mut engine, mut pulse): (JoinHandle<()>, JoinHandle<()>),
    stop: watch::Sender<bool>,
) -> Result<(), ControlFault> {
    tokio::pin!(serving);
    let mut stopping = stop.subscribe();
    let early = tokio::select! {
        () = stopped(&mut stopping) => None,
        ended = &mut serving => Some(ended.map_err(ControlFault::Serve)),
        _ = &mut engine => (!*stop.borrow()).then_some(Err(ControlFault::Died)),
        // Without it nobody would tell who is revoked, nor that the store is gone.
        _ = &mut pulse => (!*stop.borrow()).then_some(Err(ControlFault::Died)),
    };
    stop.send_replace(true);
    let result = match early {
        Some(result) => result,
        // Streams that do not end by themselves are cut off.
        None => timeout(FAREWELL, serving).await.unwrap_or(Ok(())).map_err(ControlFault::Serve),
    };
    for task in [engine, pulse] {
        task.abort();
    }
    result
}
