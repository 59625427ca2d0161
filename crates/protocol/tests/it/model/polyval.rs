//! POLYVAL of RFC 8452 §3, bit by bit.
//!
//! A block is a polynomial over two elements: bit i of its 128-bit little-endian integer is the coefficient of xⁱ. The
//! field is modulo x¹²⁸ + x¹²⁷ + x¹²⁶ + x¹²¹ + 1, and dot(a, b) = a·b·x⁻¹²⁸ with x⁻¹²⁸ = x¹²⁷ + x¹²⁴ + x¹²¹ + x¹¹⁴ + 1.

use super::hashes::Word;

/// What x¹²⁸ is modulo the field's polynomial.
const X_128: u128 = 1 << 127 | 1 << 126 | 1 << 121 | 1;
const X_MINUS_128: u128 = 1 << 127 | 1 << 124 | 1 << 121 | 1 << 114 | 1;

/// a·b in the field: the sum of a·xⁱ over the coefficients of b.
pub fn multiply(a: u128, b: u128) -> u128 {
    let (mut sum, mut shifted) = (0, a);
    for i in 0..128 {
        if b >> i & 1 == 1 {
            sum ^= shifted;
        }
        let overflows = shifted >> 127 == 1;
        shifted = shifted << 1 ^ if overflows { X_128 } else { 0 };
    }
    sum
}

/// What combines the sum so far with the key.
pub type Combine = fn(u128, u128) -> u128;

/// The dot of RFC 8452.
pub fn dot(a: u128, b: u128) -> u128 {
    multiply(multiply(a, b), X_MINUS_128)
}

pub fn polyval(combine: Combine, key: &Word, blocks: &[Word]) -> Word {
    let key = u128::from_le_bytes(*key);
    let hash = blocks.iter().fold(0, |sum, block| combine(sum ^ u128::from_le_bytes(*block), key));
    hash.to_le_bytes()
}
