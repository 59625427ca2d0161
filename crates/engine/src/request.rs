//! What a client asks for, and the signature that makes it the client's.
//!
//! The request's name is the digest of everything that is asked. The client signs that name, every node checks the
//! signature itself, and nothing that a coordinator adds can change what was asked. HTTP clients sign a text instead
//! ([`HttpRequest`]); what holds for one form holds for the other.

mod client;
mod http;

use std::fmt;
use std::sync::Arc;

use keymoot_chains::{Kind, Payload};
use keymoot_protocol::codec::{Malformed, Reader, Wire, Writer};
use keymoot_protocol::identity::{IdentityPublic, IdentitySignature};
use keymoot_protocol::transcript::Hash;
use keymoot_types::signed::Algorithm;
use keymoot_types::{GroupId, KeyId, Millis, Path, Scheme};

pub use client::{ClientId, ClientKey};
pub use http::{BODY_MAX, HttpRequest, NAME_MAX};

use crate::crypto::Crypto;

/// The longest time for which a request may ask to be valid, in milliseconds.
pub const VALIDITY_MAX: u64 = 15 * 60 * 1000;

/// How far a client's clock may be ahead of a node's, in milliseconds.
pub const SKEW_MAX: u64 = 30 * 1000;

/// The most attempts at one key, whatever the limits of nodes and coordinators are.
pub const KEY_ATTEMPTS_MAX: u16 = 64;

/// The longest payload of any kind, in bytes.
pub const PAYLOAD_MAX: usize = keymoot_chains::PAYLOAD_MAX;

/// The longest encoded request, in bytes.
pub const REQUEST_MAX: usize = BODY_MAX + 4096;

/// The name of a request: the digest of all that it asks; of client and nonce, if it came by HTTP.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct RequestId(pub Hash);

impl fmt::Debug for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "req_{:?}", self.0)
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "req_{}", self.0)
    }
}

/// What is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ask {
    /// A new key of this scheme.
    Key(Scheme),
    /// A signature.
    Sign {
        /// Under this key.
        key: KeyId,
        /// Of this.
        what: ToSign,
    },
    /// That a key never signs again.
    Retire {
        /// Which.
        key: KeyId,
    },
}

/// What is to be signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToSign {
    /// At this path below the key.
    pub path: Path,
    /// Bytes, and what they are. What is signed follows from them.
    pub payload: Arc<Payload>,
    /// Which of the signatures that the payload needs, from 0. `None` is the only one, and nothing where there are several.
    pub signing: Option<u16>,
}

impl ToSign {
    /// A payload that needs one signature.
    #[must_use]
    pub const fn new(path: Path, payload: Arc<Payload>) -> Self {
        Self { path, payload, signing: None }
    }
}

/// A client's request, as every node sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// What is wanted.
    pub ask: Ask,
    /// By whom.
    pub client: ClientId,
    /// Since when, by the client's clock, in milliseconds of wall time.
    pub created: Millis,
    /// Until when.
    pub expires: Millis,
    /// Makes two equal wishes two requests.
    pub nonce: [u8; 16],
}

/// A request with its client's signature. What a coordinator carries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedRequest {
    /// What is asked.
    pub request: Request,
    /// The client's signature.
    pub signature: IdentitySignature,
    /// What it is a signature on.
    pub form: Form,
}

/// What a client has signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Form {
    /// The request's name.
    Name,
    /// The text that stands for an HTTP request. What is asked was read from it.
    Http(Box<HttpRequest>),
}

/// Why a request is no request of that client at that time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadRequest {
    /// Not an encoding of a request.
    #[error("the bytes are no request")]
    Malformed,
    /// Its time is over.
    #[error("the request has expired")]
    Expired,
    /// It comes from the future.
    #[error("the request was made in the future")]
    Premature,
    /// It asks to be valid for longer than fifteen minutes.
    #[error("a request is valid for 15 minutes at most")]
    TooLong,
    /// It is meant for other nodes.
    #[error("the request is for another group of nodes")]
    Elsewhere,
}

impl Request {
    /// The name that the client signs.
    #[must_use]
    pub fn id<C: Crypto>(&self) -> RequestId {
        RequestId(C::digest("keymoot/request/v1", &self.encode()))
    }

    /// The request, signed by the client that `crypto` is.
    #[must_use]
    pub fn sign<C: Crypto>(self, crypto: &C) -> SignedRequest {
        let signature = crypto.sign(&self.id::<C>().0);
        SignedRequest { request: self, signature, form: Form::Name }
    }

    /// Whether it is neither too old, nor too new, nor for too long.
    ///
    /// # Errors
    /// Which of these it is.
    pub fn check_time(&self, wall: Millis) -> Result<(), BadRequest> {
        if self.expires.0.saturating_sub(self.created.0) > VALIDITY_MAX {
            return Err(BadRequest::TooLong);
        }
        if wall >= self.expires {
            return Err(BadRequest::Expired);
        }
        if self.created > wall.plus(SKEW_MAX) { Err(BadRequest::Premature) } else { Ok(()) }
    }
}

impl SignedRequest {
    /// Reads a request, without looking at its signature.
    ///
    /// # Errors
    /// Bytes that are no request.
    pub fn read_from<C: Crypto>(bytes: &[u8]) -> Result<(RequestId, Self), BadRequest> {
        let signed = Self::decode(bytes).map_err(|_| BadRequest::Malformed)?;
        Ok((signed.id::<C>(), signed))
    }

