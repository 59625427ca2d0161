//! The paths of Web3Signer that its users look at: health, public keys, and signatures by public key.
//!
//! Web3Signer hashes and signs whatever bytes it is given. Here only those are signed that say what they are: an unsigned
//! transaction of this chain, or a message with the prefix of EIP-191.

use std::sync::Arc;

use alloy_eips::eip2718::Decodable2718;
use alloy_primitives::{Bytes, U256};
use axum::Extension;
use axum::Json;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use k256::elliptic_curve::sec1::ToEncodedPoint;
use keymoot_chains::{Amount, Detail, Kind, inspect};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::app::App;
use crate::cluster::Account;
use crate::codes;
use crate::fields::{self, Fields};
use crate::refusal::{INVALID_PARAMS, Refusal, TRANSACTION_REJECTED, UNAUTHORIZED, USER_REJECTED};
use crate::serve::{Trace, body, refuse};
use crate::transaction::{check_chain, digits};
use crate::wallet::readable;

/// Whether the process runs.
pub async fn upcheck() -> &'static str {
    "OK"
}

/// Whether it can do anything: the cluster shows its keys, and the node behind is of our chain.
pub async fn healthcheck(State(app): State<Arc<App>>) -> Response {
    let (cluster, node) = tokio::join!(app.accounts.check(), app.node.chain_id());
    let checks = [("cluster", cluster.is_ok()), ("downstream", node == Ok(app.config.chain_id))];
    let word = |is_up: bool| if is_up { "UP" } else { "DOWN" };
    let is_up = checks.iter().all(|(_, is_up)| *is_up);
    let rows = checks.map(|(id, is_up)| json!({ "id": id, "status": word(is_up) }));
    let body = json!({ "status": word(is_up), "outcome": word(is_up), "checks": rows });
    let status = if is_up { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(body)).into_response()
}

/// The public keys of all accounts: 64 bytes each.
pub async fn public_keys(State(app): State<Arc<App>>, Extension(trace): Extension<Trace>) -> Response {
    match app.accounts.all().await {
        Ok(accounts) => {
            let keys = accounts.iter().filter_map(identifier).map(Value::from);
            Json(Value::Array(keys.collect())).into_response()
        }
        Err(refusal) => refuse(StatusCode::SERVICE_UNAVAILABLE, &refusal, &trace),
    }
}

/// Signs for the account of a public key.
pub async fn sign(
    State(app): State<Arc<App>>,
    Extension(trace): Extension<Trace>,
    Path(name): Path<String>,
    request: axum::extract::Request,
) -> Response {
    let outcome = async {
        let _place = app.place()?;
        let (body, _weight) = body(&app, request).await?;
        signed(&app, &name, &body).await
    };
    match outcome.await {
        Ok(signature) => {
            let plain = (header::CONTENT_TYPE, "text/plain; charset=utf-8");
            ([plain], digits(&signature)).into_response()
        }
        Err(refusal) => {
            let status = match refusal.number {
                INVALID_PARAMS => StatusCode::BAD_REQUEST,
                UNAUTHORIZED if refusal.code() == codes::NOT_OURS => StatusCode::NOT_FOUND,
                UNAUTHORIZED | USER_REJECTED | TRANSACTION_REJECTED => StatusCode::FORBIDDEN,
                crate::refusal::LIMIT_EXCEEDED => StatusCode::TOO_MANY_REQUESTS,
                _ => StatusCode::SERVICE_UNAVAILABLE,
            };
            refuse(status, &refusal, &trace)
        }
    }
}

