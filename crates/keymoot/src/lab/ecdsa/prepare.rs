//! What ECDSA does ahead of any request: the pair setup and a batch of presignatures.

use std::sync::Arc;
use std::time::Instant;

use keymoot_protocol::context::Context;
use keymoot_protocol::dkls23::{Freshness, Ledger, PairSetup, Presigned, Presigner, Setup, setup};
use keymoot_protocol::session::Session;
use keymoot_types::{Party, Quorum, SessionId};
use rand::rngs::OsRng;

use super::super::link::{DEADLINE, End, Running, finish_all};
use super::super::party::new_session_id;
use super::super::rounds::Work;
use super::super::scene::{Audience, BatchFacts, PairFacts, Scene};
use super::{Held, Node, Pairs, SCHEME};
use crate::failure::Failure;

/// Presignatures of one batch.
const BATCH: u16 = 4;

/// Up to so many parties set up all pairs, once. Of more, only the signers of a batch do, and for each batch anew: n
/// parties are n·(n−1)/2 pairs, and each takes some 40 ms.
const COMMITTEE_MAX: u16 = 8;

impl Node {
    /// Joins a pair setup, of the whole committee or for one batch.
    fn join(&self, session: SessionId, signers: Option<Quorum>) -> Result<Running<Setup>, Failure> {
        let committee = Arc::clone(&self.key.group().committee);
        let context = Context { signers, ..setup::context(committee, session) };
        let (party, identity) = (self.member.party, Arc::clone(&self.member.identity));
        let opening = Setup::start(Arc::new(context), party, identity, &self.bans, &mut OsRng)
            .map_err(Failure::bug("a party cannot take part in a pair setup"))?;
        Ok(Running::new(Some(party), Session::open(opening, DEADLINE)))
    }

    /// Joins a batch, which counts as a use of the pair setup.
    fn presign(
        &mut self,
        session: SessionId,
        signers: &[Party],
        freshness: Freshness,
    ) -> Result<Running<Presigner>, Failure> {
        let pairs = self.pairs.as_mut().ok_or(Failure::Broken("a signer has no pairs"))?;
        let ticket = pairs
            .ledger
            .reserve(&pairs.setup, signers, freshness, &self.bans)
            .map_err(Failure::bug("a new pair setup cannot be used"))?;
        let (share, setup) = (Arc::clone(&self.share), Arc::clone(&pairs.setup));
        let identity = Arc::clone(&self.member.identity);
        let batch = (session, BATCH);
        let opening = Presigner::start(share, setup, ticket, batch, identity, &self.bans, &mut OsRng)
            .map_err(Failure::bug("a party cannot take part in a batch"))?;
        Ok(Running::new(Some(self.member.party), Session::open(opening, DEADLINE)))
    }

    /// Keeps what a batch has left with this party.
    fn keep(&mut self, presigned: Presigned, freshness: Freshness) -> Result<(), Failure> {
        let pairs = self.pairs.as_mut().ok_or(Failure::Broken("a signer has no pairs"))?;
        pairs
            .ledger
            .observe(&presigned.counts)
            .map_err(Failure::bug("a signer uses an old copy of a new pair setup"))?;
        if freshness == Freshness::EachBatch {
            self.pairs = None;
        }
        presigned.presignatures.into_iter().try_for_each(|one| {
            self.pool.add(one, DEADLINE).map_err(Failure::bug("a new presignature is spent already"))
        })
    }
}

impl Held {
    fn is_small(&self) -> bool {
        self.public.group().committee.threshold().total() <= COMMITTEE_MAX
    }

    /// Sets up the pairs that a batch of these signers needs, unless there are some for all batches.
    pub(super) fn set_up(&mut self, signers: &[Party], audience: &mut dyn Audience) -> Result<(), Failure> {
        let is_for_all = self.is_small();
        if is_for_all && self.nodes.values().all(|node| node.pairs.is_some()) {
            return Ok(());
        }
        let threshold = self.public.group().committee.threshold();
        let parties: Vec<Party> = if is_for_all { threshold.parties().collect() } else { signers.to_vec() };
        let quorum = Quorum::new(threshold, parties.clone())
            .map_err(Failure::bug("the parties of a pair setup are no quorum"))?;
        audience.see(Scene::PairsBegin { scheme: SCHEME, parties: &parties })?;
        let (started, session) = (Instant::now(), new_session_id());
        let mut running = Vec::with_capacity(parties.len());
        for party in &parties {
            running.push(self.node(*party)?.join(session, (!is_for_all).then(|| quorum.clone()))?);
        }
        let mut ends: Vec<&mut dyn End> = running.iter_mut().map(|end| end as &mut dyn End).collect();
        let elapsed = Work::PairSetup.watch(&mut ends, started, audience)?;
        let setups: Vec<PairSetup> = finish_all(running, Work::PairSetup.what())?;
        let name = setups.first().ok_or(Failure::Broken("a pair setup had no parties"))?.name();
        for setup in setups {
            if setup.name() != name {
                return Err(Failure::Broken("the parties hold different pair setups"));
            }
            let node = self.node(setup.party())?;
            let ledger = Ledger::new(&setup);
            node.pairs = Some(Pairs { setup: Arc::new(setup), ledger });
        }
        audience.see(Scene::PairsReady(&PairFacts { scheme: SCHEME, parties, is_for_all, name, elapsed }))
    }

    /// Makes a batch of presignatures for exactly these signers.
    pub(super) fn presign(&mut self, signers: &[Party], audience: &mut dyn Audience) -> Result<(), Failure> {
        let freshness = if self.is_small() { Freshness::Shared } else { Freshness::EachBatch };
        audience.see(Scene::BatchBegins { scheme: SCHEME, signers, size: BATCH })?;
        let (started, session) = (Instant::now(), new_session_id());
        let mut running = Vec::with_capacity(signers.len());
        let first = signers.first().and_then(|party| self.nodes.get(party));
        let setup = first.and_then(|node| node.pairs.as_ref()).map(|pairs| pairs.setup.name());
        let setup = setup.ok_or(Failure::Broken("a batch begins without pairs"))?;
        for party in signers {
            running.push(self.node(*party)?.presign(session, signers, freshness)?);
        }
        let mut ends: Vec<&mut dyn End> = running.iter_mut().map(|end| end as &mut dyn End).collect();
        let elapsed = Work::Presigning.watch(&mut ends, started, audience)?;
        for (party, presigned) in signers.iter().zip(finish_all(running, Work::Presigning.what())?) {
            self.node(*party)?.keep(presigned, freshness)?;
        }
        let size = self.left(signers);
        let signers = signers.to_vec();
        audience.see(Scene::BatchReady(&BatchFacts { scheme: SCHEME, signers, size, setup, elapsed }))
    }
}
