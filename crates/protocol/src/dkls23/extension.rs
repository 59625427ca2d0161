//! OT extension: from 128 base OTs to any number of correlated ones (SoftSpokenOT, eprint 2022/192, with the repetition
//! code and k = 4).
//!
//! The receiver has choice bits β_j and rows t_j, the sender Δ and rows q_j = t_j ⊕ β_j·Δ. The receiver could have
//! corrected different trees by different choices; so it also sends a linear universal hash of its choices and of every
//! column of T under keys that depend on all it has sent, and the sender compares them with its own columns. The
//! outcome depends on Δ: a failure burns the pair (protocol spec, class `BanAndBurn`).

use keymoot_types::Secret;
use subtle::{Choice, ConditionallySelectable, ConstantTimeEq};
use zeroize::{Zeroize, Zeroizing};

use super::base_ot::Link;
use super::matrix::{Check, Checker, Columns};
use super::tree::Forest;
use super::{KAPPA, LEAVES, MASKS, TREES, WIDTH};
use crate::codec::{Malformed, Reader, Wire, Writer};
use crate::transcript::oblivious::{Domain, Stream};

/// Blocks of 128 rows that are expanded at a time, so that a tree's columns stay in the cache.
const STRIPE: usize = 128;

/// The receiver's message.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Extension {
    /// For each tree its correction to the common choices, one word for each block of 128 rows.
    pub corrections: Vec<u128>,
    /// The hash of the choices.
    pub choices: Check,
    /// The hash of every column of T.
    pub columns: Vec<Check>,
}

/// Blocks of 128 rows that a message for this many transfers has: theirs and the masks.
pub(super) const fn blocks_for(transfers: usize) -> usize {
    transfers.div_ceil(128) + MASKS
}

impl Extension {
    /// Bytes of an encoded message for this many blocks, at most.
    pub(super) const fn encoded_max(blocks: usize) -> usize {
        TREES * blocks * 16 + (KAPPA + 1) * MASKS * 16 + 64
    }

    /// Whether it has one correction per tree and block.
    pub(super) fn fits(&self, blocks: usize) -> bool {
        self.corrections.len() == blocks.saturating_mul(TREES)
    }

    /// The keys of the consistency check: they depend on every correction.
    fn checker(&self, link: Link) -> Checker {
        let seeded = domain(link, "extension/check").seeded();
        let bytes: Vec<u8> = self.corrections.iter().flat_map(|word| word.to_le_bytes()).collect();
        let mut keys = [[0; 16]; MASKS];
        seeded.long(0, [bytes.as_slice()], keys.as_flattened_mut());
        Checker::new(&keys)
    }
}

fn domain(link: Link, purpose: &'static str) -> Domain {
    Domain { purpose, ssid: link.ssid, sender: Some(link.sender), receiver: Some(link.receiver) }
}

fn write_words<'a>(writer: &mut Writer, words: impl Iterator<Item = &'a u128>) {
    let bytes: Vec<u8> = words.flat_map(|word| word.to_le_bytes()).collect();
    writer.bytes(&bytes);
}

fn read_words(reader: &mut Reader<'_>, max: usize) -> Result<Vec<u128>, Malformed> {
    let (words, rest) = reader.bytes(max.saturating_mul(16))?.as_chunks::<16>();
    if rest.is_empty() {
        Ok(words.iter().map(|word| u128::from_le_bytes(*word)).collect())
    } else {
        Err(Malformed::WrongLength)
    }
}

impl Wire for Extension {
    fn write(&self, writer: &mut Writer) {
        write_words(writer, self.corrections.iter());
        write_words(writer, self.choices.iter().chain(self.columns.as_flattened()));
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let corrections = read_words(reader, TREES * blocks_for(super::BATCH_MAX * super::XI))?;
        let checks = read_words(reader, (KAPPA + 1) * MASKS)?;
        match checks.as_chunks::<MASKS>() {
            ([choices, columns @ ..], []) if columns.len() == KAPPA => {
                Ok(Self { corrections, choices: *choices, columns: columns.to_vec() })
            }
            _ => Err(Malformed::WrongLength),
        }
    }
}

/// A matrix of rows, wiped when it goes.
pub(super) type Matrix = Zeroizing<Vec<Columns>>;

/// The streams of one tree in one session.
fn streams(link: Link, tree: usize, leaves: &[[u8; 32]; LEAVES]) -> [Stream; LEAVES] {
    let seeded = domain(link, "extension/stream").seeded();
    let number = u32::try_from(tree).unwrap_or(u32::MAX);
    std::array::from_fn(|leaf| {
        let seed = leaves.get(leaf).copied().map(Zeroizing::new).unwrap_or_default();
        Stream::new(&Zeroizing::new(seeded.branch(number, &seed)))
    })
}

/// The sums of a tree's streams over one stripe: of all of them, and for each bit of those whose number has it set.
#[derive(Default)]
struct Sums {
    all: Zeroizing<Vec<u128>>,
    bits: [Zeroizing<Vec<u128>>; WIDTH],
}