async fn signed(app: &App, name: &str, body: &[u8]) -> Result<Bytes, Refusal> {
    let raw: Box<RawValue> =
        serde_json::from_slice(body).map_err(|_| Refusal::field("body", "is not JSON"))?;
    let mut members = Fields::of("body", &raw)?;
    let bytes = members.must_have("data", fields::bytes)?;
    members.done()?;
    let wanted = name.strip_prefix("0x").unwrap_or(name);
    let is_it = |account: &Account| {
        identifier(account).is_some_and(|known| known.trim_start_matches("0x").eq_ignore_ascii_case(wanted))
    };
    let account = app.accounts.find_by("public key", is_it, || shortened(name)).await?;
    let (kind, payload) = match personal(&bytes) {
        Some(message) => (Kind::EvmMessage, message.to_vec()),
        None => (Kind::EvmTx, bytes.to_vec()),
    };
    let read = readable(&account, kind, payload.clone(), "data")?;
    if let Ok(inspection) = inspect(&read, &account.key)
        && let Detail::EvmTx(facts) = &inspection.facts.detail
    {
        let chain = facts.chain_id.unwrap_or_default();
        check_chain("data", Some(U256::from(chain)), app.config.chain_id)?;
        check_fee(inspection.facts.fee_max.as_ref().map(Amount::digits), app.config.fee_max)?;
    }
    let turn = app.wallet.turn().await;
    let signed = app.wallet.sign(&account, kind, payload, "data", &turn).await?;
    if kind == Kind::EvmMessage { Ok(signed) } else { bare(&signed) }
}

/// That a transaction costs no more than is allowed.
fn check_fee(cost: Option<&str>, most: Option<u128>) -> Result<(), Refusal> {
    let Some(most) = most else { return Ok(()) };
    match cost.and_then(|digits| digits.parse::<U256>().ok()) {
        Some(cost) if cost <= U256::from(most) => Ok(()),
        _ => {
            let cost = cost.unwrap_or("any number of");
            let what = format!("the fee may be {cost} wei, and at most {most} are allowed by `fee_max`");
            Err(Refusal::new(TRANSACTION_REJECTED, codes::FEE_TOO_HIGH, what))
        }
    }
}

/// The message behind the prefix of EIP-191, if that is what the bytes are.
fn personal(bytes: &[u8]) -> Option<&[u8]> {
    let rest = bytes.strip_prefix(b"\x19Ethereum Signed Message:\n")?;
    // The length may run into digits of the message, so that every way to part them is tried.
    (1..=rest.len().min(7)).find_map(|at| {
        let (length, message) = rest.split_at_checked(at)?;
        (length == message.len().to_string().as_bytes()).then_some(message)
    })
}

/// The signature alone of a signed transaction, with v = 27 or 28.
fn bare(raw: &[u8]) -> Result<Bytes, Refusal> {
    let read = alloy_consensus::TxEnvelope::decode_2718_exact(raw);
    let envelope = read.map_err(|_| Refusal::defect("a signed transaction cannot be read"))?;
    Ok(Bytes::from(envelope.signature().as_bytes().to_vec()))
}

/// What Web3Signer calls an account: its public key without the byte for the form.
fn identifier(account: &Account) -> Option<String> {
    let point = k256::PublicKey::from_sec1_bytes(&account.key.public_key()).ok()?;
    Some(digits(point.to_encoded_point(false).as_bytes().get(1..)?))
}

/// Enough of what somebody has typed.
fn shortened(name: &str) -> String {
    name.chars().filter(|c| c.is_ascii_alphanumeric()).take(16).collect()
}

#[cfg(test)]
mod tests {
    use super::personal;

    #[test]
    fn a_message_with_its_prefix_is_parted_from_it() {
        let prefixed =
            |length: &str, message: &str| format!("\x19Ethereum Signed Message:\n{length}{message}");
        assert_eq!(personal(prefixed("5", "hello").as_bytes()), Some(&b"hello"[..]));
        assert_eq!(personal(prefixed("0", "").as_bytes()), Some(&b""[..]));
        assert_eq!(personal(prefixed("3", "123").as_bytes()), Some(&b"123"[..]));
        let long = "x".repeat(12);
        assert_eq!(personal(prefixed("12", &long).as_bytes()), Some(long.as_bytes()));
        for bad in [prefixed("4", "hello"), prefixed("05", "hello"), prefixed("", ""), "hello".into()] {
            assert_eq!(personal(bad.as_bytes()), None);
        }
    }
}
