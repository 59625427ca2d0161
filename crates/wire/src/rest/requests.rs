//! Requests, and what became of them.

use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Denial, KeyView, Problem};

/// Where a request stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// The sessions for it go on.
    Pending,
    /// There is a key or a signature.
    Complete,
    /// So many nodes refuse that no quorum is left.
    Denied,
    /// Its time ran out.
    Expired,
    /// Tried as often as is reasonable.
    Failed,
}

impl Status {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Pending, Self::Complete, Self::Denied, Self::Expired, Self::Failed];

    /// Whether it stays like this for ever.
    #[must_use]
    pub const fn is_final(self) -> bool {
        !matches!(self, Self::Pending)
    }

    /// As in JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Complete => "complete",
            Self::Denied => "denied",
            Self::Expired => "expired",
            Self::Failed => "failed",
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A signature that verifies under the key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SignedView {
    /// ECDSA only: r, 32 bytes in hex.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub r: Option<String>,
    /// ECDSA only: s, 32 bytes in hex, in the lower half.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub s: Option<String>,
    /// ECDSA only: the recovery id, 0 to 3.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recid: Option<u8>,
    /// As the scheme encodes it, in hex: 64 bytes for FROST, 65 for ECDSA (r, s, recid).
    pub encoded: String,
}

/// A request for a signature, and what became of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SignatureView {
    /// The id of the request.
    #[schema(example = "req_0f3a52b1c4d6e7f8091a2b3c4d5e6f70")]
    pub id: String,
    /// Where it stands.
    pub status: Status,
    /// How the payload is read, as in "message".
    pub kind: String,
    /// The id of the key.
    pub key: String,
    /// The path below it.
    pub path: String,
    /// Which of the signatures that the payload needs, where that was said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signing: Option<u32>,
    /// The signature, when it is complete.
    pub signature: Option<SignedView>,
    /// What the signature is over, in hex: a digest of 32 bytes, or the message itself for Ed25519.
    pub signed_data: String,
    /// Who signed, as in "node-1".
    pub signers: Vec<String>,
    /// The session that made the signature.
    pub session: Option<String>,
    /// Why there is no signature, in words.
    pub reason: Option<String>,
    /// The same as a stable code, where there is one. A pending request with "E2104" waits for nodes to come
    /// back.
    #[schema(example = "E2104")]
    pub code: Option<String>,
    /// Who broke the protocol.
    pub culprits: Vec<String>,
    /// Who refuses, and why.
    pub denials: Vec<Denial>,
    /// How many sessions were begun for it by the coordinator that answered.
    pub attempts: u32,
    /// The name of the client that signed it.
    pub client: String,
    /// When it was admitted. RFC 3339, in UTC.
    pub created_at: Option<String>,
    /// The same in milliseconds since 1970.
    pub created_ms: Option<u64>,
    /// Until when it is valid. RFC 3339, in UTC.
    pub expires_at: Option<String>,
    /// The same in milliseconds since 1970.
    pub expires_ms: Option<u64>,
    /// When it was finished; absent while it is pending. RFC 3339, in UTC.
    pub finished_at: Option<String>,
    /// The same in milliseconds since 1970.
    pub finished_ms: Option<u64>,
}

/// A page of requests for signatures, newest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SignaturePage {
    /// The requests.
    pub signatures: Vec<SignatureView>,
    /// For the next page; absent on the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// What a request asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum AskView {
    /// A key.
    Key {
        /// Its name.
        name: String,
        /// Its scheme.
        scheme: String,
    },
    /// A signature.
    Signature {
        /// The id of the key.
        key: String,
        /// The path below it.
        path: String,
        /// How the payload is read.
        kind: String,
        /// The payload, in hex.
        payload: String,
        /// Which of the signatures that it needs, where that was said.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        signing: Option<u32>,
    },
    /// That a key signs nothing any more.
    Retire {
        /// The id of the key.
        key: String,
    },
    /// Something that this version does not know.
    Unknown,
}

/// A request of any kind, and what became of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RequestView {
    /// Its id.
    #[schema(example = "req_0f3a52b1c4d6e7f8091a2b3c4d5e6f70")]
    pub id: String,
    /// Where it stands.
    pub status: Status,
    /// What was asked.
    pub ask: AskView,
    /// The key that was made, when a request for a key is complete.
    pub key: Option<KeyView>,
    /// The signature, when a request for one is complete.
    pub signature: Option<SignedView>,
    /// Who signed, as in "node-1".
    pub signers: Vec<String>,
    /// Why it ended without a result, in words.
    pub reason: Option<String>,
    /// The same as a stable code, where there is one.
    pub code: Option<String>,
    /// Who broke the protocol.
    pub culprits: Vec<String>,
    /// Who refuses, and why.
    pub denials: Vec<Denial>,
    /// How many sessions were begun for it by the coordinator that answered.
    pub attempts: u32,
    /// The name of the client that signed it.
    pub client: String,
    /// When it was admitted. RFC 3339, in UTC.
    pub created_at: Option<String>,
    /// The same in milliseconds since 1970.
    pub created_ms: Option<u64>,
    /// Until when it is valid. RFC 3339, in UTC.
    pub expires_at: Option<String>,
    /// The same in milliseconds since 1970.
    pub expires_ms: Option<u64>,
    /// When it was finished; absent while it is pending. RFC 3339, in UTC.
    pub finished_at: Option<String>,
    /// The same in milliseconds since 1970.
    pub finished_ms: Option<u64>,
}

/// A page of requests of any kind, newest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RequestPage {
    /// The requests.
    pub requests: Vec<RequestView>,
    /// For the next page; absent on the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// What became of one item of a batch: one of the two.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BatchOutcome {
    /// The status that the item alone would have had.
    #[schema(example = 201)]
    pub status: u16,
    /// The request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<RequestView>,
    /// Why it was not admitted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<Problem>,
}

/// The answers of a batch, in the order of its items.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BatchView {
    /// One for each item.
    pub results: Vec<BatchOutcome>,
}
