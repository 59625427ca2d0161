//! Asks the shared store what the engine wants to know: many requests at a time, one question at a time for each, so that
//! what is asked of one request keeps its order.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use keymoot_engine::coordinator::{Admission, Claim, Finish, StoreAnswer, StoreCall};
use keymoot_engine::request::RequestId;
use keymoot_engine::words::Hash;
use keymoot_ports::sessions::{self, Fence};
use keymoot_ports::{Fault, Name, Sessions, Ttl};
use tokio::sync::{Semaphore, mpsc};
use tokio::time::{sleep, timeout};

use crate::book::{Book, Ending};

/// Questions at one time.
const QUESTIONS_MAX: usize = 256;

/// Questions about one request that wait. The engine asks again anyway.
const LINE_MAX: usize = 8;

/// Orphans that are named at once.
const ORPHANS: usize = 64;

/// How long one question may take, with all repetitions.
const QUESTION: Duration = Duration::from_secs(5);

/// The pauses between repetitions.
const PAUSE_MIN: Duration = Duration::from_millis(20);
const PAUSE_MAX: Duration = Duration::from_millis(500);

/// What is asked about one request.
pub(crate) enum Errand {
    /// A question of the engine.
    Ask(StoreCall),
    /// Write down a request that was admitted, so that it can be looked up.
    Note(RequestId, Vec<u8>),
    /// Write down how a request ended, beside its outcome.
    End(RequestId, Ending),
}

/// What came of an errand.
pub(crate) struct Errands {
    /// About which request; `None` for the question about orphans.
    pub(crate) about: Option<RequestId>,
    /// For the engine.
    pub(crate) answer: Option<StoreAnswer>,
    /// A request that was not known before, as it was admitted.
    pub(crate) admitted: Option<Vec<u8>>,
    /// Whether the request is written down now, if that was the errand.
    pub(crate) noted: Option<bool>,
}

impl Errands {
    fn unanswered(errand: &Errand) -> Self {
        let noted = matches!(errand, Errand::Note(..)).then_some(false);
        Self { about: errand.about(), answer: None, admitted: None, noted }
    }

    /// What came of an errand that is done.
    fn done(errand: Errand, answer: Option<StoreAnswer>) -> Self {
        let about = errand.about();
        let is_fresh = matches!(answer, Some(StoreAnswer::Admitted(_, Admission::Fresh { .. })));
        let (noted, admitted) = match errand {
            Errand::Note(..) => (Some(true), None),
            Errand::Ask(StoreCall::Admit { body, .. }) if is_fresh => (None, Some(body)),
            Errand::Ask(_) | Errand::End(..) => (None, None),
        };
        Self { about, answer, admitted, noted }
    }
}

/// The store will say the same again.
struct Refused;

/// The desk.
pub(crate) struct Desk {
    clerk: Clerk,
    lines: BTreeMap<Option<RequestId>, VecDeque<Errand>>,
}

/// What does the asking.
#[derive(Clone)]
pub(crate) struct Clerk {
    pub(crate) sessions: Arc<dyn Sessions>,
    pub(crate) book: Arc<Book>,
    pub(crate) owner: Name,
    pub(crate) ttl: Ttl,
    pub(crate) done: mpsc::Sender<Errands>,
    pub(crate) room: Arc<Semaphore>,
}

impl Desk {
    pub(crate) fn new(
        sessions: Arc<dyn Sessions>,
        book: Arc<Book>,
        (owner, ttl): (Name, Ttl),
    ) -> (Self, mpsc::Receiver<Errands>) {
        let (done, answers) = mpsc::channel(QUESTIONS_MAX);
        let room = Arc::new(Semaphore::new(QUESTIONS_MAX));
        let clerk = Clerk { sessions, book, owner, ttl, done, room };
        (Self { clerk, lines: BTreeMap::new() }, answers)
    }

    /// Takes an errand. If there is one about the same request, it waits for that.
    pub(crate) fn take(&mut self, errand: Errand) {
        let about = errand.about();
        if let Some(line) = self.lines.get_mut(&about) {
            if line.len() < LINE_MAX && !line.iter().any(|waiting| waiting.is_same(&errand)) {
                line.push_back(errand);
            }
            return;
        }
        self.lines.insert(about, VecDeque::new());
        self.clerk.clone().send(errand);
    }

    /// An errand is done: the next one about the same request is sent.
    pub(crate) fn done(&mut self, about: Option<RequestId>) {
        match self.lines.get_mut(&about).map(VecDeque::pop_front) {
            Some(Some(next)) => self.clerk.clone().send(next),
            Some(None) => {
                self.lines.remove(&about);
            }
            None => {}
        }
    }

    /// Requests that something is asked about.
    pub(crate) fn len(&self) -> usize {
        self.lines.len()
    }
}

