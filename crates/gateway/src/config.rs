//! What a gateway is started with.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use keymoot_wire::cluster::DocumentHandle;
use keymoot_wire::tls::{ClientCertificates, Identity};
use metrics_exporter_prometheus::PrometheusHandle;

/// Everything a gateway needs. Its name is that of its certificate.
pub struct GatewayConfig {
    /// Where to listen; port 0 for any.
    pub listen: SocketAddr,
    /// Whether clients need a certificate. Tokens and signed requests are needed in any case.
    pub client_certificates: ClientCertificates,
    /// The cluster document of the moment.
    pub document: DocumentHandle,
    /// Who we are.
    pub identity: Arc<Identity>,
    /// How much of everything.
    pub limits: Limits,
    /// What `/metrics` shows.
    pub metrics: PrometheusHandle,
}

/// How much of everything. Each of these is a bound on what a client can make the gateway hold.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limits {
    /// Bytes of a body.
    pub body_bytes: usize,
    /// Connections; whoever comes then waits in the backlog of the system.
    pub connections: usize,
    /// Requests in progress, the waiting ones included; more are answered with 429.
    pub requests: usize,
    /// Event streams; more are answered with 429.
    pub streams: usize,
    /// Requests a second of one client, over some time.
    pub rate: f64,
    /// Requests of one client at once, after a pause.
    pub burst: f64,
    /// For how long coordinators are asked, beside the time that the client wants to wait.
    pub budget: Duration,
    /// After this time an event stream ends, and its client has to show its token again.
    pub stream_time: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body_bytes: 2 << 20,
            connections: 4096,
            requests: 1024,
            streams: 256,
            rate: 2000.0,
            burst: 4000.0,
            budget: Duration::from_secs(10),
            stream_time: Duration::from_secs(15 * 60),
        }
    }
}
