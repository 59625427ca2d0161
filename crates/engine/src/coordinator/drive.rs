//! Work on a request until it has an outcome: call a session, and when it fails for a benign reason another one, with
//! other members or another presignature. A session never goes on after it has failed.

use std::collections::{BTreeMap, BTreeSet};

use keymoot_types::{KeyId, Millis, Party, SessionId};
use rand_core::CryptoRngCore;

use super::select::COSTLY;
use super::{Aim, Coordinator, Deed, Drive, NO_MODULI, Past, Run, StoreCall};
use crate::crypto::{Crypto, Described, Next, Order, Reading, Task};
use crate::message::{Address, Invite, Message, What};
use crate::outcome::Outcome;
use crate::refusal::Refusal;
use crate::request::{Ask, RequestId, key_of_attempt};

/// The longest pause after a failed attempt, in pauses.
const PAUSES_MAX: u64 = 10;

/// Between two looks at something that is missing, in pauses.
pub(super) const PATIENCE: u64 = 5;

/// How long after the nodes a coordinator gives a session up, in milliseconds.
const GRACE: u64 = 250;

/// How much longer than a session a taken presignature is not believed to be free, in milliseconds.
const LATE: u64 = 1_000;

/// Failed sessions that reports are still taken of.
const PAST_MAX: usize = 256;

/// How long nodes may take to show a key, in milliseconds.
const KEY_ANSWER: u64 = 400;

/// The longest that nodes are left alone after a failed preparation, in milliseconds.
const RESPITE_MAX: u64 = 2_000;

impl<C: Crypto> Coordinator<C> {
    /// Goes on with everything.
    pub(super) fn advance_all(&mut self, rng: &mut impl CryptoRngCore) {
        let (mono, wall) = (self.now.mono, self.now.wall);
        let is_due = |drive: &Drive| {
            let may_go_on = drive.session.is_none() && mono >= drive.retry_at;
            mono >= drive.renew_at
                || (drive.outcome.is_none() && (may_go_on || wall >= drive.request.expires))
        };
        let due: Vec<RequestId> =
            self.drives.iter().filter(|(_, drive)| is_due(drive)).map(|(id, _)| *id).collect();
        due.into_iter().for_each(|id| self.advance(id, rng));
    }

    /// Something has come that these may have waited for.
    pub(super) fn hurry(&mut self, waits: impl Fn(&Drive) -> bool, rng: &mut impl CryptoRngCore) {
        let now = self.now.mono;
        let idle = |drive: &Drive| drive.session.is_none() && drive.outcome.is_none();
        let due = self.drives.iter_mut().filter(|(_, drive)| idle(drive) && waits(drive));
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
        if drive.attempt >= most || now >= drive.began.plus(self.patience(drive)) {
            let why = format!("{} attempts failed; what was missing last: {}", drive.attempt, drive.trouble);
            let outcome = if drive.lacks_moduli() { Outcome::NoModuli(why) } else { Outcome::Failed(why) };
            return self.conclude(id, outcome);
        }
        match drive.request.ask {
            Ask::Key(_) => self.generate(id, rng),
            Ask::Sign { .. } => self.sign(id, rng),
            Ask::Retire { .. } => self.retire(id, rng),
        }
    }

