//! What the journals have of the signatures: who has allowed them, which presignatures were burnt for them, and for which
//! scheme the key is that they are of.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Result, ensure};
use keymoot_engine::record::Entry;
use keymoot_protocol::codec::Wire;
use keymoot_protocol::curve::Secp256k1;
use keymoot_protocol::key::GroupKey;
use keymoot_types::Scheme;
use keymoot_wire::rest::{KeyView, SignatureView};
use serde_json::{Value, json};

/// What was found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// Signatures that as many nodes have allowed as signed them.
    pub allowed: usize,
    /// Presignatures that were burnt for those, by each of them.
    pub burnt: usize,
    /// Tables of moduli, in all journals.
    pub tables: usize,
}

impl Found {
    /// For programs.
    #[must_use]
    pub fn document(&self) -> Value {
        json!({ "allowed": self.allowed, "burnt": self.burnt, "tables": self.tables })
    }
}

/// Each journal has every key with its scheme, and one table; each signature is in the journals of all its signers, with what
/// was burnt for it.
///
/// # Errors
/// What is missing.
pub fn check(
    journals: &[Vec<Entry>],
    keys: &[KeyView],
    signed: &BTreeMap<Scheme, Vec<SignatureView>>,
) -> Result<Found> {
    let mut found = Found::default();
    for journal in journals {
        let schemes: BTreeMap<String, Scheme> = journal.iter().filter_map(certified).collect();
        for key in keys {
            let scheme = schemes.get(&key.id).map(|scheme| scheme.name());
            ensure!(scheme == Some(key.scheme.as_str()), "{} is of {scheme:?} in a journal", key.id);
        }
        let count = |is_it: fn(&Entry) -> bool| journal.iter().filter(|entry| is_it(entry)).count();
        let tables = count(|entry| matches!(entry, Entry::Moduli { .. }));
        let pending = count(|entry| matches!(entry, Entry::ModuliPending { .. }));
        ensure!(tables == 1 && pending >= 1, "a journal has {tables} tables, and {pending} were signed");
        found.tables += tables;
    }
    for view in signed.values().flatten() {
        let served = journals.iter().filter_map(|journal| burnt_for(journal, &view.id));
        let served: Vec<usize> = served.collect();
        ensure!(served.len() >= view.signers.len(), "{} is in {} journals: {view:?}", view.id, served.len());
        ensure!(served.iter().all(|burnt| *burnt > 0), "{} has burnt nothing: {served:?}", view.id);
        found.allowed += 1;
        found.burnt += served.iter().sum::<usize>();
    }
    Ok(found)
}

/// A certified key, and what it is for.
fn certified(entry: &Entry) -> Option<(String, Scheme)> {
    let Entry::Certified { key, package } = entry else { return None };
    let group = GroupKey::<Secp256k1>::decode(package).ok()?;
    Some((key.to_string(), group.scheme))
}

/// How many presignatures a node has burnt for a request that it has allowed; `None` if it has not.
fn burnt_for(journal: &[Entry], request: &str) -> Option<usize> {
    let intent = |entry: &Entry| match entry {
        Entry::Allowed { request: of, intent, .. } if of.to_string() == request => Some(*intent.as_bytes()),
        _ => None,
    };
    let intents: BTreeSet<[u8; 32]> = journal.iter().filter_map(intent).collect();
    if intents.is_empty() {
        return None;
    }
    let burnt = |entry: &Entry| match entry {
        Entry::Burnt { presignatures, intent: Some(intent) } if intents.contains(intent.as_bytes()) => {
            presignatures.len()
        }
        _ => 0,
    };
    Some(journal.iter().map(burnt).sum())
}
