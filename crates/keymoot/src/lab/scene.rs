//! What there is to show, as values. How it looks is the audience's business.

use std::time::Duration;

use keymoot_protocol::dkls23::PresignatureId;
use keymoot_protocol::transcript::Hash;
use keymoot_types::{KeyId, Party, Scheme, Threshold};

use super::link::Stage;
use super::plan::Plan;
use super::rounds::Work;
use crate::failure::Failure;

/// One moment of the lab.
pub enum Scene<'a> {
    Opening(&'a Plan),
    KeyBegins(Scheme, Threshold),
    Stage(Work, &'a Stage),
    KeyReady(&'a KeyFacts),
    PairsBegin {
        scheme: Scheme,
        parties: &'a [Party],
    },
    PairsReady(&'a PairFacts),
    BatchBegins {
        scheme: Scheme,
        signers: &'a [Party],
        size: u16,
    },
    BatchReady(&'a BatchFacts),
    Asking {
        threshold: Threshold,
        message: &'a str,
    },
    Signed(&'a Signed),
    Away {
        away: &'a [Party],
        left: &'a [Party],
        threshold: Threshold,
    },
    /// Presignatures that nobody can use any more without this party.
    Discarded {
        scheme: Scheme,
        party: Party,
        count: usize,
    },
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
    pub extras: Extras,
    /// Signatures on the certificate; all were checked.
    pub certificate: usize,
    /// The digest of everything that was broadcast while the key was generated.
    pub transcript: Hash,
    pub elapsed: Duration,
}

/// What a key has besides, depending on its scheme.
pub enum Extras {
    Nothing,
    Taproot(Taproot),
    Ecdsa(Ecdsa),
}

/// What only an ECDSA key has.
pub struct Ecdsa {
    /// The whole public key as SEC 1 writes it, compressed.
    pub public_key: [u8; 33],
    pub xpub: String,
}

/// What only a Taproot key has.
pub struct Taproot {
    /// BIP-341's internal key, x-only.
    pub internal_key: [u8; 32],
    /// On the main network, without a script tree.
    pub address: String,
    pub xpub: String,
}

/// A pair setup that all of its parties have finished.
pub struct PairFacts {
    pub scheme: Scheme,
    pub parties: Vec<Party>,
    /// Whether it is the whole committee's, and so serves every batch; or else one batch of these parties.
    pub is_for_all: bool,
    /// The name they know it by.
    pub name: Hash,
    pub elapsed: Duration,
}

impl PairFacts {
    /// How many pairs there are.
    pub fn pairs(&self) -> usize {
        self.parties.len() * self.parties.len().saturating_sub(1) / 2
    }
}

/// A batch of presignatures that all of its signers have.
pub struct BatchFacts {
    pub scheme: Scheme,
    pub signers: Vec<Party>,
    pub size: usize,
    /// The name of the pair setup they were made with.
    pub setup: Hash,
    pub elapsed: Duration,
}

/// What came of asking a key for a signature.
pub enum Answer {
    Signed(Box<Signed>),
    Refused(Refusal),
}

/// A signature that an independent library has verified.
pub struct Signed {
    pub scheme: Scheme,
    pub signers: Vec<Party>,
    pub message: String,
    /// What was signed in place of the text, where the scheme signs digests only.
    pub digest: Option<Digested>,
    /// For ECDSA r ‖ s, else as the scheme's standard writes it.
    pub signature: [u8; 64],
    pub ecdsa: Option<EcdsaFacts>,
    pub verifier: &'static str,
    pub elapsed: Duration,
}

/// What is signed in place of a text, and how it follows from the text.
pub struct Digested {
    pub digest: [u8; 32],
    pub rule: &'static str,
}

/// What only an ECDSA signature has.
pub struct EcdsaFacts {
    pub recovery_id: u8,
    pub der: Vec<u8>,
    /// The presignature that it has used up.
    pub presignature: PresignatureId,
    /// How many of the batch are left.
    pub left: usize,
}

/// A request that too few parties could be reached for.
pub struct Refusal {
    pub scheme: Scheme,
    pub needed: u16,
    pub reachable: Vec<Party>,
    pub absent: Vec<Party>,
    /// Nonces, or presignatures, that the parties used up over it, counted by the parties themselves.
    pub nonces_used: u64,
}
