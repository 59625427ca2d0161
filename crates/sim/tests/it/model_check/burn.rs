//! The burning of presignatures: three nodes, presignatures of two sets of signers, two requests, and a relay that plays
//! the coordinator and invites anybody to anything, again and again. Processes crash, and end in order; what they had is
//! void then, and they may make more.
//!
//! What is bounded: mail reaches a node once in each session, when that session is in progress there, and not its own
//! mail or that of another context, which every run refuses. Deadlines pass once in a life, and not while the disk is
//! busy. Of names for sessions, which are alike, the relay takes the first that is free. Presignatures are made in one
//! step, by nodes of which one has begun again.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};

use keymoot_chains::{Kind, Payload};
use keymoot_engine::message::{Invite, Message, What};
use keymoot_engine::record::Entry;
use keymoot_engine::request::{Ask, ToSign};

use keymoot_protocol::transcript::Hash;
use keymoot_sim::Bug;
use keymoot_sim::model::narrow;
use keymoot_types::{Party, Path, Scheme, SessionId};
use stateright::Property;

use super::desk::{Bytes, Cast, Flaw, Stored, party};
use super::life::{Facts, Lives, Op, Rule, signed};
use super::script::read;
use super::{must_fail, must_hold};

const NODES: usize = 3;

/// How far the relay may go.
#[derive(Clone, Copy)]
struct Bounds {
    /// How often a node serves one request.
    attempts: u16,
    /// Names for sessions.
    names: u8,
    /// For how many sets of signers there are presignatures, and how many for each.
    stock: (usize, u16),
    /// Over all nodes.
    crashes: u8,
    /// How often, over all nodes, a process ends in order.
    stops: u8,
    /// How often, over all nodes, presignatures are made again.
    batches: u8,
    /// Whether deadlines pass.
    late: bool,
}

/// The smallest numbers with which everything can happen: with one attempt, the second is refused.
const TIGHT: Bounds =
    Bounds { attempts: 1, names: 2, stock: (2, 1), crashes: 2, stops: 1, batches: 0, late: false };

/// One set of signers, and no end in order.
const SMALL: Bounds = Bounds { stops: 0, stock: (1, 1), ..TIGHT };

/// More attempts, and sessions that end without a share.
const AGAIN: Bounds =
    Bounds { attempts: 2, names: 2, stock: (2, 1), crashes: 1, stops: 1, batches: 0, late: true };

/// Presignatures that are made after a node has begun again.
const ANEW: Bounds =
    Bounds { attempts: 1, names: 2, stock: (1, 1), crashes: 1, stops: 0, batches: 1, late: false };

/// Everything there is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct State {
    nodes: [u32; NODES],
    /// What the relay has, in order.
    relay: Vec<u16>,
    crashes: u8,
    stops: u8,
    batches: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Action {
    /// Something happens to a node.
    One(usize, Op),
    /// The process dies; so many of the waiting records are durable.
    Crash(usize, usize),
    /// The disk is done; the process dies after so many effects.
    Cut(usize, usize),
    /// The disk is done; the process, asked to end, ends, and begins again.
    Restart(usize),
    /// These two set up their pair and make a presignature.
    Presign(usize, usize),
}

struct Burn {
    bounds: Bounds,
    /// What is asked for, encoded.
    requests: Vec<Bytes>,
    /// The digest of the key package.
    package: Hash,
    /// The invitations that a node does not refuse.
    welcome: Mutex<BTreeMap<u32, Arc<[u16]>>>,
    start: [u32; NODES],
    lives: Mutex<Lives>,
}

/// No mail of a signing session before it is allowed, and a presignature burnt for exactly what is allowed.
const IS_EARLY: Rule = |written, waiting, message| {
    if read(message).is_none_or(|mail| mail.said.kind != SIGN) {
        return false;
    }
    let Message::Mail(envelope) = message else { return false };
    let allowed = |stored: &Stored| match stored.entry() {
        Entry::Allowed { session, intent, .. } if *session == envelope.session => Some(*intent),
        _ => None,
    };
    let Some(intent) = written.iter().rev().find_map(allowed) else { return true };
    let is_burnt = |stored: &Stored| matches!(stored.entry(), Entry::Burnt { intent: Some(burnt), .. } if *burnt == intent);
    waiting.iter().any(|stored| allowed(stored).is_some()) || !written.iter().any(is_burnt)
};

