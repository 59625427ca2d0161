//! From a task to a machine that is ready to start.

use std::sync::Arc;

use keymoot_protocol::any::AnyMachine;
use keymoot_protocol::context::Context;
use keymoot_protocol::dkg::{self, Dkg};
use keymoot_protocol::dkls23::{self, Bans};
use keymoot_protocol::frost::{self, Nonces, SigningKey, Suite as FrostSuite};
use keymoot_protocol::gg20::{self, SafePrime, Suite};
use keymoot_protocol::identity::IdentityKey;
use keymoot_protocol::key::KeyShare;
use keymoot_protocol::machine::Opening;
use keymoot_types::{CurveName, Party, Quorum, SessionId};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

use super::holding::FrostKey;
use super::order::{EcdsaOrder, ecdsa_order, frost_order};
use super::{Burnt, Key, Real, Setup, Share, Ticket, words};
use crate::crypto::{Order, PRIMES, Task, Unfit};

type Started = Result<Opening<AnyMachine>, Unfit>;

const WRONG_KEY: Unfit = Unfit("the share belongs to another key");

/// Who begins, with what chance: the randomness of one run, borrowed, so that no move leaves a copy of it.
struct Starter<'a> {
    identity: &'a Arc<IdentityKey>,
    rng: &'a mut ChaCha20Rng,
}

/// The machine for this task, with its first words.
pub(super) fn opening(
    (identity, suite): (&Arc<IdentityKey>, Suite),
    task: Task<Real>,
    seed: &[u8; 32],
) -> Started {
    let mut rng = ChaCha20Rng::from_seed(*seed);
    let starter = Starter { identity, rng: &mut rng };
    match task {
        Task::Keygen { session, committee, key, scheme, me } => {
            starter.keygen(dkg::context(committee, scheme, key, session), me)
        }
        Task::Setup { session, committee, members, me, bans } => {
            starter.setup(among(dkls23::setup::context(committee, session), members)?, me, &bans)
        }
        Task::Moduli { session, committee, me, primes } => {
            starter.moduli(gg20::auxiliary::context(committee, suite, None, session), me, primes)
        }
        Task::Presign { session, share, setup, ticket, size, bans } => {
            starter.presign(&share, &setup, ticket, (session, size), &bans)
        }
        Task::Sign { session, share, order, burnt, bans } => {
            if bans.find(order.key.committee(), &order.signers).is_some() {
                return Err(Unfit("a signer is banned"));
            }
            starter.sign(session, &share, &order, burnt, &bans)
        }
        Task::Aggregate { session, order } => aggregate(session, &order),
    }
}

/// The context among some; nobody is named where everybody takes part, so that it has one name.
fn among(context: Context, members: Vec<Party>) -> Result<Context, Unfit> {
    if members == context.participants() {
        return Ok(context);
    }
    let quorum = Quorum::new(context.committee.threshold(), members);
    let signers = quorum.map_err(|_| Unfit("these members are not enough for a pair setup"))?;
    Ok(Context { signers: Some(signers), ..context })
}

