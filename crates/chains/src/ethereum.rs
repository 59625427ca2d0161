//! Ethereum and what speaks its language: transactions, typed data, personal messages.
//!
//! | kind | payload | [`crate::assemble`] gives |
//! |---|---|---|
//! | `evm_tx` | the bytes whose hash is signed: legacy with or without EIP-155, or `type ‖ rlp(fields)` of EIP-2930, 1559, 4844, 7702 | the signed transaction of EIP-2718; a blob transaction without its blobs, as in a block |
//! | `evm_typed_data` | JSON of `eth_signTypedData_v4` | r ‖ s ‖ v, 65 bytes, v = 27 or 28 |
//! | `evm_message` | the message, without the prefix of EIP-191 | the same |
//!
//! Calls are read by their selectors and nothing else: no registry is asked, so the names in [`Meaning`] are what
//! the calldata *says*, and what the contract does with it is its own matter. Calldata counts as understood only if it is
//! the one strict ABI encoding of a call listed in [`Meaning`]; everything else is [`Danger::Opaque`].
//!
//! An allowance counts as unlimited if it is 2¹²⁸ or more, or if it is all ones in 96 bits or more: tokens take
//! these for "for ever".

mod abi;
mod account;
mod batch;
mod call;
mod message;
mod permit;
mod shape;
mod token;
mod transaction;
mod typed;

pub use account::address;
pub use call::{CALLS_MAX, Call, DEPTH_MAX, How, Meaning};
pub use shape::{EXPANDED_MAX, MEMBERS_MAX, TYPES_MAX};
pub use transaction::{AUTHORISATIONS_MAX, Authorisation, TransactionFacts};
pub use typed::{Domain, TypedDataFacts};

#[cfg(doc)]
use crate::Danger;
use crate::Signature;
use crate::chain::{self, Reader};
use crate::inspection::{Algorithm, Inspection, Unreadable};
use crate::key::Key;
use crate::payload::{Kind, Payload};

/// Why an Ethereum payload is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// Not an unsigned transaction of a known type.
    #[error("the bytes are no unsigned transaction")]
    NotATransaction,
    /// Other bytes than those that would be signed: trailing bytes, another encoding, a signature in it.
    #[error("the bytes are not the signing encoding of the transaction in them")]
    NotCanonical,
    /// No chain has the number 0.
    #[error("there is no chain 0")]
    NoChain,
    /// EIP-7702 demands at least one, and we read at most [`AUTHORISATIONS_MAX`].
    #[error("{0} authorisations in one transaction")]
    Authorisations(usize),
    /// EIP-4844 demands at least one blob.
    #[error("a blob transaction without blobs")]
    NoBlobs,
    /// Gas or fees whose product is no number of the chain.
    #[error("the fees overflow")]
    Fees,
    /// Not JSON, or not typed data.
    #[error("the JSON is no typed data")]
    NotTypedData,
    /// More types, members or nesting than [`TYPES_MAX`], [`MEMBERS_MAX`] and [`EXPANDED_MAX`] allow, or types that
    /// contain themselves.
    #[error("the types are too many, too deep, or circular")]
    TooLarge,
    /// A name that is no identifier, or that means something else already.
    #[error("`{0}` is no name of a type or member")]
    Name(String),
    /// The types say another domain than the one that would be hashed.
    #[error("the declared EIP712Domain is not the domain that is there")]
    Domain,
    /// The value does not have the declared type.
    #[error("the message does not have its primary type")]
    Mismatch,
    /// The signature does not lead back to the key.
    #[error("no recovery id leads to the key")]
    Recovery,
}

/// Both answers.
pub(crate) const READER: Reader = Reader { inspect, assemble };

fn inspect(payload: &Payload, key: &Key) -> Result<Inspection, Unreadable> {
    if Algorithm::of(key.scheme()) != Algorithm::Ecdsa {
        return Err(Unreadable::WrongScheme { scheme: key.scheme(), kind: payload.kind().name() });
    }
    match payload.kind() {
        Kind::EvmTx => transaction::inspect(payload, key),
        Kind::EvmTypedData => typed::inspect(payload, key),
        _ => message::inspect(payload, key),
    }
}

fn assemble(
    payload: &Payload,
    _: &Key,
    inspection: &Inspection,
    signatures: &[Signature],
) -> Result<Vec<u8>, Unreadable> {
    let signature = account::recoverable(inspection, signatures).ok_or(Fault::Recovery)?;
    Ok(match payload.kind() {
        Kind::EvmTx => transaction::signed(payload, signature)?,
        _ => signature.as_bytes().to_vec(),
    })
}

impl From<Fault> for Unreadable {
    fn from(fault: Fault) -> Self {
        Self::Chain(chain::Fault::Ethereum(fault))
    }
}