/// The kind of mail in a signing session.
const SIGN: u8 = 4;

/// All signers that there can be.
const TWO: [[usize; 2]; 3] = [[0, 1], [0, 2], [1, 2]];

fn parties(places: &[usize]) -> Vec<Party> {
    places.iter().map(|place| party(*place as u16 + 1)).collect()
}

/// Tells these nodes the same and carries all mail: each settles what it hears before the next.
fn all_do(lives: &mut Lives, nodes: &mut [u32; NODES], name: u8, (members, what): (&[usize], What)) -> Heard {
    let session = SessionId::new([name; 16]);
    let invite = lives.word(&Message::Invite(Invite { session, what }));
    let mut queue: VecDeque<_> = members.iter().map(|member| (*member, invite)).collect();
    let mut heard = Heard::default();
    while let Some((to, word)) = queue.pop_front() {
        let (node, said) = lives.after(nodes[to], Op::Settle(word));
        nodes[to] = node;
        heard[to].push(word);
        let mail = said.iter().filter(|word| matches!(lives.message(**word), Message::Mail(_)));
        for word in mail {
            queue.extend(members.iter().filter(|one| **one != to).map(|one| (*one, *word)));
        }
    }
    heard
}

/// What each node has settled.
type Heard = [Vec<u16>; NODES];

/// Two nodes set their pair up, and make so many presignatures with it.
fn presign(
    lives: &mut Lives,
    nodes: &mut [u32; NODES],
    (name, two, size): (u8, &[usize; 2], u16),
    key: Hash,
) -> Heard {
    let signers = parties(two);
    let mut heard = all_do(lives, nodes, name, (two, What::Setup { members: signers.clone() }));
    let facts = lives.facts(nodes[two[0]]);
    let names = facts.entries().filter_map(|entry| match entry {
        Entry::SetUp { setup } => Some(*setup),
        _ => None,
    });
    let setup = names.last().expect("a pair setup");
    let more = all_do(lives, nodes, name + 10, (two, What::Presign { key, signers, setup, size }));
    heard.iter_mut().zip(more).for_each(|(heard, more)| heard.extend(more));
    heard
}

/// The presignatures that a node has ever had, and which of them it has had since it began.
fn stocked(facts: &Facts) -> Vec<Hash> {
    let names = facts.entries().filter_map(|entry| match entry {
        Entry::Stocked { presignatures, .. } => Some(presignatures.clone()),
        _ => None,
    });
    names.flatten().collect()
}

impl Burn {
    fn new(bounds: Bounds, flaw: Flaw) -> Self {
        let mut lives = Lives::new(Cast::new(bounds.attempts), Flaw::None, IS_EARLY);
        let mut nodes = [1, 2, 3].map(|who| lives.begin(party(who), Vec::new(), Vec::new()));
        let request = lives.cast.request(Ask::Key(Scheme::Dkls23));
        all_do(&mut lives, &mut nodes, 101, (&[0, 1, 2], What::Keygen { request, attempt: 0 }));
        let facts = nodes.map(|node| lives.facts(node));
        let (key, package) = signed(facts[0].entries()).next().expect("a key");
        let mut begun = nodes.map(|node| lives.crash(node, 0));
        let mut heard = Heard::default();
        for (name, two) in (103..).zip(&TWO[..bounds.stock.0]) {
            let more = presign(&mut lives, &mut begun, (name, two, bounds.stock.1), package);
            heard.iter_mut().zip(more).for_each(|(heard, more)| heard.extend(more));
        }
        let mut lives = lives.again(flaw);
        let all = [1, 2, 3].map(party).into_iter().zip(facts).zip(heard);
        let start: Vec<u32> =
            all.map(|((party, facts), heard)| lives.begin(party, facts.records.clone(), heard)).collect();
        let sign = |payload: &[u8; 3]| {
            let payload = Arc::new(Payload::new(Kind::Message, payload.to_vec()).expect("a message"));
            let path = Path::new(Vec::new()).expect("the key itself");
            lives.cast.request(Ask::Sign { key, what: ToSign::new(path, payload) })
        };
        let requests = [b"pay", b"woe"].map(sign).to_vec();
        let start = start.try_into().expect("three nodes");
        Self { bounds, requests, package, welcome: Mutex::default(), start, lives: Mutex::new(lives) }
    }

