//! The loop around the engine: the only owner of the coordinator. It never waits for a node, a caller or the store.

use std::collections::BTreeSet;
use std::sync::Arc;

use keymoot_engine::coordinator::{Claim, Coordinator, Deed, Event, Finish, StoreAnswer, View};
use keymoot_engine::message::{Address, Answer, Message};
use keymoot_engine::outcome::Outcome;
use keymoot_engine::real::{Real, round_of};
use keymoot_engine::request::RequestId;
use keymoot_engine::words::Wire;
use keymoot_types::{KeyId, Millis, Party};
use keymoot_wire::mpc::SessionMessage;
use keymoot_wire::mpc::session_message::Body;
use keymoot_wire::outbox::Weight;
use rand::rngs::OsRng;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::sleep_until;

use crate::book::{Book, Ending};
use crate::clock::{Clock, stopped, wall_ms};
use crate::desk::{Desk, Errand, Errands};
use crate::nodes::Nodes;
use crate::noted::Noted;
use crate::waiting::Waiting;
use crate::watch::Observer;

/// In front of mail that the coordinator reads. What else there is travels unread.
const READABLE: u8 = 0;

/// The address of all callers.
const CALLERS: Address = Address::Client(0);

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
    Asked(Vec<u8>),
    /// Somebody wants to see what the engine has.
    Look(oneshot::Sender<(View, Millis)>),
    /// Somebody wants to know how many presignatures of these keys there are.
    Count(Vec<KeyId>, oneshot::Sender<Vec<u32>>),
}

/// The loop.
pub(crate) struct Task {
    pub(crate) coordinator: Coordinator<Real>,
    pub(crate) clock: Clock,
    pub(crate) inputs: mpsc::Receiver<Input>,
    pub(crate) stored: mpsc::Receiver<Errands>,
    pub(crate) desk: Desk,
    pub(crate) book: Arc<Book>,
    pub(crate) nodes: Arc<Nodes>,
    pub(crate) waiting: Arc<Waiting>,
    pub(crate) observer: Arc<Observer>,
    pub(crate) stop: watch::Receiver<bool>,
    pub(crate) wakes: BTreeSet<Millis>,
    pub(crate) noted: Noted,
    pub(crate) looked: Millis,
}

impl Task {
    /// Runs until it is told to stop. What is in progress is left to the other replicas: the leases lapse.
    pub(crate) async fn run(mut self, first: Vec<Deed>) {
        self.carry_out(first, None);
        loop {
            let wake = self.wakes.first().map(|at| self.clock.instant(*at));
            let event = tokio::select! {
                biased;
                () = stopped(&mut self.stop) => return,
                Some(done) = self.stored.recv() => match self.store_answered(done) {
                    Some(answer) => Event::Stored(answer),
                    None => continue,
                },
                () = sleep_until(wake.unwrap_or_else(std::time::Instant::now).into()), if wake.is_some() => {
                    self.wakes.pop_first();
                    Event::Wake
                }
                Some(input) = self.inputs.recv() => match input {
                    Input::Heard(from, message, round) => {
                        self.hear(from, message, round);
                        continue;
                    }
                    // That it has joined is a sign of life.
                    Input::Joined(party) => Event::Message(Address::Node(party), Message::Beat),
                    Input::Gone(party) => Event::Gone(party),
                    Input::Asked(body) => Event::Message(CALLERS, Message::Ask(body)),
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
            self.step(event, None);
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
        self.step(Event::Message(Address::Node(from), message), mark);
    }

    fn step(&mut self, event: Event, mark: Option<u8>) {
        let deeds = self.coordinator.step(self.clock.now(), event, &mut OsRng);
        self.carry_out(deeds, mark);
    }

    fn carry_out(&mut self, deeds: Vec<Deed>, mark: Option<u8>) {
        for deed in deeds {
            match deed {
                Deed::Send(Address::Node(to), message) => self.send(to, message, mark),
                Deed::Send(Address::Client(_), Message::Answer(id, answer)) => self.answer(id, answer),
                // A coordinator says nothing else to callers, and nothing to other coordinators.
                Deed::Send(Address::Client(_) | Address::Coordinator(_), _) => {}
                Deed::WakeAt(at) => {
                    self.wakes.insert(at);
                }
                Deed::Store(call) => self.desk.take(Errand::Ask(call)),
            }
        }
    }

    fn send(&mut self, to: Party, mut message: Message, mark: Option<u8>) {
        let (mut session, mut weight) = (None, Weight::Session);
        match &mut message {
            Message::Invite(invite) => {
                self.observer.invites(invite);
                session = Some(invite.session);
            }
            Message::Cancel(cancelled) => {
                self.observer.cancels(*cancelled);
                session = Some(*cancelled);
            }
            Message::Mail(mail) => {
                // Mail is only ever passed on in the step in which it has come.
                let Some(mark) = mark else { return };
                mail.bytes.insert(0, mark);
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
        let message = SessionMessage { sequence: 0, body: Some(Body::Engine(bytes)), session, round: None };
        self.nodes.send(to, message, size, weight);
    }

    /// Nobody is told that a request goes on before it can be looked up.
    fn answer(&mut self, id: RequestId, answer: Answer) {
        if matches!(answer, Answer::Pending) && self.noted.is_under_way(id) {
            return;
        }
        self.waiting.tell(id, answer);
    }

    /// What came of a question to the store, for the engine.
    fn store_answered(&mut self, done: Errands) -> Option<StoreAnswer> {
        self.desk.done(done.about);
        match (done.about, done.noted) {
            (Some(id), Some(true)) => {
                self.noted.done(id);
                self.waiting.tell(id, Answer::Pending);
            }
            (Some(id), Some(false)) => self.noted.failed(id),
            _ => {}
        }
        if let (Some(id), Some(body)) = (done.about, done.admitted) {
            self.note(id, body);
        }
        let answer = done.answer?;
        match &answer {
            StoreAnswer::Claimed(id, Claim::Yours { body, .. }) => {
                let (id, body) = (*id, body.clone());
                self.note(id, body);
            }
            StoreAnswer::Finished(id, Finish::Stored(outcome)) => {
                if let Ok(outcome) = Outcome::decode(outcome) {
                    let tally = self.observer.settled(*id, word(&outcome));
                    let culprits = self.observer.named(&tally.culprits);
                    let ending = Ending { finished_ms: wall_ms(), attempts: tally.attempts, culprits };
                    self.book.remember_ending(*id, &ending);
                    self.desk.take(Errand::End(*id, ending));
                }
            }
            _ => {}
        }
        Some(answer)
    }

    /// Has a request written down that is ours to work on, once.
    fn note(&mut self, id: RequestId, body: Vec<u8>) {
        if self.noted.begin(id) {
            self.desk.take(Errand::Note(id, body));
        }
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

/// An outcome in a word.
pub(crate) const fn word(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Key(_) => "key",
        Outcome::Signed { .. } => "signed",
        Outcome::Denied(_) => "denied",
        Outcome::Retired { .. } => "retired",
        Outcome::Expired => "expired",
        Outcome::Failed(_) => "failed",
    }
}
