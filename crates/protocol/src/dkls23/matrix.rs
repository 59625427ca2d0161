//! Bit matrices of an OT extension: blocks of 128 rows, kept as columns, turned into rows when they are used.

use polyval::universal_hash::UniversalHash;
use polyval::{Block, Key, Polyval};
use zeroize::{Zeroize, Zeroizing};

use super::{KAPPA, MASKS};

/// 128 rows of 128 bits, as columns: bit r of word c is the bit of row r in column c.
pub(super) type Columns = [u128; KAPPA];

/// 128 rows: bit c of word r is the bit of row r in column c.
pub(super) type Rows = [u128; 128];

/// Turns columns into rows, or rows into columns.
pub(super) fn transpose(columns: &Columns) -> Zeroizing<Rows> {
    let mut words = Zeroizing::new(*columns);
    // Swaps ever smaller off-diagonal squares; `mask` has ones where a square's low half lies.
    let mut mask = u128::MAX >> 64;
    for side in [64, 32, 16, 8, 4, 2, 1] {
        for chunk in words.chunks_exact_mut(2 * side) {
            let (low, high) = chunk.split_at_mut(side);
            for (low, high) in low.iter_mut().zip(high) {
                let swap = ((*low >> side) ^ *high) & mask;
                *low ^= swap << side;
                *high ^= swap;
            }
        }
        mask ^= mask << (side / 2);
    }
    words
}

/// What a column hashes to.
pub type Check = [u128; MASKS];

/// A pair of universal hashes whose keys nobody knew when the columns were fixed.
///
/// Each is POLYVAL over all blocks but the last two, plus one of those, which are random and hide the rest. It is linear,
/// and for two columns that differ in more than the last blocks the hashes collide with probability (m/2¹²⁸)² for m blocks.
pub(super) struct Checker([Polyval; MASKS]);

impl Checker {
    pub(super) fn new(keys: &[[u8; 16]; MASKS]) -> Self {
        Self(keys.map(|key| Polyval::new(&Key::from(key))))
    }

    /// The hash of one column, given as its blocks.
    pub(super) fn column(&self, blocks: &[u128]) -> Check {
        let (body, masks) = blocks.split_last_chunk::<MASKS>().unwrap_or((&[], &[0; MASKS]));
        let mut buffer = [Block::default(); 64];
        let mut hashes = self.0.clone();
        for part in body.chunks(buffer.len()) {
            let Some(words) = buffer.get_mut(..part.len()) else { continue };
            words.iter_mut().zip(part).for_each(|(word, block)| *word = block.to_le_bytes().into());
            hashes.iter_mut().for_each(|hash| hash.update(words));
        }
        buffer.iter_mut().for_each(|word| AsMut::<[u8]>::as_mut(word).zeroize());
        let mut checks = *masks;
        for (check, hash) in checks.iter_mut().zip(hashes) {
            *check ^= u128::from_le_bytes(hash.finalize().into());
        }
        checks
    }

    /// The hashes of all columns of a matrix.
    pub(super) fn columns(&self, blocks: &[Columns]) -> Vec<Check> {
        let mut checks = Vec::with_capacity(KAPPA);
        // Four neighbouring columns share the memory that is fetched.
        for first in (0..KAPPA).step_by(4) {
            let mut gathered = [const { Vec::new() }; 4].map(Zeroizing::new);
            gathered.iter_mut().for_each(|column| column.reserve_exact(blocks.len()));
            for block in blocks {
                let four = block.get(first..first.saturating_add(4)).unwrap_or_default();
                gathered.iter_mut().zip(four).for_each(|(column, word)| column.push(*word));
            }
            checks.extend(gathered.iter().map(|column| self.column(column)));
        }
        checks
    }
}

#[cfg(test)]
mod tests {
    use super::{Checker, transpose};

    #[test]
    fn transposing_moves_every_bit_and_twice_moves_none() {
        let mut seed = 1_u128;
        let columns: [u128; 128] = std::array::from_fn(|_| {
            seed = seed.wrapping_mul(0x2360_ed05_1fc6_5da4_4385_df64_9fcc_f645).wrapping_add(1);
            seed
        });
        let rows = transpose(&columns);
        for (row, word) in rows.iter().enumerate() {
            for (column, bits) in columns.iter().enumerate() {
                assert_eq!((word >> column) & 1, (bits >> row) & 1);
            }
        }
        assert_eq!(*transpose(&rows), columns);
    }

    #[test]
    fn the_hash_is_linear_and_sees_every_bit() {
        let checker = Checker::new(&[[3; 16], [5; 16]]);
        let one: Vec<u128> = (1..=70).collect();
        let other: Vec<u128> = (1..=70).map(|word| word << 77).collect();
        let sum: Vec<u128> = one.iter().zip(&other).map(|(one, other)| one ^ other).collect();
        let (one_hash, other_hash, sum_hash) =
            (checker.column(&one), checker.column(&other), checker.column(&sum));
        for place in 0..2 {
            assert_eq!(one_hash[place] ^ other_hash[place], sum_hash[place]);
        }
        for word in 0..70 {
            for bit in [0, 63, 64, 127] {
                let mut changed = one.clone();
                changed[word] ^= 1 << bit;
                assert_ne!(checker.column(&changed), one_hash);
            }
        }
    }
}
