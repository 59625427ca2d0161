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
mod moduli;
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
mod usage;
mod wallet;
#[cfg(test)]
mod whole;

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Parser;

use cli::Cli;
use failure::Failure;
use ink::Ink;

fn main() -> ExitCode {
    let is_for_programs = std::env::args_os().any(|argument| argument == "--json");
    match Cli::try_parse() {
        // The lab has one form of complaint for people and programs, from before there were others.
        Ok(cli) => {
            let as_json = cli.json && !matches!(cli.command, cli::Command::Lab(_));
            cli::dispatch(cli).map_or_else(|failure| complain(&failure, as_json), |()| ExitCode::SUCCESS)
        }
        Err(answer) => match usage::refusal(&answer) {
            Some(failure) if is_for_programs || !usage::is_help(&answer) => {
                complain(&failure, is_for_programs)
            }
            _ => {
                // Help and version: if nobody reads the answer, the code still tells.
                let _ = answer.print();
                u8::try_from(answer.exit_code()).map_or(ExitCode::FAILURE, ExitCode::from)
            }
        },
    }
}

fn complain(failure: &Failure, as_json: bool) -> ExitCode {
    let mut complaints = io::stderr().lock();
    // Not `eprintln!`, which panics when standard error is closed.
    let _ = match failure.document() {
        Some(document) if as_json => writeln!(complaints, "{document}"),
        _ => failure.report(|text| Ink::of(&io::stderr()).bad(text), &mut complaints),
    };
    ExitCode::from(failure.exit_code())
}
