//! The cluster document: who belongs to the cluster, and by which keys. The root of authority that every process
//! holds. It is signed by the cluster's authority; whoever is not in it is nobody here.

mod check;
mod entry;
mod hex;
mod index;
pub mod network;
mod signed;

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use arc_swap::ArcSwap;
use keymoot_types::{GroupId, Network, Threshold};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

pub use check::ClusterError;
pub use entry::{
    ClientEntry, ClientKey, CoordinatorEntry, GatewayEntry, IssuerEntry, NodeEntry, PolicyName, Role,
    ThresholdEntry, client_id,
};
pub use hex::{Hex, HexError};
pub use signed::SignedDocument;

use crate::identity::PeerRole;
use index::Index;

/// What the field `format` of every cluster document says.
pub const FORMAT: &str = "keymoot-cluster/v1";

/// The document that a process goes by now. A newer one is stored into it, and the next handshake goes by that.
pub type DocumentHandle = Arc<ArcSwap<ClusterDocument>>;

/// The fields of a cluster document, unchecked. [`ClusterDocument::new`] checks them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClusterFields {
    /// [`FORMAT`].
    pub format: String,
    /// Counts up from 1 with each change.
    pub version: u64,
    /// The cluster's name: `[a-z0-9-]{1,63}`. It is also the trust domain of all its SPIFFE identities.
    pub cluster: String,
    /// The committee of nodes, as in `grp_0f3a…`.
    pub group: String,
    /// How many nodes sign.
    pub threshold: ThresholdEntry,
    /// Who holds shares.
    pub nodes: Vec<NodeEntry>,
    /// Who orders; numbered from 0 by their place here.
    pub coordinators: Vec<CoordinatorEntry>,
    /// Who faces the clients.
    pub gateways: Vec<GatewayEntry>,
    /// Who may ask, and for what.
    pub clients: Vec<ClientEntry>,
    /// Whose tokens clients may bring, beside those of the gateways.
    pub issuers: Vec<IssuerEntry>,
    /// The certificate of the cluster's authority, in PEM.
    pub authority: String,
    /// Keys that are nobody's any more: SHA-256 of their SPKI.
    pub revoked: Vec<Hex<32>>,
    /// What nodes sign without being asked for more.
    pub policy: PolicyName,
    /// The one Bitcoin network that its keys are for. Nothing that is signed says it; mainnet if it is not there.
    #[serde(default, with = "network", skip_serializing_if = "network::is_usual")]
    pub bitcoin: Network,
}

/// A checked cluster document, with its exact text. It is asked at every request and every handshake, so its digest and
/// where clients and revoked keys are to be found are worked out once, when it is checked.
#[derive(Clone, PartialEq, Eq)]
pub struct ClusterDocument {
    fields: ClusterFields,
    group: GroupId,
    threshold: Threshold,
    text: String,
    digest: [u8; 32],
    index: Index,
}

impl ClusterDocument {
    /// A document of these fields. Its text is their canonical JSON.
    ///
    /// # Errors
    /// The first rule that is broken.
    pub fn new(fields: ClusterFields) -> Result<Self, ClusterError> {
        let text = serde_json::to_string_pretty(&fields).map_err(ClusterError::Json)?;
        Self::checked(fields, text)
    }

    /// Reads a document. The text is kept as it is: that is what is signed.
    ///
    /// # Errors
    /// Not JSON, unknown fields, or the first rule that is broken.
    pub fn parse(text: &str) -> Result<Self, ClusterError> {
        let fields = serde_json::from_str(text).map_err(ClusterError::Json)?;
        Self::checked(fields, text.to_owned())
    }

    fn checked(fields: ClusterFields, text: String) -> Result<Self, ClusterError> {
        let (group, threshold) = check::check(&fields)?;
        let digest = Sha256::digest(text.as_bytes()).into();
        let index = Index::of(&fields);
        Ok(Self { fields, group, threshold, text, digest, index })
    }

    /// The exact text.
    #[must_use]
    pub fn to_text(&self) -> String {
        self.text.clone()
    }

    /// SHA-256 of the exact text: what processes compare to know that they go by the same document.
    #[must_use]
    pub const fn digest(&self) -> [u8; 32] {
        self.digest
    }

    /// The fields, to make a changed document of.
    #[must_use]
    pub const fn fields(&self) -> &ClusterFields {
        &self.fields
    }

    /// The committee of nodes.
    #[must_use]
    pub const fn group_id(&self) -> GroupId {
        self.group
    }

    /// How many of the nodes sign.
    #[must_use]
    pub const fn signers(&self) -> Threshold {
        self.threshold
    }

    /// As what processes hold.
    #[must_use]
    pub fn into_handle(self) -> DocumentHandle {
        Arc::new(ArcSwap::from_pointee(self))
    }

    /// The node of this name.
    #[must_use]
    pub fn node(&self, name: &str) -> Option<&NodeEntry> {
        self.fields.nodes.iter().find(|node| node.name == name)
    }

    /// The node that is this party, 1..=n.
    #[must_use]
    pub fn node_of_index(&self, index: u16) -> Option<&NodeEntry> {
        self.fields.nodes.iter().find(|node| node.index == index)
    }

    /// The coordinator with this number, from 0.
    #[must_use]
    pub fn coordinator(&self, number: usize) -> Option<&CoordinatorEntry> {
        self.fields.coordinators.get(number)
    }

    /// The number of the coordinator of this name.
    #[must_use]
    pub fn coordinator_number(&self, name: &str) -> Option<usize> {
        self.fields.coordinators.iter().position(|coordinator| coordinator.name == name)
    }

    /// The gateway of this name.
    #[must_use]
    pub fn gateway(&self, name: &str) -> Option<&GatewayEntry> {
        self.fields.gateways.iter().find(|gateway| gateway.name == name)
    }

    /// The client of this name.
    #[must_use]
    pub fn client(&self, name: &str) -> Option<&ClientEntry> {
        self.index.client(&self.fields, name)
    }

    /// The client that signs requests with the key of this id.
    #[must_use]
    pub fn client_of_key(&self, id: &[u8; 32]) -> Option<&ClientEntry> {
        self.index.client_of_key(&self.fields, id)
    }

    /// The keys that are pinned for a process: SHA-256 of their SPKI. `None` if nobody in this role has the name.
    #[must_use]
    pub fn pins(&self, role: PeerRole, name: &str) -> Option<&[Hex<32>]> {
        match role {
            PeerRole::Node => self.node(name).map(|entry| entry.tls.as_slice()),
            PeerRole::Coordinator => self
                .coordinator_number(name)
                .and_then(|at| self.coordinator(at))
                .map(|entry| entry.tls.as_slice()),
            PeerRole::Gateway => self.gateway(name).map(|entry| entry.tls.as_slice()),
            PeerRole::Client => self.client(name).map(|entry| entry.tls.as_slice()),
        }
    }

    /// Whether the key with this SPKI digest is nobody's any more.
    #[must_use]
    pub fn is_revoked(&self, spki: &[u8; 32]) -> bool {
        self.index.is_revoked(spki)
    }
}

impl Deref for ClusterDocument {
    type Target = ClusterFields;

    fn deref(&self) -> &ClusterFields {
        &self.fields
    }
}

impl fmt::Debug for ClusterDocument {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cluster document {} of {}", self.fields.version, self.fields.cluster)
    }
}
