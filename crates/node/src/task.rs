//! The loop around the engine: one event at a time, written first and performed then.

use keymoot_engine::crypto::Unfit;
use keymoot_engine::event::Event;
use keymoot_engine::message::{Address, Message};
use keymoot_engine::node::Node;
use keymoot_engine::plan::{Effect, Pipeline, Plan};
use keymoot_engine::real::Real;
use keymoot_ports::Fault;
use keymoot_wire::stop::stopped;
use rand::rngs::OsRng;
use tokio::sync::{mpsc, watch};
use tokio::time::sleep_until;

use crate::clock::Clock;
use crate::decisions::Decisions;
use crate::fault::NodeFault;
use crate::follow::{Follow, News};
use crate::perform::{Halted, Hands};
use crate::rules::Rules;
use crate::scribe::Scribe;
use crate::seeker::Sought;
use crate::status::{Board, JournalState};
use crate::worker::Worked;

/// What a coordinator has said.
pub(crate) struct Heard {
    pub(crate) from: u16,
    pub(crate) message: Message,
    /// What gateway and coordinator call the request that it serves, for the log.
    pub(crate) trace: String,
}

/// How one life of the engine ended.
#[derive(Debug)]
pub(crate) enum End {
    /// In order; everything is durable.
    Stopped,
    /// The disk is full. The engine begins again from its journal when there is room.
    Full,
    /// In order, because there is another cluster document: the engine begins again by that one.
    Renewed,
    /// Not without a person, or another process.
    Failed(NodeFault),
}

/// One life of the engine.
pub(crate) struct Task<'a> {
    pub(crate) node: Node<Real, Rules>,
    pub(crate) pipeline: Pipeline<Effect<Real>>,
    pub(crate) hands: Hands,
    pub(crate) scribe: Scribe,
    pub(crate) clock: Clock,
    pub(crate) heard: &'a mut mpsc::Receiver<Heard>,
    pub(crate) worked: mpsc::Receiver<Worked>,
    pub(crate) sought: mpsc::Receiver<Sought>,
    pub(crate) stop: watch::Receiver<bool>,
    pub(crate) board: &'a Board,
    /// Goes by the cluster document.
    pub(crate) follow: &'a mut Follow,
    /// What the event that is being handled is called in the logs of others.
    pub(crate) trace: String,
    /// What is to be told of it when it is durable.
    pub(crate) decisions: Decisions,
    /// Something of this life is durable.
    pub(crate) is_fine: bool,
}

impl From<Halted> for End {
    fn from(halted: Halted) -> Self {
        Self::Failed(NodeFault::Halted(halted.0))
    }
}

