//! The last word on a request. It is stored before it is told, and never changes.

use std::collections::BTreeSet;
use std::sync::Arc;

use keymoot_protocol::codec::{Malformed, Reader, Wire, Writer};
use keymoot_protocol::context::Committee;
use keymoot_protocol::identity::IdentitySignature;
use keymoot_protocol::transcript::Hash;
use keymoot_types::{KeyId, PARTIES_MAX, Party, SessionId, Threshold};

use crate::crypto::{Crypto, Described};
use crate::refusal::Refusal;
use crate::request::{Ask, KEY_ATTEMPTS_MAX, Request, RequestId, key_of_attempt};
use crate::words::text;

/// The longest signature or key package of any scheme, in bytes.
pub(crate) const RESULT_MAX: usize = 1 << 16;

/// The longest reason, in bytes.
const WORDS_MAX: usize = 1024;

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
    /// So many members have ended their part in the key that no quorum is left: their words on it.
    Retired {
        /// Who, and its word.
        words: Vec<(Party, IdentitySignature)>,
    },
    /// Its time ran out.
    Expired,
    /// It was tried as often as is reasonable.
    Failed(String),
    /// The same, and what was missing last are the moduli that its scheme needs.
    NoModuli(String),
}

/// What a signer signs when it releases its share.
#[must_use]
pub fn release<C: Crypto>(request: RequestId, session: SessionId) -> Hash {
    let mut bytes = request.0.as_bytes().to_vec();
    bytes.extend_from_slice(session.as_bytes());
    C::digest("keymoot/released/v1", &bytes)
}

/// What a node signs when it refuses for good.
#[must_use]
pub fn denial<C: Crypto>(request: RequestId, reason: &str) -> Hash {
    let mut bytes = request.0.as_bytes().to_vec();
    bytes.extend_from_slice(reason.as_bytes());
    C::digest("keymoot/denied/v1", &bytes)
}

/// What a node signs when it has ended its part in a key.
#[must_use]
pub fn retirement<C: Crypto>(request: RequestId, key: KeyId) -> Hash {
    let mut bytes = request.0.as_bytes().to_vec();
    bytes.extend_from_slice(key.as_bytes());
    C::digest("keymoot/retired/v1", &bytes)
}

/// How many members have to end their part in a key, so that no quorum is left to sign with it.
#[must_use]
pub const fn retirements_needed(threshold: Threshold) -> u16 {
    threshold.total().saturating_sub(threshold.needed()).saturating_add(1)
}

impl Outcome {
    /// Whether it is denied for no other reason than that nodes do not serve the scheme.
    #[must_use]
    pub fn is_for_want_of_scheme(&self) -> bool {
        let is_it = |reason: &str| reason == Refusal::NotServed.to_string();
        matches!(self, Self::Denied(denials) if denials.iter().all(|(_, reason, _)| is_it(reason)))
    }

    /// Whether an outcome of this request shows by itself that it is one, as far as it can: a key by its certificate, a
    /// signature by its signers' words and, if the key is at hand, by itself, a denial by the words of those who deny it, a
    /// retirement by the words of those who have ended their part.
    /// That its time ran out or that it failed shows nothing, and does nothing but end it.
    #[must_use]
    pub fn is_proven<C: Crypto>(
        &self,
        crypto: &C,
        (id, request): (RequestId, &Request),
        committee: &Arc<Committee>,
        key: Option<&C::Key>,
    ) -> bool {
        let says = |party, statement: &Hash, word: &IdentitySignature| {
            committee.identity(party).is_some_and(|identity| C::verifies(identity, statement, word))
        };
        match (self, &request.ask) {
            (Self::Key(package), Ask::Key(scheme)) => C::decode_key(package, committee).is_some_and(|key| {
                let Described { id: name, scheme: serves, .. } = C::describe(&key);
                let is_its = |attempt| key_of_attempt::<C>(id, attempt) == name;
                serves == *scheme && (0..KEY_ATTEMPTS_MAX).any(is_its)
            }),
            (Self::Signed { signature, session, released }, Ask::Sign { what, .. }) => {
                let statement = release::<C>(id, *session);
                let signers: BTreeSet<Party> = released.iter().map(|(party, _)| *party).collect();
                signers.len() >= usize::from(committee.threshold().needed())
                    && released.iter().all(|(party, word)| says(*party, &statement, word))
                    && key.is_none_or(|key| {
                        crypto
                            .read(key, what)
                            .is_ok_and(|read| C::is_signature(key, &read.path, &read.payload, signature))
                    })
            }
            (Self::Retired { words }, Ask::Retire { key }) => {
                let statement = retirement::<C>(id, *key);
                let parties: BTreeSet<Party> = words.iter().map(|(party, _)| *party).collect();
                parties.len() >= usize::from(retirements_needed(committee.threshold()))
                    && words.iter().all(|(party, word)| says(*party, &statement, word))
            }
            (Self::Denied(denials), ask) => {
                let parties: BTreeSet<Party> = denials.iter().map(|(party, ..)| *party).collect();
                let threshold = committee.threshold();
                let left = usize::from(threshold.total()).saturating_sub(parties.len());
                let needed = match ask {
                    Ask::Key(_) => threshold.total(),
                    Ask::Sign { .. } => threshold.needed(),
                    Ask::Retire { .. } => retirements_needed(threshold),
                };
                left < usize::from(needed)
                    && denials.iter().all(|(party, why, word)| says(*party, &denial::<C>(id, why), word))
            }
            (Self::Key(_) | Self::Signed { .. } | Self::Retired { .. }, _) => false,
            (Self::Expired | Self::Failed(_) | Self::NoModuli(_), _) => true,
        }
    }
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
                write_words(writer, released);
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
            Self::NoModuli(why) => {
                writer.uint(6);
                writer.bytes(why.as_bytes());
            }
            Self::Retired { words } => {
                writer.uint(5);
                write_words(writer, words);
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
                released: read_words(reader)?,
            },
            2 => Self::Denied(reader.list(max, |reader| {
                Ok((reader.party()?, text(reader, WORDS_MAX)?, IdentitySignature(reader.fixed()?)))
            })?),
            3 => Self::Expired,
            4 => Self::Failed(text(reader, WORDS_MAX)?),
            6 => Self::NoModuli(text(reader, WORDS_MAX)?),
            5 => Self::Retired { words: read_words(reader)? },
            _ => return Err(Malformed::Choice),
        })
    }
}

fn write_words(writer: &mut Writer, words: &[(Party, IdentitySignature)]) {
    writer.list(words.iter(), |writer, (party, word)| {
        writer.party(*party);
        writer.bytes(&word.0);
    });
}

fn read_words(reader: &mut Reader<'_>) -> Result<Vec<(Party, IdentitySignature)>, Malformed> {
    let max = usize::from(PARTIES_MAX);
    reader.list(max, |reader| Ok((reader.party()?, IdentitySignature(reader.fixed()?))))
}
