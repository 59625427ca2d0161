//! Pair setup: everything that two nodes share for DKLs23, for all pairs of a committee at once.
//!
//! Steps are numbered as in `spec/dkls23.md`:
//! 0 everybody contributes a nonce;
//! 1 commitments to halves of zero-share seeds, and base-OT offers (echoed);
//! 2 base-OT replies, one for each peer;
//! 3 trees, one message for each peer, with our half of the seed;
//! 4 confirmations between each two;
//! 5 everybody says that all of its pairs are sound.
//!
//! The setup belongs to the nodes, not to a key. If anything fails, all that was drawn is dropped with the session. Whoever
//! fails a check that depends on it, of trees or of a confirmation, is banned all the same ([`Abort::BanAndBurn`]): trees
//! that are wrong where a guess of Δ decides go unseen if the guess is true, so guessing must not be free.

mod checks;
mod messages;
mod rounds;

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::transcript::oblivious::{PairSeed, SetupHedge, SetupSeed};
use crate::transcript::{ContextId, Hash, Transcript};
use keymoot_types::{Epoch, Party, Scheme, SessionId};
use rand_core::{CryptoRngCore, RngCore};
use zeroize::Zeroizing;

pub use self::messages::{Confirmation, Done, Half, Offers, Trees};
pub use super::base_ot::{Element, Reply};
pub use super::tree::Correction;

use self::rounds::{
    AwaitingConfirmations, AwaitingDone, AwaitingHellos, AwaitingOffers, AwaitingReplies, AwaitingTrees,
};
use super::bans::Bans;
use super::base_ot::Offer;
use super::grown::Grown;
use super::pair::PairSetup;
use crate::abort::{Abort, Fault};
use crate::codec::Wire;
use crate::context::{Committee, Context, Protocol};
use crate::evidence::Case;
use crate::identity::{IdentityKey, IdentityPublic};
use crate::machine::{
    First, Hello, Machine, Next, Opening, Outgoing, Round, RoundSpec, Rounds, Step, Travel,
};

/// One member's run of a pair setup; each state is named for what it awaits.
pub enum Setup {
    /// Round 0.
    Hellos(Box<AwaitingHellos>),
    /// Round 1.
    Offers(Box<AwaitingOffers>),
    /// Round 2.
    Replies(Box<AwaitingReplies>),
    /// Round 3.
    Trees(Box<AwaitingTrees>),
    /// Round 4.
    Confirmations(Box<AwaitingConfirmations>),
    /// Round 5.
    Done(Box<AwaitingDone>),
}

/// Who sets up with whom.
pub(super) struct Task {
    pub(super) context: Arc<Context>,
    pub(super) me: Party,
}

/// What one member draws for one peer before anything is said.
pub(super) struct Drawn {
    pub(super) half: Half,
    pub(super) offer: Offer,
    /// For Δ, the reply and the trees, which need messages of others first.
    pub(super) seed: keymoot_types::Secret<[u8; 32]>,
}

impl Drawn {
    /// What these grow from, now that the session has a name.
    pub(super) fn seed_in(
        &self,
        ssid: Hash,
        (party, peer): (Party, Party),
    ) -> keymoot_types::Secret<[u8; 32]> {
        let seed = PairSeed { ssid, party, peer, seed: self.seed.expose() };
        keymoot_types::Secret::new(*seed.digest().as_bytes())
    }
}

/// A member that cannot take part in a pair setup it was invited to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SetupError {
    /// The context is about something else.
    #[error("the context does not describe a pair setup")]
    WrongContext,
    /// The identity is not that of the member.
    #[error("the identity is not the one that the committee lists for {0}")]
    WrongIdentity(Party),
    /// We do not take part.
    #[error("{0} does not take part in this pair setup")]
    NotAParticipant(Party),
    /// A participant is banned; its identity is what counts, whatever its index.
    #[error("{0} is banned")]
    Banned(Party),
}

