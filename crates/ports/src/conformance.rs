//! The exams of the ports. Each says as code what callers may rely on, and ends with a sentence when an
//! implementation breaks it.
//!
//! An implementation brings a [`Room`] (or [`bus::BusRoom`], [`journal::JournalRoom`]) to sit its exam in, and calls
//! `sit`. A room may be real: then `advance` really waits, [`Room::ttl`] is the shortest lease that the vendor keeps, and
//! [`Room::slack`] how late it notices that one has lapsed.
//!
//! Exams are test code that happens to be in a library, so that all adapters can use it. They answer with a
//! [`Failure`], whose `Debug` is its sentence: a test ends with `.unwrap()`.

pub mod audit;
pub mod bus;
pub mod directory;
pub mod journal;
pub mod queue;
pub mod registry;
pub mod sessions;

use std::error::Error;
use std::fmt;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;

use keymoot_types::Millis;

use crate::text::TextError;
use crate::{Answer, Fault, Name, Ttl};

/// Why an exam was failed.
pub struct Failure {
    sentence: &'static str,
    answer: Option<Fault>,
}

/// How an exam ends.
pub type Verdict = Result<(), Failure>;

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.sentence)
    }
}

/// The sentence and the answer that it is about, because that is what a failing test prints.
impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.sentence)?;
        self.answer.as_ref().map_or(Ok(()), |fault| write!(f, " (the answer was {fault:?})"))
    }
}

impl Error for Failure {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.answer.as_ref().map(|fault| fault as _)
    }
}

impl From<TextError> for Failure {
    fn from(_: TextError) -> Self {
        Self { sentence: "this exam uses a name that is none", answer: None }
    }
}

/// Where a port sits its exam.
pub trait Room {
    /// The port, as `dyn Trait`.
    type Port: ?Sized;

    /// An instance with an empty storage of its own.
    fn fresh(&mut self) -> impl Future<Output = Arc<Self::Port>>;

    /// Another instance on the storage of the last fresh one. If the earlier instance is still alive, it is another
    /// process beside it; if it was dropped, the same process after a crash.
    fn reopen(&mut self) -> impl Future<Output = Arc<Self::Port>>;

    /// Lets so much time pass.
    fn advance(&mut self, by: Millis) -> impl Future<Output = ()>;

    /// The lease that the exam works with.
    fn ttl(&self) -> Ttl;

    /// How long after its end a lease may still count.
    fn slack(&self) -> Millis {
        Millis(0)
    }

    /// Lets half a lease pass.
    fn half(&mut self) -> impl Future<Output = ()> {
        self.advance(Millis(self.ttl().milliseconds() / 2))
    }

    /// Lets every lease lapse.
    fn lapse(&mut self) -> impl Future<Output = ()> {
        self.advance(self.slack().plus(self.ttl().milliseconds()))
    }
}

fn demand(holds: bool, sentence: &'static str) -> Verdict {
    if holds { Ok(()) } else { Err(Failure { sentence, answer: None }) }
}

/// What a verb answered, which must not be a fault.
fn granted<T>(answer: Result<T, Fault>, sentence: &'static str) -> Result<T, Failure> {
    answer.map_err(|fault| Failure { sentence, answer: Some(fault) })
}

/// The verb must have answered `Refused`.
fn refused<T>(answer: Result<T, Fault>, sentence: &'static str) -> Verdict {
    match answer {
        Err(Fault::Refused(_)) => Ok(()),
        Err(fault) => Err(Failure { sentence, answer: Some(fault) }),
        Ok(_) => Err(Failure { sentence, answer: None }),
    }
}

fn name(text: &str) -> Result<Name, Failure> {
    Ok(Name::new(text)?)
}

/// So many different names.
fn names(count: usize) -> Result<Vec<Name>, Failure> {
    (0..count).map(|i| name(&format!("process-{i}"))).collect()
}

/// How many callers race each other.
const RACERS: usize = 8;

/// Drives all answers at once, so that they race as far as the implementation lets them.
async fn together<T>(mut answers: Vec<Answer<'_, T>>) -> Vec<Result<T, Fault>> {
    let mut done: Vec<Option<Result<T, Fault>>> = answers.iter().map(|_| None).collect();
    poll_fn(move |context| {
        for (answer, slot) in answers.iter_mut().zip(&mut done).filter(|(_, slot)| slot.is_none()) {
            if let Poll::Ready(result) = answer.as_mut().poll(context) {
                *slot = Some(result);
            }
        }
        if done.iter().all(Option::is_some) {
            Poll::Ready(done.drain(..).flatten().collect())
        } else {
            Poll::Pending
        }
    })
    .await
}
