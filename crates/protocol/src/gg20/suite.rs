//! The parameters that all proofs depend on. They are constants: there is no way to run with others.

mod small;

use crate::transcript::Hash;
use crate::transcript::Transcript;
use crate::transcript::paillier::SuiteName;

/// A set of parameters; every transcript of a proof names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Suite {
    /// 128 bits of security: moduli of 3072 bits.
    Full,
    /// Moduli that anybody can factor, so that tests are quick. Exists in tests of unoptimised builds only.
    #[cfg(all(feature = "small-parameters", debug_assertions))]
    Small,
}

/// Lengths in bits.
pub(super) struct Lengths {
    /// Of every modulus; of its two primes half as many each.
    pub modulus: usize,
    /// ℓ′: of the number that hides a product of two scalars.
    pub mask: usize,
    /// ε: of what hides a secret in a proof, beyond the secret's own length.
    pub slack: usize,
}

/// ℓ: bits of a scalar.
pub(super) const SCALAR: usize = 256;

/// Bits of a challenge in proofs about integers.
pub(super) const CHALLENGE: usize = 128;

/// Repetitions of the proofs whose challenges are single bits or have one chance in two.
pub(super) const REPETITIONS: usize = 128;

const FULL: Lengths = Lengths { modulus: 3072, mask: 1280, slack: 512 };

/// What the proofs need: masks hide, and nothing wraps around half a modulus.
const fn is_sound(lengths: &Lengths, statistical: usize) -> bool {
    let hides_secret = lengths.slack >= CHALLENGE + statistical;
    let hides_product = lengths.mask >= 2 * SCALAR + statistical;
    let largest_mask = lengths.mask + lengths.slack + 1;
    let largest_product = 2 * (SCALAR + lengths.slack) + 1;
    hides_secret
        && hides_product
        && largest_mask + 1 < lengths.modulus
        && largest_product + 1 < lengths.modulus
}

const _: () = assert!(is_sound(&FULL, 256), "128 bits with room");
// Of k no more is proven than that it is below 2^(ℓ+ε). A mask has to hide what is multiplied with the largest.
const _: () =
    assert!(FULL.mask >= 2 * SCALAR + FULL.slack + 256, "products with a k of nobody honest are hidden, too");

impl Suite {
    /// All that this build knows.
    pub const ALL: &[Self] = &[
        Self::Full,
        #[cfg(all(feature = "small-parameters", debug_assertions))]
        Self::Small,
    ];

    pub(super) const fn lengths(self) -> &'static Lengths {
        match self {
            Self::Full => &FULL,
            #[cfg(all(feature = "small-parameters", debug_assertions))]
            Self::Small => &small::SMALL,
        }
    }

    /// Its name in transcripts.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Full => "gg20/3072/256/1280/512/128/128/v1",
            #[cfg(all(feature = "small-parameters", debug_assertions))]
            Self::Small => "gg20/small/v1",
        }
    }

    /// The digest that stands for it in a context.
    #[must_use]
    pub fn digest(self) -> Hash {
        SuiteName(self.name()).digest()
    }

    /// The suite of this digest.
    #[must_use]
    pub fn of(digest: &Hash) -> Option<Self> {
        Self::ALL.iter().copied().find(|suite| suite.digest() == *digest)
    }

    /// Bits of a modulus.
    #[must_use]
    pub const fn modulus_bits(self) -> usize {
        self.lengths().modulus
    }

    /// Bits of the primes of a modulus.
    #[must_use]
    pub const fn prime_bits(self) -> usize {
        self.lengths().modulus / 2
    }

    /// ℓ + ε: the bound on what a proof shows of a scalar.
    pub(super) const fn scalar_range(self) -> usize {
        SCALAR + self.lengths().slack
    }

    /// ℓ′ + ε: the bound on what a proof shows of the mask of a product.
    pub(super) const fn mask_range(self) -> usize {
        self.lengths().mask + self.lengths().slack
    }

    /// The exponent that hides a committed number.
    pub(super) const fn blind(self) -> usize {
        SCALAR + self.lengths().modulus
    }

    /// The exponent that hides the mask of a committed number.
    pub(super) const fn blind_range(self) -> usize {
        self.scalar_range() + self.lengths().modulus
    }
}
