//! Listens and serves, until it is told to stop.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Extension, Json, Router};
use futures_util::{StreamExt, stream};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use keymoot_wire::door;
use keymoot_wire::stop::stopped;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::timeout;
use tower::ServiceExt;
use tower_http::cors::CorsLayer;
use tracing::{Instrument, debug, info, info_span, warn};

use crate::app::App;
use crate::cluster::Cluster;
use crate::codes;
use crate::config::{Config, StartError};
use crate::downstream::Downstream;
use crate::envelope::{self, Answer, Bad, Call};
use crate::errand::{Baton, Errand};
use crate::gate;
use crate::methods;
use crate::refusal::{INVALID_REQUEST, PARSE_ERROR, Refusal};
use crate::tls::Tls;
use crate::web3signer;

/// For how long the head of a request may take to come in.
const HEAD_TIME: Duration = Duration::from_secs(10);
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
            Err(why) => warn!(?why, node = place, "the node behind does not answer yet"),
        }
        let failed = |cause| StartError::Listen { address: listen, cause };
        let listener = TcpListener::bind(listen).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let app = App::new(config, node, cluster);
        let router = router(&app)?;
        let (stop, stopping) = watch::channel(false);
        info!(%address, chain = app.config.chain_id, node = place, "signer serves");
        let limits = app.config.limits;
        let task =
            tokio::spawn(serve(router, listener, app.config.tls.clone(), stopping, limits.connections));
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

/// The body, if it is JSON by its name and not too large.
///
/// # Errors
/// It is something else.
pub async fn body(app: &App, request: Request) -> Result<Vec<u8>, Refusal> {
    let limits = app.config.limits;
    let kind = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let kind = kind.and_then(|kind| kind.split(';').next()).unwrap_or_default().trim().to_ascii_lowercase();
    if kind != "application/json" {
        let what = "the header Content-Type has to be application/json";
        return Err(Refusal::new(INVALID_REQUEST, "E2003", what));
    }
    let read = Limited::new(request.into_body(), limits.body_bytes).collect();
    match timeout(limits.body_time, read).await {
        Ok(Ok(body)) => Ok(body.to_bytes().to_vec()),
        Ok(Err(error)) if error.is::<http_body_util::LengthLimitError>() => {
            let what = format!("the body is longer than {} bytes", limits.body_bytes);
            Err(Refusal::new(INVALID_REQUEST, codes::TOO_LARGE, what))
        }
        Ok(Err(_)) | Err(_) => {
            Err(Refusal::new(PARSE_ERROR, codes::NOT_JSON, "the body did not come in whole"))
        }
    }
}

async fn rpc(State(app): State<Arc<App>>, Extension(trace): Extension<Trace>, request: Request) -> Response {
    let body = match body(&app, request).await {
        Ok(body) => body,
        Err(refusal) => {
            let status = match refusal.code() {
                codes::TOO_LARGE => StatusCode::PAYLOAD_TOO_LARGE,
                codes::NOT_JSON => StatusCode::BAD_REQUEST,
                _ => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            };
            return refuse(status, &refusal, &trace);
        }
    };
    match envelope::read(&body, app.config.limits.batch) {
        Err(refusal) => refuse(StatusCode::OK, &refusal, &trace),
        Ok(envelope::Body::One(call)) => match one(&app, call, Baton::default(), &trace).await {
            Some(answer) => Json(answer).into_response(),
            None => StatusCode::NO_CONTENT.into_response(),
        },
        Ok(envelope::Body::Batch(calls)) => {
            let mut last = None;
            let calls: Vec<_> = calls
                .into_iter()
                .map(|call| {
                    let is_sent = call.as_ref().is_ok_and(|call| call.method == "eth_sendTransaction");
                    (call, if is_sent { Baton::behind(&mut last) } else { Baton::default() })
                })
                .collect();
            let mut left = app.config.limits.batch_answer_bytes;
            let answers = stream::iter(calls)
                .map(|(call, baton)| one(&app, call, baton, &trace))
                .buffered(SIDE_BY_SIDE);
            let answers = answers.filter_map(|answer| async { answer });
            let answers: Vec<Answer> =
                answers.map(|answer| answer.within(&mut left, &trace.0)).collect().await;
            if answers.is_empty() {
                StatusCode::NO_CONTENT.into_response()
            } else {
                Json(answers).into_response()
            }
        }
    }
}

/// Answers one request. A notification is done and not answered.
async fn one(app: &Arc<App>, call: Result<Call, Bad>, baton: Baton, trace: &Trace) -> Option<Answer> {
    let Call { method, params, id } = match call {
        Ok(call) => call,
        Err(bad) => return Some(Answer::to_bad(bad, &trace.0)),
    };
    let began = Instant::now();
    let name = methods::name(app, &method);
    let span = info_span!("rpc", method = name, trace = &*trace.0);
    let outcome = match app.place() {
        Ok(place) => {
            let errand = Errand::new(place, baton);
            methods::answer(app, &method, params.as_deref(), errand).instrument(span.clone()).await
        }
        Err(refusal) => Err(refusal),
    };
    let took = began.elapsed();
    span.in_scope(|| match &outcome {
        Ok(_) if methods::needs_key(name) => info!(?took, "signed"),
        Ok(_) => debug!(?took, "answered"),
        Err(refusal) => info!(number = refusal.number, code = refusal.code(), ?took, "refused"),
    });
    id.map(|id| Answer::new(Some(id), outcome, &trace.0))
}

async fn serve(
    router: Router,
    listener: TcpListener,
    tls: Option<Tls>,
    mut stopping: watch::Receiver<bool>,
    most: usize,
) {
    let places = Arc::new(Semaphore::new(most));
    let mut connections = JoinSet::new();
    loop {
        let next = async {
            // The semaphore is never closed. Who waits here waits in the backlog of the system.
            let place = places.clone().acquire_owned().await;
            (place, door::next(|| listener.accept()).await)
        };
        tokio::select! {
            (place, (stream, _)) = next => {
                let (router, tls, mut stopping) = (router.clone(), tls.clone(), stopping.clone());
                connections.spawn(async move {
                    let _place = place;
                    // Small answers should not wait for more; a system that refuses it is only slower.
                    let _ = stream.set_nodelay(true);
                    let Some(tls) = tls else { return serve_one(router, stream, stopping).await };
                    let stream = tokio::select! {
                        stream = tls.shake_hands(stream) => stream,
                        () = stopped(&mut stopping) => None,
                    };
                    if let Some(stream) = stream {
                        serve_one(router, stream, stopping).await;
                    }
                });
            }
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
            () = stopped(&mut stopping) => break,
        }
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

async fn serve_one<S>(router: Router, stream: S, mut stopping: watch::Receiver<bool>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    let service = service_fn(move |request: http::Request<Incoming>| {
        let router = router.clone();
        async move { router.oneshot(request.map(Body::new)).await.map_err(|never: Infallible| never) }
    });
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEAD_TIME);
    let connection = builder.serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stopped(&mut stopping) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        debug!(%error, "a connection broke");
    }
}
