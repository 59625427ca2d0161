//! What a request holds while it is worked on. It goes with the work and not with the connection: whoever leaves makes no
//! room for more, and a signer that stops waits for it.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, oneshot};

use crate::budget::Weight;

/// A turn among the transactions of one batch, which get their places in the order in which they stand there.
#[derive(Default)]
pub struct Baton {
    before: Option<oneshot::Receiver<()>>,
    after: Option<oneshot::Sender<()>>,
}

impl Baton {
    /// The turn behind another; `last` is then behind this one.
    pub fn behind(last: &mut Option<oneshot::Receiver<()>>) -> Self {
        let (after, next) = oneshot::channel();
        Self { before: last.replace(next), after: Some(after) }
    }
}

/// What a request holds while it is worked on.
pub struct Errand {
    _place: OwnedSemaphorePermit,
    /// Of the body that it came in.
    _weight: Arc<Weight>,
    baton: Baton,
}

impl Errand {
    pub fn new(place: OwnedSemaphorePermit, weight: Arc<Weight>, baton: Baton) -> Self {
        Self { _place: place, _weight: weight, baton }
    }

    /// Waits until the one before has its place, or will never have one.
    pub async fn turn(&mut self) {
        if let Some(before) = self.baton.before.take() {
            // Passed on or dropped, it is over either way.
            let _ = before.await;
        }
    }

    /// Lets the next have its turn.
    pub fn pass_on(&mut self) {
        self.baton.after.take();
    }
}
