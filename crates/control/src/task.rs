//! The loop around the engine: the only owner of the coordinator. It never waits for a node, a caller or the store.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use keymoot_engine::coordinator::{
    Admission, Claim, Coordinator, Deed, Event, Finish, StoreAnswer, StoreCall, View,
};
use keymoot_engine::message::{Address, Message};
use keymoot_engine::outcome::Outcome;
use keymoot_engine::real::{Real, round_of};
use keymoot_engine::request::{ClientId, ClientKey, RequestId};
use keymoot_engine::words::Wire;
use keymoot_types::{KeyId, Millis, Party};
use keymoot_wire::mpc::SessionMessage;
use keymoot_wire::mpc::session_message::Body;
use keymoot_wire::outbox::Weight;
use keymoot_wire::stop::stopped;
use rand::rngs::OsRng;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::sleep_until;

use crate::book::{Book, Ending};
use crate::clock::{Clock, wall_ms};
use crate::desk::{Close, Desk, Errand, Errands, word};
use crate::inlet::Brought;
use crate::nodes::Nodes;
use crate::waiting::Waiting;
use crate::watch::Observer;

/// In front of mail that the coordinator reads. What else there is travels unread.
const READABLE: u8 = 0;

/// Between two looks at what the engine has, in milliseconds.
const LOOK: u64 = 1_000;

/// What comes to the engine from outside.
pub(crate) enum Input {
    /// A node has said something. The round is its own word for it.
    Heard(Party, Message, Option<u32>),
    /// A node has opened a stream.
    Joined(Party),
    /// A node's stream has ended, and it has no other.
    Gone(Party),
    /// Somebody asks for something.
    Asked {
        /// The room of those who wait for it.
        from: u16,
        /// What was signed.
        body: Vec<u8>,
        /// When it was made, if it asks for a key.
        keygen: Option<u64>,
    },
    /// These clients may ask from now on.
    Clients(BTreeMap<ClientId, ClientKey>),
    /// Somebody wants to see what the engine has.
    Look(oneshot::Sender<(View, Millis)>),
    /// Somebody wants to know how many presignatures of these keys there are.
    Count(Vec<KeyId>, oneshot::Sender<Vec<u32>>),
}

/// What is known of a step beside the event.
#[derive(Clone, Copy, Default)]
struct Step {
    /// What stood in front of the mail that is passed on in it.
    mark: Option<u8>,
    /// When the request was made that is asked for in it, if it asks for a key.
    keygen: Option<u64>,
}

/// The loop.
pub(crate) struct Task {
    pub(crate) coordinator: Coordinator<Real>,
    pub(crate) clock: Clock,
    pub(crate) inputs: mpsc::Receiver<Brought>,
    pub(crate) stored: mpsc::Receiver<Errands>,
    pub(crate) desk: Desk,
    pub(crate) book: Arc<Book>,
    pub(crate) nodes: Arc<Nodes>,
    pub(crate) waiting: Arc<Waiting>,
    pub(crate) observer: Arc<Observer>,
    pub(crate) stop: watch::Receiver<bool>,
    pub(crate) wakes: BTreeSet<Millis>,
    pub(crate) looked: Millis,
}

