//! Many worlds, side by side.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::backend::Backend;
use crate::coverage::Coverage;
use crate::frame::Shape;
use crate::planted::Bug;
use crate::world::{Report, World};

/// What came of many worlds.
#[derive(Clone, Debug, Default)]
pub struct Totals {
    /// Worlds.
    pub seeds: u64,
    /// Events in all of them.
    pub events: u64,
    /// Signatures verified by another implementation.
    pub verified: u64,
    /// Outcomes of each kind: key, signed, denied, expired, failed, retired.
    pub outcomes: [u64; 6],
    /// What has happened, and in how many of them.
    pub coverage: Coverage,
    /// The worlds in which a promise was broken, with the lowest seed first.
    pub failures: Vec<Report>,
    /// The longest time.
    pub time: Duration,
}

impl Totals {
    /// How often each promise was broken.
    #[must_use]
    pub fn broken(&self) -> BTreeMap<&'static str, u64> {
        let mut broken = BTreeMap::new();
        for (_, violation) in self.failures.iter().filter_map(|report| report.violation.as_ref()) {
            *broken.entry(violation.invariant).or_default() += 1;
        }
        broken
    }

    fn add(&mut self, report: Report) {
        self.seeds += 1;
        self.events += report.events;
        self.verified += report.verified;
        self.outcomes.iter_mut().zip(report.outcomes).for_each(|(sum, one)| *sum += one);
        self.coverage.add(&report.coverage);
        if report.violation.is_some() {
            self.failures.push(report);
        }
    }
}

/// One world, from beginning to end.
#[must_use]
pub fn one<B: Backend>(seed: u64, shape: Shape, bug: Option<Bug>) -> Report {
    World::<B>::new(seed, shape, bug).run()
}

/// Worlds of these seeds on so many threads; stops early at the first failure if `until_failure`.
#[must_use]
pub fn many<B: Backend>(
    seeds: std::ops::Range<u64>,
    (shape, bug): (Shape, Option<Bug>),
    threads: usize,
    until_failure: bool,
) -> Totals {
    let begin = Instant::now();
    let next = AtomicU64::new(seeds.start);
    let stop = AtomicBool::new(false);
    let totals = Mutex::new(Totals::default());
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let mut mine = Totals::default();
                while !stop.load(Ordering::Relaxed) {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds.end {
                        break;
                    }
                    let report = one::<B>(seed, shape, bug);
                    if until_failure && report.violation.is_some() {
                        stop.store(true, Ordering::Relaxed);
                    }
                    mine.add(report);
                }
                let mut all = totals.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                all.seeds += mine.seeds;
                all.events += mine.events;
                all.verified += mine.verified;
                all.outcomes.iter_mut().zip(mine.outcomes).for_each(|(sum, one)| *sum += one);
                all.coverage.add(&mine.coverage);
                all.failures.extend(mine.failures);
            });
        }
    });
    let mut totals = totals.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    totals.failures.sort_by_key(|report| report.seed);
    totals.time = begin.elapsed();
    totals
}
