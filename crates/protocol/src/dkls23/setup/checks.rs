//! The checks of a pair setup that third parties can repeat.

use keymoot_types::Party;

use super::super::base_ot::Reply;
use super::messages::{Confirmation, Done, Offers, Trees};
use crate::abort::Fault;
use crate::codec::Wire;
use crate::evidence::Case;
use crate::machine::Hello;
use crate::transcript::Hash;

/// Step 1: there is one offer for everybody else.
pub(super) fn offers_are_complete(from: Party, participants: &[Party], offers: &Offers) -> bool {
    offers.are_for_all(from, participants)
}

/// Step 2: no element of a reply occurs twice, and none is the offer it answers or the replier's own.
pub(super) fn reply_is_distinct(
    replier: (Party, &Offers),
    recipient: (Party, &Offers),
    reply: &Reply,
) -> Option<bool> {
    let (_, own) = replier.1.for_party(recipient.0)?;
    let (_, answered) = recipient.1.for_party(replier.0)?;
    Some(reply.is_distinct(&[own, answered]))
}

/// Step 3: the half of the seed is the one committed to.
pub(super) fn half_fits(ssid: Hash, offers: &Offers, parties: (Party, Party), trees: &Trees) -> Option<bool> {
    let (from, to) = parties;
    offers.for_party(to).map(|(commitment, _)| trees.half.committed(ssid, from, to) == commitment)
}

/// Whether the messages of the accused prove the fault.
pub(super) fn convicts(case: &Case<'_>, fault: Fault) -> bool {
    match fault {
        Fault::Malformed => {
            let participants = case.context.participants();
            let incomplete = |offers: Offers| !offers_are_complete(case.accused, &participants, &offers);
            case.is_malformed::<Hello>(0)
                || case.is_malformed::<Offers>(1)
                || case.message::<Offers>(1).is_some_and(incomplete)
                || case.is_malformed::<Reply>(2)
                || case.is_malformed::<Trees>(3)
                || case.is_malformed::<Confirmation>(4)
                || case.is_malformed::<Done>(5)
        }
        Fault::RepeatedPoint => repeats_a_point(case).unwrap_or(false),
        Fault::WrongOpening => opens_falsely(case).unwrap_or(false),
        _ => false,
    }
}

fn offers_of(case: &Case<'_>) -> Option<Offers> {
    Offers::decode(case.record.body(1, case.accused)?).ok()
}

fn repeats_a_point(case: &Case<'_>) -> Option<bool> {
    let recipient = case.messages.get(&2)?.0?;
    let answered = Offers::decode(case.record.body(1, recipient)?).ok()?;
    let replier = (case.accused, &offers_of(case)?);
    let reply = case.message::<Reply>(2)?;
    reply_is_distinct(replier, (recipient, &answered), &reply).map(|distinct| !distinct)
}

fn opens_falsely(case: &Case<'_>) -> Option<bool> {
    let recipient = case.messages.get(&3)?.0?;
    let fits = half_fits(case.ssid, &offers_of(case)?, (case.accused, recipient), &case.message::<Trees>(3)?);
    fits.map(|fits| !fits)
}
