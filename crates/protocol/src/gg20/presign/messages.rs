//! The messages of presigning. Each holds one entry for each presignature of the batch.

use k256::{ProjectivePoint, Scalar};
use keymoot_types::PARTIES_MAX;

use super::super::number::Natural;
use super::super::proofs::{affine, encryption, equal, exponent};
use super::BATCH_MAX;
use crate::codec::{Malformed, Reader, Wire, Writer};
use crate::curve::Secp256k1;

const OTHERS: usize = PARTIES_MAX as usize;

/// Round 1: encryptions of k and γ, commitments to the same, and one to the entropy of the presignature.
#[derive(Clone, PartialEq, Eq)]
pub struct Offer {
    /// K = Enc(k).
    pub nonce: Natural,
    /// G = Enc(γ).
    pub mask: Natural,
    /// Y.
    pub base: ProjectivePoint,
    /// a·G and a·Y + k·G.
    pub nonce_commitment: [ProjectivePoint; 2],
    /// b·G and b·Y + γ·G.
    pub mask_commitment: [ProjectivePoint; 2],
    /// To 32 bytes that are opened when the presignature is used.
    pub entropy: [u8; 32],
}

/// All of round 1.
#[derive(Clone, PartialEq, Eq)]
pub struct Offers(pub Vec<Offer>);

impl Wire for Offers {
    fn write(&self, writer: &mut Writer) {
        writer.list(self.0.iter(), |writer, offer| {
            offer.nonce.write(writer);
            offer.mask.write(writer);
            writer.point::<Secp256k1>(&offer.base);
            let points = offer.nonce_commitment.iter().chain(&offer.mask_commitment);
            points.for_each(|point| writer.point::<Secp256k1>(point));
            writer.bytes(&offer.entropy);
        });
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let offers = reader.list(BATCH_MAX, |reader| {
            Ok(Offer {
                nonce: Natural::read(reader)?,
                mask: Natural::read(reader)?,
                base: reader.point::<Secp256k1>()?,
                nonce_commitment: [reader.point::<Secp256k1>()?, reader.point::<Secp256k1>()?],
                mask_commitment: [reader.point::<Secp256k1>()?, reader.point::<Secp256k1>()?],
                entropy: reader.fixed()?,
            })
        });
        offers.map(Self)
    }
}

/// Round 2, to each other signer: that both encryptions are in range, under its parameters.
#[derive(Clone, PartialEq, Eq)]
pub struct EncryptionProofs(pub(in super::super) Vec<[encryption::Proof; 2]>);

impl Wire for EncryptionProofs {
    fn write(&self, writer: &mut Writer) {
        writer.list(self.0.iter(), |writer, proofs| proofs.iter().for_each(|proof| proof.write(writer)));
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let two = |reader: &mut Reader<'_>| {
            Ok([encryption::Proof::read(reader)?, encryption::Proof::read(reader)?])
        };
        reader.list(BATCH_MAX, two).map(Self)
    }
}

/// The ciphertexts of two multiplications, with γ and with the key share, for one other signer.
#[derive(Clone, PartialEq, Eq)]
pub struct Products {
    /// D = γ⊙K ⊕ Enc(y), and F = Enc(y) under the sender's own key.
    pub mask: [Natural; 2],
    /// The same with the key share.
    pub key: [Natural; 2],
}

/// Round 3: γ·G, and the products for each other signer in order.
#[derive(Clone, PartialEq, Eq)]
pub struct Share {
    /// Γ.
    pub point: ProjectivePoint,
    pub(in super::super) proof: exponent::Proof,
    /// For each other signer, in order.
    pub products: Vec<Products>,
}

/// All of round 3.
#[derive(Clone, PartialEq, Eq)]
pub struct Shares(pub Vec<Share>);

impl Wire for Shares {
    fn write(&self, writer: &mut Writer) {
        writer.list(self.0.iter(), |writer, share| {
            writer.point::<Secp256k1>(&share.point);
            share.proof.write(writer);
            writer.list(share.products.iter(), |writer, products| {
                products.mask.iter().chain(&products.key).for_each(|number| number.write(writer));
            });
        });
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let shares = reader.list(BATCH_MAX, |reader| {
            Ok(Share {
                point: reader.point::<Secp256k1>()?,
                proof: exponent::Proof::read(reader)?,
                products: reader.list(OTHERS, |reader| {
                    Ok(Products {
                        mask: [Natural::read(reader)?, Natural::read(reader)?],
                        key: [Natural::read(reader)?, Natural::read(reader)?],
                    })
                })?,
            })
        });
        shares.map(Self)
    }
}

/// Round 4, to each other signer: that its products are what they should be.
#[derive(Clone, PartialEq, Eq)]
pub struct AffineProofs(pub(in super::super) Vec<[affine::Proof; 2]>);

impl Wire for AffineProofs {
    fn write(&self, writer: &mut Writer) {
        writer.list(self.0.iter(), |writer, proofs| proofs.iter().for_each(|proof| proof.write(writer)));
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let two = |reader: &mut Reader<'_>| Ok([affine::Proof::read(reader)?, affine::Proof::read(reader)?]);
        reader.list(BATCH_MAX, two).map(Self)
    }
}