impl Task {
    /// Runs until it is told to stop. What is in progress is left to the other replicas: the leases lapse.
    pub(crate) async fn run(mut self, first: Vec<Deed>) {
        self.carry_out(first, Step::default());
        loop {
            let wake = self.wakes.first().map(|at| self.clock.instant(*at));
            let mut step = Step::default();
            let event = tokio::select! {
                biased;
                () = stopped(&mut self.stop) => return,
                Some(done) = self.stored.recv() => match self.store_answered(done) {
                    Some(answer) => Event::Stored(answer),
                    None => continue,
                },
                () = sleep_until(wake.unwrap_or_else(std::time::Instant::now).into()), if wake.is_some() => {
                    let now = self.clock.now().mono;
                    // One look at everything serves all that are due.
                    while self.wakes.first().is_some_and(|at| *at <= now) {
                        self.wakes.pop_first();
                    }
                    Event::Wake
                }
                Some(Brought { input, room: _held }) = self.inputs.recv() => match input {
                    Input::Heard(from, message, round) => {
                        self.hear(from, message, round);
                        continue;
                    }
                    // That it has joined is a sign of life.
                    Input::Joined(party) => Event::Message(Address::Node(party), Message::Beat),
                    Input::Gone(party) => Event::Gone(party),
                    Input::Asked { from, body, keygen } => {
                        step.keygen = keygen;
                        Event::Message(Address::Client(from), Message::Ask(body))
                    }
                    Input::Clients(clients) => {
                        let deeds = self.coordinator.go_by(clients);
                        self.carry_out(deeds, step);
                        continue;
                    }
                    Input::Look(eye) => {
                        // Whoever looked may have gone.
                        let _ = eye.send((self.coordinator.view(), self.clock.now().mono));
                        continue;
                    }
                    Input::Count(keys, eye) => {
                        let count = |key| u32::try_from(self.coordinator.stock_of(key)).unwrap_or(u32::MAX);
                        // As there.
                        let _ = eye.send(keys.into_iter().map(count).collect());
                        continue;
                    }
                },
            };
            let is_wake = matches!(event, Event::Wake);
            self.step(event, step);
            if is_wake {
                self.look();
            }
        }
    }

    /// What a node has said. Mail has a mark in front that says whether it may be read; it is passed on with the same mark.
    fn hear(&mut self, from: Party, mut message: Message, round: Option<u32>) {
        self.nodes.heard(from);
        let mut mark = None;
        let mut round = round;
        if let Message::Mail(mail) = &mut message {
            let Some(first) = mail.bytes.first().copied() else { return };
            // What is for everybody is added up here, so it has to be readable; what is for one is none of our business.
            if (first == READABLE) != mail.to.is_none() {
                metrics::counter!("keymoot_control_mail_refused_total").increment(1);
                return;
            }
            mail.bytes.remove(0);
            mark = Some(first);
            if first == READABLE {
                round = round_of(&mail.bytes).map(u32::from);
            }
        }
        self.observer.heard(from, &message, round);
        let step = Step { mark, ..Step::default() };
        self.step(Event::Message(Address::Node(from), message), step);
    }

    fn step(&mut self, event: Event, step: Step) {
        let deeds = self.coordinator.step(self.clock.now(), event, &mut OsRng);
        self.carry_out(deeds, step);
    }

    fn carry_out(&mut self, deeds: Vec<Deed>, step: Step) {
        for deed in deeds {
            match deed {
                Deed::Send(Address::Node(to), message) => self.send(to, message, step.mark),
                Deed::Send(Address::Client(room), Message::Answer(id, answer)) => {
                    self.waiting.tell(id, room, answer);
                }
                // A coordinator says nothing else to callers, and nothing to other coordinators.
                Deed::Send(Address::Client(_) | Address::Coordinator(_), _) => {}
                Deed::WakeAt(at) => {
                    self.wakes.insert(at);
                }
                Deed::Store(call) => {
                    if let StoreCall::Admit { request, body } = &call {
                        self.observer.expects(*request, body);
                    }
                    let close = |request, outcome: &[u8]| {
                        close(&self.observer, &self.coordinator.found_out(request), request, outcome)
                    };
                    let errand = Errand::of(call, step.keygen, close);
                    self.desk.take(errand);
                }
            }
        }
    }

    fn send(&mut self, to: Party, mut message: Message, mark: Option<u8>) {
        let (mut session, mut weight, mut trace) = (None, Weight::Session, String::new());
        match &mut message {
            Message::Invite(invite) => {
                self.observer.invites(invite, self.coordinator.scheme_of_session(invite.session));
                trace = self.observer.trace_of(invite.session);
                session = Some(invite.session);
            }
            Message::Cancel(cancelled) => {
                self.observer.cancels(*cancelled);
                session = Some(*cancelled);
            }
            Message::Mail(mail) => {
                // Mail is only ever passed on in the step in which it has come.
                let Some(mark) = mark else { return };
                let mut bytes = Vec::with_capacity(mail.bytes.len().saturating_add(1));
                bytes.push(mark);
                bytes.extend_from_slice(&mail.bytes);
                mail.bytes = bytes;
                session = Some(mail.session);
            }
            Message::StockQuery(_) | Message::KeyQuery(_) | Message::Witness { .. } => {
                weight = Weight::Repeated;
            }
            _ => {}
        }
        let bytes = message.encode().to_vec();
        let size = bytes.len();
        let session = session.map(|session| session.to_string()).unwrap_or_default();
        let body = Some(Body::Engine(bytes));
        let message = SessionMessage { body, session, trace, ..SessionMessage::default() };
        self.nodes.send(to, message, size, weight);
    }

