//! `keymoot session`: what is going on.

use clap::{Args, Subcommand};
use keymoot_wire::rest::EventView;
use serde_json::{Value, json};

use crate::cli::Given;
use crate::failure::Failure;
use crate::printer::Printer;
use crate::progress::document;
use crate::remote::Remote;

#[derive(Subcommand)]
pub enum SessionCommand {
    /// List the sessions that are in progress.
    List,
    Watch(WatchArgs),
}

/// Show what happens in sessions, as it happens, until interrupted.
#[derive(Args)]
pub struct WatchArgs {
    /// Only those for this request, as in req_0f3a….
    #[arg(long, value_name = "ID")]
    request: Option<String>,
}

pub fn run(given: &Given, command: &SessionCommand) -> Result<(), Failure> {
    let printer = Printer::new(given.json);
    let remote = Remote::open(given)?;
    super::wait(2, async move {
        match command {
            SessionCommand::List => list(&remote, &printer).await,
            SessionCommand::Watch(args) => watch(&remote, &printer, args).await,
        }
    })
}

async fn list(remote: &Remote, printer: &Printer) -> Result<(), Failure> {
    let found = remote.sessions().await?;
    if found.sessions.is_empty() {
        printer.line("  nothing is in progress")?;
    }
    for session in &found.sessions {
        let people: Vec<Value> = (session.participants.iter())
            .map(|one| json!({ "node": one.node, "round": one.round, "complete": one.complete }))
            .collect();
        printer.object(&json!({
            "schema": "keymoot/session/v1", "id": session.id, "kind": session.kind, "request": session.request,
            "age_ms": session.age_ms, "left_ms": session.left_ms, "participants": people,
        }))?;
        let at: Vec<String> = (session.participants.iter())
            .map(|one| match (one.complete, one.round) {
                (true, _) => format!("{} ✓", one.node),
                (false, Some(round)) => format!("{} round {}", one.node, round + 1),
                (false, None) => format!("{} …", one.node),
            })
            .collect();
        printer.line(&format!("  {:<15} {:>6} ms  {}", session.kind, session.age_ms, at.join("  ")))?;
    }
    Ok(())
}

async fn watch(remote: &Remote, printer: &Printer, args: &WatchArgs) -> Result<(), Failure> {
    let mut events = remote.events().await?;
    loop {
        tokio::select! {
            event = events.recv() => match event {
                None => return Ok(()),
                Some(event) if args.request.is_none() || event.request == args.request || event.what == "missed" => {
                    tell(printer, &event)?;
                }
                Some(_) => {}
            },
            // Whoever watches has seen enough.
            _ = tokio::signal::ctrl_c() => return Ok(()),
        }
    }
}

fn tell(printer: &Printer, event: &EventView) -> Result<(), Failure> {
    printer.object(&document(event))?;
    let who = event.node.as_deref().unwrap_or("-");
    let round = event.round.map_or(String::new(), |round| format!(" {}", round + 1));
    let detail = event.detail.as_deref().unwrap_or_default();
    let session = event.session.get(..12).unwrap_or(&event.session);
    printer.line(&format!("  {session}  {:<15} {:<8} {}{round}  {detail}", event.kind, who, event.what))
}
