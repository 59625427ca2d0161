//! Answers that nobody has heard: the connection broke, or the caller had waited long enough. Whoever asks the same then gets
//! that answer, since it is the same request as a rule, and to send once more would be to pay twice. When an answer counts as
//! heard is in [`crate::told`].

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use alloy_primitives::B256;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::held::Question;
use crate::refusal::Refusal;
use crate::told::Untold;

/// For how long, from when its caller has left.
const LEFT: Duration = Duration::from_secs(15 * 60);
/// At most so many; the oldest are forgotten first.
const LEFT_MAX: usize = 4096;

/// An answer, when it is there.
pub type Outcome = watch::Receiver<Option<Result<B256, Refusal>>>;

struct Entry {
    question: Question,
    since: Instant,
    outcome: Outcome,
}

/// All of them.
#[derive(Default)]
pub struct Left(Mutex<VecDeque<Entry>>);

/// Somebody who waits for an answer. Dropped before he has it, he leaves it to the next.
pub struct Listener(Option<Box<dyn FnOnce(bool) + Send>>);

impl Listener {
    /// What is to be done at the end; `true`: he has it.
    pub fn new(end: impl FnOnce(bool) + Send + 'static) -> Self {
        Self(Some(Box::new(end)))
    }

    /// He has it.
    pub fn has_heard(mut self) {
        self.end(true);
    }

    fn end(&mut self, has_heard: bool) {
        if let Some(end) = self.0.take() {
            end(has_heard);
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.end(false);
    }
}

impl Left {
    fn entries(&self) -> MutexGuard<'_, VecDeque<Entry>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn leave(&self, question: Question, outcome: Outcome) {
        let mut entries = self.entries();
        if entries.len() >= LEFT_MAX {
            entries.pop_front();
        }
        entries.push_back(Entry { question, since: Instant::now(), outcome });
    }

    /// The oldest to a request, if it is there or comes. What has failed is as good as never asked.
    pub fn take(&self, question: &Question) -> Option<Outcome> {
        let now = Instant::now();
        let mut entries = self.entries();
        entries.retain(|entry| {
            let has_failed = matches!(&*entry.outcome.borrow(), Some(Err(_)));
            !has_failed && now.duration_since(entry.since) <= LEFT
        });
        let at = entries.iter().position(|entry| entry.question == *question)?;
        entries.remove(at).map(|entry| entry.outcome)
    }

    /// Waits for an answer. It is not told yet when it is there.
    pub async fn listen(
        self: &Arc<Self>,
        question: Question,
        mut outcome: Outcome,
        untold: &Untold,
    ) -> Result<B256, Refusal> {
        let (left, answer) = (self.clone(), outcome.clone());
        let listener = Listener::new(move |has_heard| {
            if !has_heard {
                left.leave(question, answer);
            }
        });
        // Without a sender there never will be one.
        let told = outcome.wait_for(Option::is_some).await.ok().and_then(|told| told.clone());
        match told {
            Some(Ok(hash)) => {
                untold.put(listener);
                Ok(hash)
            }
            // What has failed is as good as never asked.
            failed => {
                listener.has_heard();
                failed.unwrap_or_else(|| Err(Refusal::defect("a transaction was dropped half-way")))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use alloy_primitives::Address;
    use futures_util::FutureExt;

    use super::*;
    use crate::held::Purpose;
    use crate::transaction::Draft;

    fn question() -> Question {
        Question::new(Purpose::Send, Address::ZERO, &Draft::default())
    }

    #[tokio::test(start_paused = true)]
    async fn the_answer_that_one_did_not_wait_for_is_the_next_ones() {
        let (left, untold) = (Arc::new(Left::default()), Untold::default());
        let (tell, outcome) = watch::channel(None);
        assert!(
            left.listen(question(), outcome.clone(), &untold).now_or_never().is_none(),
            "it is not there yet"
        );
        let again = left.take(&question()).unwrap();
        assert!(left.take(&question()).is_none(), "it goes to one");
        assert!(left.listen(question(), again, &untold).now_or_never().is_none());
        tell.send_replace(Some(Ok(B256::repeat_byte(7))));
        let again = left.take(&question()).unwrap();
        assert_eq!(left.listen(question(), again, &untold).now_or_never(), Some(Ok(B256::repeat_byte(7))));
        drop(untold);
        let again = left.take(&question()).expect("it was made, and not told");
        let untold = Untold::default();
        assert!(left.listen(question(), again, &untold).now_or_never().is_some());
        untold.told();
        let untold = Untold::default();
        assert!(left.take(&question()).is_none(), "who has heard it leaves nothing");
        let (_tell, outcome) = watch::channel(None);
        assert!(left.listen(question(), outcome, &untold).now_or_never().is_none());
        tokio::time::advance(LEFT + Duration::from_secs(1)).await;
        assert!(left.take(&question()).is_none(), "it is too old");
    }

    #[tokio::test]
    async fn what_has_failed_meanwhile_is_asked_anew() {
        let (left, untold) = (Arc::new(Left::default()), Untold::default());
        let (tell, outcome) = watch::channel(None);
        assert!(left.listen(question(), outcome, &untold).now_or_never().is_none());
        tell.send_replace(Some(Err(Refusal::defect("no"))));
        assert!(left.take(&question()).is_none());
        let (tell, outcome) = watch::channel(None);
        drop(tell);
        assert!(left.listen(question(), outcome, &untold).await.is_err());
    }
}