    fn lives(&self) -> MutexGuard<'_, Lives> {
        self.lives.lock().expect("nobody panics meanwhile")
    }

    fn every(&self, state: &State, holds: fn(&Facts) -> bool) -> bool {
        let lives = self.lives();
        state.nodes.iter().all(|node| holds(&lives.facts(*node)))
    }

    /// The invitations that a node does not refuse. A refusal changes nothing but a count.
    fn welcome(&self, lives: &mut Lives, node: u32) -> Arc<[u16]> {
        let mut known = self.welcome.lock().expect("nobody panics meanwhile");
        if let Some(found) = known.get(&node) {
            return Arc::clone(found);
        }
        let mut found = Vec::new();
        let names = stocked(&lives.facts(node));
        for request in &self.requests {
            for presignature in names.iter().copied().map(Some).chain([None]) {
                for (name, two) in (0..self.bounds.names).flat_map(|name| TWO.map(|two| (name, two))) {
                    let (request, signers) = (request.clone(), parties(&two));
                    let what = What::Sign { request, signers, presignature };
                    let session = SessionId::new([name; 16]);
                    let word = lives.word(&Message::Invite(Invite { session, what }));
                    if lives.after(node, Op::Hear(word)).0 != node {
                        found.push(word);
                    }
                }
            }
        }
        let found: Arc<[u16]> = found.into();
        known.insert(node, Arc::clone(&found));
        found
    }

    /// What the relay can say to a node.
    fn news(&self, lives: &mut Lives, state: &State, who: usize, facts: &Facts) -> Vec<u16> {
        let welcome = self.welcome(lives, state.nodes[who]);
        let is_new = |word: &u16| !facts.heard.contains(word) && is_for(lives, facts, who, *word);
        let mail = state.relay.iter().copied().filter(is_new);
        welcome.iter().copied().filter(|word| self.may_be_named(lives, state, *word)).chain(mail).collect()
    }

    /// The relay's names for sessions are alike: it takes those that are in use, or the first that is not.
    fn may_be_named(&self, lives: &Lives, state: &State, word: u16) -> bool {
        let Message::Invite(invite) = lives.message(word) else { return false };
        let is_used = |name: u8| {
            state.nodes.iter().any(|node| {
                let is_name = |entry: &Entry| match entry {
                    Entry::Allowed { session, .. } => *session == SessionId::new([name; 16]),
                    _ => false,
                };
                lives.facts(*node).entries().any(is_name)
            })
        };
        (0..invite.session.as_bytes()[0]).all(is_used) || is_used(invite.session.as_bytes()[0])
    }

    /// The shares that have left: who, with what presignature, of what.
    fn shares(&self, state: &State) -> Vec<(u8, u64, u64)> {
        let lives = self.lives();
        let share = |word: &u16| {
            let mail = read(lives.message(*word)).filter(|mail| mail.said.kind == SIGN && mail.round == 1)?;
            Some((mail.from, mail.said.words[2], mail.context))
        };
        state.relay.iter().filter_map(share).collect()
    }
}

/// Whether mail is another's, for the session of its name as it is in progress here. A run refuses any other.
fn is_for(lives: &Lives, facts: &Facts, who: usize, word: u16) -> bool {
    let Message::Mail(mail) = lives.message(word) else { return false };
    let Some(said) = read(lives.message(word)) else { return false };
    let ours = facts.spoken.iter().rev().find_map(|word| match lives.message(*word) {
        Message::Mail(one) if one.session == mail.session => read(lives.message(*word)),
        _ => None,
    });
    let is_ours = ours.is_some_and(|ours| ours.context == said.context);
    is_ours && usize::from(said.from) != who + 1 && facts.live.contains(&mail.session)
}

fn carry(state: &mut State, said: &[u16]) {
    for word in said {
        if let Err(place) = state.relay.binary_search(word) {
            state.relay.insert(place, *word);
        }
    }
}

