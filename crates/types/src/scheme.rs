//! Which signature scheme a key serves. One key serves one scheme, for its whole life.

use std::fmt;
use std::str::FromStr;

/// A threshold signature scheme, named as on the command line and in every stored record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scheme {
    /// FROST(Ed25519, SHA-512) of RFC 9591; signatures verify under RFC 8032.
    FrostEd25519,
    /// FROST over secp256k1 for BIP-340 signatures under a BIP-341 output key.
    FrostTaproot,
    /// Threshold ECDSA over secp256k1 by oblivious transfer (Doerner, Kondi, Lee, shelat 2023).
    Dkls23,
    /// Threshold ECDSA over secp256k1 from Paillier encryption: GG20 with the proofs of CGGMP24. Nothing serves it that was
    /// not told to.
    Gg20,
}

/// The group a scheme computes in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CurveName {
    /// The prime-order subgroup of edwards25519.
    Ed25519,
    /// secp256k1 of SEC 2.
    Secp256k1,
}

impl Scheme {
    /// All schemes, in the order in which they are listed to people.
    pub const ALL: [Self; 4] = [Self::FrostTaproot, Self::FrostEd25519, Self::Dkls23, Self::Gg20];

    /// Those that are served by everything that was not told otherwise.
    pub const USUAL: [Self; 3] = [Self::FrostTaproot, Self::FrostEd25519, Self::Dkls23];

    /// The name people type.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::FrostEd25519 => "frost-ed25519",
            Self::FrostTaproot => "frost-taproot",
            Self::Dkls23 => "dkls23",
            Self::Gg20 => "gg20",
        }
    }

    /// Whether its signatures are made with presignatures, which are for exactly as many signers as are needed.
    #[must_use]
    pub const fn presigns(self) -> bool {
        match self {
            Self::FrostEd25519 | Self::FrostTaproot => false,
            Self::Dkls23 | Self::Gg20 => true,
        }
    }

    /// Whether its presignatures are made with a table of moduli, which a committee makes once for all keys.
    #[must_use]
    pub const fn has_moduli(self) -> bool {
        match self {
            Self::FrostEd25519 | Self::FrostTaproot | Self::Dkls23 => false,
            Self::Gg20 => true,
        }
    }

    /// The curve the keys of this scheme live on.
    #[must_use]
    pub const fn curve(self) -> CurveName {
        match self {
            Self::FrostEd25519 => CurveName::Ed25519,
            Self::FrostTaproot | Self::Dkls23 | Self::Gg20 => CurveName::Secp256k1,
        }
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The name is not one of [`Scheme::ALL`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown scheme `{0}`; known schemes: frost-taproot, frost-ed25519, dkls23, gg20")]
pub struct UnknownScheme(pub String);

impl FromStr for Scheme {
    type Err = UnknownScheme;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|scheme| scheme.name() == text)
            .ok_or_else(|| UnknownScheme(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::{CurveName, Scheme};

    #[test]
    fn every_scheme_parses_its_own_name_and_nothing_else() {
        for scheme in Scheme::ALL {
            assert_eq!(scheme.to_string().parse(), Ok(scheme));
        }
        let error = "rsa".parse::<Scheme>().unwrap_err();
        for scheme in Scheme::ALL {
            assert!(error.to_string().contains(scheme.name()), "the error lists {scheme}");
        }
    }

    #[test]
    fn schemes_know_their_curve() {
        assert_eq!(Scheme::FrostEd25519.curve(), CurveName::Ed25519);
        assert_eq!(Scheme::FrostTaproot.curve(), CurveName::Secp256k1);
        assert_eq!(Scheme::Gg20.curve(), CurveName::Secp256k1);
    }

    #[test]
    fn what_is_usual_is_known_and_gg20_is_not_usual() {
        let unusual: Vec<_> = Scheme::ALL.into_iter().filter(|one| !Scheme::USUAL.contains(one)).collect();
        assert_eq!(unusual, [Scheme::Gg20]);
        assert!(Scheme::Gg20.presigns());
    }
}
