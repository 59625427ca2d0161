//! Partially signed transactions as people and programs hand them around: binary, base64, hexadecimal digits.

use base64ct::{Base64, Encoding};
use bitcoin::VarInt;
use bitcoin::consensus::encode::deserialize_partial;

/// What every PSBT begins with, in binary, base64 and hexadecimal digits.
const MAGIC: &[u8] = b"psbt\xff";
const MAGIC_BASE64: &str = "cHNidP";
const MAGIC_HEX: &str = "70736274ff";

/// BIP-174: the type of an extended public key in the global list.
const GLOBAL_XPUB: u8 = 0x01;

/// Whether this text is a PSBT itself, and not the name of a file with one.
pub fn is_text(text: &str) -> bool {
    text.starts_with(MAGIC_BASE64)
}

/// The bytes, of whichever form. What is none of them stays as it is, and is refused by whoever reads it.
pub fn bytes(content: Vec<u8>) -> Vec<u8> {
    if content.starts_with(MAGIC) {
        return content;
    }
    let Ok(text) = std::str::from_utf8(&content) else { return content };
    let bare: String = text.split_whitespace().collect();
    let decoded = if is_text(&bare) {
        Base64::decode_vec(&bare).ok()
    } else if bare.starts_with(MAGIC_HEX) {
        hex::decode(&bare).ok()
    } else {
        None
    };
    decoded.unwrap_or(content)
}

/// As wallets take it.
pub fn text(bytes: &[u8]) -> String {
    Base64::encode_string(bytes)
}

/// The version bytes of all extended public keys in the global list.
pub fn versions(psbt: &[u8]) -> Vec<[u8; 4]> {
    let Some(mut rest) = psbt.strip_prefix(MAGIC) else { return Vec::new() };
    let mut versions = Vec::new();
    while let Some(key) = chunk(&mut rest).filter(|key| !key.is_empty()) {
        if let Some(([GLOBAL_XPUB], version)) = key.split_first_chunk::<1>() {
            versions.extend(version.first_chunk::<4>());
        }
        if chunk(&mut rest).is_none() {
            break;
        }
    }
    versions
}

/// A length and so many bytes.
fn chunk<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (length, taken) = deserialize_partial::<VarInt>(rest).ok()?;
    let (chunk, after) = rest.get(taken..)?.split_at_checked(usize::try_from(length.0).ok()?)?;
    *rest = after;
    Some(chunk)
}

#[cfg(test)]
mod tests {
    use super::{bytes, text, versions};

    #[test]
    fn every_form_comes_to_the_same_bytes_and_nonsense_stays_what_it_is() {
        let psbt = [b"psbt\xff".as_slice(), &[0; 30]].concat();
        let base64 = text(&psbt);
        let broken = format!("{}\n {}\n", &base64[..20], &base64[20..]);
        for form in [psbt.clone(), base64.into_bytes(), broken.into_bytes(), hex::encode(&psbt).into_bytes()]
        {
            assert_eq!(bytes(form), psbt);
        }
        for nonsense in [&b""[..], b"hello", b"cHNidP8!", b"70736274ff0", &[0xff, 0xfe]] {
            assert_eq!(bytes(nonsense.to_vec()), nonsense);
        }
    }

    #[test]
    fn extended_keys_are_found_in_the_global_list_and_lengths_that_lie_end_it() {
        let xpub = [&[79, 1, 4, 0x88, 0xb2, 0x1e][..], &[7; 74], &[4, 1, 2, 3, 4]].concat();
        let list = |parts: &[&[u8]]| [&[b"psbt\xff".as_slice()], parts].concat().concat();
        assert_eq!(versions(&list(&[&[1, 0, 1, 9], &xpub, &[0]])), [[4, 0x88, 0xb2, 0x1e]]);
        // After the end of the global list nothing is global.
        assert!(versions(&list(&[&[0], &xpub])).is_empty());
        for lie in [&[0xff; 9][..], &[79, 1, 4], &[0xfe, 0xff, 0xff, 0xff, 0xff], &[], &[1, 1, 0xfd]] {
            assert!(versions(&list(&[lie])).is_empty(), "{lie:?}");
        }
        assert!(versions(b"").is_empty() && versions(b"psbt").is_empty());
    }
}
