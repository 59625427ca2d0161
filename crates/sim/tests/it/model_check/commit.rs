//! The commit of a key: two honest members, one that says to each what it likes, a relay that carries what it likes, and
//! two crashes. Everything from the last word before the signatures on is explored, with a second generation beside:
//! of the same key in another session, or of the next attempt's key.
//!
//! What is bounded: what is said before the last word before the signatures comes in one order. No mail comes twice in one
//! life, or to a session that is not in progress. Deadlines pass before a node has signed, once in a life. The next
//! attempt begins at a node when the first session is over there, and in it the third member only speaks the truth or
//! not at all.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};

use keymoot_engine::crypto::{Crypto, Described};
use keymoot_engine::message::{Complete, Message};
use keymoot_engine::record::Entry;
use keymoot_protocol::transcript::Hash;
use keymoot_sim::Bug;
use keymoot_sim::model::Model;
use keymoot_types::{KeyId, SessionId};
use stateright::Property;

use super::desk::{Bytes, Cast, Flaw, Stored, party};
use super::life::{Facts, Lives, Op, Rule, signed};
use super::script::{HONEST, READY, Script, read};
use super::{must_fail, must_hold};

/// Everything there is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct State {
    nodes: [u32; HONEST],
    /// Which generation beside the first the relay has planned.
    other: usize,
    /// What the relay has, in order.
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
    /// All that is said in a generation before the last word before the signatures.
    Drive(usize),
}

/// A certificate as the relay may show it.
struct Certificate {
    described: Described,
    word: u16,
}

type Certificates = Arc<Vec<Certificate>>;

struct Commit {
    crashes: u8,
    scripts: Vec<Script>,
    start: [u32; HONEST],
    lives: Mutex<Lives>,
    /// What certificates there are, given what the relay has.
    certificates: Mutex<BTreeMap<Vec<u16>, Certificates>>,
}

/// Nothing leaves before it is allowed, and no signature before the share that it stands for is durable.
pub const IS_EARLY: Rule = |written, _, message| {
    let Message::Mail(mail) = message else { return false };
    let entries = || written.iter().map(Stored::entry);
    let allowed = entries().find_map(|entry| match entry {
        Entry::Allowed { session, intent, .. } if *session == mail.session => Some(*intent),
        _ => None,
    });
    let is_signature = read(message).is_some_and(|mail| mail.round == READY);
    let is_durable = |allowed| signed(entries()).any(|(key, _)| intent_of(key) == allowed);
    allowed.is_none_or(|allowed| is_signature && !is_durable(allowed))
};

/// What a node allows when it takes part in the generation of this key, in any session.
fn intent_of(key: KeyId) -> Hash {
    Model::digest("keymoot/keygen/v1", key.as_bytes())
}

impl Commit {
    fn new(crashes: u8, flaw: Flaw) -> Self {
        let mut lives = Lives::new(Cast::new(4), Flaw::None, IS_EARLY);
        // The first, the same key in another session, and the key of the second attempt.
        let plans = [(1, 0), (2, 0), (3, 1)];
        let scripts =
            plans.map(|(name, attempt)| Script::new(&mut lives, SessionId::new([name; 16]), attempt));
        let mut lives = lives.again(flaw);
        let start = [0, 1].map(|who| {
            let begun = lives.begin(party(who as u16 + 1), Vec::new(), Vec::new());
            let hears = scripts[0].drive[who].iter().map(|word| Op::Hear(*word));
            let ops = [Op::Hear(scripts[0].invite), Op::Write].into_iter().chain(hears);
            ops.fold(begun, |node, op| lives.after(node, op).0)
        });
        let certificates = Mutex::default();
        Self { crashes, scripts: scripts.into(), start, lives: Mutex::new(lives), certificates }
    }

