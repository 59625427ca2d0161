//! What happens in sessions, for people who look on: taken from what the engine says and hears, never told to it.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use keymoot_engine::message::{Ended, Invite, Message, Moduli as Told, What};
use keymoot_engine::real::Real;
use keymoot_engine::request::{RequestId, SignedRequest};
use keymoot_types::{Party, Scheme, SessionId};
use keymoot_wire::mpc::SessionEvent;
use tokio::sync::broadcast;

use crate::clock::wall_ms;
use crate::latest::Latest;
use crate::moduli::{Moduli, words};
use crate::names::Names;
use crate::tally::{Tallies, Tally};
use crate::traces::Traces;

/// Events that a slow watcher may lag behind before it misses some.
const EVENTS_MAX: usize = 1024;

/// What a session is called that makes moduli.
const MODULI: &str = "moduli";

/// A session that goes on.
#[derive(Clone, Debug)]
pub(crate) struct Going {
    pub(crate) kind: &'static str,
    /// The name of the scheme that it serves; empty if it is not known.
    scheme: &'static str,
    pub(crate) request: Option<RequestId>,
    pub(crate) members: Vec<Party>,
    pub(crate) began: Instant,
    /// The latest round of which something has come, by author.
    pub(crate) rounds: BTreeMap<Party, u32>,
    pub(crate) complete: BTreeSet<Party>,
}

/// The sessions that go on, and which of them is for which request.
#[derive(Default)]
struct Sessions {
    all: BTreeMap<SessionId, Going>,
    by_request: BTreeMap<RequestId, SessionId>,
}

impl Sessions {
    fn insert(&mut self, session: SessionId, going: Going) {
        if let Some(request) = going.request {
            self.by_request.insert(request, session);
        }
        self.all.insert(session, going);
    }

    fn remove(&mut self, session: SessionId) -> Option<Going> {
        let going = self.all.remove(&session)?;
        if let Some(request) = going.request.filter(|request| self.by_request.get(request) == Some(&session))
        {
            self.by_request.remove(&request);
        }
        Some(going)
    }
}

/// Requests whose names are kept by their bytes. The engine works on fewer at a time.
const BODIES_MAX: usize = 8192;

/// The names of requests that are worked on, by their bytes, so that these are not read again for each session.
struct Bodies {
    key: RandomState,
    names: HashMap<u64, RequestId>,
    digests: Latest<RequestId, u64>,
}

impl Bodies {
    fn insert(&mut self, request: RequestId, body: &[u8]) {
        let digest = self.key.hash_one(body);
        if let Some((_, gone)) = self.digests.insert(request, digest) {
            self.names.remove(&gone);
        }
        self.names.insert(digest, request);
    }

    fn remove(&mut self, request: RequestId) {
        if let Some(digest) = self.digests.remove(&request) {
            self.names.remove(&digest);
        }
    }
}

impl Default for Bodies {
    fn default() -> Self {
        let (key, names) = (RandomState::new(), HashMap::new());
        Self { key, names, digests: Latest::new(BODIES_MAX) }
    }
}

/// A scheme, for who counts by it.
fn word(scheme: Option<Scheme>) -> &'static str {
    scheme.map_or("", Scheme::name)
}

/// Watches the engine's sessions.
pub(crate) struct Observer {
    names: Arc<Names>,
    going: Mutex<Sessions>,
    /// What came of requests so far, until they are settled.
    tallies: Mutex<Tallies>,
    bodies: Mutex<Bodies>,
    /// What nodes say of theirs.
    pub(crate) moduli: Moduli,
    /// What callers call requests in their logs.
    pub(crate) traces: Traces,
    events: broadcast::Sender<SessionEvent>,
}

/// What an event says beside the session.
#[derive(Default)]
struct Said {
    node: Option<Party>,
    round: Option<u32>,
    detail: String,
}