impl Errand {
    const fn about(&self) -> Option<RequestId> {
        match self {
            Self::Ask(
                StoreCall::Admit { request, .. }
                | StoreCall::Claim { request }
                | StoreCall::Finish { request, .. },
            )
            | Self::Note(request, _)
            | Self::End(request, _) => Some(*request),
            Self::Ask(StoreCall::Orphans) => None,
        }
    }

    fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Ask(one), Self::Ask(other)) => one == other,
            (Self::Note(one, _), Self::Note(other, _)) | (Self::End(one, _), Self::End(other, _)) => {
                one == other
            }
            (Self::Ask(_) | Self::Note(..) | Self::End(..), _) => false,
        }
    }
}

impl Clerk {
    fn send(self, errand: Errand) {
        tokio::spawn(async move {
            // The permit is held until the answer has found room.
            let Ok(_permit) = self.room.acquire().await else { return };
            let began = Instant::now();
            let done = match timeout(QUESTION, self.ask_until_answered(&errand)).await {
                Ok(Ok(answer)) => Errands::done(errand, answer),
                Ok(Err(Refused)) | Err(_) => Errands::unanswered(&errand),
            };
            metrics::histogram!("keymoot_control_store_seconds").record(began.elapsed().as_secs_f64());
            // Nobody waits for it any more when the coordinator has ended.
            let _ = self.done.send(done).await;
        });
    }

    async fn ask_until_answered(&self, errand: &Errand) -> Result<Option<StoreAnswer>, Refused> {
        let mut pause = PAUSE_MIN;
        loop {
            let fault = match self.ask(errand).await {
                Ok(answer) => return Ok(answer),
                Err(fault) if fault.passes() => fault,
                Err(fault) => {
                    tracing::error!(error = &fault as &dyn std::error::Error, "the store refuses");
                    return Err(Refused);
                }
            };
            metrics::counter!("keymoot_control_store_retries_total").increment(1);
            tracing::debug!(error = &fault as &dyn std::error::Error, "the store does not answer");
            sleep(pause).await;
            pause = (pause * 2).min(PAUSE_MAX);
        }
    }

    async fn ask(&self, errand: &Errand) -> Result<Option<StoreAnswer>, Fault> {
        match errand {
            Errand::Note(id, body) => self.book.note(*id, body).await.map(|()| None),
            Errand::End(id, ending) => self.book.note_ending(*id, ending).await.map(|()| None),
            Errand::Ask(StoreCall::Admit { request, body }) => self.admit(*request, body).await.map(Some),
            Errand::Ask(StoreCall::Claim { request }) => self.claim(*request).await.map(Some),
            Errand::Ask(StoreCall::Finish { request, fence, outcome }) => {
                self.finish(*request, *fence, outcome).await.map(Some)
            }
            Errand::Ask(StoreCall::Orphans) => {
                let orphans = self.sessions.orphans(ORPHANS).await?;
                let orphans = orphans.into_iter().map(|id| RequestId(Hash::from_bytes(id))).collect();
                Ok(Some(StoreAnswer::Orphans(orphans)))
            }
        }
    }

    async fn admit(&self, request: RequestId, body: &[u8]) -> Result<StoreAnswer, Fault> {
        let admission = match self.sessions.admit(*request.0.as_bytes(), body, &self.owner, self.ttl).await {
            Ok(sessions::Admission::Fresh { fence }) => Admission::Fresh { fence: fence.0 },
            Ok(sessions::Admission::Open { .. }) => Admission::Open,
            Ok(sessions::Admission::Finished(outcome)) => Admission::Finished(outcome.to_vec()),
            // The only thing that the store refuses about a request of a proper length: another body has its name.
            Err(Fault::Refused(_)) => Admission::Conflict,
            Err(fault) => return Err(fault),
        };
        Ok(StoreAnswer::Admitted(request, admission))
    }

    async fn claim(&self, request: RequestId) -> Result<StoreAnswer, Fault> {
        let claim = match self.sessions.claim(*request.0.as_bytes(), &self.owner, self.ttl).await? {
            sessions::Claim::Yours { fence, body, .. } => {
                Claim::Yours { fence: fence.0, body: body.to_vec() }
            }
            sessions::Claim::Held => Claim::Held,
            sessions::Claim::Finished(outcome) => Claim::Finished(outcome.to_vec()),
            sessions::Claim::Unknown => Claim::Unknown,
        };
        Ok(StoreAnswer::Claimed(request, claim))
    }

    async fn finish(&self, request: RequestId, fence: u64, outcome: &[u8]) -> Result<StoreAnswer, Fault> {
        let finish = match self.sessions.finish(*request.0.as_bytes(), Fence(fence), outcome).await? {
            sessions::Finish::Settled(outcome) => {
                // A key is in the book before anybody hears of it.
                self.book.settled(request, &outcome).await?;
                Finish::Stored(outcome.to_vec())
            }
            sessions::Finish::Stale => Finish::Stale,
        };
        Ok(StoreAnswer::Finished(request, finish))
    }
}