    /// How long a request is worked on. Where moduli may have to be made first, that has its own time.
    fn patience(&self, drive: &Drive) -> u64 {
        let limits = &self.config.limits;
        match &drive.request.ask {
            Ask::Sign { key, .. }
                if self.keys.get(key).is_some_and(|key| C::describe(key).scheme.has_moduli()) =>
            {
                limits.patience.saturating_add(limits.moduli)
            }
            Ask::Sign { .. } | Ask::Key(_) | Ask::Retire { .. } => limits.patience,
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

    /// How a request ends that so many nodes refuse, once and for all, that too few are left.
    fn verdict(&self, drive: &Drive) -> Option<Outcome> {
        let threshold = self.config.committee.threshold();
        let needed = match drive.request.ask {
            // A key needs everybody.
            Ask::Key(_) => threshold.total(),
            Ask::Sign { .. } => threshold.needed(),
            // Whoever has given its word does not take it back.
            Ask::Retire { .. } => return None,
        };
        let left = |unwilling: usize| usize::from(threshold.total()).saturating_sub(unwilling);
        let is_lost = |unwilling: usize| left(unwilling) < usize::from(needed);
        if is_lost(drive.denials.len()) {
            return Some(Outcome::Denied(drive.denied()));
        }
        let spent = drive.spent.iter().filter(|party| !drive.denials.contains_key(party)).count();
        let why = || Outcome::Failed(Refusal::Exhausted.to_string());
        is_lost(drive.denials.len().saturating_add(spent)).then(why)
    }

    /// A node refuses a request for good: if too few are left, nothing is waited for any more.
    pub(super) fn close(&mut self, id: RequestId, rng: &mut impl CryptoRngCore) {
        let Some(drive) = self.drives.get(&id) else { return };
        let is_idle = drive.session.is_none() && drive.outcome.is_none();
        if is_idle && self.verdict(drive).is_some() {
            if let Some(drive) = self.drives.get_mut(&id) {
                drive.retry_at = self.now.mono;
            }
            self.advance(id, rng);
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
        if let Some(outcome) = self.verdict(drive) {
            return self.conclude(id, outcome);
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
        let Ask::Sign { key, what } = &drive.request.ask else { return };
        if let Some(outcome) = self.verdict(drive) {
            return self.conclude(id, outcome);
        }
        let (what, body) = (what.clone(), drive.body.clone());
        let known = drive.reading.clone();
        let unwilling: BTreeSet<Party> = drive.denials.keys().chain(&drive.spent).copied().collect();
        let members = self.members.all();
        let needed = usize::from(self.config.committee.threshold().needed());
        let Some(key) = self.keys.get(key).cloned() else {
            self.query_key(*key);
            return self.later(id, PATIENCE, "no node shows the key");
        };
        // Nodes read it themselves; here it only spares them what nobody can read.
        let reading = match known.map_or_else(|| self.crypto.read(&key, &what), Ok) {
            Ok(reading) => reading,
            Err(unreadable) => return self.conclude(id, Outcome::Failed(unreadable.to_string())),
        };
        if let Some(drive) = self.drives.get_mut(&id) {
            drive.reading = Some(reading.clone());
        }
        let described = C::describe(&key);
        let (now, silence) = (self.now.mono, self.config.limits.silence);
        let retired: BTreeSet<Party> = self.members.retired(described.digest).collect();
        let lost: BTreeSet<Party> = unwilling.union(&retired).copied().collect();
        let is_lost = |lost: &BTreeSet<Party>| members.len().saturating_sub(lost.len()) < needed;
        if is_lost(&lost) {
            let why = if is_lost(&retired) {
                "the key is retired"
            } else {
                "too few nodes are left that would sign"
            };
            return self.conclude(id, Outcome::Failed(why.to_owned()));
        }
        let mut ranked = self.members.ranked(now, silence, &lost);
        let are_there = ranked.len();
        self.keep_able(described.scheme, &mut ranked);
        let Some(preferred) = self.members.quorum(&ranked) else {
            let is_for_want_of_moduli = ranked.len() < are_there && are_there >= needed;
            let trouble = if is_for_want_of_moduli { NO_MODULI } else { "too few nodes are there" };
            return self.later(id, PATIENCE, trouble);
        };
        let Some((signers, presignature)) = self.draw(id, &described, &preferred, &ranked, rng) else {
            return;
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

    /// Who signs, and with which presignature where the scheme has them. `None` if there is none: then some are made, and the
    /// request waits.
    fn draw(
        &mut self,
        id: RequestId,
        described: &Described,
        preferred: &[Party],
        ranked: &[Party],
        rng: &mut impl CryptoRngCore,
    ) -> Option<(Vec<Party>, Option<C::Public>)> {
        let (scheme, key, now) = (described.scheme, described.digest, self.now.mono);
        if !scheme.presigns() {
            return Some((preferred.to_vec(), None));
        }
        self.supply.use_key(key, self.pace(scheme).pool, now);
        let until = now.plus(self.config.limits.signing).plus(LATE);
        if let Some((signers, public)) = self.members.take(key, ranked, preferred, (now, until)) {
            self.replenish(key, &signers, ranked, rng);
            return Some((signers, Some(public)));
        }
        self.prepare(key, preferred, ranked, rng);
        self.ask_meanwhile(key, preferred);
        let lacks_moduli = scheme.has_moduli() && self.moduli.shared(preferred).is_none();
        self.later(id, PATIENCE, if lacks_moduli { NO_MODULI } else { "there are no presignatures" });
        None
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
        let time = match aim {
            _ if is_short => limits.signing,
            Aim::Moduli => limits.moduli,
            _ => limits.ceremony,
        };
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
            carried: BTreeMap::new(),
        };
        self.runs.insert(session, run);
        self.wake_at(deadline);
    }

    /// A session is over without a result. The request, if there is one, is tried again after a pause.
    pub(super) fn fail(&mut self, session: SessionId, trouble: &'static str) {
        let Some(run) = self.runs.remove(&session) else { return };
        run.members.iter().for_each(|member| self.send(Address::Node(*member), Message::Cancel(session)));
        let (request, weight) = (run.aim.request(), run.aim.cost());
        self.past.push_back(Past {
            session,
            request,
            unheard: run.members.clone(),
            unsure: BTreeMap::new(),
            weight,
        });
        if self.past.len() > PAST_MAX {
            self.past.pop_front();
        }
        let Some(request) = run.aim.request() else {
            let (now, limits) = (self.now.mono, self.config.limits);
            let took = now.0.saturating_sub(run.began.0);
            if let (Aim::Presign(key, _), true) = (&run.aim, took.saturating_mul(2) >= limits.ceremony) {
                self.batch_took(*key, &run.members, took);
            }
            self.supply.not_before = self.now.mono.plus(run.respite);
            if matches!(run.aim, Aim::Moduli) {
                self.moduli.failed(now);
            }
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
