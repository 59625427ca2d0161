//! What one client may take from the others: nothing, beyond its budget of requests and its share of places.

mod places;

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

pub use places::{Place, Places};

/// The most clients with a budget of their own in memory. The cluster document knows at most as many.
const CLIENTS_MAX: usize = 10_000;

/// Budgets of requests, one for each client: a bucket that fills with `rate` and holds `burst`.
pub struct Budgets {
    rate: f64,
    burst: f64,
    buckets: Mutex<BTreeMap<String, Bucket>>,
}

struct Bucket {
    left: f64,
    since: Instant,
}

impl Budgets {
    pub fn new(rate: f64, burst: f64) -> Self {
        Self { rate: rate.max(0.001), burst: burst.max(1.0), buckets: Mutex::default() }
    }

    /// Takes one request out of a client's budget.
    ///
    /// # Errors
    /// It is used up; after so many seconds there is one more.
    pub fn take(&self, client: &str, now: Instant) -> Result<(), u32> {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() >= CLIENTS_MAX && !buckets.contains_key(client) {
            // Who has been quiet for long has a full budget either way.
            buckets.retain(|_, bucket| bucket.left_at(now, self.rate) < self.burst);
        }
        if !buckets.contains_key(client) {
            buckets.insert(client.to_owned(), Bucket { left: self.burst, since: now });
        }
        let Some(bucket) = buckets.get_mut(client) else { return Ok(()) };
        let left = bucket.left_at(now, self.rate).min(self.burst);
        bucket.since = now;
        bucket.left = left;
        if left < 1.0 {
            return Err(seconds_up((1.0 - left) / self.rate));
        }
        bucket.left = left - 1.0;
        Ok(())
    }
}

impl Bucket {
    fn left_at(&self, now: Instant, rate: f64) -> f64 {
        self.left + now.saturating_duration_since(self.since).as_secs_f64() * rate
    }
}

/// Whole seconds, at least one; nobody is told to wait for more than a minute.
fn seconds_up(seconds: f64) -> u32 {
    (1..60).find(|whole| f64::from(*whole) >= seconds).unwrap_or(60)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_budget_is_used_up_and_fills_again_for_each_client_alone() {
        let budgets = Budgets::new(2.0, 3.0);
        let start = Instant::now();
        for _ in 0..3 {
            assert_eq!(budgets.take("alice", start), Ok(()));
        }
        assert_eq!(budgets.take("alice", start), Err(1));
        assert_eq!(budgets.take("bob", start), Ok(()));
        let later = start + Duration::from_millis(600);
        assert_eq!(budgets.take("alice", later), Ok(()));
        assert_eq!(budgets.take("alice", later), Err(1));
        let much_later = start + Duration::from_secs(3600);
        assert_eq!((0..9).filter(|_| budgets.take("alice", much_later).is_ok()).count(), 3);
    }

    #[test]
    fn nobody_is_told_to_wait_for_long() {
        let budgets = Budgets::new(0.001, 1.0);
        let start = Instant::now();
        assert_eq!(budgets.take("alice", start), Ok(()));
        assert_eq!(budgets.take("alice", start), Err(60));
    }
}
