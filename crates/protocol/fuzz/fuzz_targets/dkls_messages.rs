//! The messages and the durable state of DKLs23. Those with a minimum length beyond a fuzzer's reach are in
//! `dkls_long.rs`.
#![no_main]

use keymoot_protocol::codec::Wire;
use keymoot_protocol::dkls23::presign::{Commit, Confirm, Hello, Open, Replies};
use keymoot_protocol::dkls23::setup::{Confirmation, Correction, Done, Half, Offers};
use keymoot_protocol::dkls23::sign::{Approval, Share};
use keymoot_protocol::dkls23::{Bans, Ledger, Presignature, Public, Tombstone};
use libfuzzer_sys::fuzz_target;

/// Whatever decodes is the one canonical encoding of what it decodes to.
fn canonical<T: Wire>(bytes: &[u8]) {
    if let Ok(value) = T::decode(bytes) {
        assert_eq!(value.encode().as_slice(), bytes);
    }
}

fuzz_target!(|bytes: &[u8]| {
    canonical::<Offers>(bytes);
    canonical::<Half>(bytes);
    canonical::<Correction>(bytes);
    canonical::<Confirmation>(bytes);
    canonical::<Done>(bytes);
    canonical::<Hello>(bytes);
    canonical::<Commit>(bytes);
    canonical::<Open>(bytes);
    canonical::<Replies>(bytes);
    canonical::<Confirm>(bytes);
    canonical::<Approval>(bytes);
    canonical::<Share>(bytes);
    canonical::<Public>(bytes);
    canonical::<Tombstone>(bytes);
    canonical::<Ledger>(bytes);
    canonical::<Bans>(bytes);
    if let Ok(presignature) = Presignature::unseal(bytes) {
        assert_eq!(presignature.seal().as_slice(), bytes);
    }
});
