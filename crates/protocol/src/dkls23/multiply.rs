//! Two-party multiplication (random vector OLE; eprint 2023/765, §5): the sender's inputs times a random number of the
//! receiver's, as shares of the products.
//!
//! The receiver's bits β and a public gadget g give b = Σ β_l·g_l. From the l-th transfer the sender has α⁰_l, α¹_l and the
//! receiver γ_l = α^β_l; the sender's correction ã_l = α⁰_l − α¹_l + a makes d_l = γ_l + β_l·ã_l = α⁰_l + β_l·a. So
//! c = −Σ g_l·α⁰_l and d = Σ g_l·d_l add up to a·b. A third, random input â and a linear check with challenges θ that
//! depend on all corrections bind the sender to one a in all rows; else it could learn β_l from whether a result is right.
//! The outcome of the check depends on β: a failure burns the pair.

use std::sync::OnceLock;

use k256::Scalar;
use k256::elliptic_curve::bigint::U256;
use k256::elliptic_curve::ops::Reduce;
use keymoot_types::Secret;
use subtle::{Choice, ConditionallySelectable, ConstantTimeEq};
use zeroize::Zeroizing;

use super::XI;
use super::base_ot::Link;
use super::grown::Grown;
use super::lazy::{Sum, Words, words};
use super::matrix::{Columns, transpose};
use crate::codec::{Malformed, Reader, Wire, Writer};
use crate::curve::{Curve, Secp256k1};
use crate::transcript::Hash;
use crate::transcript::oblivious::{Domain, ROW_SCALARS, RowHash, Seeded};

/// Inputs that are multiplied: the nonce share and the key share.
pub(super) const INPUTS: usize = 2;

/// Bytes of the corrections of one multiplication.
const CORRECTIONS: usize = XI * ROW_SCALARS * 32;

/// The sender's message of one multiplication.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Product {
    /// The corrections ã, row by row.
    pub corrections: Vec<[u8; 32]>,
    /// η, the combination of the inputs that the check opens.
    pub opening: Scalar,
    /// The digest of the check's values.
    pub digest: [u8; 32],
}

impl Wire for Product {
    fn write(&self, writer: &mut Writer) {
        writer.bytes(self.corrections.as_flattened());
        writer.scalar::<Secp256k1>(&self.opening);
        writer.bytes(&self.digest);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let (corrections, rest) = reader.bytes(CORRECTIONS)?.as_chunks::<32>();
        if corrections.len() != XI * ROW_SCALARS || !rest.is_empty() {
            return Err(Malformed::WrongLength);
        }
        if !corrections.iter().all(is_canonical) {
            return Err(Malformed::Scalar);
        }
        let (corrections, opening) = (corrections.to_vec(), reader.scalar::<Secp256k1>()?);
        Ok(Self { corrections, opening, digest: reader.fixed()? })
    }
}

/// Whether a scalar on the wire is below the order. The order begins with seven bytes 255 and more.
fn is_canonical(bytes: &[u8; 32]) -> bool {
    !bytes.starts_with(&[0xff; 8]) || Secp256k1::decode_scalar(bytes).is_some()
}

/// What the multiplications of one direction and session have in common.
pub(super) struct Frame {
    gadget: Gadget,
    rows: RowHash,
    challenge: Seeded,
    digest: Seeded,
}

