//! Presigning: a batch of presignatures, all but the payload of as many signatures.
//!
//! Steps are numbered as in `spec/dkls23.md`:
//! 0 everybody contributes a nonce and its count of uses;
//! 1 commitments to the nonce points, and to entropy for later (echoed);
//! 2 one OT extension for the whole batch to each peer;
//! 3 the nonce points and the key share's point, opened (echoed);
//! 4 … multiplication replies, in chunks, so that memory stays bounded however large the batch;
//! last: everybody says that all of its checks hold.
//!
//! Extensions and replies have checks whose outcome depends on our long-lived secrets. Whoever fails one is banned
//! and the pair burnt, before anything else happens: [`Abort::BanAndBurn`].

mod checks;
mod messages;
mod opening;
mod rounds;
mod stream;

use std::sync::Arc;

use keymoot_types::{Party, Quorum, QuorumError, Scheme, SessionId};
use rand_core::{CryptoRngCore, RngCore};
use zeroize::Zeroizing;

pub use self::messages::{Commit, Confirm, Hello, Open, Replies, Reply};
use self::opening::{AwaitingExtensions, AwaitingOpenings};
use self::rounds::{AwaitingCommits, AwaitingHellos, Draws};
use self::stream::{AwaitingConfirmations, AwaitingReplies};
use super::bans::Bans;
pub use super::extension::Extension;
use super::extension::blocks_for;
use super::grown::Grown;
pub use super::multiply::Product;
use super::pair::{PairSetup, Shared, Ticket};
use super::presignature::Presignature;
use super::{BATCH_MAX, XI};
use crate::abort::{Abort, Benign, Fault};
use crate::codec::Wire;
use crate::context::{Batch, Context, Protocol};
use crate::curve::{Curve, Secp256k1};
use crate::envelope::BODY_MAX;
use crate::evidence::Case;
use crate::identity::{IdentityKey, IdentityPublic};
use crate::inbox::ROUNDS_MAX;
use crate::key::{GroupKey, KeyShare};
use crate::machine::{First, Machine, Next, Opening, Outgoing, Round, RoundSpec, Rounds, Step, Travel};
use crate::transcript::Transcript;
use crate::transcript::presignature::PresignSeed;

/// Presignatures of one reply round.
pub const CHUNK: usize = 32;

/// Reply rounds that are sent ahead of the peers' own.
pub const WINDOW: usize = 2;

/// The first reply round.
const REPLIES: usize = 4;

/// Bytes of one reply, at most.
const REPLY_MAX: usize = XI * 96 + 256;

/// One signer's run of presigning; each state is named for what it awaits.
pub enum Presigner {
    /// Round 0.
    Hellos(Box<AwaitingHellos>),
    /// Round 1.
    Commits(Box<AwaitingCommits>),
    /// Round 2.
    Extensions(Box<AwaitingExtensions>),
    /// Round 3.
    Openings(Box<AwaitingOpenings>),
    /// Round 4 and later.
    Replies(Box<AwaitingReplies>),
    /// The last round.
    Confirmations(Box<AwaitingConfirmations>),
}

/// Who presigns what with whom.
pub(super) struct Task {
    pub(super) share: Arc<KeyShare<Secp256k1>>,
    pub(super) setup: Arc<PairSetup>,
    pub(super) signers: Vec<Party>,
    pub(super) me: Party,
    pub(super) size: usize,
}

impl Task {
    pub(super) fn peers(&self) -> impl Iterator<Item = Party> {
        self.signers.iter().copied().filter(|party| *party != self.me)
    }

    /// The secrets of one pair, for the step that needs them.
    pub(super) fn shared(&self, peer: Party) -> Result<Arc<Shared>, Abort> {
        let pair = self.setup.pairs.get(&peer).ok_or(Abort::Bug("a pair of a counted use is missing"))?;
        pair.shared().ok_or_else(|| burnt(vec![peer]))
    }

