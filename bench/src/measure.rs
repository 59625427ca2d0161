//! Timing: CPU time of this thread, medians, ours and the peer's in turn.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use k256::ecdsa::signature::{Signer, Verifier};
use k256::ecdsa::{Signature, SigningKey};
use rustix::time::{ClockId, clock_gettime};
use serde::Serialize;

/// Samples of each case, at least; more until [`BUDGET`] is used up.
const SAMPLES: usize = 15;
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
}

/// A peer's work: its name and one run of it.
pub type Peer<'a> = (&'a str, &'a mut dyn FnMut() -> Result<()>);

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
        if !self.wants(case) {
            return Ok(());
        }
        let (name, mut peer) = peer.filter(|_| self.peers).unzip();
        let (mut own, mut others, mut units) = (Vec::new(), Vec::new(), Vec::new());
        let mut bytes = 0;
        let begin = thread_time();
        while own.len() < SAMPLES || (own.len() < SAMPLES_MAX && thread_time() - begin < BUDGET) {
            units.push(timed(unit)?.0);
            let (time, sent) = timed(&mut *ours)?;
            (bytes, _) = (sent, own.push(time));
            if let Some(peer) = &mut peer {
                others.push(timed(&mut **peer)?.0);
            }
        }
        let samples = own.len();
        let (cpu_us, unit_us) = (median(own)?, median(units)?);
        let peer_cpu_us = if others.is_empty() { None } else { Some(median(others)?) };
        let ratio = peer_cpu_us.map(|other| cpu_us / other);
        self.print(&Row { case, cpu_us, bytes, unit_us, samples, peer: name, peer_cpu_us, ratio })?;
        self.measured.set(self.measured.get() + 1);
        Ok(())
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
            print!("   {ratio:.2} x {peer} ({time:.0} us)");
        }
        println!();
        Ok(())
    }
}

/// One k256 signature and its verification: what a machine of this speed does in one unit.
fn unit() -> Result<()> {
    let key = SigningKey::from_slice(&[7; 32])?;
    let signature: Signature = key.sign(b"unit");
    key.verifying_key().verify(b"unit", &signature).context("a fresh signature verifies")
}

fn thread_time() -> Duration {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(now.tv_sec.unsigned_abs(), u32::try_from(now.tv_nsec).unwrap_or_default())
}

fn timed<T>(work: impl FnOnce() -> Result<T>) -> Result<(f64, T)> {
    let begin = thread_time();
    let result = work()?;
    Ok(((thread_time() - begin).as_secs_f64() * 1e6, result))
}

fn median(mut samples: Vec<f64>) -> Result<f64> {
    samples.sort_by(f64::total_cmp);
    let median = samples.get(samples.len() / 2).copied().context("at least one sample")?;
    Ok((median * 1e3).round() / 1e3)
}
