//! The token that each call carries beside the certificate.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use keymoot_wire::cluster::{ClusterDocument, DocumentHandle};
use keymoot_wire::problem::Code;
use keymoot_wire::tls::Peer;
use keymoot_wire::token::{TokenError, Unbound, Verifier, bearer};
use tonic::Status;

/// Tokens that are remembered as good.
const GOOD_MAX: usize = 4096;

/// Verifies tokens, each once: whoever comes again with it over the same certificate is believed until it expires, or the
/// cluster document is another. Those of foreign issuers count if the cluster document lists their keys; whoever has its token from
/// an issuer whose keys are fetched goes through a gateway.
pub(crate) struct Tokens {
    verifier: Verifier,
    document: DocumentHandle,
    good: Mutex<Good>,
}

/// Tokens that were good by this document: of which certificate, and until when.
#[derive(Default)]
struct Good {
    by: Option<Arc<ClusterDocument>>,
    tokens: HashMap<Box<str>, ([u8; 32], u64)>,
}

impl Good {
    /// What was good by another document is forgotten.
    fn is_by(&mut self, document: &Arc<ClusterDocument>) {
        if !self.by.as_ref().is_some_and(|by| Arc::ptr_eq(by, document)) {
            *self = Self { by: Some(Arc::clone(document)), tokens: HashMap::new() };
        }
    }

    fn has(&self, token: &str, x5t: &[u8; 32], now: u64) -> bool {
        self.tokens.get(token).is_some_and(|(of, until)| of == x5t && now < *until)
    }

    fn remember(&mut self, token: &str, x5t: [u8; 32], until: u64, now: u64) {
        if self.tokens.len() >= GOOD_MAX {
            self.tokens.retain(|_, (_, until)| now < *until);
        }
        if self.tokens.len() >= GOOD_MAX {
            self.tokens.clear();
        }
        self.tokens.insert(token.into(), (x5t, until));
    }
}

impl Tokens {
    pub(crate) fn new(document: DocumentHandle) -> Self {
        let verifier = Verifier::new(Arc::clone(&document), Unbound::Refused);
        Self { verifier, document, good: Mutex::default() }
    }

    fn good(&self) -> MutexGuard<'_, Good> {
        self.good.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the header holds a good token of this peer.
    pub(crate) fn check(&self, authorization: Option<&str>, peer: &Peer, now: u64) -> Result<(), Status> {
        let refused = |error: TokenError| code(error).to_status(error.to_string());
        let token = bearer(authorization).map_err(refused)?;
        let document = self.document.load_full();
        let mut good = self.good();
        good.is_by(&document);
        if good.has(token, &peer.x5t, now) {
            return Ok(());
        }
        drop(good);
        let verified = self.verifier.verify(token, Some(peer), now).map_err(refused)?;
        // If the document was replaced meanwhile, nobody knows by which one it was good.
        if Arc::ptr_eq(&self.document.load_full(), &document) {
            let mut good = self.good();
            good.is_by(&document);
            good.remember(token, peer.x5t, verified.expires, now);
        }
        Ok(())
    }
}

const fn code(error: TokenError) -> Code {
    match error {
        TokenError::Missing => Code::TokenMissing,
        TokenError::Expired | TokenError::NotYet | TokenError::TooLong => Code::TokenExpired,
        TokenError::NotBound | TokenError::BoundToAnother => Code::TokenBoundElsewhere,
        TokenError::Malformed
        | TokenError::Algorithm
        | TokenError::UnknownIssuer
        | TokenError::UnknownKey
        | TokenError::Signature
        | TokenError::Audience
        | TokenError::Subject => Code::TokenRefused,
    }
}

#[cfg(test)]
mod tests {
    use super::{GOOD_MAX, Good};

    #[test]
    fn a_good_token_is_believed_over_its_certificate_until_it_expires() {
        let mut good = Good::default();
        good.remember("token", [1; 32], 100, 50);
        assert!(good.has("token", &[1; 32], 99));
        assert!(!good.has("token", &[1; 32], 100), "it has expired");
        assert!(!good.has("token", &[2; 32], 99), "it came over another certificate");
        assert!(!good.has("other", &[1; 32], 99));
    }

    #[test]
    fn only_so_many_are_remembered_and_expired_ones_go_first() {
        let mut good = Good::default();
        for number in 0..GOOD_MAX {
            let until = if number % 2 == 0 { 60 } else { 100 };
            good.remember(&number.to_string(), [1; 32], until, 50);
        }
        good.remember("new", [1; 32], 100, 70);
        assert_eq!(good.tokens.len(), GOOD_MAX / 2 + 1);
        assert!(good.has("1", &[1; 32], 70) && good.has("new", &[1; 32], 70));
    }
}
