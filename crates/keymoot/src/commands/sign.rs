//! `keymoot sign`: show what a payload would do, have it signed, and verify what comes back.

mod payload;
mod report;

use std::path::PathBuf;

use clap::{ArgGroup, Args, value_parser};
use keymoot_chains::Kind;
use keymoot_wire::problem::Code;
use keymoot_wire::rest::KeyView;

use crate::cli::{EXIT_CODES, Given};
use crate::facts;
use crate::failure::{Failure, Trouble};
use crate::network::NetworkName;
use crate::place;
use crate::printer::Printer;
use crate::proof::{Claim, Read};
use crate::remote::Remote;
use crate::signed::{self, Signed};

pub use crate::signed::checked;
pub use payload::{read_file, read_hex};
pub use report::{millis, told};

/// Everything that can be signed, one of which has to be given.
const WHAT: [&str; 8] = ["message", "message_file", "typed_data", "tx", "psbt", "sol_tx", "file", "hex"];

/// Have a message or transaction signed by a quorum of nodes.
///
/// What it would do is worked out here and shown first; then you are asked, unless you said --yes. In `demo` and `up` you
/// are asked only where there is a warning.
/// Every signature is verified here with an independent library, over what was given and not over what an answer says.
#[derive(Args)]
#[command(after_help = EXIT_CODES, group(ArgGroup::new("what").required(true).args(WHAT)))]
pub struct SignArgs {
    /// The id of the key, or its name if only one has it.
    #[arg(long)]
    pub key: String,

    /// The text to sign.
    #[arg(long)]
    pub message: Option<String>,

    /// A file with the message; - for standard input.
    #[arg(long, value_name = "FILE")]
    pub message_file: Option<PathBuf>,

    /// A file with typed data of EIP-712, as JSON; - for standard input.
    #[arg(long, value_name = "FILE")]
    pub typed_data: Option<PathBuf>,

    /// An unsigned Ethereum transaction: hexadecimal digits, or a file with them or with its bytes; - for standard input.
    #[arg(long, value_name = "DIGITS|FILE")]
    pub tx: Option<String>,

    /// A partially signed Bitcoin transaction: base64, or a file with it or with its bytes; - for standard input.
    #[arg(long, value_name = "BASE64|FILE")]
    pub psbt: Option<String>,

    /// A Solana message, as it is signed: base64, or a file with it or with its bytes; - for standard input.
    #[arg(long, value_name = "BASE64|FILE")]
    pub sol_tx: Option<String>,

    /// A file with the payload, whose kind is given with --kind; - for standard input.
    #[arg(long)]
    pub file: Option<PathBuf>,

    /// The payload in hexadecimal digits, whose kind is given with --kind.
    #[arg(long, value_name = "DIGITS")]
    pub hex: Option<String>,

    /// Below the key, as in m/0/7. A Bitcoin transaction is signed at paths below it.
    #[arg(long, default_value = "m")]
    pub path: String,

    /// What the payload is: message, evm_tx, evm_message, evm_typed_data, btc_psbt, btc_message, sol_tx. Without it, message.
    #[arg(long, conflicts_with_all = ["typed_data", "tx", "psbt", "sol_tx"])]
    pub kind: Option<String>,

    /// For which Bitcoin network: it has to be that of the cluster, which it is without this.
    #[arg(long, value_enum)]
    pub network: Option<NetworkName>,

    /// Where to write what is signed, as text; without it, it is printed.
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,

    /// Wait for so long, also while nodes are missing. Without it, for a minute, and what is missing is said at once.
    #[arg(long, value_name = "SECONDS", value_parser = value_parser!(u64).range(1..=300))]
    pub wait: Option<u64>,

    /// Do not ask.
    #[arg(long)]
    pub yes: bool,
}

pub fn run(given: &Given, args: &SignArgs) -> Result<(), Failure> {
    let printer = Printer::new(given.json);
    let (kind, payload) = payload::read(args)?;
    if let Some(file) = &args.out {
        place::must_be_writable(file)?;
    }
    let remote = Remote::open(given)?.waiting(args.wait);
    super::wait(2, async move {
        let network = remote.network(args.network)?;
        let key = remote.key(&args.key).await.map_err(unsent)?;
        if key.retired {
            return Err(retired(&key));
        }
        let claim = Claim { key: &key, path: &args.path, kind: &kind, payload: &payload };
        let read = claim.read(network)?;
        confirm(&remote, &printer, args, &key, &read)?;
        let signed = signed::sign(&remote, &key, &read).await?;
        show(&remote, &printer, args, (&key, &read, &signed)).await
    })
}

