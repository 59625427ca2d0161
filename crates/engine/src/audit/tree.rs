//! The Merkle tree of RFC 6962, which only grows, with its proofs and their verification.
//!
//! Every complete subtree is kept, so an append costs two hashes on average, the root and each hash of a proof at
//! most one for each level. What is kept is 64 bytes a leaf.

use std::fmt;

use keymoot_protocol::transcript::Hash;
use keymoot_protocol::transcript::log::{empty_root, leaf_hash, node_hash};

/// An append-only tree over entries that it does not keep.
#[derive(Clone, Default)]
pub struct Tree {
    /// `levels[l][i]` is the root of the complete subtree over leaves `i·2^l` to `(i+1)·2^l`; each level holds
    /// `size >> l` of them. The last of the odd levels are the frontier.
    levels: Vec<Vec<Hash>>,
}

impl Tree {
    /// A tree without leaves.
    #[must_use]
    pub const fn new() -> Self {
        Self { levels: Vec::new() }
    }

    /// The tree over these entries, in order.
    pub fn restore<E: AsRef<[u8]>>(entries: impl IntoIterator<Item = E>) -> Self {
        let mut tree = Self::new();
        for entry in entries {
            tree.append(entry.as_ref());
        }
        tree
    }

    /// Adds an entry and tells its index.
    pub fn append(&mut self, entry: &[u8]) -> u64 {
        let index = self.size();
        let mut carry = leaf_hash(entry);
        for level in &mut self.levels {
            let left = if level.len().is_multiple_of(2) { None } else { level.last().copied() };
            level.push(carry);
            let Some(left) = left else { return index };
            carry = node_hash(&left, &carry);
        }
        self.levels.push(vec![carry]);
        index
    }

    /// How many leaves there are.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.levels.first().map_or(0, |leaves| leaves.len() as u64)
    }

    /// The root.
    #[must_use]
    pub fn root(&self) -> Hash {
        self.subtree(0, self.size()).unwrap_or_else(empty_root)
    }

    /// The root as it was with `size` leaves; `None` if there have never been so many.
    #[must_use]
    pub fn root_at(&self, size: u64) -> Option<Hash> {
        if size == 0 { Some(empty_root()) } else { self.subtree(0, size) }
    }

    /// The hash of a leaf.
    #[must_use]
    pub fn leaf(&self, index: u64) -> Option<Hash> {
        self.complete(0, index)
    }

    /// The proof that leaf `index` is in the tree of `size` leaves: PATH of RFC 6962, 2.1.1.
    ///
    /// `None` if there is no such leaf or there have never been so many.
    #[must_use]
    pub fn inclusion(&self, index: u64, size: u64) -> Option<Vec<Hash>> {
        if index >= size || size > self.size() {
            return None;
        }
        let (mut start, mut end) = (0, size);
        let mut path = Vec::new();
        while end - start > 1 {
            let middle = start + split(end - start);
            if index < middle {
                path.push(self.subtree(middle, end)?);
                end = middle;
            } else {
                path.push(self.subtree(start, middle)?);
                start = middle;
            }
        }
        path.reverse();
        Some(path)
    }

    /// The proof that the tree of `old` leaves is the beginning of that of `new`: PROOF of RFC 6962, 2.1.2.
    ///
    /// It is empty if `old` is 0. `None` if `old` is above `new`, or there have never been so many.
    #[must_use]
    pub fn consistency(&self, old: u64, new: u64) -> Option<Vec<Hash>> {
        if old > new || new > self.size() {
            return None;
        }
        let (mut start, mut end) = (0, new);
        let mut proof = Vec::new();
        while old > 0 && old != end {
            let middle = start + split(end - start);
            if old <= middle {
                proof.push(self.subtree(middle, end)?);
                end = middle;
            } else {
                proof.push(self.subtree(start, middle)?);
                start = middle;
            }
        }
        // What begins at 0 is the old tree, whose root the verifier has.
        if start > 0 {
            proof.push(self.subtree(start, end)?);
        }
        proof.reverse();
        Some(proof)
    }

    /// MTH of the leaves from `start` to `end`. `start` is a multiple of every power of two that `end - start` covers,
    /// as it is wherever RFC 6962 splits. `None` if there are none, or not so many.
    fn subtree(&self, start: u64, mut end: u64) -> Option<Hash> {
        let mut root = None;
        while end > start {
            let level = (end - start).trailing_zeros();
            end -= 1 << level;
            let left = self.complete(level, end >> level)?;
            root = Some(root.map_or(left, |right| node_hash(&left, &right)));
        }
        root
    }

    fn complete(&self, level: u32, index: u64) -> Option<Hash> {
        self.levels.get(level as usize)?.get(usize::try_from(index).ok()?).copied()
    }
}

