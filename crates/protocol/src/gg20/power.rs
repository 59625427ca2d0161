//! Exponentiation in a ring.
//!
//! [`power`] and [`Comb`] take time that depends on the widths of ring and exponent alone. What says `vartime` is for
//! exponents that everybody knows; its bases may be secret all the same.

use zeroize::Zeroizing;

use super::montgomery::{Element, Modulus, Ring};
use super::number::{LIMB, Natural};

/// Bits of a window of a secret exponent.
const WINDOW: usize = 5;

/// Bits of a window of a public exponent.
const PUBLIC_WINDOW: usize = 6;

/// `element = table[at]`, reading all of the table.
fn look_up(table: &[Element], at: u64, element: &mut [u64]) {
    element.fill(0);
    for (number, entry) in (0u64..).zip(table) {
        let differs = number ^ at;
        let mask = std::hint::black_box(((differs | differs.wrapping_neg()) >> 63).wrapping_sub(1));
        element.iter_mut().zip(entry.iter()).for_each(|(limb, entry)| *limb |= entry & mask);
    }
}

/// One of two elements of the same width, reading both.
pub(super) fn chosen(two: [Element; 2], at: u64) -> Element {
    let mut element = Zeroizing::new(vec![0; two[0].len()]);
    look_up(&two, at, &mut element);
    element
}

/// 1, base, base², …
fn powers<R: Ring>(ring: &R, base: &[u64], count: usize) -> Vec<Element> {
    let mut table = Vec::with_capacity(count);
    table.push(Zeroizing::new(ring.one().to_vec()));
    for _ in 1..count {
        let next = table.last().map(|last| ring.times(last, base)).unwrap_or_default();
        table.push(next);
    }
    table
}

/// Squares in place so many times.
fn square_times<R: Ring>(ring: &R, element: &mut Element, spare: &mut Element, times: usize) {
    for _ in 0..times {
        ring.square(element, spare);
        std::mem::swap(element, spare);
    }
}

/// `base^exponent` for a secret exponent.
pub(super) fn power<R: Ring>(ring: &R, base: &[u64], exponent: &Natural) -> Element {
    let table = powers(ring, base, 1 << WINDOW);
    let mut product = Zeroizing::new(ring.one().to_vec());
    let mut spare = product.clone();
    let mut factor = product.clone();
    let windows = exponent.width().saturating_mul(LIMB).div_ceil(WINDOW);
    for at in (0..windows).rev() {
        square_times(ring, &mut product, &mut spare, WINDOW);
        look_up(&table, exponent.window(at.saturating_mul(WINDOW), WINDOW), &mut factor);
        ring.multiply(&product, &factor, &mut spare);
        std::mem::swap(&mut product, &mut spare);
    }
    product
}

/// The inverse modulo a prime, as a power; `None` if there is none, or if the modulus is no prime.
pub(super) fn inverse(modulus: &Modulus, number: &Natural) -> Option<Zeroizing<Natural>> {
    let exponent = Zeroizing::new(modulus.number().minus(&Natural::small(2, 1)));
    let base = modulus.enter(number);
    let inverse = power(modulus, &base, &exponent);
    let holds = *modulus.times(&inverse, &base) == modulus.one();
    holds.then(|| Zeroizing::new(modulus.leave(&inverse)))
}

/// `base^exponent` for a public exponent and any base.
pub(super) fn power_vartime<R: Ring>(ring: &R, base: &[u64], exponent: &Natural) -> Element {
    let table = powers(ring, base, 1 << PUBLIC_WINDOW);
    let mut product = Zeroizing::new(ring.one().to_vec());
    let mut spare = product.clone();
    for at in (0..exponent.bits_vartime().div_ceil(PUBLIC_WINDOW)).rev() {
        square_times(ring, &mut product, &mut spare, PUBLIC_WINDOW);
        multiply_by(ring, &table, exponent, (at, PUBLIC_WINDOW), &mut product, &mut spare);
    }
    product
}

