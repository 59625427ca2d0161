//! Requests of which it is not known what became of them, so that the same command sends them again and not new ones. They
//! are written down before they are sent: an answer that is lost must not be a second signature.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use keymoot_client::{Prepared, Ticket};
use keymoot_protocol::transcript::payload::PayloadHash;
use serde::{Deserialize, Serialize};

use super::Asked;
use crate::ceremony::wall_ms;
use crate::failure::Failure;
use crate::place::{self, io_trouble};

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

/// All that are remembered in a client's directory, and not over yet. What cannot be read is forgotten: it only saves asking
/// twice.
pub struct Pending {
    place: PathBuf,
}

impl Pending {
    pub fn of(directory: &Path) -> Self {
        Self { place: directory.join(FILE) }
    }

    /// Makes the request for this: again the one that may be pending, or a new one, which is remembered before anybody can
    /// send it. Of two commands for the same, the second has the request of the first.
    pub fn request(
        &self,
        wanted: &Wanted,
        make: impl FnOnce(Option<Ticket>) -> Result<Prepared, Failure>,
    ) -> Result<Prepared, Failure> {
        let _held = self.hold()?;
        let mut entries = self.entries();
        let known = entries.iter().find(|entry| entry.wanted == *wanted).map(|entry| entry.ticket);
        let prepared = make(known)?;
        if known.is_none() {
            if entries.len() >= REMEMBERED_MAX {
                entries.remove(0);
            }
            entries.push(Entry { wanted: wanted.clone(), ticket: prepared.ticket() });
            self.write(&entries)?;
        }
        Ok(prepared)
    }

    /// Forgets requests.
    pub fn forget(&self, wanted: &[Wanted]) -> Result<(), Failure> {
        let _held = self.hold()?;
        let mut entries = self.entries();
        let before = entries.len();
        entries.retain(|entry| !wanted.contains(&entry.wanted));
        if entries.len() == before { Ok(()) } else { self.write(&entries) }
    }

    /// Other commands write here too, and wait while this is held.
    fn hold(&self) -> Result<File, Failure> {
        let path = self.place.with_extension("lock");
        let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&path);
        let held = file.and_then(|file| file.lock().map(|()| file));
        held.map_err(|error| io_trouble(&path, "cannot be locked", error))
    }

    fn entries(&self) -> Vec<Entry> {
        let text = std::fs::read(&self.place).unwrap_or_default();
        let mut entries: Vec<Entry> = serde_json::from_slice(&text).unwrap_or_default();
        entries.retain(|entry| entry.ticket.expires() > wall_ms() / 1000);
        entries
    }

    fn write(&self, entries: &[Entry]) -> Result<(), Failure> {
        let text = serde_json::to_vec(entries).map_err(Failure::bug("pending requests have no JSON"))?;
        place::write_secret(&self.place, &text)
    }
}
