//! A home for one secret value: zeroised when dropped, impossible to print, copy or serialise by accident.
//!
//! Refuses on purpose: `Clone`, `Copy`, `Debug`, `Display`, `PartialEq`, any serialisation. Reading the value
//! takes an explicit [`Secret::expose`], so that every use can be found with one search.
//!
//! ```compile_fail
//! let secret = keymoot_types::Secret::new([1u8; 32]);
//! let copy = secret.clone();
//! ```
//! ```compile_fail
//! let secret = keymoot_types::Secret::new([1u8; 32]);
//! println!("{secret:?}");
//! ```
//! ```
//! let secret = keymoot_types::Secret::new([1u8; 32]);
//! assert_eq!(secret.expose()[0], 1);
//! ```

use zeroize::Zeroize;

/// One secret value, kept on the heap so that moving the wrapper leaves no copy behind.
pub struct Secret<T: Zeroize>(Box<T>);

impl<T: Zeroize> Secret<T> {
    /// Takes ownership of `value`.
    pub fn new(value: T) -> Self {
        Self(Box::new(value))
    }

    /// The value, for the one computation that needs it.
    #[must_use]
    pub fn expose(&self) -> &T {
        &self.0
    }

    /// The value, to be changed in place.
    pub fn expose_mut(&mut self) -> &mut T {
        &mut self.0
    }
}

impl<T: Zeroize> Drop for Secret<T> {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

#[cfg(test)]
mod tests {
    use super::Secret;

    static_assertions::assert_not_impl_any!(Secret<[u8; 32]>: Clone, Copy, std::fmt::Debug, std::fmt::Display, PartialEq);

    struct Probe<'a>(&'a std::cell::Cell<bool>);
    impl zeroize::Zeroize for Probe<'_> {
        fn zeroize(&mut self) {
            self.0.set(true);
        }
    }

    #[test]
    fn secret_is_zeroised_when_dropped() {
        let wiped = std::cell::Cell::new(false);
        drop(Secret::new(Probe(&wiped)));
        assert!(wiped.get());
    }

    #[test]
    fn secret_can_be_changed_in_place() {
        let mut secret = Secret::new([0u8; 2]);
        secret.expose_mut()[1] = 7;
        assert_eq!(secret.expose(), &[0, 7]);
    }
}
