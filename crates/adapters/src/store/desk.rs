//! Where calls come in, and the task that does them in groups.

use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;

use keymoot_ports::{Clock, Fault};
use keymoot_types::Millis;
use sqlx::Connection;
use sqlx::sqlite::SqliteConnection;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot};

use super::faults::{Stop, fault};
use super::file::connect;

/// The most calls that wait. More are answered `Full`.
const WAITING_MAX: usize = 1024;

/// So much of that is for what cannot wait: admissions, leases, outcomes.
const RESERVED: usize = 512;

const _: () = assert!(RESERVED < WAITING_MAX, "some of the room is for everybody");

/// The most calls in one transaction.
const GROUP_MAX: usize = 256;

/// What a call does in its transaction.
pub(crate) type Job<'c, T> = Pin<Box<dyn Future<Output = Result<T, Stop>> + Send + 'c>>;

/// What a call works with: the connection, within a transaction, and the time.
pub(crate) struct Till {
    pub connection: SqliteConnection,
    pub now: Millis,
}

impl Till {
    /// The time as the database keeps it.
    pub(crate) fn now(&self) -> i64 {
        millis(self.now)
    }

    /// When a lease lapses that begins now.
    pub(crate) fn until(&self, ttl: keymoot_ports::Ttl) -> i64 {
        millis(self.now.plus(ttl.milliseconds()))
    }
}

fn millis(time: Millis) -> i64 {
    i64::try_from(time.0).unwrap_or(i64::MAX)
}

/// Takes calls in. Clones are the same desk; the task behind it ends with the last.
#[derive(Clone)]
pub(crate) struct Desk {
    line: mpsc::Sender<Order>,
}

enum Order {
    Call(Box<dyn Call>),
    Close(oneshot::Sender<()>),
}

/// A call whose answer waits for its transaction.
trait Call: Send {
    /// Does it. An error means that the transaction failed.
    fn run<'c>(
        &'c mut self,
        till: &'c mut Till,
    ) -> Pin<Box<dyn Future<Output = Result<(), sqlx::Error>> + Send + 'c>>;

    /// Answers, after the transaction was made durable, or failed.
    fn settle(self: Box<Self>, end: &Result<(), Fault>);
}

struct Waiting<T, F> {
    job: Option<F>,
    result: Option<Result<T, Fault>>,
    answer: oneshot::Sender<Result<T, Fault>>,
}

impl<T, F> Call for Waiting<T, F>
where
    T: Send,
    F: for<'c> FnOnce(&'c mut Till) -> Job<'c, T> + Send,
{
    fn run<'c>(
        &'c mut self,
        till: &'c mut Till,
    ) -> Pin<Box<dyn Future<Output = Result<(), sqlx::Error>> + Send + 'c>> {
        Box::pin(async move {
            let Some(job) = self.job.take() else { return Ok(()) };
            self.result = match job(till).await {
                Ok(done) => Some(Ok(done)),
                Err(Stop::Rules(fault)) => Some(Err(fault)),
                Err(Stop::Database(cause)) => return Err(cause),
            };
            Ok(())
        })
    }

    fn settle(self: Box<Self>, end: &Result<(), Fault>) {
        let answer = match end {
            Ok(()) => self.result.unwrap_or(Err(Fault::unavailable())),
            Err(fault) => Err(fault.clone()),
        };
        // Who does not want to know any more is not told.
        drop(self.answer.send(answer));
    }
}

impl Desk {
    /// As [`Desk::ask`], for what may be told to come again: it leaves room for what may not.
    pub(crate) async fn ask_aside<T, F>(&self, job: F) -> Result<T, Fault>
    where
        T: Send + 'static,
        F: for<'c> FnOnce(&'c mut Till) -> Job<'c, T> + Send + 'static,
    {
        if self.line.capacity() <= RESERVED && !self.line.is_closed() {
            return Err(Fault::Full);
        }
        self.ask(job).await
    }

    /// Does this in a transaction, maybe with others, and answers when it is durable.
    pub(crate) async fn ask<T, F>(&self, job: F) -> Result<T, Fault>
    where
        T: Send + 'static,
        F: for<'c> FnOnce(&'c mut Till) -> Job<'c, T> + Send + 'static,
    {
        let (answer, told) = oneshot::channel();
        let call = Waiting { job: Some(job), result: None, answer };
        match self.line.try_send(Order::Call(Box::new(call))) {
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

/// Starts the task that works at a desk.
pub(super) fn start(path: PathBuf, connection: SqliteConnection, clock: Arc<dyn Clock>) -> Desk {
    let (line, orders) = mpsc::channel(WAITING_MAX);
    let now = clock.now();
    tokio::spawn(Clerk { path, till: Some(Till { connection, now }), clock }.work(orders));
    Desk { line }
}

struct Clerk {
    path: PathBuf,
    /// Gone after an error: the next transaction has a connection of its own, which remembers nothing.
    till: Option<Till>,
    clock: Arc<dyn Clock>,
}

impl Clerk {
    async fn work(mut self, mut orders: mpsc::Receiver<Order>) {
        let mut group: Vec<Box<dyn Call>> = Vec::new();
        let mut closing = None;
        while closing.is_none()
            && let Some(order) = orders.recv().await
        {
            let mut order = Some(order);
            while let Some(next) = order {
                match next {
                    Order::Call(call) => group.push(call),
                    Order::Close(answer) => closing = Some(answer),
                }
                let goes_on = closing.is_none() && group.len() < GROUP_MAX;
                order = if goes_on { orders.try_recv().ok() } else { None };
            }
            if !group.is_empty() {
                let end = self.transact(&mut group).await.map_err(fault);
                group.drain(..).for_each(|call| call.settle(&end));
            }
        }
        if let Some(till) = self.till {
            // What was answered is durable already.
            let _ = till.connection.close().await;
        }
        closing.map(|answer| answer.send(()));
    }

    /// All calls in one transaction: either all of them happen, or none.
    async fn transact(&mut self, group: &mut [Box<dyn Call>]) -> Result<(), sqlx::Error> {
        let now = self.clock.now();
        let mut till = match self.till.take() {
            Some(till) => Till { now, ..till },
            None => Till { connection: connect(&self.path).await?, now },
        };
        let end = attempt(&mut till, group).await;
        match &end {
            Ok(()) => self.till = Some(till),
            Err(cause) => {
                tracing::warn!(%cause, "a transaction of the embedded store failed");
                // Closing takes back what was not committed.
                let _ = till.connection.close_hard().await;
            }
        }
        end
    }
}

async fn attempt(till: &mut Till, group: &mut [Box<dyn Call>]) -> Result<(), sqlx::Error> {
    sqlx::query("BEGIN IMMEDIATE").execute(&mut till.connection).await?;
    for call in group {
        call.run(till).await?;
    }
    sqlx::query("COMMIT").execute(&mut till.connection).await?;
    Ok(())
}
