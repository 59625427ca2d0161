//! Work that waits for whoever is free.
//!
//! What was pushed is delivered until somebody says that it is done: at least once, in no particular order. So work
//! must be idempotent; requests are, by their id.

use crate::{Answer, Bytes, Name, Ttl};

/// The longest piece of work, in bytes.
pub const WORK_BYTES_MAX: usize = 1 << 20;

/// Names a piece of work to its queue. Only the queue understands it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeliveryId(pub Bytes);

/// A piece of work, lent for the visibility time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// What to call `done` with.
    pub id: DeliveryId,
    /// The work.
    pub bytes: Bytes,
    /// 1 for the first delivery; higher with each further one.
    pub attempt: u32,
}

/// A bounded work queue.
pub trait Queue: Send + Sync {
    /// Adds work. `Ok` means that it is durable. `Full` means that the bound is reached and nothing was added. After
    /// `Unavailable` it may be there; a repetition may add it twice.
    fn push<'a>(&'a self, bytes: &'a [u8]) -> Answer<'a, ()>;

    /// Lends one piece of work to `owner`, or says that there is none now. Nobody else gets it within `visibility`;
    /// after that somebody gets it again, unless it is done.
    fn pull<'a>(&'a self, owner: &'a Name, visibility: Ttl) -> Answer<'a, Option<Delivery>>;

    /// The work is done. Within the visibility time this is final; later the work may come once more. What is done
    /// already, or was never there, is done.
    fn done<'a>(&'a self, id: &'a DeliveryId) -> Answer<'a, ()>;
}
