//! Why a node does not start, or ends.

use keymoot_engine::node::Corrupt;

use crate::shares::ShareFault;

/// A node cannot go on. Nothing was said that is not durable.
#[derive(Debug, thiserror::Error)]
pub enum NodeFault {
    /// The cluster document does not have this node, or has it with other keys.
    #[error("the cluster document does not fit this node: {0}")]
    Document(&'static str),
    /// The cluster document lists members or clients that nobody can work with.
    #[error("the cluster document cannot be worked with")]
    Roster(#[from] keymoot_engine::roster::RosterError),
    /// The vault does not show the node's own secrets.
    #[error("the vault does not show this node's identity")]
    Vault(#[source] keymoot_vault::Fault),
    /// The journal cannot be read or written. The process begins again from its journal when it is started again.
    #[error("the journal cannot be used")]
    Journal(#[source] keymoot_ports::Fault),
    /// The journal is not what this node wrote.
    #[error("the journal cannot be believed")]
    Corrupt(#[from] Corrupt),
    /// A share in the journal does not open, or cannot be sealed.
    #[error("a share cannot be used")]
    Share(#[from] ShareFault),
    /// The engine has found that going on would do harm. The node must not be started again before a person has looked.
    #[error("the node has halted for good: {0}")]
    Halted(&'static str),
    /// The address for health is one that others can reach.
    #[error("the address for health, {0}, is not on the loopback interface")]
    NotLoopback(std::net::SocketAddr),
    /// The address for health cannot be listened on.
    #[error("the address for health, {address}, cannot be listened on")]
    Listen {
        /// The address.
        address: std::net::SocketAddr,
        /// What the system says.
        source: std::io::Error,
    },
    /// The system gives no thread.
    #[error("a worker thread cannot be started")]
    Worker(#[source] std::io::Error),
    /// A defect of this program.
    #[error("a task of the node has died")]
    Died,
}
