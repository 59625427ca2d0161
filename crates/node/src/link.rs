//! The link to one coordinator: the node dials, opens the stream on which all sessions flow, and renews its lease. Whatever
//! breaks is dialled again after a pause; no wait is without a deadline.

mod presence;
mod stream;

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use keymoot_wire::cluster::DocumentHandle;
use keymoot_wire::outbox::Outbox;
use keymoot_wire::stop::stopped;
use keymoot_wire::tls::{self, Identity};
use rand::Rng;
use tokio::sync::{mpsc, watch};
use tonic::Request;

use crate::parcel::Parcel;
use crate::pass;
use crate::status::Board;
use crate::task::Heard;

/// The shortest pause between two attempts.
const PAUSE_MIN: Duration = Duration::from_millis(100);

/// The longest.
const PAUSE_MAX: Duration = Duration::from_secs(3);

/// A link that held for so long was a good one: after it the pauses are short again.
const GOOD: Duration = Duration::from_secs(5);

/// How often to look whether there is another cluster document.
const LOOK: Duration = Duration::from_secs(1);

/// The longest message, in bytes: mail of 4 MiB and what is around it.
pub(crate) const MESSAGE_MAX: usize = 5 << 20;

/// What all links of a node have in common.
pub(crate) struct Lines {
    pub(crate) name: String,
    pub(crate) document: DocumentHandle,
    pub(crate) identity: Arc<Identity>,
    pub(crate) board: Arc<Board>,
    pub(crate) heard: mpsc::Sender<Heard>,
    pub(crate) stop: watch::Receiver<bool>,
}

/// One link.
pub(crate) struct Link {
    pub(crate) number: u16,
    pub(crate) outbox: Arc<Outbox<Parcel>>,
    pub(crate) lines: Arc<Lines>,
}

/// Why a link is not up.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LinkFault {
    #[error("the cluster document has no such coordinator any more")]
    Unlisted,
    #[error("it cannot be dialled")]
    Address(#[source] tls::TlsError),
    #[error("it does not answer in time")]
    Silent,
    #[error("it refuses: {}", .0.message())]
    Refused(#[source] tonic::Status),
    #[error(
        "it speaks version {theirs} of the messages, and this node version {ours}; bring both to one release"
    )]
    Version { ours: u32, theirs: u32 },
    #[error("it does not keep to the order of the stream")]
    Disorder,
    #[error("it closed the stream")]
    Closed,
    #[error("there is another cluster document, and it has to be somebody by that one too")]
    Document,
    #[error("no token can be made")]
    Token(#[source] pass::PassFault),
}

impl From<tonic::Status> for LinkFault {
    fn from(status: tonic::Status) -> Self {
        Self::Refused(status)
    }
}

impl Link {
    /// Keeps the link up until the node stops.
    pub(crate) async fn run(self) {
        let mut stop = self.lines.stop.clone();
        tokio::select! {
            () = stopped(&mut stop) => {}
            () = self.keep_up() => {}
        }
        self.lines.board.link(self.number, |link| link.is_up = false);
    }

    async fn keep_up(&self) {
        let mut pause = PAUSE_MIN;
        loop {
            let began = std::time::Instant::now();
            let Err(fault) = self.once().await;
            let text = describe(&fault);
            self.lines.board.link(self.number, |link| {
                if link.is_up || link.trouble.as_ref() != Some(&text) {
                    tracing::warn!(coordinator = link.coordinator, reason = text, "the link is down");
                }
                (link.is_up, link.trouble) = (false, Some(text.clone()));
            });
            metrics::counter!("keymoot_node_link_lost_total", "coordinator" => self.number.to_string())
                .increment(1);
            pause = if began.elapsed() > GOOD { PAUSE_MIN } else { pause };
            let jitter = rand::thread_rng().gen_range(0.5..1.0);
            tokio::time::sleep(pause.mul_f64(jitter)).await;
            pause = (pause * 2).min(PAUSE_MAX);
        }
    }

    /// One connection, to its end.
    async fn once(&self) -> Result<Infallible, LinkFault> {
        let line = crate::dial::coordinator(self.number, &self.lines.identity, &self.lines.document)?;
        tokio::select! {
            end = self.stream(&line) => {
                let Err(fault) = end;
                self.rescue(&line).await;
                Err(fault)
            }
            end = self.presence(&line) => end,
            end = self.outdated() => end,
        }
    }

    /// Waits until there is another cluster document. Whoever is at the other end has to be somebody by that one too.
    async fn outdated(&self) -> Result<Infallible, LinkFault> {
        let digest = self.lines.document.load().digest();
        loop {
            tokio::time::sleep(LOOK).await;
            if self.lines.document.load().digest() != digest {
                return Err(LinkFault::Document);
            }
        }
    }

    /// A call on this line, with the token that belongs to its certificate.
    fn stamp<T>(&self, line: &tls::Link, message: T) -> Result<Request<T>, LinkFault> {
        pass::stamp(&line.credentials(), message).map_err(LinkFault::Token)
    }
}

/// An error with its causes, for a log line and for the readiness reasons.
fn describe(fault: &LinkFault) -> String {
    let mut text = fault.to_string();
    let mut source = std::error::Error::source(fault);
    while let Some(cause) = source {
        let clause = cause.to_string();
        if !text.contains(&clause) {
            text.push_str(": ");
            text.push_str(&clause);
        }
        source = cause.source();
    }
    text
}
