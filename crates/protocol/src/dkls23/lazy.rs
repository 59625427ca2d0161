//! Sums of products of scalars, reduced once at the end.
//!
//! A product of two reduced scalars has 512 bits; 576 bits hold 2⁶⁴ of them. The time does not depend on the values.

use k256::Scalar;
use k256::elliptic_curve::bigint::U512;
use k256::elliptic_curve::ops::Reduce;
use zeroize::Zeroize;

/// A scalar as four words, the lowest first.
pub(super) type Words = [u64; 4];

/// The words of a scalar.
pub(super) fn words(scalar: &Scalar) -> Words {
    let bytes: [u8; 32] = scalar.to_bytes().into();
    let (chunks, _) = bytes.as_chunks::<8>();
    let mut words = chunks.iter().rev().map(|chunk| u64::from_be_bytes(*chunk));
    std::array::from_fn(|_| words.next().unwrap_or_default())
}

/// A sum of products, not yet reduced. Wiped on drop.
#[derive(Default)]
pub(super) struct Sum([u64; 9]);

impl Sum {
    /// Adds `one`·`other`.
    #[expect(clippy::indexing_slicing, reason = "all indices are below 9 by the loops' constant bounds")]
    #[expect(clippy::cast_possible_truncation, reason = "splits a double word in its halves")]
    #[inline]
    pub(super) fn add(&mut self, one: &Words, other: &Words) {
        for (low, factor) in one.iter().enumerate() {
            let mut carry = 0_u128;
            for (place, word) in self.0[low..low + 4].iter_mut().zip(other) {
                // (2⁶⁴−1)² + 2·(2⁶⁴−1) = 2¹²⁸−1: never more than a double word.
                let total = u128::from(*factor) * u128::from(*word) + u128::from(*place) + carry;
                *place = total as u64;
                carry = total >> 64;
            }
            for place in &mut self.0[low + 4..] {
                let total = u128::from(*place) + carry;
                *place = total as u64;
                carry = total >> 64;
            }
        }
    }

    /// The sum modulo the group order. Leaves some other representative of it behind.
    #[must_use]
    pub(super) fn reduce(&mut self) -> Scalar {
        // The ninth word counts multiples of 2⁵¹². Folding it in once may carry, but then leaves a small number.
        self.fold();
        self.fold();
        let mut bytes = [0u8; 64];
        let (chunks, _) = bytes.as_chunks_mut::<8>();
        for (chunk, word) in chunks.iter_mut().rev().zip(&self.0) {
            *chunk = word.to_be_bytes();
        }
        let reduced = <Scalar as Reduce<U512>>::reduce(U512::from_be_slice(&bytes));
        bytes.zeroize();
        reduced
    }

    /// Replaces the ninth word's multiple of 2⁵¹² by what is congruent to it.
    #[expect(clippy::cast_possible_truncation, reason = "splits a double word in its halves")]
    fn fold(&mut self) {
        let [low @ .., top] = &mut self.0;
        let (count, mut carry) = (u128::from(std::mem::take(top)), 0_u128);
        for (place, word) in low.iter_mut().zip(TWO_TO_512.into_iter().chain([0; 4])) {
            let total = u128::from(*place) + u128::from(word) * count + carry;
            *place = total as u64;
            carry = total >> 64;
        }
        *top = carry as u64;
    }
}

/// 2⁵¹² modulo the group order.
const TWO_TO_512: Words =
    [0x896c_f214_67d7_d140, 0x7414_96c2_0e7c_f878, 0xe697_f5e4_5bcd_07c6, 0x9d67_1cd5_81c6_9bc5];

impl Drop for Sum {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

#[cfg(test)]
mod tests {
    use super::{Sum, words};
    use k256::Scalar;
    use k256::elliptic_curve::ff::Field;
    use rand_core::SeedableRng;

    #[test]
    fn a_lazy_sum_is_the_sum() {
        let mut rng = rand_chacha::ChaCha20Rng::seed_from_u64(1);
        let edges = [Scalar::ZERO, Scalar::ONE, -Scalar::ONE, -Scalar::from(2u64)];
        for count in [0, 1, 2, 3, 600] {
            let pick = |at: usize, rng: &mut rand_chacha::ChaCha20Rng| {
                edges.get(at % 7).copied().unwrap_or_else(|| Scalar::random(rng))
            };
            let (mut sum, mut expected) = (Sum::default(), Scalar::ZERO);
            for at in 0..count {
                let (one, other) = (pick(at, &mut rng), pick(at / 3, &mut rng));
                sum.add(&words(&one), &words(&other));
                expected += one * other;
            }
            assert_eq!(sum.reduce(), expected);
        }
    }

    #[test]
    fn the_largest_products_do_not_overflow() {
        let largest = -Scalar::ONE;
        let mut sum = Sum::default();
        let count = 100_000u64;
        (0..count).for_each(|_| sum.add(&words(&largest), &words(&largest)));
        assert_eq!(sum.reduce(), Scalar::from(count));
        let mut full = Sum([u64::MAX; 9]);
        let two_to_64 = Scalar::from(u64::MAX) + Scalar::ONE;
        let expected = (0..9).fold(Scalar::ONE, |power, _| power * two_to_64) - Scalar::ONE;
        assert_eq!(full.reduce(), expected, "every bit set");
    }
}
