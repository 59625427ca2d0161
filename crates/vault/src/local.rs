//! What unlocks a vault on the machine itself: a passphrase, or a file that somebody else keeps.

use argon2::{Algorithm, Argon2, Params, Version};
use keymoot_types::Secret;
use rand_core::CryptoRngCore;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::Fault;
use crate::label::field;
use crate::seal::{Wrap, Wrapped, open, seal};

/// What the operator brings.
pub enum Unlock {
    /// A passphrase; a key is made of it by Argon2id.
    Passphrase(Passphrase),
    /// The content of a key file: 32 random bytes, or their 64 hexadecimal digits.
    KeyFile(Zeroizing<Vec<u8>>),
}

/// A passphrase. Never printed.
pub struct Passphrase(Secret<String>);

impl From<String> for Passphrase {
    fn from(text: String) -> Self {
        Self(Secret::new(text))
    }
}

/// The shortest passphrase, in bytes. Everything that can be said for longer ones is said in the guide.
pub const PASSPHRASE_MIN: usize = 12;

/// The cost of Argon2id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kdf {
    /// Memory, in KiB.
    pub memory_kib: u32,
    /// Passes over it.
    pub passes: u32,
    /// Lanes.
    pub lanes: u32,
}

impl Kdf {
    /// The second choice of RFC 9106: 64 MiB, three passes, four lanes.
    pub const STANDARD: Self = Self { memory_kib: 64 * 1024, passes: 3, lanes: 4 };
    /// The least that is taken: 19 MiB, two passes, one lane (OWASP's minimum).
    pub const WEAKEST: Self = Self { memory_kib: 19 * 1024, passes: 2, lanes: 1 };
    /// The most: a header must not make a node use up its memory.
    const STRONGEST: Self = Self { memory_kib: 4 * 1024 * 1024, passes: 64, lanes: 64 };

    /// Whether it is neither too cheap nor too dear.
    #[must_use]
    pub const fn is_legal(&self) -> bool {
        let (weakest, strongest) = (Self::WEAKEST, Self::STRONGEST);
        weakest.memory_kib <= self.memory_kib
            && self.memory_kib <= strongest.memory_kib
            && weakest.passes <= self.passes
            && self.passes <= strongest.passes
            && weakest.lanes <= self.lanes
            && self.lanes <= strongest.lanes
    }
}

impl Default for Kdf {
    fn default() -> Self {
        Self::STANDARD
    }
}

/// How the key that wraps data keys is found. Public; a part of the header.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Method {
    /// Argon2id of a passphrase.
    Argon2id {
        memory_kib: u32,
        passes: u32,
        lanes: u32,
        #[serde(with = "hex::serde")]
        salt: [u8; 16],
    },
    /// A key file.
    KeyFile {},
}

impl Method {
    /// A new one for what the operator brings.
    pub(crate) fn draw(unlock: &Unlock, kdf: Kdf, rng: &mut dyn CryptoRngCore) -> Result<Self, Fault> {
        match unlock {
            Unlock::KeyFile(_) => Ok(Self::KeyFile {}),
            Unlock::Passphrase(passphrase) => {
                if passphrase.0.expose().len() < PASSPHRASE_MIN {
                    return Err(Fault::Refused("a passphrase has 12 bytes at least"));
                }
                let mut salt = [0; 16];
                rng.fill_bytes(&mut salt);
                let Kdf { memory_kib, passes, lanes } = kdf;
                Ok(Self::Argon2id { memory_kib, passes, lanes, salt })
            }
        }
    }

    /// Writes it down for authentication.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Argon2id { memory_kib, passes, lanes, salt } => {
                field(out, b"argon2id");
                for number in [memory_kib, passes, lanes] {
                    field(out, &number.to_be_bytes());
                }
                field(out, salt);
            }
            Self::KeyFile {} => field(out, b"key_file"),
        }
    }

    /// The wrapping key. `None` if this is not what unlocks the vault.
    pub(crate) fn key(&self, unlock: &Unlock) -> Result<Option<Local>, Fault> {
        match (self, unlock) {
            (Self::Argon2id { memory_kib, passes, lanes, salt }, Unlock::Passphrase(passphrase)) => {
                let kdf = Kdf { memory_kib: *memory_kib, passes: *passes, lanes: *lanes };
                if !kdf.is_legal() {
                    return Err(Fault::Refused("the cost of Argon2id is outside of what this version takes"));
                }
                let params = Params::new(kdf.memory_kib, kdf.passes, kdf.lanes, Some(32))
                    .map_err(|_| Fault::Refused("the cost of Argon2id cannot be"))?;
                let mut key = Secret::new([0; 32]);
                Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
                    .hash_password_into(passphrase.0.expose().as_bytes(), salt, key.expose_mut())
                    .map_err(|_| Fault::Refused("Argon2id does not take this passphrase"))?;
                Ok(Some(Local { key, name: "passphrase" }))
            }
            (Self::KeyFile {}, Unlock::KeyFile(content)) => {
                let key = key_of_file(content)
                    .ok_or(Fault::Refused("a key file holds 32 bytes, or 64 hexadecimal digits"))?;
                Ok(Some(Local { key, name: "key file" }))
            }
            (Self::Argon2id { .. }, Unlock::KeyFile(_)) | (Self::KeyFile {}, Unlock::Passphrase(_)) => {
                Ok(None)
            }
        }
    }

    /// What opens it.
    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::Argon2id { .. } => "passphrase",
            Self::KeyFile {} => "key file",
        }
    }
}

