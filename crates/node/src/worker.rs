//! Long computations, on threads of their own that yield to everything else: a signature never waits for a batch.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use keymoot_engine::crypto::{Job, Progress, Unfit};
use keymoot_engine::message::Address;
use keymoot_engine::real::Real;
use keymoot_types::SessionId;
use tokio::sync::mpsc;

use crate::turns::{Turn, Turns};

/// Jobs that wait for a thread. The engine begins no more sessions than this.
pub(crate) const JOBS_MAX: usize = 1024;

/// How nice the threads are: a third of the time of others where time is short. Much nicer, and on a busy machine no batch
/// is ever done in its time.
const NICE: i32 = 5;

/// What became of a job.
pub(crate) type Worked = (SessionId, Result<Progress<Real>, Unfit>);

/// A few threads and what waits for them. They end when this is dropped and nothing waits any more.
pub(crate) struct Workers<J = Job<Real>> {
    waiting: Arc<Waiting<J>>,
}

struct Waiting<J> {
    desk: Mutex<Desk<J>>,
    news: Condvar,
}

struct Desk<J> {
    turns: Turns<J>,
    is_closed: bool,
}

impl<J> Default for Waiting<J> {
    fn default() -> Self {
        let desk = Desk { turns: Turns::default(), is_closed: false };
        Self { desk: Mutex::new(desk), news: Condvar::new() }
    }
}

impl<J> Waiting<J> {
    /// Nothing that is done under the lock can fail halfway.
    fn desk(&self) -> MutexGuard<'_, Desk<J>> {
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next job, when there is one; nothing when there will be none.
    fn next(&self) -> Option<Turn<J>> {
        let idle = |desk: &mut Desk<J>| desk.turns.len() == 0 && !desk.is_closed;
        let mut desk = self.news.wait_while(self.desk(), idle).unwrap_or_else(PoisonError::into_inner);
        desk.turns.take()
    }
}

impl Workers {
    /// Starts the threads; results come out of the receiver.
    pub(crate) fn start(crypto: &Real, threads: usize) -> std::io::Result<(Self, mpsc::Receiver<Worked>)> {
        let (done, results) = mpsc::channel(JOBS_MAX);
        let workers = Self { waiting: Arc::default() };
        for number in 0..threads.max(1) {
            let (crypto, waiting, done) = (crypto.clone(), Arc::clone(&workers.waiting), done.clone());
            std::thread::Builder::new()
                .name(format!("worker-{number}"))
                .spawn(move || work(&crypto, &waiting, &done))?;
        }
        Ok((workers, results))
    }
}

impl<J> Workers<J> {
    /// Hands a job over, for somebody's turn. If there is no room for it, it has failed.
    pub(crate) fn submit(&self, whose: Address, session: SessionId, job: J) -> Result<(), Unfit> {
        let mut desk = self.waiting.desk();
        if desk.turns.len() >= JOBS_MAX {
            return Err(Unfit("the workers have too much to do"));
        }
        desk.turns.put(whose, session, job);
        self.waiting.news.notify_one();
        Ok(())
    }

    /// Drops a session's job, if no thread has begun with it.
    pub(crate) fn abandon(&self, session: SessionId) -> bool {
        let job = self.waiting.desk().turns.remove(session);
        job.is_some()
    }
}

impl<J> Drop for Workers<J> {
    fn drop(&mut self) {
        self.waiting.desk().is_closed = true;
        self.waiting.news.notify_all();
    }
}

/// What came of a job; that it has failed, if it panicked. A job owns all it works on: what it leaves half done is gone.
fn answered(job: impl FnOnce() -> Result<Progress<Real>, Unfit>) -> Result<Progress<Real>, Unfit> {
    catch_unwind(AssertUnwindSafe(job)).unwrap_or(Err(Unfit("the worker has failed")))
}

fn work(crypto: &Real, waiting: &Waiting<Job<Real>>, done: &mpsc::Sender<Worked>) {
    // On Linux this is about the calling thread. Without it, batches only compete with signatures more than they should.
    let _ = rustix::process::setpriority_process(None, NICE);
    while let Some(Turn { whose, session, job }) = waiting.next() {
        let began = std::time::Instant::now();
        let result = answered(|| job.run(crypto));
        let time = began.elapsed();
        waiting.desk().turns.took(whose, time);
        metrics::histogram!("keymoot_node_job_seconds").record(time.as_secs_f64());
        if done.blocking_send((session, result)).is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use keymoot_engine::crypto::Unfit;
    use keymoot_engine::message::Address;
    use keymoot_engine::real::Real;
    use keymoot_types::SessionId;

    use super::{JOBS_MAX, Workers, answered};

    #[test]
    fn a_job_that_panics_has_failed() {
        assert_eq!(answered(|| panic!("a defect")).err(), Some(Unfit("the worker has failed")));
        assert_eq!(answered(|| Err(Unfit("no"))).err(), Some(Unfit("no")));
    }

    #[test]
    fn what_waits_can_be_dropped_and_there_is_an_end_to_what_waits() {
        // Nobody works.
        let workers = Workers { waiting: Arc::default() };
        let (whose, session) = (Address::Coordinator(0), SessionId::new([3; 16]));
        assert!(workers.submit(whose, session, "a job").is_ok());
        assert!(workers.abandon(session) && !workers.abandon(session));
        for _ in 0..JOBS_MAX {
            assert!(workers.submit(whose, session, "a job").is_ok());
        }
        assert!(workers.submit(whose, session, "a job").is_err());
    }

    #[tokio::test]
    async fn threads_end_when_nobody_has_work_for_them() {
        let (workers, mut results) = Workers::start(&Real::from_seed([1; 32]), 2).unwrap();
        drop(workers);
        assert!(results.recv().await.is_none(), "both threads have let go of the other end");
    }
}
