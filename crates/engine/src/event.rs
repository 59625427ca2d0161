//! All that can happen to a node. Time comes with it: the pure crates have no clock.

use keymoot_types::{Millis, SessionId};

use crate::crypto::{Crypto, Progress, Unfit};
use crate::message::{Address, Message};

/// What happens to a node.
pub enum Event<C: Crypto> {
    /// Somebody says something. The channel vouches for the address and for nothing else.
    Message(Address, Message),
    /// Some time that was asked for has come.
    Wake,
    /// A long step is done.
    Worked(SessionId, Result<Progress<C>, Unfit>),
    /// A step of the search for a safe prime is done. Most find none.
    Sought(Option<C::Prime>),
    /// The process is about to end in order.
    Stop,
}

/// The time at which something happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// Milliseconds of a clock that only goes forward, from any beginning; deadlines are measured with it.
    pub mono: Millis,
    /// Milliseconds of wall time, as far as this process knows it.
    pub wall: Millis,
}

/// How long a wall clock that was set back has to keep to it before it is believed, in milliseconds.
const SETTLE: u64 = 5_000;

/// Wall time that does not run backwards at once: when the clock is set back, time goes on from where it was, by the
/// monotonic clock, until the new time has stood for a while. So a jump back revives nothing that has just expired, and
/// a process that began with a wrong clock still comes right.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    base: Now,
    behind_since: Option<Millis>,
}

impl Clock {
    /// A clock that starts now.
    #[must_use]
    pub const fn new(start: Now) -> Self {
        Self { base: start, behind_since: None }
    }

    /// The time to go by.
    pub fn read(&mut self, now: Now) -> Now {
        let floor = self.base.wall.plus(now.mono.0.saturating_sub(self.base.mono.0));
        if now.wall < floor {
            let since = *self.behind_since.get_or_insert(now.mono);
            if now.mono < since.plus(SETTLE) {
                return Now { mono: now.mono, wall: floor };
            }
        }
        *self = Self::new(now);
        now
    }
}

#[cfg(test)]
mod tests {
    use super::{Clock, Now};
    use keymoot_types::Millis;

    #[test]
    fn a_clock_that_is_set_back_is_believed_later() {
        let at = |mono, wall| Now { mono: Millis(mono), wall: Millis(wall) };
        let mut clock = Clock::new(at(0, 1_000_000));
        assert_eq!(clock.read(at(10, 1_000_010)).wall, Millis(1_000_010));
        assert_eq!(clock.read(at(20, 900_000)).wall, Millis(1_000_020), "an hour back, and time goes on");
        assert_eq!(clock.read(at(5_000, 904_980)).wall, Millis(1_005_000));
        assert_eq!(clock.read(at(5_020, 905_000)).wall, Millis(905_000), "it has stood for five seconds");
        assert_eq!(clock.read(at(5_030, 2_000_000)).wall, Millis(2_000_000), "forward is believed at once");
    }
}
