//! The `keymoot` binary: arguments in, exit code out.

mod cli;
mod debug;
mod demo;
mod failure;

use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

use clap::Parser;

use cli::{Cli, Command, DebugCommand, DemoArgs};
use demo::{Document, Ink, Plan, Text};
use failure::Failure;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(answer) => {
            // Also how `--help` and `--version` arrive. If nobody reads the answer, the code still tells.
            let _ = answer.print();
            return u8::try_from(answer.exit_code()).map_or(ExitCode::FAILURE, ExitCode::from);
        }
    };
    let outcome = match cli.command {
        Command::Demo(args) => demo(&args),
        Command::Debug(DebugCommand::Replay(args)) => {
            let mut stdout = io::stdout().lock();
            debug::replay(&args, &mut stdout).and_then(|()| stdout.flush().map_err(Failure::Output))
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            // Not `eprintln!`, which panics when standard error is closed.
            let _ = failure.report(&mut io::stderr().lock());
            ExitCode::from(failure.exit_code())
        }
    }
}

fn demo(args: &DemoArgs) -> Result<(), Failure> {
    let plan = Plan::read(args)?;
    let mut stdout = io::stdout().lock();
    if args.json {
        let mut document = Document::default();
        demo::play(&plan, &mut document)?;
        document.write(&mut stdout)?;
    } else {
        let ink = if stdout.is_terminal() && wants_colour() { Ink::Colour } else { Ink::Plain };
        demo::play(&plan, &mut Text::new(&mut stdout, ink))?;
    }
    stdout.flush().map_err(Failure::Output)
}

/// The convention of no-color.org, and terminals that say they cannot.
fn wants_colour() -> bool {
    let is_set = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    !is_set && std::env::var_os("TERM").is_none_or(|terminal| terminal != "dumb")
}
