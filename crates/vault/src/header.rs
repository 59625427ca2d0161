//! The header of a vault: whose it is, how it opens, and the wrapped data keys. Text, so that people can read it; every
//! word of it is authenticated with each data key.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::label::field;
use crate::local::Method;
use crate::{Class, Fault};

/// The longest name of a cluster or node, in bytes.
const NAME_MAX: usize = 64;

/// The longest header, in bytes.
pub(crate) const HEADER_MAX: u64 = 1 << 16;

const FORMAT: &str = "keymoot-vault/v1";

/// Whose vault it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    cluster: String,
    node: String,
}

impl Owner {
    /// The node of this name in the cluster of that name.
    ///
    /// # Errors
    /// A name that is empty, longer than 64 bytes, or has other than letters, digits, `-`, `_` and `.`.
    pub fn new(cluster: &str, node: &str) -> Result<Self, Fault> {
        let is_legal = |name: &str| {
            let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
            !name.is_empty() && name.len() <= NAME_MAX && name.bytes().all(legal)
        };
        if !is_legal(cluster) || !is_legal(node) {
            return Err(Fault::Refused("a name has 1 to 64 letters, digits, dots, dashes and underscores"));
        }
        Ok(Self { cluster: cluster.to_owned(), node: node.to_owned() })
    }

    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        field(out, self.cluster.as_bytes());
        field(out, self.node.as_bytes());
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {}", self.node, self.cluster)
    }
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Header {
    format: String,
    /// Drawn at random, so that no part of one vault is taken for a part of another.
    #[serde(with = "hex::serde")]
    pub(crate) id: [u8; 16],
    cluster: String,
    node: String,
    pub(crate) unlock: Method,
    /// The wrapped data key of each class.
    keys: BTreeMap<String, String>,
}

impl Header {
    pub(crate) fn new(id: [u8; 16], owner: &Owner, unlock: Method) -> Self {
        let Owner { cluster, node } = owner.clone();
        Self { format: FORMAT.to_owned(), id, cluster, node, unlock, keys: BTreeMap::new() }
    }

    pub(crate) fn put(&mut self, class: Class, wrapped: &[u8]) {
        self.keys.insert(class.name().to_owned(), hex::encode(wrapped));
    }

    pub(crate) fn get(&self, class: Class) -> Option<Vec<u8>> {
        hex::decode(self.keys.get(class.name())?).ok()
    }

    /// What a data key is bound to.
    pub(crate) fn purpose(&self, class: Class) -> Vec<u8> {
        let mut out = Vec::new();
        field(&mut out, self.format.as_bytes());
        field(&mut out, &self.id);
        field(&mut out, self.cluster.as_bytes());
        field(&mut out, self.node.as_bytes());
        self.unlock.write(&mut out);
        field(&mut out, class.name().as_bytes());
        out
    }

    pub(crate) fn to_text(&self) -> Vec<u8> {
        let mut text = serde_json::to_vec_pretty(self).unwrap_or_default();
        text.push(b'\n');
        text
    }

    /// Reads a header, and checks whose it is.
    pub(crate) fn parse(path: &Path, text: &[u8], owner: &Owner) -> Result<Self, Fault> {
        let header: Self = serde_json::from_slice(text)
            .map_err(|error| Fault::damaged(path, format!("this is no header of a vault: {error}")))?;
        if header.format != FORMAT {
            let why = format!("the format is {:?}; this version reads {FORMAT}", header.format);
            return Err(Fault::damaged(path, why));
        }
        let found = Owner::new(&header.cluster, &header.node)
            .map_err(|_| Fault::damaged(path, "the names of cluster and node are none"))?;
        if found != *owner {
            let (found, expected) = (found.to_string(), owner.to_string());
            return Err(Fault::Foreign { path: path.to_owned(), found, expected });
        }
        let known = |name: &String| Class::ALL.iter().any(|class| class.name() == name);
        if let Some(name) = header.keys.keys().find(|name| !known(name)) {
            return Err(Fault::damaged(path, format!("there is no class of secrets named {name:?}")));
        }
        Ok(header)
    }
}
