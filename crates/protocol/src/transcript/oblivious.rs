//! The hashes of oblivious transfer: a few named transcripts, and functions for long or many inputs.
//!
//! Each of these starts from the digest of a transcript ([`Domain`]), so that nothing expanded for one purpose,
//! session or direction means anything for another. Their inputs have fixed lengths.

use aes::Aes128Enc;
use aes::cipher::{Block, BlockEncrypt, KeyInit};
use k256::elliptic_curve::bigint::U256;
use k256::elliptic_curve::ops::Reduce;
use keymoot_types::{Party, Secret};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroize;

use super::{Hash, Transcript};
use crate::codec::{Wire, Writer};
use crate::curve::{Curve, Secp256k1};

/// What something is expanded for: the purpose, the session, and who sends to whom in it.
pub struct Domain {
    /// The purpose.
    pub purpose: &'static str,
    /// The session.
    pub ssid: Hash,
    /// Who holds the OT extension's Δ in this direction, and multiplies its own inputs.
    pub sender: Option<Party>,
    /// Who chooses.
    pub receiver: Option<Party>,
}

impl Transcript for Domain {
    const DOMAIN: &'static str = "keymoot/dkls23/domain/v1";
    fn fields(&self, writer: &mut Writer) {
        writer.text(self.purpose);
        self.ssid.write(writer);
        writer.option(self.sender, Writer::party);
        writer.option(self.receiver, Writer::party);
    }
}

/// One base OT: which of which pair.
#[derive(Clone, Copy)]
pub struct BaseOt {
    /// The setup session.
    pub ssid: Hash,
    /// Whose key A it is.
    pub sender: Party,
    /// Who chooses.
    pub receiver: Party,
    /// Its number.
    pub number: u8,
    /// The side, 0 or 1; a secret of the receiver, which is data here and nothing else.
    pub side: u8,
}

impl BaseOt {
    fn place(&self, writer: &mut Writer) {
        self.ssid.write(writer);
        writer.party(self.sender);
        writer.party(self.receiver);
        writer.bytes(&[self.number, self.side]);
    }
}

/// The random oracle into the group that makes a base OT's two points depend on each other.
pub struct BaseOtMask<'a> {
    /// Which side's mask.
    pub place: BaseOt,
    /// The encoded point of the other side.
    pub other: &'a [u8; 32],
}

impl Transcript for BaseOtMask<'_> {
    const DOMAIN: &'static str = "keymoot/dkls23/base-ot-mask/v1";
    fn fields(&self, writer: &mut Writer) {
        self.place.place(writer);
        writer.point_bytes(self.other);
    }
}

/// The key that one side of a base OT yields.
pub struct BaseOtKey<'a> {
    /// Which side of which transfer.
    pub place: BaseOt,
    /// The sender's encoded point A.
    pub offer: &'a [u8; 32],
    /// The receiver's two encoded points.
    pub reply: &'a [[u8; 32]; 2],
    /// The encoded shared point.
    pub shared: &'a [u8; 32],
}

impl Transcript for BaseOtKey<'_> {
    const DOMAIN: &'static str = "keymoot/dkls23/base-ot-key/v1";
    fn fields(&self, writer: &mut Writer) {
        self.place.place(writer);
        writer.point_bytes(self.offer);
        self.reply.iter().for_each(|point| writer.point_bytes(point));
        writer.point_bytes(self.shared);
    }
}

/// A transcript's digest, from which fixed-length inputs branch off.
#[derive(Clone)]
pub struct Seeded {
    digest: [u8; 32],
    /// SHA-256 after the digest and 32 zero bytes, which are one block: each branch takes one more.
    branches: Sha256,
}

impl Domain {
    /// The starting point of what is expanded for this.
    #[must_use]
    pub fn seeded(&self) -> Seeded {
        let digest = *self.digest().as_bytes();
        Seeded { digest, branches: Sha256::new().chain_update(digest).chain_update([0; 32]) }
    }
}

impl Seeded {
    /// 32 bytes for `number` and a 32-byte `secret`: SHA-256 of the domain, 32 zero bytes, the number (4 bytes, little
    /// endian) and the secret.
    #[must_use]
    pub fn branch(&self, number: u32, secret: &[u8; 32]) -> [u8; 32] {
        let hash = self.branches.clone().chain_update(number.to_le_bytes());
        hash.chain_update(secret).finalize().into()
    }

