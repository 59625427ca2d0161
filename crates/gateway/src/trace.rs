//! The outermost layer: every request gets an id, a span, a time limit and a count, and every error becomes a
//! problem.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Instant;

use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt;
use keymoot_wire::problem::Code;
use metrics::{counter, gauge, histogram};
use tokio::time::timeout;
use tracing::field::Empty;
use tracing::{Instrument, debug, error, info_span};

use crate::access::Endpoint;
use crate::problem::{self, Refused};
use crate::state::App;

/// The header with the id, in and out.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The id of a request, in its extensions.
#[derive(Clone, Debug)]
pub struct RequestId(pub Arc<str>);

/// Everything that goes around every request, whether its path exists or not.
pub async fn around(State(app): State<Arc<App>>, mut request: Request, next: Next) -> Response {
    let given = request.headers().get(REQUEST_ID).and_then(|value| value.to_str().ok());
    let id = keymoot_wire::trace::name_of(given);
    request.extensions_mut().insert(RequestId(id.clone()));
    let (method, path) = (request.method(), request.uri().path());
    let span = info_span!("request", id = &*id, %method, path, client = Empty);
    let limit = app.limits.answer_time();
    let began = Instant::now();
    gauge!("keymoot_http_requests_in_progress").increment(1.0);
    let answer =
        AssertUnwindSafe(timeout(limit, next.run(request))).catch_unwind().instrument(span.clone()).await;
    gauge!("keymoot_http_requests_in_progress").decrement(1.0);
    let response = match answer {
        Ok(Ok(response)) => response,
        Ok(Err(_)) => Refused::new(Code::TookTooLong, "the answer took too long").into_response(),
        Err(_) => {
            span.in_scope(|| error!("a handler panicked"));
            Refused::new(Code::Defect, "the gateway failed; its log says why").into_response()
        }
    };
    let endpoint = response.extensions().get::<Endpoint>().map_or("none", |endpoint| endpoint.name());
    let mut response = problem::write(response, &id);
    if let Ok(value) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    let headers = response.headers_mut();
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    let status = response.status().as_u16();
    let elapsed = began.elapsed();
    counter!("keymoot_http_requests_total", "endpoint" => endpoint, "status" => status.to_string())
        .increment(1);
    histogram!("keymoot_http_request_seconds", "endpoint" => endpoint).record(elapsed);
    span.in_scope(|| debug!(endpoint, status, ?elapsed, "answered"));
    response
}
