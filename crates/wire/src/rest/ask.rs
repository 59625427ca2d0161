//! What clients sign: bodies of POST requests.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The body of `POST /v1/keys`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateKeyBody {
    /// "dkls23", "frost-taproot" or "frost-ed25519".
    #[schema(example = "dkls23")]
    pub scheme: String,
    /// For people; at most 64 bytes; need not be unique, and may be left out.
    #[serde(default)]
    #[schema(example = "hot")]
    pub name: String,
}

/// The body of `POST /v1/signatures`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateSignatureBody {
    /// The id of the key.
    #[schema(example = "key_0f3a52b1c4d6e7f8091a2b3c4d5e6f70")]
    pub key: String,
    /// The derivation path below the key; "m", the key itself, if it is left out.
    #[serde(default = "root")]
    #[schema(example = "m/0/7")]
    pub path: String,
    /// How the payload is to be read, as in "message" or "evm_tx".
    #[schema(example = "message")]
    pub kind: String,
    /// The payload in hex; may begin with "0x".
    #[schema(example = "68656c6c6f")]
    pub payload: String,
    /// Which of the signatures that the payload needs, from 0, in the order of its inputs. It may be left out if the payload needs
    /// one. Each is a request of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = 0)]
    pub signing: Option<u16>,
}

fn root() -> String {
    "m".to_owned()
}

/// The body of requests that say all in their path: `{}`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EmptyBody {}

/// The body of `POST /v1/batches`. It is only a carrier: each item is signed on its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BatchBody {
    /// 1 to 64 requests.
    #[schema(min_items = 1, max_items = 64)]
    pub requests: Vec<BatchItem>,
}

/// One signed request in a batch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BatchItem {
    /// The method that was signed: "POST".
    #[schema(example = "POST")]
    pub method: String,
    /// The path that was signed, as in "/v1/signatures".
    #[schema(example = "/v1/signatures")]
    pub path: String,
    /// The body that was signed, as text, byte for byte.
    pub body: String,
    /// The header Signature-Input, as in `keymoot=("@method" …);created=…`.
    pub signature_input: String,
    /// The header Signature, as in `keymoot=:…:`.
    pub signature: String,
}
