//! D15: the consistency check of the extension is there, and it is multiplication.

use rand_chacha::ChaCha20Rng;

use super::encode::Bytes32;
use super::extension::{Column, Direction, accepts, blocks_of, check, correct, expand, flat};
use super::hashes::{Source, Word, bits_of, words_of, xor};
use super::polyval::{Combine, dot, polyval};
use super::setup::{TREES, missing_leaf};
use super::tree::LEVELS;
use crate::parties::rng;

/// The classic typo.
fn typo(sum: u128, key: u128) -> u128 {
    sum ^ key
}

fn word(digits: &str) -> Word {
    hex::decode(digits).unwrap().try_into().unwrap()
}

/// Both sides of one direction, for a batch of one.
struct Extension {
    direction: Direction,
    sender: Vec<Vec<Option<Bytes32>>>,
    delta: Word,
    beta: Column,
    us: Vec<Column>,
    t: Vec<Column>,
}

impl Extension {
    /// Random but for Δ, which has no bit in the quiet trees.
    fn new(rng: &mut ChaCha20Rng, quiet: &[usize]) -> Self {
        let direction = Direction { ssid: rng.bytes32(), sender: 1, receiver: 2 };
        let mut delta = bits_of(&[rng.word()]);
        for g in 0..TREES {
            let bits = &mut delta[LEVELS * g..LEVELS * (g + 1)];
            bits[g % LEVELS] = true;
            if quiet.contains(&g) {
                bits.fill(false);
            }
        }
        let delta = words_of(&delta)[0];
        let trees: Vec<Vec<Bytes32>> =
            (0..TREES).map(|_| (0..1 << LEVELS).map(|_| rng.bytes32()).collect()).collect();
        let known = |(g, seeds): (usize, &Vec<Bytes32>)| {
            let missing = missing_leaf(&delta, g);
            seeds.iter().enumerate().map(|(y, seed)| (y != missing).then_some(*seed)).collect()
        };
        let sender = trees.iter().enumerate().map(known).collect();
        let words: Vec<Word> = (0..blocks_of(1)).map(|_| rng.word()).collect();
        let (us, t) = expand(&direction, &trees, blocks_of(1));
        Self { direction, sender, delta, beta: bits_of(&words), us, t }
    }

    fn rows(&self) -> usize {
        self.beta.len()
    }

    /// Whether the sender accepts a receiver whose corrections have these bits (tree, row) flipped, and whose hashes,
    /// under the keys of what it sends, are those of `beta`.
    fn accepts(&self, combine: Combine, beta: &Column, flipped: &[(usize, usize)]) -> bool {
        self.accepts_changed(combine, beta, flipped, |_| {})
    }

    fn accepts_changed(
        &self,
        combine: Combine,
        beta: &Column,
        flipped: &[(usize, usize)],
        change: impl FnOnce(&mut Vec<u8>),
    ) -> bool {
        let mut corrections: Vec<Column> = self.us.iter().map(|u| xor(u, &self.beta)).collect();
        for (g, row) in flipped {
            corrections[*g][*row] ^= true;
        }
        let corrections = flat(&corrections);
        let keys = self.direction.keys(&corrections);
        let mut check = check(combine, &keys, beta, &self.t);
        change(&mut check);
        let q = correct(&self.direction, &self.sender, &self.delta, &corrections);
        accepts(combine, &keys, &self.delta, &q, &check)
    }
}

/// RFC 8452, appendix A.
#[test]
fn the_models_polyval_is_that_of_rfc_8452() {
    let key = word("25629347589242761d31f826ba4b757b");
    let blocks = [word("4f4f95668c83dfb6401762bb2d01a262"), word("d1a24ddd2721d006bbe45f20d3c9f362")];
    let answer = word("f7a3b47b846119fae5b7866cf5e5b77e");
    assert_eq!(polyval(dot, &key, &blocks), answer);
    assert_ne!(polyval(typo, &key, &blocks), answer, "the typo does not pass for POLYVAL");
}

#[test]
fn d15_a_single_wrong_row_fails_the_check_and_xor_is_not_multiplication() {
    let quiet = [0, 7, 31];
    let extension = Extension::new(&mut rng(150), &quiet);
    let beta = &extension.beta;
    assert!(extension.accepts(dot, beta, &[]), "honest columns pass");

    // The first and last bits of blocks, used and unused rows, and the masks. Where Δ has no bit in the tree nobody
    // ever sees the wrong bit; elsewhere it would leak Δ, and fails.
    let last = extension.rows() - 1;
    for g in 0..TREES {
        for row in [0, 1, 127, 128, 300 + g, 447, 448, 512, 640 + g, last] {
            let passes = extension.accepts(dot, beta, &[(g, row)]);
            assert_eq!(passes, quiet.contains(&g), "row {row} wrong in tree {g}");
        }
    }

    // A whole row is wrong: that is another choice, and has to be the one that was hashed.
    let row: Vec<(usize, usize)> = (0..TREES).map(|g| (g, 5)).collect();
    let mut other = beta.clone();
    other[5] ^= true;
    assert!(!extension.accepts(dot, beta, &row));
    assert!(extension.accepts(dot, &other, &row));

    // One bit of one hash is wrong: the first two words are those of β, then two of each column.
    for byte in [0, 31, 32, 63, 64 * 20, 32 * 129 - 1] {
        assert!(!extension.accepts_changed(dot, beta, &[], |check| check[byte] ^= 0x10), "byte {byte}");
    }

    // A single wrong row fails with the typo too, and honest columns pass. But two errors of one bit cancel out.
    let (one, two) = ([(1, 9)], [(1, 9), (1, 9 + 128)]);
    assert!(extension.accepts(typo, beta, &[]) && !extension.accepts(typo, beta, &one));
    assert!(extension.accepts(typo, beta, &two), "the typo sees only the sum of the blocks");
    assert!(!extension.accepts(dot, beta, &two));

    // So both sides with the same typo would never notice. What they say differs from what the model says, and
    // `the_model_and_the_machines_say_the_same_in_presigning` compares it.
    let keys = extension.direction.keys(b"any corrections");
    assert_ne!(check(typo, &keys, beta, &extension.t), check(dot, &keys, beta, &extension.t));
}
