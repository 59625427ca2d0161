//! `keymoot demo`: a throw-away cluster of real processes on this machine.

mod chain;
mod sending;
mod transfer;

use std::net::IpAddr;
use std::time::Duration;

use clap::{Args, value_parser};
use keymoot_rpc::Signer;
use keymoot_types::{Network, Scheme, Threshold};
use keymoot_wire::rest::KeyView;
use tokio::sync::mpsc;

use super::eth::EthereumArgs;
use crate::cli::{EXIT_CODES, Given};
use crate::context::{Context, Contexts};
use crate::explain::{FILES, IN_USE, NOT_LOOPBACK, USAGE};
use crate::failure::{Failure, Trouble};
use crate::local::{Host, Layout, Said, Wish, ask, play, reported, stops};
use crate::network::NetworkName;
use crate::printer::Printer;
use crate::remote::Remote;
use crate::wallet;
use chain::Chain;

/// Start a throw-away cluster on this machine, with a key, and stay until interrupted.
///
/// Real processes, real TLS, sealed stores; only the addresses are loopback, the policy allows everything, and all of
/// it is deleted on exit. A second terminal talks to it with --context demo, or `export KEYMOOT_CTX=demo`.
/// It shows a transaction, signed and not sent; with --ethereum and a node for development, such as anvil, sent and mined.
#[derive(Args)]
#[command(after_help = EXIT_CODES)]
pub struct DemoArgs {
    #[command(flatten)]
    pub size: SizeArgs,

    #[command(flatten)]
    ethereum: EthereumArgs,

    /// Play the tour once (sign, lose nodes, be refused, get them back, sign again, sign a transaction), and leave.
    #[arg(long)]
    exit: bool,
}

/// What `demo` and `up` have in common.
#[derive(Args)]
pub struct SizeArgs {
    /// How many nodes, 2 to 32; without it, 3.
    #[arg(long, value_name = "N")]
    nodes: Option<u16>,

    /// How many of them sign, 2 to N; without it, 2.
    #[arg(long, value_name = "T")]
    threshold: Option<u16>,

    /// Where to listen; of this machine only. Without it, 127.0.0.1.
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<String>,

    /// Which Bitcoin network the keys are for; without it, mainnet.
    #[arg(long, value_enum, value_name = "NETWORK")]
    bitcoin_network: Option<NetworkName>,

    /// How long to wait for a process to start, and for all to be connected.
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = value_parser!(u64).range(1..=600))]
    patience: u64,
}

impl SizeArgs {
    /// What is to be laid out.
    pub fn layout(&self, cluster: &str, (batch, pool): (u16, u16)) -> Result<Layout, Failure> {
        let threshold = Threshold::new(self.threshold.unwrap_or(2), self.nodes.unwrap_or(3))?;
        let listen = self.listen.as_deref().unwrap_or("127.0.0.1");
        let host: IpAddr = listen.parse().map_err(|_| {
            let what = format!("`--listen` takes an address as 127.0.0.1, not `{}`", listen.escape_debug());
            Trouble::new(USAGE, what).undone("nothing was started")
        })?;
        if !host.is_loopback() {
            let what = format!("{host} can be reached from elsewhere");
            return Err(Trouble::new(NOT_LOOPBACK, what).undone("nothing was started").into());
        }
        let bitcoin = self.bitcoin_network.map(Network::from);
        let said = Said {
            nodes: self.nodes,
            threshold: self.threshold,
            host: self.listen.as_ref().map(|_| host),
            bitcoin,
        };
        let bitcoin = bitcoin.unwrap_or_default();
        Ok(Layout { cluster: cluster.to_owned(), threshold, host, bitcoin, said, batch, pool })
    }

    pub fn patience(&self) -> Duration {
        Duration::from_secs(self.patience)
    }
}

/// A demo signs a few times, and soon.
const BATCH: u16 = 32;

/// So many are kept ready.
const POOL: u16 = 64;

/// Said in every demo.
const WARNING: &str = "DEMO MODE: one machine, everything is approved, no backup.";

pub fn run(given: &Given, args: &DemoArgs) -> Result<(), Failure> {
    let printer = Printer::new(given.json);
    let layout = args.size.layout("demo", (BATCH, POOL))?;
    let name = given.context.as_deref().unwrap_or("demo");
    let folder = tempfile::Builder::new().prefix("keymoot-demo-").tempdir();
    let folder =
        folder.map_err(|error| Trouble::new(FILES, "there is no place for the demo").because(error))?;
    keymoot_wire::install_providers();
    super::wait(2, async {
        let mut stops = stops()?;
        if !args.exit {
            refuse_second(name).await?;
        }
        let title = printer.ink.strong(concat!("keymoot ", env!("CARGO_PKG_VERSION")));
        let place = folder.path().display();
        let title = format!(" {title} · demo cluster · everything below {place} is deleted on exit");
        let patience = args.size.patience();
        let host = tokio::select! {
            host = Host::start(folder.path(), &layout, (name, &title), patience, &printer) => host?,
            _ = stops.recv() => return Ok(()),
        };
        let outcome = tokio::select! {
            outcome = show(&host, &printer, args, name) => outcome,
            _ = stops.recv() => Ok(()),
        };
        if !args.exit {
            Contexts::of_environment().remove(name);
        }
        host.supervisor.stop().await;
        outcome?;
        if args.exit {
            Ok(())
        } else {
            printer.line(" All processes have ended in order; everything of the demo is deleted.")
        }
    })
}

