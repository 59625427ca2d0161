//! `keymoot run`: one process, until it is told to stop.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use keymoot_wire::identity::PeerRole;

use crate::cli::{EXIT_CODES, Given};
use crate::compose;
use crate::failure::Failure;

/// Run a node, a coordinator or a gateway in the foreground, as systemd likes it.
///
/// SIGTERM and SIGINT end it in order; SIGHUP takes up a new certificate and cluster document. It logs to standard
/// error.
#[derive(Args)]
#[command(after_help = EXIT_CODES)]
pub struct RunArgs {
    /// What to run.
    #[arg(value_enum)]
    role: Role,

    /// Its directory, as `keymoot join` made it.
    #[arg(long, value_name = "DIR")]
    dir: PathBuf,
}

#[derive(Clone, Copy, ValueEnum)]
enum Role {
    Node,
    Coordinator,
    Gateway,
}

pub fn run(_: &Given, args: &RunArgs) -> Result<(), Failure> {
    let role = match args.role {
        Role::Node => PeerRole::Node,
        Role::Coordinator => PeerRole::Coordinator,
        Role::Gateway => PeerRole::Gateway,
    };
    compose::run(role, &args.dir)
}
