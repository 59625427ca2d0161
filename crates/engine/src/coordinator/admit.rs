//! From a client's bytes to work in progress: the same request has the same answer, for ever.

use std::collections::BTreeSet;

use keymoot_protocol::codec::Wire;
use keymoot_types::Millis;
use rand_core::CryptoRngCore;

use super::{Admission, Admitting, Claim, Coordinator, Deed, Drive, Finish, StoreAnswer, StoreCall};
use crate::crypto::Crypto;
use crate::message::{Address, Answer, Message};
use crate::outcome::Outcome;
use crate::request::{Ask, BadRequest, Request, RequestId, SignedRequest};

/// When a client that was turned away should ask again, in milliseconds.
const BUSY: u64 = 500;

/// The part of its patience that a replica has with a request for which it had no room for long: one in so many.
const WORKED_ON: u64 = 4;

/// The store has to say its first word within this time, in milliseconds; the client asks again anyway.
const FIRST_WORD: u64 = 5_000;

impl<C: Crypto> Coordinator<C> {
    pub(super) fn asked(&mut self, from: Address, body: Vec<u8>) {
        let (id, signed) = match SignedRequest::read_from::<C>(&body) {
            Ok(read) => read,
            // There is no name to answer under.
            Err(_) => return,
        };
        // Whoever brings the same bytes has them from the client, whose signature was checked when they came first.
        if self.joins(id, &body, from) {
            return;
        }
        let is_known = self.config.clients.get(&signed.request.client);
        if !is_known.is_some_and(|client| signed.is_from::<C>(id, client)) {
            let why = "the request is not signed by an enrolled client".to_owned();
            self.send(from, Message::Answer(id, Answer::Refused(why)));
            return;
        }
        if let Err(why) = signed.check_group(self.config.committee.group()) {
            self.send(from, Message::Answer(id, Answer::Refused(why.to_string())));
            return;
        }
        if self.is_another(id, &body) {
            self.send(from, Message::Answer(id, Answer::Conflict));
            return;
        }
        // No node may serve it now, and none is to be suspected because it does not.
        if let Err(why @ (BadRequest::TooLong | BadRequest::Premature)) =
            signed.request.check_time(self.now.wall)
        {
            self.send(from, Message::Answer(id, Answer::Refused(why.to_string())));
            return;
        }
        let client = signed.request.client;
        let drives = self.drives.values().map(|drive| &drive.request);
        let open = drives.chain(self.admitting.values().map(|admitting| &admitting.request));
        let (all, its) = open.fold((0_usize, 0_usize), |(all, its), request| {
            (all.saturating_add(1), its.saturating_add(usize::from(request.client == client)))
        });
        if all >= self.config.limits.drives || its >= self.config.limits.client {
            self.send(from, Message::Answer(id, Answer::Busy(BUSY)));
            return;
        }
        let until = self.now.mono.plus(FIRST_WORD);
        // What is over is not begun any more, but it may have had an outcome.
        let is_over = self.is_over(signed.request.expires);
        let (request, askers) = (signed.request, BTreeSet::from([from]));
        self.admitting.insert(id, Admitting { request, body: body.clone(), askers, until });
        let call =
            if is_over { StoreCall::Claim { request: id } } else { StoreCall::Admit { request: id, body } };
        self.deeds.push(Deed::Store(call));
    }

    /// Whether these bytes are being worked on. Whoever brings them waits with the others.
    fn joins(&mut self, id: RequestId, body: &[u8], from: Address) -> bool {
        let most = self.config.limits.askers;
        if let Some(drive) = self.drives.get_mut(&id).filter(|drive| drive.body == body) {
            if drive.askers.len() < most {
                drive.askers.insert(from);
            }
            self.send(from, Message::Answer(id, Answer::Pending));
            return true;
        }
        // Nothing is acknowledged before the store has it.
        let Some(admitting) = self.admitting.get_mut(&id).filter(|admitting| admitting.body == body) else {
            return false;
        };
        if admitting.askers.len() < most {
            admitting.askers.insert(from);
        }
        true
    }

    /// Whether other bytes are known here under this name.
    fn is_another(&self, id: RequestId, body: &[u8]) -> bool {
        let drive = self.drives.get(&id).map(|drive| &drive.body);
        let known = drive.or_else(|| self.admitting.get(&id).map(|admitting| &admitting.body));
        known.is_some_and(|known| known != body)
    }

