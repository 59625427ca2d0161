//! OT extension and its check: "Presigning", step 2, with matrices of single bits.

use super::encode::Bytes32;
use super::hashes::{Word, bits_of, branch, domain, long, stream, words_of, xor};
use super::polyval::{Combine, polyval};
use super::setup::{KAPPA, TREES, missing_leaf};
use super::tree::LEVELS;

/// Transfers of one multiplication.
pub const XI: usize = 448;
/// Blocks of random rows that nobody uses, which hide the hashes.
const MASKS: usize = 2;

/// Blocks of 128 rows for a batch.
pub const fn blocks_of(batch: usize) -> usize {
    (XI * batch).div_ceil(128) + MASKS
}

/// The bits of one column, a row each.
pub type Column = Vec<bool>;

/// One direction in one session.
#[derive(Clone, Copy)]
pub struct Direction {
    pub ssid: Bytes32,
    pub sender: u16,
    pub receiver: u16,
}

impl Direction {
    pub fn domain(&self, purpose: &str) -> Bytes32 {
        domain(purpose, &self.ssid, Some((self.sender, self.receiver)))
    }

    /// The column of a leaf: its seed, stretched for this session.
    fn leaf(&self, g: usize, seed: &Bytes32, blocks: usize) -> Column {
        let seed = branch(&self.domain("extension/stream"), g as u32, seed);
        bits_of(&stream(&seed, 0..blocks))
    }

    /// What the corrections say the keys of the two hashes are.
    pub fn keys(&self, corrections: &[u8]) -> [Word; MASKS] {
        let keys = long(&self.domain("extension/check"), 0, corrections, 32);
        [keys[..16].try_into().unwrap(), keys[16..].try_into().unwrap()]
    }
}

/// The two hashes of a column, each behind a block of its random rows.
pub fn hashes_of(combine: Combine, keys: &[Word; MASKS], column: &Column) -> [Word; MASKS] {
    let words = words_of(column);
    let (body, masks) = words.split_at(words.len() - MASKS);
    [0, 1].map(|i| xor(&polyval(combine, &keys[i], body), &masks[i]).try_into().unwrap())
}

/// The sum of the columns of all leaves whose number has a bit set; of all leaves without a bit.
fn sum(leaves: &[Column], chosen: impl Fn(usize) -> bool) -> Column {
    let zero = vec![false; leaves[0].len()];
    let chosen = leaves.iter().enumerate().filter(|(y, _)| chosen(*y));
    chosen.fold(zero, |sum, (_, leaf)| xor(&sum, leaf))
}

/// The receiver's side: u_g of each tree, and the 128 columns of T.
pub fn expand(direction: &Direction, trees: &[Vec<Bytes32>], blocks: usize) -> (Vec<Column>, Vec<Column>) {
    let (mut us, mut t) = (vec![], vec![]);
    for (g, seeds) in trees.iter().enumerate() {
        let leaves: Vec<Column> = seeds.iter().map(|seed| direction.leaf(g, seed, blocks)).collect();
        us.push(sum(&leaves, |_| true));
        t.extend((0..LEVELS).map(|b| sum(&leaves, |y| y >> b & 1 == 1)));
    }
    (us, t)
}

/// The bytes of columns, one after the other.
pub fn flat(columns: &[Column]) -> Vec<u8> {
    columns.iter().flat_map(|column| words_of(column).concat()).collect()
}

/// The bytes of the hashes of β and of all columns of T.
pub fn check(combine: Combine, keys: &[Word; MASKS], beta: &Column, t: &[Column]) -> Vec<u8> {
    let columns = std::iter::once(beta).chain(t);
    columns.flat_map(|column| hashes_of(combine, keys, column).concat()).collect()
}

/// The sender's side: the 128 columns of Q.
pub fn correct(
    direction: &Direction,
    trees: &[Vec<Option<Bytes32>>],
    delta: &Word,
    corrections: &[u8],
) -> Vec<Column> {
    let bits = bits_of(&[*delta]);
    let length = corrections.len() / TREES;
    let mut q = vec![];
    for (g, seeds) in trees.iter().enumerate() {
        let words: Vec<Word> = corrections[g * length..(g + 1) * length]
            .chunks(16)
            .map(|word| word.try_into().unwrap())
            .collect();
        let (correction, zero) = (bits_of(&words), vec![false; length * 8]);
        let leaf = |seed: &Option<Bytes32>| {
            seed.map_or_else(|| zero.clone(), |seed| direction.leaf(g, &seed, length / 16))
        };
        let leaves: Vec<Column> = seeds.iter().map(leaf).collect();
        for b in 0..LEVELS {
            let w = sum(&leaves, |y| (y ^ missing_leaf(delta, g)) >> b & 1 == 1);
            q.push(if bits[LEVELS * g + b] { xor(&w, &correction) } else { w });
        }
    }
    q
}

/// Whether hash(Q_c) = hash(T_c) ⊕ Δ_c·hash(β) for all columns.
pub fn accepts(combine: Combine, keys: &[Word; MASKS], delta: &Word, q: &[Column], check: &[u8]) -> bool {
    let (bits, hashes): (_, Vec<&[u8]>) = (bits_of(&[*delta]), check.chunks(16 * MASKS).collect());
    assert_eq!((q.len(), hashes.len()), (KAPPA, KAPPA + 1), "every column has its hashes");
    q.iter().enumerate().all(|(c, column)| {
        let found = hashes_of(combine, keys, column).concat();
        let expected = if bits[c] { xor(hashes[1 + c], hashes[0]) } else { hashes[1 + c].to_vec() };
        found == expected
    })
}

/// Row j of a matrix.
pub fn row(columns: &[Column], j: usize) -> Word {
    let bits: Vec<bool> = columns.iter().map(|column| column[j]).collect();
    words_of(&bits)[0]
}
