//! Measures one call on two classes of secrets, in an order drawn by lot.

use std::hint::black_box;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use rustix::time::{ClockId, clock_gettime};
use serde::Serialize;

use crate::welch::{THRESHOLD, Verdict, compare};

/// The kind of secret that a measurement is made on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Class {
    /// The same in all measurements.
    Fixed,
    /// Drawn for each.
    Random,
}

impl Class {
    /// This class's of two values. Both exist whichever is taken, so that the choice leaves no other trace.
    pub fn of<T>(self, fixed: T, random: T) -> T {
        match self {
            Self::Fixed => fixed,
            Self::Random => random,
        }
    }
}

/// What a case is there for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    /// A positive control.
    Leak,
    /// A negative control, or what we hope for.
    NoLeak,
}

/// Measurements of each class, at most: beyond, differences are seen that no network would ever show.
pub const MOST: usize = 200_000;

/// Measurements that are thrown away, while caches and clocks settle.
const WARM_UP: usize = 20;

/// What is measured and how it is told.
pub struct Bench {
    budget: Duration,
    only: Option<String>,
    json: bool,
    pub rng: ChaCha20Rng,
    pub measured: usize,
    /// Instead of measuring, one call on a secret of this class.
    pub once: Option<Class>,
    missed: Vec<Expected>,
    most: usize,
}

#[derive(Serialize)]
struct Row<'a> {
    case: &'a str,
    fixed: usize,
    random: usize,
    fixed_us: f64,
    random_us: f64,
    t: f64,
    worst_t: f64,
    kept: f64,
    leaks: bool,
}

impl Bench {
    pub fn new(budget: Duration, only: Option<String>, seed: u64, json: bool) -> Self {
        let rng = ChaCha20Rng::seed_from_u64(seed);
        Self { budget, only, json, rng, measured: 0, once: None, missed: Vec::new(), most: MOST }
    }

    /// Whether something was not as it was expected to be.
    pub fn missed(&self, expected: Expected) -> bool {
        self.missed.contains(&expected)
    }

    pub fn wants(&self, case: &str) -> bool {
        self.only.as_ref().is_none_or(|only| case.contains(only.as_str()))
    }

    /// Times `work` on what `prepare` makes for a class, and says whether the two classes differ.
    pub fn case<W, O>(
        &mut self,
        case: &str,
        expected: Expected,
        mut prepare: impl FnMut(Class, &mut ChaCha20Rng) -> Result<W>,
        work: impl Fn(W) -> Result<O>,
    ) -> Result<Verdict> {
        self.measured += 1;
        if let Some(class) = self.once {
            let prepared = prepare(class, &mut self.rng)?;
            return the_call(work, prepared).map(|_| Verdict::default());
        }
        let mut times = [Vec::new(), Vec::new()];
        let begin = Instant::now();
        let mut warm = 0;
        while begin.elapsed() < self.budget && times.iter().all(|class| class.len() < self.most) {
            let class = if self.rng.next_u32() & 1 == 0 { Class::Fixed } else { Class::Random };
            let prepared = black_box(prepare(class, &mut self.rng)?);
            let before = thread_time();
            let output = the_call(&work, prepared);
            let time = thread_time().saturating_sub(before);
            output.with_context(|| format!("{case} does not work for {class:?}"))?;
            warm += 1;
            if warm > WARM_UP {
                times[class as usize].push(time.as_secs_f64() * 1e6);
            }
        }
        let verdict = compare(&times);
        if verdict.leaks() != (expected == Expected::Leak) {
            self.missed.push(expected);
        }
        self.print(&row(case, &times, &verdict))?;
        Ok(verdict)
    }

    fn print(&self, row: &Row<'_>) -> Result<()> {
        if self.json {
            println!("{}", serde_json::to_string(row)?);
            return Ok(());
        }
        let says = if row.leaks { "LEAK" } else { "no evidence of leakage" };
        println!(
            "{:<26} {:>7} + {:>7}  {:>10.3} {:>10.3} us  t {:>8.2}  worst {:>8.2} of {:>5.1} %  {says} (|t| {} {THRESHOLD})",
            row.case,
            row.fixed,
            row.random,
            row.fixed_us,
            row.random_us,
            row.t,
            row.worst_t,
            row.kept * 100.0,
            if row.leaks { ">=" } else { "<" },
        );
        Ok(())
    }
}

fn row<'a>(case: &'a str, times: &[Vec<f64>; 2], verdict: &Verdict) -> Row<'a> {
    let [fixed, random] = [&times[0], &times[1]].map(Vec::len);
    let round = |value: f64| (value * 1e3).round() / 1e3;
    let [fixed_us, random_us] = verdict.means.map(round);
    let (t, worst_t, kept) = (round(verdict.t), round(verdict.worst), round(verdict.kept));
    Row { case, fixed, random, fixed_us, random_us, t, worst_t, kept, leaks: verdict.leaks() }
}

/// One call with a name of its own, by which tools find it.
#[inline(never)]
fn the_call<W, O>(work: impl Fn(W) -> Result<O>, prepared: W) -> Result<O> {
    work(black_box(prepared)).map(black_box)
}

/// CPU time of this thread: what others do on the machine counts only as far as it disturbs caches and clocks.
fn thread_time() -> Duration {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(now.tv_sec.unsigned_abs(), u32::try_from(now.tv_nsec).unwrap_or_default())
}

#[cfg(test)]
impl Bench {
    /// For tests: so many measurements of a class, however long they take.
    pub fn bounded(most: usize) -> Self {
        Self { most, ..Self::new(Duration::MAX, None, 7, true) }
    }
}
