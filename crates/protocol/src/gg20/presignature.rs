//! Presignatures of GG20: made in batches, bound to one key, epoch and signer set, burnt, used once.
//!
//! R = k⁻¹·G, and each signer holds its shares of k and of k·x. Beside them stand the points R̄ = kᵢ·R and S = χᵢ·R of all
//! signers, so that every share of a signature can be checked by itself.

use k256::{AffinePoint, Scalar};
use keymoot_types::{Epoch, PARTIES_MAX, Party, Secret};
use zeroize::Zeroizing;

use crate::codec::{Malformed, Reader, Wire, Writer};
use crate::curve::Secp256k1;
use crate::dkls23::{PresignatureId, Tombstone};
use crate::identity::IdentityPublic;
use crate::transcript::paillier::PresignedName;
use crate::transcript::{Hash, Transcript};

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
    /// kᵢ·R of each signer; they add up to the generator.
    pub nonces: Vec<AffinePoint>,
    /// χᵢ·R of each signer; they add up to the key.
    pub keys: Vec<AffinePoint>,
}

impl Public {
    /// The name that follows from all of it.
    #[must_use]
    pub fn id(&self) -> PresignatureId {
        PresignedName(self).digest()
    }

    fn position(&self, party: Party) -> Option<usize> {
        self.signers.binary_search(&party).ok()
    }

    /// The commitment of one signer.
    pub(super) fn entropy_of(&self, party: Party) -> Option<Hash> {
        self.entropy.get(self.position(party)?).copied()
    }

    /// The points of one signer's shares.
    pub(super) fn points_of(&self, party: Party) -> Option<[&AffinePoint; 2]> {
        let at = self.position(party)?;
        Some([self.nonces.get(at)?, self.keys.get(at)?])
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
        writer.list(self.nonces.iter(), Writer::affine);
        writer.list(self.keys.iter(), Writer::affine);
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
            nonces: reader.list(max, Reader::affine)?,
            keys: reader.list(max, Reader::affine)?,
        };
        let rising = public.signers.iter().zip(public.signers.iter().skip(1)).all(|(one, next)| one < next);
        let counts = [public.entropy.len(), public.nonces.len(), public.keys.len()];
        if rising && counts.iter().all(|count| *count == public.signers.len()) {
            Ok(public)
        } else {
            Err(Malformed::Party)
        }
    }
}

/// One signer's secrets of a presignature: its shares of k and k·x, and its entropy.
pub(super) struct Secrets {
    pub(super) scalars: Secret<[Scalar; 2]>,
    pub(super) entropy: Secret<[u8; 32]>,
}

impl Secrets {
    pub(super) fn new(scalars: [Scalar; 2], entropy: [u8; 32]) -> Self {
        Self { scalars: Secret::new(scalars), entropy: Secret::new(entropy) }
    }
}

/// One signer's part of a presignature that has not been used. Secret: no `Clone`, no `Debug`, wiped on drop.
///
/// ```compile_fail
/// fn copy(one: &keymoot_protocol::gg20::Presignature) -> keymoot_protocol::gg20::Presignature {
///     one.clone()
/// }
/// ```
pub struct Presignature {
    id: PresignatureId,
    party: Party,
    public: Public,
    identities: Vec<IdentityPublic>,
    secrets: Secrets,
}

/// One signer's part of a presignature whose burning is on record: good for one share for one request.
///
/// ```compile_fail
/// # use keymoot_protocol::gg20::BurntPresignature;
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
        let scalars = [reader.scalar::<Secp256k1>()?, reader.scalar::<Secp256k1>()?];
        let secrets = Secrets::new(scalars, reader.fixed()?);
        reader.end()?;
        if public.signers.contains(&party) && identities.len() == public.signers.len() {
            Ok(Self::new(party, public, identities, secrets))
        } else {
            Err(Malformed::Party)
        }
    }
}
