//! A world that somebody looks at: one event at a time, and anybody's state in words. Nothing here changes what happens.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use keymoot_engine::message::Address;
use keymoot_engine::{coordinator, node};
use keymoot_types::{KeyId, Millis, Party};

use super::{Happening, World};
use crate::backend::{Backend, place};
use crate::frame::{Time, Weather, fair};
use crate::watch::Violation;

/// Characters of an event's line.
const LINE_MAX: usize = 200;

/// Who can be looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Actor {
    /// Somebody with an address.
    At(Address),
    /// The wires, the store, and what breaks them.
    Network,
}

/// There is nobody of that name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is nobody: there are node-1, coordinator-0, client-0 and so on, and network")]
pub struct Nobody(pub String);

impl FromStr for Actor {
    type Err = Nobody;

    fn from_str(text: &str) -> Result<Self, Nobody> {
        let nobody = || Nobody(text.escape_debug().to_string());
        if text == "network" {
            return Ok(Self::Network);
        }
        let (role, number) = text.split_once('-').ok_or_else(nobody)?;
        let number: u16 = number.parse().map_err(|_| nobody())?;
        let address = match role {
            "node" => Address::Node(Party::new(number).map_err(|_| nobody())?),
            "coordinator" => Address::Coordinator(number),
            "client" => Address::Client(number),
            _ => return Err(nobody()),
        };
        Ok(Self::At(address))
    }
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::At(address) => f.write_str(&name(*address)),
            Self::Network => f.write_str("network"),
        }
    }
}

fn name(address: Address) -> String {
    match address {
        Address::Client(number) => format!("client-{number}"),
        Address::Coordinator(number) => format!("coordinator-{number}"),
        Address::Node(party) => format!("node-{}", party.index()),
    }
}

/// Something that is so, under a name that is there once.
pub type Facts = BTreeMap<String, String>;

/// What one event was, and what it led to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Advanced {
    /// When, who and what.
    pub line: String,
    /// Whether it was the last.
    pub is_last: bool,
    /// The promise that it broke.
    pub broken: Option<Violation>,
}

/// A world, whatever its cryptography.
pub trait Stage {
    /// Sets this thread up for the bug of this world. To be called once, before the first event.
    fn begin(&mut self);
    /// Has one event happen. Not to be called after the last.
    fn advance(&mut self) -> Advanced;
    /// How much has happened.
    fn events(&self) -> u64;
    /// What time it is.
    fn now(&self) -> Time;
    /// When something happens next.
    fn next_at(&self) -> Option<Time>;
    /// The world in a line.
    fn cast(&self) -> String;
    /// Somebody's state, without secrets; `None` if there is nobody of that name.
    fn show(&self, actor: Actor) -> Option<Facts>;
}

impl<B: Backend> Stage for World<B> {
    fn begin(&mut self) {
        crate::model::weaken(self.bug.map(crate::Bug::weakness).unwrap_or_default());
        crate::model::forget_trips();
        self.keep_log();
    }

    fn advance(&mut self) -> Advanced {
        let (is_last, broken) = match self.step() {
            Ok(goes_on) => (!goes_on, None),
            Err(violation) => (true, Some(violation)),
        };
        let line = self.log.as_mut().and_then(Vec::pop).unwrap_or_default();
        let line = match line.char_indices().nth(LINE_MAX) {
            Some((end, _)) => format!("{}…", &line[..end]),
            None => line,
        };
        Advanced { line, is_last, broken }
    }

    fn events(&self) -> u64 {
        self.events
    }

    fn now(&self) -> Time {
        self.now
    }

    fn next_at(&self) -> Option<Time> {
        self.queue.peek().map(|item| item.at)
    }

    fn cast(&self) -> String {
        let frame = &self.frame;
        let liars: Vec<String> = frame.liars.iter().map(|place| format!("node-{}", place + 1)).collect();
        let stolen = frame.stolen.map(|one| format!(", coordinator-{one} is stolen")).unwrap_or_default();
        let lying = if liars.is_empty() { String::new() } else { format!(", {} lie", liars.join(" and ")) };
        format!(
            "seed {}: {} keys, {} coordinators{stolen}{lying}; heals at {} ms",
            frame.seed, frame.threshold, frame.coordinators, frame.heal_at
        )
    }

