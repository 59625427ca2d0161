//! Builds and runs a cluster on the loopback interface, in a folder that goes with it.

use std::collections::BTreeSet;
use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use keymoot_adapters::{EmbeddedStore, FileJournal};
use keymoot_control::{ControlConfig, ControlHandle, ControlShell, Limits as ControlLimits, Listen};
use keymoot_node::{Limits as NodeLimits, NodeConfig, NodeHandle, NodeShell, seeds};
use keymoot_ports::{Clock, Directory, Journal, Registry};
use keymoot_types::{GroupId, Millis, Scheme};
use keymoot_vault::{Kdf, Owner, Unlock, Vault};
use keymoot_wire::authority::{Authority, TlsKey, Validity};
use keymoot_wire::cluster::{
    ClientEntry, ClusterDocument, ClusterFields, CoordinatorEntry, DocumentHandle, FORMAT, GatewayEntry, Hex,
    NodeEntry, PolicyName, Role, ThresholdEntry,
};
use keymoot_wire::identity::{PeerId, PeerRole};
use keymoot_wire::signed::SigningKey;
use keymoot_wire::tls::{CredentialFiles, Credentials, Identity};
use rand::rngs::OsRng;
use tempfile::TempDir;
use tokio::time::{interval, timeout};

pub const CLUSTER: &str = "test";
pub const GROUP: GroupId = GroupId::new([7; 16]);

/// Nothing in a test takes longer.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// How long setups and batches may take, in milliseconds: others may be building on this machine.
const CEREMONY: u64 = 40_000;

/// Small batches, and time for them.
fn patient() -> ControlLimits {
    let mut limits = ControlLimits::default();
    (limits.engine.ceremony, limits.engine.batch, limits.engine.low) = (CEREMONY, 16, 4);
    limits
}

struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Millis {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Millis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
    }
}

/// The clients of the cluster: one of each role.
pub const ROLES: [(&str, Role); 4] =
    [("vera", Role::Viewer), ("rita", Role::Requester), ("otto", Role::Operator), ("anna", Role::Admin)];

/// What coordinators use instead of what the store has.
#[derive(Default)]
pub struct Instead {
    pub registry: Option<Arc<dyn Registry>>,
    pub directory: Option<Arc<dyn Directory>>,
}

pub struct Cluster {
    folder: TempDir,
    pub authority: Authority,
    pub document: DocumentHandle,
    tls: Vec<(PeerId, TlsKey)>,
    pub nodes: Vec<Option<NodeHandle>>,
    pub coordinators: Vec<Option<ControlHandle>>,
    listeners: Vec<TcpListener>,
    pub store: EmbeddedStore,
    pub instead: Instead,
    pub limits: ControlLimits,
    /// What nodes serve that are started from now on.
    pub schemes: BTreeSet<Scheme>,
}

pub fn must_id(role: PeerRole, name: &str) -> PeerId {
    PeerId::new(CLUSTER, role, name).expect("a proper name")
}

pub fn signing_key(name: &str) -> SigningKey {
    let mut seed = [0x5a; 32];
    seed.iter_mut().zip(name.bytes()).for_each(|(place, byte)| *place = byte);
    SigningKey::ed25519(&seed)
}

fn unlock() -> Unlock {
    Unlock::KeyFile(vec![9; 32].into())
}

/// What is logged is shown with a test that fails.
fn show_logs() {
    let filter = tracing_subscriber::EnvFilter::from_default_env();
    let _ = tracing_subscriber::fmt().with_env_filter(filter).with_test_writer().try_init();
}

fn node_entry(
    folder: &TempDir,
    index: u16,
    pin: &mut impl FnMut(PeerRole, &str) -> Vec<Hex<32>>,
) -> NodeEntry {
    let name = format!("node-{index}");
    let vault = make_vault(folder, &name);
    let public = seeds::create(&vault, &mut OsRng).expect("seeds");
    let (identity, seal) = (Hex(public.identity), Hex(public.seal));
    NodeEntry { tls: pin(PeerRole::Node, &name), name, index, identity, seal }
}

