//! Where look-ups come in, and the task that does them: beside the writer, on a connection that cannot write. However many
//! look, nobody who holds a lease waits for them, and a look that is too much is refused to whoever looks.

use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;

use keymoot_ports::{Clock, Fault};
use sqlx::Connection;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot};

use super::desk::{Job, Till};
use super::faults::{Stop, fault};
use super::file::connect_to_read;

/// The most looks that wait. More are answered `Full`.
const WAITING_MAX: usize = 512;

/// Takes looks in. Clones are the same reader; the task behind it ends with the last.
#[derive(Clone)]
pub(crate) struct Reader {
    line: mpsc::Sender<Order>,
}

enum Order {
    Look(Box<dyn Look>),
    Close(oneshot::Sender<()>),
}

/// A look whose answer somebody waits for.
trait Look: Send {
    /// Looks, and answers. Whether the connection is as good as before.
    fn run<'c>(self: Box<Self>, till: &'c mut Till) -> Pin<Box<dyn Future<Output = bool> + Send + 'c>>;

    /// There is no connection.
    fn fail(self: Box<Self>, fault: Fault);
}

struct Waiting<T, F> {
    job: F,
    answer: oneshot::Sender<Result<T, Fault>>,
}

impl<T, F> Look for Waiting<T, F>
where
    T: Send + 'static,
    F: for<'c> FnOnce(&'c mut Till) -> Job<'c, T> + Send + 'static,
{
    fn run<'c>(self: Box<Self>, till: &'c mut Till) -> Pin<Box<dyn Future<Output = bool> + Send + 'c>> {
        Box::pin(async move {
            let Self { job, answer } = *self;
            if answer.is_closed() {
                return true;
            }
            let (told, is_good) = match job(till).await {
                Ok(seen) => (Ok(seen), true),
                Err(Stop::Rules(fault)) => (Err(fault), true),
                Err(Stop::Database(cause)) => {
                    tracing::warn!(%cause, "a look into the embedded store failed");
                    (Err(fault(cause)), false)
                }
            };
            // Who does not want to know any more is not told.
            drop(answer.send(told));
            is_good
        })
    }

    fn fail(self: Box<Self>, fault: Fault) {
        // As there.
        drop(self.answer.send(Err(fault)));
    }
}

impl Reader {
    /// Looks, with a connection that sees all that was made durable before.
    pub(crate) async fn ask<T, F>(&self, job: F) -> Result<T, Fault>
    where
        T: Send + 'static,
        F: for<'c> FnOnce(&'c mut Till) -> Job<'c, T> + Send + 'static,
    {
        let (answer, told) = oneshot::channel();
        match self.line.try_send(Order::Look(Box::new(Waiting { job, answer }))) {
            Ok(()) => told.await.unwrap_or_else(|_| Err(Fault::unavailable())),
            Err(TrySendError::Full(_)) => Err(Fault::Full),
            Err(TrySendError::Closed(_)) => Err(Fault::unavailable()),
        }
    }

    pub(super) async fn close(&self) {
        let (answer, told) = oneshot::channel();
        if self.line.send(Order::Close(answer)).await.is_ok() {
            // An error means that the task is gone, and the connection with it.
            let _ = told.await;
        }
    }
}

/// Starts the task that looks. The file was opened before; it is connected to with the first look.
pub(super) fn start(path: PathBuf, clock: Arc<dyn Clock>) -> Reader {
    let (line, orders) = mpsc::channel(WAITING_MAX);
    tokio::spawn(work(path, clock, orders));
    Reader { line }
}

async fn work(path: PathBuf, clock: Arc<dyn Clock>, mut orders: mpsc::Receiver<Order>) {
    let mut till: Option<Till> = None;
    let mut closing = None;
    while closing.is_none()
        && let Some(order) = orders.recv().await
    {
        let look = match order {
            Order::Look(look) => look,
            Order::Close(answer) => {
                closing = Some(answer);
                continue;
            }
        };
        let connected = match till.take() {
            Some(till) => Ok(till.connection),
            None => connect_to_read(&path).await,
        };
        let mut here = match connected {
            Ok(connection) => Till { connection, now: clock.now() },
            Err(cause) => {
                look.fail(fault(cause));
                continue;
            }
        };
        if look.run(&mut here).await {
            till = Some(here);
        } else {
            // The next look has a connection of its own, which remembers nothing.
            let _ = here.connection.close_hard().await;
        }
    }
    if let Some(till) = till {
        // Nothing was written.
        let _ = till.connection.close().await;
    }
    closing.map(|answer| answer.send(()));
}
