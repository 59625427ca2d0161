//! What people look up: documents about keys and requests, by id, by label, and newest first.
//!
//! A directory is a view for readers. What is decided is decided in [`Sessions`](crate::Sessions); a document only
//! tells of it, and may be written again from there.

use crate::fault::fits;
use crate::{Answer, Bytes, Fault, Name};

/// The longest document, in bytes.
pub const DOCUMENT_BYTES_MAX: usize = 1 << 20;

/// The longest id and the longest label, in bytes.
pub const TEXT_BYTES_MAX: usize = 255;

/// The most entries or ids in one answer.
pub const PAGE_MAX: usize = 200;

/// A document under its id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its own id, which no other entry of its kind has.
    pub id: String,
    /// Where it stands among those of its kind, for instance a time in milliseconds. Higher is newer; ids decide
    /// between equals.
    pub order: u64,
    /// Another text by which it is found. Several entries may share one.
    pub label: Option<String>,
    /// The document. Only the caller understands it.
    pub bytes: Bytes,
}

/// Documents of several kinds. All verbs may be repeated at will.
pub trait Directory: Send + Sync {
    /// Makes a document durable. It replaces all of the entry with the same kind and id, if there is one.
    fn put<'a>(&'a self, kind: &'a Name, entry: &'a Entry) -> Answer<'a, ()>;

    /// The entry with this id.
    fn get<'a>(&'a self, kind: &'a Name, id: &'a str) -> Answer<'a, Option<Entry>>;

    /// The newest entries of a kind, from high to low by order and id: at most `limit`, and never more than
    /// [`PAGE_MAX`]. With `before`, only those that come after this place in the list, whether an entry stands there
    /// or not: so the last entry of one page begins the next.
    fn list<'a>(
        &'a self,
        kind: &'a Name,
        before: Option<(u64, &'a str)>,
        limit: usize,
    ) -> Answer<'a, Vec<Entry>>;

    /// The ids of those entries of a kind that have this label, newest first; never more than [`PAGE_MAX`].
    fn find<'a>(&'a self, kind: &'a Name, label: &'a str) -> Answer<'a, Vec<String>>;
}

/// Whether an entry is within the bounds above. Adapters check with this before they write.
///
/// # Errors
/// `Refused`, with the bound that is broken.
pub fn admit(entry: &Entry) -> Result<(), Fault> {
    if entry.id.is_empty() {
        return Err(Fault::Refused("an id is empty"));
    }
    fits(entry.id.as_bytes(), TEXT_BYTES_MAX, "an id is too long")?;
    fits(entry.label.as_deref().unwrap_or_default().as_bytes(), TEXT_BYTES_MAX, "a label is too long")?;
    fits(&entry.bytes, DOCUMENT_BYTES_MAX, "a document is too long")
}
