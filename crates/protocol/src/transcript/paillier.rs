//! What is hashed for threshold ECDSA from Paillier encryption: the challenges of its proofs.
//!
//! One shape for all of them, so that none can forget what a challenge must depend on: the suite, which proof it is, the
//! session, the round, who proves to whom, the instance, all public parameters and the whole statement, and every
//! commitment of the proof.

use keymoot_types::{Epoch, Party, Path};
use rand_core::{CryptoRng, RngCore};

use super::{Hash, Transcript};
use crate::codec::{Wire, Writer};
use crate::curve::Secp256k1;
use crate::gg20::Public;
use crate::gg20::auxiliary::Outputs;

/// The name of a set of parameters.
pub struct SuiteName<'a>(pub &'a str);

impl Transcript for SuiteName<'_> {
    const DOMAIN: &'static str = "keymoot/gg20/suite/v1";
    fn fields(&self, writer: &mut Writer) {
        writer.text(self.0);
    }
}

/// What a participant signs so that only its identity can make it of this context; never published.
pub struct Hedge {
    /// The digest of the context.
    pub context: Hash,
}

impl Transcript for Hedge {
    const DOMAIN: &'static str = "keymoot/gg20/hedge/v1";
    fn fields(&self, writer: &mut Writer) {
        self.context.write(writer);
    }
}

/// The seed of everything that one participant draws.
pub struct Seed<'a> {
    /// The digest of the context.
    pub context: Hash,
    /// 32 fresh uniform bytes.
    pub random: &'a [u8; 32],
    /// The participant's signature of [`Hedge`].
    pub hedge: &'a [u8; 64],
}

impl Transcript for Seed<'_> {
    const DOMAIN: &'static str = "keymoot/gg20/seed/v1";
    fn fields(&self, writer: &mut Writer) {
        self.context.write(writer);
        writer.bytes(self.random);
        writer.bytes(self.hedge);
    }
}

/// What is drawn once the session has a name grows from this: nothing of it is the same in another session.
pub struct SessionSeed<'a> {
    /// The session.
    pub ssid: Hash,
    /// Who draws.
    pub party: Party,
    /// What was drawn before the session had a name.
    pub seed: &'a [u8; 32],
}

impl Transcript for SessionSeed<'_> {
    const DOMAIN: &'static str = "keymoot/gg20/session-seed/v1";
    fn fields(&self, writer: &mut Writer) {
        self.ssid.write(writer);
        writer.party(self.party);
        writer.bytes(self.seed);
    }
}

/// What every member signs when the moduli of a committee are ready.
pub struct TableReady<'a>(pub &'a Outputs);

impl Transcript for TableReady<'_> {
    const DOMAIN: &'static str = "keymoot/gg20/table/v1";
    fn fields(&self, writer: &mut Writer) {
        self.0.write(writer);
    }
}

/// A signer's commitment to the entropy it will add when one presignature is used.
pub struct Entropy<'a> {
    /// The presigning session.
    pub ssid: Hash,
    /// Who commits.
    pub party: Party,
    /// Which presignature of the batch.
    pub number: u64,
    /// 32 uniform bytes.
    pub entropy: &'a [u8; 32],
}

impl Transcript for Entropy<'_> {
    const DOMAIN: &'static str = "keymoot/gg20/entropy/v1";
    fn fields(&self, writer: &mut Writer) {
        self.ssid.write(writer);
        writer.party(self.party);
        writer.uint(self.number);
        writer.bytes(self.entropy);
    }
}

/// The name of a presignature: how it came to be, and everything public about it.
pub struct PresignedName<'a>(pub &'a Public);

impl Transcript for PresignedName<'_> {
    const DOMAIN: &'static str = "keymoot/gg20/presignature/v1";
    fn fields(&self, writer: &mut Writer) {
        self.0.write(writer);
    }
}

/// What is to be signed with which presignature under which derived key.
pub struct SigningIntent<'a> {
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

impl Transcript for SigningIntent<'_> {
    const DOMAIN: &'static str = "keymoot/gg20/intent/v1";
    fn fields(&self, writer: &mut Writer) {
        writer.text(self.hash);
        writer.bytes(self.digest);
        writer.list(self.path.steps().iter(), |writer, step| writer.uint(u64::from(*step)));
        writer.uint(self.epoch.0);
        writer.affine(&self.public);
        self.presignature.write(writer);
    }
}

/// The number d that re-randomises a presignature's nonce to d·R (Groth and Shoup, eprint 2021/1330), from everything that
/// is fixed about the signature and from entropy that nobody knew when it was.
pub struct Rescaler<'a> {
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

impl Transcript for Rescaler<'_> {
    const DOMAIN: &'static str = "keymoot/gg20/rescale/v1";
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

impl Rescaler<'_> {
    /// d.
    #[must_use]
    pub fn factor(&self) -> k256::Scalar {
        self.challenge::<Secp256k1>()
    }
}

/// Where a proof stands. A proof that is moved to another place there has another challenge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The parameters' name.
    pub suite: &'static str,
    /// The session.
    pub ssid: Hash,
    /// Randomness that was fixed after the statement; the session's name where there is none.
    pub joint: Hash,
    /// The round of the proof.
    pub round: u8,
    /// Who proves.
    pub prover: Party,
    /// To whom; everybody if `None`.
    pub verifier: Option<Party>,
    /// Which of several of one kind in one round.
    pub number: u64,
}

/// The Fiat–Shamir challenge of a proof.
pub struct Challenge<'a> {
    /// Which proof, and in which version.
    pub proof: &'static str,
    /// Where it stands.
    pub place: &'a Place,
    /// All public parameters and the statement, encoded.
    pub statement: &'a Writer,
    /// All of the prover's first message, encoded.
    pub commitment: &'a Writer,
}

impl Transcript for Challenge<'_> {
    const DOMAIN: &'static str = "keymoot/gg20/challenge/v1";
    fn fields(&self, writer: &mut Writer) {
        writer.text(self.proof);
        let place = self.place;
        writer.text(place.suite);
        place.ssid.write(writer);
        place.joint.write(writer);
        writer.uint(u64::from(place.round));
        writer.party(place.prover);
        writer.option(place.verifier, Writer::party);
        writer.uint(place.number);
        writer.bytes(self.statement.as_bytes());
        writer.bytes(self.commitment.as_bytes());
    }
}

impl Challenge<'_> {
    /// A challenge of 128 bits; as single bits, the lowest first, where each repetition has its own.
    #[must_use]
    pub fn bits(&self) -> u128 {
        self.digest().as_bytes().iter().take(16).fold(0, |bits, byte| bits << 8 | u128::from(*byte))
    }

    /// As much as is asked for: BLAKE3, keyed with the transcript's digest, in its extended form.
    #[must_use]
    pub fn stream(&self) -> Stream {
        Stream(blake3::Hasher::new_keyed(self.digest().as_bytes()).finalize_xof())
    }
}

/// Uniform bytes that follow from a transcript and are known to everybody.
pub struct Stream(blake3::OutputReader);

impl RngCore for Stream {
    fn next_u32(&mut self) -> u32 {
        let mut bytes = [0; 4];
        self.fill_bytes(&mut bytes);
        u32::from_le_bytes(bytes)
    }

    fn next_u64(&mut self) -> u64 {
        let mut bytes = [0; 8];
        self.fill_bytes(&mut bytes);
        u64::from_le_bytes(bytes)
    }

    fn fill_bytes(&mut self, out: &mut [u8]) {
        self.0.fill(out);
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), rand_core::Error> {
        self.fill_bytes(out);
        Ok(())
    }
}

impl CryptoRng for Stream {}
