//! Accusations: decoding, and a judge who must come to a verdict on anything.
#![no_main]

use std::sync::{Arc, LazyLock};

use keymoot_protocol::abort::Blame;
use keymoot_protocol::codec::Wire;
use keymoot_protocol::context::{Committee, Context};
use keymoot_protocol::curve::Ed25519;
use keymoot_protocol::dkg::{self, Dkg};
use keymoot_protocol::evidence::{Evidence, judge};
use keymoot_protocol::identity::IdentityKey;
use keymoot_types::{GroupId, KeyId, Scheme, SessionId, Threshold};
use libfuzzer_sys::fuzz_target;

static CONTEXT: LazyLock<Context> = LazyLock::new(|| {
    let threshold = Threshold::new(2, 3).expect("2-of-3");
    let member =
        |party: keymoot_types::Party| (party, IdentityKey::from_seed([party.index() as u8; 32]).public());
    let members = threshold.parties().map(member).collect();
    {
        let committee =
            Arc::new(Committee::new(GroupId::new([1; 16]), threshold, members).expect("a committee"));
        dkg::context(committee, Scheme::FrostEd25519, KeyId::new([2; 16]), SessionId::new([0; 16]))
    }
});

/// Whatever decodes is the one canonical encoding of what it decodes to.
fn canonical<T: Wire>(bytes: &[u8]) {
    if let Ok(value) = T::decode(bytes) {
        assert_eq!(value.encode().as_slice(), bytes);
    }
}

fuzz_target!(|bytes: &[u8]| {
    canonical::<Evidence>(bytes);
    canonical::<Blame>(bytes);
    if let Ok(blame) = Blame::decode(bytes) {
        assert!(judge::<Dkg<Ed25519>>(&CONTEXT, &blame).is_err(), "nobody has signed anything");
    }
});
