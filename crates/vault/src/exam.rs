//! What everything that wraps data keys has to do. Each implementation sits this exam.

use rand_core::CryptoRngCore;

use crate::seal::{Wrap, Wrapped};

/// Sits the whole exam. `other` must be of the same kind with another key.
///
/// # Panics
/// Where an answer is wrong.
pub fn wrap(wrap: &dyn Wrap, other: &dyn Wrap, rng: &mut dyn CryptoRngCore) {
    let mut key = [0; 32];
    rng.fill_bytes(&mut key);
    let wrapped = wrap.wrap(b"for this", &key, rng).expect("it wraps");
    assert_eq!(wrap.unwrap(b"for this", &wrapped).as_deref(), Some(&key), "what was wrapped comes back");
    assert!(wrap.unwrap(b"for that", &wrapped).is_none(), "for what it was wrapped only");
    assert!(other.unwrap(b"for this", &wrapped).is_none(), "by what it was wrapped only");
    let again = wrap.wrap(b"for this", &key, rng).expect("it wraps");
    assert!(wrapped != again, "never twice alike");
    let holds_key = wrapped.0.windows(8).any(|window| key.windows(8).any(|part| part == window));
    assert!(!holds_key, "the key is not to be seen");
    for place in 0..wrapped.0.len() {
        let mut bent = wrapped.clone();
        bent.0[place] ^= 1;
        assert!(wrap.unwrap(b"for this", &bent).is_none(), "byte {place} was changed");
        let short = Wrapped(wrapped.0[..place].to_vec());
        assert!(wrap.unwrap(b"for this", &short).is_none(), "only {place} bytes are left");
    }
}
