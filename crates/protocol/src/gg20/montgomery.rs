//! Multiplication modulo an odd number and modulo its square.
//!
//! Montgomery's method, the reduction interleaved with the product. Modulo n² a number is the pair (a, b) of a + b·n. With
//! the digits m of the reduction of a·c, a·c = r·R − m·n holds exactly, so that
//! (a + b·n)·(c + d·n)/R = r + ((a·d + b·c − m)/R mod n)·n modulo n²:
//! five products of the width of n instead of the eight that n² takes, four for a square. No step depends on what the
//! limbs are.

use zeroize::{Zeroize, Zeroizing};

use super::number::{LIMB, Natural, add_product, add_two_products, limbs_for, subtract_once};

/// Limbs of the widest modulus; its square is computed with in two halves.
const WIDEST: usize = 48;

/// An element of a ring, in the ring's own form; wiped on drop.
pub(super) type Element = Zeroizing<Vec<u64>>;

/// What exponentiation needs.
pub(super) trait Ring {
    /// Limbs of an element.
    fn width(&self) -> usize;
    fn one(&self) -> &[u64];
    /// `out = a·b`.
    fn multiply(&self, a: &[u64], b: &[u64], out: &mut [u64]);
    /// `out = a²`.
    fn square(&self, a: &[u64], out: &mut [u64]) {
        self.multiply(a, a, out);
    }
    /// The element of a number, in constant time; larger numbers are reduced.
    fn enter(&self, number: &Natural) -> Element;
    /// The number of an element.
    fn leave(&self, element: &[u64]) -> Natural;

    /// −x for a number below the modulus of the ring, which stands for 0 as itself or as the modulus.
    fn negated(&self, number: &Natural) -> Natural;

    fn times(&self, a: &[u64], b: &[u64]) -> Element {
        let mut out = Zeroizing::new(vec![0; self.width()]);
        self.multiply(a, b, &mut out);
        out
    }
}

/// Integers modulo an odd number n.
pub(super) struct Modulus {
    n: Natural,
    /// −1/n modulo 2^64.
    negated_inverse: u64,
    /// R.
    one: Natural,
    /// R².
    square: Natural,
}

impl Drop for Modulus {
    fn drop(&mut self) {
        self.n.zeroize();
        self.negated_inverse.zeroize();
        self.one.zeroize();
        self.square.zeroize();
    }
}

impl Modulus {
    /// `None` if the number is even, below 3 or wider than any that we compute with.
    pub(super) fn new(n: &Natural) -> Option<Self> {
        let n = n.resized(limbs_for(n.bits_vartime()));
        if !n.is_odd() || n.bits_vartime() < 2 || n.width() > WIDEST {
            return None;
        }
        let first = n.limbs().first().copied()?;
        // Newton's iteration doubles the correct bits; an odd number is its own inverse modulo 8.
        let inverse = (0..6)
            .fold(first, |inverse, _| inverse.wrapping_mul(2u64.wrapping_sub(first.wrapping_mul(inverse))));
        let one = doubled(&Natural::small(1, n.width()), &n, n.width().saturating_mul(LIMB));
        let square = doubled(&one, &n, n.width().saturating_mul(LIMB));
        Some(Self { negated_inverse: inverse.wrapping_neg(), one, square, n })
    }

    pub(super) const fn number(&self) -> &Natural {
        &self.n
    }

    /// `out = (start + Σ xᵢ·yᵢ)/R mod n` for up to two products; the digits of the reduction go to `digits`. Returns
    /// whether n was subtracted at the end, which only a sum that was below 2·n before makes exact.
    fn reduce(
        &self,
        start: &[u64],
        products: &[(&[u64], &[u64])],
        out: &mut [u64],
        mut digits: Option<&mut [u64]>,
    ) -> u64 {
        let mut scratch = Zeroizing::new([0; 2 * WIDEST]);
        scratch.iter_mut().zip(start).for_each(|(limb, start)| *limb = *start);
        let mut top = 0u64;
        for at in 0..self.n.width() {
            let rest = scratch.get_mut(at..).unwrap_or_default();
            let Some((window, next)) = rest.split_at_mut_checked(self.n.width()) else { break };
            let (mut carry, digit) = self.row(window, products, at);
            if let Some(kept) = digits.as_deref_mut().and_then(|digits| digits.get_mut(at)) {
                *kept = digit;
            }
            if let Some(next) = next.first_mut() {
                carry = carry.wrapping_add(u128::from(*next)).wrapping_add(u128::from(top));
                (*next, top) = split(carry);
            }
        }
        let result = scratch.iter().skip(self.n.width());
        out.iter_mut().zip(result).for_each(|(limb, result)| *limb = *result);
        let taken = subtract_once(out, &mut top, self.n.limbs());
        for _ in 1..products.len() {
            subtract_once(out, &mut top, self.n.limbs());
        }
        taken
    }

