//! The generation of a key from its invitation on: two honest members, one that says different things to each and to all,
//! a relay that carries what it likes, and crashes.
//!
//! What the third member can say follows from what it has heard: two first words, two words of the next round under every
//! name that the session has, every view that somebody has repeated and one that nobody has, its name under every package
//! that somebody has signed, and no name. What is bounded: mail comes to a session in progress, in its round, once;
//! the second of two first words, which every run refuses, does not.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard};

use keymoot_engine::crypto::Described;
use keymoot_engine::message::{Invite, Message, SessionMail, What};
use keymoot_engine::record::Entry;
use keymoot_engine::request::Ask;
use keymoot_sim::Bug;
use keymoot_sim::model::{Mail, Said, narrow, sign_word};
use keymoot_types::{Scheme, SessionId};
use stateright::Property;

use super::commit::IS_EARLY;
use super::desk::{Cast, Flaw, party};
use super::life::{Facts, Lives, Op, signed};
use super::script::{HONEST, READY, read};
use super::{must_fail, must_hold};

const SESSION: SessionId = SessionId::new([1; 16]);

/// The kind of mail in the generation of a key.
const KEYGEN: u8 = 1;

/// Everything there is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct State {
    nodes: [u32; HONEST],
    /// What the relay has of the honest, in order.
    relay: Vec<u16>,
    crashes: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Action {
    /// Something happens to a node.
    One(usize, Op),
    /// The process dies; so many of the waiting records are durable.
    Crash(usize, usize),
    /// The disk is done; the process dies after so many effects.
    Cut(usize, usize),
}

struct Split {
    crashes: u8,
    /// Whether a run does anything but refuse the second of two words for one place after the first round.
    compares: bool,
    invite: u16,
    start: [u32; HONEST],
    lives: Mutex<Lives>,
}

impl Split {
    fn new(crashes: u8, flaw: Flaw) -> Self {
        let mut lives = Lives::new(Cast::new(4), flaw, IS_EARLY);
        lives.draws_anew = true;
        let request = lives.cast.request(Ask::Key(Scheme::Dkls23));
        let what = What::Keygen { request, attempt: 0 };
        let invite = lives.word(&Message::Invite(Invite { session: SESSION, what }));
        let start = [1, 2].map(|index| lives.begin(party(index), Vec::new(), Vec::new()));
        let compares = flaw != Flaw::Planted(Bug::PlainMulticast);
        Self { crashes, compares, invite, start, lives: Mutex::new(lives) }
    }

    fn lives(&self) -> MutexGuard<'_, Lives> {
        self.lives.lock().expect("nobody panics meanwhile")
    }

    fn every(&self, state: &State, holds: fn(&Facts) -> bool) -> bool {
        let lives = self.lives();
        state.nodes.iter().all(|node| holds(&lives.facts(*node)))
    }
}

/// What the third member can say, now that it has heard this.
fn lies(lives: &mut Lives, state: &State) -> Vec<u16> {
    let heard: Vec<Mail> = state.relay.iter().filter_map(|word| read(lives.message(*word))).collect();
    let Some(context) = heard.first().map(|mail| mail.context) else { return Vec::new() };
    let of = |round: u8| heard.iter().filter(move |mail| mail.round == round);
    let names: BTreeSet<u64> = of(1).map(|mail| mail.ssid).collect();
    let mut views: BTreeSet<u64> = of(2).map(|mail| mail.said.words[0]).collect();
    views.insert(0);
    let third = lives.cast.identity(party(3));
    let packages = state.nodes.iter().flat_map(|node| {
        signed(lives.facts(*node).entries()).map(|(_, package)| narrow(&package)).collect::<Vec<_>>()
    });
    let signatures: BTreeSet<u64> = packages.map(|package| sign_word(&third, package)).chain([0]).collect();
    let mut said: Vec<(u64, u8, u64)> = [1, 2].map(|word| (0, 0, word)).to_vec();
    for name in names {
        said.extend([1, 2].map(|word| (name, 1, word)));
        said.extend(views.iter().map(|view| (name, 2, *view)));
        said.extend(signatures.iter().map(|signature| (name, READY, *signature)));
    }
    let mut say = |(ssid, round, word)| {
        let said = Said { kind: KEYGEN, words: vec![word] };
        let mail = Mail { context, ssid, round, from: 3, said, signature: 0 }.sign(&third);
        let bytes = mail.encode();
        lives.word(&Message::Mail(SessionMail { session: SESSION, to: None, bytes, released: None }))
    };
    said.into_iter().map(&mut say).collect()
}

