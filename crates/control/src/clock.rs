//! The two clocks of this machine, as engines want to be told the time.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use keymoot_engine::event::Now;
use keymoot_types::Millis;

/// Reads both clocks. The monotonic one counts from when this was made.
#[derive(Clone, Copy)]
pub(crate) struct Clock {
    started: Instant,
}

impl Clock {
    pub(crate) fn start() -> Self {
        Self { started: Instant::now() }
    }

    pub(crate) fn now(&self) -> Now {
        let mono = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        Now { mono: Millis(mono), wall: Millis(wall_ms()) }
    }

    /// When it will be that time, for a timer.
    pub(crate) fn instant(&self, at: Millis) -> Instant {
        // An instant that the system cannot name is a day away: whoever waits looks again then.
        let far = || Instant::now() + Duration::from_secs(24 * 60 * 60);
        self.started.checked_add(Duration::from_millis(at.0)).unwrap_or_else(far)
    }
}

/// Milliseconds of wall time; 0 before 1970.
pub(crate) fn wall_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
