//! Where a secret belongs. The place is authenticated with the secret, so that no row can be put in the place of another.

use std::fmt;

use keymoot_types::{Epoch, KeyId};

/// The longest name, in bytes.
pub(crate) const NAME_MAX: usize = 128;

/// A class of secrets. Each has a data key of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// A node's share of a key.
    Share,
    /// What a node signs and opens its mail with.
    Identity,
}

impl Class {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Share, Self::Identity];

    /// Its name in files.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Share => "share",
            Self::Identity => "identity",
        }
    }
}

/// The place of one secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    class: Class,
    key: Option<(KeyId, Epoch)>,
    name: String,
}

impl Label {
    /// The share of a key in an epoch; `name` tells apart what is sealed for one key, such as the digest of its package.
    #[must_use]
    pub fn share(key: KeyId, epoch: Epoch, name: &str) -> Self {
        Self { class: Class::Share, key: Some((key, epoch)), name: name.to_owned() }
    }

    /// Something that belongs to no key.
    #[must_use]
    pub fn named(class: Class, name: &str) -> Self {
        Self { class, key: None, name: name.to_owned() }
    }

    /// Its class.
    #[must_use]
    pub const fn class(&self) -> Class {
        self.class
    }

    pub(crate) const fn is_legal(&self) -> bool {
        self.name.len() <= NAME_MAX
    }

    /// Writes the place down, each part with its length, so that no two places read alike.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        field(out, self.class.name().as_bytes());
        match self.key {
            Some((key, epoch)) => {
                field(out, key.as_bytes());
                field(out, &epoch.0.to_be_bytes());
            }
            None => {
                field(out, b"");
                field(out, b"");
            }
        }
        field(out, self.name.as_bytes());
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:?}", self.class.name(), self.name)?;
        match self.key {
            Some((key, epoch)) => write!(f, " of {key} in epoch {}", epoch.0),
            None => Ok(()),
        }
    }
}

/// A part of something that is authenticated: its length, and it.
pub(crate) fn field(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend_from_slice(&(bytes.len() as u64).to_be_bytes());
    out.extend_from_slice(bytes);
}
