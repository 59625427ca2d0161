//! The search for safe primes, on a thread below all others: nobody ever waits for it but the moduli of GG20, which are made
//! once.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use keymoot_engine::crypto::Crypto;
use keymoot_engine::real::Real;
use tokio::sync::mpsc;
use zeroize::Zeroizing;

/// How nice the thread is: it has what nobody else wants. As nice as can be, and yet a step ends some time.
const NICE: i32 = 19;

type Seed = Zeroizing<[u8; 32]>;

/// What a step has found, if it has found anything.
pub(crate) type Sought = Option<<Real as Crypto>::Prime>;

/// The thread that looks. It ends when this is dropped and its step is done.
pub(crate) struct Seeker {
    seeds: SyncSender<Seed>,
}

impl Seeker {
    /// Starts the thread, which does nothing until it is asked to; what it finds comes out of the receiver.
    pub(crate) fn start(crypto: &Real) -> std::io::Result<(Self, mpsc::Receiver<Sought>)> {
        let (seeds, given) = sync_channel(1);
        let (found, results) = mpsc::channel(1);
        let crypto = crypto.clone();
        std::thread::Builder::new()
            .name("seeker".to_owned())
            .spawn(move || look(|seed| crypto.seek(seed), &given, &found))?;
        Ok((Self { seeds }, results))
    }

    /// Has one step done. While another is under way it waits, and a third is not done: the engine asks again.
    pub(crate) fn seek(&self, seed: Seed) {
        if self.seeds.try_send(seed).is_err() {
            tracing::debug!("the search for safe primes is behind");
        }
    }
}

/// One step after another. One that panics has found nothing.
fn look<T>(seek: impl Fn(&[u8; 32]) -> Option<T>, given: &Receiver<Seed>, found: &mpsc::Sender<Option<T>>) {
    // On Linux this is about the calling thread.
    let _ = rustix::process::setpriority_process(None, NICE);
    while let Ok(seed) = given.recv() {
        let began = std::time::Instant::now();
        let prime = catch_unwind(AssertUnwindSafe(|| seek(&seed))).unwrap_or(None);
        metrics::histogram!("keymoot_node_seek_seconds").record(began.elapsed().as_secs_f64());
        if found.blocking_send(prime).is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::sync_channel;

    use tokio::sync::mpsc;
    use zeroize::Zeroizing;

    use super::{Seeker, look};

    #[test]
    fn a_step_that_panics_has_found_nothing_and_the_next_one_is_done() {
        let ((seeds, given), (found, mut results)) = (sync_channel(3), mpsc::channel(3));
        for first in [0, 1, 2] {
            seeds.send(Zeroizing::new([first; 32])).unwrap();
        }
        drop(seeds);
        let seek = |seed: &[u8; 32]| match seed[0] {
            0 => panic!("a defect"),
            1 => None,
            other => Some(other),
        };
        look(seek, &given, &found);
        assert_eq!([(); 3].map(|()| results.blocking_recv()), [Some(None), Some(None), Some(Some(2))]);
    }

    #[tokio::test]
    async fn the_thread_ends_when_nobody_has_it_look_for_anything() {
        let (seeker, mut results) = Seeker::start(&keymoot_engine::real::Real::from_seed([1; 32])).unwrap();
        drop(seeker);
        assert!(results.recv().await.is_none(), "it has let go of the other end");
    }
}
