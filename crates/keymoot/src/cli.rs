//! What can be typed after `keymoot`.
//!
//! Values are read as text here and judged by [`crate::demo::Plan`], so that every bad one gets the same single
//! line with a code; what clap refuses by itself (options that do not exist) is worded by clap.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

const EXIT_CODES: &str = "\
Exit codes:
  0   everything was done; a refusal that the demo plans and shows is part of that
  2   the command line makes no sense; nothing was started
  70  a defect of keymoot: a run ended early or a signature did not verify
  74  this machine gave no randomness or took no output";

const DEBUG_EXIT_CODES: &str = "\
Exit codes:
  0   done; the run is the one in the file
  1   the run comes out differently than the file says
  2   the command line or the file makes no sense
  70  a defect of keymoot
  74  this machine took no output";

/// Threshold signing: several parties hold one key together, and nobody ever holds all of it.
#[derive(Parser)]
#[command(name = "keymoot", version, after_help = EXIT_CODES)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Subcommand)]
pub enum Command {
    Demo(DemoArgs),
    /// Tools for whoever looks for a cause.
    #[command(subcommand)]
    Debug(DebugCommand),
}

#[derive(Subcommand)]
pub enum DebugCommand {
    Replay(ReplayArgs),
}

/// Run a simulated run again, from the file that the simulator has left.
///
/// Without options: to its end, with its last 40 events. Events are numbered from 1; a state is that after the event.
#[derive(Args)]
#[command(after_help = DEBUG_EXIT_CODES)]
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

/// Generate keys, sign, lose parties and be refused: everything in this process, nothing stored.
///
/// The parties are separate values that share nothing but the bytes they send each other. Do not put money on the
/// keys of a demo: all shares are in one process, and they are gone when it ends.
#[derive(Args)]
#[command(after_help = EXIT_CODES)]
pub struct DemoArgs {
    /// How many parties share each key, 2 to 32.
    #[arg(long, value_name = "N", default_value = "3", allow_negative_numbers = true)]
    pub parties: String,

    /// How many of them sign together, 2 to N.
    #[arg(long, value_name = "T", default_value = "2", allow_negative_numbers = true)]
    pub threshold: String,

    /// Which scheme to show: frost-taproot, frost-ed25519, dkls23 (ECDSA) or all; all leaves dkls23 out of demos with
    /// more than 8 signers, where it takes many seconds.
    #[arg(long, value_name = "SCHEME", default_value = "all")]
    pub scheme: String,

    /// The text to sign.
    #[arg(long, value_name = "TEXT", default_value = "hello from keymoot")]
    pub message: String,

    /// Print one JSON document instead, as described by schema/demo-v1.json.
    #[arg(long)]
    pub json: bool,
}
