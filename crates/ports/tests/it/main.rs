//! The twins sit the exams and pass; twins that are broken on purpose sit them and fail, with the right sentence.

mod audit;
mod bus;
mod directory;
mod drive;
mod frames;
mod journal;
mod queue;
mod registry;
mod sessions;
mod table;
