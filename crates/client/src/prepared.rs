//! A signed request, ready to be sent as often as it takes.

use std::time::{Duration, SystemTime};

use http::{HeaderName, HeaderValue, Method, Request, header};
use http_body_util::Full;
use hyper::body::Bytes;
use keymoot_wire::rest::BatchItem;
use keymoot_wire::signed::{IDEMPOTENCY_KEY, SignedParts, Unsigned};
use rand::RngCore;
use serde::Serialize;

use crate::Client;
use crate::error::ClientError;

/// A signed request. Sending it twice asks for the same thing, and has the same answer.
#[derive(Clone, Debug)]
pub struct Prepared {
    path: String,
    body: Vec<u8>,
    parts: SignedParts,
    nonce: [u8; 16],
    expires: u64,
}

impl Prepared {
    /// What names the request for ever: its nonce, in hex.
    #[must_use]
    pub fn idempotency_key(&self) -> String {
        hex::encode(self.nonce)
    }

    /// Until when it is good, in seconds of Unix time.
    #[must_use]
    pub const fn expires(&self) -> u64 {
        self.expires
    }

    /// As an item of a batch.
    #[must_use]
    pub fn to_item(&self) -> BatchItem {
        BatchItem {
            method: Method::POST.to_string(),
            path: self.path.clone(),
            // We have written it ourselves, as JSON.
            body: String::from_utf8_lossy(&self.body).into_owned(),
            signature_input: self.parts.signature_input_header(),
            signature: self.parts.signature_header(),
        }
    }

    /// As an HTTP request.
    pub(crate) fn to_http(&self, authority: &str, query: &str) -> Result<Request<Full<Bytes>>, ClientError> {
        let mut request = Request::builder()
            .method(Method::POST)
            .uri(format!("https://{authority}{}{query}", self.path))
            .header(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))
            .header(IDEMPOTENCY_KEY, self.idempotency_key());
        for (name, value) in self.parts.headers() {
            request = request.header::<HeaderName, String>(name, value);
        }
        request.body(Full::new(Bytes::from(self.body.clone()))).map_err(ClientError::Unwritable)
    }
}

impl Client {
    /// Signs a request for this path with this body.
    pub(crate) fn prepare(&self, path: String, body: &impl Serialize) -> Result<Prepared, ClientError> {
        let body = serde_json::to_vec(body).map_err(ClientError::Unreadable)?;
        let mut nonce = [0; 16];
        rand::rngs::OsRng.fill_bytes(&mut nonce);
        let created = now();
        let expires = created.saturating_add(self.config.lifetime.as_secs().max(1));
        let (method, group) = ("POST", self.config.group);
        let request = Unsigned { method, path: &path, body: &body, created, expires, nonce, group };
        let parts = self.config.key.sign(&request).map_err(ClientError::Unsigned)?;
        Ok(Prepared { path, body, parts, nonce, expires })
    }
}

/// Seconds of Unix time.
pub(crate) fn now() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs()
}
