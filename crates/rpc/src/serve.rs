//! Listens and serves, until it is told to stop.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Extension, Json, Router};
use futures_util::{StreamExt, stream};
use http_body_util::BodyExt;
use keymoot_wire::problem::Code;
use tokio::net::TcpListener;
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tower_http::cors::CorsLayer;
use tracing::{Instrument, debug, info, info_span, warn};

use crate::app::App;
use crate::budget::Weight;
use crate::cluster::Cluster;
use crate::codes;
use crate::config::{Config, StartError};
use crate::connections;
use crate::downstream::Downstream;
use crate::envelope::{self, Answer, Bad, Call};
use crate::errand::{Baton, Errand};
use crate::gate;
use crate::methods;
use crate::refusal::{INVALID_REQUEST, LIMIT_EXCEEDED, PARSE_ERROR, Refusal};
use crate::tls::Tls;
use crate::told::{Outbox, Parcel};
use crate::tray::Tray;
use crate::web3signer;

/// Requests of a batch that are worked on at once.
const SIDE_BY_SIDE: usize = 32;
/// The header with the name of a request, in and out.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// What a request is called in logs and errors.
#[derive(Clone, Debug, Default)]
pub struct Trace(pub Arc<str>);

/// A signer that runs. [`Signer::stop`] waits for its end.
pub struct Signer {
    address: SocketAddr,
    app: Arc<App>,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Signer {
    /// Starts one. A node behind that does not answer yet may do so later; one of another chain never will.
    ///
    /// # Errors
    /// Others could have things signed, the node is of another chain, or nobody can listen there.
    pub async fn start(
        config: Config,
        listen: SocketAddr,
        node: Downstream,
        cluster: Arc<dyn Cluster>,
    ) -> Result<Self, StartError> {
        may_listen(&config, listen)?;
        let is_fit =
            |token: &str| (32..=512).contains(&token.len()) && token.bytes().all(|c| c.is_ascii_graphic());
        if config.token.as_deref().is_some_and(|token| !is_fit(token)) {
            return Err(StartError::Token);
        }
        if config.token.is_none() && !knows_callers(&config) {
            warn!("there is no token: every program and user of this machine can have things signed");
        }
        let place = node.place();
        if node.is_in_the_clear() {
            warn!(
                node = place,
                "the node behind is elsewhere and without TLS: whoever is between can say what he likes"
            );
        }
        match node.chain().await {
            Ok(found) if found != config.chain_id => {
                return Err(StartError::Chain { wanted: config.chain_id, found });
            }
            Ok(_) => {}
            Err(why) => warn!(%why, node = place, "the node behind does not answer yet"),
        }
        let failed = |cause| StartError::Listen { address: listen, cause };
        let listener = TcpListener::bind(listen).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let app = App::new(config, node, cluster);
        let router = router(&app)?;
        let (stop, stopping) = watch::channel(false);
        info!(%address, chain = app.config.chain_id, node = place, "signer serves");
        let limits = app.config.limits;
        let serving = connections::serve(router, listener, app.config.tls.clone(), stopping, limits);
        let task = tokio::spawn(serving);
        Ok(Self { address, app, stop, task })
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The same, as it is asked.
    #[must_use]
    pub fn url(&self) -> String {
        let scheme = if self.app.config.tls.is_some() { "https" } else { "http" };
        format!("{scheme}://{}", self.address)
    }

    /// Stops: nothing new is taken, and what has begun has so long to finish.
    pub async fn stop(self, grace: Duration) {
        self.stop.send_replace(true);
        let mut task = self.task;
        if timeout(grace, &mut task).await.is_err() {
            task.abort();
            // Its end is that it was aborted, or that it has just finished.
            let _ = task.await;
        }
        self.app.finish(grace).await;
    }
}

/// Whether callers show who they are before they say anything.
fn knows_callers(config: &Config) -> bool {
    config.tls.as_ref().is_some_and(Tls::knows_callers)
}

/// Elsewhere than on this machine only who is known may ask, and nobody in between may read or change what is said.
fn may_listen(config: &Config, listen: SocketAddr) -> Result<(), StartError> {
    if listen.ip().is_loopback() {
        return Ok(());
    }
    if config.token.is_none() && !knows_callers(config) {
        return Err(StartError::Open(listen));
    }
    if config.tls.is_none() {
        if !config.allows_plaintext {
            return Err(StartError::Plaintext(listen));
        }
        warn!(
            address = %listen,
            "allow_plaintext = true: whoever is between can read the token, and have anything signed with it"
        );
    }
    Ok(())
}

fn router(app: &Arc<App>) -> Result<Router, StartError> {
    let origin = |text: &String| match text.parse::<HeaderValue>() {
        Ok(value) if gate::is_origin(text) => Ok(value),
        _ => Err(StartError::Origin(text.clone())),
    };
    let origins = app.config.origins.iter().map(origin).collect::<Result<Vec<_>, _>>()?;
    let router = Router::new()
        .route("/", post(rpc))
        .route("/eth", post(rpc))
        .route("/upcheck", get(web3signer::upcheck))
        .route("/healthcheck", get(web3signer::healthcheck))
        .route("/api/v1/eth1/publicKeys", get(web3signer::public_keys))
        .route("/api/v1/eth1/sign/{identifier}", post(web3signer::sign))
        .with_state(app.clone());
    let router = if origins.is_empty() {
        router
    } else {
        let headers = [header::CONTENT_TYPE, header::AUTHORIZATION, REQUEST_ID];
        let methods = [Method::GET, Method::POST];
        router.layer(CorsLayer::new().allow_origin(origins).allow_methods(methods).allow_headers(headers))
    };
    Ok(router.layer(from_fn_with_state(app.clone(), gate::guard)).layer(from_fn(named)))
}

/// Outermost: every request has a name.
async fn named(mut request: Request, next: Next) -> Response {
    let given = request.headers().get(REQUEST_ID).and_then(|value| value.to_str().ok());
    let trace = Trace(keymoot_wire::trace::name_of(given));
    request.extensions_mut().insert(trace.clone());
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    if let Ok(value) = HeaderValue::from_str(&trace.0) {
        headers.insert(REQUEST_ID, value);
    }
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// An answer that says no to a whole request of HTTP.
pub fn refuse(status: StatusCode, refusal: &Refusal, trace: &Trace) -> Response {
    (status, Json(envelope::refused(refusal, &trace.0))).into_response()
}

/// The body, if it is JSON by its name and not too large, and what it weighs.
///
/// # Errors
/// It is something else, or there is no room for it.
pub async fn body(app: &App, request: Request) -> Result<(Vec<u8>, Weight), Refusal> {
    let limits = app.config.limits;
    let kind = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let kind = kind.and_then(|kind| kind.split(';').next()).unwrap_or_default().trim().to_ascii_lowercase();
    if kind != "application/json" {
        let what = "the header Content-Type has to be application/json";
        return Err(Refusal::new(INVALID_REQUEST, "E2003", what));
    }
    let broken = || Refusal::new(PARSE_ERROR, codes::NOT_JSON, "the body did not come in whole");
    let mut coming = request.into_body();
    let (mut body, mut weight) = (Vec::new(), app.bodies.nothing());
    let read = async {
        while let Some(frame) = coming.frame().await {
            // Trailers are nobody's here.
            let Ok(bytes) = frame.map_err(|_| broken())?.into_data() else { continue };
            if body.len().saturating_add(bytes.len()) > limits.body_bytes {
                let what = format!("the body is longer than {} bytes", limits.body_bytes);
                return Err(Refusal::new(INVALID_REQUEST, codes::TOO_LARGE, what));
            }
            if !weight.grow(bytes.len()) {
                return Err(Refusal::of_code(Code::Busy, "there is no room for more bodies of requests"));
            }
            body.extend_from_slice(&bytes);
        }
        Ok(())
    };
    timeout(limits.body_time, read).await.unwrap_or_else(|_| Err(broken()))?;
    Ok((body, weight))
}

async fn rpc(State(app): State<Arc<App>>, Extension(trace): Extension<Trace>, request: Request) -> Response {
    let outbox = request.extensions().get::<Outbox>().cloned().unwrap_or_default();
    let read = async {
        // A place before the first byte: whoever has none is not read.
        let place = app.place()?;
        Ok::<_, Refusal>((place, body(&app, request).await?))
    };
    let (place, (body, weight)) = match read.await {
        Ok(read) => read,
        Err(refusal) => {
            let status = match refusal.code() {
                codes::TOO_LARGE => StatusCode::PAYLOAD_TOO_LARGE,
                codes::NOT_JSON => StatusCode::BAD_REQUEST,
                _ if refusal.number == LIMIT_EXCEEDED => StatusCode::TOO_MANY_REQUESTS,
                _ => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            };
            return refuse(status, &refusal, &trace);
        }
    };
    let read = envelope::read(&body, app.config.limits.batch);
    drop(body);
    let tray = Tray::new(weight, app.node.answers());
    let said = match read {
        Err(refusal) => return refuse(StatusCode::OK, &refusal, &trace),
        Ok(envelope::Body::One(call)) => {
            let answer = one(&app, call, Baton::default(), Some(place), &tray, &trace).await;
            answer.map(|answer| serde_json::to_vec(&answer))
        }
        Ok(envelope::Body::Batch(calls)) => {
            let answers = batch(&app, calls, place, &tray, &trace).await;
            (!answers.is_empty()).then(|| serde_json::to_vec(&answers))
        }
    };
    match said {
        None => StatusCode::NO_CONTENT.into_response(),
        Some(Ok(bytes)) => {
            let json = (header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
            let (untold, weight) = tray.clear();
            ([json], axum::body::Body::new(Parcel::new(bytes, untold, weight, outbox))).into_response()
        }
        Some(Err(_)) => {
            let refusal = Refusal::defect("an answer has no JSON");
            refuse(StatusCode::INTERNAL_SERVER_ERROR, &refusal, &trace)
        }
    }
}

async fn batch(
    app: &Arc<App>,
    calls: Vec<Result<Call, Bad>>,
    place: OwnedSemaphorePermit,
    tray: &Tray,
    trace: &Trace,
) -> Vec<Answer> {
    let (mut last, mut place) = (None, Some(place));
    let calls: Vec<_> = calls
        .into_iter()
        .map(|call| {
            let is_sent = call.as_ref().is_ok_and(|call| call.method == "eth_sendTransaction");
            (call, if is_sent { Baton::behind(&mut last) } else { Baton::default() }, place.take())
        })
        .collect();
    let mut left = app.config.limits.batch_answer_bytes;
    let answers = stream::iter(calls)
        .map(|(call, baton, place)| one(app, call, baton, place, tray, trace))
        .buffered(SIDE_BY_SIDE);
    let answers = answers.filter_map(|answer| async { answer });
    answers.map(|answer| answer.within(&mut left, &trace.0)).collect().await
}

/// Answers one request. A notification is done and not answered.
async fn one(
    app: &Arc<App>,
    call: Result<Call, Bad>,
    baton: Baton,
    place: Option<OwnedSemaphorePermit>,
    tray: &Tray,
    trace: &Trace,
) -> Option<Answer> {
    let Call { method, params, id } = match call {
        Ok(call) => call,
        Err(bad) => return Some(Answer::to_bad(bad, &trace.0)),
    };
    let began = Instant::now();
    let name = methods::name(app, &method);
    let span = info_span!("rpc", method = name, trace = &*trace.0);
    let place = place.map_or_else(|| app.place(), Ok);
    // What nobody is to be told is told when it is done.
    let aside = id.is_none().then(|| tray.aside());
    let outcome = match place {
        Ok(place) => {
            let errand = Errand::new(place, tray.request(), baton);
            let tray = aside.as_ref().unwrap_or(tray);
            methods::answer(app, &method, params.as_deref(), errand, tray).instrument(span.clone()).await
        }
        Err(refusal) => Err(refusal),
    };
    if let Some(aside) = aside {
        aside.clear().0.told();
    }
    let took = began.elapsed();
    span.in_scope(|| match &outcome {
        Ok(_) if methods::needs_key(name) => info!(?took, "signed"),
        Ok(_) => debug!(?took, "answered"),
        Err(refusal) => info!(number = refusal.number, code = refusal.code(), ?took, "refused"),
    });
    id.map(|id| Answer::new(Some(id), outcome, &trace.0))
}
