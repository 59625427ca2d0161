//! Typed data of EIP-712.
#![no_main]

use keymoot_chains::Kind;
use keymoot_chains_fuzz::read;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| read(Kind::EvmTypedData, bytes, |inspection| {
    assert_eq!(inspection.signings[0].bytes.len(), 66);
}));
