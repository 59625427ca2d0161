//! An unsigned Ethereum transaction is signed as it came, or not at all.
#![no_main]

use keymoot_chains::Kind;
use keymoot_chains_fuzz::read;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| read(Kind::EvmTx, bytes, |inspection| {
    assert_eq!(inspection.signings[0].bytes, bytes);
}));
