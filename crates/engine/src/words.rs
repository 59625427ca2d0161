//! Words of the protocols that whoever runs the engine has to pronounce, so that nobody leans on `keymoot-protocol` for a
//! name. The shells carry, compare and print these; what they mean is decided behind them.

pub use keymoot_chains::{Inspection, Kind as PayloadKind, Payload};
pub use keymoot_protocol::codec::{Malformed, Wire};
pub use keymoot_protocol::context::Committee;
pub use keymoot_protocol::identity::{IdentityPublic, IdentitySignature};
pub use keymoot_protocol::transcript::Hash;

use keymoot_protocol::codec::Reader;

/// A text of at most `max` bytes.
pub(crate) fn text(reader: &mut Reader<'_>, max: usize) -> Result<String, Malformed> {
    String::from_utf8(reader.bytes(max)?.to_vec()).map_err(|_| Malformed::Choice)
}
