//! Nodes: a loop around the engine that writes first and speaks then, on a machine that may die at any moment.

use std::collections::BTreeSet;

use keymoot_engine::crypto::Job;
use keymoot_engine::event::{Event, Now};
use keymoot_engine::message::{Address, Message, Words};
use keymoot_engine::node::{Config, Node};
use keymoot_engine::plan::{Effect, Pipeline, Plan};
use keymoot_engine::policy::{Decision, Policy};
use keymoot_engine::record::Entry;
use keymoot_engine::request::{Ask, ClientId, Request};
use keymoot_types::{Millis, Party, SessionId};

use super::{EPOCH, Happening, World};
use crate::backend::Backend;
use crate::disk::{Disk, Found};
use crate::frame::Time;
use crate::planted::Bug;
use crate::watch::{Violation, Watch};

/// A payload that begins like this is forbidden everywhere.
pub const FORBIDDEN: u8 = 0xdd;

/// A payload that begins like this is forbidden at the node whose index comes next.
pub const UNLOVED: u8 = 0xd0;

/// The policy of a node in a world.
pub struct Rules {
    me: Party,
    allows_all: bool,
}

impl Policy for Rules {
    fn decide(&self, request: &Request, _: Option<&keymoot_engine::crypto::Described>) -> Decision {
        let Ask::Sign { payload, .. } = &request.ask else { return Decision::Allow };
        match payload.as_bytes() {
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
    /// Effects that are left until the machine dies.
    pub(super) countdown: Option<u64>,
    wakes: BTreeSet<Time>,
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
            countdown: None,
            wakes: BTreeSet::new(),
            memory: Vec::new(),
        }
    }

    fn clock(&self, now: Time) -> Now {
        let wall = (EPOCH + now).saturating_add_signed(self.skew);
        Now { mono: Millis(now), wall: Millis(wall) }
    }
}

impl<B: Backend> World<B> {
    fn node_config(&self, me: Party) -> Config {
        let clients =
            self.clients.iter().map(|client| (ClientId::of(&client.identity()), client.identity())).collect();
        let committee = std::sync::Arc::clone(&self.committee);
        Config { me, committee, clients, coordinators: self.frame.coordinators, limits: self.limits.0 }
    }

    /// A node's process starts.
    pub(super) fn start_node(&mut self, place: usize) -> Result<(), Violation> {
        let (now, allows_all) = (self.now, self.is(Bug::AllowAll));
        let slot = &mut self.nodes[place];
        if slot.node.is_some() || slot.is_lost {
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
        slot.wakes.clear();
        slot.disk.crash(&mut self.chance);
        let who = Address::Node(slot.me);
        let down = if self.is_healed { 50 } else { down };
        self.push(down, Happening::Starts(who));
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
        if self.nodes[place].is_liar {
            self.remember(place, &message);
        }
        self.node_event(place, Event::Message(from, message))
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
        job: Job<B>,
    ) -> Result<(), Violation> {
        if self.nodes[place].life != life {
            return Ok(());
        }
        // What the worker finds out, the node knows with it.
        let result = job.run(&self.nodes[place].person);
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

    /// Runs a plan: records first.
    fn submit(&mut self, place: usize, mut plan: Plan<Effect<B>>) -> Result<(), Violation> {
        let forgets = |entry: &Entry| match self.bug {
            Some(Bug::ForgetPending) => matches!(entry, Entry::Pending { .. }),
            Some(Bug::ForgetAllowed) => matches!(entry, Entry::Allowed { .. }),
            Some(Bug::ForgetBurns) => matches!(entry, Entry::Burnt { .. }),
            Some(Bug::ForgetJoined) => matches!(entry, Entry::Joined { .. }),
            _ => false,
        };
        plan.persist.retain(|record| !forgets(&record.entry));
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
                    self.crash_node(place);
                    return Ok(());
                }
                slot.countdown = Some(left - 1);
            }
            match effect {
                Effect::Send(to, message) => self.node_says(place, to, message)?,
                Effect::WakeAt(at) => self.wake_node_at(place, at.0),
                Effect::Work(session, job) => {
                    let time = self.chance.between(5, 60);
                    let life = self.nodes[place].life;
                    self.push(time, Happening::Worked(place, life, session, Box::new(job)));
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

    fn node_says(&mut self, place: usize, to: Address, message: Message) -> Result<(), Violation> {
        let (me, is_liar) = (self.nodes[place].me, self.nodes[place].is_liar);
        if is_liar && self.liars_lie() {
            self.lie(place, to, message);
            return Ok(());
        }
        self.watch.at(self.now, self.frame.faults.jump > 0);
        let life = self.nodes[place].life;
        self.watch.said(me, life, &message)?;
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
