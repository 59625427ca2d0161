//! How long a lease holds.

/// The longest lease: a day. Whoever is silent for longer is gone.
pub const TTL_MAX_MS: u64 = 24 * 60 * 60 * 1000;

/// A time to live in milliseconds, between 1 and [`TTL_MAX_MS`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ttl(u64);

/// The number is not a time to live.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a lease lasts between 1 ms and a day; {0} ms is outside")]
pub struct TtlError(pub u64);

impl Ttl {
    /// A time to live of so many milliseconds.
    ///
    /// # Errors
    /// A lease that has lapsed at once, or that is longer than a day.
    pub const fn new(milliseconds: u64) -> Result<Self, TtlError> {
        match milliseconds {
            1..=TTL_MAX_MS => Ok(Self(milliseconds)),
            _ => Err(TtlError(milliseconds)),
        }
    }

    /// The milliseconds.
    #[must_use]
    pub const fn milliseconds(self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_lasts_between_a_moment_and_a_day() {
        assert_eq!(Ttl::new(0), Err(TtlError(0)));
        assert_eq!(Ttl::new(TTL_MAX_MS).map(Ttl::milliseconds), Ok(86_400_000));
        assert!(Ttl::new(TTL_MAX_MS + 1).is_err());
    }
}
