//! Requests of any kind.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::{Extension, Json};
use keymoot_wire::mpc;
use keymoot_wire::mpc::mpc_coordinator_client::MpcCoordinatorClient;
use keymoot_wire::problem::Code;
use keymoot_wire::rest::{RequestPage, RequestView, Status};
use prost::Message;
use serde::Deserialize;
use utoipa::IntoParams;

use super::keys::{id_of, named, reading};
use super::submit::{millis, observe};
use super::{List, Named, PageQuery, Params, WaitQuery, wait};
use crate::coordinators::{ANSWER_MAX, Plan};
use crate::present;
use crate::problem::Refused;
use crate::state::{App, Call, wall_ms};

/// How many pages of the coordinators are read at most, to fill one of ours.
const PAGES_MAX: usize = 8;
/// A page of ours is long enough with so many bytes of what coordinators say. One page of theirs has no more.
const PAGE_BYTES: usize = 4 << 20;
/// No request is good for longer than 15 minutes, and the list goes by when they were admitted: behind one that was
/// signed so long ago, none is pending.
const PENDING_MAX_MS: u64 = 2 * 16 * 60 * 1000;

/// Which requests.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct RequestQuery {
    /// Only those that stand so: "pending", "complete", "denied", "expired" or "failed".
    pub status: Option<String>,
    /// Only those about this key: its id, or its name if exactly one key has it.
    pub key: Option<String>,
    /// At most so many, 1 to 200; usually 50.
    pub limit: Option<u32>,
    /// `next_cursor` of the page before.
    pub cursor: Option<String>,
}

/// Requests of any kind, newest first. A page may have fewer than the limit, or none, and still have a next one.
#[utoipa::path(get, path = "/v1/requests", tag = "requests", operation_id = "list_requests",
    params(RequestQuery), responses((status = 200, description = "a page of requests", body = RequestPage)))]
pub async fn list(
    State(app): State<Arc<App>>,
    Extension(call): Extension<Call>,
    Params(query): Params<RequestQuery>,
) -> Result<Json<RequestPage>, Refused> {
    let wanted = query.status.as_deref().map(status).transpose()?;
    let key = match query.key {
        None => String::new(),
        Some(key) => id_of(&app, &call, named(key)?).await?,
    };
    let page = List::Requests.page(&PageQuery { limit: query.limit, cursor: query.cursor })?;
    let pick = |request| {
        Some(present::request(request)).filter(|view| wanted.is_none_or(|status| view.status == status))
    };
    let is_last = |request: &mpc::Request| wanted == Some(Status::Pending) && is_long_past(request);
    let (requests, next_cursor) = filled(&app, &call, page, &key, pick, is_last).await?;
    Ok(Json(RequestPage { requests, next_cursor }))
}

/// A page with what is picked of all requests, and where the next one begins. Behind a page with the last one there is
/// nothing to pick.
///
/// # Errors
/// What the coordinators say, or that none is there.
pub async fn filled<T>(
    app: &App,
    call: &Call,
    mut page: mpc::Page,
    key: &str,
    pick: impl Fn(mpc::Request) -> Option<T>,
    is_last: impl Fn(&mpc::Request) -> bool,
) -> Result<(Vec<T>, Option<String>), Refused> {
    let (mut picked, mut bytes) = (Vec::new(), 0_usize);
    for _ in 0..PAGES_MAX {
        let found = page_of(app, call, &page, key).await?;
        let has_last = found.requests.iter().any(&is_last);
        page.cursor = if has_last { String::new() } else { found.next_cursor };
        for request in found.requests {
            observe(app, &request);
            let length = request.encoded_len();
            if let Some(one) = pick(request) {
                bytes = bytes.saturating_add(length);
                page.limit = page.limit.saturating_sub(1);
                picked.push(one);
            }
        }
        if page.limit == 0 || page.cursor.is_empty() || bytes >= PAGE_BYTES {
            break;
        }
    }
    Ok((picked, List::Requests.wrap(&page.cursor)))
}

/// A page of requests of any kind.
///
/// # Errors
/// What the coordinators say, or that none is there.
pub async fn page_of(
    app: &App,
    call: &Call,
    page: &mpc::Page,
    key: &str,
) -> Result<mpc::ListRequestsResponse, Refused> {
    let found = app.coordinators.call(reading(app, call, call.client.as_bytes()), |via, _| async move {
        let ask = mpc::ListRequestsRequest { page: Some(page.clone()), key: key.to_owned() };
        let mut client = MpcCoordinatorClient::new(via.channel()).max_decoding_message_size(ANSWER_MAX);
        client.list_requests(via.request(ask)).await
    });
    Ok(found.await?)
}

fn status(name: &str) -> Result<Status, Refused> {
    let known = Status::ALL.into_iter().find(|status| status.name() == name);
    known.ok_or_else(|| {
        let names = Status::ALL.map(Status::name).join(", ");
        Refused::new(Code::BadQuery, format!("`status` is one of {names}"))
    })
}

fn is_long_past(request: &mpc::Request) -> bool {
    request.created_ms.saturating_add(PENDING_MAX_MS) < wall_ms()
}

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
