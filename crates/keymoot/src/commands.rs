//! The commands, one file each: arguments, what is done, what is said.

pub mod admit;
pub mod bench;
pub mod completions;
pub mod config;
pub mod context;
pub mod debug;
pub mod demo;
pub mod doctor;
pub mod eth;
pub mod explain;
pub mod health;
pub mod hwi;
pub mod init;
pub mod join;
pub mod key;
pub mod lab;
pub mod man;
pub mod node;
pub mod request;
pub mod revoke;
pub mod run;
pub mod session;
pub mod sign;
pub mod token;
pub mod up;
pub mod verify;

use std::future::Future;

use serde_json::json;

use crate::cli::Given;
use crate::explain::{NOT_CONFIRMED, START};
use crate::failure::{Failure, Trouble};
use crate::ink::Ink;
use crate::printer::{Printer, tame};

/// Prints a page or a script: as it is for people, in an object for programs.
fn print_text(given: &Given, text: &str) -> Result<(), Failure> {
    let printer = Printer::new(given.json);
    if given.json {
        printer.object(&json!({ "schema": "keymoot/text/v1", "text": text }))
    } else {
        printer.raw(text)
    }
}

/// Runs what waits.
pub fn wait<T>(threads: usize, future: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(threads)
        .enable_all()
        .build()
        .map_err(|error| Trouble::new(START, "no threads can be started").because(error))?;
    let outcome = runtime.block_on(future);
    // What still runs has no say any more: a reader of standard input would be waited for, for ever.
    runtime.shutdown_background();
    outcome
}

/// Asks at the terminal.
fn confirm(question: &str) -> Result<bool, Failure> {
    use std::io::{BufRead, Write};
    let mut out = std::io::stderr().lock();
    write!(out, "{question} [y/N] ").and_then(|()| out.flush()).map_err(Failure::Output)?;
    let mut answer = String::new();
    // A terminal that goes away has not said yes.
    let _ = std::io::stdin().lock().read_line(&mut answer);
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

/// Asks at the terminal, and goes on only with a yes.
fn must_confirm(question: &str, undone: &str) -> Result<(), Failure> {
    let refused = |what: &str| Trouble::new(NOT_CONFIRMED, what).undone(undone);
    if !has_terminal() {
        let trouble = refused("there is no terminal at which to ask");
        return Err(trouble.help("in a script, which has decided already, say --yes").into());
    }
    if confirm(question)? { Ok(()) } else { Err(refused("not confirmed").into()) }
}

/// Shows what is to be decided: in the output; and where that goes to a program or a file and somebody is asked, beside it.
fn show(printer: &Printer, is_asked: bool, lines: impl Fn(Ink) -> Vec<String>) -> Result<(), Failure> {
    lines(printer.ink).iter().try_for_each(|line| printer.line(line))?;
    if is_asked && has_terminal() && (printer.json || !is_read_at_a_terminal()) {
        lines(Ink::of(&std::io::stderr())).iter().try_for_each(|line| aside(line))?;
    }
    Ok(())
}

/// A line beside the output, for a person who reads along.
fn aside(line: &str) -> Result<(), Failure> {
    use std::io::Write;
    writeln!(std::io::stderr().lock(), "{}", tame(line)).map_err(Failure::Output)
}

/// Whether a person sees the output.
fn is_read_at_a_terminal() -> bool {
    use std::io::IsTerminal;
    std::io::stdout().is_terminal()
}

/// Whether somebody can be asked.
fn has_terminal() -> bool {
    use std::io::IsTerminal;
    std::io::stdin().is_terminal()
}