    /// Whether its client signed it for this group. Where the client is not known here and its name is not its key,
    /// nobody can tell.
    fn may_be_signed(&self, id: RequestId, signed: &SignedRequest) -> bool {
        let client = self.config.clients.get(&signed.request.client).cloned();
        let key = client.or_else(|| signed.key_in_name());
        let is_ours = signed.check_group(self.config.committee.group()).is_ok();
        is_ours && key.is_none_or(|key| signed.is_from::<C>(id, &key))
    }

    pub(super) fn stored(&mut self, answer: StoreAnswer, rng: &mut impl CryptoRngCore) {
        match answer {
            StoreAnswer::Admitted(request, admission) => {
                let Some(admitting) = self.admitting.remove(&request) else { return };
                match admission {
                    Admission::Fresh { fence } => {
                        self.tell(&admitting.askers, request, &Answer::Pending);
                        let Admitting { request: known, body, askers, .. } = admitting;
                        self.take_up((request, known), body, fence, askers, rng);
                    }
                    Admission::Open => self.tell(&admitting.askers, request, &Answer::Pending),
                    Admission::Conflict => self.tell(&admitting.askers, request, &Answer::Conflict),
                    Admission::Finished(outcome) => {
                        self.tell_outcome(&admitting.askers, (request, &admitting.request), &outcome);
                    }
                }
            }
            StoreAnswer::Claimed(request, claim) => self.claimed(request, claim, rng),
            StoreAnswer::Finished(request, finish) => match finish {
                Finish::Stored(outcome) => self.is_finished(request, &outcome),
                Finish::Stale => self.is_elsewhere(request),
            },
            StoreAnswer::Orphans(orphans) => {
                let now = self.now.mono;
                self.orphans.retain(|request, _| orphans.contains(request));
                orphans.iter().for_each(|request| {
                    self.orphans.entry(*request).or_insert(now);
                });
                let room = self.config.limits.drives.saturating_sub(self.drives.len());
                for request in orphans.into_iter().filter(|id| !self.drives.contains_key(id)).take(room) {
                    self.deeds.push(Deed::Store(StoreCall::Claim { request }));
                }
            }
        }
    }

    fn claimed(&mut self, request: RequestId, claim: Claim, rng: &mut impl CryptoRngCore) {
        match claim {
            Claim::Yours { fence, body } => match self.drives.get_mut(&request) {
                Some(drive) if drive.fence == fence => {}
                // Our lease had lapsed and is ours again: what we know still holds, under the new number.
                Some(drive) => drive.fence = fence,
                None => {
                    let askers = self.admitting.remove(&request).map(|admitting| admitting.askers);
                    let askers = askers.unwrap_or_default();
                    self.tell(&askers, request, &Answer::Pending);
                    self.take_over(request, body, fence, askers, rng);
                }
            },
            Claim::Held => self.is_elsewhere(request),
            Claim::Unknown => match self.admitting.remove(&request) {
                // Only what was over when it came is claimed before it was admitted.
                Some(admitting) => {
                    let why = BadRequest::Expired.to_string();
                    self.tell(&admitting.askers, request, &Answer::Refused(why));
                }
                None => self.is_elsewhere(request),
            },
            Claim::Finished(outcome) => self.is_finished(request, &outcome),
        }
    }

    /// Somebody else works on a request.
    pub(super) fn is_elsewhere(&mut self, id: RequestId) {
        if let Some((_, askers)) = self.give_up(id) {
            self.tell(&askers, id, &Answer::Pending);
        }
    }

    /// The store has an outcome of a request.
    fn is_finished(&mut self, id: RequestId, outcome: &[u8]) {
        let ours = self.drives.get_mut(&id).and_then(|drive| drive.outcome.take());
        if let Some((request, askers)) = self.give_up(id) {
            match ours.filter(|ours| ours.encode().as_slice() == outcome) {
                // Whatever it says was checked before it was stored.
                Some(ours) => self.tell(&askers, id, &Answer::Final(ours)),
                None => self.tell_outcome(&askers, (id, &request), outcome),
            }
        }
    }