/// Round 5: a share of δ = k·γ, and points of the shares of k and of k·x.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Sum {
    /// δᵢ.
    pub delta: Scalar,
    /// Δᵢ = kᵢ·Γ.
    pub nonce: ProjectivePoint,
    /// Sᵢ = χᵢ·Γ.
    pub key: ProjectivePoint,
    pub(in super::super) proof: exponent::Proof,
}

/// All of round 5.
#[derive(Clone, PartialEq, Eq)]
pub struct Sums(pub Vec<Sum>);

impl Wire for Sums {
    fn write(&self, writer: &mut Writer) {
        writer.list(self.0.iter(), |writer, sum| {
            writer.scalar::<Secp256k1>(&sum.delta);
            writer.point::<Secp256k1>(&sum.nonce);
            writer.point::<Secp256k1>(&sum.key);
            sum.proof.write(writer);
        });
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let sums = reader.list(BATCH_MAX, |reader| {
            Ok(Sum {
                delta: reader.scalar::<Secp256k1>()?,
                nonce: reader.point::<Secp256k1>()?,
                key: reader.point::<Secp256k1>()?,
                proof: exponent::Proof::read(reader)?,
            })
        });
        sums.map(Self)
    }
}

/// Everything behind a share of δ: of a presignature that will never be used.
#[derive(Clone, PartialEq, Eq)]
pub struct NonceOpening {
    /// k and the root of K.
    pub nonce: (Scalar, Natural),
    /// γ.
    pub mask: Scalar,
    /// For each other signer in order: y, and the roots of Enc(y) in D and of F.
    pub pairs: Vec<[Natural; 3]>,
}

/// What shows the point of χᵢ, without the key share: of a presignature that will never be used.
#[derive(Clone, PartialEq, Eq)]
pub struct KeyOpening {
    /// k and the root of K.
    pub nonce: (Scalar, Natural),
    /// For each other signer in order: plaintext and root of its product with the key share.
    pub pairs: Vec<[Natural; 2]>,
    /// That S has the logarithm of the point that follows.
    pub(in super::super) proof: equal::Proof,
}

/// Round 6: all is well, or what the presignatures that do not add up were made of, by their place in the batch.
#[derive(Clone, PartialEq, Eq)]
pub enum Closing {
    /// Every check holds. The header vouches for all broadcasts.
    Confirm,
    /// Some δ is wrong.
    Nonces(Vec<(u64, NonceOpening)>),
    /// All δ are right, but some sum of S is wrong.
    Keys(Vec<(u64, KeyOpening)>),
}

impl Wire for Closing {
    fn write(&self, writer: &mut Writer) {
        match self {
            Self::Confirm => writer.text("presigned"),
            Self::Nonces(all) => {
                writer.text("nonces");
                writer.list(all.iter(), |writer, (number, opening)| {
                    writer.uint(*number);
                    writer.scalar::<Secp256k1>(&opening.nonce.0);
                    opening.nonce.1.write(writer);
                    writer.scalar::<Secp256k1>(&opening.mask);
                    writer.list(opening.pairs.iter(), |writer, pair| {
                        pair.iter().for_each(|number| number.write(writer));
                    });
                });
            }
            Self::Keys(all) => {
                writer.text("keys");
                writer.list(all.iter(), |writer, (number, opening)| {
                    writer.uint(*number);
                    writer.scalar::<Secp256k1>(&opening.nonce.0);
                    opening.nonce.1.write(writer);
                    writer.list(opening.pairs.iter(), |writer, pair| {
                        pair.iter().for_each(|number| number.write(writer));
                    });
                    opening.proof.write(writer);
                });
            }
        }
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        match reader.text()? {
            "presigned" => Ok(Self::Confirm),
            "nonces" => reader.list(BATCH_MAX, read_nonce).map(Self::Nonces),
            "keys" => reader.list(BATCH_MAX, read_key).map(Self::Keys),
            _ => Err(Malformed::Choice),
        }
    }
}

fn read_nonce(reader: &mut Reader<'_>) -> Result<(u64, NonceOpening), Malformed> {
    let number = reader.uint()?;
    let nonce = (reader.scalar::<Secp256k1>()?, Natural::read(reader)?);
    let mask = reader.scalar::<Secp256k1>()?;
    let three = |reader: &mut Reader<'_>| {
        Ok([Natural::read(reader)?, Natural::read(reader)?, Natural::read(reader)?])
    };
    Ok((number, NonceOpening { nonce, mask, pairs: reader.list(OTHERS, three)? }))
}

fn read_key(reader: &mut Reader<'_>) -> Result<(u64, KeyOpening), Malformed> {
    let number = reader.uint()?;
    let nonce = (reader.scalar::<Secp256k1>()?, Natural::read(reader)?);
    let two = |reader: &mut Reader<'_>| Ok([Natural::read(reader)?, Natural::read(reader)?]);
    let pairs = reader.list(OTHERS, two)?;
    Ok((number, KeyOpening { nonce, pairs, proof: equal::Proof::read(reader)? }))
}
