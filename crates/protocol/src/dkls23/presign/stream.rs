//! The last states of presigning: multiplication replies, chunk by chunk, and confirmation.

use std::collections::BTreeMap;
use std::sync::Arc;

use std::collections::VecDeque;

use k256::{AffinePoint, Scalar};
use keymoot_types::{Party, Secret};
use rand_core::RngCore;

use super::super::extension::Matrix;
use super::super::grown::Grown;
use super::super::multiply::{Frame, Gadget, INPUTS};
use super::super::pair::{Failed, Pair};
use super::super::points::{Tie, Ties, times_base};
use super::super::presignature::{Presignature, Public, Secrets};
use super::checks::{chunk_of, replies_fit};
use super::messages::{Commit, Confirm, Open, Replies, Reply};
use super::rounds::{PeerDraws, STRANGER};
use super::{Presigned, Presigner, REPLIES, Task, WINDOW, burnt, wait};
use crate::abort::{Abort, Charges, Fault};
use crate::identity::IdentityPublic;
use crate::machine::{Outgoing, Round, Step};
use crate::transcript::Hash;

/// What multiplying with one peer needs.
pub(super) struct Peer {
    pub(super) pair: Arc<Pair>,
    /// We multiply, the peer chooses.
    pub(super) outgoing: Frame,
    /// The peer multiplies, we choose.
    pub(super) incoming: Frame,
    /// Q, for what we multiply.
    pub(super) expanded: Matrix,
    /// T, for what the peer multiplies.
    pub(super) chosen: Matrix,
    pub(super) draws: PeerDraws,
    /// χ of the presignatures that we have replied for and the peer has not.
    pub(super) encoded: VecDeque<Secret<Scalar>>,
    /// What grows into the factors of combined checks.
    pub(super) combiner: Grown,
}

impl Peer {
    /// Our shares of a chunk's products, unless one of its messages is inconsistent. All are looked at.
    fn finish<'a>(
        &mut self,
        first: usize,
        open: &'a Open,
        replies: &'a [Reply],
    ) -> Option<Vec<Finished<'a>>> {
        let mut finished = Vec::with_capacity(replies.len());
        for ((number, nonce), reply) in (0u64..).zip(&open.nonces).skip(first).zip(replies) {
            let encoded = self.encoded.pop_front();
            let choices = self.draws.choices.expose();
            let shares = self.incoming.finish(number, &self.chosen, choices, &reply.product);
            if let (Some(encoded), Some(shares)) = (encoded, shares) {
                finished.push(Finished { nonce, key: &open.key, theirs: &reply.shares, shares, encoded });
            }
        }
        (finished.len() == replies.len()).then_some(finished)
    }
}

/// The running totals of one presignature.
#[derive(Clone, Copy, Default)]
struct Totals {
    /// Σψ.
    shift: Scalar,
    /// Σ(c + d), for the nonce and for the key.
    shares: [Scalar; INPUTS],
}

impl zeroize::Zeroize for Totals {
    fn zeroize(&mut self) {
        self.shift.zeroize();
        self.shares.zeroize();
    }
}

/// All multiplications of a batch.
pub(super) struct Stream {
    pub(super) task: Task,
    nonces: Secret<Vec<Scalar>>,
    masks: Secret<Vec<Scalar>>,
    key: Secret<Scalar>,
    gadget: Gadget,
    peers: BTreeMap<Party, Peer>,
    totals: Secret<Vec<Totals>>,
}

impl Stream {
    pub(super) fn new(
        task: Task,
        (nonces, masks, key): (Secret<Vec<Scalar>>, Secret<Vec<Scalar>>, Secret<Scalar>),
        gadget: Gadget,
        peers: BTreeMap<Party, Peer>,
    ) -> Self {
        let totals = Secret::new(vec![Totals::default(); task.size]);
        Self { task, nonces, masks, key, gadget, peers, totals }
    }

