//! Everything that is hashed, as named structs in one place; no other file may touch a hash function.
//!
//! A transcript is its domain tag and its fields in the injective encoding of [`crate::codec`]. Digests are
//! SHA-256 of that; challenges are SHA-512 of it, reduced from 512 bits, so that their bias is negligible.
//! Formats that others define live in [`bitcoin`] (BIP-32, BIP-341, hash160) and in [`log`] (RFC 6962, signed notes).

pub mod bitcoin;
pub mod log;
pub mod oblivious;
pub mod paillier;
pub mod payload;
pub mod presignature;

use keymoot_types::{Epoch, Party, Path};
use sha2::{Digest as _, Sha256, Sha512};

use crate::codec::{Reader, Wire, Writer};
use crate::context::Context;
use crate::curve::{Curve, group::Group as _};
use crate::envelope::Header;
use crate::identity::IdentityPublic;
use crate::key::GroupKey;

/// A 32-byte digest. Comparison is constant time.
#[derive(Clone, Copy, PartialOrd, Ord)]
pub struct Hash([u8; 32]);

impl Hash {
    /// The digest with these bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl PartialEq for Hash {
    fn eq(&self, other: &Self) -> bool {
        subtle::ConstantTimeEq::ct_eq(self.0.as_slice(), other.0.as_slice()).into()
    }
}

impl Eq for Hash {}

impl std::fmt::Display for Hash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl std::fmt::Debug for Hash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().take(6).try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl Wire for Hash {
    fn write(&self, writer: &mut Writer) {
        writer.bytes(&self.0);
    }
    fn read(reader: &mut Reader<'_>) -> Result<Self, crate::codec::Malformed> {
        reader.fixed().map(Self)
    }
}

/// Something that is hashed: a domain and fields in order.
pub trait Transcript {
    /// What is hashed, and in which version. No two transcripts share it.
    const DOMAIN: &'static str;

    /// The fields, in order.
    fn fields(&self, writer: &mut Writer);

    /// The exact bytes that are hashed.
    fn preimage(&self) -> Writer {
        let mut writer = Writer::new();
        writer.text(Self::DOMAIN);
        self.fields(&mut writer);
        writer
    }

    /// The 32-byte digest.
    fn digest(&self) -> Hash {
        Hash(Sha256::digest(self.preimage().as_bytes()).into())
    }

    /// 64 uniform bytes.
    fn uniform(&self) -> [u8; 64] {
        Sha512::digest(self.preimage().as_bytes()).into()
    }

    /// A uniform scalar.
    fn challenge<C: Curve>(&self) -> C::Scalar {
        C::reduce_wide(&self.uniform())
    }
}

/// Everything a session is about, before anybody has said anything.
pub struct ContextId<'a>(pub &'a Context);

impl Transcript for ContextId<'_> {
    const DOMAIN: &'static str = "keymoot/context/v1";
    fn fields(&self, writer: &mut Writer) {
        let context = self.0;
        writer.bytes(context.session.as_bytes());
        writer.text(context.scheme.name());
        writer.text("sha256+sha512/field-le64/v1");
        writer.text(context.protocol.label());
        writer.uint(context.protocol.version());
        context.committee.write(writer);
        writer.option(context.key.as_ref(), |writer, key| writer.bytes(key.as_bytes()));
        writer.uint(context.epoch.0);
        let signers = context.signers.as_ref().map(|quorum| quorum.signers()).unwrap_or_default();
        writer.list(signers.iter(), |writer, signer| writer.party(*signer));
        writer.option(context.group_key.as_ref(), |writer, key| key.write(writer));
        writer.option(context.merkle_root.as_ref(), |writer, root| writer.bytes(root));
        writer.option(context.intent.as_ref(), |writer, intent| intent.write(writer));
        writer.option(context.batch.as_ref(), |writer, batch| {
            writer.uint(u64::from(batch.size));
            batch.setup.write(writer);
        });
    }
}

/// The session: its context and a fresh contribution from every participant.
pub struct Ssid<'a> {
    /// The digest of the context.
    pub context: Hash,
    /// What every participant said first.
    pub hellos: &'a [(Party, Hash)],
}

impl Transcript for Ssid<'_> {
    const DOMAIN: &'static str = "keymoot/ssid/v1";
    fn fields(&self, writer: &mut Writer) {
        self.context.write(writer);
        writer.list(self.hellos.iter(), party_and_hash);
    }
}

/// The body of a message.
pub struct Body<'a>(pub &'a [u8]);

impl Transcript for Body<'_> {
    const DOMAIN: &'static str = "keymoot/body/v1";
    fn fields(&self, writer: &mut Writer) {
        writer.bytes(self.0);
    }
}

/// What a sender signs: the whole header and the body.
pub struct Signed<'a> {
    /// Session, round, kind, sender, recipient and view.
    pub header: &'a Header,
    /// The digest of the body.
    pub body: Hash,
}

impl Transcript for Signed<'_> {
    const DOMAIN: &'static str = "keymoot/envelope/v1";
    fn fields(&self, writer: &mut Writer) {
        self.header.write(writer);
        self.body.write(writer);
    }
}

/// All broadcasts up to and including one round, as one participant saw them.
pub struct View<'a> {
    /// The view before this round.
    pub before: Hash,
    /// The round.
    pub round: u8,
    /// What each participant broadcast in it.
    pub bodies: &'a [(Party, Hash)],
}

