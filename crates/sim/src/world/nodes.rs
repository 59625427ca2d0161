//! Nodes: a loop around the engine that writes first and speaks then, on a machine that may die at any moment.

use std::collections::{BTreeMap, BTreeSet};

use keymoot_engine::crypto::{Job, Unfit};
use keymoot_engine::event::{Event, Now};
use keymoot_engine::message::{Address, Message, Words};
use keymoot_engine::node::{Config, Node};
use keymoot_engine::plan::{Effect, Pipeline, Plan};
use keymoot_engine::policy::{Decision, Policy};
use keymoot_engine::record::Entry;
use keymoot_engine::request::{Ask, ClientId, ClientKey, Request, ToSign};
use keymoot_types::{Millis, Party, Scheme, SessionId};

use super::{EPOCH, Happening, World};
use crate::backend::Backend;
use crate::coverage::Kind;
use crate::disk::{Disk, Found};
use crate::frame::Time;
use crate::planted::Bug;
use crate::watch::{Violation, Watch};

/// A payload that begins like this is forbidden everywhere.
pub const FORBIDDEN: u8 = 0xdd;

/// A payload that begins like this is forbidden at the node whose index comes next.
pub const UNLOVED: u8 = 0xd0;

/// The longest mail of the model, in bytes.
const MAIL_MAX: usize = 4096;

/// The policy of a node in a world.
pub struct Rules {
    me: Party,
    allows_all: bool,
}

impl Policy for Rules {
    fn decide(&self, request: &Request, _: Option<&keymoot_engine::crypto::Described>) -> Decision {
        let Ask::Sign { what: ToSign { payload, .. }, .. } = &request.ask else { return Decision::Allow };
        match payload.bytes() {
            _ if self.allows_all => Decision::Allow,
            [FORBIDDEN, ..] => Decision::Deny("forbidden everywhere"),
            [UNLOVED, index, ..] if u16::from(*index) == self.me.index() => Decision::Deny("not with me"),
            _ => Decision::Allow,
        }
    }
}

/// A node's machine.
pub struct Slot<B: Backend> {
    pub(super) me: Party,
    pub(super) person: B,
    pub(super) node: Option<Node<B, Rules>>,
    pipeline: Pipeline<Effect<B>>,
    pub(super) disk: Disk,
    writing: Option<Vec<Entry>>,
    pub(super) life: u32,
    pub(super) paused_until: Time,
    pub(super) skew: i64,
    /// Its journal is damaged: it never starts again.
    pub(super) is_lost: bool,
    pub(super) is_liar: bool,
    /// An old copy of its journal was put back.
    pub(super) is_rolled_back: bool,
    /// It dies again of whatever it has died of. Only a planted bug does that.
    is_stuck: bool,
    /// Effects that are left until the machine dies.
    pub(super) countdown: Option<u64>,
    wakes: BTreeSet<Time>,
    /// Records that were handed over in this life, and how many of them are durable.
    records: (u64, u64),
    /// Whom it has found out in this life, and how many of its records are durable when that is.
    found_out: Vec<(Party, u64)>,
    /// Sessions whose job no worker begins any more.
    abandoned: BTreeSet<SessionId>,
    /// What a liar remembers.
    pub(super) memory: Vec<Message>,
}

impl<B: Backend> Slot<B> {
    pub(super) fn new(me: Party, person: B, is_liar: bool) -> Self {
        Self {
            me,
            person,
            node: None,
            pipeline: Pipeline::default(),
            disk: Disk::default(),
            writing: None,
            life: 0,
            paused_until: 0,
            skew: 0,
            is_lost: false,
            is_liar,
            is_rolled_back: false,
            is_stuck: false,
            countdown: None,
            wakes: BTreeSet::new(),
            records: (0, 0),
            found_out: Vec::new(),
            abandoned: BTreeSet::new(),
            memory: Vec::new(),
        }
    }

    /// Whether it can be counted on when all has healed.
    pub(super) const fn is_well(&self) -> bool {
        !self.is_liar && !self.is_lost && !self.is_rolled_back
    }