impl fmt::Debug for Tree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "tree of {} with root {}", self.size(), self.root())
    }
}

/// The largest power of two below `count`, which is at least 2.
const fn split(count: u64) -> u64 {
    1 << (count - 1).ilog2()
}

/// Whether `proof` shows that `leaf` is at `index` in the tree of `size` leaves with this root (RFC 9162, 2.1.3.2).
#[must_use]
pub fn verify_inclusion(leaf: &Hash, index: u64, size: u64, root: &Hash, proof: &[Hash]) -> bool {
    if index >= size {
        return false;
    }
    let mut climb = Climb { node: index, last: size - 1 };
    let mut found = *leaf;
    for sibling in proof {
        found = match climb.step() {
            None => return false,
            Some(Side::Left) => node_hash(sibling, &found),
            Some(Side::Right) => node_hash(&found, sibling),
        };
    }
    climb.last == 0 && found == *root
}

/// Whether `proof` shows that the tree of `old` leaves is the beginning of that of `new` (RFC 9162, 2.1.4.2).
///
/// Everything begins with the empty tree; its proof is empty, as is that of a tree and itself.
#[must_use]
pub fn verify_consistency(old: u64, old_root: &Hash, new: u64, new_root: &Hash, proof: &[Hash]) -> bool {
    if old == 0 || old == new {
        let is_consistent = if old == new { old_root == new_root } else { *old_root == empty_root() };
        return proof.is_empty() && is_consistent;
    }
    if old > new || proof.is_empty() {
        return false;
    }
    // A complete old tree is a node of the new one: its root is where the climb begins, and not in the proof.
    let begin = if old.is_power_of_two() { Some(old_root) } else { None };
    let mut path = begin.into_iter().chain(proof);
    let Some(first) = path.next() else { return false };
    let up = (old - 1).trailing_ones();
    let mut climb = Climb { node: (old - 1) >> up, last: (new - 1) >> up };
    let (mut found_old, mut found_new) = (*first, *first);
    for sibling in path {
        match climb.step() {
            None => return false,
            Some(Side::Left) => {
                found_old = node_hash(sibling, &found_old);
                found_new = node_hash(sibling, &found_new);
            }
            Some(Side::Right) => found_new = node_hash(&found_new, sibling),
        }
    }
    climb.last == 0 && found_old == *old_root && found_new == *new_root
}

/// On which side of us the next hash of a proof is.
enum Side {
    Left,
    Right,
}

/// Where a verifier is on its way to the root: `fn` and `sn` of RFC 9162.
struct Climb {
    /// Our index in this level.
    node: u64,
    /// The index of the last node of this level.
    last: u64,
}

impl Climb {
    /// Goes up to where the next hash joins, and tells its side. `None` at the root: the proof is too long.
    const fn step(&mut self) -> Option<Side> {
        if self.last == 0 {
            return None;
        }
        let is_right = self.node & 1 == 1;
        if !is_right && self.node != self.last {
            self.up(1);
            return Some(Side::Right);
        }
        // The last node of a level is alone where its index is even, and so the last one above. Its index is not 0:
        // that is the root.
        self.up(self.node.trailing_zeros());
        self.up(1);
        Some(Side::Left)
    }

