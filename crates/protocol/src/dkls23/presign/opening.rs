//! The middle states of presigning: extensions are checked, nonce points opened.

use std::collections::BTreeMap;

use k256::ProjectivePoint;
use k256::elliptic_curve::BatchNormalize;
use k256::elliptic_curve::group::Group;
use keymoot_types::Party;

use super::super::XI;
use super::super::base_ot::Link;
use super::super::extension::{Extension, Matrix, blocks_for, expand};
use super::super::grown::Grown;
use super::super::multiply::{Frame, Gadget};
use super::super::pair::Failed;
use super::checks::{extension_fits, opening_fault};
use super::messages::{Commit, Open};
use super::rounds::{Run, STRANGER};
use super::stream::{AwaitingReplies, Peer, Stream};
use super::{Task, WINDOW, burnt};
use crate::abort::{Abort, Benign, Charges, Fault};
use crate::machine::{Outgoing, Round};

/// Awaits everybody's OT extension.
pub struct AwaitingExtensions {
    pub(in super::super) task: Task,
    pub(super) run: Run,
    pub(super) commits: BTreeMap<Party, Commit>,
}

impl AwaitingExtensions {
    pub(super) const fn counts(&self) -> &BTreeMap<Party, u64> {
        &self.run.counts
    }

    pub(super) fn receive(self, round: &Round<'_>) -> Result<(AwaitingOpenings, Vec<Outgoing>), Abort> {
        let extensions = round.decode::<Extension>()?;
        let Self { task, run, commits } = self;
        let mut charges = Charges::default();
        for (peer, extension) in &extensions {
            charges.unless(extension_fits(task.size, extension), *peer, Fault::Malformed, &[2]);
        }
        charges.verdict()?;
        let mut expanded = expand_all(&task, round, &extensions)?;
        drop(extensions);
        let Run { draws, key, counts, open, mut chosen } = run;
        let gadget = Gadget::get();
        let mut peers = BTreeMap::new();
        for (peer, draws) in draws.peers {
            let frame = |sender, receiver| Frame::new(Link { ssid: round.ssid, sender, receiver }, gadget);
            let peer_state = Peer {
                pair: std::sync::Arc::clone(task.setup.pairs.get(&peer).ok_or(STRANGER)?),
                outgoing: frame(task.me, peer),
                incoming: frame(peer, task.me),
                expanded: expanded.remove(&peer).ok_or(STRANGER)?,
                chosen: chosen.remove(&peer).ok_or(STRANGER)?,
                combiner: Grown::new(draws.combiner.expose(), "presign/combiner"),
                encoded: std::collections::VecDeque::new(),
                draws,
            };
            peers.insert(peer, peer_state);
        }
        let mut outbox = vec![Outgoing::broadcast(3, &open)];
        let (nonces, masks, entropy) = (draws.nonces, draws.masks, draws.entropy);
        let mut stream = Stream::new(task, (nonces, masks, key), gadget, peers);
        for chunk in 0..WINDOW {
            outbox.extend(stream.reply(chunk)?);
        }
        Ok((AwaitingOpenings { stream, entropy, counts, commits }, outbox))
    }
}

/// The sender's rows for every peer. All are checked before anybody is charged.
fn expand_all(
    task: &Task,
    round: &Round<'_>,
    extensions: &BTreeMap<Party, Extension>,
) -> Result<BTreeMap<Party, Matrix>, Abort> {
    let blocks = blocks_for(task.size.saturating_mul(XI));
    let (mut charges, mut expanded, mut unusable) = (Charges::default(), BTreeMap::new(), Vec::new());
    for (peer, extension) in extensions {
        let pair = task.setup.pairs.get(peer).ok_or(STRANGER)?;
        let link = Link { ssid: round.ssid, sender: task.me, receiver: *peer };
        match pair.check(|shared| expand(link, &shared.delta, &shared.punctured, extension, blocks)) {
            Some(Ok(matrix)) => drop(expanded.insert(*peer, matrix)),
            Some(Err(Failed)) => charges.bring(*peer, Fault::WrongExtension, &[]),
            None => unusable.push(*peer),
        }
    }
    charges.ban()?;
    if unusable.is_empty() { Ok(expanded) } else { Err(burnt(unusable)) }
}

/// Awaits everybody's nonce points.
pub struct AwaitingOpenings {
    stream: Stream,
    entropy: keymoot_types::Secret<Vec<[u8; 32]>>,
    counts: BTreeMap<Party, u64>,
    commits: BTreeMap<Party, Commit>,
}

impl AwaitingOpenings {
    pub(super) const fn counts(&self) -> &BTreeMap<Party, u64> {
        &self.counts
    }

    pub(super) const fn task(&self) -> &Task {
        &self.stream.task
    }

    pub(super) fn receive(self, round: &Round<'_>) -> Result<(AwaitingReplies, Vec<Outgoing>), Abort> {
        let opens = round.decode::<Open>()?;
        let Self { stream, entropy, counts, commits } = self;
        let (size, me) = (stream.task.size, stream.task.me);
        let mut charges = Charges::default();
        for (party, open) in opens.iter().filter(|(party, _)| **party != me) {
            let commit = commits.get(party).ok_or(STRANGER)?;
            if let Some(fault) = opening_fault(round.ssid, *party, size, commit, open) {
                charges.bring(*party, fault, &[3]);
            }
        }
        charges.verdict()?;
        let key: ProjectivePoint = opens.values().map(|open| ProjectivePoint::from(open.key)).sum();
        if key != stream.task.share.group().public {
            return Err(Abort::Benign(Benign::ForeignSum));
        }
        let nonce = |number| {
            opens
                .values()
                .filter_map(|open| open.nonces.get(number))
                .copied()
                .map(ProjectivePoint::from)
                .sum()
        };
        let nonces: Vec<ProjectivePoint> = (0..size).map(nonce).collect();
        if nonces.iter().any(|nonce| bool::from(nonce.is_identity())) {
            return Err(Abort::Benign(Benign::Degenerate));
        }
        let nonces = ProjectivePoint::batch_normalize(nonces.as_slice());
        Ok((AwaitingReplies::new(stream, (entropy, counts), commits, opens, nonces), Vec::new()))
    }
}
