//! A node as the checker knows it: its journal, and what has happened to it since it began. The node itself is grown from
//! these whenever it is asked something, by the engine's own code, and its plans run through the engine's own pipeline.
//!
//! Lives that look the same from outside count as one, and this is checked, not assumed: whatever happens to one of them
//! is tried with all of them, and must look the same again ([`Lives::after`]). What is assumed: a refusal without a
//! record changes nothing but a count.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use keymoot_engine::crypto::{Crypto, Described};
use keymoot_engine::event::Event;
use keymoot_engine::message::{Address, Complete, Message, SessionMail};
use keymoot_engine::plan::Effect;
use keymoot_engine::record::Entry;
use keymoot_protocol::transcript::Hash;
use keymoot_sim::model::{Model, mix, mix_bytes, weaken};
use keymoot_types::{KeyId, Party, SessionId};

use super::desk::{Bytes, Cast, Desk, Flaw, Stored};

/// One thing that happens to a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Op {
    /// A coordinator says this.
    Hear(u16),
    /// A coordinator says this, and the disk and the workers do at once what follows.
    Settle(u16),
    /// So much time passes that every session is late.
    Late,
    /// The process is asked to end.
    Stop,
    /// Everything that waits for the disk is durable.
    Write,
}

/// Messages by their numbers.
pub type Words = Arc<[u16]>;

/// How a life begins: with this journal, and with these messages, of which each is settled before the next.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Origin {
    party: Party,
    journal: Vec<Stored>,
    settled: Vec<u16>,
}

/// All that determines a node.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Life {
    origin: u32,
    ops: Vec<Op>,
}

/// What is seen of a node from outside: the order of what it has heard does not belong to it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Look {
    party: Party,
    records: Vec<Stored>,
    durable: usize,
    live: Vec<SessionId>,
    held: Vec<[u8; 32]>,
    heard: BTreeSet<u16>,
    held_back: Words,
    early: bool,
    past: [bool; 2],
}

/// Lives that look the same.
#[derive(Default)]
struct Class {
    doubles: Vec<u32>,
    explored: Vec<Op>,
}

/// What the growing of a node has shown.
pub struct Facts {
    party: Party,
    /// The deadlines of its sessions have passed; it was asked to end.
    past: [bool; 2],
    /// The journal, records that wait for the disk included.
    pub records: Vec<Stored>,
    /// How many of them are durable.
    pub durable: usize,
    /// The sessions in progress.
    pub live: Vec<SessionId>,
    /// The certified keys.
    pub held: Vec<Described>,
    /// Mail that sessions in progress have heard, or sessions that are to come will.
    pub heard: BTreeSet<u16>,
    /// All that has left since it began, and what leaves when the disk is done.
    pub spoken: Vec<u16>,
    /// What left with the last event.
    said: Words,
    /// What leaves when the disk is done.
    pub held_back: Words,
    /// Something left before what it depends on was durable.
    pub spoke_early: bool,
}

impl Facts {
    pub fn entries(&self) -> impl Iterator<Item = &Entry> + Clone {
        self.records.iter().map(Stored::entry)
    }

    pub fn written(&self) -> impl Iterator<Item = &Entry> + Clone {
        self.records[..self.durable].iter().map(Stored::entry)
    }

    pub fn waiting(&self) -> usize {
        self.records.len() - self.durable
    }

    pub const fn was_late(&self) -> bool {
        self.past[0]
    }

    pub const fn was_stopped(&self) -> bool {
        self.past[1]
    }

    /// How often it has begun.
    pub fn starts(&self) -> usize {
        self.entries().filter(|entry| matches!(entry, Entry::Started { .. })).count()
    }
}

/// Whether a message must not leave yet: what is written, what waits, and the message.
pub type Rule = fn(&[Stored], &[Stored], &Message) -> bool;

