//! What one process must not forget: an append-only log with a single writer.
//!
//! `append` answers only when the batch is durable; "persist, then speak" (ARCHITECTURE.md, law 2) rests on that.

use crate::fault::fits;
use crate::{Answer, Fault};

/// The longest record, in bytes.
pub const RECORD_BYTES_MAX: usize = 16 << 20;

/// The most records in one batch.
pub const BATCH_RECORDS_MAX: usize = 4096;

/// The most bytes of records in one batch.
pub const BATCH_BYTES_MAX: usize = 64 << 20;

const _: () = assert!(RECORD_BYTES_MAX <= BATCH_BYTES_MAX, "the longest record is a batch");
const _: () = assert!(RECORD_BYTES_MAX <= u32::MAX as usize, "the length of a record is 32 bits in a frame");

/// A log of one process. One writer at a time: a second one is the deployment's fault and is not noticed here.
pub trait Journal: Send + Sync {
    /// Makes a batch durable, in order, after all before it. A crash while this runs leaves all of it, or a prefix of
    /// whole records, never a hole.
    ///
    /// `Full` and `Refused` leave nothing. After `Unavailable` it is unknown what is left, so every further append is
    /// `Unavailable` until the journal was replayed. `Corrupt` is for good.
    fn append<'a>(&'a self, batch: &'a [Vec<u8>]) -> Answer<'a, ()>;

    /// All records from the first on, or `Corrupt`; never some of them.
    fn replay(&self) -> Answer<'_, Vec<Vec<u8>>>;
}

/// Whether a batch is within the bounds above. Adapters check with this before they write.
///
/// # Errors
/// `Refused`, with the bound that is broken.
pub fn admit(batch: &[Vec<u8>]) -> Result<(), Fault> {
    if batch.len() > BATCH_RECORDS_MAX {
        return Err(Fault::Refused("a batch has too many records"));
    }
    batch.iter().try_for_each(|record| fits(record, RECORD_BYTES_MAX, "a record is too long"))?;
    let all = batch.iter().try_fold(0usize, |sum, record| sum.checked_add(record.len()));
    match all {
        Some(all) if all <= BATCH_BYTES_MAX => Ok(()),
        _ => Err(Fault::Refused("a batch is too long")),
    }
}
