//! Whoever comes to a listener. When the system cannot accept, which is when there are no file handles left, the door is left
//! alone for a moment: asking again at once would take a whole core, and giving up would lock everybody out for good.

use std::future::Future;
use std::io;
use std::time::Duration;

use tracing::warn;

/// How long to leave it alone.
const PAUSE: Duration = Duration::from_millis(100);

/// The next one who comes in, however often that fails before.
pub async fn next<T, F: Future<Output = io::Result<T>>>(mut accept: impl FnMut() -> F) -> T {
    loop {
        match accept().await {
            Ok(accepted) => return accepted,
            Err(error) => {
                warn!(%error, "cannot accept a connection");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::io;
    use std::time::Instant;

    use super::{PAUSE, next};

    #[test]
    fn a_door_that_fails_is_tried_again_after_a_pause_each_time() {
        let (tries, began) = (Cell::new(0), Instant::now());
        let accept = || async {
            tries.set(tries.get() + 1);
            // No file handles left, twice.
            if tries.get() < 3 { Err(io::Error::from_raw_os_error(24)) } else { Ok("somebody") }
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        assert_eq!(runtime.block_on(next(accept)), "somebody");
        assert_eq!(tries.get(), 3);
        assert!(began.elapsed() >= 2 * PAUSE, "{:?}", began.elapsed());
    }
}
