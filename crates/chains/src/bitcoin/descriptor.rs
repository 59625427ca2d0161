//! Output descriptors of a key, for wallets that only watch: BIP-380, 381, 382, 386 and 389.

use super::account::Form;
use crate::inspection::Algorithm;
use crate::key::Key;

/// The descriptor of a key's receiving and change addresses below its path, with checksum: `wpkh([fp]xpub/<0;1>/*)#…`.
///
/// The fingerprint is that of the key itself, which is the root of its tree. `None` if the key does not sign for this form.
#[must_use]
pub fn descriptor(key: &Key, form: Form) -> Option<String> {
    if !Form::of(Algorithm::of(key.scheme())).contains(&form) {
        return None;
    }
    let xpub = key.xpub()?;
    let steps: String = key.path().steps().iter().map(|step| format!("/{step}")).collect();
    let keys = format!("[{}]{xpub}{steps}/<0;1>/*", xpub.fingerprint());
    let text = match form {
        Form::P2wpkh => format!("wpkh({keys})"),
        Form::P2shP2wpkh => format!("sh(wpkh({keys}))"),
        Form::P2tr => format!("tr({keys})"),
    };
    let sum = checksum(&text)?;
    Some(format!("{text}#{sum}"))
}

/// The checksum of BIP-380: eight characters. `None` if the text has a character that descriptors do not have.
#[must_use]
pub fn checksum(descriptor: &str) -> Option<String> {
    let (mut state, mut classes, mut count) = (1u64, 0u64, 0u8);
    for letter in descriptor.chars() {
        let place = LETTERS.find(letter).and_then(|place| u64::try_from(place).ok())?;
        state = step(state, place & 31);
        classes = classes * 3 + (place >> 5);
        count += 1;
        if count == 3 {
            state = step(state, classes);
            (classes, count) = (0, 0);
        }
    }
    if count > 0 {
        state = step(state, classes);
    }
    state = (0..8).fold(state, |state, _| step(state, 0)) ^ 1;
    (0..8).map(|i| DIGITS.chars().nth(usize::try_from((state >> (5 * (7 - i))) & 31).ok()?)).collect()
}

/// BIP-380: 96 characters, so that a character is a class of three and a place of thirty-two.
const LETTERS: &str =
    "0123456789()[],'/*abcdefgh@:$%{}IJKLMNOPQRSTUVWXYZ&+-.;<=>?!^_|~ijklmnopqrstuvwxyzABCDEFGH`#\"\\ ";
const DIGITS: &str = "qpzry9x8gf2tvdw0s3jn54khce6mua7l";
const GENERATOR: [u64; 5] = [0xf5_dee5_1989, 0xa9_fdca_3312, 0x1b_ab10_e32d, 0x37_06b1_677a, 0x64_4d62_6ffd];

/// Multiplies by x, adds, and reduces.
fn step(state: u64, value: u64) -> u64 {
    let top = state >> 35;
    let shifted = ((state & 0x7_ffff_ffff) << 5) ^ value;
    GENERATOR.iter().enumerate().fold(
        shifted,
        |state, (bit, generator)| {
            if (top >> bit) & 1 == 1 { state ^ generator } else { state }
        },
    )
}

#[cfg(test)]
mod tests {
    use super::checksum;

    /// BIP-380, test vectors.
    #[test]
    fn the_checksum_of_bip_380() {
        assert_eq!(checksum("raw(deadbeef)").as_deref(), Some("89f8spxm"));
        assert_ne!(checksum("raw(dedbeef)").as_deref(), Some("89f8spxm"));
        assert_eq!(checksum("raw(Ü)"), None);
    }
}
