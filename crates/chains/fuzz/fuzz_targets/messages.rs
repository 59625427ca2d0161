//! Messages of each chain and of none, all of the same bytes: none is signed as another.
#![no_main]

use std::cell::RefCell;
use std::collections::BTreeSet;

use keymoot_chains::Kind;
use keymoot_chains_fuzz::read;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let signed = RefCell::new(BTreeSet::new());
    for kind in [Kind::EvmMessage, Kind::BtcMessage, Kind::Message] {
        read(kind, bytes, |inspection| {
            let one = &inspection.signings[0];
            let is_new = signed.borrow_mut().insert((one.verifies_under.clone(), one.message()));
            assert!(is_new, "{}", kind.name());
        });
    }
});