    /// What came of a question to the store, for the engine.
    fn store_answered(&mut self, done: Errands) -> Option<StoreAnswer> {
        self.desk.done(done.about);
        let answer = done.answer?;
        if let Some(id) = elsewhere(&answer) {
            self.observer.forget(id);
        }
        match &answer {
            StoreAnswer::Claimed(id, Claim::Yours { body, .. }) => self.observer.expects(*id, body),
            StoreAnswer::Finished(id, Finish::Stored(outcome)) => {
                let word = match &done.close {
                    Some(close) => close.word,
                    None => Outcome::decode(outcome).map_or("unreadable", |outcome| word(&outcome)),
                };
                self.observer.settled(*id, word, self.coordinator.scheme_of_request(*id));
                tracing::info!(request = %id, outcome = word, trace = self.observer.traces.of(*id), "a request has ended");
                if let Some(close) = done.close {
                    self.book.remember_ending(*id, close.ending);
                }
            }
            _ => {}
        }
        Some(answer)
    }

    /// Notes from time to time what the engine has.
    fn look(&mut self) {
        let now = self.clock.now().mono;
        if now < self.looked.plus(LOOK) {
            return;
        }
        self.looked = now;
        let sessions = self.coordinator.sessions().map(|(session, _)| session).collect();
        self.observer.keep(&sessions);
        metrics::gauge!("keymoot_control_requests").set(self.coordinator.load() as f64);
        metrics::gauge!("keymoot_control_sessions").set(sessions.len() as f64);
        metrics::gauge!("keymoot_control_store_questions").set(self.desk.len() as f64);
    }
}

/// The request that has ended before, or is somebody else's to work on, by this answer. Its end is not told here.
const fn elsewhere(answer: &StoreAnswer) -> Option<RequestId> {
    match answer {
        StoreAnswer::Admitted(id, Admission::Finished(_))
        | StoreAnswer::Claimed(id, Claim::Finished(_))
        | StoreAnswer::Finished(id, Finish::Stale) => Some(*id),
        StoreAnswer::Admitted(_, Admission::Fresh { .. } | Admission::Open | Admission::Conflict)
        | StoreAnswer::Claimed(_, Claim::Yours { .. } | Claim::Held | Claim::Unknown)
        | StoreAnswer::Finished(_, Finish::Stored(_))
        | StoreAnswer::Orphans(_) => None,
    }
}

