//! `keymoot sign`: have something signed, and verify what comes back.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::{ArgGroup, Args};
use keymoot_wire::rest::{KeyView, SignatureView};
use serde_json::{Value, json};

use crate::cli::{EXIT_CODES, Given};
use crate::explain::{USAGE, VERIFY_FAILED};
use crate::failure::{Failure, Trouble};
use crate::place::io_trouble;
use crate::printer::Printer;
use crate::proof::{Claim, Expected};
use crate::remote::{Asked, Remote};

/// The longest payload that is read from a file.
const PAYLOAD_MAX: u64 = 2 * 1024 * 1024;

/// Have a message or transaction signed by a quorum of nodes.
///
/// The signature is verified here with an independent library, over what was typed and not over what an answer says.
#[derive(Args)]
#[command(after_help = EXIT_CODES, group(ArgGroup::new("what").required(true).args(["message", "file", "hex"])))]
pub struct SignArgs {
    /// The id of the key, or its name if only one has it.
    #[arg(long)]
    pub key: String,

    /// The text to sign.
    #[arg(long)]
    pub message: Option<String>,

    /// A file with the payload; - for standard input.
    #[arg(long)]
    pub file: Option<PathBuf>,

    /// The payload in hexadecimal digits.
    #[arg(long, value_name = "DIGITS")]
    pub hex: Option<String>,

    /// Below the key, as in m/0/7.
    #[arg(long, default_value = "m")]
    pub path: String,

    /// What the payload is: message, evm_tx, evm_message, evm_typed_data, btc_psbt, btc_message, sol_tx.
    #[arg(long, default_value = "message")]
    pub kind: String,

    /// Do not ask, also where the cluster is a real one and there is a terminal.
    #[arg(long)]
    pub yes: bool,
}

pub fn run(given: &Given, args: &SignArgs) -> Result<(), Failure> {
    let printer = Printer::new(given.json);
    let payload = payload(args)?;
    let remote = Remote::open(given)?;
    super::wait(2, async move {
        let key = remote.key(&args.key).await?;
        let claim = Claim { key: &key, path: &args.path, kind: &args.kind, payload: &payload };
        let expected = claim.expected()?;
        let is_real = remote.context.supervisor.is_none();
        if is_real && !args.yes && super::has_terminal() {
            let question =
                format!("Sign {} bytes ({}) with {} at {}?", payload.len(), args.kind, key.id, args.path);
            if !super::confirm(&question)? {
                return Err(Trouble::new(USAGE, "not confirmed").undone("nothing was sent").into());
            }
        }
        let asked = Asked { key: &key, path: &args.path, kind: &args.kind, payload: &payload };
        let begun = Instant::now();
        let signed = remote.sign(&asked).await?;
        let waited = begun.elapsed();
        let encoded = checked(&signed, &expected)?;
        printer.object(&document(&key, &signed, &expected, waited))?;
        if printer.json {
            return Ok(());
        }
        // First what was asked for: the rest has to be asked for again, and that may fail.
        printer.line(&format!("  {}", printer.ink.strong(&format!("0x{}", hex::encode(encoded)))))?;
        printer.line(&format!("  verified with {} {}", expected.library(), printer.ink.good("✓")))?;
        told(&remote, &key, &signed, waited).await.iter().try_for_each(|line| printer.line(line))
    })
}

fn payload(args: &SignArgs) -> Result<Vec<u8>, Failure> {
    if let Some(message) = &args.message {
        return Ok(message.clone().into_bytes());
    }
    if let Some(digits) = &args.hex {
        let bare = digits.strip_prefix("0x").unwrap_or(digits);
        return hex::decode(bare).map_err(|error| {
            Trouble::new(USAGE, "`--hex` takes hexadecimal digits")
                .undone("nothing was sent")
                .because(error)
                .into()
        });
    }
    read_file(args.file.as_deref().unwrap_or(Path::new("-")))
}

/// A file, or standard input.
pub fn read_file(path: &Path) -> Result<Vec<u8>, Failure> {
    let refused = |error| io_trouble(path, "cannot be read", error);
    let mut bytes = Vec::new();
    if path == Path::new("-") {
        std::io::stdin().lock().take(PAYLOAD_MAX + 1).read_to_end(&mut bytes).map_err(refused)?;
    } else {
        let file = std::fs::File::open(path).map_err(refused)?;
        file.take(PAYLOAD_MAX + 1).read_to_end(&mut bytes).map_err(refused)?;
    }
    if bytes.len() as u64 > PAYLOAD_MAX {
        let what = format!("`{}` is longer than {PAYLOAD_MAX} bytes", path.display());
        return Err(Trouble::new(USAGE, what).undone("nothing was sent").into());
    }
    Ok(bytes)
}

/// The signature in an answer, if it is one; a trouble otherwise.
pub fn checked(signed: &SignatureView, expected: &Expected) -> Result<Vec<u8>, Failure> {
    let encoded =
        signed.signature.as_ref().map(|signature| hex::decode(&signature.encoded).unwrap_or_default());
    match encoded {
        Some(encoded) if expected.verifies(&encoded) => Ok(encoded),
        Some(_) => {
            let what = format!("{} refuses the signature that the cluster gave", expected.library());
            Err(Trouble::new(VERIFY_FAILED, what)
                .undone("the signature is not shown")
                .request(&signed.id)
                .into())
        }
        None => Err(Failure::Broken("a complete request has no signature")),
    }
}

/// A verified signature, for programs.
pub fn document(key: &KeyView, signed: &SignatureView, expected: &Expected, waited: Duration) -> Value {
    json!({
        "schema": "keymoot/signature/v1", "request": signed.id, "key": key.id, "name": key.name,
        "scheme": key.scheme, "path": signed.path, "kind": signed.kind,
        "signed_data": hex::encode(&expected.message),
        "signature": signed.signature.as_ref().map(|signature| signature.encoded.clone()),
        "signers": signed.signers, "attempts": signed.attempts,
        "milliseconds": millis(waited),
        "verified": true, "verified_by": expected.library(),
    })
}

/// Who allowed it, who signed, who could not; as far as the cluster still answers.
pub async fn told(remote: &Remote, key: &KeyView, signed: &SignatureView, waited: Duration) -> [String; 2] {
    let approved: Vec<String> = signed.signers.iter().map(|node| format!("{node} ✓")).collect();
    let policy = remote.policy_text();
    let mut parts = vec![signed.signers.join(", ")];
    let (nodes, now) = tokio::join!(remote.nodes(), remote.key(&key.id));
    let nodes = nodes.map(|list| list.nodes).unwrap_or_default();
    let away: Vec<String> = (nodes.iter())
        .filter(|node| node.connected.is_empty() && key.holders.contains(&node.name))
        .map(|node| match node.silent_ms {
            Some(ms) => format!("{} unreachable for {} s", node.name, ms / 1000),
            None => format!("{} unreachable", node.name),
        })
        .collect();
    if !away.is_empty() {
        parts = vec![format!("{} ({})", signed.signers.join(", "), away.join(", "))];
    }
    let left = now.map_or(0, |key| key.presignatures);
    if left > 0 {
        parts.push(format!("{left} presignatures left"));
    }
    parts.push(format!("{} ms", millis(waited)));
    [
        format!("  policy   ALLOW  {policy}   {}", approved.join(" ")),
        format!("  signers  {}", parts.join(" · ")),
    ]
}

/// Whole milliseconds.
pub fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
