//! `keymoot request`: what was asked for, by whomever, and what becomes of it.

mod show;

use std::collections::BTreeMap;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum, value_parser};
use keymoot_wire::rest::Status;

use crate::cli::{EXIT_CODES, Given};
use crate::explain::PENDING;
use crate::failure::{Failure, Trouble};
use crate::printer::Printer;
use crate::remote::{Purpose, Remote, settled};

#[derive(Subcommand)]
pub enum RequestCommand {
    List(ListArgs),
    /// Show a request: what it asks for, what came of it, until when it is good.
    #[command(alias = "show")]
    Status(StatusArgs),
    Wait(WaitArgs),
}

/// How a request stands.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Standing {
    Pending,
    Complete,
    Denied,
    Expired,
    Failed,
    /// Whatever it is.
    Any,
}

/// List requests of all clients, newest first.
///
/// A request that is pending cannot be taken back: it is signed as soon as enough nodes are there, or expires. It is good
/// for 5 minutes if `keymoot` made it, and never for more than 15.
#[derive(Args)]
#[command(after_help = EXIT_CODES)]
pub struct ListArgs {
    /// Only those that stand so.
    #[arg(long, value_enum, default_value_t = Standing::Pending)]
    status: Standing,

    /// At most so many.
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = value_parser!(u16).range(1..=1000))]
    limit: u16,
}

#[derive(Args)]
pub struct StatusArgs {
    /// Its id, as in req_0f3a….
    id: String,
}

/// Wait until a request is finished, also while nodes are missing.
#[derive(Args)]
#[command(after_help = EXIT_CODES)]
pub struct WaitArgs {
    /// Its id, as in req_0f3a….
    id: String,

    /// For so long at most.
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = value_parser!(u64).range(1..=3600))]
    wait: u64,
}

impl Standing {
    const fn status(self) -> Option<Status> {
        match self {
            Self::Pending => Some(Status::Pending),
            Self::Complete => Some(Status::Complete),
            Self::Denied => Some(Status::Denied),
            Self::Expired => Some(Status::Expired),
            Self::Failed => Some(Status::Failed),
            Self::Any => None,
        }
    }
}

pub fn run(given: &Given, command: &RequestCommand) -> Result<(), Failure> {
    let printer = Printer::new(given.json);
    let remote = Remote::open(given)?;
    super::wait(2, async move {
        match command {
            RequestCommand::List(args) => list(&remote, &printer, args).await,
            RequestCommand::Status(args) => {
                let request = remote.request(&args.id, Duration::ZERO).await?;
                show::whole(&remote, &printer, &request).await
            }
            RequestCommand::Wait(args) => wait(&remote, &printer, args).await,
        }
    })
}

async fn list(remote: &Remote, printer: &Printer, args: &ListArgs) -> Result<(), Failure> {
    let (requests, has_more) = remote.requests(args.status.status(), args.limit.into()).await?;
    if requests.is_empty() {
        let what = match args.status {
            _ if has_more => "none of the newest; there are older ones that were not looked at",
            Standing::Pending => "nothing is pending; --status any shows what is over",
            _ => "there are none",
        };
        printer.line(&format!("  {what}"))?;
        return Ok(());
    }
    let names: BTreeMap<String, String> =
        remote.keys().await?.into_iter().map(|key| (key.id, key.name)).collect();
    for request in &requests {
        // None is verified here, so none is shown.
        printer.object(&show::document(request, None))?;
        show::lines(request, &names, printer.ink).iter().try_for_each(|line| printer.line(line))?;
    }
    if has_more {
        printer.line("  there are more: --limit shows them")?;
    }
    Ok(())
}

async fn wait(remote: &Remote, printer: &Printer, args: &WaitArgs) -> Result<(), Failure> {
    let request = remote.request(&args.id, Duration::from_secs(args.wait)).await?;
    if request.status == Status::Complete {
        return show::whole(remote, printer, &request).await;
    }
    if request.status.is_final() {
        return Err(settled(&request));
    }
    let mut trouble =
        Trouble::new(PENDING, format!("{} is not finished after {} seconds", request.id, args.wait));
    if let Some(reason) = &request.reason {
        trouble = trouble.branch(format!("{} {reason}", request.code.as_deref().unwrap_or("because")));
    }
    let until = request.expires_at.as_deref().unwrap_or("it expires");
    let undone = format!("{}; it goes on until {until}", Purpose::of(&request.ask).unfinished());
    Err(trouble.undone(undone).help("the same command waits on").request(&request.id).into())
}