/// All nodes that were ever seen, by number.
pub struct Lives {
    pub cast: Cast,
    flaw: Flaw,
    /// Whether a node that begins again draws anew. Otherwise it draws what it drew before, when it hears the same.
    pub draws_anew: bool,
    is_early: Rule,
    messages: Vec<(Message, u64)>,
    spoken: BTreeMap<Bytes, u16>,
    stored: BTreeMap<Bytes, Stored>,
    origins: Vec<Origin>,
    places: BTreeMap<Origin, u32>,
    lives: Vec<(Life, Arc<Facts>)>,
    numbers: BTreeMap<Life, u32>,
    looks: BTreeMap<Look, u32>,
    classes: BTreeMap<u32, Class>,
    moves: BTreeMap<(u32, Op), (u32, Words)>,
    owed: Vec<(u32, u32, Op)>,
}

impl Lives {
    pub fn new(cast: Cast, flaw: Flaw, is_early: Rule) -> Self {
        Self {
            cast,
            flaw,
            draws_anew: false,
            is_early,
            messages: Vec::new(),
            spoken: BTreeMap::new(),
            stored: BTreeMap::new(),
            origins: Vec::new(),
            places: BTreeMap::new(),
            lives: Vec::new(),
            numbers: BTreeMap::new(),
            looks: BTreeMap::new(),
            classes: BTreeMap::new(),
            moves: BTreeMap::new(),
            owed: Vec::new(),
        }
    }

    /// The same with other nodes: what was said is known, and nobody has lived yet.
    pub fn again(self, flaw: Flaw) -> Self {
        let Self { cast, is_early, messages, spoken, stored, .. } = self;
        Self { messages, spoken, stored, ..Self::new(cast, flaw, is_early) }
    }

    /// From here on this thread runs the model as it is to be checked.
    pub fn weaken(&self) {
        weaken(self.flaw.weakness());
    }

    /// The number of a message. What a node draws depends on what it hears and on nothing else, so that the same mail
    /// in another life meets the same chance.
    pub fn word(&mut self, message: &Message) -> u16 {
        let text = match message {
            // Nothing else is said as often.
            Message::Mail(SessionMail { session, to, bytes, released }) => {
                let released = released.as_ref().map_or(&[][..], |signature| &signature.0);
                let to = to.map_or(0, Party::index).to_le_bytes();
                [&session.as_bytes()[..], &to, released, bytes].concat()
            }
            _ => format!("{message:?}").into_bytes(),
        };
        if let Some(number) = self.spoken.get(&text) {
            return *number;
        }
        let number = u16::try_from(self.messages.len()).expect("few messages");
        self.messages.push((message.clone(), mix_bytes(&text)));
        self.spoken.insert(text, number);
        number
    }

    pub fn message(&self, number: u16) -> &Message {
        &self.messages[usize::from(number)].0
    }

    pub fn facts(&self, life: u32) -> Arc<Facts> {
        Arc::clone(&self.lives[life as usize].1)
    }

    /// A node with this on its disk that has just begun, and has settled these.
    pub fn begin(&mut self, party: Party, journal: Vec<Stored>, settled: Vec<u16>) -> u32 {
        self.origin(Origin { party, journal, settled })
    }

    fn origin(&mut self, origin: Origin) -> u32 {
        let next = self.origins.len() as u32;
        let origin_number = *self.places.entry(origin.clone()).or_insert(next);
        if origin_number == next {
            self.origins.push(origin);
        }
        let begun = self.life(Life { origin: origin_number, ops: Vec::new() });
        self.join(begun)
    }

    /// The same node after a crash that this many of the waiting records have survived.
    pub fn crash(&mut self, life: u32, kept: usize) -> u32 {
        let facts = self.facts(life);
        if self.flaw == Flaw::Revives {
            let image = self.life(Life { origin: self.lives[life as usize].0.origin, ops: Vec::new() });
            return self.join(image);
        }
        let journal = facts.records[..facts.durable + kept].to_vec();
        self.begin(facts.party, journal, Vec::new())
    }

