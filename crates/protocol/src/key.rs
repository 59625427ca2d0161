//! What key generation leaves behind: one public key package for everybody, one secret share for each member.

use std::sync::Arc;

use keymoot_types::{Epoch, KeyId, PARTIES_MAX, Party, Scheme, Secret};
use zeroize::Zeroizing;

use crate::codec::{Malformed, Reader, Wire, Writer};
use crate::context::Committee;
use crate::curve::{Curve, group::Group};
use crate::derive::output_key;
use crate::identity::IdentitySignature;
use crate::transcript::{Hash, Ready, Transcript};
use crate::vss::lagrange;

/// The public side of a key: what it is, who holds it, and everybody's signature that it is so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupKey<C: Curve> {
    /// The scheme this key serves, and no other.
    pub scheme: Scheme,
    /// Its holders.
    pub committee: Arc<Committee>,
    /// Its name.
    pub key: KeyId,
    /// Its epoch.
    pub epoch: Epoch,
    /// The public key Y. For Taproot this is the internal key.
    pub public: C::Point,
    /// X₁ … Xₙ: the public counterpart of every member's share.
    pub shares: Vec<C::Point>,
    /// The key's own BIP-32 chain code, drawn by all members together.
    pub chain_code: [u8; 32],
    /// The Taproot script tree the output key commits to; `None` is provably no script at all.
    pub merkle_root: Option<[u8; 32]>,
    /// The key under which signatures verify: 32 bytes, x-only for Taproot, RFC 8032 for Ed25519, and
    /// for ECDSA the x coordinate of the public key itself.
    pub output_key: [u8; 32],
    /// The session that generated the key.
    pub session: Hash,
    /// Everything that was broadcast in it.
    pub view: Hash,
    /// Every member's signature over all of the above, in index order: the key's certificate.
    pub certificate: Vec<IdentitySignature>,
}

/// A public key package that must not be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    /// The package is about another committee than the one we know.
    #[error("the key belongs to another committee than the one that is expected")]
    Committee,
    /// The certificate does not have exactly one signature of each member.
    #[error("the certificate does not have exactly one signature for each member")]
    Incomplete,
    /// A member's signature does not verify.
    #[error("the signature of {0} on the certificate does not verify")]
    Signature(Party),
    /// The public shares or the output key do not follow from the public key.
    #[error("the public shares or the output key do not belong to the public key")]
    Inconsistent,
}

impl<C: Curve> GroupKey<C> {
    /// Everything that the certificate covers.
    pub(crate) fn write_outputs(&self, writer: &mut Writer) {
        writer.text(C::LABEL);
        writer.text(self.scheme.name());
        self.committee.write(writer);
        writer.bytes(self.key.as_bytes());
        writer.uint(self.epoch.0);
        writer.point::<C>(&self.public);
        writer.list(self.shares.iter(), |writer, share| writer.point::<C>(share));
        writer.bytes(&self.chain_code);
        writer.option(self.merkle_root.as_ref(), |writer, root| writer.bytes(root));
        writer.bytes(&self.output_key);
        self.session.write(writer);
        self.view.write(writer);
    }

    /// The digest that every member signed; it names this package in later sessions.
    #[must_use]
    pub fn digest(&self) -> Hash {
        Ready(self).digest()
    }

    /// The public counterpart of a member's share.
    #[must_use]
    pub fn share_of(&self, party: Party) -> Option<&C::Point> {
        self.shares.get(usize::from(party.index()).checked_sub(1)?)
    }

    /// Checks the certificate of the committee that the caller knows, and that the public shares and the output key
    /// belong to the public key. Nothing else makes a key usable.
    ///
    /// The package names a committee itself; anybody can make one up and certify whatever they like with it. Key,
    /// epoch and script root are for the caller to compare with what it expects.
    ///
    /// # Errors
    /// Another committee, a missing or wrong signature, shares of another polynomial.
    pub fn verify(&self, pinned: &Committee) -> Result<(), CertificateError> {
        if *self.committee != *pinned {
            return Err(CertificateError::Committee);
        }
        let threshold = self.committee.threshold();
        let total = usize::from(threshold.total());
        if self.certificate.len() != total {
            return Err(CertificateError::Incomplete);
        }
        let digest = self.digest();
        for (party, signature) in threshold.parties().zip(&self.certificate) {
            if !self.committee.identity(party).is_some_and(|identity| identity.verifies(&digest, signature)) {
                return Err(CertificateError::Signature(party));
            }
        }
        // Last, because it costs most: only what everybody signed gets this far.
        let output = output_key::<C>(self.scheme, &self.public, self.merkle_root.as_ref());
        if self.shares.len() != total || output != Some(self.output_key) || !self.is_one_polynomial() {
            return Err(CertificateError::Inconsistent);
        }
        Ok(())
    }

    /// Whether the public key and all public shares lie on one polynomial of degree t−1: any t neighbours interpolate to
    /// the key, and two such windows share t−1 points and the constant term, which fix the polynomial.
    pub(crate) fn is_one_polynomial(&self) -> bool {
        let threshold = self.committee.threshold();
        let parties: Vec<Party> = threshold.parties().collect();
        parties
            .windows(usize::from(threshold.needed()))
            .all(|quorum| self.interpolate(quorum) == Some(self.public))
    }

