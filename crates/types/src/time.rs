//! Time as an argument: the pure crates never read a clock.

/// Milliseconds since an epoch that only the caller knows; comparable within one process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Millis(pub u64);

impl Millis {
    /// This instant plus `milliseconds`, at the latest the end of time.
    #[must_use]
    pub const fn plus(self, milliseconds: u64) -> Self {
        Self(self.0.saturating_add(milliseconds))
    }
}

#[cfg(test)]
mod tests {
    use super::Millis;

    #[test]
    fn the_end_of_time_does_not_wrap() {
        assert_eq!(Millis(u64::MAX).plus(5), Millis(u64::MAX));
        assert!(Millis(1).plus(2) > Millis(2));
    }
}
