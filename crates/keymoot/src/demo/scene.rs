//! What there is to show, as values. How it looks is the audience's business.

use std::time::Duration;

use keymoot_protocol::transcript::Hash;
use keymoot_types::{KeyId, Party, Scheme, Threshold};

use super::link::Stage;
use super::plan::Plan;
use crate::failure::Failure;

/// One moment of the demo.
pub enum Scene<'a> {
    Opening(&'a Plan),
    KeyBegins(Scheme, Threshold),
    Stage(&'a Stage),
    KeyReady(&'a KeyFacts),
    Asking { threshold: Threshold, message: &'a str },
    Signed(&'a Signed),
    Away { away: &'a [Party], left: &'a [Party], threshold: Threshold },
    Refused(&'a Refusal),
    Closing,
}

/// Whoever watches.
pub trait Audience {
    /// Takes in one scene. Only output can fail.
    fn see(&mut self, scene: Scene<'_>) -> Result<(), Failure>;
}

/// A key that was just generated, as far as it is public.
pub struct KeyFacts {
    pub scheme: Scheme,
    pub key: KeyId,
    /// The key under which signatures verify.
    pub output_key: [u8; 32],
    pub taproot: Option<Taproot>,
    /// Signatures on the certificate; all were checked.
    pub certificate: usize,
    /// The digest of everything that was broadcast while the key was generated.
    pub transcript: Hash,
    pub elapsed: Duration,
}

/// What only a Taproot key has.
pub struct Taproot {
    /// BIP-341's internal key, x-only.
    pub internal_key: [u8; 32],
    /// On the main network, without a script tree.
    pub address: String,
    pub xpub: String,
}

/// What came of asking a key for a signature.
pub enum Answer {
    Signed(Signed),
    Refused(Refusal),
}

/// A signature that an independent library has verified.
pub struct Signed {
    pub scheme: Scheme,
    pub signers: Vec<Party>,
    pub message: String,
    /// What was signed in place of the text, where the scheme signs digests only.
    pub digest: Option<[u8; 32]>,
    pub signature: [u8; 64],
    pub verifier: &'static str,
    pub elapsed: Duration,
}

/// A request that too few parties could be reached for.
pub struct Refusal {
    pub scheme: Scheme,
    pub needed: u16,
    pub reachable: Vec<Party>,
    pub absent: Vec<Party>,
    /// Nonces that the parties used up over it, counted by the parties themselves.
    pub nonces_used: u64,
}
