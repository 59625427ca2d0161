//! The way to the engine: bounded in pieces and in bytes, because what nodes and callers bring is held until the engine has
//! it. When it does not keep up, whoever brings something waits.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use crate::task::Input;

/// Something for the engine, with the room that it takes up until the engine has it.
pub(crate) struct Brought {
    pub(crate) input: Input,
    pub(crate) room: Option<OwnedSemaphorePermit>,
}

/// It.
pub(crate) struct Inlet {
    line: mpsc::Sender<Brought>,
    room: Arc<Semaphore>,
    bytes: u32,
}

/// The engine has ended.
#[derive(Debug)]
pub(crate) struct Ended;

impl Inlet {
    /// For so many pieces, and bytes of all of them.
    pub(crate) fn new(pieces: usize, bytes: u32) -> (Self, mpsc::Receiver<Brought>) {
        let (line, brought) = mpsc::channel(pieces.max(1));
        let bytes = bytes.max(1);
        let room = Arc::new(Semaphore::new(usize::try_from(bytes).unwrap_or(Semaphore::MAX_PERMITS)));
        (Self { line, room, bytes }, brought)
    }

    /// Brings something of so many bytes, when there is room. What is longer than all the room takes all of it.
    pub(crate) async fn bring(&self, input: Input, bytes: usize) -> Result<(), Ended> {
        let room = match u32::try_from(bytes).unwrap_or(u32::MAX).min(self.bytes) {
            0 => None,
            bytes => Some(Arc::clone(&self.room).acquire_many_owned(bytes).await.map_err(|_| Ended)?),
        };
        self.line.send(Brought { input, room }).await.map_err(|_| Ended)
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;
    use keymoot_types::Party;

    use super::Inlet;
    use crate::task::Input;

    #[tokio::test]
    async fn bytes_are_counted_until_the_engine_has_them() {
        let (inlet, mut brought) = Inlet::new(9, 10);
        let input = || Input::Gone(Party::new(1).unwrap());
        inlet.bring(input(), 6).await.unwrap();
        assert!(inlet.bring(input(), 6).now_or_never().is_none(), "twelve are more than ten");
        assert!(inlet.bring(input(), 0).now_or_never().is_some(), "what takes up nothing does not wait");
        drop(brought.recv().await);
        inlet.bring(input(), 6).now_or_never().unwrap().unwrap();
        drop(brought.recv().await);
        drop(brought.recv().await);
        inlet.bring(input(), 1_000_000).now_or_never().unwrap().unwrap();
        drop(brought);
        inlet.bring(input(), 0).await.unwrap_err();
    }
}
