//! The messages and the durable state of GG20.
#![no_main]

use keymoot_protocol::codec::Wire;
use keymoot_protocol::gg20::auxiliary::{Commit, Parameters, Proofs, Signed};
use keymoot_protocol::gg20::presign::{AffineProofs, Closing, EncryptionProofs, Offers, Shares, Sums};
use keymoot_protocol::gg20::sign::SignatureShare;
use keymoot_protocol::gg20::{Natural, Presignature, Public, Written};
use libfuzzer_sys::fuzz_target;

/// Whatever decodes is the one canonical encoding of what it decodes to.
fn canonical<T: Wire>(bytes: &[u8]) {
    if let Ok(value) = T::decode(bytes) {
        assert_eq!(value.encode().as_slice(), bytes);
    }
}

fuzz_target!(|bytes: &[u8]| {
    canonical::<Natural>(bytes);
    canonical::<Commit>(bytes);
    canonical::<Parameters>(bytes);
    canonical::<Proofs>(bytes);
    canonical::<Signed>(bytes);
    canonical::<Written>(bytes);
    canonical::<Offers>(bytes);
    canonical::<EncryptionProofs>(bytes);
    canonical::<Shares>(bytes);
    canonical::<AffineProofs>(bytes);
    canonical::<Sums>(bytes);
    canonical::<Closing>(bytes);
    canonical::<Public>(bytes);
    canonical::<SignatureShare>(bytes);
    if let Ok(presignature) = Presignature::unseal(bytes) {
        assert_eq!(presignature.seal().as_slice(), bytes);
    }
});
