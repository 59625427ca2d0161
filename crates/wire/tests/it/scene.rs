//! A small cluster: an authority, three nodes, two coordinators, a gateway and a client, all with keys and certificates.

use std::sync::Arc;

use keymoot_wire::authority::{Authority, TlsKey, Validity};
use keymoot_wire::cluster::{
    ClientEntry, ClientKey, ClusterDocument, ClusterFields, CoordinatorEntry, FORMAT, GatewayEntry, Hex,
    NodeEntry, PolicyName, Role, ThresholdEntry,
};
use keymoot_wire::identity::{PeerId, PeerRole};
use keymoot_wire::tls::{Credentials, Identity};

pub(crate) const CLUSTER: &str = "scene";

/// A process with its key and its certificate.
pub(crate) struct Process {
    pub(crate) id: PeerId,
    pub(crate) key: TlsKey,
    pub(crate) certificate: String,
}

impl Process {
    pub(crate) fn must_identify(&self, authority: &Authority) -> Arc<Identity> {
        let key = self.key.key_pem();
        let credentials = Credentials::from_pem(&self.certificate, key, authority.certificate_pem());
        Identity::fixed(credentials.expect("good credentials"))
    }
}

pub(crate) struct Scene {
    pub(crate) authority: Authority,
    pub(crate) processes: Vec<Process>,
    pub(crate) document: ClusterDocument,
}

impl Scene {
    pub(crate) fn must_build() -> Self {
        let authority = Authority::create(CLUSTER).expect("an authority");
        let processes: Vec<Process> = [
            (PeerRole::Node, "node-1"),
            (PeerRole::Node, "node-2"),
            (PeerRole::Node, "node-3"),
            (PeerRole::Coordinator, "coordinator-1"),
            (PeerRole::Coordinator, "coordinator-2"),
            (PeerRole::Gateway, "gateway-1"),
            (PeerRole::Client, "alice"),
        ]
        .into_iter()
        .map(|(role, name)| must_enrol(&authority, role, name))
        .collect();
        let fields = must_list(&authority, &processes);
        let document = ClusterDocument::new(fields).expect("a valid document");
        Self { authority, processes, document }
    }

    pub(crate) fn process(&self, name: &str) -> &Process {
        self.processes.iter().find(|process| process.id.name() == name).expect("a process of the scene")
    }

    pub(crate) fn must_identify(&self, name: &str) -> Arc<Identity> {
        self.process(name).must_identify(&self.authority)
    }
}

pub(crate) fn must_id(role: PeerRole, name: &str) -> PeerId {
    PeerId::new(CLUSTER, role, name).expect("a proper name")
}

fn must_enrol(authority: &Authority, role: PeerRole, name: &str) -> Process {
    let (id, key) = (must_id(role, name), TlsKey::create().expect("a key"));
    let certificate = authority.issue(key.csr_pem(), &id, &[], Validity::days(1)).expect("a certificate");
    Process { id, key, certificate }
}

/// Some valid Ed25519 public key.
pub(crate) fn ed25519(seed: u8) -> Hex<32> {
    Hex(ed25519_dalek::SigningKey::from_bytes(&[seed; 32]).verifying_key().to_bytes())
}

fn must_list(authority: &Authority, processes: &[Process]) -> ClusterFields {
    let of_role = |role| processes.iter().filter(move |process: &&Process| process.id.role() == role);
    let tls = |process: &Process| vec![Hex(*process.key.spki_sha256())];
    let name = |process: &Process| process.id.name().to_owned();
    let node = |(index, process)| NodeEntry {
        name: name(process),
        index,
        identity: ed25519(u8::try_from(index).expect("few nodes")),
        seal: Hex([u8::try_from(index).expect("few nodes"); 32]),
        tls: tls(process),
    };
    let coordinator = |process| CoordinatorEntry {
        name: name(process),
        address: "https://127.0.0.1:7100".to_owned(),
        tls: tls(process),
    };
    let gateway = |process| GatewayEntry {
        name: name(process),
        address: "https://localhost:7443".to_owned(),
        tls: tls(process),
    };
    let client = |process| ClientEntry {
        name: name(process),
        role: Role::Requester,
        key: ClientKey::Ed25519 { public: ed25519(99) },
        tls: tls(process),
    };
    ClusterFields {
        format: FORMAT.to_owned(),
        version: 1,
        cluster: CLUSTER.to_owned(),
        group: format!("grp_{}", "0f".repeat(16)),
        threshold: ThresholdEntry { needed: 2, total: 3 },
        nodes: (1..).zip(of_role(PeerRole::Node)).map(node).collect(),
        coordinators: of_role(PeerRole::Coordinator).map(coordinator).collect(),
        gateways: of_role(PeerRole::Gateway).map(gateway).collect(),
        clients: of_role(PeerRole::Client).map(client).collect(),
        issuers: Vec::new(),
        authority: authority.certificate_pem().to_owned(),
        revoked: Vec::new(),
        policy: PolicyName::AllowAll,
        bitcoin: keymoot_types::Network::Mainnet,
    }
}
