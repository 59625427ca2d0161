//! A partially signed Bitcoin transaction, of either version.
#![no_main]

use keymoot_chains::Kind;
use keymoot_chains_fuzz::read;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| read(Kind::BtcPsbt, bytes, |inspection| {
    assert!(inspection.facts.fee_max.is_some(), "a fee that nobody knows is not paid");
}));
