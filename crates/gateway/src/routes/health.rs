//! For machines that look after machines: alive, ready, signing, counted, and which version.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use keymoot_wire::mpc;
use keymoot_wire::rest::{CanaryView, ReadyView, VersionView};

use super::requests::page_of;
use super::submit::observe;
use crate::problem::OwnBody;
use crate::state::{App, Call, wall_ms};

/// A signature younger than this shows that signing works.
const CANARY_AGE: Duration = Duration::from_secs(60);
/// How many of the newest requests are looked through for one.
const LOOK_AT: u32 = 20;

/// Whether the process runs.
#[utoipa::path(get, path = "/livez", tag = "health", operation_id = "livez",
    responses((status = 200, description = "it runs", body = String, content_type = "text/plain")))]
pub async fn livez() -> &'static str {
    "alive\n"
}

/// Whether the gateway can serve, and if not, why.
#[utoipa::path(get, path = "/readyz", tag = "health", operation_id = "readyz", responses(
    (status = 200, description = "it can", body = ReadyView),
    (status = 503, description = "it cannot, for these reasons", body = ReadyView)))]
pub async fn readyz(State(app): State<Arc<App>>) -> Response {
    let view = app.readiness.look(&app).await;
    own(view.ready, view)
}

/// Whether a signature was made within the last 60 seconds, by anybody.
#[utoipa::path(get, path = "/canaryz", tag = "health", operation_id = "canaryz", responses(
    (status = 200, description = "it was", body = CanaryView),
    (status = 503, description = "it was not, or no canary yet", body = CanaryView)))]
pub async fn canaryz(State(app): State<Arc<App>>, Extension(call): Extension<Call>) -> Response {
    if app.canary.age(wall_ms()).is_none_or(|age| age > CANARY_AGE) {
        // Others may have signed through another gateway. If nobody answers, there is no newer one.
        let page = mpc::Page { limit: LOOK_AT, cursor: String::new() };
        if let Ok(found) = page_of(&app, &call, &page, "").await {
            found.requests.iter().for_each(|request| observe(&app, request));
        }
    }
    let age = app.canary.age(wall_ms());
    let age_ms = age.map(|age| u64::try_from(age.as_millis()).unwrap_or(u64::MAX));
    let alive = age.is_some_and(|age| age <= CANARY_AGE);
    let detail = match age {
        None => "no canary yet".to_owned(),
        Some(age) => format!("a signature was made {} s ago", age.as_secs()),
    };
    own(alive, CanaryView { alive, age_ms, detail })
}

/// What Prometheus scrapes.
#[utoipa::path(get, path = "/metrics", tag = "health", operation_id = "metrics",
    responses((status = 200, description = "all metrics", body = String, content_type = "text/plain")))]
pub async fn metrics(State(app): State<Arc<App>>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], app.metrics.render())
}

/// What runs here.
#[utoipa::path(get, path = "/version", tag = "health", operation_id = "version",
    responses((status = 200, description = "versions", body = VersionView)))]
pub async fn version(State(app): State<Arc<App>>) -> Json<VersionView> {
    let document = app.document.load();
    Json(VersionView {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        cluster: document.cluster.clone(),
        gateway: app.identity.current().id().name().to_owned(),
        document_version: document.version,
        document: hex::encode(document.digest()),
    })
}

/// Health checks say no in their own words.
fn own(is_good: bool, view: impl serde::Serialize) -> Response {
    let status = if is_good { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let mut response = (status, Json(view)).into_response();
    response.extensions_mut().insert(OwnBody);
    response
}