    fn interpolate(&self, quorum: &[Party]) -> Option<C::Point> {
        quorum.iter().try_fold(C::Point::identity(), |sum, party| {
            Some(sum + *self.share_of(*party)? * lagrange::<C>(quorum, *party)?)
        })
    }
}

impl<C: Curve> Wire for GroupKey<C> {
    fn write(&self, writer: &mut Writer) {
        self.write_outputs(writer);
        writer.list(self.certificate.iter(), |writer, signature| writer.bytes(&signature.0));
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        if reader.text()? != C::LABEL {
            return Err(Malformed::Choice);
        }
        let scheme: Scheme = reader.text()?.parse().map_err(|_| Malformed::Choice)?;
        if scheme.curve() != C::NAME {
            return Err(Malformed::Choice);
        }
        let parties = usize::from(PARTIES_MAX);
        Ok(Self {
            scheme,
            committee: Arc::new(Committee::read(reader)?),
            key: KeyId::new(reader.fixed()?),
            epoch: Epoch(reader.uint()?),
            public: reader.point::<C>()?,
            shares: reader.list(parties, Reader::point::<C>)?,
            chain_code: reader.fixed()?,
            merkle_root: reader.option(Reader::fixed)?,
            output_key: reader.fixed()?,
            session: Hash::read(reader)?,
            view: Hash::read(reader)?,
            certificate: reader.list(parties, |reader| reader.fixed().map(IdentitySignature))?,
        })
    }
}

/// One member's share of a key, beside the key's public side. Secret: no `Clone`, no `Debug`, wiped on drop.
///
/// ```compile_fail
/// type Secret = keymoot_protocol::key::KeyShare<keymoot_protocol::curve::Ed25519>;
/// fn copy(share: &Secret) -> Secret {
///     share.clone()
/// }
/// ```
pub struct KeyShare<C: Curve> {
    party: Party,
    secret: Secret<C::Scalar>,
    group: Arc<GroupKey<C>>,
}

/// A share, a key and an expected digest that do not belong together, or a key without its certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the share, the key and the digest that was expected do not belong together")]
pub struct ForeignShare;

impl<C: Curve> KeyShare<C> {
    /// Puts a share beside its key, which is the one with the `expected` digest: what this member has signed itself
    /// when the key was generated. Where the package comes from does not matter then.
    ///
    /// # Errors
    /// Another key, no valid certificate, or a share whose public counterpart is not the one in the key.
    pub fn new(
        party: Party,
        secret: Secret<C::Scalar>,
        group: Arc<GroupKey<C>>,
        expected: &Hash,
    ) -> Result<Self, ForeignShare> {
        let public = C::Point::generator() * secret.expose();
        let ours = group.digest() == *expected && group.share_of(party) == Some(&public);
        if ours && group.verify(&group.committee).is_ok() {
            Ok(Self { party, secret, group })
        } else {
            Err(ForeignShare)
        }
    }

    /// The encoding for a sealed store: whose share of which key package it is, without the key and its certificate.
    #[must_use]
    pub fn seal(&self) -> Zeroizing<Vec<u8>> {
        seal::<C>(self.party, self.group.scheme, &self.group.digest(), &self.secret)
    }

    /// Puts what [`KeyShare::seal`] or [`crate::dkg::Dkg::seal_pending`] wrote beside its key.
    ///
    /// # Errors
    /// Anything else, or as [`KeyShare::new`].
    pub fn unseal(bytes: &[u8], group: Arc<GroupKey<C>>) -> Result<Self, ForeignShare> {
        let mut reader = Reader::new(bytes);
        let (party, expected, secret) =
            read_sealed::<C>(&mut reader, group.scheme).map_err(|_| ForeignShare)?;
        Self::new(party, secret, group, &expected)
    }

    /// Whose share it is.
    #[must_use]
    pub const fn party(&self) -> Party {
        self.party
    }

    /// The key's public side.
    #[must_use]
    pub const fn group(&self) -> &Arc<GroupKey<C>> {
        &self.group
    }

    /// The secret share.
    #[must_use]
    pub fn expose(&self) -> &C::Scalar {
        self.secret.expose()
    }
}

/// A share for a sealed store; the digest stands for the key, which is public and may still lack its certificate.
pub(crate) fn seal<C: Curve>(
    party: Party,
    scheme: Scheme,
    package: &Hash,
    secret: &Secret<C::Scalar>,
) -> Zeroizing<Vec<u8>> {
    let mut writer = Writer::new();
    writer.text(scheme.name());
    writer.party(party);
    package.write(&mut writer);
    writer.scalar::<C>(secret.expose());
    writer.finish()
}

fn read_sealed<C: Curve>(
    reader: &mut Reader<'_>,
    scheme: Scheme,
) -> Result<(Party, Hash, Secret<C::Scalar>), Malformed> {
    if reader.text()? != scheme.name() {
        return Err(Malformed::Choice);
    }
    let sealed = (reader.party()?, Hash::read(reader)?, Secret::new(reader.scalar::<C>()?));
    reader.end().map(|()| sealed)
}
