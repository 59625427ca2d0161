//! Work on a request until it has an outcome: call a session, and when it fails for a benign reason another one, with
//! other members or another presignature. A session never goes on after it has failed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use keymoot_protocol::transcript::Hash;
use keymoot_types::{KeyId, Millis, Party, SessionId};
use rand_core::CryptoRngCore;

use super::select::COSTLY;
use super::{Aim, Coordinator, Deed, Drive, Run, StoreCall};
use crate::crypto::{Crypto, Next, Order, Reading, Task};
use crate::message::{Address, Invite, Message, What};
use crate::outcome::Outcome;
use crate::request::{Ask, Request, RequestId, key_of_attempt};

/// The longest pause after a failed attempt, in pauses.
const PAUSES_MAX: u64 = 10;

/// Between two looks at something that is missing, in pauses.
pub(super) const PATIENCE: u64 = 5;

/// How long after the nodes a coordinator gives a session up, in milliseconds.
const GRACE: u64 = 250;

/// Failed sessions that reports are still taken of.
const PAST_MAX: usize = 256;

/// How long nodes may take to show a key, in milliseconds.
const KEY_ANSWER: u64 = 400;

/// The longest that nodes are left alone after a failed preparation, in milliseconds.
const RESPITE_MAX: u64 = 2_000;

impl<C: Crypto> Coordinator<C> {
    /// Goes on with everything.
    pub(super) fn advance_all(&mut self, rng: &mut impl CryptoRngCore) {
        let all: Vec<RequestId> = self.drives.keys().copied().collect();
        all.into_iter().for_each(|id| self.advance(id, rng));
    }

    /// Something has come that these may have waited for.
    pub(super) fn hurry(&mut self, waits: impl Fn(&Request) -> bool, rng: &mut impl CryptoRngCore) {
        let now = self.now.mono;
        let idle = |drive: &Drive| drive.session.is_none() && drive.outcome.is_none();
        let due = self.drives.iter_mut().filter(|(_, drive)| idle(drive) && waits(&drive.request));
        let due: Vec<RequestId> = due
            .map(|(id, drive)| {
                drive.retry_at = now;
                *id
            })
            .collect();
        due.into_iter().for_each(|id| self.advance(id, rng));
    }

    /// Asks all nodes for a key, unless they have just been asked.
    pub(super) fn query_key(&mut self, key: KeyId) {
        let now = self.now.mono;
        self.key_queries.retain(|_, until| now < *until);
        if self.key_queries.len() < self.config.limits.drives && !self.key_queries.contains_key(&key) {
            self.key_queries.insert(key, now.plus(KEY_ANSWER));
            for member in self.members.all() {
                self.send(Address::Node(member), Message::KeyQuery(key));
            }
        }
    }

    /// Goes on with one request.
    pub(super) fn advance(&mut self, id: RequestId, rng: &mut impl CryptoRngCore) {
        let (now, limits) = (self.now.mono, self.config.limits);
        let Some(drive) = self.drives.get_mut(&id) else { return };
        if now >= drive.renew_at {
            drive.renew_at = now.plus(limits.lease / 3);
            let call = match &drive.outcome {
                Some(outcome) => StoreCall::finish(id, drive.fence, outcome),
                None => StoreCall::Claim { request: id },
            };
            let at = drive.renew_at;
            self.deeds.push(Deed::Store(call));
            self.wake_at(at);
        }
        let Some(drive) = self.drives.get(&id).filter(|drive| drive.outcome.is_none()) else { return };
        if self.is_over(drive.request.expires) {
            return self.conclude(id, Outcome::Expired);
        }
        if drive.session.is_some() || now < drive.retry_at {
            return;
        }
        let most = match drive.request.ask {
            Ask::Key(_) => limits.generations,
            Ask::Sign { .. } | Ask::Retire { .. } => limits.attempts,
        };
        if drive.attempt >= most || now >= drive.began.plus(limits.patience) {
            let why = format!("{} attempts failed; what was missing last: {}", drive.attempt, drive.trouble);
            return self.conclude(id, Outcome::Failed(why));
        }
        match drive.request.ask {
            Ask::Key(_) => self.generate(id, rng),
            Ask::Sign { .. } => self.sign(id, rng),
            Ask::Retire { .. } => self.retire(id, rng),
        }
    }

    /// Looks at a request again later. That something is missing is waited out for a while only.
    pub(super) fn later(&mut self, id: RequestId, pauses: u64, trouble: &'static str) {
        let at = self.now.mono.plus(self.config.limits.pause.saturating_mul(pauses));
        if let Some(drive) = self.drives.get_mut(&id) {
            (drive.retry_at, drive.trouble) = (at, trouble);
            self.wake_at(at);
        }
    }

