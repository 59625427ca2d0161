//! Tokens (JWT) that go with every call, beside the certificate. A token is bound to the certificate it comes with
//! (RFC 8705): whoever steals it alone has nothing.
//!
//! There are three kinds of issuers. Every process mints for itself, with its TLS key. Gateways mint for clients. Foreign
//! issuers (OIDC) mint for clients, with keys that the cluster document lists or that are fetched from where it says.
//! What a client may do is not in the token but in the cluster document, under its name.
//!
//! Nothing in a token says where a key is to be had. Our own tokens carry the public key itself as `kid`; its digest must
//! be one that the cluster document pins. In all others `kid` is a name that is looked up among known keys.

mod claims;
mod header;
mod issuer;
mod known;
mod mint;
mod verify;

use crate::cluster::Role;
use crate::identity::PeerId;
use crate::problem::Code;

pub use known::{Known, Shown};
pub use mint::{MintError, Minter};
pub use verify::{Unbound, Verifier};

/// The longest life of a token, in seconds.
pub const LIFETIME_MAX: u64 = 15 * 60;

/// For how long keys count that were fetched from a foreign issuer, in seconds: if they cannot be fetched again, somebody may
/// not want it to be known that one of them is good no more.
pub const KEYS_AGE_MAX: u64 = 60 * 60;

/// For how long clocks may differ, in seconds.
pub const LEEWAY: u64 = 30;

/// The longest token, in characters.
pub const TOKEN_MAX: usize = 8 * 1024;

/// Who issued a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum IssuerKind {
    /// A process of the cluster, for itself.
    Service,
    /// A gateway of the cluster, for a client.
    Local,
    /// A foreign issuer, for a client.
    Foreign,
}

/// Whom a token is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// A node, a coordinator or a gateway.
    Process(PeerId),
    /// An enrolled client, with the role that the cluster document gives it.
    Client {
        /// Its name.
        name: String,
        /// What it may do.
        role: Role,
    },
}

/// What a good token says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// Whom it is about.
    pub subject: Subject,
    /// Who says so.
    pub issuer: IssuerKind,
    /// Until when, in seconds of Unix time.
    pub expires: u64,
}

/// Why a token was refused. The texts are stable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, thiserror::Error)]
pub enum TokenError {
    /// There is none.
    #[error("there is no token")]
    Missing,
    /// Not three parts of base64url with the JSON that they must have.
    #[error("the token is malformed")]
    Malformed,
    /// Not one of the algorithms that its issuer may use; `none` and HMAC never are.
    #[error("the token's algorithm is not allowed")]
    Algorithm,
    /// Nobody whose tokens count here.
    #[error("the token's issuer is unknown")]
    UnknownIssuer,
    /// Not a key of its issuer.
    #[error("the token names a key that its issuer does not have")]
    UnknownKey,
    /// The signature does not verify.
    #[error("the token's signature does not verify")]
    Signature,
    /// It is meant for another cluster.
    #[error("the token is for another audience")]
    Audience,
    /// It is not good any more.
    #[error("the token has expired")]
    Expired,
    /// It is not good yet, or from the future.
    #[error("the token is not valid yet")]
    NotYet,
    /// It lives for more than 15 minutes.
    #[error("the token lives for longer than 15 minutes")]
    TooLong,
    /// It is not bound to a certificate.
    #[error("the token is not bound to a certificate")]
    NotBound,
    /// It is bound to another certificate than it came with, or came without.
    #[error("the token is bound to another certificate")]
    BoundToAnother,
    /// It is about nobody in the cluster, about somebody else than whose certificate it came with, or about a client that
    /// its issuer does not speak for.
    #[error("the token is about somebody else")]
    Subject,
}

impl TokenError {
    /// The code of the problem that this is to whoever brought the token.
    #[must_use]
    pub const fn code(self) -> Code {
        match self {
            Self::Missing => Code::TokenMissing,
            Self::Expired | Self::NotYet | Self::TooLong => Code::TokenExpired,
            Self::NotBound | Self::BoundToAnother => Code::TokenBoundElsewhere,
            Self::Malformed
            | Self::Algorithm
            | Self::UnknownIssuer
            | Self::UnknownKey
            | Self::Signature
            | Self::Audience
            | Self::Subject => Code::TokenRefused,
        }
    }
}

/// The token in an `Authorization` header.
///
/// # Errors
/// No header, or not one bearer token.
pub fn bearer(authorization: Option<&str>) -> Result<&str, TokenError> {
    let (scheme, token) =
        authorization.ok_or(TokenError::Missing)?.split_once(' ').ok_or(TokenError::Malformed)?;
    if !scheme.eq_ignore_ascii_case("bearer") || token.contains(' ') {
        return Err(TokenError::Malformed);
    }
    if token.is_empty() { Err(TokenError::Missing) } else { Ok(token) }
}
