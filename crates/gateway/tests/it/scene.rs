//! A small cluster: an authority, a document, fake coordinators, a gateway, and a client of each role.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};
use std::time::{Duration, SystemTime};

use keymoot_client::{Bearer, Client, ClientConfig, Retry};
use keymoot_gateway::{Gateway, GatewayConfig, Limits};
use keymoot_types::GroupId;
use keymoot_wire::authority::{Authority, TlsKey, Validity};
use keymoot_wire::cluster::{
    ClientEntry, ClientKey, ClusterDocument, ClusterFields, CoordinatorEntry, DocumentHandle, FORMAT,
    GatewayEntry, Hex, IssuerEntry, NodeEntry, PolicyName, Role, ThresholdEntry,
};
use keymoot_wire::identity::{PeerId, PeerRole};
use keymoot_wire::signed::SigningKey;
use keymoot_wire::tls::{ClientCertificates, Credentials, Identity};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use tokio::net::TcpListener;

use crate::fake::{Fake, Store};

pub const CLUSTER: &str = "test";
pub const ROLES: [Role; 4] = [Role::Viewer, Role::Requester, Role::Operator, Role::Admin];
pub const GROUP: GroupId = GroupId::new([9; 16]);

pub fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    u64::try_from(since.as_millis()).unwrap()
}

/// What is there once in a process: the providers of cryptography, and where metrics go.
static PROCESS: LazyLock<PrometheusHandle> = LazyLock::new(|| {
    keymoot_wire::install_providers();
    PrometheusBuilder::new().install_recorder().unwrap()
});

/// How the cluster is to be.
pub struct Wanted {
    pub certificates: ClientCertificates,
    pub coordinators: usize,
    /// These are in the document, and nobody listens at their address.
    pub absent: usize,
    pub limits: Limits,
    /// Foreign issuers of tokens.
    pub issuers: Vec<IssuerEntry>,
}

impl Default for Wanted {
    fn default() -> Self {
        let limits = Limits { rate: 1e6, burst: 1e6, ..Limits::default() };
        Self {
            certificates: ClientCertificates::Required,
            coordinators: 1,
            absent: 0,
            limits,
            issuers: Vec::new(),
        }
    }
}

pub struct Scene {
    pub authority: Authority,
    pub document: DocumentHandle,
    pub gateway: Gateway,
    pub gateway_identity: Arc<Identity>,
    pub coordinators: Vec<Fake>,
    pub store: Arc<Store>,
    pub identities: BTreeMap<String, Arc<Identity>>,
}

/// The seed of a client's signing key.
pub fn key_of(role: Role) -> SigningKey {
    SigningKey::ed25519(&[10 + role as u8; 32])
}

/// One key and its certificate.
pub fn certified(authority: &Authority, role: PeerRole, name: &str) -> (Arc<Identity>, Hex<32>) {
    certified_for(authority, role, name, Validity::days(1))
}

/// The same, for a time.
pub fn certified_for(
    authority: &Authority,
    role: PeerRole,
    name: &str,
    validity: Validity,
) -> (Arc<Identity>, Hex<32>) {
    let key = TlsKey::create().unwrap();
    let id = PeerId::new(CLUSTER, role, name).unwrap();
    let certificate = authority.issue(key.csr_pem(), &id, &[], validity).unwrap();
    let credentials =
        Credentials::from_pem(&certificate, key.key_pem(), authority.certificate_pem()).unwrap();
    (Identity::fixed(credentials), Hex(*key.spki_sha256()))
}

fn node(authority: &Authority, index: u16) -> (NodeEntry, Arc<Identity>) {
    let name = format!("node-{index}");
    let (identity, pin) = certified(authority, PeerRole::Node, &name);
    let byte = u8::try_from(index).unwrap();
    let ClientKey::Ed25519 { public } = SigningKey::ed25519(&[byte; 32]).public() else { unreachable!() };
    (NodeEntry { name, index, identity: public, seal: Hex([byte; 32]), tls: vec![pin] }, identity)
}

