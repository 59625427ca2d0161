//! `keymoot eth`: the signer for Ethereum applications, beside an application or beside a cluster on this machine.

mod keys;
mod settings;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use keymoot_rpc::{Config, Downstream, Remote as Accounts, Signer, StartError, Tls};
use serde_json::json;
use tracing::{error, info};
use tracing_subscriber::EnvFilter;

use crate::cli::{EXIT_CODES, Given};
use crate::compose::watch;
use crate::explain::{CONFIG_VALUE, ETH_NOT_STARTED, ETH_SILENT, NOT_LOOPBACK, PORT_IN_USE, START};
use crate::failure::{Failure, Trouble};
use crate::local::stops;
use crate::printer::Printer;
use crate::remote::Remote;
use settings::{Settings, TlsFiles};

/// How long what has begun may take to finish after a signal.
const GRACE: Duration = Duration::from_secs(30);

/// Sign for Ethereum applications: JSON-RPC as a node has it, with the keys of the cluster as accounts.
///
/// What needs a key is signed by the cluster, as the client of the context; what an application reads is asked of the node
/// behind. SIGTERM and SIGINT end it in order. It logs to standard error.
#[derive(Args)]
#[command(after_help = EXIT_CODES)]
pub struct EthArgs {
    /// Where to listen; without it, 127.0.0.1:9000. Elsewhere than on this machine only with TLS and a token: see --config.
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<SocketAddr>,

    /// The node behind, as in http://127.0.0.1:8545.
    #[arg(long, value_name = "URL")]
    downstream: Option<String>,

    /// The one chain to sign for.
    #[arg(long, value_name = "N")]
    chain_id: Option<u64>,

    /// A file with the token that callers have to show. If there is none, it is written, with a token that nobody can guess
    /// and for nobody else to read. Without one, every user of this machine can have things signed.
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,

    /// A file with these and all other settings.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// What `demo` and `up` have of it.
#[derive(Args)]
pub struct EthereumArgs {
    /// Also sign for Ethereum applications, with this node behind, as in http://127.0.0.1:8545.
    #[arg(long, value_name = "URL")]
    ethereum: Option<String>,

    /// Where to do that; of this machine only. Without it, any free port of 127.0.0.1.
    #[arg(long, value_name = "ADDRESS", requires = "ethereum")]
    ethereum_listen: Option<SocketAddr>,
}

pub fn run(given: &Given, args: &EthArgs) -> Result<(), Failure> {
    let printer = Printer::new(given.json);
    let Settings { listen, downstream, timeout, mut config, keys, tls, log, is_log_json } =
        Settings::read(args)?;
    logging(&log, is_log_json)?;
    let remote = Remote::open_patiently(given)?;
    super::wait(2, async move {
        // Before anything listens: from then on, a signal has to find somebody.
        let mut stops = stops()?;
        let chain_id = config.chain_id;
        let node = Downstream::new(&downstream, timeout).map_err(not_started)?;
        config.keys = keys::pinned(&remote, &keys).await?;
        if let (Some(files), Some(tls)) = (tls, config.tls.clone()) {
            tokio::spawn(renew(files, tls));
        }
        let signer = start(config, listen, node, remote).await?;
        say(&printer, &signer, chain_id, "")?;
        stops.recv().await;
        signer.stop(GRACE).await;
        Ok(())
    })
}

impl EthereumArgs {
    /// The node behind, if a signer is wanted.
    pub fn node(&self) -> Option<&str> {
        self.ethereum.as_deref()
    }

    /// Starts a signer beside a cluster on this machine, as its owner, if one is wanted. It signs for the chain that the
    /// node behind is of.
    pub async fn start(
        &self,
        open: impl FnOnce() -> Result<Remote, Failure>,
        printer: &Printer,
    ) -> Result<Option<Signer>, Failure> {
        let Some(url) = &self.ethereum else { return Ok(None) };
        let listen = self.ethereum_listen.unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], 0)));
        if !listen.ip().is_loopback() {
            let what = format!("{} can be reached from elsewhere", listen.ip());
            return Err(Trouble::new(NOT_LOOPBACK, what).undone("no signer was started").into());
        }
        let node = Downstream::new(url, settings::TIMEOUT).map_err(not_started)?;
        let chain_id = node.chain_id().await.map_err(|why| {
            let what = format!("the node at {} does not say of which chain it is", node.place());
            Trouble::new(ETH_SILENT, what).undone("no signer was started").because(why)
        })?;
        let signer = start(Config::new(chain_id), listen, node, open()?).await?;
        say(printer, &signer, chain_id, "/eth")?;
        Ok(Some(signer))
    }
}

async fn start(
    config: Config,
    listen: SocketAddr,
    node: Downstream,
    remote: Remote,
) -> Result<Signer, Failure> {
    let (client, follower) = remote.into_parts();
    let accounts = Accounts::new(client, config.paths.clone(), config.keys.clone());
    let signer = Signer::start(config, listen, node, Arc::new(accounts)).await.map_err(not_started)?;
    // It ends with the process.
    tokio::spawn(follower.follow());
    Ok(signer)
}

/// Takes up a new certificate for callers whenever its files change. What is not good is logged, and the old stays in use.
async fn renew(files: TlsFiles, tls: Tls) {
    let mut changes = watch::files(files.paths());
    loop {
        changes.changed().await;
        match files.read() {
            // Of the same files, it asks callers for as much as before.
            Ok(new) if tls.renew(&new) => info!("the certificate for callers is the one in its file"),
            Ok(_) => {}
            Err(failure) => {
                error!(code = failure.code(), %failure, "the new certificate for callers is not taken up");
            }
        }
    }
}

fn say(printer: &Printer, signer: &Signer, chain_id: u64, path: &str) -> Result<(), Failure> {
    let url = format!("{}{path}", signer.url());
    let object = json!({ "schema": "keymoot/eth/v1", "url": url, "chain_id": chain_id });
    printer.either(&object, &[format!("eth signer on {url}")])
}

fn not_started(error: StartError) -> Failure {
    let page = match error {
        StartError::Listen { .. } => PORT_IN_USE,
        StartError::Client(_) => START,
        StartError::Open(_)
        | StartError::Plaintext(_)
        | StartError::Token
        | StartError::Chain { .. }
        | StartError::Address(_)
        | StartError::Origin(_) => ETH_NOT_STARTED,
    };
    let what = error.to_string();
    let trouble = Trouble::new(page, what).undone("nothing was started");
    match std::error::Error::source(&error) {
        Some(cause) => trouble.because(cause.to_string()).into(),
        None => trouble.into(),
    }
}

fn logging(filter: &str, is_json: bool) -> Result<(), Failure> {
    let filter = EnvFilter::try_new(filter).map_err(|error| {
        let what = format!("`{}` is no filter for the log", filter.escape_debug());
        Trouble::new(CONFIG_VALUE, what).undone("nothing was started").because(error)
    })?;
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(false);
    // Only a second one in the same process is refused, and there is none.
    let _ = if is_json { log.json().try_init() } else { log.try_init() };
    Ok(())
}
