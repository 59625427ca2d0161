//! Solana: transactions of lamports.
//!
//! | kind | payload | [`crate::assemble`] gives |
//! |---|---|---|
//! | `sol_tx` | a message, legacy or version 0, as it is signed | the transaction: signatures and message. Places of other signers are zeros |
//!
//! Read are transfers of the system program, and what the compute budget program is told. Every other instruction is
//! [`Danger::Opaque`]. Messages that look accounts up in tables on the chain are refused: nobody here can see which.
//!
//! The message is read here and not by a library: it is four lists of bytes, and Anza's reader of them is seventeen crates
//! on a decoder with much `unsafe` in it. Tests compare the two
//! ([ADR-0026](https://github.com/keymoot/keymoot/blob/main/docs/adr/0026-chains-share-a-question.md)).

mod instruction;
mod message;

pub use instruction::{InstructionFacts, Meaning};

use serde::Serialize;

use crate::Signature;
use crate::chain::{self, Detail, Reader};
#[cfg(doc)]
use crate::facts::Danger;
use crate::facts::Facts;
use crate::inspection::{Inspection, Prehash, Unreadable};
use crate::key::Key;
use crate::payload::Payload;
use crate::plain::signing;
use message::Message;

/// What a transaction says of itself. Accounts are in base58.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TransactionFacts {
    /// `None`: legacy.
    pub version: Option<u8>,
    /// Who pays the fee: the first signer.
    pub fee_payer: String,
    /// Whose signatures it needs, in their order.
    pub signers: Vec<String>,
    /// The block hash after which it is good, for some two minutes, or a nonce.
    pub blockhash: String,
    /// What it does.
    pub instructions: Vec<InstructionFacts>,
}

/// Why a Solana payload is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// Not a message, or not in the one encoding that it has.
    #[error("the bytes are no message")]
    NotAMessage,
    /// There are legacy messages and version 0.
    #[error("messages of version {0} are not known")]
    Version(u8),
    /// Accounts would be looked up on the chain.
    #[error("the message looks accounts up in tables, which nobody here can see")]
    Lookups,
    /// The header, or an instruction, points to accounts that are not there or cannot be what they are used for.
    #[error("the message points to accounts that are not there")]
    Accounts,
    /// An account is listed twice.
    #[error("an account is listed twice")]
    Repeated,
    /// The key is not among the signers.
    #[error("the message does not want the key's signature")]
    NotASigner,
}

/// Both answers.
pub(crate) const READER: Reader = Reader { inspect, assemble };

/// The account of a key. `None` for keys that are not of Ed25519.
#[must_use]
pub fn address(key: &Key) -> Option<String> {
    key.edwards().map(text)
}

fn text(account: &[u8; 32]) -> String {
    bs58::encode(account).into_string()
}

fn read<'a>(payload: &'a Payload, key: &Key) -> Result<(Message<'a>, usize), Unreadable> {
    let wrong = Unreadable::WrongScheme { scheme: key.scheme(), kind: payload.kind().name() };
    let own = key.edwards().ok_or(wrong)?;
    let message = Message::parse(payload.bytes())?;
    let place = message.signers().iter().position(|signer| signer == own).ok_or(Fault::NotASigner)?;
    Ok((message, place))
}

fn inspect(payload: &Payload, key: &Key) -> Result<Inspection, Unreadable> {
    let (message, _) = read(payload, key)?;
    let facts = instruction::read(&message, |instructions| {
        Facts::quiet(Detail::SolTx(TransactionFacts {
            version: message.version,
            fee_payer: message.signers().first().map(text).unwrap_or_default(),
            signers: message.signers().iter().map(text).collect(),
            blockhash: text(message.blockhash),
            instructions,
        }))
    });
    let signing = signing(key, payload.kind(), Prehash::None, payload.bytes().to_vec())?;
    Ok(Inspection { kind: payload.kind(), signings: vec![signing], facts })
}

fn assemble(
    payload: &Payload,
    key: &Key,
    _: &Inspection,
    signatures: &[Signature],
) -> Result<Vec<u8>, Unreadable> {
    let (message, place) = read(payload, key)?;
    let mut places = vec![[0; 64]; message.signers().len()];
    if let (Some(ours), Some(signature)) = (places.get_mut(place), signatures.first()) {
        *ours = signature.0;
    }
    let mut bytes = message::compact(places.len());
    bytes.extend(places.concat());
    bytes.extend_from_slice(payload.bytes());
    Ok(bytes)
}

impl From<Fault> for Unreadable {
    fn from(fault: Fault) -> Self {
        Self::Chain(chain::Fault::Solana(fault))
    }
}