    pub(super) const fn chunks(&self) -> usize {
        self.size.div_ceil(CHUNK)
    }
}

/// Pairs that are burnt since the session began.
pub(super) const fn burnt(with: Vec<Party>) -> Abort {
    Abort::Benign(Benign::BurntPair { with })
}

/// What a finished run leaves: the presignatures, and how often each peer says it has used its pair setup, for
/// [`super::Ledger::observe`].
pub struct Presigned {
    /// In the order of the batch.
    pub presignatures: Vec<Presignature>,
    /// The counts of the peers, the same that [`Presigner::counts`] told during the run; a ledger takes them once.
    pub counts: std::collections::BTreeMap<Party, u64>,
}

/// Why a batch is refused. Nothing was said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PresignRefused {
    /// The key serves another scheme.
    #[error("the key serves another scheme")]
    WrongScheme,
    /// Key, pair setup and ticket are not of the same node and committee.
    #[error("the key, the pair setup and its ticket do not belong together")]
    WrongSetup,
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
    #[error("a batch has 1 to 1024 presignatures, not {0}")]
    Size(u16),
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
        scheme: Scheme::Dkls23,
        protocol: Protocol::DklsPresign,
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
    /// Draws everything random that this signer will need, and prepares its first word. The count of uses that the
    /// ticket stands for is durable by now.
    ///
    /// # Errors
    /// Key, setup, ticket, signers and identity that do not fit together, an impossible size, or a signer that has been
    /// banned, also since the use was counted.
    pub fn start(
        share: Arc<KeyShare<Secp256k1>>,
        setup: Arc<PairSetup>,
        ticket: Ticket,
        (session, size): (SessionId, u16),
        identity: Arc<IdentityKey>,
        bans: &Bans,
        rng: &mut impl CryptoRngCore,
    ) -> Result<Opening<Self>, PresignRefused> {
        let (me, group) = (share.party(), share.group());
        if group.scheme != Scheme::Dkls23 {
            return Err(PresignRefused::WrongScheme);
        }
        if *group.committee != *setup.committee || setup.me != me || ticket.setup != setup.name {
            return Err(PresignRefused::WrongSetup);
        }
        let (threshold, signers) = (group.committee.threshold(), ticket.signers.clone());
        let quorum = Quorum::new(threshold, signers.clone()).map_err(PresignRefused::Quorum)?;
        if signers.len() != usize::from(threshold.needed()) {
            return Err(PresignRefused::TooMany { needed: threshold.needed(), got: signers.len() });
        }
        if !quorum.contains(me) {
            return Err(PresignRefused::NotASigner(me));
        }
        if size == 0 || usize::from(size) > BATCH_MAX {
            return Err(PresignRefused::Size(size));
        }
        if group.committee.identity(me) != Some(&identity.public()) {
            return Err(PresignRefused::WrongIdentity(me));
        }
        if let Some(banned) = bans.find(&group.committee, &signers) {
            return Err(PresignRefused::Banned(banned));
        }
        let context = Arc::new(context(group, quorum, Batch { size, setup: setup.name }, session));
        let task = Task { share, setup, signers, me, size: usize::from(size) };
        let seed = hedge(&task, ticket.number, rng);
        let mut nonce = [0u8; 32];
        // The nonce is public: it grows apart from everything secret.
        Grown::new(&seed, "presign/hello").fill_bytes(&mut nonce);
        let hello = Hello { nonce, uses: ticket.number }.encode();
        let draws = Draws::draw(&task, &mut Grown::new(&seed, "presign/draws"));
        let machine = Self::Hellos(Box::new(AwaitingHellos { task, draws, seen: ticket.seen }));
        Ok(Opening { machine, context, member: Some((me, identity)), first: First::Say(hello) })
    }

    /// The peers' counts of uses, once their hellos are in, for [`super::Ledger::observe`], which may end the session and is
    /// asked once. What is noted is durable before anything else of the session leaves.
    #[must_use]
    pub const fn counts(&self) -> Option<&std::collections::BTreeMap<Party, u64>> {
        match self {
            Self::Hellos(_) => None,
            Self::Commits(state) => Some(state.counts()),
            Self::Extensions(state) => Some(state.counts()),
            Self::Openings(state) => Some(state.counts()),
            Self::Replies(state) => Some(state.counts()),
            Self::Confirmations(state) => Some(state.counts()),
        }
    }

    /// Whether this identity signs too, so that the session must be dropped when it is banned.
    #[must_use]
    pub fn involves(&self, identity: &IdentityPublic) -> bool {
        let task = match self {
            Self::Hellos(state) => &state.task,
            Self::Commits(state) => &state.task,
            Self::Extensions(state) => &state.task,
            Self::Openings(state) => state.task(),
            Self::Replies(state) => state.task(),
            Self::Confirmations(state) => return state.involves(identity),
        };
        let party = task.share.group().committee.party(identity);
        party.is_some_and(|party| task.signers.contains(&party))
    }
}

