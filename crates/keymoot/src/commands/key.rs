//! `keymoot key`: keys, their addresses, their end.

use clap::{Args, Subcommand, value_parser};
use keymoot_engine::request::NAME_MAX;
use keymoot_types::{Scheme, UnknownScheme};
use keymoot_wire::rest::{AskView, KeyView, Status};
use serde_json::{Value, json};

use crate::cli::{EXIT_CODES, Given};
use crate::explain::{KEY_NAME_TAKEN, USAGE};
use crate::failure::{Failure, Trouble};
use crate::ink::Ink;
use crate::moduli;
use crate::network::NetworkName;
use crate::printer::Printer;
use crate::progress;
use crate::remote::Remote;
use crate::wallet;

#[derive(Subcommand)]
pub enum KeyCommand {
    Create(CreateArgs),
    /// List the keys.
    List,
    /// Show a key.
    Show(KeyArgs),
    Address(AddressArgs),
    Xpub(XpubArgs),
    Retire(RetireArgs),
}

/// Generate a key: all nodes take part, and none ever holds it whole.
#[derive(Args)]
#[command(after_help = EXIT_CODES)]
pub struct CreateArgs {
    /// A name for people.
    name: String,

    /// dkls23 (ECDSA on secp256k1), frost-taproot, frost-ed25519, or gg20 (ECDSA as well) where all nodes serve it.
    #[arg(long, visible_alias = "protocol", default_value = "dkls23")]
    scheme: String,

    /// Also if another key has the name, or had it before it was retired. Commands then take ids only.
    #[arg(long)]
    allow_duplicate_name: bool,

    /// Wait for so long, also while nodes are missing, and for the moduli that gg20 needs. Without it, for a minute, and what is
    /// missing is said at once.
    #[arg(long, value_name = "SECONDS", value_parser = value_parser!(u64).range(1..=300))]
    wait: Option<u64>,
}

#[derive(Args)]
pub struct KeyArgs {
    /// Its id, or its name if only one has it.
    key: String,
}

/// Print the extended public key and output descriptors.
#[derive(Args)]
pub struct XpubArgs {
    /// Its id, or its name if only one has it.
    key: String,

    /// For which Bitcoin network: it has to be that of the cluster, which it is without this.
    #[arg(long, value_enum)]
    network: Option<NetworkName>,
}

/// Print the addresses of a key.
#[derive(Args)]
pub struct AddressArgs {
    /// Its id, or its name if only one has it.
    key: String,

    /// Below the key, as in m/0/7.
    #[arg(long, default_value = "m")]
    path: String,

    /// For which Bitcoin network: it has to be that of the cluster, which it is without this.
    #[arg(long, value_enum)]
    network: Option<NetworkName>,

    /// Also as QR codes.
    #[arg(long)]
    qr: bool,
}

/// Retire a key: it signs nothing any more, for ever.
#[derive(Args)]
#[command(after_help = EXIT_CODES)]
pub struct RetireArgs {
    /// Its id, or its name if only one has it.
    key: String,

    /// Do not ask.
    #[arg(long)]
    yes: bool,
}

pub fn run(given: &Given, command: &KeyCommand) -> Result<(), Failure> {
    let printer = Printer::new(given.json);
    if let KeyCommand::Create(args) = command {
        must_be_a_name(&args.name)?;
        scheme(&args.scheme)?;
    }
    let wait = if let KeyCommand::Create(args) = command { args.wait } else { None };
    let remote = Remote::open(given)?.waiting(wait);
    super::wait(2, async move {
        match command {
            KeyCommand::Create(args) => create(&remote, &printer, args).await,
            KeyCommand::List => list(&remote, &printer).await,
            KeyCommand::Show(args) => {
                let key = remote.key(&args.key).await?;
                printer.either(&document(&key), &lines(&key, printer.ink))
            }
            KeyCommand::Address(args) => address(&remote, &printer, args).await,
            KeyCommand::Xpub(args) => {
                let network = remote.network(args.network)?;
                let key = remote.key(&args.key).await?;
                let found = wallet::watching(&key, network)?;
                let mut lines = vec![format!("  {}", found.xpub)];
                lines.extend(found.descriptors.iter().map(|descriptor| format!("  {descriptor}")));
                let object = json!({
                    "schema": "keymoot/xpub/v1", "key": key.id, "xpub": found.xpub,
                    "fingerprint": found.fingerprint, "descriptors": found.descriptors,
                });
                printer.either(&object, &lines)
            }
            KeyCommand::Retire(args) => retire(&remote, &printer, args).await,
        }
    })
}

