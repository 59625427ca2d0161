//! Auxiliary-information generation: the moduli of a committee, with all of their proofs.
//!
//! Steps are numbered as in `spec/gg20.md`:
//! 0 everybody contributes a nonce;
//! 1 commitments to all that follows (echoed);
//! 2 moduli and commitment parameters with their proof, opened (echoed);
//! 3 proofs of the moduli, bound to randomness that nobody knew before (echoed);
//! 4 everybody signs the table of all of it.
//!
//! A change of moduli is a run of all of this with the old table in hand; there is no shorter way.

mod checks;
mod messages;
mod rounds;
mod secrets;
mod table;

use std::sync::Arc;

use keymoot_types::{Epoch, Party, SessionId};
use rand_core::CryptoRngCore;
use zeroize::Zeroizing;

pub use checks::convict;
pub use messages::{Commit, Parameters, Proofs, Signed};
pub use secrets::Auxiliary;
pub use table::{Member, Outputs, Table, TableError, Written};

use self::rounds::{AwaitingCommits, AwaitingHellos, AwaitingParameters, AwaitingProofs, AwaitingSigned};
use super::chance::Chance;
use super::factored::Factored;
use super::paillier::SecretKey;
use super::pedersen::Pedersen;
use super::prime::SafePrime;
use super::proofs::{factors, modulus, setup};
use super::suite::Suite;
use crate::abort::{Abort, Fault};
use crate::codec::Wire;
use crate::context::{Committee, Context, Protocol};
use crate::evidence::Case;
use crate::identity::IdentityKey;
use crate::machine::{
    First, Hello, Machine, Next, Opening, Outgoing, Round, RoundSpec, Rounds, Step, Travel,
};
use crate::transcript::Hash;

/// One member's run; each state is named for what it awaits.
pub enum Generation {
    /// Round 0.
    Hellos(Box<AwaitingHellos>),
    /// Round 1.
    Commits(Box<AwaitingCommits>),
    /// Round 2.
    Parameters(Box<AwaitingParameters>),
    /// Round 3.
    Proofs(Box<AwaitingProofs>),
    /// Round 4.
    Signed(Box<AwaitingSigned>),
}

/// Who generates.
pub(super) struct Task {
    context: Arc<Context>,
    me: Party,
    suite: Suite,
    identity: Arc<IdentityKey>,
    previous: Option<Arc<Table>>,
    chance: Chance,
}

/// A member that cannot take part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GenerationRefused {
    /// The context is about something else.
    #[error("the context does not describe an auxiliary-information generation")]
    WrongContext,
    /// The identity is not that of the member.
    #[error("the identity is not the one that the committee lists for {0}")]
    WrongIdentity(Party),
    /// The old table is not the one that the context names.
    #[error("the table that is to be replaced is another one than the context names")]
    WrongTable,
    /// The primes are not four different ones of the suite.
    #[error("the primes are too near to each other, or were used before")]
    WrongPrimes,
}

/// What a generation of this name is about. `previous` is the table that it replaces.
#[must_use]
pub fn context(
    committee: Arc<Committee>,
    suite: Suite,
    previous: Option<&Table>,
    session: SessionId,
) -> Context {
    Context {
        group_key: previous.map(Table::digest),
        intent: Some(suite.digest()),
        ..Context::of_all(committee, super::SCHEME, Protocol::Gg20Auxiliary, session)
    }
}

/// The rounds of every generation; the bodies are those of the full suite.
pub const ROUNDS: [RoundSpec; 5] = [
    RoundSpec { travel: Travel::Broadcast, after: None, body_max: 64 },
    RoundSpec { travel: Travel::Echoed, after: Some(0), body_max: 64 },
    RoundSpec { travel: Travel::Echoed, after: Some(1), body_max: parameters_max() },
    RoundSpec { travel: Travel::Echoed, after: Some(2), body_max: proofs_max() },
    RoundSpec { travel: Travel::Broadcast, after: Some(3), body_max: 128 },
];

const fn parameters_max() -> usize {
    setup::Proof::encoded_max(Suite::Full) + Suite::Full.modulus_bits() / 8 * 4 + 256
}

const fn proofs_max() -> usize {
    let parties = keymoot_types::PARTIES_MAX as usize;
    modulus::Proof::encoded_max(Suite::Full) + parties * (factors::Proof::encoded_max(Suite::Full) + 32) + 64
}

const _: () = assert!(proofs_max() <= crate::envelope::BODY_MAX, "the largest committee's proofs must fit");

