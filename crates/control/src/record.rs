//! The document of a key.

use std::sync::Arc;

use keymoot_engine::crypto::Crypto;
use keymoot_engine::real::{Key, KeyDetails, Real};
use keymoot_engine::request::{Request, RequestId};
use keymoot_engine::words::Committee;
use keymoot_types::KeyId;
use serde::{Deserialize, Serialize};

/// A key that can be looked up.
pub(crate) struct KeyRecord {
    pub(crate) id: KeyId,
    /// As its creator named it; may be empty.
    pub(crate) name: String,
    /// The key that its creator signs requests with, in the form that requests name.
    pub(crate) creator: [u8; 32],
    pub(crate) created_ms: u64,
    /// The request that asked for it, as in "req_0f3a…".
    pub(crate) request: String,
    /// The request that retired it, if one did.
    pub(crate) retired: Option<String>,
    pub(crate) package: Vec<u8>,
    pub(crate) details: KeyDetails,
    /// To tell what a signature is over.
    pub(crate) key: Key,
}

/// As it is written down.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    name: String,
    #[serde(with = "hex::serde")]
    creator: [u8; 32],
    created_ms: u64,
    request: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    retired: Option<String>,
    #[serde(with = "hex::serde")]
    package: Vec<u8>,
}

impl KeyRecord {
    /// A key that came of a request. `None` if the committee has not certified it.
    pub(crate) fn new(
        id: RequestId,
        (request, name): (&Request, String),
        package: &[u8],
        committee: &Arc<Committee>,
    ) -> Option<Self> {
        let written = Written {
            name,
            creator: request.client.0,
            created_ms: request.created.0,
            request: id.to_string(),
            retired: None,
            package: package.to_vec(),
        };
        Self::read(written, committee)
    }

    /// A key that was written down; the one that is known, if it says the same.
    pub(crate) fn from_bytes(
        bytes: &[u8],
        known: Option<Arc<Self>>,
        committee: &Arc<Committee>,
    ) -> Option<Arc<Self>> {
        let written: Written = serde_json::from_slice(bytes).ok()?;
        let is_same =
            |known: &Arc<Self>| known.package == written.package && known.retired == written.retired;
        known.filter(is_same).or_else(|| Self::read(written, committee).map(Arc::new))
    }

    fn read(written: Written, committee: &Arc<Committee>) -> Option<Self> {
        let Written { name, creator, created_ms, request, retired, package } = written;
        // Verifies all that the committee has certified, and is done once for each key for that.
        let key = Real::decode_key(&package, committee)?;
        let details = key.details().clone();
        Some(Self { id: details.id, name, creator, created_ms, request, retired, package, details, key })
    }

    /// The same key, retired by this request.
    pub(crate) fn retired(&self, by: RequestId, committee: &Arc<Committee>) -> Option<Self> {
        Self::read(Written { retired: Some(by.to_string()), ..self.written() }, committee)
    }

    fn written(&self) -> Written {
        Written {
            name: self.name.clone(),
            creator: self.creator,
            created_ms: self.created_ms,
            request: self.request.clone(),
            retired: self.retired.clone(),
            package: self.package.clone(),
        }
    }

    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        // Strings, numbers and digits: there is nothing in it that JSON cannot hold.
        serde_json::to_vec(&self.written()).unwrap_or_default()
    }
}
