//! Partially signed transactions as people and programs hand them around: binary, base64, hexadecimal digits.

use base64ct::{Base64, Encoding};

/// What every PSBT begins with, in binary, base64 and hexadecimal digits.
const MAGIC: &[u8] = b"psbt\xff";
const MAGIC_BASE64: &str = "cHNidP";
const MAGIC_HEX: &str = "70736274ff";

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

#[cfg(test)]
mod tests {
    use super::{bytes, text};

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
}
