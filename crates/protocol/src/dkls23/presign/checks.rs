//! The checks of presigning that third parties can repeat.

use keymoot_types::Party;

use super::super::XI;
use super::super::extension::{Extension, blocks_for};
use super::messages::{Commit, Confirm, Hello, Open, Replies};
use super::{CHUNK, REPLIES, size_of};
use crate::abort::Fault;
use crate::codec::Wire;
use crate::evidence::Case;
use crate::transcript::Hash;

/// Step 1: there is a commitment for each presignature.
pub(super) const fn commit_fits(size: usize, commit: &Commit) -> bool {
    commit.entropy.len() == size
}

/// Step 2: the extension has as many rows as the batch needs.
pub(super) fn extension_fits(size: usize, extension: &Extension) -> bool {
    extension.fits(blocks_for(size.saturating_mul(XI)))
}

/// Step 3: the opening is the one committed to, and has one nonce for each presignature.
pub(super) fn opening_fault(
    ssid: Hash,
    party: Party,
    size: usize,
    commit: &Commit,
    open: &Open,
) -> Option<Fault> {
    if Commit::to(ssid, party, open) != commit.opening {
        return Some(Fault::WrongOpening);
    }
    (open.nonces.len() != size).then_some(Fault::Malformed)
}

/// The presignatures of a reply round: the first, and how many.
pub(super) fn chunk_of(size: usize, chunk: usize) -> (usize, usize) {
    let first = chunk.saturating_mul(CHUNK).min(size);
    (first, CHUNK.min(size.saturating_sub(first)))
}

/// Step 4 and on: a reply for each presignature of the chunk.
pub(super) fn replies_fit(size: usize, chunk: usize, replies: &Replies) -> bool {
    replies.0.len() == chunk_of(size, chunk).1
}

/// Whether the messages of the accused prove the fault.
pub(super) fn convicts(case: &Case<'_>, fault: Fault) -> bool {
    match fault {
        Fault::Malformed => is_malformed(case),
        Fault::WrongOpening => opens_falsely(case).unwrap_or(false),
        _ => false,
    }
}

fn is_malformed(case: &Case<'_>) -> bool {
    let size = size_of(case.context);
    let last = REPLIES.saturating_add(size.div_ceil(CHUNK));
    case.messages.iter().any(|(round, (_, body))| match usize::from(*round) {
        0 => Hello::decode(body).is_err(),
        1 => !Commit::decode(body).is_ok_and(|commit| commit_fits(size, &commit)),
        2 => !Extension::decode(body).is_ok_and(|extension| extension_fits(size, &extension)),
        3 => !Open::decode(body).is_ok_and(|open| open.nonces.len() == size),
        round if round < last => {
            let chunk = round.saturating_sub(REPLIES);
            !Replies::decode(body).is_ok_and(|replies| replies_fit(size, chunk, &replies))
        }
        _ => Confirm::decode(body).is_err(),
    })
}

fn opens_falsely(case: &Case<'_>) -> Option<bool> {
    let commit = Commit::decode(case.record.body(1, case.accused)?).ok()?;
    let open = case.message::<Open>(3)?;
    let fault = opening_fault(case.ssid, case.accused, size_of(case.context), &commit, &open);
    Some(fault == Some(Fault::WrongOpening))
}
