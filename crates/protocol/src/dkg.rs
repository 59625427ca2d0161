//! Distributed key generation: t-of-n Feldman with commit and open, proofs of possession, and a certificate.
//!
//! Steps are numbered as in `spec/dkg.md`. What each round is there for:
//! 0 everybody contributes a nonce, so that the session is new for everybody;
//! 1 commit (echoed), so that nobody chooses their polynomial after seeing others';
//! 2 open (echoed), with exactly t commitments each, so that nobody raises the threshold;
//! 3 shares, to one recipient each, checked against the dealer's commitments;
//! 4 proofs (echoed) that every dealer knows its constant term and every member its share of the key;
//! 5 everybody signs all public outputs; the n signatures together are the key's certificate.
//!
//! Refuses: to hand out a key without the complete certificate, and to complain. A share that fails is evidence
//! against its dealer, signed by it; the run is over, and another one starts from nothing.

mod checks;
mod messages;
mod rounds;

use std::sync::Arc;

use keymoot_types::{Epoch, KeyId, Party, Scheme, Secret, SessionId};
use rand_core::CryptoRngCore;
use zeroize::Zeroizing;

use crate::abort::{Abort, Fault};
use crate::codec::Wire;
use crate::context::{Committee, Context, Protocol};
use crate::curve::Curve;
use crate::evidence::Case;
use crate::identity::IdentityKey;
use crate::key::{GroupKey, KeyShare, seal};
use crate::machine::{First, Hello, Machine, Next, Opening as Start, Round, RoundSpec, Rounds, Step, Travel};
use crate::proof::Prover;
use crate::transcript::Hash;
use crate::vss::Polynomial;

pub use messages::{Certify, Commit, Opening, Proofs, Share};
use rounds::{
    AwaitingCertificate, AwaitingCommits, AwaitingHellos, AwaitingOpenings, AwaitingProofs, AwaitingShares,
};

/// What the generation of a key is about.
#[must_use]
pub fn context(committee: Arc<Committee>, scheme: Scheme, key: KeyId, session: SessionId) -> Context {
    Context { key: Some(key), ..Context::of_all(committee, scheme, Protocol::Dkg, session) }
}

/// The rounds of every key generation.
pub const ROUNDS: [RoundSpec; 6] = [
    RoundSpec { travel: Travel::Broadcast, after: None, body_max: 64 },
    RoundSpec { travel: Travel::Echoed, after: Some(0), body_max: 64 },
    RoundSpec { travel: Travel::Echoed, after: Some(1), body_max: 2048 },
    RoundSpec { travel: Travel::Direct, after: Some(1), body_max: 64 },
    RoundSpec { travel: Travel::Echoed, after: Some(3), body_max: 128 },
    RoundSpec { travel: Travel::Broadcast, after: Some(4), body_max: 128 },
];

/// One member's run of key generation; each state is named for what it awaits.
///
/// States are boxed: moving a large value copies whatever the stack held where it has nothing to say, and secrets pass
/// over the stack.
pub enum Dkg<C: Curve> {
    /// Round 0.
    Hellos(Box<AwaitingHellos<C>>),
    /// Round 1.
    Commits(Box<AwaitingCommits<C>>),
    /// Round 2.
    Openings(Box<AwaitingOpenings<C>>),
    /// Round 3.
    Shares(Box<AwaitingShares<C>>),
    /// Round 4.
    Proofs(Box<AwaitingProofs<C>>),
    /// Round 5.
    Certificate(Box<AwaitingCertificate<C>>),
}

/// Who generates what with whom.
pub(crate) struct Setup {
    pub(crate) context: Arc<Context>,
    pub(crate) me: Party,
    pub(crate) identity: Arc<IdentityKey>,
}

/// One member's secrets as a dealer.
pub(crate) struct Dealer<C: Curve> {
    pub(crate) polynomial: Polynomial<C>,
    pub(crate) share_prover: Prover<C>,
    pub(crate) constant_prover: Prover<C>,
    pub(crate) contributions: Secret<[[u8; 32]; 3]>,
}

/// A member that cannot take part in a key generation it was invited to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DkgError {
    /// The context is about something else than generating a key on this curve.
    #[error("the context does not describe a key generation on this curve")]
    WrongContext,
    /// The identity is not that of the member.
    #[error("the identity is not the one that the committee lists for {0}")]
    WrongIdentity(Party),
}

