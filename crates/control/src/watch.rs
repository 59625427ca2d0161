//! What happens in sessions, for people who look on: taken from what the engine says and hears, never told to it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use keymoot_engine::message::{Ended, Invite, Message, What};
use keymoot_engine::real::Real;
use keymoot_engine::request::{RequestId, SignedRequest};
use keymoot_types::{Party, SessionId};
use keymoot_wire::mpc::SessionEvent;
use tokio::sync::broadcast;

use crate::clock::wall_ms;
use crate::names::Names;

/// Events that a slow watcher may lag behind before it misses some.
const EVENTS_MAX: usize = 1024;

/// A session that goes on.
#[derive(Clone, Debug)]
pub(crate) struct Going {
    pub(crate) kind: &'static str,
    pub(crate) request: Option<RequestId>,
    pub(crate) members: Vec<Party>,
    pub(crate) began: Instant,
    /// The latest round of which something has come, by author.
    pub(crate) rounds: BTreeMap<Party, u32>,
    pub(crate) complete: BTreeSet<Party>,
}

/// Watches the engine's sessions.
pub(crate) struct Observer {
    names: Arc<Names>,
    going: Mutex<BTreeMap<SessionId, Going>>,
    /// What came of requests so far, until they are settled.
    tallies: Mutex<BTreeMap<RequestId, Tally>>,
    events: broadcast::Sender<SessionEvent>,
}

/// What was tried for one request here.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    /// Sessions that were begun.
    pub(crate) attempts: u32,
    /// Who was found out in them.
    pub(crate) culprits: BTreeSet<Party>,
}

/// Requests whose tallies are kept. The engine works on fewer at a time.
const TALLIES_MAX: usize = 8192;

/// What an event says beside the session.
#[derive(Default)]
struct Said {
    node: Option<Party>,
    round: Option<u32>,
    detail: String,
}

