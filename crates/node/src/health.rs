//! Whether this node lives and serves, told on the loopback interface to whoever asks: a probe, a person, a scraper.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::{Method, Request, Response, StatusCode, header};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use keymoot_wire::door;
use keymoot_wire::stop::stopped;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};

use crate::config::{Health, Metrics};
use crate::fault::NodeFault;
use crate::status::Board;

/// Connections at one time.
const CONNECTIONS_MAX: usize = 32;

/// How long a connection may take for its headers, and live.
const HEADERS: Duration = Duration::from_secs(5);
const LIFE: Duration = Duration::from_secs(30);

/// Listens; says where.
pub(crate) async fn listen(health: &Health) -> Result<(TcpListener, SocketAddr), NodeFault> {
    let address = health.address;
    if !address.ip().is_loopback() {
        return Err(NodeFault::NotLoopback(address));
    }
    let failed = |source| NodeFault::Listen { address, source };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    Ok((listener, bound))
}

/// Answers until the node stops.
pub(crate) async fn serve(
    listener: TcpListener,
    board: Arc<Board>,
    metrics: Option<Metrics>,
    mut stop: watch::Receiver<bool>,
) {
    let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let Ok(permit) = Arc::clone(&room).acquire_owned().await else { return };
        let accepted = tokio::select! {
            () = stopped(&mut stop) => return,
            accepted = door::next(|| listener.accept()) => accepted,
        };
        let (stream, _) = accepted;
        let (board, metrics) = (Arc::clone(&board), metrics.clone());
        tokio::spawn(async move {
            // Whoever is slow or breaks off has its own reasons.
            let _ = tokio::time::timeout(LIFE, connection(stream, &board, metrics.as_ref())).await;
            drop(permit);
        });
    }
}

async fn connection(stream: TcpStream, board: &Board, metrics: Option<&Metrics>) -> hyper::Result<()> {
    let service = service_fn(|request: Request<Incoming>| {
        let response = answer(request.method(), request.uri().path(), board, metrics);
        async move { Ok::<_, Infallible>(response) }
    });
    hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADERS)
        .serve_connection(TokioIo::new(stream), service)
        .await
}

fn answer(method: &Method, path: &str, board: &Board, metrics: Option<&Metrics>) -> Response<String> {
    if method != Method::GET && method != Method::HEAD {
        return plain(StatusCode::METHOD_NOT_ALLOWED, "only GET\n".to_owned());
    }
    match path {
        "/livez" => plain(StatusCode::OK, "alive\n".to_owned()),
        "/readyz" => {
            let reasons = board.status().reasons();
            let status = if reasons.is_empty() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
            json(status, &reasons)
        }
        "/metrics" => match metrics {
            Some(render) => plain(StatusCode::OK, render()),
            None => plain(StatusCode::NOT_FOUND, "this process records no metrics\n".to_owned()),
        },
        _ => plain(StatusCode::NOT_FOUND, "there is /livez, /readyz and /metrics\n".to_owned()),
    }
}

fn plain(status: StatusCode, text: String) -> Response<String> {
    respond(status, "text/plain; charset=utf-8", text)
}

fn json(status: StatusCode, reasons: &[String]) -> Response<String> {
    let text = serde_json::json!({ "ready": reasons.is_empty(), "reasons": reasons });
    respond(status, "application/json", format!("{text}\n"))
}

fn respond(status: StatusCode, kind: &'static str, text: String) -> Response<String> {
    let mut response = Response::new(text);
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static(kind));
    response
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use http::{Method, StatusCode};

    use super::{answer, listen};
    use crate::config::{Health, Metrics};
    use crate::fault::NodeFault;
    use crate::status::{Board, JournalState};

    #[tokio::test]
    async fn nobody_else_on_the_network_is_told_anything() {
        for address in ["0.0.0.0:0", "[::]:0", "192.0.2.1:0"] {
            let health = Health { address: address.parse().unwrap(), metrics: None };
            assert!(matches!(listen(&health).await, Err(NodeFault::NotLoopback(_))), "{address}");
        }
        let health = Health { address: "127.0.0.1:0".parse().unwrap(), metrics: None };
        assert!(listen(&health).await.is_ok());
    }

    #[test]
    fn probes_are_answered_with_reasons() {
        let board = Board::new("node-1", std::iter::once("coordinator-1".to_owned()));
        let get = |path: &str, metrics: Option<&Metrics>| {
            let response = answer(&Method::GET, path, &board, metrics);
            (response.status(), response.into_body())
        };
        assert_eq!(get("/livez", None).0, StatusCode::OK);
        let (status, body) = get("/readyz", None);
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
        assert!(body.contains("no coordinator is connected"), "{body}");
        board.journal(JournalState::Fine);
        board.link(0, |link| link.is_up = true);
        assert_eq!(get("/readyz", None), (StatusCode::OK, "{\"ready\":true,\"reasons\":[]}\n".to_owned()));
        assert_eq!(get("/metrics", None).0, StatusCode::NOT_FOUND);
        let metrics: Metrics = Arc::new(|| "a 1\n".to_owned());
        assert_eq!(get("/metrics", Some(&metrics)), (StatusCode::OK, "a 1\n".to_owned()));
        assert_eq!(get("/", None).0, StatusCode::NOT_FOUND);
        let posted = answer(&Method::POST, "/livez", &board, None);
        assert_eq!(posted.status(), StatusCode::METHOD_NOT_ALLOWED);
    }
}