    fn lives(&self) -> MutexGuard<'_, Lives> {
        self.lives.lock().expect("nobody panics meanwhile")
    }

    /// The certificates that the relay can put together. The third member signs whatever it is asked to.
    fn certificates(&self, lives: &mut Lives, relay: &[u16]) -> Certificates {
        let mut known = self.certificates.lock().expect("nobody panics meanwhile");
        if let Some(found) = known.get(relay) {
            return Arc::clone(found);
        }
        lives.weaken();
        let mut found = Vec::new();
        let shown = relay.iter().filter_map(|word| match lives.message(*word) {
            Message::Key(package) => Some(package.clone()),
            _ => None,
        });
        let driven = |script: &&Script| script.last.iter().all(|word| relay.contains(word));
        let made = self.scripts.iter().filter(driven).map(|script| script.with(relay));
        for package in shown.chain(made).collect::<BTreeSet<Bytes>>() {
            if let Some(key) = Model::decode_key(&package, &lives.cast.committee) {
                let word = lives.word(&Message::Key(package));
                found.push(Certificate { described: Model::describe(&key), word });
            }
        }
        let found = Arc::new(found);
        known.insert(relay.to_vec(), Arc::clone(&found));
        found
    }

    /// Takes what a node has said to the relay: what is of use, and not known yet.
    fn carry(&self, lives: &mut Lives, state: &mut State, said: &[u16]) {
        for word in said {
            let new = match lives.message(*word).clone() {
                Message::Complete(_, Complete::Key(package)) => {
                    let is_made = self.scripts.iter().any(|script| script.with(&state.relay) == package);
                    (!is_made).then(|| lives.word(&Message::Key(package)))
                }
                message => read(&message).filter(|mail| mail.round != 1).map(|_| *word),
            };
            if let Some(new) = new
                && let Err(place) = state.relay.binary_search(&new)
            {
                state.relay.insert(place, new);
            }
        }
    }

    fn step(&self, state: &State, who: usize, op: Op) -> State {
        let lives = &mut self.lives();
        let mut next = state.clone();
        let (node, said) = lives.after(state.nodes[who], op);
        next.nodes[who] = node;
        self.carry(lives, &mut next, &said);
        next
    }

    /// What the relay can say to a node that the node has not heard since it began.
    fn news(&self, lives: &mut Lives, state: &State, who: usize, facts: &Facts) -> Vec<u16> {
        let mut news = Vec::new();
        for (number, script) in self.scripts.iter().enumerate() {
            // The second attempt waits for the end of the first.
            if number == state.other && (number == 1 || !facts.live.contains(&self.scripts[0].session)) {
                news.push(script.invite);
            }
            if !facts.live.contains(&script.session) {
                continue;
            }
            let others = [script.last[1 - who], script.ready[1 - who]];
            news.extend(others.into_iter().filter(|word| state.relay.contains(word)));
            if script.last.iter().all(|word| state.relay.contains(word)) {
                let lies = if number == 2 { &script.lies[..1] } else { &script.lies };
                news.extend(lies);
            }
        }
        for certificate in &*self.certificates(lives, &state.relay) {
            if !facts.held.iter().any(|held| held.digest == certificate.described.digest) {
                news.push(certificate.word);
            }
        }
        news.retain(|word| !facts.heard.contains(word));
        news
    }

    /// Whether both honest members have begun this generation, and nothing else has happened in it.
    fn can_drive(&self, lives: &Lives, state: &State, script: &Script) -> bool {
        script.hello.iter().all(|word| state.relay.contains(word))
            && state.nodes.iter().zip(&script.drive).all(|(node, drive)| {
                let facts = lives.facts(*node);
                facts.live.contains(&script.session)
                    && facts.waiting() == 0
                    && !facts.heard.contains(&drive[0])
            })
    }
}

impl Script {
    /// The package with the signatures that the relay has.
    fn with(&self, relay: &[u16]) -> Bytes {
        let mut package = self.package.clone();
        let signatures = package.len() - 8 * (HONEST + 1);
        for (place, ready) in package[signatures..].chunks_mut(8).zip(self.ready) {
            if !relay.contains(&ready) {
                place.fill(0);
            }
        }
        package
    }
}