impl Observer {
    pub(crate) fn new(names: Arc<Names>) -> Self {
        let (events, _) = broadcast::channel(EVENTS_MAX);
        Self { names, going: Mutex::default(), tallies: Mutex::default(), events }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<SessionId, Going>> {
        self.going.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tallies(&self) -> MutexGuard<'_, BTreeMap<RequestId, Tally>> {
        self.tallies.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All events from now on.
    pub(crate) fn subscribe(&self) -> broadcast::Receiver<SessionEvent> {
        self.events.subscribe()
    }

    /// The sessions that go on.
    pub(crate) fn going(&self) -> BTreeMap<SessionId, Going> {
        self.lock().clone()
    }

    /// Keeps only those that the engine has.
    pub(crate) fn keep(&self, sessions: &BTreeSet<SessionId>) {
        self.lock().retain(|session, _| sessions.contains(session));
    }

    /// Sessions that were begun for a request so far.
    pub(crate) fn attempts(&self, request: RequestId) -> u32 {
        self.tallies().get(&request).map_or(0, |tally| tally.attempts)
    }

    /// The names of nodes.
    pub(crate) fn named(&self, parties: &BTreeSet<Party>) -> Vec<String> {
        parties.iter().map(|party| self.names.of(*party)).collect()
    }

    /// The engine invites somebody.
    pub(crate) fn invites(&self, invite: &Invite) {
        let mut all = self.lock();
        if all.contains_key(&invite.session) {
            return;
        }
        let (kind, request, members) = described(&self.names, &invite.what);
        metrics::counter!("keymoot_control_sessions_total", "kind" => kind).increment(1);
        let (rounds, complete) = (BTreeMap::new(), BTreeSet::new());
        let going = Going { kind, request, members, began: Instant::now(), rounds, complete };
        all.insert(invite.session, going.clone());
        drop(all);
        if let Some(request) = request {
            let mut tallies = self.tallies();
            if tallies.len() >= TALLIES_MAX {
                tallies.pop_first();
            }
            let tally = tallies.entry(request).or_default();
            tally.attempts = tally.attempts.saturating_add(1);
        }
        self.tell(invite.session, &going, "began", Said::default());
    }

    /// The engine calls a session off.
    pub(crate) fn cancels(&self, session: SessionId) {
        if let Some(going) = self.lock().remove(&session) {
            metrics::counter!("keymoot_control_sessions_failed_total", "kind" => going.kind).increment(1);
            self.tell(session, &going, "ended", Said::default());
        }
    }

    /// A node has said something about a session. The round is the node's own word for it.
    pub(crate) fn heard(&self, from: Party, message: &Message, round: Option<u32>) {
        let (session, what) = match message {
            Message::Mail(mail) => (mail.session, "round"),
            Message::Refused(session, ..) => (*session, "refused"),
            Message::Ended(session, _) => (*session, "ended"),
            Message::Complete(session, _) => (*session, "complete"),
            _ => return,
        };
        let mut all = self.lock();
        let Some(going) = all.get_mut(&session).filter(|going| going.members.contains(&from)) else { return };
        let mut said = Said { node: Some(from), ..Said::default() };
        match message {
            Message::Mail(_) => {
                let Some(round) = round else { return };
                let is_new = going.rounds.get(&from).is_none_or(|last| *last < round);
                if !is_new {
                    return;
                }
                going.rounds.insert(from, round);
                said.round = Some(round);
            }
            Message::Refused(_, refusal, _) => said.detail = refusal.to_string(),
            Message::Ended(_, ended) => {
                said.detail = self.words(ended);
                if let (Ended::Blamed(culprits), Some(request)) = (ended, going.request) {
                    self.tallies().entry(request).or_default().culprits.extend(culprits);
                }
            }
            _ => {
                going.complete.insert(from);
            }
        }
        if self.events.receiver_count() == 0 {
            return;
        }
        let going = going.clone();
        drop(all);
        self.tell(session, &going, what, said);
    }

    /// A request has an outcome. What was tried for it here.
    pub(crate) fn settled(&self, request: RequestId, outcome: &'static str) -> Tally {
        let mut all = self.lock();
        let session = all.iter().find(|(_, going)| going.request == Some(request)).map(|(id, _)| *id);
        let going = session.and_then(|session| all.remove(&session));
        drop(all);
        let began = going.as_ref().map(|going| going.began);
        if let Some(began) = began {
            metrics::histogram!("keymoot_control_settled_seconds").record(began.elapsed().as_secs_f64());
        }
        metrics::counter!("keymoot_control_outcomes_total", "outcome" => outcome).increment(1);
        let event = SessionEvent {
            session: session.map(|session| session.to_string()).unwrap_or_default(),
            kind: going.map(|going| going.kind.to_owned()).unwrap_or_default(),
            request: request.to_string(),
            what: "settled".to_owned(),
            detail: outcome.to_owned(),
            wall_ms: wall_ms(),
            ..SessionEvent::default()
        };
        // Nobody looks on, which is usual.
        let _ = self.events.send(event);
        self.tallies().remove(&request).unwrap_or_default()
    }

    fn tell(&self, session: SessionId, going: &Going, what: &str, said: Said) {
        if self.events.receiver_count() == 0 {
            return;
        }
        let name = |party: &Party| self.names.of(*party);
        let event = SessionEvent {
            session: session.to_string(),
            kind: going.kind.to_owned(),
            request: going.request.map(|request| request.to_string()).unwrap_or_default(),
            what: what.to_owned(),
            node: said.node.as_ref().map(name).unwrap_or_default(),
            round: said.round,
            detail: said.detail,
            wall_ms: wall_ms(),
            members: going.members.iter().map(name).collect(),
        };
        // The last one may have left just now.
        let _ = self.events.send(event);
    }

    fn words(&self, ended: &Ended) -> String {
        let list = |parties: &[Party]| {
            parties.iter().map(|party| self.names.of(*party)).collect::<Vec<_>>().join(", ")
        };
        match ended {
            Ended::Benign => "nobody is at fault".to_owned(),
            Ended::Late(parties) if parties.is_empty() => "it took too long".to_owned(),
            Ended::Late(parties) => format!("waited for {}", list(parties)),
            Ended::Blamed(parties) => format!("{} broke the protocol", list(parties)),
        }
    }
}

/// What a session is, in a word, and for which request.
fn described(names: &Names, what: &What) -> (&'static str, Option<RequestId>, Vec<Party>) {
    let id = |request: &[u8]| SignedRequest::read_from::<Real>(request).ok().map(|(id, _)| id);
    match what {
        What::Keygen { request, .. } => ("key generation", id(request), names.parties()),
        What::Setup { members } => ("pair setup", None, members.clone()),
        What::Presign { signers, .. } => ("presigning", None, signers.clone()),
        What::Retire { request } => ("retirement", id(request), names.parties()),
        What::Sign { request, signers, .. } => ("signing", id(request), signers.clone()),
    }
}