/// A key, for programs.
pub fn document(key: &KeyView) -> Value {
    json!({
        "schema": "keymoot/key/v1", "id": key.id, "name": key.name, "scheme": key.scheme,
        "public_key": key.public_key, "chain_code": key.chain_code, "epoch": key.epoch,
        "needed": key.threshold.needed, "total": key.threshold.total, "holders": key.holders,
        "created_by": key.created_by, "created_ms": key.created_ms, "retired": key.retired,
        "presignatures": key.presignatures,
    })
}

fn lines(key: &KeyView, ink: Ink) -> Vec<String> {
    let state = if key.retired { ink.bad("retired") } else { ink.good("in use") };
    vec![
        format!("  {} · {} · {}", ink.strong(&named(key)), key.scheme, of(key)),
        format!("  id          {}", key.id),
        format!("  public key  {}", key.public_key),
        format!("  holders     {}", key.holders.join(", ")),
        format!("  created     {} by {}", key.created_at.as_deref().unwrap_or("?"), key.created_by),
        format!("  state       {state} · {} presignatures", key.presignatures),
    ]
}

fn named(key: &KeyView) -> String {
    if key.name.is_empty() { key.id.clone() } else { format!("{:?}", key.name) }
}

/// As in `2-of-3`.
pub fn of(key: &KeyView) -> String {
    format!("{}-of-{}", key.threshold.needed, key.threshold.total)
}

/// As many requests are looked through for keys that are being made.
const PENDING_MAX: usize = 1000;

/// Refuses a name that a key has, had, or is about to have. Two who ask at the same time can still both get it: the cluster
/// knows keys by their ids.
async fn must_be_free(remote: &Remote, name: &str) -> Result<(), Failure> {
    let (keys, has_more_keys) = remote.keys_named(name).await?;
    let mut trouble =
        Trouble::new(KEY_NAME_TAKEN, format!("there is a key `{}` already", name.escape_debug()));
    for key in &keys {
        let state = if key.retired { "retired" } else { "in use" };
        trouble = trouble.branch(format!("{}  {} · {state}", key.id, key.scheme));
    }
    let (pending, has_more) = remote.requests(Some(Status::Pending), PENDING_MAX).await?;
    if keys.is_empty() && (has_more || has_more_keys) {
        let what = "there are so many keys and requests that it cannot be known whether the name is free";
        let help = "--allow-duplicate-name makes the key without asking for its name";
        return Err(Trouble::new(KEY_NAME_TAKEN, what).undone("no key was made").help(help).into());
    }
    let is_for_it = |ask: &AskView| matches!(ask, AskView::Key { name: asked, .. } if asked == name);
    let pending: Vec<_> = pending.iter().filter(|request| is_for_it(&request.ask)).collect();
    for request in &pending {
        trouble = trouble.branch(format!("one is being made: `keymoot request wait {}`", request.id));
    }
    if keys.is_empty() && pending.is_empty() { Ok(()) } else { Err(trouble.undone("no key was made").into()) }
}

/// A scheme that a key can be of.
fn scheme(name: &str) -> Result<Scheme, Failure> {
    let refused = |error: UnknownScheme| Trouble::new(USAGE, error.to_string());
    Ok(name.parse().map_err(|error| refused(error).undone("nothing was sent, and no key was made"))?)
}

/// Refuses what the cluster takes for no name.
fn must_be_a_name(name: &str) -> Result<(), Failure> {
    let why = match name.len() {
        0 => "it is empty",
        length if length > NAME_MAX => "it is longer than that",
        _ if name.contains(char::is_control) => "it has a control character in it",
        _ => return Ok(()),
    };
    let what = format!("the name of a key has 1 to {NAME_MAX} bytes of text, and {why}");
    Err(Trouble::new(USAGE, what).undone("nothing was sent, and no key was made").into())
}