/// The public gadget: random numbers that nobody chose, always the same.
#[derive(Clone, Copy)]
pub(super) struct Gadget(&'static [(Scalar, Words)]);

static GADGET: OnceLock<Vec<(Scalar, Words)>> = OnceLock::new();

impl Gadget {
    pub(super) fn get() -> Self {
        Self(GADGET.get_or_init(|| {
            let ssid = Hash::from_bytes([0; 32]);
            let seeded = Domain { purpose: "multiply/gadget", ssid, sender: None, receiver: None }.seeded();
            let mut grown = Grown::new(seeded.as_seed(), "multiply/gadget");
            let scalars = (0..XI).map(|_| Secp256k1::random(&mut grown));
            scalars.map(|scalar| (scalar, words(&scalar))).collect()
        }))
    }

    /// The number that the choice bits of the multiplication `number` encode: b = Σ β_l·g_l.
    pub(super) fn encoded(&self, number: u64, choices: &[u128]) -> Scalar {
        self.0.iter().zip(bits(number, choices)).fold(Scalar::ZERO, |sum, ((scalar, _), choice)| {
            sum + Scalar::conditional_select(&Scalar::ZERO, scalar, choice)
        })
    }
}

/// The choice bits of a multiplication.
fn bits(number: u64, choices: &[u128]) -> impl Iterator<Item = Choice> {
    row_numbers(number).map(|row| {
        let word = choices.get(usize::try_from(row / 128).unwrap_or(usize::MAX)).copied().unwrap_or_default();
        Choice::from(((word >> (row % 128)) & 1) as u8)
    })
}

impl Frame {
    pub(super) fn new(link: Link, gadget: Gadget) -> Self {
        let seeded = |purpose| {
            let (sender, receiver) = (Some(link.sender), Some(link.receiver));
            Domain { purpose, ssid: link.ssid, sender, receiver }.seeded()
        };
        Self {
            gadget,
            rows: seeded("multiply/rows").rows(),
            challenge: seeded("multiply/challenge"),
            digest: seeded("multiply/digest"),
        }
    }

    /// θ: one challenge for each input, from all corrections.
    fn challenges(&self, number: u64, corrections: &[[u8; 32]]) -> [Words; INPUTS] {
        let mut wide = [[0u8; 64]; INPUTS];
        self.challenge.long(number, [corrections.as_flattened()], wide.as_flattened_mut());
        wide.map(|wide| words(&Secp256k1::reduce_wide(&wide)))
    }

    fn digest_of(&self, number: u64, values: &[[u8; 32]]) -> [u8; 32] {
        let mut digest = [0; 32];
        self.digest.long(number, [values.as_flattened()], &mut digest);
        digest
    }

    /// Multiplies `inputs` in the multiplication `number`: the message, and our shares c.
    ///
    /// `matrix` has the rows q of the session; `check` is â, fresh for each.
    pub(super) fn multiply(
        &self,
        number: u64,
        matrix: &[Columns],
        delta: &Secret<u128>,
        inputs: &[Scalar; INPUTS],
        check: &Scalar,
    ) -> (Product, Secret<[Scalar; INPUTS]>) {
        let [first, second] = *inputs;
        let factors = Zeroizing::new([first, second, *check]);
        let mut pads = Zeroizing::new(Vec::with_capacity(XI));
        let mut corrections = Vec::with_capacity(XI * ROW_SCALARS);
        for (row, number) in rows(number, matrix).zip(row_numbers(number)) {
            let [zero, one] = self.rows.scalars(number, [row, row ^ delta.expose()]);
            for ((zero, one), factor) in zero.iter().zip(&one).zip(factors.iter()) {
                corrections.push((zero - one + factor).to_bytes().into());
            }
            pads.push(zero);
        }
        let challenges = self.challenges(number, &corrections);
        let opening = inputs.iter().zip(&challenges).fold(*check, |sum, (input, challenge)| {
            let mut product = Sum::default();
            product.add(&words(input), challenge);
            sum + product.reduce()
        });
        let mut values = Zeroizing::new(Vec::with_capacity(XI));
        let mut sums: [Sum; INPUTS] = Default::default();
        for (pad, (_, gadget)) in pads.iter().zip(self.gadget.0.iter()) {
            values.push(combine(pad, &challenges, &mut sums, gadget).to_bytes().into());
        }
        let digest = self.digest_of(number, &values);
        (Product { corrections, opening, digest }, Secret::new(sums.map(|mut sum| -sum.reduce())))
    }

    /// The receiver's shares d, if the message is consistent. `matrix` and `choices` have the rows
    /// t and the bits β of the session.
    pub(super) fn finish(
        &self,
        number: u64,
        matrix: &[Columns],
        choices: &[u128],
        product: &Product,
    ) -> Option<Secret<[Scalar; INPUTS]>> {
        let challenges = self.challenges(number, &product.corrections);
        let (corrections, _) = product.corrections.as_chunks::<ROW_SCALARS>();
        let mut values = Zeroizing::new(Vec::with_capacity(XI));
        let mut sums: [Sum; INPUTS] = Default::default();
        let rows = rows(number, matrix).zip(row_numbers(number)).zip(bits(number, choices));
        for (((row, number), choice), (corrections, (_, gadget))) in
            rows.zip(corrections.iter().zip(self.gadget.0.iter()))
        {
            let [mut shares] = self.rows.scalars(number, [row]);
            for (share, correction) in shares.iter_mut().zip(corrections) {
                let correction = <Scalar as Reduce<U256>>::reduce(U256::from_be_slice(correction));
                *share += Scalar::conditional_select(&Scalar::ZERO, &correction, choice);
            }
            let opened = Scalar::conditional_select(&Scalar::ZERO, &product.opening, choice);
            let value = combine(&shares, &challenges, &mut sums, gadget) - opened;
            values.push(value.to_bytes().into());
        }
        let same = self.digest_of(number, &values).ct_eq(&product.digest);
        let shares = Secret::new(sums.map(|mut sum| sum.reduce()));
        bool::from(same).then_some(shares)
    }
}

/// Adds the inputs' parts of a row to the sums, and returns its part of the check: third + Σ θ·part.
#[inline]
fn combine(
    parts: &[Scalar; ROW_SCALARS],
    challenges: &[Words; INPUTS],
    sums: &mut [Sum; INPUTS],
    gadget: &Words,
) -> Scalar {
    let [first, second, third] = parts;
    let mut check = Sum::default();
    for ((part, challenge), sum) in [first, second].into_iter().zip(challenges).zip(sums) {
        let part = words(part);
        sum.add(&part, gadget);
        check.add(&part, challenge);
    }
    check.reduce() + third
}

/// The rows of a multiplication.
fn rows(number: u64, matrix: &[Columns]) -> impl Iterator<Item = u128> {
    let first = usize::try_from(number).unwrap_or(usize::MAX).saturating_mul(XI);
    let all = matrix.iter().skip(first / 128).flat_map(|columns| {
        let rows = transpose(columns);
        (0..rows.len()).filter_map(move |row| rows.get(row).copied())
    });
    all.skip(first % 128).take(XI)
}

/// The numbers of a multiplication's rows in the session.
fn row_numbers(multiplication: u64) -> impl Iterator<Item = u64> {
    let first = multiplication.saturating_mul(XI as u64);
    first..first.saturating_add(XI as u64)
}