impl stateright::Model for Burn {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![State { nodes: self.start, relay: Vec::new(), crashes: 0, stops: 0, batches: 0 }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        let lives = &mut self.lives();
        for who in 0..NODES {
            let facts = lives.facts(state.nodes[who]);
            if facts.was_stopped() {
                actions.push(Action::Restart(who));
            } else {
                let news = self.news(lives, state, who, &facts);
                actions.extend(news.into_iter().map(|word| Action::One(who, Op::Hear(word))));
                let is_quiet = facts.waiting() == 0;
                if self.bounds.late && is_quiet && !facts.live.is_empty() && !facts.was_late() {
                    actions.push(Action::One(who, Op::Late));
                }
                if state.stops < self.bounds.stops {
                    actions.push(Action::One(who, Op::Stop));
                }
                if !is_quiet {
                    actions.push(Action::One(who, Op::Write));
                }
            }
            if state.crashes < self.bounds.crashes {
                actions.extend((0..=facts.waiting()).map(|kept| Action::Crash(who, kept)));
                actions.extend((1..facts.held_back.len()).map(|done| Action::Cut(who, done)));
            }
        }
        if state.batches < self.bounds.batches {
            let can = |[one, other]: &[usize; 2]| {
                let two = [one, other].map(|who| lives.facts(state.nodes[*who]));
                two.iter().all(|facts| facts.waiting() == 0 && !facts.was_stopped())
                    && two.iter().any(|facts| facts.starts() > 2)
            };
            actions
                .extend(TWO.iter().filter(|two| can(two)).map(|[one, other]| Action::Presign(*one, *other)));
        }
    }

    fn next_state(&self, state: &State, action: Action) -> Option<State> {
        let lives = &mut self.lives();
        let mut next = state.clone();
        match action {
            Action::One(who, op) => {
                let (node, said) = lives.after(state.nodes[who], op);
                next.nodes[who] = node;
                next.stops += u8::from(op == Op::Stop);
                carry(&mut next, &said);
            }
            Action::Crash(who, kept) => {
                next.crashes += 1;
                next.nodes[who] = lives.crash(state.nodes[who], kept);
            }
            Action::Cut(who, done) => {
                next.crashes += 1;
                let (written, said) = lives.after(state.nodes[who], Op::Write);
                carry(&mut next, &said[..done]);
                next.nodes[who] = lives.crash(written, 0);
            }
            Action::Restart(who) => {
                let (written, said) = lives.after(state.nodes[who], Op::Write);
                carry(&mut next, &said);
                next.nodes[who] = lives.crash(written, 0);
            }
            Action::Presign(one, other) => {
                next.batches += 1;
                presign(lives, &mut next.nodes, (105, &[one, other], 1), self.package);
            }
        }
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let mut properties = vec![
            Property::always(ONE_INTENT, one_intent),
            Property::always(ONE_SHARE, one_share),
            Property::always(BURNT_ONCE, |model, state| model.every(state, burns_what_it_has)),
            Property::always(DURABLE_FIRST, |model, state| model.every(state, |facts| !facts.spoke_early)),
            Property::always(BOUNDED, is_bounded),
            Property::sometimes("both signers release their shares", |model, state| {
                let shares = model.shares(state);
                shares.iter().any(|one| shares.iter().any(|other| one.0 != other.0 && one.1 == other.1))
            }),
            Property::sometimes("both shares of one node leave", |model, state| {
                model.shares(state).iter().filter(|share| share.0 == 1).count() == 2
            }),
            Property::sometimes("a request is served as often as it may be", |model, state| {
                model
                    .served(state)
                    .iter()
                    .any(|sessions| sessions.len() == usize::from(model.bounds.attempts))
            }),
        ];
        if self.bounds.batches > 0 {
            properties.push(Property::sometimes("a node signs again after a crash", |model, state| {
                !model.every(state, |facts| burns_after_a_start(facts) == 0)
            }));
        }
        properties
    }
}

const ONE_INTENT: &str = "a presignature signs for one intent";
const ONE_SHARE: &str = "a node releases one share with a presignature";
const BURNT_ONCE: &str = "a node burns once, and only what was made since it began";
const DURABLE_FIRST: &str = "no mail leaves before its session is allowed and its presignature burnt";
const BOUNDED: &str = "a request is served in so many sessions, and in each once";

/// How many presignatures a node has burnt since it has begun again.
fn burns_after_a_start(facts: &Facts) -> usize {
    let mut starts = 0;
    let is_after = |entry: &&Entry| {
        starts += usize::from(matches!(entry, Entry::Started { .. }));
        starts > 2 && matches!(entry, Entry::Burnt { .. })
    };
    facts.entries().filter(is_after).count()
}

