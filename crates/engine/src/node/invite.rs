//! Invitations: what a node checks before it takes part in anything. Every question is asked here, by the node itself.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use keymoot_protocol::transcript::Hash;
use keymoot_types::{Millis, Party, Quorum, SessionId};
use rand_core::CryptoRngCore;
use zeroize::Zeroizing;

use super::presigns::Use;
use super::rounds::{Live, Running};
use super::{Kind, Node, everybody};
use crate::crypto::{Crypto, Job, Order, Reading, Task};
use crate::event::Now;
use crate::message::{Address, Invite, Message, What};
use crate::outcome::denial;
use crate::plan::{Effect, Lane};
use crate::policy::{Decision, Policy};
use crate::record::Entry;
use crate::refusal::Refusal;
use crate::request::{Ask, RequestId, SKEW_MAX, SignedRequest, VALIDITY_MAX, key_of_attempt};

/// Sessions of one coordinator that it has given up and a worker still has, at most; then it has to wait.
const GIVEN_UP_MAX: usize = 6;

pub(super) const SOMETHING_ELSE: &str = "the request asks for something else";

/// What was served for whom, until the requests expire: attempts are bounded, and no session comes twice.
#[derive(Default)]
pub(super) struct Requests {
    known: BTreeMap<RequestId, Known>,
    /// When to look whether they can be forgotten, by the monotonic clock.
    due: BTreeSet<(Millis, RequestId)>,
}

struct Known {
    /// By the wall clock.
    until: Millis,
    /// By the monotonic clock: not before then, whatever the wall clock says.
    after: Millis,
    sessions: Vec<SessionId>,
    denied: bool,
    /// The digest of its bytes, once an attempt was made: nobody has another request served under its name. `None` after a
    /// restart, until the next attempt.
    body: Option<Hash>,
}

/// A request whose client is known to have signed it.
pub(super) struct Asked {
    pub(super) id: RequestId,
    pub(super) signed: SignedRequest,
    /// The digest of its bytes.
    body: Hash,
}

impl Requests {
    /// Whether this session may be another attempt at the request.
    fn admits(&self, asked: &Asked, session: SessionId, most: u16) -> Result<(), Refusal> {
        match self.known.get(&asked.id) {
            Some(known) if known.body.is_some_and(|body| body != asked.body) => Err(Refusal::Conflict),
            Some(known) if known.sessions.contains(&session) => Err(Refusal::Seen),
            Some(known) if known.sessions.len() >= usize::from(most) => Err(Refusal::Exhausted),
            Some(_) | None => Ok(()),
        }
    }

    fn entry(&mut self, id: RequestId, until: Millis, now: Now) -> &mut Known {
        let left = until.0.saturating_sub(now.wall.0).min(VALIDITY_MAX);
        let after = now.mono.plus(left);
        let due = &mut self.due;
        self.known.entry(id).or_insert_with(|| {
            due.insert((after.plus(2 * SKEW_MAX), id));
            Known { until, after, sessions: Vec::new(), denied: false, body: None }
        })
    }

    /// Notes an attempt.
    pub(super) fn note(&mut self, id: RequestId, session: SessionId, until: Millis, now: Now) {
        self.entry(id, until, now).sessions.push(session);
    }

    /// Notes what the request is.
    fn note_body(&mut self, asked: &Asked) {
        if let Some(known) = self.known.get_mut(&asked.id) {
            known.body = Some(asked.body);
        }
    }

    /// Whether this denial is the first.
    pub(super) fn is_first_denial(&mut self, id: RequestId, until: Millis, now: Now) -> bool {
        !std::mem::replace(&mut self.entry(id, until, now).denied, true)
    }

    /// Forgets what has expired by both clocks, long enough ago that neither takes it for valid again.
    pub(super) fn forget(&mut self, now: Now) {
        while let Some((at, id)) = self.due.first().copied().filter(|(at, _)| now.mono >= *at) {
            self.due.remove(&(at, id));
            let Some(known) = self.known.get(&id) else { continue };
            if now.wall >= known.until.plus(2 * SKEW_MAX) && now.mono >= known.after.plus(2 * SKEW_MAX) {
                self.known.remove(&id);
            } else {
                // The wall clock is behind.
                self.due.insert((now.mono.plus(SKEW_MAX), id));
            }
        }
    }
}

