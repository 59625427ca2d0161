//! What clients and gateways ask of a coordinator.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{Stream, stream};
use keymoot_engine::request::RequestId;
use keymoot_engine::words::Hash;
use keymoot_ports::sessions::{LISTED_BYTES_MAX, LISTED_MAX, Listed};
use keymoot_types::KeyId;
use keymoot_wire::cluster::DocumentHandle;
use keymoot_wire::mpc::mpc_coordinator_server::MpcCoordinator;
use keymoot_wire::mpc::{
    self, AggregateSignaturesRequest, CreateSigningSessionRequest, GetSessionStatusRequest,
    ListRequestsRequest, ListRequestsResponse, ListSessionsRequest, ListSessionsResponse, Participant,
    SessionEvent, WatchSessionsRequest,
};
use keymoot_wire::problem::Code;
use keymoot_wire::stop::stopped;
use keymoot_wire::tls::Peer;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{Semaphore, broadcast, watch};
use tokio::time::{Interval, interval};
use tonic::{Request, Response, Status};

use super::{Place, caller, peer};
use crate::asking::{self, Judged, Purpose};
use crate::clock::wall_ms;
use crate::entrance;
use crate::lookup::{self, Found};
use crate::room::Room;

/// Lists that are made at one time; others wait in line. What is in them is proved, and that costs.
pub(crate) const LISTS: usize = 4;

/// How often it is looked whether those who look on are still known.
const LOOK: Duration = Duration::from_millis(500);

/// Requests that are looked through at most, to find those of one key.
const LOOKED_THROUGH: usize = 2_000;

/// For how long `AggregateSignatures` waits if it is not told.
const AGGREGATING: u64 = 60_000;

/// The service.
pub(crate) struct CoordinatorService {
    pub(crate) room: Arc<Room>,
    pub(crate) watchers: Arc<entrance::Places>,
    pub(crate) lists: Arc<Semaphore>,
}

type Events = Pin<Box<dyn Stream<Item = Result<SessionEvent, Status>> + Send>>;

#[tonic::async_trait]
impl MpcCoordinator for CoordinatorService {
    type WatchSessionsStream = Events;

    async fn create_signing_session(
        &self,
        request: Request<CreateSigningSessionRequest>,
    ) -> Result<Response<mpc::Request>, Status> {
        let caller = caller(&request)?;
        let asked = request.into_inner();
        let judged = asking::judge(&self.room, &caller, asked.signed, Purpose::Signature)?;
        let wait = asking::patience(asked.wait_ms);
        asking::follow(&self.room, &judged, wait).await.map(Response::new)
    }

    async fn get_session_status(
        &self,
        request: Request<GetSessionStatusRequest>,
    ) -> Result<Response<mpc::Request>, Status> {
        let GetSessionStatusRequest { request, wait_ms } = request.into_inner();
        self.status(&request, wait_ms).await.map(Response::new)
    }

    async fn aggregate_signatures(
        &self,
        request: Request<AggregateSignaturesRequest>,
    ) -> Result<Response<mpc::Request>, Status> {
        let AggregateSignaturesRequest { request, wait_ms } = request.into_inner();
        let wait_ms = if wait_ms == 0 { AGGREGATING } else { wait_ms };
        self.status(&request, wait_ms).await.map(Response::new)
    }

    async fn list_requests(
        &self,
        request: Request<ListRequestsRequest>,
    ) -> Result<Response<ListRequestsResponse>, Status> {
        let ListRequestsRequest { page, key } = request.into_inner();
        let key = if key.is_empty() { None } else { Some(key) };
        let key: Option<KeyId> = key.map(|key| key.parse()).transpose().map_err(|_| {
            Code::InvalidRequest.to_status("the id of a key is key_ and 32 lower-case hex digits")
        })?;
        let place = Place::of(page)?;
        // The semaphore is never closed.
        let _turn = self.lists.acquire().await;
        let (found, next) = self.found(&place, key).await?;
        let mut requests = Vec::new();
        for one in found {
            match lookup::status(&self.room, &one).await {
                Ok(request) => requests.push(request),
                // One that says nothing sensible hides no other.
                Err(status) if Code::of_status(&status) == Code::Defect => left_out(one.read.id, &status),
                Err(status) => return Err(status),
            }
            // Proofs are checked here: others get their turn.
            tokio::task::yield_now().await;
        }
        Ok(Response::new(ListRequestsResponse { requests, next_cursor: Place::cursor(next) }))
    }

    async fn list_sessions(
        &self,
        _: Request<ListSessionsRequest>,
    ) -> Result<Response<ListSessionsResponse>, Status> {
        let (view, now) = self.room.look().await?;
        let going = self.room.observer.going();
        let sessions = view.runs.iter().filter_map(|run| {
            let known = going.get(&run.session)?;
            let participant = |party: &keymoot_types::Party| Participant {
                node: self.room.names.of(*party),
                round: known.rounds.get(party).copied(),
                complete: known.complete.contains(party),
            };
            Some(mpc::Session {
                id: run.session.to_string(),
                kind: run.kind.to_owned(),
                request: known.request.map(|request| request.to_string()).unwrap_or_default(),
                participants: run.members.iter().map(participant).collect(),
                age_ms: u64::try_from(known.began.elapsed().as_millis()).unwrap_or(u64::MAX),
                left_ms: run.deadline.0.saturating_sub(now.0),
            })
        });
        Ok(Response::new(ListSessionsResponse { sessions: sessions.collect() }))
    }