impl Sums {
    fn over(&mut self, streams: &[Stream; LEAVES], first: usize, start: u64, length: usize) {
        let mut word = Zeroizing::new([0u128; STRIPE]);
        for sum in self.bits.iter_mut().chain([&mut self.all]) {
            sum.clear();
            sum.resize(length, 0);
        }
        for (number, stream) in streams.iter().enumerate().skip(first) {
            let Some(word) = word.get_mut(..length) else { return };
            stream.fill(start, word);
            let bits = self.bits.iter_mut().enumerate().filter(|(bit, _)| (number >> bit) & 1 == 1);
            for sum in bits.map(|(_, sum)| sum).chain([&mut self.all]) {
                sum.iter_mut().zip(&*word).for_each(|(sum, word)| *sum ^= word);
            }
        }
    }
}

/// Stripes of at most [`STRIPE`] blocks: where each starts, and its length.
fn stripes(blocks: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..blocks).step_by(STRIPE).map(move |start| (start, STRIPE.min(blocks.saturating_sub(start))))
}

fn new_matrix(blocks: usize) -> Matrix {
    Zeroizing::new(vec![[0; KAPPA]; blocks])
}

/// Puts a column's stripe into the matrix.
fn put(matrix: &mut Matrix, start: usize, column: usize, words: &[u128]) {
    let blocks = matrix.iter_mut().skip(start);
    for (block, word) in blocks.zip(words) {
        if let Some(place) = block.get_mut(column) {
            *place = *word;
        }
    }
}

/// The receiver's side: the message, and the rows T. `choices` has a word for each block, the masks included.
pub(super) fn choose(link: Link, leaves: &Secret<Forest>, choices: &[u128]) -> (Extension, Matrix) {
    let mut matrix = new_matrix(choices.len());
    let mut corrections = vec![0; choices.len().saturating_mul(TREES)];
    let mut sums = Sums::default();
    for ((tree, leaves), correction) in
        leaves.expose().iter().enumerate().zip(corrections.chunks_exact_mut(choices.len().max(1)))
    {
        let streams = streams(link, tree, leaves);
        for (start, length) in stripes(choices.len()) {
            sums.over(&streams, 0, start as u64, length);
            let stripe = correction.iter_mut().zip(choices).skip(start);
            stripe.zip(sums.all.iter()).for_each(|((word, choice), sum)| *word = sum ^ choice);
            for (bit, column) in sums.bits.iter().enumerate() {
                put(&mut matrix, start, tree.saturating_mul(WIDTH).saturating_add(bit), column);
            }
        }
    }
    let mut message = Extension { corrections, choices: [0; MASKS], columns: Vec::new() };
    let checker = message.checker(link);
    message.choices = checker.column(choices);
    message.columns = checker.columns(&matrix);
    (message, matrix)
}

/// The sender's side: the rows Q, if the message is consistent. `leaves` are in punctured order.
pub(super) fn expand(
    link: Link,
    delta: &Secret<u128>,
    leaves: &Secret<Forest>,
    message: &Extension,
    blocks: usize,
) -> Option<Matrix> {
    let mut matrix = new_matrix(blocks);
    let mut sums = Sums::default();
    for ((tree, leaves), correction) in
        leaves.expose().iter().enumerate().zip(message.corrections.chunks_exact(blocks.max(1)))
    {
        let streams = streams(link, tree, leaves);
        for (start, length) in stripes(blocks) {
            // Place 0 is the leaf that is not known; its number has no bit set, so that no column needs it.
            sums.over(&streams, 1, start as u64, length);
            for (bit, column) in sums.bits.iter_mut().enumerate() {
                let number = tree.saturating_mul(WIDTH).saturating_add(bit);
                let mask = all_ones_if(*delta.expose(), number);
                let stripe = column.iter_mut().zip(correction.iter().skip(start));
                stripe.for_each(|(word, correction)| *word ^= correction & mask);
                put(&mut matrix, start, number, column);
            }
        }
    }
    is_consistent(link, delta, message, &matrix).then_some(matrix)
}

/// All bits set if bit `number` is. Selected by `subtle`: of arithmetic on the bit, the compiler has made a branch.
fn all_ones_if(bits: u128, number: usize) -> u128 {
    let bit = Choice::from(((bits >> (number % KAPPA)) & 1) as u8);
    u128::conditional_select(&0, &u128::MAX, bit)
}

/// Compares every column, whatever the others say.
fn is_consistent(link: Link, delta: &Secret<u128>, message: &Extension, matrix: &Matrix) -> bool {
    let ours = Zeroizing::new(message.checker(link).columns(matrix));
    let mut same = Choice::from(u8::from(message.columns.len() == KAPPA));
    for (number, (ours, theirs)) in ours.iter().zip(&message.columns).enumerate() {
        let mask = all_ones_if(*delta.expose(), number);
        for ((ours, theirs), choices) in ours.iter().zip(theirs).zip(&message.choices) {
            let mut expected =
                u128::conditional_select(theirs, &(theirs ^ choices), ((mask & 1) as u8).into());
            same &= ours.ct_eq(&expected);
            expected.zeroize();
        }
    }
    same.into()
}
