//! What a node is told by whoever starts it.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;

use keymoot_engine::node::Limits as EngineLimits;
use keymoot_ports::Journal;
use keymoot_types::Scheme;
use keymoot_vault::Vault;
use keymoot_wire::cluster::DocumentHandle;
use keymoot_wire::tls::Identity;

/// A node's configuration. Everything in it is open and checked already.
pub struct NodeConfig {
    /// The node's name in the cluster document.
    pub name: String,
    /// The cluster document; a newer one may be stored into it at any time.
    pub document: DocumentHandle,
    /// The certificate and key that it dials with.
    pub identity: Arc<Identity>,
    /// The open vault with the node's seeds; see [`crate::seeds`].
    pub vault: Arc<Vault>,
    /// The journal.
    pub journal: Arc<dyn Journal>,
    /// What keys may be for that this node takes part in.
    pub schemes: BTreeSet<Scheme>,
    /// Bounds of the shell.
    pub limits: Limits,
    /// Where it tells how it is; on the loopback interface only. Nothing listens if `None`.
    pub health: Option<Health>,
}

/// The address for probes, and what is shown there.
pub struct Health {
    /// Where to listen; port 0 takes a free one.
    pub address: SocketAddr,
    /// Renders the metrics that the process has recorded, in the text format of Prometheus.
    pub metrics: Option<Metrics>,
}

/// Renders metrics.
pub type Metrics = Arc<dyn Fn() -> String + Send + Sync>;

/// A number on everything that the shell does.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Those of the engine.
    pub engine: EngineLimits,
    /// Threads for pair setups and presignings.
    pub workers: usize,
    /// Messages of all coordinators that wait for the engine.
    pub heard: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { engine: EngineLimits::default(), workers: 1, heard: 1024 }
    }
}
