//! Requests of any kind.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::{Extension, Json};
use keymoot_wire::mpc;
use keymoot_wire::mpc::mpc_coordinator_client::MpcCoordinatorClient;
use keymoot_wire::problem::Code;
use keymoot_wire::rest::RequestView;

use super::submit::{millis, observe};
use super::{Named, Params, WaitQuery, wait};
use crate::coordinators::{ANSWER_MAX, Plan};
use crate::present;
use crate::problem::Refused;
use crate::state::{App, Call};

/// A request of any kind, and what became of it.
#[utoipa::path(get, path = "/v1/requests/{id}", tag = "requests", operation_id = "get_request",
    params(("id" = String, Path, description = "the id of the request"), WaitQuery),
    responses((status = 200, description = "where it stands", body = RequestView)))]
pub async fn show(
    State(app): State<Arc<App>>,
    Extension(call): Extension<Call>,
    Named(id): Named,
    Params(query): Params<WaitQuery>,
    headers: HeaderMap,
) -> Result<Json<RequestView>, Refused> {
    let wait = wait(query.wait, &headers, Duration::ZERO)?;
    Ok(Json(present::request(find(&app, &call, &id, wait).await?)))
}

/// A request by its id, after waiting for its outcome for as long as is said.
///
/// # Errors
/// There is none.
pub async fn find(app: &App, call: &Call, id: &str, wait: Duration) -> Result<mpc::Request, Refused> {
    if !is_request_id(id) {
        return Err(Refused::new(
            Code::NoSuchRequest,
            "ids of requests are req_ and 64 lower-case hex digits",
        ));
    }
    let plan = Plan { sticky: id.as_bytes(), trace: &call.trace, wait, budget: app.limits.budget };
    let found = app.coordinators.call(plan, |via, wait| async move {
        let mut client = MpcCoordinatorClient::new(via.channel()).max_decoding_message_size(ANSWER_MAX);
        let (request, wait_ms) = (id.to_owned(), millis(wait));
        if wait_ms == 0 {
            client.get_session_status(via.request(mpc::GetSessionStatusRequest { request, wait_ms })).await
        } else {
            client
                .aggregate_signatures(via.request(mpc::AggregateSignaturesRequest { request, wait_ms }))
                .await
        }
    });
    let found = found.await.map_err(|status| {
        let refused = Refused::from(status);
        if refused.problem.code == Code::NothingThere.as_str() {
            Refused::new(Code::NoSuchRequest, "no request has this id")
        } else {
            refused
        }
    })?;
    observe(app, &found);
    Ok(found)
}

/// Whether this could be the id of a request.
pub fn is_request_id(id: &str) -> bool {
    id.strip_prefix("req_").is_some_and(|digits| {
        // The digest of client and nonce is longer than other ids.
        matches!(digits.len(), 32 | 64)
            && digits.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'))
    })
}
