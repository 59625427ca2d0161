//! Seals: a data key and XChaCha20-Poly1305 with a nonce drawn at random, 24 bytes long so that it never repeats.

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use rand_core::CryptoRngCore;
use zeroize::Zeroizing;

use crate::{Fault, Label};

/// The longest secret that is sealed in one piece, in bytes.
pub const SECRET_MAX: usize = 1 << 20;

/// The number in front of sealed bytes.
const VERSION: u8 = 1;

const NONCE: usize = 24;

/// A data key.
pub(crate) type DataKey = Zeroizing<[u8; 32]>;

/// A data key, wrapped.
#[derive(Clone, PartialEq, Eq)]
pub struct Wrapped(pub Vec<u8>);

/// Whoever can wrap data keys: a key that a passphrase makes, or a device that never shows its own.
pub trait Wrap {
    /// What it is, in a word.
    fn name(&self) -> &'static str;
    /// Wraps a data key, bound to what it is for.
    ///
    /// # Errors
    /// The device does not do it.
    fn wrap(&self, purpose: &[u8], key: &[u8; 32], rng: &mut dyn CryptoRngCore) -> Result<Wrapped, Fault>;
    /// Unwraps a data key; `None` if it was not wrapped by this, for this.
    fn unwrap(&self, purpose: &[u8], wrapped: &Wrapped) -> Option<Zeroizing<[u8; 32]>>;
}

/// Keeps shares. The one door through which a node's shell sees the vault.
pub trait SealShare {
    /// Seals a secret for its place.
    ///
    /// # Errors
    /// It is too long.
    fn seal(&self, label: &Label, secret: &[u8], rng: &mut dyn CryptoRngCore) -> Result<Vec<u8>, Fault>;
    /// Opens what was sealed for this place.
    ///
    /// # Errors
    /// It was not, or was changed since.
    fn open(&self, label: &Label, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, Fault>;
}

/// Seals bytes; what is authenticated with them is not stored.
pub(crate) fn seal(
    key: &[u8; 32],
    with: &[u8],
    secret: &[u8],
    rng: &mut dyn CryptoRngCore,
) -> Result<Vec<u8>, Fault> {
    if secret.len() > SECRET_MAX {
        return Err(Fault::Refused("the secret is too long to be sealed in one piece"));
    }
    let mut nonce = [0; NONCE];
    rng.fill_bytes(&mut nonce);
    let payload = Payload { msg: secret, aad: with };
    let cipher = XChaCha20Poly1305::new(key.into());
    let sealed = cipher.encrypt(<&XNonce>::from(&nonce), payload);
    let sealed = sealed.map_err(|_| Fault::Refused("the secret is too long to be sealed in one piece"))?;
    Ok([&[VERSION], nonce.as_slice(), &sealed].concat())
}

/// Opens bytes.
pub(crate) fn open(key: &[u8; 32], with: &[u8], sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let (version, rest) = sealed.split_first()?;
    let (nonce, rest) = rest.split_first_chunk::<NONCE>()?;
    if *version != VERSION || rest.len() > SECRET_MAX + 16 {
        return None;
    }
    let payload = Payload { msg: rest, aad: with };
    XChaCha20Poly1305::new(key.into()).decrypt(nonce.into(), payload).ok().map(Zeroizing::new)
}
