//! `keymoot completions SHELL`.

use clap::{Args, CommandFactory};

use crate::cli::{Cli, Given};
use crate::failure::Failure;

/// Print the completions of a shell, to be sourced by it.
#[derive(Args)]
pub struct CompletionsArgs {
    /// The shell.
    #[arg(value_enum)]
    shell: clap_complete::Shell,
}

pub fn run(given: &Given, args: &CompletionsArgs) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "keymoot", &mut script);
    super::print_text(given, &String::from_utf8_lossy(&script))
}
