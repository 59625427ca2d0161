//! Whether a coordinator lives and serves, told on the loopback interface to probes and scrapers. No more HTTP than they
//! need: the first line of a request, and a whole answer.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use keymoot_wire::door;
use metrics_exporter_prometheus::PrometheusHandle;
use serde_json::json;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

use crate::explain::{CONFIG_VALUE, PORT_IN_USE};
use crate::failure::{Failure, Trouble};

/// Connections at one time, what is read of one, and how long one may take.
const CONNECTIONS_MAX: usize = 32;
const HEAD_MAX: u64 = 8 * 1024;
const LIFE: Duration = Duration::from_secs(5);

/// Why it does not serve; nothing if it does.
type Reasons = Arc<dyn Fn() -> Vec<String> + Send + Sync>;

/// Answers for as long as the process lives. Says where.
pub async fn serve(
    address: SocketAddr,
    reasons: impl Fn() -> Vec<String> + Send + Sync + 'static,
    metrics: PrometheusHandle,
) -> Result<SocketAddr, Failure> {
    if !address.ip().is_loopback() {
        return Err(Trouble::new(CONFIG_VALUE, "`health` must be a loopback address").into());
    }
    let refused = |error| {
        let what = format!("{address} cannot be listened on");
        Trouble::new(PORT_IN_USE, what).undone("nothing was left running").because(error)
    };
    let listener = TcpListener::bind(address).await.map_err(refused)?;
    let bound = listener.local_addr().map_err(refused)?;
    let (room, reasons): (_, Reasons) = (Arc::new(Semaphore::new(CONNECTIONS_MAX)), Arc::new(reasons));
    tokio::spawn(async move {
        loop {
            let Ok(place) = Arc::clone(&room).acquire_owned().await else { return };
            let (stream, _) = door::next(|| listener.accept()).await;
            let (reasons, metrics) = (Arc::clone(&reasons), metrics.clone());
            tokio::spawn(async move {
                // Whoever is slow or breaks off has its own reasons.
                let _ = tokio::time::timeout(LIFE, answer(stream, &reasons, &metrics)).await;
                drop(place);
            });
        }
    });
    Ok(bound)
}

async fn answer(mut stream: TcpStream, reasons: &Reasons, metrics: &PrometheusHandle) -> std::io::Result<()> {
    let (read, mut write) = stream.split();
    let mut head = BufReader::new(read.take(HEAD_MAX));
    let mut first = String::new();
    head.read_line(&mut first).await?;
    // All of the head, so that closing does not take the answer back.
    let mut line = String::new();
    while head.read_line(&mut line).await? > 2 {
        line.clear();
    }
    let (status, kind, body) = respond(&first, reasons, metrics);
    let length = body.len();
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
    );
    write.write_all(head.as_bytes()).await?;
    write.write_all(body.as_bytes()).await?;
    write.shutdown().await
}

fn respond(
    first: &str,
    reasons: &Reasons,
    metrics: &PrometheusHandle,
) -> (&'static str, &'static str, String) {
    const TEXT: &str = "text/plain; charset=utf-8";
    let mut words = first.split_whitespace();
    match (words.next(), words.next()) {
        (Some("GET"), Some("/livez")) => ("200 OK", TEXT, "alive\n".to_owned()),
        (Some("GET"), Some("/metrics")) => ("200 OK", TEXT, metrics.render()),
        (Some("GET"), Some("/readyz")) => {
            let reasons = reasons();
            let status = if reasons.is_empty() { "200 OK" } else { "503 Service Unavailable" };
            let body = json!({ "ready": reasons.is_empty(), "reasons": reasons });
            (status, "application/json", format!("{body}\n"))
        }
        (Some("GET"), Some(_)) => {
            ("404 Not Found", TEXT, "there is /livez, /readyz and /metrics\n".to_owned())
        }
        _ => ("405 Method Not Allowed", TEXT, "only GET\n".to_owned()),
    }
}