impl Burn {
    /// The sessions in which a node has served a request: for every node and request that there are.
    fn served(&self, state: &State) -> Vec<Vec<SessionId>> {
        let lives = self.lives();
        let mut served: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for (who, node) in state.nodes.iter().enumerate() {
            for entry in lives.facts(*node).entries() {
                // Not those of the preparations.
                if let Entry::Allowed { request, session, .. } = entry
                    && session.as_bytes()[0] < self.bounds.names
                {
                    served.entry((who, *request)).or_default().push(*session);
                }
            }
        }
        served.into_values().collect()
    }
}

fn is_bounded(model: &Burn, state: &State) -> bool {
    model.served(state).iter().all(|sessions| {
        let distinct: BTreeSet<_> = sessions.iter().collect();
        distinct.len() == sessions.len() && sessions.len() <= usize::from(model.bounds.attempts)
    })
}

/// The name of a session is in the context of its mail as the intent is: one context, one intent in one session.
fn one_intent(model: &Burn, state: &State) -> bool {
    let mut intents = BTreeMap::new();
    model.shares(state).iter().all(|(_, used, context)| *intents.entry(*used).or_insert(*context) == *context)
}

fn one_share(model: &Burn, state: &State) -> bool {
    let mut seen = BTreeSet::new();
    model.shares(state).iter().all(|(from, used, _)| seen.insert((*from, *used)))
}

fn burns_what_it_has(facts: &Facts) -> bool {
    let mut free = BTreeSet::new();
    facts.entries().all(|entry| {
        match entry {
            Entry::Started { .. } => free.clear(),
            Entry::Stocked { presignatures, .. } => free.extend(presignatures.iter().map(narrow)),
            Entry::Burnt { presignatures, .. } => {
                return presignatures.iter().all(|name| free.remove(&narrow(name)));
            }
            _ => {}
        }
        true
    })
}

#[test]
fn a_presignature_is_used_once_whatever_crashes_and_whoever_invites() {
    must_hold("burn", Burn::new(TIGHT, Flaw::None));
}

#[test]
fn a_presignature_is_used_once_when_sessions_are_late_and_tried_again() {
    must_hold("burn again", Burn::new(AGAIN, Flaw::None));
}

#[test]
fn a_presignature_is_used_once_when_others_are_made_after_a_crash() {
    must_hold("burn anew", Burn::new(ANEW, Flaw::None));
}

/// Where presignatures are void once a node has begun again, only one that goes on as it was can use one twice.
#[test]
fn a_node_that_was_copied_is_noticed() {
    must_fail("burn, copied", Burn::new(SMALL, Flaw::Revives), ONE_INTENT);
    must_fail("burn, copied", Burn::new(SMALL, Flaw::Revives), ONE_SHARE);
}

#[test]
fn a_presignature_under_two_names_is_noticed() {
    // There are four nonces for five of them.
    let bounds = Bounds { names: 2, stock: (1, 5), crashes: 0, ..SMALL };
    let broken = Burn::new(bounds, Flaw::Planted(Bug::RecyclePresignature));
    must_fail("burn, two names", broken, ONE_SHARE);
}

#[test]
fn a_forgotten_burn_is_noticed() {
    must_fail("burn, forgets", Burn::new(TIGHT, Flaw::Planted(Bug::ForgetBurns)), DURABLE_FIRST);
}

#[test]
fn a_burn_that_is_recorded_twice_is_noticed() {
    must_fail("burn, twice", Burn::new(TIGHT, Flaw::BurnsTwice), BURNT_ONCE);
}

#[test]
fn a_forgotten_decision_is_noticed() {
    must_fail(
        "burn, forgets what it allowed",
        Burn::new(TIGHT, Flaw::Planted(Bug::ForgetAllowed)),
        DURABLE_FIRST,
    );
    must_fail("burn, does not read what it allowed", Burn::new(ANEW, Flaw::SkipsAllowed), BOUNDED);
}

#[test]
fn mail_before_its_burn_is_durable_is_noticed() {
    must_fail("burn, effects first", Burn::new(TIGHT, Flaw::Planted(Bug::SpeakFirst)), DURABLE_FIRST);
    must_fail("burn, decides later", Burn::new(TIGHT, Flaw::Planted(Bug::AuditAfterRelease)), DURABLE_FIRST);
}