    /// Hashes a long input: BLAKE3, keyed with the domain, of the number (8 bytes, little endian) and `parts`, which
    /// have fixed lengths; fills `out`.
    pub fn long<'a>(&self, number: u64, parts: impl IntoIterator<Item = &'a [u8]>, out: &mut [u8]) {
        let mut hasher = blake3::Hasher::new_keyed(&self.digest);
        hasher.update(&number.to_le_bytes());
        for part in parts {
            hasher.update(part);
        }
        hasher.finalize_xof().fill(out);
        hasher.zeroize();
    }

    /// The digest itself, as a public seed.
    #[must_use]
    pub const fn as_seed(&self) -> &[u8; 32] {
        &self.digest
    }

    /// Row hashing for this domain.
    #[must_use]
    pub fn rows(&self) -> RowHash {
        let (key, _) = self.digest.split_at(16);
        RowHash(u128::from_le_bytes(key.try_into().unwrap_or([0; 16])))
    }
}

/// Scalars that one row of an OT extension yields for one side.
pub const ROW_SCALARS: usize = 3;

/// The correlation-robust hash of OT rows: AES-128 with a key for every row, in the form π(x) ⊕ x of Guo, Katz, Wang,
/// Weng and Yu (eprint 2019/1168, §7.3), so that one query of an attacker concerns one row only.
#[derive(Clone, Copy)]
pub struct RowHash(u128);

impl RowHash {
    /// The scalars of row `number` for each of `inputs`.
    #[must_use]
    pub fn scalars<const N: usize>(
        &self,
        number: u64,
        inputs: [u128; N],
    ) -> [[k256::Scalar; ROW_SCALARS]; N] {
        let cipher = Aes128Enc::new(&(self.0 ^ u128::from(number)).to_le_bytes().into());
        // Six blocks are three scalars; the block's number sets inputs apart.
        let mut blocks = [[Block::<Aes128Enc>::default(); ROW_SCALARS * 2]; N];
        for (blocks, input) in blocks.iter_mut().zip(inputs) {
            for (block, place) in blocks.iter_mut().zip(0u128..) {
                *block = (input ^ place).to_le_bytes().into();
            }
        }
        cipher.encrypt_blocks(blocks.as_flattened_mut());
        let mut scalars = [[k256::Scalar::ZERO; ROW_SCALARS]; N];
        for ((blocks, input), scalars) in blocks.iter().zip(inputs).zip(&mut scalars) {
            let (pairs, _) = blocks.as_chunks::<2>();
            for ((pair, scalar), place) in pairs.iter().zip(scalars).zip((0u128..).step_by(2)) {
                let [low, high] = pair;
                let low = u128::from_le_bytes((*low).into()) ^ input ^ place;
                let high = u128::from_le_bytes((*high).into()) ^ input ^ (place | 1);
                *scalar = reduce(high, low);
            }
        }
        blocks.as_flattened_mut().iter_mut().for_each(|block| AsMut::<[u8]>::as_mut(block).zeroize());
        scalars
    }
}

/// `high·2¹²⁸ + low` modulo the order; the bias of a uniform input is below 2⁻¹²⁷.
fn reduce(high: u128, low: u128) -> k256::Scalar {
    let mut bytes = [0u8; 32];
    let (left, right) = bytes.split_at_mut(16);
    left.copy_from_slice(&high.to_be_bytes());
    right.copy_from_slice(&low.to_be_bytes());
    <k256::Scalar as Reduce<U256>>::reduce(U256::from_be_slice(&bytes))
}

/// A stream of 128-bit blocks that one seed grows into: AES-128 in counter mode.
pub struct Stream(Aes128Enc);

impl Stream {
    /// The stream of the first 16 bytes of a branch's output.
    #[must_use]
    pub fn new(seed: &[u8; 32]) -> Self {
        let (key, _) = seed.split_at(16);
        Self(Aes128Enc::new_from_slice(key).unwrap_or_else(|_| Aes128Enc::new(&[0; 16].into())))
    }

    /// The blocks from `start` on.
    pub fn fill(&self, start: u64, out: &mut [u128]) {
        let mut buffer = [Block::<Aes128Enc>::default(); 32];
        for (out, start) in out.chunks_mut(buffer.len()).zip((u128::from(start)..).step_by(32)) {
            let Some(blocks) = buffer.get_mut(..out.len()) else { return };
            for (block, number) in blocks.iter_mut().zip(start..) {
                *block = number.to_le_bytes().into();
            }
            self.0.encrypt_blocks(blocks);
            for (out, block) in out.iter_mut().zip(&*blocks) {
                *out = u128::from_le_bytes((*block).into());
            }
        }
        buffer.iter_mut().for_each(|block| AsMut::<[u8]>::as_mut(block).zeroize());
    }
}

/// Randomness without end that one secret seed grows into, for one purpose: BLAKE3 keyed with all of the seed, of the
/// purpose. Knowing what grew for one purpose says nothing about another.
pub struct Growth(Secret<blake3::OutputReader>);

