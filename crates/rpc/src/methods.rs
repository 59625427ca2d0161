//! The methods. Those that need a key are answered here; what is listed goes to the node behind; the rest is not offered.

use std::sync::Arc;

use alloy_primitives::{Address, Bytes};
use keymoot_chains::{Detail, Kind, inspect};
use serde::Serialize;
use serde_json::json;
use serde_json::value::{RawValue, to_raw_value};

use crate::app::App;
use crate::cluster::Account;
use crate::codes;
use crate::config::Shape;
use crate::errand::Errand;
use crate::fields;
use crate::offered::is_passed;
use crate::refusal::{INVALID_PARAMS, METHOD_NOT_FOUND, Refusal};
use crate::told::Untold;
use crate::transaction::{Draft, check_chain, digits, quantity, shown};
use crate::tray::Tray;
use crate::wallet::readable;

/// Answers one method.
pub async fn answer(
    app: &Arc<App>,
    method: &str,
    params: Option<&RawValue>,
    errand: Errand,
    tray: &Tray,
) -> Result<Box<RawValue>, Refusal> {
    match method {
        "eth_accounts" | "eth_requestAccounts" => accounts(app).await,
        "eth_chainId" => result(&format!("{:#x}", app.config.chain_id)),
        "eth_sendTransaction" => {
            let (account, draft) = draft(app, params).await?;
            if draft.kind == Some(3) {
                let what = "is of a transaction for blobs, which cannot be sent without them: use eth_signTransaction";
                return Err(Refusal::field("blobVersionedHashes", what));
            }
            result(&digits(app.sender.send(account, draft, errand, &tray.untold).await?.as_slice()))
        }
        "eth_signTransaction" => sign_transaction(app, params, errand, &tray.untold).await,
        "eth_sign" => {
            let [account, message] = list(method, params, ["address", "data"])?;
            personal(app, "address", &account, "data", &message).await
        }
        "personal_sign" => {
            let [message, account] = list(method, params, ["data", "address"])?;
            personal(app, "address", &account, "data", &message).await
        }
        "eth_signTypedData" | "eth_signTypedData_v4" => typed(app, method, params).await,
        "health_status" => result(env!("CARGO_PKG_VERSION")),
        "eth_getTransactionCount" if let Some(account) = counted(app, params) => {
            result(&quantity(app.sender.count(account).await?))
        }
        _ if is_passed(method, &app.config.methods) => {
            app.node.pass(method, params, tray).await.map_err(Refusal::from)
        }
        _ => {
            let what = format!("the method {} is not offered", method.escape_debug());
            let help = "methods of the node behind are passed on if the configuration lists them";
            Err(Refusal::new(METHOD_NOT_FOUND, codes::NO_METHOD, what).with("help", help))
        }
    }
}

/// What a method is called in the log: a name that is known, or nothing that somebody has made up.
pub fn name(app: &App, method: &str) -> &'static str {
    match method {
        "eth_accounts" | "eth_requestAccounts" => "eth_accounts",
        "eth_chainId" => "eth_chainId",
        "eth_sendTransaction" => "eth_sendTransaction",
        "eth_signTransaction" => "eth_signTransaction",
        "eth_sign" => "eth_sign",
        "personal_sign" => "personal_sign",
        "eth_signTypedData" | "eth_signTypedData_v4" => "eth_signTypedData",
        "health_status" => "health_status",
        _ if is_passed(method, &app.config.methods) => "passed on",
        _ => "not offered",
    }
}

/// Whether a method of this name asks for a signature.
pub fn needs_key(name: &str) -> bool {
    name.contains("sign") || name == "eth_sendTransaction"
}

async fn accounts(app: &App) -> Result<Box<RawValue>, Refusal> {
    let accounts = app.accounts.all().await?;
    // In small letters, as nodes write them.
    result(&accounts.iter().map(|account| digits(account.address.as_slice())).collect::<Vec<_>>())
}

/// The account of ours whose transactions are to be counted with those that wait. The node behind does not know of those
/// that are on their way from here, and whoever chooses nonces by its answer chooses theirs.
fn counted(app: &App, params: Option<&RawValue>) -> Option<Address> {
    let items = fields::list("params", params?).ok()?;
    let [account, block] = items.as_slice() else { return None };
    let account = fields::account("address", account).ok()?;
    (block.get() == "\"pending\"" && app.accounts.has(account)).then_some(account)
}

