//! The token that each call carries beside the certificate.

use keymoot_wire::cluster::DocumentHandle;
use keymoot_wire::problem::Code;
use keymoot_wire::tls::Peer;
use keymoot_wire::token::{TokenError, Unbound, Verifier, bearer};
use tonic::Status;

/// Verifies tokens. Those of foreign issuers count if the cluster document lists their keys; whoever has its token from
/// an issuer whose keys are fetched goes through a gateway.
pub(crate) struct Tokens(Verifier);

impl Tokens {
    pub(crate) fn new(document: DocumentHandle) -> Self {
        Self(Verifier::new(document, Unbound::Refused))
    }

    /// Whether the header holds a good token of this peer.
    pub(crate) fn check(&self, authorization: Option<&str>, peer: &Peer, now: u64) -> Result<(), Status> {
        let token = bearer(authorization);
        let verified = token.and_then(|token| self.0.verify(token, Some(peer), now));
        verified.map(drop).map_err(|error| code(error).to_status(error.to_string()))
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
