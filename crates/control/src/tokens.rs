//! The token that each call carries beside the certificate.

use keymoot_wire::cluster::DocumentHandle;
use keymoot_wire::tls::Peer;
use keymoot_wire::token::{Known, Shown, TokenError, Unbound, Verifier, bearer};
use tonic::Status;

/// Verifies tokens, each once: whoever comes again with it over the same certificate is believed until it expires, or the
/// cluster document is another. Those of foreign issuers count if the cluster document lists their keys; whoever has its token from
/// an issuer whose keys are fetched goes through a gateway.
pub(crate) struct Tokens {
    verifier: Verifier,
    document: DocumentHandle,
    known: Known<()>,
}

impl Tokens {
    pub(crate) fn new(document: DocumentHandle) -> Self {
        let verifier = Verifier::new(document.clone(), Unbound::Refused);
        Self { verifier, document, known: Known::default() }
    }

    /// Whether the header holds a good token of this peer.
    pub(crate) fn check(&self, authorization: Option<&str>, peer: &Peer, now: u64) -> Result<(), Status> {
        let refused = |error: TokenError| error.code().to_status(error.to_string());
        let token = bearer(authorization).map_err(refused)?;
        let shown = Shown::new(&self.document.load(), peer, token);
        if self.known.find(&shown, now).is_some() {
            return Ok(());
        }
        let verified = self.verifier.verify(token, Some(peer), now).map_err(refused)?;
        self.known.keep(&shown, (), verified.expires, now);
        Ok(())
    }
}