    /// The same node after one more event, and what it says then.
    pub fn after(&mut self, life: u32, op: Op) -> (u32, Words) {
        if let Some(found) = self.moves.get(&(life, op)) {
            return found.clone();
        }
        let next = self.grown(life, op);
        let said = self.facts(next).said.clone();
        let found = if self.look(next) == self.look(life) { (life, said) } else { (self.join(next), said) };
        self.moves.insert((life, op), found.clone());
        self.classes.entry(life).or_default().explored.push(op);
        let doubles = self.classes.entry(life).or_default().doubles.clone();
        self.owed.extend(doubles.into_iter().map(|double| (double, life, op)));
        self.pay();
        found
    }

    fn grown(&mut self, life: u32, op: Op) -> u32 {
        let mut next = self.lives[life as usize].0.clone();
        next.ops.push(op);
        self.life(next)
    }

    /// What is seen of a life from outside.
    fn look(&self, life: u32) -> Look {
        let facts = &self.lives[life as usize].1;
        Look {
            party: facts.party,
            records: facts.records.clone(),
            durable: facts.durable,
            live: facts.live.clone(),
            held: facts.held.iter().map(|held| *held.digest.as_bytes()).collect(),
            heard: facts.heard.clone(),
            held_back: facts.held_back.clone(),
            early: facts.spoke_early,
            past: facts.past,
        }
    }

    /// The first life that looked like this one from outside.
    fn join(&mut self, life: u32) -> u32 {
        let look = self.look(life);
        let first = *self.looks.entry(look).or_insert(life);
        let class = self.classes.entry(first).or_default();
        if first != life && !class.doubles.contains(&life) {
            class.doubles.push(life);
            self.owed.extend(class.explored.iter().map(|op| (life, first, *op)));
        }
        first
    }

    /// Lives that look the same are the same as far as anybody can see: whatever happens to one of them is tried with all.
    fn pay(&mut self) {
        while let Some((double, first, op)) = self.owed.pop() {
            let (target, said) = self.moves[&(first, op)].clone();
            let next = self.grown(double, op);
            if target == first {
                assert!(self.look(next) == self.look(first), "what changes nothing changes something here");
                continue;
            }
            assert_eq!(self.join(next), target, "two orders of events make two nodes");
            assert_eq!(self.facts(next).said, said, "two orders of events make two nodes");
        }
    }

    fn life(&mut self, life: Life) -> u32 {
        if let Some(number) = self.numbers.get(&life) {
            return *number;
        }
        let facts = Arc::new(self.grow(&life));
        let number = u32::try_from(self.lives.len()).expect("few lives");
        self.lives.push((life.clone(), facts));
        self.numbers.insert(life, number);
        number
    }

    /// One for equal records.
    fn store(&mut self, bytes: &Bytes) -> Stored {
        if let Some(stored) = self.stored.get(bytes) {
            return stored.clone();
        }
        let stored = Stored::new(self.stored.len() as u32, bytes.clone());
        self.stored.insert(bytes.clone(), stored.clone());
        stored
    }

    /// Keeps account of the mail that still matters: when a session ends, what it has heard is forgotten.
    fn hear(&self, heard: &mut BTreeSet<u16>, op: Op, live: (&[SessionId], &[SessionId]), new: &[Stored]) {
        let session_of = |word: u16| match self.message(word) {
            Message::Mail(mail) => Some(mail.session),
            Message::Invite(invite) => Some(invite.session),
            _ => None,
        };
        match op {
            Op::Hear(word) if matches!(self.message(word), Message::Mail(_)) => heard.insert(word),
            // No record tells one invitation to presign from another.
            Op::Settle(word) => heard.insert(word),
            _ => false,
        };
        let began = |one: SessionId| {
            new.iter().any(|new| matches!(new.entry(), Entry::Allowed { session, .. } if *session == one))
        };
        let ended = |one: SessionId| !live.1.contains(&one) && (live.0.contains(&one) || began(one));
        heard.retain(|word| !session_of(*word).is_some_and(ended));
    }

