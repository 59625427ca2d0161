//! What a client is made with.

use std::sync::Arc;
use std::time::Duration;

use keymoot_types::GroupId;
use keymoot_wire::signed::SigningKey;
use keymoot_wire::tls::Identity;
use zeroize::Zeroizing;

/// Everything a client needs.
pub struct ClientConfig {
    /// The gateway: `https://host:port`.
    pub gateway: String,
    /// The certificate of the cluster's authority, in PEM. Nothing else is trusted.
    pub authority_pem: String,
    /// The client's certificate and its key; `None` where the gateway asks for none.
    pub identity: Option<Arc<Identity>>,
    /// The key that requests are signed with, enrolled in the cluster document.
    pub key: SigningKey,
    /// The committee of nodes that requests are for.
    pub group: GroupId,
    /// Where tokens come from.
    pub bearer: Bearer,
    /// How often to try.
    pub retry: Retry,
    /// For how long a signed request is good; at most 15 minutes. [`LIFETIME`] is usual.
    pub lifetime: Duration,
}

/// Where tokens come from.
pub enum Bearer {
    /// From the gateway itself. Needs a certificate.
    Gateway,
    /// From elsewhere, as of an OIDC issuer that the cluster document names.
    Given(Zeroizing<String>),
}

/// How often to try. What is tried again is the same request, with the same nonce and signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retry {
    /// Tries in all, at least 1.
    pub tries: u32,
    /// The pause after the first; it doubles with each.
    pub pause: Duration,
    /// The longest pause.
    pub pause_max: Duration,
    /// After this time nothing is tried again.
    pub total: Duration,
}

impl Retry {
    /// Once and never again.
    pub const NONE: Self =
        Self { tries: 1, pause: Duration::ZERO, pause_max: Duration::ZERO, total: Duration::ZERO };
}

impl Default for Retry {
    fn default() -> Self {
        Self {
            tries: 12,
            pause: Duration::from_millis(50),
            pause_max: Duration::from_secs(1),
            total: Duration::from_secs(15),
        }
    }
}

/// A usual lifetime of signed requests.
pub const LIFETIME: Duration = Duration::from_secs(5 * 60);