    fn show(&self, actor: Actor) -> Option<Facts> {
        match actor {
            Actor::At(Address::Node(party)) => self.show_node(place(party)),
            Actor::At(Address::Coordinator(replica)) => self.show_replica(replica),
            Actor::At(Address::Client(client)) => self.show_client(client),
            Actor::Network => Some(self.show_network()),
        }
    }
}

impl<B: Backend> World<B> {
    fn show_node(&self, place: usize) -> Option<Facts> {
        let slot = self.nodes.get(place)?;
        let mut facts = self.process(Some(slot.life), slot.paused_until, slot.skew);
        let state = match (&slot.node, slot.is_lost) {
            (Some(_), _) => "runs",
            (None, true) => "lost: its journal is damaged",
            (None, false) => "down",
        };
        facts.insert("process".to_owned(), state.to_owned());
        if slot.is_liar {
            facts.insert("honesty".to_owned(), "lies".to_owned());
        }
        if let Some(left) = slot.countdown {
            facts.insert("dies".to_owned(), format!("after {left} more effects"));
        }
        let (records, unsynced) = slot.disk.sizes();
        let full = if slot.disk.is_full { ", full" } else { "" };
        let damaged = if slot.disk.is_damaged { ", damaged" } else { "" };
        facts.insert(
            "disk".to_owned(),
            format!("{records} records, {unsynced} bytes unsynced{full}{damaged}"),
        );
        if let Some(node) = &slot.node {
            view_node(node.view(), &mut facts);
        }
        Some(facts)
    }

    fn show_replica(&self, replica: u16) -> Option<Facts> {
        let slot = self.replicas.get(usize::from(replica))?;
        let mut facts = self.process(Some(slot.life), slot.paused_until, slot.skew);
        let state = if slot.coordinator.is_some() { "runs" } else { "down" };
        facts.insert("process".to_owned(), state.to_owned());
        if slot.is_stolen {
            facts.insert("honesty".to_owned(), "stolen".to_owned());
        }
        if let Some(coordinator) = &slot.coordinator {
            view_coordinator(coordinator.view(), &mut facts);
        }
        Some(facts)
    }

    fn process(&self, life: Option<u32>, paused_until: Time, skew: i64) -> Facts {
        let mut facts = Facts::new();
        if let Some(life) = life {
            facts.insert("deaths".to_owned(), life.to_string());
        }
        if paused_until > self.now {
            facts.insert("paused".to_owned(), format!("until {paused_until} ms"));
        }
        if skew != 0 {
            facts.insert("clock".to_owned(), format!("off by {skew} ms"));
        }
        facts
    }

    fn show_client(&self, client: u16) -> Option<Facts> {
        self.clients.get(usize::from(client))?;
        let wishes = self.wishes.iter().enumerate().filter(|(_, wish)| wish.is_of(client));
        let facts = wishes.map(|(number, wish)| {
            let told = self.watch.outcome(wish.id).map(outcome).unwrap_or_default();
            (format!("wish {number:>2}"), format!("{}{told}", wish.in_words()))
        });
        Some(facts.collect())
    }

    fn show_network(&self) -> Facts {
        let mut facts = Facts::new();
        let weather = if self.is_healed { fair() } else { self.frame.net };
        let Weather { loss, twice, near, far, slow } = weather;
        let weather =
            format!("{near} to {far} ms; of 1000, {loss} get lost, {twice} come twice, {slow} take long");
        facts.insert("weather".to_owned(), weather);
        facts.insert("healed".to_owned(), if self.is_healed { "yes" } else { "no" }.to_owned());
        for (from, to) in &self.cuts {
            facts.insert(format!("line {} -> {}", name(*from), name(*to)), "cut".to_owned());
        }
        let mut under_way: BTreeMap<(Address, Address), usize> = BTreeMap::new();
        for item in self.queue.iter() {
            if let Happening::Arrives { from, to, .. } = &item.what {
                *under_way.entry((*from, *to)).or_default() += 1;
            }
        }
        for ((from, to), count) in under_way {
            facts.insert(format!("mail {} -> {}", name(from), name(to)), format!("{count} under way"));
        }
        let ended = self.store.requests().filter(|(id, _)| self.store.outcome(id).is_some()).count();
        let requests = self.store.requests().count();
        let out = if self.store_back_at > self.now { ", out of order" } else { "" };
        facts.insert("store".to_owned(), format!("{requests} requests, {ended} with an outcome{out}"));
        facts
    }
}

