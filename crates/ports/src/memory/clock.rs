//! A clock that stands until somebody moves it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use keymoot_types::Millis;

use crate::Clock;

/// Shows what it was set to. Clones are the same clock.
#[derive(Clone, Debug, Default)]
pub struct HandClock(Arc<AtomicU64>);

impl HandClock {
    /// Moves the clock forward, at the latest to the end of time.
    pub fn advance(&self, by: Millis) {
        let forward = |now: u64| Some(now.saturating_add(by.0));
        // The closure always answers, so this cannot fail.
        let _ = self.0.fetch_update(Ordering::SeqCst, Ordering::SeqCst, forward);
    }
}

impl Clock for HandClock {
    fn now(&self) -> Millis {
        Millis(self.0.load(Ordering::SeqCst))
    }
}