    /// One limb's worth of products, and the multiple of n that makes the lowest limb zero.
    fn row(&self, window: &mut [u64], products: &[(&[u64], &[u64])], at: usize) -> (u128, u64) {
        let mut carry = 0u128;
        let Some(((x, y), others)) = products.split_last() else { return (0, 0) };
        for (x, y) in others {
            carry = carry.wrapping_add(u128::from(add_product(window, x, limb(y, at))));
        }
        let lowest = limb(window, 0).wrapping_add(limb(x, 0).wrapping_mul(limb(y, at)));
        let digit = lowest.wrapping_mul(self.negated_inverse);
        let (one, other) = add_two_products(window, (x, limb(y, at)), (self.n.limbs(), digit));
        (carry.wrapping_add(u128::from(one)).wrapping_add(u128::from(other)), digit)
    }
}

fn limb(limbs: &[u64], at: usize) -> u64 {
    limbs.get(at).copied().unwrap_or_default()
}

#[allow(clippy::cast_possible_truncation, reason = "low and high limb")]
const fn split(wide: u128) -> (u64, u64) {
    (wide as u64, (wide >> LIMB) as u64)
}

/// `number·2^times mod n`, for a number below n.
fn doubled(number: &Natural, n: &Natural, times: usize) -> Natural {
    let mut limbs = number.limbs().to_vec();
    for _ in 0..times {
        double(&mut limbs, n.limbs());
    }
    Natural::from_limbs(limbs)
}

fn double(limbs: &mut [u64], n: &[u64]) {
    let mut top = 0;
    for limb in limbs.iter_mut() {
        let next = *limb >> (LIMB - 1);
        *limb = *limb << 1 | top;
        top = next;
    }
    subtract_once(limbs, &mut top, n);
}

impl Ring for Modulus {
    fn width(&self) -> usize {
        self.n.width()
    }

    fn one(&self) -> &[u64] {
        self.one.limbs()
    }

    fn multiply(&self, a: &[u64], b: &[u64], out: &mut [u64]) {
        self.reduce(&[], &[(a, b)], out, None);
    }

    fn enter(&self, number: &Natural) -> Element {
        // Horner over pieces of the width of n, each of which may be above n: one multiplication reduces it.
        let mut sum = Zeroizing::new(vec![0; self.width()]);
        for piece in number.limbs().chunks(self.width().max(1)).rev() {
            // With all of its room from the beginning: growth would leave a copy behind.
            let mut whole = Zeroizing::new(Vec::with_capacity(self.width()));
            whole.extend_from_slice(piece);
            whole.resize(self.width(), 0);
            // sum·R + piece, both in the ring's form.
            let shifted = self.times(&sum, self.square.limbs());
            self.reduce(&[], &[(&whole, self.square.limbs()), (&shifted, self.one.limbs())], &mut sum, None);
        }
        sum
    }

    fn leave(&self, element: &[u64]) -> Natural {
        let mut out = vec![0; self.width()];
        self.reduce(element, &[(Natural::zero(self.width()).limbs(), &[])], &mut out, None);
        Natural::from_limbs(out)
    }

    fn negated(&self, number: &Natural) -> Natural {
        self.n.minus(number)
    }
}

/// Integers modulo n², in pairs.
pub(super) struct Square {
    modulus: Modulus,
    one: Vec<u64>,
    /// R² modulo n².
    square: Vec<u64>,
    /// How often n fits below R, at most.
    wraps: usize,
}

impl Drop for Square {
    fn drop(&mut self) {
        self.one.zeroize();
        self.square.zeroize();
    }
}

impl Square {
    /// `None` if there is no such modulus, or if n leaves more than one bit of its limbs unused.
    pub(super) fn new(n: &Natural) -> Option<Self> {
        let modulus = Modulus::new(n)?;
        let width = modulus.width();
        if n.bits_vartime() < width.saturating_mul(LIMB).saturating_sub(1) {
            return None;
        }
        let mut wide = modulus.n.times(&modulus.n);
        let bits = width.saturating_mul(LIMB);
        let one = doubled(&Natural::small(1, wide.width()), &wide, bits);
        let square = doubled(&one, &wide, bits);
        wide.zeroize();
        let pair = |number: &Natural| {
            let (b, a) = number.divided(&modulus.n)?;
            Some([a.resized(width).limbs(), b.resized(width).limbs()].concat())
        };
        let (one, square) = (pair(&one)?, pair(&square)?);
        let wraps = if n.bits_vartime() == bits { 1 } else { 3 };
        Some(Self { one, square, wraps, modulus })
    }

