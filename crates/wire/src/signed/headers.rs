//! The headers of a signed request. Each is there once, in one form.

use base64ct::{Base64, Encoding as _};
use http::{HeaderMap, HeaderName};
use keymoot_types::signed::{LABEL, Parameters, parse_content_digest};
use sha2::{Digest, Sha256};

use super::{SignedError, SignedParts};
use crate::mpc;

/// `Content-Digest`, RFC 9530.
pub const CONTENT_DIGEST: HeaderName = HeaderName::from_static("content-digest");
/// `Signature-Input`, RFC 9421.
pub const SIGNATURE_INPUT: HeaderName = HeaderName::from_static("signature-input");
/// `Signature`, RFC 9421.
pub const SIGNATURE: HeaderName = HeaderName::from_static("signature");
/// `Idempotency-Key`. May be absent; where it is there, it is the nonce.
pub const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

impl SignedParts {
    /// The value of `Signature-Input`.
    #[must_use]
    pub fn signature_input_header(&self) -> String {
        format!("{LABEL}={}", self.signature_input)
    }

    /// The value of `Signature`.
    #[must_use]
    pub fn signature_header(&self) -> String {
        format!("{LABEL}=:{}:", Base64::encode_string(&self.signature))
    }

    /// All three headers.
    #[must_use]
    pub fn headers(&self) -> [(HeaderName, String); 3] {
        [
            (CONTENT_DIGEST, self.content_digest.clone()),
            (SIGNATURE_INPUT, self.signature_input_header()),
            (SIGNATURE, self.signature_header()),
        ]
    }
}

/// The signed request in an HTTP request. It needs no key: whether it is signed is another question.
///
/// # Errors
/// A header that is missing, repeated or in another form; a digest of another body; two keys for idempotency.
pub fn from_headers(
    method: &str,
    path: &str,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<mpc::SignedRequest, SignedError> {
    let digest = parse_content_digest(required(headers, "content-digest")?).map_err(SignedError::Profile)?;
    let input = labelled("signature-input", required(headers, "signature-input")?)?;
    let parameters = Parameters::parse(input).map_err(SignedError::Profile)?;
    let signature = labelled("signature", required(headers, "signature")?)?;
    let signature = signature.strip_prefix(':').and_then(|rest| rest.strip_suffix(':'));
    let mut raw = [0; 64];
    let signature = Base64::decode(signature.ok_or(SignedError::Header("signature"))?, &mut raw);
    if signature.map_err(|_| SignedError::Header("signature"))?.len() != 64 {
        return Err(SignedError::Length);
    }
    if digest != <[u8; 32]>::from(Sha256::digest(body)) {
        return Err(SignedError::Digest);
    }
    if let Some(key) = optional(headers, "idempotency-key")?
        && key != hex::encode(parameters.nonce)
    {
        return Err(SignedError::IdempotencyKey);
    }
    Ok(mpc::SignedRequest {
        method: method.to_owned(),
        path: path.to_owned(),
        body: body.to_vec(),
        signature_input: input.to_owned(),
        signature: raw.to_vec(),
    })
}

fn required<'a>(headers: &'a HeaderMap, name: &'static str) -> Result<&'a str, SignedError> {
    optional(headers, name)?.ok_or(SignedError::Missing(name))
}

/// Two headers of one name would be joined by some readers and not by others.
fn optional<'a>(headers: &'a HeaderMap, name: &'static str) -> Result<Option<&'a str>, SignedError> {
    let mut all = headers.get_all(name).iter();
    match (all.next(), all.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => value.to_str().map(Some).map_err(|_| SignedError::Header(name)),
        (Some(_), Some(_)) => Err(SignedError::Repeated(name)),
    }
}

fn labelled<'a>(name: &'static str, value: &'a str) -> Result<&'a str, SignedError> {
    let rest = value.strip_prefix(LABEL).and_then(|rest| rest.strip_prefix('='));
    rest.ok_or(SignedError::Header(name))
}
