//! The token that goes with each call beside the certificate: made here, signed with the TLS key, bound to the
//! certificate.

use keymoot_wire::tls::Credentials;
use keymoot_wire::token::{MintError, Minter};
use tonic::Request;
use tonic::metadata::MetadataValue;

use crate::clock::wall_ms;

/// How long a token holds, in seconds.
const LIFETIME: u64 = 300;

/// A call cannot be stamped.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PassFault {
    #[error("it cannot be signed")]
    Token(#[from] MintError),
    #[error("it is no header")]
    Header,
}

/// A call with a token of ours.
pub(crate) fn stamp<T>(credentials: &Credentials, message: T) -> Result<Request<T>, PassFault> {
    let own = credentials.as_peer();
    let minter = Minter::service(credentials)?;
    let token = minter.mint(&own.id.to_uri(), &own.x5t, LIFETIME, wall_ms() / 1_000)?;
    let value = MetadataValue::try_from(format!("Bearer {token}")).map_err(|_| PassFault::Header)?;
    let mut request = Request::new(message);
    request.metadata_mut().insert("authorization", value);
    Ok(request)
}
