//! Π^mod: N is a product of two primes that are 3 modulo 4, and is coprime with φ(N).
//!
//! For random y the prover shows an N-th root, and a fourth root of y up to the sign and a fixed w. The checks that w, the
//! roots and the challenges are units come first: with w = 0 and roots of 0 the equations hold for every N.

use rand_core::CryptoRngCore;
use zeroize::Zeroizing;

use super::super::factored::Side;
use super::super::montgomery::{Element, Modulus, Ring};
use super::super::number::Natural;
use super::super::paillier::{SecretKey, are_units};
use super::super::power::power_vartime;
use super::super::prime::{is_prime, jacobi_vartime};
use super::super::suite::{REPETITIONS, Suite};
use super::Words;
use crate::codec::{Malformed, Reader, Wire, Writer};
use crate::transcript::paillier::{Challenge, Place, Stream};

const NAME: &str = "mod/v1";

/// The proof.
#[derive(Clone, PartialEq, Eq)]
pub(in super::super) struct Proof {
    pub w: Natural,
    pub answers: Vec<Answer>,
}

/// One repetition: x^4 = (−1)^a·w^b·y and z^N = y.
#[derive(Clone, PartialEq, Eq)]
pub(in super::super) struct Answer {
    pub x: Natural,
    /// a + 2·b.
    pub signs: u8,
    pub z: Natural,
}

impl Proof {
    pub fn prove(place: &Place, key: &SecretKey, rng: &mut impl CryptoRngCore) -> Option<Self> {
        let (n, base) = (key.public().number(), key.public().base());
        let w = loop {
            let w = Natural::random_below(n, rng);
            if jacobi_vartime(&w, n) == -1 {
                break w;
            }
        };
        let mut stream = stream(place, n, &w);
        let mut answers = Vec::with_capacity(REPETITIONS);
        for _ in 0..REPETITIONS {
            let y = Natural::random_below(n, &mut stream);
            let z = Natural::clone(&*key.nth_root(&y)?);
            // Of y, −y, w·y and −w·y exactly one is a square modulo both primes.
            let (signs, x) = (0..4u8).find_map(|signs| {
                let square = signed(base, &base.enter(&y), signs, &w);
                let [p, q] = key.factored().sides();
                let square = base.leave(&square);
                let (root_p, root_q) = (fourth_root(p, &square)?, fourth_root(q, &square)?);
                let root = key.factored().combine(&root_p, &root_q);
                Some((signs, Natural::clone(&*root)))
            })?;
            answers.push(Answer { x, signs, z });
        }
        Some(Self { w, answers })
    }

    pub fn verify(&self, place: &Place, n: &Natural) -> bool {
        let Some(base) = Modulus::new(n) else { return false };
        let is_shaped =
            self.answers.len() == REPETITIONS && self.answers.iter().all(|answer| answer.signs < 4);
        if !is_shaped || n.bits_vartime() != base.number().bits_vartime() {
            return false;
        }
        let roots = self.answers.iter().flat_map(|answer| [&answer.x, &answer.z]);
        if !are_units(&base, n, roots.chain([&self.w])) || jacobi_vartime(&self.w, n) != -1 {
            return false;
        }
        let mut stream = stream(place, n, &self.w);
        // Whether it is composite is asked with bases that follow from the proof, so that all verifiers agree.
        if is_prime(n, &mut stream_of(place, n, &self.w, "mod/bases/v1")) {
            return false;
        }
        self.answers.iter().all(|answer| {
            let y = base.enter(&Natural::random_below(n, &mut stream));
            let x = base.enter(&answer.x);
            let squared = base.times(&x, &x);
            base.times(&squared, &squared) == signed(&base, &y, answer.signs, &self.w)
                && power_vartime(&base, &base.enter(&answer.z), n) == y
        })
    }

    pub const fn encoded_max(suite: Suite) -> usize {
        REPETITIONS * (2 * suite.modulus_bits() / 8 + 28) + suite.modulus_bits() / 8 + 32
    }
}

/// (−1)^a·w^b·y.
fn signed(base: &Modulus, y: &[u64], signs: u8, w: &Natural) -> Element {
    let with_w = if signs & 2 == 2 { base.times(y, &base.enter(w)) } else { Zeroizing::new(y.to_vec()) };
    if signs & 1 == 1 { base.enter(&base.negated(&base.leave(&with_w))) } else { with_w }
}

/// A fourth root modulo a prime that is 3 modulo 4, if the number is a square.
fn fourth_root(side: &Side, number: &Natural) -> Option<Zeroizing<Natural>> {
    // y^((p+1)/4) is a root of a square y, and a square itself: so twice.
    let exponent = Zeroizing::new(side.prime.expose().plus(&Natural::small(1, 1)).halved().halved());
    let exponent = Zeroizing::new(exponent.resized(side.modulus.width()));
    let root = side.power(&side.power(number, &exponent), &exponent);
    let entered = side.modulus.enter(&root);
    let squared = side.modulus.times(&entered, &entered);
    let is_root = side.modulus.times(&squared, &squared) == side.modulus.enter(number);
    is_root.then_some(root)
}

pub(in super::super) fn stream(place: &Place, n: &Natural, w: &Natural) -> Stream {
    stream_of(place, n, w, NAME)
}

fn stream_of(place: &Place, n: &Natural, w: &Natural, proof: &'static str) -> Stream {
    let (statement, commitment) = (Words::new().numbers([n]), Words::new().numbers([w]));
    Challenge { proof, place, statement: &statement.0, commitment: &commitment.0 }.stream()
}

impl Wire for Proof {
    fn write(&self, writer: &mut Writer) {
        self.w.write(writer);
        writer.list(self.answers.iter(), |writer, answer| {
            answer.x.write(writer);
            writer.uint(u64::from(answer.signs));
            answer.z.write(writer);
        });
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let w = Natural::read(reader)?;
        let answers = reader.list(REPETITIONS, |reader| {
            let x = Natural::read(reader)?;
            let signs = u8::try_from(reader.uint()?).map_err(|_| Malformed::Choice)?;
            if signs > 3 {
                return Err(Malformed::Choice);
            }
            Ok(Answer { x, signs, z: Natural::read(reader)? })
        })?;
        if answers.len() == REPETITIONS { Ok(Self { w, answers }) } else { Err(Malformed::WrongLength) }
    }
}
