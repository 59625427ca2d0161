//! The entries of a cluster document.

use std::fmt;

use jsonwebtoken::jwk::JwkSet;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::hex::Hex;

/// How many of how many sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ThresholdEntry {
    /// Signers needed.
    pub needed: u16,
    /// Nodes there are.
    pub total: u16,
}

/// A node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NodeEntry {
    /// As in `node-1`.
    pub name: String,
    /// Its index as a party, 1..=n.
    pub index: u16,
    /// The Ed25519 key that it signs protocol messages with.
    pub identity: Hex<32>,
    /// The X25519 key that mail for it is sealed to.
    pub seal: Hex<32>,
    /// Its TLS keys: SHA-256 of their SPKI.
    pub tls: Vec<Hex<32>>,
}

/// A coordinator.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CoordinatorEntry {
    /// As in `coordinator-1`.
    pub name: String,
    /// Where it serves: `https://host:port`.
    pub address: String,
    /// Its TLS keys: SHA-256 of their SPKI.
    pub tls: Vec<Hex<32>>,
}

/// A gateway.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GatewayEntry {
    /// As in `gateway-1`.
    pub name: String,
    /// Where it serves: `https://host:port`.
    pub address: String,
    /// Its TLS keys: SHA-256 of their SPKI.
    pub tls: Vec<Hex<32>>,
}

/// A client: a person or a program that asks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClientEntry {
    /// `[a-z0-9-]{1,63}`; the `sub` of its tokens.
    pub name: String,
    /// What it may do.
    pub role: Role,
    /// The key that it signs requests with.
    pub key: ClientKey,
    /// Its TLS keys: SHA-256 of their SPKI.
    pub tls: Vec<Hex<32>>,
}

/// What a client may do. Each role may do what those before it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Reads.
    Viewer,
    /// Asks for signatures.
    Requester,
    /// Asks for keys.
    Operator,
    /// Everything.
    Admin,
}

impl Role {
    /// As in the document.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Requester => "requester",
            Self::Operator => "operator",
            Self::Admin => "admin",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The public key that a client's requests verify under.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase", deny_unknown_fields)]
pub enum ClientKey {
    /// An Ed25519 key.
    Ed25519 {
        /// The key.
        public: Hex<32>,
    },
    /// An ECDSA key on P-256.
    P256 {
        /// The point, compressed.
        public: Hex<33>,
    },
}

/// What names a client to nodes: an Ed25519 key itself, or SHA-256 of a compressed point on P-256.
#[must_use]
pub fn client_id(key: &ClientKey) -> [u8; 32] {
    match key {
        ClientKey::Ed25519 { public } => public.0,
        ClientKey::P256 { public } => Sha256::digest(public.0).into(),
    }
}

/// Somebody whose tokens clients may bring. Has either `jwks_url` or `keys`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IssuerEntry {
    /// The `iss` of its tokens.
    pub issuer: String,
    /// Where its keys are to be had. `https`; `http` on the loopback interface only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jwks_url: Option<String>,
    /// Its keys.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keys: Option<JwkSet>,
    /// The names of the clients that it speaks for; if absent, it speaks for every client there is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clients: Option<Vec<String>>,
}

impl IssuerEntry {
    /// Whether its word about this client counts.
    #[must_use]
    pub fn speaks_for(&self, client: &str) -> bool {
        self.clients.as_ref().is_none_or(|names| names.iter().any(|name| name == client))
    }
}

/// What nodes sign without being asked for more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PolicyName {
    /// Nothing.
    DenyAll,
    /// Whatever an enrolled client with the right role asks for.
    AllowAll,
}
