//! What breaks, when, and how it is mended.

use keymoot_engine::event::Event;
use keymoot_engine::message::Address;

use super::{Happening, World};
use crate::backend::{Backend, place};
use crate::coverage::Kind;
use crate::disk::Found;
use crate::frame::Time;
use crate::watch::Violation;

/// Something breaks, or is mended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// A process dies.
    Crash(Address),
    /// A node dies after so many more effects.
    CrashMidway(usize, u64),
    /// A process ends in order.
    Stop(usize),
    /// A process stands still.
    Pause(Address, Time),
    /// A line is cut, in this direction.
    Cut(Address, Address),
    /// It is joined.
    Join(Address, Address),
    /// A disk is full.
    Full(usize),
    /// It is not.
    Room(usize),
    /// A bit turns over.
    Flip(usize),
    /// A journal is copied.
    Copy(usize),
    /// The copy is put back.
    Rollback(usize),
    /// A clock is off by so many milliseconds.
    Skew(Address, i64),
    /// The store does not answer until then.
    Outage(Time),
    /// A process hears of a document without this client, or of one with all.
    Document(Address, Option<usize>),
}

impl Trouble {
    pub(super) fn word(&self) -> u64 {
        crate::model::mix_bytes(format!("{self:?}").as_bytes())
    }

    /// What is counted as soon as it is tried; of the rest, what comes of it is.
    const fn kind(&self) -> Option<Kind> {
        Some(match self {
            Self::Crash(Address::Node(_)) => Kind::NodeCrash,
            Self::Crash(_) => Kind::CoordinatorCrash,
            Self::Stop(_) => Kind::NodeStop,
            Self::Pause(..) => Kind::Pause,
            Self::Cut(..) => Kind::LineCut,
            Self::Skew(..) => Kind::ClockJump,
            Self::Outage(_) => Kind::StoreOutage,
            Self::Document(..) => Kind::DocumentChanged,
            Self::CrashMidway(..)
            | Self::Join(..)
            | Self::Full(_)
            | Self::Room(_)
            | Self::Flip(_)
            | Self::Copy(_)
            | Self::Rollback(_) => return None,
        })
    }
}

impl<B: Backend> World<B> {
    /// Draws all that will break until everything heals.
    pub(super) fn plan_trouble(&mut self) {
        let faults = self.frame.faults;
        self.repeat(faults.crash, |world| {
            let all = world.everybody();
            let who = world.someone(&all);
            if let (Address::Node(party), true) = (who, world.chance.happens(200)) {
                return vec![(0, Trouble::Stop(place(party)))];
            }
            vec![(0, Trouble::Crash(who))]
        });
        self.repeat(faults.crash_midway, |world| {
            let node = world.chance.below(world.nodes.len() as u64) as usize;
            vec![(0, Trouble::CrashMidway(node, world.chance.between(0, 6)))]
        });
        self.repeat(faults.pause, |world| {
            let all = world.everybody();
            let who = world.someone(&all);
            vec![(0, Trouble::Pause(who, world.chance.between(100, 5_000)))]
        });
        self.repeat(faults.cut, |world| {
            let all = world.everybody();
            let (one, other, lasts) =
                (world.someone(&all), world.someone(&all), world.chance.between(200, 6_000));
            let mut cut = vec![(0, Trouble::Cut(one, other)), (lasts, Trouble::Join(one, other))];
            if world.chance.happens(500) {
                cut.extend([(0, Trouble::Cut(other, one)), (lasts, Trouble::Join(other, one))]);
            }
            cut
        });
        self.repeat(faults.rollback, |world| {
            let node = world.chance.below(world.nodes.len() as u64) as usize;
            vec![(0, Trouble::Copy(node)), (world.chance.between(100, 10_000), Trouble::Rollback(node))]
        });
        self.repeat(faults.swizzle, Self::swizzle);
        self.repeat(faults.full, |world| {
            let node = world.chance.below(world.nodes.len() as u64) as usize;
            vec![(0, Trouble::Full(node)), (world.chance.between(500, 6_000), Trouble::Room(node))]
        });
        self.repeat(faults.flip, |world| {
            vec![(0, Trouble::Flip(world.chance.below(world.nodes.len() as u64) as usize))]
        });
        self.repeat(faults.jump, |world| {
            let all = world.everybody();
            let (who, far) = (world.someone(&all), [500, 40_000, 3_600_000, 315_360_000_000]);
            let by = world.chance.pick(&far).copied().unwrap_or(0);
            let by = if world.chance.happens(500) { by } else { -by };
            vec![(0, Trouble::Skew(who, by)), (world.chance.between(500, 6_000), Trouble::Skew(who, 0))]
        });
        self.repeat(faults.document, Self::new_documents);
        self.repeat(faults.outage, |world| vec![(0, Trouble::Outage(world.chance.between(200, 4_000)))]);
    }

    /// A client is taken off the document, and is back on it later. Everybody hears of both, each in its own time.
    fn new_documents(&mut self) -> Vec<(Time, Trouble)> {
        let client = self.chance.below(self.clients.len() as u64) as usize;
        let mut changes = Vec::new();
        for who in self.everybody() {
            let (gone, back) = (self.chance.between(0, 1_500), self.chance.between(2_000, 6_000));
            changes.push((gone, Trouble::Document(who, Some(client))));
            changes.push((back, Trouble::Document(who, None)));
        }
        changes
    }

    fn someone(&mut self, all: &[Address]) -> Address {
        self.chance.pick(all).copied().unwrap_or(Address::Coordinator(0))
    }