    fn clock(&self, now: Time) -> Now {
        let wall = (EPOCH + now).saturating_add_signed(self.skew);
        Now { mono: Millis(now), wall: Millis(wall) }
    }
}

impl<B: Backend> World<B> {
    fn node_config(&self, me: Party) -> Config {
        let clients = self.clients_of(Address::Node(me));
        let committee = std::sync::Arc::clone(&self.committee);
        let is_sceptic = self.frame.sceptic == Some(crate::backend::place(me));
        let serves = self.frame.serves_gg20 && (!is_sceptic || self.is(Bug::ServeAll));
        let schemes: &[Scheme] = if serves { &Scheme::ALL } else { &Scheme::USUAL };
        let (schemes, coordinators) = (schemes.iter().copied().collect(), self.frame.coordinators);
        Config { me, committee, clients, schemes, coordinators, limits: self.limits.0 }
    }

    /// A node's process starts.
    pub(super) fn start_node(&mut self, place: usize) -> Result<(), Violation> {
        let (now, allows_all) = (self.now, self.is(Bug::AllowAll));
        let slot = &mut self.nodes[place];
        if slot.node.is_some() || slot.is_lost || slot.is_stuck {
            return Ok(());
        }
        let mut found = slot.disk.read();
        if let (Found::Corrupt(_), true) = (&found, matches!(self.bug, Some(Bug::SkipCorruptRecord))) {
            found = slot.disk.read_forgiving();
        }
        let records = match found {
            Found::Records(records) => records,
            Found::Corrupt(what) => {
                slot.is_lost = true;
                if slot.disk.is_damaged {
                    return Ok(());
                }
                return Err(Violation {
                    invariant: "I13",
                    what: format!("a sound journal does not read: {what}"),
                });
            }
        };
        if slot.disk.is_damaged && !records.is_empty() {
            let what = "a node starts from a damaged journal".to_owned();
            return Err(Violation { invariant: "I13", what });
        }
        let entries: Vec<Entry> = records.iter().map(|record| record.entry.clone()).collect();
        let (me, clock, person) = (slot.me, slot.clock(now), slot.person.clone());
        self.watch.recovered(me, &entries)?;
        let rules = Rules { me, allows_all };
        match Node::recover(person, rules, self.node_config(me), records, clock) {
            Ok((node, plan)) => {
                let slot = &mut self.nodes[place];
                slot.node = Some(node);
                self.submit(place, plan)
            }
            // It died between writing down that it is an old copy and halting.
            Err(corrupt) if self.nodes[place].is_rolled_back && corrupt.why.contains("old copy") => {
                self.nodes[place].is_lost = true;
                Ok(())
            }
            Err(corrupt) => {
                let what = format!("{me} does not take its own journal: {corrupt}");
                Err(Violation { invariant: "I13", what })
            }
        }
    }

    /// A node's process dies.
    pub(super) fn crash_node(&mut self, place: usize) {
        let down = self.chance.between(50, 3_000);
        let slot = &mut self.nodes[place];
        if slot.node.take().is_none() {
            return;
        }
        crate::model::forget_trips_of(&slot.person.identity());
        slot.pipeline = Pipeline::default();
        slot.writing = None;
        slot.life += 1;
        slot.countdown = None;
        slot.abandoned.clear();
        slot.wakes.clear();
        (slot.records, slot.found_out) = ((0, 0), Vec::new());
        let me = slot.me;
        let who = Address::Node(me);
        if slot.disk.crash(&mut self.chance) {
            self.saw(Kind::Torn);
        }
        let down = if self.is_healed { 50 } else { down };
        self.push(down, Happening::Starts(who));
        for replica in 0..self.frame.coordinators {
            if self.chance.happens(600) {
                let time = self.chance.between(1, 40);
                self.push(time, Happening::LineBreaks(replica, me));
            }
        }
    }

