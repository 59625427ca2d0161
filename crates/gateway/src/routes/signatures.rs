//! Signatures.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::HeaderMap;
use axum::response::Response;
use axum::{Extension, Json};
use keymoot_wire::mpc;
use keymoot_wire::problem::Code;
use keymoot_wire::rest::{CreateSignatureBody, SignaturePage, SignatureView};
use serde::Deserialize;
use utoipa::IntoParams;

use super::keys::{id_of, named};
use super::requests::{filled, find};
use super::submit::{check_alone, created, submit};
use super::{List, Named, PageQuery, Params, WAIT_USUAL, WaitQuery, wait};
use crate::access::Endpoint;
use crate::present;
use crate::problem::Refused;
use crate::signed::read_signed;
use crate::state::{App, Call};

/// Asks for a signature.
#[utoipa::path(post, path = "/v1/signatures", tag = "signatures", operation_id = "create_signature",
    params(WaitQuery), request_body = CreateSignatureBody, responses(
        (status = 201, description = "the request is finished: there is a signature, or it is said why not",
            body = SignatureView),
        (status = 202, description = "the signature is being made, or waits for nodes to come back",
            body = SignatureView)))]
pub async fn create(
    State(app): State<Arc<App>>,
    Extension(call): Extension<Call>,
    Params(query): Params<WaitQuery>,
    request: Request,
) -> Result<Response, Refused> {
    let wait = wait(query.wait, request.headers(), WAIT_USUAL)?;
    let signed = read_signed(&app, request).await?;
    check_alone(Endpoint::CreateSignature, &signed, &call)?;
    let made = submit(&app, &call.trace, Endpoint::CreateSignature, signed, wait).await?;
    let view = must_be_signature(made)?;
    Ok(created(view.status.is_final(), &format!("/v1/signatures/{}", view.id), view))
}

/// A request for a signature, and what became of it.
#[utoipa::path(get, path = "/v1/signatures/{id}", tag = "signatures", operation_id = "get_signature",
    params(("id" = String, Path, description = "the id of the request"), WaitQuery),
    responses((status = 200, description = "where it stands", body = SignatureView)))]
pub async fn show(
    State(app): State<Arc<App>>,
    Extension(call): Extension<Call>,
    Named(id): Named,
    Params(query): Params<WaitQuery>,
    headers: HeaderMap,
) -> Result<Json<SignatureView>, Refused> {
    let wait = wait(query.wait, &headers, Duration::ZERO)?;
    let found = find(&app, &call, &id, wait).await?;
    let view = present::signature(found);
    view.map(Json).ok_or_else(|| Refused::new(Code::NoSuchRequest, "the request is not for a signature"))
}

/// Which signatures.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct SignatureQuery {
    /// Only those of this key: its id, or its name if exactly one key has it.
    pub key: Option<String>,
    /// At most so many, 1 to 200; usually 50.
    pub limit: Option<u32>,
    /// `next_cursor` of the page before.
    pub cursor: Option<String>,
}

/// Requests for signatures, newest first. A page may have fewer than the limit and still have a next one.
#[utoipa::path(get, path = "/v1/signatures", tag = "signatures", operation_id = "list_signatures",
    params(SignatureQuery),
    responses((status = 200, description = "a page of signatures", body = SignaturePage)))]
pub async fn list(
    State(app): State<Arc<App>>,
    Extension(call): Extension<Call>,
    Params(query): Params<SignatureQuery>,
) -> Result<Json<SignaturePage>, Refused> {
    let key = match query.key {
        None => String::new(),
        Some(key) => id_of(&app, &call, named(key)?).await?,
    };
    let page = List::Requests.page(&PageQuery { limit: query.limit, cursor: query.cursor })?;
    // Requests for other things share the list, and are left out here.
    let (signatures, next_cursor) =
        filled(&app, &call, page, &key, present::signature, |_: &mpc::Request| false).await?;
    Ok(Json(SignaturePage { signatures, next_cursor }))
}

fn must_be_signature(request: mpc::Request) -> Result<SignatureView, Refused> {
    present::signature(request)
        .ok_or_else(|| Refused::new(Code::Defect, "a coordinator answered with another kind of request"))
}
