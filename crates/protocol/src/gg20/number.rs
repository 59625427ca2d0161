//! Unsigned integers of a few thousand bits, little endian in 64-bit limbs.
//!
//! A value has the width it was made with; its width is public, its limbs may be secret. What takes time that depends on
//! the limbs says so in its name. Everything is unsigned, on the wire too: a response that would be negative has no encoding.
//! Division, inverses and greatest common divisors are those of `crypto-bigint`.

use crypto_bigint::{BoxedUint, NonZero, Odd, Resize};
use rand_core::CryptoRngCore;
use zeroize::{Zeroize, Zeroizing};

use crate::codec::{Malformed, Reader, Wire, Writer};

/// Bits of a limb.
pub(super) const LIMB: usize = 64;

/// The longest integer that is read from the wire, in bytes.
pub const NATURAL_MAX: usize = 1024;

/// An unsigned integer, wiped on drop. It has no `Debug`; secret ones live in [`keymoot_types::Secret`] or `Zeroizing`.
#[derive(Clone, Default)]
pub struct Natural(Vec<u64>);

impl Zeroize for Natural {
    fn zeroize(&mut self) {
        self.0.zeroize();
    }
}

impl Drop for Natural {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

/// Equality of values, whatever their width. Takes the same time for the same widths.
impl PartialEq for Natural {
    fn eq(&self, other: &Self) -> bool {
        let limbs = self.width().max(other.width());
        let both = self.limbs_to(limbs).zip(other.limbs_to(limbs));
        std::hint::black_box(both.fold(0, |difference, (one, other)| difference | (one ^ other))) == 0
    }
}

impl Eq for Natural {}

/// Limbs that hold so many bits.
pub(super) const fn limbs_for(bits: usize) -> usize {
    bits.div_ceil(LIMB)
}

/// `t + a·b + c`, as low and high limb: the largest possible sum just fits.
#[allow(clippy::cast_possible_truncation, reason = "the low limb is what is wanted")]
const fn mac(t: u64, a: u64, b: u64, c: u64) -> (u64, u64) {
    let wide = (a as u128).wrapping_mul(b as u128).wrapping_add(t as u128).wrapping_add(c as u128);
    (wide as u64, (wide >> LIMB) as u64)
}

/// Adds `a·b` to `sum`, which has the width of `a`; returns what is carried out.
pub(super) fn add_product(sum: &mut [u64], a: &[u64], b: u64) -> u64 {
    let mut carry = 0;
    for (limb, a) in sum.iter_mut().zip(a) {
        (*limb, carry) = mac(*limb, *a, b, carry);
    }
    carry
}

/// Adds `a·b + n·m` to `sum` in one pass; returns the two carries.
pub(super) fn add_two_products(sum: &mut [u64], (a, b): (&[u64], u64), (n, m): (&[u64], u64)) -> (u64, u64) {
    let (mut first, mut second) = (0, 0);
    for ((limb, a), n) in sum.iter_mut().zip(a).zip(n) {
        let low;
        (low, first) = mac(*limb, *a, b, first);
        (*limb, second) = mac(low, *n, m, second);
    }
    (first, second)
}

/// One limb of a difference, and whether it borrows.
const fn borrowing(one: u64, other: u64, borrow: u64) -> (u64, u64) {
    let (difference, under) = one.overflowing_sub(other);
    let (difference, again) = difference.overflowing_sub(borrow);
    (difference, under as u64 | again as u64)
}

/// 1 if `one` < `other`, of the same width.
fn borrows(one: &[u64], other: &[u64]) -> u64 {
    one.iter().zip(other).fold(0, |borrow, (one, other)| borrowing(*one, *other, borrow).1)
}

/// Takes `n` away if `value`, with `top` above it, is not below `n`; returns 1 if it did. In constant time.
pub(super) fn subtract_once(value: &mut [u64], top: &mut u64, n: &[u64]) -> u64 {
    let enough = *top | (borrows(value, n) ^ 1);
    let taken = (enough | enough.wrapping_neg()) >> 63;
    let mask = std::hint::black_box(taken.wrapping_neg());
    let mut borrow = 0;
    for (limb, n) in value.iter_mut().zip(n) {
        (*limb, borrow) = borrowing(*limb, n & mask, borrow);
    }
    *top = top.wrapping_sub(borrow);
    taken
}

impl Natural {
    pub(super) fn zero(width: usize) -> Self {
        Self(vec![0; width])
    }

    pub(super) fn small(value: u64, width: usize) -> Self {
        let mut number = Self::zero(width.max(1));
        number.0.iter_mut().take(1).for_each(|limb| *limb = value);
        number
    }

