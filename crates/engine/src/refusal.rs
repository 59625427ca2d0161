//! Why a node does not take part. Nothing was burnt, signed or sent, except where it says so.

use std::borrow::Cow;

use keymoot_protocol::codec::{Malformed, Reader, Wire, Writer};
use keymoot_types::Party;

use crate::request::BadRequest;

/// A reason in words, of at most [`REASON_MAX`] bytes.
pub type Reason = Cow<'static, str>;

/// The longest reason, in bytes.
pub const REASON_MAX: usize = 512;

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
    Policy(Reason),
    /// There is no such key here, or only one that waits for its certificate.
    #[error("there is no such certified key here")]
    Key,
    /// The key serves something else.
    #[error("the key's scheme does not go with that")]
    Scheme,
    /// The operator has not listed the key's scheme.
    #[error("this node does not serve the key's scheme: its operator has not listed it under `schemes`")]
    NotServed,
    /// The key was retired.
    #[error("the key is retired")]
    Retired,
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
    /// Too many sessions at once.
    #[error("too many sessions at once")]
    TooMany,
    /// The request has had as many attempts as a node gives it.
    #[error("the attempts at this request are used up")]
    Exhausted,
    /// The presignature was burnt before, has expired, or is not here.
    #[error("the presignature is burnt, expired or not here")]
    Presignature,
    /// What presignatures are made with is not here, or not sound with everybody.
    #[error("the setup cannot be used: {0}")]
    Setup(Reason),
    /// More than this node keeps.
    #[error("that is more than this node keeps")]
    Enough,
    /// Parts that do not belong together.
    #[error("{0}")]
    Unfit(Reason),
    /// The client has asked for something else under the same name.
    #[error("the client has made another request with the same nonce")]
    Conflict,
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
            | Self::Scheme
            | Self::NotServed
            | Self::Retired => true,
            Self::Request(BadRequest::Expired | BadRequest::Premature | BadRequest::Elsewhere)
            | Self::Key
            | Self::Generated
            | Self::Signers
            | Self::Banned(_)
            | Self::Seen
            | Self::TooMany
            | Self::Exhausted
            | Self::Presignature
            | Self::Setup(_)
            | Self::Enough
            | Self::Unfit(_)
            | Self::Conflict => false,
        }
    }
}

impl Wire for BadRequest {
    fn write(&self, writer: &mut Writer) {
        writer.uint(match self {
            Self::Malformed => 0,
            Self::Expired => 1,
            Self::Premature => 2,
            Self::TooLong => 3,
            Self::Elsewhere => 4,
        });
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(match reader.uint()? {
            0 => Self::Malformed,
            1 => Self::Expired,
            2 => Self::Premature,
            3 => Self::TooLong,
            4 => Self::Elsewhere,
            _ => return Err(Malformed::Choice),
        })
    }
}

impl Refusal {
    /// Its number in messages.
    const fn number(&self) -> u64 {
        match self {
            Self::Request(_) => 0,
            Self::Client => 1,
            Self::Policy(_) => 2,
            Self::Key => 3,
            Self::Scheme => 4,
            Self::Generated => 5,
            Self::Signers => 6,
            Self::Banned(_) => 7,
            Self::Seen => 8,
            Self::TooMany => 9,
            Self::Presignature => 10,
            Self::Setup(_) => 11,
            Self::Enough => 12,
            Self::Unfit(_) => 13,
            Self::Conflict => 14,
            Self::Retired => 15,
            Self::Exhausted => 16,
            Self::NotServed => 17,
        }
    }
}

impl Wire for Refusal {
    fn write(&self, writer: &mut Writer) {
        writer.uint(self.number());
        match self {
            Self::Request(why) => why.write(writer),
            Self::Policy(why) | Self::Setup(why) | Self::Unfit(why) => writer.bytes(why.as_bytes()),
            Self::Banned(party) => writer.party(*party),
            Self::Client
            | Self::Key
            | Self::Scheme
            | Self::NotServed
            | Self::Generated
            | Self::Signers
            | Self::Seen
            | Self::TooMany
            | Self::Exhausted
            | Self::Presignature
            | Self::Enough
            | Self::Conflict
            | Self::Retired => {}
        }
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let reason = |reader: &mut Reader<'_>| crate::words::text(reader, REASON_MAX).map(Cow::Owned);
        Ok(match reader.uint()? {
            0 => Self::Request(BadRequest::read(reader)?),
            1 => Self::Client,
            2 => Self::Policy(reason(reader)?),
            3 => Self::Key,
            4 => Self::Scheme,
            5 => Self::Generated,
            6 => Self::Signers,
            7 => Self::Banned(reader.party()?),
            8 => Self::Seen,
            9 => Self::TooMany,
            10 => Self::Presignature,
            11 => Self::Setup(reason(reader)?),
            12 => Self::Enough,
            13 => Self::Unfit(reason(reader)?),
            14 => Self::Conflict,
            15 => Self::Retired,
            16 => Self::Exhausted,
            17 => Self::NotServed,
            _ => return Err(Malformed::Choice),
        })
    }
}
