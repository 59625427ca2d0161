//! `keymoot verify`: whether a signature is one, by a library that has no part in making them.

use std::path::PathBuf;

use clap::{ArgGroup, Args};
use serde_json::json;

use crate::cli::{EXIT_CODES, Given};
use crate::explain::{USAGE, VERIFY_FAILED};
use crate::failure::{Failure, Trouble};
use crate::printer::Printer;
use crate::proof::Claim;
use crate::remote::Remote;

/// Verify a signature of a key over a message or payload.
#[derive(Args)]
#[command(after_help = EXIT_CODES, group(ArgGroup::new("what").required(true).args(["message", "file"])))]
pub struct VerifyArgs {
    /// The id of the key, or its name if only one has it.
    #[arg(long)]
    key: String,

    /// The text that was signed.
    #[arg(long)]
    message: Option<String>,

    /// A file with the payload; - for standard input.
    #[arg(long)]
    file: Option<PathBuf>,

    /// Below the key, as in m/0/7.
    #[arg(long, default_value = "m")]
    path: String,

    /// What the payload is; see `keymoot sign --help`.
    #[arg(long, default_value = "message")]
    kind: String,

    /// The signature, in hexadecimal digits.
    #[arg(long, value_name = "DIGITS")]
    signature: String,
}

pub fn run(given: &Given, args: &VerifyArgs) -> Result<(), Failure> {
    let printer = Printer::new(given.json);
    let payload = match (&args.message, &args.file) {
        (Some(message), _) => message.clone().into_bytes(),
        (None, Some(file)) => super::sign::read_file(file)?,
        (None, None) => Vec::new(),
    };
    let bare = args.signature.strip_prefix("0x").unwrap_or(&args.signature);
    let signature = hex::decode(bare)
        .map_err(|error| Trouble::new(USAGE, "`--signature` takes hexadecimal digits").because(error))?;
    let remote = Remote::open(given)?;
    super::wait(2, async move {
        let key = remote.key(&args.key).await?;
        let claim = Claim { key: &key, path: &args.path, kind: &args.kind, payload: &payload };
        let expected = claim.expected(remote.document.bitcoin)?;
        let library = expected.library();
        if !expected.verifies(&signature) {
            let what = format!("{library} says that this is no signature of {} over this", key.id);
            return Err(Trouble::new(VERIFY_FAILED, what).into());
        }
        let object = json!({
            "schema": "keymoot/verification/v1", "key": key.id, "path": args.path, "kind": args.kind,
            "verified": true, "verified_by": library,
        });
        printer.either(&object, &[format!("  verified with {library} {}", printer.ink.good("✓"))])
    })
}
