//! Signed requests, refused early where they cannot be good. It saves work and gives better answers; what
//! counts is that every node verifies them itself.

use axum::body::to_bytes;
use axum::extract::Request;
use axum::http::{HeaderMap, header};
use keymoot_types::signed::Parameters;
use keymoot_wire::cluster::{ClientEntry, ClusterDocument};
use keymoot_wire::metered::full;
use keymoot_wire::mpc::SignedRequest;
use keymoot_wire::problem::Code;
use keymoot_wire::signed::{SignedError, from_headers, is_for, parameters, verify};
use serde::de::DeserializeOwned;
use tokio::time::{Duration, timeout};

use crate::problem::Refused;
use crate::state::{App, wall_ms};

/// For how long a body may take to come in.
const BODY_TIME: Duration = Duration::from_secs(15);

/// A request with a signature of an enrolled client.
pub struct Verified {
    pub request: SignedRequest,
    pub parameters: Parameters,
    pub client: ClientEntry,
}

impl Verified {
    /// What all copies of this request have in common, and no other request.
    pub fn sticky(&self) -> Vec<u8> {
        [self.parameters.keyid.as_slice(), self.parameters.nonce.as_slice()].concat()
    }
}

/// Reads a JSON body, within the limits of size and time.
///
/// # Errors
/// Another media type, too large, too slow, no place for it.
pub async fn read_body(app: &App, request: Request) -> Result<(HeaderMap, String, Vec<u8>), Refused> {
    let (parts, body) = request.into_parts();
    must_be_json(&parts.headers)?;
    let limit = app.limits.body_bytes;
    let length = parts.headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok());
    if length.and_then(|text| text.parse::<u64>().ok()).is_some_and(|length| length > limit as u64) {
        return Err(too_large(limit));
    }
    let read = timeout(BODY_TIME, to_bytes(body, limit)).await;
    let read = read.map_err(|_| Refused::new(Code::TookTooLong, "the body took too long to come in"))?;
    let bytes = read.map_err(|error| {
        let is_limit = std::error::Error::source(&error)
            .is_some_and(|cause| cause.is::<http_body_util::LengthLimitError>());
        match full(&error) {
            Some(full) => app.bytes.refused(full),
            None if is_limit => too_large(limit),
            None => Refused::new(Code::MalformedBody, "the body broke off"),
        }
    })?;
    Ok((parts.headers, parts.uri.path().to_owned(), bytes.into()))
}

fn too_large(limit: usize) -> Refused {
    Refused::new(Code::BodyTooLarge, format!("the body has more than {limit} bytes"))
}

fn must_be_json(headers: &HeaderMap) -> Result<(), Refused> {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = value.split(';').next().unwrap_or_default().trim();
    if essence.eq_ignore_ascii_case("application/json") {
        return Ok(());
    }
    Err(Refused::new(Code::UnsupportedMedia, "the header Content-Type is not `application/json`"))
}

/// The JSON object in a body, strictly of its shape. (The library would also take a list of the fields'
/// values.)
///
/// # Errors
/// Not JSON, or of another shape.
pub fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Refused> {
    let first = body.iter().find(|byte| !byte.is_ascii_whitespace());
    if first == Some(&b'[') {
        return Err(Refused::new(Code::UnexpectedBody, "the body is a list, not an object"));
    }
    serde_json::from_slice(body).map_err(|error| match error.classify() {
        serde_json::error::Category::Data => Refused::new(Code::UnexpectedBody, error.to_string()),
        _ => Refused::new(Code::MalformedBody, error.to_string()),
    })
}

/// Reads a signed request and verifies it.
///
/// # Errors
/// What [`read_body`] and [`verified`] refuse.
pub async fn read_signed(app: &App, request: Request) -> Result<Verified, Refused> {
    let method = request.method().as_str().to_owned();
    let (headers, path, body) = read_body(app, request).await?;
    let signed = from_headers(&method, &path, &headers, &body).map_err(refused)?;
    verified(&app.document.load(), signed)
}

/// Whether an enrolled client signed this, for us and for now.
///
/// # Errors
/// Not signed, by nobody we know, for somebody else, or out of its time.
pub fn verified(document: &ClusterDocument, request: SignedRequest) -> Result<Verified, Refused> {
    let told = parameters(&request).map_err(refused)?;
    let client = document.client_of_key(&told.keyid).ok_or_else(|| {
        Refused::new(Code::ClientUnknown, "no client of the cluster document has the key that `keyid` names")
    })?;
    let parameters = verify(&request, &client.key).map_err(refused)?;
    is_for(&parameters, document.group_id(), wall_ms() / 1000).map_err(refused)?;
    Ok(Verified { request, parameters, client: client.clone() })
}

/// A refusal of the reader of signatures, with its code.
pub fn refused(error: SignedError) -> Refused {
    let code = match error {
        SignedError::Missing(_) => Code::RequestUnsigned,
        SignedError::Repeated(_) => Code::BadHeader,
        SignedError::Header("idempotency-key") | SignedError::IdempotencyKey => Code::IdempotencyMismatch,
        SignedError::NotYet | SignedError::Expired => Code::RequestOutOfTime,
        SignedError::Header(_)
        | SignedError::Profile(_)
        | SignedError::Digest
        | SignedError::Length
        | SignedError::OtherKey
        | SignedError::OtherAlgorithm
        | SignedError::Forged
        | SignedError::OtherGroup => Code::RequestSignatureRefused,
    };
    Refused::caused(code, &error)
}
