//! What a cluster does, one story a file.

mod answers;
mod doors;
mod failures;
mod whole;
