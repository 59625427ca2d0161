//! Batches: many signed requests in one. Each is judged for itself, and none waits for another.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::{Request, State};
use axum::{Extension, Json};
use base64ct::{Base64, Encoding as _};
use futures_util::{StreamExt, stream};
use keymoot_types::signed::LABEL;
use keymoot_wire::mpc;
use keymoot_wire::problem::Code;
use keymoot_wire::rest::{BatchBody, BatchItem, BatchOutcome, BatchView};

use super::submit::{check, endpoint_of, submit};
use super::{Params, WAIT_USUAL, WaitQuery, wait};
use crate::present;
use crate::problem::Refused;
use crate::signed::{parse, read_body, refused, verified};
use crate::state::{App, Call};

/// The most requests in a batch.
pub const ITEMS_MAX: usize = 64;

/// Carries signed requests together. Items may be of several clients; each needs the role of its own
/// endpoint, and each counts as a request in progress of whoever brings the batch.
#[utoipa::path(post, path = "/v1/batches", tag = "signatures", operation_id = "create_batch",
    params(WaitQuery),
    request_body = BatchBody, responses(
        (status = 200, description = "one result for each request, in their order", body = BatchView)))]
pub async fn create(
    State(app): State<Arc<App>>,
    Extension(call): Extension<Call>,
    Params(query): Params<WaitQuery>,
    request: Request,
) -> Result<Json<BatchView>, Refused> {
    let wait = wait(query.wait, request.headers(), WAIT_USUAL)?;
    let (_, _, body) = read_body(&app, request).await?;
    let batch: BatchBody = parse(&body)?;
    if !(1..=ITEMS_MAX).contains(&batch.requests.len()) {
        return Err(Refused::new(Code::InvalidRequest, format!("a batch has 1 to {ITEMS_MAX} requests")));
    }
    // One place was taken at the gate, for the batch itself.
    let _places = app.requests.take(&call.client, batch.requests.len() - 1)?;
    let results = stream::iter(batch.requests).map(|item| one(&app, &call, item, wait)).buffered(ITEMS_MAX);
    Ok(Json(BatchView { results: results.collect().await }))
}

async fn one(app: &App, call: &Call, item: BatchItem, wait: Duration) -> BatchOutcome {
    match admit(app, call, item, wait).await {
        Ok(request) => {
            let view = present::request(request);
            let status = if view.status.is_final() { 201 } else { 202 };
            BatchOutcome { status, request: Some(view), problem: None }
        }
        Err(refused) => {
            let mut problem = *refused.problem;
            problem.request_id = call.trace.to_string();
            BatchOutcome { status: problem.status, request: None, problem: Some(problem) }
        }
    }
}

async fn admit(app: &App, call: &Call, item: BatchItem, wait: Duration) -> Result<mpc::Request, Refused> {
    // The batch itself was counted once at the gate; what it carries counts as if it had come alone.
    app.budgets.take(&call.client, Instant::now()).map_err(|seconds| {
        let mut refused = Refused::new(Code::TooManyRequests, "the budget of this client is used up");
        refused.retry_after = Some(seconds);
        refused
    })?;
    let endpoint = endpoint_of(&item.path).filter(|_| item.method == "POST").ok_or_else(|| {
        Refused::new(Code::NoSuchPath, "a batch carries requests for keys, signatures and retirements")
    })?;
    let signed = verified(&app.document.load(), to_signed(item)?)?;
    check(endpoint, &signed)?;
    submit(app, &call.trace, endpoint, signed, wait).await
}

/// The signed request in an item, whose values are those of the headers.
fn to_signed(item: BatchItem) -> Result<mpc::SignedRequest, Refused> {
    let odd = |name| refused(keymoot_wire::signed::SignedError::Header(name));
    let labelled =
        |text: &str| text.strip_prefix(LABEL).and_then(|rest| rest.strip_prefix('=')).map(str::to_owned);
    let signature_input = labelled(&item.signature_input).ok_or_else(|| odd("signature-input"))?;
    let signature = labelled(&item.signature).ok_or_else(|| odd("signature"))?;
    let encoded = signature.strip_prefix(':').and_then(|rest| rest.strip_suffix(':'));
    let signature = Base64::decode_vec(encoded.unwrap_or_default()).map_err(|_| odd("signature"))?;
    let (method, path, body) = (item.method, item.path, item.body.into_bytes());
    Ok(mpc::SignedRequest { method, path, body, signature_input, signature })
}