impl Cluster {
    /// A cluster of 2-of-3 with so many coordinators, of which nothing runs yet.
    pub async fn build(coordinators: usize) -> Self {
        keymoot_wire::install_providers();
        show_logs();
        let folder = tempfile::tempdir().expect("a folder");
        let authority = Authority::create(CLUSTER).expect("an authority");
        let mut tls = Vec::new();
        let mut pin = |role, name: &str| {
            let key = TlsKey::create().expect("a key");
            let pins = vec![Hex(*key.spki_sha256())];
            tls.push((must_id(role, name), key));
            pins
        };
        let listeners: Vec<TcpListener> =
            (0..coordinators).map(|_| TcpListener::bind("127.0.0.1:0").expect("a port")).collect();
        let nodes = (1..=3_u16).map(|index| node_entry(&folder, index, &mut pin)).collect();
        let numbered = listeners.iter().zip(1..);
        let coordinators = numbered.map(|(listener, number)| {
            let name = format!("coordinator-{number}");
            let address = format!("https://{}", listener.local_addr().expect("an address"));
            CoordinatorEntry { tls: pin(PeerRole::Coordinator, &name), name, address }
        });
        let coordinators: Vec<CoordinatorEntry> = coordinators.collect();
        let clients = ROLES.map(|(name, role)| {
            let key = signing_key(name).public();
            ClientEntry { name: name.to_owned(), role, key, tls: pin(PeerRole::Client, name) }
        });
        let gateway = GatewayEntry {
            name: "gateway-1".to_owned(),
            address: "https://127.0.0.1:1".to_owned(),
            tls: pin(PeerRole::Gateway, "gateway-1"),
        };
        let fields = ClusterFields {
            format: FORMAT.to_owned(),
            version: 1,
            cluster: CLUSTER.to_owned(),
            group: GROUP.to_string(),
            threshold: ThresholdEntry { needed: 2, total: 3 },
            nodes,
            coordinators,
            gateways: vec![gateway],
            clients: clients.into(),
            issuers: Vec::new(),
            authority: authority.certificate_pem().to_owned(),
            revoked: Vec::new(),
            policy: PolicyName::AllowAll,
            bitcoin: keymoot_types::Network::Mainnet,
        };
        let document = ClusterDocument::new(fields).expect("a document").into_handle();
        let path = folder.path().join("store.sqlite");
        let store = EmbeddedStore::open(&path, Arc::new(SystemClock)).await.expect("a store");
        Self {
            folder,
            authority,
            document,
            tls,
            nodes: (0..3).map(|_| None).collect(),
            coordinators: listeners.iter().map(|_| None).collect(),
            listeners,
            store,
            instead: Instead::default(),
            limits: patient(),
            schemes: Scheme::USUAL.into(),
        }
    }

    /// A cluster of which everything runs and is connected.
    pub async fn start(coordinators: usize) -> Self {
        let mut cluster = Self::build(coordinators).await;
        for place in 0..coordinators {
            cluster.start_coordinator(place).await;
        }
        for place in 0..3 {
            cluster.start_node(place).await;
        }
        cluster.until_connected(3).await;
        cluster
    }

    /// The credentials of a process, with a certificate of now.
    pub fn credentials(&self, id: &PeerId) -> Credentials {
        let (_, key) = self.tls.iter().find(|(known, _)| known == id).expect("a process of the cluster");
        let pem = self.authority.issue(key.csr_pem(), id, &[], Validity::days(1)).expect("a certificate");
        Credentials::from_pem(&pem, key.key_pem(), self.authority.certificate_pem()).expect("credentials")
    }

    pub fn identity(&self, role: PeerRole, name: &str) -> Arc<Identity> {
        Identity::fixed(self.credentials(&must_id(role, name)))
    }

    pub fn node_folder(&self, place: usize) -> PathBuf {
        self.folder.path().join(format!("node-{}", place + 1))
    }

    pub async fn start_coordinator(&mut self, place: usize) {
        let name = format!("coordinator-{}", place + 1);
        let listener = self.listeners[place].try_clone().expect("the same socket");
        let config = ControlConfig {
            identity: self.identity(PeerRole::Coordinator, &name),
            name,
            document: Arc::clone(&self.document),
            seed: [3; 32].into(),
            sessions: self.store.sessions(),
            directory: self.instead.directory.clone().unwrap_or_else(|| self.store.directory()),
            registry: self.instead.registry.clone().unwrap_or_else(|| self.store.registry()),
            limits: self.limits,
            listen: Listen::Bound(listener),
            reflection: true,
        };
        self.coordinators[place] = Some(ControlShell::start(config).await.expect("a coordinator"));
    }