/// The round in which a node is: that of its last word.
fn round_of(lives: &Lives, facts: &Facts) -> Option<u8> {
    facts.spoken.iter().filter_map(|word| read(lives.message(*word))).map(|mail| mail.round).max()
}

impl stateright::Model for Split {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![State { nodes: self.start, relay: Vec::new(), crashes: 0 }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        let lives = &mut self.lives();
        let lies = lies(lives, state);
        for who in 0..HONEST {
            let facts = lives.facts(state.nodes[who]);
            actions.push(Action::One(who, Op::Hear(self.invite)));
            let round = round_of(lives, &facts);
            let heard: Vec<Mail> = facts.heard.iter().filter_map(|word| read(lives.message(*word))).collect();
            let is_news = |word: &u16| {
                let mail = read(lives.message(*word)).expect("mail");
                let is_taken = heard.iter().any(|one| (one.from, one.round) == (mail.from, mail.round));
                let is_refused = is_taken && (mail.round == 0 || !self.compares);
                !is_refused
                    && facts.live.contains(&SESSION)
                    && Some(mail.round) == round
                    && usize::from(mail.from) != who + 1
                    && !facts.heard.contains(word)
            };
            let news = state.relay.iter().chain(&lies).copied().filter(is_news);
            actions.extend(news.map(|word| Action::One(who, Op::Hear(word))));
            if facts.waiting() > 0 {
                actions.push(Action::One(who, Op::Write));
            }
            if !facts.live.is_empty() && !facts.was_late() {
                actions.push(Action::One(who, Op::Late));
            }
            if state.crashes < self.crashes {
                actions.extend((0..=facts.waiting()).map(|kept| Action::Crash(who, kept)));
                actions.extend((1..facts.held_back.len()).map(|done| Action::Cut(who, done)));
            }
        }
    }

    fn next_state(&self, state: &State, action: Action) -> Option<State> {
        let lives = &mut self.lives();
        let mut next = state.clone();
        match action {
            Action::One(who, op) => {
                let (node, said) = lives.after(state.nodes[who], op);
                next.nodes[who] = node;
                carry(lives, &mut next, &said);
            }
            Action::Crash(who, kept) => {
                next.crashes += 1;
                next.nodes[who] = lives.crash(state.nodes[who], kept);
            }
            Action::Cut(who, done) => {
                next.crashes += 1;
                let (written, said) = lives.after(state.nodes[who], Op::Write);
                carry(lives, &mut next, &said[..done]);
                next.nodes[who] = lives.crash(written, 0);
            }
        }
        (next != *state).then_some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(ONE_PACKAGE, one_package),
            Property::always(ALL_SIGNED, all_signed),
            Property::always(NO_HONEST, |model, state| model.every(state, |facts| !blames(facts, 1..=2))),
            Property::always(DURABLE_FIRST, |model, state| model.every(state, |facts| !facts.spoke_early)),
            Property::always(ONE_ANSWER, one_answer),
            Property::sometimes("both hold the key", |model, state| {
                model.every(state, |facts| !facts.held.is_empty())
            }),
            Property::sometimes(
                "one holds the key, and the session is over at the other",
                |model, state: &State| {
                    let lives = model.lives();
                    let facts = state.nodes.map(|node| lives.facts(node));
                    facts.iter().any(|one| !one.held.is_empty())
                        && facts.iter().any(|one| one.held.is_empty() && one.live.is_empty())
                },
            ),
            Property::sometimes("the third member is found out", |model, state| {
                model.every(state, |facts| blames(facts, 3..=3))
            }),
            Property::sometimes("the two have heard different first words", |model, state: &State| {
                let lives = model.lives();
                let names = state.relay.iter().filter_map(|word| read(lives.message(*word)));
                names.filter(|mail| mail.round == 1).map(|mail| mail.ssid).collect::<BTreeSet<_>>().len() > 1
            }),
        ]
    }
}

