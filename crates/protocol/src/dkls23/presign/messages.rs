//! The messages of presigning, one type for each kind of round.

use k256::{AffinePoint, Scalar};

use super::super::BATCH_MAX;
use super::super::multiply::Product;
use super::super::pair::USES_MAX;
use super::CHUNK;
use crate::codec::{Malformed, Reader, Wire, Writer};
use crate::curve::Secp256k1;
use crate::transcript::{Commitment, Hash, Transcript};
use keymoot_types::Party;

/// Round 0: a fresh contribution to the session's name, and how often its author has used the pair setup.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hello {
    /// 32 uniform bytes.
    pub nonce: [u8; 32],
    /// The count, this use included. It makes the contribution new even if the randomness is not.
    pub uses: u64,
}

impl Wire for Hello {
    fn write(&self, writer: &mut Writer) {
        writer.bytes(&self.nonce);
        writer.uint(self.uses);
    }
    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let (nonce, uses) = (reader.fixed()?, reader.uint()?);
        if (1..=USES_MAX).contains(&uses) { Ok(Self { nonce, uses }) } else { Err(Malformed::Integer) }
    }
}

/// Round 1: commitments to the opening of round 3, and to the entropy of each presignature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commit {
    /// To the opening.
    pub opening: Hash,
    /// To the entropy, for each presignature.
    pub entropy: Vec<[u8; 32]>,
}

impl Wire for Commit {
    fn write(&self, writer: &mut Writer) {
        self.opening.write(writer);
        writer.bytes(self.entropy.as_flattened());
    }
    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let opening = Hash::read(reader)?;
        let (entropy, rest) = reader.bytes(BATCH_MAX * 32)?.as_chunks::<32>();
        if rest.is_empty() {
            Ok(Self { opening, entropy: entropy.to_vec() })
        } else {
            Err(Malformed::WrongLength)
        }
    }
}

impl Commit {
    /// The commitment that `committer` makes to an opening.
    #[must_use]
    pub fn to(ssid: Hash, committer: Party, opening: &Open) -> Hash {
        Commitment { ssid, round: 1, committer, opening: &opening.encode() }.digest()
    }
}

/// Round 3: the points of the shares that enter the multiplications.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Open {
    /// What hid the commitment.
    pub blind: [u8; 32],
    /// The point of the key share.
    pub key: AffinePoint,
    /// The point of each presignature's nonce share.
    pub nonces: Vec<AffinePoint>,
}

impl Wire for Open {
    fn write(&self, writer: &mut Writer) {
        writer.bytes(&self.blind);
        writer.affine(&self.key);
        writer.list(self.nonces.iter(), Writer::affine);
    }
    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(Self {
            blind: reader.fixed()?,
            key: reader.affine()?,
            nonces: reader.list(BATCH_MAX, Reader::affine)?,
        })
    }
}

/// A multiplication's reply for one presignature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The multiplication of the nonce share and the key share.
    pub product: Product,
    /// The points of our shares of both products.
    pub shares: [AffinePoint; 2],
    /// What moves the recipient's random number to our mask: ψ = φ − χ.
    pub shift: Scalar,
}

/// A reply round: some presignatures of the batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replies(pub Vec<Reply>);

impl Wire for Replies {
    fn write(&self, writer: &mut Writer) {
        writer.list(self.0.iter(), |writer, reply| {
            reply.product.write(writer);
            reply.shares.iter().for_each(|point| writer.affine(point));
            writer.scalar::<Secp256k1>(&reply.shift);
        });
    }
    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let replies = reader.list(CHUNK, |reader| {
            let product = Product::read(reader)?;
            let shares = [reader.affine()?, reader.affine()?];
            Ok(Reply { product, shares, shift: reader.scalar::<Secp256k1>()? })
        });
        replies.map(Self)
    }
}

/// The last round: every check of ours holds. The header vouches for all broadcasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Confirm;

const CONFIRM: &str = "presigned";

impl Wire for Confirm {
    fn write(&self, writer: &mut Writer) {
        writer.text(CONFIRM);
    }
    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        if reader.text()? == CONFIRM { Ok(Self) } else { Err(Malformed::Choice) }
    }
}
