//! Audit sinks.

mod file;

pub use file::FileAudit;