/// What a pair setup of the whole committee is about.
#[must_use]
pub const fn context(committee: Arc<Committee>, session: SessionId) -> Context {
    Context::of_all(committee, Scheme::Dkls23, Protocol::DklsSetup, session)
}

/// The rounds of every pair setup.
pub const ROUNDS: [RoundSpec; 6] = [
    RoundSpec { travel: Travel::Broadcast, after: None, body_max: 64 },
    RoundSpec { travel: Travel::Echoed, after: Some(0), body_max: 4096 },
    RoundSpec { travel: Travel::Direct, after: Some(1), body_max: 12 * 1024 },
    RoundSpec { travel: Travel::Direct, after: Some(2), body_max: 12 * 1024 },
    RoundSpec { travel: Travel::Direct, after: Some(3), body_max: 64 },
    RoundSpec { travel: Travel::Broadcast, after: Some(4), body_max: 64 },
];

impl Setup {
    /// Draws everything random that this member will need, and prepares its first word.
    ///
    /// Without signers in the context the setup is the whole committee's; with signers it is theirs alone.
    ///
    /// # Errors
    /// A context for something else, a foreign identity, or a banned participant.
    pub fn start(
        context: Arc<Context>,
        me: Party,
        identity: Arc<IdentityKey>,
        bans: &Bans,
        rng: &mut impl CryptoRngCore,
    ) -> Result<Opening<Self>, SetupError> {
        if !Self::concerns(&context) {
            return Err(SetupError::WrongContext);
        }
        let participants = context.participants();
        if !participants.contains(&me) {
            return Err(SetupError::NotAParticipant(me));
        }
        if context.committee.identity(me) != Some(&identity.public()) {
            return Err(SetupError::WrongIdentity(me));
        }
        if let Some(banned) = bans.find(&context.committee, &participants) {
            return Err(SetupError::Banned(banned));
        }
        let seed = hedge(&context, &identity, rng);
        let mut nonce = [0u8; 32];
        Grown::new(&seed, "setup/hello").fill_bytes(&mut nonce);
        let mut draws = Grown::new(&seed, "setup/draws");
        let peers = participants.into_iter().filter(|party| *party != me);
        let drawn = peers.map(|peer| (peer, Drawn::new(&mut draws))).collect();
        let task = Task { context: Arc::clone(&context), me };
        let machine = Self::Hellos(Box::new(AwaitingHellos { task, drawn }));
        let first = First::Say(Hello { nonce }.encode());
        Ok(Opening { machine, context, member: Some((me, identity)), first })
    }
}

impl Setup {
    /// Whether this identity takes part too, so that the session must be dropped when it is banned.
    #[must_use]
    pub fn involves(&self, identity: &IdentityPublic) -> bool {
        let task = match self {
            Self::Hellos(state) => &state.task,
            Self::Offers(state) => &state.task,
            Self::Replies(state) => &state.task,
            Self::Trees(state) => &state.task,
            Self::Confirmations(state) => &state.task,
            Self::Done(state) => &state.task,
        };
        let party = task.context.committee.party(identity);
        party.is_some_and(|party| task.context.participants().contains(&party))
    }
}

/// Everything a participant draws grows from this: fresh randomness, what only its identity can make of this context, and
/// the context, whose session id is fresh. What its pairs will hold is bound to the session's name besides ([`PairSeed`]).
/// So neither a generator that others know nor one that repeats itself gives a pair away, as long as no session name comes
/// twice. It would if a machine were set back to before its hello and all others said the same to it again.
fn hedge(context: &Context, identity: &IdentityKey, rng: &mut impl CryptoRngCore) -> Zeroizing<[u8; 32]> {
    let mut random = Zeroizing::new([0u8; 32]);
    rng.fill_bytes(random.as_mut());
    let context = ContextId(context).digest();
    let hedge = Zeroizing::new(identity.sign(&SetupHedge { context }.digest()).0);
    Zeroizing::new(*SetupSeed { context, random: &random, hedge: &hedge }.digest().as_bytes())
}

pub(super) type Draws = BTreeMap<Party, Drawn>;

