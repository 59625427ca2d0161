//! One process from its start to its end: what it needs of the machine, what it says, which signals it hears.

use std::io::{Read, Write};
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use keymoot_vault::process::{Hardened, harden};
use keymoot_wire::cluster::DocumentHandle;
use keymoot_wire::identity::PeerRole;
use keymoot_wire::tls::{CredentialFiles, Identity};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tracing::{info, warn};
use tracing_subscriber::EnvFilter;

use super::anchor::Anchorage;
use super::{coordinator, gateway, node, watch};
use crate::config::Config;
use crate::explain::{CEREMONY_FOREIGN, CLOCK, CONFIG_VALUE, START};
use crate::failure::{Failure, Trouble};
use crate::local::{SUPERVISED, Started};
use crate::place::{self, AUTHORITY, CERTIFICATE, TLS_KEY};

/// How far ahead of this machine's clock a file of ours may have been written.
const AHEAD: Duration = Duration::from_secs(30);
/// How often metrics are put in order.
const UPKEEP: Duration = Duration::from_secs(5);

/// What every process has.
pub struct Ground {
    pub config: Config,
    pub document: DocumentHandle,
    pub identity: Arc<Identity>,
    pub metrics: PrometheusHandle,
}

/// A process that runs.
pub struct Running {
    pub started: Started,
    /// Asks it to end in order.
    pub stop: Box<dyn Fn() + Send>,
    /// Where a node keeps what it has seen of its document.
    pub anchorage: Option<Anchorage>,
    /// Its end.
    pub end: Pin<Box<dyn Future<Output = Result<(), Failure>> + Send>>,
}

/// Runs a process until it is told to stop or cannot go on.
pub fn run(role: PeerRole, directory: &Path) -> Result<(), Failure> {
    // Before the first secret is read.
    let hardened = (role == PeerRole::Node).then(harden);
    let config = Config::read(directory)?;
    if config.text("role") != role.name() {
        let what = format!(
            "`{}` is the directory of a {}, not of a {role}",
            directory.display(),
            config.text("role")
        );
        return Err(Trouble::new(CEREMONY_FOREIGN, what).undone("nothing was started").into());
    }
    check_clock(directory)?;
    logging(&config)?;
    keymoot_wire::install_providers();
    let threads = config.number("threads");
    crate::commands::wait(threads, async move {
        let ground = ground(config)?;
        live(role, ground, hardened).await
    })
}

fn ground(config: Config) -> Result<Ground, Failure> {
    let directory = config.directory();
    let document = place::document(directory)?;
    if document.cluster != config.text("cluster") {
        let what = format!(
            "the cluster document is of {}, and the configuration of {}",
            document.cluster,
            config.text("cluster")
        );
        return Err(Trouble::new(CEREMONY_FOREIGN, what).undone("nothing was started").into());
    }
    // Looked at for its permissions only; the identity reads it itself.
    place::read_secret(&directory.join(TLS_KEY))?;
    let files = CredentialFiles {
        certificate: directory.join(CERTIFICATE),
        key: directory.join(TLS_KEY),
        authority: directory.join(AUTHORITY),
    };
    let identity = Identity::open(files).map_err(|error| {
        let what = "our certificate cannot be used";
        Failure::from(Trouble::new(START, what).undone("nothing was started").because(error))
    })?;
    let metrics = PrometheusBuilder::new()
        .install_recorder()
        .map_err(|error| Trouble::new(START, "metrics cannot be recorded").because(error))?;
    Ok(Ground { document: document.into_handle(), identity, metrics, config })
}