impl Growth {
    /// What `seed` grows into for `purpose`.
    #[must_use]
    pub fn new(seed: &[u8; 32], purpose: &'static str) -> Self {
        let mut hasher = blake3::Hasher::new_keyed(seed);
        hasher.update(purpose.as_bytes());
        let reader = Secret::new(hasher.finalize_xof());
        hasher.zeroize();
        Self(reader)
    }

    /// The bytes that follow those already taken.
    pub fn fill(&mut self, out: &mut [u8]) {
        self.0.expose_mut().fill(out);
    }
}

/// What an identity signs to hedge the randomness of a pair setup (RFC 8937). The signature is as secret as the identity:
/// nobody sees it, and nothing else is signed in this domain.
pub struct SetupHedge {
    /// The digest of the context.
    pub context: Hash,
}

impl Transcript for SetupHedge {
    const DOMAIN: &'static str = "keymoot/dkls23/setup-hedge/v1";
    fn fields(&self, writer: &mut Writer) {
        self.context.write(writer);
    }
}

/// The seed of everything that one participant draws for a pair setup.
pub struct SetupSeed<'a> {
    /// The digest of the context.
    pub context: Hash,
    /// 32 fresh uniform bytes.
    pub random: &'a [u8; 32],
    /// The participant's signature of [`SetupHedge`].
    pub hedge: &'a [u8; 64],
}

impl Transcript for SetupSeed<'_> {
    const DOMAIN: &'static str = "keymoot/dkls23/setup-seed/v1";
    fn fields(&self, writer: &mut Writer) {
        self.context.write(writer);
        writer.bytes(self.random);
        writer.bytes(self.hedge);
    }
}

/// The seed of what one participant draws for one pair once the session has a name: Δ, what answers the offer, and trees.
pub struct PairSeed<'a> {
    /// The setup session.
    pub ssid: Hash,
    /// Who draws.
    pub party: Party,
    /// For the pair with whom.
    pub peer: Party,
    /// What was drawn for this pair before the session had a name.
    pub seed: &'a [u8; 32],
}

impl Transcript for PairSeed<'_> {
    const DOMAIN: &'static str = "keymoot/dkls23/pair-seed/v1";
    fn fields(&self, writer: &mut Writer) {
        self.ssid.write(writer);
        writer.party(self.party);
        writer.party(self.peer);
        writer.bytes(self.seed);
    }
}

/// The seed that two parties agreed on for their zero-shares.
pub struct ZeroSeed<'a> {
    /// The setup session.
    pub ssid: Hash,
    /// The two, in index order, with the halves they had committed to.
    pub halves: [(Party, &'a [u8; 32]); 2],
}

impl Transcript for ZeroSeed<'_> {
    const DOMAIN: &'static str = "keymoot/dkls23/zero-seed/v1";
    fn fields(&self, writer: &mut Writer) {
        self.ssid.write(writer);
        for (party, half) in self.halves {
            writer.party(party);
            writer.bytes(half);
        }
    }
}

/// What `from` shows to `to` when both hold the same: the agreed seed, and all that went between them.
pub struct PairConfirmation<'a> {
    /// The setup session.
    pub ssid: Hash,
    /// Who confirms.
    pub from: Party,
    /// To whom.
    pub to: Party,
    /// The agreed seed, which keys the confirmation.
    pub seed: &'a [u8; 32],
    /// The digests of the direct messages between the two, in order of round and then of sender.
    pub messages: &'a [Hash],
}

impl Transcript for PairConfirmation<'_> {
    const DOMAIN: &'static str = "keymoot/dkls23/pair-confirmation/v1";
    fn fields(&self, writer: &mut Writer) {
        self.ssid.write(writer);
        writer.party(self.from);
        writer.party(self.to);
        writer.bytes(self.seed);
        writer.list(self.messages.iter(), |writer, message| message.write(writer));
    }
}

/// The name of a finished pair setup.
pub struct SetupName {
    /// Its session.
    pub ssid: Hash,
    /// Everything that was broadcast in it.
    pub view: Hash,
}

impl Transcript for SetupName {
    const DOMAIN: &'static str = "keymoot/dkls23/setup/v1";
    fn fields(&self, writer: &mut Writer) {
        self.ssid.write(writer);
        self.view.write(writer);
    }
}

impl Seeded {
    /// A uniform scalar that only those who know `secret` can compute.
    #[must_use]
    pub fn keyed_scalar(&self, secret: &[u8; 32]) -> k256::Scalar {
        let mut wide = zeroize::Zeroizing::new([0u8; 64]);
        for (half, number) in wide.chunks_exact_mut(32).zip(0u32..) {
            half.copy_from_slice(zeroize::Zeroizing::new(self.branch(number, secret)).as_ref());
        }
        Secp256k1::reduce_wide(&wide)
    }
}
