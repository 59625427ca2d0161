//! The `keymoot` binary: arguments in, exit code out.

mod ceremony;
mod cli;
mod commands;
mod compose;
mod config;
mod context;
mod explain;
mod facts;
mod failure;
mod ink;
mod lab;
mod local;
mod network;
mod place;
mod printer;
mod progress;
mod proof;
mod psbt;
#[cfg(test)]
#[path = "../tests/it/purse.rs"]
mod purse;
mod remote;
mod replay;
mod signed;
mod unreadable;
mod wallet;
#[cfg(test)]
mod whole;

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Parser;

use cli::Cli;
use ink::Ink;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(answer) => {
            // Also how `--help` and `--version` arrive. If nobody reads the answer, the code still tells.
            let _ = answer.print();
            return u8::try_from(answer.exit_code()).map_or(ExitCode::FAILURE, ExitCode::from);
        }
    };
    // The lab has one form of complaint for people and programs, from before there were others.
    let as_json = cli.json && !matches!(cli.command, cli::Command::Lab(_));
    match cli::dispatch(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            let mut complaints = io::stderr().lock();
            // Not `eprintln!`, which panics when standard error is closed.
            let _ = match failure.document() {
                Some(document) if as_json => writeln!(complaints, "{document}"),
                _ => failure.report(|text| Ink::of(&io::stderr()).bad(text), &mut complaints),
            };
            ExitCode::from(failure.exit_code())
        }
    }
}
