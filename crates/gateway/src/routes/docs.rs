//! The description of the interface, for programs and for people. Served from the binary: nothing is fetched.

use std::borrow::Cow;
use std::sync::{Arc, LazyLock};

use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Redirect, Response};
use hyper::body::Bytes;
use keymoot_wire::problem::Code;
use utoipa_swagger_ui::{Config, serve};

use super::Named;
use crate::problem::Refused;
use crate::state::App;

static SWAGGER: LazyLock<Arc<Config<'static>>> = LazyLock::new(|| Arc::new(Config::new(["/openapi.json"])));

/// What the pages may do: only what they bring along.
const POLICY: &str = "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; \
                      frame-ancestors 'none'; base-uri 'none'; form-action 'none'";

/// OpenAPI 3.1.
#[utoipa::path(get, path = "/openapi.json", tag = "docs", operation_id = "openapi",
    responses((status = 200, description = "this description", content_type = "application/json")))]
pub async fn openapi(State(app): State<Arc<App>>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/json")], app.openapi.clone())
}

/// To where the pages are.
pub async fn root() -> Redirect {
    Redirect::permanent("/docs/")
}

/// The first page.
pub async fn index() -> Result<Response, Refused> {
    page("")
}

/// Everything that it needs.
pub async fn file(Named(file): Named) -> Result<Response, Refused> {
    page(&file)
}

fn page(file: &str) -> Result<Response, Refused> {
    let found = serve(file, SWAGGER.clone());
    let found = found.map_err(|_| Refused::new(Code::Defect, "the page cannot be read from the binary"))?;
    let page = found.ok_or_else(|| Refused::new(Code::NoSuchPath, "there is no such page"))?;
    // What lies in the binary is sent from there: everybody shares it.
    let bytes = match page.bytes {
        Cow::Borrowed(bytes) => Bytes::from_static(bytes),
        Cow::Owned(bytes) => bytes.into(),
    };
    let mut response = bytes.into_response();
    let headers = response.headers_mut();
    if let Ok(kind) = HeaderValue::from_str(&page.content_type) {
        headers.insert(header::CONTENT_TYPE, kind);
    }
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("max-age=3600"));
    Ok(response)
}
