//! Sessions, nodes, tokens and the state of the service.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// How far a node has come in a session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ParticipantView {
    /// As in "node-1".
    pub node: String,
    /// The latest round of which something has come from it, counted from 0.
    pub round: Option<u32>,
    /// Whether it is done.
    pub complete: bool,
}

/// A session in progress.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SessionView {
    /// As in "ses_0f3a…".
    pub id: String,
    /// As in "signing" or "key generation".
    pub kind: String,
    /// The request it is for; absent for preparations.
    pub request: Option<String>,
    /// Its members.
    pub participants: Vec<ParticipantView>,
    /// Since when, in milliseconds.
    pub age_ms: u64,
    /// For how long at most, in milliseconds.
    pub left_ms: u64,
    /// The coordinator that leads it.
    pub coordinator: String,
}

/// The sessions in progress at all coordinators that answered.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SessionList {
    /// The sessions.
    pub sessions: Vec<SessionView>,
    /// Coordinators that did not answer, whose sessions are missing here.
    pub silent_coordinators: Vec<String>,
}

/// Something that happened in a session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EventView {
    /// "began", "round", "refused", "ended", "complete" or "settled"; "progress": a node has come further with what it
    /// does by itself; or "missed": some were left out.
    pub what: String,
    /// The session; empty where the event belongs to none.
    pub session: String,
    /// As in "signing".
    pub kind: String,
    /// The request it is for; absent for preparations.
    pub request: Option<String>,
    /// Whose doing it is, as in "node-1".
    pub node: Option<String>,
    /// The round, counted from 0.
    pub round: Option<u32>,
    /// In words.
    pub detail: Option<String>,
    /// The members of the session, where they are told.
    pub members: Vec<String>,
    /// When. RFC 3339, in UTC.
    pub at: Option<String>,
    /// The same in milliseconds since 1970.
    pub at_ms: Option<u64>,
}

/// A node, as the coordinators see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NodeView {
    /// As in "node-1".
    pub name: String,
    /// Whether its lease holds at some coordinator.
    pub live: bool,
    /// The coordinators to which its stream is open.
    pub connected: Vec<String>,
    /// Since when it was heard last, in milliseconds; absent if never.
    pub silent_ms: Option<u64>,
    /// The version of its program.
    pub version: Option<String>,
    /// Its clock less the coordinator's, in milliseconds.
    pub clock_skew_ms: Option<i64>,
    /// Whether it goes by the same cluster document as the coordinators that hear it.
    pub same_document: bool,
    /// How far it is with the moduli that gg20 needs; absent where it does not say that it serves gg20.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub moduli: Option<ModuliView>,
}

/// What a node says of the moduli that gg20 needs. All nodes make them together, once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ModuliView {
    /// Whether it has them.
    pub made: bool,
    /// Whether it takes part in a session that makes them.
    pub making: bool,
    /// Safe primes that it has found.
    pub safe_primes: u32,
    /// How many it takes.
    pub wanted: u32,
}

/// All nodes of the cluster document.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NodeList {
    /// The nodes, in the order of the document.
    pub nodes: Vec<NodeView>,
    /// Coordinators that did not answer.
    pub silent_coordinators: Vec<String>,
}

/// A token.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TokenView {
    /// For the header `Authorization: Bearer …`, on connections with the certificate that it was asked for
    /// on.
    pub token: String,
    /// When it ends. RFC 3339, in UTC.
    pub expires_at: String,
    /// The same in milliseconds since 1970.
    pub expires_ms: u64,
    /// What its owner may do: "viewer", "requester", "operator" or "admin".
    #[schema(example = "requester")]
    pub role: String,
}

/// Whether the gateway can serve.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ReadyView {
    /// Whether it can.
    pub ready: bool,
    /// Why not, or what is not as it should be.
    pub reasons: Vec<String>,
}

/// When a signature was last seen to be made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CanaryView {
    /// Whether that was within the last 60 seconds.
    pub alive: bool,
    /// Since when, in milliseconds; absent if this gateway has seen none.
    pub age_ms: Option<u64>,
    /// In words.
    pub detail: String,
}

/// What runs here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct VersionView {
    /// The version of the program.
    pub version: String,
    /// The name of the cluster.
    pub cluster: String,
    /// The name of this gateway.
    pub gateway: String,
    /// The version of the cluster document that it goes by.
    pub document_version: u64,
    /// SHA-256 of that document, in hex.
    pub document: String,
}
