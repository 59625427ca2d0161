//! The stream of all sessions between this node and one coordinator.

use std::convert::Infallible;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream;
use keymoot_engine::message::Message;
use keymoot_engine::words::Wire;
use keymoot_wire::mpc::mpc_node_client::MpcNodeClient;
use keymoot_wire::mpc::session_message::Body;
use keymoot_wire::mpc::{Hello, PROTOCOL_VERSION, SessionMessage, SubmitSignatureShareRequest};
use keymoot_wire::outbox::Outbox;
use keymoot_wire::tls;
use keymoot_wire::trace;
use tokio::time::timeout;
use tonic::Streaming;
use tonic::transport::Channel;

use super::{Link, LinkFault, MESSAGE_MAX};
use crate::parcel::Parcel;
use crate::task::Heard;

/// How long opening the stream, and each of its first words, may take.
const OPENING: Duration = Duration::from_secs(5);

/// How long one message may take on the way beside the stream.
const BESIDE: Duration = Duration::from_secs(1);

/// Messages that are saved on the way beside the stream after it broke.
const RESCUED_MAX: u64 = 64;

/// The right to take out of an outbox, until it is dropped.
struct Turn<'a> {
    outbox: &'a Outbox<Parcel>,
    turn: u64,
}

impl<'a> Turn<'a> {
    fn take(outbox: &'a Outbox<Parcel>) -> Self {
        Self { outbox, turn: outbox.take_turn() }
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.outbox.end_turn(self.turn);
    }
}

impl Link {
    /// Opens the stream and carries what comes, until it breaks.
    pub(super) async fn stream(&self, line: &tls::Link) -> Result<Infallible, LinkFault> {
        let mut client = client(line);
        // However this ends, the stream ends with it: while one is open, its connection is.
        let held = Turn::take(&self.outbox);
        let turn = held.turn;
        let outbox = std::sync::Arc::clone(&self.outbox);
        let hello =
            SessionMessage { sequence: 1, body: Some(Body::Hello(self.hello())), ..Default::default() };
        let rest = stream::unfold((outbox, 1_u64), move |(outbox, sequence)| async move {
            let parcel = outbox.next(turn).await?;
            let sequence = sequence.saturating_add(1);
            Some((parcel.into_message(sequence), (outbox, sequence)))
        });
        let outgoing = stream::once(async { hello }).chain(rest);
        let request = self.stamp(line, outgoing)?;
        let opening = timeout(OPENING, client.join_signing_session(request));
        let mut incoming = opening.await.map_err(|_| LinkFault::Silent)??.into_inner();
        let first = timeout(OPENING, incoming.message()).await.map_err(|_| LinkFault::Silent)??;
        self.welcomed(first)?;
        self.listen(&mut incoming).await
    }

    fn hello(&self) -> Hello {
        Hello {
            node: self.lines.name.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            document: self.lines.document.load().digest().to_vec(),
            protocol: PROTOCOL_VERSION,
        }
    }

    fn welcomed(&self, first: Option<SessionMessage>) -> Result<(), LinkFault> {
        let Some(SessionMessage { sequence: 1, body: Some(Body::Welcome(welcome)), .. }) = first else {
            return Err(if first.is_some() { LinkFault::Disorder } else { LinkFault::Closed });
        };
        if welcome.protocol != PROTOCOL_VERSION {
            return Err(LinkFault::Version { ours: PROTOCOL_VERSION, theirs: welcome.protocol });
        }
        tracing::info!(coordinator = welcome.coordinator, version = welcome.version, "the link is up");
        self.lines.board.link(self.number, |link| (link.is_up, link.trouble) = (true, None));
        Ok(())
    }

    async fn listen(&self, incoming: &mut Streaming<SessionMessage>) -> Result<Infallible, LinkFault> {
        let mut expected: u64 = 2;
        while let Some(message) = incoming.message().await? {
            if message.sequence != expected {
                return Err(LinkFault::Disorder);
            }
            expected = expected.saturating_add(1);
            let trace = Some(message.trace).filter(|trace| trace::is_plain(trace)).unwrap_or_default();
            let Some(Body::Engine(bytes)) = message.body else { return Err(LinkFault::Disorder) };
            match Message::decode(&bytes) {
                // The queue is bounded: when the engine does not keep up, the coordinator waits.
                Ok(message) => {
                    let heard = Heard { from: self.number, message, trace };
                    if self.lines.heard.send(heard).await.is_err() {
                        return Err(LinkFault::Closed);
                    }
                }
                Err(error) => {
                    metrics::counter!("keymoot_node_messages_unreadable_total").increment(1);
                    tracing::debug!(%error, "a message cannot be read");
                }
            }
        }
        Err(LinkFault::Closed)
    }

    /// The stream is gone, and the connection may not be: signature shares that wait get out one by one.
    pub(super) async fn rescue(&self, line: &tls::Link) {
        let mut client = client(line);
        for sequence in 1..=RESCUED_MAX {
            let Some(parcel) = self.outbox.pick(|parcel| parcel.is_share) else { return };
            let message = Some(parcel.into_message(sequence));
            let request = SubmitSignatureShareRequest { node: self.lines.name.clone(), message };
            let Ok(request) = self.stamp(line, request) else { return };
            if !matches!(timeout(BESIDE, client.submit_signature_share(request)).await, Ok(Ok(_))) {
                return;
            }
            metrics::counter!("keymoot_node_shares_rescued_total").increment(1);
        }
    }
}

fn client(line: &tls::Link) -> MpcNodeClient<Channel> {
    MpcNodeClient::new(line.channel())
        .max_decoding_message_size(MESSAGE_MAX)
        .max_encoding_message_size(MESSAGE_MAX)
}
