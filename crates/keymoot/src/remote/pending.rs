//! Requests that were not finished when their command ended, so that the same command asks for them again and not for more.

use std::path::{Path, PathBuf};

use keymoot_protocol::transcript::payload::PayloadHash;
use keymoot_wire::rest::SignatureView;
use serde::{Deserialize, Serialize};

use super::Asked;
use crate::ceremony::wall_ms;
use crate::failure::Failure;
use crate::place;

/// The file in a client's directory.
const FILE: &str = "pending.json";
/// At most so many are remembered; the oldest are forgotten first.
const REMEMBERED_MAX: usize = 256;

/// One request.
#[derive(Clone, Serialize, Deserialize)]
struct Entry {
    key: String,
    path: String,
    kind: String,
    /// SHA-256 of the payload.
    payload: String,
    request: String,
    expires_ms: u64,
}

/// All that are remembered.
pub struct Pending {
    place: PathBuf,
    entries: Vec<Entry>,
}

impl Pending {
    /// What is remembered in a directory, and not over yet. What cannot be read is forgotten: it only saves asking twice.
    pub fn read(directory: &Path) -> Self {
        let place = directory.join(FILE);
        let text = std::fs::read(&place).unwrap_or_default();
        let mut entries: Vec<Entry> = serde_json::from_slice(&text).unwrap_or_default();
        entries.retain(|entry| entry.expires_ms > wall_ms());
        Self { place, entries }
    }

    /// The request for this, if it is pending.
    pub fn find(&self, asked: &Asked<'_>) -> Option<String> {
        self.entries.iter().find(|entry| entry.is_for(asked)).map(|entry| entry.request.clone())
    }

    /// Remembers a request.
    pub fn note(&mut self, asked: &Asked<'_>, signed: &SignatureView) -> Result<(), Failure> {
        self.entries.retain(|entry| !entry.is_for(asked));
        if self.entries.len() >= REMEMBERED_MAX {
            self.entries.remove(0);
        }
        self.entries.push(Entry {
            key: asked.key.id.clone(),
            path: asked.path.to_owned(),
            kind: asked.kind.to_owned(),
            payload: digest(asked.payload),
            request: signed.id.clone(),
            expires_ms: signed.expires_ms.unwrap_or_default(),
        });
        self.write()
    }

    /// Forgets a request.
    pub fn forget(&mut self, asked: &Asked<'_>) -> Result<(), Failure> {
        let before = self.entries.len();
        self.entries.retain(|entry| !entry.is_for(asked));
        if self.entries.len() == before { Ok(()) } else { self.write() }
    }

    fn write(&self) -> Result<(), Failure> {
        let text =
            serde_json::to_vec(&self.entries).map_err(Failure::bug("pending requests have no JSON"))?;
        place::write_secret(&self.place, &text)
    }
}

impl Entry {
    fn is_for(&self, asked: &Asked<'_>) -> bool {
        self.key == asked.key.id
            && self.path == asked.path
            && self.kind == asked.kind
            && self.payload == digest(asked.payload)
    }
}

fn digest(payload: &[u8]) -> String {
    hex::encode(PayloadHash::Sha256.of(payload))
}