/// Multiplies by the table's entry for one window of a public exponent.
fn multiply_by<R: Ring>(
    ring: &R,
    table: &[Element],
    exponent: &Natural,
    (at, window): (usize, usize),
    product: &mut Element,
    spare: &mut Element,
) {
    let digit = usize::try_from(exponent.window(at.saturating_mul(window), window)).unwrap_or_default();
    if let Some(entry) = table.get(digit).filter(|_| digit != 0) {
        ring.multiply(product, entry, spare);
        std::mem::swap(product, spare);
    }
}

/// Π baseᵢ^exponentᵢ for public bases and exponents.
pub(super) fn product_vartime<R: Ring>(ring: &R, factors: &[(Element, Natural)]) -> Element {
    let window = 4;
    let tables: Vec<_> = factors.iter().map(|(base, _)| powers(ring, base, 1 << window)).collect();
    let bits = factors.iter().map(|(_, exponent)| exponent.bits_vartime()).max().unwrap_or_default();
    let mut product = Zeroizing::new(ring.one().to_vec());
    let mut spare = product.clone();
    for at in (0..bits.div_ceil(window)).rev() {
        square_times(ring, &mut product, &mut spare, window);
        for (table, (_, exponent)) in tables.iter().zip(factors) {
            multiply_by(ring, table, exponent, (at, window), &mut product, &mut spare);
        }
    }
    product
}

/// Rows of a comb: as many bits of the exponent are taken at once.
const TEETH: usize = 6;

/// Tables of a comb: squarings are shared by as many columns.
const BLOCKS: usize = 8;

/// Powers of one public base, which is raised to many secret exponents (Lim and Lee 1994).
pub(super) struct Comb {
    /// Bits of one row in one block.
    columns: usize,
    /// For each block the products of every choice of rows.
    blocks: Vec<Vec<Element>>,
}

impl Comb {
    /// For exponents of at most so many bits, and as many more as their limbs have.
    pub(super) fn new<R: Ring>(ring: &R, base: &[u64], bits: usize) -> Self {
        let columns = bits.next_multiple_of(LIMB).div_ceil(TEETH * BLOCKS).max(1);
        let mut tooth = Zeroizing::new(base.to_vec());
        let mut spare = tooth.clone();
        // base^(2^(row·columns·BLOCKS + block·columns)), row by row.
        let mut rows: Vec<Vec<Element>> = Vec::with_capacity(TEETH);
        for _ in 0..TEETH {
            let mut row = Vec::with_capacity(BLOCKS);
            for _ in 0..BLOCKS {
                row.push(tooth.clone());
                square_times(ring, &mut tooth, &mut spare, columns);
            }
            rows.push(row);
        }
        let block = |at: usize| {
            let mut table = vec![Zeroizing::new(ring.one().to_vec())];
            for tooth in rows.iter().filter_map(|row| row.get(at)) {
                let more: Vec<_> = table.iter().map(|entry| ring.times(entry, tooth)).collect();
                table.extend(more);
            }
            table
        };
        Self { columns, blocks: (0..BLOCKS).map(block).collect() }
    }

    /// Bits of the longest exponent.
    const fn bits(&self) -> usize {
        self.columns.saturating_mul(TEETH * BLOCKS)
    }

    /// The base to a secret exponent; `None` if its width goes beyond the comb.
    pub(super) fn power<R: Ring>(&self, ring: &R, exponent: &Natural) -> Option<Element> {
        if exponent.width().saturating_mul(LIMB) > self.bits() {
            return None;
        }
        let mut product = Zeroizing::new(ring.one().to_vec());
        let mut spare = product.clone();
        let mut factor = product.clone();
        for column in (0..self.columns).rev() {
            ring.square(&product, &mut spare);
            std::mem::swap(&mut product, &mut spare);
            for (at, table) in self.blocks.iter().enumerate() {
                let first = at.saturating_mul(self.columns).saturating_add(column);
                let stride = self.columns.saturating_mul(BLOCKS);
                let digit = (0..TEETH).fold(0, |digit, row| {
                    digit | exponent.bit(row.saturating_mul(stride).saturating_add(first)) << row
                });
                look_up(table, digit, &mut factor);
                ring.multiply(&product, &factor, &mut spare);
                std::mem::swap(&mut product, &mut spare);
            }
        }
        Some(product)
    }
}
