//! Π^prm: s is a power of t modulo N̂. Each of 128 repetitions has a challenge of one bit: with larger ones, elements of
//! small order would get past it.

use keymoot_types::Secret;
use rand_core::CryptoRngCore;
use zeroize::Zeroizing;

use super::super::montgomery::Ring;
use super::super::number::{LIMB, Natural};
use super::super::pedersen::{Pedersen, Trapdoor};
use super::super::power::Comb;
use super::super::suite::{REPETITIONS, Suite};
use super::{Words, challenge_bits};
use crate::codec::{Malformed, Reader, Wire, Writer};
use crate::transcript::paillier::Place;

const NAME: &str = "prm/v1";

/// The proof: A and z of each repetition.
#[derive(Clone, PartialEq, Eq)]
pub(in super::super) struct Proof(pub Vec<(Natural, Natural)>);

impl Proof {
    pub fn prove(
        place: &Place,
        setup: &Pedersen,
        trapdoor: &Trapdoor,
        rng: &mut impl CryptoRngCore,
    ) -> Option<Self> {
        let order = trapdoor.factored.totient();
        let masks: Vec<_> =
            (0..REPETITIONS).map(|_| Secret::new(Natural::random_below(&order, rng))).collect();
        let mut commitments = Vec::with_capacity(REPETITIONS);
        for mask in &masks {
            commitments.push(Natural::clone(&*trapdoor.factored.power(setup.t(), mask.expose())?));
        }
        let bits = challenge(place, setup, &commitments);
        let responses = commitments.into_iter().zip(&masks).enumerate().map(|(at, (commitment, mask))| {
            let taken = Natural::small(bit(bits, at), 1);
            let product = Zeroizing::new(trapdoor.lambda.expose().times(&taken));
            let sum = Zeroizing::new(mask.expose().plus(&product));
            sum.divided(&order).map(|(_, z)| (commitment, z))
        });
        responses.collect::<Option<_>>().map(Self)
    }

    pub fn verify(&self, place: &Place, setup: &Pedersen) -> bool {
        let fits = |z: &Natural| z.bits_vartime() <= setup.number().bits_vartime();
        let commitments: Vec<_> = self.0.iter().map(|(commitment, _)| commitment.clone()).collect();
        if self.0.len() != REPETITIONS
            || !self.0.iter().all(|(_, z)| fits(z))
            || !setup.are_elements(&commitments)
        {
            return false;
        }
        let bits = challenge(place, setup, &commitments);
        let modulus = setup.modulus();
        let comb = Comb::new(modulus, &setup.enter(setup.t()), modulus.width().saturating_mul(LIMB));
        let s = setup.enter(setup.s());
        self.0.iter().enumerate().all(|(at, (commitment, z))| {
            let Some(left) = comb.power(modulus, z) else { return false };
            let commitment = setup.enter(commitment);
            left == if bit(bits, at) == 1 { modulus.times(&commitment, &s) } else { commitment }
        })
    }

    pub const fn encoded_max(suite: Suite) -> usize {
        REPETITIONS * (2 * suite.modulus_bits() / 8 + 18) + 16
    }
}

/// The challenge of one repetition.
pub(super) const fn bit(bits: u128, at: usize) -> u64 {
    if bits >> (at % 128) & 1 == 1 { 1 } else { 0 }
}

fn challenge(place: &Place, setup: &Pedersen, commitments: &[Natural]) -> u128 {
    challenge_bits(NAME, place, &Words::new().setup(setup), &Words::new().numbers(commitments))
}

impl Wire for Proof {
    fn write(&self, writer: &mut Writer) {
        writer.list(self.0.iter(), |writer, (commitment, z)| {
            commitment.write(writer);
            z.write(writer);
        });
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let all = reader.list(REPETITIONS, |reader| Ok((Natural::read(reader)?, Natural::read(reader)?)))?;
        if all.len() == REPETITIONS { Ok(Self(all)) } else { Err(Malformed::WrongLength) }
    }
}
