//! All-but-one transfers: trees of seeds of which the other side learns all leaves but one (SoftSpokenOT, eprint
//! 2022/192, §5 and its consistency check).
//!
//! The builder grows 16 leaves from a root, and for each of the four levels masks the sum of all left and the sum of
//! all right children with the two keys of one base OT. The puncturer holds one key per level, that of the side beside
//! its path, so it can rebuild every node except those on the path. A digest over all leaves binds the builder to what
//! it cannot know whether it matters.

use keymoot_types::Secret;
use rand_core::CryptoRngCore;
use subtle::{Choice, ConditionallySelectable, ConstantTimeEq};
use zeroize::{Zeroize, Zeroizing};

use super::base_ot::Link;
use super::{KAPPA, LEAVES, TREES, WIDTH};
use crate::codec::{Malformed, Reader, Wire, Writer};
use crate::transcript::oblivious::{Domain, Seeded};

type Seed = [u8; 32];

/// The leaves of all trees.
pub(super) type Forest = [[Seed; LEAVES]; TREES];

/// What lets the other side rebuild one tree up to its path.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Correction {
    /// For each level the masked sums of the left and of the right children.
    pub sums: [[Seed; 2]; WIDTH],
    /// The sum of all leaves' check values.
    pub checks_sum: Seed,
    /// The digest of all leaves' check values.
    pub checks_digest: Seed,
}

impl Wire for Correction {
    fn write(&self, writer: &mut Writer) {
        let sums = self.sums.as_flattened().as_flattened();
        writer.bytes(&[sums, &self.checks_sum, &self.checks_digest].concat());
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let bytes: [u8; 32 * (2 * WIDTH + 2)] = reader.fixed()?;
        let (seeds, _) = bytes.as_chunks::<32>();
        let mut seeds = seeds.iter().copied();
        let mut next = || seeds.next().unwrap_or_default();
        let sums = std::array::from_fn(|_| [next(), next()]);
        Ok(Self { sums, checks_sum: next(), checks_digest: next() })
    }
}

/// The hashes of one direction's trees.
struct Growth {
    node: Seeded,
    check: Seeded,
    digest: Seeded,
    leaf: Seeded,
}

impl Growth {
    fn of(link: Link) -> Self {
        let seeded = |purpose| {
            let (sender, receiver) = (Some(link.receiver), Some(link.sender));
            Domain { purpose, ssid: link.ssid, sender, receiver }.seeded()
        };
        Self {
            node: seeded("tree/node"),
            check: seeded("tree/check"),
            digest: seeded("tree/digest"),
            leaf: seeded("tree/leaf"),
        }
    }

    /// The two children of every node of a level; parent i has children 2i and 2i + 1.
    fn children(&self, parents: &[Seed], children: &mut [Seed]) {
        let (pairs, _) = children.as_chunks_mut::<2>();
        for (parent, [left, right]) in parents.iter().zip(pairs) {
            *left = self.node.branch(0, parent);
            *right = self.node.branch(1, parent);
        }
    }

    fn checks(&self, leaves: &[Seed; LEAVES]) -> [Seed; LEAVES] {
        leaves.map(|leaf| self.check.branch(0, &leaf))
    }

    fn digest(&self, checks: &[Seed; LEAVES]) -> Seed {
        let mut digest = [0; 32];
        self.digest.long(0, [checks.as_flattened()], &mut digest);
        digest
    }
}

fn add(sum: &mut Seed, term: &Seed) {
    sum.iter_mut().zip(term).for_each(|(sum, term)| *sum ^= term);
}

/// The sums of the left and of the right children of one level.
fn side_sums(level: &[Seed]) -> [Seed; 2] {
    let mut sums = [[0; 32]; 2];
    let (pairs, _) = level.as_chunks::<2>();
    pairs.iter().for_each(|pair| sums.iter_mut().zip(pair).for_each(|(sum, node)| add(sum, node)));
    sums
}

/// The base OT of a tree's level, 0 to 3 from the root: the first level decides the leaf number's highest bit.
const fn transfer(tree: usize, level: usize) -> usize {
    WIDTH * tree + (WIDTH - 1 - level)
}

/// Grows all trees.
pub(super) fn build(
    link: Link,
    keys: &[Secret<[Seed; 2]>],
    rng: &mut impl CryptoRngCore,
) -> (Secret<Forest>, Vec<Correction>) {
    let growth = Growth::of(link);
    let mut forest = Secret::new([[[0; 32]; LEAVES]; TREES]);
    let mut corrections = Vec::with_capacity(TREES);
    for (tree, leaves) in forest.expose_mut().iter_mut().enumerate() {
        let mut nodes = Zeroizing::new([[0u8; 32]; LEAVES]);
        nodes.iter_mut().take(1).for_each(|root| rng.fill_bytes(root));
        let mut sums = [[[0; 32]; 2]; WIDTH];
        for (level, sums) in sums.iter_mut().enumerate() {
            let mut next = Zeroizing::new([[0u8; 32]; LEAVES]);
            let (count, parents) = (2 << level, nodes.get(..1 << level).unwrap_or_default());
            if let Some(children) = next.get_mut(..count) {
                growth.children(parents, children);
                *sums = side_sums(children);
            }
            if let Some(keys) = keys.get(transfer(tree, level)) {
                sums.iter_mut().zip(keys.expose()).for_each(|(sum, key)| add(sum, key));
            }
            nodes = next;
        }
        let checks = Zeroizing::new(growth.checks(&nodes));
        let mut checks_sum = [0; 32];
        checks.iter().for_each(|check| add(&mut checks_sum, check));
        corrections.push(Correction { sums, checks_sum, checks_digest: growth.digest(&checks) });
        *leaves = nodes.map(|node| growth.leaf.branch(0, &node));
    }
    (forest, corrections)
}

