//! Refusals and failures on their way out, as problems of RFC 9457.

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use keymoot_wire::problem::{CODE_METADATA, Code, PROBLEM_TYPE, Problem, RETRY_METADATA};

/// An answer that is not what was asked for.
#[derive(Clone, Debug)]
pub struct Refused {
    /// What the client is told. The request id comes in at the end, in `trace`.
    pub problem: Box<Problem>,
    /// After how many seconds to try again.
    pub retry_after: Option<u32>,
}

impl Refused {
    /// A problem with this code.
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        // Where there is no room, coming back at once makes it worse. In all other cases the next try may be
        // soon.
        let retry_after = matches!(code, Code::Busy | Code::TooManyRequests).then_some(1);
        Self { problem: Box::new(Problem::new(code, detail)), retry_after }
    }

    /// What went wrong, with all its causes, in one line.
    pub fn caused(code: Code, error: &dyn std::error::Error) -> Self {
        let mut detail = error.to_string();
        let mut cause = error.source();
        while let Some(error) = cause {
            detail = format!("{detail}: {error}");
            cause = error.source();
        }
        Self::new(code, detail)
    }
}

impl From<tonic::Status> for Refused {
    fn from(status: tonic::Status) -> Self {
        let code = Code::of_status(&status);
        // That a coordinator does not let us in is none of the client's business, and no fault of its own.
        let is_ours = matches!(
            code,
            Code::CertificateMissing
                | Code::CertificateRefused
                | Code::TokenMissing
                | Code::TokenRefused
                | Code::TokenExpired
                | Code::TokenBoundElsewhere
                | Code::WrongPeer
        ) || (status.code() == tonic::Code::PermissionDenied
            && !status.metadata().contains_key(CODE_METADATA));
        let is_transport = std::error::Error::source(&status).is_some();
        let (code, detail) = match code {
            _ if is_ours => (Code::CoordinatorsUnavailable, "no coordinator lets this gateway in".to_owned()),
            _ if is_transport => {
                (Code::CoordinatorsUnavailable, "no coordinator could be reached".to_owned())
            }
            Code::Defect => (code, "a coordinator failed; its log says why".to_owned()),
            _ => (code, status.message().to_owned()),
        };
        let mut refused = Self::new(code, detail);
        let told = status.metadata().get(RETRY_METADATA).and_then(|value| value.to_str().ok());
        if let Some(seconds) = told.and_then(|text| text.parse().ok()) {
            refused.retry_after = Some(seconds);
        }
        refused
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = status_of(&self.problem);
        if let Some(seconds) = self.retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response.extensions_mut().insert(*self.problem);
        response
    }
}

fn status_of(problem: &Problem) -> StatusCode {
    StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

/// Writes the problem that a response carries into its body. A response of 400 and above without one, which
/// only a library can have made, gets the problem of its status: there is no other kind of error here.
pub fn write(mut response: Response, request_id: &str) -> Response {
    let told = response.extensions_mut().remove::<Problem>();
    let status = response.status();
    let is_error = status.is_client_error() || status.is_server_error();
    let has_own_body = response.extensions().get::<OwnBody>().is_some();
    let problem = match told {
        Some(problem) => problem,
        None if is_error && !has_own_body => Problem::new(code_of(status), detail_of(status)),
        None => return response,
    };
    let problem = Problem { request_id: request_id.to_owned(), ..problem };
    let (mut parts, _) = response.into_parts();
    parts.status = status_of(&problem);
    parts.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(PROBLEM_TYPE));
    parts.headers.remove(header::CONTENT_LENGTH);
    // Strings and numbers only: there is nothing in it that JSON cannot write.
    let body = serde_json::to_vec(&problem).unwrap_or_default();
    Response::from_parts(parts, Body::from(body))
}

/// Marks a response of 400 and above that is not a problem but an answer, as of health checks.
#[derive(Clone, Copy, Debug)]
pub struct OwnBody;

const fn code_of(status: StatusCode) -> Code {
    match status.as_u16() {
        404 => Code::NoSuchPath,
        405 => Code::MethodNotAllowed,
        413 => Code::BodyTooLarge,
        415 => Code::UnsupportedMedia,
        429 => Code::Busy,
        400..=499 => Code::BadHeader,
        503 => Code::CoordinatorsUnavailable,
        _ => Code::Defect,
    }
}

fn detail_of(status: StatusCode) -> String {
    format!("the answer is {}", status.canonical_reason().unwrap_or("an error"))
}