impl Starter<'_> {
    fn keygen(self, context: Context, me: Party) -> Started {
        let (context, identity) = (Arc::new(context), Arc::clone(self.identity));
        match context.scheme.curve() {
            CurveName::Secp256k1 => Dkg::start(context, me, identity, self.rng)
                .map(|opening| opening.wrap(AnyMachine::DkgSecp256k1)),
            CurveName::Ed25519 => Dkg::start(context, me, identity, self.rng)
                .map(|opening| opening.wrap(AnyMachine::DkgEd25519)),
        }
        .map_err(words::dkg_refused)
    }

    fn setup(self, context: Context, me: Party, bans: &Bans) -> Started {
        dkls23::Setup::start(Arc::new(context), me, Arc::clone(self.identity), bans, self.rng)
            .map(|opening| opening.wrap(AnyMachine::SetUp))
            .map_err(words::setup_refused)
    }

    fn moduli(self, context: Context, me: Party, primes: Vec<SafePrime>) -> Started {
        let primes: [SafePrime; PRIMES] =
            primes.try_into().map_err(|_| Unfit("moduli take exactly four primes"))?;
        gg20::Generation::start(Arc::new(context), me, Arc::clone(self.identity), primes, None, self.rng)
            .map(|opening| opening.wrap(AnyMachine::GenerateModuli))
            .map_err(words::moduli_refused)
    }

    fn presign(
        self,
        share: &Share,
        setup: &Setup,
        ticket: Ticket,
        session: (SessionId, u16),
        bans: &Bans,
    ) -> Started {
        let Share::Ecdsa(share, _) = share else {
            return Err(Unfit("the key's scheme has no presignatures"));
        };
        let (share, identity) = (Arc::clone(share), Arc::clone(self.identity));
        match (setup, ticket) {
            (Setup::Pairs(pairs), Ticket::Pairs(ticket)) => {
                let pairs = Arc::clone(pairs);
                dkls23::Presigner::start(share, pairs, ticket, session, identity, bans, self.rng)
                    .map(|opening| opening.wrap(AnyMachine::Presign))
                    .map_err(words::presign_refused)
            }
            (Setup::Moduli(ours), Ticket::Moduli(signers)) => {
                let ours = Arc::clone(ours);
                gg20::Presigner::start(share, ours, &signers, session, identity, bans, self.rng)
                    .map(|opening| opening.wrap(AnyMachine::PresignGg20))
                    .map_err(words::presign_gg20_refused)
            }
            (Setup::Pairs(_), Ticket::Moduli(_)) | (Setup::Moduli(_), Ticket::Pairs(_)) => {
                Err(Unfit("the setup and its ticket do not belong together"))
            }
        }
    }

    fn sign(
        self,
        session: SessionId,
        share: &Share,
        order: &Order<Real>,
        burnt: Option<Burnt>,
        bans: &Bans,
    ) -> Started {
        match &order.key {
            Key::Taproot(group) => {
                let Share::Taproot(share, _) = share else { return Err(WRONG_KEY) };
                let signer = self.sign_frost((session, burnt), share, group, order)?;
                Ok(signer.wrap(|signer| AnyMachine::SignTaproot(Box::new(signer))))
            }
            Key::Ed25519(group) => {
                let Share::Ed25519(share, _) = share else { return Err(WRONG_KEY) };
                let signer = self.sign_frost((session, burnt), share, group, order)?;
                Ok(signer.wrap(|signer| AnyMachine::SignEd25519(Box::new(signer))))
            }
            Key::Ecdsa(group) => {
                let Share::Ecdsa(share, _) = share else { return Err(WRONG_KEY) };
                if share.group() != group.group() {
                    return Err(WRONG_KEY);
                }
                let burnt = burnt.ok_or(Unfit("the scheme signs with a presignature that is burnt"))?;
                let identity = Arc::clone(self.identity);
                match (ecdsa_order(group, order)?, burnt) {
                    (EcdsaOrder::Dkls23(order), Burnt::Dkls23(burnt)) => {
                        dkls23::Signer::start(order, session, identity, *burnt, bans)
                            .map(|opening| opening.wrap(|signer| AnyMachine::SignEcdsa(Box::new(signer))))
                    }
                    (EcdsaOrder::Gg20(order), Burnt::Gg20(burnt)) => {
                        gg20::Signer::start(order, session, identity, *burnt, bans)
                            .map(|opening| opening.wrap(|signer| AnyMachine::SignGg20(Box::new(signer))))
                    }
                    (EcdsaOrder::Dkls23(_), Burnt::Gg20(_)) | (EcdsaOrder::Gg20(_), Burnt::Dkls23(_)) => {
                        return Err(Unfit("the presignature is of another protocol"));
                    }
                }
                .map_err(words::ecdsa_refused)
            }
        }
    }

    /// The nonces are this run's alone: nobody ever stored them, so that dropping the run is all that burns them.
    fn sign_frost<S: FrostSuite>(
        self,
        (session, burnt): (SessionId, Option<Burnt>),
        share: &KeyShare<S>,
        group: &FrostKey<S>,
        order: &Order<Real>,
    ) -> Result<Opening<frost::Signer<S>>, Unfit> {
        if burnt.is_some() {
            return Err(Unfit("the scheme signs without presignatures"));
        }
        let order = frost_order(group, order)?;
        let key = SigningKey::new(share, Arc::clone(order.key())).map_err(words::frost_refused)?;
        let (_, nonces) = Nonces::draw(&key, self.rng).burn();
        frost::Signer::start(Arc::new(key), order, session, Arc::clone(self.identity), nonces)
            .map_err(words::frost_refused)
    }
}

fn aggregate(session: SessionId, order: &Order<Real>) -> Started {
    Ok(match &order.key {
        Key::Taproot(group) => frost::Aggregator::start(frost_order(group, order)?, session)
            .wrap(|one| AnyMachine::AggregateTaproot(Box::new(one))),
        Key::Ed25519(group) => frost::Aggregator::start(frost_order(group, order)?, session)
            .wrap(|one| AnyMachine::AggregateEd25519(Box::new(one))),
        Key::Ecdsa(group) => match ecdsa_order(group, order)? {
            EcdsaOrder::Dkls23(order) => dkls23::Aggregator::start(order, session)
                .wrap(|one| AnyMachine::AggregateEcdsa(Box::new(one))),
            EcdsaOrder::Gg20(order) => {
                gg20::Aggregator::start(order, session).wrap(|one| AnyMachine::AggregateGg20(Box::new(one)))
            }
        },
    })
}
