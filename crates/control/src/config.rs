//! What a coordinator is told by whoever starts it.

use std::net::SocketAddr;
use std::sync::Arc;

use keymoot_engine::coordinator::Limits as EngineLimits;
use keymoot_ports::{Directory, Registry, Sessions};
use keymoot_wire::cluster::DocumentHandle;
use keymoot_wire::tls::Identity;
use zeroize::Zeroizing;

/// A coordinator's configuration. Everything in it is open and checked already.
pub struct ControlConfig {
    /// The coordinator's name in the cluster document. Its place there is its number.
    pub name: String,
    /// The cluster document; a newer one may be stored into it at any time.
    pub document: DocumentHandle,
    /// The certificate and key that it serves with.
    pub identity: Arc<Identity>,
    /// The seed of its Ed25519 identity, which has no power: it signs nothing that anybody believes.
    pub seed: Zeroizing<[u8; 32]>,
    /// The store that all coordinators share.
    pub sessions: Arc<dyn Sessions>,
    /// Where keys and requests are looked up; shared as well.
    pub directory: Arc<dyn Directory>,
    /// Who is there.
    pub registry: Arc<dyn Registry>,
    /// Bounds of the shell.
    pub limits: Limits,
    /// Where it serves.
    pub listen: Listen,
    /// Whether admins can ask it for its interface.
    pub reflection: bool,
}

/// Where to serve.
pub enum Listen {
    /// At this address; port 0 takes a free one.
    Address(SocketAddr),
    /// At a socket that is bound already.
    Bound(std::net::TcpListener),
}

/// A number on everything that the shell does.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Those of the engine.
    pub engine: EngineLimits,
    /// Messages and requests that wait for the engine.
    pub inputs: usize,
    /// Bytes of all of them.
    pub input_bytes: u32,
    /// Connections in all; clients have three quarters of them at most.
    pub connections: usize,
    /// Connections of one peer.
    pub connections_each: usize,
    /// Calls of one client at one time, on all its connections.
    pub calls_each: usize,
    /// Bytes that calls in progress have brought; clients have three quarters of them at most, and each an eighth. In memory
    /// they take up to four times of that.
    pub request_bytes: usize,
    /// Calls at one time that are answered with lists of keys or requests, which may be of megabytes; clients have three
    /// quarters of them at most, and one gateway half. A call is in progress until its answer has left.
    pub lists: usize,
    /// Those of one client.
    pub lists_each: usize,
    /// For how long a node's lease in the registry holds, in milliseconds.
    pub presence: u64,
    /// Watchers of sessions at one time; one client has an eighth of them at most.
    pub watchers: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            engine: EngineLimits::default(),
            inputs: 2048,
            input_bytes: 64 << 20,
            connections: 4096,
            connections_each: 32,
            calls_each: 64,
            request_bytes: 256 << 20,
            lists: 64,
            lists_each: 8,
            presence: 9_000,
            watchers: 64,
        }
    }
}
