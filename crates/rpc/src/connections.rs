//! Connections: taken, brought to TLS, served, and ended in order.

use std::convert::Infallible;
use std::future::poll_fn;
use std::io;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use keymoot_wire::door;
use keymoot_wire::stop::stopped;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tower::ServiceExt;
use tracing::debug;

use crate::config::Limits;
use crate::hall::{Entrance, Hall, Stay};
use crate::tls::Tls;
use crate::told::{Carrier, Fault, Outbox};

/// For how long the head of a request may take to come in.
const HEAD_TIME: Duration = Duration::from_secs(10);
/// For how long a caller's system may leave unsaid that bytes have arrived. Shorter than [`HEAD_TIME`], after which a connection
/// on which nothing is asked is closed: so a dead line is known to be dead before that.
#[cfg(target_os = "linux")]
const LINE_TIME: Duration = Duration::from_secs(8);
/// How soon, and how often, a caller's system is asked whether it is there while nothing is said.
const LINE_ASKED: Duration = Duration::from_secs(2);
/// For how long a caller may take to hang up, after we have.
const FAREWELL: Duration = Duration::from_secs(5);

/// Serves until it is told to stop, and finishes what has begun.
pub async fn serve(
    router: Router,
    listener: TcpListener,
    tls: Option<Tls>,
    mut stopping: watch::Receiver<bool>,
    limits: Limits,
) {
    let hall = Hall::new(limits.connections, limits.strangers);
    let mut connections = JoinSet::new();
    // Who waits behind it waits in the backlog of the system.
    let mut next: Option<TcpStream> = None;
    loop {
        tokio::select! {
            (stream, _) = door::next(|| listener.accept()), if next.is_none() => next = Some(stream),
            stay = hall.enter(), if next.is_some() => {
                let Some(stream) = next.take() else { continue };
                let (router, tls, stopping) = (router.clone(), tls.clone(), stopping.clone());
                connections.spawn(receive(router, stream, tls, stopping, stay, limits.write_time));
            }
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
            () = stopped(&mut stopping) => break,
        }
    }
    drop((listener, next));
    while connections.join_next().await.is_some() {}
}

async fn receive(
    router: Router,
    stream: TcpStream,
    tls: Option<Tls>,
    mut stopping: watch::Receiver<bool>,
    mut stay: Stay,
    write_time: Duration,
) {
    // Small answers should not wait for more; a system that refuses it is only slower.
    let _ = stream.set_nodelay(true);
    notices_a_dead_line(&stream);
    let entrance = stay.entrance();
    let served = async {
        let Some(tls) = tls else { return serve_one(router, stream, entrance, stopping, write_time).await };
        let stream = tokio::select! {
            stream = tls.shake_hands(stream) => stream,
            () = stopped(&mut stopping) => None,
        };
        if let Some(stream) = stream {
            serve_one(router, stream, entrance, stopping, write_time).await;
        }
    };
    tokio::select! {
        () = served => {}
        () = stay.is_over() => debug!("a stranger was sent away"),
    }
}

/// Also while a request is worked on, when nothing is said. Where there is no such thing, or it is refused, it is noticed later.
fn notices_a_dead_line(stream: &TcpStream) {
    let stream = socket2::SockRef::from(stream);
    let asking = socket2::TcpKeepalive::new().with_time(LINE_ASKED).with_interval(LINE_ASKED);
    let _ = stream.set_tcp_keepalive(&asking);
    #[cfg(target_os = "linux")]
    let _ = stream.set_tcp_user_timeout(Some(LINE_TIME));
}

async fn serve_one<S>(
    router: Router,
    stream: S,
    entrance: Entrance,
    mut stopping: watch::Receiver<bool>,
    write_time: Duration,
) where
    S: AsyncRead + AsyncWrite + Fault + Unpin + Send,
{
    let outbox = Outbox::default();
    let carrier = Carrier::new(stream, outbox.clone(), write_time);
    let service = service_fn(move |request: http::Request<Incoming>| {
        let (router, mut request) = (router.clone(), request.map(Body::new));
        request.extensions_mut().insert(outbox.clone());
        request.extensions_mut().insert(entrance.clone());
        Box::pin(async move { router.oneshot(request).await.map_err(|never: Infallible| never) })
    });
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEAD_TIME);
    let mut connection = builder.serve_connection(TokioIo::new(carrier), service);
    let ended = tokio::select! {
        ended = poll_fn(|context| connection.poll_without_shutdown(context)) => ended,
        () = stopped(&mut stopping) => {
            Pin::new(&mut connection).graceful_shutdown();
            poll_fn(|context| connection.poll_without_shutdown(context)).await
        }
    };
    // Also if it was ended because nothing more was asked: only the caller knows whether it has our last answer.
    let carrier = connection.into_parts().io.into_inner();
    let left =
        timeout(FAREWELL, carrier.take_leave()).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
    if let Err(error) = ended {
        debug!(%error, "a connection broke");
    } else if let Err(error) = left {
        debug!(%error, "a caller did not hang up in order");
    }
}
