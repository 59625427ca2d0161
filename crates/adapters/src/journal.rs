//! Journals.

mod file;

pub use file::FileJournal;
