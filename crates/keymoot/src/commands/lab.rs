//! `keymoot lab`: the protocols in one process, for learning.

use std::io::{self, Write};

use clap::Args;

use crate::cli::{EXIT_CODES, Given};
use crate::failure::Failure;
use crate::ink::Ink;
use crate::lab::{self, Document, Plan, Text};

/// Generate keys, sign, lose parties and be refused: everything in this process, nothing stored.
///
/// For learning: the parties are separate values that share nothing but the bytes they send each other. Do not put
/// money on these keys: all shares are in one process, and they are gone when it ends.
#[derive(Args)]
#[command(after_help = EXIT_CODES)]
pub struct LabArgs {
    /// How many parties share each key, 2 to 32.
    #[arg(long, value_name = "N", default_value = "3", allow_negative_numbers = true)]
    pub parties: String,

    /// How many of them sign together, 2 to N.
    #[arg(long, value_name = "T", default_value = "2", allow_negative_numbers = true)]
    pub threshold: String,

    /// Which scheme to show: frost-taproot, frost-ed25519, dkls23 (ECDSA) or all; all leaves dkls23 out of runs with
    /// more than 8 signers, where it takes many seconds.
    #[arg(long, value_name = "SCHEME", default_value = "all")]
    pub scheme: String,

    /// The text to sign.
    #[arg(long, value_name = "TEXT", default_value = "hello from keymoot")]
    pub message: String,
}

pub fn run(given: &Given, args: &LabArgs) -> Result<(), Failure> {
    let plan = Plan::read(args)?;
    let mut stdout = io::stdout().lock();
    if given.json {
        let mut document = Document::default();
        lab::play(&plan, &mut document)?;
        document.write(&mut stdout)?;
    } else {
        let ink = Ink::of(&stdout);
        lab::play(&plan, &mut Text::new(&mut stdout, ink))?;
    }
    stdout.flush().map_err(Failure::Output)
}
