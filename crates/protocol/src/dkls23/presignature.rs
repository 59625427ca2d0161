//! Presignatures: made in batches, named, bound to one key, epoch and signer set, burnt, used once.
//!
//! Two different signatures with one presignature give the key away. So it is a value that only moves: burning hands
//! out the one [`BurntPresignature`] for one request, and only that can sign. The tombstone that burning leaves is
//! durable *before* anything derived from the presignature leaves the node.

use k256::{AffinePoint, Scalar};
use keymoot_types::{Epoch, PARTIES_MAX, Party, Secret};
use zeroize::Zeroizing;

use crate::codec::{Malformed, Reader, Wire, Writer};
use crate::curve::Secp256k1;
use crate::identity::IdentityPublic;
use crate::transcript::presignature::PresignatureName;
use crate::transcript::{Hash, Transcript};

/// The name of a presignature, which all of its signers know it by.
pub type PresignatureId = Hash;

/// What everybody may know about a presignature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Public {
    /// The session that made it.
    pub ssid: Hash,
    /// Everything that was broadcast in it.
    pub view: Hash,
    /// Its place in the batch.
    pub number: u64,
    /// The certified public key package it may sign under.
    pub group_key: Hash,
    /// The epoch it may sign in.
    pub epoch: Epoch,
    /// Exactly who signs with it.
    pub signers: Vec<Party>,
    /// R.
    pub nonce: AffinePoint,
    /// Each signer's commitment to the entropy it opens when the presignature is used.
    pub entropy: Vec<Hash>,
}

impl Public {
    /// The name that follows from all of it.
    #[must_use]
    pub fn id(&self) -> PresignatureId {
        PresignatureName(self).digest()
    }

    /// The commitment of one signer.
    pub(super) fn entropy_of(&self, party: Party) -> Option<Hash> {
        let place = self.signers.binary_search(&party).ok()?;
        self.entropy.get(place).copied()
    }
}

impl Wire for Public {
    fn write(&self, writer: &mut Writer) {
        self.ssid.write(writer);
        self.view.write(writer);
        writer.uint(self.number);
        self.group_key.write(writer);
        writer.uint(self.epoch.0);
        writer.list(self.signers.iter(), |writer, signer| writer.party(*signer));
        writer.affine(&self.nonce);
        writer.list(self.entropy.iter(), |writer, commitment| commitment.write(writer));
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let max = usize::from(PARTIES_MAX);
        let public = Self {
            ssid: Hash::read(reader)?,
            view: Hash::read(reader)?,
            number: reader.uint()?,
            group_key: Hash::read(reader)?,
            epoch: Epoch(reader.uint()?),
            signers: reader.list(max, Reader::party)?,
            nonce: reader.affine()?,
            entropy: reader.list(max, Hash::read)?,
        };
        let rising = public.signers.iter().zip(public.signers.iter().skip(1)).all(|(one, next)| one < next);
        if rising && public.entropy.len() == public.signers.len() {
            Ok(public)
        } else {
            Err(Malformed::Party)
        }
    }
}

/// One signer's secrets of a presignature: φ, and its shares of r·φ and x·φ; and its entropy.
pub(super) struct Secrets {
    pub(super) scalars: Secret<[Scalar; 3]>,
    pub(super) entropy: Secret<[u8; 32]>,
}

impl Secrets {
    pub(super) fn new(scalars: [Scalar; 3], entropy: [u8; 32]) -> Self {
        Self { scalars: Secret::new(scalars), entropy: Secret::new(entropy) }
    }
}

/// One signer's part of a presignature that has not been used. Secret: no `Clone`, no `Debug`, wiped on drop.
///
/// ```compile_fail
/// fn copy(one: &keymoot_protocol::dkls23::Presignature) -> keymoot_protocol::dkls23::Presignature {
///     one.clone()
/// }
/// ```
pub struct Presignature {
    id: PresignatureId,
    party: Party,
    public: Public,
    /// Who the signers are, beside their indices, which mean something in one committee only.
    identities: Vec<IdentityPublic>,
    secrets: Secrets,
}

/// One signer's part of a presignature whose burning is on record: good for one share for one request.
///
/// ```compile_fail
/// # use keymoot_protocol::dkls23::BurntPresignature;
/// fn twice(one: BurntPresignature, sign: impl Fn(BurntPresignature)) {
///     sign(one);
///     sign(one);
/// }
/// ```
pub struct BurntPresignature {
    pub(super) request: Hash,
    pub(super) party: Party,
    pub(super) public: Public,
    pub(super) secrets: Secrets,
}

/// What burning leaves on record, for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Tombstone {
    /// Which presignature.
    pub presignature: PresignatureId,
    /// For what: the digest of the intent. `None` if it was thrown away.
    pub request: Option<Hash>,
}

impl Wire for Tombstone {
    fn write(&self, writer: &mut Writer) {
        self.presignature.write(writer);
        writer.option(self.request.as_ref(), |writer, request| request.write(writer));
    }
    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(Self { presignature: Hash::read(reader)?, request: reader.option(Hash::read)? })
    }
}

impl Presignature {
    pub(super) fn new(
        party: Party,
        public: Public,
        identities: Vec<IdentityPublic>,
        secrets: Secrets,
    ) -> Self {
        Self { id: public.id(), party, public, identities, secrets }
    }

    /// Its name.
    #[must_use]
    pub const fn id(&self) -> PresignatureId {
        self.id
    }

    /// Whose part it is.
    #[must_use]
    pub const fn party(&self) -> Party {
        self.party
    }

    /// What everybody may know about it.
    #[must_use]
    pub const fn public(&self) -> &Public {
        &self.public
    }

    /// The signers' identities, in the order of the signers.
    #[must_use]
    pub fn identities(&self) -> &[IdentityPublic] {
        &self.identities
    }

    /// Gives it up for one request, the digest of an order's intent. The caller makes the tombstone durable before
    /// anything derived from the rest leaves.
    #[must_use]
    pub fn burn(self, request: Hash) -> (Tombstone, BurntPresignature) {
        let Self { id, party, public, secrets, .. } = self;
        let tombstone = Tombstone { presignature: id, request: Some(request) };
        (tombstone, BurntPresignature { request, party, public, secrets })
    }

    /// The encoding for a sealed store.
    #[must_use]
    pub fn seal(&self) -> Zeroizing<Vec<u8>> {
        let mut writer = Writer::new();
        writer.party(self.party);
        self.public.write(&mut writer);
        writer.list(self.identities.iter(), |writer, identity| writer.bytes(identity.as_bytes()));
        self.secrets.scalars.expose().iter().for_each(|scalar| writer.scalar::<Secp256k1>(scalar));
        writer.bytes(self.secrets.entropy.expose());
        writer.finish()
    }

    /// Reads what [`Presignature::seal`] wrote.
    ///
    /// # Errors
    /// Anything else.
    pub fn unseal(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(bytes);
        let (party, public) = (reader.party()?, Public::read(&mut reader)?);
        let identity =
            |reader: &mut Reader<'_>| IdentityPublic::from_bytes(reader.fixed()?).ok_or(Malformed::Point);
        let identities = reader.list(usize::from(PARTIES_MAX), identity)?;
        let mut next = || reader.scalar::<Secp256k1>();
        let scalars = [next()?, next()?, next()?];
        let secrets = Secrets::new(scalars, reader.fixed()?);
        reader.end()?;
        if public.signers.contains(&party) && identities.len() == public.signers.len() {
            Ok(Self::new(party, public, identities, secrets))
        } else {
            Err(Malformed::Party)
        }
    }
}