    async fn watch_sessions(
        &self,
        request: Request<WatchSessionsRequest>,
    ) -> Result<Response<Events>, Status> {
        let peer = peer(&request);
        let peer = peer.ok_or_else(|| Code::CertificateMissing.to_status("there is no certificate"))?;
        let wanted = request.into_inner().request;
        if !wanted.is_empty() {
            lookup::request_id(&wanted)?;
        }
        let watching = self.watchers.take(&peer.id);
        let watching = watching.ok_or_else(|| Code::Busy.to_status("too many look on already"))?;
        let events = self.room.observer.subscribe();
        let onlooker = Onlooker {
            wanted,
            peer,
            document: Arc::clone(&self.room.document),
            stop: self.room.stop.clone(),
            look: interval(LOOK),
            _watching: watching,
        };
        Ok(Response::new(events_of(events, onlooker)))
    }
}

impl CoordinatorService {
    async fn status(&self, id: &str, wait_ms: u64) -> Result<mpc::Request, Status> {
        let found = lookup::find(&self.room, lookup::request_id(id)?).await?;
        let now = lookup::status(&self.room, &found).await?;
        if wait_ms == 0 || now.status() != mpc::RequestStatus::Pending {
            return Ok(now);
        }
        let Found { read, standing } = found;
        let judged = Judged { read, body: standing.body.to_vec() };
        asking::follow(&self.room, &judged, asking::patience(wait_ms)).await
    }

    /// The requests of a page, and where the next one begins.
    async fn found(
        &self,
        place: &Place,
        key: Option<KeyId>,
    ) -> Result<(Vec<Found>, Option<(u64, String)>), Status> {
        let (mut all, mut bytes, mut looked) = (Vec::new(), 0, 0);
        let mut next = place.before.clone();
        loop {
            // Those of one key are looked for in whole pages, however few are still wanted.
            let limit = if key.is_some() { LISTED_MAX } else { place.limit - all.len() };
            let before = next.as_ref().map(|(place, _)| *place);
            let page = self.room.sessions.newest(before, limit).await.map_err(lookup::unavailable)?;
            let (mut left, has_more) = (page.listed.len(), page.has_more);
            for Listed { place: at, request, standing } in page.listed {
                let id = RequestId(Hash::from_bytes(request));
                let size = standing.length();
                let found = match lookup::read(id, standing) {
                    Ok(found) => Some(found).filter(|found| key.is_none() || found.read.key() == key),
                    Err(status) => {
                        left_out(id, &status);
                        None
                    }
                };
                if found.is_some() && !all.is_empty() && bytes + size > LISTED_BYTES_MAX {
                    return Ok((all, next));
                }
                (left, looked, next) = (left - 1, looked + 1, Some((at, id.to_string())));
                if let Some(found) = found {
                    all.push(found);
                    bytes += size;
                }
                if all.len() >= place.limit && (left > 0 || has_more) {
                    return Ok((all, next));
                }
            }
            if !has_more {
                return Ok((all, None));
            }
            if looked >= LOOKED_THROUGH {
                return Ok((all, next));
            }
            tokio::task::yield_now().await;
        }
    }
}

fn left_out(id: RequestId, status: &Status) {
    tracing::error!(request = %id, reason = status.message(), "a request is left out of a list");
}

/// Somebody who looks on.
struct Onlooker {
    wanted: String,
    peer: Arc<Peer>,
    document: DocumentHandle,
    stop: watch::Receiver<bool>,
    look: Interval,
    _watching: entrance::Place,
}

impl Onlooker {
    /// Whether the cluster document knows it; it may be newer than the stream.
    fn is_known(&self) -> Result<(), Status> {
        let known = self.peer.is_known_to(&self.document.load());
        known.map_err(|refusal| Code::CertificateRefused.to_status(refusal.to_string()))
    }
}

/// It belongs to no session.
fn missed(count: u64) -> SessionEvent {
    let detail = format!("{count} events came faster than they were read");
    SessionEvent { what: "missed".to_owned(), detail, wall_ms: wall_ms(), ..SessionEvent::default() }
}

/// The events that are wanted, until the coordinator stops, or whoever looks on is not known any more.
fn events_of(events: broadcast::Receiver<SessionEvent>, onlooker: Onlooker) -> Events {
    Box::pin(stream::unfold(Some((events, onlooker)), |state| async move {
        let (mut events, mut onlooker) = state?;
        loop {
            let event = tokio::select! {
                () = stopped(&mut onlooker.stop) => return None,
                _ = onlooker.look.tick() => None,
                event = events.recv() => Some(event),
            };
            if let Err(status) = onlooker.is_known() {
                return Some((Err(status), None));
            }
            match event {
                Some(Ok(event)) if onlooker.wanted.is_empty() || event.request == onlooker.wanted => {
                    return Some((Ok(event), Some((events, onlooker))));
                }
                // Whoever is slow misses some, is told so, and goes on with what comes.
                Some(Err(RecvError::Lagged(count))) => {
                    return Some((Ok(missed(count)), Some((events, onlooker))));
                }
                None | Some(Ok(_)) => {}
                Some(Err(RecvError::Closed)) => return None,
            }
        }
    }))
}