impl<C: Curve> Dkg<C> {
    /// Draws everything random that this member will need, and prepares its first word.
    ///
    /// # Errors
    /// A context for something else, or a foreign identity.
    pub fn start(
        context: Arc<Context>,
        me: Party,
        identity: Arc<IdentityKey>,
        rng: &mut impl CryptoRngCore,
    ) -> Result<Start<Self>, DkgError> {
        if !Self::concerns(&context) {
            return Err(DkgError::WrongContext);
        }
        if context.committee.identity(me) != Some(&identity.public()) {
            return Err(DkgError::WrongIdentity(me));
        }
        let mut contributions = Secret::new([[0u8; 32]; 3]);
        contributions.expose_mut().iter_mut().for_each(|part| rng.fill_bytes(part));
        let mut nonce = [0u8; 32];
        rng.fill_bytes(&mut nonce);
        let dealer = Dealer {
            polynomial: Polynomial::random(context.committee.threshold().needed(), rng),
            share_prover: Prover::new(rng),
            constant_prover: Prover::new(rng),
            contributions,
        };
        let member = Some((me, Arc::clone(&identity)));
        let setup = Setup { context: Arc::clone(&context), me, identity };
        let hello = Hello { nonce }.encode();
        let machine = Self::Hellos(Box::new(AwaitingHellos { setup, dealer }));
        Ok(Start { machine, context, member, first: First::Say(hello) })
    }
}

impl<C: Curve> Dkg<C> {
    /// The key and our share of it while only the certificate is awaited, that is once our signature is on its way.
    ///
    /// Whoever must not lose the share makes both durable before that signature leaves: if the last signatures are
    /// kept from us, others may hold the complete certificate. Their copy of the key makes it ours too, with
    /// [`KeyShare::new`] and the digest of what we signed: a package with another digest is another key, whoever
    /// certified it.
    #[must_use]
    pub const fn pending(&self) -> Option<(&GroupKey<C>, &Secret<C::Scalar>)> {
        match self {
            Self::Certificate(state) => Some(state.pending()),
            Self::Hellos(_) | Self::Commits(_) | Self::Openings(_) | Self::Shares(_) | Self::Proofs(_) => {
                None
            }
        }
    }
}

impl<C: Curve> Dkg<C> {
    /// The same for a sealed store: the digest that our signature covers, and the share as [`KeyShare::seal`] writes it.
    /// [`KeyShare::unseal`] makes it whole with the certified key, whoever that comes from.
    #[must_use]
    pub fn seal_pending(&self) -> Option<(Hash, Zeroizing<Vec<u8>>)> {
        let Self::Certificate(state) = self else { return None };
        let (key, secret) = state.pending();
        let package = key.digest();
        let sealed = seal::<C>(state.party(), key.scheme, &package, secret);
        Some((package, sealed))
    }
}

impl<C: Curve> Machine for Dkg<C> {
    type Output = KeyShare<C>;

    fn rounds(_: &Context) -> Rounds {
        Rounds::Borrowed(&ROUNDS)
    }

    fn concerns(context: &Context) -> bool {
        let whole = context.signers.is_none() && context.group_key.is_none() && context.intent.is_none();
        let scriptless = context.scheme == Scheme::FrostTaproot || context.merkle_root.is_none();
        let fits = context.scheme.curve() == C::NAME && context.epoch == Epoch::FIRST && scriptless;
        let names = context.key.is_some() && context.batch.is_none();
        context.protocol == Protocol::Dkg && fits && whole && names
    }

    fn receive(self, round: Round<'_>) -> Result<Step<Self>, Abort> {
        match self {
            Self::Hellos(state) => {
                state.receive(&round).map(|(next, outbox)| wait(Self::Commits(Box::new(next)), outbox))
            }
            Self::Commits(state) => {
                state.receive(&round).map(|(next, outbox)| wait(Self::Openings(Box::new(next)), outbox))
            }
            Self::Openings(state) => {
                state.receive(&round).map(|next| wait(Self::Shares(Box::new(next)), Vec::new()))
            }
            Self::Shares(state) => {
                state.receive(&round).map(|(next, outbox)| wait(Self::Proofs(Box::new(next)), outbox))
            }
            Self::Proofs(state) => {
                state.receive(&round).map(|(next, outbox)| wait(Self::Certificate(Box::new(next)), outbox))
            }
            Self::Certificate(state) => {
                state.receive(&round).map(|share| Step { outbox: Vec::new(), next: Next::Done(share) })
            }
        }
    }

    fn convicts(case: &Case<'_>, fault: Fault) -> bool {
        checks::convicts::<C>(case, fault)
    }
}

fn wait<M: Machine>(machine: M, outbox: Vec<crate::machine::Outgoing>) -> Step<M> {
    Step { outbox, next: Next::Wait(machine) }
}