/// Everything a signer draws grows from this: fresh randomness, its share of the key and its count of uses. So a generator
/// that repeats itself makes no two batches with the same nonces as long as the count does not repeat with it. It does if
/// a snapshot sets the ledger back too: then nonces repeat.
fn hedge(task: &Task, number: u64, rng: &mut impl CryptoRngCore) -> Zeroizing<[u8; 32]> {
    let mut random = Zeroizing::new([0u8; 32]);
    rng.fill_bytes(random.as_mut());
    let share = Zeroizing::new(Secp256k1::encode_scalar(task.share.expose()));
    let seed = PresignSeed { setup: task.setup.name, number, random: &random, share: &share };
    Zeroizing::new(*seed.digest().as_bytes())
}

/// The reply round after which reply round `chunk` is sent.
fn sent_after(chunk: usize) -> usize {
    chunk.checked_sub(WINDOW).map_or(2, |earlier| REPLIES.saturating_add(earlier))
}

// The longest bodies of the rounds that grow with the batch.

const fn commit_max(size: usize) -> usize {
    size.saturating_mul(32).saturating_add(64)
}

const fn extension_max(size: usize) -> usize {
    Extension::encoded_max(blocks_for(size.saturating_mul(XI)))
}

const fn open_max(size: usize) -> usize {
    size.saturating_mul(64).saturating_add(256)
}

const fn replies_max(replies: usize) -> usize {
    replies.saturating_mul(REPLY_MAX).saturating_add(64)
}

// No body lists the signers, so that this holds for every committee.
const _: () = assert!(
    commit_max(BATCH_MAX) <= BODY_MAX
        && extension_max(BATCH_MAX) <= BODY_MAX
        && open_max(BATCH_MAX) <= BODY_MAX
        && replies_max(CHUNK) <= BODY_MAX,
    "the largest batch must fit the bodies that the kernel reads"
);

const _: () = assert!(
    REPLIES + BATCH_MAX.div_ceil(CHUNK) < ROUNDS_MAX,
    "the largest batch, with the last round, must fit the rounds that the kernel has"
);

fn rounds(size: usize) -> Vec<RoundSpec> {
    let number = |round: usize| u8::try_from(round).ok();
    let mut rounds = vec![
        RoundSpec { travel: Travel::Broadcast, after: None, body_max: 64 },
        RoundSpec { travel: Travel::Echoed, after: Some(0), body_max: commit_max(size) },
        RoundSpec { travel: Travel::Direct, after: Some(0), body_max: extension_max(size) },
        RoundSpec { travel: Travel::Echoed, after: Some(2), body_max: open_max(size) },
    ];
    let chunks = size.div_ceil(CHUNK);
    rounds.extend((0..chunks).map(|chunk| RoundSpec {
        travel: Travel::Direct,
        after: number(sent_after(chunk)),
        body_max: replies_max(CHUNK.min(size)),
    }));
    let after = number(REPLIES.saturating_add(chunks).saturating_sub(1));
    rounds.push(RoundSpec { travel: Travel::Broadcast, after, body_max: 64 });
    rounds
}

