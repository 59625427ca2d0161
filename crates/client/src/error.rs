//! Why a call has no result.

use std::io;

use keymoot_wire::problem::{Code, Problem};
use keymoot_wire::signed::SignedError;
use keymoot_wire::tls::{TlsError, TlsRefusal};

use crate::proof::KeyRefusal;

/// Why a call has no result.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The address of the gateway is not of the form that it must have.
    #[error("`{0}` is not an address of the form https://host:port")]
    Address(String),
    /// The certificates that we were given are not good.
    #[error("the credentials are not good")]
    Credentials(#[source] TlsError),
    /// TLS cannot be set up.
    #[error("TLS cannot be set up")]
    Tls(#[source] rustls::Error),
    /// Tokens of the gateway are bound to a certificate, and we have none.
    #[error("a token of the gateway needs a client certificate, and there is none")]
    NoCertificate,
    /// Nobody can be reached there, or whoever is there shows no good certificate.
    #[error("cannot connect to {gateway}")]
    Connect {
        /// Where.
        gateway: String,
        /// Why.
        #[source]
        cause: io::Error,
    },
    /// Whoever is there has a certificate of the cluster, but is no gateway.
    #[error("whoever is at {gateway} is not a gateway of the cluster")]
    NotAGateway {
        /// Where.
        gateway: String,
        /// Why.
        #[source]
        cause: TlsRefusal,
    },
    /// The connection broke before there was an answer.
    #[error("the connection broke")]
    Broken(#[source] hyper::Error),
    /// The same, and it is known what ended it.
    #[error("the connection broke")]
    Ended(#[source] io::Error),
    /// The gateway has said that our certificate is revoked.
    #[error("the gateway takes this client's certificate no more")]
    Revoked(#[source] io::Error),
    /// No answer in time.
    #[error("there was no answer in time")]
    TookTooLong,
    /// The request cannot be written or signed.
    #[error("the request cannot be signed")]
    Unsigned(#[source] SignedError),
    /// The request has something in it that HTTP cannot carry.
    #[error("the request cannot be written")]
    Unwritable(#[source] http::Error),
    /// The service said no.
    #[error("{}: {}", .0.title, .0.detail)]
    Problem(Box<Problem>),
    /// The service shows a key that the nodes have not certified. Nobody honest does that.
    #[error("the service answers with a key that cannot be believed, {}", key.escape_debug())]
    Uncertified {
        /// The id that it gives.
        key: String,
        /// Why not.
        #[source]
        why: KeyRefusal,
    },
    /// The service answers about another request than the one that was asked for.
    #[error("the service answers with another request, {}", .0.escape_debug())]
    OtherRequest(String),
    /// The answer is not what the interface promises.
    #[error("the answer cannot be read")]
    Unreadable(#[source] serde_json::Error),
    /// The answer has a status that says nothing to us, or is larger than any that makes sense.
    #[error("the answer with status {0} makes no sense")]
    Odd(u16),
}

impl ClientError {
    /// The stable code, if the service gave one or there is one for it.
    #[must_use]
    pub fn code(&self) -> Option<Code> {
        match self {
            Self::Problem(problem) => problem.code.parse().ok(),
            Self::TookTooLong => Some(Code::TookTooLong),
            _ => None,
        }
    }

    /// The problem, if the service told one.
    #[must_use]
    pub fn problem(&self) -> Option<&Problem> {
        match self {
            Self::Problem(problem) => Some(problem),
            _ => None,
        }
    }

    /// Whether the same bytes, sent again, may have an answer soon.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Connect { .. } | Self::Broken(_) | Self::Ended(_) | Self::TookTooLong => true,
            Self::Problem(problem) => problem.code.parse().is_ok_and(Code::is_passing),
            Self::Odd(status) => matches!(status, 429 | 502..=504),
            _ => false,
        }
    }

    /// Whether a new token may help.
    pub(crate) fn is_about_token(&self) -> bool {
        matches!(
            self.code(),
            Some(Code::TokenMissing | Code::TokenRefused | Code::TokenExpired | Code::TokenBoundElsewhere)
        )
    }
}