async fn show(host: &Host, printer: &Printer, args: &DemoArgs, name: &str) -> Result<(), Failure> {
    let context = Context::new(name, &host.local.you(), Some(host.socket.clone()));
    if args.exit {
        let transact = async |key: &KeyView| {
            let signer = args.ethereum.start(|| Remote::of(context), printer).await?;
            transact(host, printer, args, key, signer.as_ref(), true).await
        };
        return play(host, printer, transact).await;
    }
    let key = host.key(printer, "hot", Scheme::Dkls23).await?;
    host.addresses(printer, &key, true)?;
    Contexts::of_environment().put(&context, false)?;
    let given = Given { context: Some(name.to_owned()), json: printer.json };
    // Held until the end.
    let signer = args.ethereum.start(|| Remote::open_patiently(&given), printer).await?;
    if let Err(failure) = transact(host, printer, args, &key, signer.as_ref(), false).await {
        // The cluster is there all the same.
        for line in reported(&failure, printer.ink)? {
            printer.line(&format!("  {line}"))?;
        }
        // Without one, nobody reads this any more.
        let document = failure.document().ok_or(failure)?;
        printer.object(&document)?;
    }
    for line in [
        format!(" Try:  export KEYMOOT_CTX={name}"),
        "       keymoot sign --key hot --message \"hello\"".to_owned(),
        "       keymoot node kill node-3".to_owned(),
        format!(" {} Do not put money here.", printer.ink.warning(WARNING)),
        " `keymoot init` builds a real one. Ctrl-C ends this one.".to_owned(),
    ] {
        printer.line(&line)?;
    }
    stay(printer, &key, host.local.document.bitcoin).await
}

/// Ends with a real transaction: sent, where a node gives the money for it; otherwise signed.
async fn transact(
    host: &Host,
    printer: &Printer,
    args: &DemoArgs,
    key: &KeyView,
    signer: Option<&Signer>,
    is_tour: bool,
) -> Result<(), Failure> {
    if is_tour {
        printer.line("")?;
    }
    if let (Some(node), Some(signer)) = (args.ethereum.node(), signer) {
        let signer = format!("http://{}/eth", signer.address());
        let of = |url: &str| Chain::new(url).map_err(Failure::bug("an address that was used is none"));
        if sending::send(printer, key, &of(node)?, &of(&signer)?, host.began).await? {
            return Ok(());
        }
    }
    if is_tour {
        printer.line(&format!("$ keymoot {}", transfer::command(key)))?;
    }
    transfer::sign(host, printer, key).await
}

/// Until a signal ends it; `q` shows the addresses as QR codes.
pub async fn stay(printer: &Printer, key: &KeyView, network: Network) -> Result<(), Failure> {
    if super::has_terminal() {
        let mut lines = typed();
        while let Some(line) = lines.recv().await {
            if line.trim() == "q" {
                for one in wallet::addresses(key, "m", network)? {
                    printer.line(&format!("  {} {}", one.chain, one.address))?;
                    for line in super::key::qr(&one.address)? {
                        printer.line(&line)?;
                    }
                }
            }
        }
    }
    std::future::pending().await
}

/// What is typed, line by line. A thread, because reading a terminal cannot be given up.
fn typed() -> mpsc::Receiver<String> {
    let (say, heard) = mpsc::channel(4);
    std::thread::spawn(move || {
        for line in std::io::stdin().lines().map_while(Result::ok) {
            if say.blocking_send(line).is_err() {
                return;
            }
        }
    });
    heard
}

/// Two demos of one name would take each other's context.
async fn refuse_second(name: &str) -> Result<(), Failure> {
    let there = Contexts::of_environment().find(Some(name)).ok().and_then(|context| context.supervisor);
    if let Some(socket) = there
        && ask(&socket, &Wish::State).await.is_ok()
    {
        let what = format!("a cluster with the context `{name}` runs already");
        let help = format!("end it, or start this one with --context {name}-2");
        return Err(Trouble::new(IN_USE, what).undone("nothing was started").help(help).into());
    }
    Contexts::of_environment().must_be_free_for_session(name)
}
