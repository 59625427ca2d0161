//! The list of chains: who reads which kind, what only a chain can say, and why it refuses.
//!
//! A new chain is a folder, a cargo feature, one arm in [`reader`] and its own facts and refusals below.

use serde::Serialize;

use crate::inspection::{Inspection, Unreadable};
use crate::key::Key;
use crate::payload::{Kind, Payload};
use crate::plain;
use crate::{BlindFacts, MessageFacts, Signature};

/// How a chain answers both questions. Signatures that get to `assemble` are in order and verify.
pub(crate) struct Reader {
    pub inspect: fn(&Payload, &Key) -> Result<Inspection, Unreadable>,
    pub assemble: Assemble,
}

type Assemble = fn(&Payload, &Key, &Inspection, &[Signature]) -> Result<Vec<u8>, Unreadable>;

/// Who reads payloads of this kind.
pub(crate) const fn reader(kind: Kind) -> Option<Reader> {
    match kind {
        #[cfg(feature = "ethereum")]
        Kind::EvmTx | Kind::EvmTypedData | Kind::EvmMessage => Some(crate::ethereum::READER),
        #[cfg(feature = "bitcoin")]
        Kind::BtcPsbt | Kind::BtcMessage => Some(crate::bitcoin::READER),
        #[cfg(feature = "solana")]
        Kind::SolTx => Some(crate::solana::READER),
        Kind::Message | Kind::RawDigest => Some(plain::READER),
        #[cfg(not(all(feature = "ethereum", feature = "bitcoin", feature = "solana")))]
        _ => None,
    }
}

/// What only the chain itself can say.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Detail {
    /// Of a [`Kind::EvmTx`].
    #[cfg(feature = "ethereum")]
    EvmTx(Box<crate::ethereum::TransactionFacts>),
    /// Of a [`Kind::EvmTypedData`].
    #[cfg(feature = "ethereum")]
    EvmTypedData(Box<crate::ethereum::TypedDataFacts>),
    /// Of a [`Kind::EvmMessage`].
    #[cfg(feature = "ethereum")]
    EvmMessage(MessageFacts),
    /// Of a [`Kind::BtcPsbt`].
    #[cfg(feature = "bitcoin")]
    BtcPsbt(crate::bitcoin::TransactionFacts),
    /// Of a [`Kind::BtcMessage`].
    #[cfg(feature = "bitcoin")]
    BtcMessage(MessageFacts),
    /// Of a [`Kind::SolTx`].
    #[cfg(feature = "solana")]
    SolTx(crate::solana::TransactionFacts),
    /// Of a [`Kind::Message`].
    Message(MessageFacts),
    /// Of a [`Kind::RawDigest`].
    RawDigest(BlindFacts),
}

/// Why a chain refuses a payload.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// Ethereum.
    #[cfg(feature = "ethereum")]
    #[error(transparent)]
    Ethereum(#[from] crate::ethereum::Fault),
    /// Bitcoin.
    #[cfg(feature = "bitcoin")]
    #[error(transparent)]
    Bitcoin(#[from] crate::bitcoin::Fault),
    /// Solana.
    #[cfg(feature = "solana")]
    #[error(transparent)]
    Solana(#[from] crate::solana::Fault),
}

/// What this payload would do, signed with this key.
///
/// # Errors
/// Everything that is not understood well enough to say what is signed. Calls that are not understood are no error: they
/// are facts, with [`crate::Danger::Opaque`].
pub fn inspect(payload: &Payload, key: &Key) -> Result<Inspection, Unreadable> {
    let reader = reader(payload.kind()).ok_or(Unreadable::NotBuilt(payload.kind().name()))?;
    (reader.inspect)(payload, key)
}
