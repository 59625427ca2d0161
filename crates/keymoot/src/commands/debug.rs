//! `keymoot debug`: tools for whoever looks for a cause.

use std::io::{self, Write};
use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::cli::Given;
use crate::failure::Failure;
use crate::replay::replay;

const EXIT_CODES: &str = "\
Exit codes:
  0   done; the run is the one in the file
  1   the run comes out differently than the file says
  2   the command line or the file makes no sense
  70  a defect of keymoot
  74  this machine took no output";

#[derive(Subcommand)]
pub enum DebugCommand {
    Replay(ReplayArgs),
}

/// Run a simulated run again, from the file that the simulator has left.
///
/// Without options: to its end, with its last 40 events. Events are numbered from 1; a state is that after the event.
#[derive(Args)]
#[command(after_help = EXIT_CODES)]
pub struct ReplayArgs {
    /// The file, as in target/sim/run-7.json.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,

    /// Stop after this event (120), or before anything later than this virtual time (500ms).
    #[arg(long, value_name = "EVENT|TIMEms")]
    pub until: Option<String>,

    /// Print these events, both ends included.
    #[arg(long, value_name = "FROM..TO")]
    pub step: Option<String>,

    /// Print the state of node-1, coordinator-0, client-0 or so, or of the network, where the run stops.
    #[arg(long, value_name = "WHO")]
    pub show: Option<String>,

    /// Print what changes in the state of --show between two events.
    #[arg(long, value_name = "FROM..TO", requires = "show")]
    pub diff: Option<String>,
}

pub fn run(given: &Given, command: &DebugCommand) -> Result<(), Failure> {
    let DebugCommand::Replay(args) = command;
    if given.json {
        let mut text = Vec::new();
        let outcome = replay(args, &mut text);
        super::print_text(given, &String::from_utf8_lossy(&text))?;
        return outcome;
    }
    let mut stdout = io::stdout().lock();
    replay(args, &mut stdout).and_then(|()| stdout.flush().map_err(Failure::Output))
}
