//! The time, for those who may ask.

use keymoot_types::Millis;

/// Tells the time. Only shells and adapters hold one: engines are told the time with every event.
pub trait Clock: Send + Sync {
    /// Now. Never earlier than an answer before, in the same process.
    fn now(&self) -> Millis;
}
