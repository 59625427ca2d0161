//! A whole cluster on this machine: the same ceremony, the same processes, the same TLS and sealing as on many; only the
//! addresses are loopback, and the vaults open with key files.

mod child;
mod host;
mod layout;
mod socket;
mod supervisor;
mod tour;

pub use child::{SUPERVISED, Started};
pub use host::{Host, millis, stops};
pub use layout::{Layout, Said, YOU};
pub use socket::{Reply, Wish, ask};
pub use supervisor::MemberState;
pub use tour::{play, reported};
