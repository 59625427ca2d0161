//! What clients and gateways ask of a coordinator.

use std::pin::Pin;
use std::sync::Arc;

use futures_util::{Stream, StreamExt, TryStreamExt, stream};
use keymoot_engine::real::Real;
use keymoot_engine::request::{Ask, SignedRequest};
use keymoot_types::KeyId;
use keymoot_wire::mpc::mpc_coordinator_server::MpcCoordinator;
use keymoot_wire::mpc::{
    self, AggregateSignaturesRequest, CreateSigningSessionRequest, GetSessionStatusRequest,
    ListRequestsRequest, ListRequestsResponse, ListSessionsRequest, ListSessionsResponse, Participant,
    SessionEvent, WatchSessionsRequest,
};
use keymoot_wire::problem::Code;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, broadcast};
use tonic::{Request, Response, Status};

use super::{Place, caller};
use crate::answers::Read;
use crate::asking::{self, Judged, Purpose};
use crate::clock::stopped;
use crate::lookup;
use crate::room::Room;

/// Requests of one page that are looked up at one time.
const LOOKUPS: usize = 16;

/// Requests that are looked through at most, to find those of one key.
const LOOKED_THROUGH: usize = 2_000;

/// For how long `AggregateSignatures` waits if it is not told.
const AGGREGATING: u64 = 60_000;

/// The service.
pub(crate) struct CoordinatorService {
    pub(crate) room: Arc<Room>,
    pub(crate) watchers: Arc<Semaphore>,
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
        let (bodies, next) = self.bodies(&place, key).await?;
        let looked_up = stream::iter(bodies).map(|(read, body)| {
            let room = Arc::clone(&self.room);
            async move { lookup::status(&room, &read, &body).await }
        });
        let requests = looked_up.buffered(LOOKUPS).try_collect().await?;
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
        let wanted = request.into_inner().request;
        if !wanted.is_empty() {
            lookup::request_id(&wanted)?;
        }
        let permit = Arc::clone(&self.watchers).try_acquire_owned();
        let permit = permit.map_err(|_| Code::Busy.to_status("too many look on already"))?;
        let events = self.room.observer.subscribe();
        Ok(Response::new(events_of(events, wanted, (permit, self.room.stop.clone()))))
    }
}

impl CoordinatorService {
    async fn status(&self, id: &str, wait_ms: u64) -> Result<mpc::Request, Status> {
        let (read, body) = lookup::find(&self.room, lookup::request_id(id)?).await?;
        let now = lookup::status(&self.room, &read, &body).await?;
        if wait_ms == 0 || now.status() != mpc::RequestStatus::Pending {
            return Ok(now);
        }
        asking::follow(&self.room, &Judged { read, body }, asking::patience(wait_ms)).await
    }

    /// The requests of a page, and where the next one begins.
    async fn bodies(
        &self,
        place: &Place,
        key: Option<KeyId>,
    ) -> Result<(Vec<(Read, Vec<u8>)>, Option<(u64, String)>), Status> {
        let (mut all, mut looked) = (Vec::new(), 0);
        let mut before = place.before.clone();
        loop {
            let from = before.as_ref().map(|(order, id)| (*order, id.as_str()));
            let found = self.room.book.bodies(from, place.limit - all.len()).await;
            let found = found.map_err(lookup::unavailable)?;
            looked += found.items.len();
            for (_, body) in found.items {
                let Ok((id, signed)) = SignedRequest::read_from::<Real>(&body) else { continue };
                let is_its = match (&signed.request.ask, key) {
                    (_, None) => true,
                    (Ask::Sign { key, .. } | Ask::Retire { key }, Some(wanted)) => *key == wanted,
                    (Ask::Key(_), Some(_)) => false,
                };
                if is_its {
                    all.push((Read { id, signed }, body));
                }
            }
            before = found.next;
            if before.is_none() || all.len() >= place.limit || looked >= LOOKED_THROUGH {
                return Ok((all, before));
            }
        }
    }
}

/// The events that are wanted, until the coordinator stops.
fn events_of(
    events: broadcast::Receiver<SessionEvent>,
    wanted: String,
    held: (OwnedSemaphorePermit, tokio::sync::watch::Receiver<bool>),
) -> Events {
    Box::pin(stream::unfold((events, wanted, held), |(mut events, wanted, mut held)| async move {
        loop {
            let event = tokio::select! {
                () = stopped(&mut held.1) => return None,
                event = events.recv() => event,
            };
            match event {
                Ok(event) if wanted.is_empty() || event.request == wanted => {
                    return Some((Ok(event), (events, wanted, held)));
                }
                // Whoever is slow misses some, and goes on with what comes.
                Ok(_) | Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return None,
            }
        }
    }))
}
