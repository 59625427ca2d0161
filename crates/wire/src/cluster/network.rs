//! Bitcoin networks in JSON, for `#[serde(with)]`: their names.

use std::borrow::Cow;

use keymoot_types::Network;
use serde::{Deserialize, Deserializer, Serializer, de};

/// Whether it is the one that is left out, as it was before there were others.
#[must_use]
pub fn is_usual(network: &Network) -> bool {
    *network == Network::default()
}

/// Writes a network.
///
/// # Errors
/// As the format.
pub fn serialize<S: Serializer>(network: &Network, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(network.name())
}

/// Reads a network.
///
/// # Errors
/// There is none of this name.
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Network, D::Error> {
    Cow::<str>::deserialize(deserializer)?.parse().map_err(de::Error::custom)
}
