//! Epochs of a key, and derivation paths below it.

use std::fmt;
use std::str::FromStr;

/// Which sharing of a key is meant. Refresh and reshare move on by one; numbers are never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Epoch(pub u64);

impl Epoch {
    /// The epoch in which key generation leaves a key.
    pub const FIRST: Self = Self(0);
}

/// A BIP-32 path of non-hardened steps below the key, such as `m/0/7`. `m` alone is the key itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Path(Vec<u32>);

/// BIP-32 counts the depth in one byte.
pub const PATH_DEPTH_MAX: usize = 255;

/// The lowest index that BIP-32 reserves for hardened derivation.
pub const HARDENED: u32 = 1 << 31;

/// Why a path was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// Hardened steps need the whole private key in one place.
    #[error(
        "hardened step `{0}` is refused: it hashes the private key itself, which no place holds here; derive below the key's own xpub with non-hardened steps, or create a separate key"
    )]
    Hardened(String),
    /// Not a path.
    #[error("`{0}` is no derivation path; write it as m/0/7")]
    Syntax(String),
    /// A step beyond what BIP-32 numbers.
    #[error("step `{0}` is too large: steps go from 0 to 2147483647")]
    TooLarge(String),
    /// More steps than BIP-32 can number.
    #[error("a derivation path has at most 255 steps, this one has {0}")]
    TooDeep(usize),
}

impl Path {
    /// The key itself.
    #[must_use]
    pub const fn root() -> Self {
        Self(Vec::new())
    }

    /// A path of these steps.
    ///
    /// # Errors
    /// A step of 2³¹ or more is hardened; more than 255 steps are too deep.
    pub fn new(steps: Vec<u32>) -> Result<Self, PathError> {
        if steps.len() > PATH_DEPTH_MAX {
            return Err(PathError::TooDeep(steps.len()));
        }
        match steps.iter().find(|step| **step >= HARDENED) {
            Some(step) => Err(PathError::Hardened(format!("{}'", step - HARDENED))),
            None => Ok(Self(steps)),
        }
    }

    /// The steps, each below 2³¹.
    #[must_use]
    pub fn steps(&self) -> &[u32] {
        &self.0
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("m")?;
        self.0.iter().try_for_each(|step| write!(f, "/{step}"))
    }
}

impl FromStr for Path {
    type Err = PathError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut parts = text.split('/');
        if parts.next() != Some("m") {
            return Err(PathError::Syntax(text.to_owned()));
        }
        let steps = parts.map(|part| step(part, text)).collect::<Result<Vec<_>, _>>()?;
        Self::new(steps)
    }
}

fn step(part: &str, whole: &str) -> Result<u32, PathError> {
    if part.ends_with(['\'', 'h', 'H']) {
        return Err(PathError::Hardened(part.to_owned()));
    }
    if part.is_empty() || !part.bytes().all(|digit| digit.is_ascii_digit()) {
        return Err(PathError::Syntax(whole.to_owned()));
    }
    part.parse().map_err(|_| PathError::TooLarge(part.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::{Path, PathError};

    #[test]
    fn a_path_prints_as_it_is_written() {
        for text in ["m", "m/0", "m/0/7/2147483647"] {
            assert_eq!(text.parse::<Path>().unwrap().to_string(), text);
        }
        assert_eq!("m".parse(), Ok(Path::root()));
    }

    #[test]
    fn hardened_steps_are_refused_with_an_explanation() {
        for text in ["m/0'", "m/44h/0", "m/1H", "m/2147483648"] {
            let error = text.parse::<Path>().unwrap_err();
            assert!(matches!(error, PathError::Hardened(_)), "{text}: {error}");
            assert!(error.to_string().contains("private key"), "{error}");
        }
    }

    #[test]
    fn nonsense_is_no_path() {
        for text in ["", "0/1", "m/", "m//1", "m/-1", "m/+1", "m/ 1", "m/x", "M/0"] {
            assert!(matches!(text.parse::<Path>(), Err(PathError::Syntax(_))), "{text}");
        }
        let large = "m/4294967296".parse::<Path>().unwrap_err();
        assert_eq!(large, PathError::TooLarge("4294967296".into()));
        assert_eq!(Path::new(vec![0; 256]), Err(PathError::TooDeep(256)));
        assert!(Path::new(vec![0; 255]).is_ok());
    }
}
