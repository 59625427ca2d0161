//! Where a machine's randomness comes from: drawn once when it starts, bound to the session's name when there is one.

use keymoot_types::{Party, Secret};
use rand_core::CryptoRngCore;
use zeroize::Zeroizing;

use crate::context::Context;
use crate::dkls23::grown::Grown;
use crate::identity::IdentityKey;
use crate::transcript::paillier::{Hedge, Seed, SessionSeed};
use crate::transcript::{ContextId, Hash, Transcript};

/// A participant's seed: of fresh randomness, and of what only its identity can make of the context.
pub(super) struct Chance {
    party: Party,
    seed: Secret<[u8; 32]>,
}

impl Chance {
    pub(super) fn draw(
        context: &Context,
        party: Party,
        identity: &IdentityKey,
        rng: &mut impl CryptoRngCore,
    ) -> Self {
        let mut random = Zeroizing::new([0u8; 32]);
        rng.fill_bytes(random.as_mut());
        let context = ContextId(context).digest();
        let hedge = Zeroizing::new(identity.sign(&Hedge { context }.digest()).0);
        let seed = Seed { context, random: &random, hedge: &hedge }.digest();
        Self { party, seed: Secret::new(*seed.as_bytes()) }
    }

    /// The nonce of the first word, which is public.
    pub(super) fn nonce(&self) -> [u8; 32] {
        let mut nonce = [0u8; 32];
        rand_core::RngCore::fill_bytes(&mut Grown::new(self.seed.expose(), "gg20/hello"), &mut nonce);
        nonce
    }

    /// Randomness for one purpose in the session; each purpose is asked for once.
    pub(super) fn grow(&self, ssid: Hash, purpose: &'static str) -> Grown {
        let seed = SessionSeed { ssid, party: self.party, seed: self.seed.expose() }.digest();
        Grown::new(&Zeroizing::new(*seed.as_bytes()), purpose)
    }
}