    fn generate(&mut self, id: RequestId, rng: &mut impl CryptoRngCore) {
        let Some(drive) = self.drives.get(&id) else { return };
        let (attempt, body) = (drive.attempt, drive.body.clone());
        let made = (0..=attempt).map(|attempt| key_of_attempt::<C>(id, attempt));
        if let Some(key) = made.filter_map(|name| self.keys.get(&name)).next() {
            let package = C::encode_key(key);
            return self.conclude(id, Outcome::Key(package));
        }
        // A key needs everybody, so one refusal is the last word.
        let denials = drive.denied();
        if !denials.is_empty() {
            return self.conclude(id, Outcome::Denied(denials));
        }
        let (now, silence) = (self.now.mono, self.config.limits.silence);
        let members = self.members.all();
        if !members.iter().all(|member| self.members.is_live(*member, now, silence)) {
            return self.later(id, PATIENCE, "a key generation needs all nodes, and some are silent");
        }
        let key = key_of_attempt::<C>(id, attempt);
        let what = What::Keygen { request: body, attempt };
        self.call(Aim::Keygen(id, key), members, &what, None, rng);
    }

    fn sign(&mut self, id: RequestId, rng: &mut impl CryptoRngCore) {
        let Some(drive) = self.drives.get(&id) else { return };
        let Ask::Sign { key, path, payload } = &drive.request.ask else { return };
        let (path, payload, body) = (path.clone(), Arc::clone(payload), drive.body.clone());
        let known = drive.reading.clone();
        let denied: BTreeSet<Party> = drive.denials.keys().copied().collect();
        let members = self.members.all();
        let needed = usize::from(self.config.committee.threshold().needed());
        if members.len().saturating_sub(denied.len()) < needed {
            let denials = drive.denied();
            return self.conclude(id, Outcome::Denied(denials));
        }
        let Some(key) = self.keys.get(key).cloned() else {
            self.query_key(*key);
            return self.later(id, PATIENCE, "no node shows the key");
        };
        // Nodes read it themselves; here it only spares them what nobody can read.
        let reading = match known.map_or_else(|| C::read(&key, &path, &payload), Ok) {
            Ok(reading) => reading,
            Err(unreadable) => return self.conclude(id, Outcome::Failed(unreadable.to_string())),
        };
        if let Some(drive) = self.drives.get_mut(&id) {
            drive.reading = Some(reading.clone());
        }
        let described = C::describe(&key);
        let (now, silence) = (self.now.mono, self.config.limits.silence);
        let lost: BTreeSet<Party> =
            denied.iter().copied().chain(self.members.retired(described.digest)).collect();
        if members.len().saturating_sub(lost.len()) < needed {
            return self.conclude(id, Outcome::Failed("the key is retired".to_owned()));
        }
        let ranked = self.members.ranked(now, silence, &lost);
        let Some(preferred) = self.members.quorum(&ranked) else {
            return self.later(id, PATIENCE, "too few nodes are there");
        };
        let (signers, presignature) = if described.scheme.presigns() {
            let Some((signers, public)) = self.members.take(described.digest, &ranked, &preferred) else {
                self.prepare(described.digest, &preferred, &ranked, rng);
                return self.later(id, PATIENCE, "there are no presignatures");
            };
            if self.members.left(described.digest, &signers) < self.config.limits.low {
                self.prepare(described.digest, &signers, &ranked, rng);
            }
            (signers, Some(public))
        } else {
            (preferred, None)
        };
        let named = presignature.as_ref().map(|public| C::label(public).id);
        let Reading { path, payload, .. } = reading;
        let order = Order { key, path, payload, signers: signers.clone(), presignature };
        if let Err(unfit) = C::intent(&order) {
            return self.conclude(id, Outcome::Failed(unfit.to_string()));
        }
        let what = What::Sign { request: body, signers: signers.clone(), presignature: named };
        self.call(Aim::Sign(id, Box::new(order.clone())), signers, &what, Some(order), rng);
    }

    /// Has presignatures made for these signers, and before that whatever they are made with.
    fn prepare(&mut self, key: Hash, signers: &[Party], ranked: &[Party], rng: &mut impl CryptoRngCore) {
        let is_busy = self.runs.values().any(|run| match run.aim {
            Aim::Setup => true,
            Aim::Presign(of, _) => of == key && run.members == signers,
            Aim::Keygen(..) | Aim::Sign(..) | Aim::Retire(..) => false,
        });
        if is_busy || self.now.mono < self.prepare_at {
            return;
        }
        // What could not be named may be enough.
        let asks_all = self.members.left(key, signers) > 0 && self.members.may_hold_more(key, signers);
        let untold = match asks_all {
            true => signers.to_vec(),
            false => self.members.untold(signers, key, self.now.mono),
        };
        if !untold.is_empty() {
            let due = self.members.due(&untold, key, self.now.mono);
            due.iter().for_each(|one| self.send(Address::Node(*one), Message::StockQuery(key)));
            return;
        }
        match self.members.shared_setup(signers) {
            Some(setup) => {
                let size = self.config.limits.batch;
                let what = What::Presign { key, signers: signers.to_vec(), setup, size };
                self.call(Aim::Presign(key, setup), signers.to_vec(), &what, None, rng);
            }
            None => {
                self.members.doubt_setups(signers);
                let members = self.members.company(signers, ranked);
                let what = What::Setup { members: members.clone() };
                self.call(Aim::Setup, members, &what, None, rng);
            }
        }
    }

