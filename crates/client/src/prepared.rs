//! A signed request, ready to be sent as often as it takes.

use std::time::{Duration, SystemTime};

use http::{HeaderName, HeaderValue, Method, Request, header};
use http_body_util::Full;
use hyper::body::Bytes;
use keymoot_wire::rest::BatchItem;
use keymoot_wire::signed::{IDEMPOTENCY_KEY, SignedParts, Unsigned};
use rand::RngCore;
use serde::{Deserialize, Serialize};

use crate::Client;
use crate::error::ClientError;

/// A signed request. Sending it twice asks for the same thing, and has the same answer.
#[derive(Clone, Debug)]
pub struct Prepared {
    path: String,
    body: Vec<u8>,
    parts: SignedParts,
    ticket: Ticket,
}

/// What tells a signed request from all others of the same content. Whoever keeps it can make the same request again,
/// byte for byte, in another process: signing leaves nothing to chance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ticket {
    #[serde(with = "hex::serde")]
    nonce: [u8; 16],
    created: u64,
    expires: u64,
}

impl Ticket {
    /// Until when the request is good, in seconds of Unix time.
    #[must_use]
    pub const fn expires(&self) -> u64 {
        self.expires
    }
}

impl Prepared {
    /// What names the request for ever: its nonce, in hex.
    #[must_use]
    pub fn idempotency_key(&self) -> String {
        hex::encode(self.ticket.nonce)
    }

    /// Until when it is good, in seconds of Unix time.
    #[must_use]
    pub const fn expires(&self) -> u64 {
        self.ticket.expires
    }

    /// What to keep of it, to be able to make it again.
    #[must_use]
    pub const fn ticket(&self) -> Ticket {
        self.ticket
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
        let mut nonce = [0; 16];
        rand::rngs::OsRng.fill_bytes(&mut nonce);
        let created = now();
        let expires = created.saturating_add(self.config.lifetime.as_secs().max(1));
        self.prepare_again(path, body, Ticket { nonce, created, expires })
    }

    /// Signs the request that this ticket is of, if path and body are the same.
    pub(crate) fn prepare_again(
        &self,
        path: String,
        body: &impl Serialize,
        ticket: Ticket,
    ) -> Result<Prepared, ClientError> {
        let body = serde_json::to_vec(body).map_err(ClientError::Unreadable)?;
        let Ticket { nonce, created, expires } = ticket;
        let (method, group) = ("POST", self.config.group);
        let request = Unsigned { method, path: &path, body: &body, created, expires, nonce, group };
        let parts = self.config.key.sign(&request).map_err(ClientError::Unsigned)?;
        Ok(Prepared { path, body, parts, ticket })
    }
}

/// Seconds of Unix time.
pub(crate) fn now() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs()
}

#[cfg(test)]
pub(crate) mod tests {
    use keymoot_types::GroupId;
    use keymoot_wire::authority::Authority;
    use keymoot_wire::rest::CreateSignatureBody;
    use keymoot_wire::signed::SigningKey;

    use crate::{Bearer, Client, ClientConfig, LIFETIME, Retry, Ticket};

    /// One that talks to nobody.
    pub fn client() -> Client {
        keymoot_wire::install_providers();
        let authority = Authority::create("test").unwrap();
        Client::new(ClientConfig {
            gateway: "https://127.0.0.1:1".into(),
            authority_pem: authority.certificate_pem().to_owned(),
            identity: None,
            key: SigningKey::ed25519(&[1; 32]),
            group: GroupId::new([1; 16]),
            bearer: Bearer::Given(String::new().into()),
            retry: Retry::NONE,
            lifetime: LIFETIME,
        })
        .unwrap()
    }

    #[test]
    fn a_kept_ticket_makes_the_same_request_again_in_another_process() {
        let body = |payload: &str| CreateSignatureBody {
            key: "key_0".into(),
            path: "m".into(),
            kind: "message".into(),
            payload: payload.into(),
            signing: None,
        };
        let first = client().prepare_signature(&body("00")).unwrap();
        let kept = serde_json::to_string(&first.ticket()).unwrap();
        let ticket: Ticket = serde_json::from_str(&kept).unwrap();
        let again = client().prepare_signature_again(&body("00"), ticket).unwrap();
        assert_eq!((again.to_item(), again.expires()), (first.to_item(), first.expires()));
        let other = client().prepare_signature_again(&body("01"), ticket).unwrap();
        assert_ne!(other.to_item().signature, first.to_item().signature);
    }
}
