//! The one list of schemes: whoever runs sessions of all of them names none.
//!
//! [`AnyMachine`] is each machine there is, and is one itself. What a session is about says which: protocol and scheme
//! in its [`Context`] together. A signer and the aggregator beside it share the context, the rounds and the judge's
//! eye, so that it does not matter which of the two a context stands for. Matches are exhaustive, so that a new scheme
//! has to be placed everywhere.

use std::collections::BTreeMap;

use keymoot_types::{Party, Scheme};
use zeroize::Zeroizing;

use crate::abort::{Abort, Fault};
use crate::context::{Context, Protocol};
use crate::curve::{Ed25519, Secp256k1};
use crate::dkg::Dkg;
use crate::dkls23::{self, PairSetup, Presigned, Presigner};
use crate::ecdsa::EcdsaSignature;
use crate::evidence::Case;
use crate::frost;
use crate::gg20;
use crate::key::KeyShare;
use crate::machine::{Machine, Next, Round, Rounds, Step};
use crate::transcript::Hash;

/// Any machine of any scheme. What is large is boxed, so that moving it leaves no secrets on the stack.
pub enum AnyMachine {
    /// Key generation on secp256k1, for Taproot and ECDSA.
    DkgSecp256k1(Dkg<Secp256k1>),
    /// Key generation on Ed25519.
    DkgEd25519(Dkg<Ed25519>),
    /// A signer of BIP-340 signatures.
    SignTaproot(Box<frost::Signer<Secp256k1>>),
    /// A signer of Ed25519 signatures.
    SignEd25519(Box<frost::Signer<Ed25519>>),
    /// Pair setup of DKLs23.
    SetUp(dkls23::Setup),
    /// A batch of DKLs23 presignatures.
    Presign(Presigner),
    /// A signer of ECDSA signatures with DKLs23.
    SignEcdsa(Box<dkls23::Signer>),
    /// Auxiliary-information generation of GG20.
    GenerateModuli(gg20::Generation),
    /// A batch of GG20 presignatures.
    PresignGg20(gg20::Presigner),
    /// A signer of ECDSA signatures with GG20.
    SignGg20(Box<gg20::Signer>),
    /// An aggregator of BIP-340 signatures.
    AggregateTaproot(Box<frost::Aggregator<Secp256k1>>),
    /// An aggregator of Ed25519 signatures.
    AggregateEd25519(Box<frost::Aggregator<Ed25519>>),
    /// An aggregator of ECDSA signatures with DKLs23.
    AggregateEcdsa(Box<dkls23::Aggregator>),
    /// An aggregator of ECDSA signatures with GG20.
    AggregateGg20(Box<gg20::Aggregator>),
}

/// What a complete run of any machine yields.
pub enum AnyOutput {
    /// A share of a certified key on secp256k1.
    ShareSecp256k1(KeyShare<Secp256k1>),
    /// A share of a certified key on Ed25519.
    ShareEd25519(KeyShare<Ed25519>),
    /// Our side of a pair setup.
    PairSetup(PairSetup),
    /// A batch of DKLs23 presignatures.
    Presigned(Presigned),
    /// Our side of a committee's moduli.
    Moduli(Box<gg20::Auxiliary>),
    /// A batch of GG20 presignatures.
    PresignedGg20(Vec<gg20::Presignature>),
    /// Our signature share is out.
    Released,
    /// A signature, 64 bytes: RFC 8032 for Ed25519, BIP-340 for Taproot.
    Schnorr([u8; 64]),
    /// An ECDSA signature.
    Ecdsa(EcdsaSignature),
}

