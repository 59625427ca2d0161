//! Processes die at any moment, one after the other, while a client asks.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use keymoot_types::Scheme;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};

use crate::cluster::{Cluster, Shape};
use crate::ledger::{self, Found};
use crate::load::{self, Load, Tally};

/// A request that took longer than this, in milliseconds, is worth a look at what the processes said.
const SLOW: u64 = 8_000;

/// Keeps what all processes have said, for whoever looks for the reason.
fn keep_words(cluster: &Cluster) -> Result<()> {
    let folder = std::env::temp_dir().join(format!("keymoot-kill-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    for (name, words) in cluster.words() {
        std::fs::write(folder.join(format!("{name}.log")), words)?;
    }
    println!("some took long or failed; what the processes said is in {}", folder.display());
    Ok(())
}

/// What was seen.
#[derive(Clone, Debug)]
pub struct Report {
    /// How often a process was killed.
    pub kills: usize,
    /// What came of the load.
    pub tally: Tally,
    /// How long each killed process took until it was ready again, in milliseconds.
    pub ready: Vec<u64>,
    /// What the journals say.
    pub found: Found,
}

/// Kills so many times a random node or coordinator, and starts it again, with 20 requests a second.
///
/// # Errors
/// A promise that was not kept: something acknowledged that is lost or has changed, a presignature used twice, a process
/// that does not come back.
pub async fn run(kills: usize, seed: u64) -> Result<Report> {
    let mut cluster = Cluster::start(Shape { nodes: 3, threshold: 2, coordinators: 2 })?;
    let client = Arc::new(load::client(&cluster.place("alice"), cluster.gateway())?);
    let key = load::key(&client, Scheme::Dkls23, "hot").await?;
    let load = Load::start(client, key, 20);
    let mut rng = rand::rngs::StdRng::seed_from_u64(seed);
    let mut victims = cluster.nodes();
    victims.extend(cluster.coordinators());
    let mut ready = Vec::new();
    for _ in 0..kills {
        tokio::time::sleep(Duration::from_millis(rng.gen_range(500..2_000))).await;
        let Some(victim) = victims.choose(&mut rng).cloned() else { bail!("nobody to kill") };
        cluster.process(&victim)?.kill()?;
        let began = Instant::now();
        cluster.begin(&victim)?;
        cluster = tokio::task::spawn_blocking(move || cluster.is_ready(&victim).map(|()| cluster)).await??;
        ready.push(u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX));
    }
    let tally = load.finish().await?;
    let slow = tally.times.iter().any(|(_, took)| *took > SLOW);
    if slow || !tally.failures.is_empty() {
        keep_words(&cluster)?;
    }
    let found = ledger::check(&cluster.journals()?)?;
    Ok(Report { kills, tally, ready, found })
}
