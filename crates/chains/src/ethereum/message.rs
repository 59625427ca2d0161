//! Personal messages, EIP-191 version 0x45.

use super::account;
use crate::chain::Detail;
use crate::facts::{Danger, Facts};
use crate::inspection::{Inspection, Prehash, Unreadable};
use crate::key::Key;
use crate::payload::Payload;
use crate::plain::{MessageFacts, signing};

pub(super) fn inspect(payload: &Payload, key: &Key) -> Result<Inspection, Unreadable> {
    let message = payload.bytes();
    let prefix = format!("\x19Ethereum Signed Message:\n{}", message.len());
    let bytes = [prefix.as_bytes(), message].concat();
    let signing = signing(key, payload.kind(), Prehash::Keccak256, bytes)?;
    let signer = account::address(key).unwrap_or_default();
    let mut facts = Facts::quiet(Detail::EvmMessage(MessageFacts::of(message, signer)));
    // A Safe takes a personal message of 32 bytes for approval of the transaction with that hash.
    if message.len() == 32 || is_hex_of_digest(message) {
        facts.dangers.insert(Danger::DigestAsMessage);
    }
    Ok(Inspection { kind: payload.kind(), signings: vec![signing], facts })
}

fn is_hex_of_digest(message: &[u8]) -> bool {
    let digits = message.strip_prefix(b"0x").unwrap_or(message);
    digits.len() == 64 && digits.iter().all(u8::is_ascii_hexdigit)
}
