//! Mail sealed for one recipient. Between two nodes sits a coordinator that carries their mail, and must neither read it
//! nor make any.
//!
//! HPKE (RFC 9180) in auth mode, single shot: DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, ChaCha20-Poly1305. Each piece has
//! an encapsulation of its own, so each has its own key, for one direction only, and there are no nonces to repeat. The
//! header is in clear and bound as associated data:
//!
//! ```text
//! version u8 = 1 | group 16 | from u16 | to u16 | session 16 | round u16 | sequence u64 | enc 32 | sealed | tag 16
//! ```
//!
//! Integers are big-endian. Auth mode has one known weakness: whoever has stolen a recipient's key can seal mail to that
//! recipient in anybody's name. What is inside is therefore signed by its sender too; this layer does not replace that.

mod header;
mod replay;

use hpke::aead::{AeadTag, ChaCha20Poly1305};
use hpke::kdf::HkdfSha256;
use hpke::kem::X25519HkdfSha256;
use hpke::{Deserializable, HpkeError, Kem, OpModeR, OpModeS, Serializable};
use keymoot_types::{GroupId, Party};
use rand_core::CryptoRngCore;
use zeroize::Zeroizing;

pub use header::Header;
pub use replay::Sequence;

use header::HEADER_LENGTH;

/// The longest content of one piece, in bytes.
pub const PLAIN_MAX: usize = 4 * 1024 * 1024;

/// How much longer a piece is than its content.
pub const OVERHEAD: usize = HEADER_LENGTH + ENCAPSULATION + TAG;

const ENCAPSULATION: usize = 32;
const TAG: usize = 16;
const INFO: &[u8] = b"keymoot/seal/v1";

type Aead = ChaCha20Poly1305;
type Kdf = HkdfSha256;
type Dhkem = X25519HkdfSha256;
type PublicKey = <Dhkem as Kem>::PublicKey;
type PrivateKey = <Dhkem as Kem>::PrivateKey;

/// Why mail was not sealed or not opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// More than [`PLAIN_MAX`] bytes inside.
    #[error("longer than 4 MiB")]
    TooLong,
    /// Shorter than any sealed mail.
    #[error("too short to be sealed mail")]
    TooShort,
    /// Another version of the format.
    #[error("sealed in the format {0}, which is not ours")]
    Version(u8),
    /// No party has such a number.
    #[error("sender or recipient is no party")]
    NoParty,
    /// Of another committee.
    #[error("sealed for another group")]
    OtherGroup,
    /// For somebody else.
    #[error("sealed for {0}")]
    NotForUs(Party),
    /// It says that it is from us, or is to be sealed for ourselves.
    #[error("sender and recipient are the same")]
    Reflected,
    /// The sender is not a member.
    #[error("{0} is not a member")]
    Stranger(Party),
    /// A public key that gives no secret.
    #[error("the public key of the other side is of small order")]
    WeakKey,
    /// Somebody without the sender's key made it, or changed it, or sealed it for another key.
    #[error("the seal is broken: not from {0}, not for this key, or altered on the way")]
    Broken(Party),
}

/// A node's private key for mail: its own half of each seal. On the heap; wiped when dropped.
pub struct SealKey(Box<(PrivateKey, PublicKey)>);

/// Mail that was opened: it is from who the header says, for us, and unaltered. Whether it has been here before is what
/// [`Sequence`] knows.
pub struct Opened {
    /// The header.
    pub header: Header,
    /// The content.
    pub plain: Zeroizing<Vec<u8>>,
}