    pub(super) fn node_hears(
        &mut self,
        place: usize,
        from: Address,
        message: Message,
    ) -> Result<(), Violation> {
        if let Message::Invite(invite) = &message {
            let me = self.nodes[place].me;
            self.watch.invited(me, invite.session, &invite.what);
        }
        if self.node_is_out(place, &message) {
            return Ok(());
        }
        if self.nodes[place].is_liar {
            // Whoever has forked its log does not take it to heart.
            if matches!(message, Message::Witness { words: Words::Behind(_), .. }) {
                return Ok(());
            }
            self.remember(place, &message);
            if self.answers_falsely(place, from, &message) {
                return Ok(());
            }
        }
        self.node_event(place, Event::Message(from, message))
    }

    /// The bugs that keep a node from hearing something.
    fn node_is_out(&mut self, place: usize, message: &Message) -> bool {
        let slot = &mut self.nodes[place];
        match (self.bug, message) {
            (Some(Bug::FalseHealth), Message::Invite(_)) => slot.life > 0,
            (Some(Bug::MalformedKills), Message::Mail(mail)) if mail.bytes.len() > MAIL_MAX => {
                slot.is_stuck = slot.node.is_some();
                self.crash_node(place);
                true
            }
            _ => false,
        }
    }

    pub(super) fn node_wakes(&mut self, place: usize) -> Result<(), Violation> {
        let now = self.now;
        self.nodes[place].wakes.remove(&now);
        self.node_event(place, Event::Wake)
    }

    pub(super) fn worked(
        &mut self,
        place: usize,
        life: u32,
        session: SessionId,
        job: Option<Box<Job<B>>>,
    ) -> Result<(), Violation> {
        if self.nodes[place].life != life {
            return Ok(());
        }
        let is_abandoned = self.nodes[place].abandoned.remove(&session);
        // What the worker finds out, the node knows with it.
        let result = match job.filter(|_| !is_abandoned) {
            Some(job) => job.run(&self.nodes[place].person),
            None => Err(Unfit("the worker has failed")),
        };
        self.node_event(place, Event::Worked(session, result))
    }

    pub(super) fn node_event(&mut self, place: usize, event: Event<B>) -> Result<(), Violation> {
        let now = self.now;
        let expires = self.is(Bug::NoExpiry);
        let slot = &mut self.nodes[place];
        let mut clock = slot.clock(now);
        if expires {
            // As late as a client's clock may be ahead.
            clock.wall = Millis(clock.wall.0 - 29_000);
        }
        let Some(node) = &mut slot.node else { return Ok(()) };
        let plan = node.step(clock, event, &mut self.chance);
        let (me, is_liar) = (slot.me, slot.is_liar);
        if !is_liar && now >= slot.paused_until + 5_000 {
            let node = self.nodes[place].node.as_ref();
            if let Some(node) = node {
                Watch::<B>::invariant_i05_sessions_end(Address::Node(me), node.sessions(), now)?;
            }
        }
        self.submit(place, plan)
    }

    /// From now on these clients may ask.
    pub(super) fn node_goes_by(
        &mut self,
        place: usize,
        clients: BTreeMap<ClientId, ClientKey>,
    ) -> Result<(), Violation> {
        let (now, allows_all) = (self.now, self.is(Bug::AllowAll));
        let slot = &mut self.nodes[place];
        let (me, clock) = (slot.me, slot.clock(now));
        let Some(node) = &mut slot.node else { return Ok(()) };
        let plan = node.go_by(clock, clients, Rules { me, allows_all });
        self.submit(place, plan)
    }

