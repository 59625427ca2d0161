//! What a node has seen of its authority and its cluster document, kept in its vault: whoever can write to the disk, or restores
//! an old copy of it, puts neither another authority nor an older document in their place.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use keymoot_vault::{Class, Label, Vault};
use keymoot_wire::cluster::ClusterDocument;
use rand::rngs::OsRng;
use serde::{Deserialize, Serialize};

use crate::explain::{CEREMONY_FOREIGN, FILE_DAMAGED};
use crate::failure::{Failure, Trouble};
use crate::place::{AUTHORITY, read_text, vault_trouble};

const FILE: &str = "anchor.sealed";

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Anchor {
    authority: String,
    group: String,
    version: u64,
    digest: String,
}

/// Where a node's anchor is.
pub struct Anchorage {
    vault: Arc<Vault>,
    directory: PathBuf,
}

impl Anchorage {
    pub fn new(vault: &Arc<Vault>, directory: &Path) -> Self {
        Self { vault: Arc::clone(vault), directory: directory.to_owned() }
    }

    /// Whether a document may follow the one that was seen last. If so, it is what was seen last from now on.
    pub fn take(&self, document: &ClusterDocument) -> Result<(), Failure> {
        let authority = read_text(&self.directory.join(AUTHORITY))?;
        let (version, digest) = (document.version, hex::encode(document.digest()));
        let label = Label::named(Class::Identity, FILE);
        if self.vault.directory().join(FILE).exists() {
            let bytes = self.vault.recall(FILE, &label).map_err(|fault| vault_trouble(&fault))?;
            let known: Anchor = serde_json::from_slice(&bytes).map_err(|error| {
                Trouble::new(FILE_DAMAGED, "the node's anchor cannot be read").because(error)
            })?;
            let why = if known.authority != authority || known.group != document.group {
                Some("is of another authority or group than the one that this node has joined".to_owned())
            } else if version < known.version {
                Some(format!("has version {version}, and this node has seen version {}", known.version))
            } else if version == known.version && digest != known.digest {
                Some(format!("is another version {version} than the one that this node has seen"))
            } else {
                None
            };
            if let Some(why) = why {
                let what = format!("the cluster document {why}");
                return Err(Trouble::new(CEREMONY_FOREIGN, what).undone("it is not taken up").into());
            }
            if version == known.version {
                return Ok(());
            }
        }
        let anchor = Anchor { authority, group: document.group.clone(), version, digest };
        let bytes = serde_json::to_vec(&anchor).map_err(Failure::bug("an anchor has no JSON"))?;
        self.vault.keep(FILE, &label, &bytes, &mut OsRng).map_err(|fault| vault_trouble(&fault))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use keymoot_vault::{Kdf, Owner, Unlock, Vault};
    use keymoot_wire::cluster::ClusterDocument;
    use rand::rngs::OsRng;

    use super::Anchorage;
    use crate::place::AUTHORITY;

    #[test]
    fn an_older_or_another_document_is_not_taken_up_not_even_after_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let owner = || Owner::new("acme", "node-1").unwrap();
        let unlock = || Unlock::KeyFile(vec![7; 32].into());
        let place = folder.path().join("vault");
        let vault = Vault::create(&place, owner(), unlock(), Kdf::WEAKEST, &mut OsRng).unwrap();
        std::fs::write(folder.path().join(AUTHORITY), "the first").unwrap();
        let (one, two) = crate::ceremony::tests::two_versions();
        let other = ClusterDocument::parse(&two.to_text().replace("deny-all", "allow-all")).unwrap();
        assert_ne!(other.digest(), two.digest());
        let anchorage = Anchorage::new(&Arc::new(vault), folder.path());
        anchorage.take(&one).unwrap();
        anchorage.take(&two).unwrap();
        drop(anchorage);
        let vault = Vault::open(&place, owner(), unlock()).unwrap();
        let anchorage = Anchorage::new(&Arc::new(vault), folder.path());
        assert!(anchorage.take(&one).is_err(), "an older one");
        assert!(anchorage.take(&other).is_err(), "another one of the same version");
        anchorage.take(&two).unwrap();
        std::fs::write(folder.path().join(AUTHORITY), "the second").unwrap();
        assert!(anchorage.take(&two).is_err(), "another authority");
    }
}
