//! What a node has seen of its authority and its cluster document, kept in its vault: whoever can write to the disk, but has no
//! older copy of the anchor, puts neither another authority nor an older document in their place. Whoever has kept an older
//! copy of both can bring both back together: the vault has no counter that only goes up. Then the node goes by the older
//! document, among others who do not, until it is given the later one again. The anchor is there from the moment the node
//! joins, when its keys are drawn: a vault without it was tampered with.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use keymoot_types::Network;
use keymoot_vault::{Class, Label, Vault};
use keymoot_wire::cluster::{ClusterDocument, network};
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
    /// Addresses would mean another chain from one day to the next.
    #[serde(default, with = "network", skip_serializing_if = "network::is_usual")]
    bitcoin: Network,
    version: u64,
    digest: String,
}

/// Drops anchor: the authority, the group and the network of the invitation, before there is a document.
pub fn drop_anchor(vault: &Vault, authority: &str, group: &str, bitcoin: Network) -> Result<(), Failure> {
    let (authority, group) = (authority.to_owned(), group.to_owned());
    keep(vault, &Anchor { authority, group, bitcoin, version: 0, digest: String::new() })
}

fn keep(vault: &Vault, anchor: &Anchor) -> Result<(), Failure> {
    let bytes = serde_json::to_vec(anchor).map_err(Failure::bug("an anchor has no JSON"))?;
    vault.keep(FILE, &label(), &bytes, &mut OsRng).map_err(|fault| vault_trouble(&fault))
}

fn label() -> Label {
    Label::named(Class::Identity, FILE)
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
        let known = self.known()?;
        let why = if known.authority != authority || known.group != document.group {
            Some("is of another authority or group than the one that this node has joined".to_owned())
        } else if known.bitcoin != document.bitcoin {
            let (ours, theirs) = (known.bitcoin, document.bitcoin);
            Some(format!("is for Bitcoin's {theirs}, and this node has joined a cluster for {ours}"))
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
        let (group, bitcoin) = (document.group.clone(), document.bitcoin);
        keep(&self.vault, &Anchor { authority, group, bitcoin, version, digest })
    }

    fn known(&self) -> Result<Anchor, Failure> {
        let file = self.vault.directory().join(FILE);
        if !file.exists() {
            let what = format!("`{}` is gone, by which the node knows its authority", file.display());
            return Err(Trouble::new(FILE_DAMAGED, what)
                .undone("nothing was started, and no authority or document was taken up")
                .help(
                    "somebody has removed it: look at who could, and restore the whole directory of the node",
                )
                .into());
        }
        let bytes = self.vault.recall(FILE, &label()).map_err(|fault| vault_trouble(&fault))?;
        let unreadable =
            |error| Trouble::new(FILE_DAMAGED, "the node's anchor cannot be read").because(error);
        Ok(serde_json::from_slice(&bytes).map_err(unreadable)?)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use keymoot_types::Network;
    use keymoot_vault::{Kdf, Owner, Unlock, Vault};
    use keymoot_wire::cluster::ClusterDocument;
    use rand::rngs::OsRng;

    use super::{Anchorage, FILE, drop_anchor};
    use crate::place::AUTHORITY;

    fn owner() -> Owner {
        Owner::new("acme", "node-1").unwrap()
    }

    fn unlock() -> Unlock {
        Unlock::KeyFile(vec![7; 32].into())
    }

    #[test]
    fn an_older_or_another_document_is_not_taken_up_not_even_after_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("vault");
        let vault = Vault::create(&place, owner(), unlock(), Kdf::WEAKEST, &mut OsRng).unwrap();
        std::fs::write(folder.path().join(AUTHORITY), "the first").unwrap();
        let (one, two) = crate::ceremony::tests::two_versions();
        drop_anchor(&vault, "the first", &one.group, Network::Mainnet).unwrap();
        let other = ClusterDocument::parse(&two.to_text().replace("deny-all", "allow-all")).unwrap();
        assert_ne!(other.digest(), two.digest());
        let anchorage = Anchorage::new(&Arc::new(vault), folder.path());
        anchorage.take(&one).unwrap();
        let mut fields = two.fields().clone();
        fields.bitcoin = Network::Regtest;
        let elsewhere = ClusterDocument::new(fields).unwrap();
        let refused = anchorage.take(&elsewhere).unwrap_err();
        assert!(refused.code() == "E2403" && refused.to_string().contains("regtest"), "{refused}");
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

    #[test]
    fn a_removed_anchor_is_damage_and_no_new_beginning() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("vault");
        let vault = Vault::create(&place, owner(), unlock(), Kdf::WEAKEST, &mut OsRng).unwrap();
        let (one, two) = crate::ceremony::tests::two_versions();
        drop_anchor(&vault, "the first", &two.group, Network::Mainnet).unwrap();
        std::fs::write(folder.path().join(AUTHORITY), "the thief's").unwrap();
        let anchorage = Anchorage::new(&Arc::new(vault), folder.path());
        assert_eq!(anchorage.take(&two).unwrap_err().code(), "E2403", "not even as the first document");
        std::fs::write(folder.path().join(AUTHORITY), "the first").unwrap();
        anchorage.take(&two).unwrap();
        std::fs::remove_file(place.join(FILE)).unwrap();
        for (authority, document) in [("the thief's", &two), ("the first", &one), ("the first", &two)] {
            std::fs::write(folder.path().join(AUTHORITY), authority).unwrap();
            assert_eq!(anchorage.take(document).unwrap_err().code(), "E2505");
            assert!(!place.join(FILE).exists(), "and none is made");
        }
    }
}