    /// Its name.
    fn id<C: Crypto>(&self) -> RequestId {
        match &self.form {
            Form::Name => self.request.id::<C>(),
            Form::Http(_) => http::name::<C>(self.request.client, &self.request.nonce),
        }
    }

    /// Whether it is meant for these nodes. What a client signs by name does not say for whom it is.
    ///
    /// # Errors
    /// It names another group.
    pub fn check_group(&self, group: GroupId) -> Result<(), BadRequest> {
        match &self.form {
            Form::Http(http) if !http.is_for(group) => Err(BadRequest::Elsewhere),
            Form::Name | Form::Http(_) => Ok(()),
        }
    }

    /// What was signed, without the signature: whoever can write the same signature in two ways has not asked for two things.
    #[must_use]
    pub fn content(&self) -> Vec<u8> {
        match &self.form {
            Form::Name => self.request.encode().to_vec(),
            Form::Http(http) => HttpRequest { signature: [0; 64], ..(**http).clone() }.to_bytes(),
        }
    }

    /// Whether this enrolled client signed it.
    #[must_use]
    pub fn is_from<C: Crypto>(&self, id: RequestId, client: &ClientKey) -> bool {
        let is_signed = match (&self.form, client) {
            (Form::Name, ClientKey::Ed25519(identity)) => C::verifies(identity, &id.0, &self.signature),
            // A name is signed by identities only.
            (Form::Name, ClientKey::P256(_)) => false,
            (Form::Http(http), client) => http.is_signed_by::<C>(client),
        };
        client.id() == self.request.client && is_signed
    }

    /// The key that the client's name is, where a name is a key.
    #[must_use]
    pub fn key_in_name(&self) -> Option<ClientKey> {
        let is_key = match &self.form {
            Form::Name => true,
            Form::Http(http) => http.parameters().is_ok_and(|one| one.algorithm == Algorithm::Ed25519),
        };
        IdentityPublic::from_bytes(self.request.client.0).filter(|_| is_key).map(ClientKey::Ed25519)
    }
}

/// The key that an attempt at a key request makes. A second attempt makes another key, so that no certificate of the
/// first can ever be taken for it, and nobody but the client's request chooses the name.
#[must_use]
pub fn key_of_attempt<C: Crypto>(request: RequestId, attempt: u16) -> KeyId {
    let mut bytes = request.0.as_bytes().to_vec();
    bytes.extend_from_slice(&attempt.to_le_bytes());
    let digest = C::digest("keymoot/key-of-attempt/v1", &bytes);
    let mut name = [0; 16];
    name.iter_mut().zip(digest.as_bytes()).for_each(|(place, byte)| *place = *byte);
    KeyId::new(name)
}

impl Wire for Request {
    fn write(&self, writer: &mut Writer) {
        match &self.ask {
            Ask::Key(scheme) => {
                writer.uint(0);
                writer.text(scheme.name());
            }
            Ask::Sign { key, what: ToSign { path, payload, signing } } => {
                writer.uint(1);
                writer.bytes(key.as_bytes());
                writer.list(path.steps().iter(), |writer, step| writer.uint(u64::from(*step)));
                writer.text(payload.kind().name());
                writer.bytes(payload.bytes());
                writer.list(signing.iter(), |writer, signing| writer.uint(u64::from(*signing)));
            }
            Ask::Retire { key } => {
                writer.uint(2);
                writer.bytes(key.as_bytes());
            }
        }
        writer.bytes(&self.client.0);
        writer.uint(self.created.0);
        writer.uint(self.expires.0);
        writer.bytes(&self.nonce);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let ask = match reader.uint()? {
            0 => Ask::Key(reader.text()?.parse().map_err(|_| Malformed::Choice)?),
            1 => {
                let key = KeyId::new(reader.fixed()?);
                let steps = reader.list(keymoot_types::key::PATH_DEPTH_MAX, |reader| {
                    u32::try_from(reader.uint()?).map_err(|_| Malformed::Integer)
                })?;
                let path = Path::new(steps).map_err(|_| Malformed::Integer)?;
                let kind = Kind::parse(reader.text()?).ok_or(Malformed::Choice)?;
                let payload = Payload::new(kind, reader.bytes(PAYLOAD_MAX)?.to_vec());
                let payload = Arc::new(payload.map_err(|_| Malformed::WrongLength)?);
                let signing =
                    reader.list(1, |reader| u16::try_from(reader.uint()?).map_err(|_| Malformed::Integer))?;
                Ask::Sign { key, what: ToSign { path, payload, signing: signing.first().copied() } }
            }
            2 => Ask::Retire { key: KeyId::new(reader.fixed()?) },
            _ => return Err(Malformed::Choice),
        };
        Ok(Self {
            ask,
            client: ClientId(reader.fixed()?),
            created: Millis(reader.uint()?),
            expires: Millis(reader.uint()?),
            nonce: reader.fixed()?,
        })
    }
}

impl Wire for SignedRequest {
    fn write(&self, writer: &mut Writer) {
        match &self.form {
            Form::Name => {
                self.request.write(writer);
                writer.bytes(&self.signature.0);
            }
            Form::Http(http) => http.write(writer),
        }
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        if !reader.is_at_text() {
            let (request, signature) = (Request::read(reader)?, IdentitySignature(reader.fixed()?));
            return Ok(Self { request, signature, form: Form::Name });
        }
        let http = HttpRequest::read(reader)?;
        let request = http.request().map_err(|_| Malformed::Choice)?;
        Ok(Self { request, signature: IdentitySignature(http.signature), form: Form::Http(Box::new(http)) })
    }
}