    /// Begins to work on a request that another has admitted, and whose lease is ours.
    fn take_over(
        &mut self,
        id: RequestId,
        body: Vec<u8>,
        fence: u64,
        askers: BTreeSet<Address>,
        rng: &mut impl CryptoRngCore,
    ) {
        if self.drives.contains_key(&id) {
            return;
        }
        // Whoever has stolen a replica can put into the store what no client has asked.
        let read = SignedRequest::read_from::<C>(&body).ok().filter(|(read, _)| *read == id);
        let Some((_, signed)) = read.filter(|(_, signed)| self.may_be_signed(id, signed)) else {
            let outcome = Outcome::Failed("no client has signed it".to_owned());
            return self.deeds.push(Deed::Store(StoreCall::finish(id, fence, &outcome)));
        };
        self.take_up((id, signed.request), body, fence, askers, rng);
    }

    /// Begins to work on a request whose lease is ours, and which its client has signed.
    fn take_up(
        &mut self,
        (id, request): (RequestId, Request),
        body: Vec<u8>,
        fence: u64,
        askers: BTreeSet<Address>,
        rng: &mut impl CryptoRngCore,
    ) {
        if self.drives.contains_key(&id) {
            return;
        }
        let client = request.client;
        if !self.config.clients.contains_key(&client) {
            // Another replica may have heard of its enrolment before us.
            if self.is_over(request.expires) {
                self.deeds.push(Deed::Store(StoreCall::finish(id, fence, &Outcome::Expired)));
            }
            return;
        }
        let its = self.drives.values().filter(|drive| drive.request.client == client).count();
        if its >= self.config.limits.client {
            // It lapses, and is claimed again when there is room.
            return;
        }
        let now = self.now.mono;
        let renew_at = now.plus(self.config.limits.lease / 3);
        let patience = self.config.limits.patience;
        // The time for which there was no room for it counts, but for a part that it has in any case: else those that wait
        // would wait for the patience with others first, and then for their own.
        let latest = now.0.saturating_sub(patience.saturating_sub(patience / WORKED_ON));
        let began = Millis(self.orphans.remove(&id).map_or(now.0, |since| since.0.max(latest)));
        let drive = Drive {
            request,
            body,
            fence,
            attempt: 0,
            began,
            session: None,
            retry_at: now,
            renew_at,
            askers,
            denials: std::collections::BTreeMap::new(),
            spent: BTreeSet::new(),
            found_out: BTreeSet::new(),
            words: std::collections::BTreeMap::new(),
            reading: None,
            outcome: None,
            trouble: "nothing was tried yet",
        };
        self.drives.insert(id, drive);
        self.wake_at(renew_at);
        self.advance(id, rng);
    }

    /// Drops the work on a request, and tells what it was and who waits for it.
    fn give_up(&mut self, id: RequestId) -> Option<(Request, BTreeSet<Address>)> {
        self.runs.retain(|_, run| run.aim.request() != Some(id));
        let drive = self.drives.remove(&id).map(|drive| (drive.request, drive.askers));
        drive.or_else(|| self.admitting.remove(&id).map(|admitting| (admitting.request, admitting.askers)))
    }

    fn tell(&mut self, askers: &BTreeSet<Address>, request: RequestId, answer: &Answer) {
        for asker in askers {
            self.send(*asker, Message::Answer(request, answer.clone()));
        }
    }

    /// Tells what the store has, if it proves itself: whoever has stolen a replica can write to the store as well.
    fn tell_outcome(
        &mut self,
        askers: &BTreeSet<Address>,
        (id, request): (RequestId, &Request),
        outcome: &[u8],
    ) {
        let key = match &request.ask {
            Ask::Sign { key, .. } => self.keys.get(key),
            Ask::Key(_) | Ask::Retire { .. } => None,
        };
        let outcome = Outcome::decode(outcome).ok();
        if let (Some(Outcome::Signed { .. }), Ask::Sign { key: name, .. }, None) =
            (&outcome, &request.ask, key)
        {
            // Nobody is told of a signature that was not verified here.
            self.query_key(*name);
            let why = "the signature in the store cannot be verified: no node shows its key".to_owned();
            let is_late = self.is_over(request.expires);
            return self.tell(askers, id, &if is_late { Answer::Refused(why) } else { Answer::Pending });
        }
        let answer = match outcome
            .filter(|one| one.is_proven(&self.crypto, (id, request), &self.config.committee, key))
        {
            Some(outcome) => Answer::Final(outcome),
            None => Answer::Refused("the outcome in the store does not prove itself".to_owned()),
        };
        self.tell(askers, id, &answer);
    }

    /// Whether a request's time is over by our clock.
    pub(super) fn is_over(&self, expires: Millis) -> bool {
        self.now.wall >= expires
    }
}
