//! Hashes whose format Bitcoin defines: BIP-32 child derivation, hash160, BIP-340 tagged hashes.

use hmac::{Hmac, Mac};
use ripemd::Ripemd160;
use sha2::{Digest as _, Sha256, Sha512};

/// `I = HMAC-SHA512(chain code, serialised parent ‖ index)` of BIP-32, split in its halves.
///
/// `parent` is 33 bytes, SEC 1 compressed. The left half is the tweak, the right half the child's chain code.
#[must_use]
pub fn bip32_child(chain_code: &[u8; 32], parent: &[u8; 33], index: u32) -> ([u8; 32], [u8; 32]) {
    // HMAC takes keys of any length; the error arm cannot be reached and yields a tweak that is refused.
    let Ok(mut mac) = Hmac::<Sha512>::new_from_slice(chain_code) else { return ([0xff; 32], [0; 32]) };
    mac.update(parent);
    mac.update(&index.to_be_bytes());
    let digest: [u8; 64] = mac.finalize().into_bytes().into();
    let (left, right) = digest.split_at(32);
    (left.try_into().unwrap_or([0xff; 32]), right.try_into().unwrap_or_default())
}

/// The first four bytes of hash160 of a compressed key: BIP-32's fingerprint.
#[must_use]
pub fn fingerprint(key: &[u8; 33]) -> [u8; 4] {
    let hash: [u8; 20] = Ripemd160::digest(Sha256::digest(key)).into();
    [hash[0], hash[1], hash[2], hash[3]]
}

/// `hash_tag(parts)` of BIP-340.
#[must_use]
pub fn tagged(tag: &str, parts: &[&[u8]]) -> [u8; 32] {
    let tag = Sha256::digest(tag.as_bytes());
    let start = Sha256::new().chain_update(tag).chain_update(tag);
    parts.iter().fold(start, |hash, part| hash.chain_update(part)).finalize().into()
}

/// The 32 bytes that a Taproot key signs for a text message, so that no text is ever a transaction digest.
#[must_use]
pub fn text_message(text: &[u8]) -> [u8; 32] {
    tagged("keymoot/text-message/v1", &[text])
}
