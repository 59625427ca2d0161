//! Moduli of the model: a name that everybody has signed, and primes that are words.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use keymoot_engine::crypto::{Accusation, End, Note, Product};
use keymoot_protocol::context::Committee;
use keymoot_protocol::identity::IdentityPublic;
use keymoot_types::Party;

use super::mail::Said;
use super::run::{Turn, split};
use super::{Prime, Setup, mix, mix_bytes, sign_word, store, weakness, widen};

/// One of so many steps of the search finds something.
const LUCK: u64 = 3;

/// A table of moduli.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    pub(crate) committee: Arc<Committee>,
    /// The session and all it has seen.
    pub(crate) view: u64,
    pub(crate) certificate: Vec<u64>,
}

impl Table {
    pub(crate) fn digest(&self) -> u64 {
        mix(&[self.view, 0x7ab1e])
    }

    pub(crate) fn is_certified(&self) -> bool {
        let parties = self.committee.threshold().parties();
        let digest = self.digest();
        let good = |(party, signature): (Party, &u64)| {
            self.committee.identity(party).is_some_and(|one| *signature == sign_word(one, digest))
        };
        self.certificate.len() == usize::from(self.committee.threshold().total())
            && parties.zip(&self.certificate).all(good)
    }

    /// What it leaves with a member.
    pub(crate) fn side_of(&self, me: Party) -> Setup {
        let members = self.committee.threshold().parties().collect();
        let committee = Arc::clone(&self.committee);
        Setup { committee, name: self.digest(), is_table: true, me, members, burnt: Default::default() }
    }
}

/// A step of the search.
pub(super) fn seek(identity: &IdentityPublic, seed: u64) -> Option<Prime> {
    let seed = if weakness().same_primes { seed % LUCK } else { seed };
    let word = mix(&[seed, mix_bytes(identity.as_bytes()), 0x9]);
    seed.is_multiple_of(LUCK).then_some(Prime(word))
}

/// What others see of the primes in a table: which they are.
pub(super) fn words_of(primes: &[Prime]) -> impl Iterator<Item = u64> + '_ {
    primes.iter().map(|prime| prime.0)
}

/// One round after another: everybody shows its moduli, repeats what it has seen of all, and signs that.
pub(super) fn turn(
    round: u8,
    said: &BTreeMap<Party, Said>,
    (committee, made): (&Arc<Committee>, &mut Option<Table>),
    (me, ssid, view): (Option<(Party, IdentityPublic)>, u64, u64),
    notes: &mut Vec<Note>,
) -> Turn {
    let Some((me, identity)) = me else { return split() };
    let first =
        |party: &Party| said.get(party).and_then(|said| said.words.first()).copied().unwrap_or_default();
    match round {
        0 => Turn::Say(vec![view]),
        1 => {
            if said.keys().any(|party| first(party) != first(&me)) {
                return split();
            }
            let table =
                Table { committee: Arc::clone(committee), view: mix(&[view, ssid]), certificate: Vec::new() };
            let digest = table.digest();
            *made = Some(table);
            notes.push(Note::Pending { package: widen(digest), share: store::encode_primes(me, digest) });
            Turn::Say(vec![sign_word(&identity, digest), digest])
        }
        _ => {
            let Some(mut table) = made.take() else { return split() };
            let digest = table.digest();
            let mut accusations = Vec::new();
            for party in committee.threshold().parties() {
                let signature = first(&party);
                if committee.identity(party).is_none_or(|one| sign_word(one, digest) != signature) {
                    let fault = "signed another certificate than ours".to_owned();
                    accusations.push(Accusation { party, fault, evidence: Vec::new() });
                }
                table.certificate.push(signature);
            }
            if accusations.is_empty() {
                Turn::Done(Product::Moduli(Rc::new(table)))
            } else {
                Turn::Dead(End::Blame(accusations))
            }
        }
    }
}
