//! What comes in: bytes, and what they claim to be.

use serde::Serialize;

use crate::inspection::Unreadable;

/// The longest payload of any kind, in bytes.
pub const PAYLOAD_MAX: usize = keymoot_types::signed::PAYLOAD_MAX;

/// What the bytes of a payload are. The names are those of requests, records and JSON, and never change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// An unsigned Ethereum transaction: exactly the bytes whose Keccak-256 is signed.
    EvmTx,
    /// Typed data of EIP-712, the JSON of `eth_signTypedData_v4`.
    EvmTypedData,
    /// The bytes of a personal message of EIP-191, without prefix.
    EvmMessage,
    /// A partially signed Bitcoin transaction, version 0 or 2, in binary.
    BtcPsbt,
    /// The bytes of a message of BIP-322.
    BtcMessage,
    /// A Solana message, as it is signed.
    SolTx,
    /// Any bytes, signed with a prefix that no chain knows.
    Message,
    /// 32 bytes that are signed as they are. Nobody can say what that does: refused without the feature `blind`.
    RawDigest,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Self; 8] = [
        Self::EvmTx,
        Self::EvmTypedData,
        Self::EvmMessage,
        Self::BtcPsbt,
        Self::BtcMessage,
        Self::SolTx,
        Self::Message,
        Self::RawDigest,
    ];

    /// The name, as in requests and records.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::EvmTx => "evm_tx",
            Self::EvmTypedData => "evm_typed_data",
            Self::EvmMessage => "evm_message",
            Self::BtcPsbt => "btc_psbt",
            Self::BtcMessage => "btc_message",
            Self::SolTx => "sol_tx",
            Self::Message => "message",
            Self::RawDigest => "raw_digest",
        }
    }

    /// The kind of this name. A PSBT may also be called `psbt`.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        let name = if name == "psbt" { Self::BtcPsbt.name() } else { name };
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// The longest payload of this kind, in bytes.
    #[must_use]
    pub const fn bytes_max(self) -> usize {
        match self {
            // What nodes of the chain pass on: geth's `txMaxSize`, and Solana's packet without its signatures.
            Self::EvmTx => 128 << 10,
            Self::SolTx => 1232,
            // Decoding is more than linear in the declared types.
            Self::EvmTypedData => 64 << 10,
            Self::EvmMessage | Self::BtcMessage | Self::Message => 64 << 10,
            Self::BtcPsbt => PAYLOAD_MAX,
            Self::RawDigest => 32,
        }
    }
}

/// Bytes of a kind. A value that exists is not too long; nothing else about it is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payload {
    kind: Kind,
    bytes: Vec<u8>,
}

impl Payload {
    /// These bytes, as this kind.
    ///
    /// # Errors
    /// More bytes than [`Kind::bytes_max`].
    pub fn new(kind: Kind, bytes: Vec<u8>) -> Result<Self, Unreadable> {
        if bytes.len() > kind.bytes_max() {
            return Err(Unreadable::TooLong { kind: kind.name(), max: kind.bytes_max(), len: bytes.len() });
        }
        Ok(Self { kind, bytes })
    }

    /// What the bytes claim to be.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        self.kind
    }

    /// The bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::{Kind, Payload};
    use crate::Unreadable;

    #[test]
    fn every_kind_parses_its_own_name_and_serialises_as_it() {
        for kind in Kind::ALL {
            assert_eq!(Kind::parse(kind.name()), Some(kind));
            assert_eq!(serde_json::to_string(&kind).unwrap(), format!("\"{}\"", kind.name()));
            assert!(kind.bytes_max() <= super::PAYLOAD_MAX);
        }
        assert_eq!(Kind::parse("psbt"), Some(Kind::BtcPsbt));
        assert_eq!(Kind::parse("evm"), None);
    }

    #[test]
    fn a_payload_is_refused_when_it_is_longer_than_its_kind_allows() {
        for kind in Kind::ALL {
            assert!(Payload::new(kind, vec![0; kind.bytes_max()]).is_ok());
            let refused = Payload::new(kind, vec![0; kind.bytes_max() + 1]);
            assert!(matches!(refused, Err(Unreadable::TooLong { .. })));
        }
    }
}