/// Generates a key and shows how it goes.
async fn create(remote: &Remote, printer: &Printer, args: &CreateArgs) -> Result<(), Failure> {
    let scheme = scheme(&args.scheme)?;
    if !args.allow_duplicate_name {
        must_be_free(remote, &args.name).await?;
    }
    printer.line(&format!("  Key {:?} · {scheme} · {}", args.name, remote.document.signers()))?;
    let until = remote.deadline();
    let key = progress::create_key(remote, printer, &args.name, scheme, true).await?;
    printer.object(&document(&key))?;
    printer.line(&format!("  id          {}", key.id))?;
    printer.line(&format!("  public key  {}", key.public_key))?;
    if scheme.has_moduli() { moduli::follow(remote, printer, until).await } else { Ok(()) }
}

async fn list(remote: &Remote, printer: &Printer) -> Result<(), Failure> {
    let (keys, has_more) = remote.keys_and_more().await?;
    if keys.is_empty() {
        printer.line("  there are no keys; `keymoot key create NAME` makes one")?;
    }
    for key in &keys {
        printer.object(&document(key))?;
        let state = if key.retired { "retired".to_owned() } else { of(key) };
        printer.line(&format!("  {:<20} {:<14} {state:<8} {}", key.name, key.scheme, key.id))?;
    }
    if has_more {
        printer.line("  there are more, which are not shown")?;
    }
    Ok(())
}

async fn address(remote: &Remote, printer: &Printer, args: &AddressArgs) -> Result<(), Failure> {
    let network = remote.network(args.network)?;
    let key = remote.key(&args.key).await?;
    let found = wallet::addresses(&key, &args.path, network)?;
    let rows: Vec<Value> = found.iter().map(wallet::Address::document).collect();
    printer.object(&json!({
        "schema": "keymoot/addresses/v1", "key": key.id, "path": args.path, "addresses": rows,
    }))?;
    for one in &found {
        printer.line(&format!("  {:<10} {:<8} {}", one.chain, one.form, printer.ink.strong(&one.address)))?;
        if args.qr {
            for line in qr(&one.address)? {
                printer.line(&line)?;
            }
        }
    }
    Ok(())
}

/// A QR code for a terminal: two rows of it in each line.
pub fn qr(text: &str) -> Result<Vec<String>, Failure> {
    let code = qrcode::QrCode::new(text).map_err(Failure::bug("an address is too long for a QR code"))?;
    let drawn = code.render::<qrcode::render::unicode::Dense1x2>().quiet_zone(true).build();
    Ok(drawn.lines().map(|line| format!("    {line}")).collect())
}

async fn retire(remote: &Remote, printer: &Printer, args: &RetireArgs) -> Result<(), Failure> {
    let key = remote.key(&args.key).await?;
    if !args.yes {
        super::must_confirm(&format!("Retire {} for ever?", named(&key)), "the key is as it was")?;
    }
    let request = remote.retire(&key.id).await?;
    let object = json!({
        "schema": "keymoot/retired/v1", "key": key.id, "request": request.id, "status": request.status.name(),
    });
    let done = if key.retired { "was retired before, and signs nothing" } else { "signs nothing any more" };
    printer.either(&object, &[format!("  {} {} {done}", printer.ink.good("✓"), named(&key))])
}

#[cfg(test)]
mod tests {
    use keymoot_engine::request::NAME_MAX;

    use super::{must_be_a_name, scheme};

    #[test]
    fn a_name_that_is_none_is_refused_before_anything_is_sent() {
        for name in ["", "a\nb", &"x".repeat(NAME_MAX + 1)] {
            assert_eq!(must_be_a_name(name).unwrap_err().code(), "E2001", "{name:?}");
        }
        must_be_a_name(&"x".repeat(NAME_MAX)).unwrap();
    }

    #[test]
    fn a_key_is_of_one_scheme() {
        let told = scheme("all").unwrap_err().to_string();
        assert!(told.contains("unknown scheme `all`") && !told.contains("or all"), "{told}");
        assert!(scheme("frost-taproot").is_ok());
    }
}
