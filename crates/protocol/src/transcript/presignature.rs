//! What names, binds and re-randomises presignatures.

use keymoot_types::{Epoch, Party, Path};

use super::{Hash, Transcript};
use crate::codec::{Wire, Writer};
use crate::curve::Secp256k1;
use crate::dkls23::Public;

/// A signer's commitment to the entropy it will add when one presignature is used.
pub struct EntropyCommitment<'a> {
    /// The presigning session.
    pub ssid: Hash,
    /// Who commits.
    pub party: Party,
    /// Which presignature of the batch.
    pub number: u64,
    /// 32 uniform bytes.
    pub entropy: &'a [u8; 32],
}

impl Transcript for EntropyCommitment<'_> {
    const DOMAIN: &'static str = "keymoot/dkls23/entropy/v1";
    fn fields(&self, writer: &mut Writer) {
        self.ssid.write(writer);
        writer.party(self.party);
        writer.uint(self.number);
        writer.bytes(self.entropy);
    }
}

/// The seed of everything that one signer draws for a batch.
pub struct PresignSeed<'a> {
    /// The pair setup.
    pub setup: Hash,
    /// The count of its uses.
    pub number: u64,
    /// 32 fresh uniform bytes.
    pub random: &'a [u8; 32],
    /// The signer's encoded share of the key.
    pub share: &'a [u8; 32],
}

impl Transcript for PresignSeed<'_> {
    const DOMAIN: &'static str = "keymoot/dkls23/presign-seed/v1";
    fn fields(&self, writer: &mut Writer) {
        self.setup.write(writer);
        writer.uint(self.number);
        writer.bytes(self.random);
        writer.scalar_bytes(self.share);
    }
}

/// The name of a presignature: how it came to be, and everything public about it.
pub struct PresignatureName<'a>(pub &'a Public);

impl Transcript for PresignatureName<'_> {
    const DOMAIN: &'static str = "keymoot/dkls23/presignature/v1";
    fn fields(&self, writer: &mut Writer) {
        self.0.write(writer);
    }
}

/// What is to be signed with which presignature under which derived key.
pub struct EcdsaIntent<'a> {
    /// How the payload is hashed.
    pub hash: &'static str,
    /// The digest that ECDSA signs.
    pub digest: &'a [u8; 32],
    /// The derivation path.
    pub path: &'a Path,
    /// The epoch that signs.
    pub epoch: Epoch,
    /// The key under which the signature will verify.
    pub public: k256::AffinePoint,
    /// The presignature.
    pub presignature: Hash,
}

impl Transcript for EcdsaIntent<'_> {
    const DOMAIN: &'static str = "keymoot/dkls23/intent/v1";
    fn fields(&self, writer: &mut Writer) {
        writer.text(self.hash);
        writer.bytes(self.digest);
        writer.list(self.path.steps().iter(), |writer, step| writer.uint(u64::from(*step)));
        writer.uint(self.epoch.0);
        writer.affine(&self.public);
        self.presignature.write(writer);
    }
}

/// The number δ that re-randomises a presignature's nonce to R + δ·G (Groth and Shoup, eprint 2021/1330), from everything
/// that is fixed about the signature and from entropy that nobody knew when it was.
pub struct Rerandomiser<'a> {
    /// The signing session, whose name covers all that follows.
    pub ssid: Hash,
    /// The presignature.
    pub presignature: Hash,
    /// The epoch.
    pub epoch: Epoch,
    /// The signers, in order.
    pub signers: &'a [Party],
    /// The key.
    pub public: k256::AffinePoint,
    /// The sum of the derivation's tweaks.
    pub tweak: &'a k256::Scalar,
    /// The key under which the signature will verify.
    pub child: k256::AffinePoint,
    /// The digest to be signed.
    pub digest: &'a [u8; 32],
    /// The presignature's nonce point.
    pub nonce: k256::AffinePoint,
    /// Each signer's entropy, opened after all of the above was fixed.
    pub entropy: &'a [[u8; 32]],
}

impl Transcript for Rerandomiser<'_> {
    const DOMAIN: &'static str = "keymoot/dkls23/rerandomise/v1";
    fn fields(&self, writer: &mut Writer) {
        self.ssid.write(writer);
        self.presignature.write(writer);
        writer.uint(self.epoch.0);
        writer.list(self.signers.iter(), |writer, signer| writer.party(*signer));
        writer.affine(&self.public);
        writer.scalar::<Secp256k1>(self.tweak);
        writer.affine(&self.child);
        writer.bytes(self.digest);
        writer.affine(&self.nonce);
        writer.list(self.entropy.iter(), |writer, entropy| writer.bytes(entropy));
    }
}

impl Rerandomiser<'_> {
    /// δ.
    #[must_use]
    pub fn shift(&self) -> k256::Scalar {
        self.challenge::<Secp256k1>()
    }
}