impl<C: Crypto, P: Policy> Node<C, P> {
    pub(super) fn invited(&mut self, from: Address, invite: Invite, rng: &mut impl CryptoRngCore) {
        let Invite { session, what } = invite;
        // The network may say things twice, and late.
        let has_ended = self.ended.iter().any(|ended| ended.session == session);
        if has_ended || self.sessions.contains_key(&session) {
            return;
        }
        let mut asked = None;
        let outcome = match what {
            _ if self.lost.contains(&session) => Err(Refusal::Seen),
            _ if self.is_full_of(from, &what) => Err(Refusal::TooMany),
            What::Keygen { request, attempt } => self
                .request(&request, &mut asked)
                .and_then(|asked| self.keygen(from, session, &asked, attempt, rng)),
            What::Setup { members } => self.pair_setup(from, session, members, rng),
            What::Moduli => self.make_moduli(from, session, rng),
            What::Presign { key, signers, setup, size } => {
                self.presign(from, session, (key, setup), (signers, size), rng)
            }
            What::Sign { request, signers, presignature } => self
                .request(&request, &mut asked)
                .and_then(|asked| self.sign(from, session, &asked, (signers, presignature), rng)),
            What::Retire { request } => {
                self.request(&request, &mut asked).and_then(|asked| self.retire(from, session, &asked))
            }
        };
        match outcome {
            Ok(()) => self.open_early_mail(from, session),
            Err(refusal) => self.refuse(from, session, asked, refusal),
        }
    }

    /// Whether this coordinator has called as much as it may. What another has called leaves it its share.
    fn is_full_of(&self, from: Address, what: &What) -> bool {
        let limits = &self.config.limits;
        let of_it = || self.sessions.values().filter(|live| live.coordinator == from);
        let share = limits.sessions / usize::from(self.config.coordinators.max(1));
        // No session comes of it.
        if matches!(what, What::Retire { .. }) {
            return false;
        }
        let is_heavy = matches!(what, What::Setup { .. } | What::Moduli | What::Presign { .. });
        let heavy = of_it().filter(|live| live.kind.is_heavy()).count();
        of_it().count() >= share.max(1) || (is_heavy && heavy >= limits.heavy)
    }

    /// Reads a request; notes whose it is as soon as its client is known to have signed it.
    fn request(&self, bytes: &[u8], asked: &mut Option<(RequestId, Millis)>) -> Result<Asked, Refusal> {
        let (id, signed) = SignedRequest::read_from::<C>(bytes).map_err(Refusal::Request)?;
        let client = self.config.clients.get(&signed.request.client).ok_or(Refusal::Client)?;
        if !signed.is_from::<C>(id, client) {
            return Err(Refusal::Client);
        }
        signed.check_group(self.config.committee.group()).map_err(Refusal::Request)?;
        signed.request.check_time(self.now.wall).map_err(Refusal::Request)?;
        *asked = Some((id, signed.request.expires));
        let body = C::digest("keymoot/request-body/v1", &signed.content());
        Ok(Asked { id, signed, body })
    }

    fn refuse(
        &mut self,
        to: Address,
        session: SessionId,
        asked: Option<(RequestId, Millis)>,
        refusal: Refusal,
    ) {
        let word = match asked {
            Some((request, until)) if refusal.is_final() => {
                let reason = refusal.to_string();
                let word = self.crypto.sign(&denial::<C>(request, &reason));
                // A second word waits for the record of the first.
                self.draft.lane = Lane::Whole;
                if self.requests.is_first_denial(request, until, self.now) {
                    let at = self.now.wall;
                    self.persist(Entry::Denied { request, reason, at });
                }
                Some(word)
            }
            Some(_) | None => {
                self.refused = self.refused.saturating_add(1);
                None
            }
        };
        self.send(to, Message::Refused(session, refusal, word));
    }

    fn keygen(
        &mut self,
        from: Address,
        session: SessionId,
        asked: &Asked,
        attempt: u16,
        rng: &mut impl CryptoRngCore,
    ) -> Result<(), Refusal> {
        let Ask::Key(scheme) = asked.signed.request.ask else {
            return Err(Refusal::Unfit(SOMETHING_ELSE.into()));
        };
        self.check_served(scheme)?;
        if attempt >= self.config.limits.attempts {
            return Err(Refusal::Exhausted);
        }
        let key = key_of_attempt::<C>(asked.id, attempt);
        let is_running = self.sessions.values().any(|live| live.kind == Kind::Keygen(key));
        let is_there = self.keys.is_taken(key) || is_running;
        match self.requests.admits(asked, session, self.config.limits.attempts) {
            Ok(()) if is_there => return Err(Refusal::Generated),
            // The last attempt may have made it.
            Err(Refusal::Exhausted) if is_there => return Err(Refusal::Generated),
            admitted => admitted?,
        }
        let committee = Arc::clone(&self.config.committee);
        let members = everybody(&committee);
        self.check_bans(&members)?;
        if let Decision::Deny(why) = self.policy.decide(&asked.signed.request, None) {
            return Err(Refusal::Policy(why.into()));
        }
        self.allow(asked, session, C::digest("keymoot/keygen/v1", key.as_bytes()), None);
        let task = Task::Keygen { session, committee, key, scheme, me: self.config.me };
        self.begin(from, session, (Kind::Keygen(key), members), task, rng)
    }