impl Task<'_> {
    /// Runs until it ends.
    pub(crate) async fn run(mut self, first: Plan<Effect<Real>>) -> End {
        if let Err(end) = self.submit(first) {
            return end;
        }
        let mut stopping = None;
        loop {
            if self.pipeline.is_idle()
                && let Some(end) = stopping
            {
                return end;
            }
            let wake = self.hands.wakes.first().map(|at| self.clock.instant(*at));
            let event = tokio::select! {
                biased;
                result = self.scribe.written() => {
                    if let Err(end) = self.written(result) {
                        return end;
                    }
                    continue;
                }
                () = stopped(&mut self.stop), if stopping.is_none() => {
                    stopping = Some(End::Stopped);
                    Event::Stop
                }
                () = sleep_until(wake.unwrap_or_else(std::time::Instant::now).into()), if wake.is_some() => {
                    let now = self.clock.now().mono;
                    // One look at everything serves all that are due.
                    while self.hands.wakes.first().is_some_and(|at| *at <= now) {
                        self.hands.wakes.pop_first();
                    }
                    match self.catch_up() {
                        Ok(News::Members) if stopping.is_none() => {
                            stopping = Some(End::Renewed);
                            Event::Stop
                        }
                        Ok(_) => Event::Wake,
                        Err(end) => return end,
                    }
                }
                Some((session, result)) = self.worked.recv() => Event::Worked(session, result),
                Some(prime) = self.sought.recv() => Event::Sought(prime),
                Some(Heard { from, message, trace }) = self.heard.recv() => match self.read(message) {
                    Some(message) => {
                        self.trace = trace;
                        Event::Message(Address::Coordinator(from), message)
                    }
                    None => continue,
                },
            };
            if let Err(end) = self.step(event) {
                return end;
            }
        }
    }

    /// What the cluster document takes away is to end at once, whoever carries the sessions.
    fn catch_up(&mut self) -> Result<News, End> {
        if self.follow.is_current() {
            return Ok(News::Nothing);
        }
        let news = self.follow.look().map_err(End::Failed)?;
        if news == News::Rules {
            let place = &self.follow.place;
            let (clients, rules) = (place.config.clients.clone(), place.rules.clone());
            let plan = self.node.go_by(self.clock.now(), clients, rules);
            self.submit(plan)?;
        }
        Ok(news)
    }

    fn step(&mut self, event: Event<Real>) -> Result<(), End> {
        let is_wake = matches!(event, Event::Wake);
        let invite = match &event {
            Event::Message(_, Message::Invite(invite)) if !self.node.holds(invite.session) => {
                Some(invite.clone())
            }
            _ => None,
        };
        let plan = self.node.step(self.clock.now(), event, &mut OsRng);
        // Only what the engine takes part in counts: a refused invitation says nothing about a session.
        if let Some(invite) = invite.filter(|invite| self.node.holds(invite.session)) {
            let node = &self.node;
            self.hands.post.invited(&invite, |session| node.holds(session));
        }
        self.submit(plan)?;
        self.tell_what_failed()?;
        if is_wake && self.board.is_due(self.clock.now().mono) {
            self.board.show(&self.node.view());
        }
        Ok(())
    }

    /// What no worker has begun with has failed, and may have made others fail.
    fn tell_what_failed(&mut self) -> Result<(), End> {
        while let Some(session) = self.hands.failed.pop() {
            let event = Event::Worked(session, Err(Unfit("no worker has begun with it")));
            let plan = self.node.step(self.clock.now(), event, &mut OsRng);
            self.submit(plan)?;
        }
        Ok(())
    }

    /// Runs a plan: records first.
    fn submit(&mut self, plan: Plan<Effect<Real>>) -> Result<(), End> {
        self.decisions.note(&plan, &std::mem::take(&mut self.trace));
        let ready = self.pipeline.submit(plan);
        self.write_next()?;
        Ok(self.hands.perform(ready)?)
    }

    fn write_next(&mut self) -> Result<(), End> {
        let Some(batch) = self.pipeline.next_batch() else { return Ok(()) };
        self.decisions.write();
        self.scribe.write(batch, &mut OsRng).map_err(|fault| End::Failed(fault.into()))
    }

    /// A batch is durable, or will never be: then this life is over, and what it has not said stays unsaid.
    fn written(&mut self, result: Result<(), Fault>) -> Result<(), End> {
        match result {
            Ok(()) => {
                if !std::mem::replace(&mut self.is_fine, true) {
                    self.board.journal(JournalState::Fine);
                }
                self.decisions.written();
                let ready = self.pipeline.written();
                self.write_next()?;
                self.hands.perform(ready)?;
                self.tell_what_failed()
            }
            Err(Fault::Full) => Err(End::Full),
            Err(fault) => Err(End::Failed(NodeFault::Journal(fault))),
        }
    }

    /// What the engine is to hear of a message.
    fn read(&mut self, message: Message) -> Option<Message> {
        match message {
            Message::Mail(mail) => match self.hands.post.open(mail) {
                Ok(mail) => Some(Message::Mail(mail)),
                Err(refused) => {
                    metrics::counter!("keymoot_node_mail_refused_total").increment(1);
                    tracing::debug!(error = &refused as &dyn std::error::Error, "mail is dropped");
                    None
                }
            },
            message => Some(message),
        }
    }
}
