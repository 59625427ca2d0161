//! What happens in sessions, as it happens: server-sent events, from all coordinators at once.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use axum::Extension;
use axum::extract::State;
use axum::response::Sse;
use axum::response::sse::{Event, KeepAlive};
use futures_util::{Stream, StreamExt, stream};
use keymoot_wire::problem::Code;
use keymoot_wire::rest::{EventView, rfc3339};
use keymoot_wire::stop::stopped;
use serde::Deserialize;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{broadcast, oneshot};
use tokio::time::{interval, timeout};
use tracing::info;
use utoipa::IntoParams;

use super::Params;
use super::requests::is_request_id;
use crate::access::{Endpoint, need};
use crate::events::{Events, Said};
use crate::limits::Place;
use crate::present;
use crate::problem::Refused;
use crate::state::{App, Call, wall_ms};

/// How often a comment says that the stream is alive.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// How often to look whether those who look on still may.
const LOOK: Duration = Duration::from_millis(500);

/// Which events.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct EventQuery {
    /// Only those of this request.
    pub request: Option<String>,
}

/// Events of sessions, as they happen. The name of an event is its `what`, its data an `EventView` in JSON.
/// Events are not kept: a client that comes back with Last-Event-ID gets those from now on. Two belong
/// to no session: `missed` says that events may have been left out, because they were read too slowly or because a
/// coordinator could not be heard, and `progress` that a node has come further with what it does by itself. A
/// stream ends after 15 minutes at the latest; then the client shows its token again.
#[utoipa::path(get, path = "/v1/events", tag = "sessions", operation_id = "watch_events", params(EventQuery),
    responses((status = 200, description = "a stream of events", content_type = "text/event-stream",
        body = keymoot_wire::rest::EventView)))]
pub async fn watch(
    State(app): State<Arc<App>>,
    Extension(call): Extension<Call>,
    Params(query): Params<EventQuery>,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Refused> {
    let request = query.request.unwrap_or_default();
    if !request.is_empty() && !is_request_id(&request) {
        return Err(Refused::new(Code::BadQuery, "`request` is not the id of a request"));
    }
    let place = app.streams.take(&call.client, 1)?;
    let watch = Events::watch(&app).await?;
    let unheard = watch.unheard.into_iter().map(|name| Ok(comment(&name)));
    let watcher = Watcher { said: watch.said, over: over(&app, &call, place), request, next: 1 };
    let events = stream::unfold(watcher, Watcher::next);
    let events = stream::iter(unheard.collect::<Vec<_>>()).chain(events);
    Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE).text("alive")))
}

/// For people: programs pass over comments, and can ask for the coordinators that are silent.
fn comment(coordinator: &str) -> Event {
    Event::default().comment(format!("{coordinator} is not heard"))
}

/// Resolves when a stream has to end, and gives its place back then. That is not left to the stream: one whose client
/// does not read is never asked for anything.
fn over(app: &Arc<App>, call: &Call, place: Place) -> oneshot::Receiver<Infallible> {
    let (mut end, over) = oneshot::channel();
    let (mut stopping, time) = (app.stopping.clone(), app.limits.stream_time);
    let (app, call) = (Arc::clone(app), call.clone());
    tokio::spawn(async move {
        tokio::select! {
            // Whichever comes first.
            _ = timeout(time, stopped(&mut stopping)) => {}
            // The client is gone.
            () = end.closed() => {}
            () = unwelcome(&app, &call) => info!(client = &*call.client, "its event stream ends: it may not look on any more"),
        }
        drop((end, place));
    });
    over
}

/// Resolves when the client may not look on any more: by the document of the moment, or because its certificate has expired.
async fn unwelcome(app: &App, call: &Call) {
    let mut looks = interval(LOOK);
    let mut last = None;
    loop {
        looks.tick().await;
        let document = app.document.load_full();
        if call.peer.as_ref().is_some_and(|peer| peer.time_left(SystemTime::now()).is_zero()) {
            return;
        }
        if last.replace(document.digest()) == Some(document.digest()) {
            continue;
        }
        let is_known = call.peer.as_ref().is_none_or(|peer| peer.is_known_to(&document).is_ok());
        let may = document.client(&call.client).is_some_and(|client| {
            need(Endpoint::WatchEvents).role().is_none_or(|least| client.role >= least)
        });
        if !is_known || !may {
            return;
        }
    }
}

/// The stream of one client.
struct Watcher {
    said: broadcast::Receiver<Arc<Said>>,
    over: oneshot::Receiver<Infallible>,
    /// Empty for all.
    request: String,
    next: u64,
}

impl Watcher {
    async fn next(mut self) -> Option<(Result<Event, Infallible>, Self)> {
        let view = loop {
            let said = tokio::select! {
                biased;
                _ = &mut self.over => return None,
                said = self.said.recv() => said,
            };
            match said {
                Ok(said) => match &*said {
                    Said::Event(event) if self.request.is_empty() || event.request == self.request => {
                        break present::event(event.clone());
                    }
                    Said::Event(_) => {}
                    Said::Missed(why) => break missed(why.clone()),
                },
                Err(RecvError::Lagged(count)) => {
                    break missed(format!("{count} events of all requests came faster than they were read"));
                }
                Err(RecvError::Closed) => return None,
            }
        };
        let id = self.next;
        self.next = id.wrapping_add(1);
        // A line break would end the field.
        let name: String = view.what.chars().filter(|letter| !letter.is_control()).collect();
        let event = Event::default().event(name).id(id.to_string());
        // Strings and numbers only, which JSON can always write.
        Some((Ok(event.json_data(&view).unwrap_or_default()), self))
    }
}

fn missed(why: String) -> EventView {
    let now = wall_ms();
    EventView {
        what: "missed".to_owned(),
        session: String::new(),
        kind: String::new(),
        request: None,
        node: None,
        round: None,
        detail: Some(why),
        members: Vec::new(),
        at: rfc3339(now),
        at_ms: Some(now),
    }
}
