//! One answer for each command.

use keymoot_chains::{Kind, Network};
use serde_json::{Value, json};

use super::refusal::{BAD_ARGUMENT, INVALID_TX, Refusal, UNAVAILABLE_ACTION};
use super::signer::{Cluster, Signer, path};
use super::{AddressType, HwiCommand, Options, descriptor, wrapped};
use crate::proof::Claim;
use crate::{network, psbt};

/// What is printed.
pub async fn answer(cluster: &impl Cluster, options: &Options, command: &HwiCommand) -> Value {
    match tried(cluster, options, command).await {
        Ok(answer) => answer,
        Err(refusal) => wrapped(command, &refusal),
    }
}

async fn tried(cluster: &impl Cluster, options: &Options, command: &HwiCommand) -> Result<Value, Refusal> {
    let network = network::check(cluster.network(), options.chain);
    let network = network.map_err(|failure| Refusal { code: BAD_ARGUMENT, ..Refusal::from(failure) })?;
    let all = Signer::all(cluster, options.key.as_deref(), network).await?;
    if let HwiCommand::Enumerate = command {
        return Ok(all.iter().map(Signer::document).collect());
    }
    let signer = Signer::chosen(all, options.fingerprint.as_deref())?;
    match command {
        HwiCommand::Enumerate => Ok(Value::Null),
        HwiCommand::Getmasterxpub { account, addr_type } => {
            first(*account)?;
            form(&signer, *addr_type)?;
            Ok(json!({ "xpub": signer.xpub.to_string() }))
        }
        HwiCommand::Getxpub { path: text } => {
            let xpub = signer.xpub_at(&path(text)?)?;
            Ok(json!({ "xpub": xpub.to_string() }))
        }
        HwiCommand::Getdescriptors { account } => {
            first(*account)?;
            Ok(descriptors(&signer))
        }
        HwiCommand::Displayaddress { desc: Some(text), .. } => {
            let (form, path) = descriptor::shown(&signer, text)?;
            Ok(json!({ "address": signer.address(path, form)? }))
        }
        HwiCommand::Displayaddress { path: text, addr_type, .. } => {
            let text = text.as_deref().ok_or(Refusal::usage("say --desc or --path"))?;
            let address = signer.address(path(text)?, form(&signer, *addr_type)?)?;
            Ok(json!({ "address": address }))
        }
        HwiCommand::Signtx { psbt } => signed(cluster, &signer, psbt, network).await,
    }
}

/// Accounts are hardened steps, which do not exist below a key that nobody has: another account is another key.
fn first(account: u32) -> Result<(), Refusal> {
    if account == 0 {
        return Ok(());
    }
    Err(Refusal::new(UNAVAILABLE_ACTION, "a key has the one account 0; for another one, create another key"))
}

fn form(signer: &Signer, wanted: Option<AddressType>) -> Result<keymoot_chains::bitcoin::Form, Refusal> {
    let forms = signer.forms();
    let found = match wanted {
        None => forms.first().copied(),
        Some(wanted) => wanted.form().filter(|form| forms.contains(form)),
    };
    found.ok_or(Refusal::new(BAD_ARGUMENT, "the key does not sign for addresses of this form"))
}

fn descriptors(signer: &Signer) -> Value {
    let pairs = signer.forms().iter().filter_map(|form| descriptor::pair(signer, *form));
    let (receive, internal): (Vec<_>, Vec<_>) = pairs.map(|[receive, internal]| (receive, internal)).unzip();
    json!({ "receive": receive, "internal": internal })
}

async fn signed(
    cluster: &impl Cluster,
    signer: &Signer,
    text: &str,
    network: Network,
) -> Result<Value, Refusal> {
    if !psbt::is_text(text) {
        return Err(Refusal::new(INVALID_TX, "the transaction is not a PSBT in base64"));
    }
    let bytes = psbt::bytes(text.as_bytes().to_vec());
    let claim = Claim { key: &signer.view, path: "m", kind: Kind::BtcPsbt.name(), payload: &bytes };
    let read = claim.read(network)?;
    let signed = cluster.sign(&signer.view, &read).await?;
    Ok(json!({ "psbt": psbt::text(&signed), "signed": true }))
}
