//! The messages of signing in both suites.
#![no_main]

use keymoot_protocol::codec::Wire;
use keymoot_protocol::curve::{Ed25519, Secp256k1};
use keymoot_protocol::frost::{Commitments, SignatureShare};
use libfuzzer_sys::fuzz_target;

/// Whatever decodes is the one canonical encoding of what it decodes to.
fn canonical<T: Wire>(bytes: &[u8]) {
    if let Ok(value) = T::decode(bytes) {
        assert_eq!(value.encode().as_slice(), bytes);
    }
}

fuzz_target!(|bytes: &[u8]| {
    canonical::<Commitments<Secp256k1>>(bytes);
    canonical::<Commitments<Ed25519>>(bytes);
    canonical::<SignatureShare<Secp256k1>>(bytes);
    canonical::<SignatureShare<Ed25519>>(bytes);
});