impl Observer {
    /// `needed` is how many members it takes to be believed about another, and `silence` how long what a node says of its
    /// moduli counts.
    pub(crate) fn new(names: Arc<Names>, needed: u16, silence: Duration) -> Self {
        let (events, _) = broadcast::channel(EVENTS_MAX);
        let tallies = Mutex::new(Tallies::new(usize::from(needed)));
        Self {
            names,
            going: Mutex::default(),
            tallies,
            bodies: Mutex::default(),
            moduli: Moduli::new(silence),
            traces: Traces::default(),
            events,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Sessions> {
        self.going.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tallies(&self) -> MutexGuard<'_, Tallies> {
        self.tallies.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn bodies(&self) -> MutexGuard<'_, Bodies> {
        self.bodies.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All events from now on.
    pub(crate) fn subscribe(&self) -> broadcast::Receiver<SessionEvent> {
        self.events.subscribe()
    }

    /// The sessions that go on.
    pub(crate) fn going(&self) -> BTreeMap<SessionId, Going> {
        self.lock().all.clone()
    }

    /// Keeps only those that the engine has.
    pub(crate) fn keep(&self, sessions: &BTreeSet<SessionId>) {
        let mut going = self.lock();
        let over: Vec<SessionId> = going.all.keys().filter(|one| !sessions.contains(one)).copied().collect();
        for session in over {
            going.remove(session);
        }
    }

    /// What was tried for a request so far.
    pub(crate) fn tally(&self, request: RequestId) -> Tally {
        self.tallies().of(request)
    }

    /// The engine is about to work on this request.
    pub(crate) fn expects(&self, request: RequestId, body: &[u8]) {
        self.bodies().insert(request, body);
    }

    /// The name of a request.
    fn named_by(&self, body: &[u8]) -> Option<RequestId> {
        let bodies = self.bodies();
        let known = bodies.names.get(&bodies.key.hash_one(body)).copied();
        drop(bodies);
        known.or_else(|| SignedRequest::read_from::<Real>(body).ok().map(|(id, _)| id))
    }

    /// Whether a session goes on that is to make moduli.
    pub(crate) fn makes_moduli(&self) -> bool {
        self.lock().all.values().any(|going| going.kind == MODULI)
    }

    /// Who was found out in the attempts at moduli, as long as there are none.
    pub(crate) fn spoilers(&self) -> BTreeSet<Party> {
        self.tallies().spoilers().clone()
    }

    /// The names of nodes.
    pub(crate) fn named(&self, parties: &BTreeSet<Party>) -> Vec<String> {
        parties.iter().map(|party| self.names.of(*party)).collect()
    }

    /// The engine invites somebody to a session that serves this scheme.
    pub(crate) fn invites(&self, invite: &Invite, scheme: Option<Scheme>) {
        if self.lock().all.contains_key(&invite.session) {
            return;
        }
        let (kind, request, members) = self.described(&invite.what);
        let scheme = word(scheme);
        metrics::counter!("keymoot_control_sessions_total", "kind" => kind, "scheme" => scheme).increment(1);
        match (request, &invite.what) {
            (Some(request), _) => self.tallies().begin(request, invite.session, &members),
            (None, What::Moduli) => self.tallies().begin_moduli(invite.session, &members),
            (None, _) => {}
        }
        let (rounds, complete) = (BTreeMap::new(), BTreeSet::new());
        let going = Going { kind, scheme, request, members, began: Instant::now(), rounds, complete };
        // Whoever looks because of it finds it.
        self.lock().insert(invite.session, going.clone());
        self.tell(invite.session, &going, "began", Said::default());
    }

    /// What the request that a session serves is called in the logs of its callers.
    pub(crate) fn trace_of(&self, session: SessionId) -> String {
        let request = self.lock().all.get(&session).and_then(|going| going.request);
        request.map(|request| self.traces.of(request)).unwrap_or_default()
    }

    /// The engine calls a session off.
    pub(crate) fn cancels(&self, session: SessionId) {
        let gone = self.lock().remove(session);
        if let Some(going) = gone {
            let Going { kind, scheme, .. } = going;
            let failed = metrics::counter!("keymoot_control_sessions_failed_total", "kind" => kind, "scheme" => scheme);
            failed.increment(1);
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
            Message::Moduli(told) => return self.told_of_moduli(from, told),
            _ => return,
        };
        if let Message::Ended(session, Ended::Blamed(accused)) = message {
            // Also when the session is over by now: the others' words come later.
            self.tallies().blame(*session, from, accused);
        }
        let mut all = self.lock();
        let Some(going) = all.all.get_mut(&session).filter(|going| going.members.contains(&from)) else {
            return;
        };
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
            Message::Ended(_, ended) => said.detail = self.words(ended),
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

    fn told_of_moduli(&self, from: Party, told: &Told) {
        let (count, is_news) = self.moduli.heard(from, told);
        self.tallies().have_moduli(count);
        if !is_news || self.events.receiver_count() == 0 {
            return;
        }
        let state = self.moduli.states(self.makes_moduli()).remove(&from);
        let event = SessionEvent {
            kind: MODULI.to_owned(),
            what: "progress".to_owned(),
            node: self.names.of(from),
            detail: words(state.as_ref(), true),
            wall_ms: wall_ms(),
            ..SessionEvent::default()
        };
        // The last one may have left just now.
        let _ = self.events.send(event);
    }

    /// Somebody else works on a request, or has finished it: what came of it is not told here.
    pub(crate) fn forget(&self, request: RequestId) {
        self.tallies().forget(request);
        self.bodies().remove(request);
    }

    /// A request about this scheme has an outcome.
    pub(crate) fn settled(&self, request: RequestId, outcome: &'static str, scheme: Option<Scheme>) {
        let mut all = self.lock();
        let session = all.by_request.get(&request).copied();
        let going = session.and_then(|session| all.remove(session));
        drop(all);
        self.forget(request);
        let began = going.as_ref().map(|going| going.began);
        if let Some(began) = began {
            metrics::histogram!("keymoot_control_settled_seconds").record(began.elapsed().as_secs_f64());
        }
        let ended = metrics::counter!("keymoot_control_outcomes_total", "outcome" => outcome, "scheme" => word(scheme));
        ended.increment(1);
        if self.events.receiver_count() == 0 {
            return;
        }
        let event = SessionEvent {
            session: session.map(|session| session.to_string()).unwrap_or_default(),
            kind: going.map(|going| going.kind.to_owned()).unwrap_or_default(),
            request: request.to_string(),
            what: "settled".to_owned(),
            detail: outcome.to_owned(),
            wall_ms: wall_ms(),
            ..SessionEvent::default()
        };
        // The last one may have left just now.
        let _ = self.events.send(event);
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
            Ended::Blamed(parties) => format!("it says that {} broke the protocol", list(parties)),
        }
    }

    /// What a session is, in a word, and for which request.
    fn described(&self, what: &What) -> (&'static str, Option<RequestId>, Vec<Party>) {
        match what {
            What::Keygen { request, .. } => ("key generation", self.named_by(request), self.names.parties()),
            What::Setup { members } => ("pair setup", None, members.clone()),
            What::Moduli => (MODULI, None, self.names.parties()),
            What::Presign { signers, .. } => ("presigning", None, signers.clone()),
            What::Retire { request } => ("retirement", self.named_by(request), self.names.parties()),
            What::Sign { request, signers, .. } => ("signing", self.named_by(request), signers.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use keymoot_engine::message::{Ended, Invite, Message, Moduli, What};
    use keymoot_engine::request::RequestId;
    use keymoot_engine::words::Hash;
    use keymoot_types::{Party, Scheme, SessionId};
    use metrics_exporter_prometheus::PrometheusBuilder;

    use super::Observer;
    use crate::names::Names;
    use crate::tally::Tally;

    const REQUEST: RequestId = RequestId(Hash::from_bytes([7; 32]));
    const SESSION: SessionId = SessionId::new([7; 16]);

    fn blames(observer: &Observer, from: u16) {
        let ended = Ended::Blamed(vec![Party::new(3).unwrap()]);
        observer.heard(Party::new(from).unwrap(), &Message::Ended(SESSION, ended), None);
    }

    fn invited() -> Observer {
        let observer = Observer::new(Arc::new(Names::numbered(3)), 2, Duration::MAX);
        // No request at all: whoever knows its name has not read it.
        observer.expects(REQUEST, b"body");
        let what = What::Keygen { request: b"body".to_vec(), attempt: 0 };
        observer.invites(&Invite { session: SESSION, what }, Some(Scheme::Gg20));
        observer
    }

    #[test]
    fn what_members_say_counts_when_the_session_is_over_too() {
        let observer = invited();
        blames(&observer, 1);
        observer.cancels(SESSION);
        assert!(observer.tally(REQUEST).culprits.is_empty(), "one member cannot have another named");
        blames(&observer, 2);
        let tally = observer.tally(REQUEST);
        assert_eq!((tally.attempts, observer.named(&tally.culprits)), (1, vec!["node-3".to_owned()]));
    }

    #[test]
    fn whoever_looks_on_is_told_once_that_a_node_has_come_further() {
        let observer = Observer::new(Arc::new(Names::numbered(3)), 2, Duration::MAX);
        let mut events = observer.subscribe();
        let say = |primes, tables: &[u8]| {
            let tables = tables.iter().map(|byte| Hash::from_bytes([*byte; 32])).collect();
            observer.heard(Party::new(2).unwrap(), &Message::Moduli(Moduli { tables, primes }), None);
        };
        say(1, &[]);
        say(1, &[]);
        say(2, &[]);
        say(0, &[9]);
        for expected in ["has 1 of 4 safe primes", "has 2 of 4 safe primes", "has them"] {
            let event = events.try_recv().unwrap();
            assert_eq!((&*event.kind, &*event.what, &*event.node), ("moduli", "progress", "node-2"));
            assert_eq!((event.detail, event.session), (expected.to_owned(), String::new()));
        }
        assert!(events.try_recv().is_err(), "said once");
    }

    #[test]
    fn sessions_failures_and_outcomes_are_counted_by_scheme() {
        let recorder = PrometheusBuilder::new().build_recorder();
        let observer = Observer::new(Arc::new(Names::numbered(3)), 2, Duration::MAX);
        metrics::with_local_recorder(&recorder, || {
            for (byte, scheme) in [(1, Scheme::Gg20), (2, Scheme::Gg20), (3, Scheme::Dkls23)] {
                let session = SessionId::new([byte; 16]);
                let (key, setup) = (Hash::from_bytes([1; 32]), Hash::from_bytes([2; 32]));
                let what = What::Presign { key, setup, size: 1, signers: vec![Party::new(1).unwrap()] };
                observer.invites(&Invite { session, what }, Some(scheme));
                if byte > 1 {
                    observer.cancels(session);
                }
                observer.settled(RequestId(Hash::from_bytes([byte; 32])), "signed", Some(scheme));
            }
            observer.settled(REQUEST, "failed", None);
        });
        let text = recorder.handle().render();
        let presigning = "kind=\"presigning\",scheme";
        for line in [
            format!("keymoot_control_sessions_total{{{presigning}=\"gg20\"}} 2"),
            format!("keymoot_control_sessions_total{{{presigning}=\"dkls23\"}} 1"),
            format!("keymoot_control_sessions_failed_total{{{presigning}=\"gg20\"}} 1"),
            format!("keymoot_control_sessions_failed_total{{{presigning}=\"dkls23\"}} 1"),
            "keymoot_control_outcomes_total{outcome=\"signed\",scheme=\"gg20\"} 2".to_owned(),
            "keymoot_control_outcomes_total{outcome=\"signed\",scheme=\"dkls23\"} 1".to_owned(),
            "keymoot_control_outcomes_total{outcome=\"failed\",scheme=\"\"} 1".to_owned(),
        ] {
            assert!(text.lines().any(|one| one == line), "`{line}` is not in\n{text}");
        }
    }

    #[test]
    fn of_a_request_that_is_settled_nothing_is_kept() {
        let observer = invited();
        let other = SessionId::new([8; 16]);
        let what = What::Setup { members: vec![Party::new(1).unwrap()] };
        observer.invites(&Invite { session: other, what }, Some(Scheme::Dkls23));
        observer.settled(REQUEST, "failed", Some(Scheme::Gg20));
        assert_eq!(
            observer.going().into_keys().collect::<Vec<_>>(),
            [other],
            "its session is over, and no other"
        );
        assert_eq!((observer.tally(REQUEST), observer.named_by(b"body")), (Tally::default(), None));
        assert!(observer.lock().by_request.is_empty());
    }

    #[test]
    fn of_a_request_that_is_somebody_elses_nothing_is_kept() {
        let observer = invited();
        assert_ne!((observer.tally(REQUEST), observer.named_by(b"body")), (Tally::default(), None));
        observer.forget(REQUEST);
        assert_eq!((observer.tally(REQUEST), observer.named_by(b"body")), (Tally::default(), None));
    }
}
