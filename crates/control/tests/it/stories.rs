//! What a cluster does, one story a file.

mod answers;
mod bounds;
mod doors;
mod enrolment;
mod failures;
mod records;
mod whole;
