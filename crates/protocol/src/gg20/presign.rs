//! Presigning: a batch of presignatures, all but the payload of as many signatures.
//!
//! Steps are numbered as in `spec/gg20.md`:
//! 0 everybody contributes a nonce;
//! 1 encryptions of the shares of k and γ (echoed);
//! 2 proofs that they are in range, one message for each peer;
//! 3 the points of the shares of γ, and the ciphertexts of all products (echoed);
//! 4 proofs of the products, one message for each peer;
//! 5 shares of δ = k·γ, and points of the shares of k and k·x (echoed);
//! 6 everybody says that all of it adds up, or opens what does not (echoed).
//!
//! Whoever cheats is named, with evidence that convinces everybody who knows the committee's moduli and the key.

mod blame;
mod checks;
mod messages;
mod rounds;
mod scene;
mod states;

use std::sync::Arc;

use keymoot_types::{Party, Quorum, QuorumError, SessionId};
use rand_core::CryptoRngCore;

pub use checks::convict;
pub use messages::{
    AffineProofs, Closing, EncryptionProofs, KeyOpening, NonceOpening, Offer, Offers, Products, Share,
    Shares, Sum, Sums,
};

use self::rounds::{AwaitingEncryptions, AwaitingHellos, AwaitingOffers, AwaitingShares};
use self::states::{AwaitingAffines, AwaitingClosings, AwaitingSums};
use super::auxiliary::Auxiliary;
use super::chance::Chance;
use super::presignature::Presignature;
use super::proofs::{affine, encryption};
use super::suite::Suite;
use crate::abort::{Abort, Fault};
use crate::codec::Wire;
use crate::context::{Batch, Context, Protocol};
use crate::curve::Secp256k1;
use crate::dkls23::Bans;
use crate::envelope::BODY_MAX;
use crate::evidence::Case;
use crate::identity::{IdentityKey, IdentityPublic};
use crate::key::{GroupKey, KeyShare};
use crate::machine::{
    First, Hello, Machine, Next, Opening, Outgoing, Round, RoundSpec, Rounds, Step, Travel,
};

/// The largest batch of any number of signers.
pub const BATCH_MAX: usize = 16;

/// The most bytes of everybody's broadcasts in one batch: evidence of a fault carries them.
const BROADCAST_MAX: usize = 11 << 20;

/// The largest batch of so many signers.
#[must_use]
pub const fn batch_max(signers: usize) -> usize {
    let one = item_max(1, signers) + item_max(3, signers) + item_max(5, signers) + item_max(6, signers);
    let fit = BROADCAST_MAX / one.saturating_mul(if signers == 0 { 1 } else { signers });
    if fit < BATCH_MAX { fit } else { BATCH_MAX }
}

/// One signer's run; each state is named for what it awaits.
pub enum Presigner {
    /// Round 0.
    Hellos(Box<AwaitingHellos>),
    /// Round 1.
    Offers(Box<AwaitingOffers>),
    /// Round 2.
    Encryptions(Box<AwaitingEncryptions>),
    /// Round 3.
    Shares(Box<AwaitingShares>),
    /// Round 4.
    Affines(Box<AwaitingAffines>),
    /// Round 5.
    Sums(Box<AwaitingSums>),
    /// Round 6.
    Closings(Box<AwaitingClosings>),
}

/// Who presigns what with whom.
pub(super) struct Task {
    pub(super) share: Arc<KeyShare<Secp256k1>>,
    pub(super) auxiliary: Arc<Auxiliary>,
    pub(super) signers: Vec<Party>,
    pub(super) me: Party,
    pub(super) size: usize,
    pub(super) chance: Chance,
}

impl Task {
    pub(super) fn peers(&self) -> impl Iterator<Item = Party> {
        self.signers.iter().copied().filter(|party| *party != self.me)
    }

    fn scene(&self, ssid: crate::transcript::Hash) -> scene::Scene<'_> {
        scene::Scene {
            table: self.auxiliary.table(),
            group: self.share.group(),
            ssid,
            signers: &self.signers,
        }
    }
}

