//! The embedded adapters sit the exams of the ports on real files, are killed, fill their disks and find them damaged.

mod audit;
mod crash;
mod damage;
mod full;
mod journal;
mod room;
mod store;