impl Drawn {
    fn new(rng: &mut impl CryptoRngCore) -> Self {
        let mut half = keymoot_types::Secret::new([[0u8; 32]; 2]);
        half.expose_mut().iter_mut().for_each(|part| rng.fill_bytes(part));
        let mut seed = keymoot_types::Secret::new([0u8; 32]);
        rng.fill_bytes(seed.expose_mut());
        Self { half: Half(half), offer: Offer::draw(rng), seed }
    }
}

impl Machine for Setup {
    type Output = PairSetup;

    fn rounds(_: &Context) -> Rounds {
        Rounds::Borrowed(&ROUNDS)
    }

    fn concerns(context: &Context) -> bool {
        let bare = context.key.is_none() && context.group_key.is_none() && context.intent.is_none();
        let plain = context.merkle_root.is_none() && context.batch.is_none() && context.epoch == Epoch::FIRST;
        context.protocol == Protocol::DklsSetup && context.scheme == Scheme::Dkls23 && bare && plain
    }

    fn receive(self, round: Round<'_>) -> Result<Step<Self>, Abort> {
        match self {
            Self::Hellos(state) => wait(Self::Offers, state.receive(&round)),
            Self::Offers(state) => wait(Self::Replies, state.receive(&round)),
            Self::Replies(state) => wait(Self::Trees, state.receive(&round)),
            Self::Trees(state) => wait(Self::Confirmations, state.receive(&round)),
            Self::Confirmations(state) => wait(Self::Done, state.receive(&round)),
            Self::Done(state) => {
                state.receive(&round).map(|setup| Step { outbox: Vec::new(), next: Next::Done(setup) })
            }
        }
    }

    fn convicts(case: &Case<'_>, fault: Fault) -> bool {
        checks::convicts(case, fault)
    }
}

fn wait<S>(
    state: impl FnOnce(Box<S>) -> Setup,
    received: Result<(S, Vec<Outgoing>), Abort>,
) -> Result<Step<Setup>, Abort> {
    received.map(|(next, outbox)| Step { outbox, next: Next::Wait(state(Box::new(next))) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_offers_of_the_largest_committee_fit_their_round() {
        let element = Element::new(curve25519_dalek::constants::RISTRETTO_BASEPOINT_POINT);
        let parties = (2..=keymoot_types::PARTIES_MAX).filter_map(|index| Party::new(index).ok());
        let offers = Offers { to: parties.map(|to| (to, Hash::from_bytes([0; 32]), element)).collect() };
        assert_eq!(offers.to.len(), 31);
        assert!(ROUNDS.get(1).is_some_and(|round| offers.encode().len() <= round.body_max));
    }

    /// A generator that gives the same each time, as one does that others know.
    struct Known;

    impl RngCore for Known {
        fn next_u32(&mut self) -> u32 {
            7
        }
        fn next_u64(&mut self) -> u64 {
            7
        }
        fn fill_bytes(&mut self, out: &mut [u8]) {
            out.fill(7);
        }
        fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), rand_core::Error> {
            out.fill(7);
            Ok(())
        }
    }

    impl rand_core::CryptoRng for Known {}

    #[test]
    fn d06_who_knows_the_generator_still_needs_the_identity() {
        let context = |session| {
            let identity = |index| IdentityKey::from_seed([index; 32]).public();
            let threshold = keymoot_types::Threshold::new(2, 2).unwrap();
            let members = threshold.parties().zip([identity(1), identity(2)]).collect();
            let group = keymoot_types::GroupId::new([1; 16]);
            let committee = Committee::new(group, threshold, members).unwrap();
            context(Arc::new(committee), SessionId::new([session; 16]))
        };
        let seed = |session, key| hedge(&context(session), &IdentityKey::from_seed([key; 32]), &mut Known);
        assert_eq!(seed(1, 1), seed(1, 1));
        assert_ne!(seed(1, 1), seed(1, 2), "another identity");
        assert_ne!(seed(1, 1), seed(2, 1), "another session id");
    }
}
