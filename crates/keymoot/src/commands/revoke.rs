//! `keymoot revoke`: the authority takes back whom it has admitted.

use std::path::PathBuf;

use clap::Args;
use keymoot_wire::cluster::Role;
use keymoot_wire::identity::PeerRole;
use serde_json::json;

use crate::ceremony::{Left, Revocation};
use crate::cli::{EXIT_CODES, Given};
use crate::failure::Failure;
use crate::printer::Printer;

/// Revoke a client, or the TLS key of a node, coordinator or gateway, and sign a cluster document that says so.
///
/// Run it in the folder of the authority. A client leaves the cluster: neither its certificate nor its signed requests count
/// any more. If it is to come back, it joins in an empty directory with new keys and is admitted with that answer.
///
/// A node, coordinator or gateway stays a member, and nobody takes its TLS key any more. On its host `keymoot join
/// ceremony.json --as NAME --dir DIR --new-tls-key` draws another, and leaves a node's identity, sealing key and shares as they
/// are; then `keymoot admit` with that answer, and `keymoot join --finish`.
///
/// It counts when the document is there: bring everybody's NAME.admit.json to its directory, with `keymoot join --finish`.
/// Processes that run take it up within seconds, and at once on SIGHUP.
#[derive(Args)]
#[command(after_help = EXIT_CODES)]
pub struct RevokeArgs {
    /// Whom: the name of a client, node, coordinator or gateway.
    name: String,

    /// The folder of the authority.
    #[arg(long, value_name = "DIR", default_value = ".")]
    dir: PathBuf,

    /// Do not ask. Where there is no terminal to ask at, nobody is revoked without it.
    #[arg(long)]
    yes: bool,
}

pub fn run(given: &Given, args: &RevokeArgs) -> Result<(), Failure> {
    let printer = Printer::new(given.json);
    let revocation = Revocation::open(&args.dir, &args.name)?;
    let Revocation { name, role, client_role, fingerprint, keys, .. } = &revocation;
    let is = client_role.map_or_else(|| role.to_string(), |client| format!("{role}, {client}"));
    super::show(&printer, !args.yes, |ink| {
        let mut lines = vec![format!("  {name:<16} {is:<18} {}", ink.strong(fingerprint))];
        lines.extend(keys.iter().map(|key| format!("    TLS key {key}")));
        lines.extend(consequences(*role, &revocation.left).iter().map(|line| format!("    {line}")));
        lines
    })?;
    if !args.yes {
        super::must_confirm(&format!("Revoke {name}?"), "nothing was signed, and nobody was revoked")?;
    }
    let mut object = json!({
        "schema": "keymoot/revoke/v1", "name": name, "role": role.name(), "client_role": client_role.map(Role::name),
        "fingerprint": fingerprint, "keys": keys,
    });
    let (name, role) = (name.clone(), *role);
    let signed = revocation.revoke()?;
    object["version"] = json!(signed.version);
    let files: Vec<String> = signed.files.iter().map(|file| file.display().to_string()).collect();
    object["files"] = json!(files);
    let mut lines = vec![format!(
        "  {} {name} is revoked in version {} of the cluster document; bring it to each of them:",
        printer.ink.good("✓"),
        signed.version
    )];
    lines.extend(files.iter().map(|file| format!("    {file}")));
    lines.push("  There, as the first time: keymoot join --finish NAME.admit.json --dir DIR".to_owned());
    if role != PeerRole::Client {
        lines.push(format!("  At {name}: keymoot join ceremony.json --as {name} --dir DIR --new-tls-key"));
    }
    printer.either(&object, &lines)
}

/// What it means, before it is done.
fn consequences(role: PeerRole, left: &Left) -> Vec<String> {
    let Left { good, total, needed } = left;
    if role == PeerRole::Client {
        return vec!["It leaves the cluster, and its requests count no more.".to_owned()];
    }
    let mut lines = vec![
        "It stays a member, and can do nothing until it is admitted with a new TLS key.".to_owned(),
        format!("Of {total} {role}s {good} then have a key that counts."),
    ];
    if good < needed {
        lines.push(format!("That is too few: {needed} must have one, or nothing is signed."));
    }
    lines
}
