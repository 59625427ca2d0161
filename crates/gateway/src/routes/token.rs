//! Tokens for clients of this cluster.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use keymoot_wire::problem::Code;
use keymoot_wire::rest::{EmptyBody, TokenView, rfc3339};

use super::{NoQuery, Params};
use crate::problem::Refused;
use crate::signed::{parse, read_signed};
use crate::state::{App, Call};

/// Asks for a token, with a client certificate and a signed request. The token is bound to that certificate.
#[utoipa::path(post, path = "/v1/tokens", tag = "tokens", operation_id = "create_token",
    request_body = EmptyBody, responses((status = 201, description = "a token", body = TokenView)))]
pub async fn create(
    State(app): State<Arc<App>>,
    Extension(call): Extension<Call>,
    Params(NoQuery {}): Params<NoQuery>,
    request: Request,
) -> Result<Response, Refused> {
    let x5t = call.peer.as_ref().map(|peer| peer.x5t).ok_or_else(|| {
        Refused::new(Code::CertificateMissing, "a token is bound to a certificate, and there is none")
    })?;
    let signed = read_signed(&app, request).await?;
    parse::<EmptyBody>(&signed.request.body)?;
    if signed.client.name != *call.client {
        let detail =
            format!("`{}` signed it, and the certificate is of `{}`", signed.client.name, call.client);
        return Err(Refused::new(Code::SomebodyElsesRequest, detail));
    }
    let fresh = app.tokens.mint(&signed.client.name, &x5t);
    let fresh = fresh.map_err(|error| Refused::caused(Code::Defect, &error))?;
    let expires_ms = fresh.expires.saturating_mul(1000);
    let view = TokenView {
        token: fresh.token,
        expires_at: rfc3339(expires_ms).unwrap_or_default(),
        expires_ms,
        role: signed.client.role.name().to_owned(),
    };
    Ok((StatusCode::CREATED, Json(view)).into_response())
}