    fn pair_setup(
        &mut self,
        from: Address,
        session: SessionId,
        members: Vec<Party>,
        rng: &mut impl CryptoRngCore,
    ) -> Result<(), Refusal> {
        self.check_signers(&members, false)?;
        // Each coordinator has its own, so that a stolen one cannot keep the others out.
        let most = self.config.limits.setups;
        self.check_given_up(from)?;
        self.make_way(from, |live| live.kind == Kind::Setup, most);
        let committee = Arc::clone(&self.config.committee);
        let (me, bans) = (self.config.me, self.bans.clone());
        let task = Task::Setup { session, committee, members: members.clone(), me, bans };
        self.begin(from, session, (Kind::Setup, members), task, rng)
    }

    fn presign(
        &mut self,
        from: Address,
        session: SessionId,
        (key, setup): (Hash, Hash),
        (signers, size): (Vec<Party>, u16),
        rng: &mut impl CryptoRngCore,
    ) -> Result<(), Refusal> {
        let share = Arc::clone(self.keys.active_of(key)?);
        let scheme = C::describe(&C::key_of(&share)).scheme;
        if !scheme.presigns() {
            return Err(Refusal::Scheme);
        }
        self.check_served(scheme)?;
        self.check_signers(&signers, true)?;
        if usize::from(size) > self.config.limits.stock {
            return Err(Refusal::Enough);
        }
        let same =
            |live: &Live<C>| live.kind == Kind::Presign && live.key == Some(key) && live.members == signers;
        // Nobody's session ends, and no use of a setup is counted, for one that is not begun.
        self.check_given_up(from)?;
        let used = if scheme.has_moduli() {
            self.moduli.reserve((setup, session), &signers, &self.bans)
        } else {
            self.setups.reserve((setup, session, from), &signers, &self.bans)
        };
        let Use { setup, ticket } = used.map_err(|unfit| Refusal::Setup(unfit.0.into()))?;
        self.make_way(from, same, 1);
        let name = C::setup_name(&setup);
        let task = Task::Presign { session, share, setup, ticket, size, bans: self.bans.clone() };
        self.begin(from, session, (Kind::Presign, signers), task, rng)?;
        if let Some(live) = self.sessions.get_mut(&session) {
            live.setup = Some(name);
        }
        Ok(())
    }

    fn sign(
        &mut self,
        from: Address,
        session: SessionId,
        asked: &Asked,
        (signers, presignature): (Vec<Party>, Option<Hash>),
        rng: &mut impl CryptoRngCore,
    ) -> Result<(), Refusal> {
        let Ask::Sign { key, what } = &asked.signed.request.ask else {
            return Err(Refusal::Unfit(SOMETHING_ELSE.into()));
        };
        let share = Arc::clone(self.keys.active(*key)?);
        let key = C::key_of(&share);
        let described = C::describe(&key);
        self.check_served(described.scheme)?;
        if described.scheme.presigns() != presignature.is_some() {
            return Err(Refusal::Presignature);
        }
        self.check_signers(&signers, described.scheme.presigns())?;
        self.requests.admits(asked, session, self.config.limits.attempts)?;
        // What is signed follows from the payload that the client signed for, and from nothing that a coordinator says.
        let reading = self.crypto.read(&key, what).map_err(|unreadable| Refusal::Unfit(unreadable.0))?;
        if let Decision::Deny(why) = self.policy.decide(&asked.signed.request, Some(&described)) {
            return Err(Refusal::Policy(why.into()));
        }
        let public = match presignature {
            Some(name) => {
                let found = self.pool.look(name, described.digest, &signers, self.now.mono);
                Some(found.ok_or(Refusal::Presignature)?.clone())
            }
            None => None,
        };
        let Reading { path, payload, facts } = reading;
        let order = Order { key, path, payload, signers: signers.clone(), presignature: public };
        let intent = C::intent(&order).map_err(|unfit| Refusal::Unfit(unfit.0.into()))?;
        self.allow(asked, session, intent, Some(facts));
        let burnt = match presignature {
            Some(name) => {
                let burnt = self.pool.burn(name, intent).ok_or(Refusal::Presignature)?;
                self.persist(Entry::Burnt { presignatures: vec![name], intent: Some(intent) });
                Some(burnt)
            }
            None => None,
        };
        let task = Task::Sign { session, share, order, burnt, bans: self.bans.clone() };
        self.begin(from, session, (Kind::Sign(asked.id), signers), task, rng)
    }

