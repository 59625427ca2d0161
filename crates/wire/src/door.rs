//! Whoever comes to a listener. When the system cannot accept, which is when there are no file handles left, the door is left
//! alone for a moment: asking again at once would take a whole core, and giving up would lock everybody out for good.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::{Sleep, sleep};
use tracing::warn;

/// How long to leave it alone.
const PAUSE: Duration = Duration::from_millis(100);

/// The next one who comes in, however often that fails before.
pub async fn next<T, F: Future<Output = io::Result<T>>>(mut accept: impl FnMut() -> F) -> T {
    loop {
        match accept().await {
            Ok(accepted) => return accepted,
            Err(error) => pause(&error).await,
        }
    }
}

/// The same, for who polls: what is to be remembered between two polls.
#[derive(Debug, Default)]
pub struct Door(Option<Pin<Box<Sleep>>>);

impl Door {
    /// The next one who comes in, however often that fails before.
    pub fn poll<T>(
        &mut self,
        context: &mut Context<'_>,
        mut accept: impl FnMut(&mut Context<'_>) -> Poll<io::Result<T>>,
    ) -> Poll<T> {
        loop {
            if let Some(pause) = &mut self.0 {
                ready!(pause.as_mut().poll(context));
                self.0 = None;
            }
            match ready!(accept(context)) {
                Ok(accepted) => return Poll::Ready(accepted),
                Err(error) => self.0 = Some(Box::pin(pause(&error))),
            }
        }
    }
}

fn pause(error: &io::Error) -> Sleep {
    warn!(%error, "cannot accept a connection");
    sleep(PAUSE)
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::future::poll_fn;
    use std::io;
    use std::task::Poll;
    use std::time::Instant;

    use super::{Door, PAUSE, next};

    #[tokio::test]
    async fn a_door_that_fails_is_tried_again_after_a_pause_each_time() {
        let tries = Cell::new(0);
        let accept = || {
            tries.set(tries.get() + 1);
            // No file handles left, twice.
            if tries.get() < 3 { Err(io::Error::from_raw_os_error(24)) } else { Ok("somebody") }
        };
        let mut door = Door::default();
        for way in ["waits", "polls"] {
            let began = Instant::now();
            tries.set(0);
            let came = match way {
                "waits" => next(|| async { accept() }).await,
                _ => poll_fn(|context| door.poll(context, |_| Poll::Ready(accept()))).await,
            };
            assert_eq!((came, tries.get()), ("somebody", 3), "who {way}");
            assert!(began.elapsed() >= 2 * PAUSE, "who {way}: {:?}", began.elapsed());
        }
    }
}
