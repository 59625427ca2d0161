//! What the two protocols for ECDSA leave behind, as one: DKLs23 makes presignatures with pair setups, GG20 with a table of
//! moduli. Which of them it is follows from the scheme of the key; what belongs to the other is refused where a run begins.

use std::collections::BTreeMap;
use std::sync::Arc;

use keymoot_protocol::codec::Wire;
use keymoot_protocol::context::Committee;
use keymoot_protocol::dkls23::{self, Bans, Freshness, Ledger as Uses, PairSetup};
use keymoot_protocol::gg20::{self, Auxiliary, Suite, Table};
use keymoot_protocol::transcript::Hash;
use keymoot_types::Party;

use super::words;
use crate::crypto::{PresignatureLabel, Unfit};

/// What presignatures are made with.
pub enum Setup {
    /// Pairs of DKLs23.
    Pairs(Arc<PairSetup>),
    /// Our side of the committee's moduli.
    Moduli(Arc<Auxiliary>),
}

/// The count of a pair setup's uses. Moduli are not used up.
pub enum Ledger {
    /// Of pairs.
    Pairs(Uses),
    /// Of moduli.
    Moduli,
}

/// One use of a setup.
pub enum Ticket {
    /// Counted.
    Pairs(dkls23::Ticket),
    /// By these signers.
    Moduli(Vec<Party>),
}

/// One signer's part of a presignature that has not been used.
pub enum Presignature {
    /// Of DKLs23.
    Dkls23(Box<dkls23::Presignature>),
    /// Of GG20.
    Gg20(Box<gg20::Presignature>),
}

/// One signer's part of a presignature whose burning is on record.
pub enum Burnt {
    /// Of DKLs23.
    Dkls23(Box<dkls23::BurntPresignature>),
    /// Of GG20.
    Gg20(Box<gg20::BurntPresignature>),
}

/// What everybody may know about a presignature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Public {
    /// Of DKLs23.
    Dkls23(Arc<dkls23::Public>),
    /// Of GG20.
    Gg20(Arc<gg20::Public>),
}

impl Setup {
    pub(super) fn name(&self) -> Hash {
        match self {
            Self::Pairs(pairs) => pairs.name(),
            Self::Moduli(ours) => ours.table().digest(),
        }
    }

    pub(super) fn new_ledger(&self) -> Ledger {
        match self {
            Self::Pairs(pairs) => Ledger::Pairs(Uses::new(pairs)),
            Self::Moduli(_) => Ledger::Moduli,
        }
    }

    /// Our side of a table: the primes that were sealed before it was certified.
    pub(super) fn promote(pending: &[u8], table: &Arc<Table>) -> Option<Self> {
        Auxiliary::unseal(pending, Arc::clone(table)).ok().map(|ours| Self::Moduli(Arc::new(ours)))
    }

    pub(super) fn reserve(
        &self,
        ledger: &mut Ledger,
        signers: &[Party],
        bans: &Bans,
    ) -> Result<Ticket, Unfit> {
        match (self, ledger) {
            (Self::Pairs(pairs), Ledger::Pairs(uses)) => {
                let ticket = uses.reserve(pairs, signers, Freshness::Shared, bans);
                ticket.map(Ticket::Pairs).map_err(words::unusable)
            }
            (Self::Moduli(ours), Ledger::Moduli)
                if bans.find(ours.table().committee(), signers).is_some() =>
            {
                Err(words::BANNED)
            }
            (Self::Moduli(_), Ledger::Moduli) => Ok(Ticket::Moduli(signers.to_vec())),
            (Self::Pairs(_), Ledger::Moduli) | (Self::Moduli(_), Ledger::Pairs(_)) => {
                Err(Unfit("the ledger belongs to another setup"))
            }
        }
    }

    pub(super) fn burn_pair(&self, ledger: &mut Ledger, peer: Party) {
        if let (Self::Pairs(pairs), Ledger::Pairs(uses)) = (self, ledger) {
            pairs.burn(peer);
            uses.burn(peer);
        }
    }
}

impl Ledger {
    /// Whether none of these counts was there before. Sessions with moduli count nothing.
    pub(super) fn observe(&mut self, counts: &BTreeMap<Party, u64>) -> bool {
        match self {
            Self::Pairs(uses) => uses.observe(counts).is_ok(),
            Self::Moduli => counts.is_empty(),
        }
    }
}

impl Presignature {
    pub(super) fn public(&self) -> Public {
        match self {
            Self::Dkls23(one) => Public::Dkls23(Arc::new(one.public().clone())),
            Self::Gg20(one) => Public::Gg20(Arc::new(one.public().clone())),
        }
    }

    pub(super) fn burn(self, intent: Hash) -> Burnt {
        match self {
            Self::Dkls23(one) => Burnt::Dkls23(Box::new(one.burn(intent).1)),
            Self::Gg20(one) => Burnt::Gg20(Box::new(one.burn(intent).1)),
        }
    }
}

impl Public {
    pub(super) fn label(&self) -> PresignatureLabel {
        match self {
            Self::Dkls23(one) => {
                PresignatureLabel { id: one.id(), key: one.group_key, signers: one.signers.clone() }
            }
            Self::Gg20(one) => {
                PresignatureLabel { id: one.id(), key: one.group_key, signers: one.signers.clone() }
            }
        }
    }

    pub(super) fn signers(&self) -> &[Party] {
        match self {
            Self::Dkls23(one) => &one.signers,
            Self::Gg20(one) => &one.signers,
        }
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        match self {
            Self::Dkls23(one) => one.encode().to_vec(),
            Self::Gg20(one) => one.encode().to_vec(),
        }
    }

    /// GG20's goes on where DKLs23's ends, so that at most one of the two decodes.
    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let dkls23 = || dkls23::Public::decode(bytes).ok().map(|one| Self::Dkls23(Arc::new(one)));
        let gg20 = || gg20::Public::decode(bytes).ok().map(|one| Self::Gg20(Arc::new(one)));
        dkls23().or_else(gg20)
    }
}

/// A table that is wanted, that this committee has certified, to the last member, and that has these parameters.
pub(super) fn decode_table(
    bytes: &[u8],
    committee: &Committee,
    is_wanted: impl FnOnce(Hash) -> bool,
    suite: Suite,
) -> Option<Arc<Table>> {
    let table = Table::open(bytes, committee, is_wanted).ok()?;
    (table.suite() == suite).then(|| Arc::new(table))
}
