//! The messages of key generation on both curves.
#![no_main]

use keymoot_protocol::codec::Wire;
use keymoot_protocol::curve::{Ed25519, Secp256k1};
use keymoot_protocol::dkg::{Certify, Commit, Opening, Proofs, Share};
use keymoot_protocol::machine::Hello;
use libfuzzer_sys::fuzz_target;

/// Whatever decodes is the one canonical encoding of what it decodes to.
fn canonical<T: Wire>(bytes: &[u8]) {
    if let Ok(value) = T::decode(bytes) {
        assert_eq!(value.encode().as_slice(), bytes);
    }
}

fuzz_target!(|bytes: &[u8]| {
    canonical::<Hello>(bytes);
    canonical::<Commit>(bytes);
    canonical::<Opening<Secp256k1>>(bytes);
    canonical::<Opening<Ed25519>>(bytes);
    canonical::<Share<Secp256k1>>(bytes);
    canonical::<Share<Ed25519>>(bytes);
    canonical::<Proofs<Secp256k1>>(bytes);
    canonical::<Proofs<Ed25519>>(bytes);
    canonical::<Certify>(bytes);
});