    fn grow(&mut self, life: &Life) -> Facts {
        self.weaken();
        let Origin { party, journal, settled } = self.origins[life.origin as usize].clone();
        let mut desk = Desk::begin(&self.cast, party, &journal, self.flaw);
        for word in settled {
            let (message, seed) = self.messages[usize::from(word)].clone();
            desk.settle(Event::Message(Address::Coordinator(0), message), seed);
        }
        let mut records: Vec<Stored> = desk.records.iter().map(|bytes| self.store(bytes)).collect();
        let (mut live, mut heard) = (Vec::new(), BTreeSet::new());
        let mut spoken = Vec::new();
        let (mut said, mut spoke_early, mut durable) = (Vec::new(), false, desk.durable);
        let is_start = |stored: &&Stored| matches!(stored.entry(), Entry::Started { .. });
        let starts = records.iter().filter(is_start).count();
        for op in &life.ops {
            let known = records.len();
            let sent = self.happens(&mut desk, *op, starts);
            durable = desk.durable;
            records.extend(desk.records[known..].iter().map(|bytes| self.store(bytes)));
            let now: Vec<_> = desk.node.sessions().map(|(session, _)| session).collect();
            self.hear(&mut heard, *op, (&live, &now), &records[known..]);
            live = now;
            let (written, waiting) = records.split_at(durable);
            spoke_early |= sent.iter().any(|message| (self.is_early)(written, waiting, message));
            said =
                sent.iter().filter(|message| is_heard(message)).map(|message| self.word(message)).collect();
            spoken.extend_from_slice(&said);
        }
        let held_back = desk.write().into_iter().filter_map(sent).filter(is_heard);
        let held_back: Words = held_back.map(|message| self.word(&message)).collect();
        spoken.extend(&*held_back);
        let held = desk.node.keys().map(|key| Model::describe(&key)).collect();
        let past = [Op::Late, Op::Stop].map(|op| life.ops.contains(&op));
        let said = said.into();
        Facts { party, past, records, durable, live, held, heard, spoken, said, held_back, spoke_early }
    }

    /// What a node says when this happens to it.
    fn happens(&self, desk: &mut Desk, op: Op, starts: usize) -> Vec<Message> {
        let hear = |word: u16| {
            let (message, seed) = self.messages[usize::from(word)].clone();
            let seed = if self.draws_anew { mix(&[seed, starts as u64]) } else { seed };
            (Event::Message(Address::Coordinator(0), message), seed)
        };
        let effects = match op {
            Op::Hear(word) => {
                let (event, seed) = hear(word);
                desk.take(event, seed)
            }
            Op::Settle(word) => {
                let (event, seed) = hear(word);
                return desk.settle(event, seed);
            }
            Op::Late => {
                desk.late = true;
                desk.take(Event::Wake, 0)
            }
            Op::Stop => desk.take(Event::Stop, 0),
            Op::Write => desk.write(),
        };
        effects.into_iter().filter_map(sent).collect()
    }
}

/// What is said with an effect.
fn sent(effect: Effect<Model>) -> Option<Message> {
    match effect {
        Effect::Send(_, message) => Some(message),
        Effect::WakeAt(_) => None,
        Effect::Work(..) | Effect::Abandon(_) | Effect::Seek(_) | Effect::Halt(_) => {
            panic!("there is no long work here, and no old copy")
        }
    }
}

/// Whether anybody can do anything with it.
const fn is_heard(message: &Message) -> bool {
    matches!(message, Message::Mail(_) | Message::Complete(_, Complete::Key(_)))
}

/// The digests that a node has put its name to, by key.
pub fn signed<'a>(entries: impl Iterator<Item = &'a Entry>) -> impl Iterator<Item = (KeyId, Hash)> {
    entries.filter_map(|entry| match entry {
        Entry::Pending { key, package } => Some((*key, *package)),
        _ => None,
    })
}
