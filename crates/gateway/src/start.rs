//! Listens and serves, until it is told to stop.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use axum::Router;
use axum::body::Body;
use axum::response::Response;
use hyper::body::Incoming;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use keymoot_wire::identity::PeerRole;
use keymoot_wire::places::{Bound, Places};
use keymoot_wire::stop::stopped;
use keymoot_wire::tls::{Accepted, Acceptor, Serving, TlsError, server_config};
use metrics::counter;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::timeout;
use tower::ServiceExt;
use tracing::{debug, info, warn};

use crate::config::GatewayConfig;
use crate::gate::Connection;
use crate::limits::Place;
use crate::routes::router;
use crate::state::App;

/// How many requests one connection may have in progress.
const STREAMS_MAX: u32 = 256;
/// For how long the head of a request may take to come in.
const HEAD_TIME: Duration = Duration::from_secs(10);
/// After this time, and when its certificate expires, a connection takes no new requests: there may be another certificate
/// by now. Without a certificate it is anybody's, and sooner over.
const CONNECTION_TIME: Duration = Duration::from_secs(60 * 60);
const ANONYMOUS_TIME: Duration = Duration::from_secs(5 * 60);
/// How often to ask whether a client is still there, and how long to wait for its answer.
const KEEP_ALIVE: Duration = Duration::from_secs(20);

/// Why a gateway does not start.
#[derive(Debug, thiserror::Error)]
pub enum GatewayError {
    /// The certificate is not a gateway's, or the document does not know it.
    #[error("this certificate is not of a gateway in the cluster document")]
    NotAGateway,
    /// TLS cannot be set up.
    #[error("TLS cannot be set up")]
    Tls(#[source] TlsError),
    /// Nobody can listen there.
    #[error("cannot listen at {address}")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// Why.
        #[source]
        cause: io::Error,
    },
}