    /// Runs a plan: records first.
    fn submit(&mut self, place: usize, mut plan: Plan<Effect<B>>) -> Result<(), Violation> {
        let forgets = |entry: &Entry| match self.bug {
            Some(Bug::ForgetPending) => matches!(entry, Entry::Pending { .. }),
            Some(Bug::ForgetAllowed) => matches!(entry, Entry::Allowed { .. }),
            Some(Bug::ForgetBurns) => matches!(entry, Entry::Burnt { .. }),
            Some(Bug::ForgetWitnessed) => matches!(entry, Entry::Witnessed { .. }),
            Some(Bug::ForgetRetired) => matches!(entry, Entry::Retired { .. }),
            Some(Bug::ForgetPrimes) => matches!(entry, Entry::ModuliPending { .. }),
            Some(Bug::ForgetTable) => matches!(entry, Entry::Moduli { .. }),
            Some(Bug::ForgetBans) => matches!(entry, Entry::Banned { .. }),
            _ => false,
        };
        if !self.nodes[place].is_liar {
            self.invariant_i02_served_by_the_document(self.nodes[place].me, &plan)?;
        }
        plan.persist.retain(|record| !forgets(&record.entry));
        self.nodes[place].records.0 += plan.persist.len() as u64;
        self.note_found_out(place);
        let speaks_first = match self.bug {
            Some(Bug::SpeakFirst) => true,
            Some(Bug::AuditAfterRelease) => {
                plan.persist.iter().any(|record| matches!(record.entry, Entry::Allowed { .. }))
            }
            Some(Bug::CheckpointFirst) => plan.then.iter().any(|effect| {
                matches!(effect, Effect::Send(_, Message::Witness { words: Words::Checkpoint(_), .. }))
            }),
            _ => false,
        };
        let early = if speaks_first { std::mem::take(&mut plan.then) } else { Vec::new() };
        let mut ready = self.nodes[place].pipeline.submit(plan);
        ready.splice(0..0, early);
        self.kick_disk(place);
        self.perform(place, ready)
    }

    /// Notes whom a check has just failed. The node cannot forget it once the records of that plan are durable.
    fn note_found_out(&mut self, place: usize) {
        let slot = &mut self.nodes[place];
        for culprit in crate::model::trips(self.committee.identity(slot.me)) {
            if !slot.found_out.iter().any(|(known, _)| *known == culprit) {
                slot.found_out.push((culprit, slot.records.0));
            }
        }
    }

    /// Starts the next write, if the disk is idle.
    fn kick_disk(&mut self, place: usize) {
        let skips = self.is(Bug::SkipFsync);
        let slow = self.chance.happens(20);
        let time = if slow { self.chance.between(20, 200) } else { self.chance.between(1, 4) };
        let slot = &mut self.nodes[place];
        if slot.node.is_none() {
            return;
        }
        if let Some(batch) = slot.pipeline.next_batch() {
            slot.disk.write(&batch);
            slot.writing = Some(batch.into_iter().map(|record| record.entry).collect());
            let life = slot.life;
            self.push(if skips { 0 } else { time }, Happening::Written(place, life));
        }
    }

    pub(super) fn written(&mut self, place: usize, life: u32) -> Result<(), Violation> {
        let fails = !self.is_healed && self.chance.happens(self.frame.faults.fsync);
        let (skips, ignores) = (self.is(Bug::SkipFsync), self.is(Bug::IgnoreFsyncError));
        let ignores_full = self.is(Bug::IgnoreFullDisk);
        let slot = &mut self.nodes[place];
        if slot.life != life || slot.node.is_none() {
            return Ok(());
        }
        let is_full = slot.disk.is_full;
        let entries = slot.writing.take().unwrap_or_default();
        if fails {
            self.saw(Kind::SyncRefused);
        }
        if is_full {
            self.saw(Kind::DiskFull);
        }
        let slot = &mut self.nodes[place];
        if (fails && !ignores) || (is_full && !ignores_full) {
            // A node that cannot write does not speak. It ends, and begins again from what it has.
            slot.disk.lose();
            self.crash_node(place);
            return Ok(());
        }
        let me = slot.me;
        if fails || is_full {
            slot.disk.lose();
        } else {
            if !skips {
                slot.disk.sync();
            }
            slot.records.1 += entries.len() as u64;
            let durable = slot.records.1;
            let known = slot.found_out.iter().filter(|(_, needs)| *needs <= durable);
            self.watch.found_out(me, known.map(|(culprit, _)| *culprit));
            if !slot.is_liar {
                entries.iter().for_each(|entry| self.coverage.saw(Kind::from(entry)));
            }
            self.watch.durable(me, entries)?;
        }
        let ready = self.nodes[place].pipeline.written();
        self.kick_disk(place);
        self.perform(place, ready)
    }

