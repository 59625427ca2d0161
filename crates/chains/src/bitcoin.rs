//! Bitcoin: partially signed transactions, messages, addresses and descriptors.
//!
//! | kind | payload | [`crate::assemble`] gives |
//! |---|---|---|
//! | `btc_psbt` | a PSBT, version 0 (BIP-174) or 2 (BIP-370), in binary | the same PSBT with our signatures: `PSBT_IN_PARTIAL_SIG` or `PSBT_IN_TAP_KEY_SIG` |
//! | `btc_message` | the bytes of a message, for the address of the key at its path | the witness of BIP-322's *simple* form in binary; wallets show it in base64, with or without `smp` before it |
//!
//! A key of ECDSA signs P2WPKH, and P2WPKH inside P2SH; a key of FROST signs the key path of P2TR without scripts (BIP-86). An
//! input is ours if the PSBT says at which path below our fingerprint its key is, and that is where its key is. Change is
//! ours by the same proof, and by no other: an output that nobody proves goes to somebody else.
//!
//! Refused, because a signature could then mean something else than what was shown:
//!
//! - signature hash types other than ALL, and DEFAULT for Taproot: with others, inputs or outputs can change afterwards;
//! - ECDSA where an input lacks the whole transaction that it spends. BIP-143 signs only the input's own amount, so two
//!   requests that lie about different amounts yield one transaction with an enormous fee. BIP-341 signs all amounts;
//! - a path below our fingerprint that does not lead to the key beside it, or not below the path of the request;
//! - Taproot inputs with scripts: whoever asks must not choose what the key is tweaked with.
//!
//! Nothing that is signed says for which network it is. Addresses are written for the network of the key, and of what a PSBT
//! says only its extended public keys are marked with one: if it is another, the PSBT is refused.

mod account;
mod descriptor;
mod digest;
mod lists;
mod message;
mod own;
mod transaction;
mod versions;

pub use account::{Form, address};
pub use descriptor::{checksum, descriptor};
pub use transaction::{InputFacts, OutputFacts, TransactionFacts};

use keymoot_types::Network;

use crate::Signature;
use crate::chain::{self, Reader};
use crate::inspection::{Algorithm, Inspection, Unreadable};
use crate::key::Key;
use crate::payload::{Kind, Payload};

/// The most inputs of a transaction.
pub const INPUTS_MAX: usize = 256;

/// The most outputs of a transaction.
pub const OUTPUTS_MAX: usize = 1024;

/// The most key origins of one input or output.
pub const ORIGINS_MAX: usize = 16;

/// The most of them below our fingerprint: each costs a derivation.
pub const OWN_ORIGINS_MAX: usize = 2;

/// Why a Bitcoin payload is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// Not a PSBT, or one with fields that contradict each other.
    #[error("the bytes are no PSBT")]
    NotAPsbt,
    /// An extended public key in it is marked for another network than the one that the key is for.
    #[error("an extended public key in it is for another Bitcoin network than {0}")]
    Network(Network),
    /// There are versions 0 and 2.
    #[error("there is no PSBT version {0}")]
    Version(u32),
    /// A field of one version in a PSBT of the other, or one that a version needs and that is missing.
    #[error("the PSBT has not the fields of its version")]
    Fields,
    /// More than [`INPUTS_MAX`], [`OUTPUTS_MAX`], [`ORIGINS_MAX`] or [`OWN_ORIGINS_MAX`], or no inputs or outputs at all.
    #[error("too many inputs, outputs or key origins, or none")]
    Size,
    /// The inputs have no lock time in which all can be spent.
    #[error("the inputs' lock times exclude each other")]
    LockTime,
    /// The same coin is spent twice.
    #[error("input {0} is the same coin as an earlier one")]
    Repeated(usize),
    /// Nothing says what the input is worth.
    #[error("input {0} has no coin")]
    NoCoin(usize),
    /// The transaction that it spends is another, or has no such output, or the two coins of the input differ.
    #[error("input {0} does not spend the coin that it shows")]
    WrongCoin(usize),
    /// Without the whole transaction, its amount may be a lie that ECDSA's signature does not bind.
    #[error("input {0} lacks the whole transaction that it spends")]
    NoWholeTransaction(usize),
    /// A path below our fingerprint that does not lead to its key.
    #[error("a path does not lead to the key beside it")]
    FalseOrigin,
    /// A key of ours, but at a path that the request does not cover.
    #[error("a path is not below the path of the request")]
    OutsidePath,
    /// An input with our key in a form that we do not sign.
    #[error("input {0} has our key, but not in a form that we sign")]
    Form(usize),
    /// Inputs or outputs could be changed after signing.
    #[error("input {0} asks for the signature hash type {1}")]
    SighashType(usize, u32),
    /// The input has its final signature already.
    #[error("input {0} is final")]
    Final(usize),
    /// No input is ours.
    #[error("no input is ours")]
    NothingToSign,
    /// More goes out than comes in, or more than there can be.
    #[error("the amounts do not add up")]
    Amounts,
    /// The digest cannot be computed for this input.
    #[error("there is no digest for input {0}")]
    Digest(usize),
}

/// Both answers.
pub(crate) const READER: Reader = Reader { inspect, assemble };

fn inspect(payload: &Payload, key: &Key) -> Result<Inspection, Unreadable> {
    if Algorithm::of(key.scheme()) == Algorithm::Ed25519 {
        return Err(Unreadable::WrongScheme { scheme: key.scheme(), kind: payload.kind().name() });
    }
    match payload.kind() {
        Kind::BtcPsbt => transaction::inspect(payload, key),
        _ => message::inspect(payload, key),
    }
}

fn assemble(
    payload: &Payload,
    key: &Key,
    inspection: &Inspection,
    signatures: &[Signature],
) -> Result<Vec<u8>, Unreadable> {
    match payload.kind() {
        Kind::BtcPsbt => transaction::signed(payload, key, inspection, signatures),
        _ => Ok(message::signed(inspection, signatures)),
    }
}

impl From<Fault> for Unreadable {
    fn from(fault: Fault) -> Self {
        Self::Chain(chain::Fault::Bitcoin(fault))
    }
}