const ONE_PACKAGE: &str = "the honest sign and hold one package";
const ALL_SIGNED: &str =
    "whoever holds a key has signed it, and so has every other honest member, on its disk";
const NO_HONEST: &str = "no honest member is blamed";
const ONE_ANSWER: &str =
    "in one session a node says one thing in each round, however often it is asked and begins";
const DURABLE_FIRST: &str = "nothing is said before it is durable";

fn carry(lives: &Lives, state: &mut State, said: &[u16]) {
    let mail = said.iter().filter(|word| read(lives.message(**word)).is_some());
    state.relay.extend(mail);
    state.relay.sort_unstable();
    state.relay.dedup();
}

/// Whether this node blames one of these.
fn blames(facts: &Facts, who: std::ops::RangeInclusive<u16>) -> bool {
    facts.entries().any(|entry| matches!(entry, Entry::Blamed { party, .. } if who.contains(&party.index())))
}

fn one_package(model: &Split, state: &State) -> bool {
    let lives = model.lives();
    let facts = state.nodes.map(|node| lives.facts(node));
    let signed = facts.iter().flat_map(|facts| signed(facts.entries()).map(|(_, package)| narrow(&package)));
    let held = facts.iter().flat_map(|facts| facts.held.iter().map(|held| narrow(&held.digest)));
    signed.chain(held).collect::<BTreeSet<_>>().len() <= 1
}

/// A node's own record may still wait for its disk: whatever comes of the key there waits with it.
fn all_signed(model: &Split, state: &State) -> bool {
    let lives = model.lives();
    let facts = state.nodes.map(|node| lives.facts(node));
    let is_signed = |who: usize, held: &Described| {
        let is_it = |(key, package)| (key, package) == (held.id, held.digest);
        signed(facts[who].entries()).any(is_it) && signed(facts[1 - who].written()).any(is_it)
    };
    (0..HONEST).all(|who| facts[who].held.iter().all(|held| is_signed(who, held)))
}

fn one_answer(model: &Split, state: &State) -> bool {
    let lives = model.lives();
    let mut places = BTreeSet::new();
    let mut said = state.relay.iter().filter_map(|word| read(lives.message(*word)));
    said.all(|mail| places.insert((mail.from, mail.round)))
}

#[test]
fn equivocation_splits_no_key() {
    must_hold("split", Split::new(2, Flaw::None));
}

#[test]
fn a_broadcast_that_nobody_compares_is_noticed() {
    let broken = || Split::new(1, Flaw::Planted(Bug::PlainMulticast));
    must_fail("split, plain multicast", broken(), ONE_PACKAGE);
    must_fail("split, plain multicast", broken(), NO_HONEST);
}

#[test]
fn a_key_that_not_all_have_signed_is_noticed() {
    must_fail("split, one signature", Split::new(1, Flaw::Planted(Bug::FirstAckCertifies)), ALL_SIGNED);
}

#[test]
fn a_culprit_by_lot_is_noticed() {
    must_fail("split, by lot", Split::new(1, Flaw::Planted(Bug::BlameByLot)), NO_HONEST);
}

#[test]
fn a_word_before_its_record_is_noticed() {
    must_fail("split, effects first", Split::new(1, Flaw::Planted(Bug::SpeakFirst)), DURABLE_FIRST);
}

#[test]
fn a_session_that_begins_again_is_noticed() {
    must_fail("split, does not read what it allowed", Split::new(1, Flaw::SkipsAllowed), ONE_ANSWER);
}
