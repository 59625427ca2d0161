//! `keymoot hwi`: a signer for wallets that know hardware wallets, as Bitcoin Core's `-signer`. It takes the commands of the
//! program `hwi` and answers as that does: one line of JSON, also when something is wrong.

mod answer;
mod descriptor;
mod refusal;
mod signer;

use std::io::Read;

use clap::{Args, Parser, Subcommand, ValueEnum};
use keymoot_chains::bitcoin::Form;
use serde_json::{Value, json};

use crate::cli::Given;
use crate::failure::Failure;
use crate::network::NetworkName;
use crate::printer::Printer;
use crate::remote::Remote;
use refusal::Refusal;
use signer::Cluster;

/// The longest that is read from standard input: the longest PSBT in base64, and a command.
const INPUT_MAX: u64 = 2 * 1024 * 1024;

/// Answer Bitcoin Core and other wallets as a hardware wallet would.
///
/// Nobody is asked at a terminal: wallets run this where nobody looks. The policy of the nodes decides. The answer is one line
/// of JSON on standard output; an error is `{"error": …, "code": …}` there, and the program ends with 0.
#[derive(Args)]
pub struct HwiArgs {
    #[command(flatten)]
    options: Options,

    #[command(subcommand)]
    command: Option<HwiCommand>,
}

#[derive(Args, Clone, Default)]
struct Options {
    /// The one key that is a signer here, by id or name; without it, all of the cluster are. Bitcoin Core wants one.
    #[arg(long, value_name = "KEY")]
    key: Option<String>,

    /// Which signer, by its fingerprint.
    #[arg(long, short = 'f', value_name = "DIGITS")]
    fingerprint: Option<String>,

    /// For which network: it has to be that of the cluster, which it is without this.
    #[arg(long, value_enum)]
    chain: Option<NetworkName>,

    /// Take the command from standard input.
    #[arg(long)]
    stdin: bool,
}

#[derive(Subcommand, Clone)]
enum HwiCommand {
    /// List the keys that sign Bitcoin transactions.
    Enumerate,
    /// Print the extended public key of a key.
    Getmasterxpub {
        /// Of which form of addresses; all forms have the same.
        #[arg(long, value_enum)]
        addr_type: Option<AddressType>,
        /// There is one account, 0.
        #[arg(long, default_value_t = 0)]
        account: u32,
    },
    /// Print the extended public key at a path, as in m/0.
    Getxpub {
        /// Without hardened steps.
        path: String,
    },
    /// Print output descriptors for addresses to receive at and for change.
    Getdescriptors {
        /// There is one account, 0.
        #[arg(long, default_value_t = 0)]
        account: u32,
    },
    /// Print an address, worked out from a key that the nodes have certified.
    #[command(group(clap::ArgGroup::new("which").required(true).args(["desc", "path"])))]
    Displayaddress {
        /// The output descriptor of one address.
        #[arg(long, value_name = "DESCRIPTOR")]
        desc: Option<String>,
        /// The path of the key, as in m/0/7.
        #[arg(long)]
        path: Option<String>,
        /// In which form; without it, the usual one of the key.
        #[arg(long, value_enum)]
        addr_type: Option<AddressType>,
    },
    /// Sign a partially signed transaction.
    #[command(alias = "signtransaction")]
    Signtx {
        /// In base64.
        psbt: String,
    },
}

/// Forms of addresses, as `hwi` calls them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum AddressType {
    Legacy,
    Wit,
    #[value(name = "sh_wit")]
    ShWit,
    Tap,
}

impl AddressType {
    /// `None`: keys here do not sign for it.
    const fn form(self) -> Option<Form> {
        match self {
            Self::Legacy => None,
            Self::Wit => Some(Form::P2wpkh),
            Self::ShWit => Some(Form::P2shP2wpkh),
            Self::Tap => Some(Form::P2tr),
        }
    }
}

/// What comes over standard input: the rest of a command line.
#[derive(Parser)]
#[command(name = "hwi", no_binary_name = true, disable_help_flag = true)]
struct Line {
    #[command(flatten)]
    options: Options,

    #[command(subcommand)]
    command: HwiCommand,
}

pub fn run(given: &Given, args: &HwiArgs) -> Result<(), Failure> {
    let answer = match asked(args) {
        Ok((options, command)) => super::wait(2, async { Ok(answered(given, &options, &command).await) })?,
        Err(refusal) => refusal.document(),
    };
    Printer::new(false).raw(&format!("{answer}\n"))
}

async fn answered(given: &Given, options: &Options, command: &HwiCommand) -> Value {
    match Remote::open(given) {
        Ok(remote) => answer::answer(&remote, options, command).await,
        Err(failure) => wrapped(command, &Refusal::from(failure)),
    }
}

/// A list has its errors in it.
fn wrapped(command: &HwiCommand, refusal: &Refusal) -> Value {
    match command {
        HwiCommand::Enumerate => json!([refusal.document()]),
        _ => refusal.document(),
    }
}

/// The command, from wherever it comes.
fn asked(args: &HwiArgs) -> Result<(Options, HwiCommand), Refusal> {
    if !args.options.stdin {
        let command = args.command.clone();
        return Ok((args.options.clone(), command.ok_or(Refusal::usage("no command was given"))?));
    }
    let mut text = String::new();
    let read = std::io::stdin().lock().take(INPUT_MAX + 1).read_to_string(&mut text);
    read.map_err(|_| Refusal::usage("standard input cannot be read as text"))?;
    if text.len() as u64 > INPUT_MAX {
        return Err(Refusal::usage("standard input is too long"));
    }
    merged(args, &text)
}

/// Options of the command line, and the rest as it was written.
fn merged(args: &HwiArgs, text: &str) -> Result<(Options, HwiCommand), Refusal> {
    // An empty line ends it.
    let lines: Vec<&str> = text.lines().take_while(|line| !line.trim().is_empty()).collect();
    let words = shlex::split(&lines.join(" ")).ok_or(Refusal::usage("a quotation does not end"))?;
    if let (true, Some(command)) = (words.is_empty(), &args.command) {
        return Ok((args.options.clone(), command.clone()));
    }
    let line = Line::try_parse_from(words).map_err(|error| Refusal::usage(first_line(&error.to_string())))?;
    let options = Options {
        key: line.options.key.or_else(|| args.options.key.clone()),
        fingerprint: line.options.fingerprint.or_else(|| args.options.fingerprint.clone()),
        chain: line.options.chain.or(args.options.chain),
        stdin: true,
    };
    Ok((options, line.command))
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}

impl Cluster for Remote {
    fn network(&self) -> keymoot_types::Network {
        self.document.bitcoin
    }

    async fn keys(&self, key: Option<&str>) -> Result<Vec<keymoot_wire::rest::KeyView>, Failure> {
        match key {
            Some(key) => Ok(vec![self.key(key).await?]),
            None => self.keys().await,
        }
    }

    async fn sign(
        &self,
        key: &keymoot_wire::rest::KeyView,
        read: &crate::proof::Read,
    ) -> Result<Vec<u8>, Failure> {
        Ok(crate::signed::sign(self, key, read).await?.bytes)
    }
}

#[cfg(test)]
mod tests;
