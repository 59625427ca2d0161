//! Hashes whose format transparency logs define: RFC 6962 trees, and the key ids of C2SP signed notes.
//!
//! A leaf and a node begin with different bytes, so that no entry can pass for an inner node.

use sha2::{Digest as _, Sha256};

use super::Hash;
use crate::identity::IdentityPublic;

/// The root of a tree without leaves: SHA-256 of nothing (RFC 6962, 2.1).
#[must_use]
pub fn empty_root() -> Hash {
    Hash(Sha256::digest([]).into())
}

/// The hash of a leaf: `SHA-256(0x00 ‖ entry)` (RFC 6962, 2.1).
#[must_use]
pub fn leaf_hash(entry: &[u8]) -> Hash {
    Hash(Sha256::new_with_prefix([0]).chain_update(entry).finalize().into())
}

/// The hash of an inner node: `SHA-256(0x01 ‖ left ‖ right)` (RFC 6962, 2.1).
#[must_use]
pub fn node_hash(left: &Hash, right: &Hash) -> Hash {
    Hash(Sha256::new_with_prefix([1]).chain_update(left.0).chain_update(right.0).finalize().into())
}

/// The id of a key in notes: the first four bytes of `SHA-256(name ‖ 0x0A ‖ kind ‖ public key)`.
///
/// It finds a key among a few that are trusted already. It is far too short to tell keys apart.
#[must_use]
pub fn key_id(name: &str, kind: u8, public: &IdentityPublic) -> [u8; 4] {
    let hash = Sha256::new_with_prefix(name).chain_update([b'\n', kind]).chain_update(public.as_bytes());
    let [a, b, c, d, ..]: [u8; 32] = hash.finalize().into();
    [a, b, c, d]
}

#[cfg(test)]
mod tests {
    use super::{empty_root, leaf_hash, node_hash};

    #[test]
    fn hashes_are_those_of_the_reference_implementation() {
        // rfc6962_test.go of github.com/transparency-dev/merkle.
        let known = [
            (empty_root(), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
            (leaf_hash(b""), "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"),
            (leaf_hash(b"L123456"), "395aa064aa4c29f7010acfe3f25db9485bbd4b91897b6ad7ad547639252b4d56"),
            // Certificate transparency's first two leaves, from testonly/constants.go.
            (
                node_hash(&leaf_hash(b""), &leaf_hash(&[0])),
                "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
            ),
        ];
        for (found, expected) in known {
            assert_eq!(found.to_string(), expected);
        }
    }
}
