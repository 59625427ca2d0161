//! Asks the shared store what the engine wants to know: many requests at a time, one question at a time for each, so that
//! what is asked of one request keeps its order.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use keymoot_engine::coordinator::{Admission, Claim, Finish, StoreAnswer, StoreCall};
use keymoot_engine::outcome::Outcome;
use keymoot_engine::request::RequestId;
use keymoot_engine::words::{Hash, Wire};
use keymoot_ports::sessions::{self, Fence, Noted};
use keymoot_ports::{Fault, Name, Sessions, Ttl};
use tokio::sync::{Semaphore, mpsc};
use tokio::time::{sleep, timeout};

use crate::book::{Book, Ending};
use crate::lookup;

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
    /// Note a request, and work on it if nobody does.
    Admit {
        request: RequestId,
        body: Vec<u8>,
        /// When it was made, if it asks for a key.
        keygen: Option<u64>,
    },
    /// Take over, or renew, the lease on a request.
    Claim(RequestId),
    /// Note how a request ended.
    Finish(Finishing),
    /// Which requests does nobody work on?
    Orphans,
}

/// How a request is to end.
pub(crate) struct Finishing {
    pub(crate) request: RequestId,
    pub(crate) fence: u64,
    pub(crate) outcome: Vec<u8>,
    pub(crate) close: Close,
}

/// What there is to say about an outcome.
#[derive(Clone)]
pub(crate) struct Close {
    pub(crate) ending: Ending,
    /// The outcome in a word.
    pub(crate) word: &'static str,
}

/// What came of an errand.
pub(crate) struct Errands {
    /// About which request; `None` for the question about orphans.
    pub(crate) about: Option<RequestId>,
    /// For the engine.
    pub(crate) answer: Option<StoreAnswer>,
    /// What there is to say about the outcome, if the one that counts is the one that was brought.
    pub(crate) close: Option<Close>,
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
    /// The errand that answers a question of the engine.
    pub(crate) fn of(
        call: StoreCall,
        keygen: Option<u64>,
        close: impl FnOnce(RequestId, &[u8]) -> Close,
    ) -> Self {
        match call {
            StoreCall::Admit { request, body } => Self::Admit { request, body, keygen },
            StoreCall::Claim { request } => Self::Claim(request),
            StoreCall::Finish { request, fence, outcome } => {
                let close = close(request, &outcome);
                Self::Finish(Finishing { request, fence, outcome, close })
            }
            StoreCall::Orphans => Self::Orphans,
        }
    }

    const fn about(&self) -> Option<RequestId> {
        match self {
            Self::Admit { request, .. } | Self::Claim(request) | Self::Finish(Finishing { request, .. }) => {
                Some(*request)
            }
            Self::Orphans => None,
        }
    }

    fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Admit { request, body, .. }, Self::Admit { request: other, body: theirs, .. }) => {
                request == other && body == theirs
            }
            (Self::Claim(one), Self::Claim(other)) => one == other,
            (Self::Finish(one), Self::Finish(other)) => {
                (one.request, one.fence, &one.outcome) == (other.request, other.fence, &other.outcome)
            }
            (Self::Orphans, Self::Orphans) => true,
            (Self::Admit { .. } | Self::Claim(_) | Self::Finish(_) | Self::Orphans, _) => false,
        }
    }
}

impl Clerk {
    fn send(self, errand: Errand) {
        tokio::spawn(async move {
            // The permit is held until the answer has found room.
            let Ok(_permit) = self.room.acquire().await else { return };
            let began = Instant::now();
            let about = errand.about();
            let done = match timeout(QUESTION, self.ask_until_answered(&errand)).await {
                Ok(Ok((answer, close))) => Errands { about, answer: Some(answer), close },
                Ok(Err(Refused)) | Err(_) => Errands { about, answer: None, close: None },
            };
            metrics::histogram!("keymoot_control_store_seconds").record(began.elapsed().as_secs_f64());
            // Nobody waits for it any more when the coordinator has ended.
            let _ = self.done.send(done).await;
        });
    }

    async fn ask_until_answered(&self, errand: &Errand) -> Result<(StoreAnswer, Option<Close>), Refused> {
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

    async fn ask(&self, errand: &Errand) -> Result<(StoreAnswer, Option<Close>), Fault> {
        let answer = match errand {
            Errand::Admit { request, body, keygen } => self.admit(*request, body, *keygen).await?,
            Errand::Claim(request) => self.claim(*request).await?,
            Errand::Finish(finishing) => return self.finish(finishing).await,
            Errand::Orphans => {
                let orphans = self.sessions.orphans(ORPHANS).await?;
                StoreAnswer::Orphans(orphans.into_iter().map(|id| RequestId(Hash::from_bytes(id))).collect())
            }
        };
        Ok((answer, None))
    }

    async fn admit(
        &self,
        request: RequestId,
        body: &[u8],
        keygen: Option<u64>,
    ) -> Result<StoreAnswer, Fault> {
        if let Some(created_ms) = keygen {
            // First, so that a key whose maker stops is found again.
            self.book.note_keygen(request, created_ms).await?;
        }
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

    async fn finish(&self, finishing: &Finishing) -> Result<(StoreAnswer, Option<Close>), Fault> {
        let Finishing { request, fence, outcome, close } = finishing;
        let (id, fence, note) = (*request.0.as_bytes(), Fence(*fence), close.ending.to_bytes());
        // Both are asked for at once, so that a store that makes them durable together can; where the fence is old neither
        // of them counts. If the note is lost and the outcome is not, the outcome stands without it: it says nothing but
        // when the request ended, after how many attempts, and who was in the way.
        let (noted, finish) =
            tokio::join!(self.sessions.note(id, fence, &note), self.sessions.finish(id, fence, outcome));
        let finish = match finish? {
            sessions::Finish::Settled(settled) => {
                let is_ours = *settled == **outcome;
                self.settle(*request, &settled, close.word, is_ours).await?;
                let close = close.clone();
                let close = Some(close).filter(|_| is_ours && matches!(noted, Ok(Noted::Noted)));
                (Finish::Stored(settled.to_vec()), close)
            }
            sessions::Finish::Stale => (Finish::Stale, None),
        };
        Ok((StoreAnswer::Finished(*request, finish.0), finish.1))
    }

    /// A key is in the book before anybody hears of it.
    async fn settle(
        &self,
        request: RequestId,
        outcome: &[u8],
        word: &str,
        is_ours: bool,
    ) -> Result<(), Fault> {
        if is_ours && !matches!(word, KEY | RETIRED) {
            return Ok(());
        }
        let Ok(outcome @ (Outcome::Key(_) | Outcome::Retired { .. })) = Outcome::decode(outcome) else {
            return Ok(());
        };
        let Some(standing) = self.sessions.recall(*request.0.as_bytes()).await? else { return Ok(()) };
        let Ok(found) = lookup::read(request, standing) else { return Ok(()) };
        if self.book.is_proven(&found.read, &outcome, None) {
            self.book.settled(&found.read, &outcome).await?;
        }
        Ok(())
    }
}

/// Outcomes that leave something to be looked up, in a word.
const KEY: &str = "key";
const RETIRED: &str = "retired";

/// An outcome in a word.
pub(crate) const fn word(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Key(_) => KEY,
        Outcome::Signed { .. } => "signed",
        Outcome::Denied(_) => "denied",
        Outcome::Retired { .. } => RETIRED,
        Outcome::Expired => "expired",
        Outcome::Failed(_) | Outcome::NoModuli(_) => "failed",
    }
}
