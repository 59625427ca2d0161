//! The scenarios, for as long as one likes. `cargo xtask e2e` builds what they need and starts this.

use std::net::IpAddr;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use clap::{Parser, Subcommand};
use keymoot_e2e::forward::{self, Distance};
use keymoot_e2e::load::percentile;
use keymoot_e2e::scenario::{failover, gg20, kill};

#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    scenario: Scenario,
}

#[derive(Subcommand)]
enum Scenario {
    /// Kill random nodes and coordinators under load.
    Kill {
        #[arg(long, default_value_t = 200)]
        kills: usize,
        #[arg(long)]
        seed: Option<u64>,
    },
    /// Kill coordinators under load.
    Failover {
        #[arg(long, default_value_t = 20)]
        kills: usize,
    },
    /// Sign with GG20 and its real moduli, in turn with DKLs23: minutes until the moduli are made.
    Gg20 {
        #[arg(long, default_value_t = 50)]
        turns: usize,
    },
    /// Pass connections on, later: --from ADDRESS=MILLISECONDS of round trip.
    Forward {
        #[arg(long)]
        listen: String,
        #[arg(long)]
        to: String,
        #[arg(long)]
        from: Vec<String>,
    },
}

fn main() -> ExitCode {
    match run(Arguments::parse().scenario) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(scenario: Scenario) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    match scenario {
        Scenario::Kill { kills, seed } => {
            let seed = seed.unwrap_or_else(rand::random);
            println!("seed {seed}");
            let report = runtime.block_on(kill::run(kills, seed))?;
            let kill::Report { tally, ready, found, .. } = &report;
            println!(
                "{kills} kills, {} asked, {} signed, ready again p50 {} ms p99 {} ms, {found:?}, failures {:?}",
                tally.asked,
                tally.signed,
                percentile(ready.clone(), 0.5),
                percentile(ready.clone(), 0.99),
                tally.failures,
            );
            let mut slow = tally.times.clone();
            slow.sort_unstable_by_key(|(_, took)| std::cmp::Reverse(*took));
            println!("slowest (came at ms, took ms): {:?}", slow.iter().take(5).collect::<Vec<_>>());
            ensure!(tally.failures.is_empty(), "requests failed");
        }
        Scenario::Failover { kills } => {
            let report = runtime.block_on(failover::run(kills))?;
            println!(
                "{kills} kills, {} asked, {} signed, first success p50 {} ms p99 {} ms, failures {:?}",
                report.tally.asked,
                report.tally.signed,
                percentile(report.gaps.clone(), 0.5),
                percentile(report.gaps.clone(), 0.99),
                report.tally.failures,
            );
        }
        Scenario::Gg20 { turns } => {
            let report = runtime.block_on(gg20::run(turns))?;
            println!("{}", report.document());
        }
        Scenario::Forward { listen, to, from } => {
            let distances = from.iter().map(|text| distance(text)).collect::<Result<Vec<_>>>()?;
            forward::run(&listen, &to, &distances)?;
        }
    }
    Ok(())
}

fn distance(text: &str) -> Result<Distance> {
    let (from, time) = text.split_once('=').context("ADDRESS=MILLISECONDS")?;
    Ok(Distance { from: from.parse::<IpAddr>()?, round_trip: Duration::from_millis(time.parse()?) })
}
