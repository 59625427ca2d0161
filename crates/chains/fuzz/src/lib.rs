//! What holds for every payload that is read, whatever its kind.

use std::sync::LazyLock;

use keymoot_chains::{Inspection, Key, Kind, Payload, Signature, assemble, inspect};
use keymoot_types::Scheme;

/// Keys of the payloads in `vectors/payloads.json`, so that mutated ones are still about us.
const KEYS: [(Scheme, &str); 3] = [
    (Scheme::Dkls23, include_str!("../../vectors/keys/dkls23")),
    (Scheme::FrostTaproot, include_str!("../../vectors/keys/frost-taproot")),
    (Scheme::FrostEd25519, include_str!("../../vectors/keys/frost-ed25519")),
];

/// The chain code of them.
const CHAIN_CODE: [u8; 32] = [0x5c; 32];

/// The same, read once: that takes longer than to read most payloads.
static READ_KEYS: LazyLock<[Key; 3]> = LazyLock::new(|| {
    KEYS.map(|(scheme, public)| Key::new(scheme, &digits(public), CHAIN_CODE).expect("a key"))
});

/// Has the bytes read as this kind, with a key of each scheme, and checks what was read. What costs a verification is checked with
/// one of the keys, and the bytes say which.
pub fn read(kind: Kind, bytes: &[u8], check: impl Fn(&Inspection)) {
    let Ok(payload) = Payload::new(kind, bytes.to_vec()) else { return };
    let turn = bytes.iter().fold(0_usize, |sum, byte| sum.wrapping_add(usize::from(*byte))) % READ_KEYS.len();
    for (place, key) in READ_KEYS.iter().enumerate() {
        let Ok(inspection) = inspect(&payload, key) else { continue };
        assert!(!inspection.signings.is_empty(), "what is read is signed");
        check(&inspection);
        if place == turn {
            assert_eq!(inspect(&payload, key).as_ref(), Ok(&inspection), "the same is read each time");
            let nothing = vec![Signature([1; 64]); inspection.signings.len()];
            assert!(assemble(&payload, key, &nothing).is_err(), "a signature of nothing is put nowhere");
        }
    }
}

fn digits(text: &str) -> Vec<u8> {
    let pairs = text.trim().as_bytes().chunks(2);
    pairs
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).expect("digits"), 16).expect("digits"))
        .collect()
}
