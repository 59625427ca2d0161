//! What happens in sessions, heard once from each coordinator and told to everybody who looks on. A coordinator lets
//! few look on at a time, and a gateway is one of them, however many clients it has.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use keymoot_wire::mpc;
use keymoot_wire::mpc::mpc_coordinator_client::MpcCoordinatorClient;
use keymoot_wire::problem::Code;
use keymoot_wire::stop::stopped;
use tokio::sync::{broadcast, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_stream::StreamExt as _;
use tonic::{Status, Streaming};
use tracing::{info, warn};

use crate::problem::Refused;
use crate::routes::sessions::ASK_TIME;
use crate::state::App;

/// Events that a slow reader may lag behind before it misses some, and is told so.
const WAITING_MAX: usize = 4096;
/// After how long a coordinator that is not heard is asked again.
const PAUSE: Duration = Duration::from_millis(500);
/// How often to look whether there is another cluster document. No event is taken from whom that does not know.
const LOOK: Duration = Duration::from_millis(500);
/// Under which name the coordinators see this in their logs.
const TRACE: &str = "events";

/// Something to tell to whoever looks on.
#[derive(Debug)]
pub enum Said {
    /// It happened in a session.
    Event(mpc::SessionEvent),
    /// Some of it was not heard, for this reason.
    Missed(String),
}

/// The events of all coordinators. They are asked for only while somebody looks on.
pub struct Events {
    said: broadcast::Sender<Arc<Said>>,
    /// Who is heard. Nobody is in it of whom that is not known yet.
    heard: watch::Sender<BTreeMap<String, Result<(), Status>>>,
    is_running: Mutex<bool>,
}

/// From now on.
pub struct Watch {
    pub said: broadcast::Receiver<Arc<Said>>,
    /// Coordinators that are not heard now.
    pub unheard: Vec<String>,
}

impl Default for Events {
    fn default() -> Self {
        let (said, _) = broadcast::channel(WAITING_MAX);
        Self { said, heard: watch::Sender::default(), is_running: Mutex::default() }
    }
}

impl Events {
    /// Looks on, as soon as it is known which coordinators are heard.
    ///
    /// # Errors
    /// None of them is.
    pub async fn watch(app: &Arc<App>) -> Result<Watch, Refused> {
        let events = &app.events;
        // In this order: whoever ends the running task sees this receiver, or this sees that it has ended.
        let said = events.said.subscribe();
        events.run(app);
        let names = app.coordinators.names();
        let mut heard = events.heard.subscribe();
        // Those that are not known after this time are not heard.
        let _ =
            timeout(ASK_TIME, heard.wait_for(|all| names.iter().all(|name| all.contains_key(name)))).await;
        let heard = heard.borrow();
        let unheard: Vec<String> =
            names.iter().filter(|name| !matches!(heard.get(*name), Some(Ok(())))).cloned().collect();
        if unheard.len() < names.len() {
            return Ok(Watch { said, unheard });
        }
        let refusal = heard.values().find_map(|one| one.as_ref().err().cloned());
        Err(refusal.map_or_else(
            || Refused::new(Code::CoordinatorsUnavailable, "no coordinator could be reached"),
            Refused::from,
        ))
    }

    fn run(&self, app: &Arc<App>) {
        let mut is_running = self.is_running.lock().unwrap_or_else(PoisonError::into_inner);
        if !*is_running {
            *is_running = true;
            tokio::spawn(run(app.clone()));
        }
    }

    /// Whether nobody looks on any more. Then the task that asks has to end.
    fn is_over(&self) -> bool {
        let mut is_running = self.is_running.lock().unwrap_or_else(PoisonError::into_inner);
        let is_over = self.said.receiver_count() == 0;
        if is_over {
            *is_running = false;
            self.heard.send_replace(BTreeMap::new());
        }
        is_over
    }

    fn tell(&self, said: Said) {
        // An error means that nobody looks on at the moment.
        let _ = self.said.send(Arc::new(said));
    }

    /// Notes who is heard and who is not, and tells the log what is new; whether it is heard again.
    fn note(&self, coordinator: &str, is_heard: Result<(), Status>) -> bool {
        let mut is_again = false;
        self.heard.send_modify(|all| {
            let before = all.get(coordinator).map(Result::is_ok);
            is_again = is_heard.is_ok() && before == Some(false);
            match &is_heard {
                Ok(()) if is_again => info!(coordinator, "its events are heard again"),
                Err(status) if before != Some(false) => {
                    warn!(coordinator, code = ?status.code(), reason = status.message(), "its events are not heard");
                }
                _ => {}
            }
            all.insert(coordinator.to_owned(), is_heard);
        });
        is_again
    }
}

/// Asks all coordinators of the document of the moment, until nobody looks on any more.
async fn run(app: Arc<App>) {
    let mut stopping = app.stopping.clone();
    loop {
        let digest = app.document.load().digest();
        let mut readers = JoinSet::new();
        for name in app.coordinators.names() {
            readers.spawn(read(app.clone(), name, digest));
        }
        loop {
            tokio::select! {
                () = app.events.said.closed() => if app.events.is_over() { return },
                () = outdated(&app, &digest) => break,
                () = stopped(&mut stopping) => return,
            }
        }
        readers.shutdown().await;
        app.events.heard.send_replace(BTreeMap::new());
        app.events.tell(Said::Missed(
            "there is a new cluster document, and the coordinators are asked anew".into(),
        ));
    }
}

async fn outdated(app: &App, digest: &[u8; 32]) {
    while is_current(app, digest) {
        sleep(LOOK).await;
    }
}

fn is_current(app: &App, digest: &[u8; 32]) -> bool {
    app.document.load().digest() == *digest
}

/// Reads one coordinator's events, as long as the document stays what it is.
async fn read(app: Arc<App>, name: String, digest: [u8; 32]) {
    while is_current(&app, &digest) {
        match listen(&app, &name).await {
            Ok(mut events) => {
                if app.events.note(&name, Ok(())) {
                    app.events.tell(Said::Missed(format!("the events of {name} are heard again")));
                }
                let mut end = Status::unavailable("the coordinator ended the stream");
                while let Some(event) = events.next().await {
                    match event {
                        Ok(event) if is_current(&app, &digest) => app.events.tell(match &*event.what {
                            "missed" => Said::Missed(format!("{name}: {}", event.detail)),
                            _ => Said::Event(event),
                        }),
                        Ok(_) => return,
                        Err(status) => {
                            end = status;
                            break;
                        }
                    }
                }
                app.events.note(&name, Err(end));
                app.events.tell(Said::Missed(format!("the events of {name} broke off")));
            }
            Err(status) => {
                app.events.note(&name, Err(status));
            }
        }
        sleep(PAUSE).await;
    }
}

async fn listen(app: &App, name: &str) -> Result<Streaming<mpc::SessionEvent>, Status> {
    let unreached = || Code::CoordinatorsUnavailable.to_status("the coordinator could not be reached");
    let via = app.coordinators.to(name, TRACE).ok_or_else(unreached)?;
    let mut client = MpcCoordinatorClient::new(via.channel());
    let ask = client.watch_sessions(via.request(mpc::WatchSessionsRequest { request: String::new() }));
    let answer = timeout(ASK_TIME, ask).await.map_err(|_| unreached())?;
    Ok(answer?.into_inner())
}