impl Scene {
    pub async fn new() -> Self {
        Self::of(Wanted::default()).await
    }

    pub async fn of(wanted: Wanted) -> Self {
        LazyLock::force(&PROCESS);
        let authority = Authority::create(CLUSTER).unwrap();
        let mut identities = BTreeMap::new();
        let mut nodes = Vec::new();
        for index in 1..=3 {
            let (entry, identity) = node(&authority, index);
            identities.insert(entry.name.clone(), identity);
            nodes.push(entry);
        }
        let mut coordinators = Vec::new();
        let mut listening = Vec::new();
        for number in 1..=wanted.coordinators + wanted.absent {
            let name = format!("coordinator-{number}");
            let (identity, pin) = certified(&authority, PeerRole::Coordinator, &name);
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = format!("https://127.0.0.1:{}", listener.local_addr().unwrap().port());
            coordinators.push(CoordinatorEntry { name: name.clone(), address, tls: vec![pin] });
            if number <= wanted.coordinators {
                listening.push((name, listener, identity));
            }
        }
        let (gateway_identity, pin) = certified(&authority, PeerRole::Gateway, "gateway-1");
        let address = "https://127.0.0.1:1".to_owned();
        let gateways = vec![GatewayEntry { name: "gateway-1".into(), address, tls: vec![pin] }];
        let mut clients = Vec::new();
        for role in ROLES {
            let (identity, pin) = certified(&authority, PeerRole::Client, role.name());
            identities.insert(role.name().to_owned(), identity);
            let (name, key) = (role.name().to_owned(), key_of(role).public());
            clients.push(ClientEntry { name, role, key, tls: vec![pin] });
        }
        let fields = ClusterFields {
            format: FORMAT.into(),
            version: 1,
            cluster: CLUSTER.into(),
            group: GROUP.to_string(),
            threshold: ThresholdEntry { needed: 2, total: 3 },
            nodes,
            coordinators,
            gateways,
            clients,
            issuers: wanted.issuers,
            authority: authority.certificate_pem().to_owned(),
            revoked: Vec::new(),
            policy: PolicyName::AllowAll,
            bitcoin: keymoot_types::Network::Mainnet,
        };
        let document = ClusterDocument::new(fields).unwrap().into_handle();
        let store = Store::new();
        let coordinators = listening
            .into_iter()
            .map(|(name, listener, identity)| Fake::start(&name, listener, &identity, &document, &store))
            .collect();
        let config = GatewayConfig {
            listen: "127.0.0.1:0".parse().unwrap(),
            client_certificates: wanted.certificates,
            document: document.clone(),
            identity: gateway_identity.clone(),
            limits: wanted.limits,
            metrics: PROCESS.clone(),
        };
        let gateway = Gateway::start(config).await.unwrap();
        Self { authority, document, gateway, gateway_identity, coordinators, store, identities }
    }

    /// Changes the document of all processes.
    pub fn change(&self, change: impl FnOnce(&mut ClusterFields)) {
        let mut fields = self.document.load().fields().clone();
        fields.version += 1;
        change(&mut fields);
        self.document.store(Arc::new(ClusterDocument::new(fields).unwrap()));
    }

    pub fn address(&self) -> String {
        format!("https://127.0.0.1:{}", self.gateway.address().port())
    }

    pub fn identity(&self, name: &str) -> Arc<Identity> {
        self.identities[name].clone()
    }

    /// The client of this role, which tries once.
    pub fn client(&self, role: Role) -> Client {
        self.client_that(role, Retry::NONE)
    }

    pub fn client_that(&self, role: Role, retry: Retry) -> Client {
        Client::new(ClientConfig {
            gateway: self.address(),
            authority_pem: self.authority.certificate_pem().to_owned(),
            identity: Some(self.identity(role.name())),
            key: key_of(role),
            group: GROUP,
            bearer: Bearer::Gateway,
            retry,
            lifetime: Duration::from_secs(60),
        })
        .unwrap()
    }
}
