//! `keymoot up`: a cluster of real processes on this machine that keeps what it has.

use std::path::PathBuf;

use clap::Args;
use keymoot_types::Scheme;

use super::demo::{SizeArgs, stay};
use super::eth::EthereumArgs;
use crate::cli::{EXIT_CODES, Given};
use crate::context::{Context, Contexts};
use crate::failure::Failure;
use crate::local::{Host, YOU, stops};
use crate::printer::Printer;
use crate::remote::Remote;

/// Start a cluster on this machine that keeps its keys, and stay until interrupted.
///
/// Like `keymoot demo`, but in a directory that stays. For development: all shares are on one machine, with the key
/// files of their vaults beside them, and the policy allows everything. Its context is `up`; where that is of another
/// directory, it is named like the directory, or as --context says.
#[derive(Args)]
#[command(after_help = EXIT_CODES)]
pub struct UpArgs {
    /// Where everything is kept; made if it is not there.
    #[arg(long, value_name = "DIR")]
    dir: PathBuf,

    #[command(flatten)]
    size: SizeArgs,

    #[command(flatten)]
    ethereum: EthereumArgs,

    /// Leave when everything is ready.
    #[arg(long, conflicts_with = "ethereum")]
    exit: bool,
}

/// Many signatures a second, on a machine that also does other things.
const BATCH: u16 = 128;

/// So many are kept ready of each key in use: some seconds of them.
const POOL: u16 = 1024;

pub fn run(given: &Given, args: &UpArgs) -> Result<(), Failure> {
    let printer = Printer::new(given.json);
    let you = args.dir.join(YOU);
    let name = Contexts::of_environment().name_for(&you, &args.dir, given.context.as_deref(), "up")?;
    let name = name.as_str();
    let layout = args.size.layout(name, (BATCH, POOL))?;
    keymoot_wire::install_providers();
    super::wait(2, async {
        let mut stops = stops()?;
        let title = printer.ink.strong(concat!("keymoot ", env!("CARGO_PKG_VERSION")));
        let title = format!(" {title} · context {name} · everything is kept in {}", args.dir.display());
        let host = tokio::select! {
            host = Host::start(&args.dir, &layout, (name, &title), args.size.patience(), &printer) => host?,
            _ = stops.recv() => return Ok(()),
        };
        let outcome = tokio::select! {
            outcome = show(&host, &printer, args, name) => outcome,
            _ = stops.recv() => Ok(()),
        };
        host.supervisor.stop().await;
        outcome?;
        let again = format!("keymoot up --dir {}", args.dir.display());
        printer.line(&format!(" All processes have ended in order; the keys stay. Again: {again}"))
    })
}

async fn show(host: &Host, printer: &Printer, args: &UpArgs, name: &str) -> Result<(), Failure> {
    let key = host.key(printer, "hot", Scheme::Dkls23).await?;
    host.addresses(printer, &key, !args.exit)?;
    let context = Context::new(name, &host.local.you(), Some(host.socket.clone()));
    Contexts::of_environment().put(&context, true)?;
    if args.exit {
        return Ok(());
    }
    // Held until the end.
    let given = Given { context: Some(name.to_owned()), json: printer.json };
    let _signer = args.ethereum.start(|| Remote::open_patiently(&given), printer).await?;
    let called = host.called(&key).await?;
    printer.line(&format!(" Try:  keymoot --context {name} sign --key {called} --message \"hello\""))?;
    printer.line(" Do not put money here: all shares are on this machine. Ctrl-C ends it; the keys stay.")?;
    stay(printer, &key, host.local.document.bitcoin).await
}
