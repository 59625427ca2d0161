//! Where copies of an audit log go. The sink keeps what it has and takes only what comes next; that the log itself is
//! right is proven by its chain, not by the sink.

use crate::Answer;

/// The longest entry, in bytes.
pub const ENTRY_BYTES_MAX: usize = 256 << 10;

/// Keeps entries under their index, from 0 on.
pub trait AuditSink: Send + Sync {
    /// Keeps `entry` durably as number `index`. The same entry again is fine, however old. Another entry under an
    /// index that is taken is `Refused`, and so is an index beyond the head: sinks have no gaps and no second thoughts.
    fn append<'a>(&'a self, index: u64, entry: &'a [u8]) -> Answer<'a, ()>;

    /// The index that comes next, which is the number of entries.
    fn head(&self) -> Answer<'_, u64>;
}
