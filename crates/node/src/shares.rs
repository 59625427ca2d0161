//! Between the engine's records and the journal's bytes: what is secret in a record is sealed by the vault, for its place,
//! before the journal sees it. Nothing is written that does not say which share it belongs to.

use std::sync::Arc;

use keymoot_engine::record::{Entry, Record};
use keymoot_engine::words::Wire;
use keymoot_types::Epoch;
use keymoot_vault::{Class, Label, Vault};
use rand_core::CryptoRngCore;
use zeroize::Zeroizing;

/// A record that the journal cannot keep, or should not have kept.
#[derive(Debug, thiserror::Error)]
pub enum ShareFault {
    /// The vault does not open or seal a share.
    #[error(
        "record {index} of the journal holds a secret that does not open; the node does not start with it"
    )]
    Unopened {
        /// Which record, from 0.
        index: usize,
        /// What the vault says.
        source: keymoot_vault::Fault,
    },
    /// Bytes that this version does not write.
    #[error("record {index} of the journal is no record of this version; the node does not start with it")]
    Unreadable {
        /// Which record, from 0.
        index: usize,
    },
    /// A secret where none belongs.
    #[error(
        "record {index} of the journal carries a secret where none belongs; the node does not start with it"
    )]
    Misplaced {
        /// Which record, from 0.
        index: usize,
    },
    /// A secret that has no place, or that the vault refuses.
    #[error("a share cannot be sealed")]
    Unsealed(#[source] Option<keymoot_vault::Fault>),
}

/// Seals on the way in, opens on the way out.
#[derive(Clone)]
pub(crate) struct Shares {
    vault: Arc<Vault>,
}

/// Where the secret of an entry belongs, if it may carry one.
fn place(entry: &Entry) -> Option<Label> {
    match entry {
        // Keys have one epoch so far.
        Entry::Pending { key, package } => Some(Label::share(*key, Epoch::FIRST, &package.to_string())),
        // Primes are as secret as shares, and belong to no key.
        Entry::ModuliPending { table } => Some(Label::named(Class::Share, &format!("moduli/{table}"))),
        _ => None,
    }
}

impl Shares {
    pub(crate) const fn new(vault: Arc<Vault>) -> Self {
        Self { vault }
    }

    /// The bytes of a record for the journal.
    pub(crate) fn seal(&self, record: Record, rng: &mut impl CryptoRngCore) -> Result<Vec<u8>, ShareFault> {
        if record.sealed().is_empty() {
            return Ok(record.encode().to_vec());
        }
        let label = place(&record.entry).ok_or(ShareFault::Unsealed(None))?;
        let sealed = self.vault.seal(&label, record.sealed(), rng);
        let sealed = sealed.map_err(|fault| ShareFault::Unsealed(Some(fault)))?;
        Ok(Record::sealing(record.entry, Zeroizing::new(sealed)).encode().to_vec())
    }

    /// All records of a journal.
    pub(crate) fn open_all(&self, journal: &[Vec<u8>]) -> Result<Vec<Record>, ShareFault> {
        journal.iter().enumerate().map(|(index, bytes)| self.open(index, bytes)).collect()
    }

    fn open(&self, index: usize, bytes: &[u8]) -> Result<Record, ShareFault> {
        let record = Record::decode(bytes).map_err(|_| ShareFault::Unreadable { index })?;
        if record.sealed().is_empty() {
            return Ok(record);
        }
        let label = place(&record.entry).ok_or(ShareFault::Misplaced { index })?;
        let opened = self.vault.open_sealed(&label, record.sealed());
        let share = opened.map_err(|source| ShareFault::Unopened { index, source })?;
        Ok(Record::sealing(record.entry, share))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use keymoot_engine::record::{Entry, Record};
    use keymoot_engine::words::{Hash, Wire};
    use keymoot_types::KeyId;
    use keymoot_vault::{Kdf, Owner, Unlock, Vault};
    use rand::rngs::OsRng;
    use zeroize::Zeroizing;

    use super::{ShareFault, Shares};

    const SHARE: &[u8] = b"a share that no disk may show";

    fn shares(folder: &tempfile::TempDir) -> Shares {
        let owner = Owner::new("test", "node-1").unwrap();
        let unlock = Unlock::KeyFile(vec![9; 32].into());
        let vault = Vault::create(&folder.path().join("vault"), owner, unlock, Kdf::WEAKEST, &mut OsRng);
        Shares::new(Arc::new(vault.unwrap()))
    }

    fn pending(key: u8) -> Record {
        let entry = Entry::Pending { key: KeyId::new([key; 16]), package: Hash::from_bytes([key; 32]) };
        Record::sealing(entry, Zeroizing::new(SHARE.to_vec()))
    }

    #[test]
    fn a_share_is_sealed_for_its_key_and_opens_again() {
        let folder = tempfile::tempdir().unwrap();
        let shares = shares(&folder);
        let bytes = shares.seal(pending(1), &mut OsRng).unwrap();
        assert!(!bytes.windows(8).any(|window| SHARE.windows(8).any(|part| part == window)));
        let plain = shares.seal(Entry::Stopped.into(), &mut OsRng).unwrap();
        let opened = shares.open_all(&[bytes, plain]).unwrap();
        assert_eq!(opened, [pending(1), Entry::Stopped.into()]);
    }

    #[test]
    fn primes_are_sealed_for_their_table_and_open_nowhere_else() {
        let folder = tempfile::tempdir().unwrap();
        let shares = shares(&folder);
        let primes = |table: u8| {
            let entry = Entry::ModuliPending { table: Hash::from_bytes([table; 32]) };
            Record::sealing(entry, Zeroizing::new(SHARE.to_vec()))
        };
        let bytes = shares.seal(primes(1), &mut OsRng).unwrap();
        assert!(!bytes.windows(8).any(|window| SHARE.windows(8).any(|part| part == window)));
        assert_eq!(shares.open_all(std::slice::from_ref(&bytes)).unwrap(), [primes(1)]);
        let sealed = Record::decode(&bytes).unwrap().sealed().to_vec();
        for entry in [primes(2).entry, pending(1).entry] {
            let moved = Record::sealing(entry, Zeroizing::new(sealed.clone())).encode().to_vec();
            assert!(matches!(shares.open_all(&[moved]), Err(ShareFault::Unopened { index: 0, .. })));
        }
    }

    #[test]
    fn a_share_in_the_place_of_another_stops_the_node_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let shares = shares(&folder);
        let [one, other] = [1, 2].map(|key| shares.seal(pending(key), &mut OsRng).unwrap());
        let sealed = Record::decode(&one).unwrap();
        let moved = Record::sealing(pending(2).entry, Zeroizing::new(sealed.sealed().to_vec()));
        let moved = moved.encode().to_vec();
        let fault = shares.open_all(&[other.clone(), moved]).unwrap_err();
        assert!(matches!(fault, ShareFault::Unopened { index: 1, .. }), "{fault}");
        let why = std::error::Error::source(&fault).unwrap().to_string();
        assert!(why.contains(&KeyId::new([2; 16]).to_string()), "{why}");
        let stray = Record::sealing(Entry::Stopped, Zeroizing::new(vec![1])).encode().to_vec();
        assert!(matches!(shares.open_all(&[stray]), Err(ShareFault::Misplaced { index: 0 })));
        assert!(matches!(shares.open_all(&[vec![1, 2, 3]]), Err(ShareFault::Unreadable { index: 0 })));
        let plain = pending(1).encode().to_vec();
        assert!(
            matches!(shares.open_all(&[plain]), Err(ShareFault::Unopened { index: 0, .. })),
            "in the clear"
        );
    }
}
