//! Timing: CPU time of this thread, medians, ours and the peer's in turn.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use k256::ecdsa::signature::{Signer, Verifier};
use k256::ecdsa::{Signature, SigningKey};
use rustix::time::{ClockId, clock_gettime};
use serde::Serialize;

/// Samples of each case, at least; more until [`BUDGET`] is used up.
const SAMPLES: usize = 15;
/// The same of a case that times a short part of a long work: of so few the first after each long part would say too much.
const TIMED_SAMPLES: usize = 64;
const SAMPLES_MAX: usize = 400;
const BUDGET: Duration = Duration::from_secs(3);

/// What is measured and how it is told.
pub struct Bench {
    pub peers: bool,
    only: Option<String>,
    json: bool,
    measured: std::cell::Cell<usize>,
}

#[derive(Serialize)]
struct Row<'a> {
    case: &'a str,
    cpu_us: f64,
    bytes: usize,
    unit_us: f64,
    samples: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    peer: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    peer_cpu_us: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ratio: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    peer_bytes: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes_ratio: Option<f64>,
}

/// A peer's work: its name, and one run of it, which returns the microseconds of CPU time it took (see [`timed`]) and the
/// bytes it put on the wire, or 0 if it did not count.
pub type Peer<'a> = (&'a str, &'a mut dyn FnMut() -> Result<(f64, usize)>);

impl Bench {
    pub const fn new(peers: bool, only: Option<String>, json: bool) -> Self {
        Self { peers, only, json, measured: std::cell::Cell::new(0) }
    }

    /// Says so if no case was measured.
    pub fn finish(&self) -> Result<()> {
        let asked = self.only.as_deref().unwrap_or_default();
        ensure!(self.measured.get() > 0, "no case has `{asked}` in its name");
        Ok(())
    }

    pub fn wants(&self, case: &str) -> bool {
        self.only.as_ref().is_none_or(|only| case.contains(only.as_str()))
    }

    /// Measures `ours`, which returns the bytes it put on the wire, and `peer` in turn with it.
    pub fn case(
        &self,
        case: &str,
        ours: &mut dyn FnMut() -> Result<usize>,
        peer: Option<Peer<'_>>,
    ) -> Result<()> {
        self.batch(case, 1, ours, peer)
    }

    /// As [`Bench::case`], where one run of `ours` is the work of `size` runs of the peer.
    pub fn batch(
        &self,
        case: &str,
        size: usize,
        ours: &mut dyn FnMut() -> Result<usize>,
        peer: Option<Peer<'_>>,
    ) -> Result<()> {
        self.measure(case, (size, SAMPLES), &mut || timed(&mut *ours), peer)
    }

    /// As [`Bench::case`], where the case itself says how long the part took that counts.
    pub fn timed_case(&self, case: &str, ours: &mut dyn FnMut() -> Result<(f64, usize)>) -> Result<()> {
        self.measure(case, (1, TIMED_SAMPLES), ours, None)
    }

    fn measure(
        &self,
        case: &str,
        (size, least): (usize, usize),
        ours: &mut dyn FnMut() -> Result<(f64, usize)>,
        peer: Option<Peer<'_>>,
    ) -> Result<()> {
        if !self.wants(case) {
            return Ok(());
        }
        let (name, mut peer) = peer.filter(|_| self.peers).unzip();
        let (mut own, mut others, mut units) = (Vec::new(), Vec::new(), Vec::new());
        let (mut bytes, mut peer_bytes) = (0, 0);
        let begin = thread_time();
        while own.len() < least || (own.len() < SAMPLES_MAX && thread_time() - begin < BUDGET) {
            units.push(timed(unit)?.0);
            let (time, sent) = ours()?;
            bytes = sent / size;
            own.push(time / size as f64);
            if let Some(peer) = &mut peer {
                let (time, sent) = peer()?;
                peer_bytes = sent;
                others.push(time);
            }
        }
        let samples = own.len();
        let (cpu_us, unit_us) = (median(own)?, median(units)?);
        let peer_cpu_us = if others.is_empty() { None } else { Some(median(others)?) };
        let ratio = peer_cpu_us.map(|other| cpu_us / other);
        let peer_bytes = Some(peer_bytes).filter(|bytes| *bytes > 0);
        let bytes_ratio = peer_bytes.map(|other| bytes as f64 / other as f64);
        self.print(&Row {
            case,
            cpu_us,
            bytes,
            unit_us,
            samples,
            peer: name,
            peer_cpu_us,
            ratio,
            peer_bytes,
            bytes_ratio,
        })?;
        self.measured.set(self.measured.get() + 1);
        Ok(())
    }

    /// Prints a line `base + slope·(t − 1)` for one signer, and how far the worst point lies from it.
    pub fn growth(&self, what: &str, (base, slope, worst): (f64, f64, f64)) {
        if self.json {
            let row = serde_json::json!({ "growth": what, "base": base, "slope": slope, "worst": worst });
            println!("{row}");
        } else {
            println!(
                "one signer's {what}: {base:.0} + {slope:.0}·(t-1), worst point off by {:.1} %",
                worst * 100.0
            );
        }
    }

    fn print(&self, row: &Row<'_>) -> Result<()> {
        if self.json {
            println!("{}", serde_json::to_string(row)?);
            return Ok(());
        }
        print!(
            "{:<30} {:>10.0} us {:>8} bytes {:>7.1} units",
            row.case,
            row.cpu_us,
            row.bytes,
            row.cpu_us / row.unit_us
        );
        if let (Some(peer), Some(time), Some(ratio)) = (row.peer, row.peer_cpu_us, row.ratio) {
            print!("   {ratio:.3} x {peer} ({time:.0} us)");
        }
        if let (Some(bytes), Some(ratio)) = (row.peer_bytes, row.bytes_ratio) {
            print!(", {ratio:.2} x its {bytes} bytes");
        }
        println!();
        Ok(())
    }
}

/// One k256 signature and its verification: what a machine of this speed does in one unit.
pub fn unit() -> Result<()> {
    let key = SigningKey::from_slice(&[7; 32])?;
    let signature: Signature = key.sign(b"unit");
    key.verifying_key().verify(b"unit", &signature).context("a fresh signature verifies")
}

fn thread_time() -> Duration {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(now.tv_sec.unsigned_abs(), u32::try_from(now.tv_nsec).unwrap_or_default())
}

/// CPU time of some work in microseconds, and its result.
pub fn timed<T>(work: impl FnOnce() -> Result<T>) -> Result<(f64, T)> {
    let begin = thread_time();
    let result = work()?;
    Ok(((thread_time() - begin).as_secs_f64() * 1e6, result))
}

fn median(mut samples: Vec<f64>) -> Result<f64> {
    samples.sort_by(f64::total_cmp);
    let median = samples.get(samples.len() / 2).copied().context("at least one sample")?;
    Ok((median * 1e3).round() / 1e3)
}
