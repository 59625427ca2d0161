//! What happens in sessions, as it happens: server-sent events, from all coordinators at once.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Extension;
use axum::extract::State;
use axum::response::Sse;
use axum::response::sse::{Event, KeepAlive};
use futures_util::Stream;
use keymoot_wire::mpc;
use keymoot_wire::mpc::mpc_coordinator_client::MpcCoordinatorClient;
use keymoot_wire::problem::Code;
use serde::Deserialize;
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_stream::StreamExt as _;
use utoipa::IntoParams;

use super::Params;
use super::sessions::ASK_TIME;
use crate::coordinators::Via;
use crate::present;
use crate::problem::Refused;
use crate::start::stopped;
use crate::state::{App, Call};

/// Events that wait for a slow reader. When it is full, coordinators drop what does not fit: events are for
/// people and tools, and where a request stands can be asked.
const WAITING_MAX: usize = 256;
/// How often a comment says that the stream is alive.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// After how long a coordinator whose stream broke is asked again.
const PAUSE: Duration = Duration::from_millis(500);

/// Which events.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct EventQuery {
    /// Only those of this request.
    pub request: Option<String>,
}

/// Events of sessions, as they happen. The name of an event is its `what`, its data an `EventView` in JSON.
/// Events are not kept: a client that comes back with Last-Event-ID gets those from now on. A stream ends
/// after 15 minutes at the latest; then the client shows its token again.
#[utoipa::path(get, path = "/v1/events", tag = "sessions", operation_id = "watch_events", params(EventQuery),
    responses((status = 200, description = "a stream of events", content_type = "text/event-stream",
        body = keymoot_wire::rest::EventView)))]
pub async fn watch(
    State(app): State<Arc<App>>,
    Extension(call): Extension<Call>,
    Params(query): Params<EventQuery>,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Refused> {
    let permit = app.streams.clone().try_acquire_owned();
    let permit = permit.map_err(|_| Refused::new(Code::Busy, "too many event streams are open"))?;
    let (sender, events) = mpsc::channel(WAITING_MAX);
    let request = query.request.unwrap_or_default();
    let mut readers = JoinSet::new();
    for name in app.coordinators.names() {
        readers.spawn(read(app.clone(), name, call.trace.clone(), request.clone(), sender.clone()));
    }
    let mut stopping = app.stopping.clone();
    let time = app.limits.stream_time;
    readers.spawn(async move {
        // Whichever comes first. Its end drops the last sender, which ends the stream.
        let _ = timeout(time, stopped(&mut stopping)).await;
        let _ = sender.send(None).await;
    });
    let stream = Events { events, _readers: readers, _permit: permit, next: 1 };
    Ok(Sse::new(stream).keep_alive(KeepAlive::new().interval(KEEP_ALIVE).text("alive")))
}

/// `None` ends the stream.
type Sent = Option<mpc::SessionEvent>;

/// Reads one coordinator's events for as long as somebody listens.
async fn read(app: Arc<App>, name: String, trace: Arc<str>, request: String, sender: mpsc::Sender<Sent>) {
    while !sender.is_closed() {
        if let Some(via) = app.coordinators.to(&name, &trace) {
            read_once(via, &request, &sender).await;
        }
        sleep(PAUSE).await;
    }
}

async fn read_once(via: Via, request: &str, sender: &mpsc::Sender<Sent>) {
    let ask = via.request(mpc::WatchSessionsRequest { request: request.to_owned() });
    let mut client = MpcCoordinatorClient::new(via.channel());
    let Ok(Ok(answer)) = timeout(ASK_TIME, client.watch_sessions(ask)).await else { return };
    let mut events = answer.into_inner();
    while let Some(Ok(event)) = events.next().await {
        if sender.send(Some(event)).await.is_err() {
            return;
        }
    }
}

/// The stream of one client. Its readers end with it.
struct Events {
    events: mpsc::Receiver<Sent>,
    _readers: JoinSet<()>,
    _permit: OwnedSemaphorePermit,
    next: u64,
}

impl Stream for Events {
    type Item = Result<Event, Infallible>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let event = match self.events.poll_recv(context) {
            Poll::Ready(Some(Some(event))) => event,
            Poll::Ready(_) => return Poll::Ready(None),
            Poll::Pending => return Poll::Pending,
        };
        let view = present::event(event);
        let id = self.next;
        self.next = id.wrapping_add(1);
        // A line break would end the field.
        let name: String = view.what.chars().filter(|letter| !letter.is_control()).collect();
        let event = Event::default().event(name).id(id.to_string());
        // Strings and numbers only, which JSON can always write.
        Poll::Ready(Some(Ok(event.json_data(&view).unwrap_or_default())))
    }
}