    pub async fn start_node(&mut self, place: usize) {
        let journal = FileJournal::open(&self.node_folder(place).join("journal")).expect("the journal");
        self.start_node_on(place, Arc::new(journal)).await;
    }

    pub async fn start_node_on(&mut self, place: usize, journal: Arc<dyn Journal>) {
        let identity = self.identity(PeerRole::Node, &format!("node-{}", place + 1));
        self.start_node_as(place, identity, journal).await;
    }

    /// A node whose certificate is in files, and lasts for so long.
    pub async fn start_node_for(&mut self, place: usize, time: Duration) -> Arc<Identity> {
        let folder = self.node_folder(place);
        let file = |name: &str| folder.join(name);
        self.certify_node_for(place, time);
        std::fs::write(file("authority.pem"), self.authority.certificate_pem()).expect("a file");
        let files = CredentialFiles {
            certificate: file("tls.pem"),
            key: file("tls.key.pem"),
            authority: file("authority.pem"),
        };
        let identity = Identity::open(files).expect("an identity");
        let journal = FileJournal::open(&file("journal")).expect("the journal");
        self.start_node_as(place, Arc::clone(&identity), Arc::new(journal)).await;
        identity
    }

    /// Writes the certificate of a node, as of now.
    pub fn certify_node_for(&self, place: usize, time: Duration) {
        let id = must_id(PeerRole::Node, &format!("node-{}", place + 1));
        let (_, key) = self.tls.iter().find(|(known, _)| *known == id).expect("a node");
        let validity = Validity::between(SystemTime::now() - PATIENCE, SystemTime::now() + time);
        let pem = self.authority.issue(key.csr_pem(), &id, &[], validity).expect("a certificate");
        std::fs::write(self.node_folder(place).join("tls.pem"), pem).expect("a file");
        std::fs::write(self.node_folder(place).join("tls.key.pem"), key.key_pem().as_bytes())
            .expect("a file");
    }

    async fn start_node_as(&mut self, place: usize, identity: Arc<Identity>, journal: Arc<dyn Journal>) {
        let name = format!("node-{}", place + 1);
        let folder = self.node_folder(place);
        let owner = Owner::new(CLUSTER, &name).expect("an owner");
        let vault = Vault::open(&folder.join("vault"), owner, unlock()).expect("the vault");
        let mut limits = NodeLimits::default();
        limits.engine.ceremony = CEREMONY;
        let config = NodeConfig {
            schemes: self.schemes.clone(),
            identity,
            name,
            document: Arc::clone(&self.document),
            vault: Arc::new(vault),
            journal,
            limits,
            health: None,
        };
        self.nodes[place] = Some(NodeShell::start(config).await.expect("a node"));
    }

    pub async fn stop_node(&mut self, place: usize) {
        let node = self.nodes[place].take().expect("it runs");
        node.stop();
        timeout(PATIENCE, node.join()).await.expect("it ends in time").expect("it ends well");
    }

    pub async fn stop_coordinator(&mut self, place: usize) {
        let coordinator = self.coordinators[place].take().expect("it runs");
        coordinator.stop();
        timeout(PATIENCE, coordinator.join()).await.expect("it ends in time").expect("it ends well");
    }

    /// Waits until so many nodes are connected to each coordinator that runs.
    pub async fn until_connected(&self, count: usize) {
        let is_there = |one: &ControlHandle| {
            let status = one.status();
            status.connected.len() == count && (status.reasons.is_empty() || count < 2)
        };
        let all = || self.coordinators.iter().flatten().all(is_there);
        until("the nodes are connected", all).await;
    }
}

/// Looks again and again, until it is so.
pub async fn until(what: &str, holds: impl Fn() -> bool) {
    let mut ticks = interval(Duration::from_millis(10));
    let look = async {
        while !holds() {
            ticks.tick().await;
        }
    };
    timeout(PATIENCE, look).await.unwrap_or_else(|_| panic!("it never came about that {what}"));
}

fn make_vault(folder: &TempDir, name: &str) -> Vault {
    let path = folder.path().join(name);
    std::fs::create_dir_all(&path).expect("a folder");
    let owner = Owner::new(CLUSTER, name).expect("an owner");
    Vault::create(&path.join("vault"), owner, unlock(), Kdf::WEAKEST, &mut OsRng).expect("a vault")
}
