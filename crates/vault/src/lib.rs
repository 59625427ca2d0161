//! Secrets at rest.
//!
//! A vault is a directory of one node. Its header holds one data key for each class of secrets, wrapped by whatever
//! unlocks the vault: a passphrase, a key file, later a device. What is sealed with a data key is bound to its place:
//! cluster, node, class, key, epoch and name. Bytes that were changed, or moved to another place, do not open, and the
//! error says which they were. Only one process at a time has a vault open.
//!
//! ```
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use keymoot_vault::{Class, Kdf, Label, Owner, Unlock, Vault};
//! # let directory = tempfile::tempdir()?;
//! # let place = directory.path().join("node-1");
//! # let mut rng = <rand_chacha::ChaCha20Rng as rand_core::SeedableRng>::from_seed([1; 32]);
//! let owner = Owner::new("example", "node-1")?;
//! # let kdf = Kdf::WEAKEST;
//! let unlock = || Unlock::Passphrase("correct horse battery staple".to_owned().into());
//! let vault = Vault::create(&place, owner.clone(), unlock(), kdf, &mut rng)?;
//! let label = Label::named(Class::Identity, "identity");
//! let sealed = vault.seal(&label, b"a seed", &mut rng)?;
//! drop(vault);
//!
//! let vault = Vault::open(&place, owner, unlock())?;
//! assert_eq!(vault.open_sealed(&label, &sealed)?.as_slice(), b"a seed");
//! # Ok(())
//! # }
//! ```

pub mod exam;
mod fault;
mod file;
mod header;
mod label;
mod local;
pub mod process;
mod seal;
mod vault;

pub use fault::Fault;
pub use file::{read_private, write_private};
pub use header::Owner;
pub use label::{Class, Label};
pub use local::{Kdf, Unlock};
pub use seal::{SealShare, Wrap, Wrapped};
pub use vault::Vault;