impl AnyMachine {
    /// Whether this made a key or moduli that await their certificate, so that [`AnyMachine::seal_pending`] has something.
    #[must_use]
    pub const fn is_pending(&self) -> bool {
        match self {
            Self::DkgSecp256k1(dkg) => dkg.pending().is_some(),
            Self::DkgEd25519(dkg) => dkg.pending().is_some(),
            Self::GenerateModuli(generation) => generation.is_pending(),
            Self::SignTaproot(_)
            | Self::SignEd25519(_)
            | Self::SetUp(_)
            | Self::Presign(_)
            | Self::SignEcdsa(_)
            | Self::PresignGg20(_)
            | Self::SignGg20(_)
            | Self::AggregateTaproot(_)
            | Self::AggregateEd25519(_)
            | Self::AggregateEcdsa(_)
            | Self::AggregateGg20(_) => false,
        }
    }

    /// The digest of the key or table that awaits its certificate, and our share or primes, as [`Dkg::seal_pending`] and
    /// [`gg20::Generation::seal_pending`] have them.
    #[must_use]
    pub fn seal_pending(&self) -> Option<(Hash, Zeroizing<Vec<u8>>)> {
        match self {
            Self::DkgSecp256k1(dkg) => dkg.seal_pending(),
            Self::DkgEd25519(dkg) => dkg.seal_pending(),
            Self::GenerateModuli(generation) => generation.seal_pending(),
            Self::SignTaproot(_)
            | Self::SignEd25519(_)
            | Self::SetUp(_)
            | Self::Presign(_)
            | Self::SignEcdsa(_)
            | Self::PresignGg20(_)
            | Self::SignGg20(_)
            | Self::AggregateTaproot(_)
            | Self::AggregateEd25519(_)
            | Self::AggregateEcdsa(_)
            | Self::AggregateGg20(_) => None,
        }
    }

    /// The peers' counts of uses of their pair setups, as [`Presigner::counts`] has them.
    #[must_use]
    pub const fn counts(&self) -> Option<&BTreeMap<Party, u64>> {
        match self {
            Self::Presign(presigner) => presigner.counts(),
            Self::DkgSecp256k1(_)
            | Self::DkgEd25519(_)
            | Self::SignTaproot(_)
            | Self::SignEd25519(_)
            | Self::SetUp(_)
            | Self::SignEcdsa(_)
            | Self::GenerateModuli(_)
            | Self::PresignGg20(_)
            | Self::SignGg20(_)
            | Self::AggregateTaproot(_)
            | Self::AggregateEd25519(_)
            | Self::AggregateEcdsa(_)
            | Self::AggregateGg20(_) => None,
        }
    }
}

/// What a machine says about sessions before there is one of it.
struct Verbs {
    rounds: fn(&Context) -> Rounds,
    concerns: fn(&Context) -> bool,
    convicts: fn(&Case<'_>, Fault) -> bool,
}

impl Verbs {
    const fn of<M: Machine>() -> Self {
        Self { rounds: M::rounds, concerns: M::concerns, convicts: M::convicts }
    }

    /// Those of the machine that runs sessions about this; `None` where the scheme has no such protocol.
    const fn about(context: &Context) -> Option<Self> {
        Some(match (context.protocol, context.scheme) {
            (Protocol::Dkg, Scheme::FrostTaproot | Scheme::Dkls23 | Scheme::Gg20) => {
                Self::of::<Dkg<Secp256k1>>()
            }
            (Protocol::Dkg, Scheme::FrostEd25519) => Self::of::<Dkg<Ed25519>>(),
            (Protocol::FrostSign, Scheme::FrostTaproot) => Self::of::<frost::Signer<Secp256k1>>(),
            (Protocol::FrostSign, Scheme::FrostEd25519) => Self::of::<frost::Signer<Ed25519>>(),
            (Protocol::DklsSetup, Scheme::Dkls23) => Self::of::<dkls23::Setup>(),
            (Protocol::DklsPresign, Scheme::Dkls23) => Self::of::<Presigner>(),
            (Protocol::DklsSign, Scheme::Dkls23) => Self::of::<dkls23::Signer>(),
            (Protocol::Gg20Auxiliary, Scheme::Gg20) => Self::of::<gg20::Generation>(),
            (Protocol::Gg20Presign, Scheme::Gg20) => Self::of::<gg20::Presigner>(),
            (Protocol::Gg20Sign, Scheme::Gg20) => Self::of::<gg20::Signer>(),
            (Protocol::FrostSign, Scheme::Dkls23 | Scheme::Gg20)
            | (
                Protocol::DklsSetup | Protocol::DklsPresign | Protocol::DklsSign,
                Scheme::FrostTaproot | Scheme::FrostEd25519 | Scheme::Gg20,
            )
            | (
                Protocol::Gg20Auxiliary | Protocol::Gg20Presign | Protocol::Gg20Sign,
                Scheme::FrostTaproot | Scheme::FrostEd25519 | Scheme::Dkls23,
            ) => return None,
        })
    }
}

impl Machine for AnyMachine {
    type Output = AnyOutput;

