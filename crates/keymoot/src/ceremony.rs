//! How a cluster comes to be: the authority invites, members answer with their public parts, the authority admits them,
//! members check and keep the result. It can take back whom it has admitted. No secret ever leaves the directory where it was drawn.

mod admit;
mod finish;
mod init;
mod join;
mod office;
pub mod papers;
mod revoke;
#[cfg(test)]
pub mod tests;

pub use admit::{Applicant, Hearing};
pub use finish::finish;
pub use init::{Founding, init};
pub use join::{Joining, join, join_again};
#[cfg(test)]
use office::Signed;
pub use revoke::{Left, Revocation};

/// The invitation in the folder of the authority.
pub const INVITATION: &str = "ceremony.json";
/// The authority's key, in its folder. It never leaves it.
pub const AUTHORITY_KEY: &str = "authority.key.pem";

/// The wall clock, in milliseconds.
pub fn wall_ms() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
