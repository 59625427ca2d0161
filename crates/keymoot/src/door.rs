//! Whoever comes to a listener of this program.

pub use keymoot_wire::door::next;