    /// Our replies for one chunk, one message to each peer; none beyond the last chunk.
    pub(super) fn reply(&mut self, chunk: usize) -> Result<Vec<Outgoing>, Abort> {
        let (first, count) = chunk_of(self.task.size, chunk);
        if count == 0 {
            return Ok(Vec::new());
        }
        let round = u8::try_from(REPLIES.saturating_add(chunk)).map_err(|_| STRANGER)?;
        let mut outbox = Vec::new();
        for (party, peer) in &mut self.peers {
            let shared = peer.pair.shared().ok_or_else(|| burnt(vec![*party]))?;
            let mut replies = Vec::with_capacity(count);
            let draws = self.nonces.expose().iter().zip(self.masks.expose()).zip(peer.draws.checks.expose());
            let totals = self.totals.expose_mut().iter_mut();
            for (number, (((nonce, mask), check), totals)) in
                (0u64..).zip(draws.zip(totals)).skip(first).take(count)
            {
                let inputs = zeroize::Zeroizing::new([*nonce, *self.key.expose()]);
                let delta = &shared.delta;
                let (product, shares) = peer.outgoing.multiply(number, &peer.expanded, delta, &inputs, check);
                let encoded = Secret::new(self.gadget.encoded(number, peer.draws.choices.expose()));
                let shift = *mask - encoded.expose();
                peer.encoded.push_back(encoded);
                totals.shares.iter_mut().zip(shares.expose()).for_each(|(total, share)| *total += share);
                replies.push(Reply {
                    product,
                    shares: shares.expose().map(|share| times_base(&share)),
                    shift,
                });
            }
            outbox.push(Outgoing::direct(round, *party, &Replies(replies)));
        }
        Ok(outbox)
    }

    /// Takes every peer's replies for one chunk. All are checked before anybody is charged.
    fn take(
        &mut self,
        chunk: usize,
        all: &BTreeMap<Party, Replies>,
        opens: &BTreeMap<Party, Open>,
    ) -> Result<(), Abort> {
        let (first, count) = chunk_of(self.task.size, chunk);
        let (mut charges, mut unusable) = (Charges::default(), Vec::new());
        for (party, replies) in all {
            let (peer, open) =
                (self.peers.get_mut(party).ok_or(STRANGER)?, opens.get(party).ok_or(STRANGER)?);
            let pair = Arc::clone(&peer.pair);
            let mut fault = Fault::WrongProduct;
            let outcome = pair.check(|_| {
                let finished = peer.finish(first, open, &replies.0)?;
                match untied(&finished, &mut peer.combiner) {
                    None => Some(finished),
                    Some(found) => {
                        fault = found;
                        None
                    }
                }
            });
            match outcome {
                None => unusable.push(*party),
                Some(Err(Failed)) => charges.bring(*party, fault, &[]),
                Some(Ok(finished)) => {
                    let totals = self.totals.expose_mut().iter_mut().skip(first).take(count);
                    for ((totals, finished), reply) in totals.zip(&finished).zip(&replies.0) {
                        totals.shift += reply.shift;
                        let shares = totals.shares.iter_mut().zip(finished.shares.expose());
                        shares.for_each(|(total, share)| *total += share);
                    }
                }
            }
        }
        charges.ban()?;
        if unusable.is_empty() { Ok(()) } else { Err(burnt(unusable)) }
    }
}

/// One finished multiplication, and the points it must be tied to.
struct Finished<'a> {
    nonce: &'a AffinePoint,
    key: &'a AffinePoint,
    theirs: &'a [AffinePoint; 2],
    shares: Secret<[Scalar; INPUTS]>,
    encoded: Secret<Scalar>,
}

impl Finished<'_> {
    /// The tie of the nonce, and that of the key share.
    fn ties(&self) -> [Tie<'_>; 2] {
        let ([nonce_share, key_share], [nonce, key]) = (self.shares.expose(), self.theirs);
        [
            Tie { point: self.nonce, share: nonce_share, theirs: nonce },
            Tie { point: self.key, share: key_share, theirs: key },
        ]
    }
}

