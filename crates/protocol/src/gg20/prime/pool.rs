//! Safe primes that are found ahead of need: a bounded value that somebody else fills and keeps.

use std::collections::VecDeque;

use rand_core::CryptoRngCore;
use zeroize::Zeroizing;

use super::super::suite::Suite;
use super::hunt::{Hunt, SafePrime};
use crate::codec::{Malformed, Reader, Writer};

/// Primes of one auxiliary-information generation: two moduli.
pub(in super::super) const NEEDED: usize = 4;

/// The most primes that wait.
pub const POOL_MAX: usize = 64;

/// Safe primes that wait for their one use. Secret: no `Clone`, no `Debug`.
pub struct Pool {
    suite: Suite,
    room: usize,
    primes: VecDeque<SafePrime>,
}

/// Why a pool gave or took nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PoolError {
    /// Not enough primes are there yet.
    #[error("{found} of {needed} safe primes are there")]
    TooFew {
        /// How many are there.
        found: usize,
        /// How many are needed.
        needed: usize,
    },
}

impl Pool {
    /// An empty pool for at most `room` primes, bounded by [`POOL_MAX`].
    #[must_use]
    pub fn new(suite: Suite, room: usize) -> Self {
        Self { suite, room: room.min(POOL_MAX), primes: VecDeque::new() }
    }

    /// How many wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.primes.len()
    }

    /// Whether none waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.primes.is_empty()
    }

    /// How many more it takes.
    #[must_use]
    pub fn wanted(&self) -> usize {
        self.room.saturating_sub(self.primes.len())
    }

    /// One step of work if there is room; returns whether a prime was found.
    pub fn work(&mut self, hunt: &Hunt, rng: &mut impl CryptoRngCore) -> bool {
        if self.wanted() == 0 {
            return false;
        }
        hunt.step(rng).is_some_and(|prime| self.put(prime))
    }

    /// Adds one prime, unless it is there already or there is no room.
    pub fn put(&mut self, prime: SafePrime) -> bool {
        let known = self.primes.iter().any(|other| other.expose() == prime.expose());
        let takes = self.wanted() > 0 && !known;
        if takes {
            self.primes.push_back(prime);
        }
        takes
    }

    /// The four primes of one generation. They are gone from the pool; the caller makes that durable before they are used.
    ///
    /// # Errors
    /// Fewer than four are there.
    pub fn take(&mut self) -> Result<[SafePrime; NEEDED], PoolError> {
        let found = self.primes.len();
        if found < NEEDED {
            return Err(PoolError::TooFew { found, needed: NEEDED });
        }
        let taken: Vec<_> = self.primes.drain(..NEEDED).collect();
        taken.try_into().map_err(|_| PoolError::TooFew { found, needed: NEEDED })
    }

    /// The encoding for a sealed store.
    #[must_use]
    pub fn seal(&self) -> Zeroizing<Vec<u8>> {
        let mut writer = Writer::with_capacity(self.primes.len().saturating_mul(512).saturating_add(64));
        writer.text(self.suite.name());
        writer.uint(self.room as u64);
        writer.list(self.primes.iter(), |writer, prime| writer.bytes(&prime.seal()));
        writer.finish()
    }

    /// Reads what [`Pool::seal`] wrote; every prime is checked again, which takes as long as finding out did.
    ///
    /// # Errors
    /// Anything else, or a pool of another suite.
    pub fn unseal(bytes: &[u8], suite: Suite, rng: &mut impl CryptoRngCore) -> Result<Self, Malformed> {
        let mut reader = Reader::new(bytes);
        if reader.text()? != suite.name() {
            return Err(Malformed::Choice);
        }
        let room = usize::try_from(reader.uint()?).map_err(|_| Malformed::Integer)?;
        let primes = reader.list(POOL_MAX, |reader| SafePrime::unseal(reader.bytes(512)?, suite, rng))?;
        reader.end()?;
        if room > POOL_MAX || primes.len() > room {
            return Err(Malformed::WrongLength);
        }
        Ok(Self { suite, room, primes: primes.into() })
    }
}