    fn perform(&mut self, place: usize, effects: Vec<Effect<B>>) -> Result<(), Violation> {
        for effect in effects {
            let slot = &mut self.nodes[place];
            if slot.node.is_none() {
                return Ok(());
            }
            if let Some(left) = slot.countdown {
                if left == 0 {
                    self.saw(Kind::CrashMidway);
                    self.crash_node(place);
                    return Ok(());
                }
                slot.countdown = Some(left - 1);
            }
            match effect {
                Effect::Send(to, message) => self.node_says(place, to, message)?,
                Effect::WakeAt(at) => self.wake_node_at(place, at.0),
                Effect::Work(_, session, job) => self.work(place, session, job),
                Effect::Abandon(session) => self.abandon(place, session),
                Effect::Seek(seed) => self.seek(place, *seed),
                Effect::Halt(_) if self.nodes[place].is_rolled_back => {
                    self.nodes[place].is_lost = true;
                    self.crash_node(place);
                    return Ok(());
                }
                Effect::Halt(why) => {
                    let what =
                        format!("{} halts, and nobody has touched its journal: {why}", self.nodes[place].me);
                    return Err(Violation { invariant: "I7", what });
                }
            }
        }
        Ok(())
    }

    /// Gives a job to a worker, which may die of it: with a last word, or without.
    fn work(&mut self, place: usize, session: SessionId, job: Job<B>) {
        let time = self.chance.between(5, 60);
        let mut job = Some(Box::new(job));
        if !self.is_healed && self.chance.happens(self.frame.faults.job) {
            if self.chance.happens(500) {
                self.saw(Kind::JobLost);
                return;
            }
            self.saw(Kind::JobFailed);
            job = None;
        }
        let life = self.nodes[place].life;
        self.push(time, Happening::Worked(place, life, session, job));
    }

    /// The worker has begun with the job, or drops it.
    fn abandon(&mut self, place: usize, session: SessionId) {
        if self.chance.happens(500) {
            self.saw(Kind::JobAbandoned);
            self.nodes[place].abandoned.insert(session);
        }
    }

    /// Has some numbers looked at, where that is not lost.
    fn seek(&mut self, place: usize, seed: [u8; 32]) {
        let time = self.chance.between(20, 80);
        let mut seed = Some(seed);
        if !self.is_healed && self.chance.happens(self.frame.faults.job) {
            self.saw(Kind::SearchLost);
            if self.chance.happens(500) {
                return;
            }
            seed = None;
        }
        let life = self.nodes[place].life;
        self.push(time, Happening::Sought(place, life, seed));
    }

    pub(super) fn sought(
        &mut self,
        place: usize,
        life: u32,
        seed: Option<[u8; 32]>,
    ) -> Result<(), Violation> {
        let slot = &self.nodes[place];
        if slot.life != life || slot.node.is_none() {
            return Ok(());
        }
        let prime = seed.and_then(|seed| slot.person.seek(&seed));
        self.node_event(place, Event::Sought(prime))
    }

    fn node_says(&mut self, place: usize, to: Address, message: Message) -> Result<(), Violation> {
        let (me, is_liar) = (self.nodes[place].me, self.nodes[place].is_liar);
        if is_liar && self.liars_lie() {
            self.lie(place, to, message);
            return Ok(());
        }
        self.watch.at(self.now, self.frame.faults.jump > 0);
        self.watch.said(me, &message)?;
        if let Message::Refused(_, refusal, _) = &message {
            self.saw(Kind::from(refusal));
        }
        self.send(Address::Node(me), to, message);
        Ok(())
    }

    fn wake_node_at(&mut self, place: usize, at: Time) {
        if self.is(Bug::NodeSleeps) && self.chance.happens(300) {
            return;
        }
        let now = self.now;
        let slot = &mut self.nodes[place];
        let at = at.max(now);
        if slot.wakes.insert(at) {
            let (who, life) = (Address::Node(slot.me), slot.life);
            self.push(at - now, Happening::Wakes(who, life));
        }
    }
}
