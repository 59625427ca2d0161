//! `keymoot node`: who is there; and where this program runs them, kill and start them.

use clap::{Args, Subcommand};
use serde_json::json;

use crate::cli::Given;
use crate::context::Contexts;
use crate::explain::USAGE;
use crate::failure::{Failure, Trouble};
use crate::local::{Reply, Wish, ask};
use crate::moduli::Moduli;
use crate::printer::Printer;
use crate::remote::Remote;

#[derive(Subcommand)]
pub enum NodeCommand {
    /// List the nodes, as the coordinators see them.
    List,
    Kill(KillArgs),
    Start(StartArgs),
}

/// Kill a process of `keymoot demo` or `keymoot up` at once, as a failing machine would (SIGKILL).
#[derive(Args)]
pub struct KillArgs {
    /// As in node-3.
    name: String,
}

/// Start processes of `keymoot demo` or `keymoot up` that were killed.
#[derive(Args)]
pub struct StartArgs {
    /// As in node-3.
    #[arg(required_unless_present = "all")]
    name: Option<String>,

    /// All that do not run.
    #[arg(long, conflicts_with = "name")]
    all: bool,
}

pub fn run(given: &Given, command: &NodeCommand) -> Result<(), Failure> {
    let printer = Printer::new(given.json);
    super::wait(2, async move {
        match command {
            NodeCommand::List => list(&Remote::open(given)?, &printer).await,
            NodeCommand::Kill(args) => {
                let context = Contexts::of_environment().find(given.context.as_deref())?;
                let reply = ask(context.supervisor()?, &Wish::Kill(args.name.clone())).await?;
                let has_run = matches!(reply, Reply::Done(names) if !names.is_empty());
                let object =
                    json!({ "schema": "keymoot/killed/v1", "name": args.name, "was_running": has_run });
                let name = &args.name;
                let line = if has_run {
                    format!("  {name} killed (SIGKILL)")
                } else {
                    format!("  {name} was down already, and stays down: `keymoot node start {name}`")
                };
                printer.either(&object, &[line])
            }
            NodeCommand::Start(args) => {
                let context = Contexts::of_environment().find(given.context.as_deref())?;
                let reply = ask(context.supervisor()?, &Wish::Start(args.name.clone())).await?;
                let Reply::Done(names) = reply else {
                    return Err(Trouble::new(USAGE, "the supervisor answers something else").into());
                };
                let object = json!({ "schema": "keymoot/started/v1", "names": names });
                let line = if names.is_empty() {
                    "  all run already".to_owned()
                } else {
                    format!("  {} started", names.join(", "))
                };
                printer.either(&object, &[line])
            }
        }
    })
}

async fn list(remote: &Remote, printer: &Printer) -> Result<(), Failure> {
    let found = remote.nodes().await?;
    for node in &found.nodes {
        printer.object(&json!({
            "schema": "keymoot/node/v1", "name": node.name, "live": node.live, "connected": node.connected,
            "silent_ms": node.silent_ms, "version": node.version, "clock_skew_ms": node.clock_skew_ms,
            "same_document": node.same_document,
        }))?;
        let (mark, state) = if node.connected.is_empty() {
            let since = node.silent_ms.map_or("never heard".to_owned(), |ms| format!("down {} s", ms / 1000));
            (printer.ink.bad("✗"), since)
        } else {
            (printer.ink.good("✓"), format!("connected to {}", node.connected.join(", ")))
        };
        let version = node.version.as_deref().unwrap_or("?");
        printer.line(&format!("  {mark} {:<12} {state}  · version {version}", node.name))?;
    }
    let moduli = Moduli::of(&found, remote.document.signers().needed());
    if moduli.concern_anybody() {
        printer.either(&moduli.document(), &[moduli.line()])?;
    }
    for silent in &found.silent_coordinators {
        printer.line(&format!("  {} {silent} does not answer", printer.ink.bad("✗")))?;
    }
    Ok(())
}
