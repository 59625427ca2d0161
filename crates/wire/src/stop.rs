//! How whatever runs is told to stop.

use tokio::sync::watch;

/// Waits until everything is to stop. If nobody can say so any more, it is.
pub async fn stopped(stop: &mut watch::Receiver<bool>) {
    // An error means that whoever could say so is gone.
    let _ = stop.wait_for(|stop| *stop).await;
}
