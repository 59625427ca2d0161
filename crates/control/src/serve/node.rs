//! What nodes say: their leases, and the streams on which all sessions flow.

use std::collections::BTreeSet;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::{Stream, StreamExt, stream};
use keymoot_engine::message::Message;
use keymoot_engine::words::Wire;
use keymoot_ports::{Address, Name, Role, Ttl, registry};
use keymoot_types::Party;
use keymoot_wire::identity::PeerRole;
use keymoot_wire::mpc::mpc_node_server::MpcNode;
use keymoot_wire::mpc::session_message::Body;
use keymoot_wire::mpc::{
    HeartbeatRequest, HeartbeatResponse, Hello, OpenSession, PROTOCOL_VERSION, SessionMessage,
    SubmitSignatureShareRequest, SubmitSignatureShareResponse, Welcome,
};
use keymoot_wire::problem::Code;
use tokio::time::timeout;
use tonic::{Request, Response, Status, Streaming};

use super::{as_itself, caller, peer};
use crate::clock::wall_ms;
use crate::nodes::{self, Arrival};
use crate::room::Room;
use crate::task::Input;

/// How long a node may take for its first word, and the engine to take a message in.
const FIRST_WORD: Duration = Duration::from_secs(5);

/// How long the renewal of a lease may take.
const RENEWAL: Duration = Duration::from_secs(5);

/// The service.
pub(crate) struct NodeService {
    pub(crate) room: Arc<Room>,
    /// Whose leases are being renewed.
    renewing: Arc<Mutex<BTreeSet<Party>>>,
}

impl NodeService {
    pub(crate) fn new(room: Arc<Room>) -> Self {
        Self { room, renewing: Arc::default() }
    }
}

type Outgoing = Pin<Box<dyn Stream<Item = Result<SessionMessage, Status>> + Send>>;

#[tonic::async_trait]
impl MpcNode for NodeService {
    type JoinSigningSessionStream = Outgoing;

    async fn heartbeat(
        &self,
        request: Request<HeartbeatRequest>,
    ) -> Result<Response<HeartbeatResponse>, Status> {
        let beat = request.get_ref();
        as_itself(&request, PeerRole::Node, &beat.node)?;
        let (party, here) = (self.party(&beat.node)?, wall_ms());
        let skew = i128::from(beat.wall_ms) - i128::from(here);
        let skew = i64::try_from(skew).unwrap_or(i64::MAX);
        let document = self.room.document.load().digest();
        self.room.nodes.beat(party, &clean(&beat.version), skew, beat.document == document);
        self.renew(party, &beat.node);
        let (wall_ms, lease_ms) = (here, self.room.limits.presence);
        Ok(Response::new(HeartbeatResponse { wall_ms, document: document.to_vec(), lease_ms }))
    }

    async fn join_signing_session(
        &self,
        request: Request<Streaming<SessionMessage>>,
    ) -> Result<Response<Outgoing>, Status> {
        let caller = caller(&request)?;
        let party = self.party(caller.peer.name())?;
        let peer = peer(&request);
        let mut incoming = request.into_inner();
        let first = timeout(FIRST_WORD, incoming.message()).await;
        let first = first.map_err(|_| Code::TookTooLong.to_status("there was no hello"))??;
        let hello = match first {
            Some(SessionMessage { sequence: 1, body: Some(Body::Hello(hello)), .. }) => hello,
            _ => return Err(disorder("a stream begins with hello")),
        };
        self.check(&hello, caller.peer.name())?;
        let is_same = hello.document == self.room.document.load().digest();
        if !is_same {
            tracing::warn!(node = hello.node, "the node goes by another cluster document");
        }
        let connected = self.room.nodes.connect(party, peer, (&clean(&hello.version), is_same));
        let stream = connected.ok_or_else(|| Code::WrongPeer.to_status("there is no such node"))?;
        // Whoever hangs up now, or is not taken in, is not there.
        let arrival = Arrival::new(&self.room.nodes, party, stream.turn);
        tracing::info!(node = hello.node, version = clean(&hello.version), "a node is connected");
        let welcome = SessionMessage {
            sequence: 1,
            body: Some(Body::Welcome(self.welcome(party))),
            ..SessionMessage::default()
        };
        let room = Arc::clone(&self.room);
        let turn = stream.turn;
        room.hear(Input::Joined(party)).await?;
        let outgoing = outgoing(welcome, stream);
        tokio::spawn(async move {
            let reason = listen(&room, party, turn, incoming).await;
            if room.nodes.disconnect(party, turn) {
                room.tell(Input::Gone(party)).await;
            }
            tracing::info!(node = room.names.of(party), reason, "a node is disconnected");
        });
        arrival.settle();
        Ok(Response::new(outgoing))
    }