/// Why a batch is refused. Nothing was said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PresignRefused {
    /// The key serves another scheme.
    #[error("the key serves another scheme")]
    WrongScheme,
    /// Key and moduli are not of the same node and committee.
    #[error("the key and the moduli do not belong together")]
    WrongModuli,
    /// The signers are not a quorum.
    #[error("the signers are not a quorum")]
    Quorum(#[source] QuorumError),
    /// More signers than the threshold: a presignature is for exactly as many as are needed.
    #[error("a presignature is for exactly {needed} signers, not {got}")]
    TooMany {
        /// The threshold.
        needed: u16,
        /// Signers offered.
        got: usize,
    },
    /// We are not among the signers.
    #[error("{0} is not among the signers")]
    NotASigner(Party),
    /// No presignatures, or more than fit.
    #[error("a batch has 1 to {most} presignatures, not {got}")]
    Size {
        /// Presignatures asked for.
        got: u16,
        /// The most that so many signers make at once.
        most: usize,
    },
    /// The identity is not the one that the committee lists for the signer.
    #[error("the identity is not the one that the committee lists for {0}")]
    WrongIdentity(Party),
    /// A signer is banned; its identity is what counts, whatever its index.
    #[error("{0} is banned")]
    Banned(Party),
}

/// What a batch session with this name is about.
#[must_use]
pub fn context(key: &GroupKey<Secp256k1>, signers: Quorum, batch: Batch, session: SessionId) -> Context {
    Context {
        session,
        scheme: super::SCHEME,
        protocol: Protocol::Gg20Presign,
        committee: Arc::clone(&key.committee),
        key: Some(key.key),
        epoch: key.epoch,
        signers: Some(signers),
        group_key: Some(key.digest()),
        merkle_root: None,
        intent: None,
        batch: Some(batch),
    }
}

impl Presigner {
    /// Prepares the first word; everything else is drawn when the session has a name.
    ///
    /// # Errors
    /// Key, moduli, signers and identity that do not fit together, an impossible size, or a banned signer.
    pub fn start(
        share: Arc<KeyShare<Secp256k1>>,
        auxiliary: Arc<Auxiliary>,
        signers: &[Party],
        (session, size): (SessionId, u16),
        identity: Arc<IdentityKey>,
        bans: &Bans,
        rng: &mut impl CryptoRngCore,
    ) -> Result<Opening<Self>, PresignRefused> {
        let (me, group) = (share.party(), share.group());
        if group.scheme != super::SCHEME {
            return Err(PresignRefused::WrongScheme);
        }
        if *group.committee != **auxiliary.table().committee() || auxiliary.party() != me {
            return Err(PresignRefused::WrongModuli);
        }
        let threshold = group.committee.threshold();
        let quorum = Quorum::new(threshold, signers.to_vec()).map_err(PresignRefused::Quorum)?;
        if signers.len() != usize::from(threshold.needed()) {
            return Err(PresignRefused::TooMany { needed: threshold.needed(), got: signers.len() });
        }
        if !quorum.contains(me) {
            return Err(PresignRefused::NotASigner(me));
        }
        let most = batch_max(signers.len());
        if size == 0 || usize::from(size) > most {
            return Err(PresignRefused::Size { got: size, most });
        }
        if group.committee.identity(me) != Some(&identity.public()) {
            return Err(PresignRefused::WrongIdentity(me));
        }
        if let Some(banned) = bans.find(&group.committee, signers) {
            return Err(PresignRefused::Banned(banned));
        }
        let batch = Batch { size, setup: auxiliary.table().digest() };
        let signers = quorum.signers().to_vec();
        let context = Arc::new(context(group, quorum, batch, session));
        let chance = Chance::draw(&context, me, &identity, rng);
        let first = First::Say(Hello { nonce: chance.nonce() }.encode());
        let task = Task { share, auxiliary, signers, me, size: usize::from(size), chance };
        let machine = Self::Hellos(Box::new(AwaitingHellos { task }));
        Ok(Opening { machine, context, member: Some((me, identity)), first })
    }

    /// Whether this identity signs too, so that the session must be dropped when it is banned.
    #[must_use]
    pub fn involves(&self, identity: &IdentityPublic) -> bool {
        let task = match self {
            Self::Hellos(state) => &state.task,
            Self::Offers(state) => state.task(),
            Self::Encryptions(state) => state.task(),
            Self::Shares(state) => state.task(),
            Self::Affines(state) => state.task(),
            Self::Sums(state) => state.task(),
            Self::Closings(state) => state.task(),
        };
        let party = task.share.group().committee.party(identity);
        party.is_some_and(|party| task.signers.contains(&party))
    }
}