/// A gateway that runs. [`Gateway::stop`] waits for its end; dropped, it ends in order too, but nobody waits.
pub struct Gateway {
    address: SocketAddr,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Gateway {
    /// Starts one.
    ///
    /// # Errors
    /// It cannot listen there, or its certificate is not a gateway's.
    pub async fn start(config: GatewayConfig) -> Result<Self, GatewayError> {
        let us = config.identity.current();
        let is_known = us.as_peer().is_known_to(&config.document.load()).is_ok();
        if us.id().role() != PeerRole::Gateway || !is_known {
            return Err(GatewayError::NotAGateway);
        }
        // Others are let in by TLS and told at the gate what is wrong with them.
        let roles = vec![PeerRole::Client, PeerRole::Node, PeerRole::Coordinator, PeerRole::Gateway];
        let serving = Serving { roles, certificates: config.client_certificates, http1: true };
        let tls = server_config(&config.identity, &config.document, serving).map_err(GatewayError::Tls)?;
        let failed = |cause| GatewayError::Listen { address: config.listen, cause };
        let listener = TcpListener::bind(config.listen).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let (stop, stopping) = watch::channel(false);
        let app = App::new(config, stopping);
        info!(%address, gateway = us.id().name(), "gateway serves");
        let task = tokio::spawn(serve(app, Acceptor::new(listener, tls)));
        Ok(Self { address, stop, task })
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Waits until it has ended without being told to. `false` if it has failed.
    pub async fn ended(&mut self) -> bool {
        (&mut self.task).await.is_ok()
    }

    /// Stops: nothing new is taken, what has begun has so long to finish.
    pub async fn stop(self, grace: Duration) {
        self.stop.send_replace(true);
        let mut task = self.task;
        if timeout(grace, &mut task).await.is_err() {
            task.abort();
            // Its end is that it was aborted, or that it has just finished.
            let _ = task.await;
        }
    }
}

async fn serve(app: Arc<App>, mut acceptor: Acceptor) {
    let router = router(&app);
    let places = Arc::new(Semaphore::new(app.limits.connections));
    let held = Places::new();
    let mut stopping = app.stopping.clone();
    let mut connections = JoinSet::new();
    let keys = tokio::spawn({
        let app = app.clone();
        async move { app.tokens.fetch_keys().await }
    });
    loop {
        let next = async {
            // The semaphore is never closed. Who waits here waits in the backlog of the system.
            let place = places.clone().acquire_owned().await;
            (place, acceptor.accept().await)
        };
        tokio::select! {
            (place, accepted) = next => {
                let Some(share) = share(&app, &held, &accepted) else { continue };
                let connection = serve_one(router.clone(), accepted, app.clone());
                connections.spawn(async move {
                    let _held = (place, share);
                    connection.await;
                });
            }
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
            () = stopped(&mut stopping) => break,
        }
    }
    drop(acceptor);
    keys.abort();
    while connections.join_next().await.is_some() {}
}

/// The share in all connections of whoever has this one: of a certificate's owner, or of all who have none. `None` if
/// it is used up; then the connection is closed.
fn share(app: &App, held: &Arc<Places<Arc<str>>>, accepted: &Accepted) -> Option<Place> {
    let (holder, most) = match &accepted.peer {
        Some(peer) => (peer.id.to_uri(), app.limits.client_connections),
        None => (String::new(), app.limits.connections.div_ceil(2)),
    };
    // Of all connections there is a count already.
    let share = held.take(&holder.as_str().into(), 1, Bound { each: most, all: usize::MAX }).ok();
    if share.is_none() {
        counter!("keymoot_gateway_connections_closed_total").increment(1);
        warn!(address = %accepted.address, holder, most, "closed a connection: its client has as many as it may");
    }
    share
}

async fn serve_one(router: Router, accepted: Accepted, app: Arc<App>) {
    let mut stopping = app.stopping.clone();
    let peer = Connection(accepted.peer.map(Arc::new));
    let time = match &peer.0 {
        Some(peer) => CONNECTION_TIME.min(peer.time_left(SystemTime::now())),
        None => ANONYMOUS_TIME,
    };
    let service = service_fn(move |request: http::Request<Incoming>| {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(peer.clone());
        let router = router.clone();
        async move { router.oneshot(request).await.map_err(|never: Infallible| never) }
    });
    // Either way: the time is over, or the gateway is told to stop.
    let over = async { drop(timeout(time, stopped(&mut stopping)).await) };
    if let Err(error) = serve_stream(accepted.stream, service, over, app.limits.longest()).await {
        debug!(error, address = %accepted.address, "a connection broke");
    }
}

/// Serves a connection. When `over` resolves it takes nothing new, and what has begun may end for so long. Every answer
/// ends by itself before that; but a client that does not read its answers would keep the connection for ever.
async fn serve_stream<I, S>(
    stream: I,
    service: S,
    over: impl Future<Output = ()>,
    last: Duration,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>>
where
    I: AsyncRead + AsyncWrite + Unpin + 'static,
    S: Service<http::Request<Incoming>, Response = Response, Error = Infallible>,
    S::Future: Send + 'static,
{
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEAD_TIME);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS_MAX)
        .keep_alive_interval(KEEP_ALIVE)
        .keep_alive_timeout(KEEP_ALIVE);
    let connection = builder.serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    tokio::select! {
        ended = connection.as_mut() => ended,
        () = over => {
            connection.as_mut().graceful_shutdown();
            timeout(last, connection).await.unwrap_or(Ok(()))
        }
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::Full;
    use hyper::body::Bytes;
    use hyper::client::conn::http2;

    use super::*;

    #[tokio::test]
    async fn a_client_that_does_not_read_does_not_keep_its_connection() {
        let (ours, theirs) = tokio::io::duplex(1 << 16);
        let (end, mut ended) = watch::channel(false);
        let service = service_fn(|_| async { Ok::<_, Infallible>(Response::new(Body::from("hello"))) });
        let over = async move { stopped(&mut ended).await };
        let serving = tokio::spawn(serve_stream(ours, service, over, Duration::from_millis(50)));
        let mut builder = http2::Builder::new(TokioExecutor::new());
        let theirs = builder.initial_stream_window_size(0).handshake(TokioIo::new(theirs)).await;
        let (mut sender, connection) = theirs.unwrap();
        let connection = tokio::spawn(connection);
        let unread = sender.send_request(http::Request::new(Full::<Bytes>::default())).await.unwrap();
        assert!(!serving.is_finished());
        end.send_replace(true);
        let served = timeout(Duration::from_secs(20), serving).await;
        assert!(served.is_ok(), "it is served for ever");
        drop((unread, connection));
    }
}