async fn live(role: PeerRole, ground: Ground, hardened: Option<Hardened>) -> Result<(), Failure> {
    // Before anything listens: from then on, a signal has to find somebody.
    let mut stops = stops()?;
    let mut hangup = signal(SignalKind::hangup()).map_err(no_signals)?;
    let (document, identity) = (Arc::clone(&ground.document), Arc::clone(&ground.identity));
    let (directory, metrics) = (ground.config.directory().to_owned(), ground.metrics.clone());
    let name = ground.config.text("name").to_owned();
    let Running { started, stop, anchorage, mut end } = match role {
        PeerRole::Node => node::start(ground).await?,
        PeerRole::Coordinator => coordinator::start(ground).await?,
        PeerRole::Gateway => gateway::start(ground).await?,
        PeerRole::Client => {
            return Err(Trouble::new(CONFIG_VALUE, "a client is no process")
                .undone("nothing was started")
                .into());
        }
    };
    info!(name, listening = started.listening, health = started.health, "started");
    if let Some(Hardened { is_undumpable, is_locked }) = hardened {
        info!(is_undumpable, is_locked, "secrets in memory");
    }
    say(&started);
    let mut upkeep = tokio::time::interval(UPKEEP);
    let mut changes = watch::documents(&directory);
    loop {
        tokio::select! {
            outcome = &mut end => return outcome,
            Some(why) = stops.recv() => {
                info!(name, why, "stopping");
                stop();
                return end.await;
            }
            _ = hangup.recv() => watch::reload(&directory, &document, &identity, anchorage.as_ref()),
            () = changes.changed() => watch::reload(&directory, &document, &identity, anchorage.as_ref()),
            _ = upkeep.tick() => metrics.run_upkeep(),
        }
    }
}

/// Everything that asks for an orderly end: signals, and the end of a supervisor.
fn stops() -> Result<mpsc::Receiver<&'static str>, Failure> {
    let (say, heard) = mpsc::channel(4);
    for (kind, name) in [(SignalKind::terminate(), "SIGTERM"), (SignalKind::interrupt(), "SIGINT")] {
        let (mut signals, say) = (signal(kind).map_err(no_signals)?, say.clone());
        tokio::spawn(async move {
            while signals.recv().await.is_some() {
                // One that does not fit is one of many.
                let _ = say.try_send(name);
            }
        });
    }
    if std::env::var_os(SUPERVISED).is_some() {
        // A thread, because reading standard input cannot be given up; the process ends without it.
        let lifeline = std::thread::Builder::new().name("lifeline".into()).spawn(move || {
            let mut rest = Vec::new();
            let _ = std::io::stdin().take(1 << 16).read_to_end(&mut rest);
            let _ = say.blocking_send("the end of the supervisor");
        });
        lifeline.map_err(|error| Trouble::new(START, "no thread can be started").because(error))?;
    }
    Ok(heard)
}

fn no_signals(error: std::io::Error) -> Failure {
    Trouble::new(START, "signals cannot be heard").because(error).into()
}

/// Tells whoever supervises that we have started. systemd finds it out by itself.
fn say(started: &Started) {
    if std::env::var_os(SUPERVISED).is_some()
        && let Ok(line) = serde_json::to_string(started)
    {
        let mut out = std::io::stdout().lock();
        // Nobody listens any more: then the life line says so too.
        let _ = writeln!(out, "{line}").and_then(|()| out.flush());
    }
}

/// A file of ours from the future says that this clock went back.
fn check_clock(directory: &Path) -> Result<(), Failure> {
    let now = SystemTime::now();
    for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
        let written = entry.metadata().and_then(|found| found.modified()).unwrap_or(now);
        let ahead = written.duration_since(now).unwrap_or_default();
        if ahead > AHEAD {
            let file = entry.file_name();
            let what = format!(
                "by this machine's clock, `{}` was written {} seconds in the future",
                file.to_string_lossy(),
                ahead.as_secs()
            );
            return Err(Trouble::new(CLOCK, what).undone("nothing was started").into());
        }
    }
    Ok(())
}

fn logging(config: &Config) -> Result<(), Failure> {
    let filter = EnvFilter::try_new(config.text("log")).map_err(|error| {
        let what = format!("`{}` is no filter for the log", config.text("log").escape_debug());
        Trouble::new(CONFIG_VALUE, what).undone("nothing was started").because(error)
    })?;
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(false);
    let set = if config.text("log_format") == "json" {
        log.json().with_current_span(true).with_span_list(false).try_init()
    } else {
        log.try_init()
    };
    // Only a second one in the same process is refused, and there is none.
    if set.is_err() {
        warn!("logging was set up already");
    }
    Ok(())
}
