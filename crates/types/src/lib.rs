//! The words of Keymoot: what a thing is called and which values of it are legal.
//!
//! Every constructor here is a validator; a value that exists is valid. No I/O, no cryptography,
//! nothing that can fail at run time outside a constructor.

pub mod id;
pub mod key;
pub mod network;
pub mod party;
pub mod scheme;
pub mod secret;
pub mod signed;
pub mod time;

pub use id::{GroupId, IdError, KeyId, SessionId};
pub use key::{Epoch, Path, PathError};
pub use network::{Network, UnknownNetwork};
pub use party::{PARTIES_MAX, Party, PartyError, Quorum, QuorumError, Threshold, ThresholdError};
pub use scheme::{CurveName, Scheme, UnknownScheme};
pub use secret::Secret;
pub use time::Millis;
