//! `keymoot bench`: what the cluster does under load, seen from outside.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use clap::Args;
use hdrhistogram::Histogram;
use keymoot_wire::rest::KeyView;
use serde_json::json;

use crate::cli::{EXIT_CODES, Given};
use crate::explain::USAGE;
use crate::failure::{Failure, Trouble};
use crate::printer::Printer;
use crate::proof::Claim;
use crate::remote::{Asked, Remote};

/// The longest latency that is told apart, in microseconds.
const LATENCY_MAX: u64 = 120_000_000;

/// Ask for signatures for some seconds, and say how many came and how fast.
///
/// With --rate requests are due at fixed moments, whatever the cluster does, and latency counts from the moment a
/// request was due (open loop). Without it each client asks again as soon as it has its answer. Every signature is
/// verified.
#[derive(Args)]
#[command(after_help = EXIT_CODES)]
pub struct BenchArgs {
    /// How many requests are under way at once, at most.
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=1024))]
    clients: u32,

    /// For how long.
    #[arg(long, value_name = "S", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=3600))]
    seconds: u64,

    /// Requests a second, all clients together.
    #[arg(long, value_name = "R", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    rate: Option<u32>,

    /// The key; without it, the newest that is in use.
    #[arg(long)]
    key: Option<String>,
}

/// What all clients share.
struct Load {
    remote: Remote,
    key: KeyView,
    begin: Instant,
    end: Instant,
    rate: Option<u32>,
    next: AtomicU64,
}

struct Tally {
    latencies: Histogram<u64>,
    errors: u64,
    first_error: Option<Failure>,
}

pub fn run(given: &Given, args: &BenchArgs) -> Result<(), Failure> {
    let printer = Printer::new(given.json);
    let remote = Remote::open_patiently(given)?;
    super::wait(2, async move {
        let key = chosen(&remote, args.key.as_deref()).await?;
        printer.line(&format!(
            "  {} · {} · {} clients · {} s",
            key.id, key.scheme, args.clients, args.seconds
        ))?;
        let begin = Instant::now();
        let end = begin + Duration::from_secs(args.seconds);
        let load = Arc::new(Load { remote, key, begin, end, rate: args.rate, next: AtomicU64::new(0) });
        let clients = (0..args.clients).map(|_| tokio::spawn(client(Arc::clone(&load))));
        let tallies = futures_util::future::join_all(clients.collect::<Vec<_>>()).await;
        let mut all = tally()?;
        for one in tallies {
            let one = one.map_err(Failure::bug("a client of the bench has died"))??;
            all.latencies.add(one.latencies).map_err(Failure::bug("latencies cannot be added up"))?;
            all.errors += one.errors;
            all.first_error = all.first_error.or(one.first_error);
        }
        report(&printer, args, &all, begin.elapsed())
    })
}

async fn chosen(remote: &Remote, key: Option<&str>) -> Result<KeyView, Failure> {
    if let Some(key) = key {
        return remote.key(key).await;
    }
    remote.keys().await?.into_iter().find(|key| !key.retired).ok_or_else(|| {
        let help = "`keymoot key create NAME` makes one";
        Trouble::new(USAGE, "there is no key to sign with").undone("nothing was sent").help(help).into()
    })
}

fn tally() -> Result<Tally, Failure> {
    let latencies = Histogram::new_with_bounds(1, LATENCY_MAX, 3);
    let latencies = latencies.map_err(Failure::bug("there is no such histogram"))?;
    Ok(Tally { latencies, errors: 0, first_error: None })
}

async fn client(load: Arc<Load>) -> Result<Tally, Failure> {
    let mut tally = tally()?;
    loop {
        let number = load.next.fetch_add(1, Ordering::Relaxed);
        let due = match load.rate {
            Some(rate) => load.begin + Duration::from_secs_f64(number as f64 / f64::from(rate)),
            None => Instant::now(),
        };
        if due >= load.end || Instant::now() >= load.end {
            return Ok(tally);
        }
        tokio::time::sleep_until(due.into()).await;
        let payload = format!("bench {number}").into_bytes();
        match one(&load, &payload).await {
            Ok(()) => {
                let micros = u64::try_from(due.elapsed().as_micros()).unwrap_or(LATENCY_MAX);
                tally.latencies.saturating_record(micros.clamp(1, LATENCY_MAX));
            }
            Err(failure) => {
                tally.errors += 1;
                tally.first_error.get_or_insert(failure);
            }
        }
    }
}

async fn one(load: &Load, payload: &[u8]) -> Result<(), Failure> {
    let (key, path, kind) = (&load.key, "m", "message");
    let signed = load.remote.sign_once(&Asked { key, path, kind, payload }).await?;
    let expected = Claim { key, path, kind, payload }.expected(load.remote.document.bitcoin)?;
    super::sign::checked(&signed, &expected).map(|_| ())
}

fn report(printer: &Printer, args: &BenchArgs, all: &Tally, took: Duration) -> Result<(), Failure> {
    let done = all.latencies.len();
    let rate = done as f64 / took.as_secs_f64();
    let ms = |quantile| all.latencies.value_at_quantile(quantile) as f64 / 1000.0;
    let (p50, p99, p999, max) = (ms(0.5), ms(0.99), ms(0.999), all.latencies.max() as f64 / 1000.0);
    let object = json!({
        "schema": "keymoot/bench/v1", "clients": args.clients, "seconds": took.as_secs_f64(),
        "offered_rate": args.rate, "signatures": done, "errors": all.errors, "rate": rate,
        "p50_ms": p50, "p99_ms": p99, "p999_ms": p999, "max_ms": max,
        "first_error": all.first_error.as_ref().map(|failure| format!("{}: {failure}", failure.code())),
    });
    let mut lines = vec![
        format!("  {done} signatures, all verified · {:.1}/s · {} errors", rate, all.errors),
        format!("  latency  p50 {p50:.1} ms · p99 {p99:.1} ms · p99.9 {p999:.1} ms · most {max:.1} ms"),
    ];
    if let Some(failure) = &all.first_error {
        lines.push(format!("  the first error: {}: {failure}", failure.code()));
    }
    printer.either(&object, &lines)
}