impl Transcript for View<'_> {
    const DOMAIN: &'static str = "keymoot/view/v1";
    fn fields(&self, writer: &mut Writer) {
        self.before.write(writer);
        writer.uint(u64::from(self.round));
        writer.list(self.bodies.iter(), party_and_hash);
    }
}

fn party_and_hash(writer: &mut Writer, (party, hash): &(Party, Hash)) {
    writer.party(*party);
    hash.write(writer);
}

/// A commitment to an encoded opening, which carries its own 32-byte blind.
pub struct Commitment<'a> {
    /// The session.
    pub ssid: Hash,
    /// The round of the commitment.
    pub round: u8,
    /// Who commits; a copied commitment cannot be opened by the copier.
    pub committer: Party,
    /// The encoded opening.
    pub opening: &'a [u8],
}

impl Transcript for Commitment<'_> {
    const DOMAIN: &'static str = "keymoot/commitment/v1";
    fn fields(&self, writer: &mut Writer) {
        self.ssid.write(writer);
        writer.uint(u64::from(self.round));
        writer.party(self.committer);
        writer.bytes(self.opening);
    }
}

/// Randomness that nobody chose: contributions that were all committed to before any was opened.
pub struct Joint<'a> {
    /// What the randomness is for.
    pub purpose: &'static str,
    /// The session.
    pub ssid: Hash,
    /// The contributions.
    pub parts: &'a [(Party, [u8; 32])],
}

impl Transcript for Joint<'_> {
    const DOMAIN: &'static str = "keymoot/joint/v1";
    fn fields(&self, writer: &mut Writer) {
        writer.text(self.purpose);
        self.ssid.write(writer);
        writer.list(self.parts.iter(), |writer, (party, part)| {
            writer.party(*party);
            writer.bytes(part);
        });
    }
}

/// The Fiat–Shamir challenge of a Schnorr proof of knowledge.
pub struct SchnorrChallenge<'a, C: Curve> {
    /// Which secret is meant; two proofs of one round cannot be swapped.
    pub statement: &'static str,
    /// The session.
    pub ssid: Hash,
    /// The round of the proof.
    pub round: u8,
    /// Who proves; a proof cannot be reflected or copied.
    pub prover: Party,
    /// Randomness that was fixed after the proof's own commitment.
    pub joint: Hash,
    /// The public point.
    pub public: &'a C::Point,
    /// The proof's commitment.
    pub commitment: &'a C::Point,
}

impl<C: Curve> Transcript for SchnorrChallenge<'_, C> {
    const DOMAIN: &'static str = "keymoot/schnorr/v1";
    fn fields(&self, writer: &mut Writer) {
        writer.text(C::LABEL);
        writer.text(self.statement);
        self.ssid.write(writer);
        writer.uint(u64::from(self.round));
        writer.party(self.prover);
        self.joint.write(writer);
        writer.point::<C>(&C::Point::generator());
        writer.point::<C>(self.public);
        writer.point::<C>(self.commitment);
    }
}

/// What every member signs when a key is ready: all of its public outputs, and how it came to be.
pub struct Ready<'a, C: Curve>(pub &'a GroupKey<C>);

impl<C: Curve> Transcript for Ready<'_, C> {
    const DOMAIN: &'static str = "keymoot/ready/v1";
    fn fields(&self, writer: &mut Writer) {
        self.0.write_outputs(writer);
    }
}

/// What is to be signed by whom under which derived key.
pub struct Intent<'a> {
    /// The bytes that the scheme signs.
    pub message: &'a [u8],
    /// The derivation path.
    pub path: &'a Path,
    /// The epoch that signs.
    pub epoch: Epoch,
    /// The key under which the signature will verify.
    pub output_key: &'a [u8],
}

impl Transcript for Intent<'_> {
    const DOMAIN: &'static str = "keymoot/sign-intent/v1";
    fn fields(&self, writer: &mut Writer) {
        writer.bytes(self.message);
        writer.list(self.path.steps().iter(), |writer, step| writer.uint(u64::from(*step)));
        writer.uint(self.epoch.0);
        writer.bytes(self.output_key);
    }
}

/// The name of a preprocessed nonce: its public commitments and whose it is.
pub struct NonceName<'a> {
    /// The member.
    pub member: IdentityPublic,
    /// The key it may sign under.
    pub group_key: Hash,
    /// Its encoded commitments.
    pub commitments: &'a [u8],
}

impl Transcript for NonceName<'_> {
    const DOMAIN: &'static str = "keymoot/nonce/v1";
    fn fields(&self, writer: &mut Writer) {
        writer.bytes(self.member.as_bytes());
        self.group_key.write(writer);
        writer.bytes(self.commitments);
    }
}

/// What a node or coordinator states outside of any protocol session, with its identity's signature beneath.
pub struct Statement<'a> {
    /// What kind of statement, and in which version; no two kinds share it.
    pub domain: &'a str,
    /// The encoded statement.
    pub bytes: &'a [u8],
}

impl Transcript for Statement<'_> {
    const DOMAIN: &'static str = "keymoot/statement/v1";
    fn fields(&self, writer: &mut Writer) {
        writer.text(self.domain);
        writer.bytes(self.bytes);
    }
}