impl stateright::Model for Commit {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        let mut relay = self.scripts[0].last.to_vec();
        relay.sort_unstable();
        let state = |other| State { nodes: self.start, other, relay: relay.clone(), crashes: 0 };
        (1..self.scripts.len()).map(state).collect()
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        let lives = &mut self.lives();
        for who in 0..HONEST {
            let facts = lives.facts(state.nodes[who]);
            let news = self.news(lives, state, who, &facts);
            actions.extend(news.into_iter().map(|word| Action::One(who, Op::Hear(word))));
            let has_signed = signed(facts.entries()).next().is_some();
            if !facts.live.is_empty() && !has_signed && !facts.was_late() {
                actions.push(Action::One(who, Op::Late));
            }
            if facts.waiting() > 0 {
                actions.push(Action::One(who, Op::Write));
            }
            if state.crashes < self.crashes {
                actions.extend((0..=facts.waiting()).map(|kept| Action::Crash(who, kept)));
                actions.extend((1..facts.held_back.len()).map(|done| Action::Cut(who, done)));
            }
        }
        let script = &self.scripts[state.other];
        if self.can_drive(lives, state, script) {
            actions.push(Action::Drive(state.other));
        }
    }

    fn next_state(&self, state: &State, action: Action) -> Option<State> {
        let next = match action {
            Action::One(who, op) => {
                let next = self.step(state, who, op);
                let lives = self.lives();
                let [before, after] = [state, &next].map(|state| lives.facts(state.nodes[who]));
                // An invitation that is refused and a key that is not wanted change nothing but a count.
                let is_mail = matches!(op, Op::Hear(word) if read(lives.message(word)).is_some());
                (is_mail || !matches!(op, Op::Hear(_)) || after.records.len() > before.records.len())
                    .then_some(next)?
            }
            Action::Crash(who, kept) => {
                let mut next = state.clone();
                next.crashes += 1;
                next.nodes[who] = self.lives().crash(state.nodes[who], kept);
                next
            }
            Action::Cut(who, done) => {
                let lives = &mut self.lives();
                let mut next = state.clone();
                next.crashes += 1;
                let (written, said) = lives.after(state.nodes[who], Op::Write);
                self.carry(lives, &mut next, &said[..done]);
                next.nodes[who] = lives.crash(written, 0);
                next
            }
            Action::Drive(number) => {
                let script = &self.scripts[number];
                let hears = |who: usize| script.drive[who].iter().map(move |word| (who, Op::Hear(*word)));
                let all = (0..HONEST).flat_map(hears);
                all.fold(state.clone(), |state, (who, op)| self.step(&state, who, op))
            }
        };
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(ONE_DIGEST, one_digest),
            Property::always(ALL_CAN_HOLD, all_can_hold),
            Property::always(OWN_SIGNATURE, |model, state| model.every(state, certifies_what_it_signed)),
            Property::always(NO_SECOND, |model, state| model.every(state, takes_part_once)),
            Property::always(DURABLE_FIRST, |model, state| model.every(state, |facts| !facts.spoke_early)),
            Property::sometimes("all honest members hold the key", |model, state| {
                model.every(state, |facts| !facts.held.is_empty())
            }),
            Property::sometimes("all hold it after a crash of each", |model, state: &State| {
                state.crashes == 2
                    && model.every(state, |facts| facts.starts() == 2 && !facts.held.is_empty())
            }),
            Property::sometimes("somebody holds two keys", |model, state| {
                !model.every(state, |facts| facts.held.len() < 2)
            }),
        ]
    }
}

const ONE_DIGEST: &str = "a key has one certified digest";
const ALL_CAN_HOLD: &str = "all honest members hold a certified key or can, whatever has crashed";
const OWN_SIGNATURE: &str = "a node certifies only what it has signed";
const NO_SECOND: &str = "a node that has signed a key takes part in no other generation of it";
const DURABLE_FIRST: &str = "nothing is said before it is durable";

