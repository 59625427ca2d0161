//! What holds for every payload that is read, whatever its kind.

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

/// Has the bytes read as this kind, with a key of each scheme, and checks what was read.
pub fn read(kind: Kind, bytes: &[u8], check: impl Fn(&Inspection)) {
    let Ok(payload) = Payload::new(kind, bytes.to_vec()) else { return };
    for (scheme, public) in KEYS {
        let key = Key::new(scheme, &digits(public), CHAIN_CODE).expect("a key");
        let Ok(inspection) = inspect(&payload, &key) else { continue };
        assert!(!inspection.signings.is_empty(), "what is read is signed");
        assert_eq!(inspect(&payload, &key).as_ref(), Ok(&inspection), "the same is read each time");
        let nothing = vec![Signature([1; 64]); inspection.signings.len()];
        assert!(assemble(&payload, &key, &nothing).is_err(), "a signature of nothing is put nowhere");
        check(&inspection);
    }
}

fn digits(text: &str) -> Vec<u8> {
    let pairs = text.trim().as_bytes().chunks(2);
    pairs.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).expect("digits"), 16).expect("digits")).collect()
}
