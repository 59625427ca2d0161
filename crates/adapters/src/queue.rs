//! Queues in the embedded store.

mod embedded;

pub(crate) use embedded::EmbeddedQueue;
