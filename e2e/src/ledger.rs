//! What the nodes' journals say when all is over. They are read as anybody can read them: entries are in the clear, and
//! only shares are sealed.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::{Context, Result, bail};
use keymoot_engine::record::{Entry, Record};
use keymoot_ports::frames;
use keymoot_protocol::codec::Wire;

/// What was found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// Entries of all journals.
    pub entries: u64,
    /// Presignatures that were burnt for a signature.
    pub used: u64,
    /// Starts.
    pub starts: u64,
    /// Presignatures that two coordinators wanted at once, so that its signers burnt their parts for different intents.
    /// Nobody's share leaves then: it waits for all signers' approvals of the same. The presignature is wasted.
    pub contested: u64,
}

/// Reads the entries of a node's journal; a frame that a crash has cut short at the end is no entry.
///
/// # Errors
/// A journal that is damaged.
pub fn entries(journal: &Path) -> Result<Vec<Entry>> {
    let bytes = std::fs::read(journal).with_context(|| format!("{} cannot be read", journal.display()))?;
    let decoded = frames::decode(&bytes).with_context(|| format!("{} is damaged", journal.display()))?;
    let entry = |bytes: &&[u8]| Record::decode(bytes).map(|record| record.entry);
    let entries: Result<Vec<_>, _> = decoded.records.iter().map(entry).collect();
    entries.map_err(|error| anyhow::anyhow!("{}: {error:?}", journal.display()))
}

/// No presignature was used twice: each node burns its part once. That no two signatures share a nonce, whoever asked for
/// them has to see.
///
/// # Errors
/// Which one was.
pub fn check(journals: &[Vec<Entry>]) -> Result<Found> {
    let mut found = Found::default();
    let mut intents = BTreeMap::new();
    for journal in journals {
        let mut burnt = BTreeSet::new();
        for entry in journal {
            found.entries += 1;
            match entry {
                Entry::Started { .. } => found.starts += 1,
                Entry::Burnt { presignatures, intent } => {
                    for name in presignatures {
                        if !burnt.insert(*name) {
                            bail!("a node has burnt presignature {name} twice");
                        }
                    }
                    let Some(intent) = intent else { continue };
                    for name in presignatures {
                        found.used += 1;
                        if intents.insert(*name, *intent).is_some_and(|other| other != *intent) {
                            found.contested += 1;
                        }
                    }
                }
                _ => {}
            }
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::{Entry, check};
    use keymoot_protocol::transcript::Hash;

    fn burnt(name: u8, intent: Option<u8>) -> Entry {
        let hash = |byte| Hash::from_bytes([byte; 32]);
        Entry::Burnt { presignatures: vec![hash(name)], intent: intent.map(hash) }
    }

    #[test]
    fn a_presignature_that_was_used_twice_is_found() {
        let once = vec![burnt(1, Some(7)), burnt(2, None)];
        assert_eq!(check(&[once.clone(), once.clone()]).map(|found| found.used).ok(), Some(2));
        assert!(check(&[vec![burnt(1, Some(7)), burnt(1, Some(7))]]).is_err(), "twice by one node");
        let contested = check(&[once, vec![burnt(1, Some(8))]]).map(|found| found.contested);
        assert_eq!(contested.ok(), Some(1), "wasted, and not used twice");
    }
}