impl Generation {
    /// Takes four safe primes, draws commitment parameters and prepares the first word. The primes are gone from their
    /// store by now.
    ///
    /// # Errors
    /// A context for something else, another identity or old table, or primes that do not serve.
    pub fn start(
        context: Arc<Context>,
        me: Party,
        identity: Arc<IdentityKey>,
        primes: [SafePrime; 4],
        previous: Option<Arc<Table>>,
        rng: &mut impl CryptoRngCore,
    ) -> Result<Opening<Self>, GenerationRefused> {
        let suite = context.intent.as_ref().and_then(Suite::of).filter(|_| Self::concerns(&context));
        let suite = suite.ok_or(GenerationRefused::WrongContext)?;
        if context.committee.identity(me) != Some(&identity.public()) {
            return Err(GenerationRefused::WrongIdentity(me));
        }
        if previous.as_ref().map(|table| table.digest()) != context.group_key {
            return Err(GenerationRefused::WrongTable);
        }
        let drawn = draw(suite, &primes, previous.as_deref(), rng).ok_or(GenerationRefused::WrongPrimes)?;
        let chance = Chance::draw(&context, me, &identity, rng);
        let first = First::Say(Hello { nonce: chance.nonce() }.encode());
        let task = Task {
            context: Arc::clone(&context),
            me,
            suite,
            identity: Arc::clone(&identity),
            previous,
            chance,
        };
        let machine = Self::Hellos(Box::new(AwaitingHellos { task, drawn }));
        Ok(Opening { machine, context, member: Some((me, identity)), first })
    }

    /// Whether our signature on the table is made and everybody's is awaited, so that [`Generation::seal_pending`] has
    /// something.
    #[must_use]
    pub const fn is_pending(&self) -> bool {
        matches!(self, Self::Signed(_))
    }

    /// The digest of the table that awaits its certificate, and our primes for a sealed store, as [`Auxiliary::seal`] has
    /// them. The caller makes both durable before the words that came with this state leave: others may complete the table
    /// with our signature.
    #[must_use]
    pub fn seal_pending(&self) -> Option<(Hash, Zeroizing<Vec<u8>>)> {
        match self {
            Self::Signed(state) => Some(state.seal()),
            Self::Hellos(_) | Self::Commits(_) | Self::Parameters(_) | Self::Proofs(_) => None,
        }
    }
}

/// What a member has drawn: its key, its parameters and what it knows of them.
pub(super) struct Drawn {
    key: SecretKey,
    setup: Pedersen,
    trapdoor: super::pedersen::Trapdoor,
}

fn draw(
    suite: Suite,
    [p, q, r, s]: &[SafePrime; 4],
    previous: Option<&Table>,
    rng: &mut impl CryptoRngCore,
) -> Option<Drawn> {
    let (modulus, other) = (Factored::new(p, q)?, Factored::new(r, s)?);
    let numbers = [modulus.number(), other.number()];
    let sized = numbers.iter().all(|n| n.bits_vartime() == suite.modulus_bits());
    let fresh =
        previous.is_none_or(|table| table.moduli().all(|old| numbers.iter().all(|n| n.is_coprime(old))));
    if !sized || !fresh || !numbers[0].is_coprime(numbers[1]) {
        return None;
    }
    let key = SecretKey::from_factored(modulus)?;
    let (setup, trapdoor) = Pedersen::draw(suite, other, rng)?;
    key.works(rng).then_some(Drawn { key, setup, trapdoor })
}

impl Machine for Generation {
    type Output = Auxiliary;

    fn rounds(_: &Context) -> Rounds {
        Rounds::Borrowed(&ROUNDS)
    }

    fn concerns(context: &Context) -> bool {
        let bare = context.key.is_none() && context.signers.is_none() && context.merkle_root.is_none();
        let plain = context.batch.is_none() && context.epoch == Epoch::FIRST;
        let suite = context.intent.as_ref().is_some_and(|intent| Suite::of(intent).is_some());
        context.protocol == Protocol::Gg20Auxiliary
            && context.scheme == super::SCHEME
            && bare
            && plain
            && suite
    }

    fn receive(self, round: Round<'_>) -> Result<Step<Self>, Abort> {
        match self {
            Self::Hellos(state) => wait(Self::Commits, state.receive(&round)),
            Self::Commits(state) => wait(Self::Parameters, state.receive(&round)),
            Self::Parameters(state) => wait(Self::Proofs, state.receive(&round)),
            Self::Proofs(state) => wait(Self::Signed, state.receive(&round)),
            Self::Signed(state) => {
                state.receive(&round).map(|output| Step { outbox: Vec::new(), next: Next::Done(output) })
            }
        }
    }

    /// Without the table that a run replaces; [`convict`] takes that too.
    fn convicts(case: &Case<'_>, fault: Fault) -> bool {
        checks::convicts(case, fault, None)
    }
}

fn wait<S>(
    state: impl FnOnce(Box<S>) -> Generation,
    received: Result<(S, Vec<Outgoing>), Abort>,
) -> Result<Step<Generation>, Abort> {
    received.map(|(next, outbox)| Step { outbox, next: Next::Wait(state(Box::new(next))) })
}