impl Commit {
    fn every(&self, state: &State, holds: fn(&Facts) -> bool) -> bool {
        let lives = self.lives();
        state.nodes.iter().all(|node| holds(&lives.facts(*node)))
    }
}

fn one_digest(model: &Commit, state: &State) -> bool {
    let lives = &mut model.lives();
    let mut digests: BTreeMap<KeyId, _> = BTreeMap::new();
    let certificates = model.certificates(lives, &state.relay);
    let held = state.nodes.iter().flat_map(|node| lives.facts(*node).held.clone());
    let all = certificates.iter().map(|one| one.described).chain(held);
    all.into_iter().all(|one| *digests.entry(one.id).or_insert(one.digest) == one.digest)
}

/// Once there is a certificate, every honest member has it or takes it when it is shown: as it is, and as it would be after
/// a crash now.
fn all_can_hold(model: &Commit, state: &State) -> bool {
    let lives = &mut model.lives();
    let certificates = model.certificates(lives, &state.relay);
    let holds = |lives: &mut Lives, node: u32, one: &Certificate| {
        let is_held = |lives: &Lives, node| lives.facts(node).held.contains(&one.described);
        is_held(lives, node) || {
            let (shown, _) = lives.after(node, Op::Hear(one.word));
            is_held(lives, shown)
        }
    };
    certificates.iter().all(|one| {
        state.nodes.iter().all(|node| {
            let crashed = lives.crash(*node, 0);
            let facts = lives.facts(crashed);
            let id = one.described.id;
            let is_durable = facts.written().any(|entry| match entry {
                Entry::Pending { key, package } => (*key, *package) == (id, one.described.digest),
                _ => false,
            });
            is_durable && holds(lives, *node, one) && holds(lives, crashed, one)
        })
    })
}

fn certifies_what_it_signed(facts: &Facts) -> bool {
    let has_signed = |described: &Described| {
        signed(facts.entries()).any(|signed| signed == (described.id, described.digest))
    };
    facts.held.iter().all(has_signed)
}

fn takes_part_once(facts: &Facts) -> bool {
    let mut keys = BTreeSet::new();
    let once = signed(facts.entries()).all(|(key, _)| keys.insert(key));
    let mut done = BTreeSet::new();
    let after = facts.entries().all(|entry| match entry {
        Entry::Pending { key, .. } => {
            done.insert(intent_of(*key));
            true
        }
        Entry::Allowed { intent, .. } => !done.contains(intent),
        _ => true,
    });
    once && after
}

#[test]
fn the_commit_of_a_key_survives_a_liar_and_two_crashes() {
    must_hold("commit", Commit::new(2, Flaw::None));
}

#[test]
fn one_signature_for_a_certificate_is_noticed() {
    let broken = || Commit::new(2, Flaw::Planted(Bug::FirstAckCertifies));
    must_fail("commit, one signature", broken(), ALL_CAN_HOLD);
    must_fail("commit, one signature", broken(), ONE_DIGEST);
}

#[test]
fn a_signature_before_its_share_is_durable_is_noticed() {
    let broken = || Commit::new(2, Flaw::Planted(Bug::SpeakFirst));
    must_fail("commit, effects first", broken(), DURABLE_FIRST);
    must_fail("commit, effects first", broken(), ALL_CAN_HOLD);
}

#[test]
fn a_forgotten_share_is_noticed() {
    let broken = || Commit::new(2, Flaw::Planted(Bug::ForgetPending));
    must_fail("commit, forgets", broken(), ALL_CAN_HOLD);
    must_fail("commit, forgets", broken(), OWN_SIGNATURE);
}

#[test]
fn a_share_that_is_not_read_back_is_noticed() {
    let broken = || Commit::new(2, Flaw::SkipsPending);
    must_fail("commit, does not read", broken(), ALL_CAN_HOLD);
    must_fail("commit, does not read", broken(), NO_SECOND);
}
