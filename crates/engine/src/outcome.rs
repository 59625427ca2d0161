//! The last word on a request. It is stored before it is told, and never changes.

use keymoot_protocol::codec::{Malformed, Reader, Wire, Writer};
use keymoot_protocol::identity::IdentitySignature;
use keymoot_types::{PARTIES_MAX, Party, SessionId};

use crate::crypto::Crypto;
use crate::request::RequestId;

/// The longest signature or key package of any scheme, in bytes.
const RESULT_MAX: usize = 1 << 16;

/// The last word on a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The certified key.
    Key(Vec<u8>),
    /// A signature, verified under the key.
    Signed {
        /// The signature.
        signature: Vec<u8>,
        /// The session that made it.
        session: SessionId,
        /// Its signers' words that they released their shares for this request.
        released: Vec<(Party, IdentitySignature)>,
    },
    /// So many members refuse that no quorum is left. Each refusal is signed.
    Denied(Vec<(Party, String, IdentitySignature)>),
    /// Its time ran out.
    Expired,
    /// It was tried as often as is reasonable.
    Failed(String),
}

/// What a signer signs when it releases its share.
#[must_use]
pub fn release<C: Crypto>(request: RequestId, session: SessionId) -> keymoot_protocol::transcript::Hash {
    let mut bytes = request.0.as_bytes().to_vec();
    bytes.extend_from_slice(session.as_bytes());
    C::digest("keymoot/released/v1", &bytes)
}

/// What a node signs when it refuses for good.
#[must_use]
pub fn denial<C: Crypto>(request: RequestId, reason: &str) -> keymoot_protocol::transcript::Hash {
    let mut bytes = request.0.as_bytes().to_vec();
    bytes.extend_from_slice(reason.as_bytes());
    C::digest("keymoot/denied/v1", &bytes)
}

impl Wire for Outcome {
    fn write(&self, writer: &mut Writer) {
        match self {
            Self::Key(package) => {
                writer.uint(0);
                writer.bytes(package);
            }
            Self::Signed { signature, session, released } => {
                writer.uint(1);
                writer.bytes(signature);
                writer.bytes(session.as_bytes());
                writer.list(released.iter(), |writer, (party, word)| {
                    writer.party(*party);
                    writer.bytes(&word.0);
                });
            }
            Self::Denied(refusals) => {
                writer.uint(2);
                writer.list(refusals.iter(), |writer, (party, reason, word)| {
                    writer.party(*party);
                    writer.bytes(reason.as_bytes());
                    writer.bytes(&word.0);
                });
            }
            Self::Expired => writer.uint(3),
            Self::Failed(why) => {
                writer.uint(4);
                writer.bytes(why.as_bytes());
            }
        }
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let max = usize::from(PARTIES_MAX);
        Ok(match reader.uint()? {
            0 => Self::Key(reader.bytes(RESULT_MAX)?.to_vec()),
            1 => Self::Signed {
                signature: reader.bytes(RESULT_MAX)?.to_vec(),
                session: SessionId::new(reader.fixed()?),
                released: reader
                    .list(max, |reader| Ok((reader.party()?, IdentitySignature(reader.fixed()?))))?,
            },
            2 => Self::Denied(reader.list(max, |reader| {
                Ok((reader.party()?, words(reader)?, IdentitySignature(reader.fixed()?)))
            })?),
            3 => Self::Expired,
            4 => Self::Failed(words(reader)?),
            _ => return Err(Malformed::Choice),
        })
    }
}

fn words(reader: &mut Reader<'_>) -> Result<String, Malformed> {
    String::from_utf8(reader.bytes(1024)?.to_vec()).map_err(|_| Malformed::Choice)
}