    pub(super) const fn from_limbs(limbs: Vec<u64>) -> Self {
        Self(limbs)
    }

    pub(super) fn from_u128(value: u128) -> Self {
        Self::from_be(&value.to_be_bytes())
    }

    /// The number with these big-endian bytes, as wide as they are long.
    #[must_use]
    pub fn from_be(bytes: &[u8]) -> Self {
        let chunk = |chunk: &[u8]| chunk.iter().fold(0, |limb, byte| limb << 8 | u64::from(*byte));
        Self(bytes.rchunks(LIMB / 8).map(chunk).collect())
    }

    /// All bytes, big endian, leading zeros included.
    pub(super) fn to_be(&self) -> Zeroizing<Vec<u8>> {
        let mut bytes = Zeroizing::new(Vec::with_capacity(self.0.len().saturating_mul(8)));
        self.0.iter().rev().for_each(|limb| bytes.extend_from_slice(&limb.to_be_bytes()));
        bytes
    }

    /// Below 2^`bits`, uniformly.
    pub(super) fn random(bits: usize, rng: &mut impl CryptoRngCore) -> Self {
        let mut number = Self::zero(limbs_for(bits));
        number.0.iter_mut().for_each(|limb| *limb = rng.next_u64());
        let spare = limbs_for(bits).saturating_mul(LIMB).saturating_sub(bits);
        if let Some(last) = number.0.last_mut() {
            *last >>= spare;
        }
        number
    }

    /// Below `bound`, uniformly; how often it is tried depends on chance alone.
    pub(super) fn random_below(bound: &Self, rng: &mut impl CryptoRngCore) -> Self {
        loop {
            let mut candidate = Self::random(bound.bits_vartime(), rng);
            candidate.resize(bound.width());
            if candidate.is_below(bound) {
                return candidate;
            }
            candidate.zeroize();
        }
    }

    pub(super) const fn width(&self) -> usize {
        self.0.len()
    }

    pub(super) fn limbs(&self) -> &[u64] {
        &self.0
    }

    fn limbs_to(&self, width: usize) -> impl Iterator<Item = u64> + '_ {
        self.0.iter().copied().chain(std::iter::repeat(0)).take(width)
    }

    /// The same number in another width; what does not fit is cut off.
    pub(super) fn resized(&self, width: usize) -> Self {
        let mut limbs = Vec::with_capacity(width);
        limbs.extend(self.limbs_to(width));
        Self(limbs)
    }

    pub(super) fn resize(&mut self, width: usize) {
        if self.0.len() != width {
            let other = self.resized(width);
            self.0.zeroize();
            *self = other;
        }
    }

    /// The number of its bits, for public numbers.
    #[must_use]
    pub fn bits_vartime(&self) -> usize {
        let last = self.0.iter().rposition(|limb| *limb != 0);
        last.map_or(0, |at| {
            let limb = self.0.get(at).copied().unwrap_or_default();
            at.saturating_add(1).saturating_mul(LIMB).saturating_sub(limb.leading_zeros() as usize)
        })
    }

    pub(super) fn bit(&self, at: usize) -> u64 {
        self.0.get(at / LIMB).map_or(0, |limb| limb >> (at % LIMB) & 1)
    }

    /// `count` bits from `at` on, at most 16.
    pub(super) fn window(&self, at: usize, count: usize) -> u64 {
        let limb = |at: usize| u128::from(self.0.get(at).copied().unwrap_or_default());
        let both = limb((at / LIMB).saturating_add(1)) << LIMB | limb(at / LIMB);
        #[allow(clippy::cast_possible_truncation, reason = "a window is 16 bits at most")]
        let bits = (both >> (at % LIMB)) as u64;
        bits & ((1 << count.min(16)) - 1)
    }

    pub(super) fn is_odd(&self) -> bool {
        self.bit(0) == 1
    }

    pub(super) fn is_zero(&self) -> bool {
        std::hint::black_box(self.0.iter().fold(0, |any, limb| any | limb)) == 0
    }

    /// Whether it is less, in time that depends on the widths alone.
    pub(super) fn is_below(&self, other: &Self) -> bool {
        let limbs = self.width().max(other.width());
        let both = self.limbs_to(limbs).zip(other.limbs_to(limbs));
        both.fold(0, |borrow, (one, other)| borrowing(one, other, borrow).1) == 1
    }

    /// Whether it is below 2^`bits`: the bound that responses of proofs must keep, before anything is computed with them.
    pub(super) fn fits(&self, bits: usize) -> bool {
        self.bits_vartime() <= bits
    }

