//! What coordinators share, in the embedded store.

mod embedded;

pub(crate) use embedded::EmbeddedSessions;