/// Rebuilds all trees but the leaf Δ of each; `None` if a tree is inconsistent.
///
/// The leaves come in an order that hides Δ from whoever indexes them: place z holds leaf Δ ⊕ z, and place 0 nothing.
pub(super) fn puncture(
    link: Link,
    delta: &Secret<u128>,
    keys: &[Secret<Seed>],
    corrections: &[Correction],
) -> Option<Secret<Forest>> {
    let growth = Growth::of(link);
    let mut forest = Secret::new([[[0; 32]; LEAVES]; TREES]);
    let mut sound = Choice::from(u8::from(corrections.len() == TREES && keys.len() == KAPPA));
    let trees = forest.expose_mut().iter_mut().zip(corrections).enumerate();
    for (tree, (places, correction)) in trees {
        let path = path_of(*delta.expose(), tree);
        let mut nodes = Zeroizing::new([[0u8; 32]; LEAVES]);
        for (level, sums) in correction.sums.iter().enumerate() {
            let key = keys.get(transfer(tree, level))?.expose();
            nodes = descend(&growth, &nodes, level, path, sums, key);
        }
        let mut checks = Zeroizing::new(growth.checks(&nodes));
        mend(&mut checks, path, correction.checks_sum);
        sound &= growth.digest(&checks).ct_eq(&correction.checks_digest);
        let leaves = Zeroizing::new(nodes.map(|node| growth.leaf.branch(0, &node)));
        for (place, z) in places.iter_mut().zip(0u8..).skip(1) {
            select(place, &leaves, path ^ z);
        }
    }
    bool::from(sound).then_some(forest)
}

/// The leaf that is missing from a tree.
fn path_of(delta: u128, tree: usize) -> u8 {
    u8::try_from((delta >> (WIDTH * tree)) & 0xf).unwrap_or_default()
}

/// The next level. What lies under the path is worthless, and the path's sibling comes from the correction.
fn descend(
    growth: &Growth,
    nodes: &[Seed; LEAVES],
    level: usize,
    path: u8,
    sums: &[Seed; 2],
    key: &Seed,
) -> Zeroizing<[Seed; LEAVES]> {
    let mut next = Zeroizing::new([[0u8; 32]; LEAVES]);
    let here = path >> (WIDTH - 1 - level);
    let side = Choice::from(1 ^ (here & 1));
    if let Some(children) = next.get_mut(..2 << level) {
        growth.children(nodes.get(..1 << level).unwrap_or_default(), children);
        for (child, number) in children.iter_mut().zip(0u8..) {
            let unknown = (number >> 1).ct_eq(&(here >> 1));
            child.iter_mut().for_each(|byte| byte.conditional_assign(&0, unknown));
        }
        let [left, right] = side_sums(children);
        let [masked_left, masked_right] = sums;
        let mut sibling = Zeroizing::new(*key);
        add(&mut sibling, &choose(&left, &right, side));
        add(&mut sibling, &choose(masked_left, masked_right, side));
        for (child, number) in children.iter_mut().zip(0u8..) {
            let missing = number.ct_eq(&(here ^ 1));
            *child = choose(child, &sibling, missing);
        }
    }
    next
}

/// Replaces the check value at `path` by what makes all of them add up to `sum`.
fn mend(checks: &mut [Seed; LEAVES], path: u8, sum: Seed) {
    let mut missing = sum;
    for (check, number) in checks.iter().zip(0u8..) {
        let known = !number.ct_eq(&path);
        add(&mut missing, &choose(&[0; 32], check, known));
    }
    for (check, number) in checks.iter_mut().zip(0u8..) {
        *check = choose(check, &missing, number.ct_eq(&path));
    }
    missing.zeroize();
}

/// Copies the seed at a secret place.
fn select(out: &mut Seed, seeds: &[Seed; LEAVES], place: u8) {
    for (seed, number) in seeds.iter().zip(0u8..) {
        *out = choose(out, seed, number.ct_eq(&place));
    }
}

fn choose(zero: &Seed, one: &Seed, which: Choice) -> Seed {
    std::array::from_fn(|at| {
        let (zero, one) = (zero.get(at).copied().unwrap_or(0), one.get(at).copied().unwrap_or(0));
        u8::conditional_select(&zero, &one, which)
    })
}
