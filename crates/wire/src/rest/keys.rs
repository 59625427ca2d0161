//! Keys as the interface shows them.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// How many holders a key has, and how many of them it takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ThresholdView {
    /// So many sign.
    #[schema(example = 2)]
    pub needed: u32,
    /// Of so many.
    #[schema(example = 3)]
    pub total: u32,
}

/// A certified key.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct KeyView {
    /// Its id.
    #[schema(example = "key_0f3a52b1c4d6e7f8091a2b3c4d5e6f70")]
    pub id: String,
    /// As its creator named it; may be empty.
    #[schema(example = "hot")]
    pub name: String,
    /// The signature scheme.
    #[schema(example = "dkls23")]
    pub scheme: String,
    /// In hex: 33 bytes compressed for secp256k1, 32 bytes for Ed25519.
    pub public_key: String,
    /// The chain code of BIP-32, in hex.
    pub chain_code: String,
    /// Which sharing of the key is in use.
    pub epoch: u64,
    /// How many of how many sign.
    pub threshold: ThresholdView,
    /// Who holds the shares, as in "node-1".
    pub holders: Vec<String>,
    /// The public package with its certificate, which proves itself, in hex.
    pub package: String,
    /// The name of the client that asked for it.
    #[schema(example = "alice")]
    pub created_by: String,
    /// When it was made. RFC 3339, in UTC.
    pub created_at: Option<String>,
    /// The same in milliseconds since 1970.
    pub created_ms: Option<u64>,
    /// Whether it signs nothing any more.
    pub retired: bool,
    /// Signatures that can be made at once, from work done before; 0 for schemes without such work.
    pub presignatures: u32,
}

/// A page of keys, newest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct KeyPage {
    /// The keys.
    pub keys: Vec<KeyView>,
    /// For the next page; absent on the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// One address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AddressView {
    /// "ethereum", "bitcoin" or "solana".
    #[schema(example = "bitcoin")]
    pub chain: String,
    /// The network it is written for; absent where it is the same on all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "mainnet")]
    pub network: Option<String>,
    /// "account", "p2wpkh" or "p2tr", as the chain names it.
    #[schema(example = "p2wpkh")]
    pub form: String,
    /// The address.
    pub address: String,
}

/// The addresses of a key at a path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AddressesView {
    /// The id of the key.
    pub key: String,
    /// The path below it.
    #[schema(example = "m/0/7")]
    pub path: String,
    /// The public key at the path, in hex.
    pub public_key: String,
    /// On each chain that the scheme serves.
    pub addresses: Vec<AddressView>,
}

/// The extended public key of a key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct XpubView {
    /// The id of the key.
    pub key: String,
    /// As BIP-32 writes it.
    pub xpub: String,
    /// The fingerprint, in hex.
    #[schema(example = "5c9e228d")]
    pub fingerprint: String,
    /// Output descriptors of the forms that the scheme can spend.
    pub descriptors: Vec<String>,
}