/// Bytes of an encoded ciphertext, at most.
const CIPHERTEXT: usize = Suite::Full.modulus_bits() / 4 + 9;

/// The longest bodies, of the full suite, for one presignature and so many signers.
const fn item_max(round: u8, signers: usize) -> usize {
    let others = signers.saturating_sub(1);
    match round {
        1 => 2 * CIPHERTEXT + 5 * 42 + 41,
        2 => 2 * encryption::Proof::encoded_max(Suite::Full),
        3 => 42 * 6 + 64 + others.saturating_mul(4 * CIPHERTEXT) + 9,
        4 => 2 * affine::Proof::encoded_max(Suite::Full),
        5 => 42 * 8,
        _ => 3 * CIPHERTEXT + 256 + others.saturating_mul(3 * CIPHERTEXT),
    }
}

const fn body_max(round: u8, size: usize, signers: usize) -> usize {
    item_max(round, signers).saturating_mul(size).saturating_add(128)
}

const _: () = {
    let mut round = 1;
    while round <= 6 {
        let mut signers = 1;
        while signers <= keymoot_types::PARTIES_MAX as usize {
            assert!(batch_max(signers) > 0, "any number of signers can make one");
            let most = body_max(round, batch_max(signers), signers);
            assert!(most <= BODY_MAX, "the largest batch must fit the bodies that the kernel reads");
            signers += 1;
        }
        round += 1;
    }
};

fn rounds(size: usize, signers: usize) -> Vec<RoundSpec> {
    let spec =
        |travel, round: u8, after| RoundSpec { travel, after, body_max: body_max(round, size, signers) };
    vec![
        RoundSpec { travel: Travel::Broadcast, after: None, body_max: 64 },
        spec(Travel::Echoed, 1, Some(0)),
        spec(Travel::Direct, 2, Some(0)),
        spec(Travel::Echoed, 3, Some(2)),
        spec(Travel::Direct, 4, Some(2)),
        spec(Travel::Echoed, 5, Some(4)),
        spec(Travel::Echoed, 6, Some(5)),
    ]
}

/// The size of the batch that a context is about.
fn size_of(context: &Context) -> usize {
    let most = batch_max(context.participants().len());
    context.batch.map_or(0, |batch| usize::from(batch.size).min(most))
}

impl Machine for Presigner {
    type Output = Vec<Presignature>;

    fn rounds(context: &Context) -> Rounds {
        Rounds::Owned(rounds(size_of(context), context.participants().len()))
    }

    fn concerns(context: &Context) -> bool {
        let signers = context.signers.as_ref().is_some_and(|quorum| {
            quorum.signers().len() == usize::from(context.committee.threshold().needed())
        });
        let named = context.key.is_some() && context.group_key.is_some() && context.intent.is_none();
        let most = batch_max(context.participants().len());
        let sized = context.batch.is_some_and(|batch| (1..=most).contains(&usize::from(batch.size)));
        let scheme = context.scheme == super::SCHEME && context.merkle_root.is_none();
        context.protocol == Protocol::Gg20Presign && scheme && signers && named && sized
    }

    fn receive(self, round: Round<'_>) -> Result<Step<Self>, Abort> {
        match self {
            Self::Hellos(state) => wait(Self::Offers, state.receive(&round)),
            Self::Offers(state) => wait(Self::Encryptions, state.receive(&round)),
            Self::Encryptions(state) => wait(Self::Shares, state.receive(&round)),
            Self::Shares(state) => wait(Self::Affines, state.receive(&round)),
            Self::Affines(state) => wait(Self::Sums, state.receive(&round)),
            Self::Sums(state) => wait(Self::Closings, state.receive(&round)),
            Self::Closings(state) => {
                state.receive(&round).map(|output| Step { outbox: Vec::new(), next: Next::Done(output) })
            }
        }
    }

    /// What needs neither moduli nor key; [`convict`] takes these too.
    fn convicts(case: &Case<'_>, fault: Fault) -> bool {
        fault == Fault::Malformed && checks::is_malformed(case)
    }
}

fn wait<S>(
    state: impl FnOnce(Box<S>) -> Presigner,
    received: Result<(S, Vec<Outgoing>), Abort>,
) -> Result<Step<Presigner>, Abort> {
    received.map(|(next, outbox)| Step { outbox, next: Next::Wait(state(Box::new(next))) })
}