/// The size of the batch that a context is about.
fn size_of(context: &Context) -> usize {
    context.batch.map_or(0, |batch| usize::from(batch.size).min(BATCH_MAX))
}

impl Machine for Presigner {
    type Output = Presigned;

    fn rounds(context: &Context) -> Rounds {
        Rounds::Owned(rounds(size_of(context)))
    }

    fn concerns(context: &Context) -> bool {
        let signers = context.signers.as_ref().is_some_and(|quorum| {
            quorum.signers().len() == usize::from(context.committee.threshold().needed())
        });
        let named = context.key.is_some() && context.group_key.is_some() && context.intent.is_none();
        let sized = context.batch.is_some_and(|batch| (1..=BATCH_MAX).contains(&usize::from(batch.size)));
        let scheme = context.scheme == Scheme::Dkls23 && context.merkle_root.is_none();
        context.protocol == Protocol::DklsPresign && scheme && signers && named && sized
    }

    fn receive(self, round: Round<'_>) -> Result<Step<Self>, Abort> {
        match self {
            Self::Hellos(state) => wait(Self::Commits, state.receive(&round)),
            Self::Commits(state) => wait(Self::Extensions, state.receive(&round)),
            Self::Extensions(state) => wait(Self::Openings, state.receive(&round)),
            Self::Openings(state) => wait(Self::Replies, state.receive(&round)),
            Self::Replies(state) => state.receive(&round),
            Self::Confirmations(state) => {
                state.receive(&round).map(|output| Step { outbox: Vec::new(), next: Next::Done(output) })
            }
        }
    }

    fn convicts(case: &Case<'_>, fault: Fault) -> bool {
        checks::convicts(case, fault)
    }
}

pub(super) fn wait<S>(
    state: impl FnOnce(Box<S>) -> Presigner,
    received: Result<(S, Vec<Outgoing>), Abort>,
) -> Result<Step<Presigner>, Abort> {
    received.map(|(next, outbox)| Step { outbox, next: Next::Wait(state(Box::new(next))) })
}

#[cfg(test)]
mod tests {
    use k256::{AffinePoint, Scalar};

    use super::super::pair::USES_MAX;
    use super::super::{KAPPA, TREES};
    use super::*;
    use crate::transcript::Hash;

    #[test]
    fn the_messages_of_the_largest_batch_fit_its_rounds() {
        let (point, words) = (AffinePoint::GENERATOR, TREES * blocks_for(BATCH_MAX * XI));
        let product = Product { corrections: vec![[0; 32]; 3 * XI], opening: Scalar::ONE, digest: [0; 32] };
        let reply = Reply { product, shares: [point; 2], shift: Scalar::ONE };
        let messages = [
            Hello { nonce: [0; 32], uses: USES_MAX }.encode(),
            Commit { opening: Hash::from_bytes([0; 32]), entropy: vec![[0; 32]; BATCH_MAX] }.encode(),
            Extension { corrections: vec![0; words], choices: [0; 2], columns: vec![[0; 2]; KAPPA] }.encode(),
            Open { blind: [0; 32], key: point, nonces: vec![point; BATCH_MAX] }.encode(),
            Replies(vec![reply; CHUNK]).encode(),
        ];
        let rounds = rounds(BATCH_MAX);
        assert!(messages.iter().zip(&rounds).all(|(message, round)| message.len() <= round.body_max));
        assert!(Confirm.encode().len() <= rounds.last().expect("a last round").body_max);
        assert_eq!(rounds.len(), 37, "as spec/kernel.md says");
    }
}