fn outcome(outcome: &keymoot_engine::outcome::Outcome) -> String {
    use keymoot_engine::outcome::Outcome;
    match outcome {
        Outcome::Key(_) => ", has its key".to_owned(),
        Outcome::Signed { session, .. } => format!(", signed in {session}"),
        Outcome::Denied(denials) => format!(", denied by {}", parties(denials.iter().map(|denial| denial.0))),
        Outcome::Retired { words } => {
            format!(", retired by {}", parties(words.iter().map(|(party, _)| *party)))
        }
        Outcome::Expired => ", expired".to_owned(),
        Outcome::Failed(why) | Outcome::NoModuli(why) => format!(", failed: {why}"),
    }
}

fn parties(parties: impl IntoIterator<Item = Party>) -> String {
    let all: Vec<String> = parties.into_iter().map(|party| party.index().to_string()).collect();
    if all.is_empty() { "nobody".to_owned() } else { all.join(" ") }
}

fn view_node(view: node::View, facts: &mut Facts) {
    let node::View { keys, pending, presignatures, burnt, setups, banned, sessions, .. } = view;
    facts.insert(
        "log".to_owned(),
        format!("{} entries, {} in the last checkpoint", view.entries, view.covered),
    );
    facts.insert("log cosigned".to_owned(), format!("by {}", view.cosigned));
    facts.insert("presignatures burnt".to_owned(), burnt.to_string());
    facts.insert("refusals not yet counted".to_owned(), view.refused.to_string());
    let mut key = |id: KeyId, state: &str| facts.insert(id.to_string(), state.to_owned());
    keys.into_iter().for_each(|id| drop(key(id, "certified")));
    pending.into_iter().for_each(|id| drop(key(id, "waits for its certificate")));
    for ((key, signers), count) in presignatures {
        let what = format!("presignatures {} of {}", brief(&key.to_string()), parties(signers));
        facts.insert(what, count.to_string());
    }
    for setup in setups {
        facts.insert(format!("pair setup {}", brief(&setup.to_string())), "here".to_owned());
    }
    for party in banned {
        facts.insert(party.to_string(), "banned".to_owned());
    }
    for one in sessions {
        let over = if one.is_over { ", given up" } else { "" };
        let waits = match one.missing {
            Some(missing) => format!("waits for {}", parties(missing)),
            None => "a worker has it".to_owned(),
        };
        let (kind, members, Millis(deadline)) = (one.kind, parties(one.members), one.deadline);
        let state = format!("{kind} by {members}, until {deadline} ms, {waits}{over}");
        facts.insert(one.session.to_string(), state);
    }
}

fn view_coordinator(view: coordinator::View, facts: &mut Facts) {
    facts.insert("keys known".to_owned(), view.keys.to_string());
    for request in view.admitting {
        facts.insert(format!("{request:?}"), "asks the store".to_owned());
    }
    for drive in view.drives {
        let session = drive.session.map(|session| format!(", in {session}")).unwrap_or_default();
        let ending = if drive.is_ending { ", ends" } else { "" };
        let denied = parties(drive.denied);
        let state = format!(
            "fence {}, attempt {}, since {} ms{session}{ending}; denied by {denied}; {}",
            drive.fence, drive.attempt, drive.began.0, drive.trouble
        );
        facts.insert(format!("{:?}", drive.request), state);
    }
    for run in view.runs {
        let (kind, members, Millis(deadline)) = (run.kind, parties(run.members), run.deadline);
        let state = format!("{kind} by {members}, until {deadline} ms, heard {}", parties(run.heard));
        facts.insert(run.session.to_string(), state);
    }
    for member in view.members {
        let seen = member.seen.map_or("never".to_owned(), |Millis(at)| format!("at {at} ms"));
        facts.insert(member.party.to_string(), format!("heard {seen}, suspicion {}", member.suspicion));
    }
}

fn brief(hex: &str) -> &str {
    hex.get(..12).unwrap_or(hex)
}
