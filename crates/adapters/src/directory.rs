//! Directories in the embedded store.

mod embedded;

pub(crate) use embedded::EmbeddedDirectory;
