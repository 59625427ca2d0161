//! What people type: paths, identifiers, schemes, extended public keys.
#![no_main]

use keymoot_protocol::derive::ExtendedPublic;
use keymoot_types::{KeyId, Path, Scheme};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(path) = text.parse::<Path>() {
        assert_eq!(path.to_string().parse(), Ok(path));
    }
    if let Ok(key) = text.parse::<KeyId>() {
        assert_eq!(key.to_string(), text);
    }
    if let Ok(scheme) = text.parse::<Scheme>() {
        assert_eq!(scheme.name(), text);
    }
    if let Some(key) = ExtendedPublic::from_xpub(text) {
        assert_eq!(key.to_xpub(), text);
    }
});
