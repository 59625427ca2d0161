//! Echoes: lists of what everybody is said to have signed.
#![no_main]

use keymoot_protocol::codec::Wire;
use keymoot_protocol::echo::Echo;
use libfuzzer_sys::fuzz_target;

/// Whatever decodes is the one canonical encoding of what it decodes to.
fn canonical<T: Wire>(bytes: &[u8]) {
    if let Ok(value) = T::decode(bytes) {
        assert_eq!(value.encode().as_slice(), bytes);
    }
}

fuzz_target!(|bytes: &[u8]| canonical::<Echo>(bytes));
