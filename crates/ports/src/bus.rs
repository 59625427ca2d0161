//! Messages between processes.
//!
//! What callers may rely on: what arrives was sent to this address, byte for byte. Who keeps sending to a process that
//! keeps receiving gets through. A mailbox is bounded, and the sender is told when it is full.
//!
//! What callers may not rely on: that a message arrives, arrives once, or arrives in order. Nor who sent it: envelopes
//! are signed inside.

use crate::{Answer, Name};

/// The longest message, in bytes: a full protocol body with its envelope and seal.
pub const MESSAGE_BYTES_MAX: usize = 4 << 20;

const _: () = assert!(MESSAGE_BYTES_MAX > 2304 << 10, "the longest body of a protocol must fit");

/// One process's access to the bus, under its own address.
pub trait Bus: Send + Sync {
    /// Hands a message over. `Ok` means that it is on its way and may still be lost. `Full` means that a queue on the
    /// way to `to` is full and the message is dropped. An address where nobody is may be answered by `Ok` or by
    /// `Unavailable`. A repetition is another message.
    fn send<'a>(&'a self, to: &'a Name, bytes: &'a [u8]) -> Answer<'a, ()>;

    /// Waits for the next message to one's own address. Dropping the future loses nothing. One receive at a time.
    fn receive(&self) -> Answer<'_, Vec<u8>>;
}
