//! A request as an HTTP client signs it: a narrow profile of RFC 9421. What it asks follows from path and body alone, and
//! whoever carries it hands on what the client signed, byte for byte.

use std::sync::Arc;

use keymoot_chains::{Kind, Payload};
use keymoot_protocol::codec::{Malformed, Reader, Wire, Writer};
use keymoot_protocol::dkls23::PayloadHash;
use keymoot_protocol::identity::IdentitySignature;
use keymoot_types::signed::{self, Parameters};
use keymoot_types::{GroupId, KeyId, Millis, Path, Scheme};
use serde::Deserialize;

use super::client::{ClientId, ClientKey};
use super::{Ask, BadRequest, PAYLOAD_MAX, Request, RequestId, ToSign};
use crate::crypto::Crypto;
use crate::words::text;

/// Marks the encoding of such a request. A request in the other form begins with a number, never with a text.
const MARK: &str = "keymoot/http-request/v1";

/// The longest path, in bytes.
const TARGET_MAX: usize = 512;

/// The longest text of signature parameters, in bytes.
const INPUT_MAX: usize = 512;

pub use keymoot_types::signed::BODY_MAX;

/// The longest name that a client gives to a key, in bytes.
pub const NAME_MAX: usize = 64;

/// What an HTTP client signed, and its signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpRequest {
    /// The method: `POST`.
    pub method: String,
    /// The path, without a query.
    pub path: String,
    /// The body, byte for byte.
    pub body: Vec<u8>,
    /// The covered components and parameters, as the client sent them in `Signature-Input`, after the label.
    pub input: String,
    /// The signature: of Ed25519, or r and s of P-256.
    pub signature: [u8; 64],
}

/// `POST /v1/keys`
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewKey {
    scheme: String,
    #[serde(default)]
    name: Option<String>,
}

/// `POST /v1/signatures`
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewSignature {
    key: String,
    #[serde(default)]
    path: Option<String>,
    kind: String,
    payload: String,
    #[serde(default)]
    signing: Option<u16>,
}

/// `POST /v1/keys/{id}/retire`
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Retirement {}

impl HttpRequest {
    /// Reads what it says of itself.
    ///
    /// # Errors
    /// Parameters that are not in their one form.
    pub fn parameters(&self) -> Result<Parameters, BadRequest> {
        Parameters::parse(&self.input).map_err(|_| BadRequest::Malformed)
    }

    /// What it asks, as all nodes see it.
    ///
    /// # Errors
    /// A path, a body or parameters that are none of ours.
    pub fn request(&self) -> Result<Request, BadRequest> {
        let Parameters { created, expires, nonce, keyid, .. } = self.parameters()?;
        let ask = self.ask()?;
        let (created, expires) = (milliseconds(created), milliseconds(expires));
        Ok(Request { ask, client: ClientId(keyid), created, expires, nonce })
    }

    /// The name of the request: it follows from client and nonce alone, so that a nonce is good for one request.
    ///
    /// # Errors
    /// As [`HttpRequest::parameters`].
    pub fn id<C: Crypto>(&self) -> Result<RequestId, BadRequest> {
        let Parameters { nonce, keyid, .. } = self.parameters()?;
        Ok(name::<C>(ClientId(keyid), &nonce))
    }

    /// What the client calls the key that it asks for: for people's eyes, and nothing that a node goes by.
    #[must_use]
    pub fn key_name(&self) -> Option<String> {
        let is_its = self.path == "/v1/keys";
        is_its.then(|| serde_json::from_slice::<NewKey>(&self.body).ok()).flatten().and_then(|body| body.name)
    }

    /// The bytes as the engine takes them.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        self.encode().to_vec()
    }

    fn ask(&self) -> Result<Ask, BadRequest> {
        // A list would be read as the fields of an object, in order.
        let is_object = self.body.trim_ascii_start().first() == Some(&b'{');
        if self.method != "POST" || self.body.len() > BODY_MAX || !is_object {
            return Err(BadRequest::Malformed);
        }
        match self.path.as_str() {
            "/v1/keys" => key(&self.body),
            "/v1/signatures" => signature(&self.body),
            path => retirement(path, &self.body),
        }
        .ok_or(BadRequest::Malformed)
    }

    /// Whether it is meant for this group of nodes.
    #[must_use]
    pub fn is_for(&self, group: GroupId) -> bool {
        self.parameters().is_ok_and(|parameters| parameters.group() == Some(group))
    }

    /// Whether this client signed it, whatever it asks.
    #[must_use]
    pub fn is_signed_by<C: Crypto>(&self, client: &ClientKey) -> bool {
        let digest = signed::content_digest(&PayloadHash::Sha256.of(&self.body));
        let Ok(parameters) = self.parameters() else { return false };
        let base = signed::base(&self.method, &self.path, &digest, &parameters);
        parameters.algorithm == client.algorithm()
            && ClientId(parameters.keyid) == client.id()
            && base.is_ok_and(|base| client.verifies_base::<C>(&base, &IdentitySignature(self.signature)))
    }
}

/// The name of the request that this client makes with this nonce.
pub(super) fn name<C: Crypto>(client: ClientId, nonce: &[u8; 16]) -> RequestId {
    let mut writer = Writer::new();
    writer.bytes(&client.0);
    writer.bytes(nonce);
    RequestId(C::digest(MARK, writer.as_bytes()))
}

const fn milliseconds(seconds: u64) -> Millis {
    Millis(seconds.saturating_mul(1000))
}

fn key(body: &[u8]) -> Option<Ask> {
    let NewKey { scheme, name } = serde_json::from_slice(body).ok()?;
    let is_name = |name: &str| !name.is_empty() && name.len() <= NAME_MAX && !name.contains(char::is_control);
    let scheme: Scheme = scheme.parse().ok()?;
    name.is_none_or(|name| is_name(&name)).then_some(Ask::Key(scheme))
}

fn signature(body: &[u8]) -> Option<Ask> {
    let NewSignature { key, path, kind, payload, signing } = serde_json::from_slice(body).ok()?;
    let key: KeyId = key.parse().ok()?;
    let path: Path = path.map_or_else(|| Some(Path::root()), |path| path.parse().ok())?;
    let payload = Payload::new(Kind::parse(&kind)?, digits(&payload)?).ok()?;
    Some(Ask::Sign { key, what: ToSign { path, payload: Arc::new(payload), signing } })
}

fn retirement(path: &str, body: &[u8]) -> Option<Ask> {
    let key = path.strip_prefix("/v1/keys/")?.strip_suffix("/retire")?.parse().ok()?;
    let Retirement {} = serde_json::from_slice(body).ok()?;
    Some(Ask::Retire { key })
}

/// Bytes in hexadecimal digits, with or without `0x` in front.
fn digits(text: &str) -> Option<Vec<u8>> {
    let digits = text.strip_prefix("0x").unwrap_or(text);
    if digits.len() > 2 * PAYLOAD_MAX {
        return None;
    }
    hex::decode(digits).ok()
}

impl Wire for HttpRequest {
    fn write(&self, writer: &mut Writer) {
        writer.text(MARK);
        writer.text(&self.method);
        writer.bytes(self.path.as_bytes());
        writer.bytes(&self.body);
        writer.bytes(self.input.as_bytes());
        writer.bytes(&self.signature);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        if reader.text()? != MARK {
            return Err(Malformed::Choice);
        }
        Ok(Self {
            method: reader.text()?.to_owned(),
            path: text(reader, TARGET_MAX)?,
            body: reader.bytes(BODY_MAX)?.to_vec(),
            input: text(reader, INPUT_MAX)?,
            signature: reader.fixed()?,
        })
    }
}