    const fn up(&mut self, levels: u32) {
        self.node >>= levels;
        self.last >>= levels;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZES: u64 = 64;

    /// The tree of `size` leaves as RFC 6962, 2.1, defines it.
    fn defined(leaves: &[Hash]) -> Hash {
        match leaves {
            [] => empty_root(),
            [leaf] => *leaf,
            _ => {
                let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
                node_hash(&defined(left), &defined(right))
            }
        }
    }

    fn grown(size: u64) -> Tree {
        Tree::restore((0..size).map(u64::to_be_bytes))
    }

    fn flipped(hash: &Hash, bit: usize) -> Hash {
        let mut bytes = *hash.as_bytes();
        bytes[bit / 8] ^= 1 << (bit % 8);
        Hash::from_bytes(bytes)
    }

    /// Every proof that differs from this one in one bit, lacks a hash, or has one twice.
    fn broken(proof: &[Hash]) -> Vec<Vec<Hash>> {
        let mut all = Vec::new();
        for at in 0..proof.len() {
            for bit in 0..256 {
                let mut flip = proof.to_vec();
                flip[at] = flipped(&proof[at], bit);
                all.push(flip);
            }
            let [mut without, mut twice] = [proof.to_vec(), proof.to_vec()];
            without.remove(at);
            twice.insert(at, proof[at]);
            all.extend([without, twice]);
        }
        all
    }

    #[test]
    fn a_tree_that_grows_has_the_roots_that_are_defined() {
        let mut tree = Tree::new();
        let mut leaves = Vec::new();
        for size in 0..=SIZES * 2 {
            assert_eq!((tree.size(), tree.root()), (size, defined(&leaves)));
            assert_eq!(tree.append(&size.to_be_bytes()), size);
            leaves.push(leaf_hash(&size.to_be_bytes()));
        }
        for size in 0..=SIZES * 2 {
            assert_eq!(tree.root_at(size), Some(defined(&leaves[..size as usize])));
            assert_eq!(tree.leaf(size), Some(leaves[size as usize]));
        }
        assert!(tree.root_at(SIZES * 2 + 2).is_none() && tree.leaf(SIZES * 2 + 1).is_none());
        assert!(tree.root_at(u64::MAX).is_none());
    }

    #[test]
    fn every_leaf_of_every_size_is_proved_to_be_there() {
        let tree = grown(SIZES);
        for size in 1..=SIZES {
            let root = tree.root_at(size).unwrap();
            for index in 0..size {
                let (leaf, proof) = (tree.leaf(index).unwrap(), tree.inclusion(index, size).unwrap());
                assert!(verify_inclusion(&leaf, index, size, &root, &proof), "{index} of {size}");
                for other in 0..size + 2 {
                    let is_it = verify_inclusion(&leaf, other, size, &root, &proof);
                    assert_eq!(is_it, other == index, "{index} of {size} passes for {other}");
                }
            }
        }
    }

    #[test]
    fn every_tree_is_proved_to_be_the_beginning_of_every_larger_one() {
        let tree = grown(SIZES);
        for new in 0..=SIZES {
            for old in 0..=new {
                let roots = [old, new].map(|size| tree.root_at(size).unwrap());
                let proof = tree.consistency(old, new).unwrap();
                assert!(verify_consistency(old, &roots[0], new, &roots[1], &proof), "{old} in {new}");
                let bad = flipped(&roots[0], 7);
                assert!(!verify_consistency(old, &bad, new, &roots[1], &proof), "{old} in {new}");
                let bad = flipped(&roots[1], 250);
                let is_fooled = verify_consistency(old, &roots[0], new, &bad, &proof);
                assert_eq!(is_fooled, old == 0 && new > 0, "{old} in {new}");
                let longer = [proof.as_slice(), &[roots[1]]].concat();
                assert!(!verify_consistency(old, &roots[0], new, &roots[1], &longer), "{old} in {new}");
                assert_eq!(verify_consistency(new, &roots[1], old, &roots[0], &proof), old == new);
            }
        }
    }

    #[test]
    fn every_bit_of_a_proof_counts() {
        let tree = grown(33);
        for size in 1..=tree.size() {
            let root = tree.root_at(size).unwrap();
            for index in 0..size {
                let leaf = tree.leaf(index).unwrap();
                for proof in broken(&tree.inclusion(index, size).unwrap()) {
                    assert!(!verify_inclusion(&leaf, index, size, &root, &proof), "{index} of {size}");
                }
                let (old, before) = (index + 1, tree.root_at(index + 1).unwrap());
                for proof in broken(&tree.consistency(old, size).unwrap()) {
                    assert!(!verify_consistency(old, &before, size, &root, &proof), "{old} in {size}");
                }
            }
        }
    }

    #[test]
    fn a_proof_of_what_is_not_there_is_not_made() {
        let tree = grown(5);
        assert_eq!(tree.inclusion(5, 5), None);
        assert_eq!(tree.inclusion(0, 6), None);
        assert_eq!(tree.inclusion(0, u64::MAX), None);
        assert_eq!(tree.consistency(3, 2), None);
        assert_eq!(tree.consistency(3, 6), None);
        assert_eq!(tree.consistency(0, 5), Some(Vec::new()));
        let any = leaf_hash(b"any");
        assert!(!verify_inclusion(&any, 0, 0, &any, &[]));
        assert!(!verify_inclusion(&any, u64::MAX, u64::MAX, &any, &[any; 70]));
        assert!(!verify_consistency(u64::MAX - 1, &any, u64::MAX, &any, &[any; 70]));
        assert!(!verify_consistency(1 << 63, &any, u64::MAX, &any, &[any; 70]));
    }
}