fn key_of_file(content: &[u8]) -> Option<Secret<[u8; 32]>> {
    let mut key = Secret::new([0; 32]);
    if let Ok(bytes) = <&[u8; 32]>::try_from(content) {
        key.expose_mut().copy_from_slice(bytes);
        return Some(key);
    }
    let digits = content.strip_suffix(b"\n").unwrap_or(content);
    hex::decode_to_slice(digits, key.expose_mut()).ok().map(|()| key)
}

/// A wrapping key in this process's memory.
pub struct Local {
    key: Secret<[u8; 32]>,
    name: &'static str,
}

impl Wrap for Local {
    fn name(&self) -> &'static str {
        self.name
    }

    fn wrap(&self, purpose: &[u8], key: &[u8; 32], rng: &mut dyn CryptoRngCore) -> Result<Wrapped, Fault> {
        seal(self.key.expose(), purpose, key, rng).map(Wrapped)
    }

    fn unwrap(&self, purpose: &[u8], wrapped: &Wrapped) -> Option<Zeroizing<[u8; 32]>> {
        let opened = open(self.key.expose(), purpose, &wrapped.0)?;
        opened.as_slice().try_into().ok().map(Zeroizing::new)
    }
}

#[cfg(test)]
mod tests {
    use rand_chacha::ChaCha20Rng;
    use rand_core::SeedableRng;

    use super::{Kdf, Method, Unlock, key_of_file};

    #[test]
    fn what_unlocks_a_vault_passes_the_exam() {
        let mut rng = ChaCha20Rng::from_seed([1; 32]);
        let words = ["correct horse battery staple", "correct horse battery stapler"];
        let passphrase = |words: &str| Unlock::Passphrase(words.to_owned().into());
        let method = Method::draw(&passphrase(words[0]), Kdf::WEAKEST, &mut rng).unwrap();
        let [one, other] = words.map(|words| method.key(&passphrase(words)).unwrap().unwrap());
        crate::exam::wrap(&one, &other, &mut rng);
        let file = |byte: u8| Unlock::KeyFile(vec![byte; 32].into());
        let [one, other] = [1, 2].map(|byte| Method::KeyFile {}.key(&file(byte)).unwrap().unwrap());
        crate::exam::wrap(&one, &other, &mut rng);
    }

    #[test]
    fn argon2id_is_that_of_the_rfc() {
        // RFC 9106 has vectors with a secret and associated data, which we do not use. This one is of the reference
        // implementation's test suite (phc-winner-argon2, test.c, version 0x13): t = 2, m = 2^16 KiB, p = 1.
        let method =
            Method::Argon2id { memory_kib: 1 << 16, passes: 2, lanes: 1, salt: *b"somesalt\0\0\0\0\0\0\0\0" };
        let key = method.key(&Unlock::Passphrase("password".to_owned().into())).unwrap().unwrap();
        let mut expected = [0; 32];
        let params = argon2::Params::new(1 << 16, 2, 1, Some(32)).unwrap();
        let argon2 = argon2::Argon2::new(argon2::Algorithm::Argon2id, argon2::Version::V0x13, params);
        argon2.hash_password_into(b"password", b"somesalt", &mut expected).unwrap();
        assert_eq!(hex::encode(expected), "09316115d5cf24ed5a15a31a3ba326e5cf32edc24702987c02b6566f61913cf7");
        assert_ne!(key.key.expose(), &expected, "the whole salt counts");
    }

    #[test]
    fn a_key_file_is_32_bytes_or_their_digits() {
        let bytes = [0xab; 32];
        let digits = hex::encode(bytes);
        for good in [bytes.to_vec(), digits.clone().into_bytes(), format!("{digits}\n").into_bytes()] {
            assert_eq!(key_of_file(&good).unwrap().expose(), &bytes);
        }
        let long = format!("{digits}\n\n").into_bytes();
        for bad in [vec![], bytes[1..].to_vec(), vec![7; 33], vec![b'g'; 64], long] {
            assert!(key_of_file(&bad).is_none());
        }
    }
}
