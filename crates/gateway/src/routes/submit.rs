//! Signed requests on their way to the coordinators, alone or in a batch.

use std::time::Duration;

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use keymoot_types::signed::PAYLOAD_MAX;
use keymoot_types::{KeyId, Path, PathError, Scheme};
use keymoot_wire::mpc;
use keymoot_wire::mpc::mpc_coordinator_client::MpcCoordinatorClient;
use keymoot_wire::mpc::mpc_keys_client::MpcKeysClient;
use keymoot_wire::problem::Code;
use keymoot_wire::rest::{CreateKeyBody, CreateSignatureBody, EmptyBody, Status};
use serde::Serialize;

use crate::access::{Endpoint, need};
use crate::coordinators::{ANSWER_MAX, Plan};
use crate::present;
use crate::problem::Refused;
use crate::signed::{Verified, parse};
use crate::state::{App, Call};

/// The longest name of a key, in bytes.
pub const NAME_MAX: usize = 64;

/// The endpoint that a signed path is for. The path in an HTTP request and the signed one are the same, so
/// this is asked only of items of batches.
pub fn endpoint_of(path: &str) -> Option<Endpoint> {
    match path {
        "/v1/keys" => Some(Endpoint::CreateKey),
        "/v1/signatures" => Some(Endpoint::CreateSignature),
        _ => retired_key(path).map(|_| Endpoint::RetireKey),
    }
}

fn retired_key(path: &str) -> Option<KeyId> {
    path.strip_prefix("/v1/keys/")?.strip_suffix("/retire")?.parse().ok()
}

/// Whether the signer has the role for it, and the body is one that nodes would read. They read it again.
///
/// # Errors
/// A role that is too low; a body of another shape.
pub fn check(endpoint: Endpoint, signed: &Verified) -> Result<(), Refused> {
    if let Some(needed) = need(endpoint).role()
        && signed.client.role < needed
    {
        let (name, role) = (&signed.client.name, signed.client.role);
        let detail = format!("this needs the role {needed}, and `{name}` has the role {role}");
        return Err(Refused::new(Code::RoleTooLow, detail));
    }
    let body = &signed.request.body;
    match endpoint {
        Endpoint::CreateKey => check_key(&parse(body)?),
        Endpoint::CreateSignature => check_signature(&parse(body)?),
        _ => {
            parse::<EmptyBody>(body)?;
            let key = retired_key(&signed.request.path);
            key.map(drop).ok_or_else(|| Refused::new(Code::InvalidRequest, "a key is retired by its id"))
        }
    }
}

fn check_key(body: &CreateKeyBody) -> Result<(), Refused> {
    body.scheme.parse::<Scheme>().map_err(|error| Refused::caused(Code::InvalidRequest, &error))?;
    if body.name.len() > NAME_MAX || body.name.chars().any(char::is_control) {
        let detail = format!("`name` has more than {NAME_MAX} bytes or control characters");
        return Err(Refused::new(Code::InvalidRequest, detail));
    }
    Ok(())
}

fn check_signature(body: &CreateSignatureBody) -> Result<(), Refused> {
    body.key.parse::<KeyId>().map_err(|error| Refused::caused(Code::InvalidRequest, &error))?;
    check_path(&body.path)?;
    let digits = body.payload.strip_prefix("0x").unwrap_or(&body.payload);
    if !digits.len().is_multiple_of(2) || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return Err(Refused::new(Code::InvalidRequest, "`payload` is not hex"));
    }
    if digits.len() / 2 > PAYLOAD_MAX {
        return Err(Refused::new(Code::BodyTooLarge, format!("`payload` has more than {PAYLOAD_MAX} bytes")));
    }
    Ok(())
}

/// A derivation path.
///
/// # Errors
/// It is none.
pub fn check_path(path: &str) -> Result<(), Refused> {
    path.parse::<Path>().map(drop).map_err(|error: PathError| Refused::caused(Code::BadPath, &error))
}

/// Sends a signed request to the coordinators, and waits there.
///
/// # Errors
/// What they say, or that none is there.
pub async fn submit(
    app: &App,
    trace: &str,
    endpoint: Endpoint,
    signed: Verified,
    wait: Duration,
) -> Result<mpc::Request, Refused> {
    let sticky = signed.sticky();
    let plan = Plan { sticky: &sticky, trace, wait, budget: app.limits.budget };
    let signed = &Some(signed.request);
    let answer = app.coordinators.call(plan, |via, wait| {
        let (signed, wait_ms) = (signed.clone(), millis(wait));
        async move {
            let mut keys = MpcKeysClient::new(via.channel()).max_decoding_message_size(ANSWER_MAX);
            match endpoint {
                Endpoint::CreateKey => {
                    keys.create_key(via.request(mpc::CreateKeyRequest { signed, wait_ms })).await
                }
                Endpoint::RetireKey => {
                    keys.retire_key(via.request(mpc::RetireKeyRequest { signed, wait_ms })).await
                }
                _ => {
                    let ask = mpc::CreateSigningSessionRequest { signed, wait_ms };
                    MpcCoordinatorClient::new(via.channel()).create_signing_session(via.request(ask)).await
                }
            }
        }
    });
    let request = answer.await?;
    observe(app, &request);
    Ok(request)
}

/// Remembers when signatures are made, for `/canaryz`.
pub fn observe(app: &App, request: &mpc::Request) {
    let is_signature = matches!(request.result, Some(mpc::request::Result::Signature(_)));
    if is_signature && present::status(request) == Status::Complete {
        app.canary.saw(request.finished_ms);
    }
}

/// A signed request that came alone: its signer is whose token it is.
///
/// # Errors
/// It is somebody else's; what [`check`] refuses.
pub fn check_alone(endpoint: Endpoint, signed: &Verified, call: &Call) -> Result<(), Refused> {
    if signed.client.name != *call.client {
        let detail = format!("`{}` signed it, and the token is of `{}`", signed.client.name, call.client);
        return Err(Refused::new(Code::SomebodyElsesRequest, detail));
    }
    check(endpoint, signed)
}

/// 201 with the resource if it is final, else 202; both say where it is.
pub fn created<T: Serialize>(is_final: bool, location: &str, view: T) -> Response {
    let status = if is_final { StatusCode::CREATED } else { StatusCode::ACCEPTED };
    let mut response = (status, Json(view)).into_response();
    if let Ok(value) = HeaderValue::from_str(location) {
        response.headers_mut().insert(header::LOCATION, value);
    }
    response
}

/// As the contract counts.
pub fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