    /// Calls a session.
    pub(super) fn call(
        &mut self,
        aim: Aim<C>,
        members: Vec<Party>,
        what: &What,
        order: Option<Order<C>>,
        rng: &mut impl CryptoRngCore,
    ) {
        let mut name = [0; 16];
        rng.fill_bytes(&mut name);
        let session = SessionId::new(name);
        let aggregator =
            match order.map(|order| self.crypto.begin(Task::Aggregate { session, order }, &[0; 32])) {
                None => None,
                Some(Ok(progress)) => match progress.next {
                    Next::Wait(run) => Some(run),
                    Next::Done(_) | Next::Dead(_) => None,
                },
                Some(Err(_)) => None,
            };
        let now = self.now.mono;
        let limits = &self.config.limits;
        let is_short = matches!(aim, Aim::Sign(..) | Aim::Retire(..));
        let time = if is_short { limits.signing } else { limits.ceremony };
        // Later than the nodes' own, so that theirs are heard first: they know whom they have waited for.
        let deadline = now.plus(time).plus(GRACE);
        if let Some(drive) = aim.request().and_then(|request| self.drives.get_mut(&request)) {
            drive.session = Some(session);
            drive.attempt = drive.attempt.saturating_add(1);
        }
        for member in &members {
            let invite = Invite { session, what: what.clone() };
            self.send(Address::Node(*member), Message::Invite(invite));
        }
        let respite = u64::from(rng.next_u32()) % RESPITE_MAX;
        let run = Run {
            aim,
            members,
            began: now,
            deadline,
            respite,
            heard: BTreeSet::new(),
            complete: BTreeSet::new(),
            aggregator,
            released: BTreeMap::new(),
        };
        self.runs.insert(session, run);
        self.wake_at(deadline);
    }

    /// A session is over without a result. The request, if there is one, is tried again after a pause.
    pub(super) fn fail(&mut self, session: SessionId, trouble: &'static str) {
        let Some(run) = self.runs.remove(&session) else { return };
        run.members.iter().for_each(|member| self.send(Address::Node(*member), Message::Cancel(session)));
        self.past.push_back((session, run.members.clone(), run.aim.cost()));
        if self.past.len() > PAST_MAX {
            self.past.pop_front();
        }
        let Some(request) = run.aim.request() else {
            self.prepare_at = self.now.mono.plus(run.respite);
            return;
        };
        if self.drives.get(&request).is_some_and(|drive| drive.session == Some(session)) {
            if let Some(drive) = self.drives.get_mut(&request) {
                drive.session = None;
            }
            // The more often it has failed, the longer the pause: what is wrong may need time.
            let attempts = self.drives.get(&request).map_or(0, |drive| u64::from(drive.attempt));
            self.later(request, attempts.min(PAUSES_MAX), trouble);
        }
    }

    pub(super) fn end_late_runs(&mut self) {
        let now: Millis = self.now.mono;
        let late = self.runs.iter().filter(|(_, run)| now >= run.deadline);
        let late: Vec<SessionId> = late.map(|(session, _)| *session).collect();
        for session in late {
            let Some(run) = self.runs.get(&session) else { continue };
            let silent = || run.members.iter().filter(|party| !run.heard.contains(party)).copied().collect();
            let waiting =
                || run.members.iter().filter(|party| !run.complete.contains(party)).copied().collect();
            let (missing, by) = match (&run.aggregator, &run.aim) {
                (Some(aggregator), _) => (C::missing(aggregator), 1),
                (None, Aim::Keygen(..) | Aim::Retire(..)) => (Vec::new(), 1),
                // Some have it by now: it is those who do not say so that nothing goes on without.
                (None, _) if !run.complete.is_empty() => (waiting(), COSTLY),
                // The nodes have said by now for whom they have waited; who has said nothing at all is left.
                (None, _) => (silent(), COSTLY),
            };
            // Whoever is waited for may be innocent; so may be everybody else.
            missing.into_iter().for_each(|party| self.members.suspect(party, by));
            self.fail(session, "it took too long");
        }
    }
}
