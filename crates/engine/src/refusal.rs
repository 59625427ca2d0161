//! Why a node does not take part. Nothing was burnt, signed or sent, except where it says so.

use keymoot_types::Party;

use crate::request::BadRequest;

/// Why a node does not take part in what it was invited to.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It is no request, or not at this time.
    #[error("{0}")]
    Request(BadRequest),
    /// Nobody enrolled such a client, or the signature is another's.
    #[error("the request is not signed by an enrolled client")]
    Client,
    /// The policy says no, or says nothing.
    #[error("the policy refuses it: {0}")]
    Policy(&'static str),
    /// There is no such key here, or only one that waits for its certificate.
    #[error("there is no such certified key here")]
    Key,
    /// The key serves something else.
    #[error("the key's scheme does not go with that")]
    Scheme,
    /// We have signed a certificate for this key in another session.
    #[error("this key has been generated before")]
    Generated,
    /// The signers are no quorum of which we are one.
    #[error("the signers are not a quorum of which this node is one")]
    Signers,
    /// Somebody is banned.
    #[error("{0} is banned")]
    Banned(Party),
    /// We have been in this session before.
    #[error("this session has been here before")]
    Seen,
    /// Too many attempts at one request, or too many sessions at once.
    #[error("too many attempts at this at once")]
    TooMany,
    /// The presignature was burnt before, has expired, or is not here.
    #[error("the presignature is burnt, expired or not here")]
    Presignature,
    /// The pair setup is not here, or not sound with everybody.
    #[error("the pair setup cannot be used: {0}")]
    Setup(&'static str),
    /// More than this node keeps.
    #[error("that is more than this node keeps")]
    Enough,
    /// Parts that do not belong together.
    #[error("{0}")]
    Unfit(&'static str),
}

impl Refusal {
    /// Whether this node will say the same however often it is asked. Such a refusal is signed and counts against the
    /// request; any other is only a reason to try something else.
    #[must_use]
    pub const fn is_final(&self) -> bool {
        match self {
            Self::Request(BadRequest::Malformed | BadRequest::TooLong)
            | Self::Client
            | Self::Policy(_)
            | Self::Scheme => true,
            Self::Request(BadRequest::Expired | BadRequest::Premature)
            | Self::Key
            | Self::Generated
            | Self::Signers
            | Self::Banned(_)
            | Self::Seen
            | Self::TooMany
            | Self::Presignature
            | Self::Setup(_)
            | Self::Enough
            | Self::Unfit(_) => false,
        }
    }
}
