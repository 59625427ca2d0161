//! The messages of key generation, one type for each round but the first, which is a [`crate::machine::Hello`].

use keymoot_types::{Party, Secret};

use crate::codec::{Malformed, Reader, Wire, Writer};
use crate::curve::Curve;
use crate::identity::IdentitySignature;
use crate::transcript::{Commitment, Hash, Transcript};
use crate::vss::Commitments;

/// Round 1: a commitment to the opening of round 2.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commit(pub Hash);

impl Commit {
    /// The commitment of `committer` to `opening`.
    #[must_use]
    pub fn to<C: Curve>(ssid: Hash, committer: Party, opening: &Opening<C>) -> Self {
        Self(Commitment { ssid, round: 1, committer, opening: &opening.encode() }.digest())
    }
}

impl Wire for Commit {
    fn write(&self, writer: &mut Writer) {
        self.0.write(writer);
    }
    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        Hash::read(reader).map(Self)
    }
}

/// Round 2: what the dealer committed to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opening<C: Curve> {
    /// The contribution to the joint randomness of the proofs' challenges.
    pub randomness: [u8; 32],
    /// The contribution to the key's chain code.
    pub chain_code: [u8; 32],
    /// What hid the commitment.
    pub blind: [u8; 32],
    /// The dealer's polynomial, exactly t commitments.
    pub polynomial: Commitments<C>,
    /// The commitment of the proof for this member's share of the key.
    pub share_proof: C::Point,
    /// The commitment of the proof for the dealer's constant term.
    pub constant_proof: C::Point,
}

impl<C: Curve> Wire for Opening<C> {
    fn write(&self, writer: &mut Writer) {
        writer.bytes(&self.randomness);
        writer.bytes(&self.chain_code);
        writer.bytes(&self.blind);
        self.polynomial.write(writer);
        writer.point::<C>(&self.share_proof);
        writer.point::<C>(&self.constant_proof);
    }
    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(Self {
            randomness: reader.fixed()?,
            chain_code: reader.fixed()?,
            blind: reader.fixed()?,
            polynomial: Commitments::read(reader)?,
            share_proof: reader.point::<C>()?,
            constant_proof: reader.point::<C>()?,
        })
    }
}

/// Round 3: the value of the dealer's polynomial at the recipient's index. Secret.
pub struct Share<C: Curve>(pub Secret<C::Scalar>);

impl<C: Curve> Wire for Share<C> {
    fn write(&self, writer: &mut Writer) {
        writer.scalar::<C>(self.0.expose());
    }
    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        reader.scalar::<C>().map(|value| Self(Secret::new(value)))
    }
}

/// Round 4: the answers of both proofs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proofs<C: Curve> {
    /// Knowledge of this member's share of the key.
    pub share: C::Scalar,
    /// Knowledge of the dealer's constant term.
    pub constant: C::Scalar,
}

impl<C: Curve> Wire for Proofs<C> {
    fn write(&self, writer: &mut Writer) {
        writer.scalar::<C>(&self.share);
        writer.scalar::<C>(&self.constant);
    }
    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(Self { share: reader.scalar::<C>()?, constant: reader.scalar::<C>()? })
    }
}

/// Round 5: this member's signature on the key's certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certify(pub IdentitySignature);

impl Wire for Certify {
    fn write(&self, writer: &mut Writer) {
        writer.bytes(&self.0.0);
    }
    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(Self(IdentitySignature(reader.fixed()?)))
    }
}