impl SealKey {
    /// The key of this seed (`DeriveKeyPair` of RFC 9180). The seed is 32 random bytes that nothing else is made from.
    #[must_use]
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        Self(Box::new(Dhkem::derive_keypair(seed)))
    }

    /// The public key, as the cluster document lists it.
    #[must_use]
    pub fn public(&self) -> [u8; 32] {
        self.0.1.to_bytes().into()
    }

    /// Seals `plain` for the one who has the private half of `recipient`.
    ///
    /// # Errors
    /// It is too long, goes to ourselves, or the recipient's key is worthless.
    pub fn seal(
        &self,
        header: &Header,
        recipient: &[u8; 32],
        plain: &[u8],
        rng: &mut impl CryptoRngCore,
    ) -> Result<Vec<u8>, SealError> {
        if plain.len() > PLAIN_MAX {
            return Err(SealError::TooLong);
        }
        if header.from == header.to {
            return Err(SealError::Reflected);
        }
        let recipient = PublicKey::from_bytes(recipient).map_err(|_| SealError::WeakKey)?;
        let associated = header.to_bytes();
        // Encrypted where it lies: if that fails, what is left of it is wiped.
        let mut body = Zeroizing::new(Vec::with_capacity(plain.len()));
        body.extend_from_slice(plain);
        let (encapsulation, tag) = hpke::single_shot_seal_in_place_detached::<Aead, Kdf, Dhkem, _>(
            &OpModeS::Auth((self.0.0.clone(), self.0.1.clone())),
            &recipient,
            INFO,
            &mut body,
            &associated,
            &mut Chance(rng),
        )
        .map_err(|_| SealError::WeakKey)?;
        Ok([&associated[..], &encapsulation.to_bytes(), &body, &tag.to_bytes()].concat())
    }

    /// Opens what was sealed for us. `sender` knows the public keys of the members.
    ///
    /// # Errors
    /// It is not for us, from a stranger, or the seal is broken.
    pub fn open(
        &self,
        (group, me): (GroupId, Party),
        sender: impl FnOnce(Party) -> Option<[u8; 32]>,
        bytes: &[u8],
    ) -> Result<Opened, SealError> {
        let (associated, rest) = bytes.split_first_chunk().ok_or(SealError::TooShort)?;
        let (encapsulation, rest) = rest.split_at_checked(ENCAPSULATION).ok_or(SealError::TooShort)?;
        let (body, tag) = rest.split_last_chunk::<TAG>().ok_or(SealError::TooShort)?;
        if body.len() > PLAIN_MAX {
            return Err(SealError::TooLong);
        }
        let header = Header::read(associated)?;
        let from = header.from;
        if header.group != group {
            return Err(SealError::OtherGroup);
        }
        if header.to != me {
            return Err(SealError::NotForUs(header.to));
        }
        if from == me {
            return Err(SealError::Reflected);
        }
        let public = sender(from).ok_or(SealError::Stranger(from))?;
        let public = PublicKey::from_bytes(&public).map_err(|_| SealError::WeakKey)?;
        let broken = |_: HpkeError| SealError::Broken(from);
        let encapsulation = <Dhkem as Kem>::EncappedKey::from_bytes(encapsulation).map_err(broken)?;
        let tag = AeadTag::<Aead>::from_bytes(tag).map_err(broken)?;
        let mut plain = Zeroizing::new(body.to_vec());
        hpke::single_shot_open_in_place_detached::<Aead, Kdf, Dhkem>(
            &OpModeR::Auth(public),
            &self.0.0,
            &encapsulation,
            INFO,
            &mut plain,
            associated,
            &tag,
        )
        .map_err(broken)?;
        Ok(Opened { header, plain })
    }
}

/// Our generation of random generators, as that of `hpke`.
struct Chance<'a, R>(&'a mut R);

impl<R: CryptoRngCore> hpke::rand_core::RngCore for Chance<'_, R> {
    fn next_u32(&mut self) -> u32 {
        self.0.next_u32()
    }

    fn next_u64(&mut self) -> u64 {
        self.0.next_u64()
    }

    fn fill_bytes(&mut self, bytes: &mut [u8]) {
        self.0.fill_bytes(bytes);
    }
}

impl<R: CryptoRngCore> hpke::rand_core::CryptoRng for Chance<'_, R> {}

#[cfg(test)]
mod tests;