async fn draft(app: &App, params: Option<&RawValue>) -> Result<(Account, Draft), Refusal> {
    let [raw] = list("the method", params, ["transaction"])?;
    let draft = Draft::read(&raw, app.config.chain_id)?;
    let account = app.accounts.find(draft.from).await?;
    Ok((account, draft))
}

async fn sign_transaction(
    app: &App,
    params: Option<&RawValue>,
    errand: Errand,
    untold: &Untold,
) -> Result<Box<RawValue>, Refusal> {
    let (account, draft) = draft(app, params).await?;
    let raw = app.sender.sign(account, draft, errand, untold).await?;
    match app.config.shape {
        Shape::Raw => result(&digits(&raw)),
        Shape::Both => {
            let tx = shown(&raw).ok_or_else(|| Refusal::defect("a signed transaction cannot be read"))?;
            result(&json!({ "raw": digits(&raw), "tx": tx }))
        }
    }
}

/// EIP-191, version 0x45. Data are hex behind 0x; anything else is text, as wallets have it.
async fn personal(
    app: &App,
    account_name: &str,
    account: &RawValue,
    name: &str,
    message: &RawValue,
) -> Result<Box<RawValue>, Refusal> {
    let text = fields::text(name, message)?;
    let address = fields::account(account_name, account).map_err(|refusal| {
        // The two methods have their parameters in opposite orders, and are easily mixed up.
        match fields::address(name, &text) {
            Ok(_) => refusal.with("help", "eth_sign takes address and data, personal_sign data and address"),
            Err(_) => refusal,
        }
    })?;
    let account = app.accounts.find(address).await?;
    let bytes = if text.starts_with("0x") { fields::of_hex(name, &text)? } else { text.into_bytes() };
    signed(app, &account, Kind::EvmMessage, bytes, name).await
}

async fn typed(app: &App, method: &str, params: Option<&RawValue>) -> Result<Box<RawValue>, Refusal> {
    let [account, data] = list(method, params, ["address", "typedData"])?;
    if account.get().starts_with('[') {
        let what =
            "is a list: the first version of typed data, which does not say what it is for, is not signed";
        return Err(Refusal::field("address", what));
    }
    let address: Address = fields::account("address", &account)?;
    let account = app.accounts.find(address).await?;
    // Some libraries send the JSON as a string.
    let text =
        if data.get().starts_with('"') { fields::text("typedData", &data)? } else { data.get().to_owned() };
    let payload = readable(&account, Kind::EvmTypedData, text.into_bytes(), "typedData")?;
    if let Ok(inspection) = inspect(&payload, &account.key)
        && let Detail::EvmTypedData(facts) = &inspection.facts.detail
        && let Some(id) = &facts.domain.chain_id
    {
        let id = id.digits().parse().map_err(|_| Refusal::field("typedData.domain.chainId", "overflows"))?;
        check_chain("typedData.domain.chainId", Some(id), app.config.chain_id)?;
    }
    signed(app, &account, Kind::EvmTypedData, payload.bytes().to_vec(), "typedData").await
}

async fn signed(
    app: &App,
    account: &Account,
    kind: Kind,
    bytes: Vec<u8>,
    field: &str,
) -> Result<Box<RawValue>, Refusal> {
    // What cannot be signed waits for nobody.
    readable(account, kind, bytes.clone(), field)?;
    let turn = app.wallet.turn().await;
    let signature: Bytes = app.wallet.sign(account, kind, bytes, field, &turn).await?;
    result(&digits(&signature))
}

/// Parameters by position: exactly these.
fn list<const N: usize>(
    method: &str,
    params: Option<&RawValue>,
    names: [&str; N],
) -> Result<[Box<RawValue>; N], Refusal> {
    let takes = || {
        let what = format!("{method} takes a list of {N}: {}", names.join(", "));
        Refusal::new(INVALID_PARAMS, codes::BAD_PARAMS, what).with("field", "params")
    };
    let items = fields::list("params", params.ok_or_else(takes)?).map_err(|_| takes())?;
    items.try_into().map_err(|_| takes())
}

fn result<T: Serialize + ?Sized>(value: &T) -> Result<Box<RawValue>, Refusal> {
    to_raw_value(value).map_err(|_| Refusal::defect("an answer has no JSON"))
}