    /// Integers modulo n.
    pub(super) const fn base(&self) -> &Modulus {
        &self.modulus
    }

    /// The element a + b·n, for both below n.
    pub(super) fn enter_pair(&self, a: &Natural, b: &Natural) -> Element {
        let width = self.modulus.width();
        let (a, b) = (Zeroizing::new(a.resized(width)), Zeroizing::new(b.resized(width)));
        let pair = Zeroizing::new([a.limbs(), b.limbs()].concat());
        self.times(&pair, &self.square)
    }

    /// The element as a pair, out of the ring's form.
    fn plain(&self, element: &[u64]) -> Element {
        let mut one = vec![0; self.width()];
        one.iter_mut().take(1).for_each(|limb| *limb = 1);
        self.times(element, &one)
    }

    /// The b of an element a + b·n.
    pub(super) fn leave_upper(&self, element: &[u64]) -> Natural {
        Natural::from_limbs(self.halves(&self.plain(element)).1.to_vec())
    }

    fn n(&self) -> &[u64] {
        self.modulus.n.limbs()
    }

    fn digits(&self) -> Element {
        Zeroizing::new(vec![0; self.modulus.width()])
    }

    fn halves<'a>(&self, pair: &'a [u64]) -> (&'a [u64], &'a [u64]) {
        pair.split_at_checked(self.modulus.width()).unwrap_or_default()
    }

    /// `out = (products − digits)/R + once`, modulo n.
    fn upper(&self, products: &[(&[u64], &[u64])], digits: &mut [u64], once: u64, out: &mut [u64]) {
        // n − (m mod n), which is between 1 and n; R is below twice n, or below four times n if a bit is unused.
        for _ in 0..self.wraps {
            subtract_once(digits, &mut 0, self.n());
        }
        let mut borrow = 0;
        for (digit, n) in digits.iter_mut().zip(self.n()) {
            let (first, under) = n.overflowing_sub(*digit);
            let (second, again) = first.overflowing_sub(borrow);
            (*digit, borrow) = (second, u64::from(under) | u64::from(again));
        }
        self.modulus.reduce(digits, products, out, None);
        let mut carry = once;
        for limb in out.iter_mut() {
            let (sum, over) = limb.overflowing_add(carry);
            (*limb, carry) = (sum, u64::from(over));
        }
        subtract_once(out, &mut carry, self.n());
    }
}

impl Ring for Square {
    fn width(&self) -> usize {
        self.modulus.width().saturating_mul(2)
    }

    fn one(&self) -> &[u64] {
        &self.one
    }

    fn multiply(&self, x: &[u64], y: &[u64], out: &mut [u64]) {
        let ((a, b), (c, d)) = (self.halves(x), self.halves(y));
        let Some((low, high)) = out.split_at_mut_checked(self.modulus.width()) else { return };
        let mut digits = self.digits();
        let once = self.modulus.reduce(&[], &[(a, c)], low, Some(&mut digits));
        self.upper(&[(a, d), (b, c)], &mut digits, once, high);
    }

    fn square(&self, x: &[u64], out: &mut [u64]) {
        let (a, b) = self.halves(x);
        let Some((low, high)) = out.split_at_mut_checked(self.modulus.width()) else { return };
        let mut digits = self.digits();
        let once = self.modulus.reduce(&[], &[(a, a)], low, Some(&mut digits));
        let mut twice = Zeroizing::new(b.to_vec());
        double(&mut twice, self.n());
        self.upper(&[(a, &twice)], &mut digits, once, high);
    }

    fn enter(&self, number: &Natural) -> Element {
        let Some((b, a)) = number.divided(&self.modulus.n) else { return Element::default() };
        let (mut a, b) = (Zeroizing::new(a), Zeroizing::new(b));
        a.resize(self.modulus.width());
        // What is above n² has an upper half above n, whose multiple of n² is dropped.
        let upper = Zeroizing::new(self.modulus.leave(&self.modulus.enter(&b)));
        self.enter_pair(&a, &upper)
    }

    fn negated(&self, number: &Natural) -> Natural {
        let square = Zeroizing::new(self.modulus.n.times(&self.modulus.n));
        square.minus(number)
    }

    fn leave(&self, element: &[u64]) -> Natural {
        let plain = self.plain(element);
        let (a, b) = self.halves(&plain);
        let upper = Zeroizing::new(Natural::from_limbs(b.to_vec()));
        let product = Zeroizing::new(upper.times(&self.modulus.n));
        product.plus(&Natural::from_limbs(a.to_vec())).resized(self.width())
    }
}
