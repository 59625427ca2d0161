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
const REMEMBERED_MAX: usize = 1024;

/// What one signature is for.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wanted {
    key: String,
    path: String,
    kind: String,
    /// SHA-256 of the payload.
    payload: String,
    /// Which of the signatures that the payload needs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signing: Option<u16>,
}

impl Wanted {
    /// All signatures of a payload; the only one is not numbered.
    pub fn all(asked: &Asked<'_>, count: u16) -> Vec<Self> {
        let first = Self {
            key: asked.key.id.clone(),
            path: asked.path.to_owned(),
            kind: asked.kind.to_owned(),
            payload: hex::encode(PayloadHash::Sha256.of(asked.payload)),
            signing: None,
        };
        if count == 1 {
            return vec![first];
        }
        (0..count).map(|number| Self { signing: Some(number), ..first.clone() }).collect()
    }
}

/// One request.
#[derive(Clone, Serialize, Deserialize)]
struct Entry {
    #[serde(flatten)]
    wanted: Wanted,
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
    pub fn find(&self, wanted: &Wanted) -> Option<Ticket> {
        self.entries.iter().find(|entry| entry.wanted == *wanted).map(|entry| entry.ticket)
    }

    /// Remembers a request.
    pub fn note(&mut self, wanted: &Wanted, ticket: Ticket) -> Result<(), Failure> {
        self.look();
        self.entries.retain(|entry| entry.wanted != *wanted);
        if self.entries.len() >= REMEMBERED_MAX {
            self.entries.remove(0);
        }
        self.entries.push(Entry { wanted: wanted.clone(), ticket });
        self.write()
    }

    /// Forgets requests.
    pub fn forget(&mut self, wanted: &[Wanted]) -> Result<(), Failure> {
        self.look();
        let before = self.entries.len();
        self.entries.retain(|entry| !wanted.contains(&entry.wanted));
        if self.entries.len() == before { Ok(()) } else { self.write() }
    }

    fn write(&self) -> Result<(), Failure> {
        let text =
            serde_json::to_vec(&self.entries).map_err(Failure::bug("pending requests have no JSON"))?;
        place::write_secret(&self.place, &text)
    }
}
