//! Long computations, on threads of their own that yield to everything else: a signature never waits for a batch.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};

use keymoot_engine::crypto::{Job, Progress, Unfit};
use keymoot_engine::real::Real;
use keymoot_types::SessionId;
use tokio::sync::mpsc;

/// Jobs that wait for a thread. The engine begins no more sessions than this.
pub(crate) const JOBS_MAX: usize = 1024;

/// How nice the threads are: a third of the time of others where time is short. Much nicer, and on a busy machine no batch
/// is ever done in its time.
const NICE: i32 = 5;

type Given = (SessionId, Job<Real>);
/// What became of a job.
pub(crate) type Worked = (SessionId, Result<Progress<Real>, Unfit>);

/// A few threads and what waits for them. They end when this is dropped and the queue is empty.
pub(crate) struct Workers {
    jobs: SyncSender<Given>,
}

impl Workers {
    /// Starts the threads; results come out of the receiver.
    pub(crate) fn start(crypto: &Real, threads: usize) -> std::io::Result<(Self, mpsc::Receiver<Worked>)> {
        let (jobs, given) = sync_channel(JOBS_MAX);
        let (done, results) = mpsc::channel(JOBS_MAX);
        let given = Arc::new(Mutex::new(given));
        for number in 0..threads.max(1) {
            let (crypto, given, done) = (crypto.clone(), Arc::clone(&given), done.clone());
            std::thread::Builder::new()
                .name(format!("worker-{number}"))
                .spawn(move || work(&crypto, &given, &done))?;
        }
        Ok((Self { jobs }, results))
    }

    /// Hands a job over. If there is no room for it, it has failed.
    pub(crate) fn submit(&self, session: SessionId, job: Job<Real>) -> Result<(), Unfit> {
        self.jobs.try_send((session, job)).map_err(|full| match full {
            TrySendError::Full(_) => Unfit("the workers have too much to do"),
            TrySendError::Disconnected(_) => Unfit("the workers are gone"),
        })
    }
}

/// What came of a job; that it has failed, if it panicked. A job owns all it works on: what it leaves half done is gone.
fn answered(job: impl FnOnce() -> Result<Progress<Real>, Unfit>) -> Result<Progress<Real>, Unfit> {
    catch_unwind(AssertUnwindSafe(job)).unwrap_or(Err(Unfit("the worker has failed")))
}

fn work(crypto: &Real, given: &Mutex<Receiver<Given>>, done: &mpsc::Sender<Worked>) {
    // On Linux this is about the calling thread. Without it, batches only compete with signatures more than they should.
    let _ = rustix::process::setpriority_process(None, NICE);
    loop {
        let next = given.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok((session, job)) = next else { return };
        let began = std::time::Instant::now();
        let result = answered(|| job.run(crypto));
        metrics::histogram!("keymoot_node_job_seconds").record(began.elapsed().as_secs_f64());
        if done.blocking_send((session, result)).is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use keymoot_engine::crypto::Unfit;
    use keymoot_engine::real::Real;

    use super::{Workers, answered};

    #[test]
    fn a_job_that_panics_has_failed() {
        assert_eq!(answered(|| panic!("a defect")).err(), Some(Unfit("the worker has failed")));
        assert_eq!(answered(|| Err(Unfit("no"))).err(), Some(Unfit("no")));
    }

    #[tokio::test]
    async fn threads_end_when_nobody_has_work_for_them() {
        let (workers, mut results) = Workers::start(&Real::from_seed([1; 32]), 2).unwrap();
        drop(workers);
        assert!(results.recv().await.is_none(), "both threads have let go of the other end");
    }
}
