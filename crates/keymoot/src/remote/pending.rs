//! Requests of which it is not known what became of them, so that the same command sends them again and not new ones. They
//! are written down before they are sent: an answer that is lost must not be a second signature.

use std::path::{Path, PathBuf};

use keymoot_client::Ticket;
use keymoot_protocol::transcript::payload::PayloadHash;
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
    /// With it, and what it is for, the same request can be made again.
    ticket: Ticket,
}

/// All that are remembered.
pub struct Pending {
    place: PathBuf,
    entries: Vec<Entry>,
}

impl Pending {
    /// What is remembered in a directory, and not over yet. What cannot be read is forgotten: it only saves asking twice.
    pub fn read(directory: &Path) -> Self {
        let mut pending = Self { place: directory.join(FILE), entries: Vec::new() };
        pending.look();
        pending
    }

    /// Other commands write here too: so it is looked again before anything is changed.
    fn look(&mut self) {
        let text = std::fs::read(&self.place).unwrap_or_default();
        self.entries = serde_json::from_slice(&text).unwrap_or_default();
        self.entries.retain(|entry| entry.ticket.expires() > wall_ms() / 1000);
    }

    /// The request for this, if it may be pending.
    pub fn find(&self, asked: &Asked<'_>) -> Option<Ticket> {
        self.entries.iter().find(|entry| entry.is_for(asked)).map(|entry| entry.ticket)
    }

    /// Remembers a request.
    pub fn note(&mut self, asked: &Asked<'_>, ticket: Ticket) -> Result<(), Failure> {
        self.look();
        self.entries.retain(|entry| !entry.is_for(asked));
        if self.entries.len() >= REMEMBERED_MAX {
            self.entries.remove(0);
        }
        self.entries.push(Entry {
            key: asked.key.id.clone(),
            path: asked.path.to_owned(),
            kind: asked.kind.to_owned(),
            payload: digest(asked.payload),
            ticket,
        });
        self.write()
    }

    /// Forgets a request.
    pub fn forget(&mut self, asked: &Asked<'_>) -> Result<(), Failure> {
        self.look();
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
