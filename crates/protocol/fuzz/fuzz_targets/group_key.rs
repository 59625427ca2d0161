//! Public key packages and committees, and the check of their certificates.
#![no_main]

use keymoot_protocol::codec::Wire;
use keymoot_protocol::context::Committee;
use keymoot_protocol::curve::{Ed25519, Secp256k1};
use keymoot_protocol::key::GroupKey;
use libfuzzer_sys::fuzz_target;

/// Whatever decodes is the one canonical encoding of what it decodes to.
fn canonical<T: Wire>(bytes: &[u8]) {
    if let Ok(value) = T::decode(bytes) {
        assert_eq!(value.encode().as_slice(), bytes);
    }
}

fuzz_target!(|bytes: &[u8]| {
    canonical::<Committee>(bytes);
    canonical::<GroupKey<Secp256k1>>(bytes);
    canonical::<GroupKey<Ed25519>>(bytes);
    if let Ok(key) = GroupKey::<Secp256k1>::decode(bytes) {
        let _ = key.verify(&key.committee);
    }
});
