//! The binary from outside: what people read, what programs read, and what it says to nonsense.

mod bad_input;
mod bitcoin_wallets;
mod ceremony;
mod chain;
mod commands;
mod demo;
mod docs;
mod document;
mod double;
mod eth;
mod moduli;
mod purse;
mod replay;
mod revoke;
mod schema;
mod stolen_gateway;
mod transcript;
mod up;

use std::process::{Command, Output, Stdio};

/// `keymoot` with these arguments, ready to run, in an environment that says nothing about colour.
fn keymoot(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_keymoot"));
    command.args(arguments).env_remove("NO_COLOR").env("TERM", "xterm-256color").stdin(Stdio::null());
    command
}

fn run(arguments: &[&str]) -> Output {
    keymoot(arguments).output().expect("the binary runs")
}

/// The standard output of a run that must succeed and have nothing to complain about.
fn must_print(arguments: &[&str]) -> String {
    let output = run(arguments);
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert_eq!((output.status.code(), &*complaints), (Some(0), ""), "{arguments:?}");
    String::from_utf8(output.stdout).expect("text")
}

fn must_be_hex<const N: usize>(text: &str) -> [u8; N] {
    hex::decode(text).expect("hexadecimal").try_into().expect("of this length")
}