/// It ends before there is a request.
fn unsent(failure: Failure) -> Failure {
    match failure {
        Failure::Trouble(trouble) if trouble.exit_code() == 5 => {
            let undone = "NOT signed: this command has asked for nothing; what an earlier one asked for may be pending";
            trouble.undone(undone).into()
        }
        Failure::Trouble(trouble) if trouble.exit_code() == 2 => trouble.undone("nothing was sent").into(),
        failure => failure,
    }
}

/// Nodes would refuse it, each in its own words.
fn retired(key: &KeyView) -> Failure {
    let what = format!("the key {} is retired, and signs nothing any more", report::named(key));
    Trouble::coded(Code::KeyRetired.as_str(), 6, what)
        .undone("nothing was sent")
        .help("`keymoot key list` shows the keys in use; `keymoot key create NAME` makes one")
        .into()
}

/// What a payload would do, signed by this key.
pub fn facts(key: &KeyView, read: &Read) -> facts::Told {
    let signer = format!("{} ({}, {})", report::named(key), key.scheme, super::key::of(key));
    facts::tell(read, &signer)
}

/// Whether it is a question. On a cluster that this machine runs for trying things, only what is warned of is.
const fn is_a_question(is_decided: bool, is_for_trying: bool, has_warnings: bool) -> bool {
    !is_decided && (!is_for_trying || has_warnings)
}

/// Shows what it would do, and asks.
fn confirm(
    remote: &Remote,
    printer: &Printer,
    args: &SignArgs,
    key: &KeyView,
    read: &Read,
) -> Result<(), Failure> {
    let facts = facts(key, read);
    let is_for_trying = remote.context.supervisor.is_some();
    let is_asked = is_a_question(args.yes, is_for_trying, !facts.warnings.is_empty());
    if !is_asked && read.payload.kind() == Kind::Message {
        return Ok(());
    }
    super::show(printer, is_asked, |ink| facts.painted(ink))?;
    if is_asked { super::must_confirm("Sign this?", "nothing was sent") } else { Ok(()) }
}

/// It is signed, and only the file is missing.
fn unkept(failure: Failure) -> Failure {
    match failure {
        Failure::Trouble(trouble) => {
            let help = "take what was signed from standard output: the same command again would sign anew";
            trouble.undone("it WAS signed, and is on standard output; no file was written").help(help).into()
        }
        failure => failure,
    }
}

/// First what was asked for: the rest has to be asked for again, and that may fail.
async fn show(
    remote: &Remote,
    printer: &Printer,
    args: &SignArgs,
    (key, read, signed): (&KeyView, &Read, &Signed),
) -> Result<(), Failure> {
    let text = report::text(read, signed);
    let written = args.out.as_deref().map(|file| place::write_named(file, &format!("{text}\n")));
    // What could not be written is printed: it is signed, and whoever has asked shall have it.
    let (out, unwritten) = match written {
        Some(Err(failure)) => (None, Some(failure)),
        _ => (args.out.as_deref(), None),
    };
    printer.object(&report::document(key, read, signed, out))?;
    if let Some(failure) = unwritten {
        printer.line(&text)?;
        return Err(unkept(failure));
    }
    if printer.json {
        return Ok(());
    }
    match out {
        None => printer.line(&format!("  {}", printer.ink.strong(&text)))?,
        Some(file) => printer.line(&format!("  written to {}", file.display()))?,
    }
    let count = match signed.answers.len() {
        1 => String::new(),
        count => format!("{count} signatures, "),
    };
    let tick = printer.ink.good("✓");
    printer.line(&format!("  {count}verified with {} {tick}", report::library(read)))?;
    told(remote, key, &signed.signers(), signed.waited).await.iter().try_for_each(|line| printer.line(line))
}

#[cfg(test)]
mod tests {
    use super::is_a_question;

    #[test]
    fn a_warning_is_a_question_everywhere_unless_it_is_decided() {
        for is_for_trying in [false, true] {
            assert!(is_a_question(false, is_for_trying, true), "with a warning");
            assert!(!is_a_question(true, is_for_trying, true), "--yes");
        }
        assert!(is_a_question(false, false, false), "a real cluster always asks");
        assert!(!is_a_question(false, true, false), "a demo does not, where nothing is odd");
    }
}