    async fn submit_signature_share(
        &self,
        request: Request<SubmitSignatureShareRequest>,
    ) -> Result<Response<SubmitSignatureShareResponse>, Status> {
        let asked = request.get_ref();
        as_itself(&request, PeerRole::Node, &asked.node)?;
        let party = self.party(&asked.node)?;
        let Some(SessionMessage { body: Some(Body::Engine(bytes)), round, .. }) = &asked.message else {
            return Err(disorder("there is no message"));
        };
        let message = Message::decode(bytes).map_err(|_| disorder("the message cannot be read"))?;
        if !matches!(message, Message::Mail(_)) {
            return Err(disorder("only mail of a session comes this way"));
        }
        self.room.hear_of(Input::Heard(party, message, *round), bytes.len()).await?;
        Ok(Response::new(SubmitSignatureShareResponse {}))
    }
}

fn disorder(words: &str) -> Status {
    Code::InvalidRequest.to_status(words)
}

/// A version as it may be printed.
fn clean(version: &str) -> String {
    version.chars().filter(char::is_ascii_graphic).take(32).collect()
}

impl NodeService {
    fn party(&self, name: &str) -> Result<Party, Status> {
        let party = self.room.names.party(name);
        party.ok_or_else(|| Code::WrongPeer.to_status("this coordinator began without such a node"))
    }

    fn check(&self, hello: &Hello, name: &str) -> Result<(), Status> {
        if hello.node != name {
            return Err(Code::WrongPeer.to_status(format!("{name} does not speak for {:?}", hello.node)));
        }
        if hello.protocol != PROTOCOL_VERSION {
            let words = format!(
                "{name} speaks version {} of the messages, and {} version {PROTOCOL_VERSION}; bring both to one release",
                hello.protocol, self.room.name
            );
            tracing::warn!(node = name, theirs = hello.protocol, ours = PROTOCOL_VERSION, "wrong version");
            return Err(Code::ProtocolVersion.to_status(words));
        }
        Ok(())
    }

    fn welcome(&self, party: Party) -> Welcome {
        let going = self.room.observer.going().into_iter();
        let its = going.filter(|(_, going)| going.members.contains(&party));
        let sessions = its.map(|(session, going)| OpenSession {
            session: session.to_string(),
            round: going.rounds.values().copied().max().unwrap_or(0),
        });
        Welcome {
            coordinator: self.room.name.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            protocol: PROTOCOL_VERSION,
            sessions: sessions.collect(),
        }
    }

    /// Has the lease of a node renewed, beside its beat: that it cannot be renewed, or not soon, is no reason to refuse or
    /// delay that.
    fn renew(&self, party: Party, name: &str) {
        let (Ok(name), Ok(role), Ok(address), Ok(ttl)) =
            (Name::new(name), Role::new("node"), Address::new("none"), Ttl::new(self.room.limits.presence))
        else {
            return;
        };
        let renewing = Arc::clone(&self.renewing);
        let is_new = renewing.lock().unwrap_or_else(PoisonError::into_inner).insert(party);
        if !is_new {
            return;
        }
        let registry = Arc::clone(&self.room.registry);
        tokio::spawn(async move {
            let member = registry::Member { name, role, address };
            match timeout(RENEWAL, registry.announce(&member, ttl)).await {
                Ok(Ok(())) => {}
                Ok(Err(fault)) => {
                    tracing::warn!(error = &fault as &dyn std::error::Error, "a lease is not renewed");
                }
                Err(_) => tracing::warn!("the registry does not answer, and a lease is not renewed"),
            }
            renewing.lock().unwrap_or_else(PoisonError::into_inner).remove(&party);
        });
    }
}

/// What goes to the node, until a newer stream takes its place.
fn outgoing(welcome: SessionMessage, taken: nodes::Stream) -> Outgoing {
    let rest = stream::unfold((taken, 1_u64), |(taken, sequence)| async move {
        let nodes::Outgoing(mut message) = taken.outbox.next(taken.turn).await?;
        message.sequence = sequence.saturating_add(1);
        let sequence = message.sequence;
        Some((Ok(message), (taken, sequence)))
    });
    Box::pin(stream::once(async { Ok(welcome) }).chain(rest))
}

/// Hands on what the node says, until it ends; why, in words.
async fn listen(room: &Room, party: Party, turn: u64, mut incoming: Streaming<SessionMessage>) -> String {
    let mut expected: u64 = 2;
    loop {
        let message = match incoming.message().await {
            Ok(Some(message)) => message,
            Ok(None) => return "it hung up".to_owned(),
            Err(status) => return status.message().to_owned(),
        };
        if !room.nodes.is_current(party, turn) {
            return "it has opened another stream, or is not of the cluster any more".to_owned();
        }
        let (SessionMessage { sequence, round, .. }, Some(Body::Engine(bytes))) = (&message, &message.body)
        else {
            return "it said something that does not belong on the stream".to_owned();
        };
        if *sequence != expected {
            return "it does not keep to the order of the stream".to_owned();
        }
        expected = expected.saturating_add(1);
        match Message::decode(bytes) {
            // When the engine does not keep up, the node waits.
            Ok(decoded) => {
                if let Err(status) = room.hear_of(Input::Heard(party, decoded, *round), bytes.len()).await {
                    return status.message().to_owned();
                }
            }
            Err(error) => {
                metrics::counter!("keymoot_control_messages_unreadable_total").increment(1);
                tracing::debug!(%error, node = room.names.of(party), "a message cannot be read");
            }
        }
    }
}
