//! Runs worlds: `cargo xtask sim` calls this.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use keymoot_engine::real::Real;
use keymoot_sim::model::Model;
use keymoot_sim::replay::Run;
use keymoot_sim::run::{self, Totals};
use keymoot_sim::{Bug, Shape, World};

#[derive(Parser)]
#[command(about = "Simulates clusters: one seed, one history")]
struct Arguments {
    /// How many worlds: 2,000 if not given, and with --planted at most 20,000 for each bug.
    #[arg(long)]
    seeds: Option<u64>,
    /// The first seed.
    #[arg(long, default_value_t = 0)]
    start: u64,
    /// Real cryptography instead of the model.
    #[arg(long)]
    real: bool,
    /// So many nodes in every world.
    #[arg(long)]
    nodes: Option<u16>,
    /// Plants each known bug and says how many seeds it takes to find it.
    #[arg(long)]
    planted: bool,
    /// Only the planted bug of this name.
    #[arg(long)]
    bug: Option<String>,
    /// One world, with a line for each event.
    #[arg(long)]
    replay: Option<u64>,
    /// What has happened, how often and in how many worlds.
    #[arg(long)]
    coverage: bool,
    /// How many threads.
    #[arg(long, default_value_t = 2)]
    threads: usize,
}

impl Arguments {
    fn range(&self, usual: u64) -> std::ops::Range<u64> {
        self.start..self.start.saturating_add(self.seeds.unwrap_or(usual))
    }
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let shape = Shape { nodes: arguments.nodes, small: arguments.real };
    let named = |name: &String| Bug::ALL.iter().copied().find(|bug| format!("{bug:?}") == *name);
    let bug = arguments.bug.as_ref().and_then(named);
    if let (Some(name), None) = (&arguments.bug, bug) {
        let names: Vec<String> = Bug::ALL.iter().map(|bug| format!("{bug:?}")).collect();
        eprintln!("there is no bug of the name {name}; there are {}", names.join(", "));
        return ExitCode::from(2);
    }
    if let Some(seed) = arguments.replay {
        let mut world = World::<Model>::new(seed, shape, bug);
        world.keep_log();
        let report = world.run();
        world.take_log().iter().for_each(|line| println!("{line}"));
        println!("{report:?}");
        return ExitCode::from(u8::from(report.violation.is_some()));
    }
    if arguments.planted {
        return planted(&arguments, shape);
    }
    let range = arguments.range(2_000);
    let totals = if arguments.real {
        run::many::<Real>(range, (shape, bug), arguments.threads, false)
    } else {
        run::many::<Model>(range, (shape, bug), arguments.threads, false)
    };
    if arguments.coverage {
        print!("{}", totals.coverage);
    }
    print(&totals, arguments.threads);
    keep(&totals, &arguments, shape, bug);
    ExitCode::from(u8::from(!totals.failures.is_empty()))
}

/// Writes the first runs that failed into files, and says how to run them again.
fn keep(totals: &Totals, arguments: &Arguments, shape: Shape, bug: Option<Bug>) {
    let folder = std::env::var_os("CARGO_TARGET_DIR").map_or("target".into(), PathBuf::from).join("sim");
    for report in totals.failures.iter().take(20) {
        match Run::of(report, shape, arguments.real, bug).keep(&folder) {
            Ok(path) => println!("replay: cargo run --release -- debug replay {}", path.display()),
            Err(error) => println!("the run of seed {} could not be written: {error}", report.seed),
        }
    }
}

fn print(totals: &Totals, threads: usize) {
    let seconds = totals.time.as_secs_f64();
    let rate = totals.events as f64 / seconds;
    let [key, signed, denied, expired, failed, retired] = totals.outcomes;
    println!(
        "outcomes: {key} keys, {signed} signed, {denied} denied, {expired} expired, {failed} failed, {retired} retired"
    );
    for report in totals.failures.iter().take(20) {
        if let Some((at, violation)) = &report.violation {
            println!("seed {} at {at} ms: {} {}", report.seed, violation.invariant, violation.what);
        }
    }
    if !totals.failures.is_empty() {
        let broken = totals.broken().into_iter().map(|(promise, times)| format!("{promise} {times} times"));
        println!("broken: {}", broken.collect::<Vec<_>>().join(", "));
    }
    println!(
        "{} seeds, {} events, {:.0} events/s ({:.0} per core), {} signatures verified, {} violations",
        totals.seeds,
        totals.events,
        rate,
        rate / threads as f64,
        totals.verified,
        totals.failures.len()
    );
}

fn planted(arguments: &Arguments, shape: Shape) -> ExitCode {
    let mut found = 0;
    for bug in Bug::ALL {
        let range = arguments.range(20_000);
        let totals = run::many::<Model>(range, (shape, Some(*bug)), arguments.threads, true);
        match totals
            .failures
            .first()
            .and_then(|report| report.violation.as_ref().map(|found| (report.seed, found)))
        {
            Some((seed, (_, violation))) => {
                let is_expected = bug.expected().contains(&violation.invariant);
                found += usize::from(is_expected);
                println!(
                    "{bug:?}, expected by {}: found after {} seeds (seed {seed}) by {}{}: {}",
                    bug.expected().join(" or "),
                    totals.seeds,
                    violation.invariant,
                    if is_expected { "" } else { ", which is ANOTHER PROMISE" },
                    violation.what
                );
            }
            None => println!("{bug:?}: NOT FOUND in {} seeds ({})", totals.seeds, bug.text()),
        }
    }
    println!("{found}/{} found", Bug::ALL.len());
    ExitCode::from(u8::from(found < Bug::ALL.len()))
}
