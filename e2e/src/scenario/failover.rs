//! Coordinators die under load, and another one goes on.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use keymoot_types::Scheme;

use crate::cluster::{Cluster, Shape};
use crate::load::{self, Load, Tally};

/// What was seen.
#[derive(Clone, Debug)]
pub struct Report {
    /// What came of the load.
    pub tally: Tally,
    /// From each kill to the first signature after it, in milliseconds.
    pub gaps: Vec<u64>,
}

/// Kills a coordinator so many times, in turn, with 20 requests a second, and starts it again.
///
/// # Errors
/// A promise that was not kept, or no signature within ten seconds.
pub async fn run(kills: usize) -> Result<Report> {
    let mut cluster = Cluster::start(Shape { nodes: 3, threshold: 2, coordinators: 2 })?;
    let client = Arc::new(load::client(&cluster.place("alice"), cluster.gateway())?);
    let key = load::key(&client, Scheme::Dkls23, "hot").await?;
    let load = Load::start(client, key, 20);
    let coordinators = cluster.coordinators();
    let mut gaps = Vec::new();
    let mut pace = tokio::time::interval(Duration::from_millis(10));
    for victim in coordinators.iter().cycle().take(kills) {
        tokio::time::sleep(Duration::from_secs(2)).await;
        cluster.process(victim)?.kill()?;
        let killed = Instant::now();
        loop {
            pace.tick().await;
            if load.last().is_some_and(|last| last > killed) {
                break;
            }
            if killed.elapsed() > Duration::from_secs(10) {
                bail!("no signature within ten seconds after {victim} was killed");
            }
        }
        gaps.push(u64::try_from(killed.elapsed().as_millis()).unwrap_or(u64::MAX));
        cluster.begin(victim)?;
        let name = victim.clone();
        cluster = tokio::task::spawn_blocking(move || cluster.is_ready(&name).map(|()| cluster)).await??;
    }
    Ok(Report { tally: load.finish().await?, gaps })
}