    /// Cuts one off from everybody, line by line, and joins it again in another order.
    fn swizzle(&mut self) -> Vec<(Time, Trouble)> {
        let all = self.everybody();
        let one = self.someone(&all);
        let mut all_cuts = Vec::new();
        for other in all.into_iter().filter(|other| *other != one) {
            let (from, to) = (self.chance.between(0, 2_000), self.chance.between(2_500, 6_000));
            all_cuts.extend([(from, Trouble::Cut(one, other)), (from, Trouble::Cut(other, one))]);
            all_cuts.extend([(to, Trouble::Join(one, other)), (to, Trouble::Join(other, one))]);
        }
        all_cuts
    }

    /// Has something break again and again, after times that are `mean` in the middle.
    fn repeat(&mut self, mean: Time, what: impl Fn(&mut Self) -> Vec<(Time, Trouble)>) {
        if mean == 0 {
            return;
        }
        let mut at = 0;
        loop {
            at += self.chance.between(1, 2 * mean);
            if at >= self.frame.heal_at {
                return;
            }
            for (after, trouble) in what(self) {
                self.push(at + after, Happening::Trouble(trouble));
            }
        }
    }

    pub(super) fn trouble(&mut self, trouble: Trouble) -> Result<(), Violation> {
        if self.is_healed {
            return Ok(());
        }
        if let Some(kind) = trouble.kind() {
            self.saw(kind);
        }
        match trouble {
            Trouble::Crash(Address::Node(party)) => self.crash_node(place(party)),
            Trouble::Crash(Address::Coordinator(replica)) => self.crash_replica(replica),
            Trouble::Crash(Address::Client(_)) => {}
            Trouble::CrashMidway(node, after) => self.nodes[node].countdown = Some(after),
            Trouble::Stop(node) => self.stop(node)?,
            Trouble::Pause(who, lasts) => self.pause(who, self.now + lasts),
            Trouble::Cut(one, other) => drop(self.cuts.insert((one, other))),
            Trouble::Join(one, other) => drop(self.cuts.remove(&(one, other))),
            Trouble::Full(node) => self.nodes[node].disk.is_full = true,
            Trouble::Room(node) => self.nodes[node].disk.is_full = false,
            Trouble::Flip(node) => self.flip(node),
            Trouble::Copy(node) => self.nodes[node].disk.copy(),
            Trouble::Rollback(node) => self.roll_back(node),
            Trouble::Skew(Address::Node(party), by) => self.nodes[place(party)].skew = by,
            Trouble::Skew(Address::Coordinator(replica), by) => self.replicas[usize::from(replica)].skew = by,
            Trouble::Skew(Address::Client(_), _) => {}
            Trouble::Outage(lasts) => self.store_back_at = self.now + lasts,
            Trouble::Document(who, absent) => self.hears_of(who, absent)?,
        }
        Ok(())
    }

    /// Ends a node in order; it starts again soon.
    fn stop(&mut self, node: usize) -> Result<(), Violation> {
        self.node_event(node, Event::Stop)?;
        // What a process does after its last write is its own business; it is gone when that write is.
        self.nodes[node].countdown = None;
        let life = self.nodes[node].life;
        if self.nodes[node].node.is_some() {
            self.written(node, life)?;
            self.crash_node(node);
        }
        Ok(())
    }

    fn pause(&mut self, who: Address, until: Time) {
        match who {
            Address::Node(party) => self.nodes[place(party)].paused_until = until,
            Address::Coordinator(replica) => self.replicas[usize::from(replica)].paused_until = until,
            Address::Client(_) => {}
        }
    }

    /// Whether a node is honest and well, and enough others are to do without it.
    fn can_be_spared(&self, node: usize) -> bool {
        let well = self.nodes.iter().enumerate().filter(|(_, slot)| slot.is_well() && !slot.disk.is_damaged);
        let (this, others): (Vec<_>, Vec<_>) = well.partition(|(place, _)| *place == node);
        !this.is_empty() && others.len() >= self.frame.needed()
    }

    /// Puts an old copy of a journal back, once in a world.
    fn roll_back(&mut self, node: usize) {
        if !self.can_be_spared(node) || self.nodes.iter().any(|slot| slot.is_rolled_back) {
            return;
        }
        self.crash_node(node);
        let slot = &mut self.nodes[node];
        if slot.disk.put_back() {
            slot.is_rolled_back = true;
            let me = slot.me;
            let records = match slot.disk.read() {
                Found::Records(records) => records.len(),
                Found::Corrupt(_) => 0,
            };
            self.saw(Kind::RolledBack);
            self.watch.rolled_back(me, records);
        }
    }

    /// Damages a disk, as long as enough nodes are left that neither lie nor are lost.
    fn flip(&mut self, node: usize) {
        if self.can_be_spared(node) {
            self.saw(Kind::BitFlip);
            self.nodes[node].disk.flip(&mut self.chance);
            self.crash_node(node);
        }
    }

    /// No more trouble: everything that can be mended is.
    pub(super) fn heal(&mut self) {
        self.is_healed = true;
        self.cuts.clear();
        self.store_back_at = 0;
        let now = self.now;
        for slot in &mut self.nodes {
            slot.disk.is_full = false;
            slot.skew = 0;
            slot.countdown = None;
            slot.paused_until = slot.paused_until.min(now);
        }
        for replica in &mut self.replicas {
            replica.skew = 0;
            replica.paused_until = replica.paused_until.min(now);
        }
        for who in self.everybody() {
            self.push(10, Happening::Starts(who));
            self.push(20, Happening::Learns(who));
        }
        self.make_probes();
    }
}