    pub(super) fn plus(&self, other: &Self) -> Self {
        let width = self.width().max(other.width()).saturating_add(1);
        let mut sum = Self::zero(width);
        let mut carry = 0;
        for (limb, (one, other)) in sum.0.iter_mut().zip(self.limbs_to(width).zip(other.limbs_to(width))) {
            (*limb, carry) = mac(one, other, 1, carry);
        }
        sum
    }

    /// The difference in the width of the first, modulo its power of two.
    pub(super) fn minus(&self, other: &Self) -> Self {
        let mut difference = self.clone();
        let mut borrow = 0;
        for (limb, other) in difference.0.iter_mut().zip(other.limbs_to(self.width())) {
            (*limb, borrow) = borrowing(*limb, other, borrow);
        }
        difference
    }

    pub(super) fn times(&self, other: &Self) -> Self {
        let mut product = Self::zero(self.width().saturating_add(other.width()));
        for (at, limb) in other.0.iter().enumerate() {
            let Some((window, rest)) =
                product.0.get_mut(at..).and_then(|rest| rest.split_at_mut_checked(self.width()))
            else {
                break;
            };
            let carry = add_product(window, &self.0, *limb);
            rest.iter_mut().take(1).for_each(|next| *next = carry);
        }
        product
    }

    /// Half of it, rounded down.
    pub(super) fn halved(&self) -> Self {
        let next = self.0.iter().skip(1).copied().chain([0]);
        Self(self.0.iter().zip(next).map(|(limb, next)| limb >> 1 | next << (LIMB - 1)).collect())
    }

    /// The remainder by a small number, for public numbers.
    pub(super) fn rem_small_vartime(&self, divisor: u64) -> u64 {
        let divisor = u128::from(divisor.max(1));
        #[allow(clippy::cast_possible_truncation, reason = "a remainder is below its divisor")]
        self.0
            .iter()
            .rev()
            .fold(0, |rest, limb| ((u128::from(rest) << LIMB | u128::from(*limb)) % divisor) as u64)
    }

    pub(super) fn to_uint(&self) -> BoxedUint {
        let bits = u32::try_from(self.width().max(1).saturating_mul(LIMB)).unwrap_or(u32::MAX);
        // The bytes are as many as the bits, so that this does not fail.
        BoxedUint::from_be_slice(&self.to_be(), bits).unwrap_or_else(|_| BoxedUint::zero())
    }

    pub(super) fn from_uint(mut uint: BoxedUint, width: usize) -> Self {
        let mut bytes = uint.to_be_bytes();
        let number = Self::from_be(&bytes).resized(width);
        bytes.zeroize();
        uint.zeroize();
        number
    }

    /// Quotient and remainder, in the widths of the two, in constant time; `None` if the divisor is zero.
    pub(super) fn divided(&self, divisor: &Self) -> Option<(Self, Self)> {
        let by: Option<NonZero<BoxedUint>> = divisor.to_uint().into_nz().into();
        let (mut by, mut whole) = (by?, self.to_uint());
        let (quotient, rest) = whole.div_rem(&by);
        // The library wipes nothing.
        by.zeroize();
        whole.zeroize();
        Some((Self::from_uint(quotient, self.width()), Self::from_uint(rest, divisor.width())))
    }

    /// The inverse modulo an odd number, in constant time; `None` if there is none. The library leaves copies of both in
    /// memory, so that a secret modulus takes [`super::power::inverse`].
    pub(super) fn inverse(&self, modulus: &Self) -> Option<Self> {
        let bits = u32::try_from(modulus.width().saturating_mul(LIMB)).ok()?;
        let odd: Option<Odd<BoxedUint>> = modulus.to_uint().into_odd().into();
        let (_, reduced) = self.divided(modulus)?;
        let inverse: Option<BoxedUint> = reduced.to_uint().resize(bits).invert_odd_mod(&odd?).into();
        inverse.map(|inverse| Self::from_uint(inverse, modulus.width()))
    }

    /// Whether the greatest common divisor with an odd number is one; for public numbers, or a random secret that is
    /// redrawn if it is not.
    pub(super) fn is_coprime(&self, odd: &Self) -> bool {
        self.inverse(odd).is_some()
    }
}

impl Wire for Natural {
    /// Minimal big-endian bytes; zero is empty.
    fn write(&self, writer: &mut Writer) {
        let bytes = self.to_be();
        let minimal = bytes.iter().position(|byte| *byte != 0).unwrap_or(bytes.len());
        writer.bytes(bytes.get(minimal..).unwrap_or_default());
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let bytes = reader.bytes(NATURAL_MAX)?;
        if bytes.first() == Some(&0) {
            return Err(Malformed::Integer);
        }
        Ok(Self::from_be(bytes))
    }
}