/// What there is to say about an outcome that is about to be stored.
fn close(observer: &Observer, found_out: &BTreeSet<Party>, request: RequestId, outcome: &[u8]) -> Close {
    let outcome = Outcome::decode(outcome).ok();
    let mut tally = observer.tally(request);
    tally.culprits.extend(found_out);
    if matches!(outcome, Some(Outcome::NoModuli(_))) {
        tally.culprits.extend(observer.spoilers());
    }
    // Where a quorum has done it, whoever was in the way is nobody's concern.
    let is_done = matches!(outcome, Some(Outcome::Key(_) | Outcome::Signed { .. } | Outcome::Retired { .. }));
    let culprits = if is_done { Vec::new() } else { observer.named(&tally.culprits) };
    let ending = Ending { finished_ms: wall_ms(), attempts: tally.attempts, culprits };
    Close { ending, word: outcome.as_ref().map_or("unreadable", word) }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::sync::Arc;
    use std::time::Duration;

    use keymoot_engine::coordinator::{Admission, Claim, Finish, StoreAnswer};
    use keymoot_engine::message::{Ended, Invite, Message, Moduli, What};
    use keymoot_engine::outcome::Outcome;
    use keymoot_engine::request::RequestId;
    use keymoot_engine::words::{Hash, Wire};
    use keymoot_types::{Party, SessionId};

    use super::{close, elsewhere};
    use crate::names::Names;
    use crate::watch::Observer;

    #[test]
    fn what_ends_elsewhere_is_known_by_the_answer_of_the_store() {
        let id = RequestId(Hash::from_bytes([7; 32]));
        let over = [
            StoreAnswer::Admitted(id, Admission::Finished(Vec::new())),
            StoreAnswer::Claimed(id, Claim::Finished(Vec::new())),
            StoreAnswer::Finished(id, Finish::Stale),
        ];
        assert!(over.iter().all(|answer| elsewhere(answer) == Some(id)));
        let goes_on = [
            StoreAnswer::Admitted(id, Admission::Open),
            StoreAnswer::Claimed(id, Claim::Held),
            StoreAnswer::Finished(id, Finish::Stored(Vec::new())),
            StoreAnswer::Orphans(vec![id]),
        ];
        assert!(goes_on.iter().all(|answer| elsewhere(answer).is_none()));
    }

    #[test]
    fn nobody_is_named_where_a_request_succeeded() {
        let (request, session) = (RequestId(Hash::from_bytes([7; 32])), SessionId::new([7; 16]));
        let observer = Observer::new(Arc::new(Names::numbered(3)), 2, Duration::MAX);
        observer.expects(request, b"body");
        let what = What::Keygen { request: b"body".to_vec(), attempt: 0 };
        observer.invites(&Invite { session, what }, None);
        let [one, two, three] = [1, 2, 3].map(|index| Party::new(index).unwrap());
        for from in [one, two] {
            observer.heard(from, &Message::Ended(session, Ended::Blamed(vec![three])), None);
        }
        let nobody = BTreeSet::new();
        let failed = close(&observer, &nobody, request, &Outcome::Failed("x".to_owned()).encode());
        assert_eq!((failed.word, failed.ending.culprits), ("failed", vec!["node-3".to_owned()]));
        let seen = BTreeSet::from([two]);
        let failed = close(&observer, &seen, request, &Outcome::Failed("x".to_owned()).encode());
        assert_eq!(failed.ending.culprits, ["node-2", "node-3"], "and whom the coordinator has seen itself");
        let key = close(&observer, &seen, request, &Outcome::Key(vec![1]).encode());
        assert_eq!((key.word, key.ending.culprits, key.ending.attempts), ("key", Vec::new(), 1));
    }

    #[test]
    fn whoever_spoils_moduli_is_named_where_a_signature_waited_for_them() {
        let (request, session) = (RequestId(Hash::from_bytes([7; 32])), SessionId::new([7; 16]));
        let observer = Observer::new(Arc::new(Names::numbered(3)), 2, Duration::MAX);
        observer.invites(&Invite { session, what: What::Moduli }, None);
        assert!(observer.makes_moduli());
        let [one, two, three] = [1, 2, 3].map(|index| Party::new(index).unwrap());
        for from in [one, two] {
            observer.heard(from, &Message::Ended(session, Ended::Blamed(vec![three])), None);
        }
        observer.cancels(session);
        assert!(!observer.makes_moduli());
        let culprits = |outcome: &Outcome| {
            close(&observer, &BTreeSet::new(), request, &outcome.encode()).ending.culprits
        };
        assert!(culprits(&Outcome::Failed("something else".to_owned())).is_empty());
        let why = Outcome::NoModuli("0 attempts failed".to_owned());
        assert_eq!(culprits(&why), ["node-3"]);
        let told = Moduli { tables: vec![Hash::from_bytes([1; 32])], primes: 0 };
        observer.heard(three, &Message::Moduli(told.clone()), None);
        assert_eq!(culprits(&why), ["node-3"], "one may say so of itself");
        observer.heard(one, &Message::Moduli(told), None);
        assert!(culprits(&why).is_empty(), "so many have them that they can sign");
    }
}