    /// What a worker still has of sessions that are over is work for nobody. A coordinator that calls much and waits for nothing
    /// has no more than [`GIVEN_UP_MAX`] of them.
    pub(super) fn check_given_up(&self, from: Address) -> Result<(), Refusal> {
        let of_it = |live: &&Live<C>| live.is_over && live.coordinator == from && live.kind.is_heavy();
        if self.sessions.values().filter(of_it).count() < GIVEN_UP_MAX {
            Ok(())
        } else {
            Err(Refusal::TooMany)
        }
    }

    /// Gives up the oldest of these sessions of a coordinator, so that with one more there are at most so many. It has begun again
    /// and knows nothing of them: to refuse would keep it waiting for their deadline.
    pub(super) fn make_way(&mut self, from: Address, fits: impl Fn(&Live<C>) -> bool, most: usize) {
        let its = |live: &Live<C>| !live.is_over && live.coordinator == from && fits(live);
        let its = self.sessions.iter().filter(|(_, live)| its(live));
        let mut its: Vec<_> = its.map(|(session, live)| (live.deadline, *session)).collect();
        its.sort_unstable();
        let excess = its.len().saturating_add(1).saturating_sub(most.max(1));
        for (_, session) in its.into_iter().take(excess) {
            self.give_up(session);
        }
    }

    fn allow(&mut self, asked: &Asked, session: SessionId, intent: Hash, facts: Option<Hash>) {
        let (request, until) = (asked.id, asked.signed.request.expires);
        self.requests.note(request, session, until, self.now);
        self.requests.note_body(asked);
        let at = self.now.wall;
        self.persist(Entry::Allowed { request, session, intent, facts, at });
    }

    pub(super) fn check_bans(&self, members: &[Party]) -> Result<(), Refusal> {
        match self.bans.find(&self.config.committee, members) {
            Some(banned) => Err(Refusal::Banned(banned)),
            None => Ok(()),
        }
    }

    fn check_signers(&self, signers: &[Party], exactly: bool) -> Result<(), Refusal> {
        let threshold = self.config.committee.threshold();
        let quorum = Quorum::new(threshold, signers.to_vec()).map_err(|_| Refusal::Signers)?;
        let fits = !exactly || signers.len() == usize::from(threshold.needed());
        if !fits || !quorum.contains(self.config.me) {
            return Err(Refusal::Signers);
        }
        self.check_bans(signers)
    }

    pub(super) fn begin(
        &mut self,
        from: Address,
        session: SessionId,
        (kind, members): (Kind, Vec<Party>),
        task: Task<C>,
        rng: &mut impl CryptoRngCore,
    ) -> Result<(), Refusal> {
        let mut seed = Zeroizing::new([0; 32]);
        rng.fill_bytes(seed.as_mut());
        let limits = &self.config.limits;
        let time = match kind {
            Kind::Sign(_) => limits.signing,
            Kind::Moduli => limits.moduli,
            Kind::Keygen(_) | Kind::Setup | Kind::Presign => limits.ceremony,
        };
        let deadline = self.now.mono.plus(time);
        let is_heavy = kind.is_heavy();
        let mut live = Live::new(kind, members, from, deadline);
        live.key = task.key().map(|key| C::describe(&key).digest);
        self.wake_at(deadline);
        if is_heavy {
            live.running = Running::away();
            self.sessions.insert(session, live);
            self.draft.then.push(Effect::Work(from, session, Job::Begin { task: Box::new(task), seed }));
            return Ok(());
        }
        let progress = self.crypto.begin(task, &seed).map_err(|unfit| Refusal::Unfit(unfit.0.into()))?;
        self.advance(session, live, progress);
        Ok(())
    }
}
