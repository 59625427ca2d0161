//! Tokens that were verified before. A token lives for minutes and comes with every call; its signature and its claims
//! stay as they are, so only what may have changed is looked at again: the document, the certificate, the time.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use sha2::{Digest, Sha256};

use crate::cluster::ClusterDocument;
use crate::tls::Peer;

/// The most certificates whose tokens are remembered. The cluster document knows at most as many clients.
const CERTIFICATES_MAX: usize = 10_000;
/// The most tokens of one certificate. Whoever uses more pays for it alone.
const EACH_MAX: usize = 4;

/// Of which document, certificate and token something is known.
#[derive(Clone, Copy, Debug)]
pub struct Shown {
    /// The digest of the cluster document.
    document: [u8; 32],
    /// The digest of the certificate that the token came with.
    x5t: [u8; 32],
    /// The digest of the token.
    token: [u8; 32],
}

impl Shown {
    /// This token, with the certificate of this peer. The document is to be the one from before it is verified: if that is
    /// replaced meanwhile, what is found out counts for nothing afterwards.
    #[must_use]
    pub fn new(document: &ClusterDocument, peer: &Peer, token: &str) -> Self {
        Self { document: document.digest(), x5t: peer.x5t, token: Sha256::digest(token).into() }
    }
}

/// What is known, and of each token what it says.
pub struct Known<T>(Mutex<Remembered<T>>);

struct Remembered<T> {
    document: [u8; 32],
    tokens: BTreeMap<[u8; 32], VecDeque<Good<T>>>,
}

struct Good<T> {
    token: [u8; 32],
    expires: u64,
    says: T,
}

impl<T> Default for Known<T> {
    fn default() -> Self {
        Self(Mutex::new(Remembered { document: [0; 32], tokens: BTreeMap::new() }))
    }
}

impl<T: Clone> Known<T> {
    /// What the token says, if it was verified with this certificate by this document and has not expired.
    pub fn find(&self, shown: &Shown, now: u64) -> Option<T> {
        let remembered = self.of(&shown.document);
        let good = remembered.tokens.get(&shown.x5t)?.iter().find(|good| good.token == shown.token)?;
        (now < good.expires).then(|| good.says.clone())
    }

    /// Remembers a token that was verified.
    pub fn keep(&self, shown: &Shown, says: T, expires: u64, now: u64) {
        let mut remembered = self.of(&shown.document);
        let tokens = &mut remembered.tokens;
        if tokens.len() >= CERTIFICATES_MAX && !tokens.contains_key(&shown.x5t) {
            tokens.retain(|_, all| all.iter().any(|good| now < good.expires));
            if tokens.len() >= CERTIFICATES_MAX {
                return;
            }
        }
        let all = tokens.entry(shown.x5t).or_default();
        all.retain(|good| now < good.expires && good.token != shown.token);
        all.truncate(EACH_MAX - 1);
        all.push_front(Good { token: shown.token, expires, says });
    }

    /// What is remembered of this document. Of another one, everything is forgotten.
    fn of(&self, document: &[u8; 32]) -> MutexGuard<'_, Remembered<T>> {
        let mut remembered = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if remembered.document != *document {
            *remembered = Remembered { document: *document, tokens: BTreeMap::new() };
        }
        remembered
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHOWN: Shown = Shown { document: [1; 32], x5t: [2; 32], token: [3; 32] };

    fn known() -> Known<&'static str> {
        let known = Known::default();
        known.keep(&SHOWN, "alice", 100, 10);
        known
    }

    #[test]
    fn a_token_is_known_until_it_expires() {
        let known = known();
        assert_eq!(known.find(&SHOWN, 99), Some("alice"));
        assert_eq!(known.find(&SHOWN, 100), None);
    }

    #[test]
    fn another_certificate_or_token_is_not_known() {
        let known = known();
        assert_eq!(known.find(&Shown { x5t: [9; 32], ..SHOWN }, 10), None);
        assert_eq!(known.find(&Shown { token: [9; 32], ..SHOWN }, 10), None);
        assert!(known.find(&SHOWN, 10).is_some());
    }

    #[test]
    fn another_document_forgets_everything() {
        let known = known();
        assert_eq!(known.find(&Shown { document: [9; 32], ..SHOWN }, 10), None);
        assert_eq!(known.find(&SHOWN, 10), None);
    }

    #[test]
    fn each_certificate_has_few_tokens_and_all_together_are_bounded() {
        let known = known();
        for token in 10..20 {
            known.keep(&Shown { token: [token; 32], ..SHOWN }, "alice", 100, 10);
        }
        let count =
            (0..=255).filter(|token| known.find(&Shown { token: [*token; 32], ..SHOWN }, 10).is_some());
        assert_eq!(count.count(), EACH_MAX);
        let other = |number: usize| {
            let mut x5t = [7; 32];
            x5t[..8].copy_from_slice(&number.to_be_bytes());
            Shown { x5t, ..SHOWN }
        };
        for number in 0..CERTIFICATES_MAX + 5 {
            known.keep(&other(number), "bob", 50, 10);
        }
        assert_eq!(known.of(&SHOWN.document).tokens.len(), CERTIFICATES_MAX);
        assert!(known.find(&Shown { token: [19; 32], ..SHOWN }, 10).is_some(), "nobody loses by others");
        // After those have expired, there is room again.
        known.keep(&other(usize::MAX), "bob", 100, 60);
        assert_eq!(known.of(&SHOWN.document).tokens.len(), 2);
    }
}