    fn rounds(context: &Context) -> Rounds {
        Verbs::about(context).map_or(Rounds::Borrowed(&[]), |verbs| (verbs.rounds)(context))
    }

    fn concerns(context: &Context) -> bool {
        Verbs::about(context).is_some_and(|verbs| (verbs.concerns)(context))
    }

    fn receive(self, round: Round<'_>) -> Result<Step<Self>, Abort> {
        match self {
            Self::DkgSecp256k1(one) => {
                lift(one.receive(round), Self::DkgSecp256k1, AnyOutput::ShareSecp256k1)
            }
            Self::DkgEd25519(one) => lift(one.receive(round), Self::DkgEd25519, AnyOutput::ShareEd25519),
            Self::SignTaproot(one) => lift((*one).receive(round), boxed(Self::SignTaproot), released),
            Self::SignEd25519(one) => lift((*one).receive(round), boxed(Self::SignEd25519), released),
            Self::SetUp(one) => lift(one.receive(round), Self::SetUp, AnyOutput::PairSetup),
            Self::Presign(one) => lift(one.receive(round), Self::Presign, AnyOutput::Presigned),
            Self::SignEcdsa(one) => lift((*one).receive(round), boxed(Self::SignEcdsa), released),
            Self::GenerateModuli(one) => {
                let moduli = |auxiliary| AnyOutput::Moduli(Box::new(auxiliary));
                lift(one.receive(round), Self::GenerateModuli, moduli)
            }
            Self::PresignGg20(one) => lift(one.receive(round), Self::PresignGg20, AnyOutput::PresignedGg20),
            Self::SignGg20(one) => lift((*one).receive(round), boxed(Self::SignGg20), released),
            Self::AggregateTaproot(one) => {
                lift((*one).receive(round), boxed(Self::AggregateTaproot), AnyOutput::Schnorr)
            }
            Self::AggregateEd25519(one) => {
                lift((*one).receive(round), boxed(Self::AggregateEd25519), AnyOutput::Schnorr)
            }
            Self::AggregateEcdsa(one) => {
                lift((*one).receive(round), boxed(Self::AggregateEcdsa), AnyOutput::Ecdsa)
            }
            Self::AggregateGg20(one) => {
                lift((*one).receive(round), boxed(Self::AggregateGg20), AnyOutput::Ecdsa)
            }
        }
    }

    fn convicts(case: &Case<'_>, fault: Fault) -> bool {
        Verbs::about(case.context).is_some_and(|verbs| (verbs.convicts)(case, fault))
    }
}

fn boxed<M>(machine: impl FnOnce(Box<M>) -> AnyMachine) -> impl FnOnce(M) -> AnyMachine {
    |one| machine(Box::new(one))
}

fn released<T>(_: T) -> AnyOutput {
    AnyOutput::Released
}

/// The step of one machine as a step of any.
fn lift<M: Machine>(
    step: Result<Step<M>, Abort>,
    machine: impl FnOnce(M) -> AnyMachine,
    output: impl FnOnce(M::Output) -> AnyOutput,
) -> Result<Step<AnyMachine>, Abort> {
    step.map(|Step { outbox, next }| {
        let next = match next {
            Next::Wait(next) => Next::Wait(machine(next)),
            Next::Done(done) => Next::Done(output(done)),
        };
        Step { outbox, next }
    })
}