/// What does not hold, if anything: all ties at once, and one by one only to say which.
fn untied(finished: &[Finished<'_>], combiner: &mut Grown) -> Option<Fault> {
    let mut ties = Ties::with_capacity(finished.len().saturating_mul(2));
    // All of the nonces, then all of the key: what belongs to one point comes in a row.
    for which in 0..2 {
        for one in finished {
            let factor = u128::from(combiner.next_u64()) << 64 | u128::from(combiner.next_u64());
            if let Some(tie) = one.ties().get(which) {
                ties.add(tie, one.encoded.expose(), factor);
            }
        }
    }
    if ties.hold() {
        return None;
    }
    let nonces =
        finished.iter().all(|one| one.ties().first().is_some_and(|tie| tie.holds(one.encoded.expose())));
    Some(if nonces { Fault::WrongKeyShare } else { Fault::WrongNonce })
}

/// Awaits a chunk of everybody's replies.
pub struct AwaitingReplies {
    stream: Stream,
    entropy: Secret<Vec<[u8; 32]>>,
    counts: BTreeMap<Party, u64>,
    commits: BTreeMap<Party, Commit>,
    opens: BTreeMap<Party, Open>,
    nonces: Vec<AffinePoint>,
    chunk: usize,
}

impl AwaitingReplies {
    pub(super) fn new(
        stream: Stream,
        (entropy, counts): (Secret<Vec<[u8; 32]>>, BTreeMap<Party, u64>),
        commits: BTreeMap<Party, Commit>,
        opens: BTreeMap<Party, Open>,
        nonces: Vec<AffinePoint>,
    ) -> Self {
        Self { stream, entropy, counts, commits, opens, nonces, chunk: 0 }
    }

    pub(super) const fn task(&self) -> &Task {
        &self.stream.task
    }

    pub(super) const fn counts(&self) -> &BTreeMap<Party, u64> {
        &self.counts
    }

    pub(super) fn receive(mut self, round: &Round<'_>) -> Result<Step<Presigner>, Abort> {
        let replies = round.decode::<Replies>()?;
        let mut charges = Charges::default();
        for (peer, replies) in &replies {
            let fits = replies_fit(self.stream.task.size, self.chunk, replies);
            charges.unless(fits, *peer, Fault::Malformed, &[round.number]);
        }
        charges.verdict()?;
        self.stream.take(self.chunk, &replies, &self.opens)?;
        drop(replies);
        let outbox = self.stream.reply(self.chunk.saturating_add(WINDOW))?;
        self.chunk = self.chunk.saturating_add(1);
        if self.chunk < self.stream.task.chunks() {
            return wait(Presigner::Replies, Ok((self, outbox)));
        }
        let number = round.number.checked_add(1).ok_or(STRANGER)?;
        let outbox = vec![Outgoing::broadcast(number, &Confirm)];
        let next = self.finish(round.ssid, round.view)?;
        wait(Presigner::Confirmations, Ok((next, outbox)))
    }

    /// Everything is checked: the presignatures as they are, once everybody has said the same.
    fn finish(self, ssid: Hash, view: Hash) -> Result<AwaitingConfirmations, Abort> {
        let Self { stream, entropy, counts, commits, nonces, .. } = self;
        let (group, task) = (stream.task.share.group(), &stream.task);
        let group_key = group.digest();
        let identity = |party: &Party| group.committee.identity(*party).copied();
        let identities = task.signers.iter().map(identity).collect::<Option<Vec<_>>>().ok_or(STRANGER)?;
        let mut presignatures = Vec::with_capacity(task.size);
        let draws = stream.nonces.expose().iter().zip(stream.masks.expose()).zip(entropy.expose());
        for (number, (((own, mask), entropy), (nonce, totals))) in
            draws.zip(nonces.iter().zip(stream.totals.expose())).enumerate()
        {
            let commitment = |commit: &Commit| commit.entropy.get(number).copied().map(Hash::from_bytes);
            let entropies = commits.values().map(commitment).collect::<Option<Vec<_>>>().ok_or(STRANGER)?;
            let public = Public {
                ssid,
                view,
                number: number as u64,
                group_key,
                epoch: group.epoch,
                signers: task.signers.clone(),
                nonce: *nonce,
                entropy: entropies,
            };
            let [nonce_total, key_total] = totals.shares;
            let masked = Secret::new(totals.shift + mask);
            let secrets = Secrets::new(
                [
                    *mask,
                    *masked.expose() * own + nonce_total,
                    *masked.expose() * stream.key.expose() + key_total,
                ],
                *entropy,
            );
            presignatures.push(Presignature::new(task.me, public, identities.clone(), secrets));
        }
        Ok(AwaitingConfirmations { identities, presigned: Presigned { presignatures, counts } })
    }
}

/// Awaits everybody's word that all of its checks hold.
pub struct AwaitingConfirmations {
    identities: Vec<IdentityPublic>,
    presigned: Presigned,
}

impl AwaitingConfirmations {
    pub(super) const fn counts(&self) -> &BTreeMap<Party, u64> {
        &self.presigned.counts
    }

    pub(super) fn involves(&self, identity: &IdentityPublic) -> bool {
        self.identities.contains(identity)
    }

    pub(super) fn receive(self, round: &Round<'_>) -> Result<Presigned, Abort> {
        round.decode::<Confirm>()?;
        Ok(self.presigned)
    }
}
