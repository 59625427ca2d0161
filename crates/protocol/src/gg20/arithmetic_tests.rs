//! Our arithmetic against that of `crypto-bigint`.

use crypto_bigint::modular::{BoxedMontyForm, BoxedMontyParams};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;

use super::montgomery::{Modulus, Ring, Square};
use super::number::{LIMB, Natural};
use super::power::{Comb, power, power_vartime, product_vartime};

fn rng(seed: u64) -> ChaCha20Rng {
    ChaCha20Rng::seed_from_u64(seed)
}

/// Odd moduli of `limbs` limbs, the extremes among them.
fn moduli(limbs: usize, rng: &mut ChaCha20Rng) -> Vec<Natural> {
    let bits = limbs * LIMB;
    let top = |low: u64, high: u64| {
        let mut number = vec![0; limbs];
        number[limbs - 1] = high;
        number[0] |= low;
        Natural::from_limbs(number)
    };
    let ones = Natural::from_limbs(vec![u64::MAX; limbs]).minus(&Natural::small(2, 1));
    let mut all = vec![ones, top(1, 1 << 63), top(1, 1 << 62)];
    for _ in 0..4 {
        let mut limbs = Natural::random(bits, rng).limbs().to_vec();
        limbs[0] |= 1;
        *limbs.last_mut().unwrap() |= 1 << 63;
        all.push(Natural::from_limbs(limbs));
    }
    all
}

fn expected_power(base: &Natural, exponent: &Natural, modulus: &Natural) -> Natural {
    let odd = modulus.to_uint().into_odd().unwrap();
    let params = BoxedMontyParams::new_vartime(odd);
    let base = base.divided(modulus).unwrap().1.resized(modulus.width());
    let form = BoxedMontyForm::new(base.to_uint(), &params);
    Natural::from_uint(form.pow(&exponent.to_uint()).retrieve(), modulus.width())
}

fn expected_product(one: &Natural, other: &Natural, modulus: &Natural) -> Natural {
    one.times(other).divided(modulus).unwrap().1
}

fn edges(modulus: &Natural, rng: &mut ChaCha20Rng) -> Vec<Natural> {
    let one = Natural::small(1, 1);
    let mut all =
        vec![Natural::small(0, 1), one.clone(), modulus.minus(&one), modulus.clone(), modulus.plus(&one)];
    all.extend((0..3).map(|_| Natural::random_below(modulus, rng)));
    all
}

fn check_ring(ring: &impl Ring, modulus: &Natural, rng: &mut ChaCha20Rng) {
    let numbers = edges(modulus, rng);
    for one in &numbers {
        assert!(ring.leave(&ring.enter(one)) == one.divided(modulus).unwrap().1, "enter and leave");
        let mut square = ring.enter(&Natural::small(0, 1));
        ring.square(&ring.enter(one), &mut square);
        assert!(ring.leave(&square) == expected_product(one, one, modulus), "square");
        for other in &numbers {
            let product = ring.leave(&ring.times(&ring.enter(one), &ring.enter(other)));
            assert!(product == expected_product(one, other, modulus), "product");
        }
    }
}

#[test]
fn products_and_squares_are_those_of_the_library() {
    let mut rng = rng(1);
    for limbs in [1, 2, 3, 8, 24] {
        for n in moduli(limbs, &mut rng) {
            check_ring(&Modulus::new(&n).unwrap(), &n, &mut rng);
            check_ring(&Square::new(&n).unwrap(), &n.times(&n), &mut rng);
        }
    }
}

#[test]
fn powers_are_those_of_the_library() {
    let mut rng = rng(2);
    for n in moduli(4, &mut rng) {
        let square = n.times(&n);
        let ring = Square::new(&n).unwrap();
        let comb_base = Natural::random_below(&square, &mut rng);
        let comb = Comb::new(&ring, &ring.enter(&comb_base), 300);
        let exponents = [
            Natural::small(0, 1),
            Natural::small(1, 1),
            Natural::from_limbs(vec![u64::MAX; 4]),
            Natural::random(256, &mut rng),
            Natural::random(290, &mut rng),
        ];
        for width in 1..=8 {
            let longest = Natural::from_limbs(vec![u64::MAX; width]);
            match comb.power(&ring, &longest) {
                Some(power) => {
                    assert!(ring.leave(&power) == expected_power(&comb_base, &longest, &square), "{width}");
                }
                None => assert!(width > 5, "300 bits are five limbs"),
            }
        }
        let mut factors = Vec::new();
        let mut product = Natural::small(1, 1);
        for exponent in exponents {
            let base = Natural::random_below(&square, &mut rng);
            let expected = expected_power(&base, &exponent, &square);
            assert!(ring.leave(&power(&ring, &ring.enter(&base), &exponent)) == expected);
            assert!(ring.leave(&power_vartime(&ring, &ring.enter(&base), &exponent)) == expected);
            let combed = comb.power(&ring, &exponent).unwrap();
            assert!(ring.leave(&combed) == expected_power(&comb_base, &exponent, &square));
            product = expected_product(&product, &expected, &square);
            factors.push((ring.enter(&base), exponent));
        }
        assert!(ring.leave(&product_vartime(&ring, &factors)) == product);
    }
}

#[test]
fn impossible_moduli_are_refused() {
    assert!(Modulus::new(&Natural::small(0, 1)).is_none());
    assert!(Modulus::new(&Natural::small(1, 1)).is_none());
    assert!(Modulus::new(&Natural::small(8, 1)).is_none());
    assert!(Modulus::new(&Natural::from_limbs(vec![1; 49])).is_none());
    assert!(Square::new(&Natural::small(7, 1)).is_none(), "too many unused bits");
}
