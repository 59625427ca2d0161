//! The vault, on disk.

mod damage;
mod doors;

use std::path::PathBuf;

use keymoot_types::{Epoch, KeyId};
use keymoot_vault::{Fault, Kdf, Label, Owner, Unlock, Vault};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use tempfile::TempDir;

/// A vault that a key file opens, in a folder that goes with the test.
struct Place {
    folder: TempDir,
    rng: ChaCha20Rng,
}

impl Place {
    fn new(seed: u8) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let mut place = Self { folder, rng: ChaCha20Rng::from_seed([seed; 32]) };
        drop(Vault::create(&place.path(), owner(), file(1), Kdf::WEAKEST, &mut place.rng).expect("a vault"));
        place
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("node-1")
    }

    fn open(&self) -> Result<Vault, Fault> {
        Vault::open(&self.path(), owner(), file(1))
    }

    fn header(&self) -> PathBuf {
        self.path().join("vault.json")
    }
}

fn owner() -> Owner {
    Owner::new("example", "node-1").expect("names")
}

fn file(byte: u8) -> Unlock {
    Unlock::KeyFile(vec![byte; 32].into())
}

fn share() -> Label {
    Label::share(KeyId::new([3; 16]), Epoch::FIRST, "package")
}

/// What went wrong, in words.
fn words<T>(result: Result<T, Fault>) -> String {
    result.err().expect("it must not work").to_string()
}
